//! SIP's extensions with SIPp at the other end: PRACK (RFC 3262), session timers (RFC 4028), and a re-INVITE that meets another.

use std::time::Duration;

use crate::sipp::{Sipp, tone_file};
use crate::switch::Switch;

#[test]
fn a_phone_is_acknowledged_and_a_reinvite_that_meets_another_is_tried_again() {
    let switch = Switch::start();
    let mut phone = Sipp::phone(&switch, "1001", "reliable_phone", &["-m", "1"]);
    Sipp::calls(&switch, "holder", &[]).succeeds(Duration::from_secs(60));
    phone.succeeds(Duration::from_secs(10));
}

#[test]
fn a_call_with_a_timer_is_refreshed_and_one_that_nobody_refreshes_ends() {
    let switch = Switch::start();
    tone_file(switch.folder(), 440.0);
    let _phone = Sipp::phone(&switch, "1001", "phone", &[]);
    let mut calls = ["refreshed", "forgetful"].map(|scenario| Sipp::calls(&switch, scenario, &[]));
    for call in &mut calls {
        call.succeeds(Duration::from_secs(90));
    }
}

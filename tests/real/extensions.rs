//! SIP's extensions with SIPp at the other end: PRACK (RFC 3262), session timers (RFC 4028), and a re-INVITE that meets another.

use std::net::SocketAddr;
use std::time::Duration;

use crate::sipp::{Sipp, free_port, tone_file};
use crate::switch::{PASSWORD, Switch};

/// The carrier's call to the support, by this scenario.
fn call(switch: &Switch, scenario: &str) -> Sipp {
    let from = free_port(switch.carrier);
    let to = SocketAddr::new(switch.address.into(), 5080);
    Sipp::run(switch.folder(), scenario, from, to, &["-m", "1", "-s", "+4930555010"])
}

/// Anna's phone, registered, by this scenario.
fn phone(switch: &Switch, scenario: &str, more: &[&str]) -> Sipp {
    let phone = free_port(switch.address);
    let internal = SocketAddr::new(switch.address.into(), 5060);
    let (contact, from) = (phone.port().to_string(), free_port(switch.address));
    let who = ["-m", "1", "-s", "1001", "-au", "1001", "-ap", PASSWORD];
    // SIPp signs its target unless told otherwise, phones the Request-URI.
    let how = ["-auth_uri", "real.test", "-key", "contact_port", &contact];
    let both: Vec<&str> = who.into_iter().chain(how).collect();
    Sipp::run(switch.folder(), "register", from, internal, &both).succeeds(Duration::from_secs(10));
    Sipp::run(switch.folder(), scenario, phone, internal, more)
}

#[test]
fn a_phone_is_acknowledged_and_a_reinvite_that_meets_another_is_tried_again() {
    let switch = Switch::start();
    let mut phone = phone(&switch, "reliable_phone", &["-m", "1"]);
    call(&switch, "holder").succeeds(Duration::from_secs(60));
    phone.succeeds(Duration::from_secs(10));
}

#[test]
fn a_call_with_a_timer_is_refreshed_and_one_that_nobody_refreshes_ends() {
    let switch = Switch::start();
    tone_file(switch.folder(), 440.0);
    let _phone = phone(&switch, "phone", &[]);
    let mut calls = ["refreshed", "forgetful"].map(|scenario| call(&switch, scenario));
    for call in &mut calls {
        call.succeeds(Duration::from_secs(90));
    }
}

//! The process dies, and the next one keeps its promises.

use crate::lab::{Lab, ms, secs};

const SUPPORT: &str = "+4930555010";

#[test]
fn after_a_crash_nobody_is_left_in_a_dead_call_and_phones_are_still_known() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
    lab.talk(secs(3));
    lab.crashes();
    caller.is_hung_up();
    bob.is_hung_up();

    let again = lab.carrier("north");
    again.invites(SUPPORT).expects("200 OK").acks();
    again.hears_prompt("en/consent").presses('2');
    bob.rings(secs(20)).answers();
    again.hangs_up();
    bob.is_hung_up();
}

//! The process dies, and the next one keeps its promises.

use crate::lab::{Lab, Party, Weather, ms, secs};

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

/// A recorded call, whose phones answer by themselves.
fn talking(lab: &Lab) -> (Party, Party) {
    let bob = lab.agent("bob").answers_after(ms(300));
    let caller = lab.carrier("north").polite();
    caller.invites(SUPPORT).hears_prompt("en/consent").presses('1');
    lab.talk(secs(2));
    (caller, bob)
}

#[test]
fn a_call_that_was_held_is_hung_up_too_and_by_a_number_that_stands() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    // Every change of mind is a re-INVITE of ours to the other side, of which the journal knows nothing.
    for direction in ["sendonly", "sendrecv", "sendonly"] {
        caller.reinvites(direction);
        lab.advance(secs(1));
    }
    lab.crashes();
    caller.expects("BYE");
    bob.expects("BYE");
    lab.advance(secs(1));
    lab.has_said_goodbye();
}

#[test]
fn wherever_the_process_dies_its_promises_are_kept() {
    let (mut recorded, mut torn) = (0, 0);
    for outputs in 0..60 {
        let lab = Lab::seeded(outputs as u64);
        let bob = lab.agent("bob").answers_after(ms(300));
        lab.advance(secs(1));
        lab.journal_takes_up_to(ms(100 * (outputs as u64 % 6)));
        lab.weather(Weather { late: 30, ..Weather::FINE });
        lab.crashes_after(outputs);
        let caller = lab.carrier("north").polite();
        caller.invites(SUPPORT);
        lab.advance(secs(8));
        caller.presses('1');
        lab.advance(ms(500));
        lab.talk(secs(2));
        caller.reinvites("sendonly");
        lab.advance(secs(1));
        caller.reinvites("sendrecv");
        lab.advance(secs(1));
        caller.says_bye();
        lab.advance(secs(40));
        lab.lives_on();
        lab.has_said_goodbye();
        bob.says_bye();
        lab.settles();
        recorded += lab.recordings().len();
        torn += usize::from(lab.deaths() > 0 && !lab.recordings().is_empty());
    }
    assert!(recorded > 10 && torn > 10, "{recorded} recorded, {torn} with a crash");
}

#[test]
fn a_recording_that_was_cut_off_is_finished_by_the_next_start() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    lab.talk(secs(3));
    lab.crashes();
    caller.expects("BYE");
    bob.expects("BYE");
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(recording.sealed && recording.seconds() > 4.5, "{} s", recording.seconds());
    assert_eq!(lab.cdrs()[0].end_cause.as_deref(), Some("interrupted"));
}

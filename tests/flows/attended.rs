//! Attended transfer: a consultation call, then REFER with Replaces. The two calls become one, and the customer's is what remains.

use tonspur::phone::tone_level;

use crate::lab::{Lab, Party, assert_ladder, ms, secs};

/// Asked for consent, then bob.
const BOB: &str = "+4930555013";

/// A recorded call of a customer and bob, whom the customer is then held by.
fn held(lab: &Lab) -> (Party, Party) {
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(BOB).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
    lab.talk(secs(2));
    bob.reinvites("sendonly");
    caller.is_reinvited();
    bob.expects("200 OK").acks();
    (caller, bob)
}

/// Bob's second line: calls this number, and has been answered.
fn consults(lab: &Lab, number: &str, answers: &Party) -> Party {
    let line = lab.phone("bob");
    line.invites(number);
    answers.rings(ms(500)).answers();
    line.expects("200 OK").acks();
    line
}

fn hear_each_other(lab: &Lab, one: &Party, other: &Party) {
    for party in [one, other] {
        party.forgets_what_it_heard();
    }
    lab.talk(secs(2));
    one.hears(other);
    other.hears(one);
}

#[test]
fn two_calls_become_one_and_the_recording_goes_on() {
    let lab = Lab::new();
    let (caller, bob) = held(&lab);
    let alice = lab.agent("alice");
    let line = consults(&lab, "202", &alice);
    bob.refers_to_dialog_of(&line, "202").is_told("100 Trying").is_told("200 OK");
    caller.is_reinvited();
    line.is_hung_up();
    bob.hangs_up();
    hear_each_other(&lab, &caller, &alice);
    caller.hangs_up();
    alice.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    let end = &recording.right[recording.right.len() - 8_000..];
    assert!(tone_level(end, alice.tone()) > 2_000.0);
    let [first, second] = &lab.cdrs()[..] else { panic!("two calls") };
    assert_eq!(first.transferred_to.as_ref().map(|to| to.reveal().as_str()), Some("202"));
    assert_eq!((second.merged_into, first.merged_into), (Some(first.call), None));
    assert_eq!(second.end_cause.as_deref(), Some("transferred"));
    assert_ladder!(lab);
}

#[test]
fn whichever_of_the_two_calls_is_referred_the_customers_goes_on() {
    let lab = Lab::new();
    let (caller, bob) = held(&lab);
    let alice = lab.agent("alice");
    let line = consults(&lab, "202", &alice);
    let number = caller.number();
    line.refers_to_dialog_of(&bob, &number).is_told("200 OK").is_hung_up();
    caller.is_reinvited();
    bob.is_hung_up();
    hear_each_other(&lab, &caller, &alice);
    alice.hangs_up();
    caller.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    let end = &recording.right[recording.right.len() - 8_000..];
    assert!(recording.seconds() > 3.5 && tone_level(end, alice.tone()) > 2_000.0);
    let [first, second] = &lab.cdrs()[..] else { panic!("two calls") };
    assert_eq!((second.merged_into, first.merged_into), (Some(first.call), None));
}

#[test]
fn whoever_has_not_agreed_is_not_recorded_after_it() {
    let lab = Lab::new();
    let (caller, bob) = held(&lab);
    let carol = lab.agent("carol");
    let line = consults(&lab, "203", &carol);
    bob.refers_to_dialog_of(&line, "203").is_told("100").is_told("200");
    caller.is_reinvited();
    line.is_hung_up();
    bob.hangs_up();
    hear_each_other(&lab, &caller, &carol);
    caller.hangs_up();
    carol.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(tone_level(&recording.right, carol.tone()) < 100.0);
    assert!(recording.left[20_000..].iter().all(|sample| *sample == 0));
}

#[test]
fn a_consultation_outside_is_joined_over_two_trunks() {
    let lab = Lab::new();
    let (caller, bob) = held(&lab);
    let outside = lab.carrier("south");
    let line = lab.phone("bob");
    line.invites("9301234567");
    outside.receives("INVITE");
    outside.replies(180, "Ringing").answers();
    line.expects("200 OK").acks();
    bob.refers_to_dialog_of(&line, "9301234567").is_told("100").is_told("200");
    caller.is_reinvited();
    line.is_hung_up();
    bob.hangs_up();
    hear_each_other(&lab, &caller, &outside);
    outside.hangs_up();
    caller.is_hung_up();
    lab.settles();
    let cdrs = lab.cdrs();
    let to = cdrs[0].transferred_to.as_ref().map(|to| to.reveal().as_str());
    assert_eq!(to, Some("+49301234567"));
}

#[test]
fn a_consultation_that_still_rings_is_rung_for_the_caller() {
    let lab = Lab::new();
    let (caller, bob) = held(&lab);
    let alice = lab.agent("alice");
    let line = lab.phone("bob");
    line.invites("202");
    alice.rings(ms(500));
    line.expects("180");
    bob.refers_to_dialog_of(&line, "202").is_told("100").is_told("180");
    line.expects("480");
    alice.answers();
    caller.is_reinvited();
    bob.is_told("200").hangs_up();
    hear_each_other(&lab, &caller, &alice);
    alice.hangs_up();
    caller.is_hung_up();
}

#[test]
fn a_consultation_that_is_not_answered_gives_the_caller_back() {
    let lab = Lab::new();
    let (caller, bob) = held(&lab);
    let alice = lab.agent("alice");
    let line = lab.phone("bob");
    line.invites("202");
    alice.rings(ms(500));
    line.expects("180");
    bob.refers_to_dialog_of(&line, "202").is_told("100").is_told("180");
    line.expects("480");
    alice.replies(486, "Busy Here").expects("ACK");
    bob.is_told("486");
    bob.reinvites("sendrecv");
    caller.is_reinvited();
    bob.expects("200 OK").acks();
    hear_each_other(&lab, &caller, &bob);
    bob.hangs_up();
    caller.is_hung_up();
}

#[test]
fn nobody_gives_away_what_is_not_theirs() {
    let lab = Lab::new();
    let (caller, bob) = held(&lab);
    let (alice, carol) = (lab.agent("alice"), lab.agent("carol"));
    alice.invites("203");
    carol.rings(ms(500)).answers();
    alice.expects("200 OK").acks();
    // By the dialog of somebody else, and by one's own.
    bob.refers_to_dialog_of(&alice, "202").expects("403");
    bob.refers_to_dialog_of(&bob, "202").expects("403");
    alice.hangs_up();
    carol.is_hung_up();
    lab.advance(secs(1));
    bob.refers_to_dialog_of(&alice, "202").expects("481");
    bob.hangs_up();
    caller.is_hung_up();
}

#[test]
fn a_transfer_of_a_transfer_is_one_conversation() {
    let lab = Lab::new();
    let (caller, bob) = held(&lab);
    let (alice, carol) = (lab.agent("alice"), lab.agent("carol"));
    let line = consults(&lab, "202", &alice);
    bob.refers_to_dialog_of(&line, "202").is_told("100").is_told("200");
    caller.is_reinvited();
    line.is_hung_up();
    bob.hangs_up();
    alice.refers("203").is_told("100");
    carol.rings(ms(500)).answers();
    alice.is_told("180").is_told("200").hangs_up();
    hear_each_other(&lab, &caller, &carol);
    carol.refers("201").is_told("100");
    bob.rings(ms(500)).answers();
    carol.is_told("180").is_told("200").hangs_up();
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    let end = &recording.right[recording.right.len() - 8_000..];
    assert!(tone_level(end, bob.tone()) > 2_000.0);
    assert!(tone_level(&recording.right, carol.tone()) < 100.0);
}

#[test]
fn after_a_crash_both_who_were_joined_are_told() {
    let lab = Lab::new();
    let (caller, bob) = held(&lab);
    let alice = lab.agent("alice");
    let line = consults(&lab, "202", &alice);
    bob.refers_to_dialog_of(&line, "202").is_told("100").is_told("200");
    caller.is_reinvited();
    line.is_hung_up();
    bob.hangs_up();
    lab.advance(secs(1));
    lab.crashes();
    caller.is_hung_up();
    alice.is_hung_up();
}

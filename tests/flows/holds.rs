//! Hold and resume, from either side, and what happens when both ask at once.

use crate::lab::{Lab, Party, assert_ladder, ms, secs};

const SUPPORT: &str = "+4930555010";

/// A recorded call in which both have spoken for three seconds.
fn talking(lab: &Lab) -> (Party, Party) {
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
    lab.talk(secs(3));
    (caller, bob)
}

/// One side changes the direction of its audio, and the other follows.
fn changes(one: &Party, other: &Party, direction: &str) {
    one.reinvites(direction);
    let request = other.receives("INVITE");
    other.agrees_to(&request).expects("ACK");
    one.expects("200 OK").acks();
}

#[test]
fn either_side_may_hold_and_resume_and_the_hold_is_silent_in_the_recording() {
    for agent_holds in [false, true] {
        let lab = Lab::new();
        let (caller, bob) = talking(&lab);
        let (one, other) = if agent_holds { (&bob, &caller) } else { (&caller, &bob) };
        changes(one, other, "sendonly");
        lab.talk(secs(3));
        changes(one, other, "sendrecv");
        for party in [&caller, &bob] {
            party.forgets_what_it_heard();
        }
        lab.talk(secs(3));
        caller.hears(&bob);
        bob.hears(&caller);
        caller.hangs_up();
        bob.is_hung_up();
        lab.settles();
        let [recording] = &lab.recordings()[..] else { panic!("one recording") };
        assert!((recording.seconds() - 9.0).abs() < 0.5, "{} s", recording.seconds());
        for side in [&recording.left, &recording.right] {
            assert!(side[8_000..16_000].iter().any(|&sample| sample != 0));
            assert!(side[28_000..44_000].iter().all(|&sample| sample == 0), "{agent_holds}");
            assert!(side[56_000..64_000].iter().any(|&sample| sample != 0));
        }
    }
}

#[test]
fn hold_and_resume_are_told_to_the_other_side() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    for (one, other) in [(&caller, &bob), (&bob, &caller)] {
        changes(one, other, "sendonly");
        lab.advance(secs(1));
        changes(one, other, "sendrecv");
    }
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

/// The other side refuses our re-INVITE with 491; how long until it comes again.
fn asked_again_after(lab: &Lab, one: &Party, other: &Party) -> std::time::Duration {
    one.reinvites("sendonly");
    let request = other.receives("INVITE");
    other.answers_to(&request, 491, "Request Pending").expects("ACK");
    let told = lab.clock();
    one.expects("200 OK").acks();
    let again = other.receives("INVITE");
    let waited = lab.clock() - told;
    other.agrees_to(&again).expects("ACK");
    waited
}

#[test]
fn a_491_is_tried_again_in_its_time_as_the_owner_of_the_call_id() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    let waited = asked_again_after(&lab, &caller, &bob);
    // RFC 3261 §14.1: we began the agent's leg.
    assert!((ms(2_100)..=ms(4_020)).contains(&waited), "{waited:?}");
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab, untimed);
}

#[test]
fn a_491_is_tried_again_in_its_time_as_the_guest_of_the_call_id() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    let waited = asked_again_after(&lab, &bob, &caller);
    // The caller began this leg.
    assert!(waited <= ms(2_020), "{waited:?}");
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab, untimed);
}

/// RFC 3261 §12.2.1.2, §14.1: 481 and 408 end the dialog, no other refusal does.
#[test]
fn a_far_side_that_knows_nothing_of_the_call_any_more_has_left_it() {
    for (status, phrase) in [(481, "Call/Transaction Does Not Exist"), (408, "Request Timeout")] {
        let lab = Lab::new();
        let (caller, bob) = talking(&lab);
        caller.reinvites("sendonly").expects("200 OK").acks();
        let told = bob.receives("INVITE");
        bob.answers_to(&told, status, phrase).expects("ACK").expects("BYE");
        caller.is_hung_up();
    }
}

#[test]
fn who_asks_second_is_told_to_wait() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    caller.reinvites("sendonly");
    bob.reinvites("sendonly");
    let request = bob.receives("INVITE");
    bob.expects("491");
    bob.agrees_to(&request).expects("ACK");
    caller.expects("200 OK").acks();
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

//! How calls end when not everything goes by the book: whatever was open is closed, and the row says who it was.

use tonspur::switch::control::{Reply, Request};

use crate::lab::{Lab, Party, ms, secs};

const SUPPORT: &str = "+4930555010";
const BOB_DIRECTLY: &str = "+4930555012";

/// An unrecorded call, up.
fn talking(lab: &Lab, caller: &Party, bob: &Party) {
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(500)).answers();
    caller.expects("200 OK").acks();
    lab.talk(secs(1));
}

/// The caller holds, and the agent's phone follows.
fn holds(caller: &Party, bob: &Party) {
    caller.reinvites("sendonly");
    let request = bob.receives("INVITE");
    bob.agrees_to(&request).expects("ACK");
    caller.expects("200 OK").acks();
}

fn end_cause(lab: &Lab) -> String {
    lab.cdrs()[0].end_cause.clone().expect("an ended call")
}

fn calls(lab: &Lab) -> usize {
    let Reply::Calls { calls } = lab.asks(Request::CallList) else { panic!("a list") };
    calls.len()
}

#[test]
fn a_reinvite_that_is_never_answered_ends_with_its_call() {
    for agent_leaves in [false, true] {
        let lab = Lab::new();
        let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
        talking(&lab, &caller, &bob);
        caller.reinvites("sendonly").expects("200 OK").acks();
        let request = bob.receives("INVITE");
        bob.answers_to(&request, 100, "Trying");
        lab.advance(secs(1));
        if agent_leaves {
            bob.hangs_up();
            caller.is_hung_up();
        } else {
            // Bob's phone is dead: not even the BYE is answered.
            caller.hangs_up();
            bob.expects("CANCEL");
        }
        lab.settles();
    }
}

#[test]
fn a_late_answer_to_a_reinvite_of_a_call_that_ends_is_acknowledged_and_no_more() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    talking(&lab, &caller, &bob);
    caller.reinvites("sendonly").expects("200 OK").acks();
    let request = bob.receives("INVITE");
    caller.hangs_up();
    let bye = bob.receives("BYE");
    bob.agrees_to(&request).expects("ACK").answers_to(&bye, 200, "OK").gets_no("BYE", secs(1));
}

#[test]
fn a_phone_that_says_bye_while_it_rings_has_refused() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).hangs_up();
    let refusal = caller.receives_within("480 Temporarily Unavailable", secs(1));
    assert_eq!(refusal.header("Retry-After"), "");
    bob.expects("ACK");
    lab.settles();
    let cdr = &lab.cdrs()[0];
    assert_eq!((cdr.end_cause.as_deref(), cdr.status), (Some("no answer"), Some(480)));
}

#[test]
fn one_phone_that_says_bye_while_it_rings_leaves_the_call_to_the_other() {
    let lab = Lab::new();
    let (desk, mobile) = (lab.phone("bob").registers(), lab.phone("bob").registers());
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    desk.rings(ms(100));
    mobile.rings(ms(100));
    desk.hangs_up();
    mobile.answers();
    caller.expects("200 OK").acks().hangs_up();
    mobile.is_hung_up();
}

#[test]
fn a_held_call_whose_phones_are_gone_ends() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    talking(&lab, &caller, &bob);
    holds(&caller, &bob);
    lab.advance(secs(170));
    assert_eq!(calls(&lab), 1);
    lab.advance(secs(50));
    caller.expects("OPTIONS").expects("BYE");
    bob.expects("OPTIONS").expects("BYE");
    lab.settles();
    assert!(end_cause(&lab).ends_with(" was lost"), "{}", end_cause(&lab));
}

#[test]
fn a_held_call_lasts_as_long_as_both_phones_are_there() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north").polite(), lab.phone("bob").registers().polite());
    talking(&lab, &caller, &bob);
    caller.reinvites("sendonly");
    lab.advance(secs(3_600));
    assert_eq!(calls(&lab), 1);
    // One of them has forgotten the call.
    caller.expects("OPTIONS");
    caller.reinvites("sendrecv").expects("200 OK");
    lab.advance(ms(100));
    caller.hangs_up();
    bob.expects("BYE");
    assert_eq!(end_cause(&lab), "caller hung up");
}

#[test]
fn a_phone_that_knows_nothing_of_a_held_call_has_left_it() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north").polite(), lab.phone("bob").registers());
    talking(&lab, &caller, &bob);
    holds(&caller, &bob);
    let asked = bob.receives_within("OPTIONS", secs(181));
    bob.answers_to(&asked, 481, "Call/Transaction Does Not Exist");
    caller.receives_within("BYE", secs(1));
    assert_eq!(end_cause(&lab), "agent was lost");
}

#[test]
fn a_key_passed_on_to_a_phone_that_knows_nothing_of_the_call_ends_it() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    talking(&lab, &caller, &bob);
    caller.presses_by_info('5');
    let info = bob.receives("INFO");
    bob.answers_to(&info, 200, "OK");
    lab.advance(secs(1));
    assert_eq!(calls(&lab), 1);
    caller.presses_by_info('6');
    let info = bob.receives("INFO");
    bob.answers_to(&info, 481, "Call/Transaction Does Not Exist");
    caller.is_hung_up();
    assert_eq!(end_cause(&lab), "agent was lost");
}

#[test]
fn a_reinvite_whose_200_is_never_acknowledged_ends_the_call() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    talking(&lab, &caller, &bob);
    caller.reinvites("sendrecv").expects("200 OK");
    lab.advance(secs(31));
    assert_eq!(calls(&lab), 1);
    caller.is_hung_up();
    bob.is_hung_up();
    assert_eq!(end_cause(&lab), "no ACK from the caller");
}

#[test]
fn whoever_asks_anew_instead_of_acknowledging_is_served_all_the_same() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    talking(&lab, &caller, &bob);
    caller.reinvites("sendrecv").expects("200 OK");
    caller.reinvites("sendrecv").expects("200 OK").acks();
    lab.talk(secs(40));
    assert_eq!(calls(&lab), 1);
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn an_update_without_an_offer_is_in_the_way_of_nothing() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    caller.expects("180 Ringing").updates().expects("200 OK");
    bob.answers();
    caller.expects("200 OK").acks();
    lab.talk(secs(1));
    caller.reinvites("sendonly").expects("200 OK").acks();
    let request = bob.receives("INVITE");
    bob.updates().expects("200 OK").agrees_to(&request).expects("ACK");
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn why_the_caller_gave_up_is_told_to_the_phones() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    let why = "SIP;cause=200;text=\"Call completed elsewhere\"";
    caller.expects("180 Ringing").cancels_because(why).expects("487");
    assert_eq!(bob.receives("CANCEL").header("Reason"), why);
}

#[test]
fn the_row_says_which_side_ended_the_call() {
    let lab = Lab::new();
    let (alice, bob) = (lab.phone("alice").registers(), lab.phone("bob").registers());
    bob.invites("202");
    alice.rings(ms(100)).answers();
    bob.expects("200 OK").acks();
    lab.talk(secs(1));
    alice.hangs_up();
    bob.is_hung_up();
    assert_eq!(end_cause(&lab), "called side hung up");
}

#[test]
fn the_row_says_who_fell_silent() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    talking(&lab, &caller, &bob);
    lab.advance(secs(280));
    caller.is_hung_up();
    bob.is_hung_up();
    assert!(end_cause(&lab).starts_with("no audio from the "), "{}", end_cause(&lab));
}

#[test]
fn what_an_unanswered_caller_got_is_in_the_row_whoever_ended_the_call() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    let Reply::Calls { calls } = lab.asks(Request::CallList) else { panic!("a list") };
    lab.asks(Request::CallHangup { call: calls[0].call.clone() });
    caller.expects("480 Temporarily Unavailable");
    lab.settles();
    let cdr = &lab.cdrs()[0];
    assert_eq!((cdr.end_cause.as_deref(), cdr.status), (Some("hung up by an admin"), Some(480)));
}

#[test]
fn the_goodbye_after_a_crash_finds_its_way_and_is_in_order() {
    let lab = Lab::new();
    let bob = lab.agent("bob").polite();
    let caller = lab.carrier("north").polite();
    caller.invites(SUPPORT).expects("200 OK");
    caller.hears_prompt("en/consent").presses('2');
    bob.rings(ms(500)).answers();
    lab.talk(secs(1));
    for direction in ["sendonly", "sendrecv", "inactive", "sendrecv"] {
        caller.reinvites(direction).expects("200 OK");
        lab.talk(secs(1));
    }
    // The carrier moves the call to another of its ports.
    caller.moves_to(5_090).reinvites("sendrecv").expects("200 OK");
    lab.advance(secs(1));
    lab.crashes();
    caller.expects("BYE");
    bob.expects("BYE");
    lab.settles();
    assert!(!lab.ladder().contains(" 500 "), "{}", lab.ladder());
}

#[test]
fn a_caller_who_wants_it_to_ring_no_longer_is_let_go_then() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.adds("Expires: 5\r\n").invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    caller.expects("180 Ringing").gets_no("487", ms(4_800));
    caller.expects("487 Request Terminated");
    bob.expects("CANCEL");
    lab.settles();
    // Who has the call by then keeps it.
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).answers();
    caller.expects("200 OK").acks().gets_no("BYE", secs(6)).hangs_up();
    bob.is_hung_up();
}

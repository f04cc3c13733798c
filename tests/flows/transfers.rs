//! Blind transfer: the call goes on without whoever asked for it, and comes back to them if nobody takes it. The recording is one, and
//! hears only those who may be recorded.

use std::sync::Arc;
use std::time::Duration;

use tonspur::media::Silence;
use tonspur::phone::tone_level;
use tonspur::switch::journal::{AgentStatus, Entry};

use crate::lab::{Lab, Party, assert_ladder, ms, secs};

/// Asked for consent, then the queue of bob and alice.
const SUPPORT: &str = "+4930555010";
/// Asked for consent, then bob.
const BOB: &str = "+4930555013";
/// Bob, not recorded.
const BOB_UNRECORDED: &str = "+4930555012";

/// A recorded call of a customer and bob, in which both have spoken.
fn talking(lab: &Lab, number: &str) -> (Party, Party) {
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(number).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
    lab.talk(secs(2));
    (caller, bob)
}

/// The same, not recorded.
pub(crate) fn talking_unrecorded(lab: &Lab) -> (Party, Party) {
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(BOB_UNRECORDED);
    bob.rings(ms(500)).answers();
    caller.expects("200 OK").acks();
    (caller, bob)
}

/// Each of these hears the other, and nobody else is heard.
pub(crate) fn hear_each_other(lab: &Lab, one: &Party, other: &Party) {
    for party in [one, other] {
        party.forgets_what_it_heard();
    }
    lab.talk(secs(2));
    one.hears(other);
    other.hears(one);
}

#[test]
fn a_transferred_call_goes_on_in_one_recording() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab, SUPPORT);
    let alice = lab.agent("alice");
    bob.refers("202").expects("202 Accepted").is_told("100 Trying");
    alice.rings(ms(500));
    bob.is_told("180 Ringing");
    alice.answers();
    bob.is_told("200 OK").hangs_up();
    hear_each_other(&lab, &caller, &alice);
    caller.hangs_up();
    alice.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(recording.sealed && recording.seconds() > 4.0);
    let half = recording.right.len() / 2;
    let level = |samples: &[i16], party: &Party| tone_level(samples, party.tone());
    assert!(level(&recording.right[..half], &bob) > 2_000.0);
    assert!(level(&recording.right[half..], &alice) > 2_000.0);
    assert!(level(&recording.left[half..], &caller) > 2_000.0);
    let [cdr] = &lab.cdrs()[..] else { panic!("one call") };
    assert_eq!(cdr.transferred_to.as_ref().map(|to| to.reveal().as_str()), Some("202"));
    assert_eq!(cdr.agent.as_deref(), Some("bob"), "who answered first");
}

#[test]
fn what_is_said_to_somebody_without_an_agreement_is_not_recorded() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab, BOB);
    let carol = lab.agent("carol");
    bob.refers("203").is_told("100 Trying");
    carol.rings(ms(500)).answers();
    bob.is_told("180 Ringing").is_told("200 OK").hangs_up();
    hear_each_other(&lab, &caller, &carol);
    let alice = lab.agent("alice");
    carol.refers("202").is_told("100 Trying");
    alice.rings(ms(500)).answers();
    carol.is_told("180 Ringing").is_told("200 OK").hangs_up();
    hear_each_other(&lab, &caller, &alice);
    caller.hangs_up();
    alice.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    let entries = lab.entries();
    let sealed = entries.iter().find_map(|entry| match entry {
        Entry::Sealed { sealed, .. } => Some(sealed),
        _ => None,
    });
    let [(Silence::Pause, from, to)] = sealed.expect("it is sealed").silences[..] else {
        panic!("one pause: {sealed:?}")
    };
    let (from, to) = (from.0 as usize, to.0 as usize);
    assert!(to - from > 16_000, "carol's two seconds");
    for side in [&recording.left, &recording.right] {
        assert!(side[from..to].iter().all(|sample| *sample == 0));
        assert!(side[..from].iter().any(|sample| *sample != 0));
        assert!(side[to..].iter().any(|sample| *sample != 0));
    }
    assert!(tone_level(&recording.right, carol.tone()) < 100.0);
    assert!(tone_level(&recording.right[to..], alice.tone()) > 2_000.0);
}

#[test]
fn a_recording_begins_with_the_first_agent_who_has_agreed() {
    let lab = Lab::new();
    let carol = lab.agent("carol");
    let caller = lab.carrier("north");
    caller.invites("+4930555014").expects("200 OK").acks();
    caller.hears_prompt("de/consent").presses('1');
    carol.rings(ms(500)).answers();
    lab.talk(secs(1));
    let alice = lab.agent("alice");
    carol.refers("202").is_told("100 Trying");
    alice.rings(ms(500)).answers();
    carol.is_told("180 Ringing").is_told("200 OK").hangs_up();
    lab.talk(secs(2));
    caller.hangs_up();
    alice.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(recording.seconds() < 3.0 && tone_level(&recording.right, alice.tone()) > 2_000.0);
    let [cdr] = &lab.cdrs()[..] else { panic!("one call") };
    assert!(cdr.recording.is_some() && cdr.unrecorded.is_none());
}

#[test]
fn a_caller_who_declined_is_not_recorded_wherever_they_are_transferred() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let alice = lab.agent("alice");
    let caller = lab.carrier("north");
    caller.invites(BOB).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('2');
    bob.rings(ms(500)).answers();
    bob.refers("202").is_told("100 Trying");
    alice.rings(ms(500)).answers();
    bob.is_told("180 Ringing").is_told("200 OK").hangs_up();
    lab.talk(secs(1));
    caller.hangs_up();
    alice.is_hung_up();
    lab.settles();
    assert_eq!(lab.recordings(), vec![]);
    assert_eq!(lab.cdrs()[0].unrecorded.as_deref(), Some("the caller declined"));
}

#[test]
fn outside_nobody_is_recorded_and_the_carrier_sees_the_number_of_whoever_transferred() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab, BOB);
    let outside = lab.carrier("south");
    bob.refers("9301234567").is_told("100 Trying");
    let invite = outside.receives("INVITE");
    assert!(invite.header("From").contains("+49305550201"), "{}", invite.text());
    assert_eq!(invite.header("Referred-By"), "", "no extension goes outside");
    outside.replies(180, "Ringing").answers();
    bob.is_told("180 Ringing").is_told("200 OK").hangs_up();
    hear_each_other(&lab, &caller, &outside);
    caller.hangs_up();
    outside.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(tone_level(&recording.right, outside.tone()) < 100.0);
    let (bobs, all) = (2 * 8_000, recording.left.len());
    assert!(recording.left[bobs + 8_000..all].iter().all(|sample| *sample == 0));
}

#[test]
fn the_target_is_told_by_whom_and_sees_the_caller() {
    let lab = Lab::new();
    let (caller, bob) = talking_unrecorded(&lab);
    let alice = lab.agent("alice");
    bob.refers_with("202", "Referred-By: <sip:director@office.example>\r\n").is_told("100 Trying");
    let invite = alice.receives("INVITE");
    assert_eq!(invite.header("Referred-By"), "<sip:201@office.example>", "as we know him");
    assert!(invite.header("From").contains(&caller.number()), "{}", invite.text());
    alice.replies(180, "Ringing").answers();
    bob.is_told("180 Ringing").is_told("200 OK").hangs_up();
    caller.hangs_up();
    alice.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn whoever_calls_may_transfer_too() {
    let lab = Lab::new();
    let (bob, alice, carol) = (lab.agent("bob"), lab.agent("alice"), lab.agent("carol"));
    bob.invites("202");
    alice.rings(ms(500)).answers();
    bob.expects("200 OK").acks();
    bob.refers("203").is_told("100 Trying");
    let invite = carol.receives("INVITE");
    assert!(invite.header("From").contains("<sip:202@"), "{}", invite.text());
    carol.replies(180, "Ringing").answers();
    bob.is_told("180 Ringing").is_told("200 OK").hangs_up();
    hear_each_other(&lab, &alice, &carol);
    // And who was transferred may transfer in turn.
    bob.gets_no("INVITE", ms(10));
    alice.refers("201").is_told("100 Trying");
    bob.rings(ms(500)).answers();
    alice.is_told("180 Ringing").is_told("200 OK").hangs_up();
    hear_each_other(&lab, &bob, &carol);
    bob.hangs_up();
    carol.is_hung_up();
    assert_eq!(lab.cdrs().len(), 1);
}

#[test]
fn a_call_that_nobody_takes_is_given_back() {
    let cases: [(&str, u16, &str); 2] =
        [("202", 486, "486 Busy Here"), ("202", 603, "603 Decline")];
    for (number, status, told) in cases {
        let lab = Lab::new();
        let (caller, bob) = talking(&lab, BOB);
        let alice = lab.agent("alice");
        bob.refers(number).is_told("100 Trying");
        alice.rings(ms(500));
        bob.is_told("180 Ringing");
        alice.replies(status, "No").expects("ACK");
        bob.is_told(told);
        hear_each_other(&lab, &caller, &bob);
        bob.hangs_up();
        caller.is_hung_up();
        lab.settles();
        let [recording] = &lab.recordings()[..] else { panic!("one recording") };
        let end = &recording.right[recording.right.len() - 8_000..];
        assert!(tone_level(end, bob.tone()) > 2_000.0, "it goes on");
        assert_eq!(lab.cdrs()[0].transferred_to, None);
    }
}

#[test]
fn a_number_that_leads_nowhere_is_told_and_nobody_loses_the_call() {
    for (number, told) in
        [("299", "404 Not Found"), ("0", "404 Not Found"), ("202", "480 Temporarily Unavailable")]
    {
        let lab = Lab::new();
        let (caller, bob) = talking_unrecorded(&lab);
        if number == "0" {
            bob.refers("777").is_told("100 Trying").is_told(told);
        } else {
            bob.refers(number).is_told("100 Trying").is_told(told);
        }
        hear_each_other(&lab, &caller, &bob);
        caller.hangs_up();
        bob.is_hung_up();
    }
}

#[test]
fn a_held_caller_is_back_on_hold_when_the_transfer_fails() {
    let lab = Lab::new();
    let (caller, bob) = talking_unrecorded(&lab);
    bob.reinvites("sendonly");
    caller.is_reinvited();
    bob.expects("200 OK").acks();
    bob.refers("202").is_told("100 Trying").is_told("480 Temporarily Unavailable");
    bob.reinvites("sendrecv");
    caller.is_reinvited();
    bob.expects("200 OK").acks();
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_held_caller_is_taken_off_hold_for_the_target() {
    let lab = Lab::new();
    let (caller, bob) = talking_unrecorded(&lab);
    let alice = lab.agent("alice");
    bob.reinvites("sendonly");
    caller.is_reinvited();
    bob.expects("200 OK").acks();
    bob.refers("202").is_told("100 Trying");
    alice.rings(ms(500)).answers();
    caller.is_reinvited();
    bob.is_told("180 Ringing").is_told("200 OK").hangs_up();
    hear_each_other(&lab, &caller, &alice);
    caller.hangs_up();
    alice.is_hung_up();
}

#[test]
fn whoever_hangs_up_at_once_ends_nothing_and_is_called_back_if_nobody_answers() {
    let lab = Lab::with(|settings| settings.ring = secs(20));
    let (caller, bob) = talking(&lab, BOB);
    let alice = lab.agent("alice");
    bob.refers("202").expects("202 Accepted").hangs_up();
    alice.rings(ms(500));
    lab.advance(secs(5));
    caller.gets_no("BYE", ms(10));
    let cancel = alice.receives_within("CANCEL", secs(30));
    drop(cancel);
    bob.rings(ms(500)).answers();
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();
    assert_eq!(lab.recordings().len(), 1);
}

#[test]
fn whoever_hangs_up_on_the_news_of_a_failed_transfer_is_called_back() {
    // What baresip does; where the two cross, the BYE comes a little later.
    for late in [Duration::ZERO, secs(1)] {
        let lab = Lab::new();
        let (caller, bob) = talking(&lab, SUPPORT);
        let alice = lab.agent("alice");
        bob.refers("202").is_told("100 Trying");
        alice.rings(ms(500));
        bob.is_told("180 Ringing");
        alice.replies(486, "Busy Here").expects("ACK");
        bob.is_told("486 Busy Here");
        lab.advance(late);
        bob.hangs_up();
        caller.gets_no("BYE", ms(10));
        bob.rings(ms(500)).answers();
        hear_each_other(&lab, &caller, &bob);
        // Who has the call back and hangs up then has ended it.
        bob.hangs_up();
        caller.is_hung_up();
        lab.settles();
        let [recording] = &lab.recordings()[..] else { panic!("one recording") };
        assert!(recording.sealed);
        let [cdr] = &lab.cdrs()[..] else { panic!("one call") };
        assert_eq!(cdr.end_cause.as_deref(), Some("agent hung up"));
    }
}

#[test]
fn a_transferor_who_stays_is_hung_up() {
    let lab = Lab::new();
    let (caller, bob) = talking_unrecorded(&lab);
    let alice = lab.agent("alice");
    bob.refers("202").is_told("100 Trying");
    alice.rings(ms(500)).answers();
    bob.is_told("180 Ringing").is_told("200 OK").gets_no("BYE", secs(2)).is_hung_up();
    caller.hangs_up();
    alice.is_hung_up();
}

#[test]
fn a_caller_who_leaves_meanwhile_ends_it_for_everybody() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab, SUPPORT);
    let alice = lab.agent("alice");
    bob.refers("202").is_told("100 Trying");
    alice.rings(ms(500));
    caller.hangs_up();
    alice.expects("CANCEL");
    bob.is_told("180 Ringing").is_told("487 Request Terminated").is_hung_up();
    lab.settles();
    assert!(lab.recordings()[0].sealed);
}

#[test]
fn a_transfer_to_a_queue_waits_there_and_is_done_for_whoever_sent_it() {
    let lab = Lab::with(|settings| {
        let route = settings.routes.iter_mut().find(|route| route.name == "90-internal");
        let to_sales = tonspur::switch::settings::Route {
            name: "89-sales".into(),
            numbers: vec![tonspur::switch::settings::NumberPattern::exactly("2999")],
            to: tonspur::switch::settings::Destination::Queue("sales".into()),
            ..route.expect("the colleagues' route").clone()
        };
        settings.routes.insert(0, to_sales);
    });
    let (caller, bob) = talking(&lab, SUPPORT);
    let carol = lab.agent("carol");
    bob.refers("2999").is_told("100 Trying").is_told("200 OK").hangs_up();
    carol.rings(secs(1)).answers();
    hear_each_other(&lab, &caller, &carol);
    caller.hangs_up();
    carol.is_hung_up();
    lab.settles();
    let statuses = lab.entries().into_iter().filter_map(|entry| match entry {
        Entry::AgentStatus { status, .. } => Some(status),
        _ => None,
    });
    assert!(statuses.into_iter().all(|status| status == AgentStatus::Available));
}

#[test]
fn a_carrier_may_transfer_where_that_is_said_and_is_recorded_no_more() {
    let lab = Lab::with(|settings| {
        settings.trunks.values_mut().for_each(|trunk| trunk.transfers = true);
    });
    let (caller, bob) = talking(&lab, BOB);
    // By the rules for calls of this carrier.
    caller.refers("202").is_told("100").is_told("404");
    let alice = lab.agent("alice");
    hear_each_other(&lab, &caller, &bob);
    caller.refers(SUPPORT).is_told("100").is_told("200").hangs_up();
    alice.rings(secs(1)).answers();
    lab.talk(secs(1));
    alice.hangs_up();
    bob.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(tone_level(&recording.right, alice.tone()) < 100.0);
    assert!(tone_level(&recording.left, alice.tone()) < 100.0);
}

#[test]
fn a_crash_in_mid_transfer_leaves_nobody_in_a_dead_call() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab, BOB);
    let alice = lab.agent("alice");
    bob.refers("202").is_told("100 Trying");
    alice.rings(ms(500));
    lab.crashes();
    bob.is_hung_up();
    caller.is_hung_up();
    alice.replies(486, "Busy Here");
}

#[test]
fn a_forward_to_which_a_transfer_came_in_vain_costs_none() {
    let lab = Lab::with(|settings| {
        let alice = settings.users.get_mut("202").expect("alice");
        Arc::make_mut(&mut alice.dialing).at_once = 1;
    });
    let (caller, bob) = talking_unrecorded(&lab);
    let (outside, _alice) = (lab.carrier("south"), lab.agent("alice"));
    lab.forwards("202", "always", Some("9301234567"));
    for _ in 0..3 {
        bob.refers("202").is_told("100");
        outside.receives("INVITE");
        outside.replies(486, "Busy Here").expects("ACK");
        bob.is_told("486");
    }
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
}

//! A recording that is not what it should be is noticed while the call is up, and of every answered call it is known what became of
//! its recording.

use tonspur::switch::control::{Reply, Request};
use tonspur::switch::settings::WhenFull;

use crate::lab::{Lab, Party, Trouble, ms, secs};

const SUPPORT: &str = "+4930555010";
const BOB_UNRECORDED: &str = "+4930555012";
const STALLED: &str = "nothing of the recording reaches the disk";
const CUSTOMER: &str = "nothing is heard of the customer in the recording";
const AGENT: &str = "nothing is heard of our side in the recording";

/// A recorded call that has begun.
fn recorded(lab: &Lab) -> (Party, Party) {
    let (bob, caller) = (lab.agent("bob"), lab.carrier("north"));
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
    (caller, bob)
}

fn alarms(lab: &Lab) -> Vec<String> {
    let Reply::Calls { calls } = lab.asks(Request::CallList) else { panic!("calls") };
    calls.into_iter().flat_map(|call| call.alarms).collect()
}

fn unrecorded(lab: &Lab) -> Vec<Option<String>> {
    lab.cdrs().into_iter().map(|cdr| cdr.unrecorded).collect()
}

#[test]
fn a_good_recording_raises_no_alarm_however_long() {
    let lab = Lab::new();
    let (caller, bob) = recorded(&lab);
    for _ in 0..12 {
        lab.talk(secs(10));
        assert!(alarms(&lab).is_empty(), "{:?}", alarms(&lab));
    }
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();
    assert_eq!(unrecorded(&lab), [None]);
}

#[test]
fn a_side_that_is_never_heard_is_an_alarm_within_ten_seconds_until_it_is() {
    let lab = Lab::new();
    let (caller, bob) = recorded(&lab);
    lab.talk(secs(5));
    for (party, alarm) in [(&caller, CUSTOMER), (&bob, AGENT)] {
        party.mutes(true);
        lab.talk(secs(5));
        assert!(alarms(&lab).is_empty(), "a moment without a word");
        lab.talk(secs(5));
        assert_eq!(alarms(&lab), [alarm]);
        party.mutes(false);
        lab.talk(secs(3));
        assert!(alarms(&lab).is_empty());
    }
    // Nobody sends anything at all.
    lab.advance(secs(10));
    assert_eq!(alarms(&lab), [CUSTOMER, AGENT]);
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn nobody_is_missed_while_on_hold() {
    let lab = Lab::new();
    let (caller, bob) = recorded(&lab);
    lab.talk(secs(3));
    caller.reinvites("sendonly");
    let request = bob.receives("INVITE");
    bob.agrees_to(&request).expects("ACK");
    caller.expects("200 OK").acks();
    lab.advance(secs(60));
    assert!(alarms(&lab).is_empty(), "{:?}", alarms(&lab));
    caller.reinvites("sendrecv");
    let request = bob.receives("INVITE");
    bob.agrees_to(&request).expects("ACK");
    caller.expects("200 OK").acks();
    lab.talk(secs(6));
    assert!(alarms(&lab).is_empty());
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn a_disk_that_hangs_is_an_alarm_within_ten_seconds_until_it_goes_on() {
    let lab = Lab::new();
    let (caller, bob) = recorded(&lab);
    lab.talk(secs(5));
    lab.fails(Trouble::Disk);
    lab.talk(secs(10));
    assert_eq!(alarms(&lab), [STALLED]);
    lab.mends(Trouble::Disk);
    lab.talk(secs(3));
    assert!(alarms(&lab).is_empty());
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn a_journal_that_does_not_let_audio_reach_the_disk_is_an_alarm_too() {
    let lab = Lab::new();
    lab.fails(Trouble::Journal);
    let (caller, bob) = recorded(&lab);
    lab.talk(secs(10));
    assert_eq!(alarms(&lab), [STALLED]);
    lab.mends(Trouble::Journal);
    lab.talk(secs(4));
    assert!(alarms(&lab).is_empty());
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn without_room_calls_are_served_or_refused_or_end_before_anything_is_lost() {
    for (when_full, refuses, hangs_up) in [
        (WhenFull::Continue, false, false),
        (WhenFull::Refuse, true, false),
        (WhenFull::HangUp, true, true),
    ] {
        let lab = Lab::with(|settings| settings.storage.when_full = when_full);
        let (caller, bob) = recorded(&lab);
        lab.talk(secs(3));
        lab.fails(Trouble::Disk);
        lab.has_room(1_000, 0);
        let (other, alice) = (lab.carrier("north"), lab.agent("alice"));
        if refuses {
            other.invites(SUPPORT).expects("503");
        } else {
            other.invites(SUPPORT).expects("200 OK").acks().hangs_up();
        }
        // What is not recorded anyway is served in any case.
        other.invites(BOB_UNRECORDED);
        bob.rings(ms(100)).replies(486, "Busy Here").expects("ACK");
        other.expects("486");
        lab.talk(secs(10));
        assert_eq!(alarms(&lab).len(), usize::from(!hangs_up), "{when_full:?}");
        lab.mends(Trouble::Disk);
        lab.has_room(0, 1_000);
        if hangs_up {
            caller.is_hung_up();
            let cause = lab.cdrs()[0].end_cause.clone();
            assert_eq!(cause.as_deref(), Some("its recording could not be kept"));
        } else {
            caller.hangs_up();
        }
        bob.is_hung_up();
        lab.advance(secs(20));
        other.invites(SUPPORT).expects("200 OK").acks().hangs_up();
        lab.settles();
        let recording = &lab.recordings()[0];
        let whole = if hangs_up { 9.0..11.0 } else { 12.5..13.5 };
        assert!(whole.contains(&recording.seconds()), "{} s", recording.seconds());
        drop(alice);
    }
}

#[test]
fn every_answered_call_is_recorded_or_says_why_not() {
    let lab = Lab::new();
    let (caller, bob) = recorded(&lab);
    lab.talk(secs(1));
    caller.hangs_up();
    bob.is_hung_up();
    lab.advance(secs(30));
    caller.invites(BOB_UNRECORDED);
    bob.rings(ms(100)).answers();
    caller.expects("200 OK").acks().hangs_up();
    bob.is_hung_up();
    let alice = lab.phone("alice").registers();
    alice.invites("201");
    bob.rings(ms(100)).answers();
    alice.expects("200 OK").acks().hangs_up();
    bob.is_hung_up();
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('2');
    bob.rings(ms(500)).answers();
    lab.talk(secs(1));
    caller.hangs_up();
    bob.is_hung_up();
    // Nobody answers: there is nothing to record.
    caller.invites(BOB_UNRECORDED);
    bob.rings(ms(100)).replies(486, "Busy Here");
    caller.expects("486");
    lab.settles();
    let why = |why: &str| Some(why.to_owned());
    assert_eq!(
        unrecorded(&lab),
        [
            None,
            why("its route records nothing"),
            why("calls inside are not recorded"),
            why("the caller declined"),
            None,
        ]
    );
}

//! How well people hear each other: what is kept of every leg, and what an admin is told while something is wrong.

use tonspur::switch::control::{LegRow, Reply, Request};
use tonspur::switch::journal::Entry;
use tonspur::switch::leg_media::LegMedia;

use crate::lab::{Lab, Party, ms, secs};

const BOB_DIRECTLY: &str = "+4930555012";

/// They talk for so long.
fn talking(lab: &Lab, seconds: u64) -> (Party, Party) {
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).answers();
    caller.expects("200 OK").acks();
    lab.talk(secs(seconds));
    (caller, bob)
}

/// What was kept of the legs, the caller's first.
fn kept(lab: &Lab) -> Vec<LegMedia> {
    let legs = lab.entries().into_iter().filter_map(|entry| match entry {
        Entry::Leg(media) => Some(*media),
        _ => None,
    });
    let mut legs: Vec<LegMedia> = legs.collect();
    legs.sort_by_key(|media| media.leg);
    legs
}

/// What an admin is told of the call that is up.
fn told(lab: &Lab) -> Vec<LegRow> {
    let call = lab.cdrs().pop().expect("a row").call.to_string();
    let Reply::Calls { mut calls } = lab.asks(Request::CallShow { call }) else { panic!("a call") };
    calls.pop().expect("it is up").legs
}

#[test]
fn of_every_leg_it_is_kept_how_it_heard_and_was_heard() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab, 10);
    caller.presses('5');
    lab.talk(secs(1));
    caller.hangs_up();
    bob.is_hung_up();
    let [north, phone] = &kept(&lab)[..] else { panic!("two legs") };
    assert_eq!((north.trunk.as_deref(), north.user.as_deref()), (Some("north"), None));
    assert_eq!((phone.trunk.as_deref(), phone.user.as_deref()), (None, Some("201")));
    for leg in [north, phone] {
        let heard = leg.statistics;
        assert!((540..580).contains(&heard.received), "{heard:?}");
        assert_eq!((heard.lost, heard.source), (0, leg.advertised), "{heard:?}");
        assert!(leg.mos().is_some_and(|mos| mos > 4.3), "{:?}", leg.mos());
        assert!(leg.findings(secs(0)).is_empty(), "{:?}", leg.findings(secs(0)));
    }
    assert_eq!((north.statistics.keys, phone.statistics.keys), (1, 0));
    assert_eq!(lab.cdrs().pop().map(|cdr| cdr.call), Some(north.call));
}

#[test]
fn of_a_call_that_nobody_answered_no_leg_is_kept() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(486, "Busy Here");
    caller.expects("486");
    lab.settles();
    assert!(kept(&lab).is_empty());
}

#[test]
fn who_falls_silent_is_named_while_the_call_is_up() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab, 10);
    let legs = told(&lab);
    assert_eq!(legs.iter().map(|leg| leg.leg).collect::<Vec<_>>(), [0, 1]);
    assert!(legs.iter().all(|leg| leg.findings.is_empty()), "{legs:?}");
    assert!(legs.iter().all(|leg| leg.mos.is_some_and(|mos| mos > 4.3)), "{legs:?}");
    // Nobody speaks, and both are expected to.
    lab.advance(secs(12) + ms(100));
    for leg in told(&lab) {
        assert_eq!(leg.findings, ["they have sent nothing for 12 s"], "{leg:?}");
    }
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn who_holds_is_not_expected_to_speak() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab, 2);
    caller.reinvites("inactive");
    let request = bob.receives("INVITE");
    bob.agrees_to(&request).expects("ACK");
    caller.expects("200 OK").acks();
    lab.advance(secs(20));
    let legs = told(&lab);
    assert!(legs[0].findings.is_empty(), "{legs:?}");
    caller.hangs_up();
    bob.is_hung_up();
}

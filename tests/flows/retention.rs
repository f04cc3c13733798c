//! Recordings age, and go: by a committed order alone, once, and never under a legal hold; wherever the process dies meanwhile.

use tonspur::switch::control::{Reply, Request};
use tonspur::switch::journal::Entry;

use crate::lab::{Lab, Trouble, ms, secs};

const SUPPORT: &str = "+4930555010";
const DAY: u64 = 86_400;

/// So many recorded calls, each a second long, on the first day.
fn recorded(lab: &Lab, calls: usize) -> Vec<String> {
    let bob = lab.agent("bob");
    for _ in 0..calls {
        let caller = lab.carrier("north");
        caller.invites(SUPPORT).expects("200 OK").acks().presses('1');
        bob.rings(secs(20)).answers();
        lab.talk(secs(1));
        caller.hangs_up();
        bob.is_hung_up();
    }
    lab.settles();
    kept(lab)
}

fn kept(lab: &Lab) -> Vec<String> {
    lab.recordings().into_iter().map(|recording| recording.id).collect()
}

fn purged(lab: &Lab) -> Vec<String> {
    let entries = lab.entries().into_iter().filter_map(|entry| match entry {
        Entry::Purged { recording, .. } => Some(recording.to_string()),
        _ => None,
    });
    entries.collect()
}

fn holds(lab: &Lab, recording: &str) {
    let reason = "a court asked".to_owned();
    let reply = lab.asks(Request::LegalHold { recording: recording.to_owned(), reason });
    assert_eq!(reply, Reply::Done);
}

#[test]
fn a_recording_goes_when_its_time_is_over_and_not_a_day_before() {
    let lab = Lab::new();
    let all = recorded(&lab, 2);
    lab.advance(secs(30 * DAY - 3_600));
    assert_eq!(kept(&lab), all);
    lab.advance(secs(2 * 3_600));
    assert_eq!((kept(&lab), purged(&lab).len()), (vec![], 2));
    // And never again.
    lab.advance(secs(3 * DAY));
    assert_eq!(purged(&lab).len(), 2);
}

#[test]
fn a_legal_hold_outlives_retention_and_its_release_does_not() {
    let lab = Lab::new();
    let all = recorded(&lab, 3);
    holds(&lab, &all[1]);
    lab.advance(secs(40 * DAY));
    assert_eq!(kept(&lab), [all[1].clone()]);
    assert_eq!(lab.asks(Request::Release { recording: all[1].clone() }), Reply::Done);
    lab.advance(secs(2 * 3_600));
    assert_eq!((kept(&lab), purged(&lab).len()), (vec![], 3));
}

#[test]
fn what_cannot_be_deleted_is_tried_again() {
    let lab = Lab::new();
    let all = recorded(&lab, 1);
    lab.fails(Trouble::Purging);
    lab.advance(secs(31 * DAY));
    assert_eq!((kept(&lab), purged(&lab).len()), (all, 0));
    lab.mends(Trouble::Purging);
    lab.advance(secs(2 * 3_600));
    assert_eq!((kept(&lab), purged(&lab).len()), (vec![], 1));
}

#[test]
fn a_purge_is_finished_wherever_the_process_dies() {
    let mut died = 0;
    for outputs in 0..20 {
        // The commits are slow: what was not committed is lost indeed.
        let lab = Lab::seeded(outputs as u64);
        let all = recorded(&lab, 3);
        lab.advance(secs(29 * DAY));
        holds(&lab, &all[2]);
        lab.advance(secs(1_000));
        lab.journal_takes(ms(50 * (outputs as u64 % 3)));
        lab.fails(Trouble::Purging);
        lab.advance(secs(2 * DAY));
        assert_eq!(kept(&lab), all, "nothing can be deleted yet");
        lab.mends(Trouble::Purging);
        lab.crashes_after(outputs);
        lab.tells(Request::RetentionRun);
        lab.advance(secs(2 * 3_600));
        died += lab.deaths();
        lab.lives_on();
        let mut gone = purged(&lab);
        gone.sort();
        let mut expected = all[..2].to_vec();
        expected.sort();
        assert_eq!((kept(&lab), gone), (vec![all[2].clone()], expected), "after {outputs} outputs");
    }
    assert!(died >= 8, "it died {died} times in mid-purge");
}

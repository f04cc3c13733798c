//! What is recorded, when, and what becomes of it.

use std::time::Duration;

use tonspur::switch::control::{Reply, Request};
use tonspur::switch::journal::Entry;

use crate::lab::{Lab, ms, secs};

const SUPPORT: &str = "+4930555010";

#[test]
fn a_slow_database_costs_no_audio_and_none_reaches_the_disk_before_its_row() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    lab.journal_takes(secs(3));
    bob.rings(ms(500)).answers();
    lab.talk(secs(6));
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(recording.sealed);
    assert!((recording.seconds() - 6.0).abs() < 0.2, "{} s", recording.seconds());
    assert!(recording.left[4_000..20_000].iter().any(|&sample| sample.abs() > 5_000));
    let entries = lab.entries();
    let armed = entries.iter().position(|entry| matches!(entry, Entry::Armed(_)));
    let sealed = entries.iter().position(|entry| matches!(entry, Entry::Sealed { .. }));
    assert!(armed.is_some() && armed < sealed, "{armed:?} {sealed:?}");
}

#[test]
fn a_recording_ends_with_its_conversation_however_late_its_row_is() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    lab.journal_takes(secs(40));
    bob.rings(ms(500)).answers();
    lab.talk(secs(10));
    caller.hangs_up();
    bob.is_hung_up();
    lab.advance(secs(50));
    lab.journal_takes(ms(2));
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(recording.sealed);
    assert!((recording.seconds() - 10.0).abs() < 0.2, "{} s", recording.seconds());
    let sealed = lab.entries().into_iter().find_map(|entry| match entry {
        Entry::Sealed { sealed, .. } => Some(sealed),
        _ => None,
    });
    let sealed = sealed.expect("sealed");
    assert_eq!(sealed.gaps, []);
    let packets = sealed.packets.expect("counted");
    assert!(packets.customer > 400 && packets.agent > 400, "{packets:?}");
}

#[test]
fn what_is_too_long_for_one_recording_goes_on_in_others() {
    let lab = Lab::with(|settings| settings.longest_recording = Duration::from_secs(4));
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
    lab.talk(secs(10));
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();
    let recordings = lab.recordings();
    assert_eq!(recordings.len(), 3);
    assert!(recordings.iter().all(|recording| recording.sealed));
    for recording in &recordings[..2] {
        assert!((recording.seconds() - 4.0).abs() < 0.01, "{} s", recording.seconds());
    }
    let length: f64 = recordings.iter().map(|recording| recording.seconds()).sum();
    assert!((length - 10.0).abs() < 0.2, "{length} s");
    // The second one begins in the middle of what both say.
    assert!(recordings[1].left[800..1_600].iter().any(|&sample| sample.abs() > 5_000));
    let armed: Vec<_> = lab
        .entries()
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Armed(armed) => Some(armed),
            _ => None,
        })
        .collect();
    let first = armed[0].recording;
    assert_eq!(
        armed.iter().map(|armed| armed.continues).collect::<Vec<_>>(),
        [None, Some(first), Some(first)]
    );
    assert!(armed.iter().all(|one| one.call == armed[0].call));
    assert_eq!(lab.cdrs()[0].recording, Some(first));
}

#[test]
fn a_legal_hold_goes_on_with_a_conversation_that_is_too_long_for_one_recording() {
    let lab = Lab::with(|settings| settings.longest_recording = Duration::from_secs(4));
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
    lab.talk(secs(2));
    let recording = lab.recordings()[0].id.clone();
    let reason = "a court asked".to_owned();
    assert_eq!(lab.asks(Request::LegalHold { recording, reason }), Reply::Done);
    lab.talk(secs(8));
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();
    lab.advance(Duration::from_secs(40 * 86_400));
    assert_eq!(lab.recordings().len(), 3, "none of them may go");
}

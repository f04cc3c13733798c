//! What is recorded, when, and what becomes of it.

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

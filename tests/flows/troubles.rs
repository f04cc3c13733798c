//! When the world does not play along: no port, no disk, no database, no prompt. The caller is served all the same, where that can be.

use tonspur::switch::journal::{ConsentAnswer, Entry};

use crate::lab::{Lab, Party, Trouble, assert_ladder, ms, secs};

const SUPPORT: &str = "+4930555010";

/// Called, asked, and agreed.
fn agreed(lab: &Lab) -> Party {
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks().hears_prompt("en/consent").presses('1');
    caller
}

#[test]
fn a_caller_for_whom_no_port_can_be_opened_is_refused() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    lab.fails(Trouble::Opening);
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("503 Service Unavailable");
    bob.gets_no("INVITE", secs(2));
    lab.settles();
    assert_eq!(lab.cdrs()[0].end_cause.as_deref(), Some("no media port"));
    assert_ladder!(lab);
}

#[test]
fn an_agent_for_whom_no_port_can_be_opened_is_rung_a_little_later() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks().hears_prompt("en/consent");
    lab.fails(Trouble::Opening);
    caller.presses('1');
    bob.gets_no("INVITE", secs(2));
    lab.mends(Trouble::Opening);
    bob.rings(secs(10)).answers();
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_caller_of_a_phone_for_which_no_port_can_be_opened_is_not_kept_waiting() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    // Asked first, so that only the second port is missing.
    caller.invites("+4930555013").expects("200 OK").acks().hears_prompt("en/consent");
    lab.fails(Trouble::Opening);
    caller.presses('1').is_hung_up();
    bob.gets_no("INVITE", secs(2));
    lab.settles();
    assert_eq!(lab.cdrs()[0].bridged, None);
}

#[test]
fn a_call_goes_on_when_its_recording_cannot_be_written() {
    for in_the_middle in [false, true] {
        let lab = Lab::new();
        let bob = lab.agent("bob");
        let caller = agreed(&lab);
        if !in_the_middle {
            lab.fails(Trouble::Recording);
        }
        bob.rings(ms(500)).answers();
        lab.talk(secs(2));
        lab.fails(Trouble::Recording);
        for party in [&caller, &bob] {
            party.forgets_what_it_heard();
        }
        lab.talk(secs(2));
        caller.hears(&bob);
        bob.hears(&caller);
        caller.hangs_up();
        bob.is_hung_up();
        lab.settles();
        let failures = lab.entries().into_iter().filter_map(|entry| match entry {
            Entry::RecordingFailed { cause, .. } => Some(cause),
            _ => None,
        });
        assert_eq!(failures.collect::<Vec<_>>(), ["the disk is full"]);
        assert_eq!(lab.recordings().len(), usize::from(in_the_middle), "what there is stays");
        assert_eq!(lab.cdrs()[0].end_cause.as_deref(), Some("caller hung up"));

        // It is whole, as far as it goes, as soon as the disk takes it, and goes when its time is over.
        lab.mends(Trouble::Recording);
        lab.adopts();
        let count =
            |which: fn(&Entry) -> bool| lab.entries().iter().filter(|one| which(one)).count();
        let sealed = count(|entry| matches!(entry, Entry::Sealed { .. }));
        assert_eq!(sealed, usize::from(in_the_middle));
        lab.advance(secs(31 * 86_400));
        assert_eq!(count(|entry| matches!(entry, Entry::Purged { .. })), 1);
    }
}

#[test]
fn a_caller_whose_prompt_cannot_be_played_is_served_unrecorded_and_the_row_says_why() {
    let lab = Lab::with(|settings| {
        let prompts = settings.prompts.get_mut("en").expect("English");
        prompts.get_mut("consent").expect("a prompt").sound = Err("not a WAV file".into());
    });
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    bob.rings(ms(500)).answers();
    lab.talk(secs(2));
    caller.hears(&bob);
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();
    assert_eq!(lab.recordings(), vec![]);
    let cdr = &lab.cdrs()[0];
    assert_eq!(cdr.consent, None);
    let why = cdr.unrecorded.as_deref().expect("a reason");
    assert!(why.contains("not a WAV file"), "{why}");
    assert_ladder!(lab);
}

#[test]
fn while_the_database_cannot_be_written_calls_are_served_and_their_audio_waits_in_memory() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    lab.advance(secs(1));
    lab.fails(Trouble::Journal);
    let caller = agreed(&lab);
    bob.rings(ms(500)).answers();
    lab.talk(secs(4));
    assert_eq!((lab.cdrs().len(), lab.recordings().len()), (0, 0), "nothing is on the disk");
    lab.mends(Trouble::Journal);
    lab.talk(secs(1));
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!((recording.seconds() - 5.0).abs() < 0.2, "{} s", recording.seconds());
    let answer = lab.cdrs()[0].consent.as_ref().map(|consent| consent.answer);
    assert_eq!(answer, Some(ConsentAnswer::Agreed));
}

#[test]
fn a_crash_while_the_database_cannot_be_written_leaves_no_audio_without_a_row() {
    let lab = Lab::new();
    let bob = lab.agent("bob").polite();
    lab.advance(secs(1));
    lab.fails(Trouble::Journal);
    let caller = agreed(&lab);
    bob.rings(ms(500)).answers();
    lab.talk(secs(4));
    lab.crashes();
    lab.mends(Trouble::Journal);
    assert_eq!((lab.cdrs().len(), lab.recordings().len()), (0, 0));
    // Nobody remembers them: their own BYE is answered, and that is all.
    caller.says_bye().expects("481");
    bob.says_bye().expects("481");
}

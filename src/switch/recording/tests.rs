//! One recording after the other, and each ended when its time is.

use super::super::Output;
use super::super::consent::{Talker, permit};
use super::super::journal::{CallId, ConsentAnswer, ConsentRecord};
use super::super::settings::{Agent, ConsentMode};
use super::*;
use crate::media::{Samples, Sealed};
use crate::utc::Utc;

const LONGEST: Duration = Duration::from_secs(12 * 3_600);
const FIRST: RecordingId = RecordingId(1);
const SECOND: RecordingId = RecordingId(2);

struct Room {
    now: Now,
    outbox: Outbox,
    recording: Recording,
}

impl Room {
    fn permit() -> RecordingPermit {
        let utc = Utc::parse("2030-01-07T09:00:00Z").expect("a time");
        let consent = ConsentRecord {
            mode: ConsentMode::ExpressAll,
            answer: ConsentAnswer::Agreed,
            at: utc,
            prompt: "consent".into(),
            prompt_sha256: "ab".into(),
            language: "en".into(),
        };
        let agent = Agent { name: "bob".into(), user: "201".into(), agrees_to_recording: true };
        let talkers = [Talker::Caller(Some(&consent)), Talker::Agent(&agent)];
        permit(CallId(7), talkers).expect("both agree")
    }

    fn new() -> Room {
        let utc = Utc::parse("2030-01-07T09:00:00Z").expect("a time");
        let permit = Room::permit();
        let now = Now { instant: Instant::now(), utc };
        let mut outbox = Outbox::default();
        let recording = Recording::begin(
            permit,
            FIRST,
            (PortId(1), PortId(2)),
            ("short".into(), Duration::from_secs(1)),
            LONGEST,
            now,
            &mut outbox,
        );
        Room { now, outbox, recording }
    }

    fn passes(&mut self, span: Duration) {
        self.now = Now { instant: self.now.instant + span, utc: self.now.utc.after(span) };
    }

    /// Everything up to this entry is committed.
    fn stored(&mut self, entry: u64) {
        self.recording.stored(EntryId(entry), &mut self.outbox);
    }

    /// What was decided, a word for each.
    fn says(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.outbox.pop())
            .map(|output| match output {
                Output::Media(Command::Tap { recording, .. }) => format!("tap {}", recording.0),
                Output::Media(Command::Deafen { recording }) => format!("deafen {}", recording.0),
                Output::Media(Command::Hear { recording, agent, .. }) => {
                    format!("hear {} at {}", recording.0, agent.0)
                }
                Output::Media(Command::Record { recording, .. }) => {
                    format!("record {}", recording.0)
                }
                Output::Media(Command::Seal { recording }) => format!("seal {}", recording.0),
                Output::Media(Command::Silence { recording, .. }) => {
                    format!("silence {}", recording.0)
                }
                Output::Media(Command::Unsilence { recording }) => {
                    format!("unsilence {}", recording.0)
                }
                Output::Store(_, Entry::Armed(armed)) => {
                    let first = armed.continues.map_or(0, |first| first.0);
                    format!("arm {} after {first}", armed.recording.0)
                }
                Output::Store(_, Entry::Sealed { recording, .. }) => {
                    format!("sealed {}", recording.0)
                }
                Output::Store(_, Entry::RecordingFailed { recording, .. }) => {
                    format!("failed {}", recording.0)
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn sealed(&mut self, recording: RecordingId) {
        let sealed = Sealed {
            length: Samples(8),
            sha256: [0; 32],
            bytes: 76,
            silences: vec![],
            gaps: vec![],
            packets: None,
        };
        let entry = Entry::Sealed { recording, sealed, at: self.now.utc };
        self.recording.over(recording, entry, &mut self.outbox);
    }
}

#[test]
fn the_end_of_a_conversation_does_not_wait_for_the_intent() {
    let mut room = Room::new();
    assert_eq!(room.says(), ["tap 1", "arm 1 after 0"]);
    room.recording.end(&mut room.outbox);
    assert_eq!(room.says(), ["seal 1"], "at once, so that nothing after it is recorded");
    assert!(room.recording.awaits_commit());
    room.stored(1);
    assert_eq!(room.says(), ["record 1"]);
    room.sealed(FIRST);
    assert_eq!(room.says(), ["sealed 1"]);
    assert!(room.recording.is_over());
}

#[test]
fn what_gets_too_long_goes_on_in_another_one_that_names_the_first() {
    let mut room = Room::new();
    room.stored(1);
    room.says();
    assert_eq!(room.recording.full(), Some(room.now.instant + LONGEST));
    room.passes(LONGEST);
    room.recording.go_on(SECOND, room.now, &mut room.outbox);
    assert_eq!(room.says(), ["tap 2", "arm 2 after 1", "seal 1"]);
    assert_eq!(room.recording.full(), Some(room.now.instant + LONGEST));
    room.sealed(FIRST);
    assert!(!room.recording.is_over());
    room.stored(2);
    assert_eq!(room.says(), ["sealed 1", "record 2"]);
    room.passes(LONGEST);
    room.recording.go_on(RecordingId(3), room.now, &mut room.outbox);
    assert_eq!(room.says(), ["tap 3", "arm 3 after 1", "seal 2"]);
    room.recording.end(&mut room.outbox);
    assert_eq!(room.says(), ["seal 3"]);
    assert_eq!(room.recording.full(), None);
    assert_eq!(room.recording.ids().map(|id| id.0).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn silence_goes_on_too() {
    let mut room = Room::new();
    room.stored(1);
    room.recording.hold(true, &mut room.outbox);
    room.says();
    room.recording.go_on(SECOND, room.now, &mut room.outbox);
    assert_eq!(room.says(), ["tap 2", "silence 2", "arm 2 after 1", "seal 1"]);
    room.recording.hold(false, &mut room.outbox);
    assert_eq!(room.says(), ["unsilence 2"]);
}

#[test]
fn without_a_permit_nobody_is_listened_to_and_the_interval_is_a_pause_whoever_holds() {
    let mut room = Room::new();
    room.stored(1);
    room.says();
    room.recording.pause(&mut room.outbox);
    room.recording.pause(&mut room.outbox);
    room.recording.hold(true, &mut room.outbox);
    assert_eq!(room.says(), ["silence 1", "deafen 1"]);
    assert_eq!(room.recording.full(), None, "silence does not go on in another one");
    room.recording.resume(Room::permit(), (PortId(1), PortId(9)), &mut room.outbox);
    assert_eq!(room.says(), ["hear 1 at 9", "silence 1"], "still on hold");
    room.recording.hold(false, &mut room.outbox);
    assert_eq!(room.says(), ["unsilence 1"]);
    room.recording.resume(Room::permit(), (PortId(1), PortId(9)), &mut room.outbox);
    assert!(room.says().is_empty(), "nothing has changed");
    room.recording.end(&mut room.outbox);
    room.recording.pause(&mut room.outbox);
    assert_eq!(room.says(), ["seal 1"], "nothing is told of what is over");
}

#[test]
fn a_recording_that_failed_in_mid_call_is_untapped_and_begins_no_other() {
    let mut room = Room::new();
    room.stored(1);
    room.says();
    let entry = Entry::RecordingFailed { recording: FIRST, cause: "-".into(), at: room.now.utc };
    room.recording.over(FIRST, entry, &mut room.outbox);
    assert_eq!(room.says(), ["seal 1", "failed 1"]);
    assert_eq!(room.recording.full(), None);
    room.recording.end(&mut room.outbox);
    assert!(room.says().is_empty() && room.recording.is_over());
}

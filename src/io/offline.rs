//! What an admin can do to recordings while no switch runs: retention, legal hold, release. The store's lock keeps a switch out
//! meanwhile, and the decisions are those of the switch.

use std::path::Path;

use super::clock::Clock;
use super::purge::{self, Outcome};
use super::store::{DATABASE, Error, Store};
use crate::switch::control::{Reply, RequestId};
use crate::switch::journal::EntryId;
use crate::switch::retention::Retention;
use crate::switch::{Now, Output};

const ASKED: RequestId = RequestId(0);

/// Whether the calendar must fit the last run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Calendar {
    /// It must, within 30 days forward and one back.
    Checked,
    /// The admin has looked at the clock and answers for it.
    Vouched,
}

/// Deletes what is due now: [`Reply::RetentionRan`], or [`Reply::Refused`] if the calendar jumped since the last run.
pub fn run(
    state: &Path,
    recordings: &Path,
    clock: &Clock,
    calendar: Calendar,
) -> Result<Reply, Error> {
    ask(state, recordings, clock, calendar, |retention, now| retention.run(now, ASKED))
}

/// Puts a recording on legal hold: [`Reply::Done`], [`Reply::NotFound`] or [`Reply::Refused`].
pub fn hold(
    state: &Path,
    recordings: &Path,
    clock: &Clock,
    recording: &str,
    reason: &str,
) -> Result<Reply, Error> {
    ask(state, recordings, clock, Calendar::Checked, |retention, now| {
        retention.hold(now, ASKED, recording, reason);
    })
}

/// Lifts a legal hold: [`Reply::Done`], [`Reply::NotFound`] or [`Reply::Refused`].
pub fn release(
    state: &Path,
    recordings: &Path,
    clock: &Clock,
    recording: &str,
) -> Result<Reply, Error> {
    ask(state, recordings, clock, Calendar::Checked, |retention, now| {
        retention.release(now, ASKED, recording);
    })
}

fn ask(
    state: &Path,
    recordings: &Path,
    clock: &Clock,
    calendar: Calendar,
    question: impl Fn(&mut Retention, Now),
) -> Result<Reply, Error> {
    // A database is not made to find nothing in it: the state folder may be mistyped.
    if !state.join(DATABASE).exists() {
        return Err(Error::Missing(state.join(DATABASE)));
    }
    let now = clock.now();
    let opened = Store::open(state, recordings, now.utc)?;
    let ran = match calendar {
        Calendar::Checked => opened.memory.retention_ran,
        Calendar::Vouched => None,
    };
    let every = std::time::Duration::from_secs(86_400);
    let retention = Retention::new(now, every, ran, opened.memory.purges);
    let mut desk = Desk { store: opened.store, recordings, retention, entries: 0, reply: None };
    question(&mut desk.retention, now);
    desk.work(clock)?;
    let Some(mut whole) = desk.reply.take() else {
        return Ok(Reply::Refused { why: "retention gave no answer".to_owned() });
    };
    // A run is bounded; the next one is due at once while there is more.
    while let Reply::RetentionRan { purged, failed } = &mut whole {
        let now = clock.now();
        if desk.retention.deadline().is_none_or(|next| next > now.instant) {
            break;
        }
        question(&mut desk.retention, now);
        desk.work(clock)?;
        if let Some(Reply::RetentionRan { purged: more, failed: also }) = desk.reply.take() {
            purged.extend(more);
            failed.extend(also);
        }
    }
    Ok(whole)
}

/// Does for retention what the switch's surroundings do, one thing after the other.
struct Desk<'a> {
    store: Store,
    recordings: &'a Path,
    retention: Retention,
    entries: u64,
    reply: Option<Reply>,
}

impl Desk<'_> {
    fn work(&mut self, clock: &Clock) -> Result<(), Error> {
        let mut writes = Vec::new();
        loop {
            let number = || {
                self.entries += 1;
                EntryId(self.entries)
            };
            let output = self.retention.poll(number);
            if let Some(Output::Store(_, entry)) = output {
                writes.push(entry);
                continue;
            }
            if !writes.is_empty() {
                self.store.write(&writes)?;
                writes.clear();
            }
            match output {
                Some(Output::Find(query)) => {
                    let page = self.store.answer(query)?;
                    self.retention.found(clock.now(), page);
                }
                Some(Output::Purge(order)) => {
                    let now = clock.now();
                    match purge::carry_out(self.recordings, order, now.utc, |_| {}) {
                        Outcome::Purged(recording) => self.retention.purged(now, recording),
                        Outcome::Failed(recording, cause) => {
                            self.retention.purge_failed(now, recording, cause);
                        }
                    }
                }
                Some(Output::Reply(ASKED, reply)) => self.reply = Some(reply),
                Some(
                    Output::Reply(..)
                    | Output::Store(..)
                    | Output::Transmit(_)
                    | Output::Close(_)
                    | Output::Resolve(_)
                    | Output::Media(_)
                    | Output::Log(_)
                    | Output::Stopped,
                ) => {}
                None => {
                    let before = self.entries;
                    self.retention.stored(clock.now(), EntryId(before));
                    if self.retention.is_quiet() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::io::store::{Matches, Reader, Recording, State};
    use crate::media::{RecordingId, Samples, Sealed};
    use crate::switch::journal::{Armed, CallId, Entry};

    const DAY: Duration = Duration::from_secs(86_400);
    const SHORT: &str = "000000000001";
    const LONG: &str = "000000000002";

    struct Office {
        place: tempfile::TempDir,
        clock: Clock,
    }

    impl Office {
        /// Two recordings, kept for one day and for five.
        fn new() -> Office {
            let office =
                Office { place: tempfile::tempdir().expect("a folder"), clock: Clock::stepped() };
            let now = office.clock.now().utc;
            let mut entries = Vec::new();
            for (id, days) in [(SHORT, 1), (LONG, 5)] {
                let recording = RecordingId::parse(id).expect("an id");
                let file = office.file(id);
                std::fs::create_dir_all(file.parent().expect("a folder")).expect("created");
                std::fs::write(&file, b"audio").expect("written");
                entries.push(Entry::Armed(Armed {
                    recording,
                    call: CallId(1),
                    agent: "bob".into(),
                    path: format!("2020/01/07/{id}.wav"),
                    policy: "short".into(),
                    keep: DAY * days,
                    continues: None,
                    at: now,
                }));
                let sealed = Sealed {
                    length: Samples(8_000),
                    sha256: [1; 32],
                    bytes: 5,
                    silences: vec![],
                    gaps: vec![],
                    packets: None,
                };
                entries.push(Entry::Sealed { recording, sealed, at: now });
            }
            office.store().write(&entries).expect("written");
            office
        }

        fn state(&self) -> std::path::PathBuf {
            self.place.path().join(".state")
        }

        fn file(&self, id: &str) -> std::path::PathBuf {
            self.place.path().join(format!("2020/01/07/{id}.wav"))
        }

        fn store(&self) -> Store {
            let now = self.clock.now().utc;
            Store::open(&self.state(), self.place.path(), now).expect("opens").store
        }

        fn run(&self, calendar: Calendar) -> Reply {
            run(&self.state(), self.place.path(), &self.clock, calendar).expect("runs")
        }

        fn hold(&self, id: &str) -> Reply {
            hold(&self.state(), self.place.path(), &self.clock, id, "court").expect("asked")
        }

        fn release(&self, id: &str) -> Reply {
            release(&self.state(), self.place.path(), &self.clock, id).expect("asked")
        }

        fn row(&self, id: &str) -> Recording {
            let reader = Reader::open(&self.state()).expect("opens");
            match reader.recording(id).expect("read") {
                Matches::One(row) => row,
                Matches::None | Matches::Many => panic!("{id}"),
            }
        }
    }

    fn purged(ids: &[&str]) -> Reply {
        let purged = ids.iter().map(|id| (*id).to_owned()).collect();
        Reply::RetentionRan { purged, failed: vec![] }
    }

    #[test]
    fn what_is_due_goes_and_leaves_a_tombstone() {
        let office = Office::new();
        assert_eq!(office.run(Calendar::Checked), purged(&[]));
        office.clock.advance(DAY);
        assert_eq!(office.run(Calendar::Checked), purged(&[SHORT]));
        assert!(!office.file(SHORT).exists());
        assert!(office.file(LONG).exists());
        assert_eq!(office.row(SHORT).state(), State::Purged);
        assert_eq!(office.row(LONG).state(), State::Sealed);
    }

    #[test]
    fn a_hold_set_without_a_switch_holds() {
        let office = Office::new();
        assert_eq!(office.hold(SHORT), Reply::Done);
        office.clock.advance(10 * DAY);
        assert_eq!(office.run(Calendar::Checked), purged(&[LONG]));
        assert!(office.file(SHORT).exists());
        assert_eq!(office.row(SHORT).legal_hold.as_deref(), Some("court"));
        assert_eq!(office.release(SHORT), Reply::Done);
        assert_eq!(office.run(Calendar::Checked), purged(&[SHORT]));
        assert!(matches!(office.hold(SHORT), Reply::NotFound { .. }), "it is gone");
    }

    #[test]
    fn a_purge_that_was_cut_off_is_finished_unless_it_is_held_now() {
        let office = Office::new();
        let ordered = |id| Entry::PurgeOrdered {
            recording: RecordingId::parse(id).expect("an id"),
            policy: "short".into(),
            at: office.clock.now().utc,
        };
        office.store().write(&[ordered(SHORT), ordered(LONG)]).expect("written");
        assert_eq!(office.hold(SHORT), Reply::Done);
        assert!(office.file(SHORT).exists());
        assert!(!office.file(LONG).exists());
        assert_eq!(office.row(SHORT).purge_ordered, None);
        assert_eq!(office.row(LONG).state(), State::Purged);
    }

    #[test]
    fn a_calendar_that_jumped_needs_an_admin_who_vouches_for_it() {
        let office = Office::new();
        assert_eq!(office.run(Calendar::Checked), purged(&[]));
        office.clock.advance(400 * DAY);
        assert!(matches!(office.run(Calendar::Checked), Reply::Refused { .. }));
        assert!(office.file(SHORT).exists());
        assert_eq!(office.run(Calendar::Vouched), purged(&[SHORT, LONG]));
    }

    #[test]
    fn where_no_database_is_none_is_made() {
        let office = Office::new();
        let elsewhere = office.place.path().join("elsewhere");
        let refused = run(&elsewhere, office.place.path(), &office.clock, Calendar::Checked);
        assert!(matches!(refused, Err(Error::Missing(_))), "{refused:?}");
        assert!(!elsewhere.exists());
    }

    #[test]
    fn nothing_is_done_beside_a_switch() {
        let office = Office::new();
        let _switch = office.store();
        let refused = run(&office.state(), office.place.path(), &office.clock, Calendar::Checked);
        assert!(matches!(refused, Err(Error::Busy(_))));
    }
}

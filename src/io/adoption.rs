//! What is left of recordings that failed while the switch runs: finished once the disk takes it again, as a start does with what a
//! crash left.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::store::{Matches, Reader, State};
use super::{folder, wav};
use crate::media::{RecordingId, Sealed};
use crate::utc::Utc;

/// Failed recordings that are remembered; the next start looks for what is left of more.
const MOST: usize = 10_000;

/// What was left of a failed recording, and is whole now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adopted {
    /// Which.
    pub recording: RecordingId,
    /// What it is.
    pub sealed: Sealed,
    /// Where its audio ends; retention counts from here.
    pub at: Utc,
}

/// See the module.
#[derive(Debug)]
pub struct Adoption {
    recordings: PathBuf,
    state: PathBuf,
    failed: BTreeSet<RecordingId>,
}

impl Adoption {
    /// Of files below `recordings`, whose rows are in `state`.
    pub fn new(recordings: PathBuf, state: PathBuf) -> Adoption {
        Adoption { recordings, state, failed: BTreeSet::new() }
    }

    /// This one has failed: there may be something left of it.
    pub fn remember(&mut self, recording: RecordingId) {
        if self.failed.len() < MOST {
            self.failed.insert(recording);
        }
    }

    /// Whether there is nothing to look for.
    pub fn is_idle(&self) -> bool {
        self.failed.is_empty()
    }

    /// Finishes what can be finished now; the rest is tried the next time.
    pub fn look(&mut self, now: Utc, mut tell: impl FnMut(Adopted)) {
        let room = folder::free(&self.recordings).is_ok_and(|free| free >= wav::ENOUGH_FREE);
        let Some(reader) = Reader::open(&self.state).ok().filter(|_| room) else { return };
        let mut waiting = std::mem::take(&mut self.failed);
        waiting.retain(|recording| match self.adopt(&reader, *recording, now) {
            Left::Unknown => true,
            Left::Nothing => false,
            Left::Audio(adopted) => {
                tracing::info!(event = "recording_adopted", %recording);
                tell(*adopted);
                false
            }
        });
        self.failed = waiting;
    }

    fn adopt(&self, reader: &Reader, recording: RecordingId, now: Utc) -> Left {
        let Ok(Matches::One(row)) = reader.recording(&recording.to_string()) else {
            return Left::Unknown;
        };
        match row.state() {
            // Its failure is not committed yet.
            State::Open => return Left::Unknown,
            State::Failed if row.sealed.is_none() => {}
            State::Failed | State::Sealed | State::Interrupted | State::Purged => {
                return Left::Nothing;
            }
        }
        match wav::salvage(&self.recordings, &row.path) {
            Ok(sealed) => {
                let end = row.armed.after(sealed.length.duration());
                let at = end.min(now.max(row.armed));
                Left::Audio(Box::new(Adopted { recording, sealed, at }))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::NotFound) =>
            {
                Left::Nothing
            }
            Err(_) => Left::Unknown,
        }
    }
}

/// What is left of a failed recording.
enum Left {
    /// It is tried again.
    Unknown,
    Nothing,
    Audio(Box<Adopted>),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::io::store::{Recording, Store};
    use crate::media::Samples;
    use crate::switch::journal::{Armed, CallId, Entry};

    const ID: RecordingId = RecordingId(1);
    const PATH: &str = "2030/01/07/a.wav";

    struct Place(tempfile::TempDir);

    impl Place {
        fn write(&self, entries: &[Entry]) {
            let opened = Store::open(&self.state(), self.0.path(), now());
            opened.expect("opens").store.write(entries).expect("written");
        }

        fn state(&self) -> PathBuf {
            self.0.path().join(".state")
        }

        fn look(&self, adoption: &mut Adoption) -> Vec<Adopted> {
            let mut adopted = Vec::new();
            adoption.look(now().after(Duration::from_secs(60)), |one| adopted.push(one));
            adopted
        }

        fn row(&self) -> Recording {
            let reader = Reader::open(&self.state()).expect("opens");
            match reader.recording(&ID.to_string()) {
                Ok(Matches::One(row)) => row,
                other => panic!("{other:?}"),
            }
        }
    }

    fn now() -> Utc {
        Utc::parse("2030-01-07T09:00:00Z").expect("a time")
    }

    fn armed() -> Entry {
        Entry::Armed(Armed {
            recording: ID,
            call: CallId(1),
            agent: "bob".into(),
            path: PATH.into(),
            policy: "short".into(),
            keep: Duration::from_secs(86_400),
            continues: None,
            at: now(),
        })
    }

    #[test]
    fn what_is_left_of_a_failed_recording_is_finished_while_the_switch_runs() {
        let place = Place(tempfile::tempdir().expect("a folder"));
        let mut adoption = Adoption::new(place.0.path().to_owned(), place.state());
        place.write(&[]);
        adoption.remember(ID);
        assert_eq!(place.look(&mut adoption), [], "its row is not committed");
        assert!(!adoption.is_idle());

        let failed = Entry::RecordingFailed { recording: ID, cause: "full".into(), at: now() };
        place.write(&[armed(), failed]);
        let part = place.0.path().join(format!("{PATH}.part"));
        std::fs::create_dir_all(part.parent().expect("a folder")).expect("created");
        // A second of both sides behind a header.
        std::fs::write(&part, vec![1; 44 + 32_000]).expect("written");
        let [Adopted { recording, sealed, at }] = &place.look(&mut adoption)[..] else {
            panic!("one")
        };
        assert_eq!((*recording, sealed.length), (ID, Samples(8_000)));
        assert_eq!(*at, now().after(Duration::from_secs(1)));
        assert!(adoption.is_idle());
        let [left, _] = wav::read(&place.0.path().join(PATH)).expect("opens");
        assert_eq!(left.len(), 8_000);

        place.write(&[Entry::Sealed { recording: ID, sealed: sealed.clone(), at: *at }]);
        let row = place.row();
        assert_eq!((row.state(), row.cause.as_deref()), (State::Failed, Some("full")));
        assert_eq!((row.length, row.due), (Some(Samples(8_000)), Some(at.after(row.keep))));
        adoption.remember(ID);
        assert_eq!(place.look(&mut adoption), [], "once");
    }

    #[test]
    fn where_nothing_is_left_it_is_not_looked_for_again() {
        let place = Place(tempfile::tempdir().expect("a folder"));
        let mut adoption = Adoption::new(place.0.path().to_owned(), place.state());
        let failed = Entry::RecordingFailed { recording: ID, cause: "full".into(), at: now() };
        place.write(&[armed(), failed]);
        adoption.remember(ID);
        assert_eq!(place.look(&mut adoption), []);
        assert!(adoption.is_idle());
    }
}

//! What is never dropped, however full the journal is: entries that are acted upon once they are committed. That entry n is
//! committed says the same of every one before it, so a permit to record or to delete must not be missing there.

use std::collections::VecDeque;

use crate::io::store::Full;
use crate::switch::journal::{Entry, EntryId};

/// Promises that found the journal full, in order. Nothing is appended before them. They are few: one for each recording of a call
/// that is up, a page of purges, the admins' legal holds.
#[derive(Debug, Default)]
pub(super) struct Promises {
    waiting: VecDeque<(EntryId, Entry)>,
}

/// An entry that nobody waits for was dropped: the record has a hole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dropped;

impl Promises {
    /// Appends an entry, after the promises that still wait; of those that find no room, a promise waits and any other is dropped.
    pub(super) fn store(
        &mut self,
        id: EntryId,
        entry: Entry,
        mut append: impl FnMut(EntryId, Entry) -> Result<(), Full>,
    ) -> Result<(), Dropped> {
        self.retry(&mut append);
        let refused = if self.waiting.is_empty() {
            match append(id, entry) {
                Ok(()) => return Ok(()),
                Err(Full(entry)) => *entry,
            }
        } else {
            entry
        };
        if !refused.is_promise() {
            return Err(Dropped);
        }
        self.waiting.push_back((id, refused));
        Ok(())
    }

    /// Appends what waits, as far as there is room.
    pub(super) fn retry(&mut self, mut append: impl FnMut(EntryId, Entry) -> Result<(), Full>) {
        while let Some((id, entry)) = self.waiting.pop_front() {
            if let Err(Full(entry)) = append(id, entry) {
                return self.waiting.push_front((id, *entry));
            }
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::RecordingId;
    use crate::utc::Utc;

    /// A journal with so much room.
    struct Journal {
        room: usize,
        kept: Vec<u64>,
    }

    impl Journal {
        fn append(&mut self, id: EntryId, entry: Entry) -> Result<(), Full> {
            if self.room == 0 {
                return Err(Full(Box::new(entry)));
            }
            self.room -= 1;
            self.kept.push(id.0);
            Ok(())
        }
    }

    fn purge() -> Entry {
        Entry::PurgeOrdered {
            recording: RecordingId(1),
            policy: "standard".into(),
            at: Utc::from_micros(0),
        }
    }

    fn other() -> Entry {
        Entry::DialogDown { local_tag: "a".into() }
    }

    #[test]
    fn a_promise_waits_for_room_and_nothing_overtakes_it() {
        let mut journal = Journal { room: 1, kept: Vec::new() };
        let mut promises = Promises::default();
        let mut store = |journal: &mut Journal, id, entry| {
            promises.store(EntryId(id), entry, |id, entry| journal.append(id, entry))
        };
        assert_eq!(store(&mut journal, 1, other()), Ok(()));
        assert_eq!(store(&mut journal, 2, other()), Err(Dropped));
        assert_eq!(store(&mut journal, 3, purge()), Ok(()));
        // An entry after it that got in would say, once committed, that the promise is too.
        assert_eq!(store(&mut journal, 4, other()), Err(Dropped));
        assert_eq!(store(&mut journal, 5, purge()), Ok(()));
        assert_eq!(journal.kept, [1]);
        journal.room = 1;
        assert_eq!(store(&mut journal, 6, other()), Err(Dropped));
        assert_eq!(journal.kept, [1, 3]);
        journal.room = 5;
        assert_eq!(store(&mut journal, 7, other()), Ok(()));
        assert_eq!(journal.kept, [1, 3, 5, 7]);
    }

    #[test]
    fn a_promise_goes_in_as_soon_as_there_is_room() {
        let mut journal = Journal { room: 0, kept: Vec::new() };
        let mut promises = Promises::default();
        let stored = promises.store(EntryId(1), purge(), |id, entry| journal.append(id, entry));
        assert_eq!((stored, promises.len()), (Ok(()), 1));
        promises.retry(|id, entry| journal.append(id, entry));
        assert_eq!(promises.len(), 1);
        journal.room = 1;
        promises.retry(|id, entry| journal.append(id, entry));
        assert_eq!((promises.len(), &journal.kept[..]), (0, &[1][..]));
    }
}

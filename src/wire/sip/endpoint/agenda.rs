//! What is due when: one index over all transactions, from which stale entries are dropped as they surface.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Whose timer it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Subject {
    /// A request of ours.
    Client(u64),
    /// The CANCEL of an INVITE of ours.
    Cancel(u64),
    /// A request of the far side.
    Server(u64),
}

/// Deadlines in order. An entry counts only while its subject still has that deadline.
#[derive(Debug, Default)]
pub(super) struct Agenda(BinaryHeap<Reverse<(Instant, Subject)>>);

impl Agenda {
    /// Notes that `subject` moved from one deadline to another.
    pub(super) fn moved(
        &mut self,
        subject: Subject,
        before: Option<Instant>,
        after: Option<Instant>,
    ) {
        if let Some(at) = after
            && before != after
        {
            self.0.push(Reverse((at, subject)));
        }
    }

    /// The first deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.first().map(|(at, _)| at)
    }

    /// The first entry.
    pub(super) fn first(&self) -> Option<(Instant, Subject)> {
        self.0.peek().map(|Reverse(entry)| *entry)
    }

    /// Removes the first entry.
    pub(super) fn drop_first(&mut self) {
        self.0.pop();
    }

    /// Takes the first entry, if it is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Instant, Subject)> {
        let entry = self.first().filter(|(at, _)| *at <= now)?;
        self.drop_first();
        Some(entry)
    }
}

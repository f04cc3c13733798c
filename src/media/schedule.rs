//! What a relay has to do when: one heap of errands, by the places of the ports. An entry counts only if the port that is there says
//! that instant; the others surface and are dropped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// What for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Errand {
    /// The next piece of a prompt.
    Play,
    /// An RTCP report.
    Report,
    /// A look whether the far side has fallen silent.
    Watch,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    heap: BinaryHeap<Reverse<(Instant, usize, Errand)>>,
}

impl Schedule {
    /// Adds an errand.
    pub(super) fn add(&mut self, at: Instant, place: usize, errand: Errand) {
        self.heap.push(Reverse((at, place, errand)));
    }

    /// Takes the earliest errand that is due at `now`.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Instant, usize, Errand)> {
        let &Reverse(entry) = self.heap.peek()?;
        if entry.0 > now {
            return None;
        }
        self.heap.pop();
        Some(entry)
    }

    /// When the earliest errand is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.heap.peek().map(|&Reverse((at, _, _))| at)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }
}

//! What is due when: one index over all transactions, from which stale entries are dropped as they surface.
//!
//! Nearly all transactions only linger, to absorb what comes again, and nobody hears when they are forgotten. So these are forgotten
//! together: at 500 calls a second, two wakes a call would be for nothing else.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// How late what only lingers may be forgotten.
const SLACK: Duration = Duration::from_millis(100);

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

/// When a transaction wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Due {
    /// To send again, or to give up.
    At(Instant),
    /// To be forgotten.
    After(Instant),
}

impl Due {
    /// What a machine says of itself.
    pub(super) fn of(deadline: Option<Instant>, lingers: bool) -> Option<Due> {
        deadline.map(if lingers { Due::After } else { Due::At })
    }
}

/// Deadlines in order. An entry counts only while its subject still has that deadline.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    exact: Entries,
    lingering: Entries,
}

type Entries = BinaryHeap<Reverse<(Instant, Subject)>>;

impl Agenda {
    /// Notes that `subject` moved from one deadline to another.
    pub(super) fn moved(&mut self, subject: Subject, before: Option<Due>, after: Option<Due>) {
        if before == after {
            return;
        }
        match after {
            Some(Due::At(at)) => self.exact.push(Reverse((at, subject))),
            Some(Due::After(at)) => self.lingering.push(Reverse((at, subject))),
            None => {}
        }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        let exact = first(&self.exact).map(|(at, _)| at);
        let lingering = first(&self.lingering).map(|(at, _)| at + SLACK);
        [exact, lingering].into_iter().flatten().min()
    }

    /// Takes an entry that is due.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Due, Subject)> {
        let mut taken = |entries: fn(&mut Agenda) -> &mut Entries, due: fn(Instant) -> Due| {
            let entries = entries(self);
            let (at, subject) = first(entries).filter(|(at, _)| *at <= now)?;
            entries.pop();
            Some((due(at), subject))
        };
        taken(|agenda| &mut agenda.exact, Due::At)
            .or_else(|| taken(|agenda| &mut agenda.lingering, Due::After))
    }

    /// Drops what is first and stale: `due` says when a subject now wants to be woken.
    pub(super) fn drop_stale(&mut self, due: impl Fn(Subject) -> Option<Due>) {
        while first(&self.exact).is_some_and(|(at, of)| due(of) != Some(Due::At(at))) {
            self.exact.pop();
        }
        while first(&self.lingering).is_some_and(|(at, of)| due(of) != Some(Due::After(at))) {
            self.lingering.pop();
        }
    }
}

fn first(entries: &Entries) -> Option<(Instant, Subject)> {
    entries.peek().map(|Reverse(entry)| *entry)
}

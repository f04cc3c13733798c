//! The journal of the lab: commits after a while, remembers what the store would.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tonspur::media::RecordingId;
use tonspur::switch::journal::{Armed, Cdr, Entry, EntryId, Memory};
use tonspur::switch::retention::{Kept, Page, Query};
use tonspur::utc::Utc;

/// See the module.
pub(crate) struct Journal {
    pub(crate) latency: Duration,
    waiting: VecDeque<(Instant, EntryId, Entry)>,
    committed: Vec<Entry>,
}

#[derive(Default)]
struct Row {
    armed: Option<Armed>,
    over: Option<Utc>,
    hold: bool,
    purge: Option<(String, bool)>,
}

impl Journal {
    pub(crate) fn new() -> Journal {
        Journal {
            latency: Duration::from_millis(2),
            waiting: VecDeque::new(),
            committed: Vec::new(),
        }
    }

    pub(crate) fn append(&mut self, now: Instant, id: EntryId, entry: Entry) {
        self.waiting.push_back((now + self.latency, id, entry));
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(due, _, _)| *due)
    }

    /// Commits what is due; gives the last entry's number.
    pub(crate) fn commit(&mut self, now: Instant) -> Option<EntryId> {
        let mut last = None;
        while self.deadline().is_some_and(|due| due <= now) {
            let (_, id, entry) = self.waiting.pop_front().expect("a deadline is an entry");
            self.committed.push(entry);
            last = Some(id);
        }
        last
    }

    /// What was not committed is gone.
    pub(crate) fn lose(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.committed.iter()
    }

    pub(crate) fn cdrs(&self) -> Vec<Cdr> {
        let mut order = Vec::new();
        let mut rows: BTreeMap<_, Cdr> = BTreeMap::new();
        for entry in &self.committed {
            if let Entry::Call(cdr) = entry
                && rows.insert(cdr.call, (**cdr).clone()).is_none()
            {
                order.push(cdr.call);
            }
        }
        order.into_iter().filter_map(|call| rows.remove(&call)).collect()
    }

    fn rows(&self) -> BTreeMap<RecordingId, Row> {
        let mut rows: BTreeMap<RecordingId, Row> = BTreeMap::new();
        for entry in &self.committed {
            match entry {
                Entry::Armed(armed) => {
                    rows.entry(armed.recording).or_default().armed = Some(armed.clone())
                }
                Entry::Sealed { recording, at, .. }
                | Entry::RecordingFailed { recording, at, .. } => {
                    rows.entry(*recording).or_default().over = Some(*at);
                }
                Entry::LegalHold { recording, .. } => {
                    rows.entry(*recording).or_default().hold = true
                }
                Entry::Released { recording, .. } => {
                    rows.entry(*recording).or_default().hold = false
                }
                Entry::PurgeOrdered { recording, policy, .. } => {
                    rows.entry(*recording).or_default().purge = Some((policy.clone(), false));
                }
                Entry::Purged { recording, .. } => {
                    let row = rows.entry(*recording).or_default();
                    row.purge = row.purge.take().map(|(policy, _)| (policy, true));
                }
                _ => {}
            }
        }
        rows
    }

    /// What a new switch is given.
    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        let mut bindings = BTreeMap::new();
        let mut agents = BTreeMap::new();
        let mut dialogs = BTreeMap::new();
        for entry in &self.committed {
            match entry {
                Entry::Bound(binding) => {
                    bindings
                        .insert((binding.aor.clone(), binding.contact.clone()), binding.clone());
                }
                Entry::Unbound { aor, contact } => {
                    bindings.remove(&(aor.clone(), contact.clone()));
                }
                Entry::AgentStatus { agent, status, .. } => {
                    agents.insert(agent.clone(), *status);
                }
                Entry::DialogUp { call, local_tag, dialog } => {
                    dialogs.insert(local_tag.clone(), (*call, local_tag.clone(), dialog.clone()));
                }
                Entry::DialogDown { local_tag } => {
                    dialogs.remove(local_tag);
                }
                Entry::RetentionRan { at, .. } => memory.retention_ran = Some(*at),
                _ => {}
            }
        }
        memory.bindings = bindings.into_values().collect();
        memory.agents = agents.into_iter().collect();
        memory.dialogs = dialogs.into_values().collect();
        memory.purges = (self.rows().into_iter())
            .filter_map(|(id, row)| match (row.purge, row.armed) {
                (Some((policy, false)), Some(armed)) => Some((id, armed.path, policy)),
                _ => None,
            })
            .collect();
        memory
    }

    /// Answers the retention job as the store does.
    pub(crate) fn find(&self, query: Query) -> Page {
        let kept = |(id, row): (RecordingId, Row)| {
            let armed = row.armed?;
            let gone = row.purge.is_some_and(|(_, done)| done);
            (!gone).then_some((
                row.over,
                Kept {
                    recording: id,
                    path: armed.path,
                    policy: armed.policy,
                    keep: armed.keep,
                    since: row.over.unwrap_or(armed.at),
                    legal_hold: row.hold,
                },
            ))
        };
        let rows = self.rows().into_iter().filter_map(kept);
        let found = match query {
            Query::Due { at, after, limit } => rows
                .filter(|(over, kept)| {
                    over.is_some()
                        && !kept.legal_hold
                        && kept.due() <= at
                        && after.is_none_or(|after| kept.recording > after)
                })
                .map(|(_, kept)| kept)
                .take(limit)
                .collect(),
            Query::One { recording } => {
                rows.map(|(_, kept)| kept).filter(|kept| kept.recording == recording).collect()
            }
        };
        Page { query, found }
    }
}

//! The journal of the lab: commits after a while, remembers what the store would, and finishes at a start what a crash cut off.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use tonspur::media::{RecordingId, Sealed};
use tonspur::switch::forwarding::Change;
use tonspur::switch::journal::{Armed, Cdr, Entry, EntryId, Memory};
use tonspur::switch::retention::{Kept, Page, Query};
use tonspur::utc::Utc;

/// See the module.
pub(crate) struct Journal {
    pub(crate) latency: Duration,
    /// Commits take anything up to `latency`, and split what was appended together.
    pub(crate) varies: bool,
    /// The database cannot be written: what is appended waits, and is tried again.
    pub(crate) fails: bool,
    waiting: VecDeque<(Instant, EntryId, Entry)>,
    committed: Vec<Entry>,
}

#[derive(Default)]
struct Row {
    armed: Option<Armed>,
    over: Option<Utc>,
    sealed: bool,
    hold: bool,
    purge: Option<(String, bool)>,
}

impl Journal {
    pub(crate) fn new() -> Journal {
        Journal {
            latency: Duration::from_millis(2),
            varies: false,
            fails: false,
            waiting: VecDeque::new(),
            committed: Vec::new(),
        }
    }

    /// `chance` draws a number below its argument.
    pub(crate) fn append(
        &mut self,
        now: Instant,
        id: EntryId,
        entry: Entry,
        chance: impl FnOnce(u64) -> u64,
    ) {
        let latency = match self.varies {
            true => Duration::from_millis(chance(self.latency.as_millis() as u64 + 1)),
            false => self.latency,
        };
        // In order, whatever each takes.
        let before = self.waiting.back().map_or(now, |(due, _, _)| *due);
        self.waiting.push_back((before.max(now + latency), id, entry));
    }

    /// The writing thread tries again.
    pub(crate) fn mend(&mut self, now: Instant) {
        self.fails = false;
        for (due, _, _) in &mut self.waiting {
            *due = (*due).max(now);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiting.front().filter(|_| !self.fails).map(|(due, _, _)| *due)
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

    /// Those too that are not committed yet.
    pub(crate) fn appended(&self) -> impl Iterator<Item = &Entry> {
        self.committed.iter().chain(self.waiting.iter().map(|(_, _, entry)| entry))
    }

    pub(crate) fn is_committed(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The dialogs that the next start would say goodbye to, by our tag.
    pub(crate) fn remembered(&self) -> impl Iterator<Item = String> {
        self.memory().dialogs.into_iter().map(|(_, tag, _)| tag)
    }

    /// Whether a recording may be deleted at this moment: ordered, and under no legal hold.
    pub(crate) fn orders(&self, recording: RecordingId) -> bool {
        let row = self.rows().remove(&recording).unwrap_or_default();
        row.purge.is_some_and(|(_, done)| !done) && !row.hold
    }

    /// What the store does at a start: every call gets its end, every recording that was cut off its seal or its failure. `salvage`
    /// finishes a file, if there is one.
    pub(crate) fn finish(&mut self, mut salvage: impl FnMut(RecordingId) -> Option<Sealed>) {
        for (recording, row) in self.rows() {
            let Some(armed) = row.armed else { continue };
            if row.sealed || row.purge.is_some_and(|(_, done)| done) {
                continue;
            }
            match salvage(recording) {
                Some(sealed) => {
                    let at = armed.at.after(sealed.length.duration());
                    self.committed.push(Entry::Sealed { recording, sealed, at });
                }
                None if row.over.is_none() => {
                    let cause = "no audio reached the disk".into();
                    self.committed.push(Entry::RecordingFailed { recording, cause, at: armed.at });
                }
                None => {}
            }
        }
        for mut cdr in self.cdrs().into_iter().filter(|cdr| cdr.ended.is_none()) {
            cdr.ended = cdr.bridged.or(cdr.answered).or(Some(cdr.started));
            cdr.end_cause = Some("interrupted".into());
            self.committed.push(Entry::Call(Box::new(cdr)));
        }
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
                    // A hold is on the conversation, and goes on with it.
                    let hold = armed.continues.is_some_and(|first| {
                        let goes_on = |row: &Row| {
                            row.armed.as_ref().is_some_and(|before| {
                                before.recording == first || before.continues == Some(first)
                            })
                        };
                        rows.values().any(|row| row.hold && goes_on(row))
                    });
                    let row = rows.entry(armed.recording).or_default();
                    (row.armed, row.hold) = (Some(armed.clone()), hold);
                }
                Entry::Sealed { recording, at, .. } => {
                    let row = rows.entry(*recording).or_default();
                    (row.over, row.sealed) = (Some(*at), true);
                }
                Entry::RecordingFailed { recording, at, .. } => {
                    rows.entry(*recording).or_default().over = Some(*at);
                }
                Entry::LegalHold { recording, .. } => {
                    // It takes back an order that was not carried out.
                    let row = rows.entry(*recording).or_default();
                    (row.hold, row.purge) = (true, row.purge.take().filter(|(_, done)| *done));
                }
                Entry::Released { recording, .. } => {
                    rows.entry(*recording).or_default().hold = false
                }
                Entry::PurgeOrdered { recording, policy, .. } => {
                    let row = rows.entry(*recording).or_default();
                    let open = !row.hold && row.purge.as_ref().is_none_or(|(_, done)| !done);
                    row.purge = if open { Some((policy.clone(), false)) } else { row.purge.take() };
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
        let mut forwarding = BTreeMap::new();
        let mut dialogs = BTreeMap::new();
        let mut subscriptions = BTreeMap::new();
        for entry in &self.committed {
            match entry {
                Entry::Bound(binding) => {
                    bindings
                        .insert((binding.aor.clone(), binding.contact.clone()), binding.clone());
                }
                Entry::Unbound { aor, contact, .. } => {
                    bindings.remove(&(aor.clone(), contact.clone()));
                }
                Entry::AgentStatus { agent, status, .. } => {
                    agents.insert(agent.clone(), *status);
                }
                Entry::Forwarding { user, change, .. } => {
                    let what = match change {
                        Change::Forward { occasion, .. } => Some(*occasion),
                        Change::Undisturbed(_) => None,
                    };
                    forwarding.insert((user.clone(), what), change.clone());
                }
                Entry::DialogUp { call, local_tag, dialog } => {
                    dialogs.insert(local_tag.clone(), (*call, local_tag.clone(), dialog.clone()));
                }
                Entry::DialogDown { local_tag } => {
                    dialogs.remove(local_tag);
                }
                Entry::SubscriptionUp(subscribed) => {
                    subscriptions.insert(subscribed.local_tag.clone(), (**subscribed).clone());
                }
                Entry::SubscriptionDown { local_tag } => drop(subscriptions.remove(local_tag)),
                Entry::RetentionRan { at, .. } => memory.retention_ran = Some(*at),
                _ => {}
            }
        }
        memory.bindings = bindings.into_values().collect();
        memory.agents = agents.into_iter().collect();
        memory.forwarding =
            forwarding.into_iter().map(|((user, _), change)| (user, change)).collect();
        memory.subscriptions = subscriptions.into_values().collect();
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

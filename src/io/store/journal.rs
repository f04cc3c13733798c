//! The running store: a bounded backlog, a thread that commits it in order, and a thread that looks things up.
//!
//! A locked or full database keeps the entries waiting in memory, in order; the thread tries until it succeeds.

#![expect(
    clippy::disallowed_methods,
    reason = "patience with a locked database is measured here, nothing is decided by it"
)]

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{Store, query};
use crate::switch::journal::{Entry, EntryId};
use crate::switch::retention::{Page, Query};

/// Entries that memory holds while the database cannot be written.
pub const BACKLOG: usize = 100_000;
/// Entries in one commit.
const COMMIT: usize = 2_000;
/// A commit waits so long for more to join it: alone, an entry costs a tenth of a millisecond and a flush of the disk. Nobody hears it:
/// what waits for a commit is the first write of a recording, whose audio is in memory meanwhile.
const GATHER: Duration = Duration::from_millis(50);
/// A failed commit is tried again after so long, doubled up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// A commit that takes so long is told to whoever asks.
const HANGS: Duration = Duration::from_secs(5);
/// A failure that lasts is told again after so long.
const REMIND: Duration = Duration::from_secs(30);

/// What the store has to tell.
#[derive(Debug)]
pub enum Report {
    /// This entry, and every one before it, is committed.
    Stored(EntryId),
    /// The answer to [`Journal::find`].
    Found(Page),
}

/// The backlog is full; the entry is given back. The switch takes no new calls long before, see [`Journal::is_strained`].
#[derive(Debug)]
pub struct Full(pub Box<Entry>);

/// The store was closed before it could write these many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unwritten(pub usize);

/// The store at work.
#[derive(Debug)]
pub struct Journal {
    backlog: Arc<Backlog>,
    threads: Vec<JoinHandle<()>>,
    capacity: usize,
}

#[derive(Debug)]
enum Item {
    Entry(EntryId, Entry),
    Find(Query),
}

/// One commit, and the question that is to see it.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<(EntryId, Entry)>,
    question: Option<Query>,
}

#[derive(Debug, Default)]
struct Backlog {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    /// How many of them are questions.
    questions: usize,
    /// Being committed.
    in_flight: usize,
    /// Since when.
    since: Option<Instant>,
    /// Why the last try to commit failed, if it did.
    trouble: Option<String>,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum End {
    #[default]
    No,
    /// When everything is written.
    Closing,
    /// Now.
    Abandoned,
    /// The writer has ended.
    Ended,
}

impl Journal {
    pub(super) fn start(
        store: Store,
        reader: Connection,
        tell: impl Fn(Report) + Send + Sync + 'static,
    ) -> io::Result<Journal> {
        Journal::start_bounded(store, reader, BACKLOG, tell)
    }

    pub(super) fn start_bounded(
        store: Store,
        reader: Connection,
        capacity: usize,
        tell: impl Fn(Report) + Send + Sync + 'static,
    ) -> io::Result<Journal> {
        let backlog = Arc::new(Backlog::default());
        let tell = Arc::new(tell);
        let (ask, questions) = mpsc::channel();
        let look_up = {
            let (backlog, tell) = (Arc::clone(&backlog), Arc::clone(&tell));
            move || look_up(&reader, &questions, &backlog, &*tell)
        };
        let write = {
            let backlog = Arc::clone(&backlog);
            move || Writer { store, backlog, ask, owes: false }.run(&*tell)
        };
        let threads = vec![
            thread::Builder::new().name("store-find".into()).spawn(look_up)?,
            thread::Builder::new().name("store".into()).spawn(write)?,
        ];
        Ok(Journal { backlog, threads, capacity })
    }

    /// Puts an entry behind the others. It never waits; [`Report::Stored`] tells when it is committed.
    pub fn append(&self, id: EntryId, entry: Entry) -> Result<(), Full> {
        let mut waiting = self.backlog.lock();
        if waiting.len() >= self.capacity {
            return Err(Full(Box::new(entry)));
        }
        waiting.items.push_back(Item::Entry(id, entry));
        // In between, the writer sleeps on.
        if matches!(waiting.items.len(), 1 | COMMIT) {
            self.backlog.changed.notify_all();
        }
        Ok(())
    }

    /// Asks a question; [`Report::Found`] answers it from what was appended before, all of it.
    pub fn find(&self, query: Query) {
        // The asker bounds these: retention has one page and a few admins under way.
        let mut waiting = self.backlog.lock();
        waiting.items.push_back(Item::Find(query));
        waiting.questions += 1;
        self.backlog.changed.notify_all();
    }

    /// Whether so much is waiting that no new call should be taken: what is up needs the rest of the backlog.
    pub fn is_strained(&self) -> bool {
        self.backlog.lock().len() >= self.capacity / 2
    }

    /// Entries that are not committed.
    pub fn waiting(&self) -> usize {
        self.backlog.lock().len()
    }

    /// Why the database could not be written when it was last tried, if it could not, or why that takes so long.
    pub fn trouble(&self) -> Option<String> {
        self.backlog.lock().trouble(Instant::now())
    }

    /// Commits everything appended and ends, within `patience`; what could not be written by then is lost, and counted.
    pub fn close(mut self, patience: Duration) -> Result<(), Unwritten> {
        let until = Instant::now() + patience;
        let mut waiting = self.backlog.lock();
        if waiting.end == End::No {
            waiting.end = End::Closing;
            self.backlog.changed.notify_all();
        }
        while waiting.end == End::Closing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = (self.backlog.changed.wait_timeout(waiting, left))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let unwritten = waiting.len();
        drop(waiting);
        self.end();
        if unwritten == 0 { Ok(()) } else { Err(Unwritten(unwritten)) }
    }

    fn end(&mut self) {
        let mut waiting = self.backlog.lock();
        if waiting.end != End::Ended {
            waiting.end = End::Abandoned;
        }
        self.backlog.changed.notify_all();
        drop(waiting);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(event = "thread_panicked", thread = "store");
            }
        }
    }
}

/// Not closed: as if the program had died here, but for the lock, which is free afterwards.
impl Drop for Journal {
    fn drop(&mut self) {
        self.end();
    }
}

impl Backlog {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held, and the list is whole at any time.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next commit. `None` when it is time to end.
    fn take(&self) -> Option<Batch> {
        let mut waiting = self.lock();
        while waiting.items.is_empty() && waiting.end == End::No {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + GATHER;
        while waiting.questions == 0 && waiting.items.len() < COMMIT && waiting.end == End::No {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = (self.changed.wait_timeout(waiting, left))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if waiting.items.is_empty() || waiting.end == End::Abandoned {
            return None;
        }
        let mut batch = Batch::default();
        while batch.entries.len() < COMMIT && batch.question.is_none() {
            match waiting.items.pop_front() {
                Some(Item::Entry(id, entry)) => batch.entries.push((id, entry)),
                Some(Item::Find(query)) => {
                    waiting.questions -= 1;
                    batch.question = Some(query);
                }
                None => break,
            }
        }
        waiting.in_flight = batch.entries.len();
        waiting.since = Some(Instant::now());
        Some(batch)
    }

    /// Waits before another try; `false` if it is time to end.
    fn pause(&self, span: Duration) -> bool {
        let until = Instant::now() + span;
        let mut waiting = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if waiting.end == End::Abandoned || left.is_zero() {
                return waiting.end != End::Abandoned;
            }
            waiting = (self.changed.wait_timeout(waiting, left))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Waiting {
    fn trouble(&self, now: Instant) -> Option<String> {
        let hangs = self.since.is_some_and(|since| now.duration_since(since) >= HANGS);
        self.trouble.clone().or_else(|| hangs.then(|| "the disk does not answer".to_owned()))
    }

    fn len(&self) -> usize {
        self.items.len() + self.in_flight
    }
}

struct Writer {
    store: Store,
    backlog: Arc<Backlog>,
    ask: mpsc::Sender<Query>,
    /// Something was purged since the log of the database was emptied.
    owes: bool,
}

impl Writer {
    fn run(mut self, tell: &(impl Fn(Report) + Send + Sync)) {
        while let Some(Batch { entries, question }) = self.backlog.take() {
            if !self.commit(&entries) {
                break;
            }
            {
                let mut waiting = self.backlog.lock();
                waiting.in_flight = 0;
                waiting.since = None;
                waiting.trouble = None;
            }
            self.forget(&entries);
            entries.iter().for_each(|(_, entry)| announce(entry));
            if let Some((last, _)) = entries.last() {
                tell(Report::Stored(*last));
            }
            if let Some(query) = question {
                // The other end lives as long as this one's sender.
                let _ = self.ask.send(query);
            }
        }
        let Writer { store, backlog, ask, owes: _ } = self;
        drop(ask);
        if !store.empty_log() {
            // The next start does it.
            tracing::warn!(event = "log_not_emptied");
        }
        // The lock goes with it, after the connection.
        let Store { connection, path: _, reserve: _, lock } = store;
        drop(connection);
        drop(lock);
        let mut waiting = backlog.lock();
        waiting.end = End::Ended;
        backlog.changed.notify_all();
    }

    /// What a tombstone no longer says is gone from the disk before the purge counts as stored.
    fn forget(&mut self, entries: &[(EntryId, Entry)]) {
        self.owes |= entries.iter().any(|(_, entry)| matches!(entry, Entry::Purged { .. }));
        if self.owes {
            self.owes = !self.store.empty_log();
        }
    }

    /// Commits, however often it must be tried; `false` if it was abandoned.
    fn commit(&mut self, entries: &[(EntryId, Entry)]) -> bool {
        if entries.is_empty() {
            return true;
        }
        let mut trouble: Option<(Instant, Instant)> = None;
        let (mut pause, longest) = AGAIN;
        loop {
            let written = self.store.commit(entries.iter().map(|(_, entry)| entry));
            let now = Instant::now();
            match (written, trouble) {
                (Ok(()), None) => return true,
                (Ok(()), Some((since, _))) => {
                    let seconds = now.duration_since(since).as_secs_f32();
                    // Nothing is lost.
                    tracing::info!(event = "database_written_again", seconds);
                    return true;
                }
                (Err(error), before) => {
                    let waiting = {
                        let mut waiting = self.backlog.lock();
                        waiting.trouble = Some(error.to_string());
                        waiting.len()
                    };
                    trouble = Some(match before {
                        Some((since, told)) if now.duration_since(told) < REMIND => (since, told),
                        Some(_) | None => {
                            tracing::warn!(event = "database_unwritable", %error, waiting);
                            (before.map_or(now, |(since, _)| since), now)
                        }
                    });
                }
            }
            if !self.backlog.pause(pause) {
                return false;
            }
            pause = (pause * 2).min(longest);
        }
    }
}

/// The log of what retention did: deletion is never silent.
fn announce(entry: &Entry) {
    match entry {
        Entry::PurgeOrdered { recording, policy, .. } => {
            tracing::info!(event = "purge_ordered", %recording, policy);
        }
        Entry::Purged { recording, .. } => tracing::info!(event = "purged", %recording),
        Entry::LegalHold { recording, .. } => tracing::info!(event = "legal_hold", %recording),
        Entry::Released { recording, .. } => tracing::info!(event = "released", %recording),
        Entry::RetentionRan { purged, failed, .. } if *failed > 0 => {
            tracing::warn!(event = "retention_ran", purged, failed);
        }
        Entry::RetentionRan { purged, failed, .. } => {
            tracing::debug!(event = "retention_ran", purged, failed);
        }
        Entry::RetentionBlocked { why, .. } => tracing::warn!(event = "retention_blocked", %why),
        // The switch tells a failed recording itself.
        Entry::RecordingFailed { .. }
        | Entry::Bound(_)
        | Entry::Unbound { .. }
        | Entry::AgentStatus { .. }
        | Entry::Forwarding { .. }
        | Entry::Call(_)
        | Entry::Leg(_)
        | Entry::DialogUp { .. }
        | Entry::DialogDown { .. }
        | Entry::SubscriptionUp(_)
        | Entry::SubscriptionDown { .. }
        | Entry::Armed(_)
        | Entry::Sealed { .. } => {}
    }
}

/// Answers questions until the writer ends. One that fails is asked again: an empty answer would say that nothing is due.
fn look_up(
    rows: &Connection,
    questions: &mpsc::Receiver<Query>,
    backlog: &Backlog,
    tell: &(impl Fn(Report) + Send + Sync),
) {
    for query in questions {
        let mut told = false;
        loop {
            match query::answer(rows, query) {
                Ok(page) => {
                    tell(Report::Found(page));
                    break;
                }
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(event = "database_unreadable", %error);
                    }
                    let closing = !backlog.pause(AGAIN.1) || backlog.lock().end != End::No;
                    if closing {
                        break;
                    }
                }
            }
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the journal's backlog is full")
    }
}

impl std::error::Error for Full {}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries of the journal could not be written", self.0)
    }
}

impl std::error::Error for Unwritten {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_hangs_is_a_trouble_too() {
        let start = Instant::now();
        let mut waiting = Waiting { since: Some(start), ..Waiting::default() };
        assert_eq!(waiting.trouble(start + HANGS / 2), None);
        assert_eq!(waiting.trouble(start + HANGS).as_deref(), Some("the disk does not answer"));
        waiting.trouble = Some("database is locked".to_owned());
        assert_eq!(waiting.trouble(start).as_deref(), Some("database is locked"));
    }
}

//! The store: what happened, in SQLite. One writer groups entries into commits; whoever reads has a connection of their own.
//!
//! `<state>/tonspur.db` in WAL mode, `<state>/lock` held by the one process that writes.

mod apply;
mod error;
mod journal;
mod query;
mod reader;
mod recall;
mod reserve;
mod rows;
mod schema;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

pub use error::Error;
pub use journal::{BACKLOG, Full, Journal, Report, Unwritten};
pub use reader::{CallFilter, Counts, Matches, Outcome, Reader, RecordingFilter, RetentionRun};
pub use recall::{INTERRUPTED, Interrupted};
pub(super) use reserve::SIZE as RESERVED;
pub use rows::{Recording, State};

use super::folder::{self, Lock};
use super::wav;
use crate::switch::journal::{Entry, Memory};
use crate::switch::retention::{Page, Query};
use crate::utc::Utc;
use reserve::Reserve;

/// The database's name in the state folder.
pub const DATABASE: &str = "tonspur.db";
const LOCK: &str = "lock";
/// Up to this size every page of the database is checked at a start: well under a second.
const CHECKED: u64 = 256 << 20;
/// The writer waits so long for a lock of another connection before it counts as a failure and is tried again.
const PATIENCE: Duration = Duration::from_millis(100);

/// The one that may write. Not started, it writes when told to; started, it is a [`Journal`].
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    reserve: Reserve,
    lock: Lock,
}

/// An open store and what it remembers.
#[derive(Debug)]
pub struct Opened {
    /// To be started, or used as it is.
    pub store: Store,
    /// For the switch.
    pub memory: Memory,
    /// What the last run left unfinished and is finished now.
    pub interrupted: Interrupted,
    /// Where the database lies as it was, if this start had to change its schema.
    pub copy: Option<PathBuf>,
}

impl Store {
    /// Opens the store in `state`, making it if there is none, and finishes what a crash left: calls get an end, cut-off recordings
    /// under `recordings` are sealed.
    pub fn open(state: &Path, recordings: &Path, now: Utc) -> Result<Opened, Error> {
        let salvage =
            |path: &str| wav::salvage(recordings, path).map_err(|error| error.to_string());
        Store::open_with(state, recordings, now, &salvage)
    }

    fn open_with(
        state: &Path,
        recordings: &Path,
        now: Utc,
        finish: recall::Salvage<'_>,
    ) -> Result<Opened, Error> {
        folder::create_private(state, is_ours).map_err(Error::io(state))?;
        let held = state.join(LOCK);
        let lock = Lock::take(&held)
            .map_err(Error::io(&held))?
            .ok_or_else(|| Error::Busy(state.to_owned()))?;
        let mut reserve = Reserve::of(state);
        let path = state.join(DATABASE);
        let mut connection = open_file(&path)?;
        let copy = schema::migrate(&mut connection, &path, schema::STEPS)?;
        let interrupted = recall::finish(&mut connection, &path, recordings, now, finish)?;
        let memory = recall::memory(&connection).map_err(Error::sql(&path))?;
        reserve.keep();
        Ok(Opened { store: Store { connection, path, reserve, lock }, memory, interrupted, copy })
    }

    /// Bytes of all recordings that are kept.
    pub fn kept(&self) -> Result<u64, Error> {
        let query = "SELECT coalesce(sum(bytes), 0) FROM recordings WHERE purged_at IS NULL";
        let kept: i64 = self
            .connection
            .query_row(query, [], |row| row.get(0))
            .map_err(Error::sql(&self.path))?;
        Ok(u64::try_from(kept).unwrap_or(0))
    }

    /// Commits these, at once.
    pub fn write(&mut self, entries: &[Entry]) -> Result<(), Error> {
        let written = self.commit(entries.iter());
        written.map_err(Error::sql(&self.path))
    }

    /// One commit; on a full disk, with what was kept back for it.
    fn commit<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry> + Clone,
    ) -> rusqlite::Result<()> {
        match write(&mut self.connection, entries.clone()) {
            Ok(()) => {
                self.reserve.keep();
                Ok(())
            }
            Err(error) if self.is_full(&error) && self.reserve.give_up() => {
                write(&mut self.connection, entries)
            }
            Err(error) => Err(error),
        }
    }

    fn is_full(&self, error: &rusqlite::Error) -> bool {
        use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
        match error.sqlite_error_code() {
            Some(DiskFull) => true,
            // Where it is noticed late, in a flush.
            Some(SystemIoFailure) => self.reserve.is_short(),
            Some(_) | None => false,
        }
    }

    /// Empties the write-ahead log into the database: what was deleted lies in the log as it was until then. `false` if somebody who
    /// reads keeps it from being emptied.
    fn empty_log(&self) -> bool {
        let busy = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        busy == Ok(0)
    }

    /// Answers a question, at once.
    pub fn answer(&self, query: Query) -> Result<Page, Error> {
        query::answer(&self.connection, query).map_err(Error::sql(&self.path))
    }

    /// Starts the threads that write and look things up. `tell` is called on them, and may wait; it must not call the journal back.
    pub fn start(self, tell: impl Fn(Report) + Send + Sync + 'static) -> Result<Journal, Error> {
        let reader = open_to_read(&self.path)?;
        let path = self.path.clone();
        Journal::start(self, reader, tell).map_err(Error::io(&path))
    }
}

/// One commit. An entry that SQLite will never take (there is none, unless a row was edited or a bug made it) is logged and left out,
/// so that it does not stop those behind it; whatever may pass is an error, and then none of them is written.
fn write<'a>(
    connection: &mut Connection,
    entries: impl Iterator<Item = &'a Entry> + Clone,
) -> rusqlite::Result<()> {
    let commit = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for entry in last_words(entries) {
        match apply::apply(&commit, entry) {
            Ok(()) => {}
            Err(error) if is_hopeless(&error) => {
                tracing::error!(event = "entry_refused", %error);
            }
            Err(error) => return Err(error),
        }
    }
    commit.commit()
}

/// The entries without the rows of a call that a later one of the same commit replaces whole.
fn last_words<'a>(
    entries: impl Iterator<Item = &'a Entry> + Clone,
) -> impl Iterator<Item = &'a Entry> {
    let mut last = BTreeMap::new();
    for (place, entry) in entries.clone().enumerate() {
        if let Entry::Call(cdr) = entry {
            last.insert(cdr.call, place);
        }
    }
    entries.enumerate().filter_map(move |(place, entry)| match entry {
        Entry::Call(cdr) if last[&cdr.call] != place => None,
        _ => Some(entry),
    })
}

/// The fault is the entry's, not the world's.
fn is_hopeless(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
    matches!(error.sqlite_error_code(), Some(ConstraintViolation | TooBig | TypeMismatch))
}

/// What lies in a state folder.
fn is_ours(name: &str) -> bool {
    name.starts_with(DATABASE) || [LOCK, reserve::RESERVE, super::control::SOCKET].contains(&name)
}

fn open_file(path: &Path) -> Result<Connection, Error> {
    use std::os::unix::fs::OpenOptionsExt;

    // Made by us first: SQLite gives its `-wal` and `-shm` the rights of the database.
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io(path))?;
    let size = file.metadata().map_err(Error::io(path))?.len();
    drop(file);
    let sql = Error::sql(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&sql)?;
    connection.busy_timeout(PATIENCE).map_err(&sql)?;
    connection.set_prepared_statement_cache_capacity(64);
    schema::check(&connection, path, schema::STEPS.len())?;
    if size > 0 && size <= CHECKED {
        let verdict: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(&sql)?;
        if verdict != "ok" {
            return Err(Error::Corrupt { path: path.to_owned(), detail: verdict });
        }
    }
    // FULL: what is reported as committed outlives a power cut, so that no file is deleted whose order is forgotten.
    // secure_delete: what a tombstone no longer says is not left in the file either.
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(&sql)?;
    Ok(connection)
}

fn open_to_read(path: &Path) -> Result<Connection, Error> {
    let sql = Error::sql(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&sql)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(&sql)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")
        .map_err(&sql)?;
    Ok(connection)
}

#[cfg(test)]
mod tests;

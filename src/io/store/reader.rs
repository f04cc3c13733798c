//! History for whoever asks on the command line: read-only, on a connection of its own, while the switch runs or not.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::error::Error;
use super::rows::{self, CALL, RECORDING, Recording, State};
use super::{DATABASE, open_to_read, query, recall, schema};
use crate::switch::journal::{CallId, Cdr};
use crate::switch::leg_media::LegMedia;
use crate::switch::retention::{Kept, Query};
use crate::utc::Utc;

/// Reads the store in a state folder.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// Which calls; what is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallFilter {
    /// Begun at this moment or later.
    pub since: Option<Utc>,
    /// Begun before this moment.
    pub until: Option<Utc>,
    /// Answered by this agent.
    pub agent: Option<String>,
    /// Waited in this queue.
    pub queue: Option<String>,
    /// Only those whose caller was told or asked about recording.
    pub consent: bool,
    /// Only those that have ended.
    pub ended: bool,
    /// At most so many, the newest; `None` all.
    pub limit: Option<usize>,
}

/// Which recordings; what is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordingFilter {
    /// Begun at this moment or later.
    pub since: Option<Utc>,
    /// Begun before this moment.
    pub until: Option<Utc>,
    /// Of this agent.
    pub agent: Option<String>,
    /// Of calls that waited in this queue.
    pub queue: Option<String>,
    /// In this state; `None`: all but the tombstones.
    pub state: Option<State>,
    /// Only those on legal hold.
    pub legal_hold: bool,
    /// At most so many, the newest; `None` all.
    pub limit: Option<usize>,
}

/// What the beginning of an id stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Matches<T> {
    /// Nothing.
    None,
    /// Just one.
    One(T),
    /// More than one: it takes more of the id.
    Many,
}

/// One run of retention, or one that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetentionRun {
    /// When.
    pub at: Utc,
    /// Recordings deleted.
    pub purged: u64,
    /// Recordings that could not be deleted.
    pub failed: u64,
    /// Why nothing was done.
    pub blocked: Option<String>,
}

/// What became of the recordings of some calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// `recorded`, `failed: ` or `not recorded: ` with the reason; `None` if nothing tells.
    pub word: Option<String>,
    /// How many.
    pub calls: u64,
    /// The first twenty of them.
    pub some: Vec<String>,
}

/// How many there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the names are those of the states")]
pub struct Counts {
    pub calls: u64,
    pub open: u64,
    pub sealed: u64,
    pub interrupted: u64,
    pub failed: u64,
    pub purged: u64,
    pub legal_holds: u64,
}

impl Reader {
    /// Opens the store in `state`.
    pub fn open(state: &Path) -> Result<Reader, Error> {
        let path = state.join(DATABASE);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(Error::Missing(path)),
            Err(error) => return Err(Error::Io { path, error }),
        }
        let connection = open_to_read(&path)?;
        if schema::check(&connection, &path, schema::STEPS.len())? < schema::STEPS.len() {
            return Err(Error::Older(path));
        }
        Ok(Reader { connection, path })
    }

    /// Calls, the newest first.
    pub fn calls(&self, filter: &CallFilter) -> Result<Vec<Cdr>, Error> {
        let query = format!(
            "SELECT {CALL} FROM calls
             WHERE (?1 IS NULL OR started >= ?1) AND (?2 IS NULL OR started < ?2)
                AND (?3 IS NULL OR agent = ?3) AND (?4 IS NULL OR queue = ?4)
                AND (?5 = 0 OR consent_mode IS NOT NULL) AND (?6 = 0 OR ended IS NOT NULL)
             ORDER BY started DESC, id DESC LIMIT ?7"
        );
        self.read(
            &query,
            params![
                filter.since.map(Utc::micros),
                filter.until.map(Utc::micros),
                filter.agent,
                filter.queue,
                filter.consent,
                filter.ended,
                limit(filter.limit),
            ],
            rows::call,
        )
    }

    /// The call whose id begins with `id`.
    pub fn call(&self, id: &str) -> Result<Matches<Cdr>, Error> {
        let query =
            format!("SELECT {CALL} FROM calls WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 2");
        self.beginning(&query, id, rows::call)
    }

    /// What went through the legs of a call that are over, in the order they began.
    pub fn legs(&self, call: CallId) -> Result<Vec<LegMedia>, Error> {
        let query = "SELECT * FROM legs WHERE call = ?1 ORDER BY leg";
        self.read(query, params![call.to_string()], rows::leg)
    }

    /// Recordings, the newest first.
    pub fn recordings(&self, filter: &RecordingFilter) -> Result<Vec<Recording>, Error> {
        let state = filter.state.map_or("r.purged_at IS NULL", State::condition);
        let query = format!(
            "SELECT {RECORDING} FROM recordings AS r
             WHERE {state} AND (?1 IS NULL OR r.armed_at >= ?1) AND (?2 IS NULL OR r.armed_at < ?2)
                AND (?3 IS NULL OR r.agent = ?3)
                AND (?4 IS NULL OR ?4 = (SELECT queue FROM calls WHERE calls.id = r.call))
                AND (?5 = 0 OR r.legal_hold = 1)
             ORDER BY r.armed_at DESC, r.id DESC LIMIT ?6"
        );
        self.read(
            &query,
            params![
                filter.since.map(Utc::micros),
                filter.until.map(Utc::micros),
                filter.agent,
                filter.queue,
                filter.legal_hold,
                limit(filter.limit),
            ],
            rows::recording,
        )
    }

    /// The recording whose id begins with `id`; a purged one is its tombstone.
    pub fn recording(&self, id: &str) -> Result<Matches<Recording>, Error> {
        let query = format!(
            "SELECT {RECORDING} FROM recordings AS r
             WHERE r.id >= ?1 AND r.id < ?2 ORDER BY r.id LIMIT 2"
        );
        self.beginning(&query, id, rows::recording)
    }

    /// What became of the recordings of calls that were answered at `since` or later and are over: in how many words, how often, and
    /// some of the calls. Without a word: nobody knows why they were not recorded.
    pub fn outcomes(&self, since: Utc) -> Result<Vec<Outcome>, Error> {
        self.read(
            "SELECT word, count(*) AS calls, group_concat(id, ' ') FILTER (WHERE place <= 20) AS some FROM (
                 SELECT id, word, row_number() OVER (PARTITION BY word ORDER BY id) AS place FROM (
                     SELECT c.id, CASE
                         WHEN r.purged_at IS NOT NULL OR r.sealed_at IS NOT NULL THEN 'recorded'
                         WHEN r.failed_at IS NOT NULL THEN 'failed: ' || r.cause
                         WHEN r.id IS NOT NULL THEN 'not sealed yet'
                         WHEN c.unrecorded IS NOT NULL THEN 'not recorded: ' || c.unrecorded
                         WHEN c.merged_into IS NOT NULL THEN 'not recorded: it went on in another call'
                         WHEN c.end_cause = ?2 THEN 'not recorded: the switch died'
                     END AS word
                     FROM calls AS c LEFT JOIN recordings AS r ON r.id = c.recording
                     WHERE c.started >= ?1 AND c.answered IS NOT NULL AND c.ended IS NOT NULL
                 )
             ) GROUP BY word ORDER BY word IS NOT NULL, calls DESC, word",
            params![since.micros(), recall::INTERRUPTED],
            |row| {
                Ok(Outcome {
                    word: row.get("word")?,
                    calls: u64::try_from(row.get::<_, i64>("calls")?).unwrap_or(0),
                    some: row.get::<_, String>("some")?.split(' ').map(str::to_owned).collect(),
                })
            },
        )
    }

    /// What retention would delete at `at`: the oldest first.
    pub fn due(&self, at: Utc) -> Result<Vec<Kept>, Error> {
        let query = Query::Due { at, after: None, limit: usize::MAX };
        Ok(query::answer(&self.connection, query).map_err(Error::sql(&self.path))?.found)
    }

    /// When retention last did its work.
    pub fn retention_ran(&self) -> Result<Option<Utc>, Error> {
        recall::ran(&self.connection).map_err(Error::sql(&self.path))
    }

    /// The last runs of retention, the newest first.
    pub fn retention_runs(&self, limit: usize) -> Result<Vec<RetentionRun>, Error> {
        self.read(
            "SELECT at, purged, failed, blocked FROM retention_runs ORDER BY rowid DESC LIMIT ?1",
            params![self::limit(Some(limit))],
            |row| {
                let count =
                    |column| row.get::<_, i64>(column).map(|it| u64::try_from(it).unwrap_or(0));
                Ok(RetentionRun {
                    at: rows::moment(row, "at")?,
                    purged: count("purged")?,
                    failed: count("failed")?,
                    blocked: row.get("blocked")?,
                })
            },
        )
    }

    /// How many there are.
    pub fn counts(&self) -> Result<Counts, Error> {
        let one = |query: &str| -> Result<u64, Error> {
            self.connection
                .query_row(query, [], |row| row.get::<_, i64>(0))
                .map(|count| u64::try_from(count).unwrap_or(0))
                .map_err(Error::sql(&self.path))
        };
        let recordings = |condition: &str| {
            one(&format!("SELECT count(*) FROM recordings AS r WHERE {condition}"))
        };
        Ok(Counts {
            calls: one("SELECT count(*) FROM calls")?,
            open: recordings(State::Open.condition())?,
            sealed: recordings(State::Sealed.condition())?,
            interrupted: recordings(State::Interrupted.condition())?,
            failed: recordings(State::Failed.condition())?,
            purged: recordings(State::Purged.condition())?,
            legal_holds: recordings("r.legal_hold = 1 AND r.purged_at IS NULL")?,
        })
    }

    /// Every recording that there should be a file of, or may be.
    pub(in crate::io) fn files(&self) -> Result<Vec<Recording>, Error> {
        let query = format!("SELECT {RECORDING} FROM recordings AS r ORDER BY r.id");
        self.read(&query, [], rows::recording)
    }

    fn beginning<T>(
        &self,
        query: &str,
        id: &str,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Matches<T>, Error> {
        let id = id.to_ascii_lowercase();
        if id.is_empty() {
            return Ok(Matches::None);
        }
        // Behind every letter of an id.
        let end = format!("{id}~");
        let mut found = self.read(query, params![id, end], read)?;
        Ok(match (found.pop(), found.is_empty()) {
            (None, _) => Matches::None,
            (Some(one), true) => Matches::One(one),
            (Some(_), false) => Matches::Many,
        })
    }

    fn read<T>(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let mut statement =
            self.connection.prepare_cached(query).map_err(Error::sql(&self.path))?;
        statement
            .query_map(parameters, read)
            .and_then(Iterator::collect)
            .map_err(Error::sql(&self.path))
    }
}

/// SQLite takes a negative limit for none.
fn limit(limit: Option<usize>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

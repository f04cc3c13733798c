//! The questions that retention asks.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{KEPT, kept};
use crate::media::RecordingId;
use crate::switch::retention::{Kept, Page, Query};
use crate::utc::Utc;

/// Answers one.
pub(super) fn answer(rows: &Connection, query: Query) -> rusqlite::Result<Page> {
    let found = match query {
        Query::Due { at, after, limit } => due(rows, at, after, limit)?,
        Query::One { recording } => one(rows, recording)?.into_iter().collect(),
    };
    Ok(Page { query, found })
}

fn due(
    rows: &Connection,
    at: Utc,
    after: Option<RecordingId>,
    limit: usize,
) -> rusqlite::Result<Vec<Kept>> {
    let beyond = match after {
        Some(_) => {
            "AND (due_at, id) > (SELECT coalesce(due_at, 0), id FROM recordings WHERE id = ?3)"
        }
        None => "AND ?3 IS NULL",
    };
    let query = format!(
        "SELECT {KEPT} FROM recordings
         WHERE purged_at IS NULL AND legal_hold = 0 AND due_at <= ?1 {beyond}
         ORDER BY due_at, id LIMIT ?2"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = after.map(|recording| recording.to_string());
    rows.prepare_cached(&query)?.query_map(params![at.micros(), limit, after], kept)?.collect()
}

fn one(rows: &Connection, recording: RecordingId) -> rusqlite::Result<Option<Kept>> {
    rows.prepare_cached(&format!(
        "SELECT {KEPT} FROM recordings WHERE id = ?1 AND purged_at IS NULL"
    ))?
    .query_row([recording.to_string()], kept)
    .optional()
}

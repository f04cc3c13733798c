//! What a start remembers, and how it finishes what the last run could not: calls without an end, recordings that were cut off.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::apply;
use super::error::Error;
use super::rows;
use crate::media::{RecordingId, Sealed};
use crate::switch::journal::Memory;
use crate::utc::Utc;

/// The end cause of a call that the death of the switch ended.
pub const INTERRUPTED: &str = "interrupted";
/// Purge orders remembered; what is beyond is due all the same, and the next run finds it.
const ORDERS: usize = 1_000;

/// Finishes one cut-off recording at a path relative to the recordings folder; an error if there is nothing to finish.
pub(super) type Salvage<'a> = &'a dyn Fn(&str) -> Result<Sealed, String>;

/// What the start had to finish.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interrupted {
    /// Calls that got their end now.
    pub calls: usize,
    /// Recordings that were cut off and are whole now.
    pub finished: Vec<RecordingId>,
    /// Recordings of which no audio reached the disk, or none that can be read, and why.
    pub lost: Vec<(RecordingId, String)>,
}

/// Everything a switch is given when it starts.
pub(super) fn memory(rows: &Connection) -> rusqlite::Result<Memory> {
    Ok(Memory {
        bindings: all(rows, "SELECT * FROM bindings ORDER BY aor, contact", rows::binding)?,
        agents: all(rows, "SELECT agent, status FROM agents ORDER BY agent", rows::agent)?,
        forwarding: all(rows, "SELECT * FROM forwarding ORDER BY user, what", rows::forwarding)?,
        dialogs: all(rows, "SELECT * FROM dialogs ORDER BY local_tag", rows::dialog)?,
        subscriptions: all(
            rows,
            "SELECT * FROM subscriptions ORDER BY local_tag",
            rows::subscription,
        )?,
        purges: all(
            rows,
            &format!(
                "SELECT id, path, coalesce(purge_policy, policy) AS policy FROM recordings
                 WHERE purge_ordered_at IS NOT NULL AND purged_at IS NULL AND legal_hold = 0
                 ORDER BY id LIMIT {ORDERS}"
            ),
            |row| Ok((rows::recording_id(row, "id")?, row.get("path")?, row.get("policy")?)),
        )?,
        retention_ran: ran(rows)?,
    })
}

/// When retention last ran and did its work.
pub(super) fn ran(rows: &Connection) -> rusqlite::Result<Option<Utc>> {
    rows.query_row(
        "SELECT at FROM retention_runs WHERE blocked IS NULL ORDER BY rowid DESC LIMIT 1",
        [],
        |row| rows::moment(row, "at"),
    )
    .optional()
}

/// Gives every call its end and every cut-off recording its seal, or its failure. `now` bounds what the rows claim.
pub(super) fn finish(
    connection: &mut Connection,
    path: &Path,
    recordings: &Path,
    now: Utc,
    salvage: Salvage<'_>,
) -> Result<Interrupted, Error> {
    let sql = Error::sql(path);
    let mut finished = Interrupted::default();
    let open = all(
        connection,
        "SELECT id, path, armed_at, failed_at FROM recordings
         WHERE sealed_at IS NULL AND purged_at IS NULL ORDER BY armed_at, id",
        CutOff::read,
    )
    .map_err(&sql)?;
    for recording in open {
        // One whose failure is known already has only its rest to be adopted, if there is any.
        if recording.failed && !has_rest(recordings, &recording.path) {
            continue;
        }
        let commit = connection.transaction().map_err(&sql)?;
        let id = recording.id.to_string();
        match salvage(&recording.path) {
            Ok(sealed) => {
                let end = recording.armed.after(sealed.length.duration());
                apply::sealed(&commit, &id, &sealed, end.min(now.max(recording.armed)), true)
                    .map_err(&sql)?;
                finished.finished.push(recording.id);
            }
            Err(cause) => {
                if !recording.failed {
                    apply::failed(&commit, &id, &cause, recording.armed).map_err(&sql)?;
                }
                finished.lost.push((recording.id, cause));
            }
        }
        commit.commit().map_err(&sql)?;
    }
    // The last known moment of a call: of its own, or the end of its recording.
    finished.calls = connection
        .execute(
            "UPDATE calls SET end_cause = ?1, ended = max(
                started, coalesce(answered, started), coalesce(bridged, started),
                coalesce(consent_at, started),
                coalesce((SELECT max(sealed_at) FROM recordings
                    WHERE recordings.id = calls.recording OR recordings.continues = calls.recording), started))
             WHERE ended IS NULL",
            params![INTERRUPTED],
        )
        .map_err(&sql)?;
    Ok(finished)
}

fn has_rest(recordings: &Path, path: &str) -> bool {
    let mut part = recordings.join(path).into_os_string();
    part.push(".part");
    Path::new(&part).symlink_metadata().is_ok()
}

struct CutOff {
    id: RecordingId,
    path: String,
    armed: Utc,
    failed: bool,
}

impl CutOff {
    fn read(row: &Row<'_>) -> rusqlite::Result<CutOff> {
        Ok(CutOff {
            id: rows::recording_id(row, "id")?,
            path: row.get("path")?,
            armed: rows::moment(row, "armed_at")?,
            failed: rows::maybe(row, "failed_at")?.is_some(),
        })
    }
}

pub(super) fn all<T>(
    rows: &Connection,
    query: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    rows.prepare(query)?.query_map([], read)?.collect()
}

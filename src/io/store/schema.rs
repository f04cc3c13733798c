//! The tables, as numbered steps: a database is brought up to date one after the other, and a copy is kept of what it was.
//!
//! Moments are microseconds since 1970 UTC, `keep_us` is microseconds, identifiers are written as everywhere, digests are hexadecimal.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::Error;

/// `TSPR`: what `file` and SQLite's header know our databases by.
const APPLICATION: i64 = 0x5453_5052;

/// The steps. One that has been released is never changed: add another.
pub(super) const STEPS: &[&str] = &[FIRST, HEARD, FLOWS, TRANSFERRED, FORWARDING, SUBSCRIBED, LEGS];

const FIRST: &str = "
CREATE TABLE calls (
    id TEXT NOT NULL PRIMARY KEY,
    direction TEXT NOT NULL,
    caller TEXT NOT NULL,
    callee TEXT NOT NULL,
    trunk TEXT,
    route TEXT,
    queue TEXT,
    agent TEXT,
    started INTEGER NOT NULL,
    answered INTEGER,
    bridged INTEGER,
    ended INTEGER,
    end_cause TEXT,
    status INTEGER,
    consent_mode TEXT,
    consent_answer TEXT,
    consent_key TEXT,
    consent_at INTEGER,
    consent_prompt TEXT,
    consent_prompt_sha256 TEXT,
    consent_language TEXT,
    recording TEXT,
    unrecorded TEXT
) WITHOUT ROWID;
CREATE INDEX calls_started ON calls (started, id);
CREATE INDEX calls_open ON calls (id) WHERE ended IS NULL;

CREATE TABLE bindings (
    aor TEXT NOT NULL,
    contact TEXT NOT NULL,
    listener INTEGER NOT NULL,
    transport TEXT NOT NULL,
    remote TEXT NOT NULL,
    expires INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    user_agent TEXT NOT NULL,
    PRIMARY KEY (aor, contact)
) WITHOUT ROWID;

CREATE TABLE agents (
    agent TEXT NOT NULL PRIMARY KEY,
    status TEXT NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE dialogs (
    local_tag TEXT NOT NULL PRIMARY KEY,
    call TEXT NOT NULL,
    call_id TEXT NOT NULL,
    local TEXT NOT NULL,
    remote TEXT NOT NULL,
    target TEXT NOT NULL,
    routes TEXT NOT NULL,
    local_seq INTEGER NOT NULL,
    listener INTEGER NOT NULL,
    transport TEXT NOT NULL,
    flow_remote TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE recordings (
    id TEXT NOT NULL PRIMARY KEY,
    call TEXT NOT NULL,
    agent TEXT,
    path TEXT NOT NULL,
    policy TEXT NOT NULL,
    keep_us INTEGER NOT NULL,
    armed_at INTEGER NOT NULL,
    sealed_at INTEGER,
    interrupted INTEGER NOT NULL DEFAULT 0,
    failed_at INTEGER,
    cause TEXT,
    frames INTEGER,
    bytes INTEGER,
    sha256 TEXT,
    silences TEXT NOT NULL DEFAULT '',
    gaps TEXT NOT NULL DEFAULT '',
    due_at INTEGER,
    legal_hold INTEGER NOT NULL DEFAULT 0,
    hold_reason TEXT,
    hold_at INTEGER,
    released_at INTEGER,
    purge_ordered_at INTEGER,
    purge_policy TEXT,
    purged_at INTEGER
) WITHOUT ROWID;
CREATE INDEX recordings_armed ON recordings (armed_at, id);
CREATE INDEX recordings_due ON recordings (due_at, id) WHERE purged_at IS NULL AND legal_hold = 0;
CREATE INDEX recordings_open ON recordings (id) WHERE sealed_at IS NULL AND purged_at IS NULL;
CREATE INDEX recordings_ordered ON recordings (id) WHERE purge_ordered_at IS NOT NULL AND purged_at IS NULL;

CREATE TABLE retention_runs (
    at INTEGER NOT NULL,
    purged INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    blocked TEXT
);
CREATE INDEX retention_runs_at ON retention_runs (at);
";

/// What was heard of each side of a recording, and recordings that follow each other.
const HEARD: &str = "
ALTER TABLE recordings ADD COLUMN customer_packets INTEGER;
ALTER TABLE recordings ADD COLUMN agent_packets INTEGER;
ALTER TABLE recordings ADD COLUMN left_out INTEGER;
ALTER TABLE recordings ADD COLUMN continues TEXT;
CREATE INDEX recordings_continues ON recordings (continues, armed_at) WHERE continues IS NOT NULL;
";

/// The way to a phone through proxies, and phones of several flows.
const FLOWS: &str = "
CREATE TABLE new_bindings (
    aor TEXT NOT NULL,
    contact TEXT NOT NULL,
    listener INTEGER NOT NULL,
    transport TEXT NOT NULL,
    remote TEXT NOT NULL,
    expires INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    cseq INTEGER NOT NULL,
    user_agent TEXT NOT NULL,
    path TEXT NOT NULL,
    instance TEXT,
    reg_id INTEGER NOT NULL,
    PRIMARY KEY (aor, contact, reg_id)
) WITHOUT ROWID;
INSERT INTO new_bindings
    SELECT aor, contact, listener, transport, remote, expires, call_id, cseq, user_agent, '', NULL, 0 FROM bindings;
DROP TABLE bindings;
ALTER TABLE new_bindings RENAME TO bindings;
";

/// Where a call was transferred to, and the call that a side of it went on in.
const TRANSFERRED: &str = "
ALTER TABLE calls ADD COLUMN transferred_to TEXT;
ALTER TABLE calls ADD COLUMN merged_into TEXT;
";

/// What users have said of their calls; without a target, that they are not forwarded.
const FORWARDING: &str = "
CREATE TABLE forwarding (
    user TEXT NOT NULL,
    what TEXT NOT NULL,
    target TEXT,
    after_us INTEGER,
    at INTEGER NOT NULL,
    PRIMARY KEY (user, what)
) WITHOUT ROWID;
";

/// What phones have subscribed to.
const SUBSCRIBED: &str = "
CREATE TABLE subscriptions (
    local_tag TEXT NOT NULL PRIMARY KEY,
    user TEXT NOT NULL,
    package TEXT NOT NULL,
    watched TEXT NOT NULL,
    event_id TEXT,
    expires INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    local TEXT NOT NULL,
    remote TEXT NOT NULL,
    target TEXT NOT NULL,
    routes TEXT NOT NULL,
    local_seq INTEGER NOT NULL,
    listener INTEGER NOT NULL,
    transport TEXT NOT NULL,
    flow_remote TEXT NOT NULL
) WITHOUT ROWID;
";

/// What went through the media of each leg; jitter, quiet and round trip in microseconds, scores from 1.0 to 4.5.
const LEGS: &str = "
CREATE TABLE legs (
    call TEXT NOT NULL,
    leg INTEGER NOT NULL,
    user TEXT,
    trunk TEXT,
    codec TEXT NOT NULL,
    advertised TEXT,
    source TEXT,
    receives INTEGER NOT NULL,
    sends INTEGER NOT NULL,
    received INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    jitter_us INTEGER NOT NULL,
    worst_jitter_us INTEGER NOT NULL,
    mos REAL,
    quiet_us INTEGER NOT NULL,
    stray INTEGER,
    sent INTEGER NOT NULL,
    far_lost INTEGER,
    far_jitter_us INTEGER,
    far_mos REAL,
    round_trip_us INTEGER,
    keys_by_rtp INTEGER NOT NULL,
    keys_by_info INTEGER NOT NULL,
    keys_unheeded INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (call, leg)
) WITHOUT ROWID;
";

/// The schema that `connection` has; an error if it is newer than ours or not ours at all.
pub(super) fn check(connection: &Connection, path: &Path, known: usize) -> Result<usize, Error> {
    let sql = Error::sql(path);
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = number("user_version").map_err(&sql)?;
    let application = number("application_id").map_err(&sql)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .map_err(&sql)?;
    if application != APPLICATION && (tables > 0 || found != 0) {
        return Err(Error::Foreign(path.to_owned()));
    }
    let newest = i64::try_from(known).unwrap_or(i64::MAX);
    usize::try_from(found).ok().filter(|found| *found <= known).ok_or(Error::Newer {
        path: path.to_owned(),
        found,
        known: newest,
    })
}

/// Brings the database at `path` up to the last of `steps`; returns where the copy of the older one lies, if there was one.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    steps: &[&str],
) -> Result<Option<PathBuf>, Error> {
    let found = check(connection, path, steps.len())?;
    if found == steps.len() {
        return Ok(None);
    }
    let copy = if found == 0 { None } else { Some(keep_copy(connection, path, found)?) };
    for (done, step) in steps.iter().enumerate().skip(found) {
        let sql = Error::sql(path);
        let commit = connection.transaction().map_err(&sql)?;
        commit.execute_batch(step).map_err(&sql)?;
        commit.pragma_update(None, "application_id", APPLICATION).map_err(&sql)?;
        let version = i64::try_from(done + 1).unwrap_or(i64::MAX);
        commit.pragma_update(None, "user_version", version).map_err(&sql)?;
        commit.commit().map_err(&sql)?;
    }
    Ok(copy)
}

/// `tonspur.db.schema1`, readable by us alone. A copy of that name is from a start that did not get to the end: it is made anew.
fn keep_copy(connection: &Connection, path: &Path, found: usize) -> Result<PathBuf, Error> {
    use std::os::unix::fs::OpenOptionsExt;

    let mut copy = path.as_os_str().to_owned();
    copy.push(format!(".schema{found}"));
    let copy = PathBuf::from(copy);
    // `VACUUM INTO` writes to an empty file, and so does not choose the rights.
    std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&copy)
        .map_err(Error::io(&copy))?;
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()]).map_err(Error::sql(path))?;
    Ok(copy)
}

//! From an entry to its rows.

use std::fmt::Write as _;
use std::time::Duration;

use rusqlite::{Connection, params};

use crate::media::{Samples, Sealed, Silence};
use crate::switch::forwarding::Change;
use crate::switch::journal::{
    Armed, Binding, CallDirection, CallId, Cdr, ConsentAnswer, Entry, Subscribed,
};
use crate::switch::leg_media::LegMedia;
use crate::utc::Utc;
use crate::wire::sip::dialog::Remembered;

/// What a row of `forwarding` is that is no occasion.
pub(super) const UNDISTURBED: &str = "undisturbed";

/// Writes one entry, within whatever commit is open.
pub(super) fn apply(rows: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    match entry {
        Entry::Bound(binding) => bound(rows, binding),
        Entry::Unbound { aor, contact, reg_id } => rows
            .prepare_cached("DELETE FROM bindings WHERE aor = ?1 AND contact = ?2 AND reg_id = ?3")?
            .execute(params![aor, contact, reg_id])
            .map(drop),
        Entry::AgentStatus { agent, status, at } => rows
            .prepare_cached(
                "INSERT INTO agents (agent, status, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (agent) DO UPDATE SET status = ?2, at = ?3",
            )?
            .execute(params![agent, status.as_str(), micros(*at)])
            .map(drop),
        Entry::Forwarding { user, change, at } => forwarding(rows, user, change, *at),
        Entry::Call(cdr) => call(rows, cdr),
        Entry::Leg(media) => leg(rows, media),
        Entry::DialogUp { call, local_tag, dialog } => dialog_up(rows, *call, local_tag, dialog),
        Entry::DialogDown { local_tag } => rows
            .prepare_cached("DELETE FROM dialogs WHERE local_tag = ?1")?
            .execute([local_tag])
            .map(drop),
        Entry::SubscriptionUp(subscribed) => subscription_up(rows, subscribed),
        Entry::SubscriptionDown { local_tag } => rows
            .prepare_cached("DELETE FROM subscriptions WHERE local_tag = ?1")?
            .execute([local_tag])
            .map(drop),
        Entry::Armed(armed) => self::armed(rows, armed),
        Entry::Sealed { recording, sealed, at } => {
            self::sealed(rows, &recording.to_string(), sealed, *at, false)
        }
        Entry::RecordingFailed { recording, cause, at } => {
            failed(rows, &recording.to_string(), cause, *at)
        }
        Entry::LegalHold { recording, reason, at } => rows
            .prepare_cached(
                "UPDATE recordings SET legal_hold = 1, hold_reason = ?2, hold_at = ?3, released_at = NULL,
                    purge_ordered_at = NULL, purge_policy = NULL
                 WHERE id = ?1 AND purged_at IS NULL",
            )?
            .execute(params![recording.to_string(), reason, micros(*at)])
            .map(drop),
        Entry::Released { recording, at } => rows
            .prepare_cached(
                "UPDATE recordings SET legal_hold = 0, released_at = ?2
                 WHERE id = ?1 AND legal_hold = 1",
            )?
            .execute(params![recording.to_string(), micros(*at)])
            .map(drop),
        Entry::PurgeOrdered { recording, policy, at } => rows
            .prepare_cached(
                "UPDATE recordings SET purge_ordered_at = ?2, purge_policy = ?3
                 WHERE id = ?1 AND purged_at IS NULL AND legal_hold = 0",
            )?
            .execute(params![recording.to_string(), micros(*at), policy])
            .map(drop),
        // The tombstone: what was deleted, when and why; nothing of the people in it.
        Entry::Purged { recording, at } => rows
            .prepare_cached(
                "UPDATE recordings SET purged_at = ?2, agent = NULL, hold_reason = NULL,
                    silences = '', gaps = '', customer_packets = NULL, agent_packets = NULL, left_out = NULL
                 WHERE id = ?1 AND purged_at IS NULL",
            )?
            .execute(params![recording.to_string(), micros(*at)])
            .map(drop),
        Entry::RetentionRan { at, purged, failed } => rows
            .prepare_cached(
                "INSERT INTO retention_runs (at, purged, failed) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![micros(*at), number(*purged), number(*failed)])
            .map(drop),
        Entry::RetentionBlocked { why, at } => rows
            .prepare_cached(
                "INSERT INTO retention_runs (at, purged, failed, blocked) VALUES (?1, 0, 0, ?2)",
            )?
            .execute(params![micros(*at), why])
            .map(drop),
    }
}

fn forwarding(rows: &Connection, user: &str, change: &Change, at: Utc) -> rusqlite::Result<()> {
    let (what, target, after) = match change {
        Change::Forward { occasion, to, after } => {
            (occasion.as_str(), to.as_ref().map(|to| to.reveal().as_str()), *after)
        }
        Change::Undisturbed(is_so) => (UNDISTURBED, is_so.then_some(""), None),
    };
    let after = after.map(|after| i64::try_from(after.as_micros()).unwrap_or(i64::MAX));
    rows.prepare_cached(
        "INSERT OR REPLACE INTO forwarding (user, what, target, after_us, at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![user, what, target, after, micros(at)])
    .map(drop)
}

fn bound(rows: &Connection, binding: &Binding) -> rusqlite::Result<()> {
    rows.prepare_cached(
        "INSERT OR REPLACE INTO bindings
            (aor, contact, listener, transport, remote, expires, call_id, cseq, user_agent, path, instance, reg_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        binding.aor,
        binding.contact,
        binding.flow.listener.0,
        binding.flow.transport.word(),
        binding.flow.remote.to_string(),
        micros(binding.expires),
        binding.call_id,
        binding.cseq,
        binding.user_agent,
        binding.path.join("\n"),
        binding.instance,
        binding.reg_id,
    ])
    .map(drop)
}

fn leg(rows: &Connection, media: &LegMedia) -> rusqlite::Result<()> {
    let statistics = &media.statistics;
    let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let reported = statistics.reported;
    rows.prepare_cached(
        "INSERT OR REPLACE INTO legs
            (call, leg, user, trunk, codec, advertised, source, receives, sends, received, lost, refused,
             jitter_us, worst_jitter_us, mos, quiet_us, stray, sent, far_lost, far_jitter_us, far_mos,
             round_trip_us, keys_by_rtp, keys_by_info, keys_unheeded, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
             ?20, ?21, ?22, ?23, ?24, ?25, ?26)",
    )?
    .execute(params![
        media.call.to_string(),
        media.leg,
        media.user,
        media.trunk,
        media.codec.name(),
        media.advertised.map(|address| address.to_string()),
        statistics.source.map(|address| address.to_string()),
        media.receives,
        media.sends,
        count(statistics.received),
        count(statistics.lost),
        count(statistics.refused),
        micros(statistics.jitter.duration()),
        micros(statistics.worst_jitter.duration()),
        media.mos(),
        micros(statistics.quiet),
        statistics.stray,
        count(statistics.sent),
        reported.map(|reported| reported.lost),
        reported.map(|reported| micros(reported.jitter.duration())),
        media.far_mos(),
        reported.and_then(|reported| reported.round_trip).map(micros),
        count(statistics.keys),
        count(media.info_keys),
        count(statistics.unheeded),
        media.at.micros(),
    ])
    .map(drop)
}

fn call(rows: &Connection, cdr: &Cdr) -> rusqlite::Result<()> {
    let consent = cdr.consent.as_ref();
    rows.prepare_cached(
        "INSERT INTO calls
            (id, direction, caller, callee, trunk, route, queue, agent, started, answered,
             bridged, ended, end_cause, status, consent_mode, consent_answer, consent_key,
             consent_at, consent_prompt, consent_prompt_sha256, consent_language, recording, unrecorded,
             transferred_to, merged_into)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
             ?20, ?21, ?22, ?23, ?24, ?25)
         ON CONFLICT (id) DO UPDATE SET
             direction = ?2, caller = ?3, callee = ?4, trunk = ?5, route = ?6, queue = ?7, agent = ?8,
             started = ?9, answered = ?10, bridged = ?11, ended = ?12, end_cause = ?13, status = ?14,
             consent_mode = ?15, consent_answer = ?16, consent_key = ?17, consent_at = ?18,
             consent_prompt = ?19, consent_prompt_sha256 = ?20, consent_language = ?21,
             recording = ?22, unrecorded = ?23, transferred_to = ?24, merged_into = ?25",
    )?
    .execute(params![
        cdr.call.to_string(),
        direction(cdr.direction),
        cdr.from.reveal(),
        cdr.to.reveal(),
        cdr.trunk,
        cdr.route,
        cdr.queue,
        cdr.agent,
        micros(cdr.started),
        cdr.answered.map(micros),
        cdr.bridged.map(micros),
        cdr.ended.map(micros),
        cdr.end_cause,
        cdr.status,
        consent.map(|consent| consent.mode.as_str()),
        consent.map(|consent| consent.answer.as_str()),
        consent.and_then(|consent| key(consent.answer)).map(String::from),
        consent.map(|consent| micros(consent.at)),
        consent.map(|consent| &consent.prompt),
        consent.map(|consent| &consent.prompt_sha256),
        consent.map(|consent| &consent.language),
        cdr.recording.map(|recording| recording.to_string()),
        cdr.unrecorded,
        cdr.transferred_to.as_ref().map(|number| number.reveal()),
        cdr.merged_into.map(|call| call.to_string()),
    ])
    .map(drop)
}

fn dialog_up(
    rows: &Connection,
    call: CallId,
    local_tag: &str,
    dialog: &Remembered,
) -> rusqlite::Result<()> {
    rows.prepare_cached(
        "INSERT OR REPLACE INTO dialogs
            (local_tag, call, call_id, local, remote, target, routes, local_seq, listener, transport, flow_remote)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        local_tag,
        call.to_string(),
        dialog.call_id,
        dialog.local,
        dialog.remote,
        dialog.target,
        // A header line has no line feed in it.
        dialog.routes.join("\n"),
        dialog.local_seq,
        dialog.flow.listener.0,
        dialog.flow.transport.word(),
        dialog.flow.remote.to_string(),
    ])
    .map(drop)
}

fn subscription_up(rows: &Connection, subscribed: &Subscribed) -> rusqlite::Result<()> {
    let Subscribed { user, package, watched, id, expires, local_tag, dialog } = subscribed;
    rows.prepare_cached(
        "INSERT OR REPLACE INTO subscriptions
            (local_tag, user, package, watched, event_id, expires,
             call_id, local, remote, target, routes, local_seq, listener, transport, flow_remote)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        local_tag,
        user,
        package.as_str(),
        watched,
        id,
        micros(*expires),
        dialog.call_id,
        dialog.local,
        dialog.remote,
        dialog.target,
        dialog.routes.join("\n"),
        dialog.local_seq,
        dialog.flow.listener.0,
        dialog.flow.transport.word(),
        dialog.flow.remote.to_string(),
    ])
    .map(drop)
}

fn armed(rows: &Connection, armed: &Armed) -> rusqlite::Result<()> {
    rows.prepare_cached(
        "INSERT INTO recordings (id, call, agent, path, policy, keep_us, armed_at, continues)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        armed.recording.to_string(),
        armed.call.to_string(),
        armed.agent,
        armed.path,
        armed.policy,
        // Ten thousand years: the sum of it and a moment of the calendar stays a number.
        i64::try_from(armed.keep.as_micros()).unwrap_or(i64::MAX).min(315_576_000_000_000_000),
        micros(armed.at),
        armed.continues.map(|first| first.to_string()),
    ])?;
    let Some(first) = armed.continues else { return Ok(()) };
    // What the hold is on is the conversation.
    rows.prepare_cached(
        "UPDATE recordings SET legal_hold = 1, hold_at = armed_at, hold_reason = held.reason
         FROM (SELECT hold_reason AS reason FROM recordings
            WHERE (id = ?2 OR continues = ?2) AND legal_hold = 1 ORDER BY armed_at DESC LIMIT 1) AS held
         WHERE id = ?1",
    )?
    .execute([armed.recording.to_string(), first.to_string()])
    .map(drop)
}

/// A recording is whole; `interrupted` if a restart finished it.
pub(super) fn sealed(
    rows: &Connection,
    recording: &str,
    sealed: &Sealed,
    at: Utc,
    interrupted: bool,
) -> rusqlite::Result<()> {
    rows.prepare_cached(
        "UPDATE recordings SET sealed_at = ?2, interrupted = ?3, frames = ?4, bytes = ?5, sha256 = ?6,
            silences = ?7, gaps = ?8, due_at = ?2 + keep_us,
            customer_packets = ?9, agent_packets = ?10, left_out = ?11
         WHERE id = ?1 AND purged_at IS NULL",
    )?
    .execute(params![
        recording,
        micros(at),
        interrupted,
        count(sealed.length.0),
        count(sealed.bytes),
        hex(&sealed.sha256),
        silences(&sealed.silences),
        gaps(&sealed.gaps),
        sealed.packets.map(|packets| count(packets.customer)),
        sealed.packets.map(|packets| count(packets.agent)),
        sealed.packets.map(|packets| count(packets.left_out)),
    ])
    .map(drop)
}

/// A recording ended badly: its time counts from then, so that what there is of it goes like any other.
pub(super) fn failed(
    rows: &Connection,
    recording: &str,
    cause: &str,
    at: Utc,
) -> rusqlite::Result<()> {
    rows.prepare_cached(
        "UPDATE recordings SET failed_at = ?2, cause = ?3, due_at = coalesce(due_at, ?2 + keep_us)
         WHERE id = ?1 AND purged_at IS NULL",
    )?
    .execute(params![recording, micros(at), cause])
    .map(drop)
}

pub(super) fn direction(direction: CallDirection) -> &'static str {
    match direction {
        CallDirection::Inbound => "inbound",
        CallDirection::Outbound => "outbound",
        CallDirection::Internal => "internal",
    }
}

fn key(answer: ConsentAnswer) -> Option<char> {
    match answer {
        ConsentAnswer::Agreed => Some('1'),
        ConsentAnswer::Declined(key) => Some(key),
        ConsentAnswer::Noticed | ConsentAnswer::Silent | ConsentAnswer::Left => None,
    }
}

/// Within the calendar, so that sums of them stay integers for SQLite.
fn micros(at: Utc) -> i64 {
    at.micros().clamp(-377_705_116_800_000_000, 253_402_300_799_999_999)
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn number(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `hold 0 8000;pause 16000 24000`, in samples.
fn silences(spans: &[(Silence, Samples, Samples)]) -> String {
    let mut text = String::new();
    for (reason, from, to) in spans {
        let word = match reason {
            Silence::Hold => "hold",
            Silence::Pause => "pause",
        };
        let _ = write!(text, "{}{word} {} {}", separator(&text), from.0, to.0);
    }
    text
}

/// `0 8000;16000 24000`, in samples.
fn gaps(spans: &[(Samples, Samples)]) -> String {
    let mut text = String::new();
    for (from, to) in spans {
        let _ = write!(text, "{}{} {}", separator(&text), from.0, to.0);
    }
    text
}

fn separator(text: &str) -> &'static str {
    if text.is_empty() { "" } else { ";" }
}

//! From rows back to what they mean. A row that cannot be read, because somebody edited it, is an error that names the column.

use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};

use crate::media::{Packets, RecordingId, Reported, Samples, Silence, Statistics};
use crate::redacted::Redacted;
use crate::switch::forwarding::{Change, Occasion};
use crate::switch::journal::{
    AgentStatus, Binding, CallDirection, CallId, Cdr, ConsentAnswer, ConsentRecord, Subscribed,
};
use crate::switch::leg_media::LegMedia;
use crate::switch::retention::Kept;
use crate::switch::settings::ConsentMode;
use crate::switch::subscriptions::Package;
use crate::utc::Utc;
use crate::wire::flow::{Flow, ListenerId, Transport};
use crate::wire::rtp::g711::Codec;
use crate::wire::sip::dialog::Remembered;

/// A recording's row, whole; of a purged one, its tombstone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// Its id.
    pub recording: RecordingId,
    /// The call.
    pub call: CallId,
    /// The agent; not in a tombstone.
    pub agent: Option<String>,
    /// Relative to the recordings folder.
    pub path: String,
    /// The name of its retention policy.
    pub policy: String,
    /// How long it is kept.
    pub keep: Duration,
    /// Its beginning.
    pub armed: Utc,
    /// Its end; retention counts from here.
    pub sealed: Option<Utc>,
    /// Cut off by the death of the switch and finished by the next start.
    pub interrupted: bool,
    /// When it ended badly.
    pub failed: Option<Utc>,
    /// Why it did.
    pub cause: Option<String>,
    /// Its length.
    pub length: Option<Samples>,
    /// Bytes on disk.
    pub bytes: Option<u64>,
    /// SHA-256 of the file, in hex.
    pub sha256: Option<String>,
    /// Spans silent on purpose.
    pub silences: Vec<(Silence, Samples, Samples)>,
    /// Spans lost.
    pub gaps: Vec<(Samples, Samples)>,
    /// What came of each side; not known of one that a restart finished.
    pub packets: Option<Packets>,
    /// The first recording of its conversation, if that got too long for one.
    pub continues: Option<RecordingId>,
    /// Those that follow it, if it is that first one.
    pub continued_by: Vec<RecordingId>,
    /// When its time is over, known once it has ended.
    pub due: Option<Utc>,
    /// Must not be purged, and why.
    pub legal_hold: Option<String>,
    /// Since when.
    pub held: Option<Utc>,
    /// When its purge was ordered.
    pub purge_ordered: Option<Utc>,
    /// When its file was deleted.
    pub purged: Option<Utc>,
    /// The queue its call waited in.
    pub queue: Option<String>,
}

/// What a recording is, in a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// Being recorded.
    Open,
    /// Whole.
    Sealed,
    /// Finished by a restart.
    Interrupted,
    /// Ended badly.
    Failed,
    /// Deleted; this is its tombstone.
    Purged,
}

impl State {
    /// All, as the command line offers them.
    pub const ALL: [State; 5] =
        [State::Open, State::Sealed, State::Interrupted, State::Failed, State::Purged];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Sealed => "sealed",
            State::Interrupted => "interrupted",
            State::Failed => "failed",
            State::Purged => "purged",
        }
    }

    /// The same as a condition on `recordings AS r`.
    pub(super) fn condition(self) -> &'static str {
        match self {
            State::Open => "r.purged_at IS NULL AND r.failed_at IS NULL AND r.sealed_at IS NULL",
            State::Sealed => {
                "r.purged_at IS NULL AND r.failed_at IS NULL AND r.sealed_at IS NOT NULL AND r.interrupted = 0"
            }
            State::Interrupted => {
                "r.purged_at IS NULL AND r.failed_at IS NULL AND r.sealed_at IS NOT NULL AND r.interrupted = 1"
            }
            State::Failed => "r.purged_at IS NULL AND r.failed_at IS NOT NULL",
            State::Purged => "r.purged_at IS NOT NULL",
        }
    }
}

impl Recording {
    /// What it is, in a word.
    pub fn state(&self) -> State {
        if self.purged.is_some() {
            State::Purged
        } else if self.failed.is_some() {
            State::Failed
        } else if self.sealed.is_none() {
            State::Open
        } else if self.interrupted {
            State::Interrupted
        } else {
            State::Sealed
        }
    }
}

/// `recordings AS r`, and the queue of its call.
pub(super) const RECORDING: &str = "r.id, r.call, r.agent, r.path, r.policy, r.keep_us, r.armed_at, r.sealed_at, \
     r.interrupted, r.failed_at, r.cause, r.frames, r.bytes, r.sha256, r.silences, r.gaps, r.due_at, r.legal_hold, \
     r.hold_reason, r.hold_at, r.purge_ordered_at, r.purged_at, r.customer_packets, r.agent_packets, r.left_out, \
     r.continues, (SELECT group_concat(n.id, ';' ORDER BY n.armed_at) FROM recordings AS n \
     WHERE n.continues = r.id) AS continued_by, \
     (SELECT queue FROM calls WHERE calls.id = r.call) AS queue";

pub(super) fn recording(row: &Row<'_>) -> Result<Recording> {
    let reason = row.get::<_, Option<String>>("hold_reason")?.unwrap_or_default();
    Ok(Recording {
        recording: recording_id(row, "id")?,
        call: call_id(row, "call")?,
        agent: row.get("agent")?,
        path: row.get("path")?,
        policy: row.get("policy")?,
        keep: span(row, "keep_us")?,
        armed: moment(row, "armed_at")?,
        sealed: maybe(row, "sealed_at")?,
        interrupted: row.get("interrupted")?,
        failed: maybe(row, "failed_at")?,
        cause: row.get("cause")?,
        length: count(row, "frames")?.map(Samples),
        bytes: count(row, "bytes")?,
        sha256: row.get("sha256")?,
        silences: read(row, "silences", silences)?,
        gaps: read(row, "gaps", gaps)?,
        packets: packets(row)?,
        continues: match row.get::<_, Option<String>>("continues")? {
            None => None,
            Some(_) => Some(recording_id(row, "continues")?),
        },
        continued_by: match row.get::<_, Option<String>>("continued_by")? {
            None => Vec::new(),
            Some(_) => read(row, "continued_by", |text| spans(text, RecordingId::parse))?,
        },
        due: maybe(row, "due_at")?,
        legal_hold: row.get::<_, bool>("legal_hold")?.then_some(reason),
        held: maybe(row, "hold_at")?,
        purge_ordered: maybe(row, "purge_ordered_at")?,
        purged: maybe(row, "purged_at")?,
        queue: row.get("queue")?,
    })
}

fn packets(row: &Row<'_>) -> Result<Option<Packets>> {
    let Some(customer) = count(row, "customer_packets")? else { return Ok(None) };
    Ok(Some(Packets {
        customer,
        agent: count(row, "agent_packets")?.unwrap_or(0),
        left_out: count(row, "left_out")?.unwrap_or(0),
    }))
}

pub(super) const KEPT: &str =
    "id, path, policy, keep_us, armed_at, sealed_at, failed_at, due_at, legal_hold";

pub(super) fn kept(row: &Row<'_>) -> Result<Kept> {
    let since = match maybe(row, "sealed_at")? {
        Some(sealed) => sealed,
        None => match maybe(row, "failed_at")? {
            Some(failed) => failed,
            None => moment(row, "armed_at")?,
        },
    };
    Ok(Kept {
        recording: recording_id(row, "id")?,
        path: row.get("path")?,
        policy: row.get("policy")?,
        keep: span(row, "keep_us")?,
        since,
        legal_hold: row.get("legal_hold")?,
    })
}

pub(super) const CALL: &str = "id, direction, caller, callee, trunk, route, queue, agent, started, answered, \
     bridged, ended, end_cause, status, consent_mode, consent_answer, consent_key, consent_at, consent_prompt, \
     consent_prompt_sha256, consent_language, recording, unrecorded, transferred_to, merged_into";

pub(super) fn call(row: &Row<'_>) -> Result<Cdr> {
    let consent = match row.get::<_, Option<String>>("consent_mode")? {
        None => None,
        Some(_) => Some(ConsentRecord {
            mode: read(row, "consent_mode", consent_mode)?,
            answer: answer(row)?,
            at: moment(row, "consent_at")?,
            prompt: row.get("consent_prompt")?,
            prompt_sha256: row.get("consent_prompt_sha256")?,
            language: row.get("consent_language")?,
        }),
    };
    let recording = match row.get::<_, Option<String>>("recording")? {
        None => None,
        Some(_) => Some(recording_id(row, "recording")?),
    };
    Ok(Cdr {
        call: call_id(row, "id")?,
        direction: read(row, "direction", direction)?,
        from: Redacted::new(row.get("caller")?),
        to: Redacted::new(row.get("callee")?),
        trunk: row.get("trunk")?,
        route: row.get("route")?,
        queue: row.get("queue")?,
        agent: row.get("agent")?,
        started: moment(row, "started")?,
        answered: maybe(row, "answered")?,
        bridged: maybe(row, "bridged")?,
        ended: maybe(row, "ended")?,
        end_cause: row.get("end_cause")?,
        status: row.get("status")?,
        consent,
        recording,
        unrecorded: row.get("unrecorded")?,
        transferred_to: row.get::<_, Option<String>>("transferred_to")?.map(Redacted::new),
        merged_into: match row.get::<_, Option<String>>("merged_into")? {
            None => None,
            Some(_) => Some(call_id(row, "merged_into")?),
        },
    })
}

pub(super) fn leg(row: &Row<'_>) -> Result<LegMedia> {
    let count = |column: &str| count(row, column).map(Option::unwrap_or_default);
    let span = |column: &str| span(row, column);
    let samples = |column: &str| span(column).map(Samples::of);
    let address = |column: &str| match row.get::<_, Option<String>>(column)? {
        None => Ok(None),
        Some(_) => read(row, column, |text| text.parse().ok()).map(Some),
    };
    let reported = match row.get("far_lost")? {
        None => None,
        Some(lost) => Some(Reported {
            lost,
            jitter: samples("far_jitter_us")?,
            round_trip: match row.get::<_, Option<i64>>("round_trip_us")? {
                None => None,
                Some(_) => Some(span("round_trip_us")?),
            },
        }),
    };
    Ok(LegMedia {
        call: call_id(row, "call")?,
        leg: row.get("leg")?,
        user: row.get("user")?,
        trunk: row.get("trunk")?,
        codec: read(row, "codec", Codec::of_name)?,
        advertised: address("advertised")?,
        receives: row.get("receives")?,
        sends: row.get("sends")?,
        info_keys: count("keys_by_info")?,
        statistics: Statistics {
            received: count("received")?,
            sent: count("sent")?,
            lost: count("lost")?,
            refused: count("refused")?,
            unheeded: count("keys_unheeded")?,
            keys: count("keys_by_rtp")?,
            jitter: samples("jitter_us")?,
            worst_jitter: samples("worst_jitter_us")?,
            source: address("source")?,
            quiet: span("quiet_us")?,
            stray: row.get("stray")?,
            reported,
        },
        at: moment(row, "at")?,
    })
}

pub(super) fn binding(row: &Row<'_>) -> Result<Binding> {
    Ok(Binding {
        aor: row.get("aor")?,
        contact: row.get("contact")?,
        flow: flow(row, "remote")?,
        expires: moment(row, "expires")?,
        call_id: row.get("call_id")?,
        cseq: row.get("cseq")?,
        user_agent: row.get("user_agent")?,
        path: row.get::<_, String>("path")?.lines().map(str::to_owned).collect(),
        instance: row.get("instance")?,
        reg_id: row.get("reg_id")?,
    })
}

pub(super) fn agent(row: &Row<'_>) -> Result<(String, AgentStatus)> {
    let status = read(row, "status", |word| {
        [AgentStatus::Available, AgentStatus::OnBreak, AgentStatus::LoggedOut]
            .into_iter()
            .find(|status| status.as_str() == word)
    })?;
    Ok((row.get("agent")?, status))
}

pub(super) fn forwarding(row: &Row<'_>) -> Result<(String, Change)> {
    let target: Option<String> = row.get("target")?;
    let after = row.get::<_, Option<i64>>("after_us")?.and_then(|us| u64::try_from(us).ok());
    let change = read(row, "what", |word| {
        if word == super::apply::UNDISTURBED {
            return Some(Change::Undisturbed(target.is_some()));
        }
        let occasion = Occasion::ALL.into_iter().find(|occasion| occasion.as_str() == word)?;
        let after = after.map(Duration::from_micros);
        Some(Change::Forward { occasion, to: target.clone().map(Redacted::new), after })
    })?;
    Ok((row.get("user")?, change))
}

pub(super) fn dialog(row: &Row<'_>) -> Result<(CallId, String, Remembered)> {
    Ok((call_id(row, "call")?, row.get("local_tag")?, remembered(row)?))
}

pub(super) fn subscription(row: &Row<'_>) -> Result<Subscribed> {
    Ok(Subscribed {
        user: row.get("user")?,
        package: read(row, "package", Package::read)?,
        watched: row.get("watched")?,
        id: row.get("event_id")?,
        expires: moment(row, "expires")?,
        local_tag: row.get("local_tag")?,
        dialog: remembered(row)?,
    })
}

fn remembered(row: &Row<'_>) -> Result<Remembered> {
    let routes: String = row.get("routes")?;
    Ok(Remembered {
        call_id: row.get("call_id")?,
        local: row.get("local")?,
        remote: row.get("remote")?,
        target: row.get("target")?,
        routes: routes.lines().map(str::to_owned).collect(),
        local_seq: row.get("local_seq")?,
        flow: flow(row, "flow_remote")?,
    })
}

pub(super) fn moment(row: &Row<'_>, column: &str) -> Result<Utc> {
    row.get(column).map(Utc::from_micros)
}

pub(super) fn maybe(row: &Row<'_>, column: &str) -> Result<Option<Utc>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Utc::from_micros))
}

pub(super) fn recording_id(row: &Row<'_>, column: &str) -> Result<RecordingId> {
    read(row, column, RecordingId::parse)
}

fn call_id(row: &Row<'_>, column: &str) -> Result<CallId> {
    read(row, column, |text| RecordingId::parse(text).map(|id| CallId(id.0)))
}

/// A connection does not outlive the process: what is remembered of a flow is its address.
fn flow(row: &Row<'_>, remote: &str) -> Result<Flow> {
    Ok(Flow {
        listener: ListenerId(row.get("listener")?),
        transport: read(row, "transport", Transport::of_word)?,
        remote: read(row, remote, |text| text.parse().ok())?,
        connection: None,
        peer: None,
    })
}

fn span(row: &Row<'_>, column: &str) -> Result<Duration> {
    Ok(Duration::from_micros(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0)))
}

fn count(row: &Row<'_>, column: &str) -> Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|count| u64::try_from(count).unwrap_or(0)))
}

fn direction(word: &str) -> Option<CallDirection> {
    [CallDirection::Inbound, CallDirection::Outbound, CallDirection::Internal]
        .into_iter()
        .find(|direction| super::apply::direction(*direction) == word)
}

fn consent_mode(word: &str) -> Option<ConsentMode> {
    [ConsentMode::Never, ConsentMode::NoticeAll, ConsentMode::ExpressAll]
        .into_iter()
        .find(|mode| mode.as_str() == word)
}

fn answer(row: &Row<'_>) -> Result<ConsentAnswer> {
    let key: Option<String> = row.get("consent_key")?;
    let key = key.and_then(|key| key.chars().next()).unwrap_or('?');
    read(row, "consent_answer", |word| {
        [
            ConsentAnswer::Agreed,
            ConsentAnswer::Noticed,
            ConsentAnswer::Declined(key),
            ConsentAnswer::Silent,
            ConsentAnswer::Left,
        ]
        .into_iter()
        .find(|answer| answer.as_str() == word)
    })
}

fn silences(text: &str) -> Option<Vec<(Silence, Samples, Samples)>> {
    spans(text, |span| {
        let (word, rest) = span.split_once(' ')?;
        let reason = match word {
            "hold" => Silence::Hold,
            "pause" => Silence::Pause,
            _ => return None,
        };
        let (from, to) = samples(rest)?;
        Some((reason, from, to))
    })
}

fn gaps(text: &str) -> Option<Vec<(Samples, Samples)>> {
    spans(text, samples)
}

fn spans<T>(text: &str, one: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(';').filter(|span| !span.is_empty()).map(one).collect()
}

fn samples(text: &str) -> Option<(Samples, Samples)> {
    let (from, to) = text.split_once(' ')?;
    Some((Samples(from.parse().ok()?), Samples(to.parse().ok()?)))
}

fn read<T>(row: &Row<'_>, column: &str, meaning: impl Fn(&str) -> Option<T>) -> Result<T> {
    let text: String = row.get(column)?;
    meaning(&text).ok_or_else(|| {
        let what = format!("column {column} has a value of no meaning");
        Error::FromSqlConversionFailure(0, Type::Text, what.into())
    })
}

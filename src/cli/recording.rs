//! `recording list|show|export|check|legal-hold|release`: what was recorded, and what becomes of it.

mod doctor;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::output::{self, Format, or_dash, second, sheet, span, table};
use super::{Context, Exit, Failure, live, place};
use crate::io::clock::Clock;
use crate::io::export::{self, Present};
use crate::io::offline;
use crate::io::reconcile::{Look, reconcile};
use crate::io::store::{Matches, Reader, Recording, RecordingFilter, State};
use crate::media::{Packets, RecordingId, Samples, Silence};
use crate::switch::control::{Reply, Request};
use crate::utc::Utc;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Recordings, the newest first; those that are deleted only with --state purged
    List {
        /// Only since then (RFC 3339)
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Only with this agent
        #[arg(long)]
        agent: Option<String>,
        /// Only from this queue
        #[arg(long)]
        queue: Option<String>,
        /// Only those in this state; purged ones are tombstones
        #[arg(long, value_parser = State::ALL.map(State::as_str))]
        state: Option<String>,
        /// Only those on legal hold
        #[arg(long)]
        legal_hold: bool,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Everything that is known of one
    Show {
        /// Its id, or the beginning of it
        recording: String,
    },
    /// Copies one out, after its digest was checked
    Export {
        /// Its id, or the beginning of it
        recording: String,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Overwrite the file if it is there
        #[arg(long)]
        force: bool,
    },
    /// Compares files and rows, and names what does not agree
    Check {
        /// Read every recording whole and compare its SHA-256 too
        #[arg(long)]
        digest: bool,
    },
    /// Names what is wrong with recordings: those that go on now, and what became of every answered call
    Doctor {
        /// Of calls begun since then (RFC 3339); without it, in the last 24 hours
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
    },
    /// Forbids the deletion of one
    LegalHold {
        /// Its id
        recording: String,
        /// Why: the case, who asked
        #[arg(long)]
        reason: String,
    },
    /// Allows it again
    Release {
        /// Its id
        recording: String,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List { since, agent, queue, state, legal_hold, limit } => {
            let state =
                State::ALL.into_iter().find(|known| Some(known.as_str()) == state.as_deref());
            let since = since.map(|since| Utc::parse(&since)).transpose();
            let since =
                since.map_err(|wrong| Failure::new(Exit::Usage, format!("--since: {wrong}")))?;
            let filter = RecordingFilter {
                since,
                agent,
                queue,
                state,
                legal_hold,
                limit: Some(limit),
                ..RecordingFilter::default()
            };
            let (_, reader) = place::history(context)?;
            let found = reader.recordings(&filter).map_err(place::unreadable)?;
            output::print(&match context.format {
                Format::Json => output::value(
                    &serde_json::json!({ "recordings": found.iter().map(json).collect::<Vec<_>>() }),
                )?,
                Format::Table => rows(&found),
            })?;
            Ok(())
        }
        Verb::Show { recording } => {
            let (_, reader) = place::history(context)?;
            let found = one(&reader, &recording)?;
            output::print(&match context.format {
                Format::Json => output::value(&json(&found))?,
                Format::Table => whole(&found),
            })?;
            Ok(())
        }
        Verb::Export { recording, to, force } => {
            let (places, reader) = place::history(context)?;
            let found = one(&reader, &recording)?;
            let present = if force { Present::Replace } else { Present::Keep };
            export(&places, &found, &to, present)?;
            output::print(&match context.format {
                Format::Json => output::value(
                    &serde_json::json!({ "recording": found.recording.to_string(), "file": to }),
                )?,
                Format::Table => format!("{} is copied to {}", found.recording, to.display()),
            })?;
            Ok(())
        }
        Verb::Check { digest } => check(context, if digest { Look::Digests } else { Look::Sizes }),
        Verb::Doctor { since } => doctor::run(context, since.as_deref()),
        Verb::LegalHold { recording, reason } => {
            let said = format!("{recording} is on legal hold");
            let request =
                Request::LegalHold { recording: recording.clone(), reason: reason.clone() };
            change(context, &request, &said, |places| {
                offline::hold(
                    &places.state,
                    &places.recordings,
                    &Clock::system(),
                    &recording,
                    &reason,
                )
            })
        }
        Verb::Release { recording } => {
            let said = format!("{recording} is released: its retention policy applies again");
            let request = Request::Release { recording: recording.clone() };
            change(context, &request, &said, |places| {
                offline::release(&places.state, &places.recordings, &Clock::system(), &recording)
            })
        }
    }
}

/// Through the running switch, else on the store alone.
fn change(
    context: &Context,
    request: &Request,
    said: &str,
    alone: impl FnOnce(&place::Places) -> Result<Reply, crate::io::store::Error>,
) -> Result<(), Failure> {
    let reply = match live::reach(context, request)? {
        Some(reply) => reply,
        None => live::settled(alone(&place::places(context)?).map_err(place::unreadable)?)?,
    };
    live::print(context, &reply, |reply| (*reply == Reply::Done).then(|| output::plain(said)))
}

fn one(reader: &Reader, id: &str) -> Result<Recording, Failure> {
    match reader.recording(id).map_err(place::unreadable)? {
        Matches::One(recording) => Ok(recording),
        Matches::None => Err(Failure::not_found(format!("no recording begins with {id:?}"))),
        Matches::Many => {
            Err(Failure::new(Exit::Failed, format!("several recordings begin with {id:?}")))
        }
    }
}

fn export(
    places: &place::Places,
    recording: &Recording,
    to: &Path,
    present: Present,
) -> Result<(), Failure> {
    let expected = match (recording.state(), &recording.sha256) {
        (State::Purged, _) => {
            return Err(Failure::not_found(format!(
                "{} is deleted; its tombstone is left",
                recording.recording
            )));
        }
        (State::Failed, None) => {
            return Err(Failure::new(
                Exit::Failed,
                format!(
                    "{} failed ({}): what there is of it is finished when the disk has room, and can be copied then",
                    recording.recording,
                    or_dash(recording.cause.as_deref())
                ),
            ));
        }
        (_, None) => {
            return Err(Failure::new(
                Exit::Failed,
                format!("{} is not sealed yet", recording.recording),
            ));
        }
        (_, Some(sha256)) => sha256,
    };
    export::export((&places.recordings, &places.state), &recording.path, expected, to, present)
        .map_err(|error| {
            let exit = match error {
                export::Error::Changed(_) => Exit::Failed,
                _ => Exit::Storage,
            };
            Failure::new(exit, error.to_string())
        })
}

fn check(context: &Context, look: Look) -> Result<(), Failure> {
    let (places, reader) = place::history(context)?;
    let report = reconcile(&places.recordings, &reader, look)
        .map_err(|error| Failure::storage(error.to_string()))?;
    let named = |pairs: &[(crate::media::RecordingId, String)]| {
        pairs.iter().map(|(id, path)| format!("{id} {path}")).collect::<Vec<_>>()
    };
    let found = [
        ("file without a row", report.without_row.clone()),
        ("row without a file", named(&report.without_file)),
        ("deleted, but there", named(&report.after_purge)),
        ("unfinished, of no call", report.stray_parts.clone()),
        ("no recording", report.strange.clone()),
        ("not of the size in its row", named(&report.wrong_size)),
        ("changed, by its digest", named(&report.wrong_digest)),
    ];
    output::print(&match context.format {
        Format::Json => output::value(&serde_json::json!({
            "agreeing": report.agreeing,
            "without_row": found[0].1,
            "without_file": found[1].1,
            "after_purge": found[2].1,
            "stray_parts": found[3].1,
            "strange": found[4].1,
            "wrong_size": found[5].1,
            "wrong_digest": found[6].1,
        }))?,
        Format::Table => {
            let lines = found.iter().flat_map(|(what, places)| {
                places.iter().map(move |place| format!("{what}: {}", output::plain(place)))
            });
            lines
                .chain([format!("{} recordings agree with their rows", report.agreeing)])
                .collect::<Vec<_>>()
                .join("\n")
        }
    })?;
    if report.is_clean() {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, "files and rows do not agree"))
    }
}

fn seconds(samples: Samples) -> u64 {
    samples.0 / Samples::RATE
}

fn rows(found: &[Recording]) -> String {
    table(
        ["RECORDING", "CALL", "AGENT", "QUEUE", "BEGUN", "LENGTH", "STATE", "LEGAL HOLD", "DUE"],
        found.iter().map(|recording| {
            [
                recording.recording.to_string(),
                recording.call.to_string(),
                or_dash(recording.agent.as_deref()),
                or_dash(recording.queue.as_deref()),
                second(&recording.armed.to_string()),
                recording.length.map_or_else(|| "-".to_owned(), |length| span(seconds(length))),
                recording.state().as_str().to_owned(),
                (if recording.legal_hold.is_some() { "yes" } else { "no" }).to_owned(),
                recording.due.map_or_else(|| "-".to_owned(), |due| second(&due.to_string())),
            ]
        }),
        "no recordings",
    )
}

/// A span of a recording, as people would name it.
fn spans(spans: &[(Silence, Samples, Samples)]) -> String {
    let name = |reason: &Silence| match reason {
        Silence::Hold => "hold",
        Silence::Pause => "pause",
    };
    let said: Vec<String> = spans
        .iter()
        .map(|(reason, from, to)| {
            format!("{} {}-{}", name(reason), span(seconds(*from)), span(seconds(*to)))
        })
        .collect();
    if said.is_empty() { "-".to_owned() } else { said.join(", ") }
}

/// What is missing, and where.
fn gaps(gaps: &[(Samples, Samples)]) -> String {
    const NAMED: usize = 5;
    let lost: u64 = gaps.iter().map(|(from, to)| to.0.saturating_sub(from.0)).sum();
    let mut said: Vec<String> = gaps
        .iter()
        .take(NAMED)
        .map(|(from, to)| format!("{}-{}", span(seconds(*from)), span(seconds(*to))))
        .collect();
    if gaps.len() > NAMED {
        said.push(format!("and {} more", gaps.len() - NAMED));
    }
    match gaps {
        [] => "none".to_owned(),
        _ => format!("{}.{:03} s: {}", lost / 8_000, lost % 8_000 / 8, said.join(", ")),
    }
}

/// What was heard of each side.
fn packets(packets: Packets) -> String {
    let Packets { customer, agent, left_out } = packets;
    let mut said = format!("{customer} of the customer, {agent} of the agent");
    if left_out > 0 {
        said += &format!("; {left_out} came too late for their place");
    }
    match (customer, agent) {
        (0, 0) => said + ": neither was heard",
        (0, _) => said + ": the customer was never heard",
        (_, 0) => said + ": the agent was never heard",
        (_, _) => said,
    }
}

fn ids(ids: &[RecordingId]) -> String {
    let ids: Vec<String> = ids.iter().map(RecordingId::to_string).collect();
    if ids.is_empty() { "-".to_owned() } else { ids.join(", ") }
}

pub(super) fn whole(recording: &Recording) -> String {
    let at = |at: Option<Utc>| at.map_or_else(|| "-".to_owned(), |at| second(&at.to_string()));
    sheet([
        ("recording", recording.recording.to_string()),
        ("call", recording.call.to_string()),
        ("agent", or_dash(recording.agent.as_deref())),
        ("state", recording.state().as_str().to_owned()),
        ("cause", or_dash(recording.cause.as_deref())),
        ("file", recording.path.clone()),
        ("length", recording.length.map_or_else(|| "-".to_owned(), |length| span(seconds(length)))),
        ("bytes", recording.bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string())),
        ("sha-256", or_dash(recording.sha256.as_deref())),
        ("silent", spans(&recording.silences)),
        ("gaps", gaps(&recording.gaps)),
        ("packets", recording.packets.map_or_else(|| "-".to_owned(), packets)),
        ("continues", or_dash(recording.continues.map(|first| first.to_string()).as_deref())),
        ("continued by", ids(&recording.continued_by)),
        ("begun", at(Some(recording.armed))),
        ("sealed", at(recording.sealed)),
        ("policy", recording.policy.clone()),
        ("due", at(recording.due)),
        ("legal hold", or_dash(recording.legal_hold.as_deref())),
        ("deleted", at(recording.purged)),
    ])
}

pub(super) fn json(recording: &Recording) -> serde_json::Value {
    let at = |at: Option<Utc>| at.map(|at| at.to_string());
    serde_json::json!({
        "recording": recording.recording.to_string(),
        "call": recording.call.to_string(),
        "agent": recording.agent,
        "queue": recording.queue,
        "state": recording.state().as_str(),
        "cause": recording.cause,
        "file": recording.path,
        "samples": recording.length.map(|length| length.0),
        "bytes": recording.bytes,
        "sha256": recording.sha256,
        "silences": recording.silences.len(),
        "gaps": recording.gaps.len(),
        "missing_samples": recording.gaps.iter().map(|(from, to)| to.0 - from.0).sum::<u64>(),
        "packets": recording.packets.map(|packets| serde_json::json!({
            "customer": packets.customer,
            "agent": packets.agent,
            "left_out": packets.left_out,
        })),
        "continues": recording.continues.map(|first| first.to_string()),
        "continued_by": recording.continued_by.iter().map(RecordingId::to_string).collect::<Vec<_>>(),
        "begun": recording.armed.to_string(),
        "sealed": at(recording.sealed),
        "policy": recording.policy,
        "due": at(recording.due),
        "legal_hold": recording.legal_hold,
        "purge_ordered": at(recording.purge_ordered),
        "purged": at(recording.purged),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_was_never_heard_is_named() {
        let heard = |customer, agent, left_out| packets(Packets { customer, agent, left_out });
        assert_eq!(heard(500, 499, 0), "500 of the customer, 499 of the agent");
        assert_eq!(
            heard(500, 0, 2),
            "500 of the customer, 0 of the agent; 2 came too late for their place: the agent was never heard"
        );
        assert!(heard(0, 9, 0).ends_with("the customer was never heard"));
        assert!(heard(0, 0, 0).ends_with("neither was heard"));
    }

    #[test]
    fn what_is_missing_is_said_with_its_place() {
        assert_eq!(gaps(&[]), "none");
        let gap = (Samples(80_000), Samples(240_800));
        let said = gaps(&[gap]);
        assert_eq!(said, format!("20.100 s: {}-{}", span(10), span(30)));
        assert!(gaps(&[gap; 7]).ends_with(", and 2 more"));
    }
}

//! `retention run|status`: what is deleted, and when.

use clap::Subcommand;

use super::output::{self, Format, or_dash, second, sheet, table};
use super::{Context, Failure, live, place};
use crate::io::clock::Clock;
use crate::io::offline::{self, Calendar};
use crate::switch::control::{Reply, Request};
use crate::switch::retention::Kept;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Deletes every recording whose time is over and that is not on legal hold
    Run {
        /// Only says what would be deleted
        #[arg(long)]
        dry_run: bool,
        /// The clock is right although it jumped since the last run: look at --dry-run first
        #[arg(long)]
        accept_clock: bool,
    },
    /// When retention ran, runs next, or why it does not
    Status,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Run { dry_run: true, .. } => {
            let (_, reader) = place::history(context)?;
            let due = reader.due(Clock::system().now().utc).map_err(place::unreadable)?;
            output::print(&match context.format {
                Format::Json => output::value(
                    &serde_json::json!({ "due": due.iter().map(json).collect::<Vec<_>>() }),
                )?,
                Format::Table => rows(&due),
            })?;
            Ok(())
        }
        Verb::Run { accept_clock, .. } => {
            let accepted = match accept_clock {
                true => live::reach(context, &Request::AcceptClock)?.is_some(),
                false => true,
            };
            // Whoever did not hear that the clock is right is not to be asked without it.
            let alive = match accepted {
                true => live::reach(context, &Request::RetentionRun)?,
                false => None,
            };
            let reply = match alive {
                Some(reply) => reply,
                None => {
                    let places = place::places(context)?;
                    let calendar = if accept_clock { Calendar::Vouched } else { Calendar::Checked };
                    let reply =
                        offline::run(&places.state, &places.recordings, &Clock::system(), calendar);
                    live::settled(reply.map_err(place::unreadable)?)?
                }
            };
            live::print(context, &reply, ran)
        }
        Verb::Status => {
            let (reply, otherwise) = match live::reach(context, &Request::RetentionStatus)? {
                Some(reply) => (reply, "under way"),
                None => (remembered(context)?, "when a switch runs"),
            };
            live::print(context, &reply, |reply| status(reply, otherwise))
        }
    }
}

/// What the store knows of it while no switch runs.
fn remembered(context: &Context) -> Result<Reply, Failure> {
    let (_, reader) = place::history(context)?;
    let ran = reader.retention_ran().map_err(place::unreadable)?;
    let last = reader.retention_runs(1).map_err(place::unreadable)?.pop();
    Ok(Reply::Retention {
        ran: ran.map(|at| at.to_string()),
        next: None,
        blocked: last.and_then(|last| last.blocked),
        trouble: None,
    })
}

fn status(reply: &Reply, otherwise: &str) -> Option<String> {
    let Reply::Retention { ran, next, blocked, trouble } = reply else { return None };
    Some(sheet([
        ("last run", ran.as_deref().map_or_else(|| "never".to_owned(), second)),
        ("next run", next.as_deref().map_or_else(|| otherwise.to_owned(), second)),
        ("blocked because", or_dash(blocked.as_deref())),
        ("not stored because", or_dash(trouble.as_deref())),
    ]))
}

fn rows(due: &[Kept]) -> String {
    table(
        ["RECORDING", "POLICY", "SINCE", "DUE", "FILE"],
        due.iter().map(|kept| {
            [
                kept.recording.to_string(),
                kept.policy.clone(),
                second(&kept.since.to_string()),
                second(&kept.due().to_string()),
                kept.path.clone(),
            ]
        }),
        "nothing is due",
    )
}

fn json(kept: &Kept) -> serde_json::Value {
    serde_json::json!({
        "recording": kept.recording.to_string(),
        "policy": kept.policy,
        "since": kept.since.to_string(),
        "due": kept.due().to_string(),
        "file": kept.path,
    })
}

fn ran(reply: &Reply) -> Option<String> {
    let Reply::RetentionRan { purged, failed } = reply else { return None };
    let mut lines: Vec<String> = purged.iter().map(|id| format!("deleted {id}")).collect();
    lines.extend(failed.iter().map(|(id, cause)| format!("not deleted {id}: {cause}")));
    lines.push(format!("{} deleted, {} could not be", purged.len(), failed.len()));
    Some(lines.join("\n"))
}

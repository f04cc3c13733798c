//! `retention run|status`: what is deleted, and when.

use clap::Subcommand;

use super::output::{self, Format, second, sheet, table};
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
        /// The calendar is right although it jumped since the last run (only while no switch runs)
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
            let reply = match live::reach(context, &Request::RetentionRun)? {
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
        Verb::Status => live::show(context, &Request::RetentionStatus, |reply| match reply {
            Reply::Retention { ran, next, blocked } => Some(sheet([
                ("last run", ran.as_deref().map_or_else(|| "never".to_owned(), second)),
                ("next run", next.as_deref().map_or_else(|| "under way".to_owned(), second)),
                ("blocked because", blocked.clone().unwrap_or_else(|| "-".to_owned())),
            ])),
            _ => None,
        }),
    }
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

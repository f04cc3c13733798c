//! `call list|show|hangup`: the calls that are up, and those of the past.

use clap::Subcommand;

use super::output::{self, or_dash, second, sheet, table};
use super::{Context, Exit, Failure, live, place};
use crate::io::store::{CallFilter, Matches};
use crate::switch::control::{CallRow, Reply, Request};
use crate::switch::journal::Cdr;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The calls that are up, or those of the past
    List {
        /// From the history instead, the newest first
        #[arg(long)]
        past: bool,
        /// Of the past: at most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// One call: live if it is up, else from the history
    Show {
        /// Its id, or the beginning of it
        call: String,
    },
    /// Ends a call
    Hangup {
        /// Its id, or the beginning of it
        call: String,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List { past: true, limit } => {
            let (_, reader) = place::history(context)?;
            let filter = CallFilter { limit: Some(limit), ..CallFilter::default() };
            let calls = reader.calls(&filter).map_err(place::unreadable)?;
            let calls: Vec<CallRow> = calls.iter().map(row).collect();
            live::print(context, &Reply::Calls { calls }, |reply| match reply {
                Reply::Calls { calls } => Some(rows(calls)),
                _ => None,
            })
        }
        Verb::List { .. } => live::show(context, &Request::CallList, |reply| match reply {
            Reply::Calls { calls } => Some(rows(calls)),
            _ => None,
        }),
        Verb::Show { call } => {
            let alive = match live::reach(context, &Request::CallShow { call: call.clone() }) {
                Ok(reply) => reply,
                // Of the past, perhaps.
                Err(failure) if failure.exit() == Exit::NotFound => None,
                Err(failure) => return Err(failure),
            };
            let reply = match alive {
                Some(reply) => reply,
                None => Reply::Calls { calls: vec![row(&past(context, &call)?)] },
            };
            live::print(context, &reply, |reply| match reply {
                Reply::Calls { calls } => {
                    Some(calls.iter().map(one).collect::<Vec<_>>().join("\n\n"))
                }
                _ => None,
            })
        }
        Verb::Hangup { call } => {
            let said = format!("call {} is ended", output::plain(&call));
            live::show(context, &Request::CallHangup { call }, |reply| match reply {
                Reply::Done => Some(said),
                _ => None,
            })
        }
    }
}

fn past(context: &Context, id: &str) -> Result<Cdr, Failure> {
    let (_, reader) = place::history(context)?;
    match reader.call(id).map_err(place::unreadable)? {
        Matches::One(cdr) => Ok(cdr),
        Matches::None => Err(Failure::not_found(format!("no call begins with {id:?}"))),
        Matches::Many => {
            Err(Failure::new(Exit::Failed, format!("several calls begin with {id:?}")))
        }
    }
}

/// A call of the past in the form of one that is up; its state is why it ended.
pub(super) fn row(cdr: &Cdr) -> CallRow {
    CallRow {
        call: cdr.call.to_string(),
        direction: cdr.direction.as_str().to_owned(),
        from: cdr.from.reveal().clone(),
        to: cdr.to.reveal().clone(),
        state: cdr.end_cause.clone().unwrap_or_else(|| "up".to_owned()),
        route: cdr.route.clone(),
        queue: cdr.queue.clone(),
        agent: cdr.agent.clone(),
        started: cdr.started.to_string(),
        answered: cdr.answered.map(|at| at.to_string()),
        consent: cdr.consent.as_ref().map(|consent| consent.answer.as_str().to_owned()),
        recording: cdr.recording.map(|recording| recording.to_string()),
        unrecorded: cdr.unrecorded.clone(),
    }
}

fn rows(calls: &[CallRow]) -> String {
    table(
        ["CALL", "DIRECTION", "FROM", "TO", "STATE", "QUEUE", "AGENT", "STARTED", "RECORDING"],
        calls.iter().map(|row| {
            [
                row.call.clone(),
                row.direction.clone(),
                row.from.clone(),
                row.to.clone(),
                row.state.clone(),
                or_dash(row.queue.as_deref()),
                or_dash(row.agent.as_deref()),
                second(&row.started),
                or_dash(row.recording.as_deref()),
            ]
        }),
        "no calls",
    )
}

/// Everything that is known of one.
pub(super) fn one(row: &CallRow) -> String {
    sheet([
        ("call", row.call.clone()),
        ("direction", row.direction.clone()),
        ("from", row.from.clone()),
        ("to", row.to.clone()),
        ("state", row.state.clone()),
        ("route", or_dash(row.route.as_deref())),
        ("queue", or_dash(row.queue.as_deref())),
        ("agent", or_dash(row.agent.as_deref())),
        ("started", second(&row.started)),
        ("answered", row.answered.as_deref().map_or_else(|| "-".to_owned(), second)),
        ("consent", or_dash(row.consent.as_deref())),
        ("recording", or_dash(row.recording.as_deref())),
        ("not recorded because", or_dash(row.unrecorded.as_deref())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> CallRow {
        CallRow {
            call: "0abcdefghjkm".into(),
            direction: "inbound".into(),
            from: "+4930555010".into(),
            to: "+4930555100".into(),
            state: "talking".into(),
            route: Some("10-support".into()),
            queue: Some("support".into()),
            agent: Some("anna".into()),
            started: "2030-01-07T09:00:00.020Z".into(),
            answered: Some("2030-01-07T09:00:00.045Z".into()),
            consent: Some("agreed".into()),
            recording: Some("0nprstvwxyz1".into()),
            unrecorded: None,
        }
    }

    #[test]
    fn calls_are_listed_a_line_each() {
        insta::assert_snapshot!(rows(&[call()]), @r#"
        CALL          DIRECTION  FROM         TO           STATE    QUEUE    AGENT  STARTED               RECORDING
        0abcdefghjkm  inbound    +4930555010  +4930555100  talking  support  anna   2030-01-07T09:00:00Z  0nprstvwxyz1
        "#);
        assert_eq!(rows(&[]), "no calls");
    }

    #[test]
    fn one_call_is_shown_whole() {
        insta::assert_snapshot!(one(&call()), @r#"
        call                  0abcdefghjkm
        direction             inbound
        from                  +4930555010
        to                    +4930555100
        state                 talking
        route                 10-support
        queue                 support
        agent                 anna
        started               2030-01-07T09:00:00Z
        answered              2030-01-07T09:00:00Z
        consent               agreed
        recording             0nprstvwxyz1
        not recorded because  -
        "#);
    }
}

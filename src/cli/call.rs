//! `call list|show|hangup`: the calls that are up, and those of the past.

use clap::Subcommand;

use super::output::{self, or_dash, second, sheet, table};
use super::{Context, Failure, live};
use crate::switch::control::{CallRow, Reply, Request};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The calls that are up
    List,
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
        Verb::List => live::show(context, &Request::CallList, |reply| match reply {
            Reply::Calls { calls } => Some(rows(calls)),
            _ => None,
        }),
        Verb::Show { call } => {
            live::show(context, &Request::CallShow { call }, |reply| match reply {
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

fn one(row: &CallRow) -> String {
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

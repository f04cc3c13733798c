//! `agent list|login|logout|break|ready`: who takes calls.

use clap::Subcommand;

use super::output::table;
use super::{Context, Failure, live};
use crate::switch::control::{AgentChange, AgentRow, Reply, Request};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Every agent, what they say of themselves and what they do
    List,
    /// Logs an agent in: they take calls
    Login {
        /// The agent's name
        agent: String,
    },
    /// Logs an agent out
    Logout {
        /// The agent's name
        agent: String,
    },
    /// Sends an agent on a break: logged in, but no calls
    Break {
        /// The agent's name
        agent: String,
    },
    /// Ends a break
    Ready {
        /// The agent's name
        agent: String,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let (agent, status, now) = match verb {
        Verb::List => {
            return live::show(context, &Request::AgentList, |reply| match reply {
                Reply::Agents { agents } => Some(rows(agents, "no agents: add a file in agents/")),
                _ => None,
            });
        }
        Verb::Login { agent } => (agent, AgentChange::Available, "is logged in and takes calls"),
        Verb::Ready { agent } => (agent, AgentChange::Available, "takes calls"),
        Verb::Break { agent } => (agent, AgentChange::Break, "is on a break"),
        Verb::Logout { agent } => (agent, AgentChange::Logout, "is logged out"),
    };
    let said = format!("{agent} {now}");
    live::show(context, &Request::AgentSet { agent, status }, |reply| match reply {
        Reply::Done => Some(super::output::plain(&said)),
        _ => None,
    })
}

/// Also the agents of one queue.
pub(super) fn rows(agents: &[AgentRow], nothing: &str) -> String {
    table(
        ["AGENT", "USER", "STATUS", "STATE", "PHONE", "AGREES TO RECORDING"],
        agents.iter().map(|row| {
            [
                row.agent.clone(),
                row.user.clone(),
                row.status.clone(),
                row.state.clone(),
                (if row.registered { "registered" } else { "not registered" }).to_owned(),
                (if row.agrees_to_recording { "yes" } else { "no" }).to_owned(),
            ]
        }),
        nothing,
    )
}

#[cfg(test)]
pub(super) fn anna() -> AgentRow {
    AgentRow {
        agent: "anna".into(),
        user: "1001".into(),
        status: "available".into(),
        state: "talking".into(),
        registered: true,
        agrees_to_recording: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_listed_with_what_they_say_and_what_they_do() {
        let bob = AgentRow {
            agent: "bob".into(),
            user: "1002".into(),
            status: "on break".into(),
            state: "idle".into(),
            registered: false,
            agrees_to_recording: false,
        };
        insta::assert_snapshot!(rows(&[anna(), bob], "none"), @r#"
        AGENT  USER  STATUS     STATE    PHONE           AGREES TO RECORDING
        anna   1001  available  talking  registered      yes
        bob    1002  on break   idle     not registered  no
        "#);
    }
}

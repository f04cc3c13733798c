//! `queue show`: callers who wait and the agents who are to take them.

use clap::Subcommand;

use super::output::{plain, span};
use super::{Context, Failure, agent, live};
use crate::switch::control::{QueueRow, Reply, Request};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// One queue, or all of them
    Show {
        /// The queue's name
        queue: Option<String>,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Show { queue } => {
            live::show(context, &Request::QueueShow { queue }, |reply| match reply {
                Reply::Queues { queues } => Some(sheets(queues)),
                _ => None,
            })
        }
    }
}

fn sheets(queues: &[QueueRow]) -> String {
    if queues.is_empty() {
        return "no queues: add a file in queues/".to_owned();
    }
    let sheet = |row: &QueueRow| {
        let waiting = match (row.waiting, row.longest_wait) {
            (0, _) => "nobody waits".to_owned(),
            (1, Some(wait)) => format!("1 caller waits, for {}", span(wait)),
            (count, Some(wait)) => format!("{count} callers wait, the first for {}", span(wait)),
            (count, None) => format!("{count} wait"),
        };
        format!(
            "{}: {waiting}\n{}",
            plain(&row.queue),
            agent::rows(&row.agents, "no agents: name them in the queue's file")
        )
    };
    queues.iter().map(sheet).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_shows_who_waits_and_who_could_take_them() {
        let support = QueueRow {
            queue: "support".into(),
            waiting: 2,
            longest_wait: Some(75),
            agents: vec![agent::anna()],
        };
        let sales =
            QueueRow { queue: "sales".into(), waiting: 0, longest_wait: None, agents: vec![] };
        insta::assert_snapshot!(sheets(&[support, sales]), @r#"
        support: 2 callers wait, the first for 1:15
        AGENT  USER  STATUS     STATE    PHONE       AGREES TO RECORDING
        anna   1001  available  talking  registered  yes

        sales: nobody waits
        no agents: name them in the queue's file
        "#);
    }
}

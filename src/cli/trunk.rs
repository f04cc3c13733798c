//! `trunk list`: the carriers and what goes through them.

use clap::Subcommand;

use super::output::table;
use super::{Context, Failure, live};
use crate::switch::control::{Reply, Request, TrunkRow};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Every trunk and its calls
    List,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List => live::show(context, &Request::TrunkList, |reply| match reply {
            Reply::Trunks { trunks } => Some(rows(trunks)),
            _ => None,
        }),
    }
}

fn rows(trunks: &[TrunkRow]) -> String {
    table(
        ["TRUNK", "GATEWAY", "CALLS", "OF AT MOST"],
        trunks.iter().map(|row| {
            [
                row.trunk.clone(),
                row.gateway.clone().unwrap_or_else(|| "calls in only".to_owned()),
                row.calls.to_string(),
                row.channels.to_string(),
            ]
        }),
        "no trunks: add a file in trunks/",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trunks_are_listed_with_their_calls() {
        let rows = rows(&[
            TrunkRow {
                trunk: "north".into(),
                gateway: Some("198.51.100.1:5060".into()),
                calls: 3,
                channels: 30,
            },
            TrunkRow { trunk: "south".into(), gateway: None, calls: 0, channels: 10 },
        ]);
        insta::assert_snapshot!(rows, @r#"
        TRUNK  GATEWAY            CALLS  OF AT MOST
        north  198.51.100.1:5060  3      30
        south  calls in only      0      10
        "#);
    }
}

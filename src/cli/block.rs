//! `block list|lift`: sources that are not answered, since they guessed passwords or flooded.

use clap::Subcommand;

use super::output::{or_dash, span, table};
use super::{Context, Failure, live};
use crate::switch::control::{BlockRow, Reply, Request};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Every source that is not answered at present, and why
    List,
    /// Answers a source again, and forgets what it did
    Lift {
        /// Its address
        address: String,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List => live::show(context, &Request::BlockList, |reply| match reply {
            Reply::Blocks { blocks } => Some(rows(blocks)),
            _ => None,
        }),
        Verb::Lift { address } => {
            live::show(context, &Request::BlockLift { source: address.clone() }, |reply| {
                (*reply == Reply::Done).then(|| format!("{address} is answered again"))
            })
        }
    }
}

fn rows(blocks: &[BlockRow]) -> String {
    table(
        ["SOURCE", "AS USER", "WHY", "FOR"],
        blocks.iter().map(|row| {
            [row.source.clone(), or_dash(row.user.as_deref()), row.why.clone(), span(row.seconds)]
        }),
        "nobody is blocked",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_listed_with_what_is_left_of_them() {
        let row = |source: &str, user: Option<&str>, why: &str, seconds| BlockRow {
            source: source.into(),
            user: user.map(Into::into),
            why: why.into(),
            seconds,
        };
        let rows = rows(&[
            row("203.0.113.66", None, "flood", 9),
            row("198.51.100.7", Some("1001\u{1b}[2J"), "passwords", 3_599),
        ]);
        insta::assert_snapshot!(rows);
    }
}

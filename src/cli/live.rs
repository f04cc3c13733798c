//! Asking the switch that runs.

use std::path::PathBuf;

use super::{Context, Exit, Failure, output};
use crate::io::control::{self, SOCKET};
use crate::switch::control::{Reply, Request};

/// How a switch is started, for those who thought it was.
pub(super) const START: &str = "start it with: tonspur serve";

/// Asks, and turns a refusal into a failure.
pub(super) fn ask(context: &Context, request: &Request) -> Result<Reply, Failure> {
    match reach(context, request)? {
        Some(reply) => Ok(reply),
        None => Err(Failure::new(Exit::NotRunning, format!("no switch is running; {START}"))),
    }
}

/// Like [`ask`]; `None` if no switch is running.
pub(super) fn reach(context: &Context, request: &Request) -> Result<Option<Reply>, Failure> {
    match control::ask(&socket(context)?, request) {
        Ok(reply) => settled(reply).map(Some),
        Err(control::Error::NotRunning) => Ok(None),
        Err(error @ (control::Error::Forbidden(_) | control::Error::TooLong(_))) => {
            Err(Failure::storage(error.to_string()))
        }
        Err(error) => Err(Failure::new(Exit::Failed, error.to_string())),
    }
}

/// A reply that is no refusal.
pub(super) fn settled(reply: Reply) -> Result<Reply, Failure> {
    match reply {
        Reply::NotFound { what } => Err(Failure::not_found(what)),
        Reply::Refused { why } => Err(Failure::new(Exit::Failed, why)),
        reply => Ok(reply),
    }
}

/// Asks and prints: JSON as the switch gave it, or what `table` makes of it.
pub(super) fn show(
    context: &Context,
    request: &Request,
    table: impl FnOnce(&Reply) -> Option<String>,
) -> Result<(), Failure> {
    print(context, &ask(context, request)?, table)
}

/// Prints a reply.
pub(super) fn print(
    context: &Context,
    reply: &Reply,
    table: impl FnOnce(&Reply) -> Option<String>,
) -> Result<(), Failure> {
    output::print(&match context.format {
        output::Format::Json => output::value(reply)?,
        output::Format::Table => table(reply).ok_or_else(|| unexpected(reply))?,
    })?;
    Ok(())
}

/// The switch is of another version.
pub(super) fn unexpected(reply: &Reply) -> Failure {
    Failure::new(Exit::Failed, format!("the switch gave an answer to another question: {reply:?}"))
}

fn socket(context: &Context) -> Result<PathBuf, Failure> {
    Ok(super::place::places(context)?.state.join(SOCKET))
}

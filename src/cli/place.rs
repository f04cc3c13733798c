//! Where the configuration says that recordings and state lie.

use std::path::PathBuf;

use super::{Context, Exit, Failure};
use crate::config::Loaded;
use crate::io::profiles;
use crate::io::store::{self, Reader};

#[derive(Debug)]
pub(super) struct Places {
    pub(super) recordings: PathBuf,
    pub(super) state: PathBuf,
}

/// The whole configuration; every mistake in it if there is one.
pub(super) fn load(context: &Context) -> Result<Loaded, Failure> {
    profiles::load(&context.profiles).map_err(|errors| wrong(&errors))
}

fn wrong(errors: &[crate::config::Error]) -> Failure {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure::new(Exit::Configuration, lines.join("\n"))
}

/// By `switch.toml` alone: whatever else is mistyped, calls can be ended and recordings held.
pub(super) fn places(context: &Context) -> Result<Places, Failure> {
    let (recordings, state) =
        profiles::places(&context.profiles).map_err(|errors| wrong(&errors))?;
    Ok(Places { recordings, state })
}

/// The history, to be read.
pub(super) fn history(context: &Context) -> Result<(Places, Reader), Failure> {
    let places = places(context)?;
    let reader = Reader::open(&places.state).map_err(unreadable)?;
    Ok((places, reader))
}

pub(super) fn unreadable(error: store::Error) -> Failure {
    match error {
        store::Error::Busy(_) => Failure::new(Exit::Running, error.to_string()),
        _ => Failure::storage(error.to_string()),
    }
}

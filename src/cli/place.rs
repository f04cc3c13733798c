//! Where the configuration says that recordings and state lie.

use std::path::PathBuf;

use super::{Context, Failure};

#[derive(Debug)]
pub(super) struct Places {
    pub(super) recordings: PathBuf,
    pub(super) state: PathBuf,
}

pub(super) fn places(_context: &Context) -> Result<Places, Failure> {
    Ok(Places { recordings: "recordings".into(), state: "recordings/.state".into() })
}

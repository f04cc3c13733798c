//! How long recordings are kept, and the only place where an order to delete one is made.

use std::time::Duration;

use crate::media::RecordingId;
use crate::utc::Utc;

/// What the store is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Query {
    /// Recordings, sealed or failed, not purged and not on legal hold, whose time is over at `at`; the oldest first, after `after`.
    Due {
        /// This moment.
        at: Utc,
        /// Beyond this one, for the next page.
        after: Option<RecordingId>,
        /// At most so many.
        limit: usize,
    },
}

/// A recording as retention sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Which.
    pub recording: RecordingId,
    /// Its file, relative to the recordings folder.
    pub path: String,
    /// The name of its policy.
    pub policy: String,
    /// How long it is kept.
    pub keep: Duration,
    /// Since when.
    pub since: Utc,
    /// Must not be purged.
    pub legal_hold: bool,
}

/// The answer to a query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// To which.
    pub query: Query,
    /// What was found, `limit` at most.
    pub found: Vec<Kept>,
}

/// Leave to delete one recording's audio. Made only here.
#[derive(PartialEq, Eq, Debug)]
pub struct PurgeOrder {
    recording: RecordingId,
    path: String,
    policy: String,
}

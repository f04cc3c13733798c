//! What goes into the switch, and what comes out of it.

use std::time::Instant;

use super::{control, journal, log, retention, storage};
use crate::media::{self, RecordingId};
use crate::utc::Utc;
use crate::wire::flow::{self, Datagram, Flow, Transmit};
use crate::wire::sip::locating::{Question, Resolution};

/// This moment, twice: for timers and for records. They are taken together; neither can be computed from the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Monotonic: timers.
    pub instant: Instant,
    /// The calendar: records.
    pub utc: Utc,
}

/// Everything that can happen to the switch.
#[derive(Debug)]
pub enum Input<'a> {
    /// `deadline` has come.
    Timeout,
    /// A SIP message arrived.
    Datagram(Datagram<'a>),
    /// A connection ended or an address cannot be reached.
    Flow(flow::Event),
    /// The answer to `Resolve`, or that there is none.
    Resolved(Resolution),
    /// News of ports, prompts, digits, recordings.
    Media(media::Event),
    /// This entry, and every one before it, is committed.
    Stored(journal::EntryId),
    /// The answer to `Find`.
    Found(retention::Page),
    /// The file of a purge order is gone (or was gone already).
    Purged(RecordingId),
    /// It could not be deleted.
    PurgeFailed(RecordingId, String),
    /// What was left of a failed recording is whole now; its audio ends there.
    Adopted(RecordingId, media::Sealed, Utc),
    /// How much room recordings have.
    Storage(storage::Space),
    /// The journal is too far behind to take in new calls: they are put off.
    JournalBehind,
    /// It is not any more.
    JournalCaughtUp,
    /// An admin asks.
    Control(control::RequestId, control::Request),
}

/// Everything the switch can ask for.
#[derive(Debug)]
pub enum Output {
    /// Send a SIP message.
    Transmit(Transmit),
    /// Close this stream once what was sent is out.
    Close(Flow),
    /// Ask DNS; answered by `Resolved` within [`super::settings::Dns::timeout`].
    Resolve(Question),
    /// Tell the media side.
    Media(media::Command),
    /// Write to the journal; answered by `Stored`, in order.
    Store(journal::EntryId, journal::Entry),
    /// Look something up; answered by `Found`.
    Find(retention::Query),
    /// Delete a recording's audio; answered by `Purged` or `PurgeFailed`.
    Purge(retention::PurgeOrder),
    /// Write a line to the log.
    Log(log::Fact),
    /// Answer an admin.
    Reply(control::RequestId, control::Reply),
    /// Every call has ended and every recording is sealed: the process may end (only after [`control::Request::Stop`]).
    Stopped,
}

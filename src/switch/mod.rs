//! Decisions: who may register, where a call goes, whether it may be recorded, when a recording must go. [`Switch`] introduces the
//! parts to each other; it decides nothing itself.

pub mod agent;
pub mod call;
pub mod consent;
pub mod control;
pub mod journal;
pub mod queue;
pub mod recording;
pub mod registrar;
pub mod retention;
pub mod routing;
pub mod settings;
pub mod trunk;

use std::time::Instant;

use crate::media::{self, RecordingId};
use crate::utc::Utc;
use crate::wire::flow::{self, Datagram, Flow, Transmit};

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
    /// Tell the media side.
    Media(media::Command),
    /// Write to the journal; answered by `Stored`, in order.
    Store(journal::EntryId, journal::Entry),
    /// Look something up; answered by `Found`.
    Find(retention::Query),
    /// Delete a recording's audio; answered by `Purged` or `PurgeFailed`.
    Purge(retention::PurgeOrder),
    /// Answer an admin.
    Reply(control::RequestId, control::Reply),
    /// Every call has ended and every recording is sealed: the process may end (only after [`control::Request::Stop`]).
    Stopped,
}

/// The softswitch, without a clock or a socket: [`Switch::handle`] takes what happened, [`Switch::poll`] gives what is to be done.
#[derive(Debug)]
pub struct Switch {}

impl Switch {
    /// A switch that remembers `memory`; every dialog in it gets a BYE. `seed` makes every identifier; the same seed and the same
    /// inputs give the same outputs.
    pub fn new(
        now: Now,
        settings: settings::Settings,
        memory: journal::Memory,
        seed: [u8; 32],
    ) -> Switch {
        let _ = (now, settings, memory, seed);
        todo!()
    }

    /// Takes one input. Drain [`Switch::poll`] afterwards.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        let _ = (now, input);
        todo!()
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        todo!()
    }

    /// When `Input::Timeout` is due.
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// `Ok` if no call, transaction, dialog, media port or recording is open; else what is. For tests of leaks.
    pub fn at_rest(&self) -> Result<(), String> {
        todo!()
    }
}

//! The tap: the copy of a bridge's audio that the recorder listens to. A bounded ring between one relay worker and one writer thread;
//! a full ring loses the packet and counts it, the call never waits. Home of rtrb.

use std::time::Instant;

use super::Samples;
use crate::wire::rtp::g711::Codec;

/// Whose audio: the channel of the recording.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// Left.
    Customer,
    /// Right.
    Agent,
}

/// One RTP packet as the recorder needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Whose.
    pub side: Side,
    /// When the socket gave it to us.
    pub arrived: Instant,
    /// Its source; another one begins a new mapping of RTP time.
    pub ssrc: u32,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp, 8 kHz.
    pub timestamp: u32,
    /// How to decode.
    pub codec: Codec,
    /// G.711 samples, one byte each; 480 (60 ms) at most, longer ones are cut up before.
    pub payload: &'a [u8],
}

/// The relay's end.
#[derive(Debug)]
pub struct Tap {}

/// The recorder's end.
#[derive(Debug)]
pub struct Listener {}

/// A ring that holds about `span` of both sides' audio in 20 ms packets.
pub fn tap(span: Samples) -> (Tap, Listener) {
    let _ = span;
    todo!()
}

impl Tap {
    /// Copies a packet in; `false` if there was no room (counted, see [`Listener::lost`]).
    pub fn push(&mut self, frame: Frame<'_>) -> bool {
        let _ = frame;
        todo!()
    }
}

impl Listener {
    /// The next packet, its payload copied into `room`.
    pub fn pop<'a>(&mut self, room: &'a mut [u8; 480]) -> Option<Frame<'a>> {
        let _ = room;
        todo!()
    }

    /// Packets lost for want of room since the last time it was asked.
    pub fn lost(&mut self) -> u64 {
        todo!()
    }

    /// Whether the relay's end is gone (and what is left may be popped).
    pub fn is_closed(&self) -> bool {
        todo!()
    }
}

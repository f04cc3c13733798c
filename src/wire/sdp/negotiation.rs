//! Offer and answer: RFC 3264, for one audio stream of G.711 with telephone events.

use std::net::SocketAddr;

use super::description::Description;
use crate::wire::rtp::g711::Codec;

/// Which way audio flows, as seen by whom it is said of (RFC 3264 §5.1, §8.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// Only from us to them.
    SendOnly,
    /// Only from them to us.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// Seen from the other end.
    pub fn mirrored(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            both => both,
        }
    }

    /// Whether audio goes out.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether audio comes in.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
}

/// What an offer and its answer have agreed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// Where our RTP goes; port 0 or an unspecified address never gets here. `None`: held the RFC 2543 way (`c=0.0.0.0`).
    pub rtp: Option<SocketAddr>,
    /// Where our RTCP goes: a=rtcp (RFC 3605), else one port up.
    pub rtcp: Option<SocketAddr>,
    /// The codec we send; both G.711 laws are always received.
    pub codec: Codec,
    /// The payload type of telephone-event that they want to receive, if both sides have it.
    pub telephone_event: Option<u8>,
    /// Ours: whether we send, receive.
    pub direction: Direction,
}

/// Why a description cannot be agreed on: 488 (or 415/400 for one that cannot be read).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Not SDP.
    Unreadable,
    /// No audio stream over RTP/AVP, or none we can reach.
    NoAudio,
    /// No codec in common.
    NoCodec,
    /// An answer whose m= lines do not match our offer.
    Mismatch,
}

/// The media side of one dialog: remembers o= id and version, and the last agreement.
#[derive(Clone, Debug)]
pub struct Session {}

impl Session {
    /// `rtp` is our address and even port as the far side sees it; RTCP is one up. `id` is the session id of o=, random.
    /// `codecs` in our order of preference.
    pub fn new(rtp: SocketAddr, id: u64, codecs: Vec<Codec>) -> Session {
        let _ = (rtp, id, codecs);
        todo!()
    }

    /// Our offer, in the given direction. Version goes up by one only when the text changed.
    pub fn offer(&mut self, direction: Direction) -> Vec<u8> {
        let _ = direction;
        todo!()
    }

    /// Our answer to their offer; `wanted` is what we would like (SendRecv), narrowed to what they allow. Every m= line of
    /// theirs has one in the answer, in order, refused ones with port 0.
    pub fn answer(
        &mut self,
        offer: &[u8],
        wanted: Direction,
    ) -> Result<(Vec<u8>, Agreed), Refusal> {
        let _ = (offer, wanted);
        todo!()
    }

    /// Takes their answer to our last offer.
    pub fn conclude(&mut self, answer: &[u8]) -> Result<Agreed, Refusal> {
        let _ = answer;
        todo!()
    }

    /// The last agreement.
    pub fn agreed(&self) -> Option<&Agreed> {
        todo!()
    }
}

/// Reads any description; used by tests and by whoever wants to look.
pub fn read(bytes: &[u8]) -> Result<Description, Refusal> {
    let _ = bytes;
    todo!()
}

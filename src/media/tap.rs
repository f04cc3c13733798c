//! The tap: the copy of a bridge's audio that the recorder listens to. A bounded ring between one relay worker and one writer thread;
//! a full ring loses the packet and counts it, the call never waits. Home of rtrb.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rtrb::{Consumer, Producer, RingBuffer};

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
    /// RTP sequence number; the pieces of a packet that was cut up share it.
    pub sequence: u16,
    /// RTP timestamp, 8 kHz.
    pub timestamp: u32,
    /// How to decode.
    pub codec: Codec,
    /// G.711 samples, one byte each; the listener gets [`LONGEST`] at most, longer ones are cut up by [`Tap::push`].
    pub payload: &'a [u8],
}

/// Bytes of the longest payload that a listener is given: 60 ms.
pub const LONGEST: usize = 480;

/// A frame but for its bytes, which lie in a ring of their own.
#[derive(Clone, Copy, Debug)]
struct Head {
    arrived: Instant,
    ssrc: u32,
    timestamp: u32,
    sequence: u16,
    length: u16,
    side: Side,
    codec: Codec,
}

/// The relay's end.
#[derive(Debug)]
pub struct Tap {
    heads: Producer<Head>,
    bytes: Producer<u8>,
    lost: Arc<AtomicU64>,
}

/// The recorder's end.
#[derive(Debug)]
pub struct Listener {
    heads: Consumer<Head>,
    bytes: Consumer<u8>,
    lost: Arc<AtomicU64>,
    lost_told: u64,
}

/// A ring that holds about `span` of both sides' audio in packets of 10 ms or longer: 46 KiB for two seconds.
pub fn tap(span: Samples) -> (Tap, Listener) {
    let both = usize::try_from(span.0.saturating_mul(2)).unwrap_or(usize::MAX);
    let both = both.clamp(2 * LONGEST, 1 << 20);
    let (heads_in, heads_out) = RingBuffer::new(both / 80);
    let (bytes_in, bytes_out) = RingBuffer::new(both);
    let lost = Arc::new(AtomicU64::new(0));
    (
        Tap { heads: heads_in, bytes: bytes_in, lost: Arc::clone(&lost) },
        Listener { heads: heads_out, bytes: bytes_out, lost, lost_told: 0 },
    )
}

impl Tap {
    /// Copies a packet in, in pieces of [`LONGEST`] if need be; `false` if there was no room for all of it (counted, see
    /// [`Listener::lost`]).
    pub fn push(&mut self, frame: Frame<'_>) -> bool {
        let pieces = frame.payload.len().div_ceil(LONGEST);
        if self.heads.slots() < pieces || self.bytes.slots() < frame.payload.len() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let mut timestamp = frame.timestamp;
        for piece in frame.payload.chunks(LONGEST) {
            let head = Head {
                arrived: frame.arrived,
                ssrc: frame.ssrc,
                timestamp,
                sequence: frame.sequence,
                length: piece.len() as u16,
                side: frame.side,
                codec: frame.codec,
            };
            // The bytes first: whoever sees a head finds its bytes. Both have room, as counted above.
            if self.bytes.push_entire_slice(piece).is_err() || self.heads.push(head).is_err() {
                return false;
            }
            timestamp = timestamp.wrapping_add(piece.len() as u32);
        }
        true
    }

    /// Whether the listener has taken everything.
    pub fn is_empty(&self) -> bool {
        self.heads.slots() == self.heads.buffer().capacity()
    }
}

impl Listener {
    /// The next packet, its payload copied into `room`.
    pub fn pop<'a>(&mut self, room: &'a mut [u8; LONGEST]) -> Option<Frame<'a>> {
        let head = self.heads.pop().ok()?;
        let payload = &mut room[..usize::from(head.length)];
        self.bytes.pop_entire_slice(payload).ok()?;
        Some(Frame {
            side: head.side,
            arrived: head.arrived,
            ssrc: head.ssrc,
            sequence: head.sequence,
            timestamp: head.timestamp,
            codec: head.codec,
            payload,
        })
    }

    /// Packets lost for want of room since the last time it was asked.
    pub fn lost(&mut self) -> u64 {
        let lost = self.lost.load(Ordering::Relaxed);
        let fresh = lost - self.lost_told;
        self.lost_told = lost;
        fresh
    }

    /// Whether the relay's end is gone (and what is left may be popped).
    pub fn is_closed(&self) -> bool {
        self.heads.is_abandoned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sequence: u16, payload: &[u8]) -> Frame<'_> {
        let (side, codec) = match sequence % 2 {
            0 => (Side::Customer, Codec::Pcmu),
            _ => (Side::Agent, Codec::Pcma),
        };
        Frame {
            side,
            arrived: Instant::now(),
            ssrc: 0xfeed_0000 | u32::from(sequence),
            sequence,
            timestamp: u32::from(sequence).wrapping_mul(160),
            codec,
            payload,
        }
    }

    #[test]
    fn what_is_pushed_is_popped_in_order_and_whole() {
        let (mut tap, mut listener) = tap(Samples(16_000));
        let mut room = [0; LONGEST];
        for round in 0..1_000u16 {
            let payload = vec![round as u8; usize::from(round % 480) + 1];
            let pushed = frame(round, &payload);
            assert!(tap.push(pushed));
            assert_eq!(listener.pop(&mut room), Some(pushed));
            assert_eq!(listener.pop(&mut room), None);
        }
        assert_eq!(listener.lost(), 0);
    }

    #[test]
    fn two_seconds_of_both_sides_fit_and_more_is_counted_as_lost() {
        let (mut tap, mut listener) = tap(Samples(16_000));
        let payload = [7; 160];
        assert_eq!((0..210).filter(|&n| tap.push(frame(n, &payload))).count(), 200);
        assert_eq!(listener.lost(), 10);
        assert_eq!(listener.lost(), 0);
        let mut room = [0; LONGEST];
        let mut popped = 0;
        while let Some(frame) = listener.pop(&mut room) {
            assert_eq!(frame.sequence, popped);
            popped += 1;
        }
        assert_eq!(popped, 200);
        assert!(tap.push(frame(0, &payload)));
    }

    #[test]
    fn a_long_packet_comes_out_in_pieces_that_follow_each_other() {
        let (mut tap, mut listener) = tap(Samples(16_000));
        let payload: Vec<u8> = (0..1_000u32).map(|n| n as u8).collect();
        assert!(tap.push(frame(1, &payload)));
        let mut room = [0; LONGEST];
        let mut heard = Vec::new();
        while let Some(piece) = listener.pop(&mut room) {
            assert_eq!(piece.timestamp as usize, 160 + heard.len());
            heard.extend_from_slice(piece.payload);
        }
        assert_eq!(heard, payload);
    }

    #[test]
    fn the_listener_sees_the_end_and_can_still_drain() {
        let (mut tap, mut listener) = tap(Samples(16_000));
        assert!(tap.push(frame(4, &[1; 160])));
        assert!(!listener.is_closed());
        drop(tap);
        assert!(listener.is_closed());
        assert!(listener.pop(&mut [0; LONGEST]).is_some());
    }
}

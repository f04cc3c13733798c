//! The tap: the copy of a bridge's audio that the recorder listens to. A bounded ring between one relay worker and one writer thread;
//! a full ring loses the packet and says where, the call never waits. Home of rtrb.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Packets right before it found no room.
    after_loss: bool,
}

/// The relay's end.
#[derive(Debug)]
pub struct Tap {
    heads: Producer<Head>,
    bytes: Producer<u8>,
    /// The last packet found no room: no head can say so yet.
    loses: Arc<AtomicBool>,
}

/// The recorder's end.
#[derive(Debug)]
pub struct Listener {
    heads: Consumer<Head>,
    bytes: Consumer<u8>,
    loses: Arc<AtomicBool>,
    after_loss: bool,
}

/// A ring that holds about `span` of both sides' audio in packets of 10 ms or longer: 46 KiB for two seconds.
pub fn tap(span: Samples) -> (Tap, Listener) {
    let both = usize::try_from(span.0.saturating_mul(2)).unwrap_or(usize::MAX);
    let both = both.clamp(2 * LONGEST, 1 << 20);
    let (heads_in, heads_out) = RingBuffer::new(both / 80);
    let (bytes_in, bytes_out) = RingBuffer::new(both);
    let loses = Arc::new(AtomicBool::new(false));
    (
        Tap { heads: heads_in, bytes: bytes_in, loses: Arc::clone(&loses) },
        Listener { heads: heads_out, bytes: bytes_out, loses, after_loss: false },
    )
}

impl Tap {
    /// Copies a packet in, in pieces of [`LONGEST`] if need be; `false` if there was no room for all of it (see
    /// [`Listener::after_loss`]).
    pub fn push(&mut self, frame: Frame<'_>) -> bool {
        let pieces = frame.payload.len().div_ceil(LONGEST);
        if self.heads.slots() < pieces || self.bytes.slots() < frame.payload.len() {
            self.loses.store(true, Ordering::Relaxed);
            return false;
        }
        let mut after_loss = self.loses.load(Ordering::Relaxed);
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
                after_loss,
            };
            // The bytes first: whoever sees a head finds its bytes. Both have room, as counted above.
            if self.bytes.push_entire_slice(piece).is_err() || self.heads.push(head).is_err() {
                return false;
            }
            if std::mem::take(&mut after_loss) {
                self.loses.store(false, Ordering::Relaxed);
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
        self.after_loss = head.after_loss;
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

    /// Whether packets between the one that was popped last and the one before it found no room.
    pub fn after_loss(&self) -> bool {
        self.after_loss
    }

    /// Whether packets behind everything that can be popped found no room.
    pub fn ends_in_loss(&self) -> bool {
        self.loses.load(Ordering::Relaxed)
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
            assert!(!listener.after_loss());
            assert_eq!(listener.pop(&mut room), None);
        }
        assert!(!listener.ends_in_loss());
    }

    #[test]
    fn two_seconds_of_both_sides_fit_and_more_is_lost_where_the_next_packet_says() {
        let (mut tap, mut listener) = tap(Samples(16_000));
        let payload = [7; 160];
        assert_eq!((0..210).filter(|&n| tap.push(frame(n, &payload))).count(), 200);
        assert!(listener.ends_in_loss());
        let mut room = [0; LONGEST];
        for sequence in 0..100 {
            assert_eq!(listener.pop(&mut room).map(|frame| frame.sequence), Some(sequence));
        }
        for sequence in 210..215 {
            assert!(tap.push(frame(sequence, &payload)));
        }
        assert!(!listener.ends_in_loss());
        let mut losses = Vec::new();
        for expected in (100..200).chain(210..215) {
            let popped = listener.pop(&mut room).map(|frame| frame.sequence);
            assert_eq!(popped, Some(expected));
            losses.extend(popped.filter(|_| listener.after_loss()));
        }
        assert_eq!(losses, [210]);
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

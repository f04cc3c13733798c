//! What one port sends: a single RTP stream, whoever feeds it. Sequence numbers and timestamps go on without a break from prompt to
//! bridge to music; time that nobody filled is time that passed.

use std::time::{Duration, Instant};

use crate::wire::rtp::packet::Header;
use crate::wire::rtp::rtcp::{Ntp, Sender};

/// A fed stream's clock may be off the wall's by so many samples before it counts as set anew: a second.
const DRIFT: u32 = 8_000;

/// Time as samples at 8 kHz, modulo 2^32.
pub(super) fn samples(span: Duration) -> u32 {
    (span.as_secs() as u32).wrapping_mul(8_000).wrapping_add(span.subsec_nanos() / 125_000)
}

/// Sequence number, timestamp and marker of the next packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// See RFC 3550 §5.1, as the others.
    pub(super) sequence: u16,
    /// In samples.
    pub(super) timestamp: u32,
    /// After a switch of feeds, or as the feed had it.
    pub(super) marker: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    ssrc: u32,
    next: u16,
    feed: Feed,
    /// The newest timestamp sent, when, and how many samples it carried.
    timestamp: u32,
    sent_at: Option<Instant>,
    length: u32,
    packets: u64,
    octets: u64,
}

/// Who feeds the stream at the moment.
#[derive(Clone, Copy, Debug)]
enum Feed {
    /// Whoever comes next begins a talkspurt.
    None,
    /// A prompt, packet after packet.
    Prompt,
    /// The other side of the bridge.
    Relayed(Mapping),
}

/// From the numbers of a relayed stream to ours.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    /// To be added.
    sequence: u16,
    timestamp: u32,
    /// Theirs, so far.
    newest: u16,
    newest_timestamp: u32,
    newest_at: Instant,
    /// Their sequence numbers since the mapping began; older ones belong to what was before.
    span: u16,
}

impl Outgoing {
    /// A stream that has sent nothing. The first numbers are hard to guess without the SSRC (RFC 3550 §5.1 wants them random).
    pub(super) fn new(ssrc: u32) -> Outgoing {
        let mixed = mix(u64::from(ssrc));
        Outgoing {
            ssrc,
            next: mixed as u16,
            feed: Feed::None,
            timestamp: (mixed >> 32) as u32,
            sent_at: None,
            length: 0,
            packets: 0,
            octets: 0,
        }
    }

    /// Ours.
    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Another feed follows.
    pub(super) fn cut(&mut self) {
        self.feed = Feed::None;
    }

    /// The stamp of a relayed packet. `None`: it is late and from before the feed began.
    pub(super) fn relay(&mut self, now: Instant, header: &Header, steady: Steady) -> Option<Stamp> {
        let Feed::Relayed(mapping) = &mut self.feed else {
            return Some(self.begin_relaying(now, header));
        };
        let ahead = header.sequence.wrapping_sub(mapping.newest);
        if ahead == 0 || ahead > 0x8000 {
            let behind = ahead.wrapping_neg();
            return (behind <= mapping.span).then(|| Stamp {
                sequence: header.sequence.wrapping_add(mapping.sequence),
                timestamp: header.timestamp.wrapping_add(mapping.timestamp),
                marker: header.marker,
            });
        }
        let mut marker = header.marker;
        if matches!(steady, Steady::Clock) {
            let passed = samples(now.saturating_duration_since(mapping.newest_at));
            let told = header.timestamp.wrapping_sub(mapping.newest_timestamp);
            // Packets that were held back come late and all at once: their clock has gone on, more slowly than the wall's at first.
            let jammed = told > 0 && told <= passed;
            if !jammed && (told.wrapping_sub(passed) as i32).unsigned_abs() > DRIFT {
                let fresh = next_timestamp(self.timestamp, self.sent_at, self.length, now);
                mapping.timestamp = fresh.wrapping_sub(header.timestamp);
                marker = true;
            }
            mapping.newest_timestamp = header.timestamp;
            mapping.newest_at = now;
        }
        mapping.newest = header.sequence;
        mapping.span = mapping.span.saturating_add(ahead);
        let stamp = Stamp {
            sequence: header.sequence.wrapping_add(mapping.sequence),
            timestamp: header.timestamp.wrapping_add(mapping.timestamp),
            marker,
        };
        self.next = stamp.sequence.wrapping_add(1);
        self.advance(now, stamp.timestamp, header.payload.len() as u32, steady);
        Some(stamp)
    }

    /// A packet of the feed is kept back on purpose: it shall not look lost.
    pub(super) fn skip(&mut self, sequence: u16) {
        if let Feed::Relayed(mapping) = &mut self.feed
            && sequence == mapping.newest.wrapping_add(1)
        {
            mapping.newest = sequence;
            mapping.sequence = mapping.sequence.wrapping_sub(1);
            mapping.span = mapping.span.saturating_add(1);
        }
    }

    /// The stamp of a prompt's next piece, of `length` samples, due at `due`.
    pub(super) fn play(&mut self, due: Instant, length: u32) -> Stamp {
        let first = !matches!(self.feed, Feed::Prompt);
        self.feed = Feed::Prompt;
        let timestamp = if first {
            next_timestamp(self.timestamp, self.sent_at, self.length, due)
        } else {
            self.timestamp.wrapping_add(self.length)
        };
        let stamp = Stamp { sequence: self.next, timestamp, marker: first };
        self.next = self.next.wrapping_add(1);
        (self.timestamp, self.sent_at, self.length) = (timestamp, Some(due), length);
        stamp
    }

    /// Counts a packet that went out.
    pub(super) fn count(&mut self, octets: usize) {
        self.packets += 1;
        self.octets += octets as u64;
    }

    /// Packets that went out.
    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// For a sender report at `now`; `None` before the first packet.
    pub(super) fn sender(&self, now: Instant, ntp: Ntp) -> Option<Sender> {
        let sent_at = self.sent_at?;
        (self.packets > 0).then(|| Sender {
            ntp,
            timestamp: self.timestamp.wrapping_add(samples(now.saturating_duration_since(sent_at))),
            packets: self.packets as u32,
            octets: self.octets as u32,
        })
    }

    fn begin_relaying(&mut self, now: Instant, header: &Header) -> Stamp {
        let timestamp = next_timestamp(self.timestamp, self.sent_at, self.length, now);
        self.feed = Feed::Relayed(Mapping {
            sequence: self.next.wrapping_sub(header.sequence),
            timestamp: timestamp.wrapping_sub(header.timestamp),
            newest: header.sequence,
            newest_timestamp: header.timestamp,
            newest_at: now,
            span: 0,
        });
        let stamp = Stamp { sequence: self.next, timestamp, marker: true };
        self.next = self.next.wrapping_add(1);
        (self.timestamp, self.sent_at) = (timestamp, Some(now));
        self.length = header.payload.len() as u32;
        stamp
    }

    /// Notes the newest timestamp. The packets of an event share that of its beginning, so only the first moves the clock.
    fn advance(&mut self, now: Instant, timestamp: u32, length: u32, steady: Steady) {
        let ahead = timestamp.wrapping_sub(self.timestamp);
        if ahead != 0 && ahead < 0x8000_0000 || self.sent_at.is_none() {
            (self.timestamp, self.sent_at) = (timestamp, Some(now));
            self.length = match steady {
                Steady::Clock => length,
                Steady::Event => 0,
            };
        }
    }
}

/// Whether a packet's timestamp goes with the time it is sent at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Steady {
    /// Audio: yes.
    Clock,
    /// A telephone event: it is that of the beginning (RFC 4733 §2.2).
    Event,
}

/// What follows on `timestamp`, sent at `sent_at` with `length` samples, if nothing was sent until `now`.
fn next_timestamp(timestamp: u32, sent_at: Option<Instant>, length: u32, now: Instant) -> u32 {
    sent_at.map_or(timestamp, |sent_at| {
        timestamp.wrapping_add(samples(now.saturating_duration_since(sent_at)).max(length.max(1)))
    })
}

/// Spreads a number over 64 bits (the finaliser of SplitMix64).
pub(super) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: Duration = Duration::from_millis(20);

    fn header(sequence: u16, timestamp: u32) -> Header {
        Header { marker: false, payload_type: 0, sequence, timestamp, ssrc: 9, payload: 12..172 }
    }

    #[test]
    fn prompt_bridge_and_music_are_one_stream() {
        let mut out = Outgoing::new(7);
        let mut now = Instant::now();
        let mut stamps = Vec::new();
        for _ in 0..3 {
            stamps.push(out.play(now, 160));
            now += PIECE;
        }
        out.cut();
        for n in 0..3 {
            let header =
                header(65_534u16.wrapping_add(n), 0xffff_ff00u32.wrapping_add(u32::from(n) * 160));
            stamps.push(out.relay(now, &header, Steady::Clock).expect("in order"));
            now += PIECE;
        }
        out.cut();
        now += PIECE * 50;
        stamps.push(out.play(now, 160));
        let markers: Vec<bool> = stamps.iter().map(|stamp| stamp.marker).collect();
        assert_eq!(markers, [true, false, false, true, false, false, true]);
        for (n, pair) in stamps.windows(2).enumerate() {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
            let gap = if n == 5 { 160 * 51 } else { 160 };
            assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), gap);
        }
    }

    #[test]
    fn loss_and_disorder_are_passed_on_as_they_came() {
        let mut out = Outgoing::new(7);
        let now = Instant::now();
        let mut relay = |sequence: u16| {
            out.relay(now, &header(sequence, u32::from(sequence) * 160), Steady::Clock)
        };
        let first = relay(100).expect("the first");
        assert_eq!(relay(103).expect("newer").sequence, first.sequence.wrapping_add(3));
        assert_eq!(relay(102).expect("late").sequence, first.sequence.wrapping_add(2));
        assert_eq!(relay(104).expect("newer").sequence, first.sequence.wrapping_add(4));
        assert_eq!(relay(99), None, "it would fall on what was sent before the feed began");
    }

    #[test]
    fn what_is_kept_back_leaves_no_hole() {
        let mut out = Outgoing::new(7);
        let now = Instant::now();
        let first = out.relay(now, &header(10, 0), Steady::Clock).expect("the first");
        out.skip(11);
        let second = out.relay(now, &header(12, 320), Steady::Clock).expect("newer");
        assert_eq!(second.sequence, first.sequence.wrapping_add(1));
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(320));
    }

    #[test]
    fn a_clock_that_was_set_anew_is_followed_without_a_leap() {
        let mut out = Outgoing::new(7);
        let now = Instant::now();
        let first = out.relay(now, &header(10, 1_000), Steady::Clock).expect("the first");
        let second =
            out.relay(now + PIECE, &header(11, 0x8000_0000), Steady::Clock).expect("newer");
        let third =
            out.relay(now + 2 * PIECE, &header(12, 0x8000_00a0), Steady::Clock).expect("newer");
        assert_eq!(
            second,
            Stamp {
                sequence: first.sequence.wrapping_add(1),
                timestamp: first.timestamp.wrapping_add(160),
                marker: true
            }
        );
        assert_eq!(third.timestamp, second.timestamp.wrapping_add(160));
    }

    #[test]
    fn packets_that_were_held_back_and_come_all_at_once_keep_their_clock() {
        let mut out = Outgoing::new(7);
        let now = Instant::now();
        let first = out.relay(now, &header(0, 0), Steady::Clock).expect("the first");
        let jam = now + Duration::from_secs(3);
        for n in 1..=150u16 {
            let header = header(n, u32::from(n) * 160);
            let stamp = out.relay(jam, &header, Steady::Clock).expect("newer");
            assert_eq!(stamp.timestamp, first.timestamp.wrapping_add(u32::from(n) * 160));
            assert!(!stamp.marker);
        }
        let music = out.play(jam + PIECE, 160);
        assert_eq!(music.timestamp, first.timestamp.wrapping_add(151 * 160));
    }

    #[test]
    fn a_long_silence_of_the_feed_is_no_leap() {
        let mut out = Outgoing::new(7);
        let now = Instant::now();
        let first = out.relay(now, &header(10, 0), Steady::Clock).expect("the first");
        let later = now + Duration::from_secs(60);
        let second = out.relay(later, &header(11, 480_000), Steady::Clock).expect("newer");
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(480_000));
        assert!(!second.marker);
    }

    #[test]
    fn a_key_held_for_seconds_keeps_the_clock() {
        let mut out = Outgoing::new(7);
        let start = Instant::now();
        let first = out.relay(start, &header(0, 0), Steady::Clock).expect("the first");
        for n in 1..=200u16 {
            let now = start + PIECE * u32::from(n);
            let stamp = out.relay(now, &header(n, 160), Steady::Event).expect("newer");
            assert_eq!(stamp.timestamp, first.timestamp.wrapping_add(160));
        }
        out.cut();
        let next = out.play(start + PIECE * 201, 160);
        assert_eq!(next.timestamp, first.timestamp.wrapping_add(201 * 160));
    }
}

//! One received stream's sequence numbers and jitter: RFC 3550 A.1, A.3, A.8.

/// More than this many missing at once is a stream that started again (RFC 3550 A.1, `MAX_DROPOUT`).
const MAX_DROPOUT: u16 = 3_000;
/// Older than this is one too (`MAX_MISORDER`).
const MAX_MISORDER: u16 = 100;

/// What a sequence number says of its packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The newest so far.
    Newest,
    /// Behind the newest: out of order, or a copy.
    Late,
    /// A leap. The packet is not to be used; if the next one follows it, the stream has started again.
    Leap,
    /// The second after a leap: the stream has started again, here.
    Restart,
}

/// A stream as received, from its first packet on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reception {
    first: u16,
    newest: u16,
    cycles: u32,
    after_leap: Option<u16>,
    received: u64,
    lost_before: u64,
    told_expected: u64,
    told_received: u64,
    transit: Option<u32>,
    /// In samples, times 16; as it is, at its worst, and all that it was, to be divided by how often it was taken.
    jitter: u32,
    worst: u32,
    jitters: u64,
    timed: u64,
}

impl Reception {
    /// The stream begins with `sequence`, whose packet is yet to be taken.
    pub fn new(sequence: u16) -> Reception {
        Reception {
            first: sequence,
            newest: sequence.wrapping_sub(1),
            cycles: if sequence == 0 { u32::MAX } else { 0 },
            after_leap: None,
            received: 0,
            lost_before: 0,
            told_expected: 0,
            told_received: 0,
            transit: None,
            jitter: 0,
            worst: 0,
            jitters: 0,
            timed: 0,
        }
    }

    /// Another stream follows on this one, beginning with `sequence`; what was lost is kept, and how much the times varied.
    pub fn restart(&mut self, sequence: u16) {
        *self = Reception {
            lost_before: self.lost(),
            worst: self.worst,
            jitters: self.jitters,
            timed: self.timed,
            ..Reception::new(sequence)
        };
    }

    /// Counts a packet.
    pub fn take(&mut self, sequence: u16) -> Place {
        let ahead = sequence.wrapping_sub(self.newest);
        if ahead != 0 && ahead < MAX_DROPOUT {
            if sequence < self.newest {
                self.cycles = self.cycles.wrapping_add(1);
            }
            self.newest = sequence;
            self.after_leap = None;
            self.received += 1;
            Place::Newest
        } else if ahead == 0 || ahead > u16::MAX - MAX_MISORDER {
            self.received += 1;
            Place::Late
        } else if self.after_leap == Some(sequence) {
            self.restart(sequence);
            self.newest = sequence;
            self.cycles = 0;
            self.received = 1;
            Place::Restart
        } else {
            self.after_leap = Some(sequence.wrapping_add(1));
            Place::Leap
        }
    }

    /// Follows the jitter (A.8): `arrived` in samples of a clock of ours, `timestamp` that of the packet. Where a talkspurt begins, the
    /// sender's clock may have stood still, which is no jitter either.
    pub fn time(&mut self, arrived: u32, timestamp: u32, begins: bool) {
        let transit = arrived.wrapping_sub(timestamp);
        let before = self.transit.replace(transit);
        if let Some(before) = before.filter(|_| !begins) {
            // A leap of the sender's clock is no jitter: a second at most.
            let change = (transit.wrapping_sub(before) as i32).unsigned_abs().min(8_000);
            self.jitter = (self.jitter + change).saturating_sub((self.jitter + 8) >> 4);
            self.worst = self.worst.max(self.jitter);
            self.jitters += u64::from(self.jitter);
            self.timed += 1;
        }
    }

    /// Packets missing by sequence number, in this stream and those before it (A.3).
    pub fn lost(&self) -> u64 {
        self.lost_before + self.expected().saturating_sub(self.received)
    }

    /// The extended highest sequence number (A.1).
    pub fn highest(&self) -> u32 {
        self.cycles << 16 | u32::from(self.newest)
    }

    /// Interarrival jitter in samples.
    pub fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// The same on average over every packet so far, and at its worst.
    pub fn jitters(&self) -> (u32, u32) {
        let mean = self.jitters.checked_div(self.timed).unwrap_or(0);
        (u32::try_from(mean >> 4).unwrap_or(u32::MAX), self.worst >> 4)
    }

    /// The fraction lost since the last time it was asked, in 256ths (A.3).
    pub fn fraction_lost(&mut self) -> u8 {
        let expected = self.expected() - self.told_expected;
        let received = self.received - self.told_received;
        self.told_expected = self.expected();
        self.told_received = self.received;
        match expected.saturating_sub(received) {
            0 => 0,
            lost => u8::try_from((lost << 8) / expected).unwrap_or(u8::MAX),
        }
    }

    fn expected(&self) -> u64 {
        // Before the first packet is taken, `newest` is the one before it.
        let highest = u64::from(self.cycles.wrapping_add(1)) << 16 | u64::from(self.newest);
        (highest + 1).saturating_sub((1 << 16) + u64::from(self.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(sequences: impl IntoIterator<Item = u16>) -> Reception {
        let mut sequences = sequences.into_iter().peekable();
        let mut reception = Reception::new(*sequences.peek().expect("at least one"));
        sequences.for_each(|sequence| {
            reception.take(sequence);
        });
        reception
    }

    #[test]
    fn nothing_is_lost_over_the_wrap() {
        for first in [0, 1, 65_530, 65_535] {
            let reception = taken((0..70_000u32).map(|n| (n + first) as u16));
            assert_eq!(reception.lost(), 0, "from {first}");
            assert_eq!(reception.highest(), first + 69_999);
        }
    }

    #[test]
    fn gaps_are_counted_and_filled_by_the_late() {
        let mut reception = taken([65_533, 65_534, 2, 3]);
        assert_eq!(reception.lost(), 3);
        assert_eq!(reception.take(65_535), Place::Late);
        assert_eq!(reception.lost(), 2);
        assert_eq!(reception.take(4), Place::Newest);
    }

    #[test]
    fn copies_never_make_the_loss_negative() {
        let mut reception = taken([5, 6, 7]);
        for _ in 0..10 {
            assert_eq!(reception.take(7), Place::Late);
        }
        assert_eq!(reception.lost(), 0);
        assert_eq!(reception.fraction_lost(), 0);
    }

    #[test]
    fn a_leap_counts_only_when_the_next_packet_follows_it() {
        let mut reception = taken([100, 101, 103]);
        assert_eq!(reception.take(20_000), Place::Leap);
        assert_eq!(reception.take(104), Place::Newest);
        assert_eq!(reception.take(20_001), Place::Leap);
        assert_eq!(reception.take(20_002), Place::Restart);
        assert_eq!(reception.take(20_003), Place::Newest);
        assert_eq!(reception.lost(), 1);
        assert_eq!(reception.highest(), 20_003);
    }

    #[test]
    fn the_fraction_is_that_of_the_last_interval() {
        let mut reception = taken([0, 1, 2, 4]);
        assert_eq!(reception.fraction_lost(), 256u16.div_euclid(5) as u8);
        for sequence in 5..100 {
            reception.take(sequence);
        }
        assert_eq!(reception.fraction_lost(), 0);
    }

    #[test]
    fn jitter_is_zero_on_the_grid_and_grows_off_it() {
        let mut reception = Reception::new(0);
        for n in 0..100u32 {
            reception.time(n * 160, 0xffff_ff00u32.wrapping_add(n * 160), false);
        }
        assert_eq!(reception.jitter(), 0);
        for n in 100..200u32 {
            reception.time(n * 160 + n % 2 * 80, 0xffff_ff00u32.wrapping_add(n * 160), false);
        }
        assert!((70..=80).contains(&reception.jitter()), "{}", reception.jitter());
    }
}

//! The latch: which source a port listens to. The signalled address at once; another one after a probation, for phones behind NAT.
//! Once locked to address, port and SSRC it never moves to a second source.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Consecutive packets of one SSRC by which a source that was not signalled is believed.
const PROBATION: u8 = 5;
/// Consecutive packets by which the locked source's new SSRC is believed (RFC 3550 A.1 wants two).
const NEW_SSRC: u8 = 2;
/// A source on probation is forgotten after this.
const FORGOTTEN: Duration = Duration::from_secs(1);

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// From the locked source.
    Accepted,
    /// From the source that was locked by this packet, or from its new SSRC: a stream begins.
    Begins,
    /// From anybody else, or somebody on probation.
    Refused,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Latch {
    signalled: Option<SocketAddr>,
    locked: Option<Lock>,
    candidates: [Option<Candidate>; 4],
}

#[derive(Clone, Copy, Debug)]
struct Lock {
    from: SocketAddr,
    ssrc: u32,
    /// A new SSRC of the same source is on probation.
    newcomer: bool,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    next: u16,
    count: u8,
    heard: Instant,
}

impl Latch {
    /// The far side's address by SDP. Another one than before unlocks; none leaves the lock as it is (a hold the old way).
    pub(super) fn signal(&mut self, address: Option<SocketAddr>) {
        if let Some(address) = address
            && self.signalled != Some(address)
        {
            *self = Latch { signalled: Some(address), ..Latch::default() };
        }
    }

    /// The source that is locked.
    pub(super) fn locked(&self) -> Option<SocketAddr> {
        self.locked.map(|lock| lock.from)
    }

    /// Judges a packet by where it comes from.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        from: SocketAddr,
        ssrc: u32,
        sequence: u16,
    ) -> Verdict {
        if let Some(lock) = &mut self.locked
            && lock.from == from
            && lock.ssrc == ssrc
        {
            if lock.newcomer {
                // The old SSRC still speaks, so the other one does not follow on it.
                lock.newcomer = false;
                self.candidates = Default::default();
            }
            return Verdict::Accepted;
        }
        self.judge_stranger(now, from, ssrc, sequence)
    }

    #[cold]
    fn judge_stranger(
        &mut self,
        now: Instant,
        from: SocketAddr,
        ssrc: u32,
        sequence: u16,
    ) -> Verdict {
        let signalled = self.signalled == Some(from);
        let needed = match &mut self.locked {
            Some(lock) if lock.from == from => {
                lock.newcomer = true;
                NEW_SSRC
            }
            // The signalled address wins over one that was only found.
            Some(_) if signalled => PROBATION,
            Some(_) => return Verdict::Refused,
            None if signalled => 1,
            None if self.signalled.is_some() => PROBATION,
            None => return Verdict::Refused,
        };
        let count = self.count(now, from, ssrc, sequence);
        if count < needed || !signalled && self.locked.is_none() && self.yields(from) {
            return Verdict::Refused;
        }
        self.locked = Some(Lock { from, ssrc, newcomer: false });
        self.candidates = Default::default();
        Verdict::Begins
    }

    /// Counts the packet for its source: so many consecutive ones by now.
    fn count(&mut self, now: Instant, from: SocketAddr, ssrc: u32, sequence: u16) -> u8 {
        for candidate in &mut self.candidates {
            if candidate.is_some_and(|known| now.duration_since(known.heard) > FORGOTTEN) {
                *candidate = None;
            }
        }
        let next = sequence.wrapping_add(1);
        let known = self
            .candidates
            .iter_mut()
            .flatten()
            .find(|known| known.from == from && known.ssrc == ssrc);
        if let Some(known) = known {
            known.count = if known.next == sequence { known.count.saturating_add(1) } else { 1 };
            known.next = next;
            known.heard = now;
            return known.count;
        }
        // Who is on the signalled host keeps a place against the rest, then who has come further.
        let worth = |candidate: &Option<Candidate>| {
            candidate.map(|known| (self.is_signalled_host(known.from.ip()), known.count))
        };
        let fresh = Candidate { from, ssrc, next, count: 1, heard: now };
        let least = (0..self.candidates.len()).min_by_key(|&place| worth(&self.candidates[place]));
        if let Some(place) = least
            && worth(&self.candidates[place]) <= worth(&Some(fresh))
        {
            self.candidates[place] = Some(fresh);
        }
        1
    }

    /// Whether `from` must wait for a source that is likelier: one on the signalled host.
    fn yields(&self, from: SocketAddr) -> bool {
        !self.is_signalled_host(from.ip())
            && self.candidates.iter().flatten().any(|known| self.is_signalled_host(known.from.ip()))
    }

    fn is_signalled_host(&self, host: IpAddr) -> bool {
        self.signalled.is_some_and(|signalled| signalled.ip() == host)
    }
}

/// Whether anything may be sent to an address: a host of its own, and a port.
pub(super) fn is_sendable(address: SocketAddr) -> bool {
    let host = address.ip().to_canonical();
    let broadcast = match host {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.octets()[0] == 0,
        IpAddr::V6(_) => false,
    };
    address.port() != 0 && !host.is_unspecified() && !host.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn latch() -> (Latch, SocketAddr, Instant) {
        let phone = address("192.0.2.1:4000");
        let mut latch = Latch::default();
        latch.signal(Some(phone));
        (latch, phone, Instant::now())
    }

    #[test]
    fn the_signalled_address_is_believed_at_once() {
        let (mut latch, phone, now) = latch();
        assert_eq!(latch.judge(now, phone, 1, 100), Verdict::Begins);
        assert_eq!(latch.judge(now, phone, 1, 101), Verdict::Accepted);
    }

    #[test]
    fn another_source_is_believed_after_five_in_sequence_and_none_after_it() {
        let (mut latch, _, now) = latch();
        let (nat, thief) = (address("203.0.113.9:33000"), address("198.51.100.66:5"));
        for sequence in 0..4 {
            assert_eq!(latch.judge(now, nat, 1, sequence), Verdict::Refused);
        }
        assert_eq!(latch.judge(now, nat, 1, 4), Verdict::Begins);
        for sequence in 0..1_000 {
            assert_eq!(latch.judge(now, thief, 1, sequence), Verdict::Refused);
            assert_eq!(latch.judge(now, thief, 2, sequence), Verdict::Refused);
        }
        assert_eq!(latch.locked(), Some(nat));
    }

    #[test]
    fn a_probation_starts_again_at_a_gap_and_at_another_ssrc() {
        let (mut latch, _, now) = latch();
        let nat = address("203.0.113.9:33000");
        for sequence in [1, 2, 3, 4, 6, 7, 8, 9] {
            assert_eq!(latch.judge(now, nat, 1, sequence), Verdict::Refused);
        }
        for ssrc in 2..100 {
            assert_eq!(latch.judge(now, nat, ssrc, 10), Verdict::Refused);
        }
    }

    #[test]
    fn the_signalled_address_wins_even_late() {
        let (mut latch, phone, now) = latch();
        let thief = address("198.51.100.66:5");
        for sequence in 0..10 {
            latch.judge(now, thief, 1, sequence);
        }
        assert_eq!(latch.locked(), Some(thief));
        for sequence in 0..5 {
            latch.judge(now, phone, 7, sequence);
        }
        assert_eq!(latch.locked(), Some(phone));
        for sequence in 10..50 {
            assert_eq!(latch.judge(now, thief, 1, sequence), Verdict::Refused);
        }
    }

    #[test]
    fn the_signalled_host_goes_before_a_stranger() {
        let (mut latch, phone, now) = latch();
        let (mapped, thief) = (SocketAddr::new(phone.ip(), 61_000), address("198.51.100.66:5"));
        for sequence in 0..5 {
            latch.judge(now, mapped, 1, sequence);
            assert_eq!(latch.judge(now, thief, 2, 2 * sequence), Verdict::Refused);
            assert_eq!(latch.judge(now, thief, 2, 2 * sequence + 1), Verdict::Refused);
        }
        assert_eq!(latch.locked(), Some(mapped));
    }

    #[test]
    fn a_flood_of_strangers_does_not_keep_the_signalled_host_out() {
        let (mut latch, phone, now) = latch();
        let mapped = SocketAddr::new(phone.ip(), 61_000);
        for sequence in 0..5 {
            latch.judge(now, mapped, 1, sequence);
            for port in 1..500 {
                latch.judge(
                    now,
                    SocketAddr::new(address("198.51.100.66:5").ip(), port),
                    1,
                    sequence,
                );
            }
        }
        assert_eq!(latch.locked(), Some(mapped));
    }

    #[test]
    fn a_new_ssrc_of_the_locked_source_follows_only_on_silence_of_the_old() {
        let (mut latch, phone, now) = latch();
        latch.judge(now, phone, 1, 0);
        for sequence in 0..100 {
            assert_eq!(latch.judge(now, phone, 2, sequence), Verdict::Refused);
            assert_eq!(latch.judge(now, phone, 1, sequence), Verdict::Accepted);
        }
        assert_eq!(latch.judge(now, phone, 2, 100), Verdict::Refused);
        assert_eq!(latch.judge(now, phone, 2, 101), Verdict::Begins);
        assert_eq!(latch.judge(now, phone, 2, 102), Verdict::Accepted);
    }

    #[test]
    fn only_another_signalled_address_unlocks() {
        let (mut latch, phone, now) = latch();
        latch.judge(now, phone, 1, 0);
        latch.signal(Some(phone));
        latch.signal(None);
        latch.signal(Some(phone));
        assert_eq!(latch.locked(), Some(phone));
        latch.signal(Some(address("192.0.2.2:4000")));
        assert_eq!(latch.locked(), None);
        assert_eq!(latch.judge(now, phone, 1, 1), Verdict::Refused);
    }

    #[test]
    fn before_any_signalling_nobody_is_believed() {
        let mut latch = Latch::default();
        for sequence in 0..20 {
            let verdict = latch.judge(Instant::now(), address("192.0.2.1:4000"), 1, sequence);
            assert_eq!(verdict, Verdict::Refused);
        }
    }

    #[test]
    fn nowhere_and_everywhere_are_no_places_to_send_to() {
        for bad in [
            "0.0.0.0:4000",
            "0.1.2.3:4000",
            "255.255.255.255:4000",
            "224.0.0.1:4000",
            "192.0.2.1:0",
            "[::]:4000",
            "[ff02::1]:4000",
            "[::ffff:224.0.0.1]:4000",
            "[::ffff:0.0.0.0]:4000",
        ] {
            assert!(!is_sendable(address(bad)), "{bad}");
        }
        for good in ["127.0.0.1:4000", "192.0.2.1:1", "[2001:db8::1]:4000"] {
            assert!(is_sendable(address(good)), "{good}");
        }
    }
}

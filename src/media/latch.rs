//! The latch: which source a port listens to, so that nobody draws a call's audio to himself or injects his own ("RTP bleed", the
//! weakness of plain latching, RFC 7362; CVE-2025-53399). It learns from the SDP address; or behind NAT, one time, from the first packets
//! of a steady SSRC, with the host that SIP comes from as hint. Then address, port and SSRC are locked.
//!
//! Sources are of three kinds, and a lock only ever moves up, to a better kind, never to another source of its own:
//!
//! | source | believed | |
//! | --- | --- | --- |
//! | `Signalled`: the address in the SDP | at once | |
//! | `Hinted`: another port of that host, or the host that SIP comes from | after a probation | a phone behind NAT |
//! | `Stranger`: any other host | after a longer probation, not in the first second, not beside anybody else who speaks | SIP and RTP by different ways |
//!
//! A probation is passed by consecutive packets of one SSRC that came over some time: a burst proves nothing. Another SSRC of the locked
//! source follows when the old one has fallen silent. Nobody is judged while the port is not to receive. A new SDP address unlocks.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Consecutive packets of one SSRC that a probation takes at least.
const PROBATION: u8 = 5;
/// They come over so long a time at least: five of 20 ms take 80 ms.
const HINTED: Duration = Duration::from_millis(60);
/// Those of a stranger.
const STRANGER: Duration = Duration::from_millis(200);
/// So long from when the port begins to listen no stranger is believed: who is signalled or hinted may still speak.
const GRACE: Duration = Duration::from_secs(1);
/// Consecutive packets by which the locked source's new SSRC is believed (RFC 3550 A.1 wants two),
const NEW_SSRC: u8 = 2;
/// once the old one has been silent for so long.
const OLD_SSRC: Duration = Duration::from_millis(60);
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

/// What a source is to the signalling, from worst to best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Stranger,
    Hinted,
    Signalled,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Latch {
    signalled: Option<SocketAddr>,
    hint: Option<IpAddr>,
    /// Since when; `None` while the port is not to receive.
    listening: Option<Instant>,
    locked: Option<Lock>,
    candidates: [Option<Candidate>; 4],
}

#[derive(Clone, Copy, Debug)]
struct Lock {
    from: SocketAddr,
    ssrc: u32,
    heard: Instant,
}

/// Who has sent consecutive packets of one SSRC.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    next: u16,
    count: u8,
    since: Instant,
    heard: Instant,
}

impl Candidate {
    fn has_passed(&self, span: Duration) -> bool {
        self.count >= PROBATION && self.heard.saturating_duration_since(self.since) >= span
    }
}

impl Latch {
    /// The far side by SDP: its address, the host its SIP comes from, whether we are to receive. Another address than before unlocks;
    /// none leaves the lock as it is (a hold the old way).
    pub(super) fn signal(
        &mut self,
        now: Instant,
        address: Option<SocketAddr>,
        hint: Option<IpAddr>,
        receives: bool,
    ) {
        if let Some(address) = address
            && self.signalled != Some(address)
        {
            *self = Latch { signalled: Some(address), ..Latch::default() };
        }
        self.hint = hint;
        let listens = receives && self.signalled.is_some();
        self.listening = listens.then(|| self.listening.unwrap_or(now));
        if !listens {
            self.candidates = Default::default();
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
            lock.heard = now;
            return Verdict::Accepted;
        }
        self.judge_other(now, from, ssrc, sequence)
    }

    #[cold]
    fn judge_other(&mut self, now: Instant, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        let Some(listening) = self.listening else { return Verdict::Refused };
        let kind = self.kind(from);
        let beaten = self.locked.filter(|lock| lock.from != from);
        if beaten.is_some_and(|lock| self.kind(lock.from) >= kind) {
            return Verdict::Refused;
        }
        let candidate = self.count(now, from, ssrc, sequence);
        let believed = match (self.locked, kind) {
            (Some(lock), _) if lock.from == from => {
                candidate.count >= NEW_SSRC && now.saturating_duration_since(lock.heard) >= OLD_SSRC
            }
            (None, Kind::Signalled) => true,
            (Some(_), Kind::Signalled) | (_, Kind::Hinted) => candidate.has_passed(HINTED),
            (_, Kind::Stranger) => {
                now.saturating_duration_since(listening) >= GRACE
                    && candidate.has_passed(STRANGER)
                    && self.is_alone(&candidate)
            }
        };
        if !believed {
            return Verdict::Refused;
        }
        self.locked = Some(Lock { from, ssrc, heard: now });
        self.candidates = Default::default();
        Verdict::Begins
    }

    /// Counts the packet for its source, which has come so far by now.
    fn count(&mut self, now: Instant, from: SocketAddr, ssrc: u32, sequence: u16) -> Candidate {
        let next = sequence.wrapping_add(1);
        let fresh = Candidate { from, ssrc, next, count: 1, since: now, heard: now };
        for candidate in &mut self.candidates {
            let forgotten =
                |known: &Candidate| now.saturating_duration_since(known.heard) > FORGOTTEN;
            if candidate.as_ref().is_some_and(forgotten) {
                *candidate = None;
            }
        }
        let mut known = self.candidates.iter_mut().flatten();
        if let Some(known) = known.find(|known| known.from == from && known.ssrc == ssrc) {
            let count = known.count.saturating_add(1);
            *known = match known.next == sequence {
                true => Candidate { next, count, heard: now, ..*known },
                false => fresh,
            };
            return *known;
        }
        // The better kind keeps a place against the worse, then who has come further.
        let worth = |candidate: &Option<Candidate>| {
            candidate.map(|known| (self.kind(known.from), known.count))
        };
        let least = (0..self.candidates.len()).min_by_key(|&place| worth(&self.candidates[place]));
        if let Some(place) = least
            && worth(&self.candidates[place]) <= worth(&Some(fresh))
        {
            self.candidates[place] = Some(fresh);
        }
        fresh
    }

    /// Whether nobody else speaks who is of a better kind, or as steadily: of two strangers neither is believed.
    fn is_alone(&self, stranger: &Candidate) -> bool {
        let mut others = self
            .candidates
            .iter()
            .flatten()
            .filter(|other| (other.from, other.ssrc) != (stranger.from, stranger.ssrc));
        others.all(|other| self.kind(other.from) == Kind::Stranger && other.count < PROBATION)
    }

    fn kind(&self, from: SocketAddr) -> Kind {
        match self.signalled {
            Some(signalled) if signalled == from => Kind::Signalled,
            Some(signalled) if signalled.ip() == from.ip() => Kind::Hinted,
            _ if self.hint == Some(from.ip()) => Kind::Hinted,
            _ => Kind::Stranger,
        }
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

    const PIECE: Duration = Duration::from_millis(20);
    const PHONE: &str = "192.0.2.1:4000";
    const NAT: &str = "203.0.113.9:33000";
    const THIEF: &str = "198.51.100.66:5";

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    /// A latch that has been told of the phone, and of the NAT as hint; and its clock.
    struct Trial {
        latch: Latch,
        now: Instant,
    }

    impl Trial {
        fn begin() -> Trial {
            let mut trial = Trial { latch: Latch::default(), now: Instant::now() };
            trial.signals(Some(PHONE), true);
            trial
        }

        fn signals(&mut self, phone: Option<&str>, receives: bool) {
            let hint = Some(address(NAT).ip());
            self.latch.signal(self.now, phone.map(address), hint, receives);
        }

        fn judge(&mut self, from: &str, ssrc: u32, sequence: u16) -> Verdict {
            self.latch.judge(self.now, address(from), ssrc, sequence)
        }

        /// A packet every 20 ms; which of them first is not refused.
        fn speaks(
            &mut self,
            from: &str,
            ssrc: u32,
            sequences: std::ops::Range<u16>,
        ) -> Option<u16> {
            let mut taken = None;
            for sequence in sequences {
                if self.judge(from, ssrc, sequence) != Verdict::Refused {
                    taken = taken.or(Some(sequence));
                }
                self.now += PIECE;
            }
            taken
        }

        fn locked(&self) -> Option<String> {
            self.latch.locked().map(|address| address.to_string())
        }
    }

    #[test]
    fn the_signalled_address_is_believed_at_once() {
        let mut trial = Trial::begin();
        assert_eq!(trial.judge(PHONE, 1, 100), Verdict::Begins);
        assert_eq!(trial.judge(PHONE, 1, 101), Verdict::Accepted);
    }

    #[test]
    fn the_hinted_host_is_believed_after_a_probation_and_nobody_of_its_kind_after_it() {
        let mut trial = Trial::begin();
        assert_eq!(trial.speaks(NAT, 1, 0..10), Some(4));
        for from in ["203.0.113.9:33001", "192.0.2.1:61000", THIEF] {
            assert_eq!(trial.speaks(from, 2, 0..1_000), None);
        }
        assert_eq!(trial.locked().as_deref(), Some(NAT));
    }

    #[test]
    fn a_burst_proves_nothing_however_many_it_are() {
        for from in [NAT, "192.0.2.1:61000", THIEF] {
            let mut trial = Trial::begin();
            trial.now += GRACE;
            for sequence in 0..1_000 {
                assert_eq!(trial.judge(from, 1, sequence), Verdict::Refused);
                trial.now += Duration::from_micros(50);
            }
        }
    }

    #[test]
    fn a_stranger_waits_out_the_grace_and_then_has_to_be_steady() {
        let mut trial = Trial::begin();
        assert_eq!(trial.speaks(THIEF, 1, 0..100), Some(50), "20 ms each, after a second");
        let mut trial = Trial::begin();
        trial.now += GRACE;
        assert_eq!(trial.speaks(THIEF, 1, 0..100), Some(10), "for 200 ms");
        assert_eq!(trial.speaks("198.51.100.67:5", 1, 0..100), None);
        assert_eq!(trial.locked().as_deref(), Some(THIEF));
    }

    #[test]
    fn a_stranger_is_not_believed_while_a_better_one_or_another_stranger_speaks() {
        // The better ones lose every third packet, so they do not pass themselves.
        for (other, gap) in [(NAT, 3), ("192.0.2.1:61000", 3), ("198.51.100.67:5", 1_000)] {
            let mut trial = Trial::begin();
            trial.now += GRACE;
            for n in 0..200 {
                assert_eq!(trial.judge(THIEF, 1, n), Verdict::Refused, "{other}");
                assert_eq!(trial.judge(other, 1, n + n / gap), Verdict::Refused);
                trial.now += PIECE;
            }
            assert_eq!(trial.speaks(THIEF, 1, 200..300), Some(250), "alone for a second");
        }
    }

    #[test]
    fn a_lock_moves_up_but_never_aside_or_down() {
        let mut trial = Trial::begin();
        trial.now += GRACE;
        trial.speaks(THIEF, 1, 0..20);
        assert_eq!(trial.locked().as_deref(), Some(THIEF));
        assert_eq!(trial.speaks(NAT, 2, 0..10), Some(4));
        assert_eq!(trial.speaks("192.0.2.1:61000", 3, 0..100), None);
        assert_eq!(trial.speaks(PHONE, 4, 0..10), Some(4));
        for from in [THIEF, NAT, "192.0.2.1:61000"] {
            assert_eq!(trial.speaks(from, 5, 0..100), None);
        }
        assert_eq!(trial.locked().as_deref(), Some(PHONE));
    }

    #[test]
    fn a_probation_starts_again_at_a_gap_and_at_another_ssrc() {
        let mut trial = Trial::begin();
        for sequence in [1, 2, 3, 4, 6, 7, 8, 9] {
            assert_eq!(trial.speaks(NAT, 1, sequence..sequence + 1), None);
        }
        for ssrc in 2..100 {
            assert_eq!(trial.speaks(NAT, ssrc, 10..11), None);
        }
    }

    #[test]
    fn a_flood_of_strangers_does_not_keep_the_hinted_host_out() {
        let mut trial = Trial::begin();
        for sequence in 0..5 {
            trial.judge(NAT, 1, sequence);
            for port in 1..500 {
                let stranger = SocketAddr::new(address(THIEF).ip(), port);
                trial.latch.judge(trial.now, stranger, 1, sequence);
            }
            trial.now += PIECE;
        }
        assert_eq!(trial.locked().as_deref(), Some(NAT));
    }

    #[test]
    fn a_new_ssrc_of_the_locked_source_follows_only_on_silence_of_the_old() {
        let mut trial = Trial::begin();
        trial.judge(PHONE, 1, 0);
        for sequence in 0..100 {
            // Two packets between two of the old one, as a blind sender can place them.
            for half in 0..2 {
                assert_eq!(trial.judge(PHONE, 2, 2 * sequence + half), Verdict::Refused);
                trial.now += PIECE / 2;
            }
            assert_eq!(trial.judge(PHONE, 1, sequence), Verdict::Accepted);
        }
        trial.now += PIECE;
        assert_eq!(trial.speaks(PHONE, 2, 200..205), Some(202), "silent for 60 ms");
        assert_eq!(trial.judge(PHONE, 1, 101), Verdict::Refused);
    }

    #[test]
    fn only_another_signalled_address_unlocks() {
        let mut trial = Trial::begin();
        trial.judge(PHONE, 1, 0);
        for signalled in [Some(PHONE), None, Some(PHONE)] {
            trial.signals(signalled, true);
        }
        assert_eq!(trial.locked().as_deref(), Some(PHONE));
        trial.signals(Some("192.0.2.2:4000"), true);
        assert_eq!(trial.locked(), None);
        assert_eq!(trial.judge(PHONE, 1, 1), Verdict::Refused);
    }

    #[test]
    fn nobody_is_judged_before_any_signalling_or_while_we_are_not_to_receive() {
        let mut trial = Trial { latch: Latch::default(), now: Instant::now() };
        assert_eq!(trial.speaks(PHONE, 1, 0..20), None);
        trial.signals(None, true);
        assert_eq!(trial.speaks(PHONE, 1, 0..20), None);
        trial.signals(Some(PHONE), false);
        for from in [PHONE, NAT, THIEF] {
            assert_eq!(trial.speaks(from, 1, 0..100), None);
        }
        trial.signals(Some(PHONE), true);
        assert_eq!(trial.speaks(THIEF, 1, 100..200), Some(150), "the grace begins only now");
        trial.signals(Some(PHONE), false);
        assert_eq!(trial.speaks(PHONE, 1, 0..100), None);
        assert_eq!(trial.judge(THIEF, 1, 200), Verdict::Accepted, "the lock stays");
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

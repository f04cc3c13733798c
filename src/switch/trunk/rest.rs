//! Targets that failed: they rest, longer each time, and are tried last meanwhile; where they say when to come again, not at all.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::wire::sip::locating::Target;

/// The first rest, doubled with every failure up to the longest.
const REST: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
/// Nobody is believed who wants to be left alone for longer (RFC 3261 §21.5.4 leaves it to them).
const LONGEST_SHUT: Duration = Duration::from_secs(600);
/// What is known of a target that has rested is kept so long, for its next failure.
const MEMORY: Duration = Duration::from_secs(3_600);
/// Targets remembered at a time.
const MOST: usize = 4_096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rests(BTreeMap<Target, Rest>);

#[derive(Clone, Copy, Debug)]
struct Rest {
    failures: u32,
    until: Instant,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// It did not answer.
    Down,
    /// It said when to come again (503 with Retry-After).
    Shut,
}

/// Whether a target is to be tried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Standing {
    /// Yes.
    Up,
    /// After all others: it failed, and rests until then.
    Down(Instant),
    /// No: it asked not to be before then.
    Shut(Instant),
}

impl Rests {
    /// It did not serve. Whether that is news.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        target: Target,
        retry_after: Option<Duration>,
    ) -> bool {
        if self.0.len() >= MOST {
            self.0.retain(|_, rest| now < rest.until + MEMORY);
        }
        let known = self.0.get(&target).filter(|rest| now < rest.until + MEMORY);
        if known.is_none() && self.0.len() >= MOST {
            return false;
        }
        let failures = known.map_or(0, |rest| rest.failures);
        let is_news = known.is_none_or(|rest| rest.until <= now);
        let (span, kind) = match retry_after {
            Some(span) => (span.min(LONGEST_SHUT), Kind::Shut),
            None => ((REST.0 * 2_u32.saturating_pow(failures.min(16))).min(REST.1), Kind::Down),
        };
        let failures = failures.saturating_add(1);
        self.0.insert(target, Rest { failures, until: now + span, kind });
        is_news
    }

    /// It answered. Whether that is news.
    pub(super) fn heard(&mut self, target: Target) -> bool {
        self.0.remove(&target).is_some()
    }

    pub(super) fn standing(&self, now: Instant, target: Target) -> Standing {
        match self.0.get(&target).filter(|rest| now < rest.until) {
            None => Standing::Up,
            Some(Rest { until, kind: Kind::Down, .. }) => Standing::Down(*until),
            Some(Rest { until, kind: Kind::Shut, .. }) => Standing::Shut(*until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::flow::Transport;

    fn target(port: u16) -> Target {
        Target { transport: Transport::Udp, address: ([192, 0, 2, 9], port).into() }
    }

    #[test]
    fn a_target_that_fails_again_rests_longer_up_to_a_limit() {
        let (mut rests, mut now) = (Rests::default(), Instant::now());
        let mut spans = Vec::new();
        for _ in 0..9 {
            assert!(rests.failed(now, target(1), None));
            let Standing::Down(until) = rests.standing(now, target(1)) else { panic!("it rests") };
            spans.push((until - now).as_secs());
            now = until;
            assert_eq!(rests.standing(now, target(1)), Standing::Up);
        }
        assert_eq!(spans, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
        assert!(rests.heard(target(1)) && !rests.heard(target(1)));
        rests.failed(now, target(1), None);
        assert_eq!(rests.standing(now, target(1)), Standing::Down(now + REST.0));
    }

    #[test]
    fn who_says_when_to_come_again_is_left_alone_until_then_within_reason() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        let minute = Duration::from_secs(60);
        rests.failed(now, target(1), Some(minute));
        assert_eq!(rests.standing(now, target(1)), Standing::Shut(now + minute));
        rests.failed(now, target(1), Some(100_000 * minute));
        assert_eq!(rests.standing(now, target(1)), Standing::Shut(now + LONGEST_SHUT));
    }

    #[test]
    fn a_flood_of_targets_is_not_remembered_for_ever() {
        let (mut rests, now) = (Rests::default(), Instant::now());
        for port in 0..u16::MAX {
            rests.failed(now, target(port), None);
        }
        assert_eq!(rests.0.len(), MOST);
        rests.failed(now + 2 * MEMORY, target(u16::MAX), None);
        assert_eq!(rests.0.len(), 1);
    }
}

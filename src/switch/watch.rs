//! The watch: what strangers try is told in a few lines per source and minute and the rest is counted, so that a flood of attempts is no
//! flood of lines.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use super::log::Fact;
use super::outbox::Outbox;

/// Attempts of one source are counted together for so long.
const SPAN: Duration = Duration::from_secs(60);
/// So many of them are told one by one: enough for a program that bans after a few.
const LINES: u32 = 5;
/// Sources that are told apart at a time; all others share one count.
const SOURCES: usize = 1_024;

/// Where attempts come from; `None`: from those for whom there was no room.
type Source = Option<IpAddr>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watch {
    attempts: BTreeMap<Source, Attempts>,
    /// When each count ends: all take equally long, so they end as they began.
    ends: VecDeque<(Instant, Source)>,
}

#[derive(Debug, Default)]
struct Attempts {
    told: u32,
    untold: u64,
}

impl Watch {
    /// An attempt from `source`, and the line that it is worth.
    pub(super) fn tell(&mut self, now: Instant, source: IpAddr, fact: Fact, outbox: &mut Outbox) {
        let source = Some(network(source));
        let has_room = self.attempts.len() < SOURCES || self.attempts.contains_key(&source);
        let source = source.filter(|_| has_room);
        let attempts = self.attempts.entry(source).or_insert_with(|| {
            self.ends.push_back((now + SPAN, source));
            Attempts::default()
        });
        if attempts.told < LINES {
            attempts.told += 1;
            outbox.log(fact);
        } else {
            attempts.untold += 1;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.ends.front().map(|(at, _)| *at)
    }

    /// Counts that end are told.
    pub(super) fn timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        while let Some((_, source)) = self.ends.front().copied().filter(|(at, _)| *at <= now) {
            self.ends.pop_front();
            let ended = self.attempts.remove(&source).expect("what ends has begun");
            if ended.untold > 0 {
                outbox.log(Fact::MoreAttempts { source, count: ended.untold });
            }
        }
    }
}

/// Who can choose among the addresses of a network: the one address of IPv4, the /64 of IPv6 (RFC 6177 §2).
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::Output;

    struct Night {
        watch: Watch,
        outbox: Outbox,
        now: Instant,
    }

    impl Night {
        fn new() -> Night {
            Night { watch: Watch::default(), outbox: Outbox::default(), now: Instant::now() }
        }

        /// So many attempts; how many of them are told.
        fn attempts(&mut self, source: &str, count: usize) -> usize {
            let source: IpAddr = source.parse().expect("an address");
            for _ in 0..count {
                let fact = Fact::StrangerRefused { source: (source, 5060).into() };
                self.watch.tell(self.now, source, fact, &mut self.outbox);
            }
            self.lines().len()
        }

        /// Until the next count ends; what is told then.
        fn passes(&mut self) -> Vec<Fact> {
            self.now = self.watch.deadline().expect("something is counted");
            self.watch.timeout(self.now, &mut self.outbox);
            self.lines()
        }

        fn lines(&mut self) -> Vec<Fact> {
            std::iter::from_fn(|| self.outbox.pop())
                .map(|output| match output {
                    Output::Log(fact) => fact,
                    other => panic!("{other:?}"),
                })
                .collect()
        }
    }

    #[test]
    fn a_flood_of_attempts_is_a_few_lines_and_a_count() {
        let mut night = Night::new();
        assert_eq!(night.attempts("192.0.2.66", 3), 3);
        assert_eq!(night.attempts("192.0.2.66", 1_000), 2);
        assert_eq!(night.attempts("192.0.2.67", 1), 1, "another source has lines of its own");
        let source = Some("192.0.2.66".parse().expect("an address"));
        assert_eq!(night.passes(), [Fact::MoreAttempts { source, count: 998 }]);
        assert_eq!(night.watch.deadline(), None);
        assert_eq!(night.attempts("192.0.2.66", 9), 5, "a minute later it is told again");
    }

    #[test]
    fn one_network_is_one_source() {
        let mut night = Night::new();
        assert_eq!(night.attempts("2001:db8:1:2::1", 5), 5);
        assert_eq!(night.attempts("2001:db8:1:2:ffff::9", 5), 0);
        assert_eq!(night.attempts("2001:db8:1:3::1", 5), 5);
        assert_eq!(night.attempts("192.0.2.66", 5), 5);
        assert_eq!(night.attempts("::ffff:192.0.2.66", 5), 0);
    }

    #[test]
    fn a_flood_of_sources_is_bounded_too() {
        let mut night = Night::new();
        let told: usize = (0..5_000u32)
            .map(|n| night.attempts(&std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string(), 1))
            .sum();
        assert_eq!(told, SOURCES + LINES as usize);
        assert!(night.watch.attempts.len() <= SOURCES + 1);
        let count = 5_000 - told as u64;
        assert_eq!(night.passes(), [Fact::MoreAttempts { source: None, count }]);
        assert!(night.watch.attempts.is_empty() && night.watch.ends.is_empty());
    }
}

//! What comes from outside besides messages: the answers of DNS, in its own time and mood, and ICMP from where nobody listens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tonspur::switch::Input;
use tonspur::wire::flow::{self, Flow};
use tonspur::wire::sip::locating::{Answer, Kind, Naptr, Question, Records, Resolution, Srv};

use super::network::DELAY;
use super::world::World;

/// What DNS does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    /// Answers after so long.
    Answers(Duration),
    /// Says nothing: the resolver gives up in its time.
    Silent,
    /// Refuses.
    Refuses,
    /// Any of these by chance: of a hundred answers, so many fail, and the others are late.
    Shaky(u64),
}

/// See the module.
pub(crate) struct Outside {
    pub(crate) mood: Mood,
    zone: BTreeMap<Question, (Records, Duration)>,
    /// Addresses of machines where nobody listens.
    pub(crate) refusing: BTreeSet<SocketAddr>,
    came: u64,
    on_the_way: BTreeMap<(Instant, u64), News>,
    /// Every question, in order.
    pub(crate) asked: Vec<Question>,
}

#[derive(Debug)]
enum News {
    Resolved(Resolution),
    Unreachable(Flow),
}

impl Outside {
    pub(super) fn new() -> Outside {
        Outside {
            mood: Mood::Answers(Duration::from_millis(20)),
            zone: BTreeMap::new(),
            refusing: BTreeSet::new(),
            came: 0,
            on_the_way: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    /// From now on DNS has these records of a name, and no others of that kind.
    pub(crate) fn set(&mut self, name: &str, kind: Kind, records: Records, ttl: Duration) {
        self.zone.insert(Question { name: name.into(), kind }, (records, ttl));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.on_the_way.keys().next().map(|(at, _)| *at)
    }

    fn later(&mut self, at: Instant, news: News) {
        self.came += 1;
        self.on_the_way.insert((at, self.came), news);
    }

    /// The process that wanted to know is dead.
    pub(super) fn forget(&mut self) {
        self.on_the_way.clear();
    }
}

impl World {
    pub(super) fn resolve(&mut self, question: Question) {
        let (patience, now) = (self.settings.dns.timeout, self.now);
        let known = self.outside.zone.get(&question).cloned();
        let truth = match known {
            Some((records, ttl)) => Answer::Found(records, ttl),
            None => Answer::Nothing(Duration::from_secs(30)),
        };
        let (answer, after) = match self.outside.mood {
            Mood::Answers(after) => (truth, after),
            Mood::Silent => (Answer::Failed, patience),
            Mood::Refuses => (Answer::Failed, Duration::from_millis(1)),
            Mood::Shaky(percent) => {
                let late = Duration::from_millis(self.network.chance(patience.as_millis() as u64));
                let fails = self.network.chance(100) < percent;
                (if fails { Answer::Failed } else { truth }, late)
            }
        };
        self.outside.asked.push(question.clone());
        let news = News::Resolved(Resolution { question, answer });
        self.outside.later(now + after, news);
    }

    /// Whether nobody listens there; the switch will hear of it.
    pub(super) fn refuses(&mut self, flow: Flow) -> bool {
        let refuses = self.outside.refusing.contains(&flow.remote);
        if refuses {
            self.outside.later(self.now + DELAY * 2, News::Unreachable(flow));
        }
        refuses
    }

    /// What has come by now.
    pub(super) fn hear_from_outside(&mut self) {
        while let Some(first) =
            self.outside.on_the_way.keys().next().copied().filter(|(at, _)| *at <= self.now)
        {
            match self.outside.on_the_way.remove(&first) {
                Some(News::Resolved(resolution)) => self.handle(Input::Resolved(resolution)),
                Some(News::Unreachable(flow)) => {
                    self.handle(Input::Flow(flow::Event::Unreachable(flow)));
                }
                None => {}
            }
        }
    }
}

/// IPv4 addresses as records.
pub(crate) fn a(addresses: &[&str]) -> Records {
    let read = |text: &&str| text.parse::<IpAddr>().expect("an address");
    Records::Addresses(addresses.iter().map(read).collect())
}

/// SRV records: priority, weight, port, server.
pub(crate) fn srv(records: &[(u16, u16, u16, &str)]) -> Records {
    let record = |&(priority, weight, port, target): &(u16, u16, u16, &str)| Srv {
        priority,
        weight,
        port,
        target: target.into(),
    };
    Records::Srv(records.iter().map(record).collect())
}

/// NAPTR records: order, service, where it goes on.
pub(crate) fn naptr(records: &[(u16, &str, &str)]) -> Records {
    let record = |&(order, service, replacement): &(u16, &str, &str)| Naptr {
        order,
        preference: 10,
        flags: "s".into(),
        service: service.into(),
        replacement: replacement.into(),
    };
    Records::Naptr(records.iter().map(record).collect())
}

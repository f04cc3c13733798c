//! The gate: whom the switch answers at all. Whoever has proven nothing has a budget of answers, whoever guesses passwords a few tries;
//! beyond that they meet silence, each time for longer. It knows sources, not users, so nobody is locked out elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::control::BlockRow;
use super::watch::network;

/// Sources that are known at a time; of more, those not heard of the longest are forgotten, those that are shut out last.
const SOURCES: usize = 4_096;
/// Users of one source whose wrong passwords are told apart.
const USERS: usize = 16;
/// The longest name that is remembered.
const LONGEST_NAME: usize = 64;

/// Answers without proof that a source gets at once: an office of phones that all ask anew after a power cut.
const BUDGET: u32 = 300;
/// The same for one that has been shut out.
const SECOND_BUDGET: u32 = 30;
/// What a proof gives back: a phone's first question is part of it.
const GIVEN_BACK: u32 = 3;
/// What comes back without any proof, a second.
const PER_SECOND: u32 = 5;

/// Wrong passwords of a source, or for one user of it where phones are registered from there.
const WRONG: u32 = 10;
/// Wrong passwords of a source where phones are registered from.
const WRONG_AMONG_PHONES: u32 = 100;
/// Wrong passwords are forgotten when there was none for so long.
const MEMORY: Duration = Duration::from_secs(900);

/// How long a source that guessed is shut out at first, and at most; twice as long every time.
const GUESSED: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(86_400)];
/// The same of one that floods.
const FLOODED: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(3_600)];
/// After so long without being shut out it begins anew.
const PARDON: Duration = Duration::from_secs(86_400);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gate {
    sources: BTreeMap<IpAddr, Source>,
    /// When each was last heard of, or until when it is shut out.
    order: BTreeSet<(Instant, IpAddr)>,
}

#[derive(Debug)]
struct Source {
    /// Its place in the order.
    place: Instant,
    budget: u32,
    filled: Instant,
    guesses: Tries,
    /// Wrong passwords that answer no question of ours.
    strays: Tries,
    users: Vec<(String, Tries)>,
    shut: Option<Shut>,
    times: u32,
}

/// Wrong passwords in a row.
#[derive(Clone, Copy, Debug)]
struct Tries {
    count: u32,
    last: Instant,
    /// Not even looked at until then.
    until: Option<Instant>,
    times: u32,
}

#[derive(Clone, Copy, Debug)]
struct Shut {
    until: Instant,
    why: Why,
}

/// Why a source is shut out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// More requests without proof than its budget.
    Flood,
    /// Too many wrong passwords.
    Passwords,
}

impl Why {
    /// In a word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Why::Flood => "flood",
            Why::Passwords => "passwords",
        }
    }
}

/// A source, or one user of it, is shut out from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ShutOut {
    pub(super) source: IpAddr,
    pub(super) why: Why,
    pub(super) span: Duration,
}

/// What becomes of a request without proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Budget {
    /// It is answered.
    Enough,
    /// It is not.
    Spent,
    /// Nor is anything else of this source for a while.
    Shut(ShutOut),
}

impl Gate {
    /// Whether nothing new of this source is answered.
    pub(super) fn is_shut(&self, now: Instant, source: IpAddr) -> bool {
        !self.sources.is_empty()
            && self.sources.get(&network(source)).is_some_and(|it| it.is_shut(now))
    }

    /// Whether passwords of some users are not looked at if they come from here.
    pub(super) fn doubts(&self, source: IpAddr) -> bool {
        !self.sources.is_empty()
            && self.sources.get(&network(source)).is_some_and(|it| !it.users.is_empty())
    }

    /// Whether this user's are among them.
    pub(super) fn doubts_user(&self, now: Instant, source: IpAddr, user: &str) -> bool {
        let users = self.sources.get(&network(source)).map(|source| source.users.as_slice());
        users.unwrap_or_default().iter().any(|(known, tries)| {
            known == name(user) && tries.until.is_some_and(|until| until > now)
        })
    }

    /// A request that proves nothing is about to get an answer that is worth `cost`. Where phones are registered from (`known`), an
    /// empty budget silences nobody beyond itself.
    pub(super) fn spend(
        &mut self,
        now: Instant,
        source: IpAddr,
        cost: u32,
        known: impl FnOnce() -> bool,
    ) -> Budget {
        let address = network(source);
        let source = self.heard(now, address);
        if source.is_shut(now) {
            return Budget::Spent;
        }
        source.fill(now);
        if let Some(left) = source.budget.checked_sub(cost) {
            source.budget = left;
            return Budget::Enough;
        }
        if known() {
            return Budget::Spent;
        }
        let span = source.shut_out(now, Why::Flood);
        self.keep(address);
        Budget::Shut(ShutOut { source: address, why: Why::Flood, span })
    }

    /// A wrong password for `user`, in answer to a question that reached this source.
    pub(super) fn guessed(
        &mut self,
        now: Instant,
        source: IpAddr,
        user: &str,
        known: impl FnOnce() -> bool,
    ) -> Option<ShutOut> {
        let address = network(source);
        let source = self.heard(now, address);
        source.guesses.add(now);
        let one = source.user(now, user);
        one.add(now);
        let pair = (one.count >= WRONG).then(|| {
            one.times = one.times.saturating_add(1);
            let span = growing(GUESSED, one.times);
            one.until = Some(now + span);
            one.count = 0;
            span
        });
        let most = match source.guesses.count >= WRONG && !known() {
            true => WRONG,
            false => WRONG_AMONG_PHONES,
        };
        let span = if source.guesses.count >= most {
            source.guesses.count = 0;
            let span = source.shut_out(now, Why::Passwords);
            self.keep(address);
            Some(span)
        } else {
            pair
        };
        span.map(|span| ShutOut { source: address, why: Why::Passwords, span })
    }

    /// A wrong password that answers no question which reached this source. It may be anybody's, so it shuts nobody out.
    pub(super) fn strayed(&mut self, now: Instant, source: IpAddr) {
        self.heard(now, network(source)).strays.add(now);
    }

    /// Whether a right one of that kind is told from a wrong one: where many were wrong, the difference would be all a guesser needs.
    pub(super) fn believes(&self, now: Instant, source: IpAddr) -> bool {
        let strays = self.sources.get(&network(source)).map(|source| source.strays);
        strays.is_none_or(|strays| {
            strays.count < WRONG || now.saturating_duration_since(strays.last) > MEMORY
        })
    }

    /// A right password of `user`.
    pub(super) fn proven(&mut self, now: Instant, source: IpAddr, user: &str) {
        if let Some(source) = self.sources.get_mut(&network(source)) {
            source.fill(now);
            source.budget = (source.budget + GIVEN_BACK).min(BUDGET);
            source.users.retain(|(known, _)| known != name(user));
        }
    }

    /// Lets a source in again, and forgets what it did; `false` if it was not shut out.
    pub(super) fn lift(&mut self, now: Instant, source: IpAddr) -> bool {
        let address = network(source);
        let is_shut = self.sources.get(&address).is_some_and(|source| {
            let doubted = |tries: &Tries| tries.until.is_some_and(|until| until > now);
            source.is_shut(now) || source.users.iter().any(|(_, tries)| doubted(tries))
        });
        if is_shut {
            self.forget(address);
        }
        is_shut
    }

    /// Whoever is shut out.
    pub(super) fn rows(&self, now: Instant) -> Vec<BlockRow> {
        let row = |address: &IpAddr, user: Option<&String>, why: Why, until: Instant| BlockRow {
            source: address.to_string(),
            user: user.cloned(),
            why: why.as_str().to_owned(),
            seconds: until.saturating_duration_since(now).as_secs(),
        };
        let mut rows = Vec::new();
        for (address, source) in &self.sources {
            if let Some(shut) = source.shut.filter(|shut| shut.until > now) {
                rows.push(row(address, None, shut.why, shut.until));
            }
            for (user, tries) in &source.users {
                if let Some(until) = tries.until.filter(|until| *until > now) {
                    rows.push(row(address, Some(user), Why::Passwords, until));
                }
            }
        }
        rows
    }

    /// The source, which is the latest now.
    fn heard(&mut self, now: Instant, address: IpAddr) -> &mut Source {
        if !self.sources.contains_key(&address)
            && self.sources.len() >= SOURCES
            && let Some((_, oldest)) = self.order.first().copied()
        {
            self.forget(oldest);
        }
        let source = self.sources.entry(address).or_insert_with(|| Source::new(now));
        self.order.remove(&(source.place, address));
        source.place = source.place.max(now);
        self.order.insert((source.place, address));
        source
    }

    /// A source that is shut out is remembered at least until that ends.
    fn keep(&mut self, address: IpAddr) {
        if let Some(source) = self.sources.get_mut(&address)
            && let Some(shut) = source.shut
        {
            self.order.remove(&(source.place, address));
            source.place = source.place.max(shut.until);
            self.order.insert((source.place, address));
        }
    }

    fn forget(&mut self, address: IpAddr) {
        if let Some(source) = self.sources.remove(&address) {
            self.order.remove(&(source.place, address));
        }
    }
}

impl Source {
    fn new(now: Instant) -> Source {
        let none = Tries { count: 0, last: now, until: None, times: 0 };
        let (budget, users) = (BUDGET, Vec::new());
        Source {
            place: now,
            budget,
            filled: now,
            guesses: none,
            strays: none,
            users,
            shut: None,
            times: 0,
        }
    }

    fn is_shut(&self, now: Instant) -> bool {
        self.shut.is_some_and(|shut| shut.until > now)
    }

    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled).as_secs();
        let more = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(PER_SECOND);
        if more > 0 {
            self.budget = self.budget.saturating_add(more).min(BUDGET);
            self.filled += Duration::from_secs(seconds);
        }
    }

    /// For how long.
    fn shut_out(&mut self, now: Instant, why: Why) -> Duration {
        if self.shut.is_some_and(|shut| now.saturating_duration_since(shut.until) >= PARDON) {
            self.times = 0;
        }
        self.times = self.times.saturating_add(1);
        let span = match why {
            Why::Flood => growing(FLOODED, self.times),
            Why::Passwords => growing(GUESSED, self.times),
        };
        self.shut = Some(Shut { until: now + span, why });
        // It begins with little when it is let in again.
        (self.budget, self.filled) = (SECOND_BUDGET, now + span);
        span
    }

    fn user(&mut self, now: Instant, user: &str) -> &mut Tries {
        let user = name(user);
        let place = self.users.iter().position(|(known, _)| known == user);
        let place = place.unwrap_or_else(|| {
            if self.users.len() >= USERS {
                let least = self.users.iter().enumerate().min_by_key(|(_, (_, tries))| {
                    (tries.until.is_some_and(|until| until > now), tries.count, tries.last)
                });
                if let Some((place, _)) = least {
                    self.users.swap_remove(place);
                }
            }
            let tries = Tries { count: 0, last: now, until: None, times: 0 };
            self.users.push((user.to_owned(), tries));
            self.users.len() - 1
        });
        &mut self.users[place].1
    }
}

impl Tries {
    fn add(&mut self, now: Instant) {
        if now.saturating_duration_since(self.last) > MEMORY {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
    }
}

fn growing([first, most]: [Duration; 2], times: u32) -> Duration {
    let doubled = 1u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(doubled).min(most)
}

/// As much of a name as is remembered.
fn name(user: &str) -> &str {
    let end = user.char_indices().nth(LONGEST_NAME).map_or(user.len(), |(at, _)| at);
    user.get(..end).unwrap_or(user)
}

#[cfg(test)]
mod tests;

//! The locator: what DNS has said of the gateways' names, for as long as it may be believed. Names are asked for again as their time
//! ends, while calls go on by the old answers, so that a call hardly ever waits for DNS; where DNS fails, old answers are better than
//! none (RFC 8767).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Output;
use super::outbox::Outbox;
use crate::wire::sip::locating::{
    Ability, Answer, Finding, Known, Place, Question, Records, Resolution, find,
};

/// Questions asked at once; others wait their turn.
const AT_ONCE: usize = 16;
/// No answer is believed for less, lest a zone of a TTL of zero has us ask all the time,
const SHORTEST: Duration = Duration::from_secs(5);
/// nor for more (RFC 8767 §4).
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// That there is nothing is believed for so long at most.
const LONGEST_NOTHING: Duration = Duration::from_secs(60);
/// How much longer than it said an answer is used while DNS does not answer (RFC 8767 §5: one to three days).
const STALE: Duration = Duration::from_secs(24 * 3_600);
/// That there is nothing holds while it is asked again.
const MEANWHILE: Duration = Duration::from_secs(5);
/// Whoever did not answer is asked again after so long, then after twice as long, up to the half minute of RFC 8767 §5.
const AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// Beyond what a question may take, so long until its answer is no longer waited for.
const SLACK: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Locator {
    able: Vec<Ability>,
    /// How long the world takes for an answer at most.
    patience: Duration,
    places: BTreeMap<Place, Found>,
    entries: BTreeMap<Question, Entry>,
    /// When the first question is due; the switch asks for it at every turn.
    due: Option<Instant>,
}

/// What is known of a place, and when it was last known for sure.
#[derive(Debug)]
struct Found {
    finding: Finding,
    sure: Option<Instant>,
}

/// What is known of a question.
#[derive(Debug)]
struct Entry {
    /// The last answer: its records, or that there are none.
    answer: Option<Option<Records>>,
    /// How long it may be used, stale at last.
    usable: Instant,
    failures: u32,
    ask: Ask,
    /// Which places need it.
    places: BTreeSet<Place>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ask {
    /// As soon as there is room.
    Now,
    /// It has been; no answer by then is none.
    Asked { until: Instant },
    /// Then.
    At(Instant),
}

impl Locator {
    /// Begins to look for `places`, from listeners that are `able` to.
    pub(super) fn new(
        now: Instant,
        places: impl IntoIterator<Item = Place>,
        able: Vec<Ability>,
        patience: Duration,
        outbox: &mut Outbox,
    ) -> Locator {
        let open = |place| (place, Found { finding: Finding::Open(Vec::new()), sure: None });
        let places: BTreeMap<_, _> = places.into_iter().map(open).collect();
        let mut locator = Locator { able, patience, places, entries: BTreeMap::new(), due: None };
        let all: Vec<Place> = locator.places.keys().cloned().collect();
        locator.look(now, all);
        locator.ask(now, outbox);
        locator
    }

    /// What is known of a place.
    pub(super) fn finding(&self, place: &Place) -> &Finding {
        self.places.get(place).map_or(&Finding::Nowhere, |found| &found.finding)
    }

    /// An answer. Gives the places that lead elsewhere now.
    pub(super) fn resolved(
        &mut self,
        now: Instant,
        resolution: Resolution,
        outbox: &mut Outbox,
    ) -> Vec<Place> {
        let Resolution { question, answer } = resolution;
        let Some(entry) = self.entries.get_mut(&question) else { return Vec::new() };
        // Only what was asked is answered.
        if !matches!(entry.ask, Ask::Asked { .. }) {
            return Vec::new();
        }
        entry.take(now, answer);
        let places = entry.places.iter().cloned().collect();
        let changed = self.look(now, places);
        self.ask(now, outbox);
        changed
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Asks again what is due, and gives up what was not answered. Gives the places that lead elsewhere now.
    pub(super) fn timeout(&mut self, now: Instant, outbox: &mut Outbox) -> Vec<Place> {
        let mut affected = BTreeSet::new();
        for entry in self.entries.values_mut() {
            match entry.ask {
                Ask::Asked { until } if until <= now => {
                    entry.take(now, Answer::Failed);
                    affected.extend(entry.places.iter().cloned());
                }
                Ask::At(at) if at <= now => entry.ask = Ask::Now,
                Ask::Now | Ask::Asked { .. } | Ask::At(_) => {}
            }
        }
        let changed = self.look(now, affected.into_iter().collect());
        self.ask(now, outbox);
        changed
    }

    /// Follows places as far as the answers go.
    fn look(&mut self, now: Instant, places: Vec<Place>) -> Vec<Place> {
        let mut changed = Vec::new();
        for place in places {
            let (mut touched, mut failed) = (BTreeSet::new(), false);
            let entries = &self.entries;
            let finding = find(&place, &self.able, &mut |question| {
                touched.insert(question.clone());
                let known = entries.get(question).map_or(Known::Unasked, |entry| entry.known(now));
                failed |= matches!(known, Known::Failed);
                known
            });
            if let Finding::Open(questions) = &finding {
                for question in questions {
                    let entry = self.entries.entry(question.clone()).or_insert_with(|| Entry {
                        answer: None,
                        usable: now,
                        failures: 0,
                        ask: Ask::Now,
                        places: BTreeSet::new(),
                    });
                    entry.places.insert(place.clone());
                }
            } else {
                self.forget(&place, &touched);
            }
            for question in &touched {
                if let Some(entry) = self.entries.get_mut(question) {
                    entry.places.insert(place.clone());
                }
            }
            let Some(found) = self.places.get_mut(&place) else { continue };
            let stands = match &finding {
                Finding::Found(_) => false,
                // What was found holds until it is known what comes after it.
                Finding::Open(_) => true,
                Finding::Nowhere => failed,
            };
            let is_usable = found.sure.is_some_and(|sure| now < sure + STALE);
            if stands && is_usable {
                continue;
            }
            let is_old = |question| self.entries.get(question).is_some_and(Entry::is_old);
            if matches!(finding, Finding::Found(_)) && !touched.iter().any(is_old) {
                found.sure = Some(now);
            }
            if found.finding != finding {
                found.finding = finding;
                changed.push(place);
            }
        }
        changed
    }

    /// Questions that a place needs no longer are no longer asked for it.
    fn forget(&mut self, place: &Place, needed: &BTreeSet<Question>) {
        self.entries.retain(|question, entry| {
            if !needed.contains(question) {
                entry.places.remove(place);
            }
            !entry.places.is_empty()
        });
    }

    fn ask(&mut self, now: Instant, outbox: &mut Outbox) {
        let asked = self.entries.values().filter(|entry| matches!(entry.ask, Ask::Asked { .. }));
        let mut room = AT_ONCE.saturating_sub(asked.count());
        for (question, entry) in &mut self.entries {
            if room == 0 {
                break;
            }
            if entry.ask == Ask::Now {
                room -= 1;
                entry.ask = Ask::Asked { until: now + self.patience + SLACK };
                outbox.push(Output::Resolve(question.clone()));
            }
        }
        self.due = self.entries.values().filter_map(Entry::due).min();
    }
}

impl Entry {
    fn known(&self, now: Instant) -> Known<'_> {
        match &self.answer {
            Some(Some(records)) if now < self.usable => Known::Records(records),
            Some(None) if now < self.usable => Known::Nothing,
            _ if self.failures > 0 => Known::Failed,
            _ => Known::Unasked,
        }
    }

    /// Whether its answer is only used because there is no newer one.
    fn is_old(&self) -> bool {
        self.failures > 0
    }

    fn take(&mut self, now: Instant, answer: Answer) {
        let (records, time, stale) = match answer {
            Answer::Found(records, time) => (Some(records), time.clamp(SHORTEST, LONGEST), STALE),
            Answer::Nothing(time) => (None, time.clamp(SHORTEST, LONGEST_NOTHING), MEANWHILE),
            Answer::Failed => {
                let doubled = AGAIN.0 * 2_u32.saturating_pow(self.failures.min(8));
                self.failures = self.failures.saturating_add(1);
                self.ask = Ask::At(now + doubled.min(AGAIN.1));
                return;
            }
        };
        self.failures = 0;
        self.answer = Some(records);
        self.usable = now + time + stale;
        self.ask = Ask::At(now + time);
    }

    fn due(&self) -> Option<Instant> {
        match self.ask {
            Ask::Now => None,
            Ask::Asked { until } => Some(until),
            Ask::At(at) => Some(at),
        }
    }
}

#[cfg(test)]
mod tests;

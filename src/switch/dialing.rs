//! Who may dial out. No call leaves through a trunk unless whoever causes it may: a user proven by digest within the rights of their file,
//! or a trunk whose file says so. Everything is closed unless a file opens it, and what is open has a cap.
//!
//! `Ledger::admit` is the one question. Whatever sends a call to a number (a new call, a forward, a transfer, a redirection, a
//! pick-up) asks it with the one who *causes* the call, before a place in a trunk is taken; `Ledger::ended` closes the account of a
//! call, whatever it was admitted to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Now;
use super::call::Party;
use super::journal::CallId;
use super::number::{Country, Number, Rate};
use super::settings::Settings;

const HOUR: Duration = Duration::from_secs(3_600);

/// Service numbers that cost nothing or little by law: social value (EU decision 2007/116/EC), and the authorities' in Germany.
const FREE_SERVICES: [(&str, usize); 2] = [("116", 6), ("115", 3)];

/// What somebody may dial. Emergency numbers need none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// Users and queues of ours.
    Internal,
    /// Numbers of the node's country.
    National,
    /// Numbers of the other countries listed.
    International,
    /// Whatever costs more than a call to a subscriber, and what cannot be told to cost less.
    Premium,
}

impl Right {
    /// All, in the order of what they cost.
    pub const ALL: [Right; 4] =
        [Right::Internal, Right::National, Right::International, Right::Premium];

    /// The word in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Right::Internal => "internal",
            Right::National => "national",
            Right::International => "international",
            Right::Premium => "premium",
        }
    }

    fn refusal(self) -> &'static str {
        match self {
            Right::Internal => "internal calls are not allowed",
            Right::National => "national calls are not allowed",
            Right::International => "international calls are not allowed",
            Right::Premium => "premium numbers are not allowed",
        }
    }
}

/// What one user, or one trunk that may dial out, may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialing {
    /// What kinds of numbers.
    pub rights: Vec<Right>,
    /// Which countries beside the node's own, where the rights go abroad.
    pub countries: Vec<Country>,
    /// Calls out begun in any hour.
    pub calls_per_hour: u64,
    /// Minutes talked outwards in any 24 hours. A call that is up is not cut.
    pub minutes_per_day: u64,
    /// Calls out at once.
    pub at_once: usize,
    /// The hours of business, by name, and what may be dialled outside them.
    pub off_hours: Option<(String, Vec<Right>)>,
}

impl Default for Dialing {
    fn default() -> Dialing {
        Dialing {
            rights: vec![Right::Internal, Right::National],
            countries: Vec::new(),
            calls_per_hour: 120,
            minutes_per_day: 600,
            at_once: 3,
            off_hours: None,
        }
    }
}

/// Why a number may not be dialled, in words for whoever dialled it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The rest of a sentence.
    pub why: &'static str,
    /// Where the call would have gone.
    pub country: Option<Country>,
}

/// What a number asks of whoever dials it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Demand {
    /// All of these.
    pub rights: Vec<Right>,
    /// Abroad: this country must be listed; `None` of a number abroad is nobody's and never is.
    pub country: Option<Country>,
}

impl Demand {
    /// Of `number`; `None` if it asks for nothing.
    pub fn of(settings: &Settings, number: &Number) -> Option<Demand> {
        let of = |rights: &[Right]| Demand { rights: rights.to_vec(), country: settings.country };
        let is_free = |text: &str| {
            FREE_SERVICES.iter().any(|(begins, len)| text.starts_with(begins) && text.len() == *len)
        };
        let demand = match number {
            Number::Emergency(_) => return None,
            Number::Extension(_) => of(&[Right::Internal]),
            Number::Service(text) if is_free(text) => of(&[Right::National]),
            Number::Service(_) | Number::Plain(_) | Number::Anonymous => of(&[Right::Premium]),
            Number::E164(_) => {
                let place = number.place()?;
                let near = place.country.is_some() && place.country == settings.country;
                let mut rights = vec![if near { Right::National } else { Right::International }];
                if place.rate == Rate::Premium {
                    rights.push(Right::Premium);
                }
                Demand { rights, country: place.country }
            }
        };
        Some(demand)
    }
}

/// Whether `dialing` opens the way to `number` now, caps aside: the rights alone.
pub fn may_dial(
    settings: &Settings,
    dialing: &Dialing,
    number: &Number,
    at: crate::utc::Utc,
) -> Result<(), Refused> {
    let Some(demand) = Demand::of(settings, number) else { return Ok(()) };
    let country = demand.country;
    let refused = |why| Err(Refused { why, country });
    if let Some(missing) = demand.rights.iter().find(|right| !dialing.rights.contains(right)) {
        return refused(missing.refusal());
    }
    if demand.rights.contains(&Right::International)
        && !country.is_some_and(|country| dialing.countries.contains(&country))
    {
        return refused("calls to this country are not allowed");
    }
    if let Some((hours, left)) = &dialing.off_hours
        && !settings.hours.get(hours).is_some_and(|hours| hours.is_open(at))
        && demand.rights.iter().any(|right| !left.contains(right))
    {
        return refused("such calls are not allowed at this time");
    }
    Ok(())
}

/// What everybody who dials out has used up. It begins anew with the process.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    accounts: BTreeMap<Who, Account>,
    running: BTreeMap<CallId, Vec<Running>>,
    epoch: Option<Instant>,
}

/// A user or a trunk; a trunk may be named like an extension.
type Who = (Kind, String);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    User,
    Trunk,
}

#[derive(Debug)]
struct Account {
    /// Calls begun, by the minute.
    begun: Window<60>,
    /// Seconds talked in calls that have ended, by the hour.
    talked: Window<24>,
    at_once: u32,
    /// When those that are up began, summed.
    since: Duration,
}

#[derive(Debug)]
struct Running {
    who: Who,
    /// After the epoch.
    since: Duration,
}

/// A count over the last so many spans of time.
#[derive(Debug)]
struct Window<const SPANS: usize> {
    span: Duration,
    /// Which span each count was of.
    counts: [(u64, u64); SPANS],
}

impl Ledger {
    /// Whether `by` may cause a call to `number` now. If so it is on their account, as a part of `call`, until that has
    /// [`ended`](Ledger::ended). An emergency call is always admitted and on nobody's account.
    pub(super) fn admit(
        &mut self,
        settings: &Settings,
        now: Now,
        call: CallId,
        by: &Party,
        number: &Number,
    ) -> Result<(), Refused> {
        let Some(Demand { country, .. }) = Demand::of(settings, number) else { return Ok(()) };
        let refused = |why| Refused { why, country };
        let dialing = match by {
            Party::User(user) => settings.users.get(user).map(|user| &*user.dialing),
            Party::Trunk(trunk) => settings.trunks.get(trunk).and_then(|it| it.dialing.as_ref()),
        };
        let dialing = dialing.ok_or(refused("this caller may not dial out"))?;
        may_dial(settings, dialing, number, now.utc)?;
        if matches!(number, Number::Extension(_)) {
            return Ok(());
        }
        let who = who(by);
        let at = self.since_epoch(now.instant);
        let account = self.accounts.entry(who.clone()).or_default();
        if account.at_once as usize >= dialing.at_once {
            return Err(refused("too many calls at once"));
        }
        if account.begun.sum(at) >= dialing.calls_per_hour {
            return Err(refused("too many calls in an hour"));
        }
        let up = (at * account.at_once).saturating_sub(account.since);
        if (account.talked.sum(at) + up.as_secs()) / 60 >= dialing.minutes_per_day {
            return Err(refused("too many minutes in a day"));
        }
        account.begun.add(at, 1);
        account.at_once += 1;
        account.since += at;
        self.running.entry(call).or_default().push(Running { who, since: at });
        Ok(())
    }

    /// A call is over, after so much talk; or it never began.
    pub(super) fn ended(&mut self, now: Instant, call: CallId, talked: Duration) {
        let running = self.running.remove(&call).unwrap_or_default();
        self.close(now, running, talked);
    }

    fn close(&mut self, now: Instant, running: Vec<Running>, talked: Duration) {
        let at = self.since_epoch(now);
        for Running { who, since } in running {
            if let Some(account) = self.accounts.get_mut(&who) {
                account.at_once = account.at_once.saturating_sub(1);
                account.since = account.since.saturating_sub(since);
                account.talked.add(at, talked.as_secs());
            }
        }
    }

    /// How much of `call` is on anybody's account.
    pub(super) fn admitted(&self, call: CallId) -> usize {
        self.running.get(&call).map_or(0, Vec::len)
    }

    /// What was admitted as a part of `call` when it had `kept` came to nothing, and all that followed from it.
    pub(super) fn withdrawn(&mut self, now: Instant, call: CallId, kept: usize) {
        let Some(running) = self.running.get_mut(&call) else { return };
        let over = running.split_off(kept.min(running.len()));
        if running.is_empty() {
            self.running.remove(&call);
        }
        self.close(now, over, Duration::ZERO);
    }

    /// What `by` was admitted to last as a part of `call` gives way to something else.
    pub(super) fn replaced(&mut self, now: Instant, call: CallId, by: &Party) {
        let running = self.running.get(&call).map_or(&[][..], Vec::as_slice);
        if running.last().is_some_and(|last| last.who == who(by)) {
            self.withdrawn(now, call, running.len() - 1);
        }
    }

    /// What a call was admitted to goes on as a part of another.
    pub(super) fn goes_on(&mut self, call: CallId, within: CallId) {
        if let Some(running) = self.running.remove(&call) {
            self.running.entry(within).or_default().extend(running);
        }
    }

    /// Calls on anybody's account.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Since the first question.
    fn since_epoch(&mut self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.epoch.get_or_insert(now))
    }
}

fn who(party: &Party) -> Who {
    match party {
        Party::User(user) => (Kind::User, user.clone()),
        Party::Trunk(trunk) => (Kind::Trunk, trunk.clone()),
    }
}

impl Default for Account {
    fn default() -> Account {
        let (begun, talked) = (Window::of(HOUR / 60), Window::of(HOUR));
        Account { begun, talked, at_once: 0, since: Duration::ZERO }
    }
}

impl<const SPANS: usize> Window<SPANS> {
    fn of(span: Duration) -> Window<SPANS> {
        Window { span, counts: [(0, 0); SPANS] }
    }

    fn number(&self, at: Duration) -> u64 {
        at.as_secs() / self.span.as_secs().max(1)
    }

    fn sum(&self, at: Duration) -> u64 {
        let number = self.number(at);
        let recent = |(of, _): &&(u64, u64)| number.saturating_sub(*of) < SPANS as u64;
        self.counts.iter().filter(recent).map(|(_, count)| count).sum()
    }

    fn add(&mut self, at: Duration, more: u64) {
        let number = self.number(at);
        let place = usize::try_from(number % SPANS as u64).unwrap_or(0);
        if let Some((of, count)) = self.counts.get_mut(place) {
            if *of != number {
                (*of, *count) = (number, 0);
            }
            *count = count.saturating_add(more);
        }
    }
}

#[cfg(test)]
mod tests;

//! Subscriptions: RFC 6665 as the notifier. Phones subscribe to lamps (RFC 4235) and to their messages (RFC 3842); whoever is watched
//! finds their watchers by an index, and whoever is not costs nothing.

mod ask;
mod dialog_info;
mod lamp;
mod message_summary;
mod request;
mod subscription;
mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

pub use ask::Package;
pub(super) use ask::{ALLOW_EVENTS, BAD_EVENT};
use dialog_info::MOST;
use lamp::Lamp;
pub(super) use lamp::{Lamps, Line, Phase, Side};
use message_summary::Messages;
use subscription::{Answered, Reason, Subscription, Watched};

use super::Now;
use super::control::SubscriptionRow;
use super::journal::{Entry, Subscribed};
use super::outbox::Outbox;
use super::settings::{Settings, Watch};
use crate::wire::sip::dialog::Dialog;
use crate::wire::sip::endpoint::{ClientId, Endpoint};
use crate::wire::sip::message::Status;
use crate::wire::sip::uri::Uri;

/// After a restart every subscriber is told the state anew, one after the other: 500 a second.
const PACE: Duration = Duration::from_millis(2);

/// A subscription of this run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SubscriptionId(u64);

/// Every subscription, and the ways to find one.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    all: BTreeMap<SubscriptionId, Subscription>,
    last: u64,
    /// By our tag.
    tags: BTreeMap<Box<str>, SubscriptionId>,
    /// By the NOTIFY that awaits its answer.
    clients: BTreeMap<ClientId, SubscriptionId>,
    /// How many each user has.
    users: BTreeMap<String, usize>,
    alarms: BTreeSet<(Instant, SubscriptionId)>,
    lamps: Lamps,
}

impl Subscriptions {
    /// With what the store remembers: phones come again in an hour at most, so what they have subscribed to lives on. What is not
    /// allowed any more ends.
    pub(super) fn new(
        now: Now,
        settings: &Settings,
        remembered: Vec<Subscribed>,
        outbox: &mut Outbox,
    ) -> Subscriptions {
        let mut subscriptions = Subscriptions::default();
        let mut at = now.instant;
        for subscribed in remembered {
            let left = subscribed.expires.since(now.utc);
            let flow = subscribed.dialog.flow;
            let listener = settings.listeners.get(usize::from(flow.listener.0));
            let dialog = listener
                .filter(|_| !left.is_zero())
                .and_then(|_| Dialog::recalled(&subscribed.dialog, settings.contact(flow)));
            let Some(dialog) = dialog else {
                outbox.store(Entry::SubscriptionDown { local_tag: subscribed.local_tag });
                continue;
            };
            let Subscribed { user, package, watched: name, id, .. } = subscribed;
            let may = watched(settings, &user, package, &name);
            let is_allowed = may.is_ok();
            let watched = may.unwrap_or(match package {
                Package::Dialog => Watched::User(name),
                Package::MessageSummary => Watched::Messages(name),
            });
            let until = now.instant + left;
            let mut subscription = Subscription::new(user, watched, id, dialog, until, at);
            if !is_allowed {
                subscription.ends(at, Reason::Rejected);
            }
            subscriptions.insert(subscription);
            at += PACE;
        }
        subscriptions
    }

    /// Takes it in. The lamp of what nobody watched before is dark until it is shown what there is.
    fn insert(&mut self, subscription: Subscription) -> SubscriptionId {
        self.last += 1;
        let id = SubscriptionId(self.last);
        self.tags.insert(subscription.dialog.id().local_tag, id);
        *self.users.entry(subscription.user.clone()).or_default() += 1;
        if let Some(lamps) = self.lamps.like(&subscription.watched) {
            lamps.entry(subscription.watched.name().to_owned()).or_default().watchers.insert(id);
        }
        self.all.insert(id, subscription);
        self.schedule(id);
        id
    }

    fn remove(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.all.remove(&id) else { return };
        self.tags.remove(&subscription.dialog.id().local_tag);
        subscription.scheduled.map(|at| self.alarms.remove(&(at, id)));
        if let Some(count) = self.users.get_mut(&subscription.user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(&subscription.user);
            }
        }
        let name = subscription.watched.name();
        if let Some(lamps) = self.lamps.like(&subscription.watched)
            && let Some(lamp) = lamps.get_mut(name)
        {
            lamp.watchers.remove(&id);
            if lamp.watchers.is_empty() {
                lamps.remove(name);
            }
        }
    }

    fn schedule(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.all.get_mut(&id) else { return };
        let (noted, wanted) = (subscription.scheduled, subscription.deadline());
        if noted != wanted {
            subscription.scheduled = wanted;
            noted.map(|at| self.alarms.remove(&(at, id)));
            wanted.map(|at| self.alarms.insert((at, id)));
        }
    }

    /// Where calls and queues show what becomes of them.
    pub(super) fn lamps(&mut self) -> &mut Lamps {
        &mut self.lamps
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Sends every NOTIFY that is due; whether there was any.
    pub(super) fn tell(
        &mut self,
        now: Now,
        settings: &Settings,
        endpoint: &mut Endpoint,
        outbox: &mut Outbox,
    ) -> bool {
        for id in std::mem::take(&mut self.lamps.news) {
            if let Some(subscription) = self.all.get_mut(&id) {
                subscription.changed(now.instant);
                self.schedule(id);
            }
        }
        let mut told = false;
        while let Some((_, id)) = self.alarms.first().copied().filter(|(at, _)| *at <= now.instant)
        {
            self.alarms.pop_first();
            let Some(subscription) = self.all.get_mut(&id) else { continue };
            subscription.scheduled = None;
            if let Some(notify) = subscription.notify(now.instant) {
                let document = document(&self.lamps, settings, subscription);
                let kind = subscription.watched.package().kind();
                let notify = notify.body(kind, document.as_bytes());
                let client = endpoint.request(now.instant, subscription.dialog.flow(), notify);
                subscription.sent(now.instant);
                self.clients.insert(client, id);
                if subscription.is_ending() {
                    let local_tag = subscription.dialog.id().local_tag.into();
                    outbox.store(Entry::SubscriptionDown { local_tag });
                }
                told = true;
            }
            self.schedule(id);
        }
        told
    }

    /// The final answer to a NOTIFY, or that there is none; `false` if this request was none of ours.
    pub(super) fn answered(
        &mut self,
        now: Now,
        client: ClientId,
        status: Status,
        outbox: &mut Outbox,
    ) -> bool {
        let Some(id) = self.clients.remove(&client) else { return false };
        if let Some(subscription) = self.all.get_mut(&id) {
            match subscription.answered(now.instant, status) {
                Answered::GoesOn => self.schedule(id),
                Answered::Over => {
                    if !subscription.is_ending() {
                        let local_tag = subscription.dialog.id().local_tag.into();
                        outbox.store(Entry::SubscriptionDown { local_tag });
                    }
                    self.remove(id);
                }
            }
        }
        true
    }

    /// The switch goes: everybody is told to come again (RFC 6665 §4.1.3).
    pub(super) fn deactivate(&mut self, now: Instant) {
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            if let Some(subscription) = self.all.get_mut(&id) {
                subscription.ends(now, Reason::Deactivated);
            }
            self.schedule(id);
        }
    }

    pub(super) fn rows(&self, now: Now) -> Vec<SubscriptionRow> {
        let row = |subscription: &Subscription| SubscriptionRow {
            user: subscription.user.clone(),
            event: subscription.watched.package().as_str().to_owned(),
            watched: subscription.watched.name().to_owned(),
            contact: subscription.dialog.request_uri().to_string(),
            source: subscription.dialog.flow().remote.to_string(),
            expires: subscription.remember(now).expires.to_string(),
        };
        let mut rows: Vec<SubscriptionRow> = self.all.values().map(row).collect();
        rows.sort();
        rows
    }
}

impl Lamps {
    /// Those of its kind; messages have none.
    fn like(&mut self, watched: &Watched) -> Option<&mut BTreeMap<String, Lamp>> {
        match watched {
            Watched::User(_) => Some(&mut self.users),
            Watched::Queue(_) => Some(&mut self.queues),
            Watched::Slot(_) => Some(&mut self.slots),
            Watched::Messages(_) => None,
        }
    }

    /// Of whatever is a user, a queue or a slot, as long as somebody watches.
    fn of(&self, watched: &Watched) -> Option<&Lamp> {
        match watched {
            Watched::User(name) => self.users.get(name),
            Watched::Queue(name) => self.queues.get(name),
            Watched::Slot(name) => self.slots.get(name),
            Watched::Messages(_) => None,
        }
    }
}

/// What `user` may watch by that name; else 403 or 404.
fn watched(
    settings: &Settings,
    user: &str,
    package: Package,
    name: &str,
) -> Result<Watched, ask::Refusal> {
    let forbidden = Err((Status::of(403), "Not yours to watch"));
    let Some(owner) = settings.users.get(user) else { return forbidden };
    match package {
        Package::MessageSummary if name == user => Ok(Watched::Messages(name.to_owned())),
        Package::MessageSummary => forbidden,
        Package::Dialog if name == user => Ok(Watched::User(name.to_owned())),
        Package::Dialog if owner.watch == Watch::Nothing => forbidden,
        Package::Dialog if settings.users.contains_key(name) => Ok(Watched::User(name.to_owned())),
        Package::Dialog if settings.queues.contains_key(name) => {
            Ok(Watched::Queue(name.to_owned()))
        }
        Package::Dialog if settings.park.as_ref().is_some_and(|park| park.slot(name).is_some()) => {
            Ok(Watched::Slot(name.to_owned()))
        }
        Package::Dialog => Err((Status::of(404), "Nobody of that name")),
    }
}

/// What is told; notes what of it the subscriber believes from now on.
fn document(lamps: &Lamps, settings: &Settings, subscription: &mut Subscription) -> String {
    let (name, domain) = (subscription.watched.name(), &settings.domain);
    let Some(lamp) = lamps.of(&subscription.watched) else {
        return Messages::NONE.document(&Uri::at_domain(name, domain));
    };
    let shows = match settings.users.get(&subscription.user) {
        Some(_) if subscription.user == name => Watch::Callers,
        Some(user) => user.watch,
        None => Watch::Nothing,
    };
    let dark = Lamp::default();
    let lamp = if shows == Watch::Nothing { &dark } else { lamp };
    let over = subscription.told.iter().copied().filter(|key| !lamp.lines.contains_key(key));
    let version = subscription.version();
    let document = dialog_info::document(name, domain, version, lamp, shows, over);
    subscription.told = lamp.lines.keys().take(MOST).copied().collect();
    document
}

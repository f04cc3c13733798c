//! A SUBSCRIBE, from its arrival to its answer: RFC 6665 §4.2.1. The NOTIFY that follows is sent with whatever else is due.

use super::ask::{ALLOW_EVENTS, Ask, BAD_EVENT, Package, Refusal};
use super::subscription::{Reason, Subscription, Watched};
use super::{SubscriptionId, watched};
use crate::switch::journal::Entry;
use crate::switch::reception::Answer;
use crate::switch::settings::{Profile, Settings};
use crate::switch::{Now, Stopping, Switch};
use crate::wire::flow::Flow;
use crate::wire::sip::dialog::Dialog;
use crate::wire::sip::endpoint::ServerId;
use crate::wire::sip::headers::{Contacts, Name};
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::uri::Scheme;

/// The longest Contact that is kept.
const LONGEST_CONTACT: usize = 512;

impl Switch {
    /// A SUBSCRIBE outside any dialog; `Err` is for somebody who has proven nothing.
    pub(in crate::switch) fn subscribe(
        &mut self,
        now: Now,
        server: ServerId,
        request: &Message,
        flow: Flow,
        answer: Answer<'_>,
    ) -> Result<Outgoing, Outgoing> {
        let user = self.subscriber(now, request, flow, answer)?;
        let (ask, watched) = match self.granted(&user, request) {
            Ok(granted) => granted,
            Err(refusal) => return Ok(refused(answer, refusal, &self.settings)),
        };
        let tag = self.endpoint.dialog_tag(server);
        let reach = self.settings.listener(flow.listener).reach;
        let dialog = Dialog::answering(request, flow, reach, &tag, self.settings.contact(flow));
        let granted = Outgoing::response(Status::of(200), request, Some(&tag))
            .header(Name::Contact, format_args!("<{}>", dialog.contact()))
            .header(Name::Expires, ask.life.as_secs())
            .header(Name::AllowEvents, ALLOW_EVENTS);
        let until = now.instant + ask.life;
        self.subscriptions.probe(now, &user, &watched, &dialog);
        let subscription =
            Subscription::new(user, watched.clone(), ask.id, dialog, until, now.instant);
        if !ask.life.is_zero() {
            self.outbox.store(Entry::SubscriptionUp(Box::new(subscription.remember(now))));
        }
        let was_watched = self.subscriptions.lamps.of(&watched).is_some();
        self.subscriptions.insert(subscription);
        if !was_watched {
            self.light(&watched);
        }
        Ok(granted)
    }

    /// A request within a dialog that may be a subscription's; `None` if it is not.
    pub(in crate::switch) fn resubscribe(
        &mut self,
        now: Now,
        request: &Message,
        flow: Flow,
    ) -> Option<Result<Outgoing, Outgoing>> {
        let id = *self.subscriptions.tags.get(request.to().tag()?)?;
        let subscription = self.subscriptions.all.get(&id)?;
        let owned = subscription.dialog.owns(request) && !subscription.is_ending();
        owned.then(|| self.refresh(now, id, request, flow))
    }

    fn refresh(
        &mut self,
        now: Now,
        id: SubscriptionId,
        request: &Message,
        flow: Flow,
    ) -> Result<Outgoing, Outgoing> {
        let answer = |status: Status| Outgoing::response(status, request, None);
        let user = self.subscriber(now, request, flow, &answer)?;
        let Switch { subscriptions, settings, outbox, .. } = self;
        let gone = || Ok(answer(Status::of(481)));
        let Some(subscription) = subscriptions.all.get_mut(&id) else { return gone() };
        if user != subscription.user {
            return Ok(answer(Status::of(403)));
        }
        let ask = match Ask::read(&settings.subscriptions, request) {
            Ok(ask) => ask,
            Err(refusal) => return Ok(refused(&answer, refusal, settings)),
        };
        // Another subscription of the same dialog (RFC 6665 §4.5.2).
        if (ask.package, &ask.id) != (subscription.watched.package(), &subscription.id) {
            return gone();
        }
        if let Err(status) = subscription.dialog.accept(request) {
            return Ok(answer(status));
        }
        subscription.dialog.refresh(request, flow);
        if ask.life.is_zero() {
            subscription.ends(now.instant, Reason::Timeout);
        } else {
            subscription.until = now.instant + ask.life;
            subscription.asked(now.instant);
            outbox.store(Entry::SubscriptionUp(Box::new(subscription.remember(now))));
        }
        let granted = answer(Status::of(200))
            .header(Name::Contact, format_args!("<{}>", subscription.dialog.contact()))
            .header(Name::Expires, ask.life.as_secs())
            .header(Name::AllowEvents, ALLOW_EVENTS);
        subscriptions.schedule(id);
        Ok(granted)
    }

    /// Who subscribes, by digest; phones alone do, and so through their own door.
    fn subscriber(
        &mut self,
        now: Now,
        request: &Message,
        flow: Flow,
        answer: Answer<'_>,
    ) -> Result<String, Outgoing> {
        if self.settings.listener(flow.listener).profile == Profile::External {
            return Err(self.stranger(now, flow, answer));
        }
        self.authenticate(now, request, flow, "SUBSCRIBE", answer)
    }

    /// What a user asks for, if they may have it.
    fn granted(&self, user: &str, request: &Message) -> Result<(Ask, Watched), Refusal> {
        let limits = &self.settings.subscriptions;
        let ask = Ask::read(limits, request)?;
        if self.stopping != Stopping::No {
            return Err((Status::of(503), "The switch is stopping"));
        }
        is_reachable(request)?;
        let name = request.uri().and_then(|uri| uri.user()).unwrap_or_default();
        let watched = watched(&self.settings, user, ask.package, name)?;
        if self.subscriptions.users.get(user).is_some_and(|count| *count >= limits.per_user) {
            return Err((Status::of(403), "Too many subscriptions"));
        }
        if self.subscriptions.len() >= limits.in_all {
            return Err((Status::of(503), "Too many subscriptions"));
        }
        Ok((ask, watched))
    }

    /// Shows a lamp that nobody has watched until now what there is.
    fn light(&mut self, watched: &Watched) {
        let Switch { calls, queues, parking, subscriptions, settings, .. } = self;
        let lamps = &mut subscriptions.lamps;
        match watched {
            Watched::User(user) => {
                calls.values().for_each(|call| call.light(settings, user, lamps))
            }
            Watched::Queue(queue) => {
                for call in queues.waiting(queue).filter_map(|call| calls.get(&call)) {
                    call.light_queue(settings, queue, lamps);
                }
            }
            Watched::Slot(name) => {
                let slot = settings.park.as_ref().and_then(|park| park.slot(name));
                let parked = slot.and_then(|slot| Some((slot, calls.get(&parking.at(slot)?)?)));
                if let Some((slot, call)) = parked {
                    call.light_slot(settings, slot, lamps);
                }
            }
            Watched::Messages(_) => {}
        }
    }
}

impl super::Subscriptions {
    /// A phone that has lost its memory subscribes again, and knows nothing of its older dialogs: a NOTIFY finds out. One that has two
    /// keys for the same lamp is told once more what it knows.
    fn probe(&mut self, now: Now, user: &str, watched: &Watched, dialog: &Dialog) {
        let Some(lamp) = self.lamps.of(watched) else { return };
        for id in lamp.watchers.iter().copied().collect::<Vec<_>>() {
            if let Some(older) = self.all.get_mut(&id)
                && older.user == user
                && older.dialog.request_uri().matches(&dialog.request_uri())
            {
                older.changed(now.instant);
                self.schedule(id);
            }
        }
    }
}

/// One Contact, where a NOTIFY can go (RFC 6665 §4.1.2.1, RFC 3261 §8.1.1.8).
fn is_reachable(request: &Message) -> Result<(), Refusal> {
    let contacts = request.contacts().map_err(|wrong| (wrong.status, wrong.what))?;
    match contacts {
        Some(Contacts::List(list))
            if list.len() == 1
                && list.iter().all(|contact| {
                    matches!(contact.uri.scheme(), Scheme::Sip | Scheme::Sips)
                        && contact.uri.as_str().len() <= LONGEST_CONTACT
                }) =>
        {
            Ok(())
        }
        Some(Contacts::List(_) | Contacts::All) | None => {
            Err((Status::of(400), "Contact is no SIP URI"))
        }
    }
}

fn refused(answer: Answer<'_>, (status, why): Refusal, settings: &Settings) -> Outgoing {
    let refusal = answer(status).reason(why);
    match status.code() {
        406 => [Package::Dialog, Package::MessageSummary]
            .iter()
            .fold(refusal, |refusal, package| refusal.header(Name::Accept, package.kind())),
        423 => refusal.header(Name::MinExpires, settings.subscriptions.shortest.as_secs()),
        503 => refusal.header(Name::RetryAfter, 5),
        code if code == BAD_EVENT.code() => refusal.header(Name::AllowEvents, ALLOW_EVENTS),
        _ => refusal,
    }
}

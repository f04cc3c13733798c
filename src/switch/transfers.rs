//! Whatever brings two calls together: a REFER, which may name the dialog of another call; a pickup; somebody who fetches a parked
//! call.

use super::call::{LegId, Party, Referral};
use super::feature::FeatureCode;
use super::journal::CallId;
use super::number::Number;
use super::reception::No;
use super::routing::{Feature, Plan, Target};
use super::settings::ConsentMode;
use super::{Now, Switch};
use crate::wire::sip::endpoint::ServerId;
use crate::wire::sip::headers::{Name, Replaces};
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::outgoing::Outgoing;

impl Switch {
    /// A REFER inside a dialog.
    pub(super) fn refer(
        &mut self,
        now: Now,
        (call, leg): (CallId, LegId),
        server: ServerId,
        request: &Message,
    ) {
        let admitted = self.ledger.admitted(call);
        let asked = self.with(now, call, |call, desk| call.refers(desk, leg, request, admitted));
        let done = match asked.unwrap_or(Err(Status::of(481))) {
            Ok(referral) if referral.replaces.is_some() => {
                self.attend(now, call, server, request, referral)
            }
            Ok(referral) => {
                let way = self.way(now, &referral.by, &referral.from, &referral.number);
                // Whoever transfers causes the call, and needs the right to.
                let way =
                    way.and_then(|plan| self.admit(now, call, &referral.by, &plan).map(|()| plan));
                let way = way.map_err(|no| no.status);
                self.with(now, call, |call, desk| {
                    call.transfer(desk, server, request, referral, way)
                });
                Ok(())
            }
            Err(status) => Err(status),
        };
        if let Err(status) = done {
            self.endpoint.respond(now.instant, server, Outgoing::response(status, request, None));
        }
    }

    /// Attended transfer (RFC 5589 §7): the two far sides of one party's two calls talk, in the call of the two that is the
    /// customer's.
    fn attend(
        &mut self,
        now: Now,
        call: CallId,
        server: ServerId,
        request: &Message,
        referral: Referral,
    ) -> Result<(), Status> {
        let named = referral.replaces.as_ref().and_then(|replaces| self.named(replaces));
        let (other, leg) = named.ok_or(Status::of(481))?;
        let fits = self.calls.get(&other).is_some_and(|found| found.may_join(leg, &referral.by));
        if other == call || !fits {
            return Err(Status::of(403));
        }
        let is_customers = |id: CallId| self.calls.get(&id).is_some_and(|call| call.has_asked());
        if is_customers(other) && !is_customers(call) && self.calls[&other].talks() {
            self.ledger.goes_on(call, other);
            let given = self.with(now, call, |call, desk| {
                call.refer_away(desk, server, request, &referral, other)
            });
            if let Some(given) = given.flatten() {
                self.with(now, other, |call, desk| call.take_over(desk, leg, given));
            }
        } else {
            self.ledger.goes_on(other, call);
            let given = self.with(now, other, |given, desk| given.hand_over(desk, leg, call));
            if let Some(given) = given.flatten() {
                self.with(now, call, |call, desk| {
                    call.refer_to_leg(desk, server, request, referral, given);
                });
            }
        }
        Ok(())
    }

    /// The leg whose dialog this is.
    fn named(&self, replaces: &Replaces) -> Option<(CallId, LegId)> {
        let (call, leg) = *self.keys.tags.get(&*replaces.to_tag)?;
        self.calls.get(&call)?.is_named(leg, replaces).then_some((call, leg))
    }

    // ---- features ----

    /// What a user's code asks for; `None` if it stands for the number of whoever called last.
    pub(super) fn feature(&self, user: &str, code: FeatureCode<'_>) -> Result<Option<Feature>, No> {
        Ok(Some(match code {
            FeatureCode::CallReturn => return Ok(None),
            FeatureCode::Park(Some(slot)) if self.parking.at(slot).is_some() => {
                Feature::Fetch(slot)
            }
            FeatureCode::Park(slot) => Feature::Park(slot),
            FeatureCode::Wish(wish) => {
                Feature::Wish(wish.map_err(|()| No::of(484, "the code wants a number"))?)
            }
            FeatureCode::Echo => Feature::Echo,
            FeatureCode::PickUp(whom) => {
                let ringing = self
                    .calls
                    .values()
                    .find(|call| call.may_be_picked_up(&self.settings, user, whom));
                let call = ringing.ok_or(No::of(480, "nothing rings that may be picked up"))?.id;
                Feature::PickUp { call, replaces: None }
            }
        }))
    }

    /// The Replaces of an INVITE (RFC 3891 §3).
    pub(super) fn replacing(&self, by: &Party, request: &Message) -> Result<Option<Feature>, No> {
        let Some(line) = request.lines(Name::Replaces).next() else { return Ok(None) };
        let replaces = Replaces::parse(line)
            .map_err(|malformed| No::of(malformed.status.code(), malformed.what))?;
        let found = self.named(&replaces);
        let (call, leg) = found.ok_or(No::of(481, "Replaces names no dialog"))?;
        let Party::User(user) = by else {
            return Err(No::of(403, "no trunk takes the place of anybody"));
        };
        let replaced = self.calls.get(&call).ok_or(No::of(481, "Replaces names no dialog"))?;
        replaced
            .may_be_replaced(&self.settings, user, leg, replaces.early_only)
            .map_err(|(status, why)| No::of(status.code(), why))?;
        Ok(Some(Feature::PickUp { call, replaces: Some(leg) }))
    }

    pub(super) fn plan_of(&self, feature: Feature, dialled: &str) -> Plan {
        let route = match &feature {
            Feature::PickUp { .. } => "pickup",
            Feature::Park(_) | Feature::Fetch(_) => "park",
            Feature::Wish(_) | Feature::Echo => "feature",
        };
        Plan {
            route: route.to_owned(),
            target: Target::Feature(feature),
            instead: None,
            number: Number::Plain(dialled.into()),
            emergency: false,
            consent: ConsentMode::Never,
            retention: None,
            language: self.settings.language.clone(),
        }
    }

    /// A call that takes part in another one: its caller's leg goes on there, and it is over.
    pub(super) fn arrived(&mut self, now: Now, id: CallId) {
        let Some((feature, user)) = self.calls.get(&id).and_then(|call| call.wants()) else {
            return;
        };
        let found = match feature {
            Feature::PickUp { call, .. } => Some(call),
            Feature::Fetch(slot) => self.parking.at(slot),
            Feature::Park(_) | Feature::Wish(_) | Feature::Echo => None,
        };
        let settings = &self.settings;
        let found = found.filter(|call| {
            let call = self.calls.get(call);
            call.is_some_and(|call| call.takes_in(settings, &feature, &user))
        });
        let Some(into) = found else {
            self.with(now, id, |call, desk| call.too_late(desk));
            return;
        };
        let Some(mut call) = self.calls.remove(&id) else { return };
        call.scheduled.map(|at| self.alarms.remove(&(at, id)));
        call.goes_on_in(into, now, &mut self.outbox);
        self.with(now, into, |other, desk| other.take_in(desk, *call, feature));
        self.keys.forget(id);
    }
}

//! Pickup: somebody takes the call that rings at another's phone, or goes on with a dialog of their own at another one (RFC 3891,
//! RFC 5359 §2.16). The picker's own call is over with that; its leg goes on in the one that is picked up.

use super::desk::{Desk, News};
use super::leg::{Leg, LegId, Party};
use super::merging::Given;
use super::{Call, Offer, Stage};
use crate::switch::Now;
use crate::switch::journal::{CallId, Entry};
use crate::switch::log::Fact;
use crate::switch::outbox::Outbox;
use crate::switch::routing::{Feature, Target};
use crate::switch::settings::{Agent, Settings};
use crate::wire::sip::message::Status;

impl Call {
    /// Whether it rings where `user` may pick up: at `whom`, or at anybody of their group. What a queue offers is for its agents.
    pub(in crate::switch) fn may_be_picked_up(
        &self,
        settings: &Settings,
        user: &str,
        whom: Option<&str>,
    ) -> bool {
        let rings = |leg: &Leg| match &leg.party {
            Party::User(called) => {
                leg.is_called()
                    && whom.is_none_or(|whom| whom == called)
                    && self.may_pick_up(settings, user, called)
            }
            Party::Trunk(_) => false,
        };
        matches!(self.stage, Stage::Ringing { .. }) && self.b.iter().any(rings)
    }

    fn may_pick_up(&self, settings: &Settings, user: &str, called: &str) -> bool {
        match &self.stage {
            Stage::Ringing { offer: Some(_), .. } => self.colleague(settings, user).is_some(),
            _ => user == called || settings.share_pickup(user, called),
        }
    }

    /// The agent of the queue in which the caller waits who is this user.
    fn colleague<'s>(&self, settings: &'s Settings, user: &str) -> Option<&'s Agent> {
        let Target::Queue(queue) = &self.plan.target else { return None };
        let agents = &settings.queues.get(queue)?.agents;
        agents.iter().filter_map(|name| settings.agents.get(name)).find(|agent| agent.user == user)
    }

    /// Whether `user` may take the place of this leg, by an INVITE with Replaces (RFC 3891 §3).
    pub(in crate::switch) fn may_be_replaced(
        &self,
        settings: &Settings,
        user: &str,
        leg: LegId,
        early_only: bool,
    ) -> Result<(), (Status, &'static str)> {
        let Some(replaced) = self.legs().find(|known| known.id == leg) else {
            return Err((Status::of(481), "Replaces names no dialog"));
        };
        if replaced.is_leaving() {
            return Err((Status::of(603), "what Replaces names has ended"));
        }
        let own = replaced.party == Party::User(user.to_owned());
        if replaced.is_called() {
            return match &replaced.party {
                Party::User(called) if self.may_pick_up(settings, user, called) => Ok(()),
                _ => Err((Status::of(403), "no right to pick up")),
            };
        }
        if !replaced.is_confirmed() {
            // Who calls us is not to be replaced before we answer.
            return Err((Status::of(481), "Replaces names somebody who calls"));
        }
        match self.stage {
            _ if !own => Err((Status::of(403), "no right to take that place")),
            _ if early_only => Err((Status::of(486), "what Replaces names was answered")),
            Stage::Talking { b } if leg == self.a.id || leg == b => Ok(()),
            _ => Err((Status::of(491), "what Replaces names talks to nobody")),
        }
    }

    /// What this call wants of another, and for whom.
    pub(in crate::switch) fn wants(&self) -> Option<(Feature, String)> {
        match (&self.plan.target, &self.a.party) {
            (Target::Feature(feature), Party::User(user)) if self.a.is_unanswered() => {
                Some((feature.clone(), user.clone()))
            }
            _ => None,
        }
    }

    /// Whether that is still to be had here.
    pub(in crate::switch) fn takes_in(
        &self,
        settings: &Settings,
        feature: &Feature,
        user: &str,
    ) -> bool {
        match feature {
            Feature::PickUp { replaces: None, .. } => self.may_be_picked_up(settings, user, None),
            Feature::PickUp { replaces: Some(leg), .. } => {
                self.may_be_replaced(settings, user, *leg, false).is_ok()
            }
            Feature::Fetch(_) => matches!(self.stage, Stage::Parked { .. }),
            Feature::Park(_) | Feature::Wish(_) | Feature::Echo => false,
        }
    }

    /// What was wanted is gone.
    pub(in crate::switch) fn too_late(&mut self, desk: &mut Desk<'_>) {
        let status = match self.plan.target {
            // RFC 3891 §3: the dialog was there, and has ended.
            Target::Feature(Feature::PickUp { replaces: Some(_), .. }) => Status::of(603),
            _ => Status::of(480),
        };
        self.refuse(desk, status, "nothing to pick up");
    }

    /// Its caller goes on in another call: the last row.
    pub(in crate::switch) fn goes_on_in(&mut self, call: CallId, now: Now, outbox: &mut Outbox) {
        let cause = "picked up another call";
        self.cdr.merged_into = Some(call);
        self.cdr.ended = Some(now.utc);
        self.cdr.end_cause = Some(cause.to_owned());
        outbox.store(Entry::Call(Box::new(self.cdr.clone())));
        outbox.log(Fact::CallEnded { call: self.id, cause: cause.to_owned() });
    }

    /// Takes in the caller of `picker`, in the place of whoever rings, is replaced, or is awaited.
    pub(in crate::switch) fn take_in(
        &mut self,
        desk: &mut Desk<'_>,
        picker: Call,
        feature: Feature,
    ) {
        let Call { a: mut leg, caller, .. } = picker;
        leg.answer(desk);
        let user = match &leg.party {
            Party::User(user) => user.clone(),
            Party::Trunk(_) => String::new(),
        };
        let given = Given::one(leg, caller);
        match (&mut self.stage, feature) {
            (Stage::Talking { .. }, Feature::PickUp { replaces: Some(replaced), .. }) => {
                let Some(mut old) = self.step_out(desk, replaced) else { return };
                old.hang_up(desk, None);
                self.b.push(old);
                self.take_place(desk, given, Some(replaced));
            }
            (Stage::Parked { slot, .. }, _) => {
                desk.unpark(*slot, self.id);
                self.stage = Stage::Ringing { until: desk.now.instant, offer: None };
                self.take_place(desk, given, None);
            }
            (Stage::Ringing { offer, .. }, _) => {
                if let Some(Offer { agent, until }) = offer.take() {
                    let picked = self.colleague(desk.settings, &user).map(|agent| &agent.name);
                    let picked = picked.unwrap_or(&agent).clone();
                    if picked != agent {
                        desk.news.push(News::Spared { agent, call: self.id });
                    }
                    let ring_until = desk.now.instant;
                    self.stage = Stage::Ringing {
                        until: ring_until,
                        offer: Some(Offer { agent: picked, until }),
                    };
                }
                self.take_place(desk, given, None);
            }
            _ => {}
        }
    }

    /// A leg that has just come in talks: instead of everybody who rings, or of `replaced`, who has left the conversation.
    fn take_place(&mut self, desk: &mut Desk<'_>, given: Given, replaced: Option<LegId>) {
        let Some(leg) = self.join(desk, given) else { return };
        match replaced {
            None => self.bridged(desk, leg),
            Some(replaced) => {
                // The same user at another phone goes on serving.
                if let Some(serving) =
                    self.serving.as_mut().filter(|serving| serving.leg == replaced)
                {
                    serving.leg = leg;
                }
                self.converse(desk, leg);
            }
        }
    }
}

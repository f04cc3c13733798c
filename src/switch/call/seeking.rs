//! From the caller to somebody who answers: whom the plan names is rung, and the two talk or the caller is told.

use std::time::Duration;

use super::desk::{Desk, News};
use super::ending::cause;
use super::leg::{LegId, Party};
use super::transfer::Serving;
use super::{Call, OVERLOADED, Offer, Stage};
use crate::media::{Command, Repeat};
use crate::switch::journal::Entry;
use crate::switch::routing::{Feature, Target};
use crate::switch::settings::{MUSIC, RINGBACK};
use crate::wire::sdp::negotiation::Direction;
use crate::wire::sip::message::Status;

/// To the phones that rang in vain (RFC 3326).
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

impl Call {
    /// Looks for whom the plan names.
    pub(super) fn seek(&mut self, desk: &mut Desk<'_>) {
        self.refusal = None;
        self.ways.clear();
        match self.plan.target.clone() {
            Target::User(user) => {
                self.ringback(desk);
                self.call_user(desk, &user);
            }
            Target::Group(group) => {
                self.ringback(desk);
                self.ring_group(desk, &group);
            }
            Target::Trunk { ways, number: _ } => {
                self.ringback(desk);
                self.ways = ways.into();
                self.ring_next_trunk(desk, OVERLOADED);
            }
            Target::Queue(queue) => {
                self.play(desk, &self.a, MUSIC, Repeat::Forever);
                let wait =
                    desk.settings.queues.get(&queue).map_or(Duration::ZERO, |queue| queue.wait);
                self.stage = Stage::Waiting { until: desk.now.instant + wait };
                desk.news.push(News::Queued { queue, call: self.id });
                // The queue has taken the call in: whoever sent it there is done.
                self.transferred(desk);
            }
            // Nobody is transferred to a setting or to themselves.
            Target::Feature(Feature::Wish(_) | Feature::Echo) if self.transfer.is_some() => {
                self.not_reached(desk, Status::of(403));
            }
            Target::Feature(Feature::Wish(_)) => desk.news.push(News::Granted(self.id)),
            Target::Feature(Feature::Echo) => self.echo(desk),
            Target::Feature(Feature::Park(slot)) => self.park(desk, slot),
            Target::Feature(Feature::PickUp { .. } | Feature::Fetch(_)) => {
                desk.news.push(News::Arrived(self.id));
            }
        }
    }

    /// Somebody answered already hears that it rings.
    pub(super) fn ringback(&mut self, desk: &mut Desk<'_>) {
        if !self.a.is_unanswered() {
            self.play(desk, &self.a, RINGBACK, Repeat::Forever);
        }
    }

    /// An agent is free: their phone rings for this caller.
    pub(in crate::switch) fn offer(&mut self, desk: &mut Desk<'_>, agent: &str) {
        let Stage::Waiting { until } = self.stage else { return };
        let (Some(agent), Target::Queue(queue)) =
            (desk.settings.agents.get(agent), &self.plan.target)
        else {
            return;
        };
        let ring = desk.settings.queues.get(queue).map_or(Duration::ZERO, |queue| queue.ring);
        self.refusal = None;
        self.ring_user(desk, &agent.user, Some(Offer { agent: agent.name.clone(), until }), ring);
    }

    /// Nobody answered.
    pub(super) fn unanswered(&mut self, desk: &mut Desk<'_>, status: Status) {
        let Stage::Ringing { offer, .. } = &mut self.stage else { return };
        match (offer.take(), self.plan.target.clone()) {
            (Some(offer), Target::Queue(queue)) => {
                self.stage = Stage::Waiting { until: offer.until };
                desk.news.push(News::Missed { queue, agent: offer.agent, call: self.id });
            }
            (None, Target::User(user)) => self.user_unanswered(desk, &user, status),
            (None, Target::Group(group)) => self.ring_next_turn(desk, &group, Some(status)),
            _ => self.not_reached(desk, status),
        }
    }

    /// Whoever was called does not talk: the caller is refused, or whoever transferred the call has it back.
    pub(super) fn not_reached(&mut self, desk: &mut Desk<'_>, status: Status) {
        match self.transfer.take() {
            Some(transfer) => self.give_back(desk, transfer, status),
            None => self.refuse(desk, status, cause(status)),
        }
    }

    /// `b` answered: the caller is answered too if they were not, the two are bridged, the permit decides on the recording.
    pub(super) fn bridged(&mut self, desk: &mut Desk<'_>, b: LegId) {
        let Stage::Ringing { offer, .. } = &mut self.stage else { return };
        let agent = offer.take().map(|offer| offer.agent);
        for other in self.b.iter_mut().filter(|leg| leg.id != b) {
            other.hang_up(desk, Some(ELSEWHERE));
        }
        if self.a.is_unanswered() {
            self.a.answer(desk);
            self.cdr.answered = Some(desk.now.utc);
        }
        let leg = self.b.iter().find(|leg| leg.id == b).expect("the leg that answered is ours");
        if let (Some(agent), Target::Queue(queue)) = (agent, &self.plan.target) {
            desk.news.push(News::Unqueued { queue: queue.clone(), call: self.id });
            desk.news.push(News::Talking { agent: agent.clone(), call: self.id });
            let wrap_up =
                desk.settings.queues.get(queue).map_or(Duration::ZERO, |queue| queue.wrap_up);
            self.serving = Some(Serving { leg: b, agent, call: self.id, wrap_up });
        }
        if self.cdr.agent.is_none() {
            let on_file = self.agent_at(desk.settings, leg).map(|agent| agent.name.clone());
            self.cdr.agent = on_file.or(match &leg.party {
                Party::User(user) => Some(user.clone()),
                Party::Trunk(_) => None,
            });
        }
        self.transferred(desk);
        self.converse(desk, b);
    }

    /// The two talk: their ports are bridged, and who they are decides on the recording.
    pub(super) fn converse(&mut self, desk: &mut Desk<'_>, b: LegId) {
        let leg = self.b.iter_mut().find(|leg| leg.id == b).expect("the leg that talks is ours");
        desk.outbox.media(Command::Bridge { a: self.a.port, b: leg.port });
        if !self.a.holds() && !leg.holds() {
            // Either may have been held by somebody who is gone.
            self.a.tell(desk, Direction::SendRecv);
            leg.tell(desk, Direction::SendRecv);
        }
        self.stage = Stage::Talking { b };
        self.course.arrived();
        self.hold = None;
        self.cdr.bridged.get_or_insert(desk.now.utc);
        self.settle_recording(desk);
        desk.outbox.store(Entry::Call(Box::new(self.cdr.clone())));
        self.settle_hold(desk);
    }
}

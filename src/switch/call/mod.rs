//! The call: an A-leg, its B-legs and what becomes of them. A back-to-back user agent (RFC 7092): each leg has its own Call-ID,
//! tags, Contact and media.

mod asking;
mod caller;
mod course;
pub(super) mod desk;
mod diverting;
mod ending;
mod fork;
mod gateways;
mod group;
mod hold;
mod inside;
mod leg;
mod lines;
mod merging;
mod parked;
mod pickup;
mod recorded;
mod ringing;
mod transfer;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

pub(super) use caller::Caller;
use course::Course;
use desk::{Desk, News};
pub(super) use diverting::Elsewhere;
use ending::cause;
use fork::{is_no_way, outward};
use gateways::Outward;
use leg::{Leg, Outcome};
pub(super) use leg::{LegId, Party};
pub(super) use transfer::Referral;
use transfer::{Aside, Returned, Serving, Transfer};

use super::consent::Question;
use super::control::CallRow;
use super::headers::Said;
use super::journal::{CallDirection, CallId, Cdr, Entry};
use super::log::Fact;
use super::recording::Recording;
use super::routing::{Feature, Plan, Target, Way};
use super::settings::{DONE, MUSIC, Prompt, RINGBACK};
use crate::media::{Command, PlayId, Repeat};
use crate::redacted::Redacted;
use crate::wire::flow::{Flow, Transport};
use crate::wire::sdp::negotiation::Direction;
use crate::wire::sip::endpoint::{ClientId, ServerId};
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::reliable;
use crate::wire::sip::uri::Uri;

/// A carrier may take so long to answer (Timer C, RFC 3261 §16.6).
const TIMER_C: Duration = Duration::from_secs(180);
/// What may carry the call's other legs: with `sips:` the caller asked for TLS all the way (RFC 5630 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hops {
    Any,
    Secure,
}

impl Hops {
    fn allow(self, transport: Transport) -> bool {
        match self {
            Hops::Any => true,
            Hops::Secure => transport.is_secure(),
        }
    }
}

/// We have no room for the call; the one refusal that says when to come again.
const OVERLOADED: Status = Status::of(503);
/// To the phones that rang in vain (RFC 3326).
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// See the module.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: CallId,
    plan: Plan,
    /// For whom phones are rung, as they see them: the caller; later whoever was transferred last.
    caller: Caller,
    cdr: Cdr,
    /// Whoever waits while another is looked for: the caller's, until a transfer leaves somebody else waiting.
    a: Leg,
    b: Vec<Leg>,
    /// Whoever has transferred the call away, until they are gone.
    aside: Vec<Aside>,
    stage: Stage,
    /// A transfer under way.
    transfer: Option<Transfer>,
    /// Who has the call back of a transfer that failed.
    returned: Option<Returned>,
    /// The agent at work, if a queue brought them here.
    serving: Option<Serving>,
    /// How legs are shown that are neither the caller's nor a user's.
    faces: Vec<(LegId, Caller)>,
    recording: Option<Recording>,
    /// Who holds: (caller, other side), while anybody does.
    hold: Option<(bool, bool)>,
    /// What of the caller's own INVITE may be carried on.
    said: Said,
    /// What is left of the flows to phones that have several, by the leg that tries one.
    other_flows: BTreeMap<LegId, Vec<fork::Aim>>,
    /// The way out through a trunk, if it goes there.
    outward: Option<Outward>,
    /// The most telling refusal of the B-legs so far.
    refusal: Option<Status>,
    course: Course,
    /// Ways out that were not tried yet.
    ways: VecDeque<Way>,
    max_forwards: u8,
    hops: Hops,
    legs: u32,
    /// Where the switch has noted this call's deadline.
    pub(super) scheduled: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    /// Waiting for the A-leg's port.
    Opening,
    /// Answered, waiting for the ACK.
    Answering,
    /// The caller hears the consent prompt, or thinks about it.
    Asking(Question),
    /// In the line, with music.
    Waiting { until: Instant },
    /// The caller hears that it is so as they wished.
    Confirming { play: PlayId, until: Instant },
    /// Phones ring, at most until then; for an `offer` if the call came from a queue.
    Ringing { until: Instant, offer: Option<Offer> },
    /// Bridged with this leg.
    Talking { b: LegId },
    /// In a slot, with music.
    Parked { slot: u32, by: Option<String>, until: Instant },
    /// Every leg has been told; waiting for the last words.
    Ending,
}

/// One caller rung at one agent.
#[derive(Debug)]
struct Offer {
    agent: String,
    /// The caller waits until then.
    until: Instant,
}

impl Call {
    /// A call that has a plan and may begin. The INVITE is answered from here on.
    pub(super) fn begin(
        desk: &mut Desk<'_>,
        id: CallId,
        plan: Plan,
        caller: Caller,
        server: ServerId,
        request: Message,
        flow: Flow,
    ) -> Call {
        let hops = if request.uri().is_some_and(Uri::is_sips) { Hops::Secure } else { Hops::Any };
        let course = Course::of(&request);
        let max_forwards = request.max_forwards().unwrap_or(70).saturating_sub(1);
        desk.endpoint.respond(
            desk.now.instant,
            server,
            Outgoing::response(Status::of(100), &request, None),
        );
        let trunk = match (&caller.party, &plan.target) {
            (Party::Trunk(trunk), _) => Some(trunk.clone()),
            (Party::User(_), Target::Trunk { ways, .. }) => {
                ways.first().map(|way| way.trunk.clone())
            }
            (
                Party::User(_),
                Target::User(_) | Target::Queue(_) | Target::Group(_) | Target::Feature(_),
            ) => None,
        };
        let cdr = Cdr {
            call: id,
            direction: match (&caller.party, &plan.target) {
                (Party::Trunk(_), _) => CallDirection::Inbound,
                (Party::User(_), Target::Trunk { .. }) => CallDirection::Outbound,
                (
                    Party::User(_),
                    Target::User(_) | Target::Queue(_) | Target::Group(_) | Target::Feature(_),
                ) => CallDirection::Internal,
            },
            from: Redacted::new(caller.known().as_str().to_owned()),
            to: Redacted::new(plan.number.as_str().to_owned()),
            trunk,
            route: Some(plan.route.clone()),
            queue: match &plan.target {
                Target::Queue(queue) => Some(queue.clone()),
                Target::User(_) | Target::Group(_) | Target::Trunk { .. } | Target::Feature(_) => {
                    None
                }
            },
            agent: None,
            started: desk.now.utc,
            answered: None,
            bridged: None,
            ended: None,
            end_cause: None,
            status: None,
            consent: None,
            recording: None,
            unrecorded: None,
            transferred_to: None,
            merged_into: None,
        };
        desk.outbox.store(Entry::Call(Box::new(cdr.clone())));
        desk.outbox.log(Fact::CallStarted { call: id, route: plan.route.clone() });
        if plan.emergency {
            desk.outbox.log(Fact::EmergencyCall { call: id, route: plan.route.clone() });
        }
        let said = Said::by(desk.settings, &caller, &request);
        let a = Leg::invited(desk, id, caller.party.clone(), server, request, flow);
        Call {
            id,
            plan,
            caller,
            cdr,
            a,
            b: Vec::new(),
            aside: Vec::new(),
            stage: Stage::Opening,
            transfer: None,
            returned: None,
            serving: None,
            faces: Vec::new(),
            recording: None,
            hold: None,
            said,
            other_flows: BTreeMap::new(),
            outward: None,
            refusal: None,
            course,
            ways: VecDeque::new(),
            max_forwards,
            hops,
            legs: 0,
            scheduled: None,
        }
    }

    fn leg(&mut self, leg: LegId) -> Option<&mut Leg> {
        let aside = self.aside.iter_mut().map(|aside| &mut aside.leg);
        std::iter::once(&mut self.a)
            .chain(&mut self.b)
            .chain(aside)
            .find(|candidate| candidate.id == leg)
    }

    /// Nothing is left to wait for; the call's record is stored.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ending)
            && self.a.is_over()
            && self.b.is_empty()
            && self.aside.is_empty()
            && self.recording.as_ref().is_none_or(Recording::is_over)
    }

    /// Legs that have nothing more to say are dropped; the switch asks for it after all that a call does.
    pub(super) fn tidy(&mut self) {
        self.b.retain(|leg| !leg.is_over());
        self.aside.retain(|aside| !aside.is_over());
    }

    // ---- the caller's way in ----

    /// A port is bound.
    pub(super) fn opened(&mut self, desk: &mut Desk<'_>, leg: LegId, rtp: std::net::SocketAddr) {
        if leg != self.a.id {
            return self.invite(desk, leg, rtp);
        }
        match self.a.opened(desk, rtp) {
            Err(status) => self.refuse(desk, status, "no media in common"),
            Ok(()) if !matches!(self.stage, Stage::Opening) => {}
            Ok(())
                if self.prompt(desk).is_some()
                    || matches!(
                        self.plan.target,
                        Target::Queue(_) | Target::Feature(Feature::Wish(_))
                    ) =>
            {
                self.a.answer(desk);
                self.cdr.answered = Some(desk.now.utc);
                self.stage = Stage::Answering;
            }
            Ok(()) => self.seek(desk),
        }
    }

    /// No port could be bound.
    pub(super) fn open_failed(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        let is_callers = leg == self.a.id;
        let Some(broken) = self.leg(leg) else { return };
        broken.port_closed(desk);
        if is_callers {
            self.refuse(desk, OVERLOADED, "no media port");
        } else {
            broken.hang_up(desk, None);
            self.declined(desk, OVERLOADED);
        }
    }

    /// A port's sockets are free again.
    pub(super) fn port_closed(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        if let Some(leg) = self.leg(leg) {
            leg.port_closed(desk);
        }
    }

    /// The caller's ACK: the prompt may be heard.
    pub(super) fn acknowledged(
        &mut self,
        desk: &mut Desk<'_>,
        leg: LegId,
        server: ServerId,
        ack: &Message,
    ) {
        let Some(acked) = self.leg(leg) else { return };
        if let Err(status) = acked.acknowledged(desk, server, ack) {
            acked.hang_up(desk, None);
            if self.is_aside(leg) {
                return self.aside_gone(desk, leg);
            }
            return self.finish(desk, "no media in common", Some(status));
        }
        if leg == self.a.id && matches!(self.stage, Stage::Answering) {
            match self.prompt(desk) {
                Some((name, prompt)) => self.ask(desk, name, &prompt),
                None => self.seek(desk),
            }
        }
        self.settle_hold(desk);
    }

    fn play(&self, desk: &mut Desk<'_>, leg: &Leg, name: &str, repeat: Repeat) -> PlayId {
        let play = desk.keys.play();
        let prompts = desk
            .settings
            .prompts
            .get(&self.plan.language)
            .or_else(|| desk.settings.prompts.get(&desk.settings.language));
        if let Some(Prompt { sound: Ok(prompt), .. }) =
            prompts.and_then(|prompts| prompts.get(name))
        {
            desk.outbox.media(Command::Play { port: leg.port, prompt: *prompt, play, repeat });
        }
        play
    }

    // ---- towards somebody who answers ----

    /// Looks for whom the plan names.
    fn seek(&mut self, desk: &mut Desk<'_>) {
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
            Target::Feature(Feature::Wish(_)) => self.confirm(desk),
            Target::Feature(Feature::Park(slot)) => self.park(desk, slot),
            Target::Feature(Feature::PickUp { .. } | Feature::Fetch(_)) => {
                desk.news.push(News::Arrived(self.id));
            }
        }
    }

    /// Somebody answered already hears that it rings.
    fn ringback(&mut self, desk: &mut Desk<'_>) {
        if !self.a.is_unanswered() {
            self.play(desk, &self.a, RINGBACK, Repeat::Forever);
        }
    }

    /// An agent is free: their phone rings for this caller.
    pub(super) fn offer(&mut self, desk: &mut Desk<'_>, agent: &str) {
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
    fn unanswered(&mut self, desk: &mut Desk<'_>, status: Status) {
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
    fn not_reached(&mut self, desk: &mut Desk<'_>, status: Status) {
        match self.transfer.take() {
            Some(transfer) => self.give_back(desk, transfer, status),
            None => self.refuse(desk, status, cause(status)),
        }
    }

    /// `b` answered: the caller is answered too if they were not, the two are bridged, the permit decides on the recording.
    fn bridged(&mut self, desk: &mut Desk<'_>, b: LegId) {
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
    fn converse(&mut self, desk: &mut Desk<'_>, b: LegId) {
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

    // ---- what the far sides say ----

    /// A response to a request of a leg.
    pub(super) fn response(
        &mut self,
        desk: &mut Desk<'_>,
        leg: LegId,
        client: ClientId,
        response: &Message,
        flow: Flow,
    ) {
        if let Some(status) = response.status() {
            self.subscriber_says(client, status);
        }
        let Some(answering) = self.leg(leg) else { return };
        let outcome = answering.response(desk, client, response, flow);
        if let Some(status) = response.status() {
            self.heard(desk, leg, status);
        }
        // Flow Failed (RFC 5626 §11.1): the proxy has lost the phone's connection.
        let is_lost = response.status() == Some(Status::of(430));
        let goes_elsewhere = match outcome {
            Outcome::Refused(status) if status.code() / 100 == 3 => {
                self.redirected(desk, leg, response)
            }
            _ => is_lost && self.rings_otherwise(desk, leg),
        };
        if !goes_elsewhere {
            self.outcome(desk, leg, outcome);
        }
    }

    /// A request of a leg that got no final response.
    pub(super) fn failed(
        &mut self,
        desk: &mut Desk<'_>,
        leg: LegId,
        client: ClientId,
        status: Status,
    ) {
        self.subscriber_says(client, status);
        let Some(failing) = self.leg(leg) else { return };
        let outcome = failing.failed(desk, client, status);
        let is_refused = matches!(outcome, Outcome::Refused(_));
        if !(is_refused && self.rings_otherwise(desk, leg)) {
            self.outcome(desk, leg, outcome);
        }
    }

    fn outcome(&mut self, desk: &mut Desk<'_>, leg: LegId, outcome: Outcome) {
        match outcome {
            Outcome::Nothing => self.settle_hold(desk),
            Outcome::Ringing { early } => self.rings(desk, leg, early),
            Outcome::Answered => self.bridged(desk, leg),
            Outcome::Refused(status) if !self.ways.is_empty() && is_no_way(status) => {
                self.ring_next_trunk(desk, outward(status));
            }
            Outcome::Refused(status) => {
                let status = self.refused_by(desk, leg, outward(status));
                self.declined(desk, status);
            }
            Outcome::Unserved { status, after } => self.unserved(desk, leg, status, after),
            Outcome::Lost if self.is_aside(leg) => self.aside_gone(desk, leg),
            Outcome::Lost => self.lost(desk, leg),
            Outcome::Unacknowledged => {
                let status = reliable::UNACKNOWLEDGED;
                self.refuse(desk, status, "no PRACK from the caller")
            }
            // RFC 3261 §13.3.1.
            Outcome::Expired => self.refuse(desk, Status::of(487), "no answer"),
        }
    }

    // ---- time ----

    pub(super) fn deadline(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Asking(question) => question.deadline(),
            Stage::Waiting { until }
            | Stage::Ringing { until, .. }
            | Stage::Confirming { until, .. }
            | Stage::Parked { until, .. } => Some(*until),
            Stage::Opening | Stage::Answering | Stage::Talking { .. } | Stage::Ending => None,
        };
        let stage = stage.into_iter().chain(self.outward.as_ref().and_then(Outward::deadline));
        let recording = self.recording.as_ref().and_then(Recording::deadline);
        let aside = self.aside.iter().filter_map(Aside::deadline);
        let legs = self.b.iter().chain([&self.a]).filter_map(Leg::deadline);
        legs.chain(aside).chain(stage).chain(recording).min()
    }

    pub(super) fn timeout(&mut self, desk: &mut Desk<'_>) {
        let now = desk.now.instant;
        match &self.stage {
            Stage::Asking(question) => {
                if let Some(answer) = question.expired(now) {
                    self.answered(desk, answer);
                }
            }
            Stage::Waiting { until } if *until <= now => self.finish(desk, "waited too long", None),
            Stage::Ringing { until, .. } if *until <= now => {
                for leg in &mut self.b {
                    leg.hang_up(desk, None);
                }
                self.unanswered(desk, Status::of(480));
            }
            Stage::Confirming { until, .. } if *until <= now => self.finish(desk, DONE, None),
            Stage::Parked { until, .. } if *until <= now => self.back_from_park(desk),
            _ => {}
        }
        self.give_up_locating(desk);
        self.turn_reels(desk);
        self.dismiss_transferors(desk);
        let aside = self.aside.iter().map(|aside| aside.leg.id);
        let legs: Vec<LegId> =
            self.b.iter().chain([&self.a]).map(|leg| leg.id).chain(aside).collect();
        for id in legs {
            if let Some(leg) = self.leg(id) {
                let outcome = leg.timeout(desk);
                if outcome != Outcome::Nothing {
                    self.outcome(desk, id, outcome);
                }
            }
        }
    }

    /// For the admin.
    pub(super) fn row(&self) -> CallRow {
        let state = match &self.stage {
            Stage::Opening | Stage::Answering => "starting",
            Stage::Asking(_) => "asking",
            Stage::Waiting { .. } => "waiting",
            Stage::Parked { slot, .. } => {
                return CallRow::of(&self.cdr, format!("parked at {slot}"));
            }
            Stage::Confirming { .. } => "confirming",
            Stage::Ringing { .. } => "ringing",
            Stage::Talking { .. } if self.is_held() => "on hold",
            Stage::Talking { .. } => "talking",
            Stage::Ending => "ending",
        };
        CallRow::of(&self.cdr, state)
    }
}

#[cfg(test)]
mod tests;

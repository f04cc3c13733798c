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
mod outcomes;
mod parked;
mod pickup;
mod recorded;
mod ringing;
mod seeking;
mod timers;
mod told;
mod transfer;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

pub(super) use caller::Caller;
use course::Course;
use desk::Desk;
pub(super) use diverting::Elsewhere;
use ending::cause;
use gateways::Outward;
use leg::Leg;
pub(super) use leg::{LegId, Party};
pub(super) use transfer::Referral;
use transfer::{Aside, Returned, Serving, Transfer};

use super::Now;
use super::consent::Question;
use super::control::CallRow;
use super::headers::Said;
use super::journal::{CallDirection, CallId, Cdr, Entry};
use super::log::Fact;
use super::recording::Recording;
use super::routing::{Feature, Plan, Target, Way};
use super::settings::Prompt;
use crate::media::{Command, PlayId, Repeat, Statistics};
use crate::redacted::Redacted;
use crate::wire::flow::{Flow, Transport};
use crate::wire::sip::endpoint::ServerId;
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::outgoing::Outgoing;
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
    /// The caller hears what has come of their wish, and then these words.
    Told { words: VecDeque<&'static str>, play: PlayId, until: Instant },
    /// The caller hears their own voice.
    Echoing { until: Instant },
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
                        Target::Queue(_) | Target::Feature(Feature::Wish(_) | Feature::Echo)
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

    /// What has gone through a leg's port so far.
    pub(super) fn measured(&mut self, desk: &Desk<'_>, leg: LegId, statistics: Statistics) {
        if let Some(leg) = self.leg(leg) {
            leg.measured(desk, statistics);
        }
    }

    /// A port's sockets are free again.
    pub(super) fn port_closed(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        let was_answered = self.cdr.answered.is_some();
        let Some(leg) = self.leg(leg) else { return };
        leg.port_closed(desk);
        if let Some(media) = leg.media().filter(|media| was_answered || media.statistics.sent > 0) {
            desk.outbox.store(Entry::Leg(Box::new(media)));
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

    /// For the admin, with what goes through its legs.
    pub(super) fn whole_row(&self, now: Now) -> CallRow {
        let aside = self.aside.iter().map(|aside| &aside.leg);
        let media = self.legs().chain(aside).filter_map(Leg::media);
        let legs = media.map(|media| media.row(now.utc.since(media.at))).collect();
        CallRow { legs, ..self.row() }
    }

    /// For the admin.
    pub(super) fn row(&self) -> CallRow {
        let state = match &self.stage {
            Stage::Opening | Stage::Answering => "starting",
            Stage::Asking(_) => "asking",
            Stage::Waiting { .. } => "waiting",
            Stage::Parked { slot, .. } => &format!("parked at {slot}"),
            Stage::Told { .. } => "told",
            Stage::Echoing { .. } => "echo",
            Stage::Ringing { .. } => "ringing",
            Stage::Talking { .. } if self.is_held() => "on hold",
            Stage::Talking { .. } => "talking",
            Stage::Ending => "ending",
        };
        let alarms = self.recording.iter().flat_map(Recording::alarms);
        let alarms = alarms.map(|alarm| alarm.as_str().to_owned()).collect();
        CallRow { alarms, ..CallRow::of(&self.cdr, state) }
    }
}

#[cfg(test)]
mod tests;

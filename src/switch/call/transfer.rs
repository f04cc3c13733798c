//! Blind transfer (RFC 3515, RFC 5589 §6): whoever refers is set aside and told what becomes of it, the other side waits with
//! ringback, the new target is looked for. Whatever fails is given back.

use std::time::{Duration, Instant};

use super::desk::{Desk, News};
use super::leg::{Leg, LegId, Party, Subscription};
use super::{Call, Caller, Hops, Stage, cause};
use crate::media::Command;
use crate::redacted::Redacted;
use crate::switch::journal::CallId;
use crate::switch::number::{self, Number};
use crate::switch::routing::{Plan, Target};
use crate::switch::settings::{Agent, Settings};
use crate::wire::sip::endpoint::{ClientId, ServerId};
use crate::wire::sip::headers::{Address, Name, Replaces};
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::uri::{Scheme, Uri};

/// A transferor whose transfer has succeeded hangs up by itself within this, or is hung up.
const GRACE: Duration = Duration::from_secs(3);
/// A BYE that comes so soon after the news that a transfer has failed was for a call given away: it may have crossed the news, and some
/// phones (baresip) hang up on it. Nobody has spoken again with whom they have back by then.
const CROSSING: Duration = Duration::from_secs(2);
/// More transferors than this are not on their way out of one call.
const MOST_ASIDE: usize = 8;

/// Whoever has transferred the call away.
#[derive(Debug)]
pub(super) struct Aside {
    pub(super) leg: Leg,
    /// What they are told; nothing if they did not want to know (RFC 4488).
    told: Option<Subscription>,
    /// They are hung up then.
    until: Option<Instant>,
}

impl Aside {
    pub(super) fn is_over(&self) -> bool {
        self.leg.is_over() && self.told.as_ref().is_none_or(Subscription::is_over)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let until = self.until.filter(|_| !self.leg.is_leaving());
        until.into_iter().chain(self.leg.deadline()).min()
    }
}

/// A transfer under way.
#[derive(Debug)]
pub(super) struct Transfer {
    /// Whose leg is set aside.
    pub(super) leg: LegId,
    pub(super) by: Party,
    pub(super) number: String,
    /// Where the call was going before.
    pub(super) before: Plan,
    /// What might carry its other legs then.
    pub(super) hops: Hops,
    /// How much of the call was on anybody's account then.
    pub(super) admitted: usize,
}

/// The user who has just had the call back at this leg.
#[derive(Debug)]
pub(super) struct Returned {
    leg: LegId,
    user: String,
    at: Instant,
}

/// An agent at work for a queue.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) leg: LegId,
    pub(super) agent: String,
    /// The call that the agent is at work for; an attended transfer may have brought them here from it.
    pub(super) call: CallId,
    pub(super) wrap_up: Duration,
}

impl Serving {
    pub(super) fn end(self, desk: &mut Desk<'_>) {
        let Serving { agent, call, wrap_up, leg: _ } = self;
        desk.news.push(News::Finished { agent, call, wrap_up });
    }
}

/// A REFER that may be carried out.
#[derive(Debug)]
pub(in crate::switch) struct Referral {
    /// Whose side it came from.
    pub(in crate::switch) leg: LegId,
    pub(in crate::switch) by: Party,
    /// The number of whoever refers.
    pub(in crate::switch) from: Number,
    /// Whom to.
    pub(in crate::switch) number: String,
    /// Attended: the dialog whose far side the call goes to.
    pub(in crate::switch) replaces: Option<Replaces>,
    /// Refer-To was a SIPS URI: TLS all the way (RFC 5630 §3.1).
    is_secure: bool,
    id: u32,
    /// How much of the call is on anybody's account without it.
    pub(super) admitted: usize,
    /// RFC 4488: no subscription is wanted.
    is_silent: bool,
}

impl Referral {
    /// 202, and the subscription that comes with it.
    pub(super) fn accept(
        &self,
        desk: &mut Desk<'_>,
        server: ServerId,
        request: &Message,
    ) -> Option<Subscription> {
        let accepted = Outgoing::response(Status::of(202), request, None);
        let accepted = match self.is_silent {
            true => accepted.other("Refer-Sub", "false"),
            false => accepted,
        };
        desk.endpoint.respond(desk.now.instant, server, accepted);
        (!self.is_silent).then(|| Subscription::new(desk.now.instant, self.id))
    }
}

impl Call {
    /// A REFER inside one of the dialogs: whether it may be carried out, or how it is refused. So much of the call is `admitted` on anybody's
    /// account.
    pub(in crate::switch) fn refers(
        &mut self,
        desk: &Desk<'_>,
        leg: LegId,
        request: &Message,
        admitted: usize,
    ) -> Result<Referral, Status> {
        let Some(asked) = self.leg(leg).filter(|leg| leg.owns(request)) else {
            return Err(Status::of(481));
        };
        asked.accept(request)?;
        if asked.is_leaving() {
            return Err(Status::of(481));
        }
        let (by, is_confirmed) = (asked.party.clone(), asked.is_confirmed());
        let is_allowed = match &by {
            Party::User(_) => true,
            Party::Trunk(trunk) => {
                desk.settings.trunks.get(trunk).is_some_and(|trunk| trunk.transfers)
            }
        };
        if !is_allowed {
            return Err(Status::of(403));
        }
        let (number, replaces, is_secure) = refer_to(desk.settings, request)?;
        // Only a conversation can be transferred, and only once at a time: whatever else is under way comes to an end.
        let Stage::Talking { b } = self.stage else { return Err(Status::of(491)) };
        if !is_confirmed || leg != self.a.id && leg != b || self.aside.len() >= MOST_ASIDE {
            return Err(Status::of(491));
        }
        let other = if leg == b { Some(&self.a) } else { self.b.iter().find(|leg| leg.id == b) };
        if replaces.is_none()
            && other.is_some_and(|other| other.party == Party::User(number.clone()))
        {
            // Nobody talks to themselves.
            return Err(Status::of(403));
        }
        let is_silent = request
            .lines_of("Refer-Sub")
            .next()
            .is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"false"));
        let from = match &by {
            Party::User(user) => Number::Extension(user.as_str().into()),
            Party::Trunk(_) => Number::Anonymous,
        };
        let id = request.cseq().number;
        Ok(Referral { leg, by, from, number, replaces, is_secure, id, admitted, is_silent })
    }

    /// Accepts it, and looks for whom `way` names; an error is told as the outcome.
    pub(in crate::switch) fn transfer(
        &mut self,
        desk: &mut Desk<'_>,
        server: ServerId,
        request: &Message,
        referral: Referral,
        way: Result<Plan, Status>,
    ) {
        let (leg, by, number) = (referral.leg, referral.by.clone(), referral.number.clone());
        if !self.set_aside(desk, server, request, &referral) {
            return;
        }
        let before = self.plan.clone();
        let way = way.map(|Plan { target, number, emergency, .. }| {
            // Whether it is recorded, for how long, and in which language, is the conversation's.
            self.plan = Plan { target, number, emergency, instead: None, ..before.clone() };
        });
        let (hops, admitted) = (self.hops, referral.admitted);
        self.transfer = Some(Transfer { leg, by, number, before, hops, admitted });
        if referral.is_secure {
            self.hops = Hops::Secure;
        }
        self.stage = Stage::Ringing { until: desk.now.instant, offer: None };
        self.settle_recording(desk);
        match way {
            Ok(()) => self.seek(desk),
            Err(status) => self.not_reached(desk, status),
        }
    }

    /// Takes whoever refers out of the conversation, and tells them that it is tried. The other side is who waits from now on.
    pub(super) fn set_aside(
        &mut self,
        desk: &mut Desk<'_>,
        server: ServerId,
        request: &Message,
        referral: &Referral,
    ) -> bool {
        let Some(leg) = self.step_out(desk, referral.leg) else { return false };
        let told = referral.accept(desk, server, request);
        self.aside.push(Aside { leg, told, until: None });
        self.tell_aside(desk, referral.leg, Status::of(100));
        true
    }

    /// Takes one of the two who talk out of the conversation; the other is `a` from now on.
    pub(super) fn step_out(&mut self, desk: &mut Desk<'_>, leaving: LegId) -> Option<Leg> {
        let Stage::Talking { b } = self.stage else { return None };
        let at = self.b.iter().position(|leg| leg.id == b)?;
        if leaving == self.a.id {
            let first = (self.a.id, self.face(desk.settings, &self.a));
            self.caller = self.face(desk.settings, &self.b[at]);
            self.remember_face(first);
            std::mem::swap(&mut self.a, &mut self.b[at]);
        } else {
            self.caller = self.face(desk.settings, &self.a);
        }
        let leg = self.b.remove(at);
        desk.outbox.media(Command::Unbridge { port: self.a.port });
        // Whoever was held by the one who leaves is not any more.
        self.hold = None;
        if let Some(recording) = &mut self.recording {
            recording.hold(false, desk.outbox);
        }
        Some(leg)
    }

    /// The new target has the call: whoever transferred it is told, and done.
    pub(super) fn transferred(&mut self, desk: &mut Desk<'_>) {
        let Some(transfer) = self.transfer.take() else { return };
        self.cdr.transferred_to = Some(Redacted::new(transfer.number));
        self.done_with(desk, transfer.leg);
    }

    /// The transfer of this leg, which is aside, has succeeded.
    pub(super) fn done_with(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        self.tell_aside(desk, leg, Status::of(200));
        self.served_by(desk, leg);
        let until = desk.now.instant + GRACE;
        for aside in self.aside.iter_mut().filter(|aside| aside.leg.id == leg) {
            aside.until = Some(until);
        }
    }

    /// The transfer came to nothing: whoever asked for it has the call back, or is called back if they have hung up.
    pub(super) fn give_back(&mut self, desk: &mut Desk<'_>, transfer: Transfer, status: Status) {
        let Transfer { leg, by, before, hops, admitted, number: _ } = transfer;
        desk.news.push(News::Withdrawn { call: self.id, kept: admitted });
        self.ways.clear();
        (self.plan, self.hops) = (before, hops);
        self.tell_aside(desk, leg, status);
        let place = self.aside.iter().position(|aside| aside.leg.id == leg);
        match (place, by) {
            (Some(at), by) if self.aside[at].leg.is_confirmed() => {
                let Aside { leg, .. } = self.aside.remove(at);
                let back = leg.id;
                if let Party::User(user) = by {
                    self.returned = Some(Returned { leg: back, user, at: desk.now.instant });
                }
                self.b.push(leg);
                self.converse(desk, back);
            }
            (_, Party::User(user)) => self.call_back(desk, user),
            (_, Party::Trunk(_)) => self.refuse(desk, status, cause(status)),
        }
    }

    /// A side that talks has hung up: whether it did not mean the call that it has back. Then it is called back.
    pub(super) fn hung_up_too_soon(&mut self, desk: &mut Desk<'_>, leg: LegId) -> bool {
        let is_meant = |returned: &mut Returned| {
            returned.leg == leg && desk.now.instant < returned.at + CROSSING
        };
        let Some(returned) = self.returned.take_if(is_meant) else { return false };
        let Some(left) = self.step_out(desk, leg) else { return false };
        self.b.push(left);
        self.served_by(desk, leg);
        self.stage = Stage::Ringing { until: desk.now.instant, offer: None };
        self.settle_recording(desk);
        self.call_back(desk, returned.user);
        true
    }

    /// Rings whoever has sent the call away.
    pub(super) fn call_back(&mut self, desk: &mut Desk<'_>, user: String) {
        self.plan.target = Target::User(user);
        self.seek(desk);
    }

    /// What a transferor hears of the transfer under way.
    pub(super) fn tell_transferor(&mut self, desk: &mut Desk<'_>, status: Status) {
        if let Some(leg) = self.transfer.as_ref().map(|transfer| transfer.leg) {
            self.tell_aside(desk, leg, status);
        }
    }

    fn tell_aside(&mut self, desk: &mut Desk<'_>, leg: LegId, status: Status) {
        let aside = self.aside.iter_mut().find(|aside| aside.leg.id == leg);
        if let Some(Aside { leg, told: Some(told), .. }) = aside {
            told.tell(desk, leg, status);
        }
    }

    /// The answer to a request that may have been a NOTIFY.
    pub(super) fn subscriber_says(&mut self, client: ClientId, status: Status) {
        for told in self.aside.iter_mut().filter_map(|aside| aside.told.as_mut()) {
            told.answered(client, status);
        }
    }

    pub(super) fn is_aside(&self, leg: LegId) -> bool {
        self.aside.iter().any(|aside| aside.leg.id == leg)
    }

    /// A transferor has hung up, or is lost; the call goes on.
    pub(super) fn aside_gone(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        self.served_by(desk, leg);
    }

    /// The agent at this leg, if that is who serves, is done.
    pub(super) fn served_by(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        if let Some(serving) = self.serving.take_if(|serving| serving.leg == leg) {
            serving.end(desk);
        }
    }

    /// Hangs up on transferors who stay although their transfer has succeeded.
    pub(super) fn dismiss_transferors(&mut self, desk: &mut Desk<'_>) {
        let now = desk.now.instant;
        for aside in self.aside.iter_mut().filter(|aside| aside.until.is_some_and(|at| at <= now)) {
            aside.leg.hang_up(desk, None);
        }
    }

    // ---- who is who ----

    /// How this side is shown to others.
    pub(super) fn face(&self, settings: &Settings, leg: &Leg) -> Caller {
        if let Some((_, face)) = self.faces.iter().find(|(whose, _)| *whose == leg.id) {
            return face.clone();
        }
        let party = leg.party.clone();
        match &leg.party {
            _ if leg.id == LegId(0) => self.caller.clone(),
            Party::User(user) => Caller {
                number: Number::Extension(user.as_str().into()),
                kept: None,
                name: settings.users.get(user).map(|user| user.name.clone()),
                party,
            },
            Party::Trunk(_) => {
                Caller { number: self.plan.number.clone(), kept: None, name: None, party }
            }
        }
    }

    pub(super) fn remember_face(&mut self, (leg, face): (LegId, Caller)) {
        if self.faces.iter().all(|(whose, _)| *whose != leg) {
            self.faces.push((leg, face));
        }
    }

    /// The agent whose agreement counts for this side.
    pub(super) fn agent_at<'s>(&self, settings: &'s Settings, leg: &Leg) -> Option<&'s Agent> {
        match &self.serving {
            Some(serving) if serving.leg == leg.id => settings.agents.get(&serving.agent),
            _ => {
                settings.agents.values().find(|agent| leg.party == Party::User(agent.user.clone()))
            }
        }
    }

    /// The Referred-By of what is called now (RFC 3892): only whom we know ourselves, whatever the REFER says.
    pub(super) fn referrer(&self, settings: &Settings) -> Option<Uri> {
        match &self.transfer.as_ref()?.by {
            Party::User(user) => Some(Uri::at_domain(user, &settings.domain)),
            Party::Trunk(_) => None,
        }
    }
}

/// Whom a REFER names: a number of ours, and nothing but a call to it (RFC 3515 §2.1, §2.4.2); the dialog to be replaced; whether by TLS
/// alone.
fn refer_to(
    settings: &Settings,
    request: &Message,
) -> Result<(String, Option<Replaces>, bool), Status> {
    let mut lines = request.lines(Name::ReferTo);
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(Status::of(400)) };
    let uri = Address::parse(line).map_err(|malformed| malformed.status)?.uri;
    let is_ours = match uri.scheme() {
        Scheme::Sip | Scheme::Sips => settings.is_ours(&uri),
        Scheme::Tel => true,
        Scheme::Other(_) => return Err(Status::of(416)),
    };
    let is_call = uri.param("method").is_none_or(|method| method.eq_ignore_ascii_case("INVITE"));
    if !is_ours || !is_call {
        return Err(Status::of(403));
    }
    let mut replaces = uri.headers().filter(|(name, _)| name.eq_ignore_ascii_case("Replaces"));
    let read = |(_, value): (String, String)| {
        Replaces::parse(value.as_bytes()).map_err(|malformed| malformed.status)
    };
    let named = replaces.next().map(read).transpose()?;
    if replaces.next().is_some() {
        return Err(Status::of(400));
    }
    drop(replaces);
    match (number::said(&uri), named) {
        (Some(number), named) => Ok((number, named, uri.is_sips())),
        // A Contact of ours may have no user; then the dialog says who is meant.
        (None, Some(named)) => Ok((String::new(), Some(named), uri.is_sips())),
        (None, None) => Err(Status::of(404)),
    }
}

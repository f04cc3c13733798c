//! The reception: who sends a request that belongs to no dialog yet, and what becomes of it.

mod silence;

use std::time::Duration;

use super::call::{Call, Caller, LegId, Party};
use super::feature::FeatureCode;
use super::forwarding::Occasion;
use super::identity;
use super::journal::CallId;
use super::log::Fact;
use super::number::{self, Number};
use super::routing::{self, Asked, Feature, Plan, Target};
use super::settings::{self, ConsentMode, Profile, Settings, WhenFull};
use super::storage::Level;
use super::subscriptions::ALLOW_EVENTS;
use super::trunk::Trunks;
use super::trunk::rate::Direction;
use super::{Now, Stopping, Switch};
use crate::wire::flow::Flow;
use crate::wire::sip::auth::Refusal;
use crate::wire::sip::endpoint::{ALLOW, SUPPORTED, ServerId};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::timer::Limits;
use crate::wire::sip::uri::{Scheme, Uri};

/// RFC 3261 §20.43: a warning in words.
const WARNING: u16 = 399;

/// Makes an answer to the request in hand.
pub(super) type Answer<'a> = &'a dyn Fn(Status) -> Outgoing;

impl Switch {
    /// A request in a transaction of its own; whatever it is, it is answered.
    pub(super) fn request(&mut self, now: Now, server: ServerId, request: Message, flow: Flow) {
        if let Some(tag) = request.to().tag() {
            let to_whom: Option<(_, LegId)> = self.keys.tags.get(tag).copied();
            return match to_whom.filter(|(call, _)| self.calls.contains_key(call)) {
                Some((call, leg)) if request.method() == Some(&Method::Refer) => {
                    self.refer(now, (call, leg), server, &request);
                }
                Some((call, leg)) => {
                    self.with(now, call, |call, desk| {
                        call.request(desk, leg, server, &request, flow)
                    });
                }
                None => {
                    let subscribed = match request.method() {
                        Some(Method::Subscribe) => self.resubscribe(now, &request, flow),
                        _ => None,
                    };
                    let gone = || Err(Outgoing::response(Status::of(481), &request, None));
                    self.reply(now, server, &request, flow, subscribed.unwrap_or_else(gone));
                }
            };
        }
        if self.is_shut_out(now, &request, flow) {
            return self.endpoint.ignore(server);
        }
        // Answers outside a dialog carry a tag too (RFC 3261 §8.2.6.2).
        let tag = self.endpoint.tag(&request);
        let answer = |status: Status| Outgoing::response(status, &request, Some(&tag));
        let answered = match request.method() {
            // A hop before us was not secure, or ours would not be (RFC 5630 §5.3).
            Some(Method::Invite) if is_sips(&request) && !flow.transport.is_secure() => {
                Err(answer(Status::of(416)))
            }
            // Our own INVITE has come back to us: whoever sent it here would do so again (RFC 5393 §4).
            Some(Method::Invite) if self.is_own(&request) => Err(answer(Status::of(482))),
            Some(Method::Invite) => match self.caller(now, &request, flow, &answer) {
                Ok(caller) => match self.invited(now, caller, &request, flow, &answer) {
                    Ok(planned) => return self.begin(now, planned, server, request, flow),
                    Err(response) => Ok(response),
                },
                Err(response) => Err(response),
            },
            Some(Method::Register) => self.register(now, &request, flow, &answer),
            Some(Method::Subscribe) => self.subscribe(now, server, &request, flow, &answer),
            Some(Method::Options) => Err(self.options(&answer)),
            Some(Method::Bye | Method::Info | Method::Update | Method::Prack) => {
                Err(answer(Status::of(481)))
            }
            Some(
                Method::Ack
                | Method::Cancel
                | Method::Notify
                | Method::Refer
                | Method::Message
                | Method::Publish
                | Method::Other(_),
            )
            | None => Err(answer(Status::of(405)).header(Name::Allow, ALLOW)),
        };
        self.reply(now, server, &request, flow, answered);
    }

    /// `Err`: whoever has proven nothing gets one packet for one packet, and no memory of ours.
    fn reply(
        &mut self,
        now: Now,
        server: ServerId,
        request: &Message,
        flow: Flow,
        answered: Result<Outgoing, Outgoing>,
    ) {
        match answered {
            Ok(response) => self.endpoint.respond(now.instant, server, response),
            Err(response) => self.dismiss(now, server, request, flow, response),
        }
    }

    /// Whether the tag in its From is one that we gave to a leg of a call: nobody else knows it before that leg has called them.
    fn is_own(&self, request: &Message) -> bool {
        request.from().tag().is_some_and(|tag| self.keys.tags.contains_key(tag))
    }

    fn options(&self, answer: Answer<'_>) -> Outgoing {
        let status = if self.stopping == Stopping::No { 200 } else { 503 };
        capable(answer(Status::of(status)), &self.settings)
    }

    // ---- proof ----

    /// The user whose credentials the request carries; else the answer that asks for them, or refuses.
    pub(super) fn authenticate(
        &mut self,
        now: Now,
        request: &Message,
        flow: Flow,
        method: &'static str,
        answer: Answer<'_>,
    ) -> Result<String, Outgoing> {
        let source = flow.remote.ip();
        let checked = self.guard.claimed(request).and_then(|user| {
            let ha1 = self.settings.users.get(&user).map(|user| &user.ha1);
            self.guard.check(now.instant, source, request, ha1).map(|()| user)
        });
        let stale = match checked {
            // Told to whoever has proven to be it, so that nobody finds out which users there are.
            Ok(user) if !self.may_use(&user, flow) => {
                return Err(answer(Status::of(403)).reason("Another Transport Is Required"));
            }
            Ok(user) => {
                self.gate.proven(now.instant, source, &user);
                return Ok(user);
            }
            Err(Refusal::Malformed(wrong)) => {
                return Err(answer(wrong.status).reason(wrong.what));
            }
            Err(Refusal::Missing) => false,
            Err(Refusal::Stale) => {
                self.guard.asked(now.instant, source, request)
                    || self.gate.believes(now.instant, source)
            }
            Err(refusal @ (Refusal::Wrong | Refusal::Replayed)) => {
                let fact = Fact::AuthenticationFailed { source: flow.remote, method };
                self.watch.tell(now.instant, source, fact, &mut self.outbox);
                // Whoever repeats a proof, or a phone that cannot count, has guessed nothing.
                if refusal == Refusal::Wrong {
                    self.guessed(now, request, flow);
                }
                false
            }
        };
        let challenges =
            self.guard.challenges(now.instant, source, stale, &self.settings.registrar.digests);
        Err(challenges.iter().fold(answer(Status::of(401)), |response, value| {
            response.header(Name::WwwAuthenticate, value)
        }))
    }

    fn may_use(&self, user: &str, flow: Flow) -> bool {
        let only = self.settings.users.get(user).and_then(|user| user.transport);
        only.is_none_or(|only| only == flow.transport)
    }

    /// The answer to a REGISTER: `Err` to somebody who has proven nothing.
    fn register(
        &mut self,
        now: Now,
        request: &Message,
        flow: Flow,
        answer: Answer<'_>,
    ) -> Result<Outgoing, Outgoing> {
        // Phones live behind the other door; carriers have no AOR here.
        if self.settings.listener(flow.listener).profile == Profile::External {
            return Err(self.stranger(now, flow, answer));
        }
        if !matches!(request.to().uri.scheme(), Scheme::Sip | Scheme::Sips) {
            return Err(answer(Status::of(400)).reason("To is no address of record"));
        }
        let user = self.authenticate(now, request, flow, "REGISTER", answer)?;
        // Nobody registers for somebody else.
        if request.to().uri.user() != Some(&user) {
            return Ok(answer(Status::of(403)));
        }
        let Switch { settings, registrar, outbox, .. } = self;
        Ok(registrar.register(now, settings, &user, request, flow, outbox, answer))
    }

    /// Who calls: a trunk by its address, a user by digest; a stranger at the carriers' door is nobody.
    fn caller(
        &mut self,
        now: Now,
        request: &Message,
        flow: Flow,
        answer: Answer<'_>,
    ) -> Result<Caller, Outgoing> {
        let by_address = Trunks::of(&self.settings, flow);
        let trunk = by_address
            .or_else(|| self.trunks.registered(now.instant, &self.settings, request.uri()?, flow));
        if let Some(trunk) = trunk {
            return Ok(identity::caller(&self.settings, trunk, request));
        }
        if self.settings.listener(flow.listener).profile == Profile::External {
            return Err(self.stranger(now, flow, answer));
        }
        // What the phone says of itself counts for nothing: the number and name are the proven user's, who may withhold them.
        let extension = self.authenticate(now, request, flow, "INVITE", answer)?;
        Ok(identity::user(&self.settings, extension, request))
    }

    /// The carriers' door stays shut.
    pub(super) fn stranger(&mut self, now: Now, flow: Flow, answer: Answer<'_>) -> Outgoing {
        let fact = Fact::StrangerRefused { source: flow.remote };
        self.watch.tell(now.instant, flow.remote.ip(), fact, &mut self.outbox);
        answer(Status::of(403))
    }

    // ---- calls ----

    fn invited(
        &mut self,
        now: Now,
        caller: Caller,
        request: &Message,
        flow: Flow,
        answer: Answer<'_>,
    ) -> Result<(CallId, Plan, Caller), Outgoing> {
        let timers = self.settings.session_timers.unwrap_or(Limits::DEFAULT);
        if timers.refuse(request) {
            return Err(answer(Status::of(422)).header(Name::MinSe, timers.shortest.as_secs()));
        }
        let No { status, why, told } = match self.planned(now, &caller, request) {
            Ok((id, plan)) => return Ok((id, plan, caller)),
            Err(refusal) => refusal,
        };
        let mut response = answer(status);
        if status.code() == 503 {
            response = response.header(Name::RetryAfter, 5);
        }
        match told {
            None => self.outbox.log(Fact::CallRefused { status, why }),
            Some(country) => {
                let fact = Fact::DialRefused { source: flow.remote, why, country };
                self.watch.tell(now.instant, flow.remote.ip(), fact, &mut self.outbox);
                if let Party::User(_) = caller.party {
                    let domain = &self.settings.domain;
                    response = response
                        .header(Name::Warning, format_args!("{WARNING} {domain} \"{why}\""))
                        .header(Name::Reason, format_args!("Q.850;cause=21;text=\"{why}\""));
                }
            }
        }
        Err(response)
    }

    fn begin(
        &mut self,
        now: Now,
        (id, plan, caller): (CallId, Plan, Caller),
        server: ServerId,
        request: Message,
        flow: Flow,
    ) {
        let (mut desk, calls) = self.desk(now);
        // Whoever is known by address over TLS still has to prove who it is where we begin a connection to it.
        let flow = match &caller.party {
            Party::Trunk(trunk) if flow.transport.is_secure() => {
                let peer = desk.settings.trunks.get(trunk).and_then(|trunk| trunk.peer);
                Flow { peer: flow.peer.or(peer), ..flow }
            }
            Party::Trunk(_) | Party::User(_) => flow,
        };
        let call = Call::begin(&mut desk, id, plan, caller, server, request, flow);
        calls.insert(id, Box::new(call));
    }

    /// Whether the call may begin, and where it goes; puts it on its caller's account and takes the trunk's place for it.
    fn planned(
        &mut self,
        now: Now,
        caller: &Caller,
        request: &Message,
    ) -> Result<(CallId, Plan), No> {
        if self.stopping != Stopping::No {
            return Err(No::of(503, "the switch is stopping"));
        }
        if request.max_forwards() == Some(0) {
            return Err(No::of(483, "too many hops"));
        }
        // Who calls by the Contact that we registered says in To whom they want.
        let by_token = request.uri().and_then(|uri| uri.user());
        let dialled = match by_token.filter(|user| self.trunks.is_token(user)) {
            Some(_) => number::said(&request.to().uri),
            None => request.uri().and_then(number::said),
        };
        let dialled = dialled.ok_or(No::of(404, "no number"))?;
        let plan = match self.replacing(&caller.party, request)? {
            Some(feature) => self.plan_of(feature, &dialled),
            None => self.way(now, &caller.party, caller.routed(), &dialled)?,
        };
        if let Target::Feature(Feature::Park(_)) = plan.target {
            return Err(No::of(403, "only a call that is transferred can be parked"));
        }
        if self.calls.len() >= self.settings.calls && !plan.emergency {
            return Err(No::of(503, "too many calls"));
        }
        if plan.consent != ConsentMode::Never
            && !plan.emergency
            && self.settings.storage.when_full != WhenFull::Continue
            && self.storage.level(&self.settings.storage) == Level::Full
        {
            return Err(No::of(503, "no room for recordings"));
        }
        let id = CallId(self.keys.id(now.utc, self.ids.long()));
        self.admit(now, id, &caller.party, &plan)?;
        if let (Target::Feature(Feature::Wish(wish)), Party::User(user)) =
            (&plan.target, &caller.party)
        {
            self.wish(now, user, wish.clone())?;
        }
        if let Party::Trunk(trunk) = &caller.party
            && let Some(trunk) = self.settings.trunks.get(trunk)
        {
            if plan.emergency {
                self.trunks.take_anyway(trunk);
            } else if let Err(why) = self.trunks.take(now.instant, trunk, Direction::In) {
                self.ledger.ended(now.instant, id, Duration::ZERO);
                return Err(No::of(503, why));
            }
        }
        Ok((id, plan))
    }

    /// Where a call goes that this party causes, from that number, by what was dialled; if anybody is there.
    pub(super) fn way(
        &self,
        now: Now,
        by: &Party,
        from: &Number,
        dialled: &str,
    ) -> Result<Plan, No> {
        let mut number = dialled;
        if let Party::User(user) = by
            && let Some(code) = FeatureCode::read(&self.settings, dialled)
        {
            match self.feature(user, code)? {
                Some(feature) => return Ok(self.plan_of(feature, dialled)),
                None => number = self.last_callers.of(user)?,
            }
        }
        let mut plan = self.route(now, by, from, number)?;
        if let Err(refusal) = self.is_there(&plan.target) {
            plan.target = match plan.instead.take() {
                Some(Ok(target)) => self.is_there(&target).map(|()| target)?,
                Some(Err(status)) => return Err(No::of(status.code(), "nobody is there")),
                None => return Err(refusal),
            };
        }
        Ok(plan)
    }

    /// The same, whether anybody is there or not.
    pub(super) fn route(
        &self,
        now: Now,
        by: &Party,
        from: &Number,
        dialled: &str,
    ) -> Result<Plan, No> {
        let trunk = match by {
            Party::Trunk(trunk) => self.settings.trunks.get(trunk),
            Party::User(_) => None,
        };
        let (caller, number) = match trunk {
            Some(trunk) => (
                settings::Caller::Trunk(trunk.name.clone()),
                self.settings.read_from(trunk, dialled),
            ),
            None => (settings::Caller::Users, self.settings.read(dialled)),
        };
        let asked = Asked { caller: &caller, from, dialled, number: &number, at: now.utc };
        routing::plan(&self.settings, asked).map_err(|status| No::of(status.code(), "no route"))
    }

    /// Puts what `plan` costs on the account of whoever causes it, as a part of `call`; refuses what they may not dial.
    pub(super) fn admit(
        &mut self,
        now: Now,
        call: CallId,
        by: &Party,
        plan: &Plan,
    ) -> Result<(), No> {
        match routing::demanded(plan, matches!(by, Party::User(_))) {
            None => Ok(()),
            Some(number) => {
                let admitted = self.ledger.admit(&self.settings, now, call, by, &number);
                admitted.map_err(|refused| No {
                    told: Some(refused.country),
                    ..No::of(403, refused.why)
                })
            }
        }
    }

    /// Whether somebody can take the call now.
    pub(super) fn is_there(&self, target: &Target) -> Result<(), No> {
        match target {
            Target::User(user) => {
                let has_phone = self.registrar.reachable(user).next().is_some();
                match self.forwarding.bars(user, has_phone) {
                    Some(bar) if self.forwarding.number(user, bar).is_none() => match bar {
                        Occasion::Busy => Err(No::of(486, "the user is not to be disturbed")),
                        Occasion::Always | Occasion::NoAnswer | Occasion::Unregistered => {
                            Err(No::of(480, "no phone is registered"))
                        }
                    },
                    Some(_) | None => Ok(()),
                }
            }
            Target::Group(name) => {
                let group = self.settings.groups.get(name);
                let group = group.ok_or(No::of(404, "no such group"))?;
                let is_there = |user: &String| {
                    self.registrar.reachable(user).next().is_some()
                        && self.forwarding.may_disturb(user)
                };
                match group.then.is_some() || group.members.iter().any(is_there) {
                    true => Ok(()),
                    false => Err(No::of(480, "nobody of the group is there")),
                }
            }
            Target::Trunk { .. } | Target::Feature(_) => Ok(()),
            Target::Queue(name) => {
                let queue = self.settings.queues.get(name);
                let queue = queue.ok_or(No::of(404, "no such queue"))?;
                if !self.agents.anybody(queue) {
                    Err(No::of(480, "no agent is there"))
                } else if self.queues.length(name) >= queue.length {
                    Err(No::of(486, "the queue is full"))
                } else {
                    Ok(())
                }
            }
        }
    }
}

/// Why a call does not begin.
pub(super) struct No {
    pub(super) status: Status,
    pub(super) why: &'static str,
    /// Whoever dialled may know: they lack the right to, in this country.
    pub(super) told: Option<Option<number::Country>>,
}

impl No {
    pub(super) fn of(code: u16, why: &'static str) -> No {
        No { status: Status::of(code), why, told: None }
    }
}

fn is_sips(request: &Message) -> bool {
    request.uri().is_some_and(Uri::is_sips)
}

/// An answer to OPTIONS, with what we can do (RFC 3261 §11.2). It says no Accept-Encoding, since its absence means the same (§20.2) and
/// no stranger gets twice what they sent.
pub(super) fn capable(answer: Outgoing, settings: &Settings) -> Outgoing {
    answer
        .header(Name::Allow, ALLOW)
        .header(Name::AllowEvents, ALLOW_EVENTS)
        .header(Name::Accept, "application/sdp")
        .header(Name::AcceptLanguage, &settings.language)
        .header(Name::Supported, SUPPORTED)
}

#[cfg(test)]
mod tests;

//! The reception: who sends a request that belongs to no dialog yet, and what becomes of it.

use super::call::desk::Desk;
use super::call::{Call, Caller, LegId, Party};
use super::log::Fact;
use super::routing::{self, Plan, Target};
use super::settings::{self, Profile, Settings};
use super::trunk::Trunks;
use super::{Now, Stopping, Switch};
use crate::redacted::Redacted;
use crate::wire::flow::Flow;
use crate::wire::sip::auth::Refusal;
use crate::wire::sip::endpoint::{ALLOW, SUPPORTED, ServerId};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::timer::Limits;
use crate::wire::sip::uri::Scheme;

/// The longest number that is looked up.
const LONGEST_NUMBER: usize = 64;

/// Makes an answer to the request in hand.
type Answer<'a> = &'a dyn Fn(Status) -> Outgoing;

impl Switch {
    /// A request in a transaction of its own; whatever it is, it is answered.
    pub(super) fn request(&mut self, now: Now, server: ServerId, request: Message, flow: Flow) {
        if let Some(tag) = request.to().tag() {
            let to_whom: Option<(_, LegId)> = self.keys.tags.get(tag).copied();
            return match to_whom.filter(|(call, _)| self.calls.contains_key(call)) {
                Some((call, leg)) => self
                    .with(now, call, |call, desk| call.request(desk, leg, server, &request, flow)),
                None => {
                    let gone = Outgoing::response(Status::of(481), &request, None);
                    self.endpoint.dismiss(server, gone);
                }
            };
        }
        // Answers outside a dialog carry a tag too (RFC 3261 §8.2.6.2).
        let tag = self.endpoint.tag(&request);
        let answer = |status: Status| Outgoing::response(status, &request, Some(&tag));
        let answered = match request.method() {
            Some(Method::Invite) => match self.caller(now, &request, flow, &answer) {
                Ok(caller) => match self.invited(caller, &request, &answer) {
                    Ok(planned) => return self.begin(now, planned, server, request, flow),
                    Err(response) => Ok(response),
                },
                Err(response) => Err(response),
            },
            Some(Method::Register) => self.register(now, &request, flow, &answer),
            Some(Method::Options) => Err(self.options(&answer)),
            Some(Method::Bye | Method::Info | Method::Update | Method::Prack) => {
                Err(answer(Status::of(481)))
            }
            Some(
                Method::Ack
                | Method::Cancel
                | Method::Subscribe
                | Method::Notify
                | Method::Refer
                | Method::Message
                | Method::Publish
                | Method::Other(_),
            )
            | None => Err(answer(Status::of(405)).header(Name::Allow, ALLOW)),
        };
        match answered {
            Ok(response) => self.endpoint.respond(now.instant, server, response),
            // Whoever has proven nothing gets one packet for one packet, and no memory of ours.
            Err(response) => self.endpoint.dismiss(server, response),
        }
    }

    fn options(&self, answer: Answer<'_>) -> Outgoing {
        let status = if self.stopping == Stopping::No { 200 } else { 503 };
        capable(answer(Status::of(status)), &self.settings)
    }

    // ---- proof ----

    /// The user whose credentials the request carries; else the answer that asks for them, or refuses.
    fn authenticate(
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
            Ok(user) => return Ok(user),
            Err(Refusal::Malformed(wrong)) => {
                return Err(answer(wrong.status).reason(wrong.what));
            }
            Err(Refusal::Missing) => false,
            Err(Refusal::Stale) => true,
            Err(Refusal::Wrong) => {
                let fact = Fact::AuthenticationFailed { source: flow.remote, method };
                self.watch.tell(now.instant, source, fact, &mut self.outbox);
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
        if let Some(trunk) = Trunks::of(&self.settings, flow) {
            let from = request.from();
            let number = from
                .uri
                .user()
                .filter(|number| *number != "anonymous")
                .map(|number| Redacted::new(number.to_owned()));
            let name = number
                .is_some()
                .then_some(from.display.as_ref())
                .flatten()
                .map(|name| Redacted::new(name.to_string()));
            return Ok(Caller { party: Party::Trunk(trunk.name.clone()), number, name });
        }
        if self.settings.listener(flow.listener).profile == Profile::External {
            return Err(self.stranger(now, flow, answer));
        }
        // What the phone says of itself counts for nothing: the number and name are the proven user's.
        let extension = self.authenticate(now, request, flow, "INVITE", answer)?;
        let name = self.settings.users.get(&extension).map(|user| user.name.clone());
        Ok(Caller {
            party: Party::User(extension.clone()),
            number: Some(Redacted::new(extension)),
            name,
        })
    }

    /// The carriers' door stays shut.
    fn stranger(&mut self, now: Now, flow: Flow, answer: Answer<'_>) -> Outgoing {
        let fact = Fact::StrangerRefused { source: flow.remote };
        self.watch.tell(now.instant, flow.remote.ip(), fact, &mut self.outbox);
        answer(Status::of(403))
    }

    // ---- calls ----

    fn invited(
        &mut self,
        caller: Caller,
        request: &Message,
        answer: Answer<'_>,
    ) -> Result<(Plan, Caller, String), Outgoing> {
        let timers = self.settings.session_timers.unwrap_or(Limits::DEFAULT);
        if timers.refuse(request) {
            return Err(answer(Status::of(422)).header(Name::MinSe, timers.shortest.as_secs()));
        }
        match self.planned(&caller, request) {
            Ok((plan, number)) => Ok((plan, caller, number)),
            Err((status, why)) => {
                self.outbox.log(Fact::CallRefused { status, why });
                let refusal = answer(status);
                Err(if status.code() == 503 {
                    refusal.header(Name::RetryAfter, 5)
                } else {
                    refusal
                })
            }
        }
    }

    fn begin(
        &mut self,
        now: Now,
        (plan, caller, number): (Plan, Caller, String),
        server: ServerId,
        request: Message,
        flow: Flow,
    ) {
        let Switch { settings, registrar, trunks, endpoint, outbox, ids, keys, news, .. } = self;
        let mut desk = Desk { now, settings, registrar, trunks, endpoint, outbox, ids, keys, news };
        let call = Call::begin(&mut desk, plan, caller, number, server, request, flow);
        self.calls.insert(call.id, call);
    }

    /// Whether the call may begin, and where it goes; takes the trunk's place for it.
    fn planned(
        &mut self,
        caller: &Caller,
        request: &Message,
    ) -> Result<(Plan, String), (Status, &'static str)> {
        if self.stopping != Stopping::No {
            return Err((Status::of(503), "the switch is stopping"));
        }
        if request.max_forwards() == Some(0) {
            return Err((Status::of(483), "too many hops"));
        }
        let number = request
            .uri()
            .and_then(|uri| uri.user())
            .filter(|number| number.len() <= LONGEST_NUMBER);
        let number = number.ok_or((Status::of(404), "no number"))?.to_owned();
        let by = match &caller.party {
            Party::Trunk(trunk) => settings::Caller::Trunk(trunk.clone()),
            Party::User(_) => settings::Caller::Users,
        };
        let plan =
            routing::plan(&self.settings, &by, &number).map_err(|status| (status, "no route"))?;
        match &plan.target {
            Target::User(user) if self.registrar.of(user).is_empty() => {
                return Err((Status::of(480), "no phone is registered"));
            }
            Target::User(_) | Target::Trunk { .. } => {}
            Target::Queue(name) => {
                let queue =
                    self.settings.queues.get(name).ok_or((Status::of(404), "no such queue"))?;
                if !self.agents.anybody(queue) {
                    return Err((Status::of(480), "no agent is there"));
                }
                if self.queues.length(name) >= queue.length {
                    return Err((Status::of(486), "the queue is full"));
                }
            }
        }
        if self.calls.len() >= self.settings.calls {
            return Err((Status::of(503), "too many calls"));
        }
        if let Party::Trunk(trunk) = &caller.party
            && let Some(trunk) = self.settings.trunks.get(trunk)
            && !self.trunks.take(trunk)
        {
            return Err((Status::of(503), "the trunk's places are taken"));
        }
        Ok((plan, number))
    }
}

/// An answer to OPTIONS, with what we can do (RFC 3261 §11.2).
pub(super) fn capable(answer: Outgoing, settings: &Settings) -> Outgoing {
    answer
        .header(Name::Allow, ALLOW)
        .header(Name::Accept, "application/sdp")
        .header(Name::AcceptEncoding, "identity")
        .header(Name::AcceptLanguage, &settings.language)
        .header(Name::Supported, SUPPORTED)
}

#[cfg(test)]
mod tests;

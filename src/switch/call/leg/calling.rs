//! A leg of ours until it is up: the INVITE, the early dialogs that its answers begin, and the answer that counts (RFC 3261 §13.2).

use std::time::Duration;

use super::{Exchange, Leg, Link, Outcome, Party, SDP, State};
use crate::switch::call::desk::Desk;
use crate::wire::flow::Flow;
use crate::wire::sdp::negotiation::Session;
use crate::wire::sip::dialog::Dialog;
use crate::wire::sip::endpoint::{ALLOW, ClientId};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::reliable::{self, Receiver};

/// Most early dialogs of one INVITE; what comes of more is not heard before it answers.
const FORKS: usize = 8;

/// Most PRACKs of a leg that await their answers.
pub(super) const PRACKS: usize = 4;

/// A phone whose connection breaks while it rings has so long to come back: who is merely moved on by their network does so within
/// seconds, and a caller is not left ringing at nobody for longer.
const COMES_BACK: Duration = Duration::from_secs(5);

/// One early dialog: a phone behind the far side that has said something (RFC 3261 §12.1.2).
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) dialog: Dialog,
    session: Session,
    receiver: Receiver,
    answer: Answer,
}

/// The answer to our offer, in an early dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Awaited,
    /// It came in a response that may be lost, and comes again.
    Heard,
    /// It came in a reliable one: SDP in those that follow counts for nothing (RFC 6337 §3.1.1).
    Agreed,
}

impl Fork {
    /// Whether it is the one of that far tag.
    pub(super) fn is_of(&self, tag: &str) -> bool {
        self.dialog.remote_tag() == Some(tag)
    }
}

impl Leg {
    /// Sends the INVITE with our offer.
    pub(in crate::switch::call) fn invite(
        &mut self,
        desk: &mut Desk<'_>,
        authorization: Option<(Name, String)>,
    ) {
        let session = self.session.as_mut().expect("the port is open before the INVITE");
        let offer = session.offer(self.wanted);
        let authorised = authorization.is_some();
        let request = self.dialog.request(&Method::Invite).header(Name::Allow, ALLOW);
        let mut request = self.timed(desk, request);
        for (name, value) in &self.more {
            request = request.other(name, value);
        }
        if let Some((name, value)) = authorization {
            request = request.header(name, value);
        }
        if let Some(referrer) = &self.referred_by {
            request = request.header(Name::ReferredBy, format_args!("<{referrer}>"));
        }
        let client = desk.request(self.key(), self.way(desk), request.body(SDP, &offer));
        let give_up = self.patience.map(|time| desk.now.instant + time);
        self.state =
            State::Calling { client, authorised, give_up, forks: Vec::new(), link: Link::Stands };
    }

    /// The connection by which it is called was cut while it rang.
    pub(in crate::switch::call) fn severed(&mut self, desk: &mut Desk<'_>) {
        if let State::Calling { link: link @ Link::Stands, give_up, .. } = &mut self.state {
            *link = Link::Cut;
            *give_up = Some(desk.now.instant + self.patience.unwrap_or(COMES_BACK));
            self.ring_on(desk);
        }
    }

    /// Whoever was cut off while it rang is told of the call once more, as soon as there is a way.
    pub(in crate::switch::call) fn ring_on(&mut self, desk: &mut Desk<'_>) {
        let cut = self.dialog.flow();
        let State::Calling { client, link: link @ Link::Cut, .. } = &mut self.state else { return };
        let way = match &self.party {
            Party::User(user) => desk.registrar.since(user, self.dialog.target(), cut),
            Party::Trunk(_) => Some(Flow { connection: None, ..cut }),
        };
        if let Some(way) = way {
            *link = Link::Stands;
            desk.endpoint.repeat(*client, way);
        }
    }

    /// Whether it was cut off while it rang, and has not come back yet.
    pub(in crate::switch::call) fn is_cut_off(&self) -> bool {
        matches!(self.state, State::Calling { link: Link::Cut, .. })
    }

    /// CANCELs the INVITE: whatever was said in its early dialogs, the next request in the one that may still come is a later one.
    pub(super) fn cancel(&mut self, desk: &mut Desk<'_>, client: ClientId, reason: Option<&str>) {
        if let State::Calling { forks, .. } = &self.state {
            for fork in forks {
                self.dialog.follow(&fork.dialog);
            }
        }
        desk.endpoint.cancel(desk.now.instant, client, reason);
        self.state = State::Cancelling { client };
        self.close_port(desk);
    }

    pub(super) fn provisional(
        &mut self,
        desk: &mut Desk<'_>,
        response: &Message,
        flow: Flow,
        status: Status,
    ) -> Outcome {
        let is_flood = self.acknowledging() >= PRACKS;
        let State::Calling { give_up, forks, .. } = &mut self.state else {
            return Outcome::Nothing;
        };
        *give_up = None;
        if status == Status::of(100) {
            return Outcome::Nothing;
        }
        self.rang = true;
        let Some(tag) = response.to().tag() else { return Outcome::Ringing { early: false } };
        let known = forks.iter().position(|fork| fork.is_of(tag));
        let at = match (known, &self.session) {
            (Some(at), _) => at,
            (None, Some(session)) if forks.len() < FORKS => {
                forks.push(Fork {
                    dialog: self.dialog.clone(),
                    session: session.clone(),
                    receiver: Receiver::default(),
                    answer: Answer::Awaited,
                });
                forks.len() - 1
            }
            (None, _) => return Outcome::Nothing,
        };
        let Some(fork) = forks.get_mut(at) else { return Outcome::Nothing };
        let number = reliable::number_of(response);
        // RFC 3262 §4: what comes again was acknowledged, what comes after a gap will come again, and so will what comes too fast.
        if number.is_some_and(|rseq| is_flood || !fork.receiver.is_next(rseq)) {
            return Outcome::Nothing;
        }
        fork.dialog.establish(response, flow);
        let answer = response.body_of(SDP).filter(|_| fork.answer != Answer::Agreed);
        let early = answer.is_some_and(|answer| fork.session.conclude(answer).is_ok());
        if early {
            fork.answer = if number.is_some() { Answer::Agreed } else { Answer::Heard };
            self.connect_fork(desk, at);
        }
        if let Some(rseq) = number {
            self.acknowledge(desk, Some(tag.into()), rseq, response);
        }
        Outcome::Ringing { early }
    }

    /// The media of an early dialog are what is heard now (RFC 3960: of several, those that spoke last).
    fn connect_fork(&self, desk: &mut Desk<'_>, at: usize) {
        if let State::Calling { forks, .. } = &self.state
            && let Some(Fork { dialog, session, .. }) = forks.get(at)
            && let Some(agreed) = session.agreed()
        {
            self.join(desk, agreed, dialog);
        }
    }

    /// An UPDATE of theirs in an early dialog; gives its answer (RFC 3311 §5.2).
    pub(super) fn updated_early(
        &mut self,
        desk: &mut Desk<'_>,
        request: &Message,
        flow: Flow,
    ) -> Outgoing {
        let respond = |code: u16| Outgoing::response(Status::of(code), request, None);
        let State::Calling { forks, .. } = &mut self.state else { return respond(481) };
        let tag = request.from().tag().unwrap_or_default();
        let Some(at) = forks.iter().position(|fork| fork.is_of(tag)) else { return respond(481) };
        let Some(fork) = forks.get_mut(at) else { return respond(481) };
        let answer = match (request.body_of(SDP), fork.answer) {
            (None, _) => None,
            // Our offer is open as long as its answer has not come for certain.
            (Some(_), Answer::Awaited | Answer::Heard) => return respond(491),
            (Some(offer), Answer::Agreed) => match fork.session.answer(offer, self.wanted) {
                Ok((answer, _)) => Some(answer),
                Err(_) => return respond(488),
            },
        };
        fork.dialog.refresh(request, flow);
        let response = respond(200)
            .header(Name::Contact, format_args!("<{}>", fork.dialog.contact()))
            .header(Name::Allow, ALLOW);
        match answer {
            Some(answer) => {
                self.connect_fork(desk, at);
                response.body(SDP, &answer)
            }
            None => response,
        }
    }

    /// Takes their 2xx and acknowledges it: the dialog is the one of its tag, the others are over.
    pub(super) fn confirm(
        &mut self,
        desk: &mut Desk<'_>,
        client: ClientId,
        response: &Message,
        flow: Flow,
    ) -> Confirmed {
        let mut confirmed = Confirmed::ByAnswer;
        if let State::Calling { forks, .. } = &mut self.state
            && let Some(tag) = response.to().tag()
            && let Some(at) = forks.iter().position(|fork| fork.is_of(tag))
        {
            let fork = forks.swap_remove(at);
            self.dialog = fork.dialog;
            self.session = Some(fork.session);
            if fork.answer == Answer::Agreed {
                confirmed = Confirmed::Before;
            }
        }
        self.dialog.establish(response, flow);
        let ack = self.dialog.ack(response.cseq().number);
        desk.endpoint.acknowledge(client, self.way(desk), ack);
        self.remember(desk);
        confirmed
    }

    pub(super) fn conclude(
        &mut self,
        desk: &mut Desk<'_>,
        response: &Message,
        confirmed: Confirmed,
    ) -> Outcome {
        self.state = State::Up(Exchange::Idle);
        let session = self.session.as_mut().expect("an offer was made");
        let answer = match confirmed {
            Confirmed::ByAnswer => response.body_of(SDP),
            Confirmed::Before => None,
        };
        let concluded = match answer {
            Some(answer) => session.conclude(answer).is_ok(),
            // The answer came with a 1xx (perhaps not reliably, but it came).
            None => session.agreed().is_some(),
        };
        if concluded {
            self.connect(desk);
            self.updates.learn(response);
            self.renew(desk, response);
            self.look_after(desk);
            Outcome::Answered
        } else {
            self.bye(desk, Some("SIP;cause=488;text=\"Not Acceptable Here\""));
            Outcome::Refused(Status::of(488))
        }
    }

    pub(super) fn refused(&mut self, desk: &mut Desk<'_>, status: Status) -> Outcome {
        self.gone(desk);
        Outcome::Refused(status)
    }

    /// Another target may serve, and takes the place of this one among the trunk's calls.
    pub(super) fn unserved(
        &mut self,
        desk: &mut Desk<'_>,
        status: Status,
        after: Option<Duration>,
    ) -> Outcome {
        self.has_place = false;
        self.refused(desk, status);
        Outcome::Unserved { status, after }
    }
}

/// Which response settled the media of a leg that is up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Confirmed {
    /// The 2xx itself.
    ByAnswer,
    /// A reliable one before it.
    Before,
}

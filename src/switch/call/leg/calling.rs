//! A leg of ours until it is up: the INVITE, and what its answers make of it (RFC 3261 §13.2).

use std::time::Duration;

use super::{Exchange, Leg, Outcome, SDP, State};
use crate::switch::call::desk::Desk;
use crate::wire::flow::Flow;
use crate::wire::sip::endpoint::{ALLOW, ClientId};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method, Status};

impl Leg {
    /// Sends the INVITE with our offer.
    pub(in crate::switch::call) fn invite(
        &mut self,
        desk: &mut Desk<'_>,
        authorization: Option<(Name, String)>,
        give_up: Option<Duration>,
    ) {
        let session = self.session.as_mut().expect("the port is open before the INVITE");
        let offer = session.offer(self.wanted);
        let authorised = authorization.is_some();
        let mut request = self.dialog.request(&Method::Invite).header(Name::Allow, ALLOW);
        if let Some((name, value)) = authorization {
            request = request.header(name, value);
        }
        let client = desk.request(self.key(), self.dialog.flow(), request.body(SDP, &offer));
        let give_up = give_up.map(|time| desk.now.instant + time);
        self.state = State::Calling { client, authorised, give_up };
    }

    pub(super) fn provisional(
        &mut self,
        desk: &mut Desk<'_>,
        response: &Message,
        flow: Flow,
        status: Status,
    ) -> Outcome {
        if let State::Calling { give_up, .. } = &mut self.state {
            *give_up = None;
        }
        if status == Status::of(100) {
            return Outcome::Nothing;
        }
        let early = match (response.body_of(SDP), self.session.as_mut()) {
            (Some(answer), Some(session)) => session.conclude(answer).is_ok(),
            _ => false,
        };
        if response.to().tag().is_some() {
            self.dialog.establish(response, flow);
        }
        if early {
            self.connect(desk);
        }
        Outcome::Ringing { early }
    }

    /// Takes their 2xx and acknowledges it.
    pub(super) fn confirm(
        &mut self,
        desk: &mut Desk<'_>,
        client: ClientId,
        response: &Message,
        flow: Flow,
    ) {
        self.dialog.establish(response, flow);
        let ack = self.dialog.ack(response.cseq().number);
        desk.endpoint.acknowledge(client, self.dialog.flow(), ack);
        self.remember(desk);
    }

    pub(super) fn conclude(&mut self, desk: &mut Desk<'_>, response: &Message) -> Outcome {
        self.state = State::Up(Exchange::Idle);
        let session = self.session.as_mut().expect("an offer was made");
        let concluded = match response.body_of(SDP) {
            Some(answer) => session.conclude(answer).is_ok(),
            // The answer came with a 1xx (not reliably, but it came).
            None => session.agreed().is_some(),
        };
        if concluded {
            self.connect(desk);
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
}

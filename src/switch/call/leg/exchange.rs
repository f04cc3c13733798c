//! A re-INVITE or UPDATE inside a leg that is up, ours or theirs: one at a time (RFC 3261 §14, RFC 3311).

use std::time::Duration;

use super::{Exchange, Leg, LegId, Outcome, SDP, State};
use crate::switch::call::desk::Desk;
use crate::wire::flow::Flow;
use crate::wire::sdp::negotiation::Direction;
use crate::wire::sip::endpoint::{ALLOW, ClientId, ServerId};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::outgoing::Outgoing;

impl Leg {
    pub(super) fn reinvited(
        &mut self,
        desk: &mut Desk<'_>,
        client: ClientId,
        direction: Direction,
        response: &Message,
        status: Status,
        flow: Flow,
    ) -> Outcome {
        let exchange = match status.code() {
            200..=299 => {
                // The ACK goes to the new target already (RFC 3261 §12.2.1.2).
                self.refresh(desk, response, flow);
                let ack = self.dialog.ack(response.cseq().number);
                desk.endpoint.acknowledge(client, self.dialog.flow(), ack);
                self.told = direction;
                let session = self.session.as_mut().expect("an offer was made");
                if response.body_of(SDP).is_some_and(|answer| session.conclude(answer).is_ok()) {
                    self.connect(desk);
                    self.look_after(desk);
                }
                Exchange::Idle
            }
            // RFC 3261 §14.1: we own the Call-ID of the legs that we began, and wait longer on them.
            491 => {
                let span = if self.id == LegId(0) { 0..200 } else { 210..400 };
                let tens = span.start + u64::from(desk.ids.word()) % (span.end - span.start);
                Exchange::Later { at: desk.now.instant + Duration::from_millis(10 * tens) }
            }
            // RFC 3261 §12.2.1.2: the far side knows nothing of the dialog any more.
            408 | 481 => {
                self.bye(desk, None);
                return Outcome::Lost;
            }
            // A failed re-INVITE leaves everything as it was (RFC 3261 §14.1).
            _ => {
                self.told = direction;
                Exchange::Idle
            }
        };
        self.state = State::Up(exchange);
        self.reconcile(desk);
        Outcome::Nothing
    }

    /// Tells this side that the other holds (`SendOnly`), or is back; as soon as no other exchange is under way.
    pub(in crate::switch::call) fn tell(&mut self, desk: &mut Desk<'_>, direction: Direction) {
        self.wanted = direction;
        self.reconcile(desk);
    }

    pub(super) fn reconcile(&mut self, desk: &mut Desk<'_>) {
        if self.wanted == self.told || !matches!(self.state, State::Up(Exchange::Idle)) {
            return;
        }
        self.reinvite(desk, None);
    }

    pub(super) fn reinvite(&mut self, desk: &mut Desk<'_>, authorization: Option<(Name, String)>) {
        let session = self.session.as_mut().expect("a leg that is up has agreed on media");
        let offer = session.offer(self.wanted);
        let is_authorised = authorization.is_some();
        let request = self.dialog.request(&Method::Invite).header(Name::Allow, ALLOW);
        let request = authorization
            .into_iter()
            .fold(request, |request, (name, value)| request.header(name, value));
        let client = desk.request(self.key(), self.dialog.flow(), request.body(SDP, &offer));
        self.authorised = is_authorised.then_some(client);
        self.state = State::Up(Exchange::Ours { client, direction: self.wanted });
    }

    /// Their re-INVITE or UPDATE; gives the answer.
    pub(in crate::switch::call) fn renegotiate(
        &mut self,
        desk: &mut Desk<'_>,
        server: ServerId,
        request: &Message,
        flow: Flow,
    ) -> Outgoing {
        let respond = |code: u16| Outgoing::response(Status::of(code), request, None);
        if matches!(self.state, State::Leaving { .. } | State::Gone) {
            return respond(481);
        }
        let agrees = |leg: &Leg| {
            respond(200)
                .header(Name::Contact, format_args!("<{}>", leg.dialog.contact()))
                .header(Name::Allow, ALLOW)
        };
        let is_invite = request.method() == Some(&Method::Invite);
        let offer = request.body_of(SDP);
        // RFC 3311 §5.2: without an offer it is a target refresh, in the way of nothing.
        if offer.is_none() && !is_invite {
            self.refresh(desk, request, flow);
            return agrees(self);
        }
        match self.state {
            State::Up(Exchange::Ours { .. })
            | State::Opening
            | State::Calling { .. }
            | State::Cancelling { .. } => return respond(491),
            // RFC 3311 §5.2, RFC 3261 §14.2: one offer at a time.
            State::Invited { .. }
            | State::Answered { .. }
            | State::Up(Exchange::Theirs { offered: true, .. }) => {
                return respond(500).header(Name::RetryAfter, desk.ids.word() % 10);
            }
            // Their offer was answered; only its ACK is late, and whoever asks anew has heard our answer.
            State::Up(Exchange::Theirs { offered: false, .. })
            | State::Up(Exchange::Idle | Exchange::Later { .. }) => {}
            State::Leaving { .. } | State::Gone => return respond(481),
        }
        let session = self.session.as_mut().expect("a leg that is up has agreed on media");
        let (sdp, offered) = match offer {
            Some(offer) => match session.answer(offer, self.wanted) {
                Ok((answer, _)) => (answer, false),
                Err(_) => return respond(488),
            },
            None => (session.offer(self.wanted), true),
        };
        // Either way they have been told.
        self.told = self.wanted;
        if is_invite {
            if let State::Up(Exchange::Theirs { server, .. }) = self.state {
                desk.keys.concluded(server);
            }
            self.state = State::Up(Exchange::Theirs { server, offered });
            desk.keys.server(server, (self.call, self.id));
        }
        self.refresh(desk, request, flow);
        self.connect(desk);
        self.look_after(desk);
        agrees(self).body(SDP, &sdp)
    }

    /// Takes the target of a re-INVITE, an UPDATE or the 2xx to ours. The BYE after a crash is to find it too.
    fn refresh(&mut self, desk: &mut Desk<'_>, message: &Message, flow: Flow) {
        if self.dialog.refresh(message, flow) && self.remembered {
            self.remember(desk);
        }
    }
}

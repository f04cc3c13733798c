//! A re-INVITE or UPDATE inside a leg that is up, ours or theirs: one at a time (RFC 3261 §14, RFC 3311).

use std::time::Duration;

use super::refresh::Refresh;
use super::{Exchange, Leg, Offer, Outcome, SDP, State};
use crate::switch::call::desk::Desk;
use crate::wire::flow::Flow;
use crate::wire::sdp::negotiation::Direction;
use crate::wire::sip::endpoint::{ALLOW, ClientId, SUPPORTED, ServerId};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::reliable::Receiver;

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
                self.take_target(desk, response, flow);
                let ack = self.dialog.ack(response.cseq().number);
                desk.endpoint.acknowledge(client, self.way(desk), ack);
                self.told = direction;
                let session = self.session.as_mut().expect("an offer was made");
                if response.body_of(SDP).is_some_and(|answer| session.conclude(answer).is_ok()) {
                    self.connect(desk);
                }
                self.updates.learn(response);
                self.renew(desk, response);
                self.look_after(desk);
                Exchange::Idle
            }
            // RFC 3261 §14.1: we own the Call-ID of the legs that we began, and wait longer on them.
            491 => {
                let span = if self.is_ours { 210..400 } else { 0..200 };
                let tens = span.start + u64::from(desk.ids.word()) % (span.end - span.start);
                Exchange::Later { at: desk.now.instant + Duration::from_millis(10 * tens) }
            }
            // RFC 3261 §12.2.1.2: the far side knows nothing of the dialog any more.
            408 | 481 => {
                self.bye(desk, None);
                return Outcome::Lost;
            }
            422 if !self.is_refresh(client) && self.raise(response) => Exchange::Idle,
            // A failed re-INVITE leaves everything as it was (RFC 3261 §14.1).
            _ => {
                self.told = direction;
                Exchange::Idle
            }
        };
        if !status.is_success() {
            self.not_refreshed(desk, client, response, status);
        }
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
        self.reinvite(desk, Offer::Changed, None);
    }

    /// A re-INVITE that only refreshes.
    pub(super) fn reinvite_unchanged(&mut self, desk: &mut Desk<'_>) -> ClientId {
        self.reinvite(desk, Offer::Unchanged, None)
    }

    pub(super) fn reinvite(
        &mut self,
        desk: &mut Desk<'_>,
        offer: Offer,
        authorization: Option<(Name, String)>,
    ) -> ClientId {
        let session = self.session.as_mut().expect("a leg that is up has agreed on media");
        let (text, direction) = match (offer, session.again()) {
            (Offer::Unchanged, Some(said)) => (said, self.told),
            (Offer::Unchanged, None) | (Offer::Changed, _) => {
                (session.offer(self.wanted), self.wanted)
            }
        };
        self.receiver = Receiver::default();
        let is_authorised = authorization.is_some();
        let request = self.dialog.request(&Method::Invite).header(Name::Allow, ALLOW);
        let request = self.timed(desk, request);
        let request = authorization
            .into_iter()
            .fold(request, |request, (name, value)| request.header(name, value));
        let client = desk.request(self.key(), self.way(desk), request.body(SDP, &text));
        self.authorised = is_authorised.then_some(client);
        self.state = State::Up(Exchange::Ours { client, direction, offer });
        client
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
        if self.limits.refuse(request) {
            return respond(422).header(Name::MinSe, self.limits.shortest.as_secs());
        }
        let is_invite = request.method() == Some(&Method::Invite);
        if matches!(self.state, State::Calling { .. }) && !is_invite {
            return self.updated_early(desk, request, flow);
        }
        let offer = request.body_of(SDP);
        // RFC 3311 §5.2: without an offer it is a target refresh, in the way of nothing.
        if offer.is_none() && !is_invite {
            self.take_target(desk, request, flow);
            let response = self.agrees(desk, request);
            self.look_after(desk);
            return response;
        }
        match self.state {
            State::Up(Exchange::Ours { .. })
            | State::Opening
            | State::Calling { .. }
            | State::Cancelling { .. } => return respond(491),
            // RFC 3311 §5.2: an UPDATE may follow what was agreed reliably, and waits for what was offered so.
            State::Invited { .. } if !is_invite && self.early.is_agreed() => {}
            State::Invited { .. } if !is_invite && self.early.is_offered() => return respond(491),
            State::Answered { offered: true, .. }
            | State::Up(Exchange::Theirs { offered: true, .. })
                if !is_invite =>
            {
                return respond(491);
            }
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
        self.take_target(desk, request, flow);
        self.connect(desk);
        let response = self.agrees(desk, request).body(SDP, &sdp);
        self.look_after(desk);
        response
    }

    /// The 200 to their re-INVITE or UPDATE; in a call that is up it begins the timer anew.
    fn agrees(&mut self, desk: &Desk<'_>, request: &Message) -> Outgoing {
        let response = Outgoing::response(Status::of(200), request, None)
            .header(Name::Contact, format_args!("<{}>", self.dialog.contact()))
            .header(Name::Allow, ALLOW);
        let response = response.header(Name::Supported, SUPPORTED);
        match self.state {
            State::Up(_) | State::Answered { .. } => {
                self.updates.learn(request);
                self.timed_answer(desk, request, response)
            }
            State::Invited { .. }
            | State::Opening
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Leaving { .. }
            | State::Gone => response,
        }
    }

    fn is_refresh(&self, client: ClientId) -> bool {
        matches!(self.refresh, Refresh::Asked { client: asked, .. } if asked == client)
    }

    /// Takes the target of a re-INVITE, an UPDATE or the 2xx to ours. The BYE after a crash is to find it too.
    pub(super) fn take_target(&mut self, desk: &mut Desk<'_>, message: &Message, flow: Flow) {
        if self.dialog.refresh(message, flow) && self.remembered {
            self.remember(desk);
        }
    }
}

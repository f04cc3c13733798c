//! The caller's leg until it is up: what their INVITE is answered, and the ACK of it (RFC 3261 §13.3).

use super::{Exchange, Leg, SDP, State, Then};
use crate::switch::call::desk::Desk;
use crate::wire::sip::endpoint::{ALLOW, SUPPORTED, ServerId};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::outgoing::Outgoing;

impl Leg {
    /// 200 with our answer, or our offer if they made none; as soon as what began the media is acknowledged.
    pub(in crate::switch::call) fn answer(&mut self, desk: &mut Desk<'_>) {
        if !self.is_unanswered() || self.early.holds_back() {
            return;
        }
        let State::Invited { server, request, answer } = &self.state else { return };
        let session = self.session.as_mut().expect("a call goes on only once its port is open");
        let (server, request) = (*server, request.clone());
        // RFC 6337 §3.1.1: what was agreed on before is not said again.
        let is_agreed = self.early.is_agreed();
        let offered = answer.is_none() && !is_agreed;
        let text =
            (!is_agreed).then(|| answer.clone().unwrap_or_else(|| session.offer(self.wanted)));
        self.early.conclude();
        let response = Outgoing::response(Status::of(200), &request, Some(&self.tag))
            .header(Name::Contact, format_args!("<{}>", self.dialog.contact()))
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED);
        let response = self.timed_answer(desk, &request, response);
        let response = match text {
            Some(text) => response.body(SDP, &text),
            None => response,
        };
        desk.endpoint.respond(desk.now.instant, server, response);
        self.state = State::Answered { server, offered, then: Then::Up };
        self.remember(desk);
    }

    /// A final answer other than 2xx to their INVITE.
    pub(in crate::switch::call) fn refuse(&mut self, desk: &mut Desk<'_>, status: Status) {
        if let State::Invited { server, request, .. } = &self.state {
            let response = Outgoing::response(status, request, Some(&self.tag));
            let response = match status.code() {
                503 => response.header(Name::RetryAfter, 5),
                415 => response.header(Name::Accept, SDP),
                _ => response,
            };
            desk.endpoint.respond(desk.now.instant, *server, response);
            self.early.conclude();
            self.gone(desk);
        }
    }

    /// The ACK of our 2xx; `Err` if it should have brought an answer and did not.
    pub(in crate::switch::call) fn acknowledged(
        &mut self,
        desk: &mut Desk<'_>,
        acked: ServerId,
        ack: &Message,
    ) -> Result<(), Status> {
        let offered = match self.state {
            State::Answered { server, offered, then } if server == acked => {
                if then == Then::Bye {
                    self.bye(desk, None);
                    return Ok(());
                }
                offered
            }
            State::Up(Exchange::Theirs { server, offered }) if server == acked => offered,
            _ => return Ok(()),
        };
        self.state = State::Up(Exchange::Idle);
        if offered {
            let session = self.session.as_mut().expect("an offer was made");
            let answer = ack.body_of(SDP).ok_or(Status::of(488))?;
            session.conclude(answer).map_err(|_| Status::of(488))?;
            self.connect(desk);
        }
        self.look_after(desk);
        self.reconcile(desk);
        Ok(())
    }

    /// No ACK ever came: RFC 3261 §13.3.1.4 and §14.2 end the dialog. `false` if that 2xx is of no concern any more.
    pub(in crate::switch::call) fn unacknowledged(
        &mut self,
        desk: &mut Desk<'_>,
        unacked: ServerId,
    ) -> bool {
        match self.state {
            State::Answered { server, .. } | State::Up(Exchange::Theirs { server, .. })
                if server == unacked =>
            {
                self.bye(desk, None);
                true
            }
            _ => false,
        }
    }

    /// Their CANCEL came in time.
    pub(in crate::switch::call) fn cancelled(&mut self, desk: &mut Desk<'_>) {
        self.refuse(desk, Status::of(487));
    }
}

//! How a leg ends, whatever it is doing: by us or by the far side (RFC 3261 §15).

use super::{Exchange, Leg, Outcome, Party, Port, State, Then, UNANSWERED};
use crate::media::Command;
use crate::switch::call::desk::{Desk, News};
use crate::switch::journal::Entry;
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Method, Status};

impl Leg {
    /// Ends this side, whatever it is doing. `reason` is a Reason header (RFC 3326).
    pub(in crate::switch::call) fn hang_up(&mut self, desk: &mut Desk<'_>, reason: Option<&str>) {
        match &mut self.state {
            State::Invited { .. } => self.refuse(desk, UNANSWERED),
            State::Answered { then, .. } => *then = Then::Bye,
            State::Opening => self.gone(desk),
            State::Calling { client, .. } => {
                let client = *client;
                self.cancel(desk, client, reason);
            }
            State::Up(_) => self.bye(desk, reason),
            State::Cancelling { .. } | State::Leaving { .. } | State::Gone => {}
        }
    }

    pub(super) fn bye(&mut self, desk: &mut Desk<'_>, reason: Option<&str>) {
        self.drop_exchange(desk);
        let mut request = self.dialog.request(&Method::Bye);
        if let Some(reason) = reason {
            request = request.header(Name::Reason, reason);
        }
        let client = desk.request(self.key(), self.way(desk), request);
        self.state = State::Leaving { client };
        self.close_port(desk);
    }

    /// A re-INVITE of ours that is still open would wait for its answer for ever: a CANCEL sets it an end (RFC 3261 §9.1).
    fn drop_exchange(&mut self, desk: &mut Desk<'_>) {
        if let State::Up(Exchange::Ours { client, .. }) = self.state {
            desk.endpoint.cancel(desk.now.instant, client, None);
        }
    }

    /// The dialog is over.
    pub(super) fn gone(&mut self, desk: &mut Desk<'_>) {
        if matches!(self.state, State::Gone) {
            return;
        }
        self.drop_exchange(desk);
        self.state = State::Gone;
        desk.keys.tags.remove(&self.tag);
        if std::mem::take(&mut self.remembered) {
            desk.outbox.store(Entry::DialogDown { local_tag: self.tag.clone() });
        }
        match &self.party {
            Party::User(user) => desk.news.push(News::Disengaged(user.clone())),
            Party::Trunk(trunk) if self.has_place => {
                desk.news.push(News::TrunkFree(trunk.clone()));
            }
            Party::Trunk(_) => {}
        }
        self.close_port(desk);
    }

    pub(super) fn close_port(&mut self, desk: &mut Desk<'_>) {
        if matches!(self.port_state, Port::Asked | Port::Open) {
            self.port_state = Port::Closing;
            desk.outbox.media(Command::Close { port: self.port });
        }
    }

    /// Their BYE.
    pub(in crate::switch::call) fn left(&mut self, desk: &mut Desk<'_>) -> Outcome {
        match self.state {
            // No phone should say BYE while it rings (RFC 3261 §15); one that does will not answer.
            State::Calling { .. } => {
                self.hang_up(desk, None);
                Outcome::Refused(UNANSWERED)
            }
            // The CANCEL's final answer is still to come.
            State::Cancelling { .. } => Outcome::Nothing,
            // A BYE inside the early dialog ends the INVITE too (RFC 3261 §15.1.2).
            State::Invited { .. } => {
                self.refuse(desk, Status::of(487));
                Outcome::Lost
            }
            State::Opening
            | State::Answered { .. }
            | State::Up(_)
            | State::Leaving { .. }
            | State::Gone => {
                self.gone(desk);
                Outcome::Lost
            }
        }
    }
}

//! What the far side of a leg answers to our requests, or does not: RFC 3261 §13.2.2, §12.2.1.2.

use super::{Exchange, Leg, Outcome, Party, State, UNANSWERED};
use crate::switch::call::desk::Desk;
use crate::wire::flow::Flow;
use crate::wire::sip::endpoint::ClientId;
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method, Status};

impl Leg {
    /// A response to one of our requests of this leg.
    pub(in crate::switch::call) fn response(
        &mut self,
        desk: &mut Desk<'_>,
        client: ClientId,
        response: &Message,
        flow: Flow,
    ) -> Outcome {
        let Some(status) = response.status() else { return Outcome::Nothing };
        if !status.is_provisional()
            && let Some(ask) = self.asked(client)
        {
            return self.told(desk, ask, response, status, flow);
        }
        match &mut self.state {
            State::Calling { client: ours, .. } if *ours == client && status.is_provisional() => {
                self.provisional(desk, response, flow, status)
            }
            State::Calling { client: ours, .. } if *ours == client && status.is_success() => {
                let confirmed = self.confirm(desk, client, response, flow);
                self.conclude(desk, response, confirmed)
            }
            State::Calling { client: ours, authorised, .. } if *ours == client => {
                let authorised = *authorised;
                // RFC 4028 §7.4: for longer intervals, as a new request.
                if status.code() == 422 && self.raise(response) {
                    self.invite(desk, None);
                    return Outcome::Nothing;
                }
                let authorization = if authorised {
                    None
                } else {
                    desk.authorization(
                        &self.party,
                        self.attempt,
                        response,
                        &Method::Invite,
                        &self.dialog,
                    )
                };
                match authorization {
                    Some(authorization) => {
                        self.invite(desk, Some(authorization));
                        Outcome::Nothing
                    }
                    None if status.code() == 503 && self.attempt.is_some() => {
                        self.unserved(desk, status, response.seconds(Name::RetryAfter))
                    }
                    None => self.refused(desk, status),
                }
            }
            State::Cancelling { client: ours } if *ours == client && !status.is_provisional() => {
                if status.is_success() {
                    // CANCEL crossed the 200 (RFC 3261 §9.1): the call is up, so it is hung up.
                    self.confirm(desk, client, response, flow);
                    self.bye(desk, None);
                } else {
                    self.gone(desk);
                }
                Outcome::Nothing
            }
            State::Up(Exchange::Ours { client: ours, .. })
                if *ours == client && status.is_provisional() =>
            {
                self.progressed(desk, response);
                Outcome::Nothing
            }
            State::Up(Exchange::Ours { client: ours, direction, offer }) if *ours == client => {
                let (direction, offer) = (*direction, *offer);
                match self.challenged(desk, client, &Method::Invite, response) {
                    Some(authorization) => {
                        let again = self.reinvite(desk, offer, Some(authorization));
                        self.asked_again(client, again);
                        Outcome::Nothing
                    }
                    None => self.reinvited(desk, client, direction, response, status, flow),
                }
            }
            State::Leaving { client: ours } if *ours == client && !status.is_provisional() => {
                match self.challenged(desk, client, &Method::Bye, response) {
                    Some((name, value)) => {
                        let bye = self.dialog.request(&Method::Bye).header(name, value);
                        let client = desk.request(self.key(), self.way(desk), bye);
                        self.authorised = Some(client);
                        self.state = State::Leaving { client };
                    }
                    None => self.gone(desk),
                }
                Outcome::Nothing
            }
            // A 2xx to a re-INVITE that we have cancelled: the BYE is on its way, the ACK still owed (RFC 3261 §13.2.2.4).
            State::Leaving { .. } | State::Gone
                if status.is_success()
                    && response.cseq().method == Method::Invite
                    && self.dialog.is_confirmed()
                    && self.dialog.owns(response) =>
            {
                let ack = self.dialog.ack(response.cseq().number);
                desk.endpoint.acknowledge(client, self.way(desk), ack);
                Outcome::Nothing
            }
            _ => Outcome::Nothing,
        }
    }

    /// What answers a challenge to a request inside the dialog: once, and to trunks alone.
    fn challenged(
        &mut self,
        desk: &mut Desk<'_>,
        client: ClientId,
        method: &Method,
        response: &Message,
    ) -> Option<(Name, String)> {
        if self.authorised == Some(client) {
            return None;
        }
        desk.authorization(&self.party, self.attempt, response, method, &self.dialog)
    }

    /// A request of ours got no final response.
    pub(in crate::switch::call) fn failed(
        &mut self,
        desk: &mut Desk<'_>,
        client: ClientId,
        status: Status,
    ) -> Outcome {
        if let Some(ask) = self.asked(client) {
            return self.untold(desk, ask, status);
        }
        match self.state {
            State::Calling { client: ours, .. } if ours == client => {
                // A phone that cannot be reached is not there; that a gateway cannot is a fault (RFC 3261 §8.1.3.1).
                match (&self.party, status.code()) {
                    (Party::User(_), 503) => self.refused(desk, UNANSWERED),
                    (Party::User(_), _) => self.refused(desk, status),
                    (Party::Trunk(_), _) => self.unserved(desk, status, None),
                }
            }
            State::Cancelling { client: ours } | State::Leaving { client: ours }
                if ours == client =>
            {
                self.gone(desk);
                Outcome::Nothing
            }
            State::Up(Exchange::Ours { client: ours, .. }) if ours == client => {
                self.bye(desk, None);
                Outcome::Lost
            }
            _ => Outcome::Nothing,
        }
    }
}

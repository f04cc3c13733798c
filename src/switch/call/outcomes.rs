//! What the far sides say to our requests, and what becomes of the call.

use super::Call;
use super::desk::Desk;
use super::fork::{is_no_way, outward};
use super::leg::{LegId, Outcome};
use crate::wire::flow::Flow;
use crate::wire::sip::endpoint::ClientId;
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::reliable;

impl Call {
    /// A response to a request of a leg.
    pub(in crate::switch) fn response(
        &mut self,
        desk: &mut Desk<'_>,
        leg: LegId,
        client: ClientId,
        response: &Message,
        flow: Flow,
    ) {
        if let Some(status) = response.status() {
            self.subscriber_says(client, status);
        }
        let Some(answering) = self.leg(leg) else { return };
        let outcome = answering.response(desk, client, response, flow);
        if let Some(status) = response.status() {
            self.heard(desk, leg, status);
        }
        // Flow Failed (RFC 5626 §11.1): the proxy has lost the phone's connection.
        let is_lost = response.status() == Some(Status::of(430));
        let goes_elsewhere = match outcome {
            Outcome::Refused(status) if status.code() / 100 == 3 => {
                self.redirected(desk, leg, response)
            }
            _ => is_lost && self.rings_otherwise(desk, leg),
        };
        if !goes_elsewhere {
            self.outcome(desk, leg, outcome);
        }
    }

    /// A request of a leg that got no final response.
    pub(in crate::switch) fn failed(
        &mut self,
        desk: &mut Desk<'_>,
        leg: LegId,
        client: ClientId,
        status: Status,
    ) {
        self.subscriber_says(client, status);
        let Some(failing) = self.leg(leg) else { return };
        let outcome = failing.failed(desk, client, status);
        let is_refused = matches!(outcome, Outcome::Refused(_));
        if !(is_refused && self.rings_otherwise(desk, leg)) {
            self.outcome(desk, leg, outcome);
        }
    }

    pub(super) fn outcome(&mut self, desk: &mut Desk<'_>, leg: LegId, outcome: Outcome) {
        match outcome {
            Outcome::Nothing => self.settle_hold(desk),
            Outcome::Ringing { early } => self.rings(desk, leg, early),
            Outcome::Answered => self.bridged(desk, leg),
            Outcome::Refused(status) if !self.ways.is_empty() && is_no_way(status) => {
                self.ring_next_trunk(desk, outward(status));
            }
            Outcome::Refused(status) => {
                let status = self.refused_by(desk, leg, outward(status));
                self.declined(desk, status);
            }
            Outcome::Unserved { status, after } => self.unserved(desk, leg, status, after),
            Outcome::Lost if self.is_aside(leg) => self.aside_gone(desk, leg),
            Outcome::Lost => self.lost(desk, leg),
            Outcome::Unacknowledged => {
                let status = reliable::UNACKNOWLEDGED;
                self.refuse(desk, status, "no PRACK from the caller")
            }
            // RFC 3261 §13.3.1.
            Outcome::Expired => self.refuse(desk, Status::of(487), "no answer"),
        }
    }
}

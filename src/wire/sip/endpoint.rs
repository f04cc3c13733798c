//! The endpoint: all listeners of ours and the transactions that run over them (RFC 3261 §17, §18, RFC 6026, RFC 3581, RFC 4320).

use std::net::SocketAddr;
use std::time::Instant;

use super::ids::Ids;
use super::message::{Message, Status};
use super::outgoing::Outgoing;
use crate::wire::flow::{self, Datagram, Flow, ListenerId, Transmit, Transport};

/// What we do, for the Allow header.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REGISTER";

/// A client transaction of ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientId(pub u64);

/// A server transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerId(pub u64);

/// A listener as the far side sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Local {
    /// Its number.
    pub listener: ListenerId,
    /// UDP or TCP.
    pub transport: Transport,
    /// What Via and Contact say: the bound address, or the one NAT shows to the world.
    pub advertise: SocketAddr,
}

/// What the transactions tell their user.
#[derive(Debug)]
pub enum Event {
    /// A new request, neither ACK nor CANCEL, checked by RFC 3261 §8.2 as far as no business is needed. To be answered with
    /// [`Endpoint::respond`], whatever happens: an unanswered transaction would never end.
    Request {
        /// Answer here.
        server: ServerId,
        /// The request.
        request: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// The ACK of our 2xx arrived.
    Acknowledged {
        /// The INVITE.
        server: ServerId,
        /// The ACK, which may carry SDP.
        ack: Message,
    },
    /// No ACK came in 64*T1 (RFC 3261 §13.3.1.4): the user sends BYE.
    Unacknowledged {
        /// The INVITE.
        server: ServerId,
    },
    /// A CANCEL arrived in time and has been answered with 200; the user answers the INVITE with 487.
    Cancelled {
        /// The INVITE.
        server: ServerId,
        /// Its Reason header, if it had one.
        reason: Option<String>,
    },
    /// A response to a request of ours. A repeated 2xx with the same To tag is acknowledged again here and not told;
    /// a 2xx of another fork is told.
    Response {
        /// The request.
        client: ClientId,
        /// The response.
        response: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// No final response: treat as `status` (408 after a timeout, 503 when the transport failed; RFC 3261 §8.1.3.1).
    Failed {
        /// The request.
        client: ClientId,
        /// 408 or 503.
        status: Status,
    },
}

/// The transaction layer. No clock, no socket: `receive`, `request`, `respond`, `cancel` go in, [`Endpoint::poll`] and
/// [`Endpoint::poll_transmit`] come out, [`Endpoint::deadline`] says when to call [`Endpoint::timeout`].
#[derive(Debug)]
pub struct Endpoint {}

impl Endpoint {
    /// With every listener of ours.
    pub fn new(locals: Vec<Local>, ids: Ids) -> Endpoint {
        let _ = (locals, ids);
        todo!()
    }

    /// A datagram, or a framed message of a stream.
    pub fn receive(&mut self, now: Instant, datagram: Datagram<'_>) {
        let _ = (now, datagram);
        todo!()
    }

    /// A connection closed or an address turned out to be unreachable: client transactions on it fail with 503.
    pub fn flow_event(&mut self, now: Instant, event: flow::Event) {
        let _ = (now, event);
        todo!()
    }

    /// Sends a request (any but ACK and CANCEL) in a transaction of its own.
    pub fn request(&mut self, now: Instant, flow: Flow, request: Outgoing) -> ClientId {
        let _ = (now, flow, request);
        todo!()
    }

    /// Sends the ACK of a 2xx, and again whenever that 2xx is repeated. `flow` is the dialog's.
    pub fn acknowledge(&mut self, now: Instant, client: ClientId, flow: Flow, ack: Outgoing) {
        let _ = (now, client, flow, ack);
        todo!()
    }

    /// Cancels an INVITE of ours: at once if it was answered provisionally, else as soon as it is (RFC 3261 §9.1). The final response
    /// is still told; if none comes in 64*T1 after the CANCEL, `Failed` with 408. `reason` is a Reason header (RFC 3326).
    pub fn cancel(&mut self, now: Instant, client: ClientId, reason: Option<&str>) {
        let _ = (now, client, reason);
        todo!()
    }

    /// Answers a request. A 2xx to INVITE is repeated until its ACK. A second final answer is ignored.
    pub fn respond(&mut self, now: Instant, server: ServerId, response: Outgoing) {
        let _ = (now, server, response);
        todo!()
    }

    /// The next thing for the user.
    pub fn poll(&mut self) -> Option<Event> {
        todo!()
    }

    /// The next bytes for a socket.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        todo!()
    }

    /// The next stream that cannot be read any further and is to be closed once what was sent is out.
    pub fn poll_close(&mut self) -> Option<Flow> {
        todo!()
    }

    /// When [`Endpoint::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// Fires every timer that is due.
    pub fn timeout(&mut self, now: Instant) {
        let _ = now;
        todo!()
    }

    /// Transactions that have not ended yet, lingering ones included: zero at rest, as a test of leaks.
    pub fn open(&self) -> usize {
        todo!()
    }
}

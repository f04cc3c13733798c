//! The endpoint: all listeners of ours and the transactions that run over them (RFC 3261 §17, §18, RFC 6026, RFC 3581, RFC 4320).

mod agenda;
mod checks;
mod clients;
mod derived;
mod matching;
mod routing;
mod servers;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::headers::Name;
use super::ids::Ids;
use super::message::{Lexed, Malformed, Message, Method, Status};
use super::outgoing::Outgoing;
use crate::wire::address::is_host;
use crate::wire::flow::{self, Datagram, Flow, ListenerId, Transmit, Transport};
use agenda::{Agenda, Subject};
pub use checks::{ALLOW, SUPPORTED, is_optional};
use clients::Clients;
use servers::Servers;

/// Most transactions at a time, lingering ones included: 2,000 calls a second leave 200,000. Beyond it new requests get a
/// stateless 503, those inside dialogs a quarter later.
const MOST: usize = 240_000;

/// Age of a received message from which new calls are refused, so that the backlog shrinks.
const BACKLOG: Duration = Duration::from_millis(100);

/// Retry-After of a 503, in seconds: by chance within these, so that callers do not come back together.
const RETRY_AFTER: std::ops::Range<u32> = 2..12;

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
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// What Via and Contact say: the bound address, or the one NAT shows to the world.
    pub advertise: SocketAddr,
}

/// What the transactions tell their user.
#[derive(Debug)]
pub enum Event {
    /// A new request, neither ACK nor CANCEL, checked by RFC 3261 §8.2 as far as no business is needed. To be answered with
    /// [`Endpoint::respond`], whatever happens: an unanswered INVITE would never end.
    Request {
        /// Answer here.
        server: ServerId,
        /// The request.
        request: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// A request that goes no further, whoever sent it: it cannot be read, is none that we know, belongs to nothing, or is one too many.
    /// [`Endpoint::stateless`] sends the answer, if its sender is to have one.
    Refused {
        /// The answer.
        response: Outgoing,
        /// Where the request came from.
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
    /// The connection by which an INVITE of ours went has ended while it rings. Its answer may come by another one, and
    /// [`Endpoint::repeat`] says it once more.
    Severed {
        /// The INVITE.
        client: ClientId,
    },
    /// The connection by which an INVITE came has ended before its final answer, which takes a new one if its sender listens.
    Deserted {
        /// The INVITE.
        server: ServerId,
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
pub struct Endpoint {
    clients: Clients,
    servers: Servers,
    outbox: Outbox,
    closes: VecDeque<Flow>,
    most: usize,
    calls: NewCalls,
    /// Calls of these are taken in all the same.
    urgent: Vec<String>,
}

/// Whether new calls are taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NewCalls {
    Taken,
    /// They get a stateless 503.
    PutOff,
}

/// What the two halves of the endpoint produce.
#[derive(Debug, Default)]
struct Outbox {
    events: VecDeque<Event>,
    transmits: VecDeque<Transmit>,
    agenda: Agenda,
}

impl Outbox {
    fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    fn send(&mut self, flow: Flow, bytes: &[u8]) {
        self.transmits.push_back(Transmit { flow, bytes: bytes.to_vec() });
    }
}

impl Endpoint {
    /// With every listener of ours.
    pub fn new(locals: Vec<Local>, mut ids: Ids) -> Endpoint {
        Endpoint {
            servers: Servers::new(&mut ids),
            clients: Clients::new(locals, ids),
            outbox: Outbox::default(),
            closes: VecDeque::new(),
            most: MOST,
            calls: NewCalls::Taken,
            urgent: Vec::new(),
        }
    }

    /// A datagram, or a framed message of a stream.
    pub fn receive(&mut self, now: Instant, datagram: Datagram<'_>) {
        let flow = datagram.flow;
        // Nothing is ever sent to a group or to nobody, whoever claims to be there.
        if is_host(flow.remote.ip()) && flow.remote.port() != 0 {
            match Message::parse(datagram.bytes) {
                Ok(message) if datagram.broken => self.unframed(flow, &message),
                Ok(message) => {
                    let late = now.saturating_duration_since(datagram.received) > BACKLOG;
                    self.message(now, flow, message, late);
                }
                Err((malformed, lexed)) => self.malformed(flow, malformed, lexed),
            }
        }
        if datagram.broken {
            self.closes.push_back(flow);
        }
        self.settle();
    }

    /// From here on new INVITEs get a 503 with Retry-After; what is being served goes on.
    pub fn put_off_calls(&mut self) {
        self.calls = NewCalls::PutOff;
    }

    /// New INVITEs are told again.
    pub fn take_calls(&mut self) {
        self.calls = NewCalls::Taken;
    }

    /// A connection closed or an address turned out to be unreachable: client transactions on it fail with 503, but for an INVITE
    /// that rings where a connection closed, and for what was too long for UDP, which goes by it all the same.
    pub fn flow_event(&mut self, now: Instant, event: flow::Event) {
        match event {
            flow::Event::Closed(flow) => {
                self.clients.closed(now, flow, &mut self.outbox);
                if let Some(connection) = flow.connection {
                    self.servers.closed(connection, &mut self.outbox);
                }
            }
            flow::Event::Unreachable(flow) => self.clients.unreachable(now, flow, &mut self.outbox),
        }
        self.settle();
    }

    /// Sends a request (any but ACK and CANCEL) in a transaction of its own.
    pub fn request(&mut self, now: Instant, flow: Flow, request: Outgoing) -> ClientId {
        let client = self.clients.request(now, flow, &request, &mut self.outbox);
        self.settle();
        client
    }

    /// Sends the ACK of a 2xx with the credentials of its INVITE, and again whenever that 2xx is repeated. `flow` is the dialog's.
    pub fn acknowledge(&mut self, client: ClientId, flow: Flow, ack: Outgoing) {
        self.clients.acknowledge(client, flow, ack, &mut self.outbox);
    }

    /// Cancels an INVITE of ours: at once if it was answered provisionally, else as soon as it is (RFC 3261 §9.1). The final response
    /// is still told; if none comes in 64*T1 after the CANCEL, `Failed` with 408. `reason` is a Reason header (RFC 3326).
    pub fn cancel(&mut self, now: Instant, client: ClientId, reason: Option<&str>) {
        self.clients.cancel(now, client, reason, &mut self.outbox);
        self.settle();
    }

    /// Says an INVITE that rings once more, by another connection to the same phone: one that has forgotten it takes it for a new one,
    /// any other for a repetition (RFC 3261 §17.2.1).
    pub fn repeat(&mut self, client: ClientId, flow: Flow) {
        self.clients.repeat(client.0, flow, &mut self.outbox);
    }

    /// Forgets a request that is no INVITE: nobody waits for its answer any more.
    pub fn abandon(&mut self, client: ClientId) {
        self.clients.abandon(client);
        self.settle();
    }

    /// Answers a request. A 2xx to INVITE is repeated until its ACK. A second final answer is ignored.
    pub fn respond(&mut self, now: Instant, server: ServerId, response: Outgoing) {
        self.servers.respond(now, server, response, &mut self.outbox);
        self.settle();
    }

    /// The To tag for an answer outside any dialog: the same whenever the request comes again (RFC 3261 §8.2.7).
    pub fn tag(&self, request: &Message) -> String {
        self.servers.tag(request)
    }

    /// The To tag of the dialog that an INVITE begins, never given twice. The answer to its CANCEL carries it too (RFC 3261 §9.2).
    pub fn dialog_tag(&self, server: ServerId) -> String {
        self.servers.dialog_tag(server)
    }

    /// Answers a request finally and forgets it at once: for whoever has proven nothing, so that a flood of such requests costs no
    /// memory. Should the request come again, it is a new one; [`Endpoint::tag`] makes the answer the same. Over UDP it is sent as far
    /// as it is no longer than twice the request.
    pub fn dismiss(&mut self, server: ServerId, response: Outgoing) {
        self.servers.dismiss(server, response, &mut self.outbox);
        self.settle();
    }

    /// Forgets a request without an answer: for whoever has used up their answers.
    pub fn ignore(&mut self, server: ServerId) {
        self.servers.ignore(server);
        self.settle();
    }

    /// Calls to these users are never put off: emergencies.
    pub fn never_put_off(&mut self, users: Vec<String>) {
        self.urgent = users;
    }

    /// Sends a response outside any transaction, to where its topmost Via and `flow`, which the request came by, say; over UDP as far as
    /// it is no longer than twice the request.
    pub fn stateless(&mut self, flow: Flow, response: Outgoing) {
        self.outbox.reply_to_a_stranger(flow, response);
    }

    /// The next thing for the user.
    pub fn poll(&mut self) -> Option<Event> {
        self.outbox.events.pop_front()
    }

    /// The next bytes for a socket.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.transmits.pop_front()
    }

    /// The next stream that cannot be read any further and is to be closed once what was sent is out.
    pub fn poll_close(&mut self) -> Option<Flow> {
        self.closes.pop_front()
    }

    /// When [`Endpoint::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.outbox.agenda.next()
    }

    /// Fires every timer that is due.
    pub fn timeout(&mut self, now: Instant) {
        while let Some((due, subject)) = self.outbox.agenda.due(now) {
            if self.clients.due(subject).or_else(|| self.servers.due(subject)) != Some(due) {
                continue;
            }
            match subject {
                Subject::Client(id) => self.clients.timeout(now, id, &mut self.outbox),
                Subject::Cancel(id) => self.clients.cancel_timeout(now, id, &mut self.outbox),
                Subject::Server(id) => self.servers.timeout(now, id, &mut self.outbox),
            }
        }
        self.settle();
    }

    /// Transactions that have not ended yet, lingering ones included: zero at rest, as a test of leaks.
    pub fn open(&self) -> usize {
        self.clients.open() + self.servers.open()
    }

    fn is_urgent(&self, message: &Message) -> bool {
        let user = message.uri().and_then(|uri| uri.user());
        user.is_some_and(|user| self.urgent.iter().any(|urgent| urgent == user))
    }

    fn message(&mut self, now: Instant, flow: Flow, message: Message, late: bool) {
        match message.method() {
            None => self.clients.response(now, flow, message, &mut self.outbox),
            Some(Method::Ack) => self.servers.ack(now, message, &mut self.outbox),
            Some(Method::Cancel) => self.servers.cancel(flow, &message, &mut self.outbox),
            Some(method) => {
                let Some(print) = self.servers.repeated(&message, flow, &mut self.outbox) else {
                    return;
                };
                let is_new = message.to().tag().is_none();
                let open = self.open();
                let is_full = if is_new { open >= self.most } else { open >= self.most / 4 * 5 };
                let is_call = is_new && *method == Method::Invite;
                let is_put_off = is_call
                    && (late || self.calls == NewCalls::PutOff)
                    && !self.is_urgent(&message);
                if is_full || is_put_off {
                    let tag = self.servers.tag(&message);
                    let response = Outgoing::response(Status::of(503), &message, Some(&tag))
                        .header(Name::RetryAfter, retry_after(&tag));
                    self.outbox.tell(Event::Refused { response, flow });
                } else {
                    self.servers.request(now, flow, message, print, &mut self.outbox);
                }
            }
        }
    }

    /// A message whose end the stream does not tell, though it could be read: it is refused all the same (RFC 3261 §18.3).
    fn unframed(&mut self, flow: Flow, message: &Message) {
        match message.method() {
            None | Some(Method::Ack) => {}
            Some(_) => {
                let tag = self.servers.tag(message);
                let response = Outgoing::response(Status::of(400), message, Some(&tag))
                    .reason("Content-Length needed");
                self.outbox.tell(Event::Refused { response, flow });
            }
        }
    }

    fn malformed(&mut self, flow: Flow, malformed: Malformed, lexed: Option<Lexed>) {
        let Some(lexed) = lexed else { return };
        let tag = self.servers.tag_of(&lexed);
        if let Some(response) = Outgoing::refusal(malformed.status, &lexed, malformed.what, &tag) {
            self.outbox.tell(Event::Refused { response, flow });
        }
    }

    /// Drops what the agenda holds of transactions that have moved on, as far as it is next.
    fn settle(&mut self) {
        let Endpoint { clients, servers, outbox, .. } = self;
        outbox.agenda.drop_stale(|subject| clients.due(subject).or_else(|| servers.due(subject)));
    }
}

/// The same for every repetition of a request, whose tag this is.
fn retry_after(tag: &str) -> u32 {
    let chance: u32 = tag.bytes().map(u32::from).sum();
    RETRY_AFTER.start + chance % (RETRY_AFTER.end - RETRY_AFTER.start)
}

#[cfg(test)]
mod tests;

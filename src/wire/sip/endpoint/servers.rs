//! The endpoint as server: requests of the far side and the answers to them (RFC 3261 §17.2, §8.2, §9.2, §13.3.1).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

use super::agenda::{Due, Subject};
use super::matching::{Print, Prints};
use super::routing::{at_port, reply, sent_by_port};
use super::{Event, Outbox, ServerId, checks};
use crate::wire::flow::{ConnectionId, Flow};
use crate::wire::sip::headers::Name;
use crate::wire::sip::ids::Ids;
use crate::wire::sip::message::{Lexed, Message, Method, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::transaction::Fired;
use crate::wire::sip::transaction::invite_server::{Acknowledged, InviteServer};
use crate::wire::sip::transaction::server::{Answer, Server as Other};

/// The server transactions, and the ways to find one.
#[derive(Debug)]
pub(super) struct Servers {
    prints: Prints,
    next: u64,
    open: BTreeMap<u64, Server>,
    /// By what a repetition, an ACK of a refusal and a CANCEL have in common with the request.
    requests: BTreeMap<Print, u64>,
    /// By what a request has in common with itself when it arrives by another way.
    origins: BTreeMap<Print, u64>,
    /// By what a 2xx has in common with its ACK.
    answers: BTreeMap<Print, u64>,
    /// Those whose answer goes over a connection.
    streams: BTreeSet<(ConnectionId, u64)>,
}

#[derive(Debug)]
struct Server {
    request: Print,
    origin: Option<Print>,
    answer: Option<Print>,
    /// Where the request came from.
    source: SocketAddr,
    /// The port of its Via, for when the connection is gone.
    port: u16,
    /// Where the answers go.
    reply: Flow,
    exchange: Exchange,
    /// What may have to be sent again.
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Exchange {
    Invite(InviteServer),
    Other(Other),
}

impl Servers {
    pub(super) fn new(ids: &mut Ids) -> Servers {
        let (open, requests, origins, answers, streams) = Default::default();
        Servers { prints: Prints::new(ids), next: 0, open, requests, origins, answers, streams }
    }

    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// The To tag of stateless answers to a request.
    pub(super) fn tag(&self, request: &Message) -> String {
        self.tag_of(request.lexed())
    }

    /// The same for a request of which little can be read.
    pub(super) fn tag_of(&self, request: &Lexed) -> String {
        self.prints.tag(request.lines(Name::Via).take(1).chain(request.lines(Name::CallId).take(1)))
    }

    /// The To tag of the dialog that an INVITE begins.
    pub(super) fn dialog_tag(&self, ServerId(id): ServerId) -> String {
        self.prints.dialog_tag(id)
    }

    /// If a request has been here before, its transaction answers; else its fingerprint, for [`Servers::request`].
    pub(super) fn repeated(
        &mut self,
        request: &Message,
        flow: Flow,
        out: &mut Outbox,
    ) -> Option<Print> {
        let print = self.prints.request(request);
        let Some(id) = self.requests.get(&print).copied() else { return Some(print) };
        let Some(server) = self.open.get_mut(&id) else { return Some(print) };
        if flow != server.reply && flow.remote.ip() == server.source.ip() {
            // Its sender has a new connection or a new port: that is where it listens now.
            if let Some(connection) = server.reply.connection {
                self.streams.remove(&(connection, id));
            }
            server.source = flow.remote;
            server.reply = reply(flow, request.via());
            if let Some(connection) = server.reply.connection {
                self.streams.insert((connection, id));
            }
        }
        let before = server.deadline();
        let resend = match &mut server.exchange {
            Exchange::Invite(machine) => machine.repeated(),
            Exchange::Other(machine) => machine.repeated(),
        };
        if resend {
            out.send(server.reply, &server.bytes);
        }
        out.agenda.moved(Subject::Server(id), before, server.deadline());
        None
    }

    /// A request that was not here before, with its fingerprint.
    pub(super) fn request(
        &mut self,
        now: Instant,
        flow: Flow,
        request: Message,
        print: Print,
        out: &mut Outbox,
    ) {
        let origin = self.prints.origin(&request);
        let is_merged = origin.is_some_and(|origin| self.origins.contains_key(&origin));
        let answer =
            |code: u16| Outgoing::response(Status::of(code), &request, Some(&self.tag(&request)));
        let refusal = checks::refused(&request, answer)
            .or_else(|| is_merged.then(|| answer(482)))
            .or_else(|| checks::not_understood(&request, answer));
        if let Some(response) = refusal {
            // Stateless, as repetitions are refused alike.
            return out.tell(Event::Refused { response, flow });
        }

        let (exchange, bytes) = if request.method() == Some(&Method::Invite) {
            let trying = Outgoing::response(Status::of(100), &request, None).received(flow.remote);
            let mut bytes = Vec::with_capacity(512);
            trying.write(None, &mut bytes);
            (Exchange::Invite(InviteServer::begin(now)), bytes)
        } else {
            (Exchange::Other(Other::begin(now)), Vec::new())
        };
        let id = self.next;
        self.next += 1;
        let server = Server {
            request: print,
            origin,
            answer: None,
            source: flow.remote,
            port: sent_by_port(request.via(), flow.transport),
            reply: reply(flow, request.via()),
            exchange,
            bytes,
        };
        self.requests.insert(server.request, id);
        if let Some(origin) = origin {
            self.origins.insert(origin, id);
        }
        if let Some(connection) = server.reply.connection {
            self.streams.insert((connection, id));
        }
        out.agenda.moved(Subject::Server(id), None, server.deadline());
        self.open.insert(id, server);
        out.tell(Event::Request { server: ServerId(id), request, flow });
    }

    /// An ACK: of a 2xx by its dialog, of a refusal by its transaction, else of nothing of ours.
    pub(super) fn ack(&mut self, now: Instant, ack: Message, out: &mut Outbox) {
        let of_success = self.answers.get(&self.prints.answer(&ack, ack.to().tag()));
        let Some(id) =
            of_success.or_else(|| self.requests.get(&self.prints.request(&ack))).copied()
        else {
            return;
        };
        let is_success = of_success.is_some();
        let Some(server) = self.open.get_mut(&id) else { return };
        let before = server.deadline();
        let Exchange::Invite(machine) = &mut server.exchange else { return };
        if matches!(machine, InviteServer::Accepted { .. }) != is_success {
            return;
        }
        match machine.acknowledged(now, server.reply.transport) {
            Acknowledged::Nothing => return,
            Acknowledged::Refusal => {}
            Acknowledged::Success => out.tell(Event::Acknowledged { server: ServerId(id), ack }),
        }
        server.bytes = Vec::new();
        let after = server.deadline();
        out.agenda.moved(Subject::Server(id), before, after);
        if after.is_none() {
            self.forget(id);
        }
    }

    /// A CANCEL, answered statelessly: its repetitions are answered alike (RFC 3261 §9.2).
    pub(super) fn cancel(&mut self, flow: Flow, cancel: &Message, out: &mut Outbox) {
        let id = self.requests.get(&self.prints.request(cancel)).copied();
        let server = id.and_then(|id| self.open.get_mut(&id).map(|server| (id, server)));
        let Some((id, server)) = server else {
            let tag = self.tag(cancel);
            let response = Outgoing::response(Status::of(481), cancel, Some(&tag));
            return out.tell(Event::Refused { response, flow });
        };
        let Exchange::Invite(machine) = &mut server.exchange else { return };
        let is_news = machine.cancelled();
        // The tag of the INVITE's answers, given or to come.
        let given =
            Message::parse(&server.bytes).ok().and_then(|last| last.to().tag().map(String::from));
        let tag = given.unwrap_or_else(|| self.dialog_tag(ServerId(id)));
        out.reply(flow, Outgoing::response(Status::of(200), cancel, Some(&tag)));
        if is_news {
            let reason = cancel.text(Name::Reason).map(String::from);
            out.tell(Event::Cancelled { server: ServerId(id), reason });
        }
    }

    pub(super) fn respond(
        &mut self,
        now: Instant,
        server: ServerId,
        response: Outgoing,
        out: &mut Outbox,
    ) {
        let ServerId(id) = server;
        let (Some(status), Some(server)) = (response.status(), self.open.get_mut(&id)) else {
            return;
        };
        let before = server.deadline();
        let transport = server.reply.transport;
        let is_sent = match &mut server.exchange {
            Exchange::Invite(machine) => machine.answered(now, status, transport),
            Exchange::Other(machine) => machine.answered(now, status, transport) == Answer::Send,
        };
        let after = server.deadline();
        if is_sent {
            let mut bytes = Vec::new();
            if matches!(server.exchange, Exchange::Invite(InviteServer::Accepted { .. }))
                && let Some((request, tag)) = response.answers()
            {
                let print = self.prints.answer(request, tag);
                server.answer = Some(print);
                self.answers.insert(print, id);
            }
            response.received(server.source).write(None, &mut bytes);
            out.send(server.reply, &bytes);
            server.bytes = bytes;
        }
        out.agenda.moved(Subject::Server(id), before, after);
        let waits = matches!(server.exchange, Exchange::Invite(InviteServer::Proceeding { .. }));
        if after.is_none() && !waits {
            self.forget(id);
        }
    }

    /// Answers and forgets.
    pub(super) fn dismiss(&mut self, server: ServerId, response: Outgoing, out: &mut Outbox) {
        let is_unanswered = self.open.get(&server.0).is_some_and(|server| match server.exchange {
            Exchange::Invite(machine) => matches!(machine, InviteServer::Proceeding { .. }),
            Exchange::Other(machine) => {
                matches!(machine, Other::Trying { .. } | Other::Proceeding { .. })
            }
        });
        if is_unanswered
            && let Some(server) = self.forget(server.0)
            && let Some(bytes) = response.for_a_stranger(server.source, server.reply.transport)
        {
            out.send(server.reply, &bytes);
        }
    }

    /// Forgets a request without an answer.
    pub(super) fn ignore(&mut self, server: ServerId) {
        self.forget(server.0);
    }

    /// The answers to what came by this connection go to a new one (RFC 3261 §18.2.2).
    pub(super) fn closed(&mut self, connection: ConnectionId, out: &mut Outbox) {
        let all = (connection, 0)..=(connection, u64::MAX);
        let lost: Vec<u64> = self.streams.range(all).map(|(_, id)| *id).collect();
        for id in lost {
            self.streams.remove(&(connection, id));
            if let Some(server) = self.open.get_mut(&id) {
                server.reply.connection = None;
                server.reply.remote = at_port(server.reply.remote, server.port);
                if matches!(server.exchange, Exchange::Invite(InviteServer::Proceeding { .. })) {
                    out.tell(Event::Deserted { server: ServerId(id) });
                }
            }
        }
    }

    /// When one of ours wants to be woken.
    pub(super) fn due(&self, subject: Subject) -> Option<Due> {
        match subject {
            Subject::Server(id) => self.open.get(&id).and_then(Server::deadline),
            Subject::Client(_) | Subject::Cancel(_) => None,
        }
    }

    pub(super) fn timeout(&mut self, now: Instant, id: u64, out: &mut Outbox) {
        let Some(server) = self.open.get_mut(&id) else { return };
        let fired = match &mut server.exchange {
            Exchange::Invite(machine) => machine.timeout(now),
            Exchange::Other(machine) => machine.timeout(now),
        };
        match fired {
            Fired::Nothing => {}
            Fired::Resend => out.send(server.reply, &server.bytes),
            Fired::GaveUp => {
                self.forget(id);
                return out.tell(Event::Unacknowledged { server: ServerId(id) });
            }
            Fired::Ended => {
                self.forget(id);
                return;
            }
        }
        out.agenda.moved(Subject::Server(id), None, server.deadline());
    }

    fn forget(&mut self, id: u64) -> Option<Server> {
        let server = self.open.remove(&id)?;
        self.requests.remove(&server.request);
        if let Some(origin) = server.origin {
            self.origins.remove(&origin);
        }
        if let Some(answer) = server.answer {
            self.answers.remove(&answer);
        }
        if let Some(connection) = server.reply.connection {
            self.streams.remove(&(connection, id));
        }
        Some(server)
    }
}

impl Server {
    fn deadline(&self) -> Option<Due> {
        match &self.exchange {
            Exchange::Invite(machine) => Due::of(machine.deadline(), machine.lingers()),
            Exchange::Other(machine) => Due::of(machine.deadline(), machine.lingers()),
        }
    }
}

#[cfg(test)]
impl Servers {
    /// Whether no index holds anything of a transaction that has ended.
    pub(super) fn is_empty(&self) -> bool {
        let indices = [&self.requests, &self.origins, &self.answers];
        self.open.is_empty()
            && indices.iter().all(|index| index.is_empty())
            && self.streams.is_empty()
    }
}

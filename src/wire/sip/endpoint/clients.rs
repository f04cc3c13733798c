//! The endpoint as client: requests of ours, their CANCEL and ACK, and the responses to them (RFC 3261 §17.1, §9.1, §13.2.2.4).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::agenda::{Due, Subject};
use super::derived::{derived, proofs_of};
use super::{ClientId, Event, Local, Outbox};
use crate::wire::address::is_host;
use crate::wire::flow::{Flow, Transmit, Transport};
use crate::wire::sip::headers::Name;
use crate::wire::sip::ids::Ids;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::transaction::Fired;
use crate::wire::sip::transaction::client::Client as Other;
use crate::wire::sip::transaction::invite_client::{Heard, InviteClient};

/// A longer request does not go by UDP, where a path's MTU is not known (RFC 3261 §18.1.1).
const LONGEST_DATAGRAM: usize = 1_300;
/// For so long an address that refused TCP is not asked again, and so many are remembered.
const DEAF: Duration = Duration::from_secs(600);
const MOST_DEAF: usize = 1_024;

/// Most forks of one INVITE that are told apart; the 2xx of more are dropped.
const FORKS: usize = 16;

/// The magic cookie of RFC 3261 §8.1.1.7; after it a branch of ours has the transaction's number in 16 hex digits.
const COOKIE: &str = "z9hG4bK";

/// The client transactions, under the random number that is their branch.
#[derive(Debug)]
pub(super) struct Clients {
    locals: Vec<Local>,
    ids: Ids,
    open: BTreeMap<u64, Client>,
    /// CANCELs, under the number of their INVITE, whose branch they share.
    cancels: BTreeMap<u64, Cancel>,
    /// Those without a final answer by where they went, to fail them when that is lost.
    waiting: BTreeSet<(Transport, SocketAddr, u64)>,
    /// Where TCP was refused, and until when that is believed.
    deaf: BTreeMap<SocketAddr, Instant>,
}

#[derive(Debug)]
struct Client {
    flow: Flow,
    exchange: Exchange,
    /// What may have to be sent again: the request, then the ACK of a refusal.
    bytes: Vec<u8>,
    /// Of a request that was too long for UDP: how it goes there all the same, should TCP be refused.
    instead: Option<Box<Transmit>>,
    /// Once the bytes of an INVITE are no longer needed: its credentials, for its ACKs.
    proofs: Vec<(Name, Box<str>)>,
}

#[derive(Debug)]
enum Exchange {
    Invite { machine: InviteClient, wish: Wish, forks: Vec<Fork> },
    Other(Other),
}

/// What the user wants of an INVITE.
#[derive(Debug)]
enum Wish {
    /// An answer.
    Answer,
    /// A CANCEL, as soon as anything is heard (RFC 3261 §9.1), with this Reason.
    Cancel(Option<Box<str>>),
    /// The CANCEL that is on its way to do its work.
    Cancelled,
}

/// One 2xx to an INVITE: forks differ by their To tag.
#[derive(Debug)]
struct Fork {
    tag: Box<str>,
    ack: Option<(Flow, Vec<u8>)>,
}

#[derive(Debug)]
struct Cancel {
    flow: Flow,
    machine: Other,
    bytes: Vec<u8>,
}

impl Clients {
    pub(super) fn new(locals: Vec<Local>, ids: Ids) -> Clients {
        let (open, cancels, waiting, deaf) = Default::default();
        Clients { locals, ids, open, cancels, waiting, deaf }
    }

    pub(super) fn open(&self) -> usize {
        self.open.len() + self.cancels.len()
    }

    pub(super) fn request(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Outgoing,
        out: &mut Outbox,
    ) -> ClientId {
        let id = self.ids.long();
        let Some((flow, via)) = self.via(flow, id) else {
            out.tell(Event::Failed { client: ClientId(id), status: Status::of(503) });
            return ClientId(id);
        };
        let mut bytes = Vec::new();
        request.write(Some(&via), &mut bytes);
        let mut instead = None;
        let flow = match self.by_tcp(now, flow, bytes.len()).and_then(|flow| self.via(flow, id)) {
            None => flow,
            Some((by_tcp, via)) => {
                let plain = std::mem::take(&mut bytes);
                request.write(Some(&via), &mut bytes);
                instead = Some(Box::new(Transmit { flow, bytes: plain }));
                by_tcp
            }
        };
        out.send(flow, &bytes);
        let exchange = if request.method() == Some(&Method::Invite) {
            let machine = InviteClient::begin(now, flow.transport);
            Exchange::Invite { machine, wish: Wish::Answer, forks: Vec::new() }
        } else {
            Exchange::Other(Other::begin(now, flow.transport))
        };
        let client = Client { flow, exchange, bytes, instead, proofs: Vec::new() };
        out.agenda.moved(Subject::Client(id), None, client.deadline());
        self.waiting.insert((flow.transport, flow.remote, id));
        self.open.insert(id, client);
        ClientId(id)
    }

    pub(super) fn acknowledge(
        &mut self,
        client: ClientId,
        flow: Flow,
        ack: Outgoing,
        out: &mut Outbox,
    ) {
        let branch = self.ids.long();
        let Some((flow, via)) = self.via(flow, branch) else { return };
        // RFC 3261 §13.2.2.4: with the same credentials as the INVITE.
        let proofs = self.open.get(&client.0).into_iter().flat_map(|invite| &invite.proofs);
        let ack = proofs.fold(ack, |ack, (name, proof)| ack.header(*name, proof));
        let mut bytes = Vec::new();
        ack.write(Some(&via), &mut bytes);
        out.send(flow, &bytes);
        let Some(Client { exchange: Exchange::Invite { forks, .. }, .. }) =
            self.open.get_mut(&client.0)
        else {
            return;
        };
        // The dialog wrote this To; which fork it is for is all that matters of it here.
        let tag = ack.to_tag().unwrap_or_default();
        if let Some(fork) = forks.iter_mut().find(|fork| fork.tag == tag) {
            fork.ack = Some((flow, bytes));
        }
    }

    pub(super) fn cancel(
        &mut self,
        now: Instant,
        client: ClientId,
        reason: Option<&str>,
        out: &mut Outbox,
    ) {
        let Some(invite) = self.open.get_mut(&client.0) else { return };
        let before = invite.deadline();
        let Exchange::Invite { machine, wish, .. } = &mut invite.exchange else { return };
        if !machine.is_unanswered() || matches!(wish, Wish::Cancel(_) | Wish::Cancelled) {
            return;
        }
        *wish = Wish::Cancel(reason.map(Box::from));
        if matches!(machine, InviteClient::Proceeding { .. }) {
            self.send_cancel(now, client.0, out);
        } else {
            machine.unwanted();
            out.agenda.moved(Subject::Client(client.0), before, invite.deadline());
        }
    }

    pub(super) fn response(
        &mut self,
        now: Instant,
        flow: Flow,
        response: Message,
        out: &mut Outbox,
    ) {
        // RFC 3261 §18.1.2: sent-by must be ours; §8.1.3.3: and nobody's after it.
        if response.via_count() != 1 || !self.is_ours(&response, flow) {
            return;
        }
        let (Some(status), Some(id)) =
            (response.status(), response.via().branch().and_then(number_of))
        else {
            return;
        };
        if response.cseq().method == Method::Cancel {
            return self.cancel_response(now, id, status, out);
        }
        let is_invite = response.cseq().method == Method::Invite;
        let Some(client) = self.open.get_mut(&id) else { return };
        client.instead = None;
        let before = client.deadline();
        let was_waiting = client.is_unanswered();
        let transport = client.flow.transport;
        let (remote, mut send_cancel) = (client.flow.remote, false);
        let tell = match &mut client.exchange {
            Exchange::Invite { machine, wish, forks } if is_invite => {
                match machine.heard(now, status, transport) {
                    Heard::Nothing => false,
                    Heard::Provisional => {
                        send_cancel = matches!(wish, Wish::Cancel(_));
                        true
                    }
                    Heard::Success => {
                        if !client.bytes.is_empty() {
                            client.proofs = proofs_of(&client.bytes);
                            client.bytes = Vec::new();
                        }
                        let tag = response.to().tag().unwrap_or_default();
                        match forks.iter().find(|fork| *fork.tag == *tag) {
                            Some(Fork { ack, .. }) => {
                                if let Some((flow, bytes)) = ack {
                                    out.send(*flow, bytes);
                                }
                                false
                            }
                            None if forks.len() == FORKS => false,
                            None => {
                                // Nearly always the only one, and 64,000 of them linger.
                                forks.reserve_exact(1);
                                forks.push(Fork { tag: tag.into(), ack: None });
                                true
                            }
                        }
                    }
                    Heard::Refusal => {
                        let to = response.lines(Name::To).next();
                        client.bytes = derived(&client.bytes, &Method::Ack, to, None);
                        out.send(client.flow, &client.bytes);
                        true
                    }
                    Heard::RefusalAgain => {
                        out.send(client.flow, &client.bytes);
                        false
                    }
                }
            }
            Exchange::Other(machine) if is_of(&client.bytes, &response.cseq().method) => {
                let tell = machine.heard(now, status, transport);
                if !machine.is_unanswered() {
                    client.bytes = Vec::new();
                }
                tell
            }
            Exchange::Invite { .. } | Exchange::Other(_) => false,
        };
        let (after, is_waiting) = (client.deadline(), client.is_unanswered());
        out.agenda.moved(Subject::Client(id), before, after);
        if was_waiting && !is_waiting {
            self.waiting.remove(&(transport, remote, id));
        }
        if !is_waiting && after.is_none() {
            self.open.remove(&id);
        }
        if send_cancel {
            self.send_cancel(now, id, out);
        }
        if tell {
            out.tell(Event::Response { client: ClientId(id), response, flow });
        }
    }

    /// A connection has ended: what was sent by it may have ended with it. An INVITE that has been answered provisionally arrived; its
    /// final answer takes a new connection (RFC 3261 §18.2.2), and so does its CANCEL, once more if nobody has answered it.
    pub(super) fn closed(&mut self, now: Instant, flow: Flow, out: &mut Outbox) {
        let (arrived, lost): (Vec<u64>, Vec<u64>) =
            self.waiting_on(flow).into_iter().partition(|id| self.rings(*id));
        for id in arrived {
            if let Some(client) = self.open.get_mut(&id) {
                client.flow.connection = None;
                if let Exchange::Invite { wish: Wish::Answer, .. } = client.exchange {
                    out.tell(Event::Severed { client: ClientId(id) });
                }
            }
            if let Some(cancel) = self.cancels.get_mut(&id) {
                cancel.flow.connection = None;
                out.send(cancel.flow, &cancel.bytes);
            }
        }
        self.fail_all(now, lost, out);
    }

    /// Sends an INVITE that rings by another flow of the same listener, whose Via it has.
    pub(super) fn repeat(&mut self, id: u64, flow: Flow, out: &mut Outbox) {
        let rings = self.rings(id);
        let Some(client) = self.open.get_mut(&id).filter(|_| rings) else { return };
        let way = |flow: Flow| (flow.listener, flow.transport);
        if way(flow) == way(client.flow) {
            self.waiting.remove(&(client.flow.transport, client.flow.remote, id));
            self.waiting.insert((flow.transport, flow.remote, id));
            client.flow = flow;
            out.send(flow, &client.bytes);
        }
    }

    /// Everything that waits for an answer from there has failed; but over UDP not an INVITE that has had one: it arrived, and anybody
    /// can send an ICMP message that says otherwise (RFC 5927).
    pub(super) fn unreachable(&mut self, now: Instant, flow: Flow, out: &mut Outbox) {
        let arrived = |id: &u64| flow.transport == Transport::Udp && self.rings(*id);
        let lost = self.waiting_on(flow).into_iter().filter(|id| !arrived(id)).collect();
        self.fail_all(now, lost, out);
    }

    fn fail_all(&mut self, now: Instant, lost: Vec<u64>, out: &mut Outbox) {
        for id in lost {
            if self.fall_back(now, id, out) {
                continue;
            }
            self.fail(id, Status::of(503), out);
            self.cancels.remove(&id);
        }
    }

    /// TCP instead of UDP, for a request of that length, unless it was refused there not long ago (RFC 3261 §18.1.1).
    fn by_tcp(&mut self, now: Instant, flow: Flow, length: usize) -> Option<Flow> {
        if flow.transport != Transport::Udp || length <= LONGEST_DATAGRAM {
            return None;
        }
        self.deaf.retain(|_, until| *until > now);
        (!self.deaf.contains_key(&flow.remote))
            .then_some(Flow { transport: Transport::Tcp, ..flow })
    }

    /// Sends by UDP what TCP was refused for. `false`: it went by nothing else.
    fn fall_back(&mut self, now: Instant, id: u64, out: &mut Outbox) -> bool {
        let Some(client) = self.open.get_mut(&id) else { return false };
        let Some(instead) = client.instead.take() else { return false };
        let before = client.deadline();
        self.waiting.remove(&(client.flow.transport, client.flow.remote, id));
        let Transmit { flow, bytes } = *instead;
        match &mut client.exchange {
            Exchange::Invite { machine, .. } => *machine = InviteClient::begin(now, flow.transport),
            Exchange::Other(machine) => *machine = Other::begin(now, flow.transport),
        }
        out.send(flow, &bytes);
        (client.flow, client.bytes) = (flow, bytes);
        self.waiting.insert((flow.transport, flow.remote, id));
        out.agenda.moved(Subject::Client(id), before, client.deadline());
        if self.deaf.len() < MOST_DEAF {
            self.deaf.insert(flow.remote, now + DEAF);
        }
        true
    }

    fn rings(&self, id: u64) -> bool {
        self.open.get(&id).is_some_and(|client| match &client.exchange {
            Exchange::Invite { machine, .. } => matches!(machine, InviteClient::Proceeding { .. }),
            Exchange::Other(_) => false,
        })
    }

    /// What waits for an answer by this flow.
    fn waiting_on(&self, flow: Flow) -> Vec<u64> {
        let (transport, remote) = (flow.transport, flow.remote);
        let there = (transport, remote, 0)..=(transport, remote, u64::MAX);
        let is_lost = |id: &u64| {
            self.open.get(id).is_some_and(|client| {
                let used = client.flow.connection;
                client.flow.listener == flow.listener
                    && client.flow.peer == flow.peer
                    && (used.is_none() || flow.connection.is_none() || used == flow.connection)
            })
        };
        self.waiting.range(there).map(|(_, _, id)| *id).filter(is_lost).collect()
    }

    /// When one of ours wants to be woken.
    pub(super) fn due(&self, subject: Subject) -> Option<Due> {
        match subject {
            Subject::Client(id) => self.open.get(&id).and_then(Client::deadline),
            Subject::Cancel(id) => self.cancels.get(&id).and_then(|cancel| due_of(&cancel.machine)),
            Subject::Server(_) => None,
        }
    }

    pub(super) fn timeout(&mut self, now: Instant, id: u64, out: &mut Outbox) {
        let Some(client) = self.open.get_mut(&id) else { return };
        let fired = match &mut client.exchange {
            Exchange::Invite { machine, .. } => machine.timeout(now),
            Exchange::Other(machine) => machine.timeout(now),
        };
        match fired {
            Fired::Nothing => {}
            Fired::Resend => out.send(client.flow, &client.bytes),
            Fired::GaveUp => return self.fail(id, Status::of(408), out),
            Fired::Ended => {
                self.open.remove(&id);
                return;
            }
        }
        out.agenda.moved(Subject::Client(id), None, client.deadline());
    }

    pub(super) fn cancel_timeout(&mut self, now: Instant, id: u64, out: &mut Outbox) {
        let Some(cancel) = self.cancels.get_mut(&id) else { return };
        match cancel.machine.timeout(now) {
            Fired::Nothing => {}
            Fired::Resend => out.send(cancel.flow, &cancel.bytes),
            Fired::GaveUp | Fired::Ended => {
                self.cancels.remove(&id);
                return;
            }
        }
        out.agenda.moved(Subject::Cancel(id), None, due_of(&cancel.machine));
    }

    pub(super) fn abandon(&mut self, client: ClientId) {
        let is_other = |client: &&Client| matches!(client.exchange, Exchange::Other(_));
        if let Some(flow) = self.open.get(&client.0).filter(is_other).map(|client| client.flow) {
            self.open.remove(&client.0);
            self.waiting.remove(&(flow.transport, flow.remote, client.0));
        }
    }

    fn fail(&mut self, id: u64, status: Status, out: &mut Outbox) {
        if let Some(client) = self.open.remove(&id) {
            self.waiting.remove(&(client.flow.transport, client.flow.remote, id));
            out.tell(Event::Failed { client: ClientId(id), status });
        }
    }

    fn cancel_response(&mut self, now: Instant, id: u64, status: Status, out: &mut Outbox) {
        let Some(cancel) = self.cancels.get_mut(&id) else { return };
        let before = due_of(&cancel.machine);
        cancel.machine.heard(now, status, cancel.flow.transport);
        let after = due_of(&cancel.machine);
        out.agenda.moved(Subject::Cancel(id), before, after);
        if after.is_none() {
            self.cancels.remove(&id);
        }
    }

    /// The CANCEL of an INVITE that was answered provisionally.
    fn send_cancel(&mut self, now: Instant, id: u64, out: &mut Outbox) {
        let Some(client) = self.open.get_mut(&id) else { return };
        let before = client.deadline();
        let Exchange::Invite { machine, wish, .. } = &mut client.exchange else { return };
        let Wish::Cancel(reason) = std::mem::replace(wish, Wish::Cancelled) else { return };
        machine.cancelled(now);
        out.agenda.moved(Subject::Client(id), before, client.deadline());
        let flow = client.flow;
        let bytes = derived(&client.bytes, &Method::Cancel, None, reason.as_deref());
        out.send(flow, &bytes);
        let machine = Other::begin(now, flow.transport);
        out.agenda.moved(Subject::Cancel(id), None, due_of(&machine));
        self.cancels.insert(id, Cancel { flow, machine, bytes });
    }

    /// The flow with a listener of ours of that transport, and the Via value that names it. `None`: nothing is sent there.
    fn via(&self, flow: Flow, branch: u64) -> Option<(Flow, String)> {
        if !is_host(flow.remote.ip()) || flow.remote.port() == 0 {
            return None;
        }
        let local = self.local(flow)?;
        let transport = flow.transport.word().to_ascii_uppercase();
        let via =
            format!("SIP/2.0/{transport} {};branch={COOKIE}{branch:016x};rport", local.advertise);
        Some((Flow { listener: local.listener, ..flow }, via))
    }

    /// The listener that a flow names; where a route asked for the other transport, or the profile changed since the flow was
    /// written down, the one most like it.
    fn local(&self, flow: Flow) -> Option<&Local> {
        let named = self.locals.iter().find(|local| local.listener == flow.listener);
        let able = || self.locals.iter().filter(|local| local.transport == flow.transport);
        let address = named.map(|local| local.advertise.ip());
        able()
            .find(|local| local.listener == flow.listener)
            .or_else(|| {
                able().find(|local| named.is_some_and(|at| at.advertise == local.advertise))
            })
            // Each profile's listeners stand together, TLS last.
            .or_else(|| {
                able().find(|local| {
                    local.listener > flow.listener && Some(local.advertise.ip()) == address
                })
            })
            .or_else(|| able().find(|local| Some(local.advertise.ip()) == address))
            .or_else(|| able().find(|local| local.advertise.is_ipv4() == flow.remote.is_ipv4()))
    }

    fn is_ours(&self, response: &Message, flow: Flow) -> bool {
        let via = response.via();
        let port = super::routing::sent_by_port(via, flow.transport);
        let is_sent_by = |local: &Local| {
            via.host.address() == Some(local.advertise.ip()) && port == local.advertise.port()
        };
        self.locals.iter().any(is_sent_by)
    }
}

fn due_of(machine: &Other) -> Option<Due> {
    Due::of(machine.deadline(), machine.lingers())
}

impl Client {
    fn deadline(&self) -> Option<Due> {
        match &self.exchange {
            Exchange::Invite { machine, .. } => Due::of(machine.deadline(), machine.lingers()),
            Exchange::Other(machine) => due_of(machine),
        }
    }

    fn is_unanswered(&self) -> bool {
        match &self.exchange {
            Exchange::Invite { machine, .. } => machine.is_unanswered(),
            Exchange::Other(machine) => machine.is_unanswered(),
        }
    }
}

/// Whether `bytes` are a request of that method, or of one that has been answered (RFC 3261 §17.1.3).
fn is_of(bytes: &[u8], method: &Method) -> bool {
    let rest = bytes.strip_prefix(method.as_str().as_bytes());
    bytes.is_empty() || rest.is_some_and(|rest| rest.starts_with(b" "))
}

/// The number in a branch of ours.
fn number_of(branch: &str) -> Option<u64> {
    let digits = branch.strip_prefix(COOKIE)?;
    let is_hex = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
impl Clients {
    /// Whether no index holds anything of a transaction that has ended.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.cancels.is_empty() && self.waiting.is_empty()
    }
}

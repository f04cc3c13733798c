//! TCP and TLS: the table of connections. One connection serves everybody who sends to its far address; limits are kept here.
#![expect(clippy::disallowed_methods, reason = "each connection has its task and its timers")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::connection::{Connection, Order};
use super::{Arrival, Limits, Message, tls};
use crate::io::certificates::Certificates;
use crate::switch::settings::Profile;
use crate::wire::flow::{self, ConnectionId, Flow, ListenerId, PeerId, Transmit, Transport};

/// Messages that may wait for one peer to read; their bytes are limited too.
const ORDERS: usize = 256;
/// How long a listener rests when the system has no descriptor for the next connection.
const BREATH: Duration = Duration::from_millis(200);

/// What the tasks of connections tell the table.
#[derive(Debug)]
pub(super) enum Told {
    /// Somebody connected.
    Accepted { listener: ListenerId, stream: TcpStream, remote: SocketAddr },
    /// The handshake of an accepted connection has shown who is there; before any message of it.
    Proven(ConnectionId, PeerId),
    /// A framed message.
    Message(Message),
    /// The connection is gone.
    Ended(ConnectionId),
    /// It never stood.
    Refused(ConnectionId),
    /// Of UDP: nobody is there.
    Unreachable(Flow),
}

/// Binds one address.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Bytes that wait for one peer, counted for all peers too.
#[derive(Debug)]
pub(super) struct Queued {
    own: AtomicUsize,
    all: Arc<AtomicUsize>,
}

impl Queued {
    fn add(&self, bytes: usize) -> (usize, usize) {
        (
            self.own.fetch_add(bytes, Ordering::Relaxed) + bytes,
            self.all.fetch_add(bytes, Ordering::Relaxed) + bytes,
        )
    }

    pub(super) fn written(&self, bytes: usize) {
        self.own.fetch_sub(bytes, Ordering::Relaxed);
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Entry {
    flow: Flow,
    orders: mpsc::Sender<Order>,
    queued: Arc<Queued>,
    task: AbortHandle,
    accepted: bool,
    /// Whether a whole message has come.
    proven: Arc<AtomicBool>,
}

type Place = (ListenerId, SocketAddr, Option<PeerId>);

fn place(flow: &Flow) -> Place {
    (flow.listener, flow.remote, flow.peer)
}

/// A listener's own address, and how connections of it begin.
#[derive(Clone, Copy, Debug)]
struct Local {
    address: SocketAddr,
    /// With TLS, for these peers.
    tls: Option<Profile>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Tcp {
    limits: Limits,
    tell: mpsc::Sender<Told>,
    locals: BTreeMap<ListenerId, Local>,
    next: u64,
    entries: BTreeMap<ConnectionId, Entry>,
    /// The latest connection of each far address, and of whom it has proven to be.
    by_remote: BTreeMap<Place, ConnectionId>,
    per_source: BTreeMap<IpAddr, usize>,
    queued: Arc<AtomicUsize>,
    turned_away: u64,
    tls: Option<(tls::Thread, Certificates)>,
}

impl Tcp {
    pub(super) fn new(limits: Limits, tell: mpsc::Sender<Told>) -> Tcp {
        Tcp {
            tls: None,
            limits,
            tell,
            locals: BTreeMap::new(),
            next: 0,
            entries: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            per_source: BTreeMap::new(),
            queued: Arc::new(AtomicUsize::new(0)),
            turned_away: 0,
        }
    }

    pub(super) fn add(
        &mut self,
        listener: ListenerId,
        socket: std::net::TcpListener,
    ) -> std::io::Result<()> {
        self.locals.insert(listener, Local { address: socket.local_addr()?, tls: None });
        tokio::spawn(accept(listener, TcpListener::from_std(socket)?, self.tell.clone()));
        Ok(())
    }

    pub(super) fn add_tls(
        &mut self,
        listener: ListenerId,
        socket: std::net::TcpListener,
        profile: Profile,
        certificates: &Certificates,
    ) -> std::io::Result<()> {
        let thread = match self.tls.take() {
            Some((thread, _)) => thread,
            None => tls::Thread::start()?,
        };
        let local = Local { address: socket.local_addr()?, tls: Some(profile) };
        self.locals.insert(listener, local);
        let socket = {
            let _within = thread.handle.enter();
            TcpListener::from_std(socket)?
        };
        thread.handle.spawn(accept(listener, socket, self.tell.clone()));
        self.tls = Some((thread, certificates.clone()));
        Ok(())
    }

    pub(super) fn connections(&self) -> usize {
        self.entries.len()
    }

    /// What a task told, as the switch is to hear it.
    pub(super) fn take(&mut self, told: Told) -> Option<Arrival> {
        match told {
            Told::Accepted { listener, stream, remote } => {
                self.accepted(listener, stream, remote);
                None
            }
            Told::Proven(connection, peer) => {
                if let Some(entry) = self.entries.get_mut(&connection) {
                    let before = place(&entry.flow);
                    if self.by_remote.get(&before) == Some(&connection) {
                        self.by_remote.remove(&before);
                    }
                    entry.flow.peer = Some(peer);
                    self.by_remote.insert(place(&entry.flow), connection);
                }
                None
            }
            Told::Message(message) => Some(Arrival::Message(message)),
            Told::Unreachable(flow) => Some(Arrival::Flow(flow::Event::Unreachable(flow))),
            Told::Ended(connection) => {
                let flow = self.remove(connection)?;
                Some(Arrival::Flow(flow::Event::Closed(flow)))
            }
            Told::Refused(connection) => {
                let flow = self.remove(connection)?;
                Some(Arrival::Flow(flow::Event::Unreachable(Flow { connection: None, ..flow })))
            }
        }
    }

    fn accepted(&mut self, listener: ListenerId, tcp: TcpStream, remote: SocketAddr) {
        let source = remote.ip().to_canonical();
        let here = |table: &Tcp| table.per_source.get(&source).copied().unwrap_or(0);
        let full = here(self) >= self.limits.per_source;
        if full || self.entries.len() >= self.limits.connections {
            self.make_room(full.then_some(source));
        }
        let here = here(self);
        if self.entries.len() >= self.limits.connections || here >= self.limits.per_source {
            self.turned_away += 1;
            if self.turned_away.is_power_of_two() {
                tracing::warn!(event = "tcp_limit", %source, from_source = here, all = self.entries.len(),
                    turned_away = self.turned_away);
            }
            return;
        }
        self.per_source.insert(source, here + 1);
        let flow = Flow::to(listener, self.transport(listener), remote);
        match (self.locals.get(&listener).and_then(|local| local.tls), &self.tls) {
            (Some(profile), Some((_, certificates))) => {
                let certificates = certificates.clone();
                self.enter(flow, true, |connection| {
                    connection.serve_tls(tcp, certificates, profile)
                })
            }
            (None, _) | (_, None) => self.enter(flow, true, |connection| connection.serve(tcp)),
        };
    }

    /// Cuts the oldest connection, of one source or of all, by which no whole message has come yet.
    fn make_room(&mut self, source: Option<IpAddr>) {
        let idle = self.entries.iter().find(|(_, entry)| {
            entry.accepted
                && !entry.proven.load(Ordering::Relaxed)
                && source.is_none_or(|source| entry.flow.remote.ip().to_canonical() == source)
        });
        if let Some((&connection, entry)) = idle {
            entry.task.abort();
            // Nobody has heard of it, for it has said nothing.
            let _ = self.remove(connection);
        }
    }

    /// Sends by the connection that the flow names, or by another one to the same address, or by a new one.
    pub(super) fn send(&mut self, transmit: Transmit) -> Option<flow::Event> {
        let flow = transmit.flow;
        let standing = flow
            .connection
            .filter(|connection| self.entries.contains_key(connection))
            .or_else(|| self.by_remote.get(&place(&flow)).copied());
        let connection = match standing {
            Some(connection) => connection,
            None => match self.open(flow) {
                Some(connection) => connection,
                None => return Some(flow::Event::Unreachable(flow)),
            },
        };
        let entry = self.entries.get(&connection)?;
        let (own, all) = entry.queued.add(transmit.bytes.len());
        if own <= self.limits.queued
            && all <= self.limits.queued_in_all
            && entry.orders.try_send(Order::Write(transmit.bytes)).is_ok()
        {
            return None;
        }
        tracing::warn!(event = "tcp_peer_does_not_read", remote = %entry.flow.remote, bytes = own);
        entry.task.abort();
        self.remove(connection).map(flow::Event::Closed)
    }

    /// Begins a connection to where a flow leads, if there is room; to nobody in particular there is none over TLS.
    fn open(&mut self, flow: Flow) -> Option<ConnectionId> {
        if self.entries.len() >= self.limits.connections {
            return None;
        }
        let from = self.locals.get(&flow.listener).map(|local| local.address.ip());
        match flow.transport {
            Transport::Udp => None,
            Transport::Tcp => Some(self.enter(flow, false, |connection| connection.connect(from))),
            Transport::Tls => {
                flow.peer?;
                let certificates = self.tls.as_ref()?.1.clone();
                Some(
                    self.enter(flow, false, |connection| {
                        connection.connect_tls(from, certificates)
                    }),
                )
            }
        }
    }

    fn transport(&self, listener: ListenerId) -> Transport {
        match self.locals.get(&listener).and_then(|local| local.tls) {
            Some(_) => Transport::Tls,
            None => Transport::Tcp,
        }
    }

    /// Closes once what was sent is out; nothing more is sent by this connection.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        let Some(entry) = self.entries.get(&connection) else { return };
        if entry.orders.try_send(Order::Close).is_err() {
            entry.task.abort();
            // A full queue is the only reason to fail while the entry stands: the peer does not read.
            let _ = self.remove(connection);
            return;
        }
        let place = place(&entry.flow);
        if self.by_remote.get(&place) == Some(&connection) {
            self.by_remote.remove(&place);
        }
    }

    pub(super) fn close_all(&mut self) {
        for connection in self.entries.keys().copied().collect::<Vec<_>>() {
            self.close(connection);
        }
    }

    fn enter<T>(
        &mut self,
        flow: Flow,
        accepted: bool,
        run: impl FnOnce(Connection) -> T,
    ) -> ConnectionId
    where
        T: Future<Output = ()> + Send + 'static,
    {
        self.next += 1;
        let id = ConnectionId(self.next);
        let flow = Flow { connection: Some(id), ..flow };
        let (orders, taken) = mpsc::channel(ORDERS);
        let queued = Arc::new(Queued { own: AtomicUsize::new(0), all: Arc::clone(&self.queued) });
        let proven = Arc::new(AtomicBool::new(false));
        let connection = Connection {
            flow,
            limits: self.limits,
            tell: self.tell.clone(),
            orders: taken,
            own_orders: orders.downgrade(),
            queued: Arc::clone(&queued),
            ping: (!accepted).then_some(self.limits.ping),
            proven: Arc::clone(&proven),
        };
        let task = match (flow.transport, &self.tls) {
            (Transport::Tls, Some((thread, _))) => thread.handle.spawn(run(connection)),
            (Transport::Udp | Transport::Tcp | Transport::Tls, _) => tokio::spawn(run(connection)),
        };
        let task = task.abort_handle();
        self.entries.insert(id, Entry { flow, orders, queued, task, accepted, proven });
        self.by_remote.insert(place(&flow), id);
        id
    }

    fn remove(&mut self, connection: ConnectionId) -> Option<Flow> {
        let entry = self.entries.remove(&connection)?;
        let place = place(&entry.flow);
        if self.by_remote.get(&place) == Some(&connection) {
            self.by_remote.remove(&place);
        }
        if entry.accepted {
            let source = entry.flow.remote.ip().to_canonical();
            let left = self.per_source.get(&source).map_or(0, |count| count - 1);
            if left == 0 {
                self.per_source.remove(&source);
            } else {
                self.per_source.insert(source, left);
            }
        }
        Some(entry.flow)
    }
}

async fn accept(listener: ListenerId, socket: TcpListener, tell: mpsc::Sender<Told>) {
    let mut failures = 0u64;
    loop {
        match socket.accept().await {
            Ok((stream, remote)) => {
                if tell.send(Told::Accepted { listener, stream, remote }).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // No descriptor or no memory: the connection stays in the kernel's queue, so that asking again at once would spin.
                failures += 1;
                if failures.is_power_of_two() {
                    tracing::warn!(event = "tcp_accept_failed", %error, failures);
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

//! The SIP sockets: every listener bound, every message brought in with its flow, every answer carried out, and nothing unbounded.

mod connection;
mod tcp;
mod tls;
mod udp;
mod unreachable;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::certificates::Certificates;
use crate::switch::settings::{Listener, Profile};
use crate::wire::flow::{self, Flow, ListenerId, Transmit, Transport};
use tcp::Tcp;
use udp::Udp;

/// What peers of TCP and TLS may take of us. UDP needs no such limits: it keeps nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections at once, accepted and opened.
    pub connections: usize,
    /// Accepted connections at once from one address.
    pub per_source: usize,
    /// A message must be whole so long after its first byte, and the first message so long after the connection (64*T1).
    pub message: Duration,
    /// A connection that has carried a message is closed after so long without a byte.
    pub idle: Duration,
    /// A TLS connection must be agreed on so long after it was accepted.
    pub handshake: Duration,
    /// An outgoing connection must stand after so long, TLS included.
    pub connect: Duration,
    /// A connection of ours is kept alive by a ping after so long without anything to send (RFC 5626 §4.4.1).
    pub ping: Duration,
    /// One message must be written in so long.
    pub write: Duration,
    /// Bytes that may wait for one peer to read.
    pub queued: usize,
    /// Bytes that may wait for all peers together.
    pub queued_in_all: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 2_048,
            per_source: 256,
            message: Duration::from_secs(32),
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(3_700),
            connect: Duration::from_secs(4),
            ping: Duration::from_secs(110),
            write: Duration::from_secs(32),
            queued: 256 * 1_024,
            queued_in_all: 32 * 1_024 * 1_024,
        }
    }
}

/// Something for the switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// One message.
    Message(Message),
    /// A flow ended, or does not begin.
    Flow(flow::Event),
}

/// One message as it came, owned; see [`flow::Datagram`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Where it came from.
    pub flow: Flow,
    /// When the socket gave it to us.
    pub received: Instant,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The stream behind it cannot be framed any further.
    pub broken: bool,
}

/// An address that could not be bound.
#[derive(Debug)]
pub struct BindError {
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// The address.
    pub address: SocketAddr,
    /// Whose.
    pub profile: Profile,
    /// Why.
    pub cause: std::io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = self.transport.word().to_uppercase();
        let file = match self.profile {
            Profile::Internal => "internal.toml",
            Profile::External => "external.toml",
        };
        write!(f, "cannot listen on {transport} {}: ", self.address)?;
        match self.cause.kind() {
            std::io::ErrorKind::AddrInUse => {
                write!(f, "another program listens there; stop it, or change `bind` in {file}")
            }
            std::io::ErrorKind::AddrNotAvailable => {
                write!(f, "this machine has no such address; change `bind` in {file}")
            }
            std::io::ErrorKind::PermissionDenied => {
                write!(f, "not allowed; choose a port above 1023 for `bind` in {file}")
            }
            _ => write!(f, "{}; see `bind` in {file}", self.cause),
        }
    }
}

impl std::error::Error for BindError {}

/// Sockets that are bound, before anything reads them.
#[derive(Debug)]
pub struct Bound(Vec<Socket>);

#[derive(Debug)]
enum Socket {
    Udp(std::net::UdpSocket),
    Tcp(std::net::TcpListener),
    Tls(std::net::TcpListener, Profile),
}

/// Binds every listener, in order, and writes what port 0 became into `bind` and (where it says 0 too) `advertise`. A TCP listener with
/// port 0 tries the port that UDP got on the same address.
pub fn bind(listeners: &mut [Listener]) -> Result<Bound, BindError> {
    let mut bound = Vec::with_capacity(listeners.len());
    let mut twins: Vec<SocketAddr> = Vec::new();
    for listener in listeners {
        let wrong = |cause| BindError {
            transport: listener.transport,
            address: listener.bind,
            profile: listener.profile,
            cause,
        };
        let (socket, address) = match listener.transport {
            Transport::Udp => {
                let socket = udp::bind(listener.bind).map_err(wrong)?;
                let address = socket.local_addr().map_err(wrong)?;
                if listener.bind.port() == 0 {
                    twins.push(address);
                }
                (Socket::Udp(socket), address)
            }
            Transport::Tcp => {
                let twin = twins
                    .iter()
                    .position(|twin| twin.ip() == listener.bind.ip())
                    .filter(|_| listener.bind.port() == 0);
                let socket = twin
                    .and_then(|twin| tcp::bind(twins.swap_remove(twin)).ok())
                    .map_or_else(|| tcp::bind(listener.bind), Ok)
                    .map_err(wrong)?;
                let address = socket.local_addr().map_err(wrong)?;
                (Socket::Tcp(socket), address)
            }
            Transport::Tls => {
                let socket = tcp::bind(listener.bind).map_err(wrong)?;
                let address = socket.local_addr().map_err(wrong)?;
                (Socket::Tls(socket, listener.profile), address)
            }
        };
        listener.bind = address;
        if listener.advertise.port() == 0 {
            listener.advertise.set_port(address.port());
        }
        bound.push(socket);
    }
    Ok(Bound(bound))
}

/// Every SIP socket of the node; owned by the one task that owns the switch.
#[derive(Debug)]
pub struct Sockets {
    udp: Udp,
    tcp: Tcp,
    told: mpsc::Receiver<tcp::Told>,
    first: Option<tcp::Told>,
    /// What sending itself found out.
    found: VecDeque<flow::Event>,
}

/// Whole messages of all peers of TCP and TLS that may wait for the switch; a peer whose message finds no room is read later.
const WAITING_FRAMES: usize = 512;

impl Sockets {
    /// Begins to read. To be called within the runtime that will drive it.
    pub fn start(
        bound: Bound,
        limits: Limits,
        certificates: &Certificates,
    ) -> std::io::Result<Sockets> {
        let (tell, told) = mpsc::channel(WAITING_FRAMES);
        let mut udp = Udp::default();
        let mut tcp = Tcp::new(limits, tell.clone());
        for (place, socket) in (0u16..).zip(bound.0) {
            match socket {
                Socket::Udp(socket) => udp.add(ListenerId(place), socket, tell.clone())?,
                Socket::Tcp(socket) => tcp.add(ListenerId(place), socket)?,
                Socket::Tls(socket, profile) => {
                    tcp.add_tls(ListenerId(place), socket, profile, certificates)?
                }
            }
        }
        Ok(Sockets { udp, tcp, told, first: None, found: VecDeque::new() })
    }

    /// Waits until [`Sockets::receive`] has something to give. May be dropped and called again.
    pub async fn ready(&mut self) {
        poll_fn(|context| {
            if self.first.is_some() || !self.found.is_empty() {
                return Poll::Ready(());
            }
            let udp = self.udp.poll_readable(context).is_ready();
            if let Poll::Ready(told) = self.told.poll_recv(context) {
                self.first = told;
            }
            if udp || self.first.is_some() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Appends what has come, about `limit` arrivals at most, to `backlog`. Does not wait.
    pub fn receive(&mut self, now: Instant, limit: usize, backlog: &mut VecDeque<Arrival>) {
        let full = backlog.len().saturating_add(limit);
        backlog.extend(self.found.drain(..).map(Arrival::Flow));
        self.udp.receive(now, limit, backlog);
        while backlog.len() < full {
            let Some(told) = self.first.take().or_else(|| self.told.try_recv().ok()) else { break };
            backlog.extend(self.tcp.take(told));
        }
    }

    /// Gives the buffer of a handled message back.
    pub fn recycle(&mut self, message: Message) {
        match message.flow.transport {
            Transport::Udp => self.udp.recycle(message.bytes),
            Transport::Tcp | Transport::Tls => {}
        }
    }

    /// Sends one message, or queues it where the peer is slow. What fails is told by a later arrival.
    pub fn send(&mut self, transmit: Transmit) {
        let failed = match transmit.flow.transport {
            Transport::Udp => self.udp.send(&transmit),
            Transport::Tcp | Transport::Tls => self.tcp.send(transmit),
        };
        self.found.extend(failed);
    }

    /// Closes a connection once what was sent is out. UDP has none.
    pub fn close(&mut self, flow: Flow) {
        match (flow.transport, flow.connection) {
            (Transport::Tcp | Transport::Tls, Some(connection)) => self.tcp.close(connection),
            (Transport::Tcp | Transport::Tls, None) | (Transport::Udp, _) => {}
        }
    }

    /// Connections that stand or are being opened.
    pub fn connections(&self) -> usize {
        self.tcp.connections()
    }

    /// Writes what waits and closes every connection, for `patience` at most.
    pub async fn finish(mut self, patience: Duration) {
        self.tcp.close_all();
        let gone = async {
            while self.tcp.connections() > 0 {
                let Some(told) = self.told.recv().await else { break };
                let _ = self.tcp.take(told);
            }
        };
        // Whoever does not read by then is cut off.
        let _ = tokio::time::timeout(patience, gone).await;
    }
}

#[cfg(test)]
mod tests;

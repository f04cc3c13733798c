//! One connection of TCP or TLS: frames in, bytes out, and the patience it is given.
#![expect(clippy::disallowed_methods, reason = "what comes is stamped when it comes")]

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::tcp::{Queued, Told};
use super::{Limits, Message, tls};
use crate::io::certificates::Certificates;
use crate::switch::settings::Profile;
use crate::wire::flow::{ConnectionId, Flow};
use crate::wire::sip::framing::{Frame, Framer};

/// Read at once.
const PIECE: usize = 8 * 1_024;
/// How long a peer that has closed its side, or that we close, is given for the rest.
const FAREWELL: Duration = Duration::from_secs(2);

/// Who goes on sending after we have closed is listened to for so many bytes.
const DISCARDED: usize = 64 * 1_024;

/// What the table asks of a connection.
#[derive(Debug)]
pub(super) enum Order {
    /// Send these bytes.
    Write(Vec<u8>),
    /// Keep a connection of ours alive (RFC 5626 §3.5.1),
    Ping,
    /// and answer when it is the far side that does.
    Pong,
    /// Close once everything before is out.
    Close,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) flow: Flow,
    pub(super) limits: Limits,
    pub(super) tell: mpsc::Sender<Told>,
    pub(super) orders: mpsc::Receiver<Order>,
    /// Our own end of `orders`, for pongs; it does not keep the connection alive.
    pub(super) own_orders: mpsc::WeakSender<Order>,
    pub(super) queued: Arc<Queued>,
    /// A connection of ours is pinged after so long without a word of ours. `None`: the far side began it, and pings.
    pub(super) ping: Option<Duration>,
    /// Whether a whole message has come: who sends none is the first to go when places are short.
    pub(super) proven: Arc<AtomicBool>,
}

/// Why reading ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// The peer closed its side, properly: it may still read.
    Finished,
    /// Failed, too slow, idle, or not reading.
    Cut,
}

impl Connection {
    /// An accepted connection.
    pub(super) async fn serve(self, mut stream: TcpStream) {
        settle(&stream);
        let end = self.end();
        let (reader, writer) = stream.split();
        self.run(reader, writer).await;
        drop(stream);
        end.tell(Told::Ended).await;
    }

    /// An accepted connection that begins with a handshake.
    pub(super) async fn serve_tls(
        mut self,
        stream: TcpStream,
        certificates: Certificates,
        profile: Profile,
    ) {
        settle(&stream);
        let end = self.end();
        match tls::accept(&certificates, profile, stream, self.limits.handshake).await {
            Ok((stream, peer)) => {
                if let Some(peer) = peer {
                    self.flow.peer = Some(peer);
                    end.tell(|connection| Told::Proven(connection, peer)).await;
                }
                let (reader, writer) = tokio::io::split(stream);
                self.run(reader, writer).await;
            }
            Err(why) => {
                tracing::debug!(event = "tls_not_accepted", remote = %self.flow.remote, why);
            }
        }
        end.tell(Told::Ended).await;
    }

    /// A connection of ours to the flow's remote, from the address that the listener is bound to.
    pub(super) async fn connect(self, from: Option<IpAddr>) {
        let (remote, end) = (self.flow.remote, self.end());
        match timeout(self.limits.connect, open(remote, from)).await {
            Ok(Ok(mut stream)) => {
                settle(&stream);
                let (reader, writer) = stream.split();
                self.run(reader, writer).await;
                drop(stream);
                end.tell(Told::Ended).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(event = "tcp_connect_failed", %remote, %error);
                end.tell(Told::Refused).await;
            }
            Err(_) => {
                tracing::debug!(event = "tcp_connect_timeout", %remote);
                end.tell(Told::Refused).await;
            }
        }
    }

    /// The same with a handshake, in which the flow's peer proves who it is.
    pub(super) async fn connect_tls(self, from: Option<IpAddr>, certificates: Certificates) {
        let (remote, peer, end) = (self.flow.remote, self.flow.peer, self.end());
        let handshake = async {
            let stream = open(remote, from).await.map_err(|error| error.to_string())?;
            settle(&stream);
            let peer = peer.ok_or("nobody in particular is meant")?;
            tls::connect(&certificates, peer, remote.ip(), stream).await
        };
        match timeout(self.limits.connect, handshake).await {
            Ok(Ok(stream)) => {
                let (reader, writer) = tokio::io::split(stream);
                self.run(reader, writer).await;
                end.tell(Told::Ended).await;
            }
            Ok(Err(why)) => {
                tracing::warn!(event = "tls_connect_failed", %remote, why);
                end.tell(Told::Refused).await;
            }
            Err(_) => {
                tracing::warn!(event = "tls_connect_timeout", %remote);
                end.tell(Told::Refused).await;
            }
        }
    }

    fn end(&self) -> Farewell {
        Farewell { tell: self.tell.clone(), connection: self.flow.connection }
    }

    async fn run(self, reader: impl AsyncRead + Unpin, writer: impl AsyncWrite + Unpin) {
        let Connection { flow, limits, tell, orders, own_orders, queued, ping, proven } = self;
        let mut reader = Reader { reader, flow, limits, tell, own_orders, proven };
        let mut write = pin!(write(writer, orders, &queued, limits.write, ping));
        let end = tokio::select! {
            end = reader.read() => Some(end),
            () = &mut write => None,
        };
        match end {
            // Requests already taken may still be answered.
            Some(End::Finished) => {
                let _ = timeout(FAREWELL, &mut write).await;
            }
            Some(End::Cut) => {}
            // Closed by us: taking what the peer still sends keeps its system from throwing our last answer away.
            None => {
                let _ = timeout(FAREWELL, reader.discard()).await;
            }
        }
    }
}

/// Tells the table what becomes of a connection.
struct Farewell {
    tell: mpsc::Sender<Told>,
    connection: Option<ConnectionId>,
}

impl Farewell {
    async fn tell(&self, what: impl FnOnce(ConnectionId) -> Told) {
        if let Some(connection) = self.connection {
            // It only fails when the whole switch ends.
            let _ = self.tell.send(what(connection)).await;
        }
    }
}

struct Reader<R> {
    reader: R,
    flow: Flow,
    limits: Limits,
    tell: mpsc::Sender<Told>,
    own_orders: mpsc::WeakSender<Order>,
    proven: Arc<AtomicBool>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    async fn read(&mut self) -> End {
        let mut framer = Framer::default();
        let mut piece = vec![0; PIECE];
        let mut begun = Some(Instant::now());
        let mut proven = false;
        loop {
            let patience = match begun {
                Some(begun) => self.limits.message.saturating_sub(begun.elapsed()),
                None => self.limits.idle,
            };
            let length = match timeout(patience, self.reader.read(&mut piece)).await {
                // Who has sent no whole message waits for no answer.
                Ok(Ok(0)) if !proven => return End::Cut,
                Ok(Ok(0)) => return End::Finished,
                Ok(Ok(length)) => length,
                Ok(Err(_)) => return End::Cut,
                Err(_) => {
                    tracing::debug!(event = "tcp_timeout", remote = %self.flow.remote, midway = begun.is_some());
                    return End::Cut;
                }
            };
            framer.push(&piece[..length]);
            let (mut pinged, mut whole) = (false, false);
            while let Some(frame) = framer.next() {
                let (bytes, broken) = match frame {
                    Frame::Message(bytes) => (bytes, false),
                    Frame::Broken(bytes) => (bytes, true),
                    Frame::Ping => {
                        pinged = true;
                        continue;
                    }
                };
                whole = true;
                let received = std::time::Instant::now();
                let message = Message { flow: self.flow, received, bytes, broken };
                if self.tell.send(Told::Message(message)).await.is_err() {
                    return End::Cut;
                }
                if broken {
                    // The switch answers and closes; if it does not, patience ends it.
                    let _ = timeout(self.limits.message, pending::<()>()).await;
                    return End::Cut;
                }
            }
            // One answer to all pings of a piece: a peer that sends more than one at a time is not waiting for them.
            if pinged && !self.pong() {
                return End::Cut;
            }
            proven |= whole;
            if whole {
                self.proven.store(true, Ordering::Relaxed);
            }
            begun = match (framer.is_midway(), begun) {
                (true, Some(begun)) if !whole => Some(begun),
                (true, _) => Some(Instant::now()),
                (false, begun) if !proven => begun,
                (false, _) => None,
            };
        }
    }

    fn pong(&self) -> bool {
        self.own_orders.upgrade().is_some_and(|orders| orders.try_send(Order::Pong).is_ok())
    }

    async fn discard(&mut self) {
        let mut piece = vec![0; PIECE];
        let mut left = DISCARDED;
        while let Ok(length) = self.reader.read(&mut piece).await
            && length > 0
            && left > length
        {
            left -= length;
        }
    }
}

/// Writes until told to close, or until the peer does not take it.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    mut orders: mpsc::Receiver<Order>,
    queued: &Queued,
    patience: Duration,
    ping: Option<Duration>,
) {
    loop {
        let next = match ping {
            Some(ping) => timeout(ping, orders.recv()).await.unwrap_or(Some(Order::Ping)),
            None => orders.recv().await,
        };
        let Some(order) = next else { break };
        match order {
            Order::Ping => {
                if !matches!(timeout(patience, put(&mut writer, b"\r\n\r\n")).await, Ok(Ok(()))) {
                    return;
                }
            }
            Order::Write(bytes) => {
                let written = timeout(patience, put(&mut writer, &bytes)).await;
                queued.written(bytes.len());
                if !matches!(written, Ok(Ok(()))) {
                    return;
                }
            }
            Order::Pong => {
                if !matches!(timeout(patience, put(&mut writer, b"\r\n")).await, Ok(Ok(()))) {
                    return;
                }
            }
            Order::Close => break,
        }
    }
    let _ = writer.shutdown().await;
}

/// TLS gathers what is written until it is told that this was all.
async fn put(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

async fn open(remote: SocketAddr, from: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(from) = from.filter(|from| !from.is_unspecified()) {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    socket.connect(remote).await
}

/// Small messages at once, and dead peers found by the system's own probes.
fn settle(stream: &TcpStream) {
    use rustix::net::sockopt;
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, Duration::from_secs(120));
}

//! UDP: one socket a listener, read in batches into buffers that are used again. Home of the socket options.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::tcp::Told;
use super::{Arrival, Message, unreachable};
use crate::wire::flow::{self, Flow, ListenerId, Transmit, Transport};
use crate::wire::stun;

/// What the kernel may keep while the switch is busy: about 2,000 messages.
const KERNEL_BUFFER: usize = 4 * 1_024 * 1_024;
/// No datagram is longer.
const LONGEST: usize = 65_535;
/// Buffers kept for the next messages, and the capacity beyond which one is not kept.
const SPARES: usize = 1_024;
const SPARE_CAPACITY: usize = 8 * 1_024;

/// Binds one address, with large kernel buffers as far as the system grants them.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<std::net::UdpSocket> {
    use rustix::net::sockopt;
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    unreachable::listen(&socket)?;
    // Beyond net.core.rmem_max needs a privilege; without it the kernel gives what it may.
    if sockopt::set_socket_recv_buffer_size_force(&socket, KERNEL_BUFFER).is_err() {
        sockopt::set_socket_recv_buffer_size(&socket, KERNEL_BUFFER)?;
    }
    sockopt::set_socket_send_buffer_size(&socket, KERNEL_BUFFER)?;
    Ok(socket)
}

/// Every UDP listener.
#[derive(Debug)]
pub(super) struct Udp {
    sockets: Vec<(ListenerId, Arc<UdpSocket>)>,
    /// Who waits for the errors of each.
    watches: Vec<AbortHandle>,
    buffer: Vec<u8>,
    spares: Vec<Vec<u8>>,
    /// Whose turn it is to be read first.
    turn: usize,
    /// Datagrams that the kernel had no room for.
    dropped: u64,
}

impl Default for Udp {
    fn default() -> Udp {
        Udp {
            sockets: Vec::new(),
            watches: Vec::new(),
            buffer: vec![0; LONGEST],
            spares: Vec::new(),
            turn: 0,
            dropped: 0,
        }
    }
}

impl Drop for Udp {
    fn drop(&mut self) {
        self.watches.iter().for_each(AbortHandle::abort);
    }
}

impl Udp {
    pub(super) fn add(
        &mut self,
        listener: ListenerId,
        socket: std::net::UdpSocket,
        tell: mpsc::Sender<Told>,
    ) -> std::io::Result<()> {
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        self.watches.push(unreachable::watch(Arc::clone(&socket), listener, tell));
        self.sockets.push((listener, socket));
        Ok(())
    }

    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut readable = Poll::Pending;
        for (_, socket) in &self.sockets {
            // An error is readable too: reading takes it off the socket.
            if socket.poll_recv_ready(context).is_ready() {
                readable = Poll::Ready(());
            }
        }
        readable
    }

    /// Reads the listeners in turn until each is empty or `limit` is reached.
    pub(super) fn receive(&mut self, now: Instant, limit: usize, backlog: &mut VecDeque<Arrival>) {
        let mut left = limit;
        self.turn = self.turn.wrapping_add(1);
        for step in 0..self.sockets.len() {
            let place = self.turn.wrapping_add(step) % self.sockets.len();
            let (listener, socket) = &self.sockets[place];
            while left > 0 {
                let (length, remote) = match socket.try_recv_from(&mut self.buffer) {
                    Ok(received) => received,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    // What an earlier datagram of ours met (ICMP): its address is in the queue that `unreachable` reads.
                    Err(_) => {
                        left -= 1;
                        continue;
                    }
                };
                left -= 1;
                let bytes = &self.buffer[..length];
                if is_keep_alive(bytes) {
                    continue;
                }
                if stun::is_one(bytes) {
                    if let Some(answer) = stun::answer(bytes, remote) {
                        // Lost, it is asked for again.
                        let _ = socket.try_send_to(&answer, remote);
                    }
                    continue;
                }
                let mut owned = self.spares.pop().unwrap_or_default();
                owned.extend_from_slice(bytes);
                backlog.push_back(Arrival::Message(Message {
                    flow: Flow::to(*listener, Transport::Udp, remote),
                    received: now,
                    bytes: owned,
                    broken: false,
                }));
            }
        }
    }

    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spares.len() < SPARES && buffer.capacity() <= SPARE_CAPACITY {
            buffer.clear();
            self.spares.push(buffer);
        }
    }

    pub(super) fn send(&mut self, transmit: &Transmit) -> Option<flow::Event> {
        let (_, socket) =
            self.sockets.iter().find(|(listener, _)| *listener == transmit.flow.listener)?;
        // Straight to the kernel: the runtime's idea of writability lags behind a socket that has just been bound.
        let send = || {
            let flags = rustix::net::SendFlags::DONTWAIT;
            rustix::net::sendto(socket, &transmit.bytes, flags, &transmit.flow.remote)
        };
        // The first error may be what an earlier datagram to somebody else met; it is told once.
        let sent = send().or_else(|error| match error {
            rustix::io::Errno::CONNREFUSED
            | rustix::io::Errno::HOSTUNREACH
            | rustix::io::Errno::NETUNREACH => send(),
            error => Err(error),
        });
        match sent {
            Ok(_) => None,
            // A full socket is the network's loss: SIP repeats what matters (RFC 3261 §17).
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS) => {
                self.dropped += 1;
                if self.dropped.is_power_of_two() {
                    tracing::warn!(event = "udp_send_full", dropped = self.dropped);
                }
                None
            }
            Err(
                error @ (rustix::io::Errno::NETUNREACH
                | rustix::io::Errno::HOSTUNREACH
                | rustix::io::Errno::CONNREFUSED),
            ) => {
                tracing::debug!(event = "udp_unreachable", remote = %transmit.flow.remote, %error);
                Some(flow::Event::Unreachable(transmit.flow))
            }
            // This message cannot go (too long, of another family); that says nothing of the address, which others wait for.
            Err(error) => {
                tracing::debug!(event = "udp_not_sent", remote = %transmit.flow.remote, %error);
                None
            }
        }
    }
}

/// Blank lines and zero bytes that phones send to keep a NAT open.
fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= 4 && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

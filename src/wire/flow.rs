//! A flow: the transport connection or UDP association that a message came by and its answer leaves by (RFC 5626 §3.1).

use std::net::SocketAddr;
use std::time::Instant;

/// What carries the messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// RFC 3261 §18, one message a datagram.
    Udp,
    /// RFC 3261 §18, messages framed by Content-Length.
    Tcp,
}

/// One bound address of ours, by its place in the settings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u16);

/// One accepted or opened TCP connection; never used twice in a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// Where a message came from, or is to go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flow {
    /// The address of ours.
    pub listener: ListenerId,
    /// UDP or TCP.
    pub transport: Transport,
    /// The far address.
    pub remote: SocketAddr,
    /// The TCP connection to use while it stands. `None`: UDP, or any connection to `remote`, opened if there is none.
    pub connection: Option<ConnectionId>,
}

/// One message as received: a UDP datagram, or one framed message of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where it came from.
    pub flow: Flow,
    /// When the socket gave it to us; the age of the backlog is measured from here.
    pub received: Instant,
    /// The bytes, unread.
    pub bytes: &'a [u8],
    /// The stream it came by cannot be framed any further (RFC 3261 §18.3): answer if possible, then close.
    pub broken: bool,
}

/// Bytes to send, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// Where to.
    pub flow: Flow,
    /// One message.
    pub bytes: Vec<u8>,
}

/// What became of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The TCP connection is gone; `flow.connection` names it.
    Closed(Flow),
    /// Nothing can be sent there: refused, no route, ICMP unreachable.
    Unreachable(Flow),
}

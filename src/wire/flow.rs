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
    /// The same inside of TLS (RFC 3261 §26.3.1): nobody on the way reads or changes them.
    Tls,
}

impl Transport {
    /// Every one, the plainest first.
    pub const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

    /// As in `transport=` of a URI (RFC 3261 §19.1.1), in settings and in tables. A Via says the same in capitals.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }

    /// What a word means, in any case.
    pub fn of_word(word: &str) -> Option<Transport> {
        Transport::ALL.into_iter().find(|transport| word.eq_ignore_ascii_case(transport.word()))
    }

    /// Whether what is sent arrives, or the sender hears that it did not: nothing has to be sent again (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        match self {
            Transport::Udp => false,
            Transport::Tcp | Transport::Tls => true,
        }
    }

    /// Whether nobody on the way reads or changes what is sent: what `sips:` asks for (RFC 5630 §3.1).
    pub fn is_secure(self) -> bool {
        match self {
            Transport::Udp | Transport::Tcp => false,
            Transport::Tls => true,
        }
    }

    /// The port where a URI or a Via names none (RFC 3261 §19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }
}

/// One bound address of ours, by its place in the settings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u16);

/// One accepted or opened TCP or TLS connection; never used twice in a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// Somebody who proves by certificate who they are, by their place in the settings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerId(pub u16);

/// Where a message came from, or is to go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Flow {
    /// The address of ours.
    pub listener: ListenerId,
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// The far address.
    pub remote: SocketAddr,
    /// The connection to use while it stands. `None`: UDP, or any connection to `remote`, opened if there is none; a TLS connection
    /// is opened to a `peer` alone.
    pub connection: Option<ConnectionId>,
    /// Who the far side of a TLS connection has proven to be, or has to. `None`: nobody in particular, such as a phone.
    pub peer: Option<PeerId>,
}

impl Flow {
    /// To an address of nobody in particular: over UDP, or by any connection there.
    pub fn to(listener: ListenerId, transport: Transport, remote: SocketAddr) -> Flow {
        Flow { listener, transport, remote, connection: None, peer: None }
    }
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
    /// The connection is gone; `flow.connection` names it.
    Closed(Flow),
    /// Nothing can be sent there: refused, no route, ICMP unreachable.
    Unreachable(Flow),
}

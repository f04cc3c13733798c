//! Where responses go: RFC 3261 §18.2.2, RFC 3581 §4.

use std::net::SocketAddr;
use std::ops::Range;

use super::Outbox;
use crate::wire::flow::{Flow, Transmit, Transport};
use crate::wire::sip::cursor::Cursor;
use crate::wire::sip::headers::Via;
use crate::wire::sip::outgoing::Outgoing;

/// Where the response to a request from `source` goes: back over its connection, or over UDP to its address and, unless `rport` asked
/// for the source port, the port of its Via. maddr is not followed: nobody vouches for it.
pub(super) fn reply(source: Flow, via: &Via) -> Flow {
    match source.transport {
        Transport::Tcp | Transport::Tls => source,
        Transport::Udp if via.params.get("rport").is_some() => source,
        Transport::Udp => {
            Flow { remote: at_port(source.remote, sent_by_port(via, source.transport)), ..source }
        }
    }
}

/// Where to reach the sender of a request once its connection is gone (RFC 3261 §18.2.2): its address, the port of its Via, or the
/// usual one of the transport it came by.
pub(super) fn sent_by_port(via: &Via, came_by: Transport) -> u16 {
    via.port.unwrap_or(came_by.default_port())
}

/// The same address at another port.
pub(super) fn at_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// The topmost Via of a serialised message, if it can be read.
fn top_via(bytes: &[u8]) -> Option<Via> {
    Via::read(&mut Cursor::new(&bytes[top_via_line(bytes)?])).ok()
}

impl Outbox {
    /// Sends a response outside any transaction, to where its topmost Via and the flow of its request say.
    pub(super) fn reply(&mut self, source: Flow, response: Outgoing) {
        let mut bytes = Vec::new();
        response.received(source.remote).write(None, &mut bytes);
        self.back(source, bytes);
    }

    /// The same for whoever has proven nothing.
    pub(super) fn reply_to_a_stranger(&mut self, source: Flow, response: Outgoing) {
        if let Some(bytes) = response.for_a_stranger(source.remote, source.transport) {
            self.back(source, bytes);
        }
    }

    fn back(&mut self, source: Flow, bytes: Vec<u8>) {
        let flow = top_via(&bytes).map_or(source, |via| reply(source, &via));
        self.transmits.push_back(Transmit { flow, bytes });
    }
}

/// Where the value of the first Via line lies in a message of our own writing.
fn top_via_line(bytes: &[u8]) -> Option<Range<usize>> {
    let mut start = 0;
    while let Some(length) = bytes[start..].windows(2).position(|pair| pair == b"\r\n") {
        let line = &bytes[start..start + length];
        if line.is_empty() {
            return None;
        }
        if line.len() > 4 && line[..4].eq_ignore_ascii_case(b"Via:") {
            return Some(start + 4..start + length);
        }
        start += length + 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_via_is_found_among_the_headers_only() {
        let bytes = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a:7\r\nVia: SIP/2.0/UDP b\r\n\r\nx";
        assert_eq!(top_via(bytes).and_then(|via| via.port), Some(7));
        assert_eq!(top_via(b"SIP/2.0 200 OK\r\n\r\nVia: SIP/2.0/UDP a\r\n"), None);
        assert_eq!(top_via(b""), None);
    }
}

//! Overload of the journal: new calls are refused before they cost anything; what is up goes on.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::io::sockets::Message as Received;
use crate::wire::flow::{Flow, Transmit, Transport};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::outgoing::Outgoing;

/// When callers are told to come back: at random within these seconds, so that they do not come together.
const RETRY_AFTER: std::ops::Range<u64> = 2..12;

/// The stateless refusal of a new INVITE (503 with Retry-After, RFC 3261 §8.2.7, §21.5.4); `None` for everything else, which passes:
/// responses, ACKs, BYEs, re-INVITEs, REGISTERs, and what cannot be read.
pub(super) fn refusal(received: &Received) -> Option<Transmit> {
    if !received.bytes.starts_with(b"INVITE ") || received.broken {
        return None;
    }
    let invite = Message::parse(&received.bytes).ok()?;
    if invite.to().tag().is_some() {
        return None;
    }
    // The same for every repetition of this INVITE, without remembering any.
    let mut hasher = DefaultHasher::new();
    (invite.call_id(), invite.from().tag(), invite.cseq().number).hash(&mut hasher);
    let mark = hasher.finish();
    let retry = RETRY_AFTER.start + mark % (RETRY_AFTER.end - RETRY_AFTER.start);
    let mut bytes = Vec::with_capacity(512);
    Outgoing::response(Status::of(503), &invite, Some(&format!("{mark:016x}")))
        .received(received.flow.remote)
        .header(Name::RetryAfter, retry)
        .write(None, &mut bytes);
    Some(Transmit { flow: way_back(&received.flow, &invite), bytes })
}

/// Where a response goes: RFC 3261 §18.2.2 with RFC 3581.
fn way_back(flow: &Flow, request: &Message) -> Flow {
    let via = request.via();
    match flow.transport {
        Transport::Tcp => *flow,
        Transport::Udp if via.params.get("rport").is_some() => *flow,
        Transport::Udp => {
            let mut flow = *flow;
            flow.remote.set_port(via.port.unwrap_or(5060));
            flow
        }
    }
}

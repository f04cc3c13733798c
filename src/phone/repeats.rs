//! What the phone sends again until it is answered: RFC 3261 §17.1 for requests, §13.3.1.4 for its 2xx.

use std::time::{Duration, Instant};

use super::Packet;
use super::message::Received;

/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);

/// Call-ID, CSeq number and method that stop a repetition.
pub(super) type Key = (String, u32, String);

/// What is repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Stopped by a response.
    Request,
    /// A 2xx to INVITE, stopped by its ACK.
    Answer,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Repeats(Vec<Pending>);

#[derive(Debug)]
struct Pending {
    packet: Packet,
    key: Key,
    kind: Kind,
    due: Instant,
    gap: Duration,
    until: Instant,
}

impl Repeats {
    pub(super) fn add(&mut self, now: Instant, kind: Kind, key: Key, packet: Packet) {
        let (due, until) = (now + T1, now + 64 * T1);
        self.0.push(Pending { packet, key, kind, due, gap: T1, until });
    }

    /// A message came: what it answers is not sent again.
    pub(super) fn heard(&mut self, message: &Received) {
        let (call_id, cseq) = (message.header("Call-ID"), message.cseq());
        self.0.retain(|pending| {
            let ours = pending.key.0 == call_id && pending.key.1 == cseq;
            let stops = match pending.kind {
                Kind::Request => {
                    message.method().is_none() && message.cseq_method() == pending.key.2
                }
                Kind::Answer => message.method() == Some("ACK"),
            };
            !(ours && stops)
        });
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(|pending| pending.due).min()
    }

    /// What is due now; what was repeated long enough is forgotten.
    pub(super) fn due(&mut self, now: Instant) -> impl Iterator<Item = Packet> {
        self.0.retain(|pending| pending.until > now);
        self.0.iter_mut().filter(move |pending| pending.due <= now).map(move |pending| {
            pending.gap = (pending.gap * 2).min(T2);
            pending.due = now + pending.gap;
            pending.packet.clone()
        })
    }
}

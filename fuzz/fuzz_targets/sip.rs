//! Any bytes as a SIP message: read, or refused with an answer that can be read; a stream is cut alike however its bytes come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tonspur::wire::sip::framing::{Frame, Framer};
use tonspur::wire::sip::headers::Name;
use tonspur::wire::sip::message::{Message, Status};
use tonspur::wire::sip::outgoing::Outgoing;

fuzz_target!(|bytes: &[u8]| {
    match Message::parse(bytes) {
        Ok(message) => {
            look_at(&message);
            if message.method().is_some() {
                let tag = message.to().tag().is_none().then_some("ours");
                let answer = Outgoing::response(Status::of(486), &message, tag);
                let answer = written(answer);
                let read = Message::parse(&answer).unwrap_or_else(|(wrong, _)| panic!("{wrong}"));
                assert_eq!(read.call_id(), message.call_id());
                assert_eq!(read.cseq(), message.cseq());
                assert_eq!(read.via_count(), message.via_count());
            }
        }
        Err((malformed, Some(lexed))) => {
            let refusal = Outgoing::refusal(malformed.status, &lexed, malformed.what, "ours");
            drop(refusal.map(written));
        }
        Err((_, None)) => {}
    }

    let whole = frames(bytes.chunks(bytes.len().max(1)));
    // Cut at odd places: one byte, then more and more.
    let cut = frames(bytes.chunks(1 + bytes.len() % 7));
    assert_eq!(whole, cut);
});

/// Every view that is made on demand.
fn look_at(message: &Message) {
    drop(message.contacts());
    drop(message.routes());
    drop(message.record_routes());
    drop(message.addresses(Name::ReferTo));
    let _ = message.expires();
    let _ = (message.max_forwards(), message.body_of("application/sdp"));
    for name in [Name::Via, Name::Reason, Name::Supported, Name::Require, Name::Authorization] {
        assert!(message.tokens(name).count() <= 1 + message.bytes().len());
        let _ = message.text(name);
    }
}

fn written(message: Outgoing) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.write(None, &mut bytes);
    bytes
}

fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Frame> {
    let mut framer = Framer::default();
    let mut found = Vec::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            found.push(frame);
        }
    }
    found
}

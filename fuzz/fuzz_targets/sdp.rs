//! Any bytes as SDP: as an offer, as the answer to ours, and as what comes after that.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tonspur::wire::rtp::g711::Codec;
use tonspur::wire::sdp::description::Description;
use tonspur::wire::sdp::negotiation::{Direction, Session};

fuzz_target!(|bytes: &[u8]| {
    let ours = "192.0.2.1:16384".parse().expect("an address");
    let session = || Session::new(ours, 7, vec![Codec::Pcma, Codec::Pcmu]);

    let mut answering = session();
    if let Ok((answer, agreed)) = answering.answer(bytes, Direction::SendRecv) {
        let offered = Description::read(bytes).expect("what is answered can be read");
        let answered = Description::read(&answer).expect("our own answer");
        assert_eq!(answered.streams.len(), offered.streams.len(), "RFC 3264 §6: as many m= lines");
        assert!(agreed.payload_type < 128);
        // The same again changes nothing; ours can be read by anybody.
        let again = answering.answer(bytes, Direction::SendRecv).expect("it was answered before");
        assert_eq!(again.1, agreed);
        Description::read(&answering.offer(Direction::SendOnly)).expect("our own offer");
    }

    let mut offering = session();
    Description::read(&offering.offer(Direction::SendRecv)).expect("our own offer");
    if offering.conclude(bytes).is_ok() {
        drop(offering.answer(bytes, Direction::RecvOnly));
        drop(offering.conclude(bytes));
    }
});

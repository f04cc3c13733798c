//! In the steady state a packet allocates nothing: bridged, converted from law to law, tapped; nor does a prompt's piece or a report.

#![expect(clippy::disallowed_methods, reason = "a test begins at some instant")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tonspur::media::prompt::Library;
use tonspur::media::relay::{Component, Relay, Send};
use tonspur::media::tap::{LONGEST, tap};
use tonspur::media::{Command, PlayId, PortId, RecordingId, Remote, Repeat, Samples};
use tonspur::wire::rtp::g711::Codec;
use tonspur::wire::rtp::packet::{self, Fresh};
use tonspur::wire::sdp::description::Encoding;
use tonspur::wire::sdp::negotiation::Direction;

const PIECE: Duration = Duration::from_millis(20);

fn far_side(port: PortId) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, port.0 as u8], 4_000))
}

fn connect(relay: &mut Relay, now: Instant, port: PortId, codec: Codec) {
    relay.open(now, port, port.0 as u32);
    let remote = Remote {
        rtp: Some(far_side(port)),
        rtcp: Some(far_side(port)),
        rtcp_mux: false,
        sip_host: None,
        codec,
        payload_type: codec.payload_type(),
        telephone_event: Some(101),
        received: vec![(101, Encoding::TelephoneEvent)],
        direction: Direction::SendRecv,
    };
    relay.command(now, &Command::Connect { port, remote, silence: Some(Duration::from_secs(30)) });
}

#[test]
fn a_packet_of_a_call_allocates_nothing() {
    let mut now = Instant::now();
    let mut library = Library::default();
    let prompt = library.add(&[1_000; 8_000]);
    let mut relay = Relay::new(Arc::new(library));
    let (a, b, c) = (PortId(1), PortId(2), PortId(3));
    connect(&mut relay, now, a, Codec::Pcmu);
    connect(&mut relay, now, b, Codec::Pcma);
    connect(&mut relay, now, c, Codec::Pcma);
    relay.command(now, &Command::Bridge { a, b });
    let (play, repeat) = (PlayId(1), Repeat::Forever);
    relay.command(now, &Command::Play { port: c, prompt, play, repeat });
    let (into, mut listener) = tap(Samples(16_000));
    relay.tap(RecordingId(1), a, b, into);

    let (mut relayed, mut paced, mut tapped) = (0, 0, 0);
    let mut talk = |relay: &mut Relay, number: u32| {
        for (port, codec) in [(a, Codec::Pcmu), (b, Codec::Pcma)] {
            let fresh = Fresh {
                marker: false,
                payload_type: codec.payload_type(),
                sequence: number as u16,
                timestamp: number * 160,
                ssrc: 9,
            };
            let mut room = [0; 172];
            packet::write(&mut room, fresh, &[5; 160]).expect("it fits");
            let from = far_side(port);
            let sent = relay.receive(now, port, Component::Rtp, from, &mut room);
            relayed += u32::from(sent.is_some());
        }
        relay.tick(now, &mut |_: Send, _: &[u8]| paced += 1);
        // As a worker does: what is measured with every report is told.
        while relay.poll().is_some() {}
        while listener.pop(&mut [0; LONGEST]).is_some() {
            tapped += 1;
        }
        now += PIECE;
    };
    // The first seconds may: heaps and queues find their size.
    for number in 0..1_000 {
        talk(&mut relay, number);
    }
    let counted = allocation_counter::measure(|| {
        for number in 1_000..11_000 {
            talk(&mut relay, number);
        }
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
    assert_eq!((relayed, tapped), (22_000, 22_000));
    assert!(paced > 11_000, "music and reports went out: {paced}");
}

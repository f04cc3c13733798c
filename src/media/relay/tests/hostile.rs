//! Whatever arrives, in whatever order the switch commands: no panic, and nothing goes to anybody but the far sides.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const STRANGER: u8 = 66;

#[derive(Clone, Debug)]
enum Deed {
    Command(Command),
    Open(PortId),
    Close(PortId),
    Tap(PortId, PortId),
    Packet { port: PortId, component: bool, host: u8, port_number: u16, bytes: Vec<u8> },
    Pass(Duration),
}

fn port() -> impl Strategy<Value = PortId> {
    (0..5u64).prop_map(PortId)
}

fn host() -> impl Strategy<Value = u8> {
    prop_oneof![1..4u8, Just(STRANGER)]
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![
        4 => Just(Direction::SendRecv),
        1 => Just(Direction::SendOnly),
        1 => Just(Direction::RecvOnly),
        1 => Just(Direction::Inactive),
    ]
}

fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], port))
}

fn command() -> impl Strategy<Value = Command> {
    let connect = (port(), 1..4u8, direction(), any::<bool>(), proptest::option::of(0..40u64))
        .prop_map(|(port, host, direction, mu, silence)| Command::Connect {
            port,
            remote: Remote {
                rtp: (host != 3 || mu).then_some(address(host, 4_000)),
                rtcp: Some(address(host, 4_001)),
                rtcp_mux: false,
                sip_host: None,
                codec: if mu { Codec::Pcmu } else { Codec::Pcma },
                payload_type: if mu { 0 } else { 8 },
                telephone_event: mu.then_some(101),
                received: mu.then_some((101, Encoding::TelephoneEvent)).into_iter().collect(),
                direction,
            },
            silence: silence.map(Duration::from_secs),
        });
    let play =
        (port(), 0..4u32, any::<u64>(), any::<bool>()).prop_map(|(port, prompt, play, once)| {
            let repeat = if once { Repeat::Once } else { Repeat::Forever };
            Command::Play { port, prompt: PromptId(prompt), play: PlayId(play), repeat }
        });
    prop_oneof![
        4 => connect,
        2 => play,
        2 => (port(), port()).prop_map(|(a, b)| Command::Bridge { a, b }),
        1 => port().prop_map(|port| Command::Unbridge { port }),
        1 => port().prop_map(|port| Command::Stop { port }),
    ]
}

fn packet() -> impl Strategy<Value = Deed> {
    let rtp = (
        any::<bool>(),
        prop_oneof![Just(0u8), Just(8), Just(13), Just(101), any::<u8>()],
        0..8u16,
        any::<u32>(),
        0..3u32,
    )
        .prop_flat_map(|(marker, payload_type, sequence, timestamp, ssrc)| {
            vec(any::<u8>(), 0..600).prop_map(move |payload| {
                let mut room = vec![0; 12 + payload.len()];
                let fresh = Fresh { marker, payload_type, sequence, timestamp, ssrc };
                packet::write(&mut room, fresh, &payload).expect("it fits");
                room
            })
        });
    let bytes = prop_oneof![4 => rtp, 1 => vec(any::<u8>(), 0..200)];
    (
        port(),
        proptest::bool::weighted(0.2),
        host(),
        prop_oneof![Just(4_000u16), Just(4_001), any::<u16>()],
        bytes,
    )
        .prop_map(|(port, component, host, port_number, bytes)| Deed::Packet {
            port,
            component,
            host,
            port_number,
            bytes,
        })
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => packet(),
        3 => command().prop_map(Deed::Command),
        1 => port().prop_map(Deed::Open),
        1 => port().prop_map(Deed::Close),
        1 => (port(), port()).prop_map(|(a, b)| Deed::Tap(a, b)),
        3 => (0..3_000u64).prop_map(|millis| Deed::Pass(Duration::from_millis(millis))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn nothing_panics_and_nobody_is_sent_to_but_far_sides(deeds in vec(deed(), 1..120)) {
        let (library, _) = library(3);
        let mut room = Room::with(library);
        let mut listeners = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Command(command) => room.tells(command),
                Deed::Open(port) => {
                    room.relay.open(room.now, port, port.0 as u32);
                }
                Deed::Close(port) => room.tells(Command::Close { port }),
                Deed::Tap(a, b) => {
                    let (into, listener) = tap(Samples(1_000));
                    room.relay.tap(RecordingId(a.0), a, b, into);
                    listeners.push(listener);
                }
                Deed::Packet { port, component, host, port_number, mut bytes } => {
                    let from = address(host, port_number);
                    if host == STRANGER && bytes.len() > 3 {
                        // Five in sequence would make a stranger a far side behind NAT: no two are.
                        bytes[3] |= 1;
                    }
                    if component {
                        room.relay.receive(room.now, port, Component::Rtcp, from, &mut bytes);
                    } else {
                        room.deliver(port, from, bytes);
                    }
                }
                Deed::Pass(span) => room.passes(span),
            }
        }
        for sent in &room.sent {
            prop_assert_ne!(sent.to, address(STRANGER, 4_000));
            prop_assert!(sent.bytes.len() >= 12);
            if sent.component == Component::Rtp {
                prop_assert!(matches!(sent.header().payload_type, 0 | 8 | 101));
            }
        }
        for port in (0..5).map(PortId) {
            room.tells(Command::Close { port });
        }
        prop_assert_eq!(room.relay.deadline(), None);
        let mut space = [0; LONGEST];
        for listener in &mut listeners {
            prop_assert!(listener.is_closed());
            while listener.pop(&mut space).is_some() {}
        }
    }
}

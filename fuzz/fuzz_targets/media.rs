//! A worker's ports and a recorder, in time that the input makes pass: packets of two phones and a stranger (RTP, RTCP, telephone-event,
//! anything) come in any order while the ports are connected, bridged, held, played to, tapped and closed. Nobody but the far sides may
//! be sent anything, no port may be silent about its end, and the recording is as long as the time it was open, with its spans in order.
#![no_main]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tonspur::media::prompt::Library;
use tonspur::media::recorder::Recorder;
use tonspur::media::relay::{Component, Relay};
use tonspur::media::tap::tap;
use tonspur::media::{
    Command, Event, PlayId, PortId, PromptId, RecordingId, Remote, Repeat, Samples, Silence,
};
use tonspur::wire::rtp::g711::Codec;
use tonspur::wire::rtp::packet::{self, Fresh};
use tonspur::wire::sdp::description::Encoding;
use tonspur::wire::sdp::negotiation::Direction;

/// Steps at most in one story.
const MOST_STEPS: usize = 200;
/// Neither of the ports is this host's, and it never sends two packets in a row that follow each other.
const STRANGER: u8 = 66;

#[derive(Debug, Arbitrary)]
enum Step {
    Rtp {
        port: bool,
        from: From,
        kind: u8,
        marker: bool,
        sequence: i8,
        late: u16,
        payload: Vec<u8>,
    },
    Rtcp {
        port: bool,
        from: From,
        bytes: Vec<u8>,
    },
    Anything {
        port: bool,
        from: From,
        bytes: Vec<u8>,
    },
    Connects {
        port: bool,
        direction: u8,
        law: bool,
        moved: bool,
    },
    Bridges,
    Parts,
    Plays {
        port: bool,
        once: bool,
    },
    Stops {
        port: bool,
    },
    Silences {
        hold: bool,
    },
    Unsilences,
    Records,
    Passes {
        milliseconds: u8,
    },
}

#[derive(Debug, Arbitrary)]
enum From {
    FarSide,
    OtherPort,
    Stranger,
}

/// A far side.
struct Phone {
    address: SocketAddr,
    sequence: u16,
    timestamp: u32,
}

fuzz_target!(|steps: Vec<Step>| {
    let mut library = Library::default();
    library.add(&[1_000; 480]);
    let mut relay = Relay::new(Arc::new(library));
    let start = Instant::now();
    let mut now = start;
    let ports = [PortId(1), PortId(2)];
    let address = |host: u8, port: u16| SocketAddr::from(([192, 0, 2, host], port));
    let mut phones = [1u8, 2].map(|host| Phone {
        address: address(host, 4_000),
        sequence: 65_530,
        timestamp: u32::from(host).wrapping_mul(0x7fff_fff0),
    });
    for (port, ssrc) in ports.into_iter().zip([0xaaaa, 0xbbbb]) {
        relay.open(now, port, ssrc).expect("a new port");
    }
    let connect = |relay: &mut Relay, now, place: usize, direction, law, at: SocketAddr| {
        let remote = Remote {
            rtp: Some(at),
            rtcp: Some(SocketAddr::new(at.ip(), at.port() + 1)),
            rtcp_mux: false,
            sip_host: None,
            codec: if law { Codec::Pcma } else { Codec::Pcmu },
            payload_type: if law { 8 } else { 0 },
            telephone_event: Some(101),
            received: vec![(101, Encoding::TelephoneEvent)],
            direction,
        };
        let silence = Some(Duration::from_secs(3));
        relay.command(now, &Command::Connect { port: ports[place], remote, silence });
    };
    for place in [0, 1] {
        connect(&mut relay, now, place, Direction::SendRecv, false, phones[place].address);
    }
    let recording = RecordingId(7);
    let (into, listener) = tap(Samples(16_000));
    relay.tap(recording, ports[0], ports[1], into);
    let mut recorder = Recorder::new(listener, now);
    let mut pcm = Vec::new();
    let mut sent: Vec<SocketAddr> = Vec::new();
    let mut reached: Vec<SocketAddr> = phones.iter().map(|phone| phone.address).collect();
    let mut strange = 0u16;

    for step in steps.into_iter().take(MOST_STEPS) {
        let (place, from, component, mut bytes) = match step {
            Step::Rtp { port, from, kind, marker, sequence, late, mut payload } => {
                payload.truncate(1_400);
                let place = usize::from(port);
                let phone = &mut phones[place];
                phone.sequence = phone.sequence.wrapping_add_signed(i16::from(sequence));
                phone.timestamp = phone.timestamp.wrapping_add(u32::from(late));
                let payload_type = match kind % 8 {
                    0 | 1 => 0,
                    2 | 3 => 8,
                    4 | 5 => 101,
                    6 => 13,
                    _ => kind & 0x7f,
                };
                let fresh = Fresh {
                    marker,
                    payload_type,
                    sequence: phone.sequence,
                    timestamp: phone.timestamp,
                    ssrc: 0x1000 + u32::from(kind >> 6),
                };
                let mut room = vec![0; 12 + payload.len()];
                packet::write(&mut room, fresh, &payload).expect("it fits");
                (place, from, Component::Rtp, room)
            }
            Step::Rtcp { port, from, bytes } => (usize::from(port), from, Component::Rtcp, bytes),
            Step::Anything { port, from, bytes } => {
                (usize::from(port), from, Component::Rtp, bytes)
            }
            Step::Connects { port, direction, law, moved } => {
                let place = usize::from(port);
                let direction = [
                    Direction::SendRecv,
                    Direction::SendOnly,
                    Direction::RecvOnly,
                    Direction::Inactive,
                ][usize::from(direction % 4)];
                if moved {
                    phones[place].address.set_port(phones[place].address.port() ^ 2);
                    reached.push(phones[place].address);
                }
                connect(&mut relay, now, place, direction, law, phones[place].address);
                continue;
            }
            Step::Bridges => {
                relay.command(now, &Command::Bridge { a: ports[0], b: ports[1] });
                continue;
            }
            Step::Parts => {
                relay.command(now, &Command::Unbridge { port: ports[0] });
                continue;
            }
            Step::Plays { port, once } => {
                let repeat = if once { Repeat::Once } else { Repeat::Forever };
                let port = ports[usize::from(port)];
                let (prompt, play) = (PromptId(0), PlayId(1));
                relay.command(now, &Command::Play { port, prompt, play, repeat });
                continue;
            }
            Step::Stops { port } => {
                relay.command(now, &Command::Stop { port: ports[usize::from(port)] });
                continue;
            }
            Step::Silences { hold } => {
                recorder.silence(now, if hold { Silence::Hold } else { Silence::Pause });
                continue;
            }
            Step::Unsilences => {
                recorder.unsilence(now);
                continue;
            }
            Step::Records => {
                recorder.arm();
                continue;
            }
            Step::Passes { milliseconds } => {
                now += Duration::from_millis(u64::from(milliseconds) * 8);
                relay.tick(now, &mut |send, _| sent.push(send.to));
                recorder.advance(now, &mut pcm);
                continue;
            }
        };
        let from = match from {
            From::FarSide => phones[place].address,
            From::OtherPort => SocketAddr::new(phones[place].address.ip(), 9_999),
            From::Stranger => {
                // Several that follow each other would make it a far side behind NAT.
                strange = strange.wrapping_mul(31).wrapping_add(977);
                if let Some(low) = bytes.get_mut(2..4) {
                    low.copy_from_slice(&strange.to_be_bytes());
                }
                address(STRANGER, 4_000)
            }
        };
        if let Some(send) = relay.receive(now, ports[place], component, from, &mut bytes) {
            assert!(send.length <= bytes.len(), "only what is there is sent");
            assert_eq!(component, Component::Rtp, "reports are not passed on");
            sent.push(send.to);
        }
    }

    let stranger = address(STRANGER, 4_000).ip();
    assert!(sent.iter().all(|to| to.ip() != stranger), "a stranger was sent something");
    let is_far = |to: &SocketAddr| reached.iter().any(|far| far.ip() == to.ip());
    assert!(sent.iter().all(is_far), "somebody else was");

    for port in ports {
        relay.command(now, &Command::Close { port });
    }
    let events: Vec<Event> = std::iter::from_fn(|| relay.poll()).collect();
    let closed = events.iter().filter(|event| matches!(event, Event::Closed { .. })).count();
    assert_eq!(closed, 2, "every port tells its end once");
    for event in &events {
        if let Event::Digit { digit, .. } = event {
            assert!(digit.is_ascii_digit() || "*#ABCD".contains(*digit), "{digit:?}");
        }
    }
    assert_eq!(relay.deadline(), None, "nothing waits any more");

    recorder.arm();
    while !recorder.finish(now, &mut pcm) {}
    let length = recorder.length().0;
    assert_eq!(pcm.len() as u64, 2 * length, "both sides, nothing else");
    let open = now.duration_since(start).as_micros() as u64 / 125;
    assert!(length <= open + 1 && length + 1 >= open, "{length} samples in {open}");
    for spans in
        [recorder.gaps().to_vec(), recorder.silences().iter().map(|s| (s.1, s.2)).collect()]
    {
        assert!(spans.iter().all(|(from, to)| from < to && to.0 <= length), "{spans:?}");
        assert!(spans.is_sorted_by(|one, next| one.1 <= next.0), "{spans:?}");
    }
    for &(_, from, to) in recorder.silences() {
        let span = &pcm[2 * from.0 as usize..2 * to.0 as usize];
        assert!(span.iter().all(|&sample| sample == 0), "somebody is heard in a silence");
    }
});

//! The media plane measured. `cargo bench --bench relay` times one packet through the relay without sockets;
//! `cargo bench --bench relay -- --calls 400 [--record] [--base 40000] [--peer 20000] [--workers 1]` bridges fixed pairs on loopback
//! until its input ends: leg k listens on base+2k and talks to peer+2k, as `sipload --raw 127.0.0.1:40000 --rtp-base 20000` lays out
//! its legs.

#![expect(clippy::disallowed_methods, reason = "a measurement begins at some instant")]

use std::hint::black_box;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use tokio::sync::mpsc::channel;
use tonspur::io::relay::Media;
use tonspur::io::wav::Room;
use tonspur::media::prompt::Library;
use tonspur::media::relay::{Component, Relay};
use tonspur::media::{Command, Event, PortId, RecordingId, Remote};
use tonspur::switch::settings::Rtp;
use tonspur::wire::rtp::g711::Codec;
use tonspur::wire::rtp::packet::{self, Fresh};
use tonspur::wire::sdp::description::Encoding;
use tonspur::wire::sdp::negotiation::Direction;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u16| {
        let place = arguments.iter().position(|argument| argument == name)?;
        Some(arguments.get(place + 1).and_then(|text| text.parse().ok()).unwrap_or(default))
    };
    match number("--calls", 100) {
        Some(calls) => bridge(&Bridge {
            calls,
            base: number("--base", 40_000).unwrap_or(40_000),
            peer: number("--peer", 20_000).unwrap_or(20_000),
            workers: number("--workers", 1).unwrap_or(1).into(),
            record: arguments.iter().any(|argument| argument == "--record"),
        }),
        None => {
            let mut criterion = Criterion::default().configure_from_args();
            time(&mut criterion);
            criterion.final_summary();
        }
    }
}

fn remote(rtp: SocketAddr) -> Remote {
    Remote {
        rtp: Some(rtp),
        rtcp: Some(SocketAddr::new(rtp.ip(), rtp.port() + 1)),
        rtcp_mux: false,
        sip_host: None,
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: Some(101),
        received: vec![(101, Encoding::TelephoneEvent)],
        direction: Direction::SendRecv,
    }
}

/// One packet through the relay: 1,000 bridged calls, every one in turn.
fn time(criterion: &mut Criterion) {
    const CALLS: u64 = 1_000;
    let start = Instant::now();
    let mut relay = Relay::new(Arc::new(Library::default()));
    let from = |leg: u64| SocketAddr::new(LOOPBACK, 20_000 + 2 * leg as u16);
    let mut places = Vec::new();
    for leg in 0..2 * CALLS {
        let (port, silence) = (PortId(leg), Some(Duration::from_secs(30)));
        places.extend(relay.open(start, port, leg as u32));
        relay.command(start, &Command::Connect { port, remote: remote(from(leg)), silence });
        if leg % 2 == 1 {
            relay.command(start, &Command::Bridge { a: PortId(leg - 1), b: port });
        }
    }
    let mut count = 0u64;
    criterion.bench_function("one packet bridged", |bencher| {
        bencher.iter(|| {
            let (leg, round) = (count % (2 * CALLS), count / (2 * CALLS));
            count += 1;
            let fresh = Fresh {
                marker: false,
                payload_type: 0,
                sequence: round as u16,
                timestamp: round as u32 * 160,
                ssrc: 7,
            };
            let mut room = [0x55; 172];
            packet::write(&mut room, fresh, &[0x55; 160]).expect("it fits");
            let now = start + Duration::from_millis(20 * round);
            let place = places[leg as usize];
            let send = relay.receive_at(now, place, Component::Rtp, from(leg), &mut room);
            black_box(send).expect("it is bridged")
        });
    });
}

struct Bridge {
    calls: u16,
    base: u16,
    peer: u16,
    workers: usize,
    record: bool,
}

/// Fixed pairs without SIP, until the input ends.
fn bridge(bridge: &Bridge) {
    let rtp = Rtp {
        bind: [LOOPBACK; 2],
        advertise: [LOOPBACK; 2],
        ports: (bridge.base, bridge.base + 4 * bridge.calls - 1),
        codecs: vec![Codec::Pcmu],
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (sender, mut events) = channel(1_024);
    let room = Arc::new(Room::open(folder.path(), None, 0).expect("it is there"));
    let mut media = Media::start(&rtp, bridge.workers, Library::default(), room, sender)
        .expect("threads and epolls");
    for call in 0..bridge.calls {
        let legs = [0, 1].map(|side| PortId(u64::from(2 * call + side)));
        for (side, port) in legs.into_iter().enumerate() {
            let (near, ssrc) = (legs[..side].first().copied(), 0xbe0000 + port.0 as u32);
            let open = Command::Open { port, near, address: LOOPBACK, ssrc };
            match media.command(open) {
                Some(Event::Opened { .. }) => {}
                other => panic!("the port does not open: {other:?}"),
            }
            let peer = SocketAddr::new(LOOPBACK, bridge.peer + 2 * port.0 as u16);
            media.command(Command::Connect { port, remote: remote(peer), silence: None });
        }
        let [a, b] = legs;
        media.command(Command::Bridge { a, b });
        if bridge.record {
            let recording = RecordingId(u64::from(call));
            media.command(Command::Tap { recording, customer: a, agent: b });
            let path = format!("2030/01/07/{recording}.wav");
            media.command(Command::Record { recording, path });
        }
        media.deliver();
    }
    println!(
        "process {}: {} calls on {LOOPBACK}:{}",
        std::process::id(),
        bridge.calls,
        bridge.base
    );
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    if bridge.record {
        for call in 0..bridge.calls {
            media.command(Command::Seal { recording: RecordingId(u64::from(call)) });
        }
        media.deliver();
    }
    let mut total = (0, 0, 0, 0);
    for port in (0..2 * u64::from(bridge.calls)).map(PortId) {
        media.command(Command::Close { port });
        media.deliver();
        let statistics = loop {
            match events.blocking_recv().expect("the workers live") {
                Event::Closed { statistics, .. } => break statistics,
                _ => continue,
            }
        };
        total.0 += statistics.received;
        total.1 += statistics.sent;
        total.2 += statistics.lost;
        total.3 += statistics.refused;
    }
    println!("received {}, sent {}, lost {}, refused {}", total.0, total.1, total.2, total.3);
    media.stop();
}

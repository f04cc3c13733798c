//! Real sockets on loopback, on hosts of their own in 127/8.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};

use super::*;
use crate::media::{PlayId, Remote, Repeat, Statistics};
use crate::wire::rtp::g711::{self, Codec};
use crate::wire::rtp::packet::{self, Fresh};
use crate::wire::sdp::negotiation::Direction;

struct Node {
    media: Media,
    events: Receiver<Event>,
    host: IpAddr,
    recordings: tempfile::TempDir,
}

impl Node {
    fn start(host: u8, ports: (u16, u16), workers: usize, library: Library) -> Node {
        let host = IpAddr::V4(Ipv4Addr::new(127, 77, 2, host));
        let rtp = Rtp {
            bind: [host; 2],
            advertise: [host; 2],
            ports,
            codecs: vec![Codec::Pcmu, Codec::Pcma],
        };
        let (sender, events) = channel(4);
        let recordings = tempfile::tempdir().expect("a temporary folder");
        let folder = recordings.path().to_owned();
        let room = Room::open(&folder, None, 0).expect("opens");
        let media = Media::start(&rtp, workers, library, Arc::new(room), sender).expect("threads");
        Node { media, events, host, recordings }
    }

    /// The next event; what is measured now and then is none that a test waits for.
    fn hears(&mut self) -> Event {
        loop {
            match self.events.blocking_recv().expect("the workers live") {
                Event::Measured { .. } => {}
                event => return event,
            }
        }
    }

    fn command(&mut self, command: Command) {
        assert_eq!(self.media.command(command), None);
        self.media.deliver();
    }

    fn open(&mut self, port: u64) -> Event {
        let (address, ssrc) = (self.host, 0xabc0 + port as u32);
        let command = Command::Open { port: PortId(port), near: None, address, ssrc };
        self.media.command(command).expect("an opening is answered at once")
    }

    /// A phone at an opened and connected port.
    fn phone(&mut self, port: u64) -> Phone {
        let Event::Opened { rtp, .. } = self.open(port) else { panic!("the port opens") };
        let socket = UdpSocket::bind((self.host, 0)).expect("a free port");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let remote = remote(socket.local_addr().expect("it is bound"));
        self.command(Command::Connect { port: PortId(port), remote, silence: None });
        Phone { socket, port: rtp, sequence: 0 }
    }

    fn close(&mut self, port: u64) -> Statistics {
        self.command(Command::Close { port: PortId(port) });
        loop {
            if let Event::Closed { port: closed, statistics } = self.hears() {
                assert_eq!(closed, PortId(port));
                return statistics;
            }
        }
    }

    fn stop(self) {
        self.media.stop();
        drop(self.recordings);
    }
}

fn remote(rtp: SocketAddr) -> Remote {
    Remote {
        rtp: Some(rtp),
        rtcp: None,
        rtcp_mux: false,
        sip_host: None,
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: None,
        received: Vec::new(),
        direction: Direction::SendRecv,
    }
}

struct Phone {
    socket: UdpSocket,
    port: SocketAddr,
    sequence: u16,
}

impl Phone {
    fn says(&mut self, byte: u8) {
        let fresh = Fresh {
            marker: false,
            payload_type: 0,
            sequence: self.sequence,
            timestamp: u32::from(self.sequence) * 160,
            ssrc: 77,
        };
        self.sequence += 1;
        let mut room = [0; 172];
        packet::write(&mut room, fresh, &[byte; 160]).expect("it fits");
        self.socket.send_to(&room, self.port).expect("loopback takes it");
    }

    /// The payload's first byte and the sequence number of the next packet, which comes from our port.
    fn hears(&self) -> (u8, u16) {
        let mut room = [0; 2_048];
        let (length, from) = self.socket.recv_from(&mut room).expect("a packet within the time");
        assert_eq!(from, self.port);
        let header = packet::read(&room[..length]).expect("it is RTP");
        assert_eq!(header.payload.len(), 160);
        (room[header.payload.start], header.sequence)
    }
}

fn talk(a: &mut Phone, b: &mut Phone) {
    for byte in 0..20 {
        a.says(byte);
        assert_eq!(b.hears().0, byte);
        b.says(0x80 | byte);
        assert_eq!(a.hears().0, 0x80 | byte);
    }
}

#[test]
fn a_caller_hears_a_prompt_and_then_the_other_side_as_one_stream() {
    let mut library = Library::default();
    let prompt = library.add(&[5_000; 160 * 5]);
    let mut node = Node::start(1, (30_000, 30_099), 1, library);
    let mut caller = node.phone(1);
    let play = PlayId(9);
    let port = PortId(1);
    node.command(Command::Play { port, prompt, play, repeat: Repeat::Once });
    let heard: Vec<(u8, u16)> = (0..5).map(|_| caller.hears()).collect();
    assert!(heard.iter().all(|&(byte, _)| byte == g711::encode(Codec::Pcmu, 5_000)));
    assert_eq!(node.hears(), Event::Played { port, play });

    let mut agent = node.phone(2);
    node.command(Command::Bridge { a: PortId(1), b: PortId(2) });
    // An answer to an order given after it shows that the bridge stands.
    node.open(3);
    node.close(3);
    agent.says(3);
    let (byte, sequence) = caller.hears();
    assert_eq!((byte, sequence), (3, heard[4].1.wrapping_add(1)));
    talk(&mut caller, &mut agent);
    let statistics = node.close(1);
    assert_eq!((statistics.received, statistics.sent, statistics.lost), (20, 26, 0));
    node.stop();
}

#[test]
fn only_what_is_to_be_heard_at_once_wakes_a_worker_that_has_ports() {
    let mut library = Library::default();
    let prompt = library.add(&[5_000; 160]);
    let mut node = Node::start(10, (30_000, 30_099), 1, library);
    let wakes = |node: &Node| node.media.front.workers[0].unheard;
    node.open(2);
    assert!(wakes(&node), "it had none");
    node.media.deliver();
    let Event::Opened { rtp, .. } = node.open(1) else { panic!("the port opens") };
    let socket = UdpSocket::bind((node.host, 0)).expect("a free port");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let (port, remote) = (PortId(1), remote(socket.local_addr().expect("it is bound")));
    let mut phone = Phone { socket, port: rtp, sequence: 0 };
    node.media.command(Command::Connect { port, remote, silence: None });
    node.media.command(Command::Close { port: PortId(2) });
    assert!(!wakes(&node), "it finds them when it looks");
    let play = PlayId(1);
    node.media.command(Command::Play { port, prompt, play, repeat: Repeat::Once });
    assert!(wakes(&node));
    phone.says(1);
    assert_eq!(phone.hears().0, g711::encode(Codec::Pcmu, 5_000));
    assert!(matches!(node.hears(), Event::Closed { port: PortId(2), .. }));
    assert_eq!(node.hears(), Event::Played { port, play });
    node.stop();
}

#[test]
fn legs_of_two_workers_are_brought_together() {
    let mut node = Node::start(2, (30_000, 30_099), 3, Library::default());
    let mut phones: Vec<Phone> = (0..6).map(|port| node.phone(port)).collect();
    let homes = |node: &Node| {
        node.media.front.ports.values().map(|port| port.worker).collect::<Vec<usize>>()
    };
    assert_eq!(homes(&node), [0, 1, 2, 0, 1, 2]);
    // Crosswise, so that workers await ports of each other.
    for (a, b) in [(0, 1), (4, 3), (2, 5)] {
        node.command(Command::Bridge { a: PortId(a), b: PortId(b) });
    }
    assert_eq!(homes(&node), [0, 0, 2, 1, 1, 2]);
    for port in [6, 7, 8] {
        node.open(port);
    }
    for port in [6, 7, 8] {
        node.close(port);
    }
    for pair in [[0, 1], [3, 4], [2, 5]] {
        let [a, b] = phones.get_disjoint_mut(pair).expect("two phones");
        talk(a, b);
    }
    for port in 0..6 {
        assert_eq!(node.close(port).received, 20);
    }
    node.stop();
}

#[test]
fn a_port_in_the_place_of_another_has_its_own_sockets() {
    let mut node = Node::start(6, (30_000, 30_099), 1, Library::default());
    let (_, mut b) = (node.phone(1), node.phone(2));
    node.close(1);
    let mut c = node.phone(3);
    node.command(Command::Bridge { a: PortId(2), b: PortId(3) });
    node.open(4);
    node.close(4);
    talk(&mut b, &mut c);
    assert_eq!((node.close(2).received, node.close(3).received), (20, 20));
    node.stop();
}

#[test]
fn a_full_range_refuses_and_a_closed_port_can_be_had_again() {
    let mut node = Node::start(3, (30_000, 30_003), 1, Library::default());
    assert!(matches!(node.open(1), Event::Opened { .. }));
    let Event::Opened { rtp, .. } = node.open(2) else { panic!("the port opens") };
    assert!(matches!(node.open(3), Event::OpenFailed { port: PortId(3), .. }));
    node.close(2);
    assert_eq!(node.open(4), Event::Opened { port: PortId(4), rtp });
    node.stop();
}

#[test]
fn pairs_that_are_about_to_be_closed_do_not_hide_the_one_that_is_free() {
    let mut node = Node::start(9, (30_000, 30_199), 1, Library::default());
    for port in 0..100 {
        assert!(matches!(node.open(port), Event::Opened { .. }));
    }
    let free = node.media.front.ports[&PortId(99)].rtp;
    node.close(99);
    for port in (0..99).map(PortId) {
        // The worker does not hear of it before the end of the turn.
        assert_eq!(node.media.command(Command::Close { port }), None);
    }
    assert_eq!(node.open(100), Event::Opened { port: PortId(100), rtp: free });
    let Event::OpenFailed { cause, .. } = node.open(101) else { panic!("none is free") };
    assert!(cause.contains("no free pair"), "{cause}");
    node.media.deliver();
    for _ in 0..99 {
        assert!(matches!(node.hears(), Event::Closed { .. }));
    }
    assert!(matches!(node.open(102), Event::Opened { .. }));
    node.stop();
}

#[test]
fn no_port_is_made_to_talk_to_another_of_ours() {
    let mut node = Node::start(4, (30_000, 30_007), 1, Library::default());
    let Event::Opened { rtp: first, .. } = node.open(1) else { panic!("the port opens") };
    // The far side names a port of ours that is open, and one that is not yet.
    let next = SocketAddr::new(first.ip(), first.port() + 2);
    for address in [first, next] {
        let (port, remote) = (PortId(1), remote(address));
        node.command(Command::Connect { port, remote, silence: None });
        let known = node.media.front.ports[&port].remote;
        assert_eq!(known, Some(address).filter(|_| address != first));
    }
    let Event::Opened { rtp: second, .. } = node.open(2) else { panic!("the port opens") };
    assert_eq!(second.port(), first.port() + 4, "the one that is spoken to is stepped over");
    node.stop();
}

#[test]
fn a_dead_worker_gets_no_ports_and_those_it_had_can_be_closed() {
    let mut node = Node::start(7, (30_000, 30_099), 2, Library::default());
    for port in 0..4 {
        assert!(matches!(node.open(port), Event::Opened { .. }));
    }
    // As if it had panicked.
    let mailbox = &node.media.front.workers[0].mailbox;
    mailbox.leave(Order::Stop);
    mailbox.ring();
    node.media.threads.remove(0).join().expect("it stops");

    let (address, near) = (node.host, Some(PortId(0)));
    let beside = Command::Open { port: PortId(9), near, address, ssrc: 9 };
    let refused = node.media.command(beside).expect("an answer");
    assert!(matches!(refused, Event::OpenFailed { port: PortId(9), .. }), "{refused:?}");
    for port in 4..8 {
        assert!(matches!(node.open(port), Event::Opened { .. }));
        assert_eq!(node.media.front.ports[&PortId(port)].worker, 1);
    }
    for port in [0, 2].map(PortId) {
        let closed = node.media.command(Command::Close { port });
        assert_eq!(closed, Some(Event::Closed { port, statistics: Statistics::default() }));
    }
    node.close(1);
    node.stop();
}

#[test]
fn with_no_worker_left_no_port_opens() {
    let mut node = Node::start(8, (30_000, 30_099), 1, Library::default());
    let mailbox = &node.media.front.workers[0].mailbox;
    mailbox.leave(Order::Stop);
    mailbox.ring();
    node.media.threads.remove(0).join().expect("it stops");
    for port in 0..2 {
        assert!(matches!(node.open(port), Event::OpenFailed { .. }));
    }
    assert!(!node.media.front.pairs.holds(SocketAddr::new(node.host, 30_000)));
    node.stop();
}

#[test]
fn events_wait_while_the_switch_has_no_room() {
    let mut node = Node::start(5, (30_000, 30_199), 1, Library::default());
    for port in 0..50 {
        node.open(port);
    }
    for port in (0..50).map(PortId) {
        node.command(Command::Close { port });
    }
    for port in (0..50).map(PortId) {
        assert!(matches!(node.hears(), Event::Closed { port: closed, .. } if closed == port));
    }
    node.stop();
}

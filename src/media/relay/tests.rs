//! The relay on virtual time: what two phones hear of each other, what strangers achieve, what is told.

use std::time::Duration;

use super::super::tap::{LONGEST, tap};
use super::super::{PlayId, PromptId, Remote, Repeat, Samples, Statistics};
use super::*;
use crate::wire::rtp::g711::{self, Codec};
use crate::wire::rtp::packet::{self, Fresh, Header};
use crate::wire::rtp::rtcp;
use crate::wire::sdp::description::Encoding;
use crate::wire::sdp::negotiation::Direction;

mod hostile;
mod keys;
mod paced;

const A: PortId = PortId(1);
const B: PortId = PortId(2);
const PIECE: Duration = Duration::from_millis(20);
const OUR_SSRC: [u32; 2] = [0xaaaa_0001, 0xbbbb_0002];

/// One packet that left the relay.
#[derive(Clone, Debug)]
struct Sent {
    at: Instant,
    port: PortId,
    component: Component,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Sent {
    fn header(&self) -> Header {
        packet::read(&self.bytes).expect("we send RTP")
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[self.header().payload]
    }
}

struct Room {
    relay: Relay,
    now: Instant,
    sent: Vec<Sent>,
    events: Vec<Event>,
    measured: Vec<(PortId, Statistics)>,
}

/// A far end that speaks.
#[derive(Clone, Debug)]
struct Phone {
    address: SocketAddr,
    port: PortId,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    codec: Codec,
}

impl Phone {
    fn new(port: PortId) -> Phone {
        let number = port.0 as u8;
        Phone {
            address: SocketAddr::from(([192, 0, 2, number], 4_000)),
            port,
            ssrc: 0x1000 + u32::from(number),
            sequence: 65_530,
            timestamp: u32::MAX - 500,
            codec: Codec::Pcmu,
        }
    }

    fn with(self, codec: Codec) -> Phone {
        Phone { codec, ..self }
    }

    fn remote(&self) -> Remote {
        Remote {
            rtp: Some(self.address),
            rtcp: Some(SocketAddr::new(self.address.ip(), self.address.port() + 1)),
            rtcp_mux: false,
            sip_host: None,
            codec: self.codec,
            payload_type: self.codec.payload_type(),
            telephone_event: Some(100 + self.port.0 as u8),
            received: vec![(100 + self.port.0 as u8, Encoding::TelephoneEvent)],
            direction: Direction::SendRecv,
        }
    }

    fn packet(&self, payload_type: u8, marker: bool, payload: &[u8]) -> Vec<u8> {
        let mut room = vec![0; 1_500];
        let fresh = Fresh {
            marker,
            payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        let length = packet::write(&mut room, fresh, payload).expect("it fits");
        room.truncate(length);
        room
    }

    /// Sends 20 ms of one byte repeated.
    fn says(&mut self, room: &mut Room, byte: u8) -> Option<Sent> {
        let packet = self.packet(self.codec.payload_type(), false, &[byte; 160]);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        room.deliver(self.port, self.address, packet)
    }

    /// Sends one packet of a key event whose timestamp is the phone's.
    fn reports(&mut self, room: &mut Room, marker: bool, event: [u8; 4]) -> Option<Sent> {
        let packet = self.packet(100 + self.port.0 as u8, marker, &event);
        self.sequence = self.sequence.wrapping_add(1);
        room.deliver(self.port, self.address, packet)
    }
}

impl Room {
    fn new() -> Room {
        Room::with(Library::default())
    }

    fn with(library: Library) -> Room {
        let mut room = Room {
            relay: Relay::new(Arc::new(library)),
            now: Instant::now(),
            sent: Vec::new(),
            events: Vec::new(),
            measured: Vec::new(),
        };
        room.relay.open(room.now, A, OUR_SSRC[0]);
        room.relay.open(room.now, B, OUR_SSRC[1]);
        room
    }

    /// Two phones, connected and bridged.
    fn bridged(a: Phone, b: Phone) -> (Room, Phone, Phone) {
        let mut room = Room::new();
        room.connects(A, a.remote());
        room.connects(B, b.remote());
        room.tells(Command::Bridge { a: A, b: B });
        (room, a, b)
    }

    fn tells(&mut self, command: Command) {
        self.relay.command(self.now, &command);
        self.listen();
    }

    fn connects(&mut self, port: PortId, remote: Remote) {
        self.tells(Command::Connect { port, remote, silence: None });
    }

    fn deliver(&mut self, port: PortId, from: SocketAddr, mut packet: Vec<u8>) -> Option<Sent> {
        let send = self.relay.receive(self.now, port, Component::Rtp, from, &mut packet);
        self.listen();
        let send = send?;
        packet.truncate(send.length);
        let Send { port, component, to, .. } = send;
        let sent = Sent { at: self.now, port, component, to, bytes: packet };
        self.sent.push(sent.clone());
        Some(sent)
    }

    /// Lets time pass, stopping at every deadline.
    fn passes(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.relay.deadline().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.tick();
        }
        self.now = end;
    }

    fn tick(&mut self) {
        let (now, sent) = (self.now, &mut self.sent);
        self.relay.tick(now, &mut |send: Send, bytes: &[u8]| {
            assert_eq!(send.length, bytes.len());
            let Send { port, component, to, .. } = send;
            sent.push(Sent { at: now, port, component, to, bytes: bytes.to_vec() });
        });
        self.listen();
    }

    fn listen(&mut self) {
        for event in std::iter::from_fn(|| self.relay.poll()) {
            match event {
                Event::Measured { port, statistics } => self.measured.push((port, statistics)),
                event => self.events.push(event),
            }
        }
    }

    /// What has gone out of a port's RTP socket; forgets it.
    fn rtp(&mut self, port: PortId) -> Vec<Sent> {
        let (mine, rest) = std::mem::take(&mut self.sent)
            .into_iter()
            .partition(|sent| sent.port == port && sent.component == Component::Rtp);
        self.sent = rest;
        mine
    }

    fn closes(&mut self, port: PortId) -> super::super::Statistics {
        self.tells(Command::Close { port });
        match self.events.pop() {
            Some(Event::Closed { port: closed, statistics }) if closed == port => statistics,
            other => panic!("expected Closed, got {other:?}"),
        }
    }

    fn digits(&self) -> String {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Digit { digit, .. } => Some(*digit),
                _ => None,
            })
            .collect()
    }
}

fn is_one_stream(packets: &[Sent], ssrc: u32) {
    for packet in packets {
        assert_eq!(packet.header().ssrc, ssrc);
    }
    for pair in packets.windows(2) {
        let (before, after) = (pair[0].header(), pair[1].header());
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        let told = after.timestamp.wrapping_sub(before.timestamp);
        let passed = (pair[1].at - pair[0].at).as_micros() as u32 / 125;
        assert_eq!(told, passed.max(160), "timestamps go with the wall");
    }
}

fn library(pieces: usize) -> (Library, PromptId) {
    let mut library = Library::default();
    let samples: Vec<i16> = (0..pieces * 160).map(|n| (n / 160 * 300) as i16).collect();
    let prompt = library.add(&samples);
    (library, prompt)
}

#[test]
fn a_bridge_carries_both_ways_in_streams_of_our_own() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    for n in 0..20 {
        let heard = a.says(&mut room, n).expect("b hears a");
        assert_eq!((heard.port, heard.to), (B, b.address));
        assert_eq!(heard.payload(), [n; 160]);
        let heard = b.says(&mut room, 0x80 | n).expect("a hears b");
        assert_eq!((heard.port, heard.to), (A, a.address));
        assert_eq!(heard.payload(), [0x80 | n; 160]);
        room.now += PIECE;
    }
    is_one_stream(&room.rtp(A), OUR_SSRC[0]);
    is_one_stream(&room.rtp(B), OUR_SSRC[1]);
    let statistics = room.closes(A);
    assert_eq!((statistics.received, statistics.sent), (20, 20));
    assert_eq!((statistics.lost, statistics.refused), (0, 0));
}

#[test]
fn legs_of_two_laws_understand_each_other() {
    let (mut room, mut a, mut b) =
        Room::bridged(Phone::new(A).with(Codec::Pcma), Phone::new(B).with(Codec::Pcmu));
    let loud = 9_000;
    let heard = a.says(&mut room, g711::encode(Codec::Pcma, loud)).expect("b hears a");
    assert_eq!(heard.header().payload_type, 0);
    assert!((g711::decode(Codec::Pcmu, heard.payload()[159]) - loud).abs() < 300);
    let heard = b.says(&mut room, g711::encode(Codec::Pcmu, -loud)).expect("a hears b");
    assert_eq!(heard.header().payload_type, 8);
    assert!((g711::decode(Codec::Pcma, heard.payload()[159]) + loud).abs() < 300);
}

#[test]
fn a_new_ssrc_or_clock_of_the_far_side_does_not_break_the_stream() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    for round in 0..5u32 {
        for n in 0..10 {
            let heard = a.says(&mut room, 1).is_some();
            assert_eq!(heard, round == 0 || n > 1, "a new SSRC waits until the old is silent");
            room.now += PIECE;
        }
        (a.ssrc, a.sequence, a.timestamp) = (round, round as u16 * 9_000, round * 0x3000_0000);
    }
    // The same SSRC leaps: one packet is lost to the doubt.
    a.ssrc = 3;
    a.sequence = 40_000;
    assert!(a.says(&mut room, 1).is_none());
    room.now += PIECE;
    assert!(a.says(&mut room, 1).is_some());
    is_one_stream(&room.rtp(B), OUR_SSRC[1]);
}

#[test]
fn a_second_source_never_takes_over_and_is_sent_nothing() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    let mut thief =
        Phone { address: "198.51.100.66:7000".parse().expect("it is one"), ..Phone::new(A) };
    thief.ssrc = a.ssrc;
    thief.sequence = a.sequence;
    assert!(a.says(&mut room, 1).is_some());
    for _ in 0..200 {
        assert!(thief.says(&mut room, 9).is_none());
        assert_eq!(b.says(&mut room, 2).expect("a hears b").to, a.address);
        room.passes(PIECE);
    }
    assert!(room.sent.iter().all(|sent| sent.to.ip() != thief.address.ip()));
    assert_eq!(room.closes(A).refused, 200);
}

#[test]
fn a_phone_behind_nat_is_found_where_its_sip_comes_from_and_gets_its_audio_there() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    let signalled = a.address;
    a.address = "203.0.113.7:61001".parse().expect("it is one");
    let remote = Remote { sip_host: Some(a.address.ip()), ..Phone::new(A).remote() };
    room.connects(A, remote.clone());
    for _ in 0..4 {
        assert!(a.says(&mut room, 1).is_none());
        assert_eq!(b.says(&mut room, 2).expect("sent to the address of the SDP").to, signalled);
        room.now += PIECE;
    }
    assert!(a.says(&mut room, 1).is_some());
    assert_eq!(b.says(&mut room, 2).expect("sent to where it comes from").to, a.address);
    // The same far side again, by a session refresh: nothing moves.
    room.connects(A, remote.clone());
    assert_eq!(b.says(&mut room, 2).expect("sent to where it comes from").to, a.address);
    // A new address by re-INVITE: at once there.
    let moved = Remote { rtp: Some("192.0.2.77:5000".parse().expect("it is one")), ..remote };
    room.connects(A, moved.clone());
    assert_eq!(Some(b.says(&mut room, 2).expect("sent to the new address").to), moved.rtp);
    assert!(a.says(&mut room, 1).is_none(), "the old source is on probation again");
}

#[test]
fn a_stranger_cannot_win_a_port_before_its_phone_speaks() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    let thief = "198.51.100.66:7000".parse().expect("it is one");
    let mut thief = Phone { address: thief, ssrc: 0xbad, ..Phone::new(A) };
    for _ in 0..40 {
        assert!(thief.says(&mut room, 9).is_none());
        assert_eq!(b.says(&mut room, 2).expect("sent to the phone").to, a.address);
        room.passes(PIECE);
    }
    assert!(a.says(&mut room, 1).is_some());
    // Nor while the phone is not to be heard.
    room.connects(A, Remote { rtp: Some(b.address), ..a.remote() });
    room.connects(A, Remote { direction: Direction::SendOnly, ..a.remote() });
    for _ in 0..200 {
        assert!(thief.says(&mut room, 9).is_none());
        assert_eq!(b.says(&mut room, 2).expect("sent to the phone").to, a.address);
        room.passes(PIECE);
    }
}

#[test]
fn nothing_goes_to_addresses_that_are_no_hosts() {
    let (mut room, _, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    for bad in
        ["0.0.0.0:4000", "239.1.1.1:4000", "255.255.255.255:4000", "192.0.2.1:0", "[ff02::1]:4000"]
    {
        let bad: SocketAddr = bad.parse().expect("it is one");
        room.connects(A, Remote { rtp: Some(bad), rtcp: Some(bad), ..Phone::new(A).remote() });
        assert!(b.says(&mut room, 1).is_none());
        room.passes(Duration::from_secs(20));
        assert!(room.sent.iter().all(|sent| sent.port != A || sent.to != bad), "{bad}");
    }
}

#[test]
fn what_is_not_rtp_or_not_agreed_is_refused_and_goes_nowhere() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    a.says(&mut room, 1);
    for junk in [vec![], vec![0x80], vec![0x16; 100], vec![0xff; 1_400]] {
        assert!(room.deliver(A, a.address, junk).is_none());
    }
    let mut report = vec![0; 28];
    report[..4].copy_from_slice(&[0x80, 200, 0, 6]);
    assert!(room.deliver(A, a.address, report).is_none());
    let g729 = a.packet(18, false, &[0; 20]);
    a.sequence = a.sequence.wrapping_add(1);
    assert!(room.deliver(A, a.address, g729).is_none());
    assert!(a.says(&mut room, 1).is_some());
    is_one_stream_by_sequence(&room.rtp(B));
    let statistics = room.closes(A);
    assert_eq!((statistics.received, statistics.refused, statistics.lost), (2, 6, 0));
}

fn is_one_stream_by_sequence(packets: &[Sent]) {
    for pair in packets.windows(2) {
        assert_eq!(pair[1].header().sequence, pair[0].header().sequence.wrapping_add(1));
    }
}

#[test]
fn the_tap_gets_the_bridged_audio_of_both_sides_and_nothing_else() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A).with(Codec::Pcma), Phone::new(B));
    let (into, mut listener) = tap(Samples(16_000));
    room.relay.tap(RecordingId(1), A, B, into);
    let mut thief =
        Phone { address: "198.51.100.66:7000".parse().expect("it is one"), ..a.clone() };
    for n in 0..5 {
        a.says(&mut room, n);
        thief.says(&mut room, 99);
        a.reports(&mut room, n == 0, [5, 10, 0, 160]);
        b.says(&mut room, 0x80 | n);
        room.now += PIECE;
    }
    room.tells(Command::Unbridge { port: A });
    a.says(&mut room, 77);
    room.tells(Command::Bridge { a: A, b: B });
    room.connects(A, Remote { direction: Direction::SendOnly, ..a.remote() });
    a.says(&mut room, 78);

    let mut space = [0; LONGEST];
    let mut heard = Vec::new();
    while let Some(frame) = listener.pop(&mut space) {
        let whose = match frame.side {
            Side::Customer => (Codec::Pcma, a.ssrc),
            Side::Agent => (Codec::Pcmu, b.ssrc),
        };
        assert_eq!((frame.codec, frame.ssrc, frame.payload.len()), (whose.0, whose.1, 160));
        heard.push(frame.payload[0]);
    }
    assert_eq!(heard, [0, 0x80, 1, 0x81, 2, 0x82, 3, 0x83, 4, 0x84]);
    assert!(!listener.is_closed());
    room.closes(B);
    assert!(listener.is_closed());
}

#[test]
fn a_tap_ends_when_told_and_when_its_ports_are_not_there() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    let (into, mut listener) = tap(Samples(16_000));
    room.relay.tap(RecordingId(1), A, B, into);
    a.says(&mut room, 1);
    room.relay.untap(RecordingId(1));
    a.says(&mut room, 1);
    assert!(listener.is_closed());
    let mut space = [0; LONGEST];
    assert!(listener.pop(&mut space).is_some());
    assert!(listener.pop(&mut space).is_none());
    let (into, listener) = tap(Samples(16_000));
    room.relay.tap(RecordingId(2), A, PortId(99), into);
    assert!(listener.is_closed());
}

#[test]
fn loss_is_counted_by_sequence_number() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    for n in 0..100 {
        if n % 10 == 5 {
            a.sequence = a.sequence.wrapping_add(1);
        }
        a.says(&mut room, 1);
    }
    let statistics = room.closes(A);
    assert_eq!((statistics.received, statistics.lost), (100, 10));
}

#[test]
fn commands_for_ports_that_are_not_there_do_nothing() {
    let mut room = Room::new();
    let gone = PortId(99);
    room.tells(Command::Bridge { a: A, b: gone });
    room.tells(Command::Unbridge { port: gone });
    room.tells(Command::Stop { port: gone });
    room.tells(Command::Close { port: gone });
    room.connects(gone, Phone::new(A).remote());
    let prompt = PromptId(5);
    room.tells(Command::Play { port: A, prompt, play: PlayId(1), repeat: Repeat::Once });
    room.passes(Duration::from_secs(1));
    assert_eq!(room.events, []);
    assert!(room.deliver(gone, Phone::new(A).address, vec![0x80; 172]).is_none());
}

#[test]
fn a_port_bridged_with_itself_sends_back_what_comes() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    room.tells(Command::Bridge { a: A, b: A });
    let echoed = a.says(&mut room, 7).expect("an echo");
    assert_eq!((echoed.port, echoed.to, echoed.payload()), (A, a.address, &[7; 160][..]));
    assert_eq!(echoed.header().ssrc, OUR_SSRC[0]);
    assert!(b.says(&mut room, 1).is_none(), "the other is alone");
    room.tells(Command::Unbridge { port: A });
    assert!(a.says(&mut room, 7).is_none());
}

#[test]
fn a_third_port_takes_over_a_bridge_and_nothing_is_left_when_all_are_closed() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    let c = PortId(3);
    room.relay.open(room.now, c, 0xcccc);
    let mut third = Phone::new(c);
    room.connects(c, third.remote());
    room.tells(Command::Bridge { a: A, b: c });
    assert_eq!(a.says(&mut room, 1).map(|sent| sent.port), Some(c));
    assert_eq!(third.says(&mut room, 1).map(|sent| sent.port), Some(A));
    assert!(b.says(&mut room, 1).is_none());
    room.closes(A);
    assert!(third.says(&mut room, 1).is_none());
    room.closes(B);
    assert!(room.relay.deadline().is_some());
    room.closes(c);
    assert_eq!(room.relay.deadline(), None);
}

#[test]
fn a_port_goes_on_at_another_relay_where_it_was() {
    let (library, prompt) = library(10);
    let mut room = Room::with(library);
    let mut a = Phone::new(A);
    room.connects(A, a.remote());
    a.says(&mut room, 1);
    room.tells(Command::Play { port: A, prompt, play: PlayId(1), repeat: Repeat::Once });
    room.passes(Duration::from_millis(70));
    let released = room.relay.release(A).expect("it is there");
    let library = Arc::clone(&room.relay.library);
    let first = std::mem::replace(&mut room.relay, Relay::new(library));
    assert!(!first.places.contains_key(&A));
    room.relay.adopt(released);
    a.says(&mut room, 1);
    room.passes(Duration::from_millis(200));
    is_one_stream(&room.rtp(A), OUR_SSRC[0]);
    assert_eq!(room.events, [Event::Played { port: A, play: PlayId(1) }]);
    assert_eq!(room.closes(A).received, 2);
    assert_eq!(room.relay.deadline(), None);
}

//! The relay on virtual time: what two phones hear of each other, what strangers achieve, what is told.

use std::time::Duration;

use super::super::tap::{LONGEST, tap};
use super::super::{PlayId, PromptId, Remote, Repeat, Samples};
use super::*;
use crate::wire::rtp::g711::{self, Codec};
use crate::wire::rtp::packet::{self, Fresh, Header};
use crate::wire::rtp::rtcp;
use crate::wire::sdp::negotiation::Direction;

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
            codec: self.codec,
            telephone_event: Some(100 + self.port.0 as u8),
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
        self.events.extend(std::iter::from_fn(|| self.relay.poll()));
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
fn prompt_bridge_music_and_bridge_again_are_one_stream() {
    let (library, prompt) = library(5);
    let mut room = Room::with(library);
    let (a, mut b) = (Phone::new(A), Phone::new(B));
    room.connects(A, a.remote());
    room.connects(B, b.remote());
    let play = |repeat| Command::Play { port: A, prompt, play: PlayId(1), repeat };
    room.tells(play(Repeat::Once));
    room.passes(Duration::from_millis(137));
    for _ in 0..2 {
        room.tells(Command::Bridge { a: A, b: B });
        for _ in 0..7 {
            b.says(&mut room, 1).expect("a hears b");
            room.passes(PIECE);
        }
        room.tells(Command::Unbridge { port: B });
        assert!(b.says(&mut room, 1).is_none());
        room.passes(Duration::from_millis(333));
        room.tells(play(Repeat::Forever));
        room.passes(Duration::from_millis(500));
        b.ssrc += 1;
        b.says(&mut room, 1);
        b.says(&mut room, 1);
    }
    let packets = room.rtp(A);
    is_one_stream(&packets, OUR_SSRC[0]);
    let spurts = packets.iter().filter(|packet| packet.header().marker).count();
    assert_eq!(spurts, 5, "prompt, bridge, music, bridge, music");
}

#[test]
fn a_new_ssrc_or_clock_of_the_far_side_does_not_break_the_stream() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    for round in 0..5u32 {
        for n in 0..10 {
            let heard = a.says(&mut room, 1).is_some();
            assert_eq!(heard, round == 0 || n > 0, "a new SSRC is on probation for one packet");
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
fn a_phone_behind_nat_is_found_after_five_packets_and_gets_its_audio_there() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    let signalled = a.address;
    a.address = "203.0.113.7:61001".parse().expect("it is one");
    for _ in 0..4 {
        assert!(a.says(&mut room, 1).is_none());
        assert_eq!(b.says(&mut room, 2).expect("sent to the address of the SDP").to, signalled);
    }
    assert!(a.says(&mut room, 1).is_some());
    assert_eq!(b.says(&mut room, 2).expect("sent to where it comes from").to, a.address);
    // The same far side again, by a session refresh: nothing moves.
    room.connects(A, Phone::new(A).remote());
    assert_eq!(b.says(&mut room, 2).expect("sent to where it comes from").to, a.address);
    // A new address by re-INVITE: at once there.
    let moved = Remote { rtp: Some("192.0.2.77:5000".parse().expect("it is one")), ..a.remote() };
    room.connects(A, moved.clone());
    assert_eq!(Some(b.says(&mut room, 2).expect("sent to the new address").to), moved.rtp);
    assert!(a.says(&mut room, 1).is_none(), "the old source is a stranger now");
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
fn comfort_noise_and_keepalives_leave_no_hole() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    for payload_type in [13, 0, 13] {
        assert!(a.says(&mut room, 1).is_some());
        let quiet = a.packet(payload_type, false, if payload_type == 0 { &[] } else { &[60] });
        a.sequence = a.sequence.wrapping_add(1);
        assert!(room.deliver(A, a.address, quiet).is_none());
    }
    is_one_stream_by_sequence(&room.rtp(B));
    assert_eq!(room.closes(A).lost, 0);
}

#[test]
fn keys_are_told_once_and_carried_under_the_other_legs_number() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    a.says(&mut room, 1);
    let mut heard = Vec::new();
    for key in [1, 11, 1] {
        for n in 0..5u8 {
            heard.extend(a.reports(&mut room, n == 0, [key, 10, 0, 160 * (n.min(1))]));
        }
        for _ in 0..3 {
            heard.extend(a.reports(&mut room, false, [key, 0x8a, 3, 32]));
        }
        a.timestamp = a.timestamp.wrapping_add(1_600);
    }
    assert_eq!(room.digits(), "1#1");
    assert_eq!(heard.len(), 24);
    assert!(heard.iter().all(|sent| sent.header().payload_type == 102));
    assert_eq!(heard.iter().filter(|sent| sent.header().marker).count(), 3);
    let timestamps: Vec<u32> = heard.iter().map(|sent| sent.header().timestamp).collect();
    assert!(timestamps[..8].iter().all(|&timestamp| timestamp == timestamps[0]));
    assert_eq!(timestamps[8].wrapping_sub(timestamps[0]), 1_600);
}

#[test]
fn keys_survive_loss_and_disorder() {
    let mut room = Room::new();
    let mut a = Phone::new(A);
    room.connects(A, a.remote());
    let mut packets = Vec::new();
    for key in 1..=4 {
        for n in 0..8 {
            let payload = [key, if n > 4 { 0x8a } else { 10 }, 0, 10 * n];
            packets.push(a.packet(101, n == 0, &payload));
            a.sequence = a.sequence.wrapping_add(1);
        }
        a.timestamp = a.timestamp.wrapping_add(1_600);
    }
    // The first begins are lost, the last end of a key comes after the next key's begin.
    packets.drain(8..10);
    packets.swap(21, 23);
    for packet in packets {
        room.deliver(A, a.address, packet);
    }
    assert_eq!(room.digits(), "1234");
}

#[test]
fn keys_are_kept_from_a_leg_that_has_not_agreed_to_them() {
    let (mut room, mut a, b) = Room::bridged(Phone::new(A), Phone::new(B));
    room.connects(B, Remote { telephone_event: None, ..b.remote() });
    a.says(&mut room, 1);
    assert!(a.reports(&mut room, true, [5, 10, 0, 160]).is_none());
    assert!(a.says(&mut room, 1).is_some());
    assert_eq!(room.digits(), "5");
    is_one_stream_by_sequence(&room.rtp(B));
}

#[test]
fn directions_are_kept() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    for (direction, a_is_heard, a_hears) in [
        (Direction::SendRecv, true, true),
        (Direction::SendOnly, false, true),
        (Direction::RecvOnly, true, false),
        (Direction::Inactive, false, false),
        (Direction::SendRecv, true, true),
    ] {
        room.connects(A, Remote { direction, ..a.remote() });
        for _ in 0..3 {
            assert_eq!(a.says(&mut room, 1).is_some(), a_is_heard, "{direction:?}");
            assert_eq!(b.says(&mut room, 1).is_some(), a_hears, "{direction:?}");
            room.now += PIECE;
        }
        a.reports(&mut room, true, [direction as u8, 10, 0, 160]);
        a.timestamp = a.timestamp.wrapping_add(160);
    }
    assert_eq!(room.digits(), "020", "a side that must not send presses no keys");
    is_one_stream(&room.rtp(A), OUR_SSRC[0]);
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
fn a_prompt_keeps_the_grid_and_its_end_is_told_when_it_has_been_heard() {
    let (library, prompt) = library(50);
    let mut room = Room::with(library);
    room.connects(A, Phone::new(A).remote());
    let start = room.now;
    room.tells(Command::Play { port: A, prompt, play: PlayId(7), repeat: Repeat::Once });
    // Ticks come up to 9 ms late.
    for n in 0..50u32 {
        room.now = start + PIECE * n + Duration::from_millis(u64::from(n) % 10);
        room.tick();
    }
    let packets = room.rtp(A);
    assert_eq!(packets.len(), 50);
    for (n, sent) in packets.iter().enumerate() {
        assert!(sent.at - start < PIECE * (n as u32 + 1));
        assert_eq!(sent.payload()[0], g711::encode(Codec::Pcmu, n as i16 * 300));
        assert_eq!(sent.header().marker, n == 0);
    }
    room.now = start + Duration::from_millis(999);
    room.tick();
    assert_eq!(room.events, []);
    room.now = start + Duration::from_millis(1_000);
    room.tick();
    assert_eq!(room.events, [Event::Played { port: A, play: PlayId(7) }]);
}

#[test]
fn music_plays_on_and_a_stopped_prompt_tells_nothing() {
    let (library, prompt) = library(3);
    let mut room = Room::with(library);
    room.connects(A, Phone::new(A).remote());
    room.tells(Command::Play { port: A, prompt, play: PlayId(1), repeat: Repeat::Once });
    room.passes(PIECE);
    room.tells(Command::Play { port: A, prompt, play: PlayId(2), repeat: Repeat::Forever });
    room.passes(Duration::from_secs(2));
    room.tells(Command::Stop { port: A });
    let sent = room.rtp(A).len();
    assert!((100..=103).contains(&sent), "{sent}");
    room.passes(Duration::from_secs(1));
    assert_eq!(room.rtp(A).len(), 0);
    assert_eq!(room.events, []);
}

#[test]
fn a_prompt_for_nobody_keeps_its_time() {
    let (library, prompt) = library(50);
    let mut room = Room::with(library);
    let held = Remote { direction: Direction::RecvOnly, ..Phone::new(A).remote() };
    room.connects(A, held);
    room.tells(Command::Play { port: A, prompt, play: PlayId(1), repeat: Repeat::Once });
    room.passes(Duration::from_millis(500));
    assert_eq!(room.rtp(A).len(), 0);
    room.connects(A, Phone::new(A).remote());
    room.passes(Duration::from_millis(499));
    let packets = room.rtp(A);
    assert_eq!(packets.len(), 24);
    assert!(packets[0].header().marker);
    assert_eq!(room.events, []);
    room.passes(Duration::from_millis(1));
    assert_eq!(room.events, [Event::Played { port: A, play: PlayId(1) }]);
}

#[test]
fn a_bridge_ends_both_playings() {
    let (library, prompt) = library(5);
    let mut room = Room::with(library);
    for (port, play) in [(A, 1), (B, 2)] {
        room.connects(port, Phone::new(port).remote());
        room.tells(Command::Play { port, prompt, play: PlayId(play), repeat: Repeat::Once });
    }
    room.passes(Duration::from_millis(30));
    room.tells(Command::Bridge { a: A, b: B });
    room.passes(Duration::from_secs(1));
    assert_eq!((room.rtp(A).len(), room.rtp(B).len()), (2, 2));
    assert_eq!(room.events, []);
}

#[test]
fn silence_is_told_once_per_episode_and_only_while_we_listen() {
    let mut room = Room::new();
    let mut a = Phone::new(A);
    let silence = Some(Duration::from_secs(30));
    let silent = Event::Silent { port: A };
    room.tells(Command::Connect { port: A, remote: a.remote(), silence });
    for _ in 0..10 {
        room.passes(Duration::from_secs(29));
        a.says(&mut room, 1);
    }
    assert_eq!(room.events, []);
    room.passes(Duration::from_millis(29_999));
    assert_eq!(room.events, []);
    room.passes(Duration::from_millis(1));
    assert_eq!(room.events, std::slice::from_ref(&silent));
    room.passes(Duration::from_secs(300));
    assert_eq!(room.events, std::slice::from_ref(&silent));
    a.says(&mut room, 1);
    a.says(&mut room, 1);
    room.passes(Duration::from_millis(30_000));
    assert_eq!(room.events, [silent.clone(), silent.clone()]);

    // On hold nobody is expected to speak; afterwards the time begins anew.
    a.says(&mut room, 1);
    let held = Remote { direction: Direction::SendOnly, ..a.remote() };
    room.tells(Command::Connect { port: A, remote: held, silence });
    room.passes(Duration::from_secs(300));
    room.tells(Command::Connect { port: A, remote: a.remote(), silence });
    room.passes(Duration::from_millis(29_999));
    assert_eq!(room.events.len(), 2);
    room.passes(Duration::from_millis(1));
    assert_eq!(room.events.len(), 3);
}

#[test]
fn reports_come_about_every_five_seconds_and_say_what_was_lost() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    let start = room.now;
    for n in 0..3_000u32 {
        if n % 10 == 3 {
            a.sequence = a.sequence.wrapping_add(1);
            a.timestamp = a.timestamp.wrapping_add(160);
        } else {
            a.says(&mut room, 1);
        }
        room.passes(PIECE);
    }
    let reports: Vec<Sent> = room
        .sent
        .iter()
        .filter(|sent| sent.component == Component::Rtcp && sent.port == A)
        .cloned()
        .collect();
    assert!((8..=25).contains(&reports.len()), "{}", reports.len());
    assert_eq!(reports[0].to, SocketAddr::from(([192, 0, 2, 1], 4_001)));
    assert!(reports[0].at - start <= Duration::from_millis(3_750));
    let last = &reports[reports.len() - 1].bytes;
    assert_eq!(last[..2], [0x81, 201], "nothing was sent to A, so a receiver report");
    assert_eq!(last[8..12], a.ssrc.to_be_bytes());
    assert!((24..=27).contains(&last[12]), "a tenth of 256: {}", last[12]);
    assert!(rtcp::read(last).is_some());
    let from_b = room.sent.iter().find(|sent| sent.component == Component::Rtcp && sent.port == B);
    assert_eq!(from_b.expect("B has reports too").bytes[1], 200);
}

#[test]
fn their_reports_are_never_passed_on_and_a_goodbye_ends_nothing() {
    let (mut room, mut a, b) = Room::bridged(Phone::new(A), Phone::new(B));
    a.says(&mut room, 1);
    let mut bye = vec![0x80, 201, 0, 1, 0, 0, 0x10, 1, 0x81, 203, 0, 1, 0, 0, 0x10, 1];
    let rtcp = a.remote().rtcp.expect("it has one");
    assert_eq!(room.relay.receive(room.now, A, Component::Rtcp, rtcp, &mut bye), None);
    let stranger = "198.51.100.66:7001".parse().expect("it is one");
    assert_eq!(room.relay.receive(room.now, A, Component::Rtcp, stranger, &mut bye), None);
    assert_eq!(room.relay.receive(room.now, A, Component::Rtcp, rtcp, &mut [0x80, 200]), None);
    room.listen();
    assert_eq!(room.events, []);
    assert_eq!(a.says(&mut room, 1).expect("b hears a still").to, b.address);
    assert_eq!(room.closes(A).refused, 2);
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
    room.tells(Command::Bridge { a: A, b: A });
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

#[test]
fn our_reports_cite_theirs_and_go_where_rtp_proved_the_way() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    let signalled = a.remote().rtcp.expect("it has one");
    a.address = "203.0.113.7:61001".parse().expect("it is one");
    for _ in 0..6 {
        a.says(&mut room, 1);
    }
    room.passes(Duration::from_secs(20));
    let to_a = |sent: &Sent| sent.component == Component::Rtcp && sent.port == A;
    assert!(
        !room.sent.iter().any(to_a),
        "{signalled} is not where the phone is, and nothing else is known"
    );

    let from = SocketAddr::new(a.address.ip(), 61_002);
    let sender =
        rtcp::Sender { ntp: rtcp::Ntp(0x1_2345_6789_abcd), timestamp: 0, packets: 1, octets: 160 };
    let mut space = [0; rtcp::LONGEST];
    let length = rtcp::write(&mut space, a.ssrc, 1, Some(sender), None);
    let heard_at = room.now;
    room.relay.receive(room.now, A, Component::Rtcp, from, &mut space[..length]);
    room.passes(Duration::from_secs(10));
    let report = room.sent.iter().find(|sent| to_a(sent)).expect("reports go there now");
    assert_eq!(report.to, from);
    assert_eq!(report.bytes[24..28], sender.ntp.middle().to_be_bytes());
    let since = rtcp::Ntp::elapsed(report.at - heard_at).middle();
    assert_eq!(report.bytes[28..32], since.to_be_bytes());
}

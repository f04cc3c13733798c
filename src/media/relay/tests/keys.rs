//! Keys, silence that is not sent, and who may speak.

use super::*;

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
fn each_side_is_sent_the_numbers_it_listed_and_may_use_either_sides() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    let pcmu = Encoding::G711(Codec::Pcmu);
    let event = Encoding::TelephoneEvent;
    // We listed 0 and 101, they 96 and 97.
    room.connects(
        A,
        Remote {
            payload_type: 96,
            telephone_event: Some(97),
            received: vec![(0, pcmu), (101, event), (96, pcmu), (97, event)],
            ..a.remote()
        },
    );
    for number in [0, 96] {
        let packet = a.packet(number, false, &[7; 160]);
        a.sequence = a.sequence.wrapping_add(1);
        let heard = room.deliver(A, a.address, packet).expect("b hears a");
        assert_eq!((heard.header().payload_type, heard.payload()), (0, &[7; 160][..]));
    }
    for (number, key) in [(101, 1), (97, 2)] {
        let packet = a.packet(number, true, &[key, 10, 0, 160]);
        a.sequence = a.sequence.wrapping_add(1);
        a.timestamp = a.timestamp.wrapping_add(1_600);
        let heard = room.deliver(A, a.address, packet).expect("b hears the key");
        assert_eq!(heard.header().payload_type, 102);
    }
    assert_eq!(room.digits(), "12");
    assert_eq!(b.says(&mut room, 7).expect("a hears b").header().payload_type, 96);
    let heard = b.reports(&mut room, true, [3, 10, 0, 160]).expect("a hears the key");
    assert_eq!(heard.header().payload_type, 97);
    let stray = a.packet(98, false, &[7; 160]);
    assert!(room.deliver(A, a.address, stray).is_none());
}

#[test]
fn a_prompt_goes_out_under_the_number_that_was_listed() {
    let (library, prompt) = library(1);
    let mut room = Room::with(library);
    room.connects(A, Remote { payload_type: 96, ..Phone::new(A).remote() });
    room.tells(Command::Play { port: A, prompt, play: PlayId(1), repeat: Repeat::Once });
    room.passes(PIECE);
    assert_eq!(room.rtp(A)[0].header().payload_type, 96);
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
fn keys_faster_than_fingers_are_not_told_but_a_jam_of_them_is() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    let mut presses = |room: &mut Room, count: u32, every: Duration| {
        for _ in 0..count {
            a.reports(room, true, [1, 10, 0, 160]);
            a.timestamp = a.timestamp.wrapping_add(800);
            room.now += every;
        }
        std::mem::take(&mut room.events).len()
    };
    assert_eq!(presses(&mut room, 20, Duration::ZERO), 20);
    assert_eq!(presses(&mut room, 1_000, Duration::from_millis(50)), 1_000);
    let flood = presses(&mut room, 20_000, Duration::from_micros(100));
    assert!(
        (50..=75).contains(&flood),
        "two seconds of 40 ms each, and what a jam may bring: {flood}"
    );
    room.now += PIECE * 2;
    assert_eq!(presses(&mut room, 100, Duration::from_millis(50)), 100, "told again at once");
    assert_eq!(room.closes(A).unheeded, 20_000 - flood as u64);
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

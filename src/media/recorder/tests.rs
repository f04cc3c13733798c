//! What was said is heard where it was said, however the network brought it.

mod losses;

use std::f64::consts::TAU;

use super::super::tap::{Frame, Side, Tap, tap};
use super::*;
use crate::wire::rtp::g711::{self, Codec};

/// Numbers that look random and are the same every time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A packet on its way.
#[derive(Clone)]
struct Sent {
    side: Side,
    arrives: Duration,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

/// A phone that sends 20 ms packets of what `sound` gives, sample by sample.
struct Phone {
    side: Side,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Its clock's error in parts per million: positive is too fast.
    drift: f64,
    packet: usize,
}

impl Phone {
    fn new(side: Side) -> Phone {
        Phone {
            side,
            ssrc: 7,
            sequence: 65_500,
            timestamp: u32::MAX - 3_000,
            drift: 0.0,
            packet: 160,
        }
    }

    fn says(&self, from: Duration, packets: usize, sound: impl Fn(usize) -> i16) -> Vec<Sent> {
        (0..packets)
            .map(|n| {
                let first = n * self.packet;
                let speed = 8_000.0 * (1.0 + self.drift / 1e6);
                let payload = (first..first + self.packet)
                    .map(|n| g711::encode(Codec::Pcmu, sound(n)))
                    .collect();
                Sent {
                    side: self.side,
                    arrives: from + Duration::from_secs_f64(first as f64 / speed),
                    ssrc: self.ssrc,
                    sequence: self.sequence.wrapping_add(n as u16),
                    timestamp: self.timestamp.wrapping_add(first as u32),
                    payload,
                }
            })
            .collect()
    }
}

fn tone(n: usize) -> i16 {
    ((n as f64 * TAU / 8.0).sin() * 8_000.0) as i16
}

/// What a listener hears of `tone`.
fn heard(n: usize) -> i16 {
    g711::decode(Codec::Pcmu, g711::encode(Codec::Pcmu, tone(n)))
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

struct Room {
    start: Instant,
    tap: Tap,
    recorder: Recorder,
    pcm: Vec<i16>,
}

impl Room {
    fn new() -> Room {
        let start = Instant::now();
        let (tap, listener) = tap(Samples(16_000));
        Room { start, tap, recorder: Recorder::new(listener, start), pcm: Vec::new() }
    }

    fn armed() -> Room {
        let mut room = Room::new();
        room.recorder.arm();
        room
    }

    fn push(&mut self, sent: &Sent) -> bool {
        self.tap.push(Frame {
            side: sent.side,
            arrived: self.start + sent.arrives,
            ssrc: sent.ssrc,
            sequence: sent.sequence,
            timestamp: sent.timestamp,
            codec: Codec::Pcmu,
            payload: &sent.payload,
        })
    }

    /// Lets the packets arrive, and the writer come by every 60 ms until `end`.
    fn hears(&mut self, mut packets: Vec<Sent>, from: Duration, end: Duration) {
        packets.sort_by_key(|sent| sent.arrives);
        let mut packets = packets.into_iter().peekable();
        let mut now = from;
        while now < end {
            now = (now + ms(60)).min(end);
            while let Some(sent) = packets.next_if(|sent| sent.arrives <= now) {
                assert!(self.push(&sent), "the tap is emptied in time");
            }
            self.recorder.advance(self.start + now, &mut self.pcm);
        }
        assert_eq!(packets.count(), 0, "a test that sends more than it waits for");
    }

    fn finishes(mut self, end: Duration) -> Heard {
        while !self.recorder.finish(self.start + end, &mut self.pcm) {}
        assert_eq!(self.pcm.len() as u64, 2 * self.recorder.length().0);
        let (left, right) = self.pcm.as_chunks::<2>().0.iter().map(|&[l, r]| (l, r)).unzip();
        Heard { left, right, recorder: self.recorder }
    }
}

struct Heard {
    left: Vec<i16>,
    right: Vec<i16>,
    recorder: Recorder,
}

fn record(packets: Vec<Sent>, end: Duration) -> Heard {
    let mut room = Room::armed();
    room.hears(packets, Duration::ZERO, end);
    room.finishes(end)
}

/// Amplitude and phase (in degrees) of 1 kHz in each 20 ms.
fn phases(pcm: &[i16]) -> Vec<(f64, f64)> {
    pcm.chunks_exact(160)
        .map(|block| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, &sample) in block.iter().enumerate() {
                let angle = n as f64 * TAU / 8.0;
                re += f64::from(sample) * angle.cos();
                im += f64::from(sample) * angle.sin();
            }
            ((re * re + im * im).sqrt() / 80.0, im.atan2(re).to_degrees())
        })
        .collect()
}

/// The largest step of phase between neighbours, and the smallest amplitude.
fn roughness(pcm: &[i16]) -> (f64, f64) {
    let phases = phases(pcm);
    let step = phases.windows(2).map(|pair| {
        let step = (pair[1].1 - pair[0].1).abs();
        step.min(360.0 - step)
    });
    (step.fold(0.0, f64::max), phases.iter().map(|&(amplitude, _)| amplitude).fold(1e9, f64::min))
}

fn onset(pcm: &[i16]) -> i64 {
    pcm.iter().position(|sample| sample.abs() > 500).expect("something is heard") as i64
}

#[test]
fn what_comes_cleanly_is_recorded_sample_by_sample_across_the_wraps() {
    let mut packets = Phone::new(Side::Customer).says(ms(100), 100, tone);
    packets.extend(Phone::new(Side::Agent).says(ms(110), 100, |n| tone(n) / 2));
    let heard_ = record(packets, ms(2_500));
    assert_eq!(heard_.left.len(), 20_000);
    assert!(heard_.left[..800].iter().all(|&sample| sample == 0));
    assert!((0..16_000).all(|n| heard_.left[800 + n] == heard(n)));
    assert!(heard_.left[16_800..].iter().all(|&sample| sample == 0));
    assert_eq!(onset(&heard_.right), 880 + 1);
    assert_eq!(heard_.recorder.packets().left_out, 0);
    assert_eq!(heard_.recorder.gaps(), []);
}

#[test]
fn what_is_lost_is_silence_and_shifts_nothing() {
    let mut dice = Dice(1);
    let mut packets = Phone::new(Side::Customer).says(ms(100), 500, tone);
    let mut lost = vec![false; 500];
    packets.retain(|sent| {
        let place = usize::from(sent.sequence.wrapping_sub(65_500));
        lost[place] = place > 5 && dice.below(5) == 0;
        !lost[place]
    });
    let recording = record(packets, ms(11_000));
    for (n, &lost) in lost.iter().enumerate() {
        for n in n * 160..(n + 1) * 160 {
            assert_eq!(recording.left[800 + n], if lost { 0 } else { heard(n) });
        }
    }
}

#[test]
fn what_comes_twice_or_out_of_order_is_heard_once_in_its_place() {
    let mut dice = Dice(2);
    let mut packets = Phone::new(Side::Customer).says(ms(100), 500, tone);
    for n in 10..490 {
        if dice.below(10) == 0 {
            packets[n].arrives += ms(45);
        }
        if dice.below(10) == 0 {
            let mut double = packets[n].clone();
            double.arrives += ms(dice.below(70));
            packets.push(double);
        }
    }
    let recording = record(packets, ms(11_000));
    assert!((0..80_000).all(|n| recording.left[800 + n] == heard(n)));
}

#[test]
fn jitter_leaves_no_mark_on_a_tone() {
    // A correction changes the speed by a four-hundredth at most: 18 degrees of this tone in a packet, and what G.711 adds.
    let step = 21.0;
    for jitter in [40, 80] {
        for seed in 1..40 {
            let mut dice = Dice(seed);
            let mut packets = Phone::new(Side::Customer).says(ms(100), 1_500, tone);
            for sent in &mut packets {
                sent.arrives += Duration::from_micros(dice.below(jitter * 1_000));
            }
            let recording = record(packets, ms(31_000));
            let begin = onset(&recording.left);
            let first = (begin as usize).div_ceil(160) * 160;
            let (largest, quietest) = roughness(&recording.left[first..first + 160 * 1_480]);
            assert!(largest < step, "{jitter} ms, seed {seed}: a step of {largest} degrees");
            assert!(quietest > 7_500.0, "{jitter} ms, seed {seed}: down to {quietest}");
            let end = recording.left.len()
                - recording.left.iter().rev().position(|&s| s != 0).expect("something is heard");
            let off = end as i64 - (800 + 240_000);
            assert!(off.abs() < 160, "{jitter} ms, seed {seed}: off by {off} samples at the end");
        }
    }
}

#[test]
fn the_first_packets_may_be_the_slowest() {
    let mut packets = Phone::new(Side::Customer).says(ms(100), 100, tone);
    packets[0].arrives += ms(45);
    packets[1].arrives += ms(30);
    let recording = record(packets, ms(2_500));
    assert!((0..16_000).all(|n| recording.left[800 + n] == heard(n)));
}

#[test]
fn a_clock_that_drifts_for_an_hour_keeps_its_place() {
    let mut room = Room::armed();
    let marked = |n: usize| if n % 80_000 < 160 { tone(n) * 3 } else { tone(n) / 4 };
    let minutes = 60;
    let mut fast = Phone { drift: 200.0, ..Phone::new(Side::Customer) };
    let mut slow = Phone { drift: -200.0, ..Phone::new(Side::Agent) };
    let mut dice = Dice(3);
    let (mut marks, mut from) = (0, [ms(100), ms(100)]);
    let mut on_their_way: Vec<Sent> = Vec::new();
    for minute in 0..minutes {
        let end = ms(60_000) * (minute + 1);
        for (phone, from) in [&mut fast, &mut slow].into_iter().zip(&mut from) {
            while *from <= end {
                let mut packets = phone.says(*from, 3_000, marked);
                for sent in &mut packets {
                    sent.arrives += Duration::from_micros(dice.below(15_000));
                }
                on_their_way.extend(packets);
                phone.timestamp = phone.timestamp.wrapping_add(480_000);
                phone.sequence = phone.sequence.wrapping_add(3_000);
                *from += Duration::from_secs_f64(60.0 / (1.0 + phone.drift / 1e6));
            }
        }
        let (arrive, later) = on_their_way.into_iter().partition(|sent| sent.arrives <= end);
        on_their_way = later;
        room.hears(arrive, ms(60_000) * minute, end);
        let truth = |drift: f64| {
            let per_mark = 80_000.0 / (1.0 + drift / 1e6);
            move |n: u32| 800 + (per_mark * f64::from(n)) as i64
        };
        let (fast, slow) = (truth(200.0), truth(-200.0));
        let pcm = room.pcm.as_chunks::<2>().0;
        while (slow(marks) + 400) < pcm.len() as i64 {
            let find = |around: i64, channel: usize| {
                (around - 400..around + 400)
                    .find(|&n| pcm[n as usize][channel].abs() > 6_000)
                    .expect("the mark is near its place")
            };
            let (left, right) = (find(fast(marks), 0), find(slow(marks), 1));
            assert!((left - fast(marks)).abs() < 160, "fast: {left}, not {}", fast(marks));
            assert!((right - slow(marks)).abs() < 160, "slow: {right}, not {}", slow(marks));
            marks += 1;
        }
    }
    assert!(marks > 350);
}

#[test]
fn a_pause_of_the_sender_is_a_pause_in_the_recording() {
    for frozen in [false, true] {
        let mut phone = Phone::new(Side::Customer);
        let mut packets = phone.says(ms(100), 50, tone);
        phone.sequence = phone.sequence.wrapping_add(50);
        phone.timestamp = phone.timestamp.wrapping_add(if frozen { 8_000 } else { 48_000 });
        packets.extend(phone.says(ms(6_100), 50, tone));
        let recording = record(packets, ms(7_500));
        assert!((0..8_000).all(|n| recording.left[800 + n] == heard(n)));
        assert!(recording.left[8_800..48_800].iter().all(|&sample| sample == 0));
        assert!((0..8_000).all(|n| recording.left[48_800 + n] == heard(n)), "frozen: {frozen}");
    }
}

#[test]
fn another_source_or_another_time_begins_where_it_arrives_and_loses_nothing() {
    for (ssrc, leap, skipped) in
        [(8, 0, 0), (7, 1_000_000, 0), (7, 0x8000_0000, 9_000), (7, u32::MAX - 90_000, 0)]
    {
        let mut phone = Phone::new(Side::Agent);
        let mut packets = phone.says(ms(100), 50, tone);
        phone.ssrc = ssrc;
        phone.sequence = phone.sequence.wrapping_add(50 + skipped);
        phone.timestamp = phone.timestamp.wrapping_add(8_000).wrapping_add(leap);
        packets.extend(phone.says(ms(1_100), 50, tone));
        let recording = record(packets, ms(2_500));
        assert!((0..16_000).all(|n| recording.right[800 + n] == heard(n)), "{ssrc} {leap}");
        assert_eq!(recording.recorder.packets().left_out, 0);
    }
}

#[test]
fn a_stray_packet_moves_nothing() {
    let mut packets = Phone::new(Side::Customer).says(ms(100), 100, tone);
    for (n, ssrc, timestamp) in [(20, 7, 12), (40, 7, 0x7000_0000), (60, 99, 4)] {
        let mut stray = packets[n].clone();
        stray.arrives += ms(5);
        (stray.ssrc, stray.timestamp) = (ssrc, timestamp);
        packets.push(stray);
    }
    let recording = record(packets, ms(2_500));
    // The one of another source is heard where it came, since it could have been the beginning of more.
    let differing = (0..16_000).filter(|&n| recording.left[800 + n] != heard(n)).count();
    assert!(differing <= 160, "{differing}");
}

#[test]
fn a_longer_path_is_followed_within_a_tenth_of_a_second() {
    let mut packets = Phone::new(Side::Customer).says(ms(100), 400, tone);
    for sent in &mut packets[100..] {
        sent.arrives += ms(150);
    }
    let recording = record(packets, ms(9_000));
    let lost = (0..64_000 - 16_000)
        .filter(|n| recording.left[800 + 16_000 + 1_200 + n] != heard(16_000 + n))
        .count();
    assert!(lost < 800, "{lost}");
}

#[test]
fn a_jam_that_dissolves_shifts_nothing() {
    let mut packets = Phone::new(Side::Customer).says(ms(100), 400, tone);
    for sent in &mut packets[100..200] {
        sent.arrives = ms(100 + 4_000);
    }
    let recording = record(packets, ms(9_000));
    assert!((0..16_000).all(|n| recording.left[800 + n] == heard(n)));
    assert!((32_000..64_000).all(|n| recording.left[800 + n] == heard(n)));
}

#[test]
fn packets_of_any_length_are_laid_as_they_are() {
    for packet in [40, 80, 240, 480, 960, 1_440] {
        let phone = Phone { packet, ..Phone::new(Side::Customer) };
        let recording = record(phone.says(ms(100), 16_000 / packet, tone), ms(2_500));
        let whole = 16_000 / packet * packet;
        assert!((0..whole).all(|n| recording.left[800 + n] == heard(n)), "{packet}");
    }
}

#[test]
fn what_has_come_out_is_never_older_than_the_delay() {
    let mut room = Room::armed();
    let packets = Phone::new(Side::Customer).says(ms(0), 100, tone);
    for (n, sent) in packets.iter().enumerate() {
        room.push(sent);
        let now = ms(20 * n as u64 + 5);
        room.recorder.advance(room.start + now, &mut room.pcm);
        assert!(room.recorder.length() >= samples(now.saturating_sub(ms(90))));
    }
}

#[test]
fn hold_and_pause_silence_both_sides_and_are_listed() {
    let mut room = Room::armed();
    let mut packets = Phone::new(Side::Customer).says(ms(0), 300, tone);
    packets.extend(Phone::new(Side::Agent).says(ms(0), 300, tone));
    let after = |from, to| {
        let within = |sent: &&Sent| sent.arrives > ms(from) && sent.arrives <= ms(to);
        packets.iter().filter(within).cloned().collect::<Vec<_>>()
    };
    let start = room.start;
    room.hears(
        packets.iter().filter(|s| s.arrives <= ms(1_000)).cloned().collect(),
        ms(0),
        ms(1_000),
    );
    room.recorder.silence(start + ms(1_000), Silence::Hold);
    room.recorder.silence(start + ms(1_010), Silence::Hold);
    room.hears(after(1_000, 2_000), ms(1_000), ms(2_000));
    room.recorder.silence(start + ms(2_000), Silence::Pause);
    room.hears(after(2_000, 3_000), ms(2_000), ms(3_000));
    assert_eq!(room.recorder.silences().len(), 2);
    room.recorder.unsilence(start + ms(3_000));
    room.recorder.unsilence(start + ms(3_000));
    room.hears(after(3_000, 5_000), ms(3_000), ms(5_000));
    room.recorder.silence(start + ms(5_000), Silence::Hold);
    room.recorder.unsilence(start + ms(5_000));
    room.recorder.silence(start + ms(5_500), Silence::Hold);
    room.hears(after(5_000, 6_000), ms(5_000), ms(6_000));
    let recording = room.finishes(ms(6_000));
    for side in [&recording.left, &recording.right] {
        for (n, &sample) in side.iter().enumerate() {
            let silent = (8_000..24_000).contains(&n) || (44_000..).contains(&n);
            assert_eq!(sample, if silent { 0 } else { heard(n) }, "at {n}");
        }
    }
    assert_eq!(
        recording.recorder.silences(),
        [
            (Silence::Hold, Samples(8_000), Samples(16_000)),
            (Silence::Pause, Samples(16_000), Samples(24_000)),
            (Silence::Hold, Samples(44_000), Samples(48_000)),
        ]
    );
}

#[test]
fn nothing_comes_out_before_the_arming_and_then_everything() {
    let mut room = Room::new();
    let packets = Phone::new(Side::Customer).says(ms(0), 600, tone);
    let (early, late): (Vec<_>, Vec<_>) =
        packets.into_iter().partition(|s| s.arrives <= ms(10_000));
    room.hears(early, ms(0), ms(10_000));
    assert!(room.pcm.is_empty());
    assert_eq!(room.recorder.length(), Samples(0));
    room.recorder.arm();
    room.hears(late, ms(10_000), ms(12_100));
    let recording = room.finishes(ms(12_100));
    assert!((0..96_000).all(|n| recording.left[n] == heard(n)));
    assert_eq!(recording.recorder.gaps(), []);
}

#[test]
fn thirty_seconds_wait_for_the_arming_and_the_rest_is_a_listed_gap() {
    let mut room = Room::new();
    let packets = Phone::new(Side::Customer).says(ms(0), 2_250, tone);
    let (early, late): (Vec<_>, Vec<_>) =
        packets.into_iter().partition(|s| s.arrives <= ms(40_000));
    room.hears(early, ms(0), ms(40_000));
    room.recorder.arm();
    room.hears(late, ms(40_000), ms(45_000));
    let recording = room.finishes(ms(45_000));
    assert!((0..240_000).all(|n| recording.left[n] == heard(n)));
    let [(from, to)] = recording.recorder.gaps() else { panic!("one gap") };
    assert_eq!(*from, Samples(240_000));
    assert!(to.0.abs_diff(320_000) < 1_000);
    let gap = from.0 as usize..to.0 as usize;
    assert!(recording.left[gap].iter().all(|&sample| sample == 0));
    assert!((to.0 as usize..359_000).all(|n| recording.left[n] == heard(n)));
}

#[test]
fn a_recorder_that_was_never_armed_gives_nothing() {
    let mut room = Room::new();
    room.hears(Phone::new(Side::Customer).says(ms(0), 50, tone), ms(0), ms(2_000));
    let recording = room.finishes(ms(2_000));
    assert!(recording.left.is_empty());
}

#[test]
fn what_a_full_tap_loses_is_listed_and_shifts_nothing() {
    let mut room = Room::armed();
    let packets = Phone::new(Side::Customer).says(ms(0), 500, tone);
    let taken: Vec<bool> = packets[..400].iter().map(|sent| room.push(sent)).collect();
    assert!(!taken[399], "the tap holds less than 8 s");
    room.recorder.advance(room.start + ms(8_000), &mut room.pcm);
    room.hears(packets[400..].to_vec(), ms(8_000), ms(10_100));
    let recording = room.finishes(ms(10_100));
    let first = taken.iter().position(|taken| !taken).expect("some are lost") as u64;
    let [(from, to)] = recording.recorder.gaps() else { panic!("one gap") };
    assert!(from.0.abs_diff(first * 160) <= 160 && to.0.abs_diff(64_000) <= 160, "{from:?} {to:?}");
    let lost = first as usize * 160..64_000;
    for n in 0..80_000 {
        assert_eq!(recording.left[n], if lost.contains(&n) { 0 } else { heard(n) });
    }
}

#[test]
fn a_writer_that_slept_is_given_a_minute_at_a_time() {
    let mut room = Room::armed();
    assert!(!room.recorder.advance(room.start + ms(150_000), &mut room.pcm));
    assert_eq!(room.recorder.length(), Samples(480_000));
    assert!(!room.recorder.finish(room.start + ms(150_000), &mut room.pcm));
    assert!(room.recorder.finish(room.start + ms(150_000), &mut room.pcm));
    assert_eq!(room.recorder.length(), Samples(1_200_000));
}

#[test]
fn whatever_arrives_the_recording_is_as_long_as_the_conversation() {
    for seed in 1..30 {
        let mut dice = Dice(seed);
        let packets: Vec<Sent> = (0..2_000)
            .map(|_| Sent {
                side: if dice.below(2) == 0 { Side::Customer } else { Side::Agent },
                arrives: Duration::from_micros(dice.below(10_000_000)),
                ssrc: dice.below(2 + seed % 3) as u32,
                sequence: dice.below(65_536) as u16,
                timestamp: match dice.below(3) {
                    0 => dice.below(1 << 32) as u32,
                    1 => dice.below(90_000) as u32,
                    _ => u32::MAX - dice.below(5_000) as u32,
                },
                payload: vec![dice.below(256) as u8; dice.below(600) as usize],
            })
            .collect();
        let recording = record(packets, ms(10_000));
        assert_eq!(recording.left.len(), 80_000);
    }
}

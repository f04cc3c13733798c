//! What is missing is listed where it is missing, and what came is counted.

use super::*;

#[test]
fn a_loss_in_the_middle_of_the_tap_is_listed_where_it_was() {
    let start = Room::new().start;
    let (mut tap, mut listener) = tap(Samples(16_000));
    let packets = Phone::new(Side::Customer).says(ms(0), 500, tone);
    let mut push = |sent: &Sent| {
        tap.push(Frame {
            side: sent.side,
            arrived: start + sent.arrives,
            ssrc: sent.ssrc,
            sequence: sent.sequence,
            timestamp: sent.timestamp,
            codec: Codec::Pcmu,
            payload: &sent.payload,
        })
    };
    let taken = packets[..300].iter().take_while(|sent| push(sent)).count();
    // While the writer drains, packets find room again.
    for _ in 0..50 {
        listener.pop(&mut [0; LONGEST]);
    }
    assert!(packets[300..320].iter().all(&mut push));
    let mut recorder = Recorder::new(listener, start);
    recorder.arm();
    let mut pcm = Vec::new();
    recorder.advance(start + ms(7_000), &mut pcm);
    recorder.finish(start + ms(7_000), &mut pcm);
    let lost = Samples(160 * (taken as u64 - 1));
    assert_eq!(recorder.gaps(), [(lost, Samples(300 * 160))]);
}

#[test]
fn what_is_lost_at_the_very_end_is_listed_to_the_end() {
    let mut room = Room::armed();
    let packets = Phone::new(Side::Customer).says(ms(0), 400, tone);
    let taken = packets.iter().take_while(|sent| room.push(sent)).count();
    let recording = room.finishes(ms(8_000));
    let from = Samples(160 * (taken as u64 - 1));
    assert_eq!(recording.recorder.gaps(), [(from, Samples(64_000))]);
}

#[test]
fn a_tap_that_is_gone_is_a_gap_to_the_end_and_one_that_ends_with_the_talk_is_none() {
    for (end, gaps) in [(3_000, vec![(Samples(8_320), Samples(24_000))]), (1_100, vec![])] {
        let mut room = Room::armed();
        let packets = Phone::new(Side::Customer).says(ms(0), 50, tone);
        room.hears(packets, ms(0), ms(1_040));
        drop(std::mem::replace(&mut room.tap, tap(Samples(800)).0));
        // The one who drains may see it before it is told of the end.
        room.recorder.advance(room.start + ms(1_120), &mut room.pcm);
        let recording = room.finishes(ms(end));
        assert_eq!(recording.recorder.gaps(), gaps, "{end}");
    }
}

#[test]
fn each_side_is_counted_by_its_packets() {
    let long = Phone { packet: 1_440, ..Phone::new(Side::Agent) };
    let mut packets = Phone::new(Side::Customer).says(ms(100), 50, tone);
    packets.extend(long.says(ms(100), 5, tone));
    let mut late = packets[10].clone();
    late.arrives += ms(500);
    late.sequence += 1;
    packets.push(late);
    let heard = record(packets, ms(2_000)).recorder.packets();
    assert_eq!((heard.customer, heard.agent), (51, 5));
    assert!(heard.left_out > 0);
    let nobody = record(vec![], ms(2_000)).recorder.packets();
    assert_eq!(nobody, Packets::default());
}

#[test]
fn gaps_stay_in_order_and_what_touches_becomes_one() {
    let mut gaps = Vec::new();
    let spans = |gaps: &[(Samples, Samples)]| -> Vec<(u64, u64)> {
        gaps.iter().map(|(from, to)| (from.0, to.0)).collect()
    };
    for (from, to) in [(50, 60), (10, 20), (30, 30), (30, 40), (20, 25), (70, 80)] {
        list_gap(&mut gaps, Samples(from), Samples(to));
    }
    assert_eq!(spans(&gaps), [(10, 25), (30, 40), (50, 60), (70, 80)]);
    list_gap(&mut gaps, Samples(35), Samples(75));
    assert_eq!(spans(&gaps), [(10, 25), (30, 80)]);
    for n in 0..MOST_SPANS as u64 {
        list_gap(&mut gaps, Samples(100 + 10 * n), Samples(105 + 10 * n));
    }
    assert_eq!(gaps.len(), MOST_SPANS);
    assert_eq!(gaps.last().map(|gap| gap.1.0), Some(105 + 10 * (MOST_SPANS as u64 - 1)));
}

//! What goes by the clock: prompts, reports, and the watch for silence.

use super::*;

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
fn a_prompt_waits_while_nobody_can_be_sent_to_and_is_played_only_when_all_of_it_went_out() {
    let (library, prompt) = library(50);
    let mut room = Room::with(library);
    let remote = Phone::new(A).remote();
    let held = Remote { direction: Direction::RecvOnly, ..remote.clone() };
    let nowhere = Remote { rtp: None, rtcp: None, ..held.clone() };
    room.connects(A, held.clone());
    room.tells(Command::Play { port: A, prompt, play: PlayId(1), repeat: Repeat::Once });
    for (nobody, heard) in [(&held, 20), (&nowhere, 29), (&held, 0)] {
        room.passes(Duration::from_secs(10));
        assert_eq!(room.rtp(A).len(), 0);
        assert_eq!(room.events, []);
        room.connects(A, remote.clone());
        room.passes(PIECE * heard);
        let packets = room.rtp(A);
        assert_eq!(packets.len() as u32, heard);
        assert!(packets.iter().all(|sent| sent.header().marker == (sent.at == packets[0].at)));
        room.connects(A, nobody.clone());
    }
    room.connects(A, remote);
    room.passes(PIECE * 3);
    assert_eq!(room.rtp(A).len(), 1, "the last of fifty");
    assert_eq!(room.events, [Event::Played { port: A, play: PlayId(1) }]);
}

#[test]
fn music_for_nobody_keeps_its_time() {
    let (library, prompt) = library(50);
    let mut room = Room::with(library);
    room.connects(A, Remote { direction: Direction::RecvOnly, ..Phone::new(A).remote() });
    room.tells(Command::Play { port: A, prompt, play: PlayId(1), repeat: Repeat::Forever });
    room.passes(Duration::from_millis(500));
    assert_eq!(room.rtp(A).len(), 0);
    room.connects(A, Phone::new(A).remote());
    room.passes(Duration::from_millis(499));
    let packets = room.rtp(A);
    assert_eq!(packets.len(), 24);
    assert!(packets[0].header().marker);
    assert_eq!(packets[0].payload()[0], g711::encode(Codec::Pcmu, 26 * 300));
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
fn who_has_been_silent_before_a_bridge_has_the_whole_time_again_and_is_told_again() {
    let mut room = Room::new();
    let silence = Some(Duration::from_secs(30));
    let silent = |port| Event::Silent { port };
    for port in [A, B] {
        let remote = Phone::new(port).remote();
        room.tells(Command::Connect { port, remote, silence });
    }
    // A waits in silence and is told of to nobody who listens; B answers a moment before its own time is up.
    room.passes(Duration::from_secs(29));
    let remote = Phone::new(B).remote();
    room.tells(Command::Connect { port: B, remote, silence: None });
    room.passes(Duration::from_secs(20));
    assert_eq!(room.events, [silent(A)]);
    let remote = Phone::new(B).remote();
    room.tells(Command::Connect { port: B, remote, silence });
    room.passes(Duration::from_secs(29));
    room.tells(Command::Bridge { a: A, b: B });
    room.passes(Duration::from_millis(29_999));
    assert_eq!(room.events, [silent(A)]);
    room.passes(Duration::from_secs(30));
    assert_eq!(room.events.len(), 3);
    assert!(room.events.contains(&silent(B)));
    assert_eq!(room.events.iter().filter(|&event| *event == silent(A)).count(), 2);
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
    assert!(rtcp::read(last, 0).is_some());
    let from_b = room.sent.iter().find(|sent| sent.component == Component::Rtcp && sent.port == B);
    assert_eq!(from_b.expect("B has reports too").bytes[1], 200);
}

#[test]
fn who_no_longer_sends_reports_as_a_receiver_and_not_on_who_is_no_longer_heard() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    let mut reports = |room: &mut Room, speaks: [bool; 2]| {
        for _ in 0..1_500 {
            if speaks[0] {
                a.says(room, 1);
            }
            if speaks[1] {
                b.says(room, 1);
            }
            room.passes(PIECE);
        }
        let all = std::mem::take(&mut room.sent).into_iter();
        let to_a = all.filter(|sent| sent.component == Component::Rtcp && sent.port == A);
        let kinds: Vec<[u8; 2]> = to_a.map(|sent| [sent.bytes[0], sent.bytes[1]]).collect();
        assert!(kinds.len() >= 4, "{kinds:?}");
        kinds
    };
    let last = |kinds: Vec<[u8; 2]>| kinds[kinds.len() - 1];
    assert_eq!(last(reports(&mut room, [true, true])), [0x81, 200]);
    let fading = reports(&mut room, [true, false]);
    assert_eq!(fading[0], [0x81, 200], "it still has sent since the report before the last");
    assert_eq!(last(fading), [0x81, 201]);
    assert_eq!(last(reports(&mut room, [false, true])), [0x80, 200]);
    assert_eq!(last(reports(&mut room, [false, false])), [0x80, 201]);
    assert_eq!(last(reports(&mut room, [true, true])), [0x81, 200]);
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
fn our_reports_cite_theirs_and_go_where_rtp_proved_the_way() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    let signalled = a.remote().rtcp.expect("it has one");
    a.address = "203.0.113.7:61001".parse().expect("it is one");
    room.connects(A, Remote { sip_host: Some(a.address.ip()), ..Phone::new(A).remote() });
    for _ in 0..6 {
        a.says(&mut room, 1);
        room.now += PIECE;
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
    a.says(&mut room, 1);
    room.passes(Duration::from_secs(10));
    let report = room.sent.iter().find(|sent| to_a(sent)).expect("reports go there now");
    assert_eq!(report.to, from);
    assert_eq!(report.bytes[24..28], sender.ntp.middle().to_be_bytes());
    let since = rtcp::Ntp::elapsed(report.at - heard_at).middle();
    assert_eq!(report.bytes[28..32], since.to_be_bytes());
}

#[test]
fn what_has_gone_through_is_told_with_every_report() {
    let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
    for n in 0..1_000 {
        match n % 20 {
            3 => {
                a.sequence = a.sequence.wrapping_add(1);
                a.timestamp = a.timestamp.wrapping_add(160);
            }
            _ => drop(a.says(&mut room, 1)),
        }
        room.passes(PIECE);
    }
    let of_a = |room: &Room| -> Vec<Statistics> {
        let of_a = room.measured.iter().filter(|(port, _)| *port == A);
        of_a.map(|(_, statistics)| *statistics).collect()
    };
    let told = of_a(&room);
    assert!((3..=9).contains(&told.len()), "{}", told.len());
    assert!(told.is_sorted_by_key(|statistics| statistics.received));
    let last = told[told.len() - 1];
    assert_eq!((last.source, last.reported), (Some(a.address), None));
    assert!(last.lost >= last.received / 20 && last.lost <= last.received / 18, "{last:?}");
    assert_eq!(last.jitter, Samples(0), "who is in time has none");
    // Six seconds in which the phone says nothing, then one payload type that nobody has agreed on.
    room.passes(Duration::from_secs(8));
    let quiet = of_a(&room).pop().expect("it is told still").quiet;
    assert!(quiet > Duration::from_millis(500), "{quiet:?}");
    let stray = a.packet(96, false, &[1; 160]);
    room.deliver(A, a.address, stray);
    assert_eq!(room.closes(A).stray, Some(96));
}

#[test]
fn what_they_say_of_our_stream_is_told_with_the_way_there_and_back() {
    let (mut room, mut a, mut b) = Room::bridged(Phone::new(A), Phone::new(B));
    for _ in 0..400 {
        a.says(&mut room, 1);
        b.says(&mut room, 2);
        room.passes(PIECE);
    }
    let mut reports = room.sent.iter().filter(|sent| sent.component == Component::Rtcp);
    let ours = reports.rfind(|sent| sent.port == A).expect("a sender report").clone();
    let block = |last_report, since_last_report| rtcp::Block {
        ssrc: OUR_SSRC[0],
        fraction_lost: 0,
        lost: 7,
        highest: 0,
        jitter: 24,
        last_report,
        since_last_report,
    };
    let reports = |room: &mut Room, block| {
        let mut space = [0; rtcp::LONGEST];
        let length = rtcp::write(&mut space, a.ssrc, 1, None, Some(block));
        let from = a.remote().rtcp.expect("it has one");
        room.relay.receive(room.now, A, Component::Rtcp, from, &mut space[..length]);
        room.passes(Duration::from_secs(8));
        let (_, last) = room.measured.iter().rfind(|(port, _)| *port == A).expect("measured");
        last.reported.expect("reported")
    };
    let middle =
        u32::from_be_bytes([ours.bytes[10], ours.bytes[11], ours.bytes[12], ours.bytes[13]]);
    let second = Duration::from_secs(1);
    room.now = ours.at + second;
    let heard = reports(&mut room, block(middle, 3 << 14));
    assert_eq!((heard.lost, heard.jitter), (7, Samples(24)));
    let trip = heard.round_trip.expect("it cites ours").as_millis();
    assert!((249..=251).contains(&trip), "a second, of which three quarters were its own: {trip}");
    // Reports that were never sent, or lie ahead, are no way to measure.
    for nonsense in [block(0, 0), block(middle.wrapping_add(99 << 16), 0), block(middle, 99 << 16)]
    {
        assert_eq!(reports(&mut room, nonsense).round_trip, None);
    }
    // Of another stream nothing is known.
    let stranger = rtcp::Block { ssrc: 7, lost: 99, ..block(0, 0) };
    assert_eq!(reports(&mut room, stranger).lost, 7);
}

#[test]
fn reports_share_the_port_of_rtp_where_that_was_agreed() {
    for rtcp_mux in [true, false] {
        let (mut room, mut a, _) = Room::bridged(Phone::new(A), Phone::new(B));
        room.connects(A, Remote { rtcp_mux, ..a.remote() });
        a.says(&mut room, 1);
        let mut space = [0; rtcp::LONGEST];
        let sender = rtcp::Sender {
            ntp: rtcp::Ntp(0x1_2345_6789_abcd),
            timestamp: 0,
            packets: 1,
            octets: 160,
        };
        let length = rtcp::write(&mut space, a.ssrc, 1, Some(sender), None);
        let report = &mut space[..length];
        assert_eq!(room.relay.receive(room.now, A, Component::Rtp, a.address, report), None);
        for _ in 0..400 {
            a.says(&mut room, 1);
            room.passes(PIECE);
        }
        let ours = room.sent.iter().find(|sent| sent.port == A).expect("a report");
        assert!(rtcp::read(&ours.bytes, 0).is_some());
        let (component, to) = match rtcp_mux {
            true => (Component::Rtp, a.address),
            false => (Component::Rtcp, a.remote().rtcp.expect("it has one")),
        };
        assert_eq!((ours.component, ours.to), (component, to));
        // Theirs was heard, and is cited, or was no RTP.
        let cited = ours.bytes[24..28] == sender.ntp.middle().to_be_bytes();
        assert_eq!((cited, room.closes(A).refused), (rtcp_mux, u64::from(!rtcp_mux)));
    }
}

#[test]
fn no_silence_is_too_short_or_too_long_for_the_clock() {
    for silence in [Duration::ZERO, Duration::MAX] {
        let mut room = Room::new();
        let remote = Phone::new(A).remote();
        room.tells(Command::Connect { port: A, remote, silence: Some(silence) });
        room.passes(Duration::from_secs(2));
        assert_eq!(room.events.len(), usize::from(silence.is_zero()));
    }
}

//! Offers and answers: RFC 3264, and what phones make of it.

use proptest::prelude::*;

use super::*;

fn session() -> Session {
    Session::new(at("192.0.2.9:40000"), 4711, vec![Codec::Pcma, Codec::Pcmu])
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn offer(lines: &str) -> Vec<u8> {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n{}\r\n",
        lines.replace('|', "\r\n")
    )
    .into_bytes()
}

fn lines(text: &[u8], key: &str) -> Vec<String> {
    let text = std::str::from_utf8(text).expect("text of ours is ASCII");
    text.split("\r\n").filter(|line| line.starts_with(key)).map(str::to_owned).collect()
}

fn version(text: &[u8]) -> u64 {
    lines(text, "o=")[0].split(' ').nth(2).expect("six fields").parse().expect("a number")
}

#[test]
fn an_offer_says_all_that_a_phone_needs() {
    assert_eq!(
        String::from_utf8(session().offer(Direction::SendRecv)).expect("ASCII"),
        "v=0\r\no=- 4711 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
}

#[test]
fn an_answer_keeps_their_order_and_their_numbers() {
    let mut ours = session();
    let (text, agreed) = ours
        .answer(
            &offer("m=audio 5000 RTP/AVP 9 0 8 97 13|a=rtpmap:97 Telephone-Event/8000"),
            Direction::SendRecv,
        )
        .expect("agreed");
    assert_eq!(lines(&text, "m="), ["m=audio 40000 RTP/AVP 0 8 97"]);
    assert_eq!(lines(&text, "a=fmtp"), ["a=fmtp:97 0-15"]);
    assert_eq!(
        agreed,
        Agreed {
            rtp: Some(at("192.0.2.5:5000")),
            rtcp: Some(at("192.0.2.5:5001")),
            rtcp_mux: false,
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: Some(97),
            received: vec![
                (0, Encoding::G711(Codec::Pcmu)),
                (8, Encoding::G711(Codec::Pcma)),
                (97, Encoding::TelephoneEvent),
            ],
            direction: Direction::SendRecv,
        }
    );
    assert_eq!(ours.agreed(), Some(&agreed));
    let again = ours.offer(Direction::SendRecv);
    assert_eq!(lines(&again, "m="), ["m=audio 40000 RTP/AVP 8 0 97"], "a number keeps its meaning");
}

#[test]
fn a_codec_may_come_under_a_dynamic_number() {
    let (text, agreed) = session()
        .answer(
            &offer(
                "m=audio 5000 RTP/AVP 96 100|a=rtpmap:96 pcma/8000/1|a=rtpmap:100 telephone-event/48000",
            ),
            Direction::SendRecv,
        )
        .expect("agreed");
    assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcma, 96));
    assert_eq!(agreed.telephone_event, None, "the clock differs");
    assert_eq!(lines(&text, "a=rtpmap"), ["a=rtpmap:96 PCMA/8000"]);
}

#[test]
fn we_send_under_their_numbers_and_take_ours_as_well_as_theirs() {
    let mut ours = session();
    ours.offer(Direction::SendRecv);
    let answer =
        "m=audio 5000 RTP/AVP 96 97|a=rtpmap:96 PCMU/8000|a=rtpmap:97 telephone-event/8000";
    let agreed = ours.conclude(&offer(answer)).expect("agreed");
    assert_eq!((agreed.payload_type, agreed.telephone_event), (96, Some(97)));
    let (pcma, pcmu) = (Encoding::G711(Codec::Pcma), Encoding::G711(Codec::Pcmu));
    let event = Encoding::TelephoneEvent;
    assert_eq!(agreed.received, [(8, pcma), (0, pcmu), (101, event), (96, pcmu), (97, event)]);
    // A number of ours means what we said, whatever they make of it.
    ours.offer(Direction::SendRecv);
    let crossed = "m=audio 5000 RTP/AVP 97|a=rtpmap:97 PCMA/8000";
    let agreed = ours.conclude(&offer(crossed)).expect("agreed");
    assert_eq!(agreed.received, [(8, pcma), (96, pcmu), (97, event)]);
}

#[test]
fn every_stream_has_its_line_in_the_answer_and_only_one_is_taken() {
    let (text, agreed) = session()
        .answer(
            &offer(
                "m=video 3227 RTP/AVP 31|m=audio 5000 RTP/SAVP 0|m=audio 0 RTP/AVP 0|m=audio 5002 RTP/AVP 0\
                 |m=audio 5004 RTP/AVP 8|m=image 5006 udptl t38|m=application 9 DTLS/SCTP webrtc-datachannel",
            ),
            Direction::SendRecv,
        )
        .expect("agreed");
    assert_eq!(
        lines(&text, "m="),
        [
            "m=video 0 RTP/AVP 31",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 0 RTP/AVP 0",
            "m=audio 40000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 8",
            "m=image 0 udptl t38",
            "m=application 0 DTLS/SCTP webrtc-datachannel",
        ]
    );
    assert_eq!(agreed.rtp, Some(at("192.0.2.5:5002")));
}

#[test]
fn a_later_offer_of_ours_keeps_every_line_of_the_dialog() {
    let mut ours = session();
    let theirs = offer("m=video 3227 RTP/AVP 31|m=audio 5000 RTP/AVP 0");
    ours.answer(&theirs, Direction::SendRecv).expect("agreed");
    let text = ours.offer(Direction::SendOnly);
    assert_eq!(lines(&text, "m="), ["m=video 0 RTP/AVP 31", "m=audio 40000 RTP/AVP 8 0 101"]);
    let short = offer("m=audio 5000 RTP/AVP 0");
    assert_eq!(ours.conclude(&short), Err(Refusal::Mismatch));
    let swapped = offer("m=audio 5000 RTP/AVP 0|m=video 0 RTP/AVP 31");
    assert_eq!(ours.conclude(&swapped), Err(Refusal::Mismatch));
    let long = offer("m=video 0 RTP/AVP 31|m=audio 5000 RTP/AVP 0|m=video 0 RTP/AVP 31");
    assert_eq!(ours.conclude(&long), Err(Refusal::Mismatch));
    let agreed = ours
        .conclude(&offer("m=video 0 RTP/AVP 31|m=audio 5000 RTP/AVP 0|a=recvonly"))
        .expect("agreed");
    assert_eq!(agreed.direction, Direction::SendOnly);
}

#[test]
fn the_version_goes_up_by_one_only_when_the_text_changed() {
    let mut ours = session();
    let first = ours.offer(Direction::SendRecv);
    assert_eq!(ours.offer(Direction::SendRecv), first);
    let held = ours.offer(Direction::SendOnly);
    assert_eq!(version(&held), version(&first) + 1);
    let resumed = ours.offer(Direction::SendRecv);
    assert_eq!(version(&resumed), version(&first) + 2);
    let theirs = offer("m=audio 5000 RTP/AVP 0");
    let (answer, _) = ours.answer(&theirs, Direction::SendRecv).expect("agreed");
    assert_eq!(version(&answer), version(&first) + 3);
    let (again, _) = ours.answer(&theirs, Direction::SendRecv).expect("agreed");
    assert_eq!(again, answer);
    assert!(lines(&again, "o=")[0].starts_with("o=- 4711 "));
}

#[test]
fn the_time_of_an_answer_is_the_one_that_was_offered() {
    for (theirs, mine) in [
        ("t=0 0", "t=0 0"),
        ("t=2873397496 2873404696", "t=2873397496 2873404696"),
        ("t=2873397496 0\r\nr=7d 1h 0 25h\r\nt=0 0", "t=2873397496 0"),
        ("t=now", "t=0 0"),
        ("t=-1 99999999999999999999", "t=0 0"),
    ] {
        let offer = String::from_utf8(offer("m=audio 5000 RTP/AVP 0")).expect("text");
        let offer = offer.replace("t=0 0", theirs);
        let mut ours = session();
        let (answer, _) = ours.answer(offer.as_bytes(), Direction::SendRecv).expect("agreed");
        assert_eq!(lines(&answer, "t="), [mine], "{theirs}");
        assert_eq!(lines(&ours.offer(Direction::SendRecv), "t="), [mine], "said again");
    }
}

#[test]
fn hold_is_mirrored_and_narrowed() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (theirs, wanted, ours) in [
        ("sendrecv", SendRecv, SendRecv),
        ("sendonly", SendRecv, RecvOnly),
        ("recvonly", SendRecv, SendOnly),
        ("inactive", SendRecv, Inactive),
        ("sendrecv", SendOnly, SendOnly),
        ("sendonly", SendOnly, Inactive),
        ("sendrecv", Inactive, Inactive),
    ] {
        let mut session = session();
        let (text, agreed) = session
            .answer(&offer(&format!("m=audio 5000 RTP/AVP 0|a={theirs}")), wanted)
            .expect("agreed");
        assert_eq!(agreed.direction, ours, "{theirs} {wanted:?}");
        assert_eq!(lines(&text, "a=").last(), Some(&format!("a={}", written(ours))));
        let (_, resumed) =
            session.answer(&offer("m=audio 5000 RTP/AVP 0|a=sendrecv"), SendRecv).expect("agreed");
        assert_eq!(resumed.direction, SendRecv);
    }
    let mut ours = session();
    ours.offer(SendOnly);
    let agreed = ours.conclude(&offer("m=audio 5000 RTP/AVP 0|a=sendrecv")).expect("agreed");
    assert_eq!(agreed.direction, SendOnly, "an answer cannot widen what was offered");
}

fn written(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

#[test]
fn the_hold_of_rfc_2543_sends_nothing_and_can_be_resumed() {
    let mut ours = session();
    let held =
        b"v=0\no=- 1 1 IN IP4 192.0.2.5\ns=-\nc=IN IP4 0.0.0.0\nt=0 0\nm=audio 5000 RTP/AVP 0\n";
    let (_, agreed) = ours.answer(held, Direction::SendRecv).expect("agreed");
    assert_eq!((agreed.rtp, agreed.rtcp), (None, None));
    assert_eq!(agreed.direction, Direction::RecvOnly);
    let (_, agreed) =
        ours.answer(&offer("m=audio 5000 RTP/AVP 0"), Direction::SendRecv).expect("agreed");
    assert_eq!(agreed.rtp, Some(at("192.0.2.5:5000")));
    assert_eq!(agreed.direction, Direction::SendRecv);
}

#[test]
fn rtcp_shares_the_port_of_rtp_where_they_offer_it_and_never_where_we_did_not() {
    let muxed = offer("m=audio 5000 RTP/AVP 0|a=rtcp:5300|a=rtcp-mux");
    let mut ours = session();
    let (text, agreed) = ours.answer(&muxed, Direction::SendRecv).expect("agreed");
    assert_eq!(lines(&text, "a=rtcp"), ["a=rtcp-mux"]);
    assert_eq!((agreed.rtcp_mux, agreed.rtcp), (true, Some(at("192.0.2.5:5000"))));
    // It stays, unless they offer it no more.
    assert_eq!(lines(&ours.offer(Direction::SendRecv), "a=rtcp"), ["a=rtcp-mux"]);
    assert!(ours.conclude(&muxed).expect("agreed").rtcp_mux);
    let plain = offer("m=audio 5000 RTP/AVP 0");
    let (text, agreed) = ours.answer(&plain, Direction::SendRecv).expect("agreed");
    assert!(lines(&text, "a=rtcp").is_empty() && !agreed.rtcp_mux);

    let mut asking = session();
    assert!(lines(&asking.offer(Direction::SendRecv), "a=rtcp").is_empty());
    let agreed = asking.conclude(&muxed).expect("agreed");
    assert_eq!((agreed.rtcp_mux, agreed.rtcp), (false, Some(at("192.0.2.5:5300"))));
}

#[test]
fn rtcp_goes_where_rfc_3605_says() {
    let rtcp = |line: &str| {
        let text = offer(&format!("m=audio 5000 RTP/AVP 0|{line}"));
        session().answer(&text, Direction::SendRecv).expect("agreed").1.rtcp
    };
    assert_eq!(rtcp("a=rtcp:5300"), Some(at("192.0.2.5:5300")));
    assert_eq!(rtcp("a=rtcp:5300 IN IP4 192.0.2.77"), Some(at("192.0.2.77:5300")));
    assert_eq!(rtcp("a=rtcp:5300 IN IP4 host.example.com"), Some(at("192.0.2.5:5300")));
    assert_eq!(rtcp("a=rtcp:0"), None);
    let last = offer("m=audio 65535 RTP/AVP 0");
    assert_eq!(session().answer(&last, Direction::SendRecv).expect("agreed").1.rtcp, None);
}

#[test]
fn what_cannot_be_agreed_on_says_why() {
    let refusal = |text: &[u8]| session().answer(text, Direction::SendRecv).expect_err("refused");
    assert_eq!(refusal(b"<xml/>"), Refusal::Unreadable);
    assert_eq!(refusal(&offer("m=video 5000 RTP/AVP 31")), Refusal::NoAudio);
    assert_eq!(refusal(&offer("m=audio 5000 RTP/SAVP 0")), Refusal::NoAudio);
    assert_eq!(refusal(&offer("m=audio 0 RTP/AVP 0")), Refusal::NoAudio);
    assert_eq!(
        refusal(&offer("m=audio 5000 RTP/AVP 9 18 101|a=rtpmap:101 telephone-event/8000")),
        Refusal::NoCodec
    );
    for host in ["IP4 pbx.example.com", "IP4 239.1.1.1/3", "IP6 2001:db8::1", "IP4 255.255.255.255"]
    {
        let text = format!("m=audio 5000 RTP/AVP 0|c=IN {host}");
        assert_eq!(refusal(&offer(&text)), Refusal::NoAudio, "{host}");
    }
    assert_eq!(session().conclude(&offer("m=audio 5000 RTP/AVP 0")), Err(Refusal::Mismatch));
}

#[test]
fn a_refused_offer_changes_nothing() {
    let mut ours = session();
    let (first, agreed) =
        ours.answer(&offer("m=audio 5000 RTP/AVP 0"), Direction::SendRecv).expect("agreed");
    ours.answer(&offer("m=audio 5000 RTP/AVP 18"), Direction::SendRecv).expect_err("no codec");
    assert_eq!(ours.agreed(), Some(&agreed));
    let again = ours.answer(&offer("m=audio 5000 RTP/AVP 0"), Direction::SendRecv).expect("agreed");
    assert_eq!(again, (first, agreed));
}

#[test]
fn an_early_answer_may_be_repeated() {
    let mut ours = session();
    ours.offer(Direction::SendRecv);
    let text = offer("m=audio 5000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000");
    let early = ours.conclude(&text).expect("agreed");
    assert_eq!(early.codec, Codec::Pcmu);
    assert_eq!(ours.conclude(&text), Ok(early));
}

/// RFC 4475 §3.3.15; RFC 5118 §4.6, 4.8, 4.9.
#[test]
fn the_descriptions_of_the_torture_tests_are_read_as_meant() {
    let sdp01 = b"v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n\
        m=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n";
    let (text, agreed) = session().answer(sdp01, Direction::SendRecv).expect("agreed");
    assert_eq!(agreed.rtp, Some(at("192.0.2.5:49217")));
    assert_eq!(lines(&text, "m="), ["m=audio 40000 RTP/AVP 0", "m=video 0 RTP/AVP 31"]);

    let several = b"v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\n\
        m=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n\
        a=rtpmap:107 H263-1998/90000\r\n";
    let (_, agreed) = session().answer(several, Direction::SendRecv).expect("agreed");
    assert_eq!(agreed.rtp, Some(at("192.0.2.1:22334")));

    let six = |host: &str, format: u8| {
        format!(
            "v=0\r\no=assistant 971731711378798081 0 IN IP6 {host}\r\ns=Call me soon, please!\r\nc=IN IP6 {host}\r\n\
             t=3338481189 3370017201\r\nm=audio 6000 RTP/AVP {format}\r\na=rtpmap:2 G726-32/8000\r\n\
             m=video 6024 RTP/AVP 107\r\na=rtpmap:107 H263-1998/90000\r\n"
        )
        .into_bytes()
    };
    let mapped = six("::ffff:192.0.2.2", 2);
    assert_eq!(session().answer(&mapped, Direction::SendRecv), Err(Refusal::NoCodec));
    let (_, agreed) =
        session().answer(&six("::ffff:192.0.2.2", 0), Direction::SendRecv).expect("agreed");
    assert_eq!(agreed.rtp, Some(at("192.0.2.2:6000")));
    let mut ours = Session::new(at("[2001:db8::9]:40000"), 1, vec![Codec::Pcmu]);
    let refused = ours.answer(&six("2001:db8::20", 2), Direction::SendRecv);
    assert_eq!(refused, Err(Refusal::NoCodec));
    let (text, agreed) = ours.answer(&six("2001:db8::20", 0), Direction::SendRecv).expect("agreed");
    assert_eq!(agreed.rtp, Some(at("[2001:db8::20]:6000")));
    assert_eq!(lines(&text, "c="), ["c=IN IP6 2001:db8::9"]);
}

#[test]
fn of_several_addresses_the_first_that_we_can_reach_counts() {
    let text = offer(
        "m=audio 5000 RTP/AVP 0|c=IN IP6 2001:db8::1|c=IN IP4 192.0.2.66|c=IN IP4 192.0.2.67",
    );
    let (_, agreed) = session().answer(&text, Direction::SendRecv).expect("agreed");
    assert_eq!(agreed.rtp, Some(at("192.0.2.66:5000")));
}

const WHOLE: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 5000/1 RTP/AVP 0 8 96 101\r\nc=IN IP4 192.0.2.6/127\r\nb=AS:64\r\na=rtpmap:96 PCMA/8000/1\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=rtcp:5300 IN IP4 192.0.2.7\r\na=sendonly\r\n\
    m=video 0 RTP/AVP 31\r\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_mutation_breaks_anything(
        edits in prop::collection::vec((0..WHOLE.len(), any::<u8>(), 0..4usize), 1..12)
    ) {
        let mut text = WHOLE.to_vec();
        for (place, byte, kind) in edits {
            let place = place % text.len().max(1);
            match kind {
                0 if place < text.len() => text[place] = byte,
                1 if place < text.len() => { text.remove(place); }
                2 => text.insert(place.min(text.len()), byte),
                _ => {
                    let piece = text[place.min(text.len())..].iter().take(20).copied().collect::<Vec<_>>();
                    text.extend(piece);
                }
            }
        }
        let mut ours = session();
        if let Ok((answer, agreed)) = ours.answer(&text, Direction::SendRecv) {
            let theirs = Description::read(&text).expect("it was answered");
            let said = Description::read(&answer).expect("ours is SDP");
            prop_assert_eq!(theirs.streams.len(), said.streams.len());
            prop_assert!(agreed.rtp.is_none_or(|to| to.port() != 0 && !to.ip().is_unspecified() && !to.ip().is_multicast()));
            prop_assert!(agreed.rtp.is_some() || !agreed.direction.sends());
        }
        ours.offer(Direction::SendRecv);
        let _ = ours.conclude(&text);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Description::read(&bytes);
        let _ = Description::read(&[b"v=0\nm=audio 1 RTP/AVP 0\n", bytes.as_slice()].concat());
    }
}

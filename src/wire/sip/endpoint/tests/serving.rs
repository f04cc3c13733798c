//! Requests of the far side: repetitions, ACKs, CANCELs, merged requests, peers of RFC 2543.

use super::*;

fn invite() -> Ask {
    Ask::new("INVITE")
}

fn rung() -> (Rig, ServerId, Message) {
    let mut rig = Rig::new();
    rig.hears(phone(), &invite().text());
    let (server, request) = rig.request();
    (rig, server, request)
}

fn is_acknowledged(told: &[Event]) -> bool {
    matches!(told, [Event::Acknowledged { .. }])
}

#[test]
fn a_lost_200_is_repeated_until_its_ack() {
    let (mut rig, server, request) = rung();
    rig.answers(server, &request, 200);
    let first = rig.one();
    rig.advance(ms(1600));
    assert_eq!(rig.sent(), [first.clone(), first]);
    let ack = invite().but("ACK").branch("z9hG4bKother").to_tag("ours");
    rig.hears(phone(), &ack.text());
    assert!(is_acknowledged(&rig.told()));
    rig.hears(phone(), &ack.text());
    assert!(rig.told().is_empty(), "an ACK that comes again is not told");
    rig.hears(phone(), &invite().text());
    assert!(rig.told().is_empty(), "nor an INVITE");
    rig.settles();
    assert!(rig.sent().is_empty());
    assert!(rig.told().is_empty());
}

#[test]
fn a_lost_200_is_repeated_over_tcp_too() {
    let mut rig = Rig::new();
    rig.hears(tcp("192.0.2.1:40000", 7), &invite().text());
    let (server, request) = rig.request();
    rig.answers(server, &request, 200);
    rig.advance(ms(600));
    assert_eq!(rig.ladder(), ["200 OK", "200 OK"]);
    rig.hears(tcp("192.0.2.1:40000", 7), &invite().but("ACK").to_tag("ours").text());
    assert!(is_acknowledged(&rig.told()), "even with the INVITE's branch");
    rig.settles();
}

#[test]
fn without_an_ack_the_user_is_told_after_32_s() {
    let (mut rig, server, request) = rung();
    rig.answers(server, &request, 200);
    rig.advance(ms(31_999));
    assert!(rig.told().is_empty());
    assert_eq!(rig.sent().len(), 11);
    rig.advance(ms(1));
    let told = rig.told();
    assert!(matches!(told[..], [Event::Unacknowledged { server: which }] if which == server));
    rig.settles();
}

#[test]
fn a_duplicate_invite_gets_the_last_answer_and_is_told_once() {
    let (mut rig, server, request) = rung();
    assert!(rig.sent().is_empty());
    rig.hears(phone(), &invite().text());
    assert_eq!(rig.ladder(), ["100 Trying"]);
    rig.answers(server, &request, 180);
    rig.hears(phone(), &invite().text());
    assert_eq!(rig.ladder(), ["180 Ringing", "180 Ringing"]);
    rig.answers(server, &request, 486);
    rig.hears(phone(), &invite().text());
    assert_eq!(rig.ladder(), ["486 Busy Here", "486 Busy Here"]);
    assert!(rig.told().is_empty());
    rig.settles();
}

#[test]
fn a_user_that_thinks_is_covered_by_a_100() {
    let (mut rig, server, request) = rung();
    rig.advance(ms(200));
    let trying = rig.one();
    assert!(trying.starts_with("SIP/2.0 100 Trying\r\n"));
    assert!(!header(&trying, "To").contains("tag"));
    rig.advance(secs(300));
    assert!(rig.sent().is_empty(), "a phone may ring for as long as the user likes");
    rig.answers(server, &request, 404);
    rig.settles();
}

#[test]
fn a_100_tells_the_time_of_its_invite_again_and_no_other_answer_does() {
    let mut rig = Rig::new();
    let invite = invite().text().replacen("CSeq:", "Timestamp: 54.25\r\nCSeq:", 1);
    rig.hears(phone(), &invite);
    let (server, request) = rig.request();
    rig.advance(ms(200));
    // RFC 3261 §8.2.6.1.
    assert_eq!(header(&rig.one(), "Timestamp"), "54.25");
    rig.answers(server, &request, 404);
    assert!(!rig.one().contains("Timestamp"));
}

#[test]
fn a_lost_refusal_is_repeated_until_its_ack() {
    let (mut rig, server, request) = rung();
    rig.answers(server, &request, 404);
    rig.advance(ms(1600));
    assert_eq!(rig.ladder(), ["404 Not Found"; 3]);
    rig.hears(phone(), &invite().but("ACK").to_tag("ours").text());
    rig.advance(secs(4));
    assert!(rig.sent().is_empty());
    assert_eq!(rig.endpoint.open(), 1, "it absorbs repetitions of the ACK for T4");
    rig.advance(ms(1100));
    assert_eq!(rig.endpoint.open(), 0);
    rig.settles();
    assert!(rig.told().is_empty(), "the ACK of a refusal is nobody's business");
}

#[test]
fn a_second_final_answer_is_ignored() {
    let (mut rig, server, request) = rung();
    rig.answers(server, &request, 486);
    rig.answers(server, &request, 200);
    rig.answers(server, &request, 180);
    assert_eq!(rig.ladder(), ["486 Busy Here"]);
    rig.settles();
}

#[test]
fn a_merged_request_is_refused_as_long_as_the_first_lives() {
    let (mut rig, server, request) = rung();
    let merged = invite().branch("z9hG4bKtwo");
    rig.hears(phone(), &merged.text());
    let refusal = rig.one();
    assert!(refusal.starts_with("SIP/2.0 482 "));
    // Whoever forked it may have sent it to another URI of ours.
    let elsewhere = Ask { uri: "sip:101@192.0.2.10", ..invite().branch("z9hG4bKthree") };
    rig.hears(phone(), &elsewhere.text());
    assert!(rig.one().starts_with("SIP/2.0 482 "));
    rig.answers(server, &request, 200);
    rig.hears(phone(), &invite().but("ACK").branch("z9hG4bKack").to_tag("ours").text());
    rig.sent();
    rig.hears(phone(), &merged.text());
    assert_eq!(rig.one(), refusal, "with the same tag whenever it comes");
    assert!(is_acknowledged(&rig.told()));
    rig.advance(secs(33));
    rig.hears(phone(), &merged.text());
    let (server, request) = rig.request();
    rig.answers(server, &request, 404);
    rig.settles();
}

#[test]
fn a_request_inside_a_dialog_or_with_another_cseq_is_not_merged() {
    let mut rig = Rig::new();
    let options = Ask::new("OPTIONS");
    rig.hears(phone(), &options.text());
    let (first, request) = rig.request();
    rig.answers(first, &request, 200);
    for other in [
        Ask { cseq: 2, ..options.branch("z9hG4bKtwo") },
        Ask { call_id: "another", ..options.branch("z9hG4bKthree") },
        Ask { from: "<sip:bob@example.com>;tag=x", ..options.branch("z9hG4bKfour") },
        options.branch("z9hG4bKfive").to_tag("ours"),
    ] {
        rig.hears(phone(), &other.text());
        let (server, request) = rig.request();
        rig.answers(server, &request, 200);
    }
    assert_eq!(rig.ladder(), ["200 OK"; 5]);
    rig.settles();
}

#[test]
fn a_cancel_is_answered_and_told_once() {
    let (mut rig, server, request) = rung();
    rig.answers(server, &request, 180);
    rig.sent();
    let cancel = Ask { headers: "Reason: SIP;cause=600\r\n", ..invite().but("CANCEL") };
    rig.hears(phone(), &cancel.text());
    let ok = rig.one();
    assert!(ok.starts_with("SIP/2.0 200 OK"));
    assert_eq!(header(&ok, "CSeq"), "1 CANCEL");
    assert!(header(&ok, "To").ends_with(";tag=ours"), "the tag of the INVITE's answers");
    match &rig.told()[..] {
        [Event::Cancelled { server: which, reason: Some(reason) }] => {
            assert_eq!((*which, reason.as_str()), (server, "SIP;cause=600"));
        }
        told => panic!("{told:?}"),
    }
    rig.hears(phone(), &cancel.text());
    assert_eq!(rig.one(), ok);
    assert!(rig.told().is_empty());
    rig.answers(server, &request, 487);
    rig.hears(phone(), &invite().but("ACK").to_tag("ours").text());
    assert_eq!(rig.ladder(), ["487 Request Terminated"]);
    rig.settles();
}

#[test]
fn a_200_may_cross_the_cancel() {
    let (mut rig, server, request) = rung();
    rig.hears(phone(), &invite().but("CANCEL").text());
    rig.answers(server, &request, 200);
    assert_eq!(rig.ladder(), ["200 OK", "200 OK"]);
    rig.hears(phone(), &invite().but("ACK").branch("z9hG4bKx").to_tag("ours").text());
    assert!(matches!(rig.told()[..], [Event::Cancelled { .. }, Event::Acknowledged { .. }]));
    rig.settles();
}

#[test]
fn a_cancel_after_the_final_answer_has_no_effect() {
    for code in [200, 486] {
        let (mut rig, server, request) = rung();
        rig.answers(server, &request, code);
        rig.sent();
        rig.hears(phone(), &invite().but("CANCEL").text());
        assert_eq!(rig.ladder(), ["200 OK"]);
        assert!(rig.told().is_empty());
        rig.settles();
    }
}

#[test]
fn a_cancel_of_nothing_gets_481() {
    let (mut rig, server, request) = rung();
    rig.hears(phone(), &invite().but("CANCEL").branch("z9hG4bKelse").text());
    assert!(rig.one().starts_with("SIP/2.0 481 "));
    assert!(rig.told().is_empty());
    rig.answers(server, &request, 404);
    rig.settles();
}

#[test]
fn a_stray_ack_is_dropped() {
    let (mut rig, server, request) = rung();
    rig.answers(server, &request, 200);
    rig.sent();
    let ack = invite().but("ACK").branch("z9hG4bKack");
    for stray in [
        ack.to_tag("another"),
        Ask { cseq: 2, ..ack.to_tag("ours") },
        Ask { call_id: "another", ..ack.to_tag("ours") },
        Ask { from: "<sip:bob@example.com>;tag=x", ..ack.to_tag("ours") },
    ] {
        rig.hears(phone(), &stray.text());
        assert!(rig.told().is_empty());
    }
    assert!(rig.sent().is_empty());
    rig.hears(phone(), &ack.to_tag("ours").text());
    assert!(is_acknowledged(&rig.told()));
    rig.settles();
}

#[test]
fn a_repeated_request_gets_the_same_answer_for_32_s() {
    let mut rig = Rig::new();
    let bye = Ask::new("BYE").to_tag("ours");
    rig.hears(phone(), &bye.text());
    let (server, request) = rig.request();
    rig.hears(phone(), &bye.text());
    assert!(rig.sent().is_empty(), "RFC 3261 §17.2.2: discarded in Trying");
    rig.answers(server, &request, 200);
    let ok = rig.one();
    rig.advance(secs(31));
    rig.hears(phone(), &bye.text());
    assert_eq!(rig.one(), ok);
    assert!(rig.told().is_empty());
    rig.settles();
}

#[test]
fn over_tcp_an_answered_request_is_forgotten_at_once() {
    let mut rig = Rig::new();
    rig.hears(tcp("192.0.2.1:40000", 7), &Ask::new("BYE").to_tag("ours").text());
    let (server, request) = rig.request();
    rig.answers(server, &request, 200);
    assert_eq!(rig.endpoint.open(), 0);
    assert_eq!(rig.endpoint.deadline(), None);
    rig.settles();
}

#[test]
fn what_rfc_4320_bars_is_not_sent() {
    let mut rig = Rig::new();
    rig.hears(phone(), &Ask::new("OPTIONS").text());
    let (server, request) = rig.request();
    rig.answers(server, &request, 180);
    rig.answers(server, &request, 408);
    assert!(rig.sent().is_empty());
    assert_eq!(rig.endpoint.open(), 0);
    rig.settles();
}

#[test]
fn a_request_that_nobody_answers_is_forgotten() {
    let mut rig = Rig::new();
    rig.hears(phone(), &Ask::new("OPTIONS").text());
    rig.request();
    rig.settles();
    assert!(rig.sent().is_empty());
}

#[test]
fn peers_of_rfc_2543_are_matched_without_a_branch() {
    for via in ["SIP/2.0/UDP 192.0.2.1", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"] {
        let invite = Ask { from: "<sip:bob@example.com>", ..invite().via(via) };
        let mut rig = Rig::new();
        rig.hears(phone(), &invite.text());
        let (server, request) = rig.request();
        rig.hears(phone(), &invite.text());
        assert_eq!(rig.ladder(), ["100 Trying"]);
        rig.hears(phone(), &invite.but("CANCEL").text());
        assert!(matches!(rig.told()[..], [Event::Cancelled { .. }]));
        rig.answers(server, &request, 487);
        assert_eq!(rig.ladder(), ["200 OK", "487 Request Terminated"]);
        rig.hears(phone(), &invite.but("ACK").to_tag("ours").text());
        rig.advance(secs(1));
        assert!(rig.sent().is_empty());
        let another = Ask { uri: "sip:101@192.0.2.10", ..invite };
        rig.hears(phone(), &another.text());
        let (server, request) = rig.request();
        rig.answers(server, &request, 200);
        rig.hears(phone(), &another.but("ACK").to_tag("ours").text());
        assert!(is_acknowledged(&rig.told()));
        rig.settles();
    }
}

#[test]
fn a_careless_branch_joins_nothing() {
    let mut rig = Rig::new();
    let options = Ask::new("OPTIONS");
    rig.hears(phone(), &options.text());
    let (server, request) = rig.request();
    rig.answers(server, &request, 200);
    rig.hears(phone(), &Ask { call_id: "another", ..options.clone() }.text());
    let (server, request) = rig.request();
    rig.answers(server, &request, 200);
    rig.hears(phone(), &Ask { cseq: 2, ..options }.text());
    let (server, request) = rig.request();
    rig.answers(server, &request, 200);
    rig.settles();
}

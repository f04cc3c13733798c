//! Requests of ours: answers, ACKs, CANCELs, forks, strays and lost transports.

use super::*;

fn told_failed(rig: &mut Rig, client: ClientId) -> u16 {
    match rig.told()[..] {
        [Event::Failed { client: which, status }] if which == client => status.code(),
        ref told => panic!("{told:?}"),
    }
}

#[test]
fn a_request_carries_our_via_and_its_answer_is_told_once() {
    let mut rig = Rig::new();
    let client = rig.asks(Method::Options, phone());
    let request = rig.one();
    let via = header(&request, "Via");
    assert!(via.starts_with("SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK"), "{via}");
    assert!(via.ends_with(";rport"));
    rig.advance(ms(500));
    assert_eq!(rig.one(), request);
    let ok = answer_to(&request, 200, "x");
    rig.hears(phone(), &ok);
    assert_eq!(rig.response().0, client);
    rig.hears(phone(), &ok);
    assert!(rig.told().is_empty());
    assert_eq!(rig.endpoint.open(), 1);
    rig.settles();
    assert!(rig.sent().is_empty());
}

#[test]
fn over_tcp_the_via_says_so_and_nothing_lingers() {
    let mut rig = Rig::new();
    rig.asks(Method::Options, tcp("192.0.2.1:5060", 3));
    let request = rig.one();
    assert!(header(&request, "Via").starts_with("SIP/2.0/TCP 192.0.2.10:5060;"));
    rig.hears(tcp("192.0.2.1:5060", 3), &answer_to(&request, 200, "x"));
    rig.response();
    assert_eq!(rig.endpoint.open(), 0);
    assert_eq!(rig.endpoint.deadline(), None);
    rig.settles();
}

#[test]
fn a_request_that_nobody_answers_fails_with_408_after_32_s() {
    for (method, times) in [(Method::Invite, 7), (Method::Options, 11)] {
        let mut rig = Rig::new();
        let client = rig.asks(method, phone());
        rig.advance(ms(31_999));
        assert_eq!(rig.sent().len(), times);
        assert!(rig.told().is_empty());
        rig.advance(ms(1));
        assert_eq!(told_failed(&mut rig, client), 408);
        rig.settles();
    }
}

#[test]
fn a_refusal_is_acknowledged_with_the_invites_branch_whenever_it_comes() {
    let mut rig = Rig::new();
    let client = rig.asks(Method::Invite, phone());
    let invite = rig.one();
    rig.hears(phone(), &answer_to(&invite, 100, ""));
    assert_eq!(rig.response().0, client);
    let busy = answer_to(&invite, 486, "x");
    rig.hears(phone(), &busy);
    assert_eq!(rig.response().1.status(), Some(Status::of(486)));
    let ack = rig.one();
    let via = header(&invite, "Via");
    assert_eq!(
        ack,
        format!(
            "ACK sip:bob@192.0.2.1 SIP/2.0\r\nVia: {via}\r\nRoute: <sip:192.0.2.1;lr>\r\n\
             From: <sip:switch@example.com>;tag=ours\r\nTo: <sip:bob@example.com>;tag=x\r\n\
             Call-ID: call-1\r\nCSeq: 7 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    );
    rig.advance(secs(20));
    rig.hears(phone(), &busy);
    assert_eq!(rig.one(), ack);
    assert!(rig.told().is_empty());
    rig.settles();
}

#[test]
fn a_repeated_200_is_acknowledged_again_and_not_told() {
    let mut rig = Rig::new();
    let client = rig.asks(Method::Invite, phone());
    let invite = rig.one();
    let ok = answer_to(&invite, 200, "x");
    rig.hears(phone(), &ok);
    rig.response();
    rig.hears(phone(), &ok);
    assert!(rig.told().is_empty() && rig.sent().is_empty(), "the user has not acknowledged yet");
    let there = udp("192.0.2.1:5080");
    rig.endpoint.acknowledge(client, there, outgoing_ack("x"));
    let first = rig.sent_to();
    assert_ne!(header(&first[0].1, "Via"), header(&invite, "Via"), "a transaction of its own");
    rig.advance(secs(31));
    rig.hears(phone(), &ok);
    assert_eq!(rig.sent_to(), first, "the very same ACK, to where the dialog is");
    assert!(rig.told().is_empty());
    rig.advance(ms(1100));
    rig.hears(phone(), &ok);
    assert!(rig.sent().is_empty() && rig.told().is_empty(), "64*T1 are over");
    rig.settles();
}

#[test]
fn the_ack_of_a_200_has_the_credentials_of_its_invite() {
    let mut rig = Rig::new();
    let proof = "Digest username=\"office\", response=\"1\"";
    let invite = outgoing(&Method::Invite).header(Name::ProxyAuthorization, proof);
    let client = rig.endpoint.request(rig.now, phone(), invite);
    let invite = rig.one();
    for tag in ["x", "y"] {
        rig.hears(phone(), &answer_to(&invite, 200, tag));
        rig.response();
        rig.endpoint.acknowledge(client, phone(), outgoing_ack(tag));
        assert_eq!(header(&rig.one(), "Proxy-Authorization"), proof, "of {tag}");
    }
    rig.hears(phone(), &answer_to(&invite, 200, "x"));
    assert_eq!(header(&rig.one(), "Proxy-Authorization"), proof, "said again");
    rig.settles();
}

#[test]
fn a_200_of_another_fork_is_told_and_acknowledged_apart() {
    let mut rig = Rig::new();
    let client = rig.asks(Method::Invite, phone());
    let invite = rig.one();
    let (one, two) = (answer_to(&invite, 200, "x"), answer_to(&invite, 200, "y"));
    rig.hears(phone(), &one);
    rig.hears(phone(), &two);
    let tags: Vec<String> = rig
        .told()
        .into_iter()
        .map(|event| match event {
            Event::Response { response, .. } => response.to().tag().unwrap_or("").to_owned(),
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(tags, ["x", "y"]);
    rig.endpoint.acknowledge(client, phone(), outgoing_ack("x"));
    rig.endpoint.acknowledge(client, phone(), outgoing_ack("y"));
    let acks = rig.sent();
    rig.hears(phone(), &two);
    assert_eq!(rig.one(), acks[1]);
    rig.hears(phone(), &one);
    assert_eq!(rig.one(), acks[0]);
    for n in 0..100 {
        rig.hears(phone(), &answer_to(&invite, 200, &format!("flood{n}")));
    }
    assert_eq!(rig.told().len(), 14, "forks are bounded");
    rig.settles();
}

#[test]
fn a_cancel_waits_for_a_provisional_answer() {
    let mut rig = Rig::new();
    let client = rig.asks(Method::Invite, phone());
    let invite = rig.one();
    rig.endpoint.cancel(rig.now, client, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    rig.endpoint.cancel(rig.now, client, None);
    assert!(rig.sent().is_empty());
    rig.hears(phone(), &answer_to(&invite, 100, ""));
    let cancel = rig.one();
    let via = header(&invite, "Via");
    assert_eq!(
        cancel,
        format!(
            "CANCEL sip:bob@192.0.2.1 SIP/2.0\r\nVia: {via}\r\nRoute: <sip:192.0.2.1;lr>\r\n\
             From: <sip:switch@example.com>;tag=ours\r\nTo: <sip:bob@example.com>\r\n\
             Call-ID: call-1\r\nCSeq: 7 CANCEL\r\nMax-Forwards: 70\r\n\
             Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\nContent-Length: 0\r\n\r\n"
        )
    );
    rig.response();
    rig.advance(ms(500));
    assert_eq!(rig.one(), cancel, "a lost CANCEL is repeated");
    rig.hears(phone(), &answer_to(&cancel, 200, "x"));
    assert!(rig.told().is_empty(), "its answer is not the user's business");
    rig.advance(secs(10));
    assert!(rig.sent().is_empty());
    rig.hears(phone(), &answer_to(&invite, 487, "x"));
    assert_eq!(rig.response().1.status(), Some(Status::of(487)));
    assert_eq!(rig.ladder(), ["ACK sip:bob@192.0.2.1"]);
    rig.settles();
}

#[test]
fn a_cancel_goes_out_at_once_while_it_rings() {
    let mut rig = Rig::new();
    let client = rig.asks(Method::Invite, phone());
    let invite = rig.one();
    rig.hears(phone(), &answer_to(&invite, 180, "x"));
    rig.endpoint.cancel(rig.now, client, None);
    rig.endpoint.cancel(rig.now, client, None);
    assert_eq!(rig.ladder(), ["CANCEL sip:bob@192.0.2.1"]);
    // The phone was answered meanwhile: the user is told, and will send ACK and BYE.
    rig.hears(phone(), &answer_to(&invite, 200, "x"));
    assert!(matches!(rig.told()[..], [Event::Response { .. }, Event::Response { .. }]));
    rig.settles();
}

#[test]
fn a_cancelled_invite_without_final_answer_fails_with_408() {
    let mut rig = Rig::new();
    let client = rig.asks(Method::Invite, phone());
    let invite = rig.one();
    rig.hears(phone(), &answer_to(&invite, 180, "x"));
    rig.response();
    rig.advance(secs(60));
    rig.endpoint.cancel(rig.now, client, None);
    rig.advance(secs(33));
    assert_eq!(told_failed(&mut rig, client), 408);
    rig.settles();
}

#[test]
fn a_cancel_after_the_final_answer_or_of_anything_else_is_nothing() {
    let mut rig = Rig::new();
    let client = rig.asks(Method::Invite, phone());
    let invite = rig.one();
    rig.hears(phone(), &answer_to(&invite, 200, "x"));
    rig.endpoint.cancel(rig.now, client, None);
    assert!(rig.sent().is_empty());
    let client = rig.asks(Method::Options, phone());
    rig.sent();
    rig.endpoint.cancel(rig.now, client, None);
    assert!(rig.sent().is_empty());
    rig.settles();
}

#[test]
fn a_reason_cannot_smuggle_a_line() {
    let mut rig = Rig::new();
    let client = rig.asks(Method::Invite, phone());
    let invite = rig.one();
    rig.hears(phone(), &answer_to(&invite, 180, "x"));
    rig.endpoint.cancel(rig.now, client, Some("SIP\r\nEvil: 1"));
    assert!(!rig.one().contains("\r\nEvil"));
    rig.settles();
}

#[test]
fn strays_are_dropped() {
    let mut rig = Rig::new();
    rig.asks(Method::Options, phone());
    let request = rig.one();
    let ok = answer_to(&request, 200, "x");
    for stray in [
        ok.replace("192.0.2.10:5060;", "192.0.2.11:5060;"),
        ok.replace("192.0.2.10:5060;", "192.0.2.10:5061;"),
        ok.replace("192.0.2.10:5060;", "example.com;"),
        ok.replace(";rport\r\n", ";rport, SIP/2.0/UDP 255.255.255.255\r\n"),
        ok.replace("7 OPTIONS", "7 INVITE"),
        ok.replace("7 OPTIONS", "7 CANCEL"),
        ok.replace("7 OPTIONS", "7 BYE"),
        ok.replace("7 OPTIONS", "7 OPTION"),
        ok.replace("z9hG4bK", "z9hG4bL"),
        ok.replace(";rport", "0;rport"),
        ok.replace("branch=z9hG4bK", "branch=z9hG4bK+"),
    ] {
        assert_ne!(stray, ok);
        rig.hears(phone(), &stray);
        assert!(rig.told().is_empty() && rig.sent().is_empty(), "{stray}");
    }
    rig.hears(phone(), &ok);
    rig.response();
    rig.settles();
}

#[test]
fn a_lost_connection_fails_what_waits_on_it() {
    let mut rig = Rig::new();
    let there = tcp("192.0.2.1:40000", 3);
    let on_it = rig.asks(Method::Invite, there);
    rig.asks(Method::Options, tcp("192.0.2.1:40000", 4));
    rig.asks(Method::Options, tcp("192.0.2.2:40000", 5));
    rig.sent();
    rig.endpoint.flow_event(rig.now, flow::Event::Closed(there));
    assert_eq!(told_failed(&mut rig, on_it), 503);
    assert_eq!(rig.endpoint.open(), 2);
    rig.endpoint.flow_event(rig.now, flow::Event::Closed(there));
    assert!(rig.told().is_empty());
    rig.settles();
}

/// It is said that the INVITE's connection is gone, and nothing else: the INVITE has arrived.
fn told_severed(rig: &mut Rig, client: ClientId) {
    let told = rig.told();
    assert!(matches!(told[..], [Event::Severed { client: which }] if which == client), "{told:?}");
}

#[test]
fn a_phone_that_rings_may_answer_by_a_new_connection() {
    let mut rig = Rig::new();
    let there = tcp("192.0.2.1:40000", 3);
    let client = rig.asks(Method::Invite, there);
    let invite = rig.one();
    rig.hears(there, &answer_to(&invite, 180, "x"));
    rig.response();
    rig.endpoint.flow_event(rig.now, flow::Event::Closed(there));
    told_severed(&mut rig, client);
    // It is said once more where the phone is now, whose CANCEL would go there too.
    rig.endpoint.repeat(client, tcp("192.0.2.1:40001", 4));
    assert_eq!(rig.sent_to(), [(tcp("192.0.2.1:40001", 4), invite.clone())]);
    rig.endpoint.repeat(client, udp("192.0.2.1:5060"));
    assert_eq!(rig.sent_to(), [], "its Via says TCP");
    rig.hears(tcp("192.0.2.1:40001", 4), &answer_to(&invite, 200, "x"));
    let (told, answer) = rig.response();
    assert_eq!((told, answer.status()), (client, Some(Status::of(200))));
    rig.settles();
}

#[test]
fn a_phone_that_rings_on_is_cancelled_by_a_new_connection() {
    let mut rig = Rig::new();
    let there = tcp("192.0.2.1:40000", 3);
    let anew = Flow { connection: None, ..there };
    let client = rig.asks(Method::Invite, there);
    let invite = rig.one();
    rig.hears(there, &answer_to(&invite, 180, "x"));
    rig.response();
    rig.endpoint.flow_event(rig.now, flow::Event::Closed(there));
    told_severed(&mut rig, client);
    rig.endpoint.cancel(rig.now, client, None);
    let (to, cancel) = rig.sent_to().remove(0);
    assert!(cancel.starts_with("CANCEL ") && to == anew, "{to:?} {cancel}");
    // It got lost with the connection that it opened.
    rig.endpoint.flow_event(rig.now, flow::Event::Closed(tcp("192.0.2.1:40000", 4)));
    assert_eq!(rig.sent_to(), [(anew, cancel)]);
    // Nobody is there any more.
    rig.endpoint.flow_event(rig.now, flow::Event::Unreachable(anew));
    assert_eq!(told_failed(&mut rig, client), 503);
    assert_eq!(rig.endpoint.open(), 0);
    rig.settles();
}

#[test]
fn an_unreachable_address_fails_what_waits_for_it() {
    let mut rig = Rig::new();
    let client = rig.asks(Method::Invite, phone());
    let answered = rig.asks(Method::Options, phone());
    let options = rig.sent().remove(1);
    rig.hears(phone(), &answer_to(&options, 200, "x"));
    assert_eq!(rig.response().0, answered);
    rig.endpoint.flow_event(rig.now, flow::Event::Unreachable(udp("192.0.2.1:5061")));
    assert!(rig.told().is_empty());
    rig.endpoint.flow_event(rig.now, flow::Event::Unreachable(phone()));
    assert_eq!(told_failed(&mut rig, client), 503);
    rig.settles();
}

#[test]
fn a_phone_that_rings_is_not_unreachable_whatever_a_packet_says() {
    let mut rig = Rig::new();
    rig.asks(Method::Invite, phone());
    let invite = rig.one();
    rig.hears(phone(), &answer_to(&invite, 180, "x"));
    rig.response();
    rig.endpoint.flow_event(rig.now, flow::Event::Unreachable(phone()));
    assert!(rig.told().is_empty());
    rig.hears(phone(), &answer_to(&invite, 486, "x"));
    rig.response();
    rig.settles();
}

#[test]
fn a_flow_of_the_other_transport_finds_the_listener_of_that_transport() {
    let mut rig = Rig::new();
    let flow = Flow { transport: Transport::Tcp, ..udp("192.0.2.1:5060") };
    rig.asks(Method::Options, flow);
    let (sent, text) = rig.sent_to().remove(0);
    assert_eq!(sent.listener, ListenerId(1));
    assert!(header(&text, "Via").starts_with("SIP/2.0/TCP "));
    rig.advance(secs(32));
    rig.settles();
}

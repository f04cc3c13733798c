//! Where answers go: RFC 3261 §18.2, RFC 3581, and connections that come and go.

use super::*;

/// The flow and Via of the answer to an OPTIONS with that Via.
fn answered(flow: Flow, via: &str) -> (Flow, String) {
    let mut rig = Rig::new();
    rig.hears(flow, &Ask::new("OPTIONS").via(via).text());
    let (server, request) = rig.request();
    rig.answers(server, &request, 200);
    let (to, text) = rig.sent_to().remove(0);
    rig.settles();
    (to, header(&text, "Via").to_owned())
}

#[test]
fn an_answer_goes_to_the_source_and_the_port_of_the_via() {
    for (source, via, to, stamped) in [
        ("192.0.2.1:5060", "192.0.2.1", "192.0.2.1:5060", "192.0.2.1;branch=z9hG4bKx"),
        ("192.0.2.1:4000", "192.0.2.1", "192.0.2.1:5060", "192.0.2.1;branch=z9hG4bKx"),
        (
            "192.0.2.1:4000",
            "10.0.0.1:5070",
            "192.0.2.1:5070",
            "10.0.0.1:5070;branch=z9hG4bKx;received=192.0.2.1",
        ),
        (
            "192.0.2.1:4000",
            "10.0.0.1:5070;rport",
            "192.0.2.1:4000",
            "10.0.0.1:5070;branch=z9hG4bKx;received=192.0.2.1;rport=4000",
        ),
        (
            "192.0.2.1:4000",
            "192.0.2.1;maddr=203.0.113.9",
            "192.0.2.1:5060",
            "192.0.2.1;maddr=203.0.113.9;branch=z9hG4bKx",
        ),
        (
            "192.0.2.1:4000",
            "phone.example;maddr=224.0.0.1;received=203.0.113.9",
            "192.0.2.1:5060",
            "phone.example;maddr=224.0.0.1;branch=z9hG4bKx;received=192.0.2.1",
        ),
        (
            "[2001:db8::1]:4000",
            "[2001:db8::1]:6060;rport",
            "[2001:db8::1]:4000",
            "[2001:db8::1]:6060;branch=z9hG4bKx;received=2001:db8::1;rport=4000",
        ),
    ] {
        let (flow, line) = answered(udp(source), &format!("SIP/2.0/UDP {via};branch=z9hG4bKx"));
        assert_eq!(flow, udp(to), "{via}");
        assert_eq!(line, format!("SIP/2.0/UDP {stamped}"));
    }
}

#[test]
fn an_answer_over_tcp_goes_over_its_connection() {
    let flow = tcp("192.0.2.1:40000", 7);
    let (to, line) = answered(flow, "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKx");
    assert_eq!(to, flow);
    assert_eq!(line, "SIP/2.0/TCP 192.0.2.1:5070;branch=z9hG4bKx");
}

#[test]
fn when_the_connection_is_gone_the_answer_takes_a_new_one_to_the_port_of_the_via() {
    let mut rig = Rig::new();
    let flow = tcp("192.0.2.1:40000", 7);
    rig.hears(flow, &Ask::new("INVITE").via("SIP/2.0/TCP 10.0.0.1:5070;branch=z9hG4bKx").text());
    let (server, request) = rig.request();
    rig.endpoint.flow_event(rig.now, flow::Event::Closed(flow));
    rig.answers(server, &request, 486);
    let (to, _) = rig.sent_to().remove(0);
    assert_eq!(to, Flow { connection: None, ..tcp("192.0.2.1:5070", 0) });
    rig.settles();
}

#[test]
fn a_sender_that_comes_again_by_a_new_connection_is_answered_there() {
    let mut rig = Rig::new();
    let text = Ask::new("INVITE").via("SIP/2.0/TCP 10.0.0.1:5070;branch=z9hG4bKx").text();
    rig.hears(tcp("192.0.2.1:40000", 7), &text);
    let (server, request) = rig.request();
    rig.hears(tcp("192.0.2.1:40001", 8), &text);
    rig.endpoint.flow_event(rig.now, flow::Event::Closed(tcp("192.0.2.1:40000", 7)));
    rig.answers(server, &request, 486);
    for (to, _) in rig.sent_to() {
        assert_eq!(to, tcp("192.0.2.1:40001", 8));
    }
    rig.settles();
}

#[test]
fn a_stranger_that_repeats_a_request_does_not_draw_its_answers() {
    let mut rig = Rig::new();
    let text = Ask::new("INVITE").text();
    rig.hears(phone(), &text);
    let (server, request) = rig.request();
    rig.hears(udp("203.0.113.9:5060"), &text);
    rig.answers(server, &request, 200);
    for (to, _) in rig.sent_to() {
        assert_eq!(to, phone());
    }
    rig.advance(secs(40));
    rig.settles();
}

#[test]
fn what_is_more_than_twice_the_request_is_said_in_brief_or_not_at_all() {
    let long = "x".repeat(2_000);
    for (code, name, is_said) in [(403, Name::Warning, true), (401, Name::WwwAuthenticate, false)] {
        let mut rig = Rig::new();
        rig.hears(phone(), &Ask::new("REGISTER").text());
        let (server, request) = rig.request();
        let answer = Outgoing::response(Status::of(code), &request, Some("x")).header(name, &long);
        rig.endpoint.dismiss(server, answer);
        // A 401 that asks for nothing is no answer.
        let said: Vec<String> = rig.sent();
        assert_eq!(said.len(), usize::from(is_said), "{code}");
        assert!(!said.iter().any(|text| text.contains(&long)));
        rig.settles();
    }
}

#[test]
fn nothing_is_sent_to_groups_or_to_nobody() {
    let mut rig = Rig::new();
    for source in ["224.0.0.1:5060", "255.255.255.255:5060", "0.0.0.0:5060", "192.0.2.1:0"] {
        rig.hears(udp(source), &Ask::new("OPTIONS").text());
        rig.hears(udp(source), "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n");
        assert!(rig.told().is_empty() && rig.sent().is_empty(), "{source}");
        let client = rig.asks(Method::Options, udp(source));
        assert!(rig.sent().is_empty());
        assert!(matches!(rig.told()[..], [Event::Failed { client: which, .. }] if which == client));
    }
    rig.settles();
}

/// A request of more than so many bytes.
fn long(method: Method, bytes: usize) -> Outgoing {
    outgoing(&method).header(Name::Subject, "x".repeat(bytes))
}

#[test]
fn what_is_too_long_for_udp_goes_by_tcp_and_by_udp_where_that_is_refused() {
    let by_tcp = Flow { transport: Transport::Tcp, listener: ListenerId(1), ..phone() };
    for method in [Method::Invite, Method::Options] {
        let mut rig = Rig::new();
        let client = rig.endpoint.request(rig.now, phone(), long(method.clone(), 1_300));
        let (to, text) = rig.sent_to().remove(0);
        assert_eq!(to, by_tcp);
        assert!(header(&text, "Via").starts_with("SIP/2.0/TCP 192.0.2.10:5060;"), "{text}");
        rig.advance(secs(1));
        assert_eq!(rig.sent().len(), 0, "TCP repeats nothing");

        rig.endpoint.flow_event(rig.now, flow::Event::Unreachable(by_tcp));
        let (to, plain) = rig.sent_to().remove(0);
        assert_eq!((to, plain.replace("/UDP", "/TCP")), (phone(), text));
        rig.advance(secs(1));
        assert_eq!(rig.one(), plain, "UDP does");
        rig.hears(phone(), &answer_to(&plain, 486, "x"));
        assert_eq!(rig.response().0, client);
        rig.advance(secs(32));
        rig.sent();

        // Not long ago TCP was refused there; in ten minutes it is tried again.
        for (wait, flow) in [(0, phone()), (600, by_tcp)] {
            rig.advance(secs(wait));
            rig.endpoint.request(rig.now, phone(), long(Method::Options, 1_300));
            assert_eq!(rig.sent_to().remove(0).0, flow, "{wait}");
            rig.advance(secs(64));
            rig.sent();
            rig.told();
        }
        rig.settles();
    }
}

#[test]
fn what_fits_a_datagram_or_has_been_answered_over_tcp_is_not_sent_otherwise() {
    let mut rig = Rig::new();
    rig.endpoint.request(rig.now, phone(), long(Method::Options, 800));
    assert_eq!(rig.sent_to().remove(0).0, phone());
    rig.advance(secs(64));
    rig.sent();
    rig.told();
    // 1,300 bytes are the most (RFC 3261 §18.1.1).
    let rest = 1_300 - {
        rig.endpoint.request(rig.now, phone(), long(Method::Options, 1));
        rig.sent_to().remove(0).1.len()
    };
    for (bytes, transport) in [(1 + rest, Transport::Udp), (2 + rest, Transport::Tcp)] {
        rig.endpoint.request(rig.now, phone(), long(Method::Options, bytes));
        assert_eq!(rig.sent_to().remove(0).0.transport, transport);
    }
    rig.advance(secs(64));
    rig.sent();
    rig.told();
    let client = rig.endpoint.request(rig.now, phone(), long(Method::Invite, 1_300));
    let (to, text) = rig.sent_to().remove(0);
    rig.hears(to, &answer_to(&text, 180, "x"));
    rig.told();
    rig.endpoint.flow_event(rig.now, flow::Event::Unreachable(to));
    assert!(matches!(rig.told()[..], [Event::Failed { client: failed, .. }] if failed == client));
    assert_eq!(rig.sent().len(), 0);
    rig.settles();
}

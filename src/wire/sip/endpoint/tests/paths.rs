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
    rig.endpoint.flow_event(flow::Event::Closed(flow));
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
    rig.endpoint.flow_event(flow::Event::Closed(tcp("192.0.2.1:40000", 7)));
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

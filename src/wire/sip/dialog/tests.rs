//! Dialogs as both sides see them: route sets, loose and strict routers, order, targets and flows.

use super::*;
use crate::wire::flow::{ConnectionId, ListenerId, PeerId};

fn udp(remote: &str) -> Flow {
    let remote = remote.parse().expect("an address");
    Flow::to(ListenerId(0), Transport::Udp, remote)
}

fn tcp(remote: &str, connection: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(ConnectionId(connection)), ..udp(remote) }
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a URI")
}

fn parse(text: &str) -> Message {
    Message::parse(text.as_bytes()).map_err(|(malformed, _)| malformed).expect("a message")
}

fn written(message: Outgoing) -> String {
    let mut bytes = Vec::new();
    message.write(Some("SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKx"), &mut bytes);
    String::from_utf8(bytes).expect("text")
}

fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

/// A request of bob's, or a response of his to ours.
fn from_bob(start: &str, from: &str, to: &str, cseq: &str, more: &str) -> Message {
    parse(&format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb\r\nFrom: {from}\r\nTo: {to}\r\n\
         Call-ID: c1\r\nCSeq: {cseq}\r\n{more}Content-Length: 0\r\n\r\n"
    ))
}

const BOB: &str = "\"Bob\" <sip:bob@example.com>;tag=b";
const US: &str = "<sip:100@example.com>;tag=ours";

/// A request of bob's inside the dialog.
fn inside(method: &str, cseq: u32, more: &str) -> Message {
    let (start, cseq) = (format!("{method} sip:us SIP/2.0"), format!("{cseq} {method}"));
    from_bob(&start, BOB, US, &cseq, more)
}

fn answering(more: &str, reach: Reach) -> Dialog {
    let invite = from_bob("INVITE sip:us SIP/2.0", BOB, "<sip:100@example.com>", "5 INVITE", more);
    Dialog::answering(&invite, udp("192.0.2.1:4000"), reach, "ours", uri("sip:192.0.2.10"))
}

fn calling() -> Dialog {
    Dialog::calling(
        "c1",
        Address::new(uri("sip:100@example.com")).tagged("ours"),
        Address::named("Bob", uri("sip:bob@example.com")),
        uri("sip:bob@192.0.2.1"),
        Vec::new(),
        udp("192.0.2.1:5060"),
        Reach::Contact,
        uri("sip:192.0.2.10"),
        41,
    )
}

/// Bob's response to our INVITE.
fn answer(code: u16, tag: &str, more: &str) -> Message {
    let to = format!("\"Bob\" <sip:bob@example.com>{tag}");
    from_bob(&format!("SIP/2.0 {code} x"), US, &to, "41 INVITE", more)
}

#[test]
fn the_called_side_answers_by_the_record_route_as_it_came() {
    let mut dialog = answering(
        "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\nContact: <sip:bob@10.0.0.1:5070>\r\n",
        Reach::Contact,
    );
    let bye = written(dialog.request(&Method::Bye));
    assert!(bye.starts_with("BYE sip:bob@10.0.0.1:5070 SIP/2.0\r\n"), "{bye}");
    assert_eq!(lines(&bye, "Route"), ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
    assert_eq!(lines(&bye, "From"), ["<sip:100@example.com>;tag=ours"]);
    assert_eq!(lines(&bye, "To"), ["\"Bob\" <sip:bob@example.com>;tag=b"]);
    assert_eq!(lines(&bye, "Call-ID"), ["c1"]);
    assert_eq!(lines(&bye, "CSeq"), ["1 BYE"]);
    assert_eq!(lines(&bye, "Max-Forwards"), ["70"]);
    assert!(lines(&bye, "Contact").is_empty(), "a BYE has none");
    assert_eq!(
        dialog.id(),
        DialogId { call_id: "c1".into(), local_tag: "ours".into(), remote_tag: Some("b".into()) }
    );
}

#[test]
fn the_calling_side_turns_the_record_route_round() {
    let mut dialog = calling();
    let invite = written(dialog.request(&Method::Invite));
    assert!(invite.starts_with("INVITE sip:bob@192.0.2.1 SIP/2.0\r\n"));
    assert_eq!(lines(&invite, "CSeq"), ["41 INVITE"], "the number it was made with");
    assert_eq!(lines(&invite, "Contact"), ["<sip:192.0.2.10>"]);
    assert_eq!(lines(&invite, "To"), ["\"Bob\" <sip:bob@example.com>"]);

    dialog.establish(
        &answer(
            200,
            ";tag=b",
            "Record-Route: <sip:p1.example;lr>\r\nRecord-Route: <sip:p2.example;lr>\r\n\
             Contact: <sip:bob@10.0.0.1>\r\n",
        ),
        udp("192.0.2.1:5060"),
    );
    let ack = written(dialog.ack(41));
    assert!(ack.starts_with("ACK sip:bob@10.0.0.1 SIP/2.0\r\n"));
    assert_eq!(lines(&ack, "Route"), ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
    assert_eq!(lines(&ack, "CSeq"), ["41 ACK"]);
    assert_eq!(lines(&ack, "To"), ["\"Bob\" <sip:bob@example.com>;tag=b"]);
    let update = written(dialog.request(&Method::Update));
    assert_eq!(lines(&update, "CSeq"), ["42 UPDATE"]);
    assert_eq!(dialog.sequence(), 42);
}

#[test]
fn a_strict_router_gets_the_request_uri_and_the_target_goes_last() {
    let mut dialog = answering(
        "Record-Route: <sip:strict.example:5080?x=y>, <sip:p1.example;lr>\r\nContact: <sip:bob@10.0.0.1>\r\n",
        Reach::Contact,
    );
    let bye = written(dialog.request(&Method::Bye));
    assert!(bye.starts_with("BYE sip:strict.example:5080 SIP/2.0\r\n"), "{bye}");
    assert_eq!(lines(&bye, "Route"), ["<sip:p1.example;lr>", "<sip:bob@10.0.0.1>"]);
}

#[test]
fn a_route_known_before_gives_way_to_the_one_that_was_recorded() {
    let mut dialog = calling();
    dialog.routes = vec![Address::new(uri("sip:proxy.example;lr"))];
    assert_eq!(lines(&written(dialog.request(&Method::Invite)), "Route").len(), 1);
    dialog.establish(&answer(180, ";tag=b", ""), udp("192.0.2.1:5060"));
    assert!(lines(&written(dialog.request(&Method::Update)), "Route").is_empty());
}

#[test]
fn the_2xx_decides_what_the_180_only_said() {
    let mut dialog = calling();
    dialog.establish(&answer(100, "", ""), udp("192.0.2.1:5060"));
    assert_eq!(dialog.id().remote_tag, None);
    let early = "Record-Route: <sip:early.example;lr>\r\nContact: <sip:early@10.0.0.1>\r\n";
    dialog.establish(&answer(180, ";tag=b", early), udp("192.0.2.1:5060"));
    let late = "Record-Route: <sip:late.example;lr>\r\nContact: <sip:late@10.0.0.1>\r\n";
    dialog.establish(&answer(200, ";tag=b", late), udp("192.0.2.1:5060"));
    let ack = written(dialog.ack(41));
    assert!(ack.starts_with("ACK sip:late@10.0.0.1 SIP/2.0"));
    assert_eq!(lines(&ack, "Route"), ["<sip:late.example;lr>"]);

    // A re-INVITE's answer refreshes the target and leaves the route set alone (RFC 3261 §12.2).
    let again = "Record-Route: <sip:evil.example;lr>\r\nContact: <sip:moved@10.0.0.1>\r\n";
    dialog.establish(&answer(200, ";tag=b", again), udp("192.0.2.1:5060"));
    let ack = written(dialog.ack(42));
    assert!(ack.starts_with("ACK sip:moved@10.0.0.1 SIP/2.0"));
    assert_eq!(lines(&ack, "Route"), ["<sip:late.example;lr>"]);
}

#[test]
fn another_fork_is_another_dialog() {
    let mut dialog = calling();
    dialog.establish(&answer(180, ";tag=b1", ""), udp("192.0.2.1:5060"));
    dialog.establish(&answer(200, ";tag=b2", ""), udp("192.0.2.1:5060"));
    assert_eq!(dialog.id().remote_tag.as_deref(), Some("b2"));
}

#[test]
fn an_older_request_is_500_and_an_equal_or_newer_one_is_not() {
    let mut dialog = answering("", Reach::Contact);
    assert_eq!(dialog.accept(&inside("INFO", 4, "")), Err(Status::of(500)));
    assert_eq!(dialog.accept(&inside("INFO", 9, "")), Ok(()));
    assert_eq!(dialog.accept(&inside("INFO", 9, "")), Ok(()));
    assert_eq!(dialog.accept(&inside("BYE", 8, "")), Err(Status::of(500)));
    assert_eq!(dialog.accept(&inside("BYE", 10, "")), Ok(()));
    let mut dialog = calling();
    assert_eq!(dialog.accept(&inside("BYE", 1, "")), Ok(()), "the far side counts for itself");
}

#[test]
fn only_messages_with_its_call_id_and_tags_belong_to_it() {
    let dialog = answering("", Reach::Contact);
    assert!(dialog.owns(&inside("BYE", 6, "")));
    let bye = |from, to| from_bob("BYE sip:us SIP/2.0", from, to, "6 BYE", "");
    assert!(!dialog.owns(&bye("<sip:bob@example.com>;tag=x", US)));
    assert!(!dialog.owns(&bye("<sip:bob@example.com>", US)));
    assert!(!dialog.owns(&bye(BOB, "<sip:100@example.com>;tag=x")));
    assert!(!dialog.owns(&bye(BOB, "<sip:100@example.com>")));
    let text = String::from_utf8(inside("BYE", 6, "").bytes().to_vec()).expect("UTF-8");
    assert!(!dialog.owns(&parse(&text.replace("Call-ID: c1", "Call-ID: c2"))));
    let mut dialog = calling();
    assert!(dialog.owns(&answer(180, ";tag=any", "")));
    dialog.establish(&answer(180, ";tag=b", ""), udp("192.0.2.1:5060"));
    assert!(dialog.owns(&answer(200, ";tag=b", "")));
    assert!(!dialog.owns(&answer(200, ";tag=c", "")));
    assert!(dialog.owns(&inside("BYE", 1, "")));
}

#[test]
fn a_re_invite_moves_the_target_and_an_info_does_not() {
    let mut dialog = answering("Contact: <sip:bob@10.0.0.1>\r\n", Reach::Contact);
    let there = udp("192.0.2.1:4000");
    let moved = |dialog: &mut Dialog, method, number, contact| {
        dialog.refresh(&inside(method, number, contact), there)
    };
    assert!(!moved(&mut dialog, "INFO", 6, "Contact: <sip:bob@10.0.0.2>\r\n"));
    assert!(written(dialog.ack(1)).starts_with("ACK sip:bob@10.0.0.1 "));
    assert!(!moved(&mut dialog, "INVITE", 7, "Contact: <mailto:bob@example.com>\r\n"));
    assert!(written(dialog.ack(1)).starts_with("ACK sip:bob@10.0.0.1 "));
    assert!(moved(&mut dialog, "INVITE", 8, "Contact: <sip:bob@10.0.0.3>\r\n"));
    assert!(!moved(&mut dialog, "INVITE", 9, "Contact: <sip:bob@10.0.0.3>\r\n"), "as before");
    assert!(written(dialog.ack(1)).starts_with("ACK sip:bob@10.0.0.3 "));
    dialog.refresh(&answer(486, ";tag=b", "Contact: <sip:bob@10.0.0.4>\r\n"), there);
    assert!(written(dialog.ack(1)).starts_with("ACK sip:bob@10.0.0.3 "));
    dialog.refresh(&answer(200, ";tag=b", "Contact: <sip:bob@10.0.0.5>\r\n"), there);
    assert!(written(dialog.ack(1)).starts_with("ACK sip:bob@10.0.0.5 "));
}

#[test]
fn a_target_keeps_no_uri_headers_in_the_request_uri() {
    let dialog = answering(
        "Contact: <sip:bob@10.0.0.1;method=INVITE?Route=%3Csip:x%3E>\r\n",
        Reach::Contact,
    );
    let ack = written(dialog.ack(1));
    assert!(ack.starts_with("ACK sip:bob@10.0.0.1 SIP/2.0\r\n"), "{ack}");
    assert!(lines(&ack, "Route").is_empty());
}

#[test]
fn requests_go_to_the_first_route_or_the_target_if_it_is_a_literal() {
    let last = udp("192.0.2.1:4000");
    for (headers, flow) in [
        ("Contact: <sip:bob@10.0.0.1:5070>\r\n", udp("10.0.0.1:5070")),
        ("Contact: <sip:bob@10.0.0.1>\r\n", udp("10.0.0.1:5060")),
        ("Contact: <sip:bob@phone.example>\r\n", last),
        ("", last),
        (
            "Record-Route: <sip:10.0.0.9:5090;lr>\r\nContact: <sip:bob@10.0.0.1>\r\n",
            udp("10.0.0.9:5090"),
        ),
        ("Record-Route: <sip:10.0.0.9>\r\nContact: <sip:bob@10.0.0.1>\r\n", udp("10.0.0.9:5060")),
        ("Record-Route: <sip:p.example;lr>\r\nContact: <sip:bob@10.0.0.1>\r\n", last),
        (
            "Contact: <sip:bob@10.0.0.1;transport=TCP>\r\n",
            Flow { transport: Transport::Tcp, ..udp("10.0.0.1:5060") },
        ),
        ("Contact: <sip:bob@10.0.0.1;transport=sctp>\r\n", last),
        ("Contact: <sips:bob@10.0.0.1>\r\n", last),
        ("Contact: <sip:bob@224.0.0.1>\r\n", last),
        ("Contact: <sip:bob@255.255.255.255>\r\n", last),
        ("Contact: <sip:bob@0.0.0.0>\r\n", last),
    ] {
        assert_eq!(answering(headers, Reach::Contact).flow(), flow, "{headers}");
        assert_eq!(answering(headers, Reach::Source).flow(), last, "{headers}");
    }
}

#[test]
fn a_connection_is_kept_while_it_leads_to_the_target() {
    let there = tcp("10.0.0.1:5060", 3);
    let mut dialog = answering("Contact: <sip:bob@10.0.0.1;transport=tcp>\r\n", Reach::Contact);
    dialog.refresh(&inside("INFO", 6, ""), there);
    assert_eq!(dialog.flow(), there);
    let mut dialog = answering("Contact: <sip:bob@10.0.0.1>\r\n", Reach::Contact);
    dialog.refresh(&inside("INFO", 6, ""), there);
    assert_eq!(dialog.flow(), there, "no transport named: the one in use");
    dialog.refresh(&inside("INFO", 7, ""), tcp("10.0.0.1:40000", 4));
    assert_eq!(dialog.flow(), Flow { connection: None, ..there });
}

#[test]
fn what_began_over_tls_stays_there_and_with_whom_it_began() {
    let peer = Some(PeerId(2));
    let there = Flow { transport: Transport::Tls, peer, ..tcp("10.0.0.1:40000", 3) };
    let anew = |remote: &str| Flow { transport: Transport::Tls, peer, ..udp(remote) };
    for (contact, flow) in [
        ("sip:bob@10.0.0.1:5061;transport=tls", there),
        ("sip:bob@10.0.0.1", there),
        ("sips:bob@10.0.0.1", there),
        ("sip:bob@10.0.0.2;transport=tls", anew("10.0.0.2:5061")),
        ("sips:bob@10.0.0.2:7;transport=tcp", anew("10.0.0.2:7")),
        ("sip:bob@10.0.0.2", there),
        ("sip:bob@10.0.0.1;transport=udp", there),
        ("sips:bob@10.0.0.1;transport=udp", there),
    ] {
        let mut dialog = answering(&format!("Contact: <{contact}>\r\n"), Reach::Contact);
        dialog.refresh(&inside("INFO", 6, ""), there);
        assert_eq!(dialog.flow(), flow, "{contact}");
        // By another connection the same is still to be proven.
        dialog.refresh(&inside("INFO", 7, ""), Flow { peer: None, ..there });
        assert_eq!(dialog.flow(), flow, "{contact}");
    }
}

#[test]
fn a_phone_behind_nat_is_reached_where_it_was_last_heard() {
    let mut dialog = answering("Contact: <sip:bob@10.0.0.1>\r\n", Reach::Source);
    assert!(dialog.refresh(&inside("INFO", 6, ""), udp("192.0.2.1:4001")), "elsewhere");
    assert_eq!(dialog.flow(), udp("192.0.2.1:4001"));
}

#[test]
fn hops_of_the_first_invite_are_those_of_the_call_it_continues() {
    let mut dialog = calling().with_max_forwards(12);
    assert_eq!(lines(&written(dialog.request(&Method::Invite)), "Max-Forwards"), ["12"]);
    dialog.establish(&answer(200, ";tag=b", ""), udp("192.0.2.1:5060"));
    assert_eq!(lines(&written(dialog.request(&Method::Bye)), "Max-Forwards"), ["70"]);
}

#[test]
fn a_remembered_dialog_says_goodbye() {
    let mut dialog = answering(
        "Record-Route: <sip:192.0.2.1:5080;lr>, <sip:p1.example;lr>\r\nContact: <sip:bob@10.0.0.1;ob>\r\n",
        Reach::Contact,
    );
    dialog.request(&Method::Invite);
    let remembered = dialog.remember();
    let mut again =
        Dialog::recalled(&remembered, uri("sip:192.0.2.10")).expect("what was written can be read");
    assert_eq!(again.id(), dialog.id());
    assert_eq!(again.flow(), udp("192.0.2.1:5080"));
    // Two more re-INVITEs, of which the database knows nothing: the BYE's number is beyond theirs.
    let bye = written(again.request(&Method::Bye));
    dialog.request(&Method::Invite);
    dialog.request(&Method::Invite);
    assert!(again.sequence() > dialog.sequence());
    let numbered = |bye: &str, number: u32| bye.replace(&format!("CSeq: {number} "), "CSeq: ");
    let (number, after) = (again.sequence(), dialog.sequence() + 1);
    assert_eq!(numbered(&bye, number), numbered(&written(dialog.request(&Method::Bye)), after));
    assert_eq!(again.contact().as_str(), "sip:192.0.2.10");

    let flow = tcp("10.0.0.1:40000", 9);
    let of_phone = Remembered { flow, ..remembered.clone() };
    let of_phone = Dialog::recalled(&of_phone, uri("sip:192.0.2.10")).expect("the same");
    assert_eq!(of_phone.flow(), Flow { connection: None, ..flow });
    for broken in [
        Remembered { local: "<sip:no-tag@example.com>".into(), ..remembered.clone() },
        Remembered { remote: "<".into(), ..remembered.clone() },
        Remembered { target: String::new(), ..remembered.clone() },
        Remembered { routes: vec!["<".into()], ..remembered.clone() },
    ] {
        assert!(Dialog::recalled(&broken, uri("sip:192.0.2.10")).is_none());
    }
}

#[test]
fn a_caller_of_rfc_2543_has_no_tag_and_no_contact() {
    let from = "<sip:bob@192.0.2.1>";
    let invite = from_bob("INVITE sip:us SIP/2.0", from, "<sip:100@example.com>", "1 INVITE", "");
    let mut dialog = Dialog::answering(
        &invite,
        udp("192.0.2.1:5060"),
        Reach::Contact,
        "ours",
        uri("sip:192.0.2.10"),
    );
    assert_eq!(dialog.id().remote_tag, None);
    assert!(dialog.owns(&from_bob("BYE sip:us SIP/2.0", from, US, "2 BYE", "")));
    let bye = written(dialog.request(&Method::Bye));
    assert!(bye.starts_with("BYE sip:bob@192.0.2.1 SIP/2.0"));
    assert_eq!(lines(&bye, "To"), ["<sip:bob@192.0.2.1>"]);
}

#[test]
fn the_request_uri_is_that_of_the_request_line() {
    for routes in
        ["", "Record-Route: <sip:192.0.2.1:5080;lr>\r\n", "Record-Route: <sip:strict.example>\r\n"]
    {
        let mut dialog =
            answering(&format!("{routes}Contact: <sip:bob@10.0.0.1;ob>\r\n"), Reach::Contact);
        let uri = dialog.request_uri().as_str().to_owned();
        let bye = written(dialog.request(&Method::Bye));
        assert!(bye.starts_with(&format!("BYE {uri} SIP/2.0\r\n")), "{bye}");
    }
}

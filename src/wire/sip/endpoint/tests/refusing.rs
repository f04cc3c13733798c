//! What is refused before the user hears of it: RFC 3261 §8.2, what cannot be read, and too much of it.

use super::*;

/// The one answer to a request that the user is not told of.
fn refused(rig: &mut Rig, text: &str) -> String {
    rig.hears(phone(), text);
    assert!(rig.told().is_empty(), "{text}");
    rig.one()
}

fn with(method: &'static str, headers: &'static str, body: &'static str) -> Ask {
    Ask { headers, body, ..Ask::new(method) }
}

#[test]
fn what_we_do_not_do_is_refused_in_the_order_of_rfc_3261_8_2() {
    let mut rig = Rig::new();
    let novel = |method| Ask { uri: "soap.beep://192.0.2.103:3002", ..Ask::new(method) };
    let nothing = "Require: nothing\r\n";
    let sdp_in_zip = "Content-Type: application/sdp\r\nContent-Encoding: zip\r\n";
    for (request, code, line) in [
        (novel("NEWMETHOD"), 501, "Allow: INVITE, "),
        (novel("PUBLISH"), 405, "Allow: INVITE, "),
        (Ask { headers: nothing, ..novel("OPTIONS") }, 416, ""),
        (Ask::new("NEWMETHOD"), 501, "Allow: INVITE, "),
        (with("PUBLISH", "Require: nothing\r\n", ""), 405, "Allow: INVITE, "),
        (with("SUBSCRIBE", "Require: eventlist\r\n", ""), 420, "Unsupported: eventlist\r\n"),
        (Ask::new("NOTIFY"), 405, "Allow: "),
        (Ask::new("REFER"), 403, ""),
        (Ask::new("MESSAGE"), 405, "Allow: "),
        (Ask::new("PUBLISH"), 405, "Allow: "),
        (Ask::new("PRACK"), 481, ""),
        (with("INVITE", "Session-Expires: soon\r\n", ""), 400, ""),
        (
            with("OPTIONS", "Require: a\r\nProxy-Require: b, c\r\n", ""),
            420,
            "Unsupported: a, b, c\r\n",
        ),
        (
            with("INVITE", "Require: 100rel, nothing, timer\r\n", ""),
            420,
            "Unsupported: nothing\r\n",
        ),
        (
            with("INVITE", "Require: nothing\r\nContent-Type: a/b\r\n", SDP),
            420,
            "Unsupported: nothing\r\n",
        ),
        (with("INVITE", sdp_in_zip, SDP), 415, "Accept-Encoding: identity\r\n"),
        (
            with("INVITE", "Content-Type: application/x\r\n", SDP),
            415,
            "Accept: application/sdp\r\n",
        ),
        (with("UPDATE", "Content-Type: a/b\r\n", SDP), 415, "Accept: application/sdp\r\n"),
        (with("INVITE", "", SDP), 415, "Accept: application/sdp\r\n"),
        (with("INVITE", "Accept: text/nobodyKnowsThis\r\n", ""), 406, ""),
        (with("INVITE", "Accept:\r\n", ""), 406, ""),
    ] {
        let text = request.text();
        let refusal = refused(&mut rig, &text);
        assert!(refusal.starts_with(&format!("SIP/2.0 {code} ")), "{text}\n{refusal}");
        assert!(refusal.contains(line), "{refusal}");
        assert!(header(&refusal, "To").contains(";tag="));
        assert_eq!(refused(&mut rig, &text), refusal, "with the same tag again");
        assert_eq!(rig.endpoint.open(), 0, "and without memory");
    }
    rig.settles();
}

#[test]
fn what_we_can_do_reaches_the_user() {
    let optional = "Content-Type: a/b\r\nContent-Disposition: x;handling=optional\r\n";
    for request in [
        with("INVITE", "Content-Type: Application/SDP; x=y\r\nContent-Encoding: identity\r\n", SDP),
        with("INVITE", "Accept: application/x, application/sdp;level=1\r\n", ""),
        with("INVITE", "Accept: */*\r\n", ""),
        with("INVITE", "Content-Type: a/b\r\n", ""),
        with("INVITE", optional, SDP),
        with("INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=1\r\n").to_tag("x"),
        with("REGISTER", "Accept: text/x\r\n", ""),
        with("INVITE", "Require: Replaces\r\n", ""),
        Ask::new("REFER").to_tag("x"),
        with("SUBSCRIBE", "Event: presence\r\nContent-Type: a/b\r\n", "a filter"),
        // Whether there is such a dialog is the user's to know.
        Ask::new("NOTIFY").to_tag("x"),
        Ask::new("PRACK").to_tag("x"),
        with("INVITE", "Require: 100rel, timer\r\nSession-Expires: 90\r\n", ""),
        with("OPTIONS", "Max-Forwards: 0\r\n", ""),
        Ask { uri: "tel:+4930555010", ..Ask::new("INVITE") },
        Ask { uri: "sips:100@192.0.2.10", ..Ask::new("INVITE") },
    ] {
        let mut rig = Rig::new();
        rig.hears(phone(), &request.text());
        let (server, message) = rig.request();
        rig.answers(server, &message, 404);
        rig.settles();
    }
}

#[test]
fn the_ack_of_a_stateless_refusal_is_dropped() {
    let mut rig = Rig::new();
    let invite = with("INVITE", "Require: nothing\r\n", "");
    refused(&mut rig, &invite.text());
    rig.hears(phone(), &invite.but("ACK").to_tag("x").text());
    assert!(rig.sent().is_empty() && rig.told().is_empty());
    rig.settles();
}

#[test]
fn what_cannot_be_read_gets_its_status_unless_it_must_not_be_answered() {
    let mut rig = Rig::new();
    let text = Ask::new("OPTIONS").text();
    for (broken, code) in [
        (text.replace("CSeq: 1 OPTIONS", "CSeq: 99999999999 OPTIONS"), 400),
        (text.replace("CSeq: 1 OPTIONS", "CSeq: 1 INVITE"), 400),
        (text.replace("Content-Length: 0", "Content-Length: 9"), 400),
        (text.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), 505),
        (text.replacen("Via: ", &format!("Via: {}", "SIP/2.0/UDP a, ".repeat(64)), 1), 400),
    ] {
        let refusal = refused(&mut rig, &broken);
        assert!(refusal.starts_with(&format!("SIP/2.0 {code} ")), "{refusal}");
        assert!(header(&refusal, "To").contains(";tag="));
        assert_eq!(header(&refusal, "Call-ID"), "call-of-bob");
        assert_eq!(refused(&mut rig, &broken), refusal);
    }
    for silent in [
        Ask::new("ACK").text().replace("Content-Length: 0", "Content-Length: 9"),
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\r\n".into(),
        "OPTIONS sip:a SIP/2.0\r\nFrom: x\r\n\r\n".into(),
        "\r\n\r\n".into(),
        "\0\0\0\0".into(),
        String::new(),
    ] {
        rig.hears(phone(), &silent);
        assert!(rig.sent().is_empty() && rig.told().is_empty(), "{silent}");
    }
    rig.settles();
}

#[test]
fn a_stream_without_frames_is_answered_and_closed() {
    let mut rig = Rig::new();
    let flow = tcp("192.0.2.1:40000", 7);
    let text = Ask::new("INVITE").text().replace("Content-Length: 0\r\n", "");
    rig.hears_bytes(flow, text.as_bytes(), true);
    let (to, refusal) = rig.sent_to().remove(0);
    assert_eq!(to, flow);
    assert!(refusal.starts_with("SIP/2.0 400 "));
    assert_eq!(rig.endpoint.poll_close(), Some(flow));
    assert_eq!(rig.endpoint.poll_close(), None);
    rig.hears_bytes(flow, b"garbage", true);
    assert!(rig.sent().is_empty());
    assert_eq!(rig.endpoint.poll_close(), Some(flow));
    assert!(rig.told().is_empty());
    rig.settles();
}

#[test]
fn too_many_transactions_leave_room_for_dialogs_alone() {
    let mut rig = Rig::new();
    rig.endpoint.most = 4;
    let options = Ask::new("OPTIONS");
    for cseq in 1..=4 {
        rig.hears(phone(), &Ask { cseq, ..options.clone() }.text());
    }
    assert_eq!(rig.told().len(), 4);
    let refusal = refused(&mut rig, &Ask { cseq: 5, ..options.clone() }.text());
    assert!(refusal.starts_with("SIP/2.0 503 "));
    assert!(refusal.contains("\r\nRetry-After: "));
    rig.hears(phone(), &Ask { cseq: 6, ..Ask::new("BYE").to_tag("x") }.text());
    assert_eq!(rig.told().len(), 1);
    assert!(
        refused(&mut rig, &Ask { cseq: 7, ..Ask::new("BYE").to_tag("x") }.text())
            .starts_with("SIP/2.0 503 ")
    );
    rig.settles();
}

#[test]
fn an_old_backlog_takes_no_new_calls() {
    let mut rig = Rig::new();
    let invite = Ask::new("INVITE").text();
    let bye = Ask::new("BYE").to_tag("x").text();
    let received = rig.now;
    for (text, told) in [(invite, 0), (bye, 1)] {
        let late = Datagram { flow: phone(), received, bytes: text.as_bytes(), broken: false };
        rig.endpoint.receive(received + ms(101), late);
        assert_eq!(rig.told().len(), told);
    }
    assert!(rig.one().starts_with("SIP/2.0 503 "));
    rig.now += ms(101);
    rig.settles();
}

#[test]
fn calls_that_are_put_off_are_new_ones() {
    let mut rig = Rig::new();
    let served = Ask::new("INVITE");
    rig.hears(phone(), &served.text());
    let (server, request) = rig.request();
    rig.answers(server, &request, 180);
    let ringing = rig.one();
    rig.endpoint.put_off_calls();
    rig.hears(phone(), &served.text());
    assert_eq!(rig.one(), ringing, "a repetition gets its last answer");
    let new = Ask { cseq: 9, ..served.branch("z9hG4bKtwo") };
    let refusal = refused(&mut rig, &new.text());
    assert!(refusal.starts_with("SIP/2.0 503 "), "{refusal}");
    let seconds: u32 = header(&refusal, "Retry-After").parse().expect("seconds");
    assert!((2..12).contains(&seconds));
    assert_eq!(refused(&mut rig, &new.text()), refusal);
    rig.hears(phone(), &Ask::new("INVITE").to_tag("x").branch("z9hG4bKre").text());
    rig.hears(phone(), &Ask::new("REGISTER").text());
    assert_eq!(rig.told().len(), 2, "what is up goes on");
    rig.endpoint.take_calls();
    rig.hears(phone(), &new.text());
    assert_eq!(rig.told().len(), 1);
    rig.answers(server, &request, 486);
    rig.endpoint.most = 0;
}

#[test]
fn a_dismissed_request_leaves_no_trace() {
    let mut rig = Rig::new();
    let register = Ask::new("REGISTER").text();
    for _ in 0..2 {
        rig.hears(phone(), &register);
        let (server, request) = rig.request();
        let challenge = Outgoing::response(Status::of(401), &request, Some("ours"));
        rig.endpoint.dismiss(server, challenge);
        assert_eq!(rig.ladder(), ["401 Unauthorized"]);
        assert_eq!(rig.endpoint.open(), 0);
        rig.answers(server, &request, 200);
        assert!(rig.sent().is_empty());
    }
    rig.settles();
}

#[test]
fn no_garbled_message_breaks_it_or_stays() {
    let mut rig = Rig::new();
    let mut chance = Ids::new([8; 32]);
    let client = rig.asks(Method::Invite, phone());
    let ours = rig.one();
    let credentials =
        "Authorization: Digest username=\"a\", realm=\"b\", nonce=\"c\", nc=00000001\r\n";
    let seeds = [
        Ask { headers: credentials, ..Ask::new("INVITE") }.text(),
        Ask::new("CANCEL").text(),
        Ask::new("ACK").to_tag("ours").text(),
        Ask::new("BYE").to_tag("ours").text(),
        answer_to(&ours, 180, "x"),
        answer_to(&ours, 200, "x"),
        answer_to(&ours, 486, "x"),
    ];
    for round in 0..20_000u32 {
        let mut bytes = seeds[round as usize % seeds.len()].clone().into_bytes();
        for _ in 0..=chance.word() % 4 {
            let at = chance.word() as usize % bytes.len();
            let piece = at..(at + chance.word() as usize % 9).min(bytes.len());
            match chance.word() % 4 {
                0 => bytes[at] = chance.word().to_be_bytes()[0],
                1 => drop(bytes.drain(piece)),
                2 => bytes.insert(at, b"\r\n\0;,:<>\"\xff="[chance.word() as usize % 11]),
                _ => bytes.extend_from_within(piece),
            }
        }
        rig.hears_bytes(phone(), &bytes, round % 16 == 0);
        for event in rig.told() {
            if let Event::Request { server, request, .. } = event {
                rig.answers(server, &request, if round % 2 == 0 { 200 } else { 404 });
            }
        }
        while rig.endpoint.poll_transmit().is_some() {}
        rig.advance(ms(1));
    }
    rig.endpoint.cancel(rig.now, client, None);
    rig.settles();
}

//! SUBSCRIBE at the door, in words that no phone of the lab would say: what is refused, and what stays bounded.

use std::time::Duration;

use crate::door::{BOB, CARRIERS, Door, PHONES, ask, code, line, tag};

const LAMP: &str = "Event: dialog\r\n";

/// Bob's SUBSCRIBE to the lamp of `name` with the `n`th Call-ID, asked and proven from this CSeq on.
fn proven(
    door: &mut Door,
    (n, first): (usize, usize),
    name: &str,
    more: &str,
    to_tag: &str,
) -> Vec<String> {
    let contact = format!("Contact: <sip:201@{BOB}>\r\n");
    let text = |cseq: usize, proof: &str| {
        ask("SUBSCRIBE", to_tag, &format!("{contact}{more}{proof}"))
            .replacen("sip:201@", &format!("sip:{name}@"), 1)
            .replace("z9hG4bKx", &format!("z9hG4bK{cseq}n{n}e{}", more.len()))
            .replace("c-SUBSCRIBE", &format!("c-{n}"))
            .replace("CSeq: 1 ", &format!("CSeq: {cseq} "))
    };
    let challenge = door.answers(PHONES, BOB, &text(first, ""));
    assert_eq!(code(&challenge), 401, "strangers are asked who they are, whatever they ask for");
    let proof = door.proof(&challenge, "SUBSCRIBE", &format!("sip:{name}@10.0.0.1"));
    door.hears(PHONES, BOB, &text(first + 1, &proof))
}

fn answer(door: &mut Door, n: usize, name: &str, more: &str) -> String {
    proven(door, (n, 1), name, more, "").remove(0)
}

#[test]
fn what_cannot_be_had_is_refused_with_what_can() {
    let mut door = Door::new();
    let mut n = 0;
    for (name, more, status, with) in [
        ("202", "Event: presence\r\n", 489, "Allow-Events: dialog, message-summary\r\n"),
        ("202", "Event: as-feature-event\r\n", 489, "Allow-Events: dialog, message-summary\r\n"),
        ("202", "", 489, "Allow-Events: dialog, message-summary\r\n"),
        ("202", "Event: dialog\r\nExpires: 59\r\n", 423, "Min-Expires: 60\r\n"),
        ("202", "Event: dialog\r\nAccept: a/b\r\n", 406, "Accept: application/dialog-info+xml\r\n"),
        ("299", LAMP, 404, ""),
        ("202", "Event: message-summary\r\n", 403, ""),
        ("support", "Event: message-summary\r\n", 403, ""),
        ("202", "Event: dialog\r\nContact: <sip:a@10.0.0.9>\r\n", 400, ""),
        ("202", "Event: dialog\r\nExpires: never\r\n", 400, ""),
        ("202", "Event: dialog\r\nExpires: 86400\r\n", 200, "Expires: 3600\r\n"),
        ("202", LAMP, 200, "Allow-Events: dialog, message-summary\r\n"),
        ("support", LAMP, 200, "Expires: 3600\r\n"),
        ("201", "Event: message-summary\r\n", 200, "Expires: 3600\r\n"),
    ] {
        n += 1;
        let said = answer(&mut door, n, name, more);
        assert_eq!(code(&said), status, "{name} {more}\n{said}");
        assert!(said.contains(with), "{with}\n{said}");
    }
    let unknown = ask("SUBSCRIBE", "", "Event: dialog\r\nRequire: eventlist\r\n");
    let said = door.answers(PHONES, BOB, &unknown);
    assert!(said.starts_with("SIP/2.0 420 ") && said.contains("Unsupported: eventlist"), "{said}");
    let said = door.answers(CARRIERS, BOB, &ask("SUBSCRIBE", "", LAMP));
    assert_eq!(code(&said), 403, "no carrier watches: {said}");
    let said = door.answers(PHONES, BOB, &ask("OPTIONS", "", ""));
    assert!(said.contains("Allow-Events: dialog, message-summary\r\n"), "{said}");
}

#[test]
fn a_dialog_that_is_no_subscription_is_none() {
    let mut door = Door::new();
    let sent = proven(&mut door, (1, 1), "202", LAMP, "");
    let ours = tag(&sent[0], "To:").to_owned();
    assert!(sent[1].starts_with(&format!("NOTIFY sip:201@{BOB} SIP/2.0\r\n")), "{sent:?}");
    assert_eq!(tag(&sent[1], "From:"), ours);
    for (first, event, status) in [
        (3, "presence", 489),
        // None shares a dialog.
        (5, "message-summary", 481),
        (7, "dialog;id=2", 481),
        (9, "dialog", 200),
        (5, "dialog", 500),
        (11, "dialog\r\nExpires: 59", 423),
        (13, "dialog\r\nExpires: 0", 200),
    ] {
        let event = format!("Event: {event}\r\n");
        let sent = proven(&mut door, (1, first), "202", &event, &ours);
        assert_eq!(code(&sent[0]), status, "{first} {event}");
    }
    let stranger = door.answers(PHONES, BOB, &ask("SUBSCRIBE", ";tag=nobodys", LAMP));
    assert_eq!(code(&stranger), 481);
    let over = ask("SUBSCRIBE", &ours, LAMP).replace("c-SUBSCRIBE", "c-1");
    assert_eq!(code(&door.answers(PHONES, BOB, &over)), 481, "it has ended");
    let bye = ask("BYE", &ours, "").replace("c-BYE", "c-1");
    assert_eq!(code(&door.answers(PHONES, BOB, &bye)), 481);
    let older =
        door.hears(PHONES, BOB, &ask("SUBSCRIBE", &ours, LAMP).replace("c-SUBSCRIBE", "c-9"));
    assert_eq!(code(&older[0]), 481, "of another Call-ID");
}

#[test]
fn a_route_set_is_recorded_and_used() {
    let mut door = Door::new();
    let records = "Event: dialog\r\nRecord-Route: <sip:10.0.0.7;lr>, <sip:10.0.0.8;lr>\r\n";
    let sent = proven(&mut door, (1, 1), "202", records, "");
    assert!(sent[0].contains("Record-Route: <sip:10.0.0.7;lr>, <sip:10.0.0.8;lr>"), "{sent:?}");
    assert_eq!(line(&sent[1], "Route:"), "Route: <sip:10.0.0.7;lr>", "RFC 3261 §12.1.1");
}

#[test]
fn ten_thousand_subscriptions_of_one_user_are_a_few_hundred() {
    let mut door = Door::new();
    let mut granted = 0;
    for n in 0..10_000 {
        match code(&answer(&mut door, n, "202", LAMP)) {
            200 => granted += 1,
            status => assert_eq!(status, 403),
        }
    }
    assert_eq!(granted, 250);
    door.advance(Duration::from_secs(40));
    assert_eq!(door.switch.at_rest(), Ok(()), "nobody answers their NOTIFYs: they are gone");
}

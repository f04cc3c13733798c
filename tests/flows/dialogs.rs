//! Inside dialogs: what the far sides may say there, and forks that answer too late.

use std::time::Duration;

use crate::door::{BOB, CARRIERS, Door, NORTH, PHONES, SDP, ask, code, line, reply, tag};

/// Rings bob alone, and is not recorded.
const BOB_DIRECTLY: &str = "+4930555012";

/// A caller in the queue, answered and acknowledged; with our tag.
fn caller_is_up(door: &mut Door) -> String {
    door.logs_bob_in();
    let sent = door.hears(CARRIERS, NORTH, &door.invite("+4930555010", "", SDP));
    let ok = sent.iter().find(|text| text.starts_with("SIP/2.0 200 ")).expect("answered");
    let ours = tag(ok, "To:").to_owned();
    door.hears(CARRIERS, NORTH, &of_the_call(&ask("ACK", &ours, ""), 1));
    ours
}

/// The request inside the caller's dialog.
fn of_the_call(text: &str, cseq: u32) -> String {
    let call_id = line(text, "Call-ID:").to_owned();
    text.replace(&call_id, "Call-ID: c-INVITE").replace("CSeq: 1 ", &format!("CSeq: {cseq} "))
}

/// A caller rings bob; with the INVITE to his phone.
fn bob_rings(door: &mut Door) -> String {
    let sent = door.hears(CARRIERS, NORTH, &door.invite(BOB_DIRECTLY, "", SDP));
    sent.into_iter().find(|text| text.starts_with("INVITE ")).expect("bob's phone is remembered")
}

fn contact_at(address: &str) -> String {
    format!("Contact: <sip:bob@{address}>\r\n")
}

/// Bob's re-INVITE that puts the caller on hold.
fn holds(invite: &str) -> String {
    let held = format!("{SDP}a=sendonly\r\n");
    format!(
        "INVITE sip:tonspur@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {BOB};branch=z9hG4bKhold\r\n\
         {}\r\n{}\r\n{}\r\nCSeq: 1 INVITE\r\n{}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{held}",
        line(invite, "To:").replace("To:", "From:") + ";tag=a",
        line(invite, "From:").replace("From:", "To:"),
        line(invite, "Call-ID:"),
        contact_at(BOB),
        held.len()
    )
}

fn first_lines(sent: &[String]) -> Vec<&str> {
    sent.iter().map(|text| text.lines().next().unwrap_or_default()).collect()
}

#[test]
fn a_dialog_answers_what_it_can_do_and_refuses_the_rest() {
    let mut door = Door::new();
    let ours = caller_is_up(&mut door);
    let says = |door: &mut Door, method: &str, cseq: u32| {
        door.answers(CARRIERS, NORTH, &of_the_call(&ask(method, &ours, ""), cseq))
    };
    let ok = says(&mut door, "OPTIONS", 2);
    assert_eq!(code(&ok), 200, "{ok}");
    for name in ["Allow: INVITE", "Accept: application/sdp", "Supported:"] {
        line(&ok, name);
    }
    for (method, cseq) in [("REGISTER", 3), ("NOTIFY", 4)] {
        let refusal = says(&mut door, method, cseq);
        assert_eq!(code(&refusal), 405, "{refusal}");
        line(&refusal, "Allow: INVITE");
    }
}

#[test]
fn a_notify_for_nothing_of_ours_is_told_so() {
    let mut door = Door::new();
    let answer = door.answers(CARRIERS, NORTH, &ask("NOTIFY", ";tag=nobodys", ""));
    assert_eq!(code(&answer), 481, "{answer}");
}

#[test]
fn a_body_that_may_be_ignored_is_no_offer() {
    let mut door = Door::new();
    door.logs_bob_in();
    let optional = "Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n";
    let invite = door.invite("+4930555010", optional, "hello");
    let sent = door.hears(CARRIERS, NORTH, &invite);
    let answer = sent.last().expect("an answer");
    assert_eq!(code(answer), 200, "{answer}");
    assert!(answer.contains("\r\nm=audio "), "with an offer of ours: {answer}");
}

#[test]
fn a_fork_that_answers_too_late_is_acknowledged_and_left() {
    let mut door = Door::new();
    let invite = bob_rings(&mut door);
    let answers = |door: &mut Door, tag: &str| {
        let contact = contact_at(&format!("10.0.0.21:{}", 5060 + tag.len()));
        door.hears(PHONES, BOB, &reply(&invite, 200, tag, &contact, SDP))
    };
    let first = answers(&mut door, "a");
    assert_eq!(first_lines(&first)[..1], ["ACK sip:bob@10.0.0.21:5061 SIP/2.0"], "{first:#?}");
    assert!(!first.iter().any(|text| text.starts_with("BYE ")), "{first:#?}");
    let left = |port: u16| {
        let target = format!("sip:bob@10.0.0.21:{port} SIP/2.0");
        [format!("ACK {target}"), format!("BYE {target}")]
    };
    let second = answers(&mut door, "bb");
    assert_eq!(first_lines(&second), left(5062), "while the call is up");
    assert_eq!(tag(&second[1], "To:"), ";tag=bb");
    assert_eq!(tag(&second[1], "From:"), tag(&invite, "From:"));
    let number = |text: &str| {
        line(text, "CSeq:").split(' ').nth(1).and_then(|number| number.parse::<u32>().ok())
    };
    assert_eq!(number(&second[0]), number(&invite));
    assert!(number(&second[1]) > number(&invite), "{}", second[1]);

    let bye = first.iter().find(|text| text.starts_with("SIP/2.0 200 ")).expect("bridged");
    let ours = tag(bye, "To:").to_owned();
    door.hears(CARRIERS, NORTH, &of_the_call(&ask("ACK", &ours, ""), 1));
    let sent = door.hears(CARRIERS, NORTH, &of_the_call(&ask("BYE", &ours, ""), 2));
    let bye = sent.iter().find(|text| text.starts_with("BYE ")).expect("bob is told");
    door.hears(PHONES, BOB, &reply(bye, 200, "a", "", ""));
    let third = answers(&mut door, "ccc");
    assert_eq!(first_lines(&third), left(5063), "when the call is over");
    assert!(answers(&mut door, "bb").iter().all(|text| text.starts_with("ACK ")), "once");
    for fork in [&second, &third] {
        door.hears(PHONES, BOB, &reply(&fork[1], 200, "", "", ""));
    }
    door.advance(Duration::from_secs(100));
    assert_eq!(door.switch.at_rest(), Ok(()));
}

#[test]
fn the_ack_of_a_reinvite_goes_to_where_its_200_says() {
    let mut door = Door::new();
    let invite = bob_rings(&mut door);
    let sent = door.hears(PHONES, BOB, &reply(&invite, 200, "a", &contact_at(BOB), SDP));
    let ok = sent.iter().find(|text| text.starts_with("SIP/2.0 200 ")).expect("bridged");
    door.hears(CARRIERS, NORTH, &of_the_call(&ask("ACK", tag(ok, "To:"), ""), 1));
    // Bob holds; the carrier hears of it, and answers from elsewhere.
    let sent = door.hears(PHONES, BOB, &holds(&invite));
    let told = sent
        .iter()
        .find(|text| text.starts_with("INVITE sip:caller@"))
        .unwrap_or_else(|| panic!("the caller is told: {sent:#?}"));
    let moved = "Contact: <sip:caller@192.0.2.9:5099>\r\n";
    let acks = door.hears(CARRIERS, NORTH, &reply(told, 200, "", moved, SDP));
    assert_eq!(first_lines(&acks), ["ACK sip:caller@192.0.2.9:5099 SIP/2.0"]);
    assert_eq!(line(&acks[0], "X-To:"), "X-To: 192.0.2.9:5099");
}

#[test]
fn a_trunk_may_challenge_what_we_say_inside_a_dialog_once() {
    let mut door = Door::new();
    let invite = bob_rings(&mut door);
    let bobs = reply(&invite, 200, "a", &contact_at(BOB), SDP);
    let sent = door.hears(PHONES, BOB, &bobs);
    let ok = sent.iter().find(|text| text.starts_with("SIP/2.0 200 ")).expect("bridged");
    door.hears(CARRIERS, NORTH, &of_the_call(&ask("ACK", tag(ok, "To:"), ""), 1));
    let challenge = "WWW-Authenticate: Digest realm=\"north\", nonce=\"n\", qop=\"auth\"\r\n";
    let asks_again = |door: &mut Door, request: &str, method: &str| {
        let sent = door.hears(CARRIERS, NORTH, &reply(request, 401, "", challenge, ""));
        let again = sent.into_iter().find(|text| text.starts_with(method)).expect("once more");
        assert!(line(&again, "Authorization:").contains("username=\"office\""), "{again}");
        again
    };
    // The switch holds the caller, since bob does.
    let sent = door.hears(PHONES, BOB, &holds(&invite));
    let told = sent.iter().find(|text| text.starts_with("INVITE sip:caller@")).expect("told");
    let told = asks_again(&mut door, told, "INVITE ");
    let acks = door.hears(CARRIERS, NORTH, &reply(&told, 401, "", challenge, ""));
    assert_eq!(first_lines(&acks), ["ACK sip:caller@192.0.2.9:5060 SIP/2.0"], "and not twice");
    // Bob hangs up.
    let bye = holds(&invite).replace("INVITE", "BYE").replace("CSeq: 1", "CSeq: 2");
    let sent = door.hears(PHONES, BOB, &bye.replace("z9hG4bKhold", "z9hG4bKbye"));
    let bye = sent.iter().find(|text| text.starts_with("BYE sip:caller@")).expect("told");
    let bye = asks_again(&mut door, bye, "BYE ");
    assert!(door.hears(CARRIERS, NORTH, &reply(&bye, 401, "", challenge, "")).is_empty());
    door.advance(Duration::from_secs(100));
    assert_eq!(door.switch.at_rest(), Ok(()));
}

#[test]
fn where_a_contact_of_a_trunk_leads_gets_no_digest() {
    let mut door = Door::new();
    let invite = bob_rings(&mut door);
    let bobs = reply(&invite, 200, "a", &contact_at(BOB), SDP);
    let sent = door.hears(PHONES, BOB, &bobs);
    let ok = sent.iter().find(|text| text.starts_with("SIP/2.0 200 ")).expect("bridged");
    let ours = tag(ok, "To:").to_owned();
    door.hears(CARRIERS, NORTH, &of_the_call(&ask("ACK", &ours, ""), 1));
    let elsewhere = "192.0.2.66:5060";
    let moves = ask("UPDATE", &ours, &format!("Contact: <sip:caller@{elsewhere}>\r\n"));
    door.hears(CARRIERS, NORTH, &of_the_call(&moves, 2));
    let bye = holds(&invite).replace("INVITE", "BYE").replace("CSeq: 1", "CSeq: 2");
    let sent = door.hears(PHONES, BOB, &bye);
    let bye = sent.iter().find(|text| text.starts_with("BYE sip:caller@192.0.2.66")).expect("told");
    let challenge = "WWW-Authenticate: Digest realm=\"north\", nonce=\"n\", qop=\"auth\"\r\n";
    assert!(door.hears(CARRIERS, elsewhere, &reply(bye, 401, "", challenge, "")).is_empty());
    door.advance(Duration::from_secs(100));
    assert_eq!(door.switch.at_rest(), Ok(()));
}

#[test]
fn a_phone_that_asks_for_a_digest_gets_none() {
    // As a carrier would ask, whose password the switch knows.
    for (code, asks) in [(401, "WWW-Authenticate"), (407, "Proxy-Authenticate")] {
        let challenge = format!("{asks}: Digest realm=\"north\", nonce=\"n\", qop=\"auth\"\r\n");
        let asked = |door: &mut Door, request: &str| {
            let mut sent = door.hears(PHONES, BOB, &reply(request, code, "a", &challenge, ""));
            sent.extend(door.advance(Duration::from_secs(5)));
            assert!(!sent.iter().any(|text| text.contains("uthorization:")), "{sent:#?}");
            sent
        };
        let mut door = Door::new();
        let invite = bob_rings(&mut door);
        let sent = asked(&mut door, &invite);
        assert!(!sent.iter().any(|text| text.starts_with("INVITE ")), "{sent:#?}");

        let mut door = Door::new();
        let invite = bob_rings(&mut door);
        let sent = door.hears(PHONES, BOB, &reply(&invite, 200, "a", &contact_at(BOB), SDP));
        let ok = sent.iter().find(|text| text.starts_with("SIP/2.0 200 ")).expect("bridged");
        let ours = tag(ok, "To:").to_owned();
        door.hears(CARRIERS, NORTH, &of_the_call(&ask("ACK", &ours, ""), 1));
        let bye = of_the_call(&ask("BYE", &ours, ""), 2);
        let sent = door.hears(CARRIERS, NORTH, &bye);
        let told = sent.iter().find(|text| text.starts_with("BYE ")).expect("bob is told");
        let sent = asked(&mut door, told);
        assert!(!sent.iter().any(|text| text.starts_with("BYE ")), "{sent:#?}");
        door.advance(Duration::from_secs(100));
        assert_eq!(door.switch.at_rest(), Ok(()));
    }
}

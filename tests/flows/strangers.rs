//! Strangers at the door: what they send costs one packet for one, and leaves nothing behind.

use std::time::Duration;

use tonspur::switch::Input;
use tonspur::switch::journal::Entry;
use tonspur::switch::log::Fact;

use crate::door::{BOB, CARRIERS, Door, NORTH, PHONES, SDP, ask, code, line, tag};

/// Somebody from nowhere.
const STRANGER: &str = "203.0.113.66:5060";

#[test]
fn whoever_has_proven_nothing_is_answered_and_forgotten() {
    let unreadable = "Authorization: Digest realm=\"office.example\", nonce\r\n";
    let wrong = "Authorization: Digest username=\"201\", realm=\"office.example\", nonce=\"n\", \
                 uri=\"sip:201@10.0.0.1\", qop=auth, nc=00000001, cnonce=\"c\", response=\"r\"\r\n";
    let mut door = Door::new();
    for (listener, text, code) in [
        (PHONES, ask("REGISTER", "", ""), 401),
        (PHONES, ask("REGISTER", "", wrong), 401),
        (PHONES, ask("REGISTER", "", unreadable), 400),
        (PHONES, ask("INVITE", "", ""), 401),
        (CARRIERS, ask("INVITE", "", ""), 403),
        (PHONES, ask("OPTIONS", "", ""), 200),
        (CARRIERS, ask("OPTIONS", "", ""), 200),
        (PHONES, ask("BYE", "", ""), 481),
        (PHONES, ask("UPDATE", ";tag=nobodys", ""), 481),
        (PHONES, ask("INVITE", ";tag=nobodys", ""), 481),
        (PHONES, ask("REGISTER", ";tag=nobodys", ""), 481),
        (PHONES, ask("MESSAGE", "", ""), 405),
    ] {
        let first = door.answers(listener, STRANGER, &text);
        assert!(first.starts_with(&format!("SIP/2.0 {code} ")), "{text}\n{first}");
        assert_eq!(door.switch.at_rest(), Ok(()), "{text}");
        let again = door.answers(listener, STRANGER, &text);
        assert_eq!(line(&again, "To:"), line(&first, "To:"), "RFC 3261 §8.2.7: the same tag");
    }
    let later = door.advance(Duration::from_secs(40));
    assert!(later.is_empty(), "nothing is repeated to somebody who has proven nothing: {later:?}");
}

#[test]
fn nobody_registers_at_the_carriers_door() {
    let mut door = Door::new();
    for from in [STRANGER, NORTH] {
        let answer = door.answers(CARRIERS, from, &ask("REGISTER", "", ""));
        assert!(answer.starts_with("SIP/2.0 403 "), "{answer}");
        assert!(!answer.contains("WWW-Authenticate"), "{answer}");
    }
    assert!(
        door.facts
            .contains(&Fact::StrangerRefused { source: STRANGER.parse().expect("an address") })
    );
}

#[test]
fn the_answers_to_cancel_and_to_its_invite_are_of_one_dialog() {
    let mut door = Door::new();
    door.logs_bob_in();
    door.has_no_media();
    // A trunk is proven by its address; its call waits for a port and has got no more than a 100 by now.
    let invite = door.invite("+4930555010", "", "");
    let cancel = invite.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL");
    let trying = door.answers(CARRIERS, NORTH, &invite);
    assert!(trying.starts_with("SIP/2.0 100 "), "{trying}");
    let sent = door.hears(CARRIERS, NORTH, &cancel);
    let ok = sent.iter().find(|text| text.starts_with("SIP/2.0 200 ")).expect("CANCEL's");
    let ended = sent.iter().find(|text| text.starts_with("SIP/2.0 487 ")).expect("INVITE's");
    assert_eq!(line(ok, "To:"), line(ended, "To:"), "RFC 3261 §9.2");
}

#[test]
fn a_flood_of_wrong_passwords_is_a_few_lines_and_a_count() {
    let mut door = Door::new();
    let wrong = "Authorization: Digest username=\"201\", realm=\"office.example\", nonce=\"n\", \
                 uri=\"sip:201@10.0.0.1\", qop=auth, nc=00000001, cnonce=\"c\", response=\"r\"\r\n";
    for _ in 0..100 {
        door.answers(PHONES, STRANGER, &ask("REGISTER", "", wrong));
    }
    let told = std::mem::take(&mut door.facts);
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(matches!(told[0], Fact::AuthenticationFailed { method: "REGISTER", .. }));
    door.advance(Duration::from_secs(60));
    let source = Some("203.0.113.66".parse().expect("an address"));
    assert_eq!(door.facts, [Fact::MoreAttempts { source, count: 95 }]);
}

#[test]
fn a_contact_in_other_words_leaves_no_row_behind() {
    let mut door = Door::new();
    let register = |cseq: u32, contact: &str, more: &str| {
        ask("REGISTER", "", &format!("Contact: <{contact}>;expires=600\r\n{more}"))
            .replace("1 REGISTER", &format!("{cseq} REGISTER"))
            .replace("z9hG4bKx", &format!("z9hG4bK{cseq}"))
    };
    for (cseq, contact) in [(1, "sip:201@10.0.0.21:5060"), (3, "sip:20%31@10.0.0.21:5060")] {
        let challenge = door.answers(PHONES, "10.0.0.21:5060", &register(cseq, contact, ""));
        let proof = door.proof(&challenge, "REGISTER", "sip:201@10.0.0.1");
        let ok = door.answers(PHONES, "10.0.0.21:5060", &register(cseq + 1, contact, &proof));
        assert_eq!(code(&ok), 200, "{ok}");
    }
    let rows: Vec<(bool, &str)> = door
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Bound(binding) => Some((true, binding.contact.as_str())),
            Entry::Unbound { contact, .. } => Some((false, contact.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        rows,
        [
            (true, "sip:201@10.0.0.21:5060"),
            (false, "sip:201@10.0.0.21:5060"),
            (true, "sip:20%31@10.0.0.21:5060")
        ]
    );
}

#[test]
fn a_repeated_invite_is_served_on_while_the_journal_is_behind() {
    let mut door = Door::new();
    door.logs_bob_in();
    let invite = door.invite("+4930555010", "", "");
    let first = door.hears(CARRIERS, NORTH, &invite);
    assert_eq!(code(first.last().expect("an answer")), 200, "{first:#?}");
    door.handle(Input::JournalBehind);
    // In Accepted the 200 is repeated by its own timer alone.
    assert!(door.hears(CARRIERS, NORTH, &invite).is_empty());
    let other = invite.replace("c-INVITE", "c-other").replace("z9hG4bK", "z9hG4bKother");
    assert_eq!(code(&door.answers(CARRIERS, NORTH, &other)), 503);
    door.handle(Input::JournalCaughtUp);
    assert_eq!(code(&door.hears(CARRIERS, NORTH, &other)[0]), 100);
}

/// REGISTER of `user` from there, with a wrong password; how many of so many are answered.
fn guesses(door: &mut Door, from: &str, user: &str, count: usize) -> usize {
    let register = ask("REGISTER", "", "").replace("sip:201@office", &format!("sip:{user}@office"));
    let mut answered = 0;
    for _ in 0..count {
        let Some(challenge) = door.hears(PHONES, from, &register).pop() else { continue };
        assert_eq!(code(&challenge), 401);
        let proof = door.proof(&challenge, "REGISTER", "sip:201@10.0.0.1");
        let wrong = proof
            .replace("username=\"201\"", &format!("username=\"{user}\""))
            .replace("response=\"", "response=\"0");
        let with = register.replace("Content-Length", &format!("{wrong}Content-Length"));
        for answer in door.hears(PHONES, from, &with) {
            assert_eq!(code(&answer), 401);
            answered += 1;
        }
    }
    answered
}

#[test]
fn ten_wrong_passwords_are_met_with_silence_and_the_user_comes_in_elsewhere() {
    let mut door = Door::new();
    assert_eq!(guesses(&mut door, STRANGER, "201", 40), 9);
    let blocked = |facts: &[Fact]| {
        facts.iter().filter(|fact| matches!(fact, Fact::Blocked { why: "passwords", .. })).count()
    };
    assert_eq!(blocked(&door.facts), 1, "one line: {:?}", door.facts);
    for method in ["REGISTER", "INVITE", "OPTIONS", "BYE"] {
        assert_eq!(door.hears(PHONES, STRANGER, &ask(method, "", "")), [""; 0], "{method}");
    }
    let elsewhere = "198.51.100.7:5060";
    let register = ask("REGISTER", "", "");
    let challenge = door.answers(PHONES, elsewhere, &register);
    let proof = door.proof(&challenge, "REGISTER", "sip:201@10.0.0.1");
    let with = register.replace("Content-Length", &format!("{proof}Content-Length"));
    assert_eq!(code(&door.answers(PHONES, elsewhere, &with)), 200);
    // A minute later it is answered again, and then for two it is not.
    door.advance(Duration::from_secs(61));
    assert_eq!(guesses(&mut door, STRANGER, "201", 40), 9);
    door.advance(Duration::from_secs(61));
    assert_eq!(guesses(&mut door, STRANGER, "201", 1), 0);
    assert_eq!(door.switch.at_rest(), Ok(()), "nothing is left of them");
}

#[test]
fn who_does_not_exist_is_guessed_at_as_well_as_who_does() {
    let tried = |user| {
        let mut door = Door::new();
        (guesses(&mut door, STRANGER, user, 30), door.facts.len())
    };
    assert_eq!(tried("201"), tried("299"));
}

#[test]
fn where_a_phone_is_registered_a_guesser_shuts_out_nobody_else() {
    let mut door = Door::new();
    // The next desk of bob's office, at the address that his phone is registered from.
    let office = BOB.replace(":5060", ":7000");
    assert_eq!(guesses(&mut door, &office, "202", 30), 10);
    let other = ask("INVITE", "", "");
    assert_eq!(code(&door.answers(PHONES, BOB, &other)), 401, "bob is asked as ever");
    assert_eq!(guesses(&mut door, "198.51.100.7:5060", "202", 1), 1);
}

#[test]
fn wrong_passwords_that_answer_no_question_of_ours_shut_nobody_out() {
    let mut door = Door::new();
    let forged = "Authorization: Digest username=\"201\", realm=\"office.example\", nonce=\"n\", \
                  uri=\"sip:201@10.0.0.1\", qop=auth, nc=00000001, cnonce=\"c\", response=\"r\"\r\n";
    for _ in 0..40 {
        assert_eq!(code(&door.answers(PHONES, STRANGER, &ask("REGISTER", "", forged))), 401);
    }
}

#[test]
fn a_flood_is_answered_no_more_but_a_carrier_and_a_trusted_network_always() {
    let mut door = Door::new();
    let options = ask("OPTIONS", "", "");
    let mut answers = |from: &str, listener| {
        (0..2_000).map(|_| door.hears(listener, from, &options).len()).sum::<usize>()
    };
    assert_eq!(answers(STRANGER, PHONES), 300);
    assert_eq!(answers(NORTH, CARRIERS), 2_000);
    assert_eq!(answers("10.9.0.1:5060", PHONES), 300);
    let mut door = Door::with(|settings| {
        settings.trusted = settings.trunks["south"].from.clone();
        settings.trunks.remove("south");
    });
    let answered = |door: &mut Door, from| {
        (0..400).map(|_| door.hears(PHONES, from, &options).len()).sum::<usize>()
    };
    assert_eq!(answered(&mut door, "192.0.2.10:5060"), 400);
    // At the carriers' door a call costs more.
    let invite = ask("INVITE", "", "");
    let tries = (0..100).filter(|_| !door.hears(CARRIERS, STRANGER, &invite).is_empty());
    assert_eq!(tries.count(), 30);
    let blocked = |fact: &&Fact| matches!(fact, Fact::Blocked { why: "flood", .. });
    assert_eq!(door.facts.iter().filter(blocked).count(), 1);
}

#[test]
fn an_emergency_is_taken_in_while_the_journal_is_behind_and_from_a_shut_out_office() {
    let mut door = Door::new();
    let dials = |number: &str| {
        ask("INVITE", "", "")
            .replace("INVITE sip:201@10.0.0.1", &format!("INVITE sip:{number}@10.0.0.1"))
    };
    door.handle(Input::JournalBehind);
    assert_eq!(code(&door.answers(PHONES, BOB, &dials("0305551"))), 503);
    assert_eq!(code(&door.answers(PHONES, BOB, &dials("112"))), 401);
    door.handle(Input::JournalCaughtUp);
    // So many guesses that even an office with phones is shut out.
    let office = BOB.replace(":5060", ":7000");
    for n in 0..100 {
        guesses(&mut door, &office, &format!("3{n:03}"), 1);
    }
    assert_eq!(door.hears(PHONES, BOB, &dials("0305551")), [""; 0]);
    assert_eq!(
        door.hears(PHONES, STRANGER, &dials("112")).len(),
        1,
        "a stranger is asked who it is"
    );
    assert_eq!(code(&door.answers(PHONES, BOB, &dials("112"))), 401);
}

#[test]
fn what_goes_no_further_is_within_the_budget_too() {
    let options = ask("OPTIONS", "", "");
    for (text, status) in [
        (options.replace("CSeq: 1 OPTIONS", "CSeq: 1 BYE"), 400),
        (options.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), 505),
        (ask("CANCEL", "", ""), 481),
        (ask("PRACK", "", ""), 481),
        (ask("REFER", "", ""), 403),
        (ask("WHATEVER", "", ""), 501),
        (ask("INVITE", "", "Require: nothing\r\n"), 420),
    ] {
        let mut door = Door::new();
        let mut answered = |from| {
            let heard = (0..1_000).filter_map(|_| door.hears(PHONES, from, &text).pop());
            heard.map(|answer| assert_eq!(code(&answer), status, "{text}")).count()
        };
        assert_eq!(answered(STRANGER), 300, "{text}");
        assert_eq!(answered("198.51.100.7:5060"), 300, "nobody pays for another: {text}");
        assert_eq!(answered(NORTH), 1_000, "a carrier is always answered: {text}");
        assert_eq!(door.switch.at_rest(), Ok(()), "{text}");
    }
}

#[test]
fn a_phone_in_a_call_is_told_what_is_wrong_though_its_office_floods() {
    let mut door = Door::new();
    let sent = door.hears(CARRIERS, NORTH, &door.invite("+4930555012", "", SDP));
    let rung = sent.into_iter().find(|text| text.starts_with("INVITE ")).expect("bob is rung");
    let broken = ask("OPTIONS", "", "").replace("CSeq: 1 OPTIONS", "CSeq: 1 BYE");
    while !door.hears(PHONES, BOB, &broken).is_empty() {}
    let inside = ask("INFO", tag(&rung, "From:"), "Require: nothing\r\n");
    assert_eq!(code(&door.answers(PHONES, BOB, &inside)), 420);
}

#[test]
fn a_nonce_of_ones_own_is_no_way_to_try_passwords_unseen() {
    let mut door = Door::new();
    let register = ask("REGISTER", "", "");
    // Right, over a nonce of another run: what a phone sends after a restart of the switch.
    let other = Door::seeded_with(2, |_| {}).answers(PHONES, STRANGER, &register);
    let proof = door.proof(&other, "REGISTER", "sip:201@10.0.0.1");
    let tried = |door: &mut Door, proof: &str| {
        let with = register.replace("Content-Length", &format!("{proof}Content-Length"));
        let answer = door.answers(PHONES, STRANGER, &with);
        assert_eq!(code(&answer), 401);
        answer.contains("stale=true")
    };
    assert!(tried(&mut door, &proof), "it may answer again without asking anybody");
    for _ in 0..10 {
        assert!(!tried(&mut door, &proof.replace("response=\"", "response=\"0")));
    }
    assert!(!tried(&mut door, &proof), "whoever guesses is not told which guess was right");
    let challenge = door.answers(PHONES, STRANGER, &register);
    let proof = door.proof(&challenge, "REGISTER", "sip:201@10.0.0.1");
    let with = register.replace("Content-Length", &format!("{proof}Content-Length"));
    assert_eq!(code(&door.answers(PHONES, STRANGER, &with)), 200, "nor is anybody shut out");
    door.advance(Duration::from_secs(3_600));
    let other = Door::seeded_with(2, |_| {}).answers(PHONES, STRANGER, &register);
    let proof = door.proof(&other, "REGISTER", "sip:201@10.0.0.1");
    assert!(tried(&mut door, &proof));
}

#[test]
fn nobody_draws_more_than_twice_what_they_sent_upon_another() {
    // As short as a request may be: whoever reflects sends no more than is needed.
    let short = |method: &str, more: &str| {
        format!(
            "{method} sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bKa;rport\r\nf:<sip:a>;tag=a\r\nt:<sip:a>\r\ni:a\r\n\
             CSeq:1 {method}\r\n{more}\r\n"
        )
    };
    let broken = "X a SIP/2.0\nv:SIP/2.0/UDP a;rport\n\n".to_owned();
    let methods = ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "BYE", "CANCEL", "X", "PUBLISH"];
    let requests = methods.map(|method| short(method, ""));
    let of_ours = short("INFO", "").replace("t:<sip:a>", "t:<sip:a>;tag=b");
    let refused = short("INVITE", "k:x\r\nAccept:x/y\r\n");
    for text in requests.into_iter().chain([broken, of_ours, refused]) {
        for listener in [PHONES, CARRIERS] {
            let mut door = Door::new();
            let sent = door.hears(listener, STRANGER, &text);
            let size: usize =
                sent.iter().map(|text| text.split("X-To").next().unwrap_or_default().len()).sum();
            assert!(size <= 2 * text.len(), "{size} for {}: {text}\n{sent:#?}", text.len());
            assert!(door.advance(Duration::from_secs(40)).is_empty());
        }
    }
    // Whoever sends what phones send is told what they need.
    let mut door = Door::new();
    let told = door.answers(PHONES, STRANGER, &ask("OPTIONS", "", ""));
    assert!(told.contains("\r\nAllow: INVITE"), "{told}");
    let asked = door.answers(PHONES, STRANGER, &ask("REGISTER", "", ""));
    assert!(asked.contains("\r\nWWW-Authenticate: Digest"), "{asked}");
}

#[test]
fn over_tcp_where_nobody_else_can_be_meant_the_answer_is_whole() {
    let mut door = Door::new();
    let text = "OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/TCP a;branch=z9hG4bKa\r\nf:<sip:a>;tag=a\r\nt:<sip:a>\r\ni:a\r\n\
                CSeq:1 OPTIONS\r\nl:0\r\n\r\n";
    let sent = door.hears_over_tcp(text);
    assert!(sent[0].contains("\r\nAllow: INVITE"), "{sent:#?}");
}

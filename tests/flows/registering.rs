//! Trunks that register and ask whether their carrier is there: what goes out when, and what a carrier's answer makes of it.

use std::time::Duration;

use tonspur::phone::Received;
use tonspur::redacted::Redacted;
use tonspur::switch::control::{GatewayRow, Request};
use tonspur::switch::settings::{Caller, ConsentMode, Destination, Register, Route};
use tonspur::wire::sip::locating::Kind;

use crate::gateways::gateway;
use crate::lab::outside::{Mood, a, srv};
use crate::lab::{Lab, Party, assert_ladder, ms, secs};

const A: &str = "192.0.2.21:5060";
const B: &str = "192.0.2.22:5060";
const CHALLENGE: &str =
    "WWW-Authenticate: Digest realm=\"carrier.example\", nonce=\"5e\", qop=\"auth\"";

/// Trunk `west` registers at `carrier.example`, whose SRV names a before b; it has no `from`.
fn registering(health: Option<Duration>) -> (Lab, Party, Party) {
    let lab = Lab::with(|settings| {
        let mut west = settings.trunks["north"].clone();
        let mut gateway = gateway(settings, "carrier.example");
        gateway.domain = Some("carrier.example".into());
        gateway.health = health;
        let user = Redacted::new("+4930555010".to_owned());
        gateway.register = Some(Register { user, expires: secs(600) });
        (west.name, west.from, west.gateways) = ("west".into(), Vec::new(), vec![gateway]);
        settings.trunks.insert("west".into(), west);
        let to_bob = |route: &&Route| {
            route.to == Destination::User("201".into()) && route.consent == ConsentMode::Never
        };
        let mut route = settings.routes.iter().find(to_bob).expect("a route to bob").clone();
        route.caller = Caller::Trunk("west".into());
        settings.routes.push(route);
    });
    let records = srv(&[(10, 0, 5060, "a.carrier.example"), (20, 0, 5060, "b.carrier.example")]);
    lab.dns("_sip._udp.carrier.example", Kind::Srv, records, secs(300));
    lab.dns("a.carrier.example", Kind::A, a(&["192.0.2.21"]), secs(300));
    lab.dns("b.carrier.example", Kind::A, a(&["192.0.2.22"]), secs(300));
    let (a, b) = (lab.server("a", A), lab.server("b", B));
    (lab, a, b)
}

fn row(lab: &Lab) -> GatewayRow {
    lab.trunk("west").gateways.remove(0)
}

/// The carrier grants it, after a challenge; gives the REGISTER that was granted.
fn grants(server: &Party, seconds: u64) -> Received {
    let asked = server.receives("REGISTER");
    assert_eq!(asked.header("Authorization"), "");
    server.says_to(&asked, "401 Unauthorized", &[CHALLENGE]);
    let again = server.receives_within("REGISTER", ms(100));
    assert!(again.header("Authorization").contains("username=\"office\""), "{}", again.text());
    let contact = again.header("Contact");
    let granted =
        format!("Contact: <sip:somebody@else.example>;expires=7, {contact};expires={seconds}");
    server.says_to(&again, "200 OK", &[&granted]);
    again
}

#[test]
fn a_trunk_registers_renews_in_time_and_says_goodbye() {
    let (lab, a, _b) = registering(None);
    let register = grants(&a, 100);
    assert!(
        register.text().starts_with("REGISTER sip:carrier.example SIP/2.0"),
        "{}",
        register.text()
    );
    assert!(register.header("From").starts_with("<sip:+4930555010@carrier.example>;tag="));
    assert_eq!(register.header("To"), "<sip:+4930555010@carrier.example>");
    assert_eq!(register.header("Expires"), "600");
    lab.advance(ms(100));
    let state = row(&lab);
    assert_eq!((state.registered, state.registered_at.as_deref()), (Some(true), Some(A)));
    let at = lab.clock();
    let renewal = a.receives_within("REGISTER", secs(80));
    let share = (lab.clock() - at).as_secs_f64();
    assert!((64.0..=75.0).contains(&share), "{share}");
    assert_eq!(renewal.header("Call-ID"), register.header("Call-ID"));
    assert_eq!(renewal.header("Contact"), register.header("Contact"));
    a.says_to(&renewal, "200 OK", &["Expires: 100"]);
    lab.advance(secs(1));
    lab.tells(Request::Stop);
    let goodbye = a.receives_within("REGISTER", ms(100));
    assert_eq!(goodbye.header("Expires"), "0");
    a.says_to(&goodbye, "401 Unauthorized", &[CHALLENGE]);
    let goodbye = a.receives_within("REGISTER", ms(100));
    assert_eq!(goodbye.header("Contact"), register.header("Contact"));
    a.says_to(&goodbye, "200 OK", &[]);
    assert_ladder!(lab, untimed);
}

#[test]
fn a_goodbye_that_nobody_answers_holds_nobody_up() {
    let (lab, a, _b) = registering(None);
    grants(&a, 100);
    lab.advance(secs(1));
    a.vanishes();
    lab.tells(Request::Stop);
    assert!(!lab.has_stopped());
    lab.advance(ms(1_100));
    assert!(lab.has_stopped());
}

#[test]
fn a_registrar_that_wants_longer_lives_gets_them() {
    let (lab, a, _b) = registering(None);
    let asked = a.receives("REGISTER");
    a.says_to(&asked, "423 Interval Too Brief", &["Min-Expires: 1800"]);
    let again = a.receives_within("REGISTER", ms(100));
    assert_eq!(again.header("Expires"), "1800");
    a.says_to(&again, "200 OK", &[]);
    lab.advance(secs(1));
    assert_eq!(row(&lab).registered, Some(true));
    // One that cannot be satisfied is no reason to go round in circles.
    let (lab, a, _b) = registering(None);
    let asked = a.receives("REGISTER");
    a.says_to(&asked, "423 Interval Too Brief", &["Min-Expires: 99999999"]);
    a.gets_no("REGISTER", secs(25));
    assert_eq!(row(&lab).trouble.as_deref(), Some("refused with 423"));
}

#[test]
fn a_password_that_is_wrong_is_not_tried_again_and_again() {
    let (lab, a, b) = registering(None);
    let asked = a.receives("REGISTER");
    a.says_to(&asked, "401 Unauthorized", &[CHALLENGE]);
    let again = a.receives_within("REGISTER", ms(100));
    a.says_to(&again, "401 Unauthorized", &[CHALLENGE]);
    a.gets_no("REGISTER", secs(29));
    b.gets_no("REGISTER", ms(1));
    assert_eq!(row(&lab).trouble.as_deref(), Some("refused with 401"));
    assert_eq!(row(&lab).registered, Some(false));
    // RFC 5626: at least half a minute, at most a whole one after the first failure.
    let third = a.receives_within("REGISTER", secs(32));
    // A nonce that was merely stale is another matter.
    a.says_to(&third, "401 Unauthorized", &[CHALLENGE]);
    let fourth = a.receives_within("REGISTER", ms(100));
    a.says_to(&fourth, "401 Unauthorized", &[&format!("{CHALLENGE}, stale=true")]);
    let fifth = a.receives_within("REGISTER", ms(100));
    a.says_to(&fifth, "200 OK", &["Expires: 60"]);
    lab.advance(secs(1));
    assert_eq!(row(&lab).registered, Some(true));
}

#[test]
fn a_silent_registrar_is_given_up_for_the_next_and_so_is_one_that_refuses_packets() {
    let (lab, a, b) = registering(None);
    a.vanishes();
    grants(&b, 600);
    lab.advance(ms(100));
    assert_eq!(row(&lab).registered_at.as_deref(), Some(B));
    let (lab, _a, b) = registering(None);
    lab.refuses(A);
    b.receives_within("REGISTER", ms(700));
}

#[test]
fn a_registration_follows_a_name_that_moves() {
    let (lab, a, b) = registering(None);
    grants(&a, 3_600);
    lab.dns(
        "_sip._udp.carrier.example",
        Kind::Srv,
        srv(&[(20, 0, 5060, "b.carrier.example")]),
        secs(300),
    );
    a.gets_no("REGISTER", secs(290));
    b.receives_within("REGISTER", secs(20));
}

#[test]
fn while_the_name_is_unknown_nothing_is_sent_and_then_at_once() {
    let (lab, a, _b) = registering(None);
    lab.dns_is(Mood::Silent);
    a.gets_no("REGISTER", secs(4));
    assert_eq!(row(&lab).trouble.as_deref(), Some("its name leads nowhere"));
    lab.dns_is(Mood::Answers(ms(10)));
    a.receives_within("REGISTER", secs(20));
}

/// A call to what the trunk has registered, from `server`.
fn calls(server: &Party, id: &str, uri: &str, number: &str) {
    let sdp = server.description("sendrecv");
    server.sends(&format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {A};branch=z9hG4bK{id};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:+4989123@carrier.example>;tag=f{id}\r\nTo: <sip:{number}@carrier.example>\r\n\
         Call-ID: {id}\r\nCSeq: 1 INVITE\r\nContact: <sip:carrier@{A}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len(),
    ));
}

#[test]
fn a_call_to_our_contact_is_the_trunks_if_it_comes_from_the_registrar() {
    let (lab, a, b) = registering(None);
    let register = grants(&a, 600);
    let bob = lab.phone("bob").registers();
    let contact = register.header("Contact").trim_matches(['<', '>']).to_owned();
    // The number called is in To; the Contact's user part is a token of ours.
    calls(&a, "c1", &contact, "+4930555012");
    bob.rings(ms(100)).replies(486, "Busy Here");
    a.expects("486");
    // Carriers that put the number into the Request-URI keep the parameter.
    let (_, rest) = contact.split_once('@').expect("a user");
    calls(&a, "c2", &format!("sip:+4930555012@{rest}"), "+4930555099");
    bob.rings(ms(100)).replies(486, "Busy Here");
    a.expects("486");
    // The other server of the same name is the registrar's too; any other address is not, and an address alone is nobody.
    calls(&b, "c3", &contact.replace(";line", ";x=1;line"), "+4930555012");
    bob.rings(ms(100)).replies(486, "Busy Here");
    let stranger = lab.server("stranger", "192.0.2.99:5060");
    calls(&stranger, "c4", &contact, "+4930555012");
    stranger.expects("403 Forbidden");
    calls(&a, "c5", "sip:+4930555012@192.0.2.1", "+4930555012");
    a.expects("403 Forbidden");
    bob.gets_no("INVITE", ms(100));
}

#[test]
fn nobody_can_have_the_registrar_shut_out_by_packets_in_its_name() {
    let (lab, a, _b) = registering(None);
    let register = grants(&a, 600);
    let bob = lab.phone("bob").registers();
    for id in 0..400 {
        calls(&a, &format!("x{id}"), "sip:+4930555012@192.0.2.1", "+4930555012");
    }
    lab.advance(secs(1));
    let contact = register.header("Contact").trim_matches(['<', '>']).to_owned();
    calls(&a, "real", &contact, "+4930555012");
    bob.rings(ms(100)).replies(486, "Busy Here");
    a.expects("486");
}

#[test]
fn the_contact_is_the_same_after_a_crash_so_that_the_registrar_keeps_one() {
    let (lab, a, _b) = registering(None);
    let before = grants(&a, 600);
    lab.crashes();
    let after = a.receives_within("REGISTER", secs(2));
    assert_eq!(before.header("Contact"), after.header("Contact"));
    assert_ne!(before.header("Call-ID"), after.header("Call-ID"));
}

#[test]
fn a_server_that_leaves_two_questions_unanswered_is_down_until_it_answers() {
    let (lab, a, b) = registering(Some(secs(30)));
    grants(&a, 3_600);
    let states = |lab: &Lab| -> Vec<String> {
        row(lab).targets.into_iter().map(|target| target.state).collect()
    };
    for server in [&a, &b] {
        let options = server.receives_within("OPTIONS", secs(2));
        assert!(
            options.text().starts_with("OPTIONS sip:carrier.example SIP/2.0"),
            "{}",
            options.text()
        );
        // Whatever it says, it is there.
        server.says_to(&options, "404 Not Found", &[]);
    }
    let mut asked = 0;
    while states(&lab) == ["up", "up"] {
        let options = b.receives_within("OPTIONS", secs(31));
        b.says_to(&options, "200 OK", &[]);
        lab.advance(secs(10));
        asked += 1;
        assert!(asked < 5, "a is silent and stays up");
    }
    assert_eq!(states(&lab), ["down", "up"]);
    a.gets_no("what it has not heard yet", ms(1));
    let options = a.receives_within("OPTIONS", secs(31));
    a.says_to(&options, "200 OK", &[]);
    lab.advance(ms(100));
    assert_eq!(states(&lab)[0], "up");
    assert!(!row(&lab).targets.is_empty());
}

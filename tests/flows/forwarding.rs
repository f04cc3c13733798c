//! Calls that go elsewhere: forwarding (RFC 5359 §2.7 to §2.9), do not disturb, phones that name somebody else, circles, and numbers
//! that whoever forwards may not dial.

use std::sync::Arc;

use tonspur::switch::control::{Reply, Request};
use tonspur::switch::settings::{Destination, NumberPattern, Redirects, Route, Settings};

use crate::lab::{Lab, Party, assert_ladder, ms, secs};

const BOB_DIRECTLY: &str = "+4930555012";
const SUPPORT: &str = "+4930555010";

/// Users dial out through north, as they are dialled.
pub(crate) fn outside(settings: &mut Settings) {
    for route in settings.routes.iter_mut().filter(|route| route.name == "80-out") {
        let patterns = ["0*", "+*"].map(|text| NumberPattern::parse(text).expect("a pattern"));
        *route =
            Route { numbers: patterns.into(), strip: 0, prepend: String::new(), ..route.clone() };
        route.to = Destination::Trunks(vec!["north".into()]);
    }
}

/// A caller and the phones of bob and alice.
fn office(lab: &Lab) -> (Party, Party, Party) {
    let (bob, alice) = (lab.phone("bob").registers(), lab.phone("alice").registers());
    (lab.carrier("north"), bob, alice)
}

/// They talk, and the caller ends it.
fn talk(lab: &Lab, caller: &Party, callee: &Party) {
    caller.expects("200 OK").acks();
    lab.talk(secs(2));
    caller.hears(callee);
    caller.hangs_up();
    callee.is_hung_up();
}

fn refusals(lab: &Lab, request: Request) -> String {
    match lab.asks(request) {
        Reply::Refused { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn call_forwarding_unconditional() {
    let lab = Lab::new();
    let (caller, bob, alice) = office(&lab);
    lab.forwards("201", "always", Some("202"));
    let forwarded = caller.invites(BOB_DIRECTLY).receives("181 Call Is Being Forwarded");
    // It begins a dialog (RFC 3261 §12.1.1).
    assert!(!forwarded.header("Contact").is_empty(), "{}", forwarded.text());
    let invite = alice.receives("INVITE");
    let diversion = "<sip:201@office.example>;reason=unconditional;counter=1";
    assert_eq!(invite.header("Diversion"), diversion);
    let history: Vec<&str> =
        invite.text().lines().filter_map(|line| line.strip_prefix("History-Info: ")).collect();
    assert_eq!(
        history,
        ["<sip:201@office.example>;index=1", "<sip:202@office.example;cause=302>;index=1.1;mp=1"]
    );
    assert!(invite.header("From").contains(&caller.number()), "it is the caller who calls");
    alice.replies(180, "Ringing").answers();
    talk(&lab, &caller, &alice);
    bob.gets_no("INVITE", secs(1));
    assert_eq!(lab.cdrs()[0].agent.as_deref(), Some("alice"));
    assert_ladder!(lab);
}

#[test]
fn call_forwarding_busy() {
    let lab = Lab::new();
    let (caller, bob, alice) = office(&lab);
    lab.forwards("201", "busy", Some("202"));
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(486, "Busy Here").expects("ACK");
    caller.expects("181 Call Is Being Forwarded");
    let invite = alice.receives("INVITE");
    assert!(invite.header("Diversion").contains("reason=user-busy"));
    alice.replies(180, "Ringing").answers();
    talk(&lab, &caller, &alice);
    assert_ladder!(lab);
}

#[test]
fn call_forwarding_no_answer() {
    let lab = Lab::new();
    let (caller, bob, alice) = office(&lab);
    lab.forwards("201", "no_answer", Some("202"));
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    alice.gets_no("INVITE", secs(9));
    bob.expects("CANCEL").expects("ACK");
    let invite = alice.receives("INVITE");
    assert!(invite.header("Diversion").contains("reason=no-answer"));
    alice.replies(180, "Ringing").answers();
    talk(&lab, &caller, &alice);
    assert_ladder!(lab);
}

#[test]
fn whoever_has_no_phone_can_be_reached_elsewhere() {
    let lab = Lab::new();
    let (caller, alice) = (lab.carrier("north"), lab.phone("alice").registers());
    caller.invites(BOB_DIRECTLY).expects("480");
    lab.forwards("201", "unregistered", Some("202"));
    caller.invites(BOB_DIRECTLY);
    alice.rings(ms(100)).answers();
    talk(&lab, &caller, &alice);
}

#[test]
fn what_no_forwarding_is_for_is_the_callers() {
    let lab = Lab::new();
    let (caller, bob, alice) = office(&lab);
    lab.forwards("201", "busy", Some("202"));
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(603, "Decline").expects("ACK");
    caller.expects("603 Decline");
    alice.gets_no("INVITE", secs(1));
    lab.forwards("201", "busy", None);
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(486, "Busy Here").expects("ACK");
    caller.expects("486 Busy Here");
}

#[test]
fn a_user_who_is_not_to_be_disturbed_is_busy_and_no_queue_offers_them_a_call() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.agent("bob"));
    let silent = |on| Request::DoNotDisturb { user: "201".into(), on };
    assert_eq!(lab.asks(silent(true)), Reply::Done);
    caller.invites(BOB_DIRECTLY).expects("486 Busy Here");
    caller.invites(SUPPORT).expects("200 OK").acks();
    lab.advance(secs(4));
    caller.presses('2');
    bob.gets_no("INVITE", secs(10));
    assert_eq!(lab.asks(silent(false)), Reply::Done);
    bob.rings(ms(500)).answers();
    lab.talk(secs(1));
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn an_agent_is_not_forwarded_away_from_a_queue() {
    let lab = Lab::new();
    let (caller, bob, alice) = (lab.carrier("north"), lab.agent("bob"), lab.phone("alice"));
    let alice = alice.registers();
    lab.forwards("201", "always", Some("202"));
    caller.invites(SUPPORT).expects("200 OK").acks();
    lab.advance(secs(4));
    caller.presses('2');
    bob.rings(ms(500)).answers();
    lab.talk(secs(1));
    alice.gets_no("INVITE", ms(0));
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn a_forward_to_outside_is_the_forwarding_users_call() {
    let lab = Lab::with(outside);
    let (caller, bob, _) = office(&lab);
    let mobile = lab.carrier("south");
    drop(bob);
    lab.forwards("201", "always", Some("01715559900"));
    let alice = lab.phone("alice").registers();
    alice.invites("201").expects("181");
    let invite = caller.receives("INVITE");
    assert!(invite.text().starts_with("INVITE sip:+491715559900@192.0.2.9"), "{}", invite.text());
    // Alice has no number to show outside: Bob's stands for the call.
    assert!(invite.header("From").contains("+49305550201"), "{}", invite.header("From"));
    assert!(invite.header("Diversion").contains("<sip:+49305550201@192.0.2.9"));
    assert!(!invite.text().contains("sip:201@"), "no extension leaves the house");
    caller.replies(180, "Ringing").answers();
    alice.expects("200 OK").acks();
    lab.talk(secs(1));
    alice.hangs_up();
    caller.is_hung_up();
    mobile.gets_no("INVITE", ms(0));
}

#[test]
fn nobody_forwards_to_what_they_may_not_dial() {
    let lab = Lab::with(outside);
    let (caller, ..) = office(&lab);
    let forward = |to: &str| Request::ForwardingSet {
        user: "201".into(),
        to: vec![("always".into(), Some(to.into()))],
        after: None,
    };
    for (number, why) in [
        ("09001123456", "premium numbers are not allowed"),
        ("0037167222555", "international calls are not allowed"),
        ("112", "no call is sent on to an emergency number"),
        ("777", "no route"),
        ("201", "nobody is forwarded to themselves"),
        ("*78", "the number is an extension or a number of up to 32 digits"),
        ("sip:eve@example.com", "the number is an extension or a number of up to 32 digits"),
    ] {
        assert_eq!(refusals(&lab, forward(number)), why, "{number}");
    }
    caller.gets_no("INVITE", ms(0));
}

#[test]
fn a_forward_that_was_allowed_once_is_refused_when_it_is_not_any_more() {
    let lab = Lab::with(|settings| {
        outside(settings);
        let bob = settings.users.get_mut("201").expect("bob");
        Arc::make_mut(&mut bob.dialing).calls_per_hour = 1;
        let to = tonspur::switch::forwarding::target("09001123456").expect("a number");
        bob.forward.to.insert(tonspur::switch::forwarding::Occasion::Always, to);
    });
    let (caller, bob, alice) = office(&lab);
    alice.invites("201").expects("480");
    lab.forwards("201", "always", Some("01715559900"));
    alice.invites("201");
    caller.rings(ms(200)).replies(486, "Busy Here");
    alice.expects("486");
    alice.invites("201").expects("480");
    caller.gets_no("INVITE", secs(1));
    bob.gets_no("INVITE", ms(0));
    assert_ladder!(lab);
}

#[test]
fn forwards_that_run_in_a_circle_end_it() {
    let lab = Lab::new();
    let (caller, bob, alice) = office(&lab);
    lab.forwards("201", "always", Some("202"));
    lab.forwards("202", "always", Some("201"));
    caller.invites(BOB_DIRECTLY).expects("482 Loop Detected");
    bob.gets_no("INVITE", secs(1));
    alice.gets_no("INVITE", ms(0));
    lab.forwards("202", "always", None);
    lab.forwards("202", "no_answer", Some("201"));
    caller.invites(BOB_DIRECTLY);
    alice.rings(ms(100)).receives_within("CANCEL", secs(11));
    caller.expects("482 Loop Detected");
    assert_ladder!(lab);
}

#[test]
fn a_call_that_was_sent_on_too_often_goes_no_further() {
    let lab = Lab::new();
    let (caller, bob, alice) = office(&lab);
    lab.forwards("201", "always", Some("202"));
    caller.adds("Diversion: <sip:1@x>;counter=3\r\nDiversion: <sip:2@x>, <sip:3@x>\r\n");
    caller.invites(BOB_DIRECTLY).expects("480");
    bob.gets_no("INVITE", secs(1));
    alice.gets_no("INVITE", ms(0));
}

#[test]
fn a_phone_that_names_a_colleague_is_followed() {
    let lab = Lab::new();
    let (caller, bob, alice) = office(&lab);
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).redirects(
        "Contact: <sip:203@office.example>;q=0.2, \"A\" <sip:202@office.example>;q=0.9\r\n",
    );
    bob.expects("ACK");
    caller.expects("181");
    let invite = alice.receives("INVITE");
    assert!(invite.header("Diversion").contains("reason=deflection"));
    alice.replies(180, "Ringing").answers();
    talk(&lab, &caller, &alice);
    assert_ladder!(lab);
}

#[test]
fn a_phone_leads_nobody_to_a_stranger_or_to_what_its_user_may_not_dial() {
    let lab = Lab::with(outside);
    let (caller, bob, alice) = office(&lab);
    for contact in [
        "sip:202@203.0.113.66",
        "sip:eve@example.com",
        "sip:09001123456@office.example",
        "sip:112@office.example",
        "tel:+37167222555",
        "mailto:bob@office.example",
    ] {
        alice.invites("201");
        let line = format!("Contact: <{contact}>\r\n");
        bob.rings(ms(200)).redirects(&line).expects("ACK");
        alice.expects("480");
    }
    caller.gets_no("INVITE", secs(1));
}

#[test]
fn a_carrier_that_names_another_number_is_followed_only_where_it_may() {
    for policy in [Redirects::Refuse, Redirects::Follow] {
        let lab = Lab::with(|settings| {
            outside(settings);
            settings.trunks.get_mut("north").expect("a trunk").redirects = policy;
            // To be led on is one call.
            let bob = settings.users.get_mut("201").expect("bob");
            Arc::make_mut(&mut bob.dialing).at_once = 1;
        });
        let (north, bob, _) = office(&lab);
        bob.invites("030555990");
        let line = "Contact: <sip:+4930555991@192.0.2.9>\r\n";
        north.rings(ms(200)).redirects(line).expects("ACK");
        match policy {
            Redirects::Refuse => drop(bob.expects("480")),
            Redirects::Follow => {
                let invite = north.receives("INVITE");
                assert!(invite.text().starts_with("INVITE sip:+4930555991@"), "{}", invite.text());
                assert!(invite.header("Diversion").is_empty());
                north.replies(180, "Ringing").answers();
                bob.expects("200 OK").acks();
                lab.talk(secs(1));
                bob.hangs_up();
                north.is_hung_up();
            }
        }
    }
}

#[test]
fn what_a_user_wants_survives_a_restart() {
    let lab = Lab::new();
    let (caller, bob, alice) = office(&lab);
    lab.forwards("201", "always", Some("202"));
    assert_eq!(lab.asks(Request::DoNotDisturb { user: "202".into(), on: true }), Reply::Done);
    lab.advance(secs(1));
    lab.crashes();
    caller.invites(BOB_DIRECTLY).expects("486 Busy Here");
    assert_eq!(lab.asks(Request::DoNotDisturb { user: "202".into(), on: false }), Reply::Done);
    caller.invites(BOB_DIRECTLY);
    alice.rings(ms(100)).answers();
    talk(&lab, &caller, &alice);
    bob.gets_no("INVITE", ms(0));
}

#[test]
fn a_forward_to_a_queue_answers_and_waits() {
    let lab = Lab::with(|settings| {
        let queue = Route {
            name: "70-queue".into(),
            numbers: vec![NumberPattern::exactly("70")],
            to: Destination::Queue("support".into()),
            ..settings.routes.iter().find(|it| it.name == "90-internal").expect("it").clone()
        };
        settings.routes.insert(0, queue);
    });
    let (caller, bob) = (lab.carrier("north"), lab.agent("bob"));
    lab.forwards("202", "unregistered", Some("70"));
    let carol = lab.phone("carol").registers();
    carol.invites("202").expects("181").expects("200 OK").acks();
    bob.rings(ms(500)).answers();
    lab.talk(secs(1));
    carol.hears(&bob).hangs_up();
    bob.is_hung_up();
    caller.gets_no("INVITE", ms(0));
    assert_eq!(lab.cdrs()[0].queue.as_deref(), Some("support"));
}

#[test]
fn a_user_forwards_and_is_left_in_peace_by_codes() {
    let lab = Lab::with(outside);
    let (caller, bob, alice) = office(&lab);
    let dials = |code: &str| {
        bob.invites(code).expects("200 OK").acks().is_hung_up();
    };
    dials("*72202");
    caller.invites(BOB_DIRECTLY);
    alice.rings(ms(100)).answers();
    talk(&lab, &caller, &alice);
    dials("*73");
    dials("*78");
    caller.invites(BOB_DIRECTLY).expects("486 Busy Here");
    dials("*90202");
    caller.invites(BOB_DIRECTLY);
    alice.rings(ms(100)).answers();
    talk(&lab, &caller, &alice);
    dials("*79");
    for (code, status) in [("*7209001123456", "403"), ("*72", "484"), ("*99", "404")] {
        bob.invites(code).expects(status);
    }
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(603, "Decline");
    caller.expects("603");
    assert_ladder!(lab);
}

//! The call flows of RFC 3665 as far as a switch sees them, each named after its section. The switch is a back-to-back user agent, so
//! that a flow of the RFC is seen twice, once on each side. Not here, because told elsewhere: §3.3 (a carrier that wants a digest) in
//! `dialogs` and `reliable`; §3.4 (a proxy that fails); §3.5 is for firewalls, and of §3.6 only the SDP in the ACK is.

use std::time::Duration;

use crate::lab::{Lab, Party, assert_ladder, ms, secs, with_headers, with_sdp, without_body};

const BOB_DIRECTLY: &str = "+4930555012";

fn hear_each_other(lab: &Lab, one: &Party, other: &Party) {
    for party in [one, other] {
        party.forgets_what_it_heard();
    }
    lab.talk(secs(2));
    one.hears(other);
    other.hears(one);
}

// ---- section 2 ----

#[test]
fn section_2_1_a_phone_registers() {
    let lab = Lab::new();
    lab.phone("bob").registers();
    assert_ladder!(lab);
}

#[test]
fn section_2_2_a_second_contact_joins_the_first() {
    let lab = Lab::new();
    lab.phone("bob").registers();
    let mobile = lab.phone("bob");
    mobile.registers_for(secs(600)).expects("401");
    let both = mobile.receives("200 OK");
    assert_eq!(both.all("Contact").count(), 2, "{}", both.text());
    assert_ladder!(lab);
}

#[test]
fn section_2_3_the_contacts_can_be_asked_for() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let asks = |text: &str| {
        let kept = text
            .split("\r\n")
            .filter(|line| !line.starts_with("Contact:") && !line.starts_with("Expires:"));
        kept.collect::<Vec<_>>().join("\r\n")
    };
    bob.changes("REGISTER", asks).changes("REGISTER", asks);
    bob.registers_for(secs(600)).expects("401");
    let list = bob.receives("200 OK");
    assert!(list.header("Contact").contains("expires="), "{}", list.text());
    assert_ladder!(lab);
}

#[test]
fn section_2_4_a_phone_leaves() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let leaves = |text: &str| text.replace("Expires: 600", "Expires: 0");
    bob.changes("REGISTER", leaves).changes("REGISTER", leaves);
    bob.registers_for(secs(600)).expects("401");
    assert_eq!(bob.receives("200 OK").all("Contact").count(), 0);
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY).expects("480");
    assert_ladder!(lab);
}

#[test]
fn section_2_5_a_wrong_password_registers_nobody() {
    let lab = Lab::new();
    let bob = lab.phone("bob");
    bob.changes("REGISTER", |text| text.to_owned());
    bob.changes("REGISTER", |text| {
        let at = text.find("response=\"").expect("a digest") + "response=\"".len();
        format!("{}{}{}", &text[..at], "0".repeat(32), &text[at + 32..])
    });
    bob.registers_for(secs(600)).expects("401").expects("401");
    // The phone of the lab goes on trying, and now it is right.
    bob.expects("200 OK");
    assert_ladder!(lab);
}

// ---- section 3 ----

#[test]
fn section_3_1_two_phones_talk() {
    let lab = Lab::new();
    let (alice, bob) = (lab.phone("alice").registers(), lab.phone("bob").registers());
    alice.invites("201");
    bob.rings(ms(100)).answers();
    alice.expects("180 Ringing").expects("200 OK").acks();
    hear_each_other(&lab, &alice, &bob);
    bob.hangs_up();
    alice.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn section_3_2_what_two_proxies_recorded_is_the_route_back() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    // Both at the carrier's address; the one next to us is on top.
    let near = "<sip:192.0.2.9:5060;lr>";
    let far = "<sip:ss1.atlanta.example.com;lr>";
    caller.adds(&format!("Record-Route: {near}, {far}\r\n")).invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    let ringing = caller.receives("180 Ringing");
    assert_eq!(ringing.header("Record-Route"), format!("{near}, {far}"), "{}", ringing.text());
    bob.answers();
    caller.expects("200 OK").acks();
    hear_each_other(&lab, &caller, &bob);
    bob.hangs_up();
    let bye = caller.receives("BYE");
    let routes: Vec<&str> = bye.all("Route").collect();
    assert_eq!(routes, [near, far], "{}", bye.text());
    assert!(bye.text().starts_with("BYE sip:+49301234560@192.0.2.9:5060 "), "{}", bye.text());
    caller.answers_to(&bye, 200, "OK");
    assert_ladder!(lab);
}

#[test]
fn section_3_6_the_ack_brings_the_answer() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.changes("INVITE", without_body).invites(BOB_DIRECTLY);
    bob.rings(ms(100)).answers();
    caller.expects("180 Ringing");
    let answer = caller.receives("200 OK");
    assert!(answer.text().contains("m=audio "), "{}", answer.text());
    let sdp = caller.description("sendrecv");
    caller.changes("ACK", move |ack| with_sdp(ack, &sdp)).acks();
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn section_3_7_a_reinvite_tells_a_new_address() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).answers();
    caller.expects("200 OK").acks();
    hear_each_other(&lab, &caller, &bob);
    caller.moves_to(5_090).reinvites("sendrecv").expects("200 OK").acks();
    // The other leg is none of it.
    bob.gets_no("INVITE", secs(1));
    hear_each_other(&lab, &caller, &bob);
    bob.hangs_up();
    let bye = caller.receives("BYE");
    assert!(bye.text().starts_with("BYE sip:+49301234560@192.0.2.9:5090 "), "{}", bye.text());
    caller.answers_to(&bye, 200, "OK");
    assert_ladder!(lab);
}

#[test]
fn section_3_8_a_caller_gives_up_on_a_phone_that_nobody_answers() {
    let lab = Lab::new();
    let (alice, bob) = (lab.phone("alice").registers(), lab.phone("bob").registers());
    alice.invites("201");
    bob.rings(ms(100));
    alice.expects("180 Ringing");
    lab.advance(secs(20));
    alice.cancels().expects("200 OK").expects("487 Request Terminated");
    bob.expects("CANCEL").expects("ACK");
    assert_ladder!(lab);
}

#[test]
fn section_3_9_a_busy_phone_is_busy() {
    let lab = Lab::new();
    let (alice, bob) = (lab.phone("alice").registers(), lab.phone("bob").registers());
    alice.invites("201");
    bob.receives("INVITE");
    bob.replies(486, "Busy Here").expects("ACK");
    alice.expects("486 Busy Here");
    assert_ladder!(lab);
}

#[test]
fn section_3_10_a_phone_that_says_nothing_is_waited_for_and_given_up() {
    let lab = Lab::new();
    let (alice, bob) = (lab.phone("alice").registers(), lab.phone("bob").registers());
    bob.vanishes();
    alice.invites("201");
    let began = lab.clock();
    alice.expects("408 Request Timeout");
    let waited = lab.clock() - began;
    assert!((secs(32)..Duration::from_millis(32_100)).contains(&waited), "{waited:?}");
    assert_ladder!(lab);
}

#[test]
fn section_3_11_who_is_not_available_is_not() {
    let lab = Lab::new();
    let (alice, bob) = (lab.phone("alice").registers(), lab.phone("bob").registers());
    alice.invites("201");
    bob.rings(ms(100));
    alice.expects("180 Ringing");
    bob.changes("SIP/2.0 480", |text| with_headers(text, "Retry-After: 5\r\n"));
    bob.replies(480, "Temporarily Unavailable").expects("ACK");
    alice.expects("480 Temporarily Unavailable");
    assert_ladder!(lab);
}

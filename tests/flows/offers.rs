//! Offers and answers that come late, come empty, or do not come (RFC 3264, RFC 6337).

use crate::lab::{Lab, Party, as_method, assert_ladder, ms, secs, with_sdp, without_body};

const SUPPORT: &str = "+4930555010";
const BOB_DIRECTLY: &str = "+4930555012";

/// The caller and the agent talk, recorded.
fn is_served(caller: &Party, bob: &Party) {
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
}

fn talking(lab: &Lab) -> (Party, Party) {
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    is_served(&caller, &bob);
    (caller, bob)
}

/// The caller's next ACK brings the answer to our offer.
fn answers_in_the_ack(caller: &Party) {
    let sdp = caller.description("sendrecv");
    caller.changes("ACK", move |ack| with_sdp(ack, &sdp)).acks();
}

fn hear_each_other(lab: &Lab, one: &Party, other: &Party) {
    for party in [one, other] {
        party.forgets_what_it_heard();
    }
    lab.talk(secs(2));
    one.hears(other);
    other.hears(one);
}

#[test]
fn an_invite_without_an_offer_is_offered_ours_and_answers_in_the_ack() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.changes("INVITE", without_body).invites(SUPPORT);
    let answer = caller.receives("200 OK");
    assert!(answer.text().contains("m=audio "), "{}", answer.text());
    answers_in_the_ack(&caller);
    is_served(&caller, &bob);
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn an_update_that_offers_before_our_offer_is_answered_is_put_off() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.changes("INVITE", without_body).invites(SUPPORT).expects("200 OK");
    let sdp = caller.description("sendrecv");
    let update = move |text: &str| with_sdp(&as_method(text, "OPTIONS", "UPDATE"), &sdp);
    caller.changes("OPTIONS", update).sends_options().expects("491 Request Pending");
    answers_in_the_ack(&caller);
    is_served(&caller, &bob);
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn an_ack_that_owes_the_answer_ends_the_call() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.changes("INVITE", without_body).invites(SUPPORT).expects("200 OK").acks().is_hung_up();
    bob.gets_no("INVITE", secs(1));
    assert_ladder!(lab);
}

#[test]
fn a_reinvite_without_an_offer_is_offered_what_was_agreed() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    caller.changes("INVITE", without_body).reinvites("sendrecv");
    let answer = caller.receives("200 OK");
    assert!(answer.text().contains("m=audio "), "{}", answer.text());
    answers_in_the_ack(&caller);
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn an_update_may_hold_and_resume() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    for direction in ["sendonly", "sendrecv"] {
        let sdp = caller.description(direction);
        let update = move |text: &str| with_sdp(&as_method(text, "OPTIONS", "UPDATE"), &sdp);
        caller.changes("OPTIONS", update).sends_options();
        let answer = caller.receives("200 OK");
        assert!(answer.header("CSeq").ends_with("UPDATE"), "{}", answer.text());
        assert!(answer.text().contains("m=audio "), "{}", answer.text());
        let request = bob.receives("INVITE");
        bob.agrees_to(&request).expects("ACK");
        lab.advance(secs(1));
    }
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn options_are_answered_inside_a_call_and_outside() {
    let lab = Lab::new();
    let stranger = lab.carrier("south");
    let ping = "OPTIONS sip:192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKping;rport\r\n\
                Max-Forwards: 70\r\nFrom: <sip:ping@carrier.example>;tag=1\r\nTo: <sip:192.0.2.1>\r\nCall-ID: ping\r\n\
                CSeq: 1 OPTIONS\r\nContact: <sip:ping@192.0.2.10:5060>\r\nUser-Agent: a carrier's probe\r\n\
                Accept: application/sdp\r\nContent-Length: 0\r\n\r\n";
    stranger.sends(ping);
    let answer = stranger.receives("200 OK");
    assert!(answer.header("Allow").contains("UPDATE"), "{}", answer.text());
    let (caller, bob) = talking(&lab);
    caller.sends_options().expects("200 OK");
    bob.sends_options().expects("200 OK");
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

/// The agent's phone accepts, with this done to its 200.
fn accepted_uselessly(change: impl FnOnce(&str) -> String + 'static) -> Lab {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).changes("SIP/2.0 200", change).replies(200, "OK").expects("ACK");
    let bye = bob.receives("BYE");
    assert!(bye.header("Reason").contains("cause=488"), "{}", bye.text());
    bob.answers_to(&bye, 200, "OK");
    caller.expects("488");
    lab.settles();
    assert_eq!(lab.cdrs()[0].status, Some(488));
    lab
}

#[test]
fn an_acceptance_without_an_answer_is_acknowledged_and_hung_up() {
    let lab = accepted_uselessly(without_body);
    assert_ladder!(lab);
}

#[test]
fn an_acceptance_with_a_useless_answer_is_acknowledged_and_hung_up() {
    let useless = |text: &str| {
        with_sdp(
            text,
            "v=0\r\no=- 1 1 IN IP4 10.0.0.21\r\ns=-\r\nc=IN IP4 10.0.0.21\r\nt=0 0\r\nm=audio 7000 RTP/AVP 18\r\n",
        )
    };
    let lab = accepted_uselessly(useless);
    assert_ladder!(lab);
}

#[test]
fn early_audio_is_announced_by_183_and_stays_when_the_answer_brings_none() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let north = lab.carrier("north");
    bob.invites("0301234567");
    north.expects("INVITE");
    let sdp = north.description("sendrecv");
    north.changes("SIP/2.0 183", move |text| with_sdp(text, &sdp)).replies(183, "Session Progress");
    let progress = bob.receives("183 Session Progress");
    let port = |text: &str| text.split("m=audio ").nth(1).expect("audio")[..5].to_owned();
    north.changes("SIP/2.0 200", without_body).replies(200, "OK").expects("ACK");
    let answer = bob.receives("200 OK");
    assert_eq!(port(progress.text()), port(answer.text()));
    bob.acks();
    hear_each_other(&lab, &bob, &north);
    bob.hangs_up();
    north.is_hung_up();
    assert_ladder!(lab);
}

//! Provisional responses that are acknowledged (RFC 3262), and what may be agreed on before the answer (RFC 3311, RFC 6337): with a
//! caller as the switch's server side, with a called party as its client side.

use tonspur::phone::Received;
use tonspur::switch::settings::EarlyMedia;

use crate::lab::{Lab, Party, assert_ladder, ms, secs, with_headers, with_sdp, without_body};

const BOB_DIRECTLY: &str = "+4930555012";
const CAN: &str = "Supported: 100rel\r\n";
const MUST: &str = "Require: 100rel\r\n";

/// A provisional response of that number, as RFC 3262 wants it.
fn reliably(rseq: u32) -> String {
    format!("Require: 100rel\r\nRSeq: {rseq}\r\n")
}

fn has_sdp(message: &Received) -> bool {
    message.text().contains("\r\nm=audio ")
}

fn hear_each_other(lab: &Lab, one: &Party, other: &Party) {
    for party in [one, other] {
        party.forgets_what_it_heard();
    }
    lab.talk(secs(2));
    one.hears(other);
    other.hears(one);
}

/// Bob calls out through the trunk, and says this of himself.
fn bob_calls_out(lab: &Lab, headers: &str) -> (Party, Party) {
    let bob = lab.phone("bob").registers();
    let north = lab.carrier("north");
    // What is asked without proof is asked again with it.
    bob.adds(headers).adds(headers).invites("0301234567");
    north.expects("INVITE");
    (bob, north)
}

/// Bob is answered, both hear each other, and bob hangs up.
fn they_talk(lab: &Lab, bob: &Party, north: &Party) {
    bob.expects("200 OK").acks();
    hear_each_other(lab, bob, north);
    bob.hangs_up();
    north.is_hung_up();
}

/// The carrier sends early audio, unreliably.
fn early_audio(north: &Party) {
    north.replies_with(183, "Session Progress", "", Some(north.description("sendrecv")));
}

// ---- the caller's side ----

#[test]
fn a_caller_who_requires_it_acknowledges_that_it_rings() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.adds(MUST).invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    let ringing = caller.receives("180 Ringing");
    assert_eq!(ringing.header("Require"), "100rel");
    assert!(ringing.header("Allow").contains("PRACK"), "{}", ringing.text());
    caller.pracks(&ringing, None).expects("200 OK");
    bob.answers();
    assert!(has_sdp(&caller.receives("200 OK")), "the answer has not been given yet");
    caller.acks();
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_caller_who_can_acknowledges_early_audio_and_not_that_it_rings() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, CAN);
    north.replies(180, "Ringing");
    assert_eq!(bob.receives("180 Ringing").header("RSeq"), "");
    early_audio(&north);
    let progress = bob.receives("183 Session Progress");
    assert!(has_sdp(&progress));
    bob.pracks(&progress, None).expects("200 OK");
    lab.talk(secs(1));
    north.replies(200, "OK").expects("ACK");
    let answer = bob.receives("200 OK");
    assert!(!has_sdp(&answer), "the answer was given: {}", answer.text());
    bob.acks();
    hear_each_other(&lab, &bob, &north);
    bob.hangs_up();
    north.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_caller_who_knows_nothing_of_it_is_not_bothered() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, "");
    early_audio(&north);
    let progress = bob.receives("183 Session Progress");
    assert_eq!((progress.header("Require"), progress.header("RSeq")), ("", ""));
    bob.gets_no("183", secs(10)).cancels().expects("487");
}

#[test]
fn the_200_waits_for_the_prack_of_early_audio_and_the_183_is_repeated_until_then() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, CAN);
    early_audio(&north);
    let progress = bob.receives("183 Session Progress");
    north.replies(200, "OK").expects("ACK");
    bob.gets_no("200", secs(3));
    bob.pracks(&progress, None).expects("200 OK");
    let answer = bob.receives("200 OK");
    assert!(answer.header("CSeq").ends_with("INVITE") && !has_sdp(&answer), "{}", answer.text());
    bob.acks().gets_no("183", secs(2));
    hear_each_other(&lab, &bob, &north);
    bob.hangs_up();
    north.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn the_200_does_not_wait_for_the_prack_of_a_180_which_is_welcome_after_it() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.adds(MUST).invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    let ringing = caller.receives("180 Ringing");
    bob.answers();
    caller.receives_within("200 OK", ms(100));
    caller.pracks(&ringing, None).expects("200 OK").acks().gets_no("180", secs(5));
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn what_is_never_acknowledged_ends_the_call_after_64_t1() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.adds(MUST).invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    caller.expects("180 Ringing");
    let began = lab.clock();
    caller.expects("504 Server Time-out");
    let waited = lab.clock() - began;
    assert!(waited.as_secs() == 32, "{waited:?}");
    bob.expects("CANCEL");
    lab.settles();
    let cdr = &lab.cdrs()[0];
    assert_eq!(
        (cdr.end_cause.as_deref(), cdr.status),
        (Some("no PRACK from the caller"), Some(504))
    );
    assert_ladder!(lab);
}

#[test]
fn a_prack_for_nothing_is_told_so() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.adds(MUST).invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    let ringing = caller.receives("180 Ringing");
    let rseq: u32 = ringing.header("RSeq").parse().expect("a number");
    let asks = |rack: String| caller.asks("PRACK", &format!("RAck: {rack}\r\n"), None);
    asks(format!("{} 1 INVITE", rseq + 1)).expects("481");
    asks(format!("{rseq} 2 INVITE")).expects("481");
    asks(format!("{rseq} 1 UPDATE")).expects("481");
    asks("soon".to_owned()).expects("400 bad RAck");
    caller.asks("PRACK", "", None).expects("400 bad RAck");
    caller.pracks(&ringing, None).expects("200 OK");
    caller.pracks(&ringing, None).expects("481");
    // Bob has been sent nothing that he might acknowledge either.
    bob.asks("PRACK", "RAck: 1 1 INVITE\r\n", None).expects("481");
    bob.answers();
    caller.expects("200 OK").acks().hangs_up();
    bob.is_hung_up();
}

#[test]
fn an_offer_in_a_prack_is_answered_and_one_out_of_turn_is_not() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, CAN);
    early_audio(&north);
    let progress = bob.receives("183 Session Progress");
    let answer = bob.pracks(&progress, Some(&bob.description("sendrecv"))).receives("200 OK");
    assert!(has_sdp(&answer), "{}", answer.text());
    north.replies(200, "OK").expects("ACK");
    they_talk(&lab, &bob, &north);

    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, MUST);
    north.replies(180, "Ringing");
    let ringing = bob.receives("180 Ringing");
    bob.pracks(&ringing, Some(&bob.description("sendrecv"))).expects("400");
    bob.cancels().expects("487");
}

#[test]
fn who_makes_no_offer_is_made_one_with_early_audio_and_answers_in_the_prack() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let north = lab.carrier("north");
    let bare = |text: &str| with_headers(&without_body(text), CAN);
    bob.changes("INVITE", bare).changes("INVITE", bare).invites("0301234567");
    north.expects("INVITE");
    early_audio(&north);
    let progress = bob.receives("183 Session Progress");
    assert!(has_sdp(&progress), "our offer");
    // Bob's offer would be the second at once.
    bob.asks("UPDATE", "", Some(&bob.description("sendrecv"))).expects("491");
    bob.pracks(&progress, Some(&bob.description("sendrecv"))).expects("200 OK");
    north.replies(200, "OK").expects("ACK");
    assert!(!has_sdp(&bob.receives("200 OK")));
    bob.acks();
    hear_each_other(&lab, &bob, &north);
    bob.hangs_up();
    north.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_prack_that_owes_the_answer_ends_the_call() {
    for (sdp, status) in [(None, "400"), (Some("v=0\r\n"), "200")] {
        let lab = Lab::new();
        let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
        caller.changes("INVITE", |text| with_headers(&without_body(text), MUST));
        caller.invites(BOB_DIRECTLY);
        bob.rings(ms(100));
        let ringing = caller.receives("180 Ringing");
        assert!(has_sdp(&ringing), "the first reliable response makes the offer");
        caller.pracks(&ringing, sdp).expects(status).expects("488");
        bob.expects("CANCEL");
    }
}

#[test]
fn a_caller_may_change_what_was_agreed_before_the_answer() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, CAN);
    // Nothing is agreed yet: RFC 3311 §5.2.
    north.replies(180, "Ringing");
    bob.expects("180 Ringing");
    let sdp = bob.description("sendrecv");
    let refusal = bob.asks("UPDATE", "", Some(&sdp)).receives("500");
    assert!(!refusal.header("Retry-After").is_empty(), "{}", refusal.text());
    early_audio(&north);
    let progress = bob.receives("183 Session Progress");
    bob.pracks(&progress, None).expects("200 OK");
    let answer = bob.asks("UPDATE", "", Some(&sdp)).receives("200 OK");
    assert!(has_sdp(&answer), "{}", answer.text());
    north.replies(200, "OK").expects("ACK");
    they_talk(&lab, &bob, &north);
    assert_ladder!(lab);
}

#[test]
fn a_caller_who_cancels_while_a_prack_is_owed_is_let_go() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, CAN);
    early_audio(&north);
    let progress = bob.receives("183 Session Progress");
    // The 200 waits for the PRACK when the CANCEL comes, and is never sent.
    north.replies(200, "OK").expects("ACK");
    bob.cancels().expects("487");
    north.is_hung_up();
    bob.pracks(&progress, None).expects("481").gets_no("200", secs(1));
}

#[test]
fn one_reliable_response_follows_another_when_it_is_acknowledged() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, MUST);
    north.replies(180, "Ringing");
    let ringing = bob.receives("180 Ringing");
    early_audio(&north);
    bob.gets_no("183", ms(400));
    bob.pracks(&ringing, None).expects("200 OK");
    let progress = bob.receives_within("183 Session Progress", ms(100));
    let number = |message: &Received| message.header("RSeq").parse::<u32>().expect("a number");
    assert_eq!(number(&progress), number(&ringing) + 1);
    bob.pracks(&progress, None).expects("200 OK");
    north.replies(200, "OK").expects("ACK");
    bob.expects("200 OK").acks().hangs_up();
    north.is_hung_up();
}

#[test]
fn a_caller_is_told_again_and_again_that_it_rings() {
    for (headers, every) in [("", 60), (MUST, 150)] {
        let lab = Lab::with(|settings| settings.ring = secs(400));
        let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
        caller.adds(headers).invites(BOB_DIRECTLY);
        bob.rings(ms(100));
        for _ in 0..2 {
            let ringing = caller.receives("180 Ringing");
            if headers == MUST {
                caller.pracks(&ringing, None).expects("200 OK");
            }
            caller.gets_no("180", secs(every - 1));
            lab.advance(secs(1));
        }
        caller.expects("180 Ringing").cancels().expects("487");
        bob.expects("CANCEL");
    }
}

// ---- the called side ----

#[test]
fn reliable_responses_of_a_carrier_are_acknowledged_in_order_and_once() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let north = lab.carrier("north");
    bob.invites("0301234567");
    let invite = north.receives("INVITE");
    assert!(invite.header("Supported").contains("100rel"), "{}", invite.text());
    let sdp = || Some(north.description("sendrecv"));
    north.replies_with(183, "Session Progress", &reliably(7), sdp());
    let prack = north.receives("PRACK");
    let cseq = invite.header("CSeq");
    assert_eq!(prack.header("RAck"), format!("7 {cseq}"));
    north.answers_to(&prack, 200, "OK");
    bob.expects("183 Session Progress");
    // The same again, then one after a gap.
    north.replies_with(183, "Session Progress", &reliably(7), sdp());
    north.replies_with(180, "Ringing", &reliably(9), None);
    north.gets_no("PRACK", secs(1));
    north.replies_with(180, "Ringing", &reliably(8), None);
    let prack = north.receives("PRACK");
    assert_eq!(prack.header("RAck"), format!("8 {cseq}"));
    north.answers_to(&prack, 200, "OK");
    bob.expects("180 Ringing");
    // The answer was given; what the 200 says of it counts for nothing.
    let elsewhere = north.description("sendrecv").replace("m=audio 7000", "m=audio 9");
    north.replies_with(200, "OK", "", Some(elsewhere)).expects("ACK");
    they_talk(&lab, &bob, &north);
    assert_ladder!(lab);
}

#[test]
fn a_200_without_sdp_is_enough_when_the_answer_came_before_it() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, "");
    north.replies_with(183, "Progress", &reliably(1), Some(north.description("sendrecv")));
    let prack = north.receives("PRACK");
    north.answers_to(&prack, 200, "OK");
    north.changes("SIP/2.0 200", without_body).replies(200, "OK").expects("ACK");
    they_talk(&lab, &bob, &north);
}

/// Of two that send at once nobody could say which is to be heard (RFC 3960 §2.1): the caller's own phone rings.
#[test]
fn early_audio_of_two_phones_at_once_is_heard_of_neither() {
    let lab = Lab::new();
    let (desk, mobile) = (lab.phone("bob").registers(), lab.phone("bob").registers());
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    desk.expects("INVITE");
    desk.replies_with(183, "Session Progress", "", Some(desk.description("sendrecv")));
    let ringing = caller.receives("180 Ringing");
    assert!(!has_sdp(&ringing), "{}", ringing.text());
    mobile.rings(ms(100));
    desk.answers();
    mobile.expects("CANCEL");
    caller.expects("200 OK").acks();
    hear_each_other(&lab, &caller, &desk);
    caller.hangs_up();
    desk.is_hung_up();
}

/// RFC 6337 §3.1.1.
#[test]
fn what_was_agreed_reliably_is_not_changed_by_what_follows_unreliably() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, "");
    north.replies_with(183, "Progress", &reliably(1), Some(north.description("sendrecv")));
    let prack = north.receives("PRACK");
    north.answers_to(&prack, 200, "OK");
    north.replies_with(183, "Progress", "", Some(north.description("inactive")));
    north.changes("SIP/2.0 200", without_body).replies(200, "OK").expects("ACK");
    they_talk(&lab, &bob, &north);
}

#[test]
fn each_fork_behind_a_carrier_has_its_own_numbers_and_its_own_media() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, "");
    // Two phones behind the carrier; the lab's carrier is the second, which answers.
    let at = |port: &str| {
        north.description("sendrecv").replace("m=audio 7000", &format!("m=audio {port}"))
    };
    let other = |text: &str| {
        let tag = text.split(";tag=").nth(2).expect("a To tag").split("\r\n").next().expect("it");
        text.replace(tag, "another")
    };
    let first = at("7998").replace("a=sendrecv", "a=inactive");
    north.changes("SIP/2.0 183", move |text| {
        other(&with_headers(&with_sdp(text, &first), &reliably(50)))
    });
    north.replies(183, "Session Progress");
    let prack = north.receives("PRACK");
    assert!(prack.header("To").ends_with(";tag=another"), "{}", prack.text());
    assert!(prack.header("RAck").starts_with("50 "));
    north.answers_to(&prack, 200, "OK");
    north.replies_with(183, "Session Progress", &reliably(3), Some(at("7000")));
    let prack = north.receives("PRACK");
    assert!(!prack.header("To").ends_with(";tag=another"), "{}", prack.text());
    assert!(prack.header("RAck").starts_with("3 "));
    north.answers_to(&prack, 200, "OK");
    // RFC 3960 §3.1: whoever spoke last is heard.
    lab.talk(secs(1));
    bob.hears(&north);
    north.changes("SIP/2.0 200", without_body).replies(200, "OK").expects("ACK");
    they_talk(&lab, &bob, &north);
    assert_ladder!(lab);
}

#[test]
fn so_many_forks_are_heard_and_no_more() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, "");
    let mut heard = 0;
    for fork in 0..20 {
        let tag = format!("fork{fork}");
        north.changes("SIP/2.0 180", move |text| {
            let tags: Vec<&str> = text.split(";tag=").collect();
            let own = tags[2].split("\r\n").next().expect("a tag");
            with_headers(&text.replace(own, &tag), &reliably(1))
        });
        north.replies(180, "Ringing");
        lab.advance(ms(50));
    }
    let said = lab.ladder();
    heard += said.lines().filter(|line| line.contains("PRACK")).count();
    // Their PRACKs are not answered either, which is why they are fewer still.
    assert!((1..=8).contains(&heard), "{heard}\n{said}");
    bob.cancels().expects("487");
    north.expects("CANCEL");
}

#[test]
fn a_called_side_may_change_what_was_agreed_before_it_answers() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, "");
    let sdp = north.description("sendrecv");
    north.replies(180, "Ringing");
    bob.expects("180 Ringing");
    // Our offer is open.
    north.asks("UPDATE", "", Some(&sdp)).expects("491");
    north.replies_with(183, "Session Progress", &reliably(1), Some(sdp.clone()));
    let prack = north.receives("PRACK");
    north.answers_to(&prack, 200, "OK");
    let answer = north.asks("UPDATE", "", Some(&sdp)).receives("200 OK");
    assert!(has_sdp(&answer), "{}", answer.text());
    north.changes("SIP/2.0 200", without_body).replies(200, "OK").expects("ACK");
    they_talk(&lab, &bob, &north);
    assert_ladder!(lab);
}

#[test]
fn a_carrier_may_challenge_a_prack_once() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, "");
    north.replies_with(183, "Progress", &reliably(1), Some(north.description("sendrecv")));
    let prack = north.receives("PRACK");
    let challenge = "Proxy-Authenticate: Digest realm=\"north\", nonce=\"n\", qop=\"auth\"\r\n";
    north.answers_with(&prack, 407, challenge, None);
    let again = north.receives("PRACK");
    assert_eq!(again.header("RAck"), prack.header("RAck"));
    assert!(again.header("Proxy-Authorization").contains("username="), "{}", again.text());
    north.answers_with(&again, 407, challenge, None).gets_no("PRACK", secs(1));
    north.replies(200, "OK").expects("ACK");
    bob.expects("200 OK").acks().hangs_up();
    north.is_hung_up();
}

#[test]
fn a_prack_that_is_refused_or_never_answered_ends_nothing() {
    for answered in [false, true] {
        let lab = Lab::new();
        let (bob, north) = bob_calls_out(&lab, "");
        north.replies_with(183, "Progress", &reliably(1), Some(north.description("sendrecv")));
        let prack = north.receives("PRACK");
        if answered {
            north.answers_to(&prack, 481, "Call/Transaction Does Not Exist");
        }
        north.replies(200, "OK").expects("ACK");
        bob.expects("200 OK").acks();
        lab.talk(secs(40));
        bob.hangs_up();
        north.is_hung_up();
    }
}

#[test]
fn the_goodbye_to_an_answer_that_crossed_the_cancel_is_later_than_the_prack() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, "");
    north.replies_with(183, "Progress", &reliably(1), Some(north.description("sendrecv")));
    let prack = north.receives("PRACK");
    north.answers_to(&prack, 200, "OK");
    bob.expects("183 Session Progress").cancels();
    lab.advance(ms(6));
    // A phone would refuse a BYE with an older number.
    north.replies(200, "OK").expects("ACK").is_hung_up();
    bob.expects("487");
    assert_ladder!(lab);
}

// ---- what an unanswered caller hears (RFC 3960) ----

#[test]
fn early_audio_may_give_way_to_the_callers_own_ringing() {
    let lab = Lab::with(|settings| settings.early_media = EarlyMedia::Ring);
    let (bob, north) = bob_calls_out(&lab, CAN);
    early_audio(&north);
    let ringing = bob.receives("180 Ringing");
    assert!(!has_sdp(&ringing));
    bob.gets_no("183", secs(1)).cancels().expects("487");
}

#[test]
fn our_tone_may_stand_for_whatever_the_called_side_sends() {
    let lab = Lab::with(|settings| settings.early_media = EarlyMedia::Tone);
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    assert!(has_sdp(&caller.receives("183 Session Progress")));
    caller.forgets_what_it_heard();
    lab.talk(secs(2));
    let loudest = caller.heard().iter().map(|sample| sample.unsigned_abs()).max();
    assert!(loudest > Some(1_000), "{loudest:?}");
    bob.answers();
    caller.expects("200 OK").acks();
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn early_audio_ringing_and_early_audio_again_are_told_as_they_come() {
    let lab = Lab::new();
    let (bob, north) = bob_calls_out(&lab, "");
    early_audio(&north);
    bob.expects("183 Session Progress");
    north.replies(180, "Ringing");
    bob.expects("180 Ringing");
    early_audio(&north);
    bob.expects("183 Session Progress");
    lab.talk(secs(1));
    bob.hears(&north);
    north.replies(200, "OK").expects("ACK");
    bob.expects("200 OK").acks().hangs_up();
    north.is_hung_up();
    assert_ladder!(lab);
}

//! Messages that cross (RFC 5407), and re-INVITEs that fail (RFC 6141). Others are told elsewhere: an answer that crosses the CANCEL in
//! `calls`, a BYE before the ACK in `faults`, a BYE while it rings and during a re-INVITE in `endings`, two re-INVITEs in `holds`, a
//! PRACK that crosses the answer or the CANCEL in `reliable`.

use crate::lab::{Lab, Party, assert_ladder, ms, secs, with_headers, with_sdp, without_body};

const BOB_DIRECTLY: &str = "+4930555012";

/// A call that is up.
fn talking(lab: &Lab) -> (Party, Party) {
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).answers();
    caller.expects("200 OK").acks();
    (caller, bob)
}

fn hear_each_other(lab: &Lab, one: &Party, other: &Party) {
    for party in [one, other] {
        party.forgets_what_it_heard();
    }
    lab.talk(secs(2));
    one.hears(other);
    other.hears(one);
}

fn ends(caller: &Party, bob: &Party) {
    caller.hangs_up();
    bob.is_hung_up();
}

/// RFC 5407 §3.1.2, seen from the caller.
#[test]
fn a_cancel_that_crosses_the_200_changes_nothing_and_the_caller_hangs_up() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(200, "OK");
    lab.advance(ms(6));
    caller.cancels().expects("200 OK");
    caller.expects("200 OK").acks();
    bob.expects("ACK");
    ends(&caller, &bob);
    assert_ladder!(lab);
}

/// RFC 5407 §3.1.4.
#[test]
fn a_called_side_may_ask_anew_before_it_has_the_ack() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    lab.loses("ACK", 1);
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(200, "OK");
    caller.expects("200 OK").acks();
    bob.reinvites("sendrecv").expects("200 OK").acks();
    hear_each_other(&lab, &caller, &bob);
    ends(&caller, &bob);
    assert_ladder!(lab);
}

#[test]
fn an_offer_that_overtakes_the_answer_is_put_off() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    lab.loses("SIP/2.0 200", 1);
    bob.replies(200, "OK").reinvites("sendrecv").expects("491 Request Pending");
    caller.cancels().expects("487");
    bob.expects("CANCEL");
}

/// RFC 5407 §3.2.3.
#[test]
fn a_reinvite_that_crosses_the_bye_finds_no_call() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    bob.says_bye();
    lab.advance(ms(6));
    caller.reinvites("sendonly");
    let bye = caller.receives("BYE");
    caller.expects("481").answers_to(&bye, 200, "OK");
    bob.expects("200 OK");
    assert_ladder!(lab);
}

/// RFC 5407 §3.3.1.
#[test]
fn both_may_hang_up_at_once() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    caller.says_bye();
    bob.says_bye();
    caller.expects("200 OK");
    bob.expects("200 OK");
    lab.settles();
    assert_eq!(lab.cdrs()[0].end_cause.as_deref(), Some("caller hung up"));
    assert_ladder!(lab);
}

/// RFC 3261 §14.2: our offer waits for its answer, which the ACK brings.
/// Whoever asks anew has heard our answer, though we have not heard the ACK.
#[test]
fn a_second_reinvite_need_not_wait_for_the_ack_of_the_first() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    caller.reinvites("sendonly").expects("200 OK");
    bob.is_reinvited();
    caller.reinvites("sendrecv").expects("200 OK").acks();
    bob.is_reinvited();
    hear_each_other(&lab, &caller, &bob);
    ends(&caller, &bob);
}

#[test]
fn a_second_reinvite_has_to_wait_for_the_first() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    caller.changes("INVITE", without_body).reinvites("sendrecv");
    caller.expects("200 OK");
    let first = caller.said("INVITE");
    caller.reinvites("sendrecv");
    let refusal = caller.receives("500");
    assert!(!refusal.header("Retry-After").is_empty(), "{}", refusal.text());
    // The answer to the first still arrives.
    let number = |text: &str| {
        let line = text.split("\r\n").find(|line| line.starts_with("CSeq: "));
        line.expect("CSeq")["CSeq: ".len()..].split(' ').next().expect("a number").to_owned()
    };
    let (old, new) = (number(&first), number(&caller.said("INVITE")));
    let sdp = caller.description("sendrecv");
    caller.changes("ACK", move |ack| {
        with_sdp(&ack.replace(&format!("CSeq: {new} ACK"), &format!("CSeq: {old} ACK")), &sdp)
    });
    caller.acks();
    hear_each_other(&lab, &caller, &bob);
    ends(&caller, &bob);
    assert_ladder!(lab);
}

/// RFC 6141 §3.2: whoever asks for what cannot be has what they had.
#[test]
fn a_reinvite_that_we_refuse_leaves_the_old_media() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    let video = "v=0\r\no=phone 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 7000 RTP/AVP 18\r\n";
    caller.changes("INVITE", move |text| with_sdp(text, video)).reinvites("sendrecv");
    caller.expects("488 Not Acceptable Here");
    caller.asks("UPDATE", "", Some(video)).expects("488 Not Acceptable Here");
    hear_each_other(&lab, &caller, &bob);
    ends(&caller, &bob);
    assert_ladder!(lab);
}

#[test]
fn a_reinvite_of_ours_that_is_refused_leaves_the_old_media() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    caller.reinvites("sendonly").expects("200 OK").acks();
    let told = bob.receives("INVITE");
    bob.answers_to(&told, 488, "Not Acceptable Here").expects("ACK");
    caller.reinvites("sendrecv").expects("200 OK").acks();
    // Whether bob is told that it is over, who never took it in, is no matter: the media are back.
    hear_each_other(&lab, &caller, &bob);
    ends(&caller, &bob);
    assert_ladder!(lab);
}

/// RFC 6141 §3.4: the target that a refused re-INVITE named is not taken.
#[test]
fn a_refused_reinvite_moves_nobody() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    let moves =
        |text: &str| with_sdp(&text.replace("@192.0.2.9:5060", "@192.0.2.9:5090"), "v=0\r\n");
    caller.changes("INVITE", moves).reinvites("sendrecv").expects("488");
    bob.hangs_up();
    let bye = caller.receives("BYE");
    assert!(bye.text().starts_with("BYE sip:+49301234560@192.0.2.9:5060"), "{}", bye.text());
    caller.answers_to(&bye, 200, "OK");
}

/// Our refresh of the timer meets their re-INVITE: theirs is a refresh too.
#[test]
fn a_refresh_that_meets_a_reinvite_is_put_off_and_the_call_goes_on() {
    let lab = Lab::with(|settings| settings.silence = secs(36_000));
    let timer = "Supported: timer\r\nSession-Expires: 200\r\n";
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    caller.adds(timer).invites(BOB_DIRECTLY);
    bob.rings(ms(100)).answers();
    caller.expects("200 OK").acks();
    let refresh = caller.receives_within("INVITE", secs(101));
    caller.adds(timer).reinvites("sendrecv").expects("491");
    caller.answers_to(&refresh, 491, "Request Pending").expects("ACK");
    let again = caller.receives_within("INVITE", secs(60));
    caller.changes("SIP/2.0 200", |text| {
        with_headers(text, "Session-Expires: 200;refresher=uac\r\n")
    });
    caller.agrees_to(&again).expects("ACK");
    ends(&caller, &bob);
    assert_ladder!(lab, untimed);
}

/// A challenge to whatever a trunk is asked inside a dialog is answered once.
#[test]
fn a_trunk_may_challenge_options_info_and_update_once() {
    let lab = Lab::with(|settings| settings.silence = secs(36_000));
    let bob = lab.phone("bob").registers().polite();
    let north = lab.carrier("north");
    bob.invites("0301234567");
    let timer = "Allow: UPDATE\r\nSession-Expires: 200;refresher=uac\r\n";
    north.expects("INVITE");
    north.replies_with(200, "OK", timer, Some(north.description("sendrecv"))).expects("ACK");
    bob.expects("200 OK");
    let challenge = "WWW-Authenticate: Digest realm=\"north\", nonce=\"n\", qop=\"auth\"\r\n";
    let challenges = |method: &str| {
        let request = north.receives_within(method, secs(200));
        north.answers_with(&request, 401, challenge, None);
        let again = north.receives_within(method, secs(1));
        assert!(again.header("Authorization").contains("response="), "{}", again.text());
        again
    };
    bob.sends_info('5').expects("200 OK");
    let again = challenges("INFO");
    assert!(again.text().contains("Signal=5"), "{}", again.text());
    north.answers_to(&again, 200, "OK");
    // The refresh, after which there is no timer any more.
    let again = challenges("UPDATE");
    assert_eq!(again.header("Session-Expires"), "200;refresher=uac");
    north.answers_to(&again, 200, "OK");
    bob.reinvites("inactive").expects("200 OK");
    let told = north.receives("INVITE");
    north.agrees_to(&told).expects("ACK");
    let again = challenges("OPTIONS");
    // Whoever wants another proof is there all the same, and is asked again in time.
    north.answers_with(&again, 401, challenge, None).gets_no("OPTIONS", secs(100));
    challenges("OPTIONS");
    bob.hangs_up();
    let again = challenges("BYE");
    north.answers_to(&again, 200, "OK");
}

//! Calls that go well, and calls that are refused.

use tonspur::phone::Received;
use tonspur::switch::control::AgentChange;
use tonspur::switch::journal::ConsentAnswer;

use crate::lab::{Lab, Party, assert_ladder, ms, secs, without_body};

const SUPPORT: &str = "+4930555010";
const BOB_DIRECTLY: &str = "+4930555012";

#[test]
fn a_caller_who_agrees_is_served_and_recorded() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("100 Trying").expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
    for party in [&caller, &bob] {
        party.forgets_what_it_heard();
    }
    lab.talk(secs(30));
    caller.hears(&bob);
    bob.hears(&caller);
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();

    let cdr = &lab.cdrs()[0];
    let consent = cdr.consent.as_ref().expect("they were asked");
    assert_eq!(
        (consent.answer, consent.language.as_str(), consent.prompt.as_str()),
        (ConsentAnswer::Agreed, "en", "consent")
    );
    assert_eq!(
        (cdr.end_cause.as_deref(), cdr.agent.as_deref()),
        (Some("caller hung up"), Some("bob"))
    );
    assert!(cdr.recording.is_some() && cdr.unrecorded.is_none());
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(recording.sealed);
    assert!((recording.seconds() - 30.0).abs() < 0.2, "{} s", recording.seconds());
    let level = tonspur::phone::tone_level;
    let middle = 8_000..recording.left.len() - 8_000;
    assert!(level(&recording.left[middle.clone()], caller.tone()) > 8_000.0);
    assert!(level(&recording.right[middle.clone()], bob.tone()) > 8_000.0);
    assert!(level(&recording.left[middle.clone()], bob.tone()) < 200.0);
    assert!(level(&recording.right[middle], caller.tone()) < 200.0);
    assert_ladder!(lab);
}

#[test]
fn a_caller_who_declines_consent_is_served_but_not_recorded() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    lab.advance(secs(4));
    caller.presses('2');
    bob.rings(ms(500)).answers();
    lab.talk(secs(5));
    caller.hangs_up();
    bob.is_hung_up();
    assert_eq!(lab.recordings(), vec![]);
    let cdr = &lab.cdrs()[0];
    assert_eq!(
        cdr.consent.as_ref().map(|consent| consent.answer),
        Some(ConsentAnswer::Declined('2'))
    );
    assert_eq!(cdr.unrecorded.as_deref(), Some("the caller declined"));
    assert_ladder!(lab);
}

#[test]
fn a_caller_who_says_nothing_is_served_but_not_recorded() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks().hears_prompt("en/consent");
    bob.gets_no("INVITE", secs(4));
    bob.rings(secs(2)).answers();
    lab.talk(secs(2));
    caller.hangs_up();
    bob.is_hung_up();
    assert_eq!(lab.recordings(), vec![]);
    assert_eq!(
        lab.cdrs()[0].consent.as_ref().map(|consent| consent.answer),
        Some(ConsentAnswer::Silent)
    );
}

#[test]
fn a_key_by_info_counts_as_a_key() {
    let bare = |info: &str| {
        let head = without_body(info);
        let head = head.strip_suffix("Content-Length: 0\r\n\r\n").expect("no body");
        format!("{head}Content-Type: application/dtmf\r\nContent-Length: 1\r\n\r\n1")
    };
    for is_bare in [false, true] {
        let lab = Lab::new();
        let bob = lab.agent("bob");
        let caller = lab.carrier("north");
        caller.invites(SUPPORT).expects("200 OK").acks();
        lab.advance(secs(1));
        caller.changes("INFO", move |info| if is_bare { bare(info) } else { info.to_owned() });
        caller.presses_by_info('1');
        bob.rings(ms(500)).answers();
        lab.talk(secs(2));
        caller.hangs_up();
        bob.is_hung_up();
        lab.settles();
        assert_eq!(lab.recordings().len(), 1);
    }
}

#[test]
fn a_notice_played_to_its_end_is_a_permit() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites("+4930555011").expects("200 OK").acks().hears_prompt("en/notice");
    bob.rings(ms(500)).answers();
    lab.talk(secs(2));
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();
    assert_eq!(lab.recordings().len(), 1);
    assert_eq!(
        lab.cdrs()[0].consent.as_ref().map(|consent| consent.answer),
        Some(ConsentAnswer::Noticed)
    );
}

#[test]
fn an_agent_who_has_not_agreed_is_not_recorded() {
    let lab = Lab::new();
    let carol = lab.agent("carol");
    let caller = lab.carrier("north");
    caller.invites("+4930555014").expects("200 OK").acks().hears_prompt("de/consent").presses('1');
    carol.rings(ms(500)).answers();
    lab.talk(secs(2));
    caller.hangs_up();
    carol.is_hung_up();
    assert_eq!(lab.recordings(), vec![]);
    assert_eq!(
        lab.cdrs()[0].unrecorded.as_deref(),
        Some("the agent has not agreed to be recorded")
    );
}

#[test]
fn an_unrecorded_route_is_answered_by_the_agent_alone() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY).expects("100 Trying");
    bob.rings(ms(100));
    caller.expects("180 Ringing").gets_no("200", secs(3));
    bob.replies(200, "OK");
    caller.expects("200 OK").acks();
    bob.expects("ACK");
    lab.talk(secs(3));
    caller.hears(&bob);
    bob.hears(&caller);
    bob.hangs_up();
    caller.is_hung_up();
    assert_eq!(lab.recordings(), vec![]);
    assert_ladder!(lab);
}

#[test]
fn a_busy_agent_is_busy_for_the_caller() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(486, "Busy Here").expects("ACK");
    caller.expects("486 Busy Here");
    assert_eq!(lab.cdrs()[0].status, Some(486));
    assert_ladder!(lab);
}

#[test]
fn an_agent_who_does_not_answer_is_cancelled_in_time() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    lab.advance(secs(59));
    let cancel = bob.receives_within("CANCEL", secs(5));
    assert_eq!(cancel.method(), Some("CANCEL"));
    caller.expects("480 Temporarily Unavailable");
    assert_eq!(lab.cdrs()[0].end_cause.as_deref(), Some("no answer"));
    assert_ladder!(lab);
}

#[test]
fn a_caller_who_gives_up_while_it_rings_is_let_go() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    caller.expects("180 Ringing").cancels().expects("200 OK").expects("487 Request Terminated");
    bob.expects("CANCEL").expects("ACK");
    assert_ladder!(lab);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_hung_up() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    caller.expects("180 Ringing").cancels();
    // Both at once: the 200 is on its way when the CANCEL arrives.
    lab.advance(ms(6));
    bob.replies(200, "OK").expects("ACK").is_hung_up();
    caller.expects("487 Request Terminated");
    assert_ladder!(lab);
}

/// A caller, and the two phones of bob's that ring.
fn rung_at_two_phones(lab: &Lab) -> [Party; 3] {
    let [desk, mobile] = [(); 2].map(|()| lab.phone("bob").registers());
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    desk.rings(ms(100));
    mobile.rings(ms(100));
    [caller, desk, mobile]
}

/// RFC 3261 §16.7, step 5: a 6xx speaks for the person.
#[test]
fn who_declines_at_one_phone_is_rung_at_no_other() {
    let lab = Lab::new();
    let [caller, desk, mobile] = rung_at_two_phones(&lab);
    desk.replies(603, "Decline").expects("ACK");
    mobile.expects("CANCEL");
    caller.expects("603 Decline");
}

#[test]
fn the_first_of_two_phones_that_answers_has_the_call() {
    let lab = Lab::new();
    let [caller, desk, mobile] = rung_at_two_phones(&lab);
    mobile.answers();
    caller.expects("200 OK").acks();
    let cancel = desk.receives("CANCEL");
    assert!(cancel.header("Reason").contains("Call completed elsewhere"), "{}", cancel.text());
    caller.hangs_up();
    mobile.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_queue_without_agents_refuses_before_it_costs() {
    let lab = Lab::new();
    lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("480 Temporarily Unavailable");
    assert!(lab.cdrs().is_empty());
    assert_ladder!(lab);
}

#[test]
fn callers_wait_in_their_order_and_agents_take_turns() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let callers = [lab.carrier("north"), lab.carrier("north")];
    for caller in &callers {
        caller.invites("+4930555010").expects("200 OK").acks();
        lab.advance(secs(1));
        caller.presses('1');
        lab.advance(secs(1));
    }
    bob.rings(ms(100)).answers();
    let alice = lab.agent("alice");
    alice.rings(ms(200)).answers();
    lab.advance(secs(1));
    callers[0].hangs_up();
    bob.is_hung_up();
    callers[1].hangs_up();
    alice.is_hung_up();
    lab.settles();
    let agents: Vec<Option<String>> = lab.cdrs().into_iter().map(|cdr| cdr.agent).collect();
    assert_eq!(agents, [Some("bob".to_owned()), Some("alice".to_owned())]);
    // Bob has been idle longer by now.
    let third = lab.carrier("north");
    third.invites(SUPPORT).expects("200 OK").acks().presses('2');
    bob.rings(secs(1)).replies(486, "Busy Here");
    alice.rings(secs(1)).answers();
    third.hangs_up();
    alice.is_hung_up();
}

#[test]
fn when_one_agent_does_not_answer_the_other_is_rung() {
    let lab = Lab::new();
    let agents = [lab.agent("bob"), lab.agent("alice")];
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks().presses('2');
    agents[0].rings(secs(1));
    agents[1].gets_no("INVITE", secs(15));
    agents[0].receives_within("CANCEL", secs(10));
    agents[1].rings(secs(1)).answers();
    lab.advance(secs(1));
    caller.hangs_up();
    agents[1].is_hung_up();
    assert_eq!(lab.cdrs()[0].agent.as_deref(), Some("alice"));
    assert_ladder!(lab);
}

#[test]
fn of_two_callers_and_one_agent_the_second_waits_for_the_first() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let callers = [lab.carrier("north"), lab.carrier("north")];
    callers[0].invites(SUPPORT).expects("200 OK").acks().presses('2');
    bob.rings(secs(1)).answers();
    callers[1].invites(SUPPORT).expects("200 OK").acks().presses('2');
    bob.gets_no("INVITE", secs(20));
    callers[0].hangs_up();
    bob.is_hung_up();
    bob.rings(secs(20)).answers();
    callers[1].hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_phone_that_redirects_is_not_followed() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(302, "Moved Temporarily").expects("ACK");
    caller.expects("480 Temporarily Unavailable");
    assert_ladder!(lab);
}

#[test]
fn an_agent_on_a_break_is_left_in_peace() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    lab.says("bob", AgentChange::Break);
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("480 Temporarily Unavailable");
    lab.says("bob", AgentChange::Available);
    caller.invites(SUPPORT).expects("200 OK").acks();
    lab.says("bob", AgentChange::Break);
    caller.presses('1');
    bob.gets_no("INVITE", secs(20));
    lab.says("bob", AgentChange::Available);
    bob.rings(ms(100)).answers();
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn a_user_calls_out_through_a_trunk_with_its_digest() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let north = lab.carrier("north");
    bob.invites("0301234567").expects("401 Unauthorized").expects("100 Trying");
    let invite = north.receives("INVITE");
    assert!(invite.text().starts_with("INVITE sip:+49301234567@192.0.2.9"), "{}", invite.text());
    assert!(invite.header("From").contains("+49305550201"), "{}", invite.text());
    north.replies(183, "Session Progress");
    bob.expects("18").gets_no("200", secs(1));
    north.replies(200, "OK").expects("ACK");
    bob.expects("200 OK").acks();
    lab.talk(secs(2));
    north.hears(&bob);
    bob.hears(&north);
    north.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_trunk_that_refuses_is_heard_by_the_caller() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let north = lab.carrier("north");
    bob.invites("0301234567");
    north.expects("INVITE").replies(503, "Service Unavailable").expects("ACK");
    // Its overload is not ours (RFC 3261 §16.7).
    let refusal = bob.receives("500 Server Internal Error");
    assert_eq!(refusal.header("Retry-After"), "");
    assert_ladder!(lab);
}

#[test]
fn users_call_each_other() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let alice = lab.phone("alice").registers().speaks_only(&[8]);
    bob.invites("202");
    alice.rings(ms(100)).answers();
    bob.expects("200 OK").acks();
    lab.talk(secs(2));
    // µ-law on one side, A-law on the other: converted on the way.
    alice.hears(&bob);
    bob.hears(&alice);
    alice.hangs_up();
    bob.is_hung_up();
}

#[test]
fn a_refused_number_is_refused_as_its_route_says_and_an_unknown_one_is_not_found() {
    let lab = Lab::new();
    let caller = lab.carrier("north");
    caller.invites("+4930555019").expects("603 Decline");
    caller.invites("+49305559999").expects("404 Not Found");
}

#[test]
fn the_agent_who_hangs_up_ends_the_call_and_gets_time_for_notes() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks().presses('1');
    bob.rings(secs(1)).answers();
    lab.talk(secs(1));
    bob.hangs_up();
    caller.is_hung_up();
    let second = lab.carrier("north");
    second.invites(SUPPORT).expects("200 OK").acks().presses('1');
    bob.gets_no("INVITE", secs(8));
    bob.rings(secs(4)).answers();
    second.hangs_up();
    bob.is_hung_up();
}

#[test]
fn a_challenge_of_the_gateway_is_answered_for_the_uri_that_was_asked() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let north = lab.carrier("north");
    bob.invites("0301234567");
    let invite = north.receives("INVITE");
    asks_for_a_digest(&north, &invite);
    let again = north.receives("INVITE");
    let uri = again.text().split(' ').nth(1).expect("a Request-URI");
    let proof = again.header("Proxy-Authorization");
    assert!(proof.contains(&format!("uri=\"{uri}\"")), "{uri} in {proof}");
    // It was not enough: nobody tries passwords at a carrier's.
    asks_for_a_digest(&north, &again);
    north.gets_no("INVITE", secs(1));
    bob.expects("500");
}

/// Its To is another one: an office behind it rewrites numbers.
fn asks_for_a_digest(north: &Party, invite: &Received) {
    let of = |name| invite.header(name);
    north.says(&format!(
        "SIP/2.0 407 Proxy Authentication Required\r\nVia: {}\r\nFrom: {}\r\nTo: <sip:301234567@elsewhere.example>;tag=b1\r\n\
         Call-ID: {}\r\nCSeq: {}\r\nProxy-Authenticate: Digest realm=\"north\", nonce=\"5e\", qop=\"auth\"\r\n\
         Content-Length: 0\r\n\r\n",
        of("Via"),
        of("From"),
        of("Call-ID"),
        of("CSeq"),
    ));
    north.expects("ACK");
}

#[test]
fn a_caller_who_waits_is_offered_to_a_phone_that_registers_late() {
    let lab = Lab::new();
    lab.says("bob", AgentChange::Available);
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    lab.advance(secs(1));
    caller.presses('2');
    lab.advance(secs(10));
    let bob = lab.phone("bob").registers();
    bob.rings(ms(100)).answers();
    caller.hangs_up();
    bob.is_hung_up();
}

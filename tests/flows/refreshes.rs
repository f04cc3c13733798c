//! Session timers (RFC 4028): who refreshes, by what, and what becomes of a call that nobody refreshes.

use std::time::Duration;

use tonspur::phone::Received;
use tonspur::switch::control::{Reply, Request};
use tonspur::wire::sip::timer::Limits;

use crate::lab::{Lab, Party, assert_ladder, ms, secs};

const BOB_DIRECTLY: &str = "+4930555012";
const UPDATES: &str = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n";

/// Timers of that many seconds at most, and nobody is missed for being silent.
fn lab_of(seconds: u64, shortest: u64) -> Lab {
    Lab::with(|settings| {
        settings.silence = secs(36_000);
        settings.session_timers = Some(Limits { expires: secs(seconds), shortest: secs(shortest) });
    })
}

/// An unrecorded call; the caller and bob say this of themselves.
fn talking(caller: &Party, bob: &Party, callers: &str, bobs: &str) -> Received {
    caller.adds(callers).invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    bob.replies_with(200, "OK", bobs, Some(bob.description("sendrecv"))).expects("ACK");
    let answer = caller.receives("200 OK");
    caller.acks();
    answer
}

fn parties(lab: &Lab) -> (Party, Party) {
    (lab.carrier("north"), lab.phone("bob").registers())
}

fn calls(lab: &Lab) -> usize {
    let Reply::Calls { calls } = lab.asks(Request::CallList) else { panic!("a list") };
    calls.len()
}

/// How long until that message comes.
fn waits_for(lab: &Lab, party: &Party, what: &str) -> (Duration, Received) {
    let began = lab.clock();
    let message = party.receives_within(what, secs(4_000));
    (lab.clock() - began, message)
}

fn is_about(waited: Duration, seconds: u64) {
    assert!((secs(seconds)..secs(seconds + 1)).contains(&waited), "{waited:?}, not {seconds} s");
}

#[test]
fn the_switch_refreshes_by_update_where_the_far_side_knows_it() {
    let lab = lab_of(1_800, 90);
    let (caller, bob) = parties(&lab);
    let headers = format!("Supported: timer\r\n{UPDATES}");
    let answer = talking(&caller, &bob, &headers, "");
    assert_eq!(answer.header("Session-Expires"), "1800;refresher=uas");
    assert!(!answer.header("Require").contains("timer"));
    for _ in 0..3 {
        let (waited, update) = waits_for(&lab, &caller, "UPDATE");
        is_about(waited, 900);
        assert_eq!(update.header("Session-Expires"), "1800;refresher=uac");
        assert!(!update.text().contains("m=audio"), "{}", update.text());
        caller.answers_with(&update, 200, "Session-Expires: 1800;refresher=uac\r\n", None);
    }
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn the_switch_refreshes_by_a_reinvite_that_changes_nothing_where_it_must() {
    let lab = lab_of(600, 90);
    let (caller, bob) = parties(&lab);
    // What we answered is less than we would offer.
    let caller = caller.speaks_only(&[8]);
    let origin = |message: &Received| {
        let line = message.text().split("\r\n").find(|line| line.starts_with("o="));
        line.expect("SDP").to_owned()
    };
    let answer = talking(&caller, &bob, "Supported: timer\r\n", "");
    let (waited, again) = waits_for(&lab, &caller, "INVITE");
    is_about(waited, 300);
    assert_eq!(origin(&again), origin(&answer), "RFC 4028 §7.4");
    assert_eq!(again.header("Session-Expires"), "600;refresher=uac");
    let sdp = caller.description("sendrecv");
    let keeps = "Require: timer\r\nSession-Expires: 600;refresher=uac\r\n";
    caller.answers_with(&again, 200, keeps, Some(&sdp)).expects("ACK");
    let (waited, again) = waits_for(&lab, &caller, "INVITE");
    is_about(waited, 300);
    caller.answers_with(&again, 200, keeps, Some(&sdp)).expects("ACK");
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_caller_who_refreshes_is_waited_for_and_hung_up_when_they_do_not() {
    let lab = lab_of(1_800, 90);
    let (caller, bob) = parties(&lab);
    let headers = "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n";
    let answer = talking(&caller, &bob, headers, "");
    assert_eq!(answer.header("Session-Expires"), "300;refresher=uac");
    assert_eq!(answer.header("Require"), "timer");
    lab.advance(secs(150));
    // By UPDATE, then by re-INVITE, in time.
    let answer = caller.asks("UPDATE", headers, None).receives("200 OK");
    assert_eq!(answer.header("Session-Expires"), "300;refresher=uac");
    lab.advance(secs(260));
    caller.adds(headers).reinvites("sendrecv").expects("200 OK").acks();
    // 300 s less 32.
    let (waited, bye) = waits_for(&lab, &caller, "BYE");
    is_about(waited, 268);
    assert!(bye.header("Reason").contains("timer"), "{}", bye.text());
    caller.answers_to(&bye, 200, "OK");
    bob.is_hung_up();
    assert_eq!(lab.cdrs()[0].end_cause.as_deref(), Some("caller was lost"));
    assert_ladder!(lab);
}

#[test]
fn too_short_an_interval_is_refused_with_the_shortest_there_may_be() {
    let lab = lab_of(1_800, 120);
    let (caller, bob) = parties(&lab);
    caller.adds("Supported: timer\r\nSession-Expires: 119\r\n").invites(BOB_DIRECTLY);
    assert_eq!(caller.receives("422 Session Interval Too Small").header("Min-SE"), "120");
    assert!(lab.cdrs().is_empty(), "no call has begun");
    talking(&caller, &bob, "Supported: timer\r\nSession-Expires: 120\r\n", "");
    let short = "Supported: timer\r\nSession-Expires: 90\r\n";
    assert_eq!(caller.asks("UPDATE", short, None).receives("422").header("Min-SE"), "120");
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn a_422_is_obeyed_as_often_as_it_makes_sense() {
    let lab = lab_of(600, 90);
    let (caller, bob) = parties(&lab);
    caller.invites(BOB_DIRECTLY);
    let invite = bob.receives("INVITE");
    assert_eq!((invite.header("Session-Expires"), invite.header("Min-SE")), ("600", ""));
    bob.replies_with(422, "Session Interval Too Small", "Min-SE: 900\r\n", None);
    let invite = bob.receives("INVITE");
    assert_eq!((invite.header("Session-Expires"), invite.header("Min-SE")), ("900", "900"));
    let accepts = "Require: timer\r\nSession-Expires: 900;refresher=uac\r\n";
    bob.replies_with(200, "OK", accepts, Some(bob.description("sendrecv"))).expects("ACK");
    caller.expects("200 OK").acks();
    let (waited, again) = waits_for(&lab, &bob, "INVITE");
    is_about(waited, 450);
    assert_eq!(again.header("Session-Expires"), "900;refresher=uac");
    bob.answers_with(&again, 200, accepts, Some(&bob.description("sendrecv"))).expects("ACK");
    caller.hangs_up();
    bob.is_hung_up();

    // Whoever raises it for ever is refused.
    caller.invites(BOB_DIRECTLY);
    for raise in 1..=4 {
        bob.expects("INVITE");
        bob.replies_with(422, "No", &format!("Min-SE: {}\r\n", 1_000 + raise), None);
    }
    caller.expects("500");
}

#[test]
fn a_called_side_that_refreshes_is_waited_for() {
    let lab = lab_of(600, 90);
    let (caller, bob) = parties(&lab);
    let theirs = "Session-Expires: 600;refresher=uas\r\n";
    talking(&caller, &bob, "", theirs);
    lab.advance(secs(300));
    let refreshes = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
    bob.asks("UPDATE", refreshes, None).expects("200 OK");
    let (waited, bye) = waits_for(&lab, &bob, "BYE");
    is_about(waited, 568);
    bob.answers_to(&bye, 200, "OK");
    caller.is_hung_up();
}

#[test]
fn a_refresh_that_nobody_answers_ends_the_call() {
    for headers in ["Supported: timer\r\n".to_owned(), format!("Supported: timer\r\n{UPDATES}")] {
        let lab = lab_of(600, 90);
        let (caller, bob) = parties(&lab);
        talking(&caller, &bob, &headers, "");
        let (waited, bye) = waits_for(&lab, &bob, "BYE");
        is_about(waited, 332);
        bob.answers_to(&bye, 200, "OK");
        lab.settles();
        assert_eq!(lab.cdrs()[0].end_cause.as_deref(), Some("caller was lost"));
    }
}

#[test]
fn a_refresh_that_is_refused_is_tried_again_until_the_time_is_over() {
    let lab = lab_of(600, 90);
    let (caller, bob) = parties(&lab);
    talking(&caller, &bob, &format!("Supported: timer\r\n{UPDATES}"), "");
    let (waited, update) = waits_for(&lab, &caller, "UPDATE");
    is_about(waited, 300);
    caller.answers_to(&update, 500, "Server Internal Error");
    let (waited, update) = waits_for(&lab, &caller, "UPDATE");
    is_about(waited, 150);
    // It does not know UPDATE after all.
    caller.answers_to(&update, 405, "Method Not Allowed");
    let again = caller.receives_within("INVITE", secs(1));
    caller.answers_to(&again, 488, "Not Acceptable Here").expects("ACK");
    let mut tries = 0;
    let bye = loop {
        let request = caller.receives_within("", secs(600));
        match request.method() {
            Some("INVITE") => {
                tries += 1;
                caller.answers_to(&request, 488, "Not Acceptable Here").expects("ACK");
            }
            Some("BYE") => break request,
            _ => {}
        }
    };
    assert!((2..20).contains(&tries), "{tries}");
    caller.answers_to(&bye, 200, "OK");
    bob.is_hung_up();
    assert!(lab.clock() >= secs(600), "{:?}", lab.clock());
}

#[test]
fn a_held_call_with_a_timer_is_refreshed_and_not_asked_after_too() {
    let lab = lab_of(1_200, 90);
    let (caller, bob) = parties(&lab);
    let timer = "Supported: timer\r\n";
    talking(&caller, &bob, timer, "Session-Expires: 1200;refresher=uas\r\n");
    caller.adds(timer).reinvites("sendonly").expects("200 OK").acks();
    let request = bob.receives("INVITE");
    assert_eq!(request.header("Session-Expires"), "1200;refresher=uas");
    let keeps = "Session-Expires: 1200;refresher=uas\r\n";
    let sdp = bob.description("recvonly");
    bob.answers_with(&request, 200, keeps, Some(&sdp)).expects("ACK");
    for party in [&caller, &bob] {
        party.gets_no("OPTIONS", secs(290));
    }
    assert_eq!(calls(&lab), 1);
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn who_is_not_to_be_asked_for_timers_is_not_and_who_asks_has_one() {
    let lab = Lab::with(|settings| settings.session_timers = None);
    let (caller, bob) = parties(&lab);
    caller.adds("Supported: timer\r\n").invites(BOB_DIRECTLY);
    let invite = bob.receives("INVITE");
    assert_eq!(invite.header("Session-Expires"), "");
    bob.answers();
    assert_eq!(caller.receives("200 OK").header("Session-Expires"), "");
    let asks = "Supported: timer\r\nSession-Expires: 900\r\n";
    let answer = caller.acks().asks("UPDATE", asks, None).receives("200 OK");
    assert_eq!(answer.header("Session-Expires"), "900;refresher=uas");
    caller.hangs_up();
    bob.is_hung_up();
}

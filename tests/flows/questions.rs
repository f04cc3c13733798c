//! The consent question and who hears it: what was not heard to its end was not said, and cannot be answered.

use tonspur::switch::journal::ConsentAnswer;

use crate::lab::{Lab, Party, ms, secs};

const SUPPORT: &str = "+4930555010";
const NOTICE: &str = "+4930555011";

/// The caller hears us from now on.
fn comes_back(caller: &Party) {
    caller.forgets_what_it_heard().reinvites("sendrecv").expects("200 OK").acks();
}

/// Both talk, the caller hangs up, and this is the answer on record.
fn ends_with(lab: &Lab, caller: &Party, bob: &Party, answer: ConsentAnswer) {
    bob.rings(ms(500)).answers();
    lab.talk(secs(2));
    caller.hangs_up();
    bob.is_hung_up();
    lab.settles();
    let cdr = &lab.cdrs()[0];
    assert_eq!(cdr.consent.as_ref().map(|consent| consent.answer), Some(answer));
}

#[test]
fn a_caller_who_cannot_hear_the_question_is_asked_once_they_can() {
    for direction in ["sendonly", "inactive"] {
        let lab = Lab::new();
        let bob = lab.agent("bob");
        let caller = lab.carrier("north");
        caller.invites_with(SUPPORT, direction).expects("200 OK").acks();
        lab.advance(secs(1));
        caller.presses('1');
        lab.advance(secs(1));
        caller.presses_by_info('1');
        bob.gets_no("INVITE", secs(30));
        comes_back(&caller);
        caller.hears_prompt("en/consent").presses('1');
        ends_with(&lab, &caller, &bob, ConsentAnswer::Agreed);
    }
}

#[test]
fn a_question_interrupted_by_a_hold_is_asked_from_its_beginning() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    lab.advance(secs(1));
    caller.reinvites("sendonly").expects("200 OK").acks();
    lab.advance(secs(30));
    caller.presses('1');
    bob.gets_no("INVITE", secs(1));
    comes_back(&caller);
    caller.hears_prompt("en/consent");
    // Silence is no, as ever.
    bob.gets_no("INVITE", secs(4));
    bob.rings(secs(2)).answers();
    lab.talk(secs(1));
    caller.hangs_up();
    bob.is_hung_up();
    assert_eq!(lab.recordings(), vec![]);
    let consent = lab.cdrs()[0].consent.clone().expect("they were asked");
    assert_eq!(consent.answer, ConsentAnswer::Silent);
}

#[test]
fn a_notice_that_nobody_heard_is_no_permit() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(NOTICE).expects("200 OK").acks();
    lab.advance(ms(300));
    caller.reinvites("inactive").expects("200 OK").acks();
    bob.gets_no("INVITE", secs(30));
    comes_back(&caller);
    caller.hears_prompt("en/notice");
    ends_with(&lab, &caller, &bob, ConsentAnswer::Noticed);
}

#[test]
fn a_caller_who_holds_the_question_and_is_gone_is_let_go() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites_with(SUPPORT, "sendonly").expects("200 OK").acks();
    // Asked after, and dead: 180 s and 64*T1.
    lab.advance(secs(179));
    caller.gets_no("BYE", ms(1)).receives_within("OPTIONS", secs(2));
    lab.advance(secs(31));
    caller.receives_within("BYE", secs(2));
    bob.gets_no("INVITE", secs(1));
    lab.settles();
    let cdr = &lab.cdrs()[0];
    assert_eq!(cdr.end_cause.as_deref(), Some("caller was lost"));
    assert_eq!(cdr.consent.as_ref().map(|consent| consent.answer), Some(ConsentAnswer::Left));
}

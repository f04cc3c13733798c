//! Calls on a bad line: what is lost is said again, what comes twice happens once.

use crate::lab::{Lab, Party, Weather, assert_ladder, ms, secs};

const SUPPORT: &str = "+4930555010";
const BOB_DIRECTLY: &str = "+4930555012";

/// From the consent to the talk.
fn is_served(caller: &Party, bob: &Party) {
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
}

#[test]
fn a_lost_200_is_sent_again_until_it_is_acknowledged() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    lab.loses("SIP/2.0 200", 2);
    caller.invites(SUPPORT).expects("200 OK").acks();
    is_served(&caller, &bob);
    lab.talk(secs(3));
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_lost_ack_is_asked_for_by_another_200() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK");
    lab.loses("ACK", 1);
    caller.acks().expects("200 OK").acks();
    is_served(&caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_caller_who_never_acknowledges_is_hung_up() {
    let lab = Lab::new();
    let bob = lab.agent("bob").answers_after(ms(500));
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").is_hung_up();
    bob.gets_no("INVITE", secs(1));
    assert_eq!(lab.cdrs().len(), 1);
    assert_ladder!(lab);
}

#[test]
fn a_lost_bye_is_sent_again() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    is_served(&caller, &bob);
    caller.says_bye();
    lab.loses("BYE", 1);
    caller.expects("200 OK");
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn an_agent_whose_phone_is_gone_ends_the_call_for_nobody_else() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    is_served(&caller, &bob);
    lab.talk(secs(2));
    // Its battery is empty: not one message reaches it any more.
    caller.hangs_up();
    lab.loses("BYE", 20);
    lab.settles();
    let cdr = &lab.cdrs()[0];
    assert_eq!(cdr.end_cause.as_deref(), Some("caller hung up"));
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(recording.sealed && recording.seconds() > 1.5);
}

#[test]
fn an_agent_gone_in_mid_call_is_missed_by_its_silence() {
    let lab = Lab::with(|settings| settings.silence = secs(10));
    let bob = lab.agent("bob");
    let caller = lab.carrier("north").polite();
    caller.invites(SUPPORT).expects("200 OK");
    is_served(&caller, &bob);
    lab.talk(secs(3));
    bob.vanishes();
    // The caller talks on, into the void.
    lab.talk(secs(15));
    caller.expects("BYE");
    lab.settles();
    let cdr = &lab.cdrs()[0];
    assert_eq!(cdr.end_cause.as_deref(), Some("no audio from the agent"));
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(recording.sealed && (12.0..14.0).contains(&recording.seconds()));
    assert_ladder!(lab);
}

#[test]
fn a_duplicate_invite_is_answered_again_and_rings_nobody_twice() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    caller.expects("180 Ringing").sends(&caller.said("INVITE")).expects("180 Ringing");
    bob.gets_no("INVITE", secs(1));
    bob.answers();
    caller.expects("200 OK").sends(&caller.said("INVITE")).acks();
    bob.gets_no("INVITE", secs(1));
    caller.hangs_up();
    bob.is_hung_up();
    assert_eq!(lab.cdrs().len(), 1);
    assert_ladder!(lab);
}

#[test]
fn an_agent_who_hangs_up_before_the_ack_comes_ends_the_call() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(200, "OK").says_bye().expects("200 OK");
    caller.expects("200 OK").acks().is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_caller_who_hangs_up_instead_of_acknowledging_ends_the_call() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").hangs_up().gets_no("BYE", secs(40));
    bob.gets_no("INVITE", secs(1));
    assert_eq!(lab.cdrs()[0].end_cause.as_deref(), Some("caller hung up"));
}

#[test]
fn of_two_phones_behind_one_contact_that_both_answer_the_second_is_hung_up() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(200, "OK");
    // A proxy in the home forked the INVITE (RFC 3261 §13.2.2.4): another tag, the same branch.
    let other = bob.said("SIP/2.0 200").replacen("To: ", "To: \"Kitchen\" ", 1);
    bob.sends(&other.replacen(";tag=", ";tag=kitchen-", 2).replacen(";tag=kitchen-", ";tag=", 1));
    bob.expects("ACK").expects("ACK");
    let bye = bob.receives("BYE");
    assert!(bye.header("To").contains(";tag=kitchen-"), "{}", bye.text());
    bob.answers_to(&bye, 200, "OK");
    caller.expects("200 OK").acks();
    lab.talk(secs(2));
    caller.hears(&bob);
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn what_comes_twice_happens_once() {
    let lab = Lab::new();
    let bob = lab.agent("bob").answers_after(ms(500));
    let caller = lab.carrier("north").polite();
    lab.weather(Weather { twice: 100, ..Weather::FINE });
    caller.invites(SUPPORT).expects("200 OK");
    caller.hears_prompt("en/consent").presses('1');
    bob.expects("ACK");
    lab.talk(secs(2));
    caller.says_bye().expects("200 OK");
    bob.expects("BYE");
    lab.settles();
    assert_eq!((lab.cdrs().len(), lab.recordings().len()), (1, 1));
}

#[test]
fn a_request_that_comes_by_two_ways_is_served_once() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).invites_by_another_way().expects("200 OK").acks();
    caller.expects("482");
    is_served(&caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    assert_eq!(lab.cdrs().len(), 1);
    assert_ladder!(lab);
}

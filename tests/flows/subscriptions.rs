//! Lamps and messages: what phones subscribe to, and what they are told (RFC 6665, RFC 4235, RFC 3842).

use tonspur::phone::Received;
use tonspur::switch::control::{Reply, Request};
use tonspur::switch::settings::Watch;

use crate::lab::{Lab, Party, assert_ladder, ms, secs};

/// Rings bob (201) alone, and is not recorded.
const BOB_DIRECTLY: &str = "+4930555012";
const SUPPORT: &str = "+4930555010";

/// The version of the document in a NOTIFY.
fn version(notify: &Received) -> u32 {
    let (_, rest) = notify.text().split_once("dialog-info\" version=\"").expect("a dialog-info");
    let version = rest.split_once('"').expect("a version").0;
    version.parse().expect("a number")
}

/// The next NOTIFY, and its Subscription-State.
fn told(phone: &Party) -> (Received, String) {
    let notify = phone.receives("NOTIFY");
    let state = notify.header("Subscription-State").to_owned();
    (notify, state)
}

/// How many subscriptions the switch knows.
fn known(lab: &Lab) -> usize {
    match lab.asks(Request::SubscriptionList) {
        Reply::Subscriptions { subscriptions } => subscriptions.len(),
        other => panic!("{other:?}"),
    }
}

/// Alice, who watches bob's lamp, and has been told that it is dark.
fn watcher(lab: &Lab, expires: u64) -> Party {
    let alice = lab.phone("alice").registers();
    alice.subscribes("dialog", "201", expires).expects("NOTIFY");
    assert!(alice.lamp("201").is_empty());
    lab.advance(secs(2));
    alice
}

#[test]
fn a_lamp_follows_a_colleagues_call() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    let alice = lab.phone("alice").registers();
    alice.subscribes("dialog", "201", 600);
    let (first, state) = told(&alice);
    assert_eq!((first.header("Event"), state.as_str()), ("dialog", "active;expires=600"));
    assert_eq!((version(&first), alice.lamp("201").len()), (0, 0));
    lab.advance(secs(2));

    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(500));
    lab.advance(secs(2));
    assert_eq!(alice.lamp("201"), ["early"]);
    bob.answers();
    caller.expects("200 OK").acks();
    lab.advance(secs(2));
    assert_eq!(alice.lamp("201"), ["confirmed"]);
    caller.hangs_up();
    bob.is_hung_up();
    lab.advance(secs(2));
    assert!(alice.lamp("201").is_empty());
    alice.resubscribes("201", 0);
    lab.advance(secs(1));
    assert_eq!(known(&lab), 0);
    assert_ladder!(lab);
}

#[test]
fn a_lamp_shows_both_phones_of_a_user_and_what_one_does_itself() {
    let lab = Lab::new();
    let alice = watcher(&lab, 600);
    let bob = lab.phone("bob").registers();
    let other = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(500));
    other.rings(ms(500));
    lab.advance(secs(2));
    assert_eq!(alice.lamp("201"), ["early", "early"]);
    bob.answers();
    other.expects("ACK");
    caller.expects("200 OK").acks();
    lab.advance(secs(2));
    assert_eq!(alice.lamp("201"), ["confirmed"], "the other phone rings no more");
    caller.hangs_up();
    bob.is_hung_up();
    lab.advance(secs(2));

    bob.invites("0301234567");
    lab.advance(secs(2));
    assert_eq!(alice.lamp("201"), ["trying"]);
    caller.replies(180, "Ringing");
    lab.advance(secs(2));
    assert_eq!(alice.lamp("201"), ["early"]);
    bob.cancels();
    lab.advance(secs(2));
    assert!(alice.lamp("201").is_empty());
}

#[test]
fn who_subscribes_in_the_middle_of_a_call_is_told_of_it() {
    let lab = Lab::with(|settings| {
        settings.users.get_mut("202").expect("alice").watch = Watch::Callers;
    });
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(500)).answers();
    caller.expects("200 OK").acks();
    let alice = lab.phone("alice").registers();
    alice.subscribes("dialog", "201", 600);
    let (first, _) = told(&alice);
    assert_eq!(first.states(), ["confirmed"]);
    let number = caller.number();
    assert!(first.body().contains(&format!("<identity>sip:{number}@office.example")), "{first:?}");
    let carol = lab.phone("carol").registers();
    carol.subscribes("dialog", "201", 600);
    let (shut, _) = told(&carol);
    assert!(!shut.body().contains(&number[1..]), "she may see states alone: {shut:?}");
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn a_caller_who_waits_lights_the_lamp_of_the_queue() {
    let lab = Lab::new();
    let bob = lab.agent("bob");
    let carol = lab.phone("carol").registers();
    carol.subscribes("dialog", "support", 600).expects("NOTIFY");
    lab.advance(secs(2));
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('2');
    bob.rings(secs(1));
    lab.advance(secs(2));
    assert_eq!(carol.lamp("support"), ["early"]);
    bob.answers();
    lab.advance(secs(2));
    assert!(carol.lamp("support").is_empty());
    caller.hangs_up();
    bob.is_hung_up();
    carol.resubscribes("support", 0);
    lab.advance(secs(1));
    assert_ladder!(lab);
}

#[test]
fn whoever_asks_for_messages_is_told_that_there_are_none() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    bob.subscribes("message-summary;id=7", "201", 600);
    let (first, state) = told(&bob);
    assert_eq!(state, "active;expires=600");
    assert_eq!(first.header("Event"), "message-summary;id=7", "RFC 6665 §4.2.2: with its id");
    assert_eq!(first.header("Content-Type"), "application/simple-message-summary");
    assert!(first.body().starts_with("Messages-Waiting: no\r\n"), "{first:?}");
}

#[test]
fn who_asks_once_is_told_once() {
    let lab = Lab::new();
    let alice = lab.phone("alice").registers();
    alice.subscribes("dialog", "201", 0);
    let (_, state) = told(&alice);
    assert_eq!(state, "terminated;reason=timeout");
    alice.gets_no("NOTIFY", secs(60));
    assert_eq!(known(&lab), 0);
    assert_ladder!(lab);
}

#[test]
fn a_subscription_that_is_not_refreshed_ends_in_time() {
    let lab = Lab::new();
    let alice = watcher(&lab, 60);
    alice.gets_no("NOTIFY", secs(57));
    alice.resubscribes("201", 60);
    let (again, state) = told(&alice);
    assert_eq!((state.as_str(), version(&again)), ("active;expires=60", 1));
    alice.gets_no("NOTIFY", secs(59));
    let (_, state) = told(&alice);
    assert_eq!(state, "terminated;reason=timeout");
    alice.gets_no("NOTIFY", secs(60));
    alice.resubscribes("201", 60).expects("481");
    assert_ladder!(lab);
}

#[test]
fn a_phone_that_knows_nothing_of_it_is_told_no_more() {
    let lab = Lab::new();
    let alice = watcher(&lab, 600);
    alice.forgets_subscriptions();
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(500));
    alice.expects("NOTIFY");
    lab.advance(ms(100));
    assert_eq!(known(&lab), 0, "481 ends it (RFC 6665 §4.2.2)");
    caller.cancels();
    alice.gets_no("NOTIFY", secs(10));
}

#[test]
fn a_phone_that_lost_its_memory_does_not_fill_its_owners_room() {
    let lab = Lab::new();
    let alice = watcher(&lab, 600);
    alice.forgets_subscriptions();
    alice.subscribes("dialog", "201", 600);
    lab.advance(secs(3));
    assert_eq!(known(&lab), 1, "the older one was asked after, and is gone");
    assert_ladder!(lab);
}

#[test]
fn a_notify_that_nobody_answers_is_the_end_and_a_refused_one_is_not() {
    let lab = Lab::new();
    let alice = watcher(&lab, 600);
    let bob = lab.phone("bob").registers();
    let call = |answer| {
        alice.answers_notify(answer);
        bob.invites("202");
        lab.advance(secs(2));
        bob.cancels();
        lab.advance(secs(40));
        known(&lab)
    };
    assert_eq!(call(Some(500)), 1, "it concerns the one NOTIFY alone (RFC 5057 §5.1)");
    assert_eq!(call(None), 0, "Timer F (RFC 6665 §4.2.2)");
}

#[test]
fn what_changes_within_a_second_is_told_once_and_one_notify_at_a_time() {
    let lab = Lab::new();
    let alice = watcher(&lab, 600);
    let bob = lab.phone("bob").registers();
    let storm = |calls: usize| {
        for _ in 0..calls {
            bob.invites("202").expects("100 Trying");
            alice.rings(ms(50));
            bob.cancels().expects("487 Request Terminated");
        }
    };
    storm(10);
    lab.advance(secs(2));
    alice.answers_notify(None);
    storm(10);
    alice.answers_notify(Some(200));
    lab.advance(secs(20));
    let mut versions = Vec::new();
    while let Some(notify) = alice.has("NOTIFY") {
        versions.push(version(&notify));
    }
    versions.dedup();
    assert!(versions.is_sorted_by(|one, next| next - one == 1), "{versions:?}");
    let last = versions.last().expect("she was told");
    assert!((4..=6).contains(last), "60 changes in five seconds: {versions:?}");
    assert!(alice.lamp("201").is_empty());
}

#[test]
fn everybody_is_told_to_come_again_when_the_switch_goes() {
    let lab = Lab::new();
    let alice = watcher(&lab, 600);
    lab.tells(Request::Stop);
    let (_, state) = told(&alice);
    assert_eq!(state, "terminated;reason=deactivated");
    alice.asks_to_watch("dialog", "201", 600).expects("401").expects("503");
    assert_ladder!(lab);
}

#[test]
fn a_subscription_survives_the_death_of_the_process_and_no_lamp_burns_on() {
    let lab = Lab::new();
    let alice = watcher(&lab, 600);
    let bob = lab.phone("bob").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(500)).answers();
    caller.expects("200 OK").acks();
    lab.advance(secs(2));
    assert_eq!(alice.lamp("201"), ["confirmed"]);
    let (before, _) = told(&alice);
    lab.crashes();
    caller.is_hung_up();
    bob.is_hung_up();
    let after = alice.receives("NOTIFY");
    assert!(alice.lamp("201").is_empty(), "{after:?}");
    assert!(version(&after) > version(&before));
    alice.resubscribes("201", 600).expects("401").expects("200 OK").expects("NOTIFY");
    assert_eq!(known(&lab), 1);
    assert_ladder!(lab);
}

#[test]
fn after_a_restart_nobody_goes_on_watching_who_may_not_any_more() {
    let lab = Lab::new();
    let alice = watcher(&lab, 600);
    lab.changes(|settings| settings.users.get_mut("202").expect("alice").watch = Watch::Nothing);
    lab.crashes();
    let (_, state) = told(&alice);
    assert_eq!(state, "terminated;reason=rejected");
    alice.asks_to_watch("dialog", "201", 600).expects("401").expects("403");
    alice.subscribes("dialog", "202", 600).expects("NOTIFY");
}

#[test]
fn a_lost_notify_is_sent_again_and_the_lamp_is_right_in_the_end() {
    let lab = Lab::new();
    let alice = watcher(&lab, 600);
    let bob = lab.phone("bob").registers();
    lab.loses("NOTIFY", 2);
    bob.invites("202");
    lab.advance(ms(100));
    bob.cancels();
    lab.advance(secs(5));
    assert!(alice.lamp("201").is_empty());
    assert_ladder!(lab);
}

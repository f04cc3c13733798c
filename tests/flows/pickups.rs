//! Pickup and park: calls that somebody else takes.

use tonspur::phone::tone_level;
use tonspur::switch::settings::Park;

use crate::lab::{Lab, Party, assert_ladder, ms, secs};

/// Asked for consent, then the queue of bob and alice.
const SUPPORT: &str = "+4930555010";
/// Asked for consent, then bob.
const BOB: &str = "+4930555013";
/// Bob, not recorded.
const BOB_UNRECORDED: &str = "+4930555012";

/// Bob and alice share a group, carol is in none; calls are parked from 701 to 702.
fn office() -> Lab {
    Lab::with(|settings| {
        for user in ["201", "202"] {
            let user = settings.users.get_mut(user).expect("a user");
            user.pickup_group = Some("front".into());
        }
        settings.park = Some(Park { extension: "700".into(), slots: 701..=702, timeout: secs(60) });
    })
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
fn a_call_that_rings_is_picked_up_and_recorded_with_whoever_took_it() {
    let lab = office();
    let (bob, alice) = (lab.agent("bob"), lab.agent("alice"));
    let caller = lab.carrier("north");
    caller.invites(BOB).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500));
    alice.invites("**201").expects("200 OK").acks();
    let cancel = bob.receives("CANCEL");
    assert!(cancel.header("Reason").contains("Call completed elsewhere"), "{}", cancel.text());
    hear_each_other(&lab, &caller, &alice);
    caller.hangs_up();
    alice.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    assert!(tone_level(&recording.right, alice.tone()) > 2_000.0);
    let [call, pickup] = &lab.cdrs()[..] else { panic!("two rows") };
    assert_eq!((pickup.merged_into, call.merged_into), (Some(call.call), None));
    assert_eq!(call.agent.as_deref(), Some("alice"));
}

#[test]
fn the_group_picks_up_what_has_rung_longest() {
    let lab = office();
    let (bob, alice, carol) = (lab.agent("bob"), lab.agent("alice"), lab.agent("carol"));
    let first = lab.carrier("north");
    first.invites(BOB_UNRECORDED);
    bob.rings(ms(500));
    carol.invites("*8").expects("480");
    alice.invites("*8").expects("200 OK").acks();
    first.expects("200 OK").acks();
    bob.expects("CANCEL");
    hear_each_other(&lab, &first, &alice);
    alice.hangs_up();
    first.is_hung_up();
    alice.invites("*8").expects("480");
}

#[test]
fn who_is_not_of_the_group_picks_up_nothing() {
    let lab = office();
    let (bob, carol) = (lab.agent("bob"), lab.agent("carol"));
    let caller = lab.carrier("north");
    caller.invites(BOB_UNRECORDED);
    bob.rings(ms(500));
    carol.invites("**201").expects("480");
    carol.invites_replacing("201", "call;to-tag=a;from-tag=b").expects("481");
    bob.answers();
    caller.expects("200 OK").acks().hangs_up();
    bob.is_hung_up();
}

#[test]
fn what_a_queue_offers_is_picked_up_by_its_agents_alone() {
    let lab = office();
    let (bob, carol) = (lab.agent("bob"), lab.agent("carol"));
    let caller = lab.carrier("north");
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500));
    let alice = lab.phone("alice").registers();
    carol.invites("**201").expects("480");
    alice.invites("**201").expects("200 OK").acks();
    bob.expects("CANCEL");
    hear_each_other(&lab, &caller, &alice);
    caller.hangs_up();
    alice.is_hung_up();
    lab.settles();
    assert_eq!(lab.cdrs()[0].agent.as_deref(), Some("alice"));
}

#[test]
fn a_phone_takes_over_a_call_of_its_owner() {
    let lab = office();
    let (bob, alice) = (lab.agent("bob"), lab.agent("alice"));
    let caller = lab.carrier("north");
    caller.invites(BOB).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
    lab.talk(secs(1));
    let named = bob.names_its_dialog();
    alice.invites_replacing("201", &named).expects("403");
    let desk = lab.phone("bob");
    desk.invites_replacing("201", &format!("{named};early-only")).expects("486");
    desk.invites_replacing("201", &named).expects("200 OK").acks();
    bob.is_hung_up();
    hear_each_other(&lab, &caller, &desk);
    caller.hangs_up();
    desk.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    let end = &recording.right[recording.right.len() - 8_000..];
    assert!(tone_level(end, desk.tone()) > 2_000.0);
    desk.invites_replacing("201", &named).expects("481");
}

#[test]
fn a_phone_that_rings_is_replaced_by_a_colleagues() {
    let lab = office();
    let (bob, alice) = (lab.agent("bob"), lab.agent("alice"));
    let caller = lab.carrier("north");
    caller.invites(BOB_UNRECORDED);
    bob.rings(ms(500));
    lab.advance(ms(50));
    let named = bob.names_its_dialog();
    // Whoever knows the dialog needs the right to pick up all the same, and whoever has it knows every part of the name.
    lab.agent("carol").invites_replacing("201", &named).expects("403");
    lab.carrier("north").invites_replacing(BOB, &named).expects("403");
    for wrong in [format!("x{named}"), named.replace("from-tag=", "from-tag=x")] {
        alice.invites_replacing("201", &wrong).expects("481");
    }
    alice.invites_replacing("201", &format!("{named};early-only")).expects("200 OK").acks();
    bob.expects("CANCEL");
    caller.expects("200 OK").acks();
    hear_each_other(&lab, &caller, &alice);
    alice.hangs_up();
    caller.is_hung_up();
}

/// RFC 3891 §3: an early dialog is replaced by whom it was begun with, not by who began it.
#[test]
fn who_calls_is_not_replaced_before_the_answer() {
    let lab = office();
    let (bob, alice) = (lab.agent("bob"), lab.agent("alice"));
    bob.invites("202");
    alice.rings(ms(500));
    bob.expects("180 Ringing");
    let named = bob.names_its_dialog();
    lab.phone("bob").invites_replacing("201", &named).expects("481");
    alice.answers();
    bob.expects("200 OK").acks().hangs_up();
    alice.is_hung_up();
}

#[test]
fn a_replaces_that_cannot_be_read_is_refused() {
    let lab = office();
    let bob = lab.agent("bob");
    bob.invites_replacing("202", "call;to-tag=a").expects("400");
    let north = lab.carrier("north");
    north.invites_replacing(BOB, "call;to-tag=a;from-tag=b").expects("481");
}

#[test]
fn a_parked_call_is_fetched_by_anybody() {
    let lab = office();
    let (bob, alice) = (lab.agent("bob"), lab.agent("alice"));
    let caller = lab.carrier("north");
    caller.invites(BOB).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('1');
    bob.rings(ms(500)).answers();
    lab.talk(secs(1));
    bob.refers("700").is_told("100").is_told("200").hangs_up();
    caller.forgets_what_it_heard();
    lab.advance(secs(2));
    assert!(caller.heard().iter().any(|sample| sample.unsigned_abs() > 500), "music");
    alice.invites("701").expects("200 OK").acks();
    hear_each_other(&lab, &caller, &alice);
    alice.hangs_up();
    caller.is_hung_up();
    lab.settles();
    let [recording] = &lab.recordings()[..] else { panic!("one recording") };
    let end = &recording.right[recording.right.len() - 8_000..];
    assert!(tone_level(end, alice.tone()) > 2_000.0);
    let [call, fetch] = &lab.cdrs()[..] else { panic!("two rows") };
    assert_eq!(call.transferred_to.as_ref().map(|to| to.reveal().as_str()), Some("700"));
    assert_eq!(fetch.merged_into, Some(call.call));
}

#[test]
fn the_lamp_of_a_slot_burns_as_long_as_a_call_is_parked_there() {
    let lab = office();
    let (bob, alice) = (lab.agent("bob"), lab.agent("alice"));
    let carol = lab.phone("carol").registers();
    carol.subscribes("dialog", "701", 600).expects("NOTIFY");
    let caller = lab.carrier("north");
    let parks = || {
        caller.invites(BOB_UNRECORDED);
        bob.rings(ms(500)).answers();
        caller.expects("200 OK").acks();
        bob.refers("700").is_told("100").is_told("200").hangs_up();
        lab.advance(secs(1));
    };
    parks();
    assert_eq!(carol.lamp("701"), ["confirmed"]);
    alice.subscribes("dialog", "701", 600).expects("NOTIFY");
    assert_eq!(alice.lamp("701"), ["confirmed"], "who comes late sees it too");
    bob.invites("701").expects("200 OK").acks();
    lab.advance(secs(1));
    assert!(carol.lamp("701").is_empty() && alice.lamp("701").is_empty());
    caller.hangs_up();
    bob.is_hung_up();
    parks();
    assert_eq!(carol.lamp("701"), ["confirmed"]);
    caller.hangs_up();
    lab.advance(secs(1));
    assert!(carol.lamp("701").is_empty());
}

#[test]
fn a_parked_call_goes_back_in_time() {
    let lab = office();
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(BOB_UNRECORDED);
    bob.rings(ms(500)).answers();
    caller.expects("200 OK").acks();
    bob.refers("702").is_told("100").is_told("200").hangs_up();
    bob.gets_no("INVITE", secs(59));
    bob.rings(secs(2)).answers();
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_full_park_gives_the_call_back_and_an_empty_one_has_nothing_to_fetch() {
    let lab = Lab::with(|settings| {
        settings.park = Some(Park { extension: "700".into(), slots: 701..=701, timeout: secs(60) });
    });
    let (bob, alice) = (lab.agent("bob"), lab.agent("alice"));
    alice.invites("701").expects("403");
    alice.invites("700").expects("403");
    let parked = lab.carrier("north");
    parked.invites(BOB_UNRECORDED);
    bob.rings(ms(500)).answers();
    parked.expects("200 OK").acks();
    bob.refers("701").is_told("100").is_told("200").hangs_up();
    let caller = lab.carrier("north");
    caller.invites(BOB_UNRECORDED);
    bob.rings(ms(500)).answers();
    caller.expects("200 OK").acks();
    bob.refers("700").is_told("100").is_told("486");
    hear_each_other(&lab, &caller, &bob);
    parked.hangs_up();
    bob.refers("700").is_told("100").is_told("200").hangs_up();
    caller.hangs_up();
}

#[test]
fn whoever_picks_up_and_never_acknowledges_is_left() {
    let lab = office();
    let (bob, alice) = (lab.agent("bob"), lab.agent("alice"));
    let caller = lab.carrier("north").polite();
    caller.invites(BOB_UNRECORDED);
    bob.rings(ms(500));
    alice.invites("**201").expects("200 OK");
    bob.expects("CANCEL");
    lab.advance(secs(33));
    alice.is_hung_up();
    lab.settles();
    assert_eq!(lab.cdrs()[0].end_cause.as_deref(), Some("no ACK from the agent"));
}

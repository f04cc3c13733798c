//! The services of RFC 5359 that a switch has part in, as ladders named after its sections: Alice is the customer's place there, a
//! carrier's caller here. What differs from the flows of the RFC: each leg is a dialog of its own, so a transferee is never sent to
//! the target, but bridged to it.

use tonspur::phone::tone_level;
use tonspur::switch::settings::Park;

use crate::lab::{Lab, Party, assert_ladder, ms, secs};

/// Bob, not recorded.
const BOB: &str = "+4930555012";

fn talking(lab: &Lab) -> (Party, Party) {
    let bob = lab.agent("bob");
    let caller = lab.carrier("north");
    caller.invites(BOB);
    bob.rings(ms(500)).answers();
    caller.expects("200 OK").acks();
    (caller, bob)
}

fn holds(one: &Party, other: &Party, direction: &str) {
    one.reinvites(direction);
    other.is_reinvited();
    one.expects("200 OK").acks();
}

#[test]
fn section_2_1_call_hold() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    holds(&bob, &caller, "sendonly");
    lab.advance(secs(1));
    holds(&bob, &caller, "sendrecv");
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn section_2_2_consultation_hold() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    let carol = lab.agent("carol");
    holds(&bob, &caller, "sendonly");
    let line = lab.phone("bob");
    line.invites("203");
    carol.rings(ms(500)).answers();
    line.expects("200 OK").acks().hangs_up();
    carol.is_hung_up();
    holds(&bob, &caller, "sendrecv");
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn section_2_3_music_on_hold() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    holds(&bob, &caller, "sendonly");
    caller.forgets_what_it_heard();
    lab.talk(secs(1));
    assert!(caller.heard().iter().any(|sample| sample.unsigned_abs() > 500), "music");
    // And not whoever holds, whose phone may play music of its own.
    assert!(tone_level(&caller.heard(), bob.tone()) < 500.0);
    holds(&bob, &caller, "sendrecv");
    caller.hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn section_2_4_transfer_unattended() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    let carol = lab.agent("carol");
    holds(&bob, &caller, "sendonly");
    bob.refers("203").is_told("100 Trying");
    carol.rings(ms(500)).answers();
    caller.is_reinvited();
    bob.is_told("180 Ringing").is_told("200 OK").hangs_up();
    caller.hangs_up();
    carol.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn section_2_5_transfer_attended() {
    let lab = Lab::new();
    let (caller, bob) = talking(&lab);
    let carol = lab.agent("carol");
    holds(&bob, &caller, "sendonly");
    let line = lab.phone("bob");
    line.invites("203");
    carol.rings(ms(500)).answers();
    line.expects("200 OK").acks();
    bob.refers_to_dialog_of(&line, "203").is_told("100 Trying").is_told("200 OK");
    caller.is_reinvited();
    line.is_hung_up();
    bob.hangs_up();
    caller.hangs_up();
    carol.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn section_2_15_call_park() {
    let lab = Lab::with(|settings| {
        settings.park = Some(Park { extension: "700".into(), slots: 701..=720, timeout: secs(60) });
    });
    let (caller, bob) = talking(&lab);
    let carol = lab.agent("carol");
    bob.refers("700").is_told("100 Trying").is_told("200 OK").hangs_up();
    lab.advance(secs(1));
    carol.invites("701").expects("200 OK").acks();
    caller.hangs_up();
    carol.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn section_2_16_call_pickup() {
    let lab = Lab::with(|settings| {
        for user in ["201", "203"] {
            let user = settings.users.get_mut(user).expect("a user");
            user.pickup_group = Some("front".into());
        }
    });
    let (bob, carol) = (lab.agent("bob"), lab.agent("carol"));
    let caller = lab.carrier("north");
    caller.invites(BOB);
    bob.rings(ms(500));
    lab.advance(ms(50));
    let named = bob.names_its_dialog();
    carol.invites_replacing("201", &format!("{named};early-only")).expects("200 OK").acks();
    bob.expects("CANCEL");
    caller.expects("200 OK").acks().hangs_up();
    carol.is_hung_up();
    assert_ladder!(lab);
}

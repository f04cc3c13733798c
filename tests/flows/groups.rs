//! Ring groups: several users who answer one number.

use std::time::Duration;

use tonspur::switch::control::{Reply, Request};
use tonspur::switch::settings::{Destination, Group, Settings, Strategy};

use crate::lab::{Lab, Party, assert_ladder, ms, secs};

const BOB_DIRECTLY: &str = "+4930555012";

/// The group `sales`, 600, which the carrier reaches by the number of bob.
fn group(strategy: Strategy, then: Option<Destination>) -> impl FnOnce(&mut Settings) {
    move |settings| {
        let sales = Group {
            name: "sales".into(),
            extension: Some("600".into()),
            members: ["201", "202", "203"].map(str::to_owned).into(),
            strategy,
            ring: Duration::from_secs(10),
            then,
        };
        settings.groups.insert("sales".into(), sales);
        for route in &mut settings.routes {
            if route.name == "12-bob-unrecorded" {
                route.to = Destination::Group("sales".into());
            }
        }
    }
}

fn phones(lab: &Lab) -> [Party; 3] {
    ["bob", "alice", "carol"].map(|name| lab.phone(name).registers())
}

#[test]
fn the_first_of_a_group_who_answers_has_the_call_and_the_others_are_told_so() {
    let lab = Lab::with(group(Strategy::Parallel, None));
    let [bob, alice, carol] = phones(&lab);
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    for phone in [&bob, &alice, &carol] {
        let invite = phone.receives("INVITE");
        assert_eq!(invite.header("Max-Breadth"), "20");
        phone.replies(180, "Ringing");
    }
    alice.answers();
    caller.expects("200 OK").acks();
    for phone in [&bob, &carol] {
        let cancel = phone.receives("CANCEL");
        assert_eq!(cancel.header("Reason"), "SIP;cause=200;text=\"Call completed elsewhere\"");
    }
    lab.talk(secs(2));
    caller.hears(&alice).hangs_up();
    alice.is_hung_up();
    assert_eq!(lab.cdrs()[0].agent.as_deref(), Some("alice"));
    assert_ladder!(lab);
}

#[test]
fn two_of_a_group_who_answer_at_once_are_one_too_many() {
    let lab = Lab::with(group(Strategy::Parallel, None));
    let [bob, alice, carol] = phones(&lab);
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    for phone in [&bob, &alice, &carol] {
        phone.rings(ms(100));
    }
    bob.replies(200, "OK");
    alice.replies(200, "OK");
    caller.expects("200 OK").acks();
    bob.expects("ACK");
    alice.expects("CANCEL").expects("ACK").is_hung_up();
    carol.expects("CANCEL");
    lab.talk(secs(1));
    caller.hears(&bob).hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn a_group_in_turn_rings_one_after_the_other_and_then_goes_on() {
    let then = Some(Destination::User("201".into()));
    let lab = Lab::with(group(Strategy::InTurn, then));
    let [bob, alice, carol] = phones(&lab);
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100));
    alice.gets_no("INVITE", secs(9));
    bob.expects("CANCEL");
    alice.rings(secs(2)).replies(486, "Busy Here");
    carol.rings(ms(200));
    bob.gets_no("INVITE", secs(9));
    carol.expects("CANCEL");
    bob.rings(secs(2)).answers();
    caller.expects("200 OK").acks();
    lab.talk(secs(1));
    caller.hears(&bob).hangs_up();
    bob.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn who_talks_is_passed_over_and_so_is_who_is_not_to_be_disturbed() {
    let lab = Lab::with(group(Strategy::Parallel, None));
    let [bob, alice, carol] = phones(&lab);
    assert_eq!(lab.asks(Request::DoNotDisturb { user: "203".into(), on: true }), Reply::Done);
    bob.invites("600");
    alice.rings(ms(200)).answers();
    bob.expects("200 OK").acks();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY).expects("486 Busy Here");
    carol.gets_no("INVITE", secs(1));
    bob.hangs_up();
    alice.is_hung_up();
    lab.advance(secs(1));
    assert_eq!(lab.asks(Request::DoNotDisturb { user: "201".into(), on: true }), Reply::Done);
    assert_eq!(lab.asks(Request::DoNotDisturb { user: "202".into(), on: true }), Reply::Done);
    caller.invites(BOB_DIRECTLY).expects("480");
}

#[test]
fn who_declines_does_so_at_all_their_phones_and_for_nobody_else() {
    let lab = Lab::with(group(Strategy::Parallel, Some(Destination::User("203".into()))));
    let [bob, alice, carol] = phones(&lab);
    let softphone = lab.phone("alice").registers();
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    for phone in [&bob, &alice, &softphone, &carol] {
        phone.rings(ms(100));
    }
    alice.replies(603, "Decline").expects("ACK");
    softphone.expects("CANCEL");
    bob.gets_no("CANCEL", secs(1)).replies(404, "Not Found").expects("ACK");
    carol.replies(600, "Busy Everywhere").expects("ACK");
    // Nobody is left: the call goes on where the group says.
    carol.rings(ms(100)).answers();
    caller.expects("200 OK").acks();
    lab.talk(secs(1));
    caller.hears(&carol).hangs_up();
    carol.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn the_most_telling_refusal_of_a_group_is_the_callers() {
    for (refusals, told) in [
        ([603, 603, 603], "480"),
        ([603, 600, 404], "486"),
        ([404, 603, 606], "480"),
        ([607, 486, 603], "486"),
    ] {
        let lab = Lab::with(group(Strategy::Parallel, None));
        let phones = phones(&lab);
        let caller = lab.carrier("north");
        caller.invites(BOB_DIRECTLY);
        for (phone, status) in phones.iter().zip(refusals) {
            phone.rings(ms(100)).replies(status, "No").expects("ACK");
        }
        caller.expects(told);
    }
}

#[test]
fn in_turn_whoever_declines_is_followed_by_the_next() {
    let lab = Lab::with(group(Strategy::InTurn, None));
    let [bob, alice, _carol] = phones(&lab);
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(603, "Decline").expects("ACK");
    alice.rings(ms(200)).answers();
    caller.expects("200 OK").acks().hangs_up();
    alice.is_hung_up();
}

#[test]
fn a_member_is_not_followed_to_where_they_forward() {
    let lab = Lab::with(group(Strategy::InTurn, None));
    let (bob, alice) = (lab.phone("bob").registers(), lab.phone("alice").registers());
    lab.forwards("201", "always", Some("203"));
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    let line = "Contact: <sip:203@office.example>\r\n";
    bob.rings(ms(100)).redirects(line).expects("ACK");
    alice.rings(ms(200)).replies(486, "Busy Here").expects("ACK");
    caller.expects("486 Busy Here");
}

#[test]
fn a_group_that_nobody_answers_leads_to_a_queue() {
    let lab = Lab::with(group(Strategy::Parallel, Some(Destination::Queue("support".into()))));
    let (bob, carol) = (lab.agent("bob"), lab.phone("carol").registers());
    let caller = lab.carrier("north");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(486, "Busy Here").expects("ACK");
    carol.rings(ms(100)).replies(480, "Temporarily Unavailable").expects("ACK");
    caller.expects("200 OK").acks();
    bob.rings(secs(1)).answers();
    lab.talk(secs(1));
    caller.hears(&bob).hangs_up();
    bob.is_hung_up();
}

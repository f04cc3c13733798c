//! What a REFER may ask for, when, and by whom (RFC 3515, RFC 4488); transfers that are carried out stand in `transfers`.

use std::sync::Arc;

use crate::lab::{Lab, ms, secs};
use crate::transfers::{hear_each_other, talking_unrecorded};

#[test]
fn one_transfer_at_a_time() {
    let lab = Lab::new();
    let (caller, bob) = talking_unrecorded(&lab);
    let alice = lab.agent("alice");
    bob.refers("202").is_told("100 Trying");
    bob.refers("203").expects("491 Request Pending");
    alice.rings(ms(500)).answers();
    bob.is_told("180 Ringing").is_told("200 OK");
    bob.refers("203").expects("491 Request Pending").hangs_up();
    caller.hangs_up();
    alice.is_hung_up();
}

#[test]
fn a_refer_is_refused_for_what_is_wrong_with_it() {
    let lab = Lab::new();
    let (caller, bob) = talking_unrecorded(&lab);
    let caller_number = caller.number();
    for (to, status) in [
        ("<sip:202@elsewhere.example>", "403"),
        ("<sip:202@198.51.100.7>", "403"),
        ("<mailto:alice@office.example>", "416"),
        ("<sip:202@office.example;method=BYE>", "403"),
        ("<sip:office.example>", "404"),
        ("<sip:202@office.example", "400"),
        ("<sip:202@office.example>, <sip:203@office.example>", "400"),
        ("<sip:202@office.example?Replaces=a>", "400"),
        ("<sip:202@office.example?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>", "481"),
    ] {
        bob.refers_to(to).expects(status);
    }
    bob.refers_with("202", "Refer-To: <sip:203@office.example>\r\n").expects("400");
    bob.refers_to("<sip:202@10.0.0.1>").expects("202").is_told("100").is_told("480");
    // Not a phone of alice's speaks TLS, in which alone she is to be called.
    let alice = lab.agent("alice");
    bob.refers_to("<sips:202@office.example>").expects("202").is_told("100").is_told("480");
    alice.gets_no("INVITE", ms(10));
    // A carrier may not, unless it is said that it may; nor does anybody talk to themselves.
    caller.refers("202").expects("403 Forbidden");
    bob.refers(&caller_number).expects("202").is_told("100").is_told("404");
    hear_each_other(&lab, &caller, &bob);
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn nobody_is_transferred_to_themselves() {
    let lab = Lab::new();
    let (bob, alice) = (lab.agent("bob"), lab.agent("alice"));
    bob.invites("202");
    alice.rings(ms(500)).answers();
    bob.expects("200 OK").acks();
    bob.refers("202").expects("403 Forbidden");
    alice.refers("201").expects("403 Forbidden");
    // To one's own number is another thing: one may have another phone.
    let desk = lab.phone("bob").registers();
    bob.refers("201").is_told("100");
    bob.receives("INVITE");
    bob.replies(486, "Busy Here");
    desk.rings(ms(500)).answers();
    bob.is_told("180").is_told("200").says_bye();
    hear_each_other(&lab, &alice, &desk);
    alice.hangs_up();
    desk.is_hung_up();
}

#[test]
fn before_anybody_talks_there_is_nothing_to_transfer() {
    let lab = Lab::new();
    let (bob, alice) = (lab.agent("bob"), lab.agent("alice"));
    bob.invites("202");
    alice.rings(ms(500));
    bob.expects("180").refers("203").expects("491");
    alice.refers("203").expects("491");
    bob.cancels().expects("487");
    alice.expects("CANCEL");
}

#[test]
fn a_refer_for_a_dialog_that_is_over_is_told_so() {
    let lab = Lab::new();
    let (caller, bob) = talking_unrecorded(&lab);
    caller.says_bye();
    bob.refers("202").expects("481");
    caller.expects("200 OK");
    bob.says_bye();
}

#[test]
fn during_a_reinvite_a_transfer_is_taken_all_the_same() {
    let lab = Lab::new();
    let (caller, bob) = talking_unrecorded(&lab);
    let alice = lab.agent("alice");
    bob.reinvites("sendonly");
    bob.refers("202").expects("202").is_told("100 Trying");
    bob.acks();
    caller.is_reinvited();
    alice.rings(ms(500)).answers();
    caller.is_reinvited();
    bob.is_told("180").is_told("200").hangs_up();
    hear_each_other(&lab, &caller, &alice);
    alice.hangs_up();
    caller.is_hung_up();
}

#[test]
fn whoever_wants_no_subscription_is_told_nothing() {
    let lab = Lab::new();
    let (caller, bob) = talking_unrecorded(&lab);
    let alice = lab.agent("alice");
    bob.refers_with("202", "Refer-Sub: false\r\nSupported: norefersub\r\n");
    let accepted = bob.receives("202");
    assert_eq!(accepted.header("Refer-Sub"), "false");
    alice.rings(ms(500)).answers();
    bob.gets_no("NOTIFY", ms(500)).hangs_up();
    caller.hangs_up();
    alice.is_hung_up();
}

#[test]
fn whoever_knows_nothing_of_the_subscription_is_told_no_more() {
    let lab = Lab::new();
    let (caller, bob) = talking_unrecorded(&lab);
    let alice = lab.agent("alice");
    bob.refers("202");
    let notify = bob.receives("NOTIFY");
    bob.answers_to(&notify, 481, "Subscription Does Not Exist");
    lab.advance(ms(50));
    alice.rings(ms(500)).answers();
    bob.gets_no("NOTIFY", secs(1)).hangs_up();
    hear_each_other(&lab, &caller, &alice);
    caller.hangs_up();
    alice.is_hung_up();
}

#[test]
fn whoever_transfers_needs_the_right_to_dial_and_a_failure_costs_none() {
    use tonspur::switch::dialing::Right;
    let lab = Lab::with(|settings| {
        let bob = settings.users.get_mut("201").expect("bob");
        Arc::make_mut(&mut bob.dialing).at_once = 1;
        let alice = settings.users.get_mut("202").expect("alice");
        Arc::make_mut(&mut alice.dialing).rights = vec![Right::Internal];
    });
    let (caller, bob) = talking_unrecorded(&lab);
    let (outside, alice) = (lab.carrier("south"), lab.agent("alice"));
    for _ in 0..2 {
        bob.refers("9301234567").is_told("100");
        outside.receives("INVITE");
        outside.replies(486, "Busy Here").expects("ACK");
        bob.is_told("486");
    }
    bob.refers("202").is_told("100");
    alice.rings(ms(500)).answers();
    bob.is_told("180").is_told("200").hangs_up();
    alice.refers("9301234567").is_told("100").is_told("403");
    outside.gets_no("INVITE", ms(100));
    hear_each_other(&lab, &caller, &alice);
    caller.hangs_up();
    alice.is_hung_up();
}

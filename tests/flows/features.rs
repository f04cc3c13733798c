//! Feature codes: an agent's day by the keys of a phone, what users are told, the echo, and whoever called last.

use tonspur::switch::control::{Reply, Request};

use crate::forwarding::outside;
use crate::identities::calls;
use crate::lab::{Lab, Party, assert_ladder, ms, secs};

const SUPPORT: &str = "+4930555010";
const BOB_DIRECTLY: &str = "+4930555012";

/// Dials, hears these prompts, and is hung up.
fn dials(phone: &Party, code: &str, prompts: &[&str]) {
    phone.forgets_what_it_heard().invites(code).expects("200 OK").acks();
    phone.hears_prompts(prompts).is_hung_up();
}

fn status(lab: &Lab, agent: &str) -> String {
    let Reply::Agents { agents } = lab.asks(Request::AgentList) else { panic!("agents") };
    agents.into_iter().find(|row| row.agent == agent).expect("an agent").status
}

#[test]
fn an_agent_begins_has_breaks_and_ends_by_the_keys_of_the_phone() {
    let lab = Lab::new();
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    bob.invites("*46").expects("403");
    caller.invites(SUPPORT).expects("480");
    dials(&bob, "*45", &["en/done"]);
    assert_eq!(status(&lab, "bob"), "available");
    dials(&bob, "*46", &["en/off"]);
    assert_eq!(status(&lab, "bob"), "on break");
    dials(&bob, "*46", &["en/done"]);
    // FusionPBX's codes do the same.
    dials(&bob, "*24", &["en/off"]);
    dials(&bob, "*24", &["en/done"]);
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('2');
    bob.rings(ms(100)).answers();
    lab.talk(secs(1));
    caller.hangs_up();
    bob.is_hung_up();
    dials(&bob, "*22", &["en/off"]);
    assert_eq!(status(&lab, "bob"), "logged out");
    caller.invites(SUPPORT).expects("480");
    assert_ladder!(lab);
}

#[test]
fn an_agent_back_from_a_break_is_offered_the_call_that_waits() {
    let lab = Lab::new();
    let (caller, bob, alice) = (lab.carrier("north"), lab.agent("bob"), lab.agent("alice"));
    caller.invites(SUPPORT).expects("200 OK").acks();
    caller.hears_prompt("en/consent").presses('2');
    // Both leave while their phones could ring.
    dials(&alice, "*46", &["en/off"]);
    bob.rings(ms(100)).replies(486, "Busy Here").expects("ACK");
    dials(&bob, "*46", &["en/off"]);
    bob.gets_no("INVITE", secs(20));
    dials(&bob, "*46", &["en/done"]);
    bob.rings(ms(100)).answers();
    lab.talk(secs(1));
    caller.hangs_up();
    bob.is_hung_up();
}

#[test]
fn who_is_no_agent_has_no_duty() {
    let lab = Lab::with(|settings| drop(settings.agents.remove("carol")));
    let carol = lab.phone("203").registers();
    for code in ["*45", "*46", "*47"] {
        carol.invites(code).expects("403");
    }
    assert!(lab.cdrs().is_empty(), "nothing began");
}

#[test]
fn an_agent_is_told_how_many_wait_and_anybody_their_extension() {
    let lab = Lab::new();
    let (bob, carol) = (lab.agent("bob"), lab.agent("carol"));
    lab.says("bob", tonspur::switch::control::AgentChange::Break);
    lab.agent("alice").invites("201");
    dials(&carol, "*47", &["en/0"]);
    dials(&carol, "*65", &["en/2", "en/0", "en/3"]);
    bob.replies(486, "Busy Here");
    let callers = [lab.carrier("north"), lab.carrier("north")];
    for caller in &callers {
        caller.invites(SUPPORT).expects("200 OK").acks();
        caller.hears_prompt("en/consent").presses('2');
        lab.advance(ms(100));
    }
    dials(&bob, "*47", &["en/2"]);
    dials(&carol, "*47", &["en/0"]);
    for caller in &callers {
        caller.hangs_up();
    }
}

#[test]
fn whoever_asks_for_the_echo_hears_themselves() {
    let lab = Lab::new();
    let bob = lab.phone("bob").registers();
    bob.invites("*43").expects("200 OK").acks();
    lab.talk(secs(2));
    let own = tonspur::phone::tone_level(&bob.heard(), bob.tone());
    assert!(own > 7_000.0, "{own}");
    bob.hangs_up();
    lab.settles();
    let [cdr] = &lab.cdrs()[..] else { panic!("one row") };
    assert_eq!((cdr.to.reveal().as_str(), &cdr.recording), ("*43", &None));
    assert_ladder!(lab);
}

#[test]
fn an_echo_that_nobody_ends_is_ended_and_nobody_is_transferred_to_it() {
    let lab = Lab::new();
    let (bob, alice) = (lab.phone("bob").registers(), lab.phone("alice").registers());
    bob.invites("*43").expects("200 OK").acks();
    lab.talk(secs(301));
    bob.is_hung_up();
    bob.invites("202");
    alice.rings(ms(100)).answers();
    bob.expects("200 OK").acks();
    alice.refers("*43").expects("202 Accepted");
    assert!(alice.receives("NOTIFY").text().contains("SIP/2.0 100"));
    assert!(alice.receives("NOTIFY").text().contains("SIP/2.0 403"));
    lab.hangs_up_all();
}

#[test]
fn whoever_called_last_is_called_back_as_if_dialled() {
    let lab = Lab::with(outside);
    let (caller, bob, alice) =
        (lab.carrier("north"), lab.phone("bob").registers(), lab.phone("alice").registers());
    bob.invites("*69").expects("404");
    caller.invites(BOB_DIRECTLY);
    bob.rings(ms(100)).replies(486, "Busy Here").expects("ACK");
    caller.expects("486");
    bob.invites("*69");
    let invite = caller.receives("INVITE");
    assert!(invite.text().starts_with(&format!("INVITE sip:{}@", caller.number())), "{invite:?}");
    caller.answers();
    bob.expects("200 OK").acks();
    lab.talk(secs(1));
    bob.hears(&caller);
    bob.hangs_up();
    caller.is_hung_up();
    alice.invites("201");
    bob.rings(ms(100)).replies(486, "Busy Here").expects("ACK");
    alice.expects("486");
    bob.invites("*69");
    alice.rings(ms(100)).replies(486, "Busy Here").expects("ACK");
    bob.expects("486");
    let to: Vec<String> = lab.cdrs().iter().map(|cdr| cdr.to.reveal().clone()).collect();
    assert_eq!(to[1], caller.number(), "the record has the number, not the code");
    assert_eq!(to[3], "202");
    assert_ladder!(lab);
}

#[test]
fn nobody_is_called_back_who_withholds_the_number_or_may_not_be_called() {
    let lab = Lab::with(outside);
    let (caller, bob) = (lab.carrier("north"), lab.phone("bob").registers());
    let calls_from = |from: &str| {
        calls(&caller, from, "", BOB_DIRECTLY);
        bob.rings(ms(100)).replies(486, "Busy Here").expects("ACK");
        caller.expects("486");
    };
    calls_from("<sip:anonymous@anonymous.invalid>");
    bob.invites("*69").expects("404");
    // A premium number, one abroad, and a feature code.
    for (from, status) in [("09001123456", "403"), ("+3726555555", "403"), ("*78", "404")] {
        calls_from(&format!("<sip:{from}@north.example>"));
        bob.invites("*69").expects(status);
    }
    caller.gets_no("INVITE", secs(1));
}

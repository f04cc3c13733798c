//! Calls that run in circles: between two switches, and back to the one they came from (RFC 5393).

use std::collections::VecDeque;
use std::sync::Arc;

use tonspur::switch::dialing::{Dialing, Right};
use tonspur::switch::forwarding::{Occasion, target};
use tonspur::switch::settings::{Destination, NumberPattern, Settings};

use crate::door::{CARRIERS, Door, NORTH, SDP};
use crate::lab::{Lab, ms, secs};

/// Two switches, each the other's carrier; how many INVITEs they send each other for one call, and what the first caller hears.
fn between(change: fn(&mut Settings), more: &str) -> (usize, Vec<String>) {
    let mut switches = [Door::seeded_with(1, change), Door::seeded_with(2, change)];
    let first = switches[0].invite("+4930555099", more, SDP);
    let (mut under_way, mut invites, mut heard) = (VecDeque::new(), 0, Vec::new());
    under_way.push_back((0, first));
    let mut rounds = 0;
    while let Some((to, text)) = under_way.pop_front() {
        rounds += 1;
        assert!(rounds < 5_000, "it ends");
        for sent in switches[to].hears(CARRIERS, NORTH, &text) {
            let text = sent.split("X-To: ").next().unwrap_or_default().to_owned();
            if text.starts_with("INVITE ") {
                invites += 1;
            }
            // The first caller is nobody's switch.
            if to == 0 && text.contains("z9hG4bKxINVITE") {
                heard.push(text.lines().next().unwrap_or_default().to_owned());
            } else {
                under_way.push_back((1 - to, text));
            }
        }
    }
    (invites, heard)
}

/// Whatever comes from the other goes back to it.
fn transit(settings: &mut Settings) {
    let north = settings.trunks.get_mut("north").expect("a trunk");
    let rights = Right::ALL.into();
    north.dialing =
        Some(Dialing { rights, at_once: 10_000, calls_per_hour: 10_000, ..Dialing::default() });
    north.channels = 10_000;
    for route in &mut settings.routes {
        if route.name == "10-support" {
            route.numbers = vec![NumberPattern::parse("*").expect("a pattern")];
            route.to = Destination::Trunks(vec!["north".into(), "south".into()]);
            route.consent = tonspur::switch::settings::ConsentMode::Never;
        }
    }
    settings.routes.retain(|route| route.name == "10-support");
}

/// Bob forwards to himself at the other switch.
fn forwarded(settings: &mut Settings) {
    transit(settings);
    let bob = settings.users.get_mut("201").expect("bob");
    bob.forward.to.insert(Occasion::Always, target("+4930555099").expect("a number"));
    Arc::make_mut(&mut bob.dialing).at_once = 10_000;
    for route in &mut settings.routes {
        route.to = Destination::User("201".into());
    }
    let mut out = settings.routes[0].clone();
    out.caller = tonspur::switch::settings::Caller::Users;
    out.to = Destination::Trunks(vec!["north".into()]);
    settings.routes.push(out);
}

#[test]
fn two_switches_that_pass_a_call_to_each_other_stop_when_its_hops_are_used_up() {
    let (invites, heard) = between(transit, "");
    assert!((60..80).contains(&invites), "{invites}");
    assert_eq!(heard.last().map(String::as_str), Some("SIP/2.0 483 Too Many Hops"), "{heard:?}");
}

#[test]
fn two_switches_whose_users_forward_to_each_other_stop_after_five() {
    let (invites, heard) = between(forwarded, "");
    assert_eq!(invites, 5);
    assert!(heard.last().is_some_and(|last| last.starts_with("SIP/2.0 480")), "{heard:?}");
}

#[test]
fn an_invite_of_ours_that_comes_back_is_a_loop() {
    let lab = Lab::new();
    let (bob, alice) = (lab.phone("bob").registers(), lab.phone("alice").registers());
    bob.invites("202");
    let invite = alice.receives("INVITE").text().to_owned();
    let via = "SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.22:5060;branch=z9hG4bKback\r\n";
    alice.sends(&invite.replacen("SIP/2.0\r\n", via, 1)).expects("482 Loop Detected");
    alice.replies(482, "Loop Detected").expects("ACK");
    bob.expects("482 Loop Detected");
    alice.gets_no("INVITE", secs(1));
}

#[test]
fn a_narrow_call_rings_as_many_phones_as_it_may() {
    let lab = Lab::new();
    let (bob, second) = (lab.phone("bob").registers(), lab.phone("bob").registers());
    let caller = lab.carrier("north");
    caller.adds("Max-Breadth: 1\r\n").invites("+4930555012");
    assert_eq!(bob.receives("INVITE").header("Max-Breadth"), "1");
    second.gets_no("INVITE", secs(1));
    bob.replies(486, "Busy Here").expects("ACK");
    caller.expects("486");
    caller.adds("Max-Breadth: 0\r\n").invites("+4930555012").expects("440 Max-Breadth Exceeded");
    bob.gets_no("INVITE", ms(100));
}

//! Carriers with several servers, behind names: who is tried, in which order, and what becomes of the call when one does not serve.

use std::time::Duration;

use tonspur::switch::control::TrunkRow;
use tonspur::switch::settings::{Gateway, Rate, Settings};
use tonspur::wire::flow::Transport;
use tonspur::wire::sip::locating::{Kind, Place};
use tonspur::wire::sip::uri::Host;

use crate::lab::outside::{Mood, a, naptr, srv};
use crate::lab::{Lab, Party, assert_ladder, ms, secs};

/// A gateway like north's, elsewhere: `sip.carrier.example`, `192.0.2.21:5060`.
pub(crate) fn gateway(settings: &Settings, place: &str) -> Gateway {
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().expect("a port"))),
        None => (place, None),
    };
    let host = Host::read(host).expect("a host");
    let known = &settings.trunks["north"].gateways[0];
    Gateway { place: Place { host, port, transport: None }, timeout: secs(3), ..known.clone() }
}

/// North has these gateways.
fn with(seed: u64, places: &[&str]) -> Lab {
    Lab::seeded_with(seed, |settings| {
        let gateways = places.iter().map(|place| gateway(settings, place)).collect();
        settings.trunks.get_mut("north").expect("north").gateways = gateways;
    })
}

/// `sip.carrier.example` by SRV: a at .21 before b at .22.
fn zone(lab: &Lab, ttl: Duration) {
    let records = srv(&[(10, 0, 5060, "a.carrier.example"), (20, 0, 5060, "b.carrier.example")]);
    lab.dns("_sip._udp.sip.carrier.example", Kind::Srv, records, ttl);
    lab.dns("a.carrier.example", Kind::A, a(&["192.0.2.21"]), ttl);
    lab.dns("b.carrier.example", Kind::A, a(&["192.0.2.22"]), ttl);
}

const A: &str = "192.0.2.21:5060";
const B: &str = "192.0.2.22:5060";

fn named() -> (Lab, Party, Party, Party) {
    let lab = with(1, &["sip.carrier.example"]);
    zone(&lab, secs(300));
    let (a, b) = (lab.server("a", A), lab.server("b", B));
    lab.advance(secs(1));
    let bob = lab.phone("bob").registers();
    (lab, bob, a, b)
}

fn states(row: &TrunkRow) -> Vec<&str> {
    row.gateways[0].targets.iter().map(|target| target.state.as_str()).collect()
}

/// Talks a little and hangs up.
fn talks(bob: &Party, server: &Party) {
    server.rings(ms(100)).answers();
    bob.expects("200 OK").acks().hangs_up();
    server.is_hung_up();
}

#[test]
fn a_silent_server_is_given_up_for_the_next_and_tried_last_from_then_on() {
    let (lab, bob, a, b) = named();
    a.vanishes();
    bob.invites("0301234567").expects("100 Trying");
    let invite = b.receives_within("INVITE", secs(4));
    let line = "INVITE sip:+49301234567@sip.carrier.example SIP/2.0";
    assert!(invite.text().starts_with(line), "{}", invite.text());
    b.replies(180, "Ringing").answers();
    bob.expects("180").expects("200 OK").acks();
    lab.talk(secs(1));
    bob.hears(&b);
    bob.hangs_up();
    b.is_hung_up();
    assert_eq!(states(&lab.trunk("north")), ["down", "up"]);
    bob.invites("0301234567");
    talks(&bob, &b);
    assert_ladder!(lab);
}

#[test]
fn a_server_that_has_rested_is_tried_first_again_and_longer_given_rest_if_it_fails() {
    let (lab, bob, a, b) = named();
    lab.refuses(A);
    bob.invites("0301234567");
    talks(&bob, &b);
    lab.advance(secs(11));
    assert_eq!(states(&lab.trunk("north")), ["up", "up"]);
    bob.invites("0301234567");
    talks(&bob, &b);
    lab.advance(secs(15));
    assert_eq!(states(&lab.trunk("north")), ["down", "up"], "twenty seconds now");
    lab.listens(A);
    lab.advance(secs(10));
    bob.invites("0301234567");
    talks(&bob, &a);
    assert_eq!(states(&lab.trunk("north")), ["up", "up"]);
}

#[test]
fn an_address_where_nobody_listens_costs_the_caller_nothing() {
    let (lab, bob, _a, b) = named();
    lab.refuses(A);
    bob.invites("0301234567").expects("401").expects("100 Trying");
    b.rings(ms(100)).answers();
    bob.expects("200 OK").acks().hangs_up();
    b.is_hung_up();
    assert_ladder!(lab);
}

#[test]
fn an_overloaded_server_is_passed_over_and_left_alone_until_it_said() {
    let (lab, bob, a, b) = named();
    bob.invites("0301234567");
    a.changes("SIP/2.0 503", |text| text.replacen("\r\n", "\r\nRetry-After: 60 (soon)\r\n", 1));
    a.expects("INVITE").replies(503, "Service Unavailable").expects("ACK");
    talks(&bob, &b);
    assert_eq!(states(&lab.trunk("north")), ["overloaded", "up"]);
    // Not even when the other one is gone.
    b.vanishes();
    bob.invites("0301234567");
    a.gets_no("INVITE", secs(10));
    bob.expects("408 Request Timeout");
    lab.advance(secs(60));
    bob.invites("0301234567");
    talks(&bob, &a);
}

#[test]
fn a_refusal_of_the_called_side_is_the_answer_and_nobody_else_is_asked() {
    for (status, phrase) in [(486, "Busy Here"), (404, "Not Found"), (603, "Decline")] {
        let (_lab, bob, a, b) = named();
        bob.invites("0301234567");
        a.expects("INVITE").replies(status, phrase).expects("ACK");
        bob.expects(&status.to_string());
        b.gets_no("INVITE", secs(5));
    }
}

#[test]
fn the_caller_hears_it_ring_once() {
    let (_lab, bob, a, b) = named();
    bob.invites("0301234567");
    a.rings(ms(100));
    bob.expects("180 Ringing");
    a.replies(503, "Service Unavailable").expects("ACK");
    b.rings(ms(100));
    bob.gets_no("18", secs(1));
    b.answers();
    bob.expects("200 OK").acks().hangs_up();
    b.is_hung_up();
}

#[test]
fn when_nobody_serves_the_caller_is_told_so() {
    let (lab, bob, a, b) = named();
    lab.refuses(A);
    bob.invites("0301234567");
    b.expects("INVITE").replies(503, "Service Unavailable").expects("ACK");
    let refusal = bob.receives("500");
    assert_eq!(refusal.header("Retry-After"), "");
    a.vanishes();
}

#[test]
fn the_next_server_has_the_place_of_the_first_among_the_trunks_calls() {
    let lab = Lab::with(|settings| {
        let gateways = [A, B].map(|place| gateway(settings, place)).into();
        let north = settings.trunks.get_mut("north").expect("north");
        (north.gateways, north.channels) = (gateways, 1);
    });
    let (a, b) = (lab.server("a", A), lab.server("b", B));
    a.vanishes();
    let bob = lab.phone("bob").registers();
    bob.invites("0301234567");
    b.receives_within("INVITE", secs(4));
    assert_eq!(lab.trunk("north").calls, 1);
    b.replies(180, "Ringing").answers();
    bob.expects("200 OK").acks();
    assert_eq!(lab.trunk("north").calls, 1);
    bob.hangs_up();
    b.is_hung_up();
    lab.advance(secs(1));
    assert_eq!(lab.trunk("north").calls, 0);
}

#[test]
fn a_caller_who_gives_up_between_two_servers_is_let_go() {
    let (lab, bob, a, b) = named();
    a.vanishes();
    bob.invites("0301234567").expects("100 Trying");
    lab.advance(secs(2));
    bob.cancels().expects("200").expects("487");
    b.gets_no("INVITE", secs(5));
}

#[test]
fn gateways_are_tried_in_order_or_by_their_weights() {
    let lab = with(1, &[A, B]);
    let (a, b) = (lab.server("a", A).polite(), lab.server("b", B).polite());
    let bob = lab.phone("bob").registers();
    for _ in 0..3 {
        bob.invites("0301234567");
        a.expects("INVITE").replies(486, "Busy Here");
        bob.expects("486");
        b.gets_no("INVITE", ms(10));
    }
    let lab = Lab::with(|settings| {
        let mut gateways: Vec<Gateway> = [A, B].map(|place| gateway(settings, place)).into();
        (gateways[0].weight, gateways[1].weight) = (Some(1), Some(3));
        settings.trunks.get_mut("north").expect("north").gateways = gateways;
    });
    let servers = [lab.server("a", A).polite(), lab.server("b", B).polite()];
    let bob = lab.phone("bob").registers();
    let mut calls = [0, 0];
    for _ in 0..40 {
        bob.invites("0301234567");
        lab.advance(ms(100));
        let rung = servers.iter().position(Party::is_ringing).expect("one rings");
        calls[rung] += 1;
        servers[rung].replies(486, "Busy Here");
        bob.expects("486");
    }
    assert!((2..=18).contains(&calls[0]), "{calls:?}");
}

#[test]
fn srv_weights_share_the_calls_of_one_priority() {
    let lab = with(1, &["sip.carrier.example"]);
    let records = srv(&[(10, 10, 5060, "a.carrier.example"), (10, 30, 5060, "b.carrier.example")]);
    zone(&lab, secs(300));
    lab.dns("_sip._udp.sip.carrier.example", Kind::Srv, records, secs(300));
    let servers = [lab.server("a", A).polite(), lab.server("b", B).polite()];
    let bob = lab.phone("bob").registers();
    let mut calls = [0, 0];
    for _ in 0..40 {
        bob.invites("0301234567");
        lab.advance(ms(100));
        let rung = servers.iter().position(Party::is_ringing).expect("one rings");
        calls[rung] += 1;
        servers[rung].replies(486, "Busy Here");
        bob.expects("486");
    }
    assert!((3..=20).contains(&calls[0]), "{calls:?}");
}

#[test]
fn naptr_leads_to_the_name_of_its_srv() {
    let lab = with(1, &["carrier.example"]);
    zone(&lab, secs(300));
    let records =
        naptr(&[(10, "SIP+D2S", "x.example"), (20, "SIP+D2U", "_sip._udp.sip.carrier.example")]);
    lab.dns("carrier.example", Kind::Naptr, records, secs(300));
    let a = lab.server("a", A);
    lab.advance(secs(1));
    let bob = lab.phone("bob").registers();
    bob.invites("0301234567");
    talks(&bob, &a);
}

#[test]
fn a_name_that_moves_is_followed_when_its_time_is_over() {
    let (lab, bob, a, b) = named();
    bob.invites("0301234567");
    talks(&bob, &a);
    let asked = lab.questions();
    lab.dns("a.carrier.example", Kind::A, self::a(&["192.0.2.23"]), secs(300));
    let c = lab.server("c", "192.0.2.23:5060");
    bob.invites("0301234567");
    talks(&bob, &a);
    assert_eq!(lab.questions(), asked, "its time is not over");
    lab.advance(secs(300));
    bob.invites("0301234567");
    talks(&bob, &c);
    b.gets_no("INVITE", ms(10));
}

#[test]
fn while_dns_is_down_calls_go_where_they_went() {
    for mood in [Mood::Silent, Mood::Refuses] {
        let (lab, bob, a, _b) = named();
        lab.dns_is(mood);
        lab.advance(secs(3_600));
        assert_eq!(states(&lab.trunk("north")), ["up", "up"]);
        let bob = bob.registers();
        bob.invites("0301234567");
        a.rings(secs(1)).replies(486, "Busy Here");
        bob.expects("486");
    }
}

#[test]
fn a_silent_dns_delays_nobody_who_does_not_need_it() {
    let lab = with(1, &["sip.carrier.example", B]);
    lab.dns_is(Mood::Silent);
    let b = lab.server("b", B);
    let bob = lab.phone("bob").registers();
    let alice = lab.phone("alice").registers();
    let south = lab.carrier("south");
    let at = lab.clock();
    bob.invites("202");
    alice.rings(ms(50)).answers();
    bob.expects("200 OK").acks().hangs_up();
    alice.is_hung_up();
    alice.invites("9301234567");
    south.rings(ms(50)).replies(486, "Busy Here");
    alice.expects("486");
    // Nor does a call for which there is another gateway.
    bob.invites("0301234567");
    b.rings(ms(50)).replies(486, "Busy Here");
    bob.expects("486");
    assert!(lab.clock() < at + secs(1));
}

#[test]
fn a_call_whose_only_gateway_is_being_looked_up_waits_a_little() {
    let lab = with(1, &["sip.carrier.example"]);
    zone(&lab, secs(300));
    lab.dns_is(Mood::Answers(ms(400)));
    let a = lab.server("a", A);
    let bob = lab.phone("bob").registers();
    bob.invites("0301234567");
    a.receives_within("INVITE", ms(1_300));
    a.replies(180, "Ringing").answers();
    bob.expects("200 OK").acks().hangs_up();
    a.is_hung_up();

    let lab = with(1, &["sip.carrier.example"]);
    lab.dns_is(Mood::Silent);
    let bob = lab.phone("bob").registers();
    let at = lab.clock();
    bob.invites("0301234567").expects("100 Trying").expects("500");
    assert!(lab.clock() <= at + ms(2_100), "{:?}", lab.clock() - at);
    assert_eq!(lab.trunk("north").calls, 0);
    let bob = lab.phone("bob").registers();
    bob.invites("0301234567");
    lab.advance(ms(500));
    bob.cancels().expects("487");
}

#[test]
fn dns_that_leads_to_ourselves_makes_no_loop() {
    let lab = with(1, &["sip.carrier.example"]);
    let own = lab.own_address();
    lab.dns(
        "_sip._udp.sip.carrier.example",
        Kind::Srv,
        srv(&[(0, 0, own.port(), "us.example")]),
        secs(60),
    );
    lab.dns("us.example", Kind::A, a(&[&own.ip().to_string()]), secs(60));
    lab.advance(secs(1));
    let bob = lab.phone("bob").registers();
    bob.invites("0301234567").expects("503");
}

#[test]
fn a_gateway_of_a_transport_that_nobody_listens_by_is_no_way() {
    let lab = Lab::with(|settings| {
        settings.listeners.retain(|listener| listener.transport == Transport::Udp);
        let mut tcp = gateway(settings, "sip.carrier.example");
        tcp.place.transport = Some(Transport::Tcp);
        settings.trunks.get_mut("north").expect("north").gateways = vec![tcp];
    });
    zone(&lab, secs(300));
    lab.dns(
        "_sip._tcp.sip.carrier.example",
        Kind::Srv,
        srv(&[(0, 0, 5060, "a.carrier.example")]),
        secs(60),
    );
    lab.advance(secs(1));
    let bob = lab.phone("bob").registers();
    bob.invites("0301234567").expects("503");
}

#[test]
fn calls_that_come_too_fast_are_put_off_each_way_but_not_an_emergency() {
    let lab = Lab::with(|settings| {
        let rate = Rate { calls: 2, span: secs(10) };
        settings.trunks.values_mut().for_each(|trunk| trunk.rate = Some(rate));
    });
    let north = lab.carrier("north").polite();
    let bob = lab.phone("bob").registers();
    for _ in 0..2 {
        north.invites("+4930555019").expects("603");
        bob.invites("0301234567");
        north.rings(ms(100)).replies(486, "Busy Here");
        bob.expects("486");
    }
    bob.invites("0301234567").expects("503");
    bob.invites("112");
    north.rings(ms(100)).replies(486, "Busy Here");
    bob.expects("486");
    lab.advance(secs(6));
    bob.invites("0301234567");
    north.rings(ms(100)).replies(486, "Busy Here");
    bob.expects("486");
    // Refused by its route, a call has begun nothing; one that is rung has.
    for _ in 0..2 {
        north.invites("+4930555012");
        bob.rings(ms(100)).replies(486, "Busy Here");
        north.expects("486");
    }
    north.invites("+4930555012");
    let refusal = north.receives("503");
    assert_ne!(refusal.header("Retry-After"), "");
}

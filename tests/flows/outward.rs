//! Calls out: who may dial what, which trunk takes them, and what is never held up.

use std::sync::Arc;

use tonspur::switch::control::{Reply, Request};
use tonspur::switch::settings::{Destination, NumberPattern, Route, Settings, When};

use crate::lab::{Lab, Party, assert_ladder, ms, secs};

const SUPPORT: &str = "+4930555010";

/// Users dial out as anybody in the country does, through north, then south.
fn open(settings: &mut Settings) {
    for route in settings.routes.iter_mut().filter(|route| route.name == "80-out") {
        let patterns =
            ["0*", "+*", "1*"].map(|text| NumberPattern::parse(text).expect("a pattern"));
        *route =
            Route { numbers: patterns.into(), strip: 0, prepend: String::new(), ..route.clone() };
        route.to = Destination::Trunks(vec!["north".into(), "south".into()]);
    }
}

/// The number in the Request-URI of the INVITE that comes.
fn dialled(carrier: &Party) -> String {
    let invite = carrier.receives("INVITE");
    let uri = invite.text().split(' ').nth(1).unwrap_or_default();
    uri.trim_start_matches("sip:").split('@').next().unwrap_or_default().to_owned()
}

/// Calls that the trunk has.
fn places(lab: &Lab, name: &str) -> usize {
    let Reply::Trunks { trunks } = lab.asks(Request::TrunkList) else { panic!("trunks") };
    trunks.iter().find(|row| row.trunk == name).expect("a trunk").calls
}

#[test]
fn a_number_goes_out_in_one_form_and_so_it_is_recorded() {
    let lab = Lab::with(open);
    let north = lab.carrier("north");
    let bob = lab.phone("bob").registers();
    for text in ["030-555 99", "0049(30)55599", "+4930.55599"] {
        bob.invites(&text.replace(' ', "%20"));
        assert_eq!(dialled(&north), "+493055599", "{text}");
        north.replies(486, "Busy Here");
        bob.expects("486");
    }
    let to: Vec<String> = lab.cdrs().iter().map(|cdr| cdr.to.reveal().clone()).collect();
    assert_eq!(to, ["+493055599"; 3]);
}

#[test]
fn who_dials_what_they_may_not_is_told_and_no_place_is_taken() {
    let lab = Lab::with(open);
    let north = lab.carrier("north");
    let bob = lab.phone("bob").registers();
    for (number, why) in [
        ("0037167222555", "international calls are not allowed"),
        ("+37167222555", "international calls are not allowed"),
        ("09001123456", "premium numbers are not allowed"),
        ("11833", "premium numbers are not allowed"),
    ] {
        let refused = bob.invites(number).receives("403");
        let warning = refused.header("Warning");
        assert_eq!(warning, format!("399 office.example \"{why}\""), "{number}");
        assert_eq!(places(&lab, "north"), 0);
    }
    north.gets_no("INVITE", secs(1));
    assert!(lab.cdrs().is_empty(), "nothing began");
    assert_ladder!(lab);
}

#[test]
fn a_call_too_many_at_once_is_refused_and_there_is_room_when_one_has_ended() {
    let lab = Lab::with(|settings| {
        open(settings);
        let bob = settings.users.get_mut("201").expect("bob");
        Arc::make_mut(&mut bob.dialing).at_once = 1;
    });
    let north = lab.carrier("north");
    let (bob, second) = (lab.phone("bob").registers(), lab.phone("bob").registers());
    bob.invites("030555990");
    north.rings(secs(1)).answers();
    bob.expects("200 OK").acks();
    second.invites("030555991").expects("403");
    bob.hangs_up();
    north.is_hung_up();
    second.invites("030555991");
    north.rings(secs(1)).replies(486, "Busy Here");
    second.expects("486");
}

#[test]
fn an_emergency_goes_out_when_nothing_else_does() {
    let lab = Lab::with(|settings| {
        open(settings);
        settings.calls = 1;
        settings.trunks.get_mut("north").expect("north").channels = 1;
        let alice = settings.users.get_mut("202").expect("alice");
        let dialing = Arc::make_mut(&mut alice.dialing);
        (dialing.at_once, dialing.rights) = (0, Vec::new());
    });
    let (north, again) = (lab.carrier("north"), lab.carrier("north"));
    let bob = lab.phone("bob").registers();
    let alice = lab.phone("alice").registers();
    north.invites("+4930555012");
    bob.rings(secs(1)).answers();
    north.expects("200 OK").acks();
    again.invites("+4930555012").expects("503");
    alice.invites("0305559").expects("401").expects("503");
    alice.invites("112");
    // The gateway is where the trunk's caller talks too.
    assert_eq!(dialled(&north), "112");
    north.replies(200, "OK").expects("ACK");
    alice.expects("200 OK").acks();
    assert_eq!(places(&lab, "north"), 2);
    let cdr = lab.cdrs().pop().expect("a row");
    assert_eq!((cdr.to.reveal().as_str(), cdr.route.as_deref()), ("112", Some("01-emergency")));
    alice.hangs_up();
    north.is_hung_up();
    lab.hangs_up_all();
    bob.is_hung_up();
    north.is_hung_up();
}

#[test]
fn a_trunk_that_cannot_is_followed_by_the_next_and_the_caller_hears_it_ring_once() {
    let lab = Lab::with(open);
    let (north, south) = (lab.carrier("north"), lab.carrier("south").speaks_only(&[8]));
    let bob = lab.phone("bob").registers();
    bob.invites("030555990").expects("401").expects("100");
    north.receives("INVITE");
    north.replies(503, "Service Unavailable");
    south.rings(ms(500)).answers();
    bob.expects("180").expects("200 OK").acks();
    assert_eq!((places(&lab, "north"), places(&lab, "south")), (0, 1));
    bob.hangs_up();
    south.is_hung_up();
    assert_eq!(lab.cdrs()[0].trunk.as_deref(), Some("south"));
    assert_ladder!(lab);
}

#[test]
fn a_refusal_of_whom_is_called_is_not_asked_of_another_trunk() {
    let lab = Lab::with(open);
    let (north, south) = (lab.carrier("north"), lab.carrier("south"));
    let bob = lab.phone("bob").registers();
    bob.invites("030555990");
    north.receives("INVITE");
    north.replies(486, "Busy Here");
    bob.expects("486");
    south.gets_no("INVITE", secs(1));
}

#[test]
fn where_nobody_is_there_the_other_destination_has_the_call() {
    let lab = Lab::with(|settings| {
        for route in settings.routes.iter_mut().filter(|route| route.name == "12-bob-unrecorded") {
            route.or_else = Some(Destination::User("202".into()));
        }
    });
    let north = lab.carrier("north");
    let alice = lab.phone("alice").registers();
    north.invites("+4930555012");
    alice.rings(secs(1)).replies(486, "Busy Here");
    north.expects("486");
    let bob = lab.phone("bob").registers();
    north.invites("+4930555012");
    bob.rings(secs(1)).replies(486, "Busy Here");
    north.expects("486");
}

#[test]
fn a_route_has_its_hours_by_the_wall_of_its_place() {
    use tonspur::switch::hours::{Hours, Span};
    let lab = Lab::with(|settings| {
        let zone = tonspur::utc::Zone::named("Europe/Berlin").expect("a zone");
        // It is ten past the hour of nine in London when a story begins, and ten in Berlin.
        let open = vec![Span { days: 0x7f, from: 10 * 60, to: 11 * 60 }];
        settings.hours.insert("day".into(), Hours { zone, open, closed: Vec::new() });
        for route in settings.routes.iter_mut().filter(|route| route.name == "19-refused") {
            route.when = When::Outside("day".into());
        }
    });
    let north = lab.carrier("north");
    north.invites("+4930555019").expects("404");
    lab.advance(secs(3_600));
    north.invites("+4930555019").expects("603");
}

#[test]
fn a_carriers_call_does_not_leave_by_a_trunk_that_it_may_not_use() {
    let lab = Lab::with(|settings| {
        for route in settings.routes.iter_mut().filter(|route| route.name == "19-refused") {
            route.to = Destination::Trunks(vec!["south".into()]);
        }
    });
    let (north, south) = (lab.carrier("north"), lab.carrier("south"));
    let refused = north.invites("+4930555019").receives("403");
    assert!(!refused.text().contains("Warning"), "{}", refused.text());
    south.gets_no("INVITE", secs(1));
    assert_eq!(places(&lab, "north"), 0);
    // Its numbers are its own business all the same.
    lab.agent("bob");
    north.invites(SUPPORT).expects("200 OK").acks().hangs_up();
}

//! Who has to come over TLS, and what that proves.

use super::*;
use crate::switch::settings::{Certificates, Peer, Proof};
use crate::wire::flow::{ConnectionId, PeerId, Transport};

fn over_tls(listener: u16, remote: &str, peer: Option<PeerId>) -> Flow {
    let connection = Some(ConnectionId(1));
    Flow { transport: Transport::Tls, connection, peer, ..office::flow(listener, remote) }
}

#[test]
fn a_user_of_tls_alone_is_refused_over_anything_else() {
    let mut office = Office::with(|settings| {
        settings.users.get_mut("1001").expect("a user").transport = Some(Transport::Tls);
    });
    let phone = over_tls(0, PHONES[0], None);
    let plain = [Transport::Udp, Transport::Tcp]
        .map(|transport| Flow { transport, ..office::flow(0, PHONES[0]) });
    for (flow, call_id, status) in [(plain[0], "a", 403), (plain[1], "b", 403), (phone, "c", 200)] {
        let register = office::register("1001", call_id, 1, &[CONTACT]);
        assert_eq!(code(&office.proves(flow, "1001", PASSWORD, &register)), status);
    }
    let call =
        office::request("INVITE", "sip:1002@office.example", "1001", "1002", ("d", 1), &[CONTACT]);
    assert_eq!(code(&office.proves(plain[0], "1001", PASSWORD, &call)), 403);
    // Who has not proven to be the user is not told.
    let register = office::register("1001", "e", 1, &[CONTACT]);
    assert_eq!(code(&office.proves(plain[0], "1001", "guess", &register)), 401);
}

#[test]
fn sips_is_served_over_tls_alone_and_rings_by_nothing_else() {
    let call = |call_id| invite("1001", call_id, &[]).replace("INVITE sip:", "INVITE sips:");
    let mut office = Office::with(|settings| {
        let bind = "10.0.0.1:5061".parse().expect("an address");
        let (transport, advertise) = (Transport::Tls, bind);
        let inner = settings.listeners[0].clone();
        settings.listeners.push(settings::Listener { transport, bind, advertise, ..inner });
    });
    let carrier = over_tls(1, CARRIER, None);
    assert_eq!(office.gets(office::flow(1, CARRIER), &call("a")), 416);
    office.receive(carrier, &call("b"));
    let told: Vec<u16> = office.sent().iter().map(code).collect();
    assert_eq!(told.last(), Some(&480), "the phone is reached over UDP: {told:?}");
    let phone = over_tls(2, PHONES[0], None);
    let register = office::register("1001", "c", 1, &[CONTACT]);
    assert_eq!(code(&office.proves(phone, "1001", PASSWORD, &register)), 200);
    office.receive(carrier, &call("d"));
    let sent = std::mem::take(&mut office.sent);
    let rung: Vec<_> = sent.iter().filter(|(_, at)| at.method().is_some()).collect();
    assert_eq!(rung.iter().map(|(flow, _)| *flow).collect::<Vec<_>>(), [phone]);
    // RFC 3261 §12.1.1: what is said of us is as secure.
    let mut ringing = Vec::new();
    Outgoing::response(Status::of(180), &rung[0].1, Some("phone")).write(None, &mut ringing);
    office.receive(phone, std::str::from_utf8(&ringing).expect("UTF-8"));
    let told = office.sent();
    let told = told.iter().find(|message| message.status() == Some(Status::of(180)));
    let contact = told.and_then(|told| told.text(Name::Contact)).unwrap_or_default();
    assert!(contact.starts_with("<sips:"), "{contact}");
}

#[test]
fn a_trunk_is_known_by_its_certificate_where_its_settings_say_so() {
    let address = office::flow(1, CARRIER);
    let certificate = over_tls(1, "198.51.100.7:40000", Some(PeerId(0)));
    let both = over_tls(1, CARRIER, Some(PeerId(0)));
    let another = over_tls(1, CARRIER, Some(PeerId(1)));
    for (proof, let_in) in [
        (Proof::Address, [true, false, true, true]),
        (Proof::Certificate, [false, true, true, false]),
        (Proof::Both, [false, false, true, false]),
    ] {
        let mut office = Office::with(|settings| {
            let north = settings.trunks.get_mut("north").expect("a trunk");
            (north.peer, north.proof) = (Some(PeerId(0)), proof);
            let peer = Peer { name: "north.example".into(), ca: None, own: None };
            settings.certificates = Certificates { peers: vec![peer], ..Certificates::default() };
        });
        let flows = [(address, "a"), (certificate, "b"), (both, "c"), (another, "d")];
        let got = flows.map(|(flow, call_id)| office.gets(flow, &invite("9", call_id, &[])));
        // No route leads there, which strangers are not told.
        let wanted = let_in.map(|is_in| if is_in { 404 } else { 403 });
        assert_eq!(got, wanted, "{proof:?}");
    }
}

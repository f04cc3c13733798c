//! `[tls]`, of a profile and of a trunk.

use super::{errors, loaded};
use crate::switch::settings::{Profile, Proof};
use crate::wire::flow::PeerId;

#[test]
fn tls_has_a_door_of_its_own_beside_the_others() {
    let tls = "[tls]\ncertificate = \"tls/pbx.pem\"\nkey = \"tls/pbx.key\"\n";
    let door = |text: &str| {
        let settings = loaded(&[("internal.toml", &format!("{text}\n{tls}"))]).settings;
        let own = settings.certificates.own[0].clone().expect("a certificate");
        assert_eq!((own.certificate, own.key), ("tls/pbx.pem".into(), "tls/pbx.key".into()));
        let inner = settings.listeners.iter().filter(|at| at.profile == Profile::Internal);
        inner
            .map(|at| format!("{} {} {}", at.transport.word(), at.bind, at.advertise))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        door("bind = \"10.0.0.1\"\nadvertise = \"203.0.113.1:7000\"\ntransports = [\"udp\"]"),
        ["udp 10.0.0.1:5060 203.0.113.1:7000", "tls 10.0.0.1:5061 203.0.113.1:5061"]
    );
    let alone = "bind = \"10.0.0.1\"\ntransports = []";
    assert_eq!(door(alone), ["tls 10.0.0.1:5061 10.0.0.1:5061"]);
    let elsewhere =
        format!("bind = \"10.0.0.1\"\n{tls}bind = \"10.0.0.2:7\"\nadvertise = \"203.0.113.2\"");
    let settings = loaded(&[("internal.toml", &elsewhere)]).settings;
    assert_eq!(settings.listeners[2].advertise.to_string(), "203.0.113.2:7");
    assert_eq!(
        errors(&[(
            "internal.toml",
            "bind = \"10.0.0.1\"\n[tls]\nbind = \"10.0.0.1:5060\"\nkey = \"k\""
        )]),
        [
            "internal.toml:3: `bind` overlaps with `bind` of internal.toml: give one another port",
            "internal.toml:4: `tls.key` has no `tls.certificate`",
        ]
    );
}

#[test]
fn a_trunk_says_whose_certificate_it_shows_and_what_that_is_good_for() {
    let door = "bind = \"192.0.2.1\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"";
    let with = |trunk: &str, other: &str| {
        [("external.toml", door), ("trunks/north.toml", trunk), ("trunks/west.toml", other)]
            .map(|(path, text)| (path, text.to_owned()))
    };
    fn files<'t>(files: &'t [(&'static str, String); 3]) -> Vec<(&'t str, &'t str)> {
        files.iter().map(|(path, text)| (*path, text.as_str())).collect()
    }
    let west = "from = [\"192.0.2.77\"]";
    let gateway =
        "[gateway]\naddress = \"192.0.2.9\"\ntransport = \"tls\"\ndomain = \"SIP.north.example\"";
    let written =
        with(&format!("{gateway}\n[tls]\nca = \"tls/ca.pem\"\ncalls_in = \"certificate\""), west);
    let settings = loaded(&files(&written)).settings;
    let north = &settings.trunks["north"];
    assert_eq!((north.peer, north.proof), (Some(PeerId(0)), Proof::Certificate));
    let at = &north.gateways[0].place;
    assert_eq!((at.host.to_string(), at.port), ("192.0.2.9".into(), Some(5061)));
    let peer = &settings.certificates.peers[0];
    assert_eq!(
        (peer.name.as_str(), peer.ca.clone()),
        ("sip.north.example", Some("tls/ca.pem".into()))
    );

    let wrong = |north: &str, west: &str| errors(&files(&with(north, west)));
    assert_eq!(
        wrong(gateway, west),
        [
            "trunks/north.toml:1: `gateway.transport` is \"tls\" and no `[tls]` says whose certificate it shows"
        ]
    );
    assert_eq!(
        wrong("from = [\"192.0.2.9\"]\n[tls]\ncalls_in = \"certificate\"", west),
        [
            "trunks/north.toml:2: `tls.name` is missing: the name in the carrier's certificate, such as \"sip.example.com\"",
            "trunks/north.toml:3: `from` counts for nothing where `tls.calls_in` is \"certificate\"",
        ]
    );
    let alone = "[tls]\nname = \"a.example\"\ncalls_in = \"certificate\"";
    assert_eq!(
        wrong(alone, alone),
        ["trunks/west.toml:1: `tls.name` is trunk `north`'s too: whose call is it?"]
    );
}

//! Small zones of DNS, and where places lead in them.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const ALL: [Ability; 4] = [
    (Transport::Udp, Family::V6),
    (Transport::Udp, Family::V4),
    (Transport::Tcp, Family::V6),
    (Transport::Tcp, Family::V4),
];
const V4: [Ability; 2] = [(Transport::Udp, Family::V4), (Transport::Tcp, Family::V4)];

/// What a zone holds: `None` is a server that does not answer.
#[derive(Default)]
struct Zone(BTreeMap<Question, Option<Records>>);

impl Zone {
    fn with(mut self, name: &str, kind: Kind, records: Option<Records>) -> Zone {
        self.0.insert(Question { name: name.into(), kind }, records);
        self
    }

    fn srv(self, name: &str, records: &[(u16, u16, u16, &str)]) -> Zone {
        let record = |&(priority, weight, port, target): &(u16, u16, u16, &str)| Srv {
            priority,
            weight,
            port,
            target: target.into(),
        };
        let records = records.iter().map(record).collect();
        self.with(name, Kind::Srv, Some(Records::Srv(records)))
    }

    fn a(self, name: &str, addresses: &[&str]) -> Zone {
        let addresses = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        self.with(name, Kind::A, Some(Records::Addresses(addresses)))
    }

    fn naptr(self, name: &str, records: &[(u16, u16, &str, &str)]) -> Zone {
        let record = |&(order, preference, service, replacement): &(u16, u16, &str, &str)| Naptr {
            order,
            preference,
            flags: "S".into(),
            service: service.into(),
            replacement: replacement.into(),
        };
        let records = records.iter().map(record).collect();
        self.with(name, Kind::Naptr, Some(Records::Naptr(records)))
    }

    /// Asks until nothing is open; gives the targets and the questions.
    fn find(&self, place: &Place, able: &[Ability]) -> (Vec<String>, Vec<String>) {
        let mut asked: BTreeSet<Question> = BTreeSet::new();
        loop {
            let found = find(place, able, &mut |question| {
                if !asked.contains(question) {
                    return Known::Unasked;
                }
                match self.0.get(question) {
                    Some(Some(records)) => Known::Records(records),
                    Some(None) => Known::Failed,
                    None => Known::Nothing,
                }
            });
            match found {
                Finding::Open(questions) => asked.extend(questions),
                Finding::Nowhere => return (Vec::new(), words(&asked)),
                Finding::Found(candidates) => {
                    let targets = ordered(&candidates, || 0);
                    let text = |target: &Target| {
                        let transport =
                            if target.transport == Transport::Udp { "udp" } else { "tcp" };
                        format!("{transport} {}", target.address)
                    };
                    return (targets.iter().map(text).collect(), words(&asked));
                }
            }
        }
    }
}

fn words(asked: &BTreeSet<Question>) -> Vec<String> {
    asked.iter().map(|question| format!("{:?} {}", question.kind, question.name)).collect()
}

fn place(text: &str, transport: Option<Transport>) -> Place {
    let (host, port) = match text.rsplit_once(':').filter(|_| !text.ends_with(']')) {
        Some((host, port)) => (host, Some(port.parse().expect("a port"))),
        None => (text, None),
    };
    Place { host: Host::read(host).expect("a host"), port, transport }
}

const UDP: Option<Transport> = Some(Transport::Udp);

#[test]
fn an_address_is_asked_of_nobody() {
    let zone = Zone::default();
    assert_eq!(
        zone.find(&place("192.0.2.9", None), &V4),
        (vec!["udp 192.0.2.9:5060".into()], vec![])
    );
    let found = zone.find(&place("192.0.2.9:5070", Some(Transport::Tcp)), &V4);
    assert_eq!(found, (vec!["tcp 192.0.2.9:5070".into()], vec![]));
    assert_eq!(zone.find(&place("[2001:db8::1]", None), &V4).0, Vec::<String>::new());
}

#[test]
fn a_name_with_a_port_has_no_srv() {
    let zone = Zone::default().a("sip.example", &["192.0.2.1", "192.0.2.2"]);
    let (targets, asked) = zone.find(&place("sip.example:5070", None), &V4);
    assert_eq!(targets, ["udp 192.0.2.1:5070", "udp 192.0.2.2:5070"]);
    assert_eq!(asked, ["A sip.example"]);
}

#[test]
fn a_transport_asks_for_its_srv_and_falls_back_on_the_name() {
    let zone = Zone::default().a("sip.example", &["192.0.2.1"]);
    let (targets, asked) = zone.find(&place("sip.example", UDP), &V4);
    assert_eq!(targets, ["udp 192.0.2.1:5060"]);
    assert_eq!(asked, ["Srv _sip._udp.sip.example", "A sip.example"]);
    let zone =
        zone.srv("_sip._udp.sip.example", &[(2, 0, 5064, "b.example"), (1, 0, 5062, "a.example")]);
    let zone = zone.a("a.example", &["192.0.2.11"]).a("b.example", &["192.0.2.12"]);
    let (targets, _) = zone.find(&place("sip.example", UDP), &V4);
    assert_eq!(targets, ["udp 192.0.2.11:5062", "udp 192.0.2.12:5064"]);
}

#[test]
fn naptr_says_which_transport_and_we_take_the_first_we_speak() {
    let zone = Zone::default()
        .naptr(
            "sip.example",
            &[
                (100, 10, "SIP+D2U", "_sip._udp.sip.example"),
                (90, 60, "SIP+D2U", "_sip._udp.other.example"),
                (90, 50, "sip+d2t", "_sip._tcp.other.example"),
                (50, 50, "SIP+D2S", "_sip._sctp.sip.example"),
            ],
        )
        .srv("_sip._tcp.other.example", &[(0, 0, 5060, "t.example")])
        .a("t.example", &["192.0.2.20"]);
    let (targets, asked) = zone.find(&place("sip.example", None), &V4);
    assert_eq!(targets, ["tcp 192.0.2.20:5060"]);
    assert!(!asked.iter().any(|question| question.contains("sctp") || question.contains("_udp")));
}

#[test]
fn without_naptr_or_with_a_server_that_knows_none_srv_decides() {
    let zone = Zone::default()
        .srv("_sip._tcp.sip.example", &[(0, 0, 5060, "t.example")])
        .a("t.example", &["192.0.2.20"]);
    assert_eq!(zone.find(&place("sip.example", None), &V4).0, ["tcp 192.0.2.20:5060"]);
    let refusing = zone.with("sip.example", Kind::Naptr, None);
    assert_eq!(refusing.find(&place("sip.example", None), &V4).0, ["tcp 192.0.2.20:5060"]);
}

#[test]
fn an_srv_question_that_failed_is_not_an_srv_record_that_is_not_there() {
    let zone = Zone::default().a("sip.example", &["192.0.2.1"]);
    let zone = zone.with("_sip._udp.sip.example", Kind::Srv, None);
    assert_eq!(zone.find(&place("sip.example", UDP), &V4).0, Vec::<String>::new());
}

#[test]
fn a_target_of_one_dot_means_no_such_service() {
    let zone = Zone::default().a("sip.example", &["192.0.2.1"]);
    let zone = zone.srv("_sip._udp.sip.example", &[(0, 0, 5060, "")]);
    assert_eq!(zone.find(&place("sip.example", UDP), &V4).0, Vec::<String>::new());
}

#[test]
fn both_families_are_tried_and_one_that_we_do_not_speak_is_not_asked_for() {
    let v6: Vec<IpAddr> = vec!["2001:db8::7".parse().expect("an address")];
    let zone = Zone::default().a("sip.example", &["192.0.2.1"]).with(
        "sip.example",
        Kind::Aaaa,
        Some(Records::Addresses(v6)),
    );
    let (targets, _) = zone.find(&place("sip.example:5060", None), &ALL);
    assert_eq!(targets, ["udp [2001:db8::7]:5060", "udp 192.0.2.1:5060"]);
    let (targets, asked) = zone.find(&place("sip.example:5060", None), &V4);
    assert_eq!((targets, asked), (vec!["udp 192.0.2.1:5060".into()], vec!["A sip.example".into()]));
}

#[test]
fn a_flood_of_records_is_cut_short() {
    let names: Vec<String> = (0..40).map(|number| format!("s{number}.example")).collect();
    let records: Vec<_> = names.iter().map(|name| (0, 0, 5060, name.as_str())).collect();
    let zone = Zone::default().srv("_sip._udp.sip.example", &records);
    let many = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"];
    let zone = names.iter().fold(zone, |zone, name| zone.a(name, &many));
    let (targets, asked) = zone.find(&place("sip.example", UDP), &V4);
    assert_eq!(targets.len(), MOST_TARGETS);
    assert_eq!(asked.len(), 1 + MOST_RECORDS);
}

#[test]
fn groups_nobody_and_a_loop_of_names_are_no_targets() {
    let zone = Zone::default()
        .srv(
            "_sip._udp.sip.example",
            &[(0, 0, 5060, "_sip._udp.sip.example"), (0, 0, 0, "x.example")],
        )
        .a("x.example", &["192.0.2.1"]);
    let (targets, asked) = zone.find(&place("sip.example", UDP), &V4);
    assert_eq!(targets, Vec::<String>::new());
    assert_eq!(asked.len(), 2, "{asked:?}");
    let zone = Zone::default().a("sip.example", &["224.0.0.1", "0.0.0.0", "255.255.255.255"]);
    assert_eq!(zone.find(&place("sip.example:5060", None), &V4).0, Vec::<String>::new());
}

#[test]
fn weights_are_shares_among_those_of_one_priority() {
    let candidate = |priority, weight, port| Candidate {
        priority,
        weight,
        targets: vec![Target { transport: Transport::Udp, address: ([192, 0, 2, 1], port).into() }],
    };
    let candidates =
        [candidate(2, 0, 9), candidate(1, 10, 1), candidate(1, 30, 3), candidate(1, 0, 0)];
    let mut first = BTreeMap::new();
    let mut seed = 1_u32;
    for _ in 0..4_000 {
        let order = ordered(&candidates, || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        });
        assert_eq!(order.len(), 4);
        assert_eq!(order[3].address.port(), 9, "the next priority comes last");
        *first.entry(order[0].address.port()).or_insert(0) += 1;
    }
    assert!((600..1_300).contains(&first[&1]), "{first:?}");
    assert!((2_600..3_300).contains(&first[&3]), "{first:?}");
    assert!((1..300).contains(&first[&0]), "who weighs nothing is seldom first: {first:?}");
}

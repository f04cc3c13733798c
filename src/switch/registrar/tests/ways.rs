//! The way back to a phone: proxies, several flows, connections that are cut.

use super::*;
use crate::wire::flow::{ConnectionId, Transport};

const EDGE: &str = "Path: <sip:edge.example;lr;ob>";
const FIRST: &str = "Contact: <sip:1001@10.0.0.50:5060>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
const SECOND: &str = "Contact: <sip:1001@10.0.0.50:5060>;+sip.instance=\"<urn:uuid:1>\";reg-id=2";
const KNOWS: &str = "Supported: path, outbound";

impl Desk {
    fn answer(&mut self, call_id: &str, cseq: u32, lines: &[&str], flow: Flow) -> Message {
        let request = office::read(&office::register("1001", call_id, cseq, lines));
        let answer = |status| Outgoing::response(status, &request, Some("ours"));
        let Desk { registrar, settings, now, outbox } = self;
        let answer = registrar.register(*now, settings, "1001", &request, flow, outbox, &answer);
        let mut bytes = Vec::new();
        answer.write(None, &mut bytes);
        office::read(std::str::from_utf8(&bytes).expect("UTF-8"))
    }

    fn gets(&mut self, call_id: &str, cseq: u32, lines: &[&str]) -> Message {
        self.answer(call_id, cseq, lines, office::flow(0, PHONES[0]))
    }
}

fn code(answer: &Message) -> u16 {
    answer.status().expect("an answer").code()
}

fn lines(answer: &Message, name: Name) -> Vec<String> {
    answer.lines(name).map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

fn tcp(connection: u64, remote: &str) -> Flow {
    let connection = Some(ConnectionId(connection));
    Flow { transport: Transport::Tcp, connection, ..office::flow(0, remote) }
}

#[test]
fn the_path_is_kept_told_and_remembered_by_a_restart() {
    let mut desk = Desk::new();
    let more = "Path: <sip:inner.example;lr>, <sip:edge.example;lr>";
    let answer = desk.gets("a", 1, &[DESK_PHONE, more, "Supported: path"]);
    assert_eq!(code(&answer), 200);
    let told = ["<sip:inner.example;lr>", "<sip:edge.example;lr>"];
    assert_eq!(lines(&answer, Name::Path), told);
    assert_eq!(lines(&answer, Name::Require), [""; 0]);
    // RFC 3327 §5.3, RFC 5626 §6: what the registrar knows.
    assert_eq!(lines(&answer, Name::Supported), ["path, outbound"]);
    let kept = |desk: &Desk| {
        let path = &desk.registrar.of("1001")[0].path;
        path.iter().map(Address::to_string).collect::<Vec<_>>()
    };
    assert_eq!(kept(&desk), told);
    let Some(Output::Store(_, Entry::Bound(binding))) = desk.outbox.pop() else { panic!("a row") };
    assert_eq!(kept(&Desk::restarted(vec![binding])), told);
    // The next REGISTER comes by another way.
    desk.gets("a", 2, &[DESK_PHONE]);
    assert_eq!(kept(&desk), [""; 0]);
}

#[test]
fn a_path_that_the_phone_does_not_know_of_or_that_is_none_is_refused() {
    let mut desk = Desk::new();
    let answer = desk.gets("a", 1, &[DESK_PHONE, EDGE]);
    assert_eq!((code(&answer), lines(&answer, Name::Unsupported)), (420, vec!["path".to_owned()]));
    let long = format!("Path: <sip:{};lr>", "e".repeat(600));
    let many = format!("Path: <sip:e;lr>{}", ", <sip:e;lr>".repeat(8));
    for path in ["Path: <tel:+49305550>", &long, &many] {
        assert_eq!(code(&desk.gets("a", 2, &[DESK_PHONE, path, KNOWS])), 400, "{path}");
    }
    assert!(desk.registrar.of("1001").is_empty());
}

#[test]
fn a_flow_replaces_the_older_one_of_its_number_and_stands_beside_others() {
    let mut desk = Desk::new();
    let answer = desk.gets("a", 1, &[FIRST, KNOWS]);
    assert_eq!(code(&answer), 200);
    assert_eq!(lines(&answer, Name::Require), ["outbound"]);
    assert_eq!(lines(&answer, Name::FlowTimer), ["120"]);
    let told = "<sip:1001@10.0.0.50:5060>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=3600";
    assert_eq!(lines(&answer, Name::Contact), [told]);
    desk.gets("b", 1, &[SECOND, KNOWS]);
    assert_eq!(desk.contacts().len(), 2, "one contact, two flows");
    // After its restart the phone has another port and another Call-ID.
    let again = "Contact: <sip:1001@10.0.0.50:7000>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    desk.journal();
    assert_eq!(code(&desk.gets("c", 1, &[again, KNOWS])), 200);
    assert_eq!(desk.contacts(), ["sip:1001@10.0.0.50:5060", "sip:1001@10.0.0.50:7000"]);
    assert_eq!(
        desk.journal(),
        ["- 1001 sip:1001@10.0.0.50:5060", "+ 1001 sip:1001@10.0.0.50:7000"]
    );
    assert_eq!(code(&desk.gets("d", 1, &[&format!("{SECOND};expires=0"), KNOWS])), 200);
    assert_eq!(desk.contacts(), ["sip:1001@10.0.0.50:7000"]);
    assert_eq!(code(&desk.gets("e", 1, &["Contact: *", "Expires: 0"])), 200);
    assert_eq!((desk.contacts(), desk.registrar.deadline()), (vec![], None));
}

#[test]
fn flows_need_a_phone_and_a_first_hop_that_know_of_them() {
    let mut desk = Desk::new();
    // Who does not say that it knows has one binding, as ever.
    assert_eq!(lines(&desk.gets("a", 1, &[FIRST]), Name::Require), [""; 0]);
    assert_eq!(code(&desk.gets("b", 1, &[FIRST, SECOND, KNOWS])), 400);
    let bad = FIRST.replace("reg-id=1", "reg-id=0");
    assert_eq!(code(&desk.gets("c", 1, &[&bad, KNOWS])), 400);
    let proxied = "Via: SIP/2.0/UDP 10.0.0.50;branch=z9hG4bKphone";
    for (call_id, path, status) in [
        ("d", "X-Path: none", 439),
        ("e", "Path: <sip:edge.example;lr>", 439),
        ("f", "Path: <sip:inner.example;lr;ob>, <sip:edge.example;lr>", 439),
        ("g", "Path: <sip:inner.example;lr>, <sip:edge.example;lr;ob>", 200),
    ] {
        let answer = desk.gets(call_id, 1, &[FIRST, KNOWS, proxied, path]);
        assert_eq!(code(&answer), status, "{path}");
    }
}

#[test]
fn a_phone_whose_connection_is_cut_is_reached_again_once_it_has_a_new_one() {
    let mut desk = Desk::new();
    let behind_nat = "Contact: <sip:1001@10.0.0.50:5060;transport=tcp>";
    let (before, after) = (tcp(1, "192.0.2.77:40000"), tcp(2, "192.0.2.77:40001"));
    desk.answer("a", 1, &[behind_nat], before);
    let target = desk.registrar.of("1001")[0].contact();
    assert_eq!(desk.registrar.since("1001", &target, before), None, "it is that");
    desk.registrar.closed(ConnectionId(1));
    assert_eq!(desk.registrar.reachable("1001").count(), 0);
    assert_eq!(desk.contacts().len(), 1, "till it expires");
    let state = |desk: &Desk| desk.registrar.rows()[0].state.as_str();
    assert_eq!(state(&desk), "cut-off");
    assert_eq!(desk.registrar.since("1001", &target, before), None);
    desk.answer("a", 2, &[behind_nat], after);
    assert_eq!(desk.registrar.reachable("1001").count(), 1);
    assert_eq!(state(&desk), "reachable");
    assert_eq!(desk.registrar.since("1001", &target, before), Some(after));
    // With another address in its Contact it is known by the user part, if that is one phone's alone.
    let elsewhere = Uri::parse("sip:1001@10.0.0.51:7;transport=tcp").expect("a URI");
    assert_eq!(desk.registrar.since("1001", &elsewhere, before), Some(after));
    desk.answer("b", 1, &[SOFT_PHONE], tcp(3, "192.0.2.78:1"));
    assert_eq!(desk.registrar.since("1001", &elsewhere, before), None);
    // An older connection that ends late takes nothing with it.
    desk.registrar.closed(ConnectionId(1));
    assert_eq!(desk.registrar.reachable("1001").count(), 2);
    desk.pass(HOUR);
    assert!(desk.registrar.connections.is_empty(), "nothing is left of connections");
}

#[test]
fn a_phone_that_comes_back_again_and_again_is_not_kept_out_by_what_it_left_behind() {
    let mut desk = Desk::new();
    desk.answer("a", 1, &[DESK_PHONE], office::flow(0, PHONES[0]));
    let over_tls = |desk: &mut Desk, time: u64| {
        let port = 40_000 + time;
        let contact = format!("Contact: <sip:1001@192.0.2.77:{port};transport=tls>");
        let flow = tcp(time, &format!("192.0.2.77:{port}"));
        let flow = Flow { transport: Transport::Tls, ..flow };
        code(&desk.answer(&format!("b{time}"), 1, &[&contact], flow))
    };
    for time in 1..=9 {
        assert_eq!(over_tls(&mut desk, time), 200, "time {time}");
        assert!(desk.contacts().len() <= desk.settings.registrar.contacts);
        assert_eq!(desk.registrar.reachable("1001").count(), 2, "it and the desk phone");
        desk.registrar.closed(ConnectionId(time));
    }
    assert!(desk.journal().contains(&"- 1001 sip:1001@192.0.2.77:40001;transport=tls".to_owned()));
    // Those who are there keep their places.
    assert_eq!((over_tls(&mut desk, 10), over_tls(&mut desk, 11)), (200, 200));
    assert_eq!(desk.registrar.reachable("1001").count(), 3);
    assert_eq!((over_tls(&mut desk, 12), desk.contacts().len()), (403, 3));
}

#[test]
fn a_phone_that_listens_at_its_contact_is_called_there_when_its_connection_is_gone() {
    let mut desk = Desk::new();
    let listens = "Contact: <sip:1001@10.0.0.50:5060;transport=tcp>";
    desk.answer("a", 1, &[listens], tcp(1, "10.0.0.50:40000"));
    desk.registrar.closed(ConnectionId(1));
    let flow = desk.registrar.reachable("1001").next().expect("it listens").binding.flow;
    assert_eq!(flow, Flow { connection: None, ..tcp(1, "10.0.0.50:5060") });
    // So are its calls that used the connection, and no others.
    let target = desk.registrar.of("1001")[0].contact();
    let since = |used| desk.registrar.since("1001", &target, used);
    assert_eq!(since(tcp(1, "10.0.0.50:40000")), Some(flow));
    assert_eq!(since(tcp(2, "10.0.0.50:40001")), None);
    // Nobody is called over TLS.
    let tls = Flow { transport: Transport::Tls, ..tcp(2, "10.0.0.50:40000") };
    desk.answer("a", 2, &[listens], tls);
    desk.registrar.closed(ConnectionId(2));
    assert_eq!(desk.registrar.reachable("1001").count(), 0);
}

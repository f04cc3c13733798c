//! Calls to phones behind proxies, with several flows, and by connections that are cut.

use super::*;
use crate::switch::settings::Listener;
use crate::wire::flow::{self, ConnectionId, Transport};

const INSTANCE: &str = "+sip.instance=\"<urn:uuid:1>\"";

fn tcp(connection: u64) -> Flow {
    let remote = format!("192.0.2.77:{}", 40_000 + connection);
    let connection = Some(ConnectionId(connection));
    Flow { transport: Transport::Tcp, connection, ..office::flow(2, &remote) }
}

impl Office {
    /// Nobody is registered but 1001, by these flows and header lines.
    fn with_phone(phones: &[(Flow, Vec<String>)]) -> Office {
        let mut office = Office::with(|settings| {
            let over_tcp = Listener { transport: Transport::Tcp, ..settings.listeners[0].clone() };
            settings.listeners.push(over_tcp);
        });
        for user in ["1001", "1002"] {
            let clear =
                office::register(user, &format!("clear{user}"), 1, &["Contact: *", "Expires: 0"]);
            office.proves(office::flow(0, PHONES[0]), user, PASSWORD, &clear);
        }
        for (number, (flow, lines)) in phones.iter().enumerate() {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let register = office::register("1001", &format!("r{number}"), 1, &lines);
            assert_eq!(code(&office.proves(*flow, "1001", PASSWORD, &register)), 200);
        }
        office.sent();
        office
    }

    /// The carrier calls 1001; gives the INVITEs that phones get.
    fn calls(&mut self, call_id: &str) -> Vec<(Flow, Message)> {
        self.receive(office::flow(1, CARRIER), &invite("1001", call_id, &[]));
        self.requests(Method::Invite)
    }

    fn requests(&mut self, method: Method) -> Vec<(Flow, Message)> {
        let sent = std::mem::take(&mut self.sent);
        sent.into_iter().filter(|(_, message)| message.method() == Some(&method)).collect()
    }

    fn answers(&mut self, (flow, request): &(Flow, Message), status: u16) {
        let mut bytes = Vec::new();
        let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.50\r\ns=-\r\nc=IN IP4 10.0.0.50\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
        let response = Outgoing::response(Status::of(status), request, Some("phone"))
            .header(Name::Contact, "<sip:1001@10.0.0.50:5060;transport=tcp>");
        let response =
            if status == 200 { response.body("application/sdp", sdp.as_bytes()) } else { response };
        response.write(None, &mut bytes);
        self.receive(*flow, std::str::from_utf8(&bytes).expect("UTF-8"));
    }

    fn cuts(&mut self, flow: Flow) {
        self.handle(Input::Flow(flow::Event::Closed(flow)));
    }
}

fn contact(more: &str) -> String {
    format!("Contact: <sip:1001@10.0.0.50:5060;transport=tcp>{more}")
}

#[test]
fn an_invite_takes_the_path_by_which_the_phone_registered() {
    let path = "Path: <sip:inner.example;lr>, <sip:edge.example;lr>".to_owned();
    let edge = office::flow(0, "10.0.0.99:5060");
    let lines = vec![contact(""), path, "Supported: path".to_owned()];
    let mut office = Office::with_phone(&[(edge, lines)]);
    let rung = office.calls("a");
    assert_eq!(rung.len(), 1);
    let (flow, invite) = &rung[0];
    assert_eq!(*flow, edge);
    let routes: Vec<_> =
        invite.routes().expect("readable").iter().map(|at| at.uri.to_string()).collect();
    assert_eq!(routes, ["sip:inner.example;lr", "sip:edge.example;lr"]);
    assert_eq!(invite.uri().expect("a request").as_str(), "sip:1001@10.0.0.50:5060;transport=tcp");
}

#[test]
fn a_phone_of_two_flows_rings_once_and_by_the_other_when_one_fails() {
    let flow = |number: u64| {
        let contact = contact(&format!(";{INSTANCE};reg-id={number}"));
        (tcp(number), vec![contact, "Supported: outbound".to_owned()])
    };
    let mut office = Office::with_phone(&[flow(1), flow(2)]);
    let rung = office.calls("a");
    assert_eq!(rung.iter().map(|(flow, _)| *flow).collect::<Vec<_>>(), [tcp(2)]);
    // The connection breaks as the INVITE goes out.
    office.cuts(tcp(2));
    let again = office.requests(Method::Invite);
    assert_eq!(again.iter().map(|(flow, _)| *flow).collect::<Vec<_>>(), [tcp(1)]);
    assert!(again[0].1.to().tag().is_none());
    // A proxy that has lost it says 430; that was the last.
    office.answers(&again[0], 430);
    let told = office.sent().into_iter().filter_map(|message| message.status()).map(Status::code);
    assert!(told.max() >= Some(400));

    // One that says so while the connections to both stand.
    let mut office = Office::with_phone(&[flow(1), flow(2)]);
    let rung = office.calls("b");
    office.answers(&rung[0], 430);
    let again = office.requests(Method::Invite);
    assert_eq!(again.iter().map(|(flow, _)| *flow).collect::<Vec<_>>(), [tcp(1)]);
}

#[test]
fn who_is_cut_off_is_not_waited_for() {
    let mut office = Office::with_phone(&[(tcp(1), vec![contact("")])]);
    office.cuts(tcp(1));
    assert_eq!(office.gets(office::flow(1, CARRIER), &invite("1001", "a", &[])), 480);
}

#[test]
fn a_bye_finds_the_phone_by_the_connection_it_has_registered_by_since() {
    let mut office = Office::with_phone(&[(tcp(1), vec![contact("")])]);
    let rung = office.calls("a");
    assert_eq!(rung[0].0, tcp(1));
    office.answers(&rung[0], 200);
    assert_eq!(office.requests(Method::Ack)[0].0, tcp(1));
    office.cuts(tcp(1));
    let register = office::register("1001", "again", 1, &[&contact("")]);
    assert_eq!(code(&office.proves(tcp(2), "1001", PASSWORD, &register)), 200);
    let call = office.switch.calls.keys().next().expect("it is up").to_string();
    office.sent();
    office.handle(Input::Control(control::RequestId(7), control::Request::CallHangup { call }));
    let byes: Vec<_> = office.requests(Method::Bye).into_iter().map(|(flow, _)| flow).collect();
    assert!(byes.contains(&tcp(2)), "{byes:?}");
}

/// Which statuses the caller has been told since it was last asked, repetitions aside.
fn told(office: &mut Office) -> Vec<u16> {
    let sent = office.sent();
    let mut told: Vec<u16> = sent.iter().filter_map(Message::status).map(Status::code).collect();
    told.dedup();
    told
}

#[test]
fn a_phone_that_is_cut_off_while_it_rings_and_stays_away_is_not_rung_on() {
    let mut office = Office::with_phone(&[(tcp(1), vec![contact("")])]);
    let rung = office.calls("a");
    office.answers(&rung[0], 180);
    assert_eq!(told(&mut office), [180]);
    office.cuts(tcp(1));
    office.pass(Duration::from_secs(4));
    assert_eq!(told(&mut office), [0; 0], "it may come back");
    office.pass(Duration::from_secs(2));
    assert_eq!(told(&mut office), [480]);
}

#[test]
fn a_phone_that_comes_back_rings_on_and_may_answer() {
    let mut office = Office::with_phone(&[(tcp(1), vec![contact("")])]);
    let rung = office.calls("a");
    office.answers(&rung[0], 180);
    office.cuts(tcp(1));
    office.pass(Duration::from_secs(3));
    let register = office::register("1001", "again", 1, &[&contact("")]);
    let challenge = office.asks(tcp(2), &register);
    let register = with_credentials(&challenge, "1001", PASSWORD, &register);
    office.receive(tcp(2), &register);
    // The same INVITE: to one that has forgotten it a new one, to others a repetition.
    let again = office.requests(Method::Invite);
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].0, again[0].1.via().branch()), (tcp(2), rung[0].1.via().branch()));
    office.answers(&again[0], 180);
    office.pass(Duration::from_secs(10));
    assert!(!told(&mut office).contains(&480));
    office.answers(&again[0], 200);
    assert!(told(&mut office).contains(&200));
}

#[test]
fn a_phone_that_has_a_new_connection_already_rings_there_at_once_and_is_cancelled_there() {
    let mut office = Office::with_phone(&[(tcp(1), vec![contact("")])]);
    let rung = office.calls("a");
    office.answers(&rung[0], 180);
    let register = office::register("1001", "again", 1, &[&contact("")]);
    office.proves(tcp(2), "1001", PASSWORD, &register);
    office.cuts(tcp(1));
    let again = office.requests(Method::Invite);
    assert_eq!(again.iter().map(|(flow, _)| *flow).collect::<Vec<_>>(), [tcp(2)]);
    // It says no more: the call is cancelled where it was repeated.
    office.pass(Duration::from_secs(6));
    assert_eq!(office.requests(Method::Cancel)[0].0, tcp(2));
}

#[test]
fn a_phone_that_listens_at_its_contact_rings_on_there() {
    let listening = "Contact: <sip:1001@192.0.2.77:5060;transport=tcp>".to_owned();
    let mut office = Office::with_phone(&[(tcp(1), vec![listening])]);
    let rung = office.calls("a");
    office.answers(&rung[0], 180);
    office.cuts(tcp(1));
    let again = office.requests(Method::Invite);
    assert_eq!(again[0].0.remote.to_string(), "192.0.2.77:5060");
    office.handle(Input::Flow(flow::Event::Unreachable(again[0].0)));
    assert_eq!(told(&mut office), [480]);
}

#[test]
fn a_caller_who_is_cut_off_before_the_answer_is_not_waited_for() {
    let mut office = Office::with_phone(&[(tcp(1), vec![contact("")])]);
    let lines = [contact("")];
    let call = office::request(
        "INVITE",
        "sip:1002@office.example",
        "1001",
        "1002",
        ("a", 1),
        &[&lines[0]],
    );
    let register = office::register("1002", "r9", 1, &["Contact: <sip:1002@10.0.0.51:5060>"]);
    office.proves(office::flow(0, PHONES[1]), "1002", PASSWORD, &register);
    let challenge = office.asks(tcp(1), &call);
    office.receive(tcp(1), &with_credentials(&challenge, "1001", PASSWORD, &call));
    let rung = office.requests(Method::Invite);
    office.answers(&rung[0], 180);
    office.sent();
    office.cuts(tcp(1));
    assert_eq!(office.requests(Method::Cancel)[0].0, rung[0].0);
}

#[test]
fn a_carrier_that_is_cut_off_is_answered_by_a_new_connection() {
    let mut office = Office::with_phone(&[(tcp(1), vec![contact("")])]);
    office.switch.settings.listeners[2].profile = Profile::External;
    let carrier = Flow { remote: "192.0.2.9:40000".parse().expect("an address"), ..tcp(9) };
    office.receive(carrier, &invite("1001", "a", &[]));
    let rung = office.requests(Method::Invite);
    office.cuts(carrier);
    assert_eq!(office.requests(Method::Cancel).len(), 0);
    office.answers(&rung[0], 200);
    let answer = office.sent.iter().find(|(_, message)| message.status() == Some(Status::of(200)));
    assert_eq!(answer.expect("an answer").0.remote.to_string(), "192.0.2.9:5060");
}

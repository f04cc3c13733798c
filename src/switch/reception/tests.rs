//! The door from outside: requests go into a switch, answers come out. Nobody else is there.

mod secure;
mod ways;

use std::time::{Duration, Instant};

use super::*;
use crate::media::{self, Command, PortId, Statistics};
use crate::switch::journal::{Binding, Memory};
use crate::switch::office::{self, CARRIER, PASSWORD, PHONES};
use crate::switch::retention::Page;
use crate::switch::{Input, Output, control};
use crate::wire::flow::Datagram;
use crate::wire::sip::auth;
use crate::wire::sip::ids::Ids;

/// The office with its doors open.
struct Office {
    switch: Switch,
    now: Now,
    /// What was sent, and where to.
    sent: Vec<(Flow, Message)>,
    facts: Vec<Fact>,
    replies: Vec<control::Reply>,
    ports: Vec<PortId>,
}

impl Office {
    /// Both phones are registered.
    fn new() -> Office {
        Office::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut settings::Settings)) -> Office {
        let now = office::morning(Instant::now());
        let mut settings = office::settings();
        change(&mut settings);
        let binding = |(user, place): (&str, usize)| Binding {
            aor: user.into(),
            contact: format!("sip:{user}@{}", PHONES[place]),
            flow: office::flow(0, PHONES[place]),
            expires: now.utc.after(Duration::from_secs(86_400)),
            call_id: "before".into(),
            cseq: 1,
            user_agent: String::new(),
            path: Vec::new(),
            instance: None,
            reg_id: 0,
        };
        let bindings = [("1001", 0), ("1002", 1)].map(binding).into();
        let switch = Switch::new(now, settings, Memory { bindings, ..Memory::default() }, [9; 32]);
        let (sent, facts, replies, ports) = Default::default();
        Office { switch, now, sent, facts, replies, ports }
    }

    fn receive(&mut self, flow: Flow, text: &str) {
        let received = self.now.instant;
        let datagram = Datagram { flow, received, bytes: text.as_bytes(), broken: false };
        self.handle(Input::Datagram(datagram));
    }

    fn handle(&mut self, input: Input<'_>) {
        self.switch.handle(self.now, input);
        while let Some(output) = self.switch.poll() {
            let news = match output {
                Output::Transmit(sent) => {
                    let message = Message::parse(&sent.bytes).expect("our own");
                    self.sent.push((sent.flow, message));
                    continue;
                }
                Output::Media(Command::Open { port, address, .. }) => {
                    self.ports.push(port);
                    Input::Media(media::Event::Opened { port, rtp: (address, 20_000).into() })
                }
                Output::Media(Command::Close { port }) => {
                    self.ports.retain(|open| *open != port);
                    let statistics = Statistics::default();
                    Input::Media(media::Event::Closed { port, statistics })
                }
                Output::Store(entry, _) => Input::Stored(entry),
                Output::Find(query) => Input::Found(Page { query, found: Vec::new() }),
                Output::Log(fact) => {
                    self.facts.push(fact);
                    continue;
                }
                Output::Reply(_, reply) => {
                    self.replies.push(reply);
                    continue;
                }
                Output::Media(_)
                | Output::Close(_)
                | Output::Resolve(_)
                | Output::Purge(_)
                | Output::Stopped => {
                    continue;
                }
            };
            self.switch.handle(self.now, news);
        }
    }

    fn pass(&mut self, span: Duration) {
        let end = office::later(self.now, span);
        while let Some(at) = self.switch.deadline().filter(|at| *at <= end.instant) {
            let wait = at.saturating_duration_since(self.now.instant);
            self.now = office::later(self.now, wait);
            self.handle(Input::Timeout);
        }
        self.now = end;
    }

    /// What was sent since it was last asked.
    fn sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent).into_iter().map(|(_, message)| message).collect()
    }

    /// The only answer to this request.
    fn asks(&mut self, flow: Flow, text: &str) -> Message {
        self.sent();
        self.receive(flow, text);
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{text}: {sent:?}");
        sent.remove(0)
    }

    /// The status of the only answer.
    fn gets(&mut self, flow: Flow, text: &str) -> u16 {
        code(&self.asks(flow, text))
    }

    /// The answer to a request that carries the credentials it was asked for.
    fn proves(&mut self, flow: Flow, user: &str, password: &str, text: &str) -> Message {
        let challenge = self.asks(flow, text);
        let text = with_credentials(&challenge, user, password, text);
        self.asks(flow, &text)
    }

    /// Calls of the trunk, as an admin is told.
    fn trunk_calls(&mut self) -> usize {
        self.handle(Input::Control(control::RequestId(1), control::Request::TrunkList));
        match self.replies.pop() {
            Some(control::Reply::Trunks { trunks: rows }) => rows[0].calls,
            other => panic!("{other:?}"),
        }
    }

    /// The phone refuses its call, the carrier acknowledges that to its own; gives what the carrier was told.
    fn declines(&mut self, invite: &str) -> u16 {
        let rung =
            self.sent.iter().rev().find(|(_, message)| message.method() == Some(&Method::Invite));
        let Some((_, rung)) = rung else { panic!("no phone rings") };
        let mut busy = Vec::new();
        Outgoing::response(Status::of(486), rung, Some("phone")).write(None, &mut busy);
        self.sent();
        self.receive(office::flow(0, PHONES[0]), std::str::from_utf8(&busy).expect("UTF-8"));
        let sent = self.sent();
        let last = sent.iter().rfind(|message| message.status().is_some()).expect("an answer");
        let to = last.lines(Name::To).next().expect("a To");
        let ack = invite.replace("INVITE", "ACK");
        let to = format!("To: {}\r\nX-Old-To:", String::from_utf8_lossy(to));
        self.receive(office::flow(1, CARRIER), &ack.replacen("To:", &to, 1));
        code(last)
    }
}

fn code(message: &Message) -> u16 {
    message.status().expect("an answer").code()
}

fn with_credentials(challenge: &Message, user: &str, password: &str, text: &str) -> String {
    assert_eq!(code(challenge), 401, "{text}");
    let request = office::read(text);
    let (method, uri) = (request.method().expect("a request"), request.uri().expect("a request"));
    let ids = &mut Ids::new([1; 32]);
    let (_, credentials) = auth::answer(challenge, method, uri.as_str(), user, password, None, ids)
        .expect("a challenge we know");
    text.replacen("Max-Forwards", &format!("Authorization: {credentials}\r\nMax-Forwards"), 1)
}

/// An INVITE without SDP, which the switch is to make the offer for.
fn invite(to: &str, call_id: &str, lines: &[&str]) -> String {
    let uri = format!("sip:{to}@office.example");
    let lines = [&["Contact: <sip:carrier@192.0.2.9>"], lines].concat();
    office::request("INVITE", &uri, "+4930555", to, (call_id, 1), &lines)
}

const CONTACT: &str = "Contact: <sip:1001@10.0.0.50:5060>";

#[test]
fn a_user_registers_themselves_and_nobody_else() {
    let mut office = Office::new();
    let phone = office::flow(0, PHONES[0]);
    let own = office::register("1001", "a", 1, &[CONTACT]);
    assert_eq!(code(&office.proves(phone, "1001", PASSWORD, &own)), 200);
    // Third-party registration, of somebody who exists and of somebody who does not: told alike.
    for (other, call_id) in [("1002", "b"), ("1009", "c")] {
        let other = office::register(other, call_id, 1, &["Contact: <sip:x@10.0.0.66>"]);
        let answer = office.proves(phone, "1001", PASSWORD, &other);
        assert_eq!((code(&answer), answer.lines(Name::Contact).count()), (403, 0));
    }
    let contacts: Vec<&str> = office
        .switch
        .registrar
        .of("1002")
        .iter()
        .map(|bound| bound.binding.contact.as_str())
        .collect();
    assert_eq!(contacts, ["sip:1002@10.0.0.51:5060"]);
}

#[test]
fn somebody_who_exists_and_somebody_who_does_not_are_told_apart_by_nothing() {
    // Per attempt: the shape of every answer, digits and letters of chance and of the question taken out.
    let told = |user: &str, attempt: usize| {
        let mut office = Office::new();
        let phone = office::flow(0, "10.0.0.77:5060");
        let register = office::register(user, "probe", 1, &[CONTACT]);
        let dialled = format!("sip:{user}@office.example");
        let invite = office::request("INVITE", &dialled, user, user, ("call", 1), &[CONTACT]);
        let answers = match attempt {
            0 => vec![office.asks(phone, &register)],
            1 => vec![office.asks(phone, &invite)],
            2 => vec![office.proves(phone, user, "guess", &register)],
            3 => vec![office.proves(phone, user, "guess", &invite)],
            // The trunk's own stranger at the carriers' door.
            _ => vec![office.asks(office::flow(1, "198.51.100.7:5060"), &invite)],
        };
        let facts = office.facts.len();
        let shape = |answer: &Message| {
            let mut bytes = Vec::new();
            for name in [Name::WwwAuthenticate, Name::Contact, Name::RetryAfter, Name::Allow] {
                answer.lines(name).for_each(|line| bytes.extend(without_nonce(line).bytes()));
            }
            (code(answer), answer.lexed().lines(Name::To).count(), String::from_utf8(bytes))
        };
        (answers.iter().map(shape).collect::<Vec<_>>(), facts, office.switch.at_rest())
    };
    for attempt in 0..5 {
        let (known, unknown) = (told("1001", attempt), told("1009", attempt));
        assert_eq!(known, unknown, "attempt {attempt}");
        assert!(matches!(known.0[0].0, 401 | 403));
        assert_eq!(known.2, Ok(()), "attempt {attempt}: nothing is kept of them");
    }
}

/// A challenge with its nonce taken out, but not its length.
fn without_nonce(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line).into_owned();
    match line
        .split_once("nonce=\"")
        .and_then(|(before, rest)| Some((before, rest.split_once('"')?)))
    {
        Some((before, (nonce, after))) => format!("{before}nonce={}{after}\n", nonce.len()),
        None => line,
    }
}

#[test]
fn a_repeated_register_is_answered_alike_and_counted_once() {
    let mut office = Office::new();
    let phone = office::flow(0, PHONES[0]);
    let register = office::register("1001", "a", 1, &[CONTACT]);
    let challenge = office.asks(phone, &register);
    let register = with_credentials(&challenge, "1001", PASSWORD, &register);
    assert_eq!(office.gets(phone, &register), 200);
    assert_eq!(office.gets(phone, &register), 200, "the nonce count is not checked twice");
    assert_eq!(office.facts, []);
}

#[test]
fn wrong_credentials_are_a_fact_and_missing_ones_are_not() {
    let mut office = Office::new();
    let phone = office::flow(0, PHONES[0]);
    let register = office::register("1001", "a", 1, &[CONTACT]);
    assert_eq!(office.gets(phone, &register), 401);
    assert_eq!(office.facts, []);
    let again = office::register("1001", "a", 2, &[CONTACT]);
    let answer = office.proves(phone, "1001", "guess", &again);
    assert_eq!(code(&answer), 401);
    let source = phone.remote;
    assert_eq!(office.facts, [Fact::AuthenticationFailed { source, method: "REGISTER" }]);
}

#[test]
fn an_old_nonce_is_said_to_be_stale_only_to_who_knows_the_password() {
    for (password, stale) in [(PASSWORD, true), ("guess", false)] {
        let mut office = Office::new();
        let phone = office::flow(0, PHONES[0]);
        let register = office::register("1001", "a", 1, &[CONTACT]);
        let challenge = office.asks(phone, &register);
        office.pass(Duration::from_secs(61));
        let register = with_credentials(&challenge, "1001", password, &register);
        let answer = office.asks(phone, &register);
        assert_eq!(code(&answer), 401);
        let line = answer.text(Name::WwwAuthenticate).unwrap_or_default();
        assert_eq!(line.contains("stale=true"), stale, "{line}");
    }
}

#[test]
fn a_trunk_has_its_place_back_however_its_call_ends() {
    let mut office = Office::new();
    let carrier = office::flow(1, CARRIER);
    for round in 0..3 {
        let calls = [format!("a{round}"), format!("b{round}")];
        let invites = calls.each_ref().map(|call| invite("1001", call, &[]));
        office.receive(carrier, &invites[0]);
        office.receive(carrier, &invites[1]);
        assert_eq!(office.trunk_calls(), 2, "round {round}");
        let one_too_many = office.asks(carrier, &invite("1001", &format!("c{round}"), &[]));
        assert_eq!(code(&one_too_many), 503);
        assert_eq!(one_too_many.text(Name::RetryAfter), Some("5"));
        // One is cancelled by its caller; the other rings until nobody waits any more.
        let cancel = invites[0].replace("INVITE", "CANCEL");
        office.receive(carrier, &cancel);
        office.pass(Duration::from_secs(1));
        assert_eq!(office.trunk_calls(), 1, "round {round}");
        office.pass(Duration::from_secs(200));
        assert_eq!(office.trunk_calls(), 0, "round {round}");
        assert_eq!(office.switch.at_rest(), Ok(()));
        assert_eq!(office.ports, []);
    }
}

#[test]
fn a_call_that_was_refused_before_it_began_took_no_place() {
    let mut office = Office::with(|settings| settings.calls = 1);
    let carrier = office::flow(1, CARRIER);
    let number_of_65 = "1".repeat(65);
    for (to, lines, status) in [
        ("2001", vec![], 404),
        ("1009", vec![], 404),
        (number_of_65.as_str(), vec![], 404),
        ("1001", vec!["Subject: y"], 0),
        ("1002", vec![], 503),
    ] {
        let invite = invite(to, &format!("{status}{}", to.len()), &lines);
        if status == 0 {
            office.receive(carrier, &invite);
        } else {
            assert_eq!(office.gets(carrier, &invite), status, "{to}");
        }
    }
    assert_eq!(office.trunk_calls(), 1);
    let last = invite("1001", "last", &[]).replace("Max-Forwards: 70", "Max-Forwards: 0");
    assert_eq!(office.gets(carrier, &last), 483);
    let unregistered = Office::with(|settings| {
        settings.users.extend([("1003".to_owned(), settings.users["1001"].clone())]);
    })
    .gets(carrier, &invite("1003", "nobody", &[]));
    assert_eq!(unregistered, 480);
}

#[test]
fn what_a_phone_says_of_itself_counts_for_nothing() {
    let mut office = Office::new();
    let phone = office::flow(0, PHONES[0]);
    let uri = "sip:1002@office.example";
    let text = office::request("INVITE", uri, "+49110", "1002", ("a", 1), &[CONTACT]);
    let text = text.replace("From: <", "From: \"Emergency 110\" <");
    let challenge = office.asks(phone, &text);
    let text = with_credentials(&challenge, "1001", PASSWORD, &text).replace("CSeq: 1", "CSeq: 2");
    office.receive(phone, &text);
    let sent = office.sent();
    let rung = sent.iter().find(|message| message.method().is_some()).expect("a phone rings");
    assert_eq!(rung.from().uri.user(), Some("1001"));
    assert!(!rung.from().display.as_deref().unwrap_or_default().contains("110"));
}

#[test]
fn a_switch_that_stops_takes_no_call_and_says_so() {
    let mut office = Office::new();
    office.handle(Input::Control(control::RequestId(1), control::Request::Stop));
    let carrier = office::flow(1, CARRIER);
    let refused = office.asks(carrier, &invite("1001", "a", &[]));
    assert_eq!((code(&refused), refused.text(Name::RetryAfter)), (503, Some("5")));
    let options = office::request("OPTIONS", "sip:office.example", "x", "x", ("b", 1), &[]);
    assert_eq!(office.gets(carrier, &options), 503);
}

#[test]
fn a_refusal_of_the_phone_reaches_the_carrier_and_is_acknowledged_once() {
    let mut office = Office::new();
    let carrier = office::flow(1, CARRIER);
    let text = invite("1001", "a", &[]);
    office.receive(carrier, &text);
    assert_eq!(office.declines(&text), 486);
    office.sent();
    office.pass(Duration::from_secs(40));
    assert_eq!(office.sent().len(), 0, "nothing is repeated once the ACK is there");
    assert_eq!((office.switch.at_rest(), office.trunk_calls()), (Ok(()), 0));
}

#[test]
fn what_belongs_to_no_dialog_is_told_so_once_whoever_asks() {
    let mut office = Office::new();
    for (flow, who) in [(office::flow(1, CARRIER), "trunk"), (office::flow(0, PHONES[0]), "phone")]
    {
        for method in ["INVITE", "BYE", "INFO", "UPDATE", "OPTIONS"] {
            let text =
                office::request(method, "sip:1001@office.example", "x", "1001", (who, 7), &[]);
            let text = text.replace(
                "<sip:1001@office.example>\r\nCall",
                "<sip:1001@office.example>;tag=gone\r\nCall",
            );
            assert_eq!(office.gets(flow, &text), 481, "{method}");
            if !matches!(method, "INVITE" | "OPTIONS") {
                let outside = text.replace(";tag=gone", "").replace(": 7 ", ": 8 ");
                assert_eq!(office.gets(flow, &outside), 481, "{method} outside any dialog");
            }
            office.pass(Duration::from_secs(40));
            assert_eq!(office.sent().len(), 0, "{method} of a {who}: the answer is repeated");
        }
    }
}

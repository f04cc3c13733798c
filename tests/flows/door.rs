//! The switch with nobody between: raw messages in, raw messages out, where a story needs words that no phone of the lab would say.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tonspur::media::{Command, Event, Statistics};
use tonspur::switch::control::{AgentChange, Request, RequestId};
use tonspur::switch::journal::{Binding, Entry, Memory};
use tonspur::switch::log::Fact;
use tonspur::switch::retention::Page;
use tonspur::switch::settings::Settings;
use tonspur::switch::{Input, Now, Output, Switch};
use tonspur::utc::Utc;
use tonspur::wire::flow::{ConnectionId, Datagram, Flow, ListenerId, Transport};
use tonspur::wire::sip::auth;
use tonspur::wire::sip::ids::Ids;
use tonspur::wire::sip::message::{Message, Method};

/// The listeners of the small office.
pub(crate) const PHONES: ListenerId = ListenerId(0);
pub(crate) const CARRIERS: ListenerId = ListenerId(2);
/// The trunk `north`, proven by its address.
pub(crate) const NORTH: &str = "192.0.2.9:5060";
/// Where bob's phone is, which the journal remembers.
pub(crate) const BOB: &str = "10.0.0.21:5060";

pub(crate) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
    m=audio 7000 RTP/AVP 8 0\r\n";

/// See the module.
pub(crate) struct Door {
    pub(crate) switch: Switch,
    now: Now,
    pub(crate) facts: Vec<Fact>,
    pub(crate) entries: Vec<Entry>,
    /// The next media port, if there is any.
    port: Option<u16>,
}

impl Door {
    pub(crate) fn new() -> Door {
        Door::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Door {
        Door::seeded_with(1, change)
    }

    pub(crate) fn seeded_with(seed: u8, change: impl FnOnce(&mut Settings)) -> Door {
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/profiles/small-office");
        let mut settings = tonspur::io::profiles::load(&profiles).expect("sound profiles").settings;
        change(&mut settings);
        let utc = Utc::parse("2030-01-07T09:00:00Z").expect("a time");
        let now = Now { instant: Instant::now(), utc };
        let switch = Switch::new(now, settings, remembered(utc), [seed; 32]);
        let (facts, entries) = Default::default();
        Door { switch, now, facts, entries, port: Some(20_000) }
    }

    pub(crate) fn logs_bob_in(&mut self) {
        let (agent, status) = ("bob".into(), AgentChange::Available);
        self.handle(Input::Control(RequestId(1), Request::AgentSet { agent, status }));
    }

    /// From now on no port is bound, nor refused.
    pub(crate) fn has_no_media(&mut self) {
        self.port = None;
    }

    /// What the switch sends for it.
    pub(crate) fn handle(&mut self, input: Input<'_>) -> Vec<String> {
        let mut sent = Vec::new();
        let (mut events, mut pages, mut stored) = (VecDeque::new(), Vec::new(), None);
        self.switch.handle(self.now, input);
        loop {
            while let Some(output) = self.switch.poll() {
                match output {
                    Output::Transmit(transmit) => {
                        let text = String::from_utf8(transmit.bytes).expect("text");
                        sent.push(format!("{text}X-To: {}\r\n", transmit.flow.remote));
                    }
                    Output::Log(fact) => self.facts.push(fact),
                    Output::Store(id, entry) => {
                        self.entries.push(entry);
                        stored = Some(id);
                    }
                    Output::Media(Command::Open { port, address, .. }) => {
                        if let Some(place) = &mut self.port {
                            *place += 2;
                            let rtp = SocketAddr::new(address, *place);
                            events.push_back(Event::Opened { port, rtp });
                        }
                    }
                    Output::Find(query) => pages.push(Page { query, found: Vec::new() }),
                    Output::Media(Command::Close { port }) => {
                        let statistics = Statistics::default();
                        events.push_back(Event::Closed { port, statistics });
                    }
                    _ => {}
                }
            }
            let next = pages.pop().map(Input::Found);
            let next = next.or_else(|| events.pop_front().map(Input::Media));
            let Some(next) = next.or_else(|| stored.take().map(Input::Stored)) else {
                return sent;
            };
            self.switch.handle(self.now, next);
        }
    }

    pub(crate) fn hears(&mut self, listener: ListenerId, from: &str, text: &str) -> Vec<String> {
        let remote: SocketAddr = from.parse().expect("an address");
        let flow = Flow::to(listener, Transport::Udp, remote);
        let received = self.now.instant;
        let bytes = text.as_bytes();
        self.handle(Input::Datagram(Datagram { flow, received, bytes, broken: false }))
    }

    /// The same by a connection of a stranger to the phones' door.
    pub(crate) fn hears_over_tcp(&mut self, text: &str) -> Vec<String> {
        let remote = "203.0.113.66:40000".parse().expect("an address");
        let connection = Some(ConnectionId(1));
        let flow = Flow { connection, ..Flow::to(ListenerId(1), Transport::Tcp, remote) };
        let (received, bytes) = (self.now.instant, text.as_bytes());
        self.handle(Input::Datagram(Datagram { flow, received, bytes, broken: false }))
    }

    /// The one message that follows.
    pub(crate) fn answers(&mut self, listener: ListenerId, from: &str, text: &str) -> String {
        let mut sent = self.hears(listener, from, text);
        assert_eq!(sent.len(), 1, "{text}\n{sent:#?}");
        sent.remove(0)
    }

    /// Lets time pass; what is sent meanwhile.
    pub(crate) fn advance(&mut self, span: Duration) -> Vec<String> {
        let end = self.now.instant + span;
        let mut sent = Vec::new();
        while let Some(at) = self.switch.deadline().filter(|at| *at <= end) {
            self.now.instant = at.max(self.now.instant);
            sent.extend(self.handle(Input::Timeout));
        }
        self.now.instant = end;
        sent
    }

    /// The INVITE of a caller behind the trunk `north`.
    pub(crate) fn invite(&self, number: &str, more: &str, body: &str) -> String {
        let contact = format!("Contact: <sip:caller@{NORTH}>\r\n{more}");
        let text = with_body(&ask("INVITE", "", &contact), body);
        text.replace("sip:201@10.0.0.1", &format!("sip:{number}@192.0.2.1"))
    }

    /// The header line that answers a challenge with bob's password.
    pub(crate) fn proof(&self, challenge: &str, method: &str, uri: &str) -> String {
        let challenge = challenge.split("X-To").next().unwrap_or_default();
        let challenge = Message::parse(challenge.as_bytes()).expect("a challenge");
        let method = Method::read(method.as_bytes()).expect("a method");
        let mut ids = Ids::new([9; 32]);
        let (_, value) =
            auth::answer(&challenge, &method, uri, "201", "bob and the bees", None, &mut ids)
                .expect("a challenge of ours");
        format!("Authorization: {value}\r\n")
    }
}

fn remembered(now: Utc) -> Memory {
    let remote = BOB.parse().expect("an address");
    let flow = Flow::to(PHONES, Transport::Udp, remote);
    let bob = Binding {
        aor: "201".into(),
        contact: format!("sip:201@{BOB}"),
        flow,
        expires: now.after(Duration::from_secs(3600)),
        call_id: "long-ago".into(),
        cseq: 1,
        user_agent: String::new(),
        path: Vec::new(),
        instance: None,
        reg_id: 0,
    };
    Memory { bindings: vec![bob], ..Memory::default() }
}

/// A request of somebody at 203.0.113.66, outside any dialog or with a To tag (`;tag=x`).
pub(crate) fn ask(method: &str, to_tag: &str, more: &str) -> String {
    format!(
        "{method} sip:201@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.66:5060;branch=z9hG4bKx{method}\r\n\
         From: <sip:201@office.example>;tag=f\r\nTo: <sip:201@office.example>{to_tag}\r\n\
         Call-ID: c-{method}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// A response to a request of the switch, of the fork or far side that this tag names.
pub(crate) fn reply(request: &str, code: u16, tag: &str, more: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {code} Said\r\n");
    for line in request.lines() {
        match line.split(':').next().unwrap_or_default() {
            "Via" | "From" | "Call-ID" | "CSeq" => text += &format!("{line}\r\n"),
            "To" if line.contains("tag=") => text += &format!("{line}\r\n"),
            "To" => text += &format!("{line};tag={tag}\r\n"),
            _ => {}
        }
    }
    with_body(&format!("{text}{more}Content-Length: 0\r\n\r\n"), body)
}

/// The message with this body; its type is among its headers unless it is SDP.
pub(crate) fn with_body(text: &str, body: &str) -> String {
    let kind = match body.starts_with("v=0") {
        true => "Content-Type: application/sdp\r\n",
        false => "",
    };
    let length = format!("{kind}Content-Length: {}\r\n\r\n{body}", body.len());
    text.replace("Content-Length: 0\r\n\r\n", &length)
}

pub(crate) fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {text}"))
}

/// The status of a response.
pub(crate) fn code(text: &str) -> u16 {
    let code = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no response: {text}"))
}

/// The tag of a From or To line, with its semicolon.
pub(crate) fn tag<'a>(text: &'a str, name: &str) -> &'a str {
    let line = line(text, name);
    &line[line.find(";tag=").unwrap_or_else(|| panic!("no tag: {line}"))..]
}

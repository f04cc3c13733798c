//! The endpoint under test: text goes in by flows, text and events come out, time is stepped from deadline to deadline.

mod asking;
mod paths;
mod refusing;
mod serving;

use super::*;
use crate::wire::flow::ConnectionId;
use crate::wire::sip::headers::Address;
use crate::wire::sip::uri::Uri;

pub(super) const SDP: &str = "v=0\r\n";

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) fn udp(remote: &str) -> Flow {
    let remote = remote.parse().expect("an address");
    Flow::to(ListenerId(0), Transport::Udp, remote)
}

pub(super) fn tcp(remote: &str, connection: u64) -> Flow {
    let remote = remote.parse().expect("an address");
    let connection = Some(ConnectionId(connection));
    Flow { connection, ..Flow::to(ListenerId(1), Transport::Tcp, remote) }
}

/// The far side of most tests.
pub(super) fn phone() -> Flow {
    udp("192.0.2.1:5060")
}

/// An endpoint at 192.0.2.10:5060 over UDP and TCP.
pub(super) struct Rig {
    pub(super) endpoint: Endpoint,
    pub(super) now: Instant,
    events: VecDeque<Event>,
}

impl Rig {
    pub(super) fn new() -> Rig {
        let advertise = "192.0.2.10:5060".parse().expect("an address");
        let local = |listener, transport| Local { listener, transport, advertise };
        let locals =
            vec![local(ListenerId(0), Transport::Udp), local(ListenerId(1), Transport::Tcp)];
        let endpoint = Endpoint::new(locals, Ids::new([1; 32]));
        Rig { endpoint, now: Instant::now(), events: VecDeque::new() }
    }

    pub(super) fn hears(&mut self, flow: Flow, text: &str) {
        let bytes = text.as_bytes();
        self.hears_bytes(flow, bytes, false);
    }

    pub(super) fn hears_bytes(&mut self, flow: Flow, bytes: &[u8], broken: bool) {
        let datagram = Datagram { flow, received: self.now, bytes, broken };
        self.endpoint.receive(self.now, datagram);
        self.answers_what_is_refused();
    }

    /// Its user lets everybody have an answer.
    fn answers_what_is_refused(&mut self) {
        while let Some(event) = self.endpoint.poll() {
            match event {
                Event::Refused { response, flow } => self.endpoint.stateless(flow, response),
                event => self.events.push_back(event),
            }
        }
    }

    /// What was sent since, each with where to.
    pub(super) fn sent_to(&mut self) -> Vec<(Flow, String)> {
        std::iter::from_fn(|| self.endpoint.poll_transmit())
            .map(|sent| (sent.flow, String::from_utf8(sent.bytes).expect("text")))
            .collect()
    }

    /// What was sent since.
    pub(super) fn sent(&mut self) -> Vec<String> {
        self.sent_to().into_iter().map(|(_, text)| text).collect()
    }

    /// The one message that was sent since.
    pub(super) fn one(&mut self) -> String {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:#?}");
        sent.remove(0)
    }

    /// The first lines of what was sent since, without the version.
    pub(super) fn ladder(&mut self) -> Vec<String> {
        let line = |text: String| text.lines().next().unwrap_or_default().replace("SIP/2.0", "");
        self.sent().into_iter().map(|text| line(text).trim().to_owned()).collect()
    }

    pub(super) fn told(&mut self) -> Vec<Event> {
        self.answers_what_is_refused();
        self.events.drain(..).collect()
    }

    /// The one request that was told since.
    pub(super) fn request(&mut self) -> (ServerId, Message) {
        let mut told = self.told();
        match (told.pop(), told.pop()) {
            (Some(Event::Request { server, request, .. }), None) => (server, request),
            (last, other) => panic!("{other:?}, {last:?}"),
        }
    }

    /// The one response that was told since.
    pub(super) fn response(&mut self) -> (ClientId, Message) {
        let mut told = self.told();
        match (told.pop(), told.pop()) {
            (Some(Event::Response { client, response, .. }), None) => (client, response),
            (last, other) => panic!("{other:?}, {last:?}"),
        }
    }

    pub(super) fn answers(&mut self, server: ServerId, request: &Message, code: u16) {
        let response = Outgoing::response(Status::of(code), request, Some("ours"));
        self.endpoint.respond(self.now, server, response);
    }

    /// Steps through every deadline within `span`.
    pub(super) fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.endpoint.deadline().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline in the past");
            self.now = at;
            self.endpoint.timeout(at);
        }
        self.now = end;
    }

    /// Nothing is left once everything had its time.
    pub(super) fn settles(&mut self) {
        self.advance(secs(100));
        assert_eq!(self.endpoint.open(), 0, "{:#?}", self.endpoint);
        assert_eq!(self.endpoint.deadline(), None);
        assert!(self.endpoint.servers.is_empty(), "{:#?}", self.endpoint.servers);
        assert!(self.endpoint.clients.is_empty(), "{:#?}", self.endpoint.clients);
    }

    pub(super) fn asks(&mut self, method: Method, flow: Flow) -> ClientId {
        let request = outgoing(&method);
        self.endpoint.request(self.now, flow, request)
    }
}

/// A request of ours.
pub(super) fn outgoing(method: &Method) -> Outgoing {
    let uri = |text: &str| Uri::parse(text).expect("a URI");
    let address = |text: &str| Address::new(uri(text));
    Outgoing::request(method, &uri("sip:bob@192.0.2.1"))
        .header(Name::Route, "<sip:192.0.2.1;lr>")
        .header(Name::From, address("sip:switch@example.com").tagged("ours"))
        .header(Name::To, address("sip:bob@example.com"))
        .header(Name::CallId, "call-1")
        .header(Name::CSeq, format_args!("7 {method}"))
        .header(Name::MaxForwards, 69)
        .header(Name::Contact, "<sip:192.0.2.10>")
}

/// The ACK of a 2xx to it.
pub(super) fn outgoing_ack(tag: &str) -> Outgoing {
    Outgoing::request(&Method::Ack, &Uri::parse("sip:bob@192.0.2.1:5080").expect("a URI"))
        .header(Name::From, "<sip:switch@example.com>;tag=ours")
        .header(Name::To, format_args!("<sip:bob@example.com>;tag={tag}"))
        .header(Name::CallId, "call-1")
        .header(Name::CSeq, "7 ACK")
}

/// A response of the far side to a request of ours.
pub(super) fn answer_to(request: &str, code: u16, tag: &str) -> String {
    let mut text = format!("SIP/2.0 {code} Said\r\n");
    for line in request.lines() {
        let line = match line.split(':').next().unwrap_or_default() {
            "Via" | "From" | "Call-ID" | "CSeq" => line.to_owned(),
            "To" if line.contains("tag=") || tag.is_empty() => line.to_owned(),
            "To" => format!("{line};tag={tag}"),
            _ => continue,
        };
        text += &line;
        text += "\r\n";
    }
    text + "Content-Length: 0\r\n\r\n"
}

pub(super) fn header<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// A request of the far side.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) cseq_method: &'static str,
    pub(super) uri: &'static str,
    pub(super) via: String,
    pub(super) from: &'static str,
    pub(super) to_tag: &'static str,
    pub(super) call_id: &'static str,
    pub(super) cseq: u32,
    pub(super) headers: &'static str,
    pub(super) body: &'static str,
}

impl Ask {
    pub(super) fn new(method: &'static str) -> Ask {
        Ask {
            method,
            cseq_method: method,
            uri: "sip:100@192.0.2.10",
            via: "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKone".into(),
            from: "<sip:bob@example.com>;tag=theirs",
            to_tag: "",
            call_id: "call-of-bob",
            cseq: 1,
            headers: "",
            body: "",
        }
    }

    /// The same but for its method.
    pub(super) fn but(&self, method: &'static str) -> Ask {
        Ask { method, cseq_method: method, ..self.clone() }
    }

    pub(super) fn via(&self, via: &str) -> Ask {
        Ask { via: via.into(), ..self.clone() }
    }

    pub(super) fn branch(&self, branch: &str) -> Ask {
        self.via(&format!("SIP/2.0/UDP 192.0.2.1;branch={branch}"))
    }

    pub(super) fn to_tag(&self, to_tag: &'static str) -> Ask {
        Ask { to_tag, ..self.clone() }
    }

    pub(super) fn text(&self) -> String {
        let Ask { method, cseq_method, uri, via, from, to_tag, call_id, cseq, headers, body } =
            self;
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let length = body.len();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: {via}\r\nFrom: {from}\r\nTo: <sip:100@192.0.2.10>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {cseq_method}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
    }
}

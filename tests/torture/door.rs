//! A whole switch behind its door: bytes go in as sockets bring them, and everything that comes out is kept, with the clock run by
//! hand.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tonspur::media::{self, Command, PortId, Statistics};
use tonspur::redacted::Redacted;
use tonspur::switch::dialing::Dialing;
use tonspur::switch::forwarding::Forwards;
use tonspur::switch::journal::{Binding, Entry, Memory};
use tonspur::switch::retention::Page;
use tonspur::switch::settings::{
    Caller, ConsentMode, Destination, NumberPattern, Profile, Route, Settings, User, Watch, When,
};
use tonspur::switch::{Input, Now, Output, Switch};
use tonspur::utc::Utc;
use tonspur::wire::flow::{self, ConnectionId, Datagram, Flow, ListenerId, Transmit, Transport};
use tonspur::wire::sip::auth::Ha1;
use tonspur::wire::sip::framing::{Frame, Framer};

use super::reading::Text;

/// The trunk of the profile.
pub(crate) const CARRIER: &str = "192.0.2.9:5072";
/// Neither a trunk nor a phone.
pub(crate) const STRANGER: &str = "198.51.100.7:5072";
/// The phone of user 1001, which rings for whatever the trunk calls, and is busy.
pub(crate) const PHONE: &str = "10.0.0.50:5062";
/// The realm of the profile.
pub(crate) const DOMAIN: &str = "example.com";
/// The password of every user.
pub(crate) const PASSWORD: &str = "open sesame";

/// Who sends, and by what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) address: SocketAddr,
    pub(crate) profile: Profile,
    pub(crate) transport: Transport,
}

impl Sender {
    pub(crate) fn new(address: &str, profile: Profile, transport: Transport) -> Sender {
        Sender { address: address.parse().expect("an address"), profile, transport }
    }
}

/// What came out for one thing that went in.
#[derive(Default)]
pub(crate) struct Seen {
    /// Sent to the sender.
    pub(crate) answers: Vec<Transmit>,
    /// Requests sent to the phone.
    pub(crate) rung: Vec<Vec<u8>>,
    /// Sent to anybody else.
    pub(crate) astray: Vec<SocketAddr>,
    /// The stream was to be closed.
    pub(crate) closed: bool,
    /// The stream waits for the rest of a message.
    pub(crate) midway: bool,
    /// Media ports asked for.
    pub(crate) ports: usize,
    /// Entries written, but for the clockwork of retention.
    pub(crate) entries: Vec<Entry>,
}

impl Seen {
    pub(crate) fn texts(&self) -> Vec<Text> {
        self.answers.iter().map(|sent| Text::read(&sent.bytes)).collect()
    }
}

pub(crate) struct Door {
    switch: Switch,
    listeners: Vec<(Profile, Transport)>,
    start: Instant,
    began: Utc,
    now: Instant,
    connections: u64,
    ports: BTreeMap<PortId, SocketAddr>,
    seen: Seen,
}

impl Door {
    /// The small office, with one route: whatever the trunk calls is user 1001.
    pub(crate) fn new() -> Door {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/profiles/small-office");
        let mut settings = tonspur::io::profiles::load(&folder).expect("sound profiles").settings;
        settings.domain = DOMAIN.into();
        for extension in ["1001", "watson", "user", "null-\0-null"] {
            let ha1 = Ha1::of(extension, DOMAIN, PASSWORD);
            let name = Redacted::new(extension.to_owned());
            let (caller_id, dialing) = (None, Dialing::default());
            let user = User {
                extension: extension.into(),
                name,
                ha1,
                caller_id,
                transport: None,
                watch: Watch::State,
                dialing: dialing.into(),
                pickup_group: None,
                forward: Forwards::default(),
                redirects: tonspur::switch::settings::Redirects::Refuse,
            };
            settings.users.insert(extension.into(), user);
        }
        settings.routes = vec![Route {
            name: "all".into(),
            caller: Caller::Trunk("north".into()),
            numbers: vec![NumberPattern::parse("*").expect("a pattern")],
            from: Vec::new(),
            when: When::Always,
            emergency: false,
            to: Destination::User("1001".into()),
            or_else: None,
            consent: ConsentMode::Never,
            retention: None,
            language: "en".into(),
            strip: 0,
            prepend: String::new(),
        }];
        let (start, began) =
            (Instant::now(), Utc::parse("2030-01-07T09:00:00Z").expect("a moment"));
        let phone = Binding {
            aor: "1001".into(),
            contact: format!("sip:1001@{PHONE}"),
            flow: flow(&settings, PHONE.parse().expect("an address"), Profile::Internal),
            expires: began.after(Duration::from_secs(86_400)),
            call_id: "phone".into(),
            cseq: 1,
            user_agent: String::new(),
            path: Vec::new(),
            instance: None,
            reg_id: 0,
        };
        let memory = Memory { bindings: vec![phone], ..Memory::default() };
        let listeners = settings.listeners.iter();
        let listeners = listeners.map(|listener| (listener.profile, listener.transport)).collect();
        let now = Now { instant: start, utc: began };
        let switch = Switch::new(now, settings, memory, [7; 32]);
        let (connections, ports, seen) = Default::default();
        Door { switch, listeners, start, began, now: start, connections, ports, seen }
    }

    /// Opens a way in for `sender`: a port of UDP, or a connection.
    pub(crate) fn way(&mut self, sender: Sender) -> Way {
        let place = (self.listeners.iter())
            .position(|listener| *listener == (sender.profile, sender.transport))
            .expect("a listener of either profile and transport");
        let connection = match sender.transport {
            Transport::Udp => None,
            Transport::Tcp | Transport::Tls => {
                self.connections += 1;
                Some(ConnectionId(self.connections))
            }
        };
        let flow = Flow {
            listener: ListenerId(place as u16),
            transport: sender.transport,
            remote: sender.address,
            connection,
            peer: None,
        };
        Way { flow, framer: Framer::default() }
    }

    /// Brings `bytes` in, and gives what is seen of it in the next 300 ms: before anything is repeated.
    pub(crate) fn bring(&mut self, way: &mut Way, bytes: &[u8]) -> Seen {
        let flow = way.flow;
        let remote = flow.remote;
        match flow.transport {
            Transport::Udp => self.receive(flow, bytes, false),
            Transport::Tcp | Transport::Tls => {
                way.framer.push(bytes);
                while let Some(frame) = way.framer.next() {
                    match frame {
                        Frame::Message(bytes) => self.receive(flow, &bytes, false),
                        Frame::Broken(bytes) => self.receive(flow, &bytes, true),
                        Frame::Ping => {}
                    }
                }
            }
        }
        let mut seen = self.wait(remote, Duration::from_millis(300));
        seen.midway = way.framer.is_midway();
        seen
    }

    /// Lets time pass, and gives what is seen of `remote` meanwhile.
    pub(crate) fn wait(&mut self, remote: SocketAddr, span: Duration) -> Seen {
        let end = self.now + span;
        while let Some(at) = self.switch.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.handle(Input::Timeout);
        }
        self.now = end;
        let mut seen = std::mem::take(&mut self.seen);
        for sent in std::mem::take(&mut seen.answers) {
            // Over UDP the port of the Via counts, which the judge looks at; the address is what must not be another's.
            if sent.flow.remote.ip() == remote.ip() {
                seen.answers.push(sent);
            } else {
                seen.astray.push(sent.flow.remote);
            }
        }
        seen
    }

    /// The stream ends, and so does everything that is still open: nothing may be left.
    pub(crate) fn leave(&mut self, way: &Way) -> Seen {
        if way.flow.connection.is_some() {
            self.handle(Input::Flow(flow::Event::Closed(way.flow)));
        }
        let seen = self.wait(way.flow.remote, Duration::from_secs(80));
        assert_eq!(self.at_rest(), Ok(()));
        assert!(self.ports.is_empty(), "media ports are left open");
        seen
    }

    /// `Ok` if nothing is open in the switch; else what is.
    pub(crate) fn at_rest(&self) -> Result<(), String> {
        self.switch.at_rest()
    }

    fn receive(&mut self, flow: Flow, bytes: &[u8], broken: bool) {
        self.handle(Input::Datagram(Datagram { flow, received: self.now, bytes, broken }));
    }

    fn handle(&mut self, input: Input<'_>) {
        let mut news: VecDeque<Input<'static>> = VecDeque::new();
        let mut phone: VecDeque<(Flow, Vec<u8>)> = VecDeque::new();
        self.switch.handle(self.moment(), input);
        loop {
            while let Some(output) = self.switch.poll() {
                self.carry_out(output, &mut news, &mut phone);
            }
            if let Some(input) = news.pop_front() {
                self.switch.handle(self.moment(), input);
            } else if let Some((flow, bytes)) = phone.pop_front() {
                let received = self.now;
                let datagram = Datagram { flow, received, bytes: &bytes, broken: false };
                self.switch.handle(self.moment(), Input::Datagram(datagram));
            } else {
                return;
            }
        }
    }

    fn carry_out(
        &mut self,
        output: Output,
        news: &mut VecDeque<Input<'static>>,
        phone: &mut VecDeque<(Flow, Vec<u8>)>,
    ) {
        match output {
            Output::Transmit(sent) if sent.flow.remote.to_string() == PHONE => {
                if let Some(answer) = busy(&sent.bytes) {
                    phone.push_back((sent.flow, answer));
                }
                self.seen.rung.push(sent.bytes);
            }
            Output::Transmit(sent) => self.seen.answers.push(sent),
            Output::Close(_) => self.seen.closed = true,
            Output::Resolve(question) => panic!("nobody has a name here: {question:?}"),
            Output::Media(Command::Open { port, address, .. }) => {
                self.seen.ports += 1;
                let rtp = SocketAddr::new(address, 20_000 + 2 * self.ports.len() as u16);
                self.ports.insert(port, rtp);
                news.push_back(Input::Media(media::Event::Opened { port, rtp }));
            }
            Output::Media(Command::Close { port }) => {
                self.ports.remove(&port).expect("an open port");
                let statistics = Statistics::default();
                news.push_back(Input::Media(media::Event::Closed { port, statistics }));
            }
            Output::Store(id, entry) => {
                if !matches!(entry, Entry::RetentionRan { .. }) {
                    self.seen.entries.push(entry);
                }
                news.push_back(Input::Stored(id));
            }
            Output::Find(query) => {
                news.push_back(Input::Found(Page { query, found: Vec::new() }));
            }
            Output::Media(_)
            | Output::Purge(_)
            | Output::Log(_)
            | Output::Reply(..)
            | Output::Stopped => {}
        }
    }

    fn moment(&self) -> Now {
        Now { instant: self.now, utc: self.began.after(self.now - self.start) }
    }
}

/// The way of a sender to the door, and the framer of its stream.
pub(crate) struct Way {
    pub(crate) flow: Flow,
    framer: Framer,
}

fn flow(settings: &Settings, remote: SocketAddr, profile: Profile) -> Flow {
    let place = (settings.listeners.iter())
        .position(|listener| (listener.profile, listener.transport) == (profile, Transport::Udp))
        .expect("a listener for phones");
    Flow::to(ListenerId(place as u16), Transport::Udp, remote)
}

/// What the phone answers: it is busy; to an ACK, nothing.
fn busy(request: &[u8]) -> Option<Vec<u8>> {
    let request = Text::read(request);
    let status = match request.method() {
        "INVITE" => "486 Busy Here",
        "ACK" => return None,
        _ => "200 OK",
    };
    let mut answer = format!("SIP/2.0 {status}\r\n");
    for (name, tag) in
        [("via", ""), ("from", ""), ("to", ";tag=busy"), ("call-id", ""), ("cseq", "")]
    {
        answer += &format!("{name}: {}{tag}\r\n", request.header(name));
    }
    Some(format!("{answer}Content-Length: 0\r\n\r\n").into_bytes())
}

//! Everything around the switch: peers with their last words, ports, the journal, and a clock.

mod text;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tonspur::media::{Command, Event, PlayId, PortId, RecordingId, Samples, Sealed, Statistics};
use tonspur::switch::control::{AgentChange, Request, RequestId};
use tonspur::switch::journal::{AgentStatus, Binding, EntryId, Memory};
use tonspur::switch::retention::Page;
use tonspur::switch::settings::Settings;
use tonspur::switch::{Input, Now, Output, Switch};
use tonspur::utc::Utc;
use tonspur::wire::flow::{self, ConnectionId, Datagram, Flow, ListenerId, Transport};
use tonspur::wire::sip::ids::Ids;
use tonspur::wire::sip::locating::{Answer, Kind, Question, Records, Resolution, Srv};
use tonspur::wire::sip::uri::Host;

/// Outputs of one input at most: more would be a switch that talks for ever.
const MOST_OUTPUTS: usize = 4_000;
/// Deadlines until everything has run out at most.
const MOST_DEADLINES: usize = 20_000;
/// Last words kept of and for each peer.
const MOST_KEPT: usize = 16;

/// Who lives here.
pub(crate) struct Peer {
    flow: Flow,
    /// Name and password, of a phone.
    user: Option<(&'static str, &'static str)>,
    /// What the switch sent, the last at the end.
    heard: VecDeque<Vec<u8>>,
    /// What it said last.
    said: Vec<u8>,
}

pub(crate) struct World {
    switch: Switch,
    now: Now,
    peers: Vec<Peer>,
    ids: Ids,
    /// For Call-IDs, branches and sequence numbers.
    count: u32,
    ports: BTreeMap<PortId, SocketAddr>,
    opened: u16,
    playing: Vec<(PortId, PlayId)>,
    recordings: Vec<RecordingId>,
    stored: Option<EntryId>,
    inputs: VecDeque<Event>,
    questions: VecDeque<Question>,
    pub(crate) binds: bool,
}

fn settings() -> Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    let read = || {
        let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/profiles/small-office");
        let mut settings = tonspur::io::profiles::load(&profiles).expect("sound profiles").settings;
        let mut library = tonspur::media::prompt::Library::default();
        let prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip-profiles/prompts");
        settings.prompts = tonspur::io::prompts::load(&prompts, &settings, &mut library).0;
        // One carrier has a name, and is asked whether it is there.
        let gateways = settings.trunks.get_mut("north").expect("a trunk").gateways.iter_mut();
        for gateway in gateways {
            gateway.place.host = Host::read("north.example").expect("a name");
            gateway.place.port = None;
            gateway.health = Some(Duration::from_secs(30));
        }
        settings
    };
    SETTINGS.get_or_init(read).clone()
}

fn peer(
    listener: u16,
    transport: Transport,
    remote: &str,
    user: Option<(&'static str, &'static str)>,
) -> Peer {
    let remote = remote.parse().expect("an address");
    let connection = (transport != Transport::Udp).then_some(ConnectionId(7));
    let flow = Flow { connection, ..Flow::to(ListenerId(listener), transport, remote) };
    Peer { flow, user, heard: VecDeque::new(), said: Vec::new() }
}

impl World {
    pub(crate) fn new() -> World {
        let start = Utc::parse("2030-01-07T09:00:00Z").expect("a time");
        let now = Now { instant: Instant::now(), utc: start };
        let peers = vec![
            peer(2, Transport::Udp, "192.0.2.9:5060", None),
            peer(0, Transport::Udp, "10.0.0.51:5060", Some(("201", "bob and the bees"))),
            peer(0, Transport::Udp, "10.0.0.52:5060", Some(("202", "alice in the attic"))),
            peer(1, Transport::Tcp, "10.0.0.53:40001", Some(("203", "carol of the bells"))),
            peer(3, Transport::Tcp, "192.0.2.10:5060", None),
            peer(0, Transport::Udp, "203.0.113.66:5060", None),
        ];
        let bindings = peers.iter().filter_map(|peer| {
            let (user, _) = peer.user?;
            Some(Binding {
                aor: user.into(),
                contact: format!("sip:{user}@{}", peer.flow.remote),
                path: Vec::new(),
                instance: None,
                reg_id: 0,
                flow: peer.flow,
                expires: start.after(Duration::from_secs(3_600)),
                call_id: user.into(),
                cseq: 1,
                user_agent: String::new(),
            })
        });
        let memory = Memory {
            bindings: bindings.collect(),
            agents: ["bob", "alice"].map(|name| (name.into(), AgentStatus::Available)).into(),
            ..Memory::default()
        };
        let switch = Switch::new(now, settings(), memory, [7; 32]);
        let mut world = World {
            switch,
            now,
            peers,
            ids: Ids::new([8; 32]),
            count: 0,
            ports: BTreeMap::new(),
            opened: 0,
            playing: Vec::new(),
            recordings: Vec::new(),
            stored: None,
            inputs: VecDeque::new(),
            questions: VecDeque::new(),
            binds: true,
        };
        world.carry_out();
        world
    }

    fn who(&self, who: u8) -> usize {
        usize::from(who) % self.peers.len()
    }

    // ---- what happens ----

    pub(crate) fn says(&mut self, who: u8, bytes: Vec<u8>) {
        let who = self.who(who);
        self.peers[who].said.clone_from(&bytes);
        self.arrives(who, &bytes);
    }

    pub(crate) fn repeats(&mut self, who: u8, from: u8) {
        let said = self.peers[self.who(who)].said.clone();
        self.arrives(self.who(from), &said);
    }

    fn arrives(&mut self, who: usize, bytes: &[u8]) {
        let (flow, received) = (self.peers[who].flow, self.now.instant);
        self.handle(Input::Datagram(Datagram { flow, received, bytes, broken: false }));
    }

    pub(crate) fn advance(&mut self, span: Duration) {
        let end = self.now.instant + span;
        for _ in 0..MOST_DEADLINES {
            let Some(due) = self.switch.deadline().filter(|due| *due <= end) else { break };
            self.pass(due.saturating_duration_since(self.now.instant));
            self.handle(Input::Timeout);
        }
        self.pass(end.saturating_duration_since(self.now.instant));
    }

    fn pass(&mut self, span: Duration) {
        self.now = Now { instant: self.now.instant + span, utc: self.now.utc.after(span) };
    }

    pub(crate) fn presses(&mut self, port: u8, digit: u8) {
        let digits = ['1', '2', '#', '*', '0', '9', 'A', '7'];
        if let Some(port) = self.port(port) {
            let digit = digits[usize::from(digit) % digits.len()];
            self.handle(Input::Media(Event::Digit { port, digit }));
        }
    }

    pub(crate) fn plays(&mut self) {
        if let Some((port, play)) = self.playing.pop() {
            self.handle(Input::Media(Event::Played { port, play }));
        }
    }

    pub(crate) fn fades(&mut self, port: u8) {
        if let Some(port) = self.port(port) {
            self.handle(Input::Media(Event::Silent { port }));
        }
    }

    fn port(&self, number: u8) -> Option<PortId> {
        let place = usize::from(number) % self.ports.len().max(1);
        self.ports.keys().nth(place).copied()
    }

    /// DNS answers what was asked first.
    pub(crate) fn resolves(&mut self, mood: u8) {
        let Some(question) = self.questions.pop_front() else { return };
        let life = Duration::from_secs(u64::from(mood));
        let found = match question.kind {
            Kind::Srv => Records::Srv(
                ["a.north.example", "b.north.example", ""]
                    .into_iter()
                    .zip(1..)
                    .map(|(target, priority)| Srv {
                        priority,
                        weight: u16::from(mood),
                        port: 5060,
                        target: target.into(),
                    })
                    .collect(),
            ),
            Kind::A => Records::Addresses(vec![self.peers[0].flow.remote.ip()]),
            Kind::Naptr | Kind::Aaaa => Records::Naptr(Vec::new()),
        };
        let answer = match mood % 4 {
            0 => Answer::Failed,
            1 => Answer::Nothing(life),
            _ => Answer::Found(found, life),
        };
        self.handle(Input::Resolved(Resolution { question, answer }));
    }

    pub(crate) fn commits(&mut self) {
        if let Some(entry) = self.stored.take() {
            self.handle(Input::Stored(entry));
        }
    }

    pub(crate) fn breaks(&mut self, who: u8, closed: bool) {
        let flow = self.peers[self.who(who)].flow;
        let event = match closed && flow.connection.is_some() {
            true => flow::Event::Closed(flow),
            false => flow::Event::Unreachable(flow),
        };
        self.handle(Input::Flow(event));
    }

    pub(crate) fn lags(&mut self, behind: bool) {
        self.handle(if behind { Input::JournalBehind } else { Input::JournalCaughtUp });
    }

    pub(crate) fn orders(&mut self, which: u8) {
        let agent = |status| Request::AgentSet { agent: "bob".into(), status };
        let request = match which % 8 {
            0 => Request::CallList,
            1 => Request::CallHangup { call: String::new() },
            2 => Request::RegistrationList,
            3 => Request::QueueShow { queue: None },
            4 => agent(AgentChange::Available),
            5 => agent(AgentChange::Break),
            6 => agent(AgentChange::Logout),
            _ => Request::RetentionRun,
        };
        self.handle(Input::Control(RequestId(1), request));
    }

    /// The switch is asked to stop, nobody answers any more, and every timer runs out.
    pub(crate) fn everybody_leaves(&mut self) {
        self.handle(Input::Control(RequestId(2), Request::Stop));
        for _ in 0..6 {
            self.commits();
            for _ in 0..self.questions.len() {
                self.resolves(0);
            }
            self.advance(Duration::from_secs(40));
        }
        if let Err(open) = self.switch.at_rest() {
            panic!("left behind: {open}");
        }
        assert!(self.ports.is_empty(), "ports left: {:?}", self.ports);
    }

    // ---- what the switch wants ----

    fn handle(&mut self, input: Input<'_>) {
        self.switch.handle(self.now, input);
        self.carry_out();
        while let Some(event) = self.inputs.pop_front() {
            self.switch.handle(self.now, Input::Media(event));
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        for _ in 0..MOST_OUTPUTS {
            let Some(output) = self.switch.poll() else { return };
            match output {
                Output::Transmit(transmit) => {
                    let to = transmit.flow.remote;
                    if let Some(peer) = self.peers.iter_mut().find(|peer| peer.flow.remote == to) {
                        peer.heard.push_back(transmit.bytes);
                        if peer.heard.len() > MOST_KEPT {
                            peer.heard.pop_front();
                        }
                    }
                }
                Output::Media(command) => self.command(command),
                Output::Resolve(question) => self.questions.push_back(question),
                Output::Store(entry, _) => self.stored = Some(entry),
                Output::Find(query) => {
                    self.switch.handle(self.now, Input::Found(Page { query, found: Vec::new() }));
                }
                Output::Purge(order) => {
                    self.switch.handle(self.now, Input::Purged(order.recording()));
                }
                Output::Close(_) | Output::Log(_) | Output::Reply(..) | Output::Stopped => {}
            }
        }
        panic!("the switch talks for ever");
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Open { port, address, .. } => {
                let event = if self.binds {
                    let rtp = SocketAddr::new(address, 16_384 + 2 * self.opened);
                    self.opened += 1;
                    assert_eq!(self.ports.insert(port, rtp), None, "a port is opened once");
                    Event::Opened { port, rtp }
                } else {
                    Event::OpenFailed { port, cause: "none is free".into() }
                };
                self.inputs.push_back(event);
            }
            Command::Close { port } => {
                if self.ports.remove(&port).is_some() {
                    let statistics = Statistics::default();
                    self.inputs.push_back(Event::Closed { port, statistics });
                }
                self.playing.retain(|(other, _)| *other != port);
            }
            Command::Play { port, play, .. } => self.playing.push((port, play)),
            Command::Tap { recording, .. } => self.recordings.push(recording),
            Command::Seal { recording } => {
                assert!(self.recordings.contains(&recording), "what is sealed was begun");
                self.recordings.retain(|open| *open != recording);
                let sealed = Sealed {
                    length: Samples(8_000),
                    sha256: [0; 32],
                    bytes: 32_044,
                    silences: Vec::new(),
                    gaps: Vec::new(),
                    packets: None,
                };
                self.inputs.push_back(Event::Sealed { recording, sealed });
            }
            Command::Deafen { recording } | Command::Hear { recording, .. } => {
                assert!(self.recordings.contains(&recording), "what changes was begun");
            }
            Command::Connect { .. }
            | Command::Bridge { .. }
            | Command::Unbridge { .. }
            | Command::Stop { .. }
            | Command::Record { .. }
            | Command::Silence { .. }
            | Command::Unsilence { .. } => {}
        }
    }
}

//! Everything that exists in the lab, and the clock that stops at every deadline on the way.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tonspur::media::prompt::Library;
use tonspur::media::recorder::Recorder;
use tonspur::media::relay::{Component, Relay};
use tonspur::media::{self, Command, PortId, RecordingId, Samples, Sealed, tap};
use tonspur::phone::{Ladder, Phone, Received};
use tonspur::switch::control::{Reply, Request, RequestId};
use tonspur::switch::retention::Page;
use tonspur::switch::settings::Settings;
use tonspur::switch::{Input, Now, Output, Switch};
use tonspur::utc::Utc;
use tonspur::wire::flow::{Datagram, Flow, ListenerId, Transport};

use super::Kept;
use super::journal::Journal;
use super::network::{DELAY, Network, Parcel};

/// The recorder looks at its tap this often.
const SLOT: Duration = Duration::from_millis(40);

/// A recording in progress, or past.
struct Recording {
    id: RecordingId,
    recorder: Option<Recorder>,
    recorded: bool,
    samples: Vec<i16>,
    sealed: bool,
}

pub(crate) struct World {
    start: Instant,
    began: Utc,
    pub(crate) now: Instant,
    seed: u64,
    settings: Settings,
    library: Arc<Library>,
    switch: Switch,
    relay: Relay,
    ports: BTreeMap<SocketAddr, (PortId, Component)>,
    next_port: u16,
    addresses: BTreeMap<PortId, SocketAddr>,
    recordings: Vec<Recording>,
    next_slot: Option<Instant>,
    events: VecDeque<media::Event>,
    pages: VecDeque<Page>,
    purged: VecDeque<RecordingId>,
    replies: BTreeMap<RequestId, Reply>,
    requests: u64,
    pub(crate) network: Network,
    pub(crate) journal: Journal,
    pub(crate) ladder: Ladder,
    pub(crate) phones: Vec<(String, Phone)>,
    /// Everything the switch sent that `rsip` could not confirm.
    pub(crate) unconfirmed: Vec<String>,
}

impl World {
    pub(crate) fn new(began: &str, profiles: &str, seed: u64) -> World {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let loaded = tonspur::io::profiles::load(&root.join("tests/profiles").join(profiles))
            .expect("sound profiles");
        let mut library = Library::default();
        let (prompts, warnings) = tonspur::io::prompts::load(
            &root.join("sip-profiles/prompts"),
            &loaded.settings,
            &mut library,
        );
        assert_eq!(warnings.len(), 0, "{warnings:?}");
        let settings = Settings { prompts, ..loaded.settings };
        let library = Arc::new(library);
        let (start, began) = (Instant::now(), Utc::parse(began).expect("a time"));
        let journal = Journal::new();
        let now = Now { instant: start, utc: began };
        World {
            start,
            began,
            now: start,
            seed,
            switch: Switch::new(now, settings.clone(), journal.memory(), [seed as u8; 32]),
            settings,
            relay: Relay::new(Arc::clone(&library)),
            library,
            ports: BTreeMap::new(),
            next_port: 16_384,
            addresses: BTreeMap::new(),
            recordings: Vec::new(),
            next_slot: None,
            events: VecDeque::new(),
            pages: VecDeque::new(),
            purged: VecDeque::new(),
            replies: BTreeMap::new(),
            requests: 0,
            network: Network::new(seed),
            journal,
            ladder: Ladder::default(),
            phones: Vec::new(),
            unconfirmed: Vec::new(),
        }
    }

    fn moment(&self) -> Now {
        Now { instant: self.now, utc: self.began.after(self.now - self.start) }
    }

    /// Where a listener of the switch is, for carriers or phones.
    pub(crate) fn proxy(&self, external: bool) -> SocketAddr {
        let place = if external { 2 } else { 0 };
        self.settings.listeners[place].advertise
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A new phone; gives its place.
    pub(crate) fn add(&mut self, name: String, phone: Phone) -> usize {
        self.phones.push((name, phone));
        self.phones.len() - 1
    }

    pub(crate) fn ask(&mut self, request: Request) -> Reply {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.handle(Input::Control(id, request));
        for _ in 0..100 {
            if let Some(reply) = self.replies.remove(&id) {
                return reply;
            }
            self.advance(Duration::from_millis(10));
        }
        panic!("no reply")
    }

    pub(crate) fn recordings(&self) -> Vec<Kept> {
        let side = |samples: &[i16], side| samples.iter().skip(side).step_by(2).copied().collect();
        let of = |recording: &Recording| Kept {
            left: side(&recording.samples, 0),
            right: side(&recording.samples, 1),
            sealed: recording.sealed,
        };
        self.recordings.iter().filter(|recording| recording.recorded).map(of).collect()
    }

    // ---- time ----

    /// Runs until `span` has passed.
    pub(crate) fn advance(&mut self, span: Duration) {
        let end = self.now + span;
        self.flush();
        while let Some(at) = self.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    /// Runs until `done` or until `limit` has passed; whether it was done.
    pub(crate) fn until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&mut World) -> bool,
    ) -> bool {
        let end = self.now + limit;
        self.flush();
        loop {
            if done(self) {
                return true;
            }
            match self.deadline().filter(|at| *at <= end) {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.step();
                }
                None => {
                    self.now = end;
                    return done(self);
                }
            }
        }
    }

    pub(crate) fn talk(&mut self, span: Duration) {
        self.speak(true);
        self.advance(span);
        self.speak(false);
    }

    /// Every phone at its own tone.
    fn speak(&mut self, aloud: bool) {
        let now = self.now;
        for (place, (_, phone)) in self.phones.iter_mut().enumerate() {
            phone.voice.speak(now, aloud.then(|| super::party::tone(place)));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let phones = self.phones.iter().filter_map(|(_, phone)| phone.deadline());
        phones
            .chain(self.switch.deadline())
            .chain(self.relay.deadline())
            .chain(self.network.deadline())
            .chain(self.journal.deadline())
            .chain(self.next_slot)
            .min()
    }

    /// Everything that is due at this moment.
    fn step(&mut self) {
        while let Some(parcel) = self.network.arrived(self.now) {
            self.arrive(parcel);
        }
        if let Some(entry) = self.journal.commit(self.now) {
            self.handle(Input::Stored(entry));
        }
        if self.switch.deadline().is_some_and(|at| at <= self.now) {
            self.handle(Input::Timeout);
        }
        if self.relay.deadline().is_some_and(|at| at <= self.now) {
            let mut sent = Vec::new();
            self.relay.tick(self.now, &mut |send, bytes| {
                sent.push((send.port, send.component, send.to, bytes.to_vec()))
            });
            for (port, component, to, bytes) in sent {
                self.send_rtp(port, component, to, bytes);
            }
        }
        if self.next_slot.is_some_and(|at| at <= self.now) {
            self.record();
        }
        for place in 0..self.phones.len() {
            let now = self.now;
            self.phones[place].1.tick(now);
        }
        self.flush();
    }

    /// Carries everything to where it goes, until nothing moves.
    pub(crate) fn flush(&mut self) {
        loop {
            self.post();
            while let Some(event) = self.relay.poll() {
                self.events.push_back(event);
            }
            if let Some(event) = self.events.pop_front() {
                self.handle(Input::Media(event));
            } else if let Some(page) = self.pages.pop_front() {
                self.handle(Input::Found(page));
            } else if let Some(recording) = self.purged.pop_front() {
                self.recordings.retain(|kept| kept.id != recording);
                self.handle(Input::Purged(recording));
            } else {
                return;
            }
        }
    }

    fn post(&mut self) {
        for place in 0..self.phones.len() {
            while let Some(packet) = self.phones[place].1.poll() {
                let parcel = Parcel { from: packet.from, to: packet.to, bytes: packet.bytes };
                let (name, phone) = &self.phones[place];
                if packet.from == phone.identity().sip {
                    let what = Received::read(&parcel.bytes).summary().to_owned();
                    let name = name.clone();
                    let arrives = self.network.send(self.now, parcel);
                    self.ladder.note(self.now - self.start, &name, "tonspur", &what, !arrives);
                } else {
                    self.network.deliver(self.now + DELAY, parcel);
                }
            }
        }
    }

    fn arrive(&mut self, mut parcel: Parcel) {
        if let Some((port, component)) = self.ports.get(&parcel.to).copied() {
            if let Some(send) =
                self.relay.receive(self.now, port, component, parcel.from, &mut parcel.bytes)
            {
                parcel.bytes.truncate(send.length);
                self.send_rtp(send.port, send.component, send.to, parcel.bytes);
            }
            return;
        }
        let listener =
            self.settings.listeners.iter().position(|listener| listener.advertise == parcel.to);
        if let Some(listener) = listener {
            let flow = Flow {
                listener: ListenerId(listener as u16),
                transport: Transport::Udp,
                remote: parcel.from,
                connection: None,
            };
            self.handle(Input::Datagram(Datagram {
                flow,
                received: self.now,
                bytes: &parcel.bytes,
                broken: false,
            }));
        } else {
            let now = self.now;
            for (_, phone) in &mut self.phones {
                if phone.identity().sip == parcel.to {
                    phone.receive(now, &parcel.bytes);
                } else if phone.identity().rtp == parcel.to {
                    phone.voice.receive(&parcel.bytes);
                }
            }
        }
    }

    fn send_rtp(&mut self, port: PortId, component: Component, to: SocketAddr, bytes: Vec<u8>) {
        let rtp = self.addresses[&port];
        let from = match component {
            Component::Rtp => rtp,
            Component::Rtcp => SocketAddr::new(rtp.ip(), rtp.port() + 1),
        };
        self.network.deliver(self.now + DELAY, Parcel { from, to, bytes });
    }

    // ---- the switch ----

    fn handle(&mut self, input: Input<'_>) {
        let now = self.moment();
        self.switch.handle(now, input);
        while let Some(output) = self.switch.poll() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Transmit(transmit) => {
                let from = self.settings.listener(transmit.flow.listener).advertise;
                let message = Received::read(&transmit.bytes);
                if !message.confirmed {
                    self.unconfirmed.push(message.text().to_owned());
                }
                let to = self
                    .phones
                    .iter()
                    .find(|(_, phone)| phone.identity().sip == transmit.flow.remote);
                let name =
                    to.map_or_else(|| transmit.flow.remote.to_string(), |(name, _)| name.clone());
                let parcel = Parcel { from, to: transmit.flow.remote, bytes: transmit.bytes };
                let arrives = self.network.send(self.now, parcel);
                self.ladder.note(
                    self.now - self.start,
                    "tonspur",
                    &name,
                    message.summary(),
                    !arrives,
                );
            }
            Output::Media(command) => self.command(&command),
            Output::Store(id, entry) => self.journal.append(self.now, id, entry),
            Output::Find(query) => self.pages.push_back(self.journal.find(query)),
            Output::Purge(order) => self.purged.push_back(order.recording()),
            Output::Reply(request, reply) => drop(self.replies.insert(request, reply)),
            Output::Log(_) | Output::Close(_) | Output::Stopped => {}
        }
    }

    fn command(&mut self, command: &Command) {
        let now = self.now;
        match command {
            Command::Open { port, near: _, address, ssrc } => {
                let rtp = SocketAddr::new(*address, self.next_port);
                self.next_port += 2;
                self.ports.insert(rtp, (*port, Component::Rtp));
                self.ports
                    .insert(SocketAddr::new(*address, rtp.port() + 1), (*port, Component::Rtcp));
                self.addresses.insert(*port, rtp);
                self.relay.open(now, *port, *ssrc);
                self.events.push_back(media::Event::Opened { port: *port, rtp });
            }
            Command::Tap { recording, customer, agent } => {
                let (tap, listener) = tap::tap(Samples(16_000));
                self.relay.tap(*recording, *customer, *agent, tap);
                let recorder = Some(Recorder::new(listener, now));
                self.recordings.push(Recording {
                    id: *recording,
                    recorder,
                    recorded: false,
                    samples: Vec::new(),
                    sealed: false,
                });
                self.next_slot = self.next_slot.or(Some(now + SLOT));
            }
            Command::Record { recording, path: _ } => {
                assert!(self.journal.entries().any(|entry| matches!(entry, tonspur::switch::journal::Entry::Armed(armed) if armed.recording == *recording)), "audio reaches the disk before its row");
                let recording = self.recording(*recording);
                recording.recorded = true;
                recording.recorder.as_mut().expect("not sealed").arm();
            }
            Command::Silence { recording, reason } => {
                let reason = *reason;
                self.recording(*recording)
                    .recorder
                    .as_mut()
                    .expect("not sealed")
                    .silence(now, reason);
            }
            Command::Unsilence { recording } => {
                self.recording(*recording).recorder.as_mut().expect("not sealed").unsilence(now)
            }
            Command::Seal { recording } => {
                let id = *recording;
                self.relay.untap(id);
                let recording = self.recording(id);
                let mut recorder = recording.recorder.take().expect("sealed once");
                recorder.finish(now, &mut recording.samples);
                assert!(!recording.sealed, "sealed once");
                recording.sealed = true;
                let sealed = Sealed {
                    length: recorder.length(),
                    sha256: [0; 32],
                    bytes: 44 + 2 * recording.samples.len() as u64,
                    silences: recorder.silences().to_vec(),
                    gaps: recorder.gaps().to_vec(),
                };
                self.events.push_back(media::Event::Sealed { recording: id, sealed });
            }
            Command::Connect { .. }
            | Command::Bridge { .. }
            | Command::Unbridge { .. }
            | Command::Play { .. }
            | Command::Stop { .. } => self.relay.command(now, command),
            Command::Close { port } => {
                self.relay.command(now, command);
                let rtp = self.addresses.remove(port).expect("an open port");
                self.ports.remove(&rtp);
                self.ports.remove(&SocketAddr::new(rtp.ip(), rtp.port() + 1));
            }
        }
    }

    fn recording(&mut self, id: RecordingId) -> &mut Recording {
        self.recordings.iter_mut().find(|recording| recording.id == id).expect("a tapped recording")
    }

    fn record(&mut self) {
        let now = self.now;
        for recording in &mut self.recordings {
            if let Some(recorder) = &mut recording.recorder {
                recorder.advance(now, &mut recording.samples);
                assert!(
                    recording.recorded || recording.samples.is_empty(),
                    "samples before the row"
                );
            }
        }
        let busy = self.recordings.iter().any(|recording| recording.recorder.is_some());
        self.next_slot = busy.then_some(now + SLOT);
    }

    // ---- the end ----

    pub(crate) fn crash(&mut self) {
        self.journal.lose();
        self.events.clear();
        self.pages.clear();
        self.purged.clear();
        self.relay = Relay::new(Arc::clone(&self.library));
        self.ports.clear();
        self.addresses.clear();
        for recording in &mut self.recordings {
            recording.recorder = None;
        }
        self.ladder.note(self.now - self.start, "tonspur", "tonspur", "", true);
        let later = self.now + Duration::from_secs(1);
        while let Some(at) = self.network.deadline().filter(|at| *at <= later) {
            self.now = at;
            let _ = self.network.arrived(at);
        }
        self.now = later;
        self.seed += 1;
        self.switch = Switch::new(
            self.moment(),
            self.settings.clone(),
            self.journal.memory(),
            [self.seed as u8; 32],
        );
        while let Some(output) = self.switch.poll() {
            self.carry_out(output);
        }
    }

    /// Lets every timer run out; nothing may be left of any call.
    pub(crate) fn settle(&mut self) {
        self.speak(false);
        self.advance(Duration::from_secs(80));
        let mut left = Vec::new();
        if let Err(open) = self.switch.at_rest() {
            left.push(open);
        }
        if !self.addresses.is_empty() {
            left.push(format!("media ports {:?}", self.addresses));
        }
        if self.recordings.iter().any(|recording| recording.recorder.is_some()) {
            left.push("a recording that was never sealed".to_owned());
        }
        assert!(left.is_empty(), "left behind: {}\n{}", left.join("; "), self.ladder.draw());
        assert!(self.unconfirmed.is_empty(), "rsip cannot read: {}", self.unconfirmed[0]);
    }
}

//! Everything that exists in the lab, and the clock that stops at every deadline on the way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tonspur::media::prompt::Library;
use tonspur::media::relay::{Component, Relay};
use tonspur::media::{self, PortId, RecordingId};
use tonspur::phone::{Ladder, Phone, Received};
use tonspur::switch::control::{Reply, Request, RequestId};
use tonspur::switch::retention::Page;
use tonspur::switch::settings::Settings;
use tonspur::switch::{Input, Now, Switch};
use tonspur::utc::Utc;
use tonspur::wire::flow::{Datagram, Flow, ListenerId, Transport};

use super::carry::Trouble;
use super::crash::Life;
use super::dialogs::Dialogs;
use super::journal::Journal;
use super::network::{DELAY, Network, Parcel};
use super::outside::Outside;
use super::tapes::Tapes;

pub(crate) struct World {
    pub(super) start: Instant,
    began: Utc,
    pub(crate) now: Instant,
    pub(super) seed: u64,
    pub(super) settings: Settings,
    pub(super) library: Arc<Library>,
    pub(super) switch: Switch,
    pub(super) life: Life,
    pub(super) relay: Relay,
    pub(super) ports: BTreeMap<SocketAddr, (PortId, Component)>,
    pub(super) next_port: u16,
    pub(super) addresses: BTreeMap<PortId, SocketAddr>,
    /// Media ports opened and closed since the process began.
    pub(super) opened: u64,
    pub(super) closed: u64,
    pub(super) tapes: Tapes,
    /// Phones, by their place, whose microphones are off: they send silence while others speak.
    pub(super) muted: BTreeSet<usize>,
    pub(super) events: VecDeque<media::Event>,
    pub(super) pages: VecDeque<Page>,
    pub(super) purges: VecDeque<RecordingId>,
    pub(super) troubles: BTreeSet<Trouble>,
    pub(super) replies: BTreeMap<RequestId, Reply>,
    pub(super) requests: u64,
    pub(crate) network: Network,
    pub(crate) outside: Outside,
    /// The switch has said that the process may end.
    pub(super) stopped: bool,
    pub(crate) journal: Journal,
    pub(crate) dialogs: Dialogs,
    pub(crate) ladder: Ladder,
    pub(crate) phones: Vec<(String, Phone)>,
    /// The next message of the phone that begins so is changed on its way out.
    pub(crate) changes: Vec<(usize, String, Change)>,
    /// What phones said, in order, each with its place.
    pub(crate) said: Vec<(usize, String)>,
    /// Call-ID and CSeq of what phones began a call with.
    pub(super) begun: BTreeSet<String>,
    /// Everything the switch sent that `rsip` could not confirm.
    pub(crate) unconfirmed: Vec<String>,
}

/// What becomes of a phone's message.
pub(crate) type Change = Box<dyn FnOnce(&str) -> String>;

/// The small office and its prompts: read once for all labs.
fn office() -> (Settings, Arc<Library>) {
    static OFFICE: OnceLock<(Settings, Arc<Library>)> = OnceLock::new();
    let read = || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let loaded = tonspur::io::profiles::load(&root.join("tests/profiles/small-office"))
            .expect("sound profiles");
        let mut library = Library::default();
        let (prompts, warnings) = tonspur::io::prompts::load(
            &root.join("sip-profiles/prompts"),
            &loaded.settings,
            &mut library,
        );
        assert_eq!(warnings.len(), 0, "{warnings:?}");
        (Settings { prompts, ..loaded.settings }, Arc::new(library))
    };
    OFFICE.get_or_init(read).clone()
}

impl World {
    pub(crate) fn new(began: &str, seed: u64, change: impl FnOnce(&mut Settings)) -> World {
        let (mut settings, library) = office();
        change(&mut settings);
        let (start, began) = (Instant::now(), Utc::parse(began).expect("a time"));
        let journal = Journal::new();
        let now = Now { instant: start, utc: began };
        let life = Life::begin(seed);
        World {
            start,
            began,
            now: start,
            seed,
            switch: Switch::new(now, settings.clone(), journal.memory(), life.seed()),
            life,
            settings,
            relay: Relay::new(Arc::clone(&library)),
            library,
            ports: BTreeMap::new(),
            next_port: 16_384,
            addresses: BTreeMap::new(),
            opened: 0,
            closed: 0,
            tapes: Tapes::default(),
            muted: BTreeSet::new(),
            events: VecDeque::new(),
            pages: VecDeque::new(),
            purges: VecDeque::new(),
            troubles: BTreeSet::new(),
            replies: BTreeMap::new(),
            requests: 0,
            network: Network::new(seed),
            outside: Outside::new(),
            stopped: false,
            journal,
            dialogs: Dialogs::default(),
            ladder: Ladder::default(),
            phones: Vec::new(),
            changes: Vec::new(),
            said: Vec::new(),
            begun: BTreeSet::new(),
            unconfirmed: Vec::new(),
        }
    }

    pub(super) fn moment(&self) -> Now {
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

    /// An admin asks; whoever waits may look for the reply.
    pub(crate) fn tell(&mut self, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.handle(Input::Control(id, request));
        self.flush();
        id
    }

    pub(crate) fn ask(&mut self, request: Request) -> Reply {
        let id = self.tell(request);
        for _ in 0..100 {
            if let Some(reply) = self.replies.remove(&id) {
                return reply;
            }
            self.advance(Duration::from_millis(10));
        }
        panic!("no reply")
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
    pub(super) fn speak(&mut self, aloud: bool) {
        let now = self.now;
        for (place, (_, phone)) in self.phones.iter_mut().enumerate() {
            let frequency =
                if self.muted.contains(&place) { 0.0 } else { super::party::tone(place) };
            phone.voice.speak(now, aloud.then_some(frequency));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let phones = self.phones.iter().filter_map(|(_, phone)| phone.deadline());
        phones
            .chain(self.next_start())
            .chain(self.switch.deadline().filter(|_| self.is_up()))
            .chain(self.relay.deadline())
            .chain(self.network.deadline())
            .chain(self.outside.deadline())
            .chain(self.journal.deadline())
            .chain(self.tapes.deadline())
            .min()
    }

    /// Everything that is due at this moment.
    fn step(&mut self) {
        if self.next_start().is_some_and(|at| at <= self.now) {
            self.start_again();
        }
        while let Some(parcel) = self.network.arrived(self.now) {
            self.arrive(parcel);
        }
        self.hear_from_outside();
        if let Some(entry) = self.journal.commit(self.now) {
            self.handle(Input::Stored(entry));
        }
        if self.is_up() && self.switch.deadline().is_some_and(|at| at <= self.now) {
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
        if self.tapes.deadline().is_some_and(|at| at <= self.now) {
            let [fails, hangs] =
                [Trouble::Recording, Trouble::Disk].map(|trouble| self.troubles.contains(&trouble));
            self.events.extend(self.tapes.advance(self.now, fails, hangs));
        }
        for place in 0..self.phones.len() {
            let now = self.now;
            self.phones[place].1.tick(now);
        }
        self.flush();
    }

    /// Carries everything to where it goes, until nothing moves.
    pub(crate) fn flush(&mut self) {
        // What a new switch has to do before anything happens.
        if self.is_up() {
            self.carry_out();
        }
        loop {
            self.post();
            while let Some(event) = self.relay.poll() {
                self.events.push_back(event);
            }
            if let Some(event) = self.events.pop_front() {
                self.handle(Input::Media(event));
            } else if let Some(page) = self.pages.pop_front() {
                self.handle(Input::Found(page));
            } else if let Some(recording) = self.purges.pop_front() {
                self.purge(recording);
            } else {
                return;
            }
        }
    }

    fn post(&mut self) {
        for place in 0..self.phones.len() {
            while let Some(packet) = self.phones[place].1.poll() {
                let (from, to) = (packet.from, packet.to);
                if from == self.phones[place].1.identity().sip {
                    self.send_sip(place, to, packet.bytes);
                } else {
                    let parcel = Parcel { from, to, bytes: packet.bytes };
                    self.network.deliver(self.now + DELAY, parcel);
                }
            }
        }
    }

    /// A phone says so.
    pub(crate) fn send_sip(&mut self, place: usize, to: SocketAddr, mut bytes: Vec<u8>) {
        let change = |(who, start, _): &(usize, String, Change)| {
            *who == place && bytes.starts_with(start.as_bytes())
        };
        if let Some(at) = self.changes.iter().position(change) {
            let (_, _, change) = self.changes.remove(at);
            bytes = change(&String::from_utf8_lossy(&bytes)).into_bytes();
        }
        let (name, phone) = &self.phones[place];
        let message = Received::read(&bytes);
        let parcel = Parcel { from: phone.identity().sip, to, bytes };
        self.dialogs.sent(place, &message);
        if message.method() == Some("INVITE") {
            self.begun.insert(format!("{}{}", message.header("Call-ID"), message.header("CSeq")));
        }
        self.said.push((place, message.text().to_owned()));
        let arrives = self.network.send(self.now, parcel);
        self.ladder.note(self.now - self.start, name, "tonspur", &message.rung(), !arrives);
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
            let flow = Flow::to(ListenerId(listener as u16), Transport::Udp, parcel.from);
            self.handle(Input::Datagram(Datagram {
                flow,
                received: self.now,
                bytes: &parcel.bytes,
                broken: false,
            }));
        } else {
            let now = self.now;
            for (place, (_, phone)) in self.phones.iter_mut().enumerate() {
                if phone.identity().sip == parcel.to {
                    self.dialogs.arrived(place, &Received::read(&parcel.bytes));
                    phone.receive(now, &parcel.bytes);
                } else if phone.identity().rtp == parcel.to {
                    phone.voice.receive(&parcel.bytes);
                }
            }
        }
    }

    pub(super) fn send_rtp(
        &mut self,
        port: PortId,
        component: Component,
        to: SocketAddr,
        bytes: Vec<u8>,
    ) {
        let rtp = self.addresses[&port];
        let from = match component {
            Component::Rtp => rtp,
            Component::Rtcp => SocketAddr::new(rtp.ip(), rtp.port() + 1),
        };
        self.network.deliver(self.now + DELAY, Parcel { from, to, bytes });
    }
}

//! The media threads: ports are opened here, commands find their worker, a leg that is to be bridged with one of another worker is
//! handed over, and recordings find their writer.

#![expect(clippy::disallowed_methods, reason = "the media threads stamp packets as they come")]

mod ports;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use self::ports::Pairs;
use self::worker::{Handover, Mailbox, Order};
use super::wav::{Room, Writers};
use crate::media::prompt::Library;
use crate::media::{Command, Event, PortId, RecordingId, Samples, Statistics, tap};
use crate::switch::settings::Rtp;

/// What a tap holds while the thread that listens to it, which waits for no disk, finds no processor: a second and a half.
const TAP: Samples = Samples(3 * Samples::RATE / 2);

/// Threads that write recordings.
const WRITERS: usize = 2;

/// The front of the media side: owns the workers and the writers.
#[derive(Debug)]
pub struct Media {
    front: Front,
    threads: Vec<JoinHandle<()>>,
    writers: Writers,
}

#[derive(Debug)]
struct Front {
    workers: Vec<Worker>,
    pairs: Pairs,
    /// Pairs that the workers have closed.
    closed: Receiver<SocketAddr>,
    hosts: [Host; 2],
    ports: BTreeMap<PortId, Port>,
    /// The far sides of the ports, by their port number.
    spoken_to: BTreeMap<(u16, PortId), IpAddr>,
    taps: BTreeMap<RecordingId, [PortId; 2]>,
}

/// What the front knows of a worker.
#[derive(Debug)]
struct Worker {
    mailbox: Mailbox,
    /// How many it has.
    ports: usize,
    /// There are orders that it was not woken for.
    unheard: bool,
    /// It has taken every order so far; one that has not, for it has panicked, gets no further ports.
    lives: bool,
}

impl Worker {
    /// Leaves an order and has the worker woken for it at the end of the turn. `false` if the worker is dead.
    fn order(&mut self, order: Order) -> bool {
        self.unheard = true;
        self.leave(order)
    }

    /// Leaves an order for when the worker looks anyway; one without ports is woken, as it hardly looks.
    fn order_soon(&mut self, order: Order) -> bool {
        self.unheard |= self.ports == 0;
        self.leave(order)
    }

    fn leave(&mut self, order: Order) -> bool {
        let left = self.mailbox.leave(order);
        if self.lives && !left {
            self.lives = false;
            tracing::error!(event = "thread_panicked", thread = "media", ports = self.ports);
        }
        left
    }
}

/// An address of ours: as SDP says it, and as it is bound.
#[derive(Clone, Copy, Debug)]
struct Host {
    advertised: IpAddr,
    bound: IpAddr,
}

impl Host {
    fn is_named(&self, address: IpAddr) -> bool {
        self.advertised == address || self.bound.is_unspecified() && address.is_loopback()
    }
}

/// What the front knows of a port.
#[derive(Clone, Copy, Debug)]
struct Port {
    worker: usize,
    rtp: SocketAddr,
    remote: Option<SocketAddr>,
    tapped: Option<RecordingId>,
}

impl Media {
    /// Starts `workers` media threads (at least one) and the writers. Events wait at the workers while `events` is full.
    pub fn start(
        rtp: &Rtp,
        workers: usize,
        library: Library,
        room: Arc<Room>,
        events: tokio::sync::mpsc::Sender<Event>,
    ) -> io::Result<Media> {
        let library = Arc::new(library);
        let writers = Writers::start(room, WRITERS, events.clone())?;
        let (free, closed) = channel();
        let mut started = Vec::new();
        let mut threads = Vec::new();
        for number in 0..workers.max(1) {
            let name = format!("media-{number}");
            let (mailbox, thread) =
                worker::start(name, Arc::clone(&library), events.clone(), free.clone())?;
            started.push(Worker { mailbox, ports: 0, unheard: false, lives: true });
            threads.push(thread);
        }
        let front = Front {
            workers: started,
            pairs: Pairs::new(rtp.ports),
            closed,
            hosts: [0, 1].map(|profile| Host {
                advertised: rtp.advertise[profile],
                bound: rtp.bind[profile],
            }),
            ports: BTreeMap::new(),
            spoken_to: BTreeMap::new(),
            taps: BTreeMap::new(),
        };
        Ok(Media { front, threads, writers })
    }

    /// Takes a command of the switch, which its worker carries out before the next packet of the port, and after [`Media::deliver`] in
    /// 20 ms at the latest. Does not wait: whether a port opened is answered at once, and that one closed whose worker is dead;
    /// everything else comes as an event.
    pub fn command(&mut self, command: Command) -> Option<Event> {
        let now = Instant::now();
        let front = &mut self.front;
        match command {
            Command::Tap { recording, customer, agent } => {
                let (tap, listener) = tap::tap(TAP);
                self.writers.begin(recording, listener, now);
                front.tap(recording, customer, agent, tap);
            }
            Command::Deafen { recording } => front.untap(recording),
            Command::Hear { recording, customer, agent } => {
                let (tap, listener) = tap::tap(TAP);
                self.writers.hear(recording, listener, now);
                front.tap(recording, customer, agent, tap);
            }
            Command::Record { recording, path } => self.writers.record(recording, path),
            Command::Silence { recording, reason } => {
                self.writers.silence(recording, reason, now);
            }
            Command::Unsilence { recording } => self.writers.unsilence(recording, now),
            Command::Seal { recording } => {
                front.untap(recording);
                self.writers.seal(recording, now);
            }
            Command::Open { port, near, address, ssrc } => {
                return front.open(port, near, address, ssrc);
            }
            Command::Close { port } => return front.close(port),
            Command::Bridge { a, b } => front.bridge(a, b),
            Command::Connect { port, mut remote, silence } => {
                remote.rtp = front.far_side(port, remote.rtp);
                front.pass(port, Command::Connect { port, remote, silence });
            }
            Command::Unbridge { port } => front.pass(port, command),
            Command::Play { port, .. } | Command::Stop { port } => {
                front.pass(port, command);
                front.hurry(port);
            }
        }
        None
    }

    /// Wakes the workers for what was commanded since and cannot wait until they look: once for all of it.
    pub fn deliver(&mut self) {
        for worker in self.front.workers.iter_mut().filter(|worker| worker.unheard) {
            worker.unheard = false;
            worker.mailbox.ring();
        }
    }

    /// Ends all threads and waits for them: ports are closed, recordings as the writers leave them.
    pub fn stop(mut self) {
        for worker in &mut self.front.workers {
            worker.order(Order::Stop);
        }
        self.deliver();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!(event = "thread_panicked", thread = "media");
            }
        }
        self.writers.stop();
    }
}

impl Front {
    fn open(
        &mut self,
        port: PortId,
        near: Option<PortId>,
        address: IpAddr,
        ssrc: u32,
    ) -> Option<Event> {
        if self.ports.contains_key(&port) {
            return None;
        }
        let near = near.and_then(|near| self.ports.get(&near)).map(|near| near.worker);
        let opened = loop {
            let Some(worker) = near.or_else(|| self.idlest()) else {
                break Err("no media worker is left".to_owned());
            };
            match self.open_at(worker, port, address, ssrc) {
                // Another one may live.
                Err(_) if near.is_none() && !self.workers[worker].lives => {}
                opened => break opened.map(|rtp| (worker, rtp)),
            }
        };
        Some(match opened {
            Ok((worker, rtp)) => {
                self.ports.insert(port, Port { worker, rtp, remote: None, tapped: None });
                self.workers[worker].ports += 1;
                Event::Opened { port, rtp }
            }
            Err(cause) => {
                tracing::warn!(event = "media_port_refused", %cause);
                Event::OpenFailed { port, cause }
            }
        })
    }

    fn open_at(
        &mut self,
        worker: usize,
        port: PortId,
        address: IpAddr,
        ssrc: u32,
    ) -> Result<SocketAddr, String> {
        for rtp in self.closed.try_iter() {
            self.pairs.release(rtp);
        }
        // A pair that a far side is said to have would have us talk to ourselves.
        let (spoken_to, hosts) = (&self.spoken_to, &self.hosts);
        let is_spoken_to = |rtp: SocketAddr| {
            let names = |address: IpAddr| {
                let host = |host: &Host| host.bound == rtp.ip() && host.is_named(address);
                address == rtp.ip() || hosts.iter().any(host)
            };
            let numbered = (rtp.port(), PortId(0))..=(rtp.port(), PortId(u64::MAX));
            spoken_to.range(numbered).any(|(_, address)| names(*address))
        };
        let pair = self.pairs.open(address, is_spoken_to)?;
        let rtp = pair.address;
        let worker = &mut self.workers[worker];
        let watched = worker.mailbox.watch(&pair).map_err(|refused| refused.to_string());
        let opened = watched.and_then(|()| {
            let left = worker.order_soon(Order::Open { port, ssrc, pair });
            left.then_some(rtp).ok_or_else(|| "its media worker has died".to_owned())
        });
        if opened.is_err() {
            self.pairs.release(rtp);
        }
        opened
    }

    /// `Closed` at once if its worker is dead; else that one tells.
    fn close(&mut self, port: PortId) -> Option<Event> {
        let known = self.ports.remove(&port)?;
        if let Some(recording) = known.tapped {
            self.forget_tap(recording);
        }
        if let Some(remote) = known.remote {
            self.spoken_to.remove(&(remote.port(), port));
        }
        let worker = &mut self.workers[known.worker];
        worker.ports -= 1;
        // The pair is free when the worker has closed it.
        if worker.order_soon(Order::Command(Command::Close { port })) {
            return None;
        }
        self.pairs.release(known.rtp);
        Some(Event::Closed { port, statistics: Statistics::default() })
    }

    /// Crosses two ports, after handing one over if they are at two workers: the one that is not recorded.
    fn bridge(&mut self, a: PortId, b: PortId) {
        let (Some(&at_a), Some(&at_b)) = (self.ports.get(&a), self.ports.get(&b)) else { return };
        if at_a.worker != at_b.worker {
            let (moved, from, to) = match (at_a.tapped, at_b.tapped) {
                (None, Some(_)) => (a, at_a.worker, at_b.worker),
                _ => (b, at_b.worker, at_a.worker),
            };
            self.workers[to].order(Order::Await(moved));
            let handover = Handover::new(moved, self.workers[to].mailbox.clone());
            self.workers[from].order(Order::Release(handover));
            if let Some(port) = self.ports.get_mut(&moved) {
                port.worker = to;
                self.workers[from].ports -= 1;
                self.workers[to].ports += 1;
            }
        }
        self.pass(a, Command::Bridge { a, b });
    }

    fn tap(&mut self, recording: RecordingId, customer: PortId, agent: PortId, tap: tap::Tap) {
        let Some(worker) = self.ports.get(&customer).map(|port| port.worker) else { return };
        for port in [customer, agent] {
            if let Some(port) = self.ports.get_mut(&port) {
                port.tapped = Some(recording);
            }
        }
        self.taps.insert(recording, [customer, agent]);
        self.workers[worker].order(Order::Tap { recording, customer, agent, tap });
    }

    fn untap(&mut self, recording: RecordingId) {
        let worker = self
            .taps
            .get(&recording)
            .and_then(|ports| self.ports.get(&ports[0]))
            .map(|port| port.worker);
        if let Some(worker) = worker {
            self.workers[worker].order(Order::Untap(recording));
        }
        self.forget_tap(recording);
    }

    fn forget_tap(&mut self, recording: RecordingId) {
        for port in self.taps.remove(&recording).into_iter().flatten() {
            if let Some(port) = self.ports.get_mut(&port)
                && port.tapped == Some(recording)
            {
                port.tapped = None;
            }
        }
    }

    /// The far side's address, unless it is one of our own ports: two legs that name each other's would make one packet run for ever.
    fn far_side(&mut self, port: PortId, remote: Option<SocketAddr>) -> Option<SocketAddr> {
        let ours = remote.is_some_and(|remote| {
            let bound = self.hosts.iter().filter(|host| host.is_named(remote.ip()));
            let mut bound = bound.map(|host| SocketAddr::new(host.bound, remote.port()));
            self.pairs.holds(remote) || bound.any(|bound| self.pairs.holds(bound))
        });
        if ours {
            tracing::warn!(
                event = "media_loop",
                "a far side names one of our own RTP ports; it is sent nothing"
            );
        }
        let remote = remote.filter(|_| !ours);
        if let Some(known) = self.ports.get_mut(&port) {
            if let Some(before) = std::mem::replace(&mut known.remote, remote) {
                self.spoken_to.remove(&(before.port(), port));
            }
            if let Some(remote) = remote {
                self.spoken_to.insert((remote.port(), port), remote.ip());
            }
        }
        remote
    }

    fn pass(&mut self, port: PortId, command: Command) {
        if let Some(port) = self.ports.get(&port) {
            self.workers[port.worker].order_soon(Order::Command(command));
        }
    }

    /// What is ordered for a port is to be heard at once.
    fn hurry(&mut self, port: PortId) {
        if let Some(port) = self.ports.get(&port) {
            self.workers[port.worker].unheard = true;
        }
    }

    /// `None` if all are dead.
    fn idlest(&self) -> Option<usize> {
        let living = (0..self.workers.len()).filter(|&worker| self.workers[worker].lives);
        living.min_by_key(|&worker| self.workers[worker].ports)
    }
}

#[cfg(test)]
mod tests;

//! The media threads: ports are opened here, commands find their worker, a leg that is to be bridged with one of another worker is
//! handed over, and recordings find their writer.

#![expect(clippy::disallowed_methods, reason = "the media threads stamp packets as they come")]

mod ports;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use self::ports::Pairs;
use self::worker::{Mailbox, Order};
use super::wav::Writers;
use crate::media::prompt::Library;
use crate::media::{Command, Event, PortId, RecordingId, Samples, tap};
use crate::switch::settings::Rtp;

/// What a tap holds while its writer is busy elsewhere: two seconds.
const TAP: Samples = Samples(2 * Samples::RATE);

/// Threads that write recordings.
const WRITERS: usize = 2;

/// The front of the media side: owns the workers and the writers.
#[derive(Debug)]
pub struct Media {
    front: Mutex<Front>,
    threads: Vec<JoinHandle<()>>,
    writers: Writers,
}

#[derive(Debug)]
struct Front {
    workers: Vec<Mailbox>,
    pairs: Pairs,
    hosts: [Host; 2],
    ports: BTreeMap<PortId, Port>,
    taps: BTreeMap<RecordingId, [PortId; 2]>,
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
        recordings: PathBuf,
        events: tokio::sync::mpsc::Sender<Event>,
    ) -> io::Result<Media> {
        let library = Arc::new(library);
        let writers = Writers::start(recordings, WRITERS, events.clone())?;
        let mut mailboxes = Vec::new();
        let mut threads = Vec::new();
        for number in 0..workers.max(1) {
            let name = format!("media-{number}");
            let (mailbox, thread) = worker::start(name, Arc::clone(&library), events.clone())?;
            mailboxes.push(mailbox);
            threads.push(thread);
        }
        let front = Front {
            workers: mailboxes,
            pairs: Pairs::new(rtp.ports),
            hosts: [0, 1].map(|profile| Host {
                advertised: rtp.advertise[profile],
                bound: rtp.bind[profile],
            }),
            ports: BTreeMap::new(),
            taps: BTreeMap::new(),
        };
        Ok(Media { front: Mutex::new(front), threads, writers })
    }

    /// Carries out a command of the switch. Does not wait: what it answers comes as an event.
    pub fn command(&self, command: Command) {
        let now = Instant::now();
        let mut front = self.front.lock().unwrap_or_else(PoisonError::into_inner);
        match command {
            Command::Tap { recording, customer, agent } => {
                let (tap, listener) = tap::tap(TAP);
                self.writers.begin(recording, listener, now);
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
            Command::Open { port, near, address, ssrc } => front.open(port, near, address, ssrc),
            Command::Close { port } => front.close(port),
            Command::Bridge { a, b } => front.bridge(a, b),
            Command::Connect { port, mut remote, silence } => {
                remote.rtp = front.far_side(port, remote.rtp);
                front.pass(port, Command::Connect { port, remote, silence });
            }
            Command::Unbridge { port } | Command::Play { port, .. } | Command::Stop { port } => {
                front.pass(port, command)
            }
        }
    }

    /// Ends all threads and waits for them: ports are closed, recordings as the writers leave them.
    pub fn stop(self) {
        let front = self.front.into_inner().unwrap_or_else(PoisonError::into_inner);
        for worker in &front.workers {
            worker.send(Order::Stop);
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a media worker had panicked");
            }
        }
        self.writers.stop();
    }
}

impl Front {
    fn open(&mut self, port: PortId, near: Option<PortId>, address: IpAddr, ssrc: u32) {
        if self.ports.contains_key(&port) {
            return;
        }
        let near = near.and_then(|near| self.ports.get(&near)).map(|near| near.worker);
        let worker = near.unwrap_or_else(|| self.idlest());
        // A pair that a far side is said to have would have us talk to ourselves.
        let (ports, hosts) = (&self.ports, &self.hosts);
        let spoken_to = |rtp: SocketAddr| {
            let names = |remote: SocketAddr| {
                let host = |host: &Host| host.bound == rtp.ip() && host.is_named(remote.ip());
                remote == rtp || remote.port() == rtp.port() && hosts.iter().any(host)
            };
            ports.values().filter_map(|port| port.remote).any(names)
        };
        match self.pairs.open(address, spoken_to) {
            Ok(pair) => {
                let known = Port { worker, rtp: pair.address, remote: None, tapped: None };
                self.ports.insert(port, known);
                self.workers[worker].send(Order::Open { port, ssrc, pair });
            }
            Err(cause) => {
                tracing::warn!(%cause, "no media port could be opened");
                self.workers[worker].send(Order::Tell(Event::OpenFailed { port, cause }));
            }
        }
    }

    fn close(&mut self, port: PortId) {
        let Some(known) = self.ports.remove(&port) else { return };
        if let Some(recording) = known.tapped {
            self.forget_tap(recording);
        }
        self.workers[known.worker].send(Order::Command(Command::Close { port }));
        self.pairs.release(known.rtp);
    }

    /// Crosses two ports, after handing one over if they are at two workers: the one that is not recorded.
    fn bridge(&mut self, a: PortId, b: PortId) {
        let (Some(&at_a), Some(&at_b)) = (self.ports.get(&a), self.ports.get(&b)) else { return };
        if at_a.worker != at_b.worker {
            let (moved, from, to) = match (at_a.tapped, at_b.tapped) {
                (None, Some(_)) => (a, at_a.worker, at_b.worker),
                _ => (b, at_b.worker, at_a.worker),
            };
            let mailbox = self.workers[to].clone();
            mailbox.send(Order::Await(moved));
            self.workers[from].send(Order::Release { port: moved, to: mailbox });
            if let Some(port) = self.ports.get_mut(&moved) {
                port.worker = to;
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
        self.workers[worker].send(Order::Tap { recording, customer, agent, tap });
    }

    fn untap(&mut self, recording: RecordingId) {
        let worker = self
            .taps
            .get(&recording)
            .and_then(|ports| self.ports.get(&ports[0]))
            .map(|port| port.worker);
        if let Some(worker) = worker {
            self.workers[worker].send(Order::Untap(recording));
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
            tracing::warn!("a far side names one of our own RTP ports; it is sent nothing");
        }
        let remote = remote.filter(|_| !ours);
        if let Some(port) = self.ports.get_mut(&port) {
            port.remote = remote;
        }
        remote
    }

    fn pass(&self, port: PortId, command: Command) {
        if let Some(port) = self.ports.get(&port) {
            self.workers[port.worker].send(Order::Command(command));
        }
    }

    fn idlest(&self) -> usize {
        let mut loads = vec![0usize; self.workers.len()];
        for port in self.ports.values() {
            loads[port.worker] += 1;
        }
        (0..loads.len()).min_by_key(|&worker| loads[worker]).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;

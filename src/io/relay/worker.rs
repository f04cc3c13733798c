//! One media thread: its ports' sockets in one epoll, and the relay that decides. In the steady state a packet costs one receive, one
//! send and its share of a wait; no allocation, no lock, no other thread.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};

use super::ports::Pair;
use crate::media::prompt::Library;
use crate::media::relay::{Component, Place, Relay, Released, Send};
use crate::media::tap::Tap;
use crate::media::{Command, Event, PortId, RecordingId, Statistics};

/// Packets are read in rounds of so many; one look at the clock serves a round.
const ROUND: usize = 64;

/// Longer packets than this are no telephone's.
const MTU: usize = 2_048;

/// Events that wait for room at the switch; beyond it even digits are dropped, which is said once.
const BACKLOG: usize = 100_000;

/// A worker that has ports looks for orders this often at least, with or without packets: so most orders need not wake it.
const LOOK: Duration = Duration::from_millis(20);
/// One that has none; the first order for a port wakes it.
const IDLE_LOOK: Duration = Duration::from_secs(1);

/// The number of the wake-up among the sockets.
const WAKE: u64 = u64::MAX;

/// The number of the sockets of a port whose opening is still among the orders: their packets wake the worker too.
const NEWCOMER: u64 = u64::MAX - 1;

/// What a worker is asked for.
#[derive(Debug)]
pub(super) enum Order {
    Open {
        port: PortId,
        ssrc: u32,
        pair: Pair,
    },
    Command(Command),
    Tap {
        recording: RecordingId,
        customer: PortId,
        agent: PortId,
        tap: Tap,
    },
    Untap(RecordingId),
    /// Give the port to another worker, which has been told to `Await` it.
    Release(Handover),
    /// All further orders wait until the port has come.
    Await(PortId),
    /// It comes; `None` if it is lost.
    Adopt(PortId, Option<(Released, Pair)>),
    Stop,
}

/// Where a worker takes its orders.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    orders: Sender<Order>,
    wake: Arc<OwnedFd>,
    epoll: Arc<OwnedFd>,
}

impl Mailbox {
    /// Leaves an order, which is found when the worker next looks. `false` if the worker is gone.
    pub(super) fn leave(&self, order: Order) -> bool {
        self.orders.send(order).is_ok()
    }

    /// Has the worker look.
    pub(super) fn ring(&self) {
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Has the worker woken by the packets of a port whose opening is left here next.
    pub(super) fn watch(&self, pair: &Pair) -> rustix::io::Result<()> {
        let newcomer = EventData::new_u64(NEWCOMER);
        epoll::add(&self.epoll, &pair.rtp, newcomer, EventFlags::IN)?;
        epoll::add(&self.epoll, &pair.rtcp, newcomer, EventFlags::IN)
    }
}

/// A port to be given to another worker. Dropped undone, as by a worker that dies, it says so: the other one waits for it.
#[derive(Debug)]
pub(super) struct Handover {
    port: PortId,
    to: Mailbox,
    come: Option<(Released, Pair)>,
}

impl Handover {
    pub(super) fn new(port: PortId, to: Mailbox) -> Handover {
        Handover { port, to, come: None }
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        self.to.leave(Order::Adopt(self.port, self.come.take()));
        self.to.ring();
    }
}

/// The number under which epoll tells of a socket's packets, so that they are looked up in no map.
fn number(place: Place, component: Component) -> EventData {
    EventData::new_u64(2 * place.0 as u64 + u64::from(component == Component::Rtcp))
}

fn unwatch(epoll: &OwnedFd, pair: &Pair) {
    let _ = epoll::delete(epoll, &pair.rtp);
    let _ = epoll::delete(epoll, &pair.rtcp);
}

/// Starts a worker. It says in `closed` which pairs are free again.
pub(super) fn start(
    name: String,
    library: Arc<Library>,
    events: tokio::sync::mpsc::Sender<Event>,
    closed: Sender<SocketAddr>,
) -> std::io::Result<(Mailbox, JoinHandle<()>)> {
    let (mailbox, worker) = prepare(library, events, closed)?;
    let thread = std::thread::Builder::new().name(name).spawn(move || worker.run())?;
    Ok((mailbox, thread))
}

fn prepare(
    library: Arc<Library>,
    events: tokio::sync::mpsc::Sender<Event>,
    closed: Sender<SocketAddr>,
) -> std::io::Result<(Mailbox, Worker)> {
    let (orders, inbox) = channel();
    let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let epoll = Arc::new(epoll::create(CreateFlags::CLOEXEC)?);
    epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
    let worker = Worker {
        epoll: Arc::clone(&epoll),
        wake: Arc::clone(&wake),
        inbox,
        awaited: None,
        waiting: VecDeque::new(),
        early: BTreeSet::new(),
        relay: Relay::new(library),
        sockets: Sockets::default(),
        closed,
        outbox: Outbox { events, backlog: VecDeque::new(), full: false },
    };
    Ok((Mailbox { orders, wake, epoll }, worker))
}

struct Worker {
    epoll: Arc<OwnedFd>,
    wake: Arc<OwnedFd>,
    inbox: Receiver<Order>,
    /// The port without which no order is carried out, the orders, and the ports that have come before their own turn to be awaited.
    awaited: Option<PortId>,
    waiting: VecDeque<Order>,
    early: BTreeSet<PortId>,
    relay: Relay,
    sockets: Sockets,
    closed: Sender<SocketAddr>,
    outbox: Outbox,
}

impl Worker {
    fn run(mut self) {
        let mut ready = Vec::with_capacity(ROUND);
        let mut packet = [0; MTU];
        loop {
            let timeout = self.timeout(Instant::now());
            match epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(broken) => {
                    tracing::error!(event = "media_worker_ends", error = %broken, "it cannot wait for packets");
                    return;
                }
            }
            // What was ordered comes before the packets: it was ordered for them.
            if !self.obey() {
                return;
            }
            let now = Instant::now();
            for event in ready.drain(..) {
                match event.data.u64() {
                    WAKE => {
                        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
                    }
                    // Of a port whose opening is found next.
                    NEWCOMER => {}
                    number => self.receive(now, number, &mut packet),
                }
            }
            self.tick(now);
            while let Some(event) = self.relay.poll() {
                self.outbox.push(event);
            }
            self.outbox.flush();
        }
    }

    fn timeout(&self, now: Instant) -> Timespec {
        // While the switch has no room for events, it is asked again soon.
        let is_idle = self.sockets.open == 0 && self.outbox.backlog.is_empty();
        let look = if is_idle { IDLE_LOOK } else { LOOK };
        let due = self.relay.deadline().map(|due| due.saturating_duration_since(now));
        let due = due.map_or(look, |due| due.min(look));
        Timespec { tv_sec: due.as_secs() as i64, tv_nsec: due.subsec_nanos().into() }
    }

    /// One packet of a socket that has some. Level-triggered: if there are more, the next wait says so.
    fn receive(&mut self, now: Instant, number: u64, packet: &mut [u8; MTU]) {
        let place = Place((number / 2) as usize);
        let component = if number.is_multiple_of(2) { Component::Rtp } else { Component::Rtcp };
        let Some(pair) = self.sockets.at(place) else { return };
        if let Ok((_, length, Some(from))) =
            recvfrom(pair.of(component), &mut packet[..], RecvFlags::TRUNC)
            && let (Some(bytes), Ok(from)) = (packet.get_mut(..length), SocketAddr::try_from(from))
            && let Some(send) = self.relay.receive_at(now, place, component, from, bytes)
        {
            self.sockets.send(&send, &packet[..send.length]);
        }
    }

    fn tick(&mut self, now: Instant) {
        if self.relay.deadline().is_some_and(|due| due <= now) {
            let sockets = &self.sockets;
            self.relay.tick(now, &mut |send, bytes| sockets.send(&send, bytes));
        }
    }

    /// Carries out what has been ordered; `false` if that was to stop.
    fn obey(&mut self) -> bool {
        while let Ok(order) = self.inbox.try_recv() {
            match order {
                Order::Stop => return false,
                Order::Adopt(port, come) => {
                    self.adopt(port, come);
                    while self.awaited.is_none()
                        && let Some(order) = self.waiting.pop_front()
                    {
                        self.carry_out(order);
                    }
                }
                order if self.awaited.is_some() => self.waiting.push_back(order),
                order => self.carry_out(order),
            }
        }
        true
    }

    fn carry_out(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Open { port, ssrc, pair } => {
                if let Some(place) = self.relay.open(now, port, ssrc) {
                    let epoll = Arc::clone(&self.epoll);
                    self.settle(port, place, pair, |socket, number| {
                        epoll::modify(&epoll, socket, number, EventFlags::IN)
                    });
                }
            }
            Order::Command(command) => {
                match command {
                    Command::Close { port } if self.relay.place_of(port).is_none() => {
                        // It was lost with a worker that died.
                        let statistics = Statistics::default();
                        self.outbox.push(Event::Closed { port, statistics });
                    }
                    // The sockets are closed before the pair is free and `Closed` is told.
                    Command::Close { port } => {
                        if let Some(pair) = self.take_sockets(port) {
                            let address = pair.address;
                            drop(pair);
                            let _ = self.closed.send(address);
                        }
                    }
                    _ => {}
                }
                self.relay.command(now, &command);
                // A prompt begins now, not when the next packet happens to come.
                self.tick(now);
            }
            Order::Tap { recording, customer, agent, tap } => {
                self.relay.tap(recording, customer, agent, tap);
            }
            Order::Untap(recording) => self.relay.untap(recording),
            Order::Release(mut handover) => {
                let pair = self.take_sockets(handover.port);
                if let Some(pair) = &pair {
                    unwatch(&self.epoll, pair);
                }
                handover.come = self.relay.release(handover.port).zip(pair);
            }
            Order::Await(port) => {
                if !self.early.remove(&port) {
                    self.awaited = Some(port);
                }
            }
            Order::Adopt(port, come) => self.adopt(port, come),
            Order::Stop => {}
        }
    }

    fn adopt(&mut self, port: PortId, come: Option<(Released, Pair)>) {
        if self.awaited == Some(port) {
            self.awaited = None;
        } else {
            self.early.insert(port);
        }
        if let Some((released, pair)) = come
            && let Some(place) = self.relay.adopt(released)
        {
            let epoll = Arc::clone(&self.epoll);
            self.settle(port, place, pair, |socket, number| {
                epoll::add(&epoll, socket, number, EventFlags::IN)
            });
        }
    }

    /// Keeps a port's sockets where the relay keeps the port; `watch` has epoll tell of them under the number of that place.
    fn settle(
        &mut self,
        port: PortId,
        place: Place,
        pair: Pair,
        watch: impl Fn(&OwnedFd, EventData) -> rustix::io::Result<()>,
    ) {
        for component in [Component::Rtp, Component::Rtcp] {
            if let Err(refused) = watch(pair.of(component), number(place, component)) {
                tracing::error!(event = "media_port_deaf", port = port.0, error = %refused);
            }
        }
        self.sockets.put(place, pair);
    }

    fn take_sockets(&mut self, port: PortId) -> Option<Pair> {
        self.sockets.take(self.relay.place_of(port)?)
    }
}

/// The sockets of a worker, in the places of their ports.
#[derive(Debug, Default)]
struct Sockets {
    pairs: Vec<Option<Pair>>,
    open: usize,
}

impl Sockets {
    fn at(&self, place: Place) -> Option<&Pair> {
        self.pairs.get(place.0)?.as_ref()
    }

    fn put(&mut self, place: Place, pair: Pair) {
        if self.pairs.len() <= place.0 {
            self.pairs.resize_with(place.0 + 1, || None);
        }
        self.open += usize::from(self.pairs[place.0].replace(pair).is_none());
    }

    fn take(&mut self, place: Place) -> Option<Pair> {
        let pair = self.pairs.get_mut(place.0)?.take()?;
        self.open -= 1;
        Some(pair)
    }

    /// Sends or, if the system will not take it now, drops: late audio is worth nothing.
    fn send(&self, send: &Send, bytes: &[u8]) {
        let Some(pair) = self.at(send.place) else { return };
        let _ = sendto(pair.of(send.component), bytes, SendFlags::empty(), &send.to);
    }
}

/// What is on its way to the switch. It never blocks the media; what finds no room waits here.
struct Outbox {
    events: tokio::sync::mpsc::Sender<Event>,
    backlog: VecDeque<Event>,
    full: bool,
}

impl Outbox {
    fn push(&mut self, event: Event) {
        if self.backlog.len() < BACKLOG {
            self.backlog.push_back(event);
        } else if !self.full {
            self.full = true;
            tracing::error!(event = "media_events_dropped", waiting = BACKLOG);
        }
    }

    fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => self.full = false,
                Err(tokio::sync::mpsc::error::TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    return;
                }
                Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_comes_before_it_is_awaited_is_not_awaited_for_ever() {
        let (events, _heard) = tokio::sync::mpsc::channel(4);
        let (mailbox, mut worker) = prepare(Arc::default(), events, channel().0).expect("an epoll");
        let (a, b, c) = (PortId(1), PortId(2), PortId(3));
        // Three workers: the second to be awaited may be the first to come.
        for order in [Order::Await(a), Order::Await(b), Order::Adopt(b, None)] {
            mailbox.leave(order);
        }
        assert!(worker.obey());
        assert_eq!(worker.awaited, Some(a));
        for order in [Order::Adopt(a, None), Order::Await(c)] {
            mailbox.leave(order);
        }
        assert!(worker.obey());
        assert_eq!((worker.awaited, worker.waiting.len(), worker.early.len()), (Some(c), 0, 0));
    }

    #[test]
    fn a_port_that_dies_with_its_worker_is_not_awaited_for_ever_and_can_be_closed() {
        let (events, mut heard) = tokio::sync::mpsc::channel(4);
        let prepare = || prepare(Arc::default(), events.clone(), channel().0).expect("an epoll");
        let ((dying, last), (mailbox, mut worker)) = (prepare(), prepare());
        for port in [PortId(1), PortId(2)] {
            mailbox.leave(Order::Await(port));
        }
        mailbox.leave(Order::Command(Command::Close { port: PortId(1) }));
        // One has its orders still, the other is gone.
        assert!(dying.leave(Order::Release(Handover::new(PortId(1), mailbox.clone()))));
        drop(last);
        assert!(!dying.leave(Order::Release(Handover::new(PortId(2), mailbox))));
        assert!(worker.obey());
        assert_eq!(worker.awaited, None);
        worker.outbox.flush();
        let closed = Event::Closed { port: PortId(1), statistics: Statistics::default() };
        assert_eq!(heard.try_recv(), Ok(closed));
    }
}

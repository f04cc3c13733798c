//! The relay: one worker's ports. Packets come in, are checked, counted, tapped, rewritten in place and go out; prompts are paced.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::port::{Content, Port};
use super::prompt::{Library, Playing};
use super::schedule::{Errand, Schedule};
use super::tap::{Frame, Side, Tap};
use super::{Command, Event, PortId, RecordingId};
use crate::wire::rtp::rtcp;

/// Which of a port's two sockets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Component {
    /// The even port.
    Rtp,
    /// The odd one.
    Rtcp,
}

/// Where a relay keeps a port, from its opening or adoption to its end; then the next one may have it. Whoever has the sockets keeps
/// them under the same number, so that no packet is looked up in a map.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place(pub usize);

/// Where the packet in the buffer is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Send {
    /// Out of this port's socket.
    pub port: PortId,
    /// Which is there.
    pub place: Place,
    /// Which socket.
    pub component: Component,
    /// To there.
    pub to: SocketAddr,
    /// So many bytes of the buffer, from its beginning.
    pub length: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Relay {
    library: Arc<Library>,
    places: BTreeMap<PortId, usize>,
    ports: Vec<Option<Port>>,
    free: Vec<usize>,
    taps: Vec<Option<Tapped>>,
    schedule: Schedule,
    events: VecDeque<Event>,
}

/// A port on its way from one relay to another.
#[derive(Debug)]
pub struct Released(Box<Port>);

#[derive(Debug)]
struct Tapped {
    recording: RecordingId,
    /// The places of customer and agent.
    ports: [usize; 2],
    tap: Tap,
}

impl Relay {
    /// Without ports; `library` is shared by all workers.
    pub fn new(library: Arc<Library>) -> Relay {
        Relay {
            library,
            places: BTreeMap::new(),
            ports: Vec::new(),
            free: Vec::new(),
            taps: Vec::new(),
            schedule: Schedule::default(),
            events: VecDeque::with_capacity(64),
        }
    }

    /// A port whose sockets the caller has bound. A number that is open already is left alone.
    pub fn open(&mut self, now: Instant, port: PortId, ssrc: u32) -> Option<Place> {
        self.put_in(Port::new(now, port, ssrc))
    }

    /// Where a port is, if it is here.
    pub fn place_of(&self, port: PortId) -> Option<Place> {
        self.places.get(&port).copied().map(Place)
    }

    /// Takes a port out, whole, to be given to another relay; its bridge and its tap end.
    pub fn release(&mut self, port: PortId) -> Option<Released> {
        self.take_out(port).map(|port| Released(Box::new(port)))
    }

    /// Takes in a port that another relay released: it goes on where it was, streams, latch, counters and prompt.
    pub fn adopt(&mut self, released: Released) -> Option<Place> {
        self.put_in(*released.0)
    }

    /// `Connect`, `Bridge`, `Unbridge`, `Play`, `Stop`, `Close`; the others are not the relay's. `Close` gives `Event::Closed`.
    /// Of a port that is not there nothing happens.
    pub fn command(&mut self, now: Instant, command: &Command) {
        match command {
            Command::Connect { port, remote, silence } => {
                let Some((place, port)) = self.port(*port) else { return };
                let peer = port.peer;
                let turned = port.connect(now, remote, *silence);
                let watch_at = port.plan_watch();
                if let Some(at) = watch_at {
                    self.schedule.add(at, place, Errand::Watch);
                }
                if turned && let Some(peer) = self.place(peer) {
                    peer.cut_relayed();
                }
            }
            Command::Bridge { a, b } => self.bridge(now, *a, *b),
            Command::Unbridge { port } => {
                if let Some(&place) = self.places.get(port) {
                    self.unbridge(place);
                }
            }
            Command::Play { port, prompt, play, repeat } => {
                let playing = Playing::begin(&self.library, now, *play, *prompt, *repeat);
                let Some((place, port)) = self.port(*port) else { return };
                port.play(playing);
                if let Some(playing) = playing {
                    self.schedule.add(playing.due(), place, Errand::Play);
                }
            }
            Command::Stop { port } => {
                if let Some((_, port)) = self.port(*port) {
                    port.cut();
                }
            }
            Command::Close { port } => self.close(now, *port),
            Command::Open { .. }
            | Command::Tap { .. }
            | Command::Deafen { .. }
            | Command::Hear { .. }
            | Command::Record { .. }
            | Command::Silence { .. }
            | Command::Unsilence { .. }
            | Command::Seal { .. } => {}
        }
    }

    /// Copies what `customer` and `agent` send into `tap` from now on, until [`Relay::untap`] or the close of either. A port has one
    /// tap: an earlier one ends. If either port is not there, `tap` is dropped, which the listener sees.
    pub fn tap(&mut self, recording: RecordingId, customer: PortId, agent: PortId, tap: Tap) {
        self.untap(recording);
        let places = (self.places.get(&customer), self.places.get(&agent));
        let (Some(&customer), Some(&agent)) = places else { return };
        let place = self.taps.iter().position(Option::is_none).unwrap_or_else(|| {
            self.taps.push(None);
            self.taps.len() - 1
        });
        for (port, side) in [(customer, Side::Customer), (agent, Side::Agent)] {
            self.untap_port(port);
            if let Some(port) = self.place(Some(port)) {
                port.tap = Some((place, side));
            }
        }
        self.taps[place] = Some(Tapped { recording, ports: [customer, agent], tap });
    }

    /// Ends a tap and drops it, which the listener sees.
    pub fn untap(&mut self, recording: RecordingId) {
        let is_it = |tapped: &Option<Tapped>| {
            tapped.as_ref().is_some_and(|tapped| tapped.recording == recording)
        };
        if let Some(place) = self.taps.iter().position(is_it) {
            self.drop_tap(place);
        }
    }

    /// One packet of a port that is known by its number.
    pub fn receive(
        &mut self,
        now: Instant,
        port: PortId,
        component: Component,
        from: SocketAddr,
        packet: &mut [u8],
    ) -> Option<Send> {
        self.receive_at(now, self.place_of(port)?, component, from, packet)
    }

    /// One packet. If it is to be forwarded, `packet` holds it rewritten. No allocation, no lock.
    pub fn receive_at(
        &mut self,
        now: Instant,
        place: Place,
        component: Component,
        from: SocketAddr,
        packet: &mut [u8],
    ) -> Option<Send> {
        let port = self.ports.get_mut(place.0)?.as_mut()?;
        match component {
            Component::Rtp if port.is_multiplexed() && rtcp::is_rtcp(packet) => {
                port.hear_report(now, from, packet);
                return None;
            }
            Component::Rtp => {}
            Component::Rtcp => {
                port.hear_report(now, from, packet);
                return None;
            }
        }
        let taken = port.take(now, from, packet)?;
        if let Some(digit) = taken.digit {
            self.events.push_back(Event::Digit { port: port.id, digit });
        }
        let place = port.peer?;
        if let (Some((tap, side)), Content::Audio(codec)) = (port.tap, taken.content)
            && let Some(Some(tapped)) = self.taps.get_mut(tap)
        {
            tapped.tap.push(Frame {
                side,
                arrived: now,
                ssrc: taken.header.ssrc,
                sequence: taken.header.sequence,
                timestamp: taken.header.timestamp,
                codec,
                payload: &packet[taken.header.payload.clone()],
            });
        }
        let peer = self.ports[place].as_mut()?;
        let (to, length) = peer.forward(now, &taken, packet)?;
        let (port, place) = (peer.id, Place(place));
        Some(Send { port, place, component: Component::Rtp, to, length })
    }

    /// Sends what is paced (prompts every 20 ms, RTCP) and notices silence. Call it at `deadline`.
    pub fn tick(&mut self, now: Instant, send: &mut dyn FnMut(Send, &[u8])) {
        while let Some((at, place, errand)) = self.schedule.next(now) {
            let Some(port) = self.ports[place].as_mut() else { continue };
            let id = port.id;
            let mut send = |component: Component, to: SocketAddr, bytes: &[u8]| {
                let (place, length) = (Place(place), bytes.len());
                send(Send { port: id, place, component, to, length }, bytes);
            };
            let next = match errand {
                Errand::Play if port.piece_due() == Some(at) => {
                    let over = port.play_due(now, &self.library, &mut |to, bytes| {
                        send(Component::Rtp, to, bytes);
                    });
                    if let Some(play) = over {
                        self.events.push_back(Event::Played { port: id, play });
                    }
                    port.piece_due()
                }
                Errand::Report if port.report_at() == at => {
                    let component =
                        if port.is_multiplexed() { Component::Rtp } else { Component::Rtcp };
                    port.report(now, &mut |to, bytes| send(component, to, bytes));
                    let statistics = port.statistics(now);
                    self.events.push_back(Event::Measured { port: id, statistics });
                    Some(port.report_at())
                }
                Errand::Play | Errand::Report => None,
                Errand::Watch => {
                    let (tell, next) = port.watch(at, now);
                    if tell {
                        self.events.push_back(Event::Silent { port: id });
                    }
                    next
                }
            };
            if let Some(next) = next {
                self.schedule.add(next, place, errand);
            }
        }
    }

    /// When `tick` is due; `None` while no port is open.
    pub fn deadline(&self) -> Option<Instant> {
        self.schedule.deadline()
    }

    /// The next thing to tell.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn bridge(&mut self, now: Instant, a: PortId, b: PortId) {
        let (Some(&a), Some(&b)) = (self.places.get(&a), self.places.get(&b)) else { return };
        for (place, peer) in [(a, b), (b, a)] {
            if self.place(Some(place)).is_some_and(|port| port.peer != Some(peer)) {
                self.unbridge(place);
            }
        }
        for (place, peer) in [(a, b), (b, a)] {
            if let Some(port) = self.place(Some(place)) {
                port.cut();
                port.peer = Some(peer);
                port.expect_speech(now);
            }
        }
    }

    fn unbridge(&mut self, place: usize) {
        let peer = self.place(Some(place)).and_then(|port| port.peer);
        for side in [Some(place), peer] {
            if let Some(port) = self.place(side)
                && port.peer.take().is_some()
            {
                port.cut_relayed();
            }
        }
    }

    fn close(&mut self, now: Instant, id: PortId) {
        if let Some(port) = self.take_out(id) {
            self.events.push_back(Event::Closed { port: id, statistics: port.statistics(now) });
        }
    }

    /// `None` if a port of that number is here already, which stays.
    fn put_in(&mut self, port: Port) -> Option<Place> {
        if self.places.contains_key(&port.id) {
            return None;
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.ports.push(None);
            self.ports.len() - 1
        });
        for (at, errand) in port.errands() {
            self.schedule.add(at, place, errand);
        }
        self.places.insert(port.id, place);
        self.ports[place] = Some(port);
        Some(Place(place))
    }

    fn take_out(&mut self, id: PortId) -> Option<Port> {
        let &place = self.places.get(&id)?;
        self.unbridge(place);
        self.untap_port(place);
        self.places.remove(&id);
        self.free.push(place);
        if self.places.is_empty() {
            self.schedule.clear();
        }
        self.ports[place].take()
    }

    fn untap_port(&mut self, place: usize) {
        if let Some((tap, _)) = self.place(Some(place)).and_then(|port| port.tap) {
            self.drop_tap(tap);
        }
    }

    fn drop_tap(&mut self, tap: usize) {
        let Some(tapped) = self.taps[tap].take() else { return };
        for place in tapped.ports {
            if let Some(port) = self.place(Some(place)) {
                port.tap = None;
            }
        }
    }

    fn port(&mut self, id: PortId) -> Option<(usize, &mut Port)> {
        let place = *self.places.get(&id)?;
        Some((place, self.ports[place].as_mut()?))
    }

    fn place(&mut self, place: Option<usize>) -> Option<&mut Port> {
        self.ports[place?].as_mut()
    }
}

#[cfg(test)]
mod tests;

//! The relay: one worker's ports. Packets come in, are checked, counted, tapped, rewritten in place and go out; prompts are paced.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::prompt::Library;
use super::tap::Tap;
use super::{Command, Event, PortId, RecordingId};

/// Which of a port's two sockets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Component {
    /// The even port.
    Rtp,
    /// The odd one.
    Rtcp,
}

/// Where the packet in the buffer is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Send {
    /// Out of this port's socket.
    pub port: PortId,
    /// Which socket.
    pub component: Component,
    /// To there.
    pub to: SocketAddr,
    /// So many bytes of the buffer, from its beginning.
    pub length: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Relay {}

impl Relay {
    /// Without ports; `library` is shared by all workers.
    pub fn new(library: Arc<Library>) -> Relay {
        let _ = library;
        todo!()
    }

    /// A port whose sockets the caller has bound.
    pub fn open(&mut self, now: Instant, port: PortId, ssrc: u32) {
        let _ = (now, port, ssrc);
        todo!()
    }

    /// `Connect`, `Bridge`, `Unbridge`, `Play`, `Stop`, `Close`; the others are not the relay's. `Close` gives `Event::Closed`.
    pub fn command(&mut self, now: Instant, command: &Command) {
        let _ = (now, command);
        todo!()
    }

    /// Copies what `customer` and `agent` send into `tap` from now on, until [`Relay::untap`] or the close of either.
    pub fn tap(&mut self, recording: RecordingId, customer: PortId, agent: PortId, tap: Tap) {
        let _ = (recording, customer, agent, tap);
        todo!()
    }

    /// Ends a tap and drops it, which the listener sees.
    pub fn untap(&mut self, recording: RecordingId) {
        let _ = recording;
        todo!()
    }

    /// One packet. If it is to be forwarded, `packet` holds it rewritten. No allocation, no lock.
    pub fn receive(
        &mut self,
        now: Instant,
        port: PortId,
        component: Component,
        from: SocketAddr,
        packet: &mut [u8],
    ) -> Option<Send> {
        let _ = (now, port, component, from, packet);
        todo!()
    }

    /// Sends what is paced (prompts every 20 ms, RTCP) and notices silence. Call it at `deadline`.
    pub fn tick(&mut self, now: Instant, send: &mut dyn FnMut(Send, &[u8])) {
        let _ = (now, send);
        todo!()
    }

    /// When `tick` is due; `None` while nothing plays and no port is open.
    pub fn deadline(&self) -> Option<Instant> {
        todo!()
    }

    /// The next thing to tell.
    pub fn poll(&mut self) -> Option<Event> {
        todo!()
    }
}

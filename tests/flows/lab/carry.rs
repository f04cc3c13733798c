//! What the switch asks of the world, carried out as the server does it; or not, where a story wants trouble.

use std::net::SocketAddr;

use tonspur::media::relay::Component;
use tonspur::media::{Command, Event, RecordingId, Samples, tap};
use tonspur::phone::Received;
use tonspur::switch::journal::Entry;
use tonspur::switch::{Input, Output};
use tonspur::wire::flow::Transmit;

use super::network::Parcel;
use super::world::World;

/// What does not work, from a story's `fails` to its `mends`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Trouble {
    /// No media port can be bound.
    Opening,
    /// The recordings folder cannot be written.
    Recording,
    /// The disk takes nothing, and says nothing.
    Disk,
    /// No file can be deleted.
    Purging,
    /// The database cannot be written.
    Journal,
}

impl World {
    pub(crate) fn fail(&mut self, trouble: Trouble) {
        self.troubles.insert(trouble);
        self.journal.fails |= trouble == Trouble::Journal;
    }

    pub(crate) fn mend(&mut self, trouble: Trouble) {
        self.troubles.remove(&trouble);
        if trouble == Trouble::Journal {
            self.journal.mend(self.now);
        }
    }

    /// Gives the switch an input and carries out what follows, in order; a process that is down hears nothing.
    pub(super) fn handle(&mut self, input: Input<'_>) {
        if self.is_up() {
            self.switch.handle(self.moment(), input);
            self.carry_out();
        }
    }

    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.switch.poll() {
            if self.dies_now() {
                return;
            }
            match output {
                Output::Transmit(transmit) => self.transmit(transmit),
                Output::Resolve(question) => self.resolve(question),
                Output::Media(command) => {
                    let answer = self.command(&command);
                    // The server hands the opening's answer in at once; a thread of its own would bring it a little later.
                    match answer {
                        Some(answer) if self.seed % 2 == 1 => {
                            self.switch.handle(self.moment(), Input::Media(answer))
                        }
                        answer => self.events.extend(answer),
                    }
                }
                Output::Store(id, entry) => {
                    if let Entry::Armed(armed) = &entry {
                        self.assert_permitted(armed);
                    }
                    let network = &mut self.network;
                    self.journal.append(self.now, id, entry, |below| network.chance(below));
                }
                Output::Find(query) => self.pages.push_back(self.journal.find(query)),
                Output::Purge(order) => self.purges.push_back(order.recording()),
                Output::Reply(request, reply) => drop(self.replies.insert(request, reply)),
                Output::Stopped => self.stopped = true,
                Output::Log(_) | Output::Close(_) => {}
            }
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        let from = self.settings.listener(transmit.flow.listener).advertise;
        let message = Received::read(&transmit.bytes);
        if !message.confirmed {
            self.unconfirmed.push(message.text().to_owned());
        }
        let to = transmit.flow.remote;
        let whose = self.phones.iter().find(|(_, phone)| phone.identity().sip == to);
        let name = whose.map_or_else(|| to.to_string(), |(name, _)| name.clone());
        let refused = self.refuses(transmit.flow);
        let parcel = Parcel { from, to, bytes: transmit.bytes };
        let arrives = !refused && self.network.send(self.now, parcel);
        self.ladder.note(self.now - self.start, "tonspur", &name, &message.rung(), !arrives);
    }

    /// Carries out a command; the answer to an `Open` is the server's at once, everything else comes as an event.
    fn command(&mut self, command: &Command) -> Option<Event> {
        let now = self.now;
        match command {
            Command::Open { port, near: _, address, ssrc } => {
                if self.troubles.contains(&Trouble::Opening) {
                    return Some(Event::OpenFailed { port: *port, cause: "none is free".into() });
                }
                let rtp = SocketAddr::new(*address, self.next_port);
                self.next_port += 2;
                self.ports.insert(rtp, (*port, Component::Rtp));
                self.ports
                    .insert(SocketAddr::new(*address, rtp.port() + 1), (*port, Component::Rtcp));
                let before = self.addresses.insert(*port, rtp);
                assert_eq!(before, None, "a port is opened once");
                self.opened += 1;
                self.relay.open(now, *port, *ssrc);
                return Some(Event::Opened { port: *port, rtp });
            }
            Command::Tap { recording, customer, agent } => {
                let (tap, listener) = tap::tap(Samples(16_000));
                self.relay.tap(*recording, *customer, *agent, tap);
                self.tapes.begin(now, *recording, listener);
            }
            Command::Deafen { recording } => self.relay.untap(*recording),
            Command::Hear { recording, customer, agent } => {
                let (tap, listener) = tap::tap(Samples(16_000));
                self.relay.tap(*recording, *customer, *agent, tap);
                self.tapes.get(*recording).hear(now, listener);
            }
            Command::Record { recording, path: _ } => {
                let armed = |entry: &Entry| matches!(entry, Entry::Armed(armed) if armed.recording == *recording);
                assert!(self.journal.entries().any(armed), "audio reaches the disk before its row");
                let fails = self.troubles.contains(&Trouble::Recording);
                self.events.extend(self.tapes.get(*recording).record(fails));
            }
            Command::Silence { recording, reason } => {
                self.tapes.get(*recording).silence(now, Some(*reason))
            }
            Command::Unsilence { recording } => self.tapes.get(*recording).silence(now, None),
            Command::Seal { recording } => {
                self.relay.untap(*recording);
                self.events.extend(self.tapes.get(*recording).seal(now));
            }
            Command::Connect { .. }
            | Command::Bridge { .. }
            | Command::Unbridge { .. }
            | Command::Play { .. }
            | Command::Stop { .. } => self.relay.command(now, command),
            Command::Close { port } => {
                self.relay.command(now, command);
                // One that could not be opened is closed by right, too.
                if let Some(rtp) = self.addresses.remove(port) {
                    self.closed += 1;
                    self.ports.remove(&rtp);
                    self.ports.remove(&SocketAddr::new(rtp.ip(), rtp.port() + 1));
                }
            }
        }
        None
    }

    /// Finishes what is left of failed recordings, while the switch runs.
    pub(crate) fn adopt(&mut self) {
        let armed: Vec<_> = self.armed().map(|armed| (armed.recording, armed.at)).collect();
        for (recording, at) in armed {
            let tape = self.tapes.get(recording);
            if let Some(sealed) = tape.has_failed().then(|| tape.adopt()).flatten() {
                let at = at.after(sealed.length.duration());
                self.handle(Input::Adopted(recording, sealed, at));
            }
        }
    }

    /// Deletes a file, which needs a committed order.
    pub(super) fn purge(&mut self, recording: RecordingId) {
        if self.troubles.contains(&Trouble::Purging) {
            let cause = "the folder is read-only".to_owned();
            return self.handle(Input::PurgeFailed(recording, cause));
        }
        assert!(self.journal.orders(recording), "a file goes by a committed order alone");
        for tape in self.tapes.all.iter_mut().filter(|tape| tape.id == recording) {
            tape.purged = true;
        }
        self.handle(Input::Purged(recording));
    }
}

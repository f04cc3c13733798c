//! The death of the process, at any output, and the next start.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tonspur::media::relay::Relay;
use tonspur::switch::Switch;
use tonspur::switch::control::{RegistrationRow, Reply, Request};
use tonspur::switch::journal::Memory;

use super::dialogs::Key;
use super::world::World;

/// A supervisor starts it again after so long.
const AWAY: Duration = Duration::from_secs(1);

/// One run of the process after another.
pub(crate) struct Life {
    seed: u64,
    /// Outputs that are still carried out; `None`: it does not die.
    fuse: Option<usize>,
    next_start: Option<Instant>,
    /// Each death, with what was promised by then.
    pub(super) deaths: Vec<Death>,
}

/// What a crash must not cost.
pub(super) struct Death {
    /// Dialogs that phones were in at the next start.
    pub(super) up: BTreeSet<Key>,
    /// Of these the journal knew, by our tags.
    pub(super) remembered: BTreeSet<String>,
}

impl Life {
    pub(super) fn begin(seed: u64) -> Life {
        Life { seed, fuse: None, next_start: None, deaths: Vec::new() }
    }

    /// The seed of this run's switch: no two alike.
    pub(super) fn seed(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.seed.to_le_bytes());
        bytes[8] = self.deaths.len() as u8;
        bytes
    }
}

impl World {
    pub(super) fn is_up(&self) -> bool {
        self.life.next_start.is_none()
    }

    pub(super) fn next_start(&self) -> Option<Instant> {
        self.life.next_start
    }

    /// Dies once so many more outputs are carried out; what comes after them is lost.
    pub(crate) fn die_after(&mut self, outputs: usize) {
        self.life.fuse = Some(outputs);
    }

    /// Does not die after all, if it has not yet.
    pub(crate) fn live_on(&mut self) {
        self.life.fuse = None;
    }

    /// One more output is due: whether the process dies instead.
    pub(super) fn dies_now(&mut self) -> bool {
        match &mut self.life.fuse {
            Some(0) => self.die(),
            Some(left) => *left -= 1,
            None => {}
        }
        !self.is_up()
    }

    /// Sockets, memory and whatever was not committed are gone.
    pub(crate) fn die(&mut self) {
        self.life.fuse = None;
        self.life.next_start = Some(self.now + AWAY);
        self.journal.lose();
        self.life
            .deaths
            .push(Death { up: BTreeSet::new(), remembered: self.journal.remembered().collect() });
        self.events.clear();
        self.pages.clear();
        self.purges.clear();
        self.outside.forget();
        self.relay = Relay::new(Arc::clone(&self.library));
        self.ports.clear();
        self.addresses.clear();
        (self.opened, self.closed) = (0, 0);
        self.tapes.tear();
        self.ladder.note(self.now - self.start, "tonspur", "tonspur", "dies", false);
    }

    /// The store finishes what was cut off, the switch remembers the rest.
    pub(super) fn start_again(&mut self) {
        self.life.next_start = None;
        // A last 200 may have been on its way when the process died.
        if let Some(death) = self.life.deaths.last_mut() {
            death.up = self.dialogs.up().cloned().collect();
        }
        let tapes = &mut self.tapes;
        self.journal.finish(|recording| {
            let tape = tapes.all.iter_mut().find(|tape| tape.id == recording)?;
            tape.adopt()
        });
        let memory = self.journal.memory();
        self.switch =
            Switch::new(self.moment(), self.settings.clone(), memory.clone(), self.life.seed());
        self.carry_out();
        if self.is_up() {
            self.assert_known(&memory);
        }
    }

    pub(crate) fn deaths(&self) -> usize {
        self.life.deaths.len()
    }

    /// To be asked once the BYEs have had their time, and before the phones hang up themselves.
    pub(crate) fn assert_goodbyes(&self) {
        let remembered: BTreeSet<String> = self.journal.remembered().collect();
        for key in self.dialogs.up() {
            let (name, phone) = &self.phones[key.place];
            let died = self.life.deaths.iter().find(|death| death.up.contains(key));
            let may = match died {
                // Not committed in time: nobody could know.
                Some(death) => !death.remembered.contains(&key.far),
                None => remembered.contains(&key.far),
            };
            assert!(
                may || self.network.gone.contains(&phone.identity().sip),
                "seed {}: {name} was told nothing of the end\n{}",
                self.seed,
                self.ladder.draw()
            );
        }
    }

    /// Phones and agents are as they were.
    fn assert_known(&mut self, memory: &Memory) {
        let now = self.moment().utc;
        let lasting = memory.bindings.iter().filter(|binding| binding.expires > now);
        let expected: BTreeSet<_> =
            lasting.map(|binding| (binding.aor.clone(), binding.contact.clone())).collect();
        let Reply::Registrations { registrations } = self.ask(Request::RegistrationList) else {
            panic!("registrations")
        };
        let key = |row: RegistrationRow| (row.aor, row.contact);
        let found: BTreeSet<_> = registrations.into_iter().map(key).collect();
        assert_eq!(found, expected, "bindings survive a restart");
        let Reply::Subscriptions { subscriptions } = self.ask(Request::SubscriptionList) else {
            panic!("subscriptions")
        };
        let lasting = memory.subscriptions.iter().filter(|one| one.expires > now);
        assert_eq!(subscriptions.len(), lasting.count(), "subscriptions survive a restart");
        let Reply::Agents { agents } = self.ask(Request::AgentList) else { panic!("agents") };
        for (name, status) in &memory.agents {
            let row = agents.iter().find(|row| row.agent == *name).expect("a known agent");
            assert_eq!(row.status, status.as_str(), "an agent's word survives a restart");
        }
    }
}

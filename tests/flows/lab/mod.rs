//! The lab: carriers, phones, a network, the switch with its media and its journal, in one thread and in virtual time.

mod journal;
mod network;
mod party;
mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(crate) use network::Weather;
pub(crate) use party::Party;
use tonspur::switch::control::{AgentChange, Reply, Request};
use tonspur::switch::journal::{Cdr, Entry};
use world::World;

/// Milliseconds.
pub(crate) fn ms(span: u64) -> Duration {
    Duration::from_millis(span)
}

/// Seconds.
pub(crate) fn secs(span: u64) -> Duration {
    Duration::from_secs(span)
}

/// A call centre under test.
pub(crate) struct Lab {
    world: Rc<RefCell<World>>,
}

/// A recording as the lab keeps it: samples instead of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) left: Vec<i16>,
    pub(crate) right: Vec<i16>,
    pub(crate) sealed: bool,
}

impl Kept {
    /// Length in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.left.len() as f64 / 8000.0
    }
}

impl Lab {
    /// The small office, on a Monday morning.
    pub(crate) fn new() -> Lab {
        Lab::seeded(1)
    }

    /// The same with another seed.
    pub(crate) fn seeded(seed: u64) -> Lab {
        Lab {
            world: Rc::new(RefCell::new(World::new("2030-01-07T09:00:00Z", "small-office", seed))),
        }
    }

    /// What the network does to messages from now on.
    pub(crate) fn weather(&self, weather: Weather) {
        self.world.borrow_mut().network.weather = weather;
    }

    /// The next so many messages that begin so are lost.
    pub(crate) fn loses(&self, start: &str, count: usize) {
        self.world.borrow_mut().network.losing.push((start.to_owned(), count));
    }

    /// A caller behind the trunk `north` (192.0.2.9) or `south` (192.0.2.10).
    pub(crate) fn carrier(&self, trunk: &str) -> Party {
        Party::carrier(&self.world, trunk)
    }

    /// A user's phone, by the agent's name.
    pub(crate) fn phone(&self, agent: &str) -> Party {
        Party::phone(&self.world, agent)
    }

    /// A registered phone whose owner takes calls.
    pub(crate) fn agent(&self, agent: &str) -> Party {
        let phone = self.phone(agent).registers();
        self.says(agent, AgentChange::Available);
        phone
    }

    /// What an agent says of themselves.
    pub(crate) fn says(&self, agent: &str, status: AgentChange) {
        assert_eq!(self.asks(Request::AgentSet { agent: agent.into(), status }), Reply::Done);
    }

    /// An admin's request and its answer.
    pub(crate) fn asks(&self, request: Request) -> Reply {
        self.world.borrow_mut().ask(request)
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, span: Duration) {
        self.world.borrow_mut().advance(span);
    }

    /// Lets everybody who is in a call speak for so long: phones at their own tone.
    pub(crate) fn talk(&self, span: Duration) {
        self.world.borrow_mut().talk(span);
    }

    /// The recordings, in the order they were armed.
    pub(crate) fn recordings(&self) -> Vec<Kept> {
        self.world.borrow().recordings()
    }

    /// The last row of each call, in the order they began.
    pub(crate) fn cdrs(&self) -> Vec<Cdr> {
        self.world.borrow().journal.cdrs()
    }

    /// Every committed entry.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.world.borrow().journal.entries().cloned().collect()
    }

    /// The journal takes so long to commit.
    pub(crate) fn journal_takes(&self, latency: Duration) {
        self.world.borrow_mut().journal.latency = latency;
    }

    /// The process dies; what was not committed is lost; it starts again after a second.
    pub(crate) fn crashes(&self) {
        self.world.borrow_mut().crash();
    }

    /// The messages so far, as a ladder.
    pub(crate) fn ladder(&self) -> String {
        self.world.borrow().ladder.draw()
    }

    /// Lets every timer run out, and checks that nothing is left anywhere.
    pub(crate) fn settles(&self) {
        self.world.borrow_mut().settle();
    }
}

/// Every lab ends at rest, or its test has failed.
impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Ok(world) = self.world.try_borrow() {
                eprintln!("{}", world.ladder.draw());
            }
        } else {
            self.settles();
        }
    }
}

/// Compares the ladder with the golden one of this test.
macro_rules! assert_ladder {
    ($lab:expr) => {{
        $lab.settles();
        insta::with_settings!({snapshot_path => "ladders", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!($lab.ladder());
        });
    }};
}
pub(crate) use assert_ladder;

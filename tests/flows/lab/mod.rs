//! The lab: carriers, phones, a network, the switch with its media and its journal, in one thread and in virtual time.

mod carry;
mod crash;
mod dialogs;
mod journal;
mod network;
pub(crate) mod outside;
mod party;
mod promises;
mod tapes;
mod text;
mod world;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

pub(crate) use carry::Trouble;
pub(crate) use network::Weather;
use outside::Mood;
pub(crate) use party::Party;
use tapes::{End, Tape};
pub(crate) use text::{as_method, with_headers, with_sdp, without_body};
use tonspur::switch::Input;
use tonspur::switch::control::{AgentChange, Reply, Request, TrunkRow};
use tonspur::switch::journal::{Cdr, Entry};
use tonspur::switch::settings::Settings;
use tonspur::switch::storage::Space;
use tonspur::wire::sip::locating::{Kind, Records};
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
    pub(crate) id: String,
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

    /// The same with another seed; of an even one, the answer to the opening of a port comes a little later, not at once.
    pub(crate) fn seeded(seed: u64) -> Lab {
        Lab::seeded_with(seed, |_| {})
    }

    /// The same, but for these settings.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Lab {
        Lab::seeded_with(1, change)
    }

    /// Both.
    pub(crate) fn seeded_with(seed: u64, change: impl FnOnce(&mut Settings)) -> Lab {
        Lab { world: Rc::new(RefCell::new(World::new("2030-01-07T09:00:00Z", seed, change))) }
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

    /// A carrier's server at that address, `192.0.2.21:5060`.
    pub(crate) fn server(&self, name: &str, address: &str) -> Party {
        Party::server(&self.world, name, address.parse().expect("an address"))
    }

    /// What DNS says of a name from now on.
    pub(crate) fn dns(&self, name: &str, kind: Kind, records: Records, ttl: Duration) {
        self.world.borrow_mut().outside.set(name, kind, records, ttl);
    }

    /// What DNS does from now on.
    pub(crate) fn dns_is(&self, mood: Mood) {
        self.world.borrow_mut().outside.mood = mood;
    }

    /// How often DNS was asked so far.
    pub(crate) fn questions(&self) -> usize {
        self.world.borrow().outside.asked.len()
    }

    /// Recordings take so many bytes, and may take so many more.
    pub(crate) fn has_room(&self, used: u64, left: u64) {
        self.world.borrow_mut().handle(Input::Storage(Space { used, left }));
    }

    /// Nobody listens at that address any more; the machine says so.
    pub(crate) fn refuses(&self, address: &str) {
        let address = address.parse().expect("an address");
        self.world.borrow_mut().outside.refusing.insert(address);
    }

    /// Somebody listens there again.
    pub(crate) fn listens(&self, address: &str) {
        let address = address.parse().expect("an address");
        self.world.borrow_mut().outside.refusing.remove(&address);
    }

    /// Where the switch listens for carriers.
    pub(crate) fn own_address(&self) -> std::net::SocketAddr {
        self.world.borrow().proxy(true)
    }

    /// Whether the process may end.
    pub(crate) fn has_stopped(&self) -> bool {
        self.world.borrow().stopped
    }

    /// A trunk as the admin sees it.
    pub(crate) fn trunk(&self, trunk: &str) -> TrunkRow {
        let Reply::Trunks { mut trunks } = self.asks(Request::TrunkShow { trunk: trunk.into() })
        else {
            panic!("a trunk")
        };
        trunks.remove(0)
    }

    /// A user's phone, by the agent's name or, of a user who is no agent, by the extension.
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

    /// A user forwards their calls, or does not any more.
    pub(crate) fn forwards(&self, user: &str, occasion: &str, to: Option<&str>) {
        let to = vec![(occasion.to_owned(), to.map(str::to_owned))];
        let request = Request::ForwardingSet { user: user.into(), to, after: Some(10) };
        assert_eq!(self.asks(request), Reply::Done);
    }

    /// The same, and nobody waits until it is so.
    pub(crate) fn tells_of(&self, agent: &str, status: AgentChange) {
        self.tells(Request::AgentSet { agent: agent.into(), status });
    }

    /// An admin's request and its answer.
    pub(crate) fn asks(&self, request: Request) -> Reply {
        self.world.borrow_mut().ask(request)
    }

    /// What has passed since the beginning.
    pub(crate) fn clock(&self) -> Duration {
        let world = self.world.borrow();
        world.now - world.start
    }

    /// Nobody is left in a call that the switch knows nothing of: whoever was in one when the process died, and was remembered, has
    /// had a BYE that stands. To be asked before people hang up of their own accord.
    pub(crate) fn has_said_goodbye(&self) {
        self.world.borrow().assert_goodbyes();
    }

    /// How often the process has died.
    pub(crate) fn deaths(&self) -> usize {
        self.world.borrow().deaths()
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, span: Duration) {
        self.world.borrow_mut().advance(span);
    }

    /// Lets everybody who is in a call speak for so long: phones at their own tone.
    pub(crate) fn talk(&self, span: Duration) {
        self.world.borrow_mut().talk(span);
    }

    /// The recordings that lie on the disk, in the order they were armed.
    pub(crate) fn recordings(&self) -> Vec<Kept> {
        let side = |samples: &[i16], side| samples.iter().skip(side).step_by(2).copied().collect();
        let of = |tape: &Tape| Kept {
            id: tape.id.to_string(),
            left: side(&tape.samples, 0),
            right: side(&tape.samples, 1),
            sealed: matches!(tape.end, End::Sealed | End::Adopted),
        };
        let world = self.world.borrow();
        world.tapes.all.iter().filter(|tape| tape.recorded && !tape.purged).map(of).collect()
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

    /// The journal takes anything up to so long.
    pub(crate) fn journal_takes_up_to(&self, latency: Duration) {
        let mut world = self.world.borrow_mut();
        (world.journal.latency, world.journal.varies) = (latency, true);
    }

    /// The process dies; what was not committed is lost; it starts again after a second.
    pub(crate) fn crashes(&self) {
        self.world.borrow_mut().die();
        self.advance(secs(1));
    }

    /// The process dies once so many more outputs are carried out, and starts again after a second.
    pub(crate) fn crashes_after(&self, outputs: usize) {
        self.world.borrow_mut().die_after(outputs);
    }

    /// It lives on, if it is not dead yet.
    pub(crate) fn lives_on(&self) {
        self.world.borrow_mut().live_on();
    }

    /// Somebody edits the profiles: the next start reads them.
    pub(crate) fn changes(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.world.borrow_mut().settings);
    }

    /// From now on this does not work.
    pub(crate) fn fails(&self, trouble: Trouble) {
        self.world.borrow_mut().fail(trouble);
    }

    /// It works again.
    pub(crate) fn mends(&self, trouble: Trouble) {
        self.world.borrow_mut().mend(trouble);
        self.advance(Duration::ZERO);
    }

    /// The disk takes what is left of failed recordings.
    pub(crate) fn adopts(&self) {
        self.world.borrow_mut().adopt();
        self.settles();
    }

    /// The length of the English notice, in samples.
    pub(crate) fn notice(&self) -> usize {
        let world = self.world.borrow();
        let notice = &world.settings().prompts["en"]["notice"];
        notice.length.as_millis() as usize * 8
    }

    /// An admin ends every call that is on hold.
    pub(crate) fn hangs_up_the_held(&self) {
        let Reply::Calls { calls } = self.asks(Request::CallList) else { panic!("calls") };
        for row in calls.into_iter().filter(|row| row.state == "on hold") {
            assert_eq!(self.asks(Request::CallHangup { call: row.call }), Reply::Done);
        }
    }

    /// An admin ends every call.
    pub(crate) fn hangs_up_all(&self) {
        let Reply::Calls { calls } = self.asks(Request::CallList) else { panic!("calls") };
        for row in calls {
            assert_eq!(self.asks(Request::CallHangup { call: row.call }), Reply::Done);
        }
    }

    /// An admin's request, whose answer nobody waits for.
    pub(crate) fn tells(&self, request: Request) {
        self.world.borrow_mut().tell(request);
    }

    /// The messages so far, as a ladder.
    pub(crate) fn ladder(&self) -> String {
        self.world.borrow().ladder.draw()
    }

    /// How many messages phones have sent that begin so.
    pub(crate) fn said(&self, start: &str) -> usize {
        self.world.borrow().said.iter().filter(|(_, text)| text.starts_with(start)).count()
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

/// Compares the ladder with the golden one of this test; `untimed` where chance says when.
macro_rules! assert_ladder {
    ($lab:expr) => {
        crate::lab::assert_ladder!($lab, |ladder: String| ladder)
    };
    ($lab:expr, untimed) => {
        crate::lab::assert_ladder!($lab, |ladder: String| {
            let (head, rungs) = ladder.split_once('\n').unwrap_or_default();
            let rungs: Vec<&str> =
                rungs.lines().map(|rung| rung.get(7..).unwrap_or_default()).collect();
            format!("{head}\n       {}", rungs.join("\n       "))
        })
    };
    ($lab:expr, $drawn:expr) => {{
        $lab.settles();
        insta::with_settings!({snapshot_path => "ladders", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(($drawn)($lab.ladder()));
        });
    }};
}
pub(crate) use assert_ladder;

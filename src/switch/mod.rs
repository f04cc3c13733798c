//! Decisions: who may register, where a call goes, whether it may be recorded, when a recording must go. [`Switch`] introduces the
//! parts to each other; it decides nothing itself.

mod acting;
mod admin;
mod agent;
pub mod assurance;
mod boundary;
mod call;
pub mod consent;
pub mod control;
pub mod dialing;
mod diverting;
mod farewells;
pub mod feature;
pub mod forwarding;
mod gate;
pub mod headers;
mod heard;
pub mod hours;
pub mod identity;
pub mod journal;
pub mod leg_media;
mod locator;
pub mod log;
mod news;
pub mod number;
#[cfg(test)]
mod office;
mod outbox;
mod park;
mod pattern;
mod queue;
mod reception;
mod recording;
mod registrar;
pub mod retention;
pub mod routing;
pub mod settings;
pub mod storage;
pub mod subscriptions;
mod transfers;
mod trunk;
mod watch;
pub mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::media::RecordingId;
use crate::wire::flow::{self, Flow};
use crate::wire::sip::auth::Guard;
use crate::wire::sip::endpoint::{self, ClientId, Endpoint};
use crate::wire::sip::ids::Ids;
use crate::wire::sip::locating::Resolution;
use crate::wire::sip::message::{Method, Status};
use agent::Agents;
pub use boundary::{Input, Now, Output};
use call::Call;
use call::desk::{Keys, News};
use dialing::Ledger;
use farewells::farewells;
use forwarding::Forwarding;
use gate::Gate;
use journal::{CallId, Entry, EntryId, Memory};
use outbox::Outbox;
use park::Parking;
use queue::Queues;
use registrar::Registrar;
use retention::Retention;
use settings::Settings;
use storage::Storage;
use subscriptions::Subscriptions;
use trunk::{Means, Trunks};
use watch::Watch;
use wish::LastCallers;

/// A nonce may be used for so many requests.
const NONCE_USES: u32 = 1_000;

/// The softswitch, without a clock or a socket: [`Switch::handle`] takes what happened, [`Switch::poll`] gives what is to be done.
#[derive(Debug)]
pub struct Switch {
    settings: Settings,
    endpoint: Endpoint,
    guard: Guard,
    watch: Watch,
    gate: Gate,
    ids: Ids,
    outbox: Outbox,
    registrar: Registrar,
    forwarding: Forwarding,
    trunks: Trunks,
    ledger: Ledger,
    agents: Agents,
    queues: Queues,
    parking: Parking,
    storage: Storage,
    last_callers: LastCallers,
    retention: Retention,
    subscriptions: Subscriptions,
    /// Boxed, since a map moves its neighbours whenever one comes or goes.
    calls: BTreeMap<CallId, Box<Call>>,
    keys: Keys,
    news: Vec<News>,
    /// When each call wants to be woken.
    alarms: BTreeSet<(Instant, CallId)>,
    recordings: BTreeMap<RecordingId, CallId>,
    /// Calls whose recording awaits the commit of its intent.
    arming: BTreeSet<CallId>,
    /// Calls that wait until it is known where a gateway is.
    locating: BTreeSet<CallId>,
    /// Calls that ring at a phone which was cut off, and may come back.
    cut_off: BTreeSet<CallId>,
    /// BYEs for the dialogs of before the restart, by the journal's key.
    farewells: BTreeMap<ClientId, String>,
    /// Whether anything has changed by which a waiting caller may have found an agent: a line, an agent, a phone.
    lines: Lines,
    stopping: Stopping,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lines {
    Settled,
    Changed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stopping {
    No,
    Asked,
    Said,
}

impl Switch {
    /// A switch that remembers `memory`; every dialog in it gets a BYE. `seed` makes every identifier; the same seed and the same
    /// inputs give the same outputs. The listeners' `advertise` addresses are the bound ones.
    pub fn new(now: Now, settings: Settings, memory: Memory, seed: [u8; 32]) -> Switch {
        let mut ids = Ids::new(seed);
        let mut outbox = Outbox::default();
        let locals = settings.listeners.iter().zip(0..).map(|(listener, number)| endpoint::Local {
            listener: flow::ListenerId(number),
            transport: listener.transport,
            advertise: listener.advertise,
        });
        let mut endpoint = Endpoint::new(locals.collect(), ids.split());
        endpoint.never_put_off(settings.emergency.clone());
        let guard =
            Guard::new(&settings.domain, settings.registrar.nonce_life, NONCE_USES, ids.split());
        let registrar = Registrar::new(now, &settings, memory.bindings, &mut outbox);
        let forwarding = Forwarding::new(&settings, memory.forwarding);
        let agents = Agents::new(now, &settings, &memory.agents);
        let retention =
            Retention::new(now, settings.retention_every, memory.retention_ran, memory.purges);
        let subscriptions = Subscriptions::new(now, &settings, memory.subscriptions, &mut outbox);
        let farewells = farewells(now, &settings, memory.dialogs, &mut endpoint, &mut outbox);
        let trunks = Trunks::new(&mut Means {
            now,
            settings: &settings,
            endpoint: &mut endpoint,
            outbox: &mut outbox,
            ids: &mut ids,
        });
        Switch {
            settings,
            endpoint,
            guard,
            watch: Watch::default(),
            gate: Gate::default(),
            ids,
            outbox,
            registrar,
            forwarding,
            trunks,
            ledger: Ledger::default(),
            agents,
            queues: Queues::default(),
            parking: Parking::default(),
            storage: Storage::default(),
            last_callers: LastCallers::default(),
            retention,
            subscriptions,
            calls: BTreeMap::new(),
            keys: Keys::default(),
            news: Vec::new(),
            alarms: BTreeSet::new(),
            recordings: BTreeMap::new(),
            arming: BTreeSet::new(),
            locating: BTreeSet::new(),
            cut_off: BTreeSet::new(),
            farewells,
            lines: Lines::Settled,
            stopping: Stopping::No,
        }
    }

    /// Takes one input. Drain [`Switch::poll`] afterwards.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Timeout => self.timeout(now),
            Input::Datagram(datagram) => self.endpoint.receive(now.instant, datagram),
            Input::Flow(event) => self.flow(now, event),
            Input::Resolved(resolution) => self.resolved(now, resolution),
            Input::Media(event) => self.heard(now, event),
            Input::Stored(entry) => self.stored(now, entry),
            Input::Found(page) => self.retention.found(now, page),
            Input::Purged(recording) => self.retention.purged(now, recording),
            Input::PurgeFailed(recording, cause) => {
                self.outbox.log(log::Fact::PurgeFailed { recording, cause: cause.clone() });
                self.retention.purge_failed(now, recording, cause);
            }
            Input::Adopted(recording, sealed, at) => {
                self.outbox.store(Entry::Sealed { recording, sealed, at });
            }
            Input::Storage(space) => {
                let told = self.storage.look(now.instant, space, &self.settings.storage);
                if let Some(fact) = told {
                    self.outbox.log(fact);
                }
            }
            Input::JournalBehind => self.endpoint.put_off_calls(),
            Input::JournalCaughtUp => self.endpoint.take_calls(),
            Input::Control(id, request) => self.control(now, id, request),
        }
        self.settle(now);
    }

    /// The next thing to do, in order.
    pub fn poll(&mut self) -> Option<Output> {
        if let Some(output) = self.outbox.pop() {
            return Some(output);
        }
        if let Some(transmit) = self.endpoint.poll_transmit() {
            return Some(Output::Transmit(transmit));
        }
        if let Some(flow) = self.endpoint.poll_close() {
            return Some(Output::Close(flow));
        }
        let outbox = &mut self.outbox;
        self.retention.poll(|| outbox.number())
    }

    /// When `Input::Timeout` is due.
    pub fn deadline(&self) -> Option<Instant> {
        let alarm = self.alarms.first().map(|(at, _)| *at);
        [
            alarm,
            self.endpoint.deadline(),
            self.trunks.deadline(),
            self.registrar.deadline(),
            self.watch.deadline(),
            self.agents.deadline(),
            self.retention.deadline(),
            self.subscriptions.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// `Ok` if no call, transaction, dialog, subscription, media port or recording is open, no trunk's place taken and nobody at work; else what
    /// is. For tests of leaks.
    pub fn at_rest(&self) -> Result<(), String> {
        let open = [
            ("calls", self.calls.len()),
            ("transactions", self.endpoint.open()),
            ("timers of transactions", usize::from(self.endpoint.deadline().is_some())),
            ("trunk places", self.trunks.taken()),
            ("calls on an account", self.ledger.running()),
            ("engaged users", self.agents.engaged()),
            ("ringing or talking agents", self.agents.at_work()),
            ("farewells", self.farewells.len()),
            ("alarms", self.alarms.len()),
            ("recordings", self.recordings.len()),
            ("unsettled recordings", self.arming.len()),
            ("calls that look for a gateway", self.locating.len()),
            ("calls that wait for a phone", self.cut_off.len()),
            ("goodbyes to registrars", usize::from(self.trunks.is_leaving())),
            ("keys", usize::from(!self.keys.is_empty())),
            ("parked calls", self.parking.taken()),
            ("waiting callers", usize::from(!self.queues.is_empty())),
            ("subscriptions", self.subscriptions.len()),
            ("retention work", usize::from(!self.retention.at_rest())),
        ];
        let left: Vec<String> = open
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    }

    // ---- what happened ----

    fn flow(&mut self, now: Now, event: flow::Event) {
        if let flow::Event::Closed(Flow { connection: Some(connection), .. }) = event {
            self.registrar.closed(connection);
        }
        self.endpoint.flow_event(now.instant, event);
    }

    fn timeout(&mut self, now: Now) {
        self.endpoint.timeout(now.instant);
        self.registrar.timeout(now.instant, &mut self.outbox);
        self.watch.timeout(now.instant, &mut self.outbox);
        if self.carriers(now, Trunks::timeout) {
            self.located(now);
        }
        if self.agents.timeout(now.instant) {
            self.lines = Lines::Changed;
        }
        self.retention.timeout(now);
        while let Some((_, call)) =
            self.alarms.first().copied().filter(|(at, _)| *at <= now.instant)
        {
            self.alarms.pop_first();
            self.with(now, call, |call, desk| {
                call.scheduled = None;
                call.timeout(desk);
            });
        }
    }

    fn resolved(&mut self, now: Now, resolution: Resolution) {
        if self.carriers(now, |trunks, means| trunks.resolved(means, resolution)) {
            self.located(now);
        }
    }

    /// Some gateway leads elsewhere now.
    fn located(&mut self, now: Now) {
        for call in std::mem::take(&mut self.locating) {
            self.with(now, call, Call::located);
        }
    }

    /// Lets the trunks act.
    fn carriers<T>(&mut self, now: Now, act: impl FnOnce(&mut Trunks, &mut Means<'_>) -> T) -> T {
        let Switch { settings, trunks, endpoint, outbox, ids, .. } = self;
        act(trunks, &mut Means { now, settings, endpoint, outbox, ids })
    }

    fn stored(&mut self, now: Now, entry: EntryId) {
        self.retention.stored(now, entry);
        for call in std::mem::take(&mut self.arming) {
            self.with(now, call, |call, desk| call.stored(desk, entry));
        }
    }

    // ---- whom it concerns ----

    /// Everything that follows from what happened, until nothing more does.
    fn settle(&mut self, now: Now) {
        loop {
            while let Some(event) = self.endpoint.poll() {
                self.event(now, event);
            }
            self.tell(now);
            if self.lines == Lines::Settled {
                let Switch { settings, subscriptions, endpoint, outbox, .. } = &mut *self;
                if subscriptions.tell(now, settings, endpoint, outbox) {
                    continue;
                }
                break;
            }
            let Switch { settings, registrar, forwarding, agents, queues, .. } = &*self;
            let reachable = |user: &str| {
                registrar.reachable(user).next().is_some() && forwarding.may_disturb(user)
            };
            let longest_idle = |queue| agents.longest_idle(&settings.agents, queue, reachable);
            let Some(offer) = queues.next(&settings.queues, longest_idle) else {
                self.lines = Lines::Settled;
                break;
            };
            self.queues.offered(&offer.queue, offer.call);
            self.agents.ringing(&offer.agent, offer.call);
            self.with(now, offer.call, |call, desk| call.offer(desk, &offer.agent));
        }
        let is_quiet =
            self.calls.is_empty() && self.farewells.is_empty() && !self.trunks.is_leaving();
        if self.stopping == Stopping::Asked && is_quiet {
            self.stopping = Stopping::Said;
            self.outbox.push(Output::Stopped);
        }
    }

    fn event(&mut self, now: Now, event: endpoint::Event) {
        use endpoint::Event;
        match event {
            Event::Request { server, request, flow } => {
                let registers = request.method() == Some(&Method::Register);
                self.request(now, server, request, flow);
                if registers {
                    self.lines = Lines::Changed;
                    for call in std::mem::take(&mut self.cut_off) {
                        self.with(now, call, Call::ring_on);
                    }
                }
            }
            Event::Refused { response, flow } => self.refuse(now, response, flow),
            Event::Acknowledged { server, ack } => {
                if let Some((call, leg)) = self.keys.concluded(server) {
                    self.with(now, call, |call, desk| call.acknowledged(desk, leg, server, &ack));
                }
            }
            Event::Unacknowledged { server } => {
                if let Some((call, leg)) = self.keys.concluded(server) {
                    self.with(now, call, |call, desk| call.unacknowledged(desk, leg, server));
                }
            }
            Event::Cancelled { server, reason } => {
                if let Some((call, _)) = self.keys.servers.get(&server).copied() {
                    self.with(now, call, |call, desk| call.cancelled(desk, reason.as_deref()));
                }
            }
            Event::Severed { client } => {
                if let Some((call, leg)) = self.keys.clients.get(&client).copied() {
                    self.with(now, call, |call, desk| call.severed(desk, leg));
                }
            }
            Event::Deserted { server } => {
                if let Some((call, leg)) = self.keys.servers.get(&server).copied() {
                    self.with(now, call, |call, desk| call.deserted(desk, leg));
                }
            }
            Event::Response { client, response, flow } => {
                let is_final = response.status().is_some_and(|status| !status.is_provisional());
                let known = match is_final {
                    true => self.keys.answered(client),
                    false => self.keys.clients.get(&client).copied(),
                };
                if let Some((call, leg)) = known {
                    self.with(now, call, |call, desk| {
                        call.response(desk, leg, client, &response, flow)
                    });
                } else if response.status().is_some_and(Status::is_success)
                    && response.cseq().method == Method::Invite
                {
                    self.leave(now, client, &response, flow);
                } else if let Some(status) = response.status().filter(|_| is_final) {
                    self.concluded(now, client, status);
                    self.carriers(now, |trunks, means| trunks.response(means, client, &response));
                }
            }
            Event::Failed { client, status } => {
                if let Some((call, leg)) = self.keys.answered(client) {
                    self.with(now, call, |call, desk| call.failed(desk, leg, client, status));
                } else {
                    self.concluded(now, client, status);
                    self.carriers(now, |trunks, means| trunks.unanswered(means, client, status));
                }
            }
        }
    }

    /// A request of no call's has its final answer, or will get none.
    fn concluded(&mut self, now: Now, client: ClientId, status: Status) {
        if self.subscriptions.answered(now, client, status, &mut self.outbox) {
            return;
        }
        if let Some(local_tag) = self.farewells.remove(&client) {
            self.outbox.store(Entry::DialogDown { local_tag });
        }
    }
}

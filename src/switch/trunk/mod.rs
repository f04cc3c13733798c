//! Trunks: who calls from where, how many at once, and by which of a carrier's gateways calls go out.

mod attempts;
mod health;
pub(super) mod rate;
mod registration;
mod rest;
mod rows;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

pub(super) use attempts::{Attempt, Attempts};

use super::Now;
use super::locator::Locator;
use super::log::Fact;
use super::outbox::Outbox;
use super::settings::{Gateway, Listener, Profile, Proof, Settings, Trunk};
use crate::wire::flow::{Flow, ListenerId};
use crate::wire::sip::auth;
use crate::wire::sip::endpoint::{ClientId, Endpoint};
use crate::wire::sip::headers::{Address, Name};
use crate::wire::sip::ids::Ids;
use crate::wire::sip::locating::{Family, Finding, Place, Resolution, Target};
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::uri::Uri;
use health::{ProbeKey, Probes, Verdict};
use rate::{Direction, Pace};
use registration::{Registration, Step};
use rest::{Rests, Standing};

/// A gateway: its trunk, and its place in the trunk's list.
type GatewayKey = (String, usize);

/// What trunks act with.
pub(super) struct Means<'a> {
    pub(super) now: Now,
    pub(super) settings: &'a Settings,
    pub(super) endpoint: &'a mut Endpoint,
    pub(super) outbox: &'a mut Outbox,
    pub(super) ids: &'a mut Ids,
}

/// What a request of a trunk's own is for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Errand {
    Probe(ProbeKey),
    Register(GatewayKey),
}

/// The carriers, as they are at present.
#[derive(Debug)]
pub(super) struct Trunks {
    calls: BTreeMap<String, usize>,
    /// How fast calls come in and go out, of trunks that limit it.
    paces: BTreeMap<String, [Pace; 2]>,
    locator: Locator,
    rests: Rests,
    probes: Probes,
    registrations: BTreeMap<GatewayKey, Registration>,
    /// Whose registration a Contact's token is.
    tokens: BTreeMap<String, GatewayKey>,
    errands: BTreeMap<ClientId, Errand>,
    /// The switch stops: nobody is asked or registered with any more.
    stops: bool,
    /// When the first of all these wants to be woken; the switch asks for it at every turn.
    due: Option<Instant>,
}

impl Trunks {
    /// Begins to look for every gateway, and to register where that is wanted.
    pub(super) fn new(means: &mut Means<'_>) -> Trunks {
        let settings = means.settings;
        let mut able: Vec<_> = settings
            .listeners
            .iter()
            .map(|listener| (listener.transport, Family::of(listener.bind.ip())))
            .collect();
        able.sort_unstable();
        able.dedup();
        let places: Vec<Place> =
            gateways(settings).map(|(_, gateway)| gateway.place.clone()).collect();
        let locator = Locator::new(
            means.now.instant,
            places.clone(),
            able,
            settings.dns.timeout,
            means.outbox,
        );
        let mut trunks = Trunks {
            calls: BTreeMap::new(),
            paces: BTreeMap::new(),
            locator,
            rests: Rests::default(),
            probes: Probes::default(),
            registrations: BTreeMap::new(),
            tokens: BTreeMap::new(),
            errands: BTreeMap::new(),
            stops: false,
            due: None,
        };
        for (key, gateway) in gateways(settings) {
            if let Some(register) = &gateway.register {
                let token = token(&key, gateway);
                trunks.tokens.insert(token.clone(), key.clone());
                let registration = Registration::new(means, &key.0, token, register);
                trunks.registrations.insert(key, registration);
            }
        }
        trunks.located(means, places);
        trunks.note();
        trunks
    }

    // ---- calls in ----

    /// The trunk that calls by `flow`: the one whose certificate it has proven, then the one that names its address most closely.
    pub(super) fn of(settings: &Settings, flow: Flow) -> Option<&Trunk> {
        settings
            .trunks
            .values()
            .filter_map(|trunk| {
                let closest = trunk
                    .from
                    .iter()
                    .filter(|from| from.contains(flow.remote))
                    .map(|from| (from.port.is_some(), from.bits))
                    .max();
                let is_proven = trunk.peer.is_some() && trunk.peer == flow.peer;
                let is_it = match trunk.proof {
                    Proof::Address => closest.is_some(),
                    Proof::Certificate => is_proven,
                    Proof::Both => closest.is_some() && is_proven,
                };
                is_it.then_some(((trunk.proof != Proof::Address, closest), trunk))
            })
            .max_by_key(|(closest, _)| *closest)
            .map(|(_, trunk)| trunk)
    }

    /// The trunk that calls by the Contact that we registered with it, from one of the registrar's addresses: neither alone is proof.
    pub(super) fn registered<'s>(
        &self,
        now: Instant,
        settings: &'s Settings,
        uri: &Uri,
        flow: Flow,
    ) -> Option<&'s Trunk> {
        let named = [uri.user(), uri.param("line")].into_iter().flatten();
        let key = named.filter_map(|token| self.tokens.get(token)).next()?;
        let registrar = self.registrations.get(key)?.binding(now).map(|binding| binding.target);
        let trunk = settings.trunks.get(&key.0)?;
        // What its certificate has to prove, no Contact does.
        let is_proven = trunk.peer.is_some() && trunk.peer == flow.peer;
        if trunk.proof != Proof::Address && !is_proven {
            return None;
        }
        let gateway = gateway(settings, key)?;
        let source = flow.remote.ip().to_canonical();
        let mut targets = self.targets(gateway).chain(registrar);
        targets.any(|target| target.address.ip() == source).then_some(trunk)
    }

    /// Whether this user part is the token of a registration, and so no number.
    pub(super) fn is_token(&self, user: &str) -> bool {
        self.tokens.contains_key(user)
    }

    // ---- places ----

    /// Takes a place for one more call; `Err` says why there is none.
    pub(super) fn take(
        &mut self,
        now: Instant,
        trunk: &Trunk,
        direction: Direction,
    ) -> Result<(), &'static str> {
        let calls = self.calls.entry(trunk.name.clone()).or_default();
        if *calls >= trunk.channels {
            return Err("the trunk's places are taken");
        }
        if let Some(rate) = trunk.rate {
            let paces = self.paces.entry(trunk.name.clone()).or_default();
            let pace = match direction {
                Direction::In => &mut paces[0],
                Direction::Out => &mut paces[1],
            };
            if !pace.admit(now, rate) {
                return Err("the trunk's calls come too fast");
            }
        }
        *calls += 1;
        Ok(())
    }

    /// Takes a place whether there is one or not, and however fast: for an emergency.
    pub(super) fn take_anyway(&mut self, trunk: &Trunk) {
        *self.calls.entry(trunk.name.clone()).or_default() += 1;
    }

    /// Gives a place back.
    pub(super) fn give_back(&mut self, trunk: &str) {
        if let Some(calls) = self.calls.get_mut(trunk) {
            *calls = calls.checked_sub(1).expect("a place was taken before it is given back");
        }
    }

    /// Places taken, of all trunks.
    pub(super) fn taken(&self) -> usize {
        self.calls.values().sum()
    }

    // ---- what calls find out ----

    /// A target did not serve a call; `after`: it says when it may be asked again.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        trunk: &str,
        target: Target,
        after: Option<Duration>,
        outbox: &mut Outbox,
    ) {
        if self.rests.failed(now, target, after) {
            outbox.log(Fact::GatewayDown { trunk: trunk.to_owned(), address: target.address });
        }
    }

    /// A target answered.
    pub(super) fn heard(&mut self, trunk: &str, target: Target, outbox: &mut Outbox) {
        if self.rests.heard(target) {
            outbox.log(Fact::GatewayUp { trunk: trunk.to_owned(), address: target.address });
        }
    }

    /// Which of a trunk's gateways has that address.
    pub(super) fn gateway_at<'t>(&self, trunk: &'t Trunk, address: IpAddr) -> Option<&'t Gateway> {
        let address = address.to_canonical();
        let here =
            |gateway: &&Gateway| self.targets(gateway).any(|target| target.address.ip() == address);
        trunk.gateways.iter().find(here)
    }

    /// Whether some gateway has that address.
    pub(super) fn is_server(&self, settings: &Settings, address: IpAddr) -> bool {
        settings.trunks.values().any(|trunk| self.gateway_at(trunk, address).is_some())
    }

    fn targets(&self, gateway: &Gateway) -> impl Iterator<Item = Target> {
        let candidates = match self.locator.finding(&gateway.place) {
            Finding::Found(candidates) => candidates.as_slice(),
            Finding::Open(_) | Finding::Nowhere => &[],
        };
        candidates.iter().flat_map(|candidate| candidate.targets.iter().copied())
    }

    /// The targets of a gateway as one request tries them; `None`: it is being looked up.
    fn tries(&self, means: &mut Means<'_>, gateway: &Gateway) -> Option<Vec<Target>> {
        let Finding::Found(candidates) = self.locator.finding(&gateway.place) else {
            let is_open = matches!(self.locator.finding(&gateway.place), Finding::Open(_));
            return (!is_open).then(Vec::new);
        };
        let mut targets = crate::wire::sip::locating::ordered(candidates, || means.ids.word());
        targets.sort_by_key(|target| self.rests.standing(means.now.instant, *target));
        Some(targets)
    }

    // ---- what DNS, time and answers say ----

    /// DNS has answered. Whether any gateway leads elsewhere now.
    pub(super) fn resolved(&mut self, means: &mut Means<'_>, resolution: Resolution) -> bool {
        let changed = self.locator.resolved(means.now.instant, resolution, means.outbox);
        let news = !changed.is_empty();
        self.located(means, changed);
        self.note();
        news
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Whatever is due. Whether any gateway leads elsewhere now.
    pub(super) fn timeout(&mut self, means: &mut Means<'_>) -> bool {
        let now = means.now.instant;
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let changed = self.locator.timeout(now, means.outbox);
        let news = !changed.is_empty();
        self.located(means, changed);
        for key in self.probes.due(now) {
            let Some(gateway) = gateway(means.settings, &key.0) else { continue };
            let every = gateway.health.unwrap_or(Duration::MAX);
            let (verdict, asked) = self.probes.timeout(means, &key, gateway, every);
            self.judge(means, &key, verdict);
            self.errands.extend(asked);
        }
        let due = |registration: &Registration| registration.deadline().is_some_and(|at| at <= now);
        let due = self.registrations.iter().filter(|(_, registration)| due(registration));
        for key in due.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.step(means, &key, |registration, means, gateway, targets| {
                registration.timeout(means, gateway, targets)
            });
        }
        self.note();
        news
    }

    /// A response to a request of ours, if it is of a trunk's own.
    pub(super) fn response(&mut self, means: &mut Means<'_>, client: ClientId, response: &Message) {
        let Some(status) = response.status().filter(|status| !status.is_provisional()) else {
            return;
        };
        match self.errands.remove(&client) {
            None => return,
            Some(Errand::Probe(key)) => self.probed(means, &key, status),
            Some(Errand::Register(key)) => {
                self.step(means, &key, |registration, means, gateway, _| {
                    registration.response(means, gateway, response)
                });
            }
        }
        self.note();
    }

    /// A request of ours has no answer.
    pub(super) fn unanswered(&mut self, means: &mut Means<'_>, client: ClientId, status: Status) {
        match self.errands.remove(&client) {
            None => return,
            Some(Errand::Probe(key)) => self.probed(means, &key, status),
            Some(Errand::Register(key)) => {
                self.step(means, &key, |registration, means, gateway, _| {
                    registration.failed(means, gateway, client)
                });
            }
        }
        self.note();
    }

    /// The switch stops: registrations are taken back.
    pub(super) fn leave(&mut self, means: &mut Means<'_>) {
        self.stops = true;
        self.probes.end(means);
        self.errands.clear();
        for (key, registration) in &mut self.registrations {
            let Some(gateway) = gateway(means.settings, key) else { continue };
            let asked = registration.leave(means, gateway);
            self.errands.extend(asked.map(|client| (client, Errand::Register(key.clone()))));
        }
        self.note();
    }

    /// Whether a goodbye still awaits its answer.
    pub(super) fn is_leaving(&self) -> bool {
        self.registrations.values().any(Registration::is_leaving)
    }

    fn probed(&mut self, means: &mut Means<'_>, key: &ProbeKey, status: Status) {
        let Some(gateway) = gateway(means.settings, &key.0) else { return };
        let every = gateway.health.unwrap_or(Duration::MAX);
        let verdict = self.probes.answered(means, key, status, every);
        self.judge(means, key, verdict);
    }

    fn judge(&mut self, means: &mut Means<'_>, (key, target): &ProbeKey, verdict: Verdict) {
        match verdict {
            Verdict::Alive => self.heard(&key.0, *target, means.outbox),
            Verdict::Dead => self.failed(means.now.instant, &key.0, *target, None, means.outbox),
            Verdict::Unsure => {}
        }
    }

    /// These places lead elsewhere now.
    fn located(&mut self, means: &mut Means<'_>, changed: Vec<Place>) {
        if self.stops {
            return;
        }
        for (key, gateway) in gateways(means.settings) {
            if !changed.contains(&gateway.place) {
                continue;
            }
            let targets: Vec<Target> = self.targets(gateway).collect();
            if gateway.health.is_some() {
                self.probes.set(means, &key, &targets);
                let probes = &self.probes;
                self.errands.retain(|_, errand| match errand {
                    Errand::Probe(key) => probes.has(key),
                    Errand::Register(_) => true,
                });
            }
            if self.registrations.contains_key(&key) {
                self.step(means, &key, |registration, means, gateway, targets| {
                    registration.located(means, gateway, targets.unwrap_or_default())
                });
            }
        }
    }

    /// One step of a registration, and what follows from it.
    fn step(
        &mut self,
        means: &mut Means<'_>,
        key: &GatewayKey,
        step: impl FnOnce(&mut Registration, &mut Means<'_>, &Gateway, Option<Vec<Target>>) -> Step,
    ) {
        let Some(gateway) = gateway(means.settings, key) else { return };
        let targets = self.tries(means, gateway);
        let Some(registration) = self.registrations.get_mut(key) else { return };
        let before = registration.client();
        let step = step(registration, means, gateway, targets);
        let after = registration.client();
        if before != after {
            before.map(|client| self.errands.remove(&client));
            after.map(|client| self.errands.insert(client, Errand::Register(key.clone())));
        }
        let trunk = key.0.clone();
        match step {
            Step::Nothing => {}
            Step::Missed(target) => {
                self.failed(means.now.instant, &trunk, target, None, means.outbox);
            }
            Step::Registered(target) => {
                self.heard(&trunk, target, means.outbox);
                means.outbox.log(Fact::TrunkRegistered { trunk, address: target.address });
            }
            Step::Failed(trouble) => {
                means.outbox.log(Fact::TrunkUnregistered { trunk, why: trouble.to_string() });
            }
        }
    }

    /// Notes when the first is due.
    fn note(&mut self) {
        let registrations = self.registrations.values().filter_map(Registration::deadline);
        let others = [self.locator.deadline(), self.probes.deadline()];
        self.due = registrations.chain(others.into_iter().flatten()).min();
    }
}

/// Every gateway of every trunk.
fn gateways(settings: &Settings) -> impl Iterator<Item = (GatewayKey, &Gateway)> {
    settings.trunks.values().flat_map(|trunk| {
        let own = trunk.gateways.iter().enumerate();
        own.map(|(place, gateway)| ((trunk.name.clone(), place), gateway))
    })
}

fn gateway<'s>(settings: &'s Settings, (trunk, place): &GatewayKey) -> Option<&'s Gateway> {
    settings.trunks.get(trunk)?.gateways.get(*place)
}

/// What a Contact of ours is known by to one registrar: nobody can guess it who does not know the password, and it is the same after a
/// restart, so that the registrar does not keep two.
fn token((trunk, place): &GatewayKey, gateway: &Gateway) -> String {
    let known_by = gateway.credentials.as_ref();
    let password = known_by.map_or("", |known_by| known_by.password.reveal());
    auth::token(&[trunk, &place.to_string(), &gateway.uri(None).to_string(), password])
}

/// The way to a target of a trunk from here: by an external listener of its transport and address family, else by any such. `None`:
/// there is none, or the target is ourselves, and calls would loop.
pub(super) fn flow_to(settings: &Settings, trunk: &str, target: Target) -> Option<Flow> {
    let Target { transport, address } = target;
    let ours = |listener: &Listener| {
        listener.transport == transport
            && (listener.advertise == address || listener.bind == address)
    };
    if settings.listeners.iter().any(ours) {
        return None;
    }
    let fits = |profile: Option<Profile>| {
        settings.listeners.iter().position(|listener| {
            listener.transport == transport
                && listener.bind.is_ipv4() == address.is_ipv4()
                && profile.is_none_or(|profile| listener.profile == profile)
        })
    };
    let place = fits(Some(Profile::External)).or_else(|| fits(None))?;
    let listener = ListenerId(u16::try_from(place).ok()?);
    let flow = Flow::to(listener, transport, address);
    if transport.is_secure() {
        // Whoever does not prove to be this carrier gets nothing of it.
        let peer = settings.trunks.get(trunk)?.peer?;
        return Some(Flow { peer: Some(peer), ..flow });
    }
    Some(flow)
}

/// A request of ours outside any dialog.
fn request(
    method: &Method,
    uri: &Uri,
    from: &Address,
    to: &Address,
    (call_id, sequence): (&str, u32),
) -> Outgoing {
    Outgoing::request(method, uri)
        .header(Name::From, from)
        .header(Name::To, to)
        .header(Name::CallId, call_id)
        .header(Name::CSeq, format_args!("{sequence} {method}"))
        .header(Name::MaxForwards, 70)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::office;
    use crate::switch::settings::Source;

    fn trunk(name: &str, from: &[(&str, u8, Option<u16>)]) -> (String, Trunk) {
        let source = |&(address, bits, port): &(&str, u8, Option<u16>)| Source {
            address: address.parse().expect("an address"),
            bits,
            port,
        };
        let from = from.iter().map(source).collect();
        let north = office::settings().trunks["north"].clone();
        (name.to_owned(), Trunk { name: name.into(), from, ..north })
    }

    fn whose(settings: &Settings, source: &str) -> Option<String> {
        Trunks::of(settings, office::flow(1, source)).map(|trunk| trunk.name.clone())
    }

    #[test]
    fn a_caller_is_of_the_trunk_that_names_its_address_most_closely() {
        let mut settings = office::settings();
        settings.trunks = [
            trunk("wide", &[("192.0.2.0", 24, None), ("2001:db8::", 32, None)]),
            trunk("host", &[("192.0.2.9", 32, None)]),
            trunk("port", &[("192.0.2.0", 24, Some(5070))]),
        ]
        .into();
        assert_eq!(whose(&settings, "192.0.2.8:5060").as_deref(), Some("wide"));
        assert_eq!(whose(&settings, "192.0.2.9:5060").as_deref(), Some("host"));
        assert_eq!(whose(&settings, "192.0.2.9:5070").as_deref(), Some("port"));
        assert_eq!(whose(&settings, "[2001:db8::7]:5060").as_deref(), Some("wide"));
        for stranger in ["192.0.3.9:5060", "[2001:db9::7]:5060", "[::1]:5070"] {
            assert_eq!(whose(&settings, stranger), None, "{stranger}");
        }
    }

    /// The trunks of these settings, as they begin.
    fn begin(settings: &Settings) -> Trunks {
        let (mut outbox, mut ids) = (Outbox::default(), Ids::new([7; 32]));
        let mut endpoint = Endpoint::new(Vec::new(), Ids::new([8; 32]));
        Trunks::new(&mut Means {
            now: office::morning(Instant::now()),
            settings,
            endpoint: &mut endpoint,
            outbox: &mut outbox,
            ids: &mut ids,
        })
    }

    fn takes(trunks: &mut Trunks, trunk: &Trunk) -> bool {
        trunks.take(Instant::now(), trunk, Direction::In).is_ok()
    }

    fn calls(trunks: &Trunks, settings: &Settings) -> Vec<usize> {
        let rows = trunks.rows(office::morning(Instant::now()), settings, None);
        rows.iter().map(|row| row.calls).collect()
    }

    #[test]
    fn a_place_given_back_can_be_taken_again() {
        let settings = office::settings();
        let north = &settings.trunks["north"];
        let mut trunks = begin(&settings);
        assert!(takes(&mut trunks, north) && takes(&mut trunks, north));
        assert!(!takes(&mut trunks, north), "there are two");
        assert_eq!(calls(&trunks, &settings), [2]);
        trunks.give_back("north");
        assert!(takes(&mut trunks, north));
        assert!(!takes(&mut trunks, north), "a refusal takes none");
        trunks.give_back("north");
        trunks.give_back("north");
        assert_eq!(calls(&trunks, &settings), [0]);
    }

    #[test]
    fn the_places_of_one_trunk_are_not_anothers() {
        let mut settings = office::settings();
        settings.trunks.extend([trunk("south", &[])]);
        let mut trunks = begin(&settings);
        assert!(
            takes(&mut trunks, &settings.trunks["north"])
                && takes(&mut trunks, &settings.trunks["north"])
        );
        assert!(takes(&mut trunks, &settings.trunks["south"]));
        assert_eq!(calls(&trunks, &settings), [2, 1]);
    }
}

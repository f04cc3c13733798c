//! The registrar: RFC 3261 §10.3. Bindings live here, the journal remembers them over a restart.

mod asked;

use std::collections::BTreeSet;
use std::collections::btree_map::{self, BTreeMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::Now;
use super::control::{Reachable, RegistrationRow};
use super::journal::{Binding, Entry};
use super::outbox::Outbox;
use super::settings::Settings;
use super::watch::network;
use crate::wire::flow::{ConnectionId, Flow, Transport};
use crate::wire::sip::headers::{Address, Contacts, Name, Params};
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::uri::Uri;
use asked::{Change, FlowOf};

/// A User-Agent is kept to this length.
const LONGEST_AGENT: usize = 64;
/// What a phone of several flows is told of keep-alives: one without them may be taken for gone after so many seconds (RFC 5626 §6).
const FLOW_TIMER: u32 = 120;

/// Why a REGISTER changes nothing.
type Refusal = (Status, &'static str);

/// Every binding of every AOR.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    bindings: BTreeMap<Arc<str>, Vec<Bound>>,
    /// When the first binding of each AOR ends.
    expiries: BTreeSet<(Instant, Arc<str>)>,
    /// How many bindings came from each network.
    networks: BTreeMap<IpAddr, usize>,
    /// Whose bindings use a connection.
    connections: BTreeSet<(ConnectionId, String)>,
}

/// One binding, with its end on the monotonic clock.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) binding: Binding,
    /// The proxies on the way to it.
    pub(super) path: Vec<Address>,
    pub(super) link: Link,
    until: Instant,
}

/// Whether the way by which a phone registered still is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    Stands,
    /// That connection was cut, and it is called at its Contact, where it may listen.
    Moved {
        cut: Option<ConnectionId>,
    },
    /// Its connection was cut, and it can be reached by no other: it has to register anew.
    Lost,
}

impl Registrar {
    /// With what the store remembers, less what has expired or belongs to nobody any more.
    pub(super) fn new(
        now: Now,
        settings: &Settings,
        remembered: Vec<Binding>,
        outbox: &mut Outbox,
    ) -> Registrar {
        let mut registrar = Registrar::default();
        for binding in remembered {
            let left = binding.expires.since(now.utc);
            let listening = usize::from(binding.flow.listener.0) < settings.listeners.len();
            match Uri::parse(&binding.contact) {
                Ok(_)
                    if listening
                        && !left.is_zero()
                        && settings.users.contains_key(&binding.aor) =>
                {
                    let path = binding.path.iter().map(|proxy| Address::parse(proxy.as_bytes()));
                    let path = path.filter_map(Result::ok).collect();
                    let link = Link::Stands;
                    let until = now.instant + left;
                    let mut bound = Bound { binding, path, link, until };
                    // The connection it registered over did not outlive the process.
                    bound.cut();
                    registrar.insert(bound);
                }
                _ => {
                    outbox.store(unbound(binding));
                }
            }
        }
        registrar
    }

    /// The phones of a user, in the order they registered.
    pub(super) fn of(&self, aor: &str) -> &[Bound] {
        self.bindings.get(aor).map_or(&[], Vec::as_slice)
    }

    /// Those of them that can be reached, as far as we know.
    pub(super) fn reachable(&self, aor: &str) -> impl DoubleEndedIterator<Item = &Bound> {
        self.of(aor).iter().filter(|bound| bound.link != Link::Lost)
    }

    /// The way to a phone since it used this flow, if it is another one: the connection by which it has registered since, or its Contact
    /// where it listens; where its requests go that were cut off. `target` is its Contact inside a call.
    pub(super) fn since(&self, aor: &str, target: &Uri, used: Flow) -> Option<Flow> {
        // Of several flows each is used as long as it stands (RFC 5626 §5.3).
        let stands = |bound: &Bound| {
            let connection = bound.binding.flow.connection.filter(|_| bound.link == Link::Stands);
            connection.is_some() && connection == used.connection
        };
        if !used.transport.is_reliable() || self.of(aor).iter().any(stands) {
            return None;
        }
        let mut alike = self.reachable(aor).filter(|bound| bound.contact().matches(target));
        let by_user = || {
            // A new connection may have another address in its Contact; the user part tells phones apart, where it does.
            let user = |bound: &&Bound| bound.contact().user() == target.user();
            let mut alike = self.reachable(aor).filter(user);
            alike.next().filter(|_| alike.next().is_none())
        };
        let found = alike.next_back().or_else(by_user)?;
        let flow = found.binding.flow;
        let is_other = match found.link {
            Link::Stands => flow.connection.is_some() && flow.connection != used.connection,
            Link::Moved { cut } => cut.is_some() && cut == used.connection,
            Link::Lost => false,
        };
        is_other.then_some(flow)
    }

    /// A connection has ended: its phones are reached by their Contact, if that is an address of its own, or not before they register
    /// anew.
    pub(super) fn closed(&mut self, connection: ConnectionId) {
        let from = (connection, String::new());
        let mut used = self.connections.split_off(&from);
        let next = (ConnectionId(connection.0.saturating_add(1)), String::new());
        self.connections.append(&mut used.split_off(&next));
        for (_, aor) in used {
            let bindings = self.bindings.get_mut(aor.as_str()).into_iter().flatten();
            for bound in bindings.filter(|bound| bound.binding.flow.connection == Some(connection))
            {
                bound.cut();
            }
        }
    }

    /// Whether any phone is registered from this address.
    pub(super) fn is_at(&self, address: IpAddr) -> bool {
        self.networks.contains_key(&network(address))
    }

    /// Carries out a REGISTER of `aor`, whose credentials are proven, and gives its answer, made with `answer`.
    #[expect(clippy::too_many_arguments, reason = "a registration touches that much")]
    pub(super) fn register(
        &mut self,
        now: Now,
        settings: &Settings,
        aor: &str,
        request: &Message,
        flow: Flow,
        outbox: &mut Outbox,
        answer: &dyn Fn(Status) -> Outgoing,
    ) -> Outgoing {
        let asked = self.changes(settings, aor, request);
        let asked = asked.and_then(|changes| Ok((changes, asked::path(request)?)));
        let (changes, path) = match asked {
            Ok(asked) => asked,
            Err((status, why)) => {
                let refusal = answer(status).reason(why);
                return match status.code() {
                    423 => refusal.header(Name::MinExpires, settings.registrar.shortest.as_secs()),
                    420 => refusal.header(Name::Unsupported, "path"),
                    _ => refusal,
                };
            }
        };
        let keeps_flows = changes.iter().any(|change| change.flow.is_some());
        for change in changes {
            let Change { contact, flow: flow_of, life } = change;
            let gone = self.forget(aor, &contact, flow_of.as_ref());
            let Some(life) = life else {
                for gone in gone {
                    outbox.store(unbound(gone));
                }
                continue;
            };
            let user_agent = request.text(Name::UserAgent).unwrap_or_default();
            let (instance, reg_id) =
                flow_of.map_or((None, 0), |flow| (Some(flow.instance), flow.reg_id));
            let binding = Binding {
                aor: aor.to_owned(),
                contact: contact.to_string(),
                flow,
                expires: now.utc.after(life),
                call_id: request.call_id().to_owned(),
                cseq: request.cseq().number,
                user_agent: user_agent.chars().take(LONGEST_AGENT).collect(),
                path: path.iter().map(Address::to_string).collect(),
                instance,
                reg_id,
            };
            // The same contact in other words, or the same flow by another contact, is another row of the journal's.
            let row = |binding: &Binding| (binding.contact.clone(), binding.reg_id);
            for gone in gone.into_iter().filter(|gone| row(gone) != row(&binding)) {
                outbox.store(unbound(gone));
            }
            outbox.store(Entry::Bound(binding.clone()));
            let (path, until) = (path.clone(), now.instant + life);
            self.insert(Bound { binding, path, link: Link::Stands, until });
        }
        for gone in self.make_room(aor, settings.registrar.contacts) {
            outbox.store(unbound(gone));
        }
        let mut response = self.of(aor).iter().fold(answer(Status::of(200)), |response, bound| {
            response.header(Name::Contact, bound.told(now.instant))
        });
        for proxy in &path {
            response = response.header(Name::Path, proxy);
        }
        response = response.header(Name::Supported, asked::SUPPORTED);
        match keeps_flows {
            true => response.header(Name::Require, "outbound").header(Name::FlowTimer, FLOW_TIMER),
            false => response,
        }
    }

    fn changes(
        &self,
        settings: &Settings,
        aor: &str,
        request: &Message,
    ) -> Result<Vec<Change>, Refusal> {
        let malformed = |wrong: crate::wire::sip::message::Malformed| (wrong.status, wrong.what);
        let header = request.expires().map_err(malformed)?;
        let list = match request.contacts().map_err(malformed)? {
            None => return Ok(Vec::new()),
            Some(Contacts::All) if header == Some(0) => {
                self.in_order(self.of(aor).iter(), request)?;
                return Ok(self.of(aor).iter().map(Bound::removal).collect());
            }
            Some(Contacts::All) => return Err((Status::of(400), "Contact * needs Expires 0")),
            Some(Contacts::List(list)) => list,
        };
        let mut changes = Vec::with_capacity(list.len());
        for address in list {
            let change = asked::change(settings, request, address, header)?;
            let is_it = |bound: &&Bound| bound.is(&change.contact, change.flow.as_ref());
            self.in_order(self.of(aor).iter().filter(is_it), request)?;
            changes.push(change);
        }
        let binds = changes.iter().filter(|change| change.life.is_some());
        if changes.iter().any(|change| change.flow.is_some()) && binds.count() > 1 {
            return Err((Status::of(400), "one flow is registered at a time"));
        }
        // Who is lost takes nobody's place: `make_room`.
        let kept = self.reachable(aor).filter(|bound| {
            !changes.iter().any(|change| bound.is(&change.contact, change.flow.as_ref()))
        });
        let mut bound: Vec<&Change> = Vec::with_capacity(changes.len());
        for change in &changes {
            bound.retain(|other| !other.contact.matches(&change.contact));
            if change.life.is_some() {
                bound.push(change);
            }
        }
        if kept.count() + bound.len() > settings.registrar.contacts {
            return Err((Status::of(403), "Too many contacts"));
        }
        Ok(changes)
    }

    /// An older CSeq of the same Call-ID must not change a binding (RFC 3261 §10.3, step 7).
    fn in_order<'a>(
        &self,
        mut known: impl Iterator<Item = &'a Bound>,
        request: &Message,
    ) -> Result<(), (Status, &'static str)> {
        let older = |bound: &Bound| {
            bound.binding.call_id == request.call_id()
                && bound.binding.cseq >= request.cseq().number
        };
        if known.any(older) { Err((Status::of(500), "CSeq out of order")) } else { Ok(()) }
    }

    fn insert(&mut self, bound: Bound) {
        let flow = bound.binding.flow;
        if let Some(connection) = flow.connection {
            self.connections.insert((connection, bound.binding.aor.clone()));
        }
        *self.networks.entry(network(flow.remote.ip())).or_default() += 1;
        let aor = bound.binding.aor.clone();
        self.change(&aor, |bindings| {
            // Most people have one phone.
            bindings.reserve_exact(1);
            bindings.push(bound);
        });
    }

    /// Lets the bindings of an AOR change, and keeps when the first of them ends.
    fn change<T>(&mut self, aor: &str, change: impl FnOnce(&mut Vec<Bound>) -> T) -> T {
        let known = self.bindings.remove_entry(aor);
        let (aor, mut bindings) = known.unwrap_or_else(|| (aor.into(), Vec::new()));
        let first = |bindings: &[Bound]| bindings.iter().map(|bound| bound.until).min();
        let before = first(&bindings);
        let result = change(&mut bindings);
        let after = first(&bindings);
        if before != after {
            if let Some(until) = before {
                self.expiries.remove(&(until, Arc::clone(&aor)));
            }
            if let Some(until) = after {
                self.expiries.insert((until, Arc::clone(&aor)));
            }
        }
        if !bindings.is_empty() {
            self.bindings.insert(aor, bindings);
        }
        result
    }

    /// Takes out what a Contact replaces, and gives it.
    fn forget(&mut self, aor: &str, contact: &Uri, flow: Option<&FlowOf>) -> Vec<Binding> {
        self.take(aor, |bound| bound.is(contact, flow))
    }

    /// Takes out the oldest of those who are lost while there are more than `most`, and gives them: a phone that has come back by a new
    /// connection a few times is not kept out by what it left behind.
    fn make_room(&mut self, aor: &str, most: usize) -> Vec<Binding> {
        let mut over = self.of(aor).len().saturating_sub(most);
        self.take(aor, |bound| {
            let goes = over > 0 && bound.link == Link::Lost;
            over -= usize::from(goes);
            goes
        })
    }

    fn take(&mut self, aor: &str, mut is_it: impl FnMut(&Bound) -> bool) -> Vec<Binding> {
        let gone: Vec<Binding> = self.change(aor, |bindings| {
            bindings.extract_if(.., |bound| is_it(bound)).map(|bound| bound.binding).collect()
        });
        for flow in gone.iter().map(|binding| binding.flow) {
            if let btree_map::Entry::Occupied(mut count) =
                self.networks.entry(network(flow.remote.ip()))
            {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
            let same = |bound: &Bound| bound.binding.flow.connection == flow.connection;
            if let Some(connection) = flow.connection.filter(|_| !self.of(aor).iter().any(same)) {
                self.connections.remove(&(connection, aor.to_owned()));
            }
        }
        gone
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.expiries.first().map(|(until, _)| *until)
    }

    pub(super) fn timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        while let Some((_, aor)) = self.expiries.first().filter(|(until, _)| *until <= now) {
            let aor = Arc::clone(aor);
            for gone in self.take(&aor, |bound| bound.until <= now) {
                outbox.store(unbound(gone));
            }
        }
    }

    pub(super) fn rows(&self) -> Vec<RegistrationRow> {
        let row = |bound: &Bound| RegistrationRow {
            aor: bound.binding.aor.clone(),
            contact: bound.binding.contact.clone(),
            source: bound.binding.flow.remote.to_string(),
            transport: bound.binding.flow.transport.word().to_owned(),
            expires: bound.binding.expires.to_string(),
            state: match bound.link {
                Link::Stands | Link::Moved { .. } => Reachable::Reachable,
                Link::Lost => Reachable::CutOff,
            },
            user_agent: bound.binding.user_agent.clone(),
        };
        self.bindings.values().flatten().map(row).collect()
    }
}

impl Bound {
    /// Its Contact. Kept as text alone: of 100,000 bindings few are called at a time.
    pub(super) fn contact(&self) -> Uri {
        Uri::parse(&self.binding.contact).expect("a Contact was read before it was bound")
    }

    /// Whether a Contact, and the flow it names, mean this one (RFC 3261 §10.2.4, RFC 5626 §6).
    fn is(&self, contact: &Uri, flow: Option<&FlowOf>) -> bool {
        let same_flow = |flow: &FlowOf| {
            self.binding.instance.as_deref() == Some(&flow.instance)
                && self.binding.reg_id == flow.reg_id
        };
        let is_alone = self.binding.reg_id == 0;
        flow.is_some_and(same_flow) || is_alone && self.contact().matches(contact)
    }

    fn removal(&self) -> Change {
        let Binding { instance, reg_id, .. } = &self.binding;
        let flow = instance.clone().map(|instance| FlowOf { instance, reg_id: *reg_id });
        Change { contact: self.contact(), flow, life: None }
    }

    /// Its Contact in the answer to a REGISTER.
    fn told(&self, now: Instant) -> String {
        let left = self.until.saturating_duration_since(now).as_secs();
        match &self.binding.instance {
            Some(instance) => {
                let reg_id = self.binding.reg_id;
                let instance = Params::quoted(instance);
                format!(
                    "<{}>;+sip.instance={instance};reg-id={reg_id};expires={left}",
                    self.binding.contact
                )
            }
            None => format!("<{}>;expires={left}", self.binding.contact),
        }
    }

    /// Its connection is gone. Whose Contact is at the same machine, at a port that the connection did not come from, may listen there;
    /// whoever is behind NAT does not, and nobody is called over TLS.
    fn cut(&mut self) {
        let contact = self.contact();
        let flow = &mut self.binding.flow;
        let cut = flow.connection.take();
        let listens = contact.socket_addr().filter(|contact| {
            contact.ip() == flow.remote.ip().to_canonical() && contact.port() != flow.remote.port()
        });
        self.link = match (flow.transport, listens) {
            (Transport::Udp, _) => Link::Stands,
            (Transport::Tcp, Some(contact)) => {
                flow.remote = contact;
                Link::Moved { cut }
            }
            (Transport::Tcp, None) | (Transport::Tls, _) => Link::Lost,
        };
    }
}

fn unbound(binding: Binding) -> Entry {
    Entry::Unbound { aor: binding.aor, contact: binding.contact, reg_id: binding.reg_id }
}

#[cfg(test)]
mod tests;

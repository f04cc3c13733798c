//! What a call acts with: everything it may touch of the switch while it handles one thing, and the news it leaves behind.

use std::collections::BTreeMap;
use std::time::Duration;

use super::diverting::Elsewhere;
use super::leg::{LegId, Party};
use crate::media::{PlayId, PortId};
use crate::switch::Now;
use crate::switch::agent::Agents;
use crate::switch::forwarding::Forwarding;
use crate::switch::journal::CallId;
use crate::switch::outbox::Outbox;
use crate::switch::park::Parking;
use crate::switch::registrar::Registrar;
use crate::switch::settings::Settings;
use crate::switch::trunk::{Attempt, Trunks};
use crate::switch::wish::LastCallers;
use crate::utc::Utc;
use crate::wire::flow::Flow;
use crate::wire::sip::auth;
use crate::wire::sip::dialog::Dialog;
use crate::wire::sip::endpoint::{ClientId, Endpoint, ServerId};
use crate::wire::sip::headers::Name;
use crate::wire::sip::ids::Ids;
use crate::wire::sip::message::{Message, Method};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::uri::Uri;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Transaction {
    Client(ClientId),
    Server(ServerId),
}

/// Who is meant by a number of the wire's or the media's.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) clients: BTreeMap<ClientId, (CallId, LegId)>,
    pub(crate) servers: BTreeMap<ServerId, (CallId, LegId)>,
    pub(crate) ports: BTreeMap<PortId, (CallId, LegId)>,
    pub(crate) tags: BTreeMap<String, (CallId, LegId)>,
    used: BTreeMap<CallId, Vec<Transaction>>,
    last_port: u64,
    last_id: u64,
    last_play: u64,
}

/// The bits of an id.
const ID_BITS: u32 = 60;
/// Those of them that are chance; the others are milliseconds.
const CHANCE_BITS: u32 = 18;

impl Keys {
    /// A new id of a call or a recording. Ids grow with time, so that what is new lies together in the database however much it holds;
    /// none comes twice.
    pub(crate) fn id(&mut self, at: Utc, chance: u64) -> u64 {
        let millis = u64::try_from(at.micros() / 1_000).unwrap_or(0);
        let id = millis << CHANCE_BITS | chance >> (u64::BITS - CHANCE_BITS);
        self.last_id = id.max(self.last_id + 1) & ((1 << ID_BITS) - 1);
        self.last_id
    }

    /// A new port of a leg's.
    pub(super) fn port(&mut self, call: CallId, leg: LegId) -> PortId {
        self.last_port += 1;
        let port = PortId(self.last_port);
        self.ports.insert(port, (call, leg));
        port
    }

    /// A new playing.
    pub(super) fn play(&mut self) -> PlayId {
        self.last_play += 1;
        PlayId(self.last_play)
    }

    /// A request of a leg's.
    pub(super) fn client(&mut self, client: ClientId, leg: (CallId, LegId)) {
        self.clients.insert(client, leg);
        self.used.entry(leg.0).or_default().push(Transaction::Client(client));
    }

    /// An INVITE to a leg, whose ACK or CANCEL is to find it.
    pub(super) fn server(&mut self, server: ServerId, leg: (CallId, LegId)) {
        self.servers.insert(server, leg);
        self.used.entry(leg.0).or_default().push(Transaction::Server(server));
    }

    /// The final answer to a request of a leg's: nothing more comes for it.
    pub(crate) fn answered(&mut self, client: ClientId) -> Option<(CallId, LegId)> {
        let leg = self.clients.remove(&client)?;
        self.unused(leg.0, |used| matches!(used, Transaction::Client(id) if *id == client));
        Some(leg)
    }

    /// The ACK of a 2xx of ours, or that there is none.
    pub(crate) fn concluded(&mut self, server: ServerId) -> Option<(CallId, LegId)> {
        let leg = self.servers.remove(&server)?;
        self.unused(leg.0, |used| matches!(used, Transaction::Server(id) if *id == server));
        Some(leg)
    }

    /// A leg goes on in another call: what is under way of it, its port and its tag are that one's.
    pub(super) fn moved(
        &mut self,
        from: (CallId, LegId),
        to: (CallId, LegId),
        port: PortId,
        tag: &str,
    ) {
        for used in self.used.get(&from.0).cloned().unwrap_or_default() {
            let leg = match used {
                Transaction::Client(client) => self.clients.get_mut(&client),
                Transaction::Server(server) => self.servers.get_mut(&server),
            };
            if let Some(leg) = leg.filter(|leg| **leg == from) {
                *leg = to;
                self.unused(from.0, |transaction| *transaction == used);
                self.used.entry(to.0).or_default().push(used);
            }
        }
        if let Some(leg) = self.ports.get_mut(&port) {
            *leg = to;
        }
        if let Some(leg) = self.tags.get_mut(tag) {
            *leg = to;
        }
    }

    fn unused(&mut self, call: CallId, is_it: impl Fn(&Transaction) -> bool) {
        if let Some(used) = self.used.get_mut(&call) {
            used.retain(|transaction| !is_it(transaction));
            if used.is_empty() {
                self.used.remove(&call);
            }
        }
    }

    /// A call is over; its legs have taken their ports and tags with them.
    pub(crate) fn forget(&mut self, call: CallId) {
        for transaction in self.used.remove(&call).unwrap_or_default() {
            match transaction {
                Transaction::Client(client) => drop(self.clients.remove(&client)),
                Transaction::Server(server) => drop(self.servers.remove(&server)),
            }
        }
    }

    /// Whether nothing is remembered of any call.
    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty()
            && self.servers.is_empty()
            && self.ports.is_empty()
            && self.tags.is_empty()
            && self.used.is_empty()
    }
}

/// What the rest of the switch should know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum News {
    /// A leg of this user's began.
    Engaged(String),
    /// It ended.
    Disengaged(String),
    /// A leg of this user's goes on under another key.
    Moved { user: String, from: (CallId, LegId) },
    /// A call came in that takes part in another one: a pickup, or somebody who fetches a parked one.
    Arrived(CallId),
    /// What its caller wished is so: they are to be told.
    Granted(CallId),
    /// Nobody talked to whom the call was transferred: it costs what it did before.
    Withdrawn { call: CallId, kept: usize },
    /// A trunk has a place again.
    TrunkFree(String),
    /// A caller waits.
    Queued { queue: String, call: CallId },
    /// A caller waits no more.
    Unqueued { queue: String, call: CallId },
    /// A call is parked.
    Parked { slot: u32, call: CallId },
    /// It is no more.
    Unparked { slot: u32, call: CallId },
    /// A call goes elsewhere: the way is to be found.
    Elsewhere { call: CallId, elsewhere: Elsewhere },
    /// An agent did not take the offer; the caller waits on.
    Missed { queue: String, agent: String, call: CallId },
    /// The caller left while the agent's phone rang.
    Spared { agent: String, call: CallId },
    /// Agent and caller talk.
    Talking { agent: String, call: CallId },
    /// They have finished.
    Finished { agent: String, call: CallId, wrap_up: Duration },
}

/// See the module.
pub(crate) struct Desk<'a> {
    pub(crate) now: Now,
    pub(crate) settings: &'a Settings,
    pub(crate) registrar: &'a Registrar,
    pub(crate) forwarding: &'a Forwarding,
    pub(crate) agents: &'a Agents,
    pub(crate) trunks: &'a mut Trunks,
    pub(crate) parking: &'a mut Parking,
    pub(crate) last_callers: &'a mut LastCallers,
    pub(crate) endpoint: &'a mut Endpoint,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) ids: &'a mut Ids,
    pub(crate) keys: &'a mut Keys,
    pub(crate) news: &'a mut Vec<News>,
}

impl Desk<'_> {
    /// A new id of a call or a recording.
    pub(super) fn id(&mut self) -> u64 {
        self.keys.id(self.now.utc, self.ids.long())
    }

    /// The slot that this call was parked in is free.
    pub(super) fn unpark(&mut self, slot: u32, call: CallId) {
        self.parking.leave(slot);
        self.news.push(News::Unparked { slot, call });
    }

    /// Our Contact towards a flow.
    pub(super) fn contact(&self, flow: Flow) -> Uri {
        self.settings.contact(flow)
    }

    /// Sends a request of a leg's, whose responses will find it.
    pub(super) fn request(
        &mut self,
        leg: (CallId, LegId),
        flow: Flow,
        request: Outgoing,
    ) -> ClientId {
        let client = self.endpoint.request(self.now.instant, flow, request);
        self.keys.client(client, leg);
        client
    }

    /// The answer to a challenge of a trunk's for the next request of `dialog`: to its own gateways, and to nobody else, wherever a
    /// Contact leads.
    pub(super) fn authorization(
        &mut self,
        party: &Party,
        attempt: Option<Attempt>,
        challenge: &Message,
        method: &Method,
        dialog: &Dialog,
    ) -> Option<(Name, String)> {
        let Party::Trunk(trunk) = party else { return None };
        let trunk = self.settings.trunks.get(trunk)?;
        let asks = dialog.flow().remote.ip().to_canonical();
        let gateway = match attempt {
            // Whatever DNS says meanwhile.
            Some(attempt) if attempt.target.address.ip() == asks => {
                trunk.gateways.get(attempt.gateway)
            }
            Some(_) | None => self.trunks.gateway_at(trunk, asks),
        };
        let known_by = gateway?.credentials.as_ref()?;
        // RFC 7616 §3.4: of the request that will carry it.
        let uri = dialog.request_uri();
        auth::answer(
            challenge,
            method,
            uri.as_str(),
            &known_by.user,
            known_by.password.reveal(),
            known_by.realm.as_deref(),
            self.ids,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_is_forgotten_while_the_call_lives() {
        let mut keys = Keys::default();
        let leg = (CallId(7), LegId(0));
        keys.client(ClientId(1), leg);
        keys.client(ClientId(2), leg);
        keys.server(ServerId(1), leg);
        assert_eq!(keys.answered(ClientId(1)), Some(leg));
        assert_eq!(keys.answered(ClientId(1)), None);
        assert_eq!(keys.concluded(ServerId(1)), Some(leg));
        assert_eq!(keys.used.get(&leg.0).map(Vec::len), Some(1), "the other client");
        assert_eq!(keys.answered(ClientId(2)), Some(leg));
        assert!(keys.is_empty());
    }

    #[test]
    fn ids_grow_with_time_and_none_comes_twice() {
        let mut keys = Keys::default();
        let at = Utc::parse("2030-01-07T09:00:00Z").expect("a time");
        let later = at.after(Duration::from_millis(1));
        let ids = [
            keys.id(at, 0),
            keys.id(at, 0),
            keys.id(at, u64::MAX),
            keys.id(later, 0),
            keys.id(at, 0),
        ];
        assert!(ids.is_sorted_by(|one, other| one < other), "{ids:?}");
        assert!(ids.iter().all(|id| *id < 1 << ID_BITS));
        assert_eq!(ids[2] >> CHANCE_BITS, ids[0] >> CHANCE_BITS);
    }
}

//! Where a name leads: RFC 3263, with the choice among SRV records of RFC 2782. Questions go out, records come in; who asks, and who
//! remembers the answers, is another's matter.

mod choice;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use choice::{Candidate, drawn, ordered};

use super::uri::Host;
use crate::wire::address::is_host;
use crate::wire::flow::Transport;

/// Most records that count of one answer: who answers more wants to keep us busy.
pub const MOST_RECORDS: usize = 16;
/// Most addresses that count of one server's name.
pub const MOST_ADDRESSES: usize = 4;
/// Most targets of one name.
pub const MOST_TARGETS: usize = 16;

/// What somebody is to be reached at: a name or an address, with what is known of port and transport.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// A name is looked up, an address is taken as it is.
    pub host: Host,
    /// With a port, no SRV record is looked for (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// With a transport, no NAPTR record is looked for (RFC 3263 §4.1).
    pub transport: Option<Transport>,
}

/// As a file says it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

/// One socket of a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Target {
    /// How it is reached.
    pub transport: Transport,
    /// Where it is.
    pub address: SocketAddr,
}

/// What DNS can be asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Which transports, and under which names (RFC 3403).
    Naptr,
    /// Which servers (RFC 2782).
    Srv,
    /// Which IPv4 addresses.
    A,
    /// Which IPv6 addresses.
    Aaaa,
}

/// One question to DNS.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Question {
    /// The name, lower-case, without the dot at its end.
    pub name: Box<str>,
    /// What of it.
    pub kind: Kind,
}

/// A NAPTR record, as far as it counts here (RFC 3263 §4.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naptr {
    /// The lowest comes first, strictly.
    pub order: u16,
    /// Then the lowest of these.
    pub preference: u16,
    /// `s`: the replacement is an SRV record's name.
    pub flags: Box<str>,
    /// `SIP+D2U`, `SIP+D2T`.
    pub service: Box<str>,
    /// Where it goes on.
    pub replacement: Box<str>,
}

/// An SRV record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srv {
    /// The lowest comes first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The server's name.
    pub target: Box<str>,
}

/// What an answer holds: of the kind that was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is what its kind asks for")]
pub enum Records {
    Naptr(Vec<Naptr>),
    Srv(Vec<Srv>),
    Addresses(Vec<IpAddr>),
}

/// What became of a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// There are records.
    Found(Records, Duration),
    /// There are none, and DNS is sure of it; for so long.
    Nothing(Duration),
    /// Nobody answered in time, or nothing that can be used.
    Failed,
}

/// A question and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolution {
    /// What was asked.
    pub question: Question,
    /// What was answered; times count from its arrival.
    pub answer: Answer,
}

/// What is known of a question.
#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    /// These.
    Records(&'a Records),
    /// That there are none.
    Nothing,
    /// That it cannot be known now.
    Failed,
    /// Nothing yet: it has to be asked.
    Unasked,
}

/// What is known of a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// The servers, in no order yet.
    Found(Vec<Candidate>),
    /// These questions are still open.
    Open(Vec<Question>),
    /// It leads nowhere: no server, or none that could be found out.
    Nowhere,
}

/// A transport and an address family that we can speak; the first is preferred.
pub type Ability = (Transport, Family);

/// An address family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Family {
    V6,
    V4,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        match address.to_canonical() {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    fn kind(self) -> Kind {
        match self {
            Family::V4 => Kind::A,
            Family::V6 => Kind::Aaaa,
        }
    }
}

/// Follows a place as far as the answers go. Every step leads from a longer chain to a shorter one (NAPTR, SRV, address), so that no
/// loop of records can hold it.
pub fn find<'a>(
    place: &Place,
    able: &[Ability],
    known: &mut dyn FnMut(&Question) -> Known<'a>,
) -> Finding {
    let mut search = Search { able, known, open: Vec::new() };
    let name = match &place.host {
        Host::Address(address) => return search.numeric(place, *address),
        Host::Name(name) => name.as_ref(),
    };
    let found = match (place.port, place.transport) {
        (Some(port), transport) => {
            let transport = transport.unwrap_or(Transport::Udp);
            search.server(name, transport, port, (0, 0)).into_iter().collect()
        }
        (None, Some(transport)) => search.served(name, transport),
        (None, None) => search.choose(name),
    };
    search.end(found)
}

struct Search<'k, 'a> {
    able: &'k [Ability],
    known: &'k mut dyn FnMut(&Question) -> Known<'a>,
    open: Vec<Question>,
}

impl<'a> Search<'_, 'a> {
    fn end(self, mut found: Vec<Candidate>) -> Finding {
        if !self.open.is_empty() {
            return Finding::Open(self.open);
        }
        let mut room = MOST_TARGETS;
        found.sort_by_key(|candidate| candidate.priority);
        for candidate in &mut found {
            candidate.targets.truncate(room);
            room -= candidate.targets.len();
        }
        found.retain(|candidate| !candidate.targets.is_empty());
        if found.is_empty() { Finding::Nowhere } else { Finding::Found(found) }
    }

    fn numeric(self, place: &Place, address: IpAddr) -> Finding {
        let transport = place.transport.unwrap_or(Transport::Udp);
        let port = place.port.unwrap_or(transport.default_port());
        let able = self.able.contains(&(transport, Family::of(address)));
        let target = Target { transport, address: SocketAddr::new(address.to_canonical(), port) };
        let targets = if able { vec![target] } else { Vec::new() };
        self.end(vec![Candidate { priority: 0, weight: 0, targets }])
    }

    /// What is known; an open question is noted.
    fn ask(&mut self, name: &str, kind: Kind) -> Known<'a> {
        let question = Question { name: name.into(), kind };
        let known = (self.known)(&question);
        if let Known::Unasked = known {
            self.open.push(question);
        }
        known
    }

    /// No transport is given: NAPTR says which; where there is none, the SRV records do; where there are none either, it is UDP
    /// (RFC 3263 §4.1). A server that cannot answer for NAPTR, as small ones in routers cannot, is one without.
    fn choose(&mut self, name: &str) -> Vec<Candidate> {
        let naptr = match self.ask(name, Kind::Naptr) {
            Known::Unasked => return Vec::new(),
            Known::Records(Records::Naptr(records)) => records.as_slice(),
            Known::Records(_) | Known::Nothing | Known::Failed => &[],
        };
        let mut usable: Vec<(&Naptr, Transport)> = naptr
            .iter()
            .take(MOST_RECORDS)
            .filter(|record| record.flags.eq_ignore_ascii_case("s"))
            .filter_map(|record| Some((record, transport_of(&record.service)?)))
            .filter(|(_, transport)| self.can(*transport))
            .collect();
        usable.sort_by_key(|(record, _)| (record.order, record.preference));
        for (record, transport) in usable {
            let found = self.srv(&record.replacement, transport).unwrap_or_default();
            if !found.is_empty() || !self.open.is_empty() {
                return found;
            }
        }
        let plain = self.able.iter().map(|(able, _)| *able).filter(|able| !able.is_secure());
        let mut transports: Vec<Transport> = plain.collect();
        transports.dedup();
        for transport in transports {
            let under = format!("{}{name}", prefix(transport));
            let found = self.srv(&under, transport);
            if found.is_some() || !self.open.is_empty() {
                return found.unwrap_or_default();
            }
        }
        self.server(name, Transport::Udp, Transport::Udp.default_port(), (0, 0))
            .into_iter()
            .collect()
    }

    /// The transport is given: SRV says where, else the name's own address and the usual port (RFC 3263 §4.2).
    fn served(&mut self, name: &str, transport: Transport) -> Vec<Candidate> {
        let under = format!("{}{name}", prefix(transport));
        match self.srv(&under, transport) {
            Some(found) => found,
            None => {
                self.server(name, transport, transport.default_port(), (0, 0)).into_iter().collect()
            }
        }
    }

    /// `None`: there are no SRV records. That they could not be asked for is no such answer.
    fn srv(&mut self, name: &str, transport: Transport) -> Option<Vec<Candidate>> {
        let records = match self.ask(name, Kind::Srv) {
            Known::Records(Records::Srv(records)) => records,
            Known::Unasked | Known::Failed => return Some(Vec::new()),
            Known::Records(_) | Known::Nothing => return None,
        };
        let mut records: Vec<&Srv> = records.iter().take(MOST_RECORDS).collect();
        records.sort_by_key(|record| record.priority);
        let servers = records.into_iter().filter_map(|record| {
            // A target of one dot says that the service is decidedly not there (RFC 2782).
            let is_there = !record.target.is_empty() && record.port != 0;
            let order = (record.priority, record.weight);
            is_there.then(|| self.server(&record.target, transport, record.port, order)).flatten()
        });
        Some(servers.collect())
    }

    /// One server, by the addresses of its name.
    fn server(
        &mut self,
        name: &str,
        transport: Transport,
        port: u16,
        (priority, weight): (u16, u16),
    ) -> Option<Candidate> {
        let families: Vec<Family> =
            self.able.iter().filter(|able| able.0 == transport).map(|able| able.1).collect();
        let mut targets = Vec::new();
        for family in families {
            if let Known::Records(Records::Addresses(addresses)) = self.ask(name, family.kind()) {
                let usable = addresses
                    .iter()
                    .map(IpAddr::to_canonical)
                    .filter(|address| is_host(*address) && Family::of(*address) == family);
                targets.extend(
                    usable.take(MOST_ADDRESSES).map(|address| Target {
                        transport,
                        address: SocketAddr::new(address, port),
                    }),
                );
            }
        }
        (!targets.is_empty()).then_some(Candidate { priority, weight, targets })
    }

    fn can(&self, transport: Transport) -> bool {
        self.able.iter().any(|(able, _)| *able == transport)
    }
}

/// RFC 3263 §4.2.
fn prefix(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp.",
        Transport::Tcp => "_sip._tcp.",
        Transport::Tls => "_sips._tcp.",
    }
}

/// RFC 3263 §4.1. TLS is for whom it is asked for: whose certificate is to be shown is not for DNS to say (RFC 5922 §7.2).
fn transport_of(service: &str) -> Option<Transport> {
    [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp)]
        .into_iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(service))
        .map(|(_, transport)| transport)
}

#[cfg(test)]
mod tests;

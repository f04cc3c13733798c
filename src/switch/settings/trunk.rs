//! A carrier as the settings have it: the trunk, its gateways, and where it calls from.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Proof, Rate, Redirects};
use crate::redacted::Redacted;
use crate::switch::dialing::Dialing;
use crate::switch::headers::HeaderRules;
use crate::switch::identity::Identity;
use crate::switch::number::{Number, Numbering};
use crate::wire::flow::PeerId;
use crate::wire::sip::locating::Place;
use crate::wire::sip::uri::{Host, Uri};

/// The relationship with a carrier.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Its name.
    pub name: String,
    /// Who may call in: address prefixes, with a port if the carrier shares its address with somebody.
    pub from: Vec<Source>,
    /// Who its TLS connections prove to be; a connection of ours goes to nobody else.
    pub peer: Option<PeerId>,
    /// What of these two recognises a call in.
    pub proof: Proof,
    /// Where calls out go, in the order they are tried, or by their weights; none: calls in only.
    pub gateways: Vec<Gateway>,
    /// Calls at once, in and out.
    pub channels: usize,
    /// How fast calls may begin, each way; emergencies as they come.
    pub rate: Option<Rate>,
    /// How numbers are written to the carrier, and by it.
    pub numbering: Numbering,
    /// What calls in may dial out again, if they may.
    pub dialing: Option<Dialing>,
    /// Whether its side of a call may transfer the other (REFER).
    pub transfers: bool,
    /// What its answer means that names somebody else (3xx).
    pub redirects: Redirects,
    /// Whether it is in our circle of trust (RFC 3324): what it asserts is believed, and it withholds what is to be withheld.
    pub trusted: bool,
    /// Where it is told who calls.
    pub identity: Identity,
    /// What its calls bring and take along of the far sides' own.
    pub headers: HeaderRules,
}

/// An address or network that a trunk calls from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// The network's address.
    pub address: IpAddr,
    /// Significant bits.
    pub bits: u8,
    /// Only this source port, if given.
    pub port: Option<u16>,
}

impl Source {
    /// Whether `from` lies within. An IPv4 address is one however it is written: a socket of both families hears 192.0.2.9 as
    /// ::ffff:192.0.2.9 (RFC 4291 §2.5.5.2).
    pub fn contains(&self, from: SocketAddr) -> bool {
        // All as IPv6, where IPv4 has 96 bits before its own.
        let whole = |address: IpAddr| match address {
            IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
            IpAddr::V6(v6) => u128::from(v6),
        };
        let bits = u32::from(self.bits) + if self.address.is_ipv4() { 96 } else { 0 };
        let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
        (whole(self.address) ^ whole(from.ip())) & mask == 0
            && self.port.is_none_or(|port| port == from.port())
    }
}

/// One SIP address of a carrier, which may be a name that leads to several.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Where INVITEs go.
    pub place: Place,
    /// The host in Request-URI, From and To; that of the place if not given.
    pub domain: Option<String>,
    /// Its share of the calls, where the gateways of a trunk have weights; else they are tried in order.
    pub weight: Option<u16>,
    /// Digest user name and password, sent to this gateway alone.
    pub credentials: Option<Credentials>,
    /// The number in From where the caller has none of their own.
    pub caller_id: Option<Number>,
    /// An INVITE without any answer is given up after so long (never over Timer B), and the next gateway tried.
    pub timeout: Duration,
    /// How often it is asked whether it is there (OPTIONS); `None`: never.
    pub health: Option<Duration>,
    /// Whether we register with it.
    pub register: Option<Register>,
}

impl Gateway {
    /// The name in its addresses, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.domain.as_deref().or(match &self.place.host {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        })
    }

    /// Whether a URI names somebody there.
    pub fn is_at(&self, uri: &Uri) -> bool {
        let domain = self.domain.as_deref().and_then(Host::read);
        let is_it = |host: &Host| uri.host() == Some(host);
        domain.as_ref().is_some_and(is_it) || is_it(&self.place.host)
    }

    /// What it knows us by: what is registered, else the name of the credentials.
    pub fn account(&self) -> Option<&str> {
        let registered = self.register.as_ref().map(|register| register.user.reveal().as_str());
        registered.or(self.credentials.as_ref().map(|known_by| known_by.user.as_str()))
    }

    /// The address of somebody at this gateway; without a user, its own.
    pub fn uri(&self, user: Option<&str>) -> Uri {
        match self.domain.as_deref().and_then(Host::read) {
            Some(domain) => Uri::at(user, domain, None),
            None => Uri::at(user, self.place.host.clone(), self.place.port),
        }
    }
}

/// How we register with a carrier.
#[derive(Clone, Debug)]
pub struct Register {
    /// The user part of what is registered: an account or a number.
    pub user: Redacted<String>,
    /// The life that is asked for; the carrier decides.
    pub expires: Duration,
}

/// What a carrier knows us by.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: Redacted<String>,
    /// Only challenges of this realm are answered, if given.
    pub realm: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_source_is_one_however_it_is_written() {
        let source = |address: &str, bits| Source {
            address: address.parse().expect("an address"),
            bits,
            port: None,
        };
        let from = |address: &str| SocketAddr::new(address.parse().expect("an address"), 5060);
        for (ours, bits) in [("192.0.2.0", 24), ("::ffff:192.0.2.0", 120)] {
            let source = source(ours, bits);
            assert!(source.contains(from("192.0.2.9")));
            assert!(source.contains(from("::ffff:192.0.2.9")));
            assert!(!source.contains(from("192.0.3.9")));
            assert!(!source.contains(from("::ffff:192.0.3.9")));
            assert!(!source.contains(from("c000:209::")), "whose first bits are alike");
        }
        assert!(source("2001:db8::", 32).contains(from("2001:db8::9")));
        assert!(!source("2001:db8::", 32).contains(from("32.1.13.184")));
        assert!(source("::", 0).contains(from("2001:db8::9")));
        assert!(source("192.0.2.9", 32).contains(from("192.0.2.9")));
        assert!(!source("192.0.2.9", 32).contains(from("192.0.2.8")));
    }
}

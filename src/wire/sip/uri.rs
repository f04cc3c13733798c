//! URIs as SIP uses them: `sip:`, `sips:` (RFC 3261 §19.1), `tel:` (RFC 3966) and any other scheme, kept as it came.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::message::Malformed;

/// A host as written: a name, or an address literal (IPv6 in brackets on the wire).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Host {
    /// A domain name, lower-cased.
    Name(Box<str>),
    /// An address.
    Address(IpAddr),
}

/// What stands before the colon.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Anything else: to be answered with 416 in a Request-URI.
    Other(Box<str>),
}

/// One URI. For `sip:` and `sips:` the parts are read; the text is kept as it came, for echoing.
#[derive(Clone, Debug)]
pub struct Uri {
    text: Box<str>,
}

impl Uri {
    /// Reads one URI without enclosing brackets.
    pub fn parse(text: &str) -> Result<Uri, Malformed> {
        let _ = text;
        todo!()
    }

    /// `sip:user@host:port` for an address of ours or of a peer; `user` is escaped as needed (RFC 3261 §25.1).
    pub fn sip(user: Option<&str>, address: SocketAddr) -> Uri {
        let _ = (user, address);
        todo!()
    }

    /// `sip:user@domain`, without a port.
    pub fn at_domain(user: &str, domain: &str) -> Uri {
        let _ = (user, domain);
        todo!()
    }

    /// The scheme.
    pub fn scheme(&self) -> &Scheme {
        todo!()
    }

    /// The user part, unescaped once; of a `tel:` URI the number without visual separators.
    pub fn user(&self) -> Option<&str> {
        todo!()
    }

    /// The host of a `sip:` or `sips:` URI.
    pub fn host(&self) -> Option<&Host> {
        todo!()
    }

    /// The port as written.
    pub fn port(&self) -> Option<u16> {
        todo!()
    }

    /// Address and port if the host is a literal; 5060 (or 5061 for sips) where no port is written. No name is ever resolved.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        todo!()
    }

    /// A URI parameter's value (`""` for a bare one), name compared without case.
    pub fn param(&self, name: &str) -> Option<&str> {
        let _ = name;
        todo!()
    }

    /// This URI with a parameter appended.
    pub fn with_param(&self, name: &str, value: &str) -> Uri {
        let _ = (name, value);
        todo!()
    }

    /// Without URI headers (`?…`) and the method parameter: what may stand in a Request-URI (RFC 3261 §19.1.5).
    pub fn for_request(&self) -> Uri {
        todo!()
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Equal by the comparison rules of RFC 3261 §19.1.4.
    pub fn matches(&self, other: &Uri) -> bool {
        let _ = other;
        todo!()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

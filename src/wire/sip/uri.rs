//! URIs as SIP uses them: `sip:`, `sips:` (RFC 3261 §19.1), `tel:` (RFC 3966) and any other scheme, kept as it came.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::cursor::{is_host, number};
use super::escape::{self, Part};
use super::headers::Params;
use super::message::Malformed;
use crate::wire::flow::Transport;

/// A host as written: a name, or an address literal (IPv6 in brackets on the wire).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Host {
    /// A domain name, lower-cased.
    Name(Box<str>),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Reads a host without a port; IPv6 in brackets. A name's last label must not be all digits, which keeps names and addresses
    /// apart (RFC 3261 §25.1), and `2001:db8::1` without brackets is none (RFC 5118 §4.2).
    pub fn read(text: &str) -> Option<Host> {
        if let Some(literal) = text.strip_prefix('[') {
            let address: Ipv6Addr = literal.strip_suffix(']')?.parse().ok()?;
            return Some(Host::Address(IpAddr::V6(address)));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Host::Address(IpAddr::V4(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let last = name.rsplit('.').next()?;
        let labels = name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_host));
        if name.len() > 253 || !labels || last.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Host::Name(name.to_ascii_lowercase().into()))
    }

    /// The address, if it is a literal.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::Address(address) => Some(*address),
        }
    }
}

/// As on the wire.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
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
#[derive(Clone)]
pub struct Uri {
    text: Box<str>,
    scheme: Scheme,
    user: Option<Box<str>>,
    /// Where user and password stand in the text.
    userinfo: std::ops::Range<usize>,
    host: Option<Host>,
    port: Option<u16>,
    params: Params,
    /// Where the parameters begin in the text, and where the headers do.
    params_at: usize,
    headers_at: usize,
}

impl Uri {
    /// Reads one URI without enclosing brackets.
    pub fn parse(text: &str) -> Result<Uri, Malformed> {
        let colon = text.find(':').ok_or(Malformed::bad("URI without scheme", 0))?;
        let scheme = &text[..colon];
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        {
            return Err(Malformed::bad("bad URI scheme", 0));
        }
        let mut uri = Uri {
            text: text.into(),
            scheme: Scheme::Sip,
            user: None,
            userinfo: colon + 1..colon + 1,
            host: None,
            port: None,
            params: Params::default(),
            params_at: text.len(),
            headers_at: text.len(),
        };
        if scheme.eq_ignore_ascii_case("sip") {
            uri.read_sip(colon + 1)?;
        } else if scheme.eq_ignore_ascii_case("sips") {
            uri.scheme = Scheme::Sips;
            uri.read_sip(colon + 1)?;
        } else if scheme.eq_ignore_ascii_case("tel") {
            uri.scheme = Scheme::Tel;
            uri.read_tel(colon + 1)?;
        } else {
            uri.scheme = Scheme::Other(scheme.to_ascii_lowercase().into());
            let opaque = &text.as_bytes()[colon + 1..];
            if opaque.is_empty() || !opaque.iter().all(|&b| escape::is_visible(b)) {
                return Err(Malformed::bad("URI cannot be read", colon + 1));
            }
        }
        Ok(uri)
    }

    fn read_sip(&mut self, from: usize) -> Result<(), Malformed> {
        let text = &self.text;
        let mut at = from;
        if let Some(end) = text[from..].find('@') {
            let end = from + end;
            let user = &text[from..end];
            let (user, password) = match user.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (user, None),
            };
            if user.is_empty() {
                return Err(Malformed::bad("empty user in URI", from));
            }
            self.user = Some(escape::read(user, Part::User, from)?);
            if let Some(password) = password {
                escape::check(password, Part::User, from)?;
            }
            self.userinfo = from..end;
            at = end + 1;
        }
        let headers = text[at..].find('?').map_or(text.len(), |place| at + place);
        let params = text[at..headers].find(';').map_or(headers, |place| at + place);
        let place = &text[at..params];
        let end = match place.strip_prefix('[') {
            Some(_) => place.find(']').map_or(place.len(), |end| end + 1),
            None => place.find(':').unwrap_or(place.len()),
        };
        self.host = Some(Host::read(&place[..end]).ok_or(Malformed::bad("bad host in URI", at))?);
        if let Some(port) = place.get(end..).filter(|port| !port.is_empty()) {
            let port = port.strip_prefix(':').map(str::as_bytes).unwrap_or_default();
            let port = number(port, u64::from(u16::MAX)).and_then(|port| u16::try_from(port).ok());
            let port = port.filter(|&port| port != 0);
            self.port = Some(port.ok_or(Malformed::bad("bad port in URI", at + end))?);
        }
        if headers < text.len() {
            escape::check(&text[headers + 1..], Part::Headers, headers + 1)?;
        }
        self.params_at = params;
        self.headers_at = headers;
        self.params = read_params(&text[params..headers], params)?;
        Ok(())
    }

    fn read_tel(&mut self, from: usize) -> Result<(), Malformed> {
        let params = self.text[from..].find(';').map_or(self.text.len(), |place| from + place);
        let mut digits = String::with_capacity(params - from);
        for (place, c) in self.text[from..params].char_indices() {
            match c {
                '-' | '.' | '(' | ')' => {}
                '+' if place == 0 => digits.push(c),
                '0'..='9' | 'a'..='f' | 'A'..='F' | '*' | '#' => {
                    digits.push(c.to_ascii_uppercase())
                }
                _ => return Err(Malformed::bad("bad number in tel URI", from + place)),
            }
        }
        if digits.is_empty() || digits == "+" {
            return Err(Malformed::bad("empty number in tel URI", from));
        }
        self.user = Some(digits.into());
        self.userinfo = from..params;
        self.params_at = params;
        self.params = read_params(&self.text[params..], params)?;
        Ok(())
    }

    /// `sip:user@host:port` for an address of ours or of a peer; `user` is escaped as needed (RFC 3261 §25.1).
    pub fn sip(user: Option<&str>, address: SocketAddr) -> Uri {
        Uri::build(user, Host::Address(address.ip()), Some(address.port()))
    }

    /// Whether every hop to it is to be secure (RFC 5630 §3.1).
    pub fn is_sips(&self) -> bool {
        self.scheme == Scheme::Sips
    }

    /// The same with `sips:`, and without a transport, which that implies. A URI that is no `sip:` stays as it is.
    pub fn secured(&self) -> Uri {
        let Scheme::Sip = self.scheme else { return self.clone() };
        let mut text = String::from("sips:");
        text.push_str(&self.text[4..self.params_at]);
        for param in self.text[self.params_at..self.headers_at].split(';').skip(1) {
            let name = param.split('=').next().unwrap_or_default();
            if !escape::plain(name).eq_ignore_ascii_case("transport") {
                text.push(';');
                text.push_str(param);
            }
        }
        text.push_str(&self.text[self.headers_at..]);
        Uri::parse(&text).unwrap_or_else(|_| self.clone())
    }

    /// `sip:user@domain`, without a port. `domain` is a host as [`Host::read`] takes it; from anything else the characters that
    /// cannot stand in a host are left out.
    pub fn at_domain(user: &str, domain: &str) -> Uri {
        let host = Host::read(domain).unwrap_or_else(|| {
            let name: String =
                domain.chars().filter(|&c| c.is_ascii() && is_host(c as u8)).collect();
            Host::Name(name.to_ascii_lowercase().into())
        });
        Uri::build(Some(user), host, None)
    }

    /// `sip:user@host:port`, of what is there.
    pub fn at(user: Option<&str>, host: Host, port: Option<u16>) -> Uri {
        Uri::build(user, host, port)
    }

    fn build(user: Option<&str>, host: Host, port: Option<u16>) -> Uri {
        let mut text = String::from("sip:");
        let from = text.len();
        let user = user.filter(|user| !user.is_empty());
        if let Some(user) = user {
            escape::write(&mut text, user, Part::User);
        }
        let userinfo = from..text.len();
        if user.is_some() {
            text.push('@');
        }
        let written = match port {
            Some(port) => write!(text, "{host}:{port}"),
            None => write!(text, "{host}"),
        };
        debug_assert!(written.is_ok(), "a String takes everything");
        Uri {
            params_at: text.len(),
            headers_at: text.len(),
            text: text.into(),
            scheme: Scheme::Sip,
            user: user.map(Into::into),
            userinfo,
            host: Some(host),
            port,
            params: Params::default(),
        }
    }

    /// The scheme.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The user part, unescaped once; of a `tel:` URI the number without visual separators.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The host of a `sip:` or `sips:` URI.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// The port as written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// What carries requests to it, as far as the URI says: its `transport`, but for `sips:`, which is TLS whatever stands there
    /// (RFC 3261 §19.1.1, RFC 5630 §3.1.3). `Some(None)`: one that we do not speak.
    pub fn transport(&self) -> Option<Option<Transport>> {
        match (&self.scheme, self.param("transport")) {
            (Scheme::Sips, None) => Some(Some(Transport::Tls)),
            (Scheme::Sips, Some(word)) => Some(match Transport::of_word(word) {
                Some(Transport::Tcp | Transport::Tls) => Some(Transport::Tls),
                Some(Transport::Udp) | None => None,
            }),
            (Scheme::Sip | Scheme::Tel | Scheme::Other(_), word) => word.map(Transport::of_word),
        }
    }

    /// Address and port if the host is a literal; 5060 (or 5061 for TLS) where no port is written. No name is ever resolved.
    /// An IPv4-mapped IPv6 address is the IPv4 one.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        let address = self.host.as_ref()?.address()?.to_canonical();
        let port = || self.transport().flatten().unwrap_or(Transport::Udp).default_port();
        Some(SocketAddr::new(address, self.port.unwrap_or_else(port)))
    }

    /// A URI parameter's value (`""` for a bare one), name compared without case.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }

    /// This URI with a parameter appended; `""` makes a bare one. A URI of a foreign scheme stays as it is.
    pub fn with_param(&self, name: &str, value: &str) -> Uri {
        if matches!(self.scheme, Scheme::Other(_)) {
            return self.clone();
        }
        let mut text = String::from(&self.text[..self.headers_at]);
        text.push(';');
        escape::write(&mut text, name, Part::Param);
        if !value.is_empty() {
            text.push('=');
            escape::write(&mut text, value, Part::Param);
        }
        text.push_str(&self.text[self.headers_at..]);
        Uri::parse(&text).unwrap_or_else(|_| self.clone())
    }

    /// Without URI headers (`?…`) and the method parameter: what may stand in a Request-URI (RFC 3261 §19.1.5).
    pub fn for_request(&self) -> Uri {
        if self.headers_at == self.text.len() && self.params.get("method").is_none() {
            return self.clone();
        }
        let mut text = String::from(&self.text[..self.params_at]);
        for param in self.text[self.params_at..self.headers_at].split(';').skip(1) {
            let name = param.split('=').next().unwrap_or_default();
            if !escape::plain(name).eq_ignore_ascii_case("method") {
                text.push(';');
                text.push_str(param);
            }
        }
        Uri::parse(&text).expect("parts of a URI that was read can be read")
    }

    /// The URI's headers (`?name=value&…`) in order, unescaped: what a Refer-To asks to be put into the request.
    pub fn headers(&self) -> impl Iterator<Item = (String, String)> {
        let text = self.text.get(self.headers_at + 1..).unwrap_or_default();
        text.split('&').filter(|header| !header.is_empty()).map(|header| {
            let (name, value) = header.split_once('=').unwrap_or((header, ""));
            (escape::plain(name).into_owned(), escape::plain(value).into_owned())
        })
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Equal by the comparison rules of RFC 3261 §19.1.4 (and RFC 3966 §5).
    pub fn matches(&self, other: &Uri) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Other(_) => {
                let opaque = |uri: &Uri| uri.text[uri.userinfo.start..].to_owned();
                opaque(self) == opaque(other)
            }
            Scheme::Tel => {
                self.user == other.user && same_params(&self.params, &other.params, true)
            }
            Scheme::Sip | Scheme::Sips => {
                escape::same(&self.text[self.userinfo.clone()], &other.text[other.userinfo.clone()])
                    && self.host == other.host
                    && self.port == other.port
                    && same_params(&self.params, &other.params, false)
                    && same_headers(self, other)
            }
        }
    }
}

fn read_params(text: &str, from: usize) -> Result<Params, Malformed> {
    let mut params = Params::default();
    let mut at = from;
    for param in text.split(';').skip(1) {
        at += 1;
        escape::check(param, Part::Params, at)?;
        let (name, value) = match param.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        };
        if name.is_empty() || value == Some("") {
            return Err(Malformed::bad("empty parameter in URI", at));
        }
        params.push_plain(&escape::plain(name), value.map(escape::plain).as_deref(), at)?;
        at += param.len();
    }
    Ok(params)
}

/// Parameters in both must be equal, those in one alone do not count, unless they say where or how to send (or `all` count).
fn same_params(one: &Params, other: &Params, all: bool) -> bool {
    const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
    let covered = |one: &Params, other: &Params| {
        one.iter().all(|(name, value)| match other.get(name) {
            Some(theirs) => value.unwrap_or("").eq_ignore_ascii_case(theirs),
            None => !all && !DECISIVE.contains(&name),
        })
    };
    covered(one, other) && covered(other, one)
}

fn same_headers(one: &Uri, other: &Uri) -> bool {
    let sorted = |uri: &Uri| {
        let mut headers: Vec<_> =
            uri.headers().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        headers.sort();
        headers
    };
    one.headers_at == one.text.len() && other.headers_at == other.text.len()
        || sorted(one) == sorted(other)
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Without the user, who may be a person or a number.
impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.scheme, &self.host) {
            (Scheme::Other(scheme), _) => write!(f, "{scheme}:***"),
            (scheme, None) => write!(f, "{scheme:?}:***"),
            (scheme, Some(host)) => {
                let user = if self.user.is_some() { "***@" } else { "" };
                write!(f, "{scheme:?}:{user}{host}")
            }
        }
    }
}

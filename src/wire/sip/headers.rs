//! Headers: their names in any form, and typed views of those that the switch reads.

use std::fmt;

use super::message::Method;
use super::uri::{Host, Uri};

/// A header's canonical name; long and compact form and any case are one name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "each is the header of its name")]
pub enum Name {
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    Allow,
    AllowEvents,
    Authorization,
    AuthenticationInfo,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Diversion,
    Event,
    Expires,
    From,
    HistoryInfo,
    MaxForwards,
    MinExpires,
    MinSe,
    PAssertedIdentity,
    PPreferredIdentity,
    Path,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    Reason,
    RecordRoute,
    ReferTo,
    ReferredBy,
    Replaces,
    Require,
    RetryAfter,
    Route,
    RSeq,
    Server,
    SessionExpires,
    SubscriptionState,
    Supported,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
    /// A header that the switch does not know; kept, never acted on.
    Unknown,
}

impl Name {
    /// The canonical long form, as we write it.
    pub fn as_str(self) -> &'static str {
        todo!()
    }

    /// From any form on the wire.
    pub fn read(name: &[u8]) -> Name {
        let _ = name;
        todo!()
    }
}

/// `;name=value` parameters in order; names are compared without case, quoted values are unquoted by `get`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Params {}

impl Params {
    /// The value, `""` for a bare parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let _ = name;
        todo!()
    }
}

/// One Via value (RFC 3261 §20.42, RFC 3581).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Via {
    /// `UDP`, `TCP`, ... upper-cased.
    pub transport: Box<str>,
    /// sent-by.
    pub host: Host,
    /// sent-by's port, if written.
    pub port: Option<u16>,
    /// branch, received, rport, maddr, ttl and others.
    pub params: Params,
}

impl Via {
    /// The branch, if any.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }
}

/// name-addr or addr-spec with header parameters: From, To, Contact, Route, Record-Route, P-Asserted-Identity ...
#[derive(Clone, Debug)]
pub struct Address {
    /// The display name, unquoted.
    pub display: Option<Box<str>>,
    /// The URI.
    pub uri: Uri,
    /// Header parameters (a parameter of an addr-spec without brackets is the header's, RFC 3261 §20).
    pub params: Params,
}

impl Address {
    /// `<uri>` alone.
    pub fn new(uri: Uri) -> Address {
        Address { display: None, uri, params: Params::default() }
    }

    /// With a display name; it is quoted and escaped when written.
    pub fn named(display: &str, uri: Uri) -> Address {
        Address { display: Some(display.into()), uri, params: Params::default() }
    }

    /// With a tag added or replaced.
    pub fn tagged(self, tag: &str) -> Address {
        let _ = tag;
        todo!()
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }
}

/// As on the wire: display name quoted, URI in brackets, parameters.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        todo!()
    }
}

/// The Contact header of a whole message.
#[derive(Clone, Debug)]
pub enum Contacts {
    /// `*`: all of them (RFC 3261 §10.2.2).
    All,
    /// In order of appearance.
    List(Vec<Address>),
}

/// CSeq: number below 2^31 and method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CSeq {
    /// The number.
    pub number: u32,
    /// The method.
    pub method: Method,
}

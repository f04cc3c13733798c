//! Digest authentication: RFC 7616 and RFC 8760 (SHA-256 and MD5, qop=auth), over the bytes as received.

use std::time::{Duration, Instant};

use super::ids::Ids;
use super::message::{Malformed, Message, Method};

/// A digest algorithm we speak, the stronger first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    /// RFC 7616
    Sha256,
    /// RFC 3261 §22, for phones that know no better.
    Md5,
}

/// H(user:realm:password) in lower-case hex, one per algorithm: all that is ever stored of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    /// For SHA-256; `None` if the admin has only an MD5 one.
    pub sha256: Option<Box<str>>,
    /// For MD5.
    pub md5: Option<Box<str>>,
}

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ha1(***)")
    }
}

impl Ha1 {
    /// From a password, for both algorithms.
    pub fn of(user: &str, realm: &str, password: &str) -> Ha1 {
        let _ = (user, realm, password);
        todo!()
    }
}

/// Why credentials were not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// None for our realm: challenge.
    Missing,
    /// The nonce is too old, or its count is used up: challenge with stale=true (RFC 7616 §3.3).
    Stale,
    /// A nonce that is not ours (or of another address), a count seen before, another URI than the Request-URI, a wrong response.
    Wrong,
    /// Unreadable: 400.
    Malformed(Malformed),
}

/// The server side: makes nonces, checks credentials, remembers counts. Nonces are bound to the source address and sealed with
/// a secret of this run (HMAC-SHA-256), so a challenge keeps no state; only a nonce that was used well is remembered, for its counts.
#[derive(Debug)]
pub struct Guard {}

impl Guard {
    /// Nonces live for `life` and for at most `uses` counts.
    pub fn new(realm: &str, life: Duration, uses: u32, ids: Ids) -> Guard {
        let _ = (realm, life, uses, ids);
        todo!()
    }

    /// The values for WWW-Authenticate or Proxy-Authenticate, SHA-256 first, then MD5 (RFC 8760 §2.4).
    pub fn challenges(
        &mut self,
        now: Instant,
        source: std::net::IpAddr,
        stale: bool,
    ) -> [String; 2] {
        let _ = (now, source, stale);
        todo!()
    }

    /// The user name claimed by the request's credentials for our realm, unproven: to look its HA1 up.
    pub fn claimed(&self, request: &Message) -> Result<String, Refusal> {
        let _ = request;
        todo!()
    }

    /// Checks the credentials against `ha1`. For an unknown user pass `None`: takes the same time, never succeeds.
    pub fn check(
        &mut self,
        now: Instant,
        source: std::net::IpAddr,
        request: &Message,
        ha1: Option<&Ha1>,
    ) -> Result<(), Refusal> {
        let _ = (now, source, request, ha1);
        todo!()
    }
}

/// The client side: the Authorization (or Proxy-Authorization) value that answers the 401 or 407 `challenge`, and which header to put
/// it in. `None` if no challenge is for `realm` (when given) or in an algorithm we know. Picks SHA-256 over MD5.
pub fn answer(
    challenge: &Message,
    method: &Method,
    uri: &str,
    user: &str,
    password: &str,
    realm: Option<&str>,
    ids: &mut Ids,
) -> Option<(super::headers::Name, String)> {
    let _ = (challenge, method, uri, user, password, realm, ids);
    todo!()
}

//! The server side of digest authentication: challenges, and the check of what comes back.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::digest::{hex, response, same};
use super::fields::Fields;
use super::nonce::{Count, Mint, Worth};
use super::{Algorithm, Ha1, Refusal};
use crate::wire::sip::headers::Name;
use crate::wire::sip::ids::Ids;
use crate::wire::sip::message::{Malformed, Message, Status};
use crate::wire::sip::uri::Uri;

/// The server side: makes nonces, checks credentials, remembers counts. Nonces are bound to the source address and sealed with
/// a secret of this run (HMAC-SHA-256), so a challenge keeps no state; only a nonce that was used well is remembered, for its counts.
#[derive(Debug)]
pub struct Guard {
    realm: Box<str>,
    mint: Mint,
    /// Stands in for the HA1 of somebody who does not exist.
    nobody: Ha1,
}

/// The credentials of one request for our realm, every needed field there.
#[derive(Debug)]
struct Credentials<'a> {
    algorithm: Algorithm,
    user: String,
    nonce: &'a [u8],
    uri: &'a [u8],
    response: &'a [u8],
    cnonce: &'a [u8],
    count: &'a [u8],
    number: u32,
}

impl Guard {
    /// Nonces live for `life` and for at most `uses` counts.
    pub fn new(realm: &str, life: Duration, uses: u32, mut ids: Ids) -> Guard {
        let mut chance = || (0..4).flat_map(|_| ids.long().to_be_bytes()).collect::<Vec<u8>>();
        let (one, two) = (hex(&chance()), hex(&chance()[..16]));
        let nobody = Ha1 { sha256: Some(one.into()), md5: Some(two.into()) };
        Guard { realm: realm.into(), mint: Mint::new(life, uses, ids), nobody }
    }

    /// The values for WWW-Authenticate or Proxy-Authenticate, one for each algorithm, the preferred first (RFC 8760 §2.4).
    pub fn challenges(
        &mut self,
        now: Instant,
        source: IpAddr,
        stale: bool,
        algorithms: &[Algorithm],
    ) -> Vec<String> {
        let nonce = self.mint.make(now, source);
        let realm = super::answer::quoted(&self.realm);
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &Algorithm| {
            let algorithm = algorithm.as_str();
            format!(
                "Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}"
            )
        };
        algorithms.iter().map(challenge).collect()
    }

    /// The user name claimed by the request's credentials for our realm, unproven: to look its HA1 up.
    pub fn claimed(&self, request: &Message) -> Result<String, Refusal> {
        let lines = lines(request);
        self.find(&lines).map(|credentials| credentials.user)
    }

    /// Checks the credentials against `ha1`. For an unknown user pass `None`: takes the same time, never succeeds.
    pub fn check(
        &mut self,
        now: Instant,
        source: IpAddr,
        request: &Message,
        ha1: Option<&Ha1>,
    ) -> Result<(), Refusal> {
        let lines = lines(request);
        let credentials = self.find(&lines)?;
        let known = ha1.and_then(|ha1| ha1.get(credentials.algorithm));
        let stand_in = self.nobody.get(credentials.algorithm).unwrap_or_default();
        let expected = response(
            credentials.algorithm,
            known.unwrap_or(stand_in),
            credentials.nonce,
            credentials.count,
            credentials.cnonce,
            request.method().map_or("", |method| method.as_str()),
            credentials.uri,
        );
        let worth = self.mint.weigh(now, source, credentials.nonce);
        let right = same(credentials.response.to_ascii_lowercase().as_slice(), expected.as_bytes());
        if !right || known.is_none() || !is_request_uri(credentials.uri, request) {
            return Err(Refusal::Wrong);
        }
        let Worth::Good(key) = worth else { return Err(Refusal::Stale) };
        match self.mint.count(now, key, credentials.number) {
            Count::New => Ok(()),
            Count::Seen => Err(Refusal::Replayed),
            Count::UsedUp => Err(Refusal::Stale),
        }
    }

    /// Whether the credentials answer a question that reached this very source: nobody else can make it look like a guesser.
    pub fn asked(&self, now: Instant, source: IpAddr, request: &Message) -> bool {
        let lines = lines(request);
        self.find(&lines).is_ok_and(|credentials| {
            self.mint.weigh(now, source, credentials.nonce) != Worth::Foreign
        })
    }

    /// The first credentials for our realm in an algorithm of ours.
    fn find<'a>(&self, lines: &[&'a [u8]]) -> Result<Credentials<'a>, Refusal> {
        for line in lines {
            let Some(fields) = Fields::read(line).map_err(Refusal::Malformed)? else { continue };
            if fields.plain("realm").as_deref() != Some(self.realm.as_bytes()) {
                continue;
            }
            let Some(algorithm) = Algorithm::named(fields.raw("algorithm")) else { continue };
            return credentials(algorithm, &fields);
        }
        Err(Refusal::Missing)
    }
}

/// Both kinds: who asks for which is the user's choice, and the realm tells them apart. A phone has one of each on its way.
fn lines(request: &Message) -> Vec<&[u8]> {
    let lines = request.lines(Name::Authorization).chain(request.lines(Name::ProxyAuthorization));
    lines.take(super::MOST_LINES).collect()
}

fn credentials<'a>(algorithm: Algorithm, fields: &Fields<'a>) -> Result<Credentials<'a>, Refusal> {
    let need = |name, what| fields.raw(name).ok_or(malformed(what));
    let user = fields.plain("username").ok_or(malformed("no digest username"))?;
    let user = String::from_utf8(user.into_owned()).map_err(|_| malformed("digest username"))?;
    // We always ask for qop=auth; without it a response can be replayed for ever.
    if !fields.raw("qop").is_some_and(|qop| qop.eq_ignore_ascii_case(b"auth")) {
        return Err(Refusal::Wrong);
    }
    let count = need("nc", "no digest nc")?;
    let number = std::str::from_utf8(count)
        .ok()
        .filter(|count| count.len() == 8 && count.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .and_then(|count| u32::from_str_radix(count, 16).ok())
        .ok_or(malformed("digest nc"))?;
    Ok(Credentials {
        algorithm,
        user,
        nonce: need("nonce", "no digest nonce")?,
        uri: need("uri", "no digest uri")?,
        response: need("response", "no digest response")?,
        cnonce: need("cnonce", "no digest cnonce")?,
        count,
        number,
    })
}

/// RFC 7616 §3.4.6: the two must name the same resource.
fn is_request_uri(text: &[u8], request: &Message) -> bool {
    let Some(uri) = request.uri() else { return false };
    let Ok(text) = std::str::from_utf8(text) else { return false };
    text == uri.as_str() || Uri::parse(text).is_ok_and(|claimed| claimed.matches(uri))
}

fn malformed(what: &'static str) -> Refusal {
    Refusal::Malformed(Malformed { what, at: 0, status: Status::of(400) })
}

//! The client side of digest authentication: what answers a carrier's challenge.

use super::Algorithm;
use super::digest::{hash, legacy_response, response};
use super::fields::Fields;
use crate::wire::sip::headers::Name;
use crate::wire::sip::ids::Ids;
use crate::wire::sip::message::{Message, Method};

/// Each challenge is answered once, so its nonce is used once.
const FIRST: &str = "00000001";

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
) -> Option<(Name, String)> {
    let (asked, put) = match challenge.status()?.code() {
        401 => (Name::WwwAuthenticate, Name::Authorization),
        407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        _ => return None,
    };
    challenge
        .lines(asked)
        .take(super::MOST_LINES)
        .filter_map(|line| Offer::read(line, realm))
        .min_by_key(|offer| offer.algorithm)
        .map(|offer| (put, offer.answer(method, uri, user, password, ids)))
}

/// Whether a challenge says that only the nonce was too old (RFC 7616 §3.3): credentials that were wrong are not sent again.
pub fn is_stale(challenge: &Message) -> bool {
    let asked = challenge.lines(Name::WwwAuthenticate).take(super::MOST_LINES);
    let mut asked = asked.chain(challenge.lines(Name::ProxyAuthenticate).take(super::MOST_LINES));
    asked.any(|line| {
        let fields = Fields::read(line).ok().flatten();
        let stale = fields.as_ref().and_then(|fields| fields.raw("stale"));
        stale.is_some_and(|stale| stale.eq_ignore_ascii_case(b"true"))
    })
}

/// One challenge that we can answer.
struct Offer<'a> {
    algorithm: Algorithm,
    fields: Fields<'a>,
    realm: String,
    nonce: &'a str,
    /// RFC 2069: the carrier knows no qop.
    legacy: bool,
}

impl<'a> Offer<'a> {
    fn read(line: &'a [u8], realm: Option<&str>) -> Option<Offer<'a>> {
        let fields = Fields::read(line).ok()??;
        let named = String::from_utf8(fields.plain("realm")?.into_owned()).ok()?;
        if realm.is_some_and(|realm| realm != named) {
            return None;
        }
        let algorithm = Algorithm::named(fields.raw("algorithm"))?;
        let nonce = text(fields.raw("nonce")?)?;
        let legacy = match fields.raw("qop") {
            None => true,
            Some(list) => {
                let auth = |qop: &[u8]| qop.trim_ascii().eq_ignore_ascii_case(b"auth");
                if !list.split(|&byte| byte == b',').any(auth) {
                    return None;
                }
                false
            }
        };
        Some(Offer { algorithm, fields, realm: named, nonce, legacy })
    }

    fn answer(
        &self,
        method: &Method,
        uri: &str,
        user: &str,
        password: &str,
        ids: &mut Ids,
    ) -> String {
        let parts = [user.as_bytes(), self.realm.as_bytes(), password.as_bytes()];
        let ha1 = hash(self.algorithm, &parts);
        let nonce = self.nonce.as_bytes();
        let (method, user) = (method.as_str(), quoted(user));
        let (realm, nonce_text) = (quoted(&self.realm), self.nonce);
        let mut value =
            format!("Digest username={user}, realm={realm}, nonce=\"{nonce_text}\", uri=\"{uri}\"");
        let mut add = |field: &str| {
            value.push_str(", ");
            value.push_str(field);
        };
        if self.legacy {
            let response = legacy_response(self.algorithm, &ha1, nonce, method, uri.as_bytes());
            add(&format!("response=\"{response}\""));
        } else {
            let cnonce = ids.tag();
            let response = response(
                self.algorithm,
                &ha1,
                nonce,
                FIRST.as_bytes(),
                cnonce.as_bytes(),
                method,
                uri.as_bytes(),
            );
            add(&format!("response=\"{response}\", cnonce=\"{cnonce}\", nc={FIRST}, qop=auth"));
        }
        if self.fields.raw("algorithm").is_some() {
            add(&format!("algorithm={}", self.algorithm.as_str()));
        }
        if let Some(opaque) = self.fields.raw("opaque").and_then(text) {
            add(&format!("opaque=\"{opaque}\""));
        }
        value
    }
}

/// A quoted-string of RFC 3261 §25.1.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

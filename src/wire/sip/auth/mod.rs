//! Digest authentication: RFC 7616 and RFC 8760 (SHA-256 and MD5, qop=auth), over the bytes as received.

mod answer;
mod digest;
mod fields;
mod guard;
mod nonce;

pub use answer::{answer, is_stale};
pub use guard::Guard;

use super::message::Malformed;

/// So many lines of credentials or challenges are looked at: several realms and algorithms, and no more work for a stranger.
const MOST_LINES: usize = 8;

/// A digest algorithm we speak, the stronger first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Algorithm {
    /// RFC 7616
    Sha256,
    /// RFC 3261 §22, for phones that know no better.
    Md5,
}

impl Algorithm {
    /// Its name in a challenge.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Md5 => "MD5",
        }
    }

    /// From a challenge or credentials; where none is named it is MD5 (RFC 7616 §3.3). `None`: not one we speak.
    fn named(name: Option<&[u8]>) -> Option<Algorithm> {
        match name {
            None => Some(Algorithm::Md5),
            Some(name) if name.eq_ignore_ascii_case(b"MD5") => Some(Algorithm::Md5),
            Some(name) if name.eq_ignore_ascii_case(b"SHA-256") => Some(Algorithm::Sha256),
            Some(_) => None,
        }
    }
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
        let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Ha1 {
            sha256: Some(digest::hash(Algorithm::Sha256, &parts).into()),
            md5: Some(digest::hash(Algorithm::Md5, &parts).into()),
        }
    }

    /// The one for `algorithm`.
    fn get(&self, algorithm: Algorithm) -> Option<&str> {
        match algorithm {
            Algorithm::Sha256 => self.sha256.as_deref(),
            Algorithm::Md5 => self.md5.as_deref(),
        }
    }
}

/// 64 bits in hex that only follow from all of `parts`, one of which is a secret.
pub fn token(parts: &[&str]) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    let mut token = digest::hash(Algorithm::Sha256, &parts);
    token.truncate(16);
    token
}

/// Why credentials were not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// None for our realm in an algorithm of ours: challenge.
    Missing,
    /// The password is right, but the nonce is too old, used up, of another address or of another run: challenge with stale=true
    /// (RFC 7616 §3.3), which the phone answers without asking anybody.
    Stale,
    /// Another URI than the Request-URI, a wrong response.
    Wrong,
    /// Right once, and used before.
    Replayed,
    /// Unreadable: 400.
    Malformed(Malformed),
}

#[cfg(test)]
mod tests;

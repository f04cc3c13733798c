//! `[tls]` of a profile and of a trunk: which files hold what TLS shows of us, and whom a carrier has to prove to be.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::file::{At, Section};
use super::{address, name};
use crate::switch::settings::{KeyPair, Peer, Proof};

/// What a profile's `[tls]` says.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) bind: Option<At<SocketAddr>>,
    pub(super) advertise: Option<At<SocketAddr>>,
    pub(super) own: Option<KeyPair>,
    pub(super) line: u32,
}

/// Reads `[tls]` of a profile; its usual port is `port`.
pub(super) fn door(section: &mut Section<'_>, port: u16) -> Option<Door> {
    let mut tls = section.section("tls")?;
    let bind = tls.parsed("bind", |text| address::socket(text, port));
    let own_port = bind.map_or(port, |bind| bind.value.port());
    let advertise = tls.parsed("advertise", |text| address::socket(text, own_port));
    let own = pair(&mut tls);
    if own.is_none() && tls.line_of("certificate").is_none() && tls.line_of("key").is_none() {
        tls.missing("certificate", "what is shown to whoever connects, such as \"tls/phones.pem\"");
    }
    let line = tls.line();
    tls.end();
    Some(Door { bind, advertise, own, line })
}

/// Reads `[tls]` of a trunk whose gateway is called `host`, if it has a name.
pub(super) fn peer(
    section: &mut Section<'_>,
    host: Option<&str>,
    has_from: bool,
) -> Option<(Option<Peer>, Proof)> {
    let mut tls = section.section("tls")?;
    let name = tls.parsed("name", subject).map(|at| at.value).or(host.map(str::to_owned));
    if name.is_none() && tls.line_of("name").is_none() {
        tls.missing("name", "the name in the carrier's certificate, such as \"sip.example.com\"");
    }
    let ca = tls.parsed("ca", path).map(|at| at.value);
    let own = pair(&mut tls);
    let words =
        [("address", Proof::Address), ("certificate", Proof::Certificate), ("both", Proof::Both)];
    let proof = tls.word("calls_in", &words);
    match proof {
        Some(At { value: Proof::Certificate, line }) if has_from => {
            tls.wrong(line, "`from` counts for nothing where `tls.calls_in` is \"certificate\"");
        }
        Some(At { value: Proof::Both, line }) if !has_from => {
            tls.wrong(line, "`tls.calls_in` is \"both\" and there is no `from`");
        }
        Some(_) | None => {}
    }
    tls.end();
    let peer = name.map(|name| Peer { name, ca, own });
    Some((peer, proof.map_or(Proof::Address, |at| at.value)))
}

/// A certificate and its key: both or none.
fn pair(tls: &mut Section<'_>) -> Option<KeyPair> {
    let certificate = tls.parsed("certificate", path);
    let key = tls.parsed("key", path);
    match (&certificate, &key) {
        (Some(at), None) if tls.line_of("key").is_none() => {
            tls.wrong(at.line, "`tls.certificate` has no `tls.key`");
        }
        (None, Some(at)) if tls.line_of("certificate").is_none() => {
            tls.wrong(at.line, "`tls.key` has no `tls.certificate`");
        }
        _ => {}
    }
    Some(KeyPair { certificate: certificate?.value, key: key?.value })
}

/// A file, relative to the profiles folder if it does not begin with `/`.
fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err("names a file, such as `tls/phones.pem`".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// A subjectAltName: of a host, with or without a `*` in front, which is then looked for as it stands.
fn subject(text: &str) -> Result<String, String> {
    let (star, host) = text.strip_prefix("*.").map_or(("", text), |host| ("*.", host));
    name::domain(host).map(|host| format!("{star}{host}"))
}

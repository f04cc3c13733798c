//! `trunks/`: the relationships with carriers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::file::{At, Section};
use super::findings::Findings;
use super::folder::{Folder, Kind};
use super::node::Node;
use super::{address, certificates, dialing, forwarding, gateways};
use crate::switch::dialing::Dialing;
use crate::switch::headers::{HeaderName, HeaderRules, MOST_NAMES};
use crate::switch::number::{Format, Numbering};
use crate::switch::settings::{
    Gateway, Identity, Listener, Peer, Proof, Rate, Redirects, Source, Trunk,
};
use crate::wire::flow::{PeerId, Transport};

/// More gateways than this are none of one carrier.
const MOST_GATEWAYS: usize = 16;

/// The trunks by name, and who proves by certificate to be one.
#[derive(Debug)]
pub(super) struct Trunks {
    pub(super) trunks: BTreeMap<String, Trunk>,
    pub(super) peers: Vec<Peer>,
}

/// Reads the trunks.
pub(super) fn read(
    folder: &Folder<'_>,
    listeners: &[Listener],
    node: &Node,
    findings: &Findings,
) -> Trunks {
    let mut peers = Vec::new();
    let mut trunks: BTreeMap<String, Trunk> = BTreeMap::new();
    for (name, document) in folder.objects(Kind::Trunks, findings) {
        let mut section = document.section(findings);
        let from = section.parsed_list("from", address::source);
        for (index, source) in from.iter().flat_map(|from| &from.value).enumerate() {
            sources(&section, index, source, &from, &trunks);
        }
        let numbering = numbering(&mut section, node);
        let dialing = transit(&mut section, folder, node);
        let redirects = forwarding::redirects(&mut section, Redirects::Refuse);
        let written = section.sections("gateway");
        let (has_gateway, line) = (!written.is_empty(), written.first().map(Section::line));
        if let Some(beyond) = written.get(MOST_GATEWAYS) {
            beyond.wrong(beyond.line(), format!("a trunk has {MOST_GATEWAYS} gateways at most"));
        }
        let gateways: Vec<Gateway> = written
            .into_iter()
            .take(MOST_GATEWAYS)
            .filter_map(|gateway| gateways::read(gateway, folder, listeners, &numbering))
            .collect();
        let weighed = gateways.iter().filter(|gateway| gateway.weight.is_some()).count();
        if weighed > 0 && weighed < gateways.len() {
            section.wrong(1, "either every `gateway` of a trunk has a `weight`, or none has");
        }
        let channels = section.count("channels", 1..=20_000).map_or(30, |at| at.value);
        let rate = section.parsed("rate", rate).map(|at| at.value);
        // A carrier that may move calls may move them to where they cost (default: it may not).
        let transfers = section.flag("transfers").is_some_and(|at| at.value);
        // A carrier is a stranger to whom nothing is told in confidence (default), or in the circle of trust.
        let trusted = section.flag("trusted").is_some_and(|at| at.value);
        let identity = identity(&mut section, trusted, &gateways);
        let headers = headers(&mut section);
        let from: Vec<Source> =
            from.into_iter().flat_map(|at| at.value).map(|at| at.value).collect();
        let host = gateways.iter().find_map(Gateway::name);
        let tls_line = section.line_of("tls");
        let tls = certificates::peer(&mut section, host, !from.is_empty());
        let proof = tls.as_ref().map_or(Proof::Address, |(_, proof)| *proof);
        if from.is_empty() && !has_gateway && proof == Proof::Address {
            section.wrong(1, "the trunk has neither `from` (calls in) nor `[gateway]` (calls out)");
        }
        let is_secure =
            |gateway: &Gateway| gateway.place.transport.is_some_and(Transport::is_secure);
        if tls.is_none() && gateways.iter().any(is_secure) {
            let what =
                "`gateway.transport` is \"tls\" and no `[tls]` says whose certificate it shows";
            section.wrong(line.unwrap_or(1), what);
        }
        let peer = tls.and_then(|(peer, _)| peer).map(|peer| place(&mut peers, peer));
        if let Some(other) = trunks.values().find(|other| alike(&peers, (peer, proof), other)) {
            let what = format!("`tls.name` is trunk `{}`'s too: whose call is it?", other.name);
            section.wrong(tls_line.unwrap_or(1), what);
        }
        section.end();
        let name = name.to_owned();
        let trunk = Trunk {
            name,
            from,
            peer,
            proof,
            gateways,
            channels,
            rate,
            numbering,
            dialing,
            transfers,
            redirects,
            trusted,
            identity,
            headers,
        };
        trunks.insert(trunk.name.clone(), trunk);
    }
    Trunks { trunks, peers }
}

/// The place of a peer; trunks of one carrier share it.
fn place(peers: &mut Vec<Peer>, peer: Peer) -> PeerId {
    let place = peers.iter().position(|known| *known == peer).unwrap_or_else(|| {
        peers.push(peer);
        peers.len() - 1
    });
    PeerId(u16::try_from(place).unwrap_or(u16::MAX))
}

/// Whether a certificate that proves one trunk proves another, and nothing else tells them apart.
fn alike(peers: &[Peer], (peer, proof): (Option<PeerId>, Proof), other: &Trunk) -> bool {
    let name = |peer: Option<PeerId>| Some(&peers.get(usize::from(peer?.0))?.name);
    let by_name = proof != Proof::Address && other.proof != Proof::Address;
    let by_name_alone = proof == Proof::Certificate && other.proof == Proof::Certificate;
    name(peer).is_some()
        && name(peer) == name(other.peer)
        && (by_name_alone || by_name && peer != other.peer)
}

/// Calls a second, a minute or an hour: `10/s`.
fn rate(text: &str) -> Result<Rate, String> {
    let spans = [("s", 1), ("m", 60), ("h", 3_600)];
    let read = || {
        let (calls, unit) = text.split_once('/')?;
        let (_, seconds) = spans.into_iter().find(|(known, _)| *known == unit)?;
        let calls = calls.parse().ok().filter(|calls| (1..=20_000).contains(calls))?;
        Some(Rate { calls, span: Duration::from_secs(seconds) })
    };
    let wrong = || {
        format!(
            "is a number of calls such as `10/s`, `100/m` or `500/h`, not `{}`",
            text.escape_debug()
        )
    };
    read().ok_or_else(wrong)
}

/// How numbers are written to the carrier, and by it.
fn numbering(section: &mut Section<'_>, node: &Node) -> Numbering {
    let country = section.parsed("country", dialing::country).map(|at| at.value).or(node.country);
    let formats =
        [("e164", Format::E164), ("national", Format::National), ("plain", Format::Plain)];
    let format = section.word("format", &formats);
    if let (Some(at), None) = (format.filter(|at| at.value == Format::National), country) {
        section.wrong(
            at.line,
            "`format` is `national`, and neither here nor in switch.toml is a `country`",
        );
    }
    let prefix = section.parsed("prefix", |text| match text.len() {
        0..=16 if text.bytes().all(|byte| byte.is_ascii_digit() || b"*#+".contains(&byte)) => {
            Ok(text.to_owned())
        }
        _ => Err("is up to 16 digits, `*`, `#` or `+`".to_owned()),
    });
    let format = format.map_or(Format::E164, |at| at.value);
    Numbering { country, format, prefix: prefix.map(|at| at.value).unwrap_or_default() }
}

/// What its calls bring and take along.
fn headers(section: &mut Section<'_>) -> HeaderRules {
    let Some(mut section) = section.section("headers") else { return HeaderRules::default() };
    let rules = HeaderRules {
        inward: few(&mut section, "in", HeaderName::parse),
        outward: few(&mut section, "out", HeaderName::parse),
        set: few(&mut section, "set", HeaderName::parse_line),
    };
    section.end();
    rules
}

fn few<T>(
    section: &mut Section<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let list = section.parsed_list(key, parse).map_or(Vec::new(), |at| at.value);
    if let Some(beyond) = list.get(MOST_NAMES) {
        section.wrong(beyond.line, format!("`headers.{key}` has {MOST_NAMES} headers at most"));
    }
    list.into_iter().map(|at| at.value).collect()
}

/// Where it is told who calls.
fn identity(section: &mut Section<'_>, trusted: bool, gateways: &[Gateway]) -> Identity {
    let words =
        [("from", Identity::From), ("asserted", Identity::Asserted), ("both", Identity::Both)];
    let Some(At { value, line }) = section.word("identity", &words) else {
        return if trusted { Identity::Both } else { Identity::From };
    };
    let is_known = |gateway: &Gateway| gateway.account().is_some();
    if value == Identity::Asserted && !gateways.iter().all(is_known) {
        let what =
            "`identity` is \"asserted\", and a gateway has neither `user` nor `account` for From";
        section.wrong(line, what);
    }
    value
}

/// What calls in may dial out again.
fn transit(section: &mut Section<'_>, folder: &Folder<'_>, node: &Node) -> Option<Dialing> {
    let may = section.flag("may_dial_out");
    let own = section.line_of("dial");
    let dialing = Arc::unwrap_or_clone(dialing::read(section, folder, &node.dialing));
    match (may, own) {
        (Some(At { value: true, line }), None) => {
            let what = "calls of this carrier may dial out with the caps of one user: say `dial`";
            section.odd(line, what);
            Some(dialing)
        }
        (Some(At { value: true, .. }), Some(_)) => Some(dialing),
        (_, Some(line)) => {
            section.wrong(line, "`dial` is for a trunk with `may_dial_out = true`");
            None
        }
        (_, None) => None,
    }
}

/// A call must be of one trunk.
fn sources(
    section: &Section<'_>,
    index: usize,
    source: &At<Source>,
    own: &Option<At<Vec<At<Source>>>>,
    trunks: &BTreeMap<String, Trunk>,
) {
    let before = own.iter().flat_map(|own| &own.value).take(index);
    if before.into_iter().any(|other| other.value == source.value) {
        section.wrong(source.line, "`from` names an address twice");
    }
    // Of two that overlap the closer one has the call; only the same twice leaves it open.
    if let Some(trunk) = trunks.values().find(|trunk| trunk.from.contains(&source.value)) {
        let what = format!("`from` names an address that is trunk `{}`'s", trunk.name);
        section.wrong(source.line, what);
    }
    let wide = if source.value.address.is_ipv4() { 16 } else { 32 };
    if source.value.bits < wide {
        let what = format!("`from` trusts a network as wide as /{}", source.value.bits);
        section.odd(source.line, what);
    }
}

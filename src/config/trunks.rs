//! `trunks/`: the relationships with carriers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::file::{At, Section, Shape};
use super::findings::Findings;
use super::folder::{Folder, Kind};
use super::listeners::meets;
use super::node::Node;
use super::{address, certificates, dialing, name};
use crate::redacted::Redacted;
use crate::switch::dialing::Dialing;
use crate::switch::number::{Format, Numbering};
use crate::switch::settings::{Credentials, Gateway, Listener, Peer, Proof, Source, Trunk};
use crate::wire::address::is_host;
use crate::wire::flow::{PeerId, Transport};

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
    for (name, document) in folder.objects(Kind::Trunks) {
        let mut section = document.section(findings);
        let from = section.parsed_list("from", address::source);
        for (index, source) in from.iter().flat_map(|from| &from.value).enumerate() {
            sources(&section, index, source, &from, &trunks);
        }
        let numbering = numbering(&mut section, node);
        let dialing = transit(&mut section, folder, node);
        let gateway = section.section("gateway").map(|gateway| {
            let line = gateway.line();
            (gateway_of(gateway, folder, listeners, &numbering), line)
        });
        let channels = section.count("channels", 1..=20_000).map_or(30, |at| at.value);
        // A carrier that may move calls may move them to where they cost (default: it may not).
        let transfers = section.flag("transfers").is_some_and(|at| at.value);
        let from: Vec<Source> =
            from.into_iter().flat_map(|at| at.value).map(|at| at.value).collect();
        let host = gateway.as_ref().and_then(|(gateway, _)| gateway.as_ref()?.domain.as_deref());
        let tls_line = section.line_of("tls");
        let tls = certificates::peer(&mut section, host, !from.is_empty());
        let proof = tls.as_ref().map_or(Proof::Address, |(_, proof)| *proof);
        if from.is_empty() && gateway.is_none() && proof == Proof::Address {
            section.wrong(1, "the trunk has neither `from` (calls in) nor `[gateway]` (calls out)");
        }
        let gateway_line = gateway.as_ref().map(|(_, line)| *line);
        let gateway = gateway.and_then(|(gateway, _)| gateway);
        if tls.is_none() && gateway.as_ref().is_some_and(|gateway| gateway.transport.is_secure()) {
            let what =
                "`gateway.transport` is \"tls\" and no `[tls]` says whose certificate it shows";
            section.wrong(gateway_line.unwrap_or(1), what);
        }
        let peer = tls.and_then(|(peer, _)| peer).map(|peer| place(&mut peers, peer));
        if let Some(other) = trunks.values().find(|other| alike(&peers, (peer, proof), other)) {
            let what = format!("`tls.name` is trunk `{}`'s too: whose call is it?", other.name);
            section.wrong(tls_line.unwrap_or(1), what);
        }
        section.end();
        let name = name.to_owned();
        let trunk =
            Trunk { name, from, peer, proof, gateway, channels, numbering, dialing, transfers };
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

/// What calls in may dial out again.
fn transit(section: &mut Section<'_>, folder: &Folder<'_>, node: &Node) -> Option<Dialing> {
    let may = section.flag("may_dial_out");
    let own = section.line_of("dial");
    let dialing = dialing::read(section, folder, &node.dialing);
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

fn gateway_of(
    mut section: Section<'_>,
    folder: &Folder<'_>,
    listeners: &[Listener],
    numbering: &Numbering,
) -> Option<Gateway> {
    let words = Transport::ALL.map(|transport| (transport.word(), transport));
    let transport = section.word("transport", &words).map_or(Transport::Udp, |at| at.value);
    if section.line_of("address").is_none() {
        section.missing("address", "where calls out go, such as \"192.0.2.9:5060\"");
    }
    let address = section.parsed("address", |text| {
        let address = address::socket(text, transport.default_port())?;
        if !is_host(address.ip()) || address.port() == 0 {
            return Err("is the address of one host, with a port that is not 0".to_owned());
        }
        Ok(address)
    });
    if let Some(At { value: address, line }) = address {
        let ours = |listener: &&Listener| {
            listener.transport == transport
                && (meets(listener.bind, address) || listener.advertise == address)
                && listener.bind.is_ipv4() == address.is_ipv4()
        };
        let reachable = |listener: &&Listener| {
            listener.transport == transport && listener.bind.is_ipv4() == address.is_ipv4()
        };
        // A wildcard listener is at every address of this machine, of which only loopback is known here.
        let foreign = |listener: &Listener| {
            listener.bind.ip().is_unspecified()
                && !address.ip().is_loopback()
                && listener.advertise != address
        };
        if listeners.iter().filter(ours).any(|listener| !foreign(listener)) {
            section.wrong(line, "`gateway.address` is an address of this switch: calls would loop");
        } else if !listeners.is_empty() && !listeners.iter().any(|at| reachable(&at)) {
            let word = transport.word();
            let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
            let what = format!("no address of external.toml has {word} over {family}");
            section.wrong(line, format!("{what}, so this gateway cannot be reached"));
        }
    }
    let domain = section.parsed("domain", name::domain).map(|at| at.value);
    let credentials = credentials(&mut section, folder);
    let caller_id = section.parsed("caller_id", name::number);
    let timeout = section.duration("timeout", Duration::from_millis(500)..=Duration::from_secs(32));
    section.end();
    Some(Gateway {
        address: address?.value,
        transport,
        domain,
        credentials,
        caller_id: caller_id.map(|at| Numbering::of(numbering.country).read(&at.value)),
        timeout: timeout.map_or(Duration::from_secs(10), |at| at.value),
    })
}

fn credentials(section: &mut Section<'_>, folder: &Folder<'_>) -> Option<Credentials> {
    let user = section.parsed("user", |text| match text {
        "" => Err("is the name the carrier gave".to_owned()),
        text if text.contains(char::is_control) => Err("has no control characters".to_owned()),
        text => Ok(text.to_owned()),
    });
    let password_line = section.line_of("password");
    let password = match section.shape("password") {
        Some(Shape::Word(at)) => {
            let what = "`gateway.password` does not stand here but in a file of its own, mode 0600";
            section.wrong(at.line, format!("{what}: {{ file = \"secrets/{}\" }}", stem(section)));
            None
        }
        Some(Shape::Section(mut by_file)) => {
            if by_file.line_of("file").is_none() {
                by_file.missing("file", "the file that holds the password");
            }
            let secret = by_file.parsed("file", |path| folder.secret(path).map(str::to_owned));
            by_file.end();
            secret
        }
        None => None,
    };
    let realm = section.text("realm");
    match (&user, password_line) {
        (Some(at), None) => section.wrong(at.line, "`gateway.user` has no `gateway.password`"),
        (None, Some(line)) => section.wrong(line, "`gateway.password` has no `gateway.user`"),
        _ => {}
    }
    if let (Some(realm), None) = (&realm, password_line) {
        section.wrong(realm.line, "`gateway.realm` has no `gateway.password`");
    }
    Some(Credentials {
        user: user?.value,
        password: Redacted::new(password?.value),
        realm: realm.map(|at| at.value),
    })
}

fn stem<'d>(section: &Section<'d>) -> &'d str {
    let path = section.path();
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    file.strip_suffix(".toml").unwrap_or(file)
}

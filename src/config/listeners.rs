//! `internal.toml` and `external.toml`: the addresses for phones and for carriers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::address;
use super::certificates::{self, Door};
use super::file::{At, Section};
use super::findings::Findings;
use super::folder::{EXTERNAL, Folder, INTERNAL};
use crate::switch::settings::{KeyPair, Listener, Profile};
use crate::wire::flow::Transport;
use crate::wire::sip::dialog::Reach;

/// The addresses of both profiles.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) listeners: Vec<Listener>,
    /// Internal, external.
    pub(super) rtp_bind: [IpAddr; 2],
    pub(super) rtp_advertise: [IpAddr; 2],
    /// What TLS shows.
    pub(super) certificates: [Option<KeyPair>; 2],
}

/// What one file says.
struct Read {
    listeners: Vec<(Listener, u32)>,
    rtp_bind: IpAddr,
    rtp_advertise: IpAddr,
    certificate: Option<KeyPair>,
}

/// Reads both profiles; one of them may be missing.
pub(super) fn read(folder: &Folder<'_>, rtp: (u16, u16), findings: &Findings) -> Listeners {
    let internal = profile(folder, Profile::Internal, findings);
    let external = profile(folder, Profile::External, findings);
    if !folder.has(INTERNAL) && !folder.has(EXTERNAL) {
        let what = "the file is missing, and external.toml too: nothing would listen";
        findings.error(INTERNAL, None, what);
    } else if !folder.has(EXTERNAL) {
        findings.warning(EXTERNAL, None, "the file is missing: no carrier can reach the switch");
    } else if !folder.has(INTERNAL) {
        findings.warning(INTERNAL, None, "the file is missing: no phone can register");
    }
    let nowhere = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let rtp_of = |read: fn(&Read) -> IpAddr| {
        let [inner, outer] = [internal.as_ref().map(read), external.as_ref().map(read)];
        let either = inner.or(outer).unwrap_or(nowhere);
        [inner.unwrap_or(either), outer.unwrap_or(either)]
    };
    let (rtp_bind, rtp_advertise) =
        (rtp_of(|read| read.rtp_bind), rtp_of(|read| read.rtp_advertise));
    let own = |read: &Option<Read>| read.as_ref().and_then(|read| read.certificate.clone());
    let certificates = [own(&internal), own(&external)];
    let of = |read: Option<Read>, file: &'static str| {
        let listeners = read.map(|read| read.listeners).unwrap_or_default();
        listeners.into_iter().map(move |(listener, line)| (listener, file, line))
    };
    let all: Vec<(Listener, &str, u32)> =
        of(internal, INTERNAL).chain(of(external, EXTERNAL)).collect();
    clashes(&all, rtp, findings);
    let listeners = all.into_iter().map(|(listener, _, _)| listener).collect();
    Listeners { listeners, rtp_bind, rtp_advertise, certificates }
}

fn profile(folder: &Folder<'_>, profile: Profile, findings: &Findings) -> Option<Read> {
    let (file, port, tls_port, reach) = match profile {
        Profile::Internal => (INTERNAL, 5060, 5061, Reach::Source),
        Profile::External => (EXTERNAL, 5080, 5081, Reach::Contact),
    };
    let mut section = folder.top(file)?.section(findings);
    if section.line_of("bind").is_none() {
        section.missing("bind", "the address to listen on, such as \"192.0.2.1:5060\"");
    }
    let bind = section.parsed("bind", |text| address::socket(text, port));
    let door = certificates::door(&mut section, tls_port);
    let transports = transports(&mut section, door.is_some());
    let advertised = section.parsed("advertise", |text| {
        address::socket(text, bind.map_or(port, |bind| bind.value.port()))
    });
    let words = [("source", Reach::Source), ("contact", Reach::Contact)];
    let reach = section.word("reach", &words).map_or(reach, |at| at.value);
    if let Some(bind) = bind.filter(|bind| bind.value.port() == 0) {
        section.odd(bind.line, "port 0 lets the system choose: for tests, since no phone finds it");
    }
    let advertise = shown(&section, bind, advertised);
    let rtp = rtp(&mut section, bind.map(|at| at.value), advertise);
    let certificate = door.as_ref().and_then(|door| door.own.clone());
    let secured = door.map(|door| secured(&section, &door, bind, advertise, tls_port));
    section.end();
    let (bind, advertise, (rtp_bind, rtp_advertise)) = (bind?, advertise?, rtp?);
    let plain = transports.into_iter().map(|transport| (transport, bind, advertise));
    let secured = secured.map(|secured| secured.map(|(bind, shown)| (Transport::Tls, bind, shown)));
    let all = plain.map(Some).chain(secured).collect::<Option<Vec<_>>>()?;
    let listeners = all.into_iter().map(|(transport, bind, advertise)| {
        (Listener { profile, transport, bind: bind.value, advertise, reach }, bind.line)
    });
    Some(Read { listeners: listeners.collect(), rtp_bind, rtp_advertise, certificate })
}

/// The address of TLS and what others are told of it: where `[tls]` says nothing, those of the profile at the port of TLS.
fn secured(
    section: &Section<'_>,
    door: &Door,
    bind: Option<At<SocketAddr>>,
    advertise: Option<SocketAddr>,
    port: u16,
) -> Option<(At<SocketAddr>, SocketAddr)> {
    let bind = bind?;
    let beside = At { value: SocketAddr::new(bind.value.ip(), port), line: door.line };
    let own = door.bind.unwrap_or(beside);
    let above = advertise.filter(|_| own.value.ip() == bind.value.ip()).map(|address| At {
        value: SocketAddr::new(address.ip(), own.value.port()),
        line: own.line,
    });
    Some((own, shown(section, Some(own), door.advertise.or(above))?))
}

/// What others are told of an address: what `advertise` says, else the address itself, if it is one.
fn shown(
    section: &Section<'_>,
    bind: Option<At<SocketAddr>>,
    advertised: Option<At<SocketAddr>>,
) -> Option<SocketAddr> {
    match (bind, advertised) {
        (Some(bind), Some(at)) if at.value.is_ipv4() != bind.value.is_ipv4() => {
            section.wrong(at.line, "`advertise` and `bind` are of one family, IPv4 or IPv6");
            None
        }
        (_, Some(at)) if at.value.ip().is_unspecified() => {
            section.wrong(at.line, "`advertise` is an address that others can reach");
            None
        }
        (_, Some(at)) => Some(at.value),
        (Some(bind), None) if bind.value.ip().is_unspecified() => {
            let what = "`bind` is every address, so `advertise` has to say which one others reach";
            section.wrong(bind.line, what);
            None
        }
        (bind, None) => bind.map(|bind| bind.value),
    }
}

fn transports(section: &mut Section<'_>, has_tls: bool) -> Vec<Transport> {
    let known = |text: &str| match text {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "tls" => {
            Err("does not name `tls`: `[tls]` with `certificate` and `key` adds it".to_owned())
        }
        "ws" | "wss" => Err(format!("has `udp` and `tcp` in this release, not `{text}`")),
        other => Err(format!("has `udp` and `tcp`, not `{}`", other.escape_debug())),
    };
    let Some(list) = section.parsed_list("transports", known) else {
        return vec![Transport::Udp, Transport::Tcp];
    };
    let mut transports: Vec<Transport> = list.value.iter().map(|at| at.value).collect();
    transports.sort_unstable();
    transports.dedup();
    if transports.len() < list.value.len() {
        section.wrong(list.line, "`transports` names a transport twice");
    }
    if list.value.is_empty() && !has_tls {
        let what = "`transports` names at least one of `udp` and `tcp` where there is no `[tls]`";
        section.wrong(list.line, what);
    }
    transports
}

/// Where media is bound and what SDP says: where signalling is, unless said otherwise.
fn rtp(
    section: &mut Section<'_>,
    bind: Option<SocketAddr>,
    advertise: Option<SocketAddr>,
) -> Option<(IpAddr, IpAddr)> {
    let (sip_bind, sip_advertise) = (bind.map(|at| at.ip()), advertise.map(|at| at.ip()));
    let Some(mut rtp) = section.section("rtp") else { return sip_bind.zip(sip_advertise) };
    let own_bind = rtp.parsed("bind", address::ip);
    let own_advertise = rtp.parsed("advertise", address::ip);
    let bind = own_bind.map(|at| at.value).or(sip_bind);
    let advertise = own_advertise.map(|at| at.value).or(match own_bind {
        Some(own) if !own.value.is_unspecified() && sip_advertise == sip_bind => Some(own.value),
        _ => sip_advertise,
    });
    let line = own_advertise.map(|at| at.line).or(own_bind.map(|at| at.line));
    if let (Some(bind), Some(advertise)) = (bind, advertise) {
        if bind.is_ipv4() != advertise.is_ipv4() {
            let line = line.unwrap_or(rtp.line());
            rtp.wrong(line, "`rtp.advertise` and `rtp.bind` are of one family, IPv4 or IPv6");
        }
        if advertise.is_unspecified() {
            let line = line.unwrap_or(rtp.line());
            rtp.wrong(line, "`rtp.advertise` is an address that others can reach");
        }
    }
    rtp.end();
    bind.zip(advertise)
}

/// Two listeners that would take each other's place, or one in the ports of RTP.
fn clashes(all: &[(Listener, &str, u32)], rtp: (u16, u16), findings: &Findings) {
    for (index, (later, file, line)) in all.iter().enumerate() {
        let port = later.bind.port();
        for (earlier, other, _) in &all[..index] {
            let same_place = earlier.transport.is_reliable() == later.transport.is_reliable()
                && meets(earlier.bind, later.bind)
                && earlier.bind.is_ipv4() == later.bind.is_ipv4();
            if same_place && port != 0 {
                let what = format!("`bind` overlaps with `bind` of {other}: give one another port");
                findings.error(file, Some(*line), what);
            }
        }
        if later.transport == Transport::Udp && (rtp.0..=rtp.1).contains(&port) {
            let what = format!("`bind` lies within `rtp.ports`, {}-{}", rtp.0, rtp.1);
            findings.error(file, Some(*line), what);
        }
    }
}

/// Whether one socket would take what is sent to the other.
pub(super) fn meets(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

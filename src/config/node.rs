//! `switch.toml`: what concerns the whole node.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::address;
use super::dialing;
use super::file::{At, Section, Shape};
use super::findings::Findings;
use super::folder::{Folder, NODE};
use super::{forwarding, name, park, size};
use crate::switch::dialing::Dialing;
use crate::switch::feature::Code;
use crate::switch::number::Country;
use crate::switch::settings::{
    Dns, EarlyMedia, Language, Park, Registrar, Source, Storage, Subscriptions, WhenFull,
};
use crate::wire::address::is_host;
use crate::wire::rtp::g711::Codec;
use crate::wire::sip::auth::Algorithm;
use crate::wire::sip::timer::{Limits, SHORTEST};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// What `switch.toml` says, defaults filled in.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) domain: String,
    pub(super) language: Language,
    pub(super) recordings: PathBuf,
    pub(super) state: PathBuf,
    pub(super) prompts: PathBuf,
    pub(super) workers: Option<NonZeroUsize>,
    pub(super) rtp_ports: (u16, u16),
    pub(super) codecs: Vec<Codec>,
    pub(super) silence: Duration,
    pub(super) consent_wait: Duration,
    pub(super) retention_every: Duration,
    pub(super) registrar: Registrar,
    pub(super) subscriptions: Subscriptions,
    pub(super) calls: usize,
    pub(super) ring: Duration,
    pub(super) session_timers: Option<Limits>,
    pub(super) early_media: EarlyMedia,
    pub(super) country: Option<Country>,
    pub(super) emergency: Vec<String>,
    pub(super) dialing: Arc<Dialing>,
    pub(super) features: Vec<(String, Code)>,
    pub(super) trusted: Vec<Source>,
    /// With its line.
    pub(super) park: Option<(Park, u32)>,
    pub(super) dns: Dns,
    pub(super) storage: Storage,
}

impl Default for Node {
    fn default() -> Node {
        Node {
            domain: String::new(),
            language: "en".to_owned(),
            recordings: PathBuf::from("../recordings"),
            state: PathBuf::new(),
            prompts: PathBuf::from("prompts"),
            workers: None,
            rtp_ports: (16_384, 32_767),
            codecs: vec![Codec::Pcmu, Codec::Pcma],
            silence: 5 * MINUTE,
            consent_wait: 5 * SECOND,
            retention_every: HOUR,
            registrar: Registrar {
                shortest: MINUTE,
                longest: HOUR,
                contacts: 5,
                nonce_life: MINUTE,
                digests: vec![Algorithm::Md5],
            },
            subscriptions: Subscriptions {
                shortest: MINUTE,
                longest: HOUR,
                per_user: 250,
                in_all: 20_000,
            },
            calls: 2_000,
            ring: MINUTE,
            session_timers: Some(Limits::DEFAULT),
            early_media: EarlyMedia::Pass,
            country: None,
            emergency: Vec::new(),
            dialing: Arc::default(),
            features: forwarding::usual_codes(),
            trusted: Vec::new(),
            park: None,
            dns: Dns::default(),
            storage: Storage::default(),
        }
    }
}

/// Reads `switch.toml`.
pub(super) fn read(folder: &Folder<'_>, findings: &Findings) -> Node {
    let mut node = Node::default();
    if !folder.has(NODE) {
        findings.error(NODE, None, "the file is missing: it names at least the `domain`");
    }
    if let Some(document) = folder.top(NODE) {
        let mut section = document.section(findings);
        general(&mut section, &mut node);
        rtp(&mut section, &mut node);
        consent_and_retention(&mut section, &mut node);
        registrar(&mut section, &mut node);
        subscriptions(&mut section, &mut node);
        limits(&mut section, &mut node);
        session_timers(&mut section, &mut node);
        let words =
            [("pass", EarlyMedia::Pass), ("ring", EarlyMedia::Ring), ("tone", EarlyMedia::Tone)];
        put(&mut node.early_media, section.word("early_media", &words).map(|at| at.value));
        numbers(&mut section, &mut node);
        if let Some(list) = section.parsed_list("trusted", address::source) {
            node.trusted = list.value.into_iter().map(|at| at.value).collect();
        }
        node.dialing = dialing::read(&mut section, folder, &Arc::default());
        put(&mut node.features, forwarding::codes(&mut section));
        node.park = park::read(&mut section);
        dns(&mut section, &mut node);
        storage(&mut section, &mut node);
        section.end();
    }
    if node.state.as_os_str().is_empty() {
        node.state = node.recordings.join(".state");
    }
    node
}

/// Where recordings and state lie; other keys may be wrong.
pub(super) fn places(folder: &Folder<'_>, findings: &Findings) -> (PathBuf, PathBuf) {
    let mut node = Node::default();
    if !folder.has(NODE) {
        findings.error(NODE, None, "the file is missing: it names at least the `domain`");
    }
    if let Some(document) = folder.top(NODE) {
        let mut section = document.section(findings);
        put(&mut node.recordings, path(&mut section, "recordings"));
        put(&mut node.state, path(&mut section, "state"));
    }
    if node.state.as_os_str().is_empty() {
        node.state = node.recordings.join(".state");
    }
    (node.recordings, node.state)
}

fn general(section: &mut Section<'_>, node: &mut Node) {
    match section.line_of("domain") {
        Some(_) => put(&mut node.domain, section.parsed("domain", name::domain).map(|at| at.value)),
        None => section.missing("domain", "the realm of passwords and the host of every address"),
    }
    put(&mut node.language, section.parsed("language", name::language).map(|at| at.value));
    put(&mut node.recordings, path(section, "recordings"));
    put(&mut node.state, path(section, "state"));
    put(&mut node.prompts, path(section, "prompts"));
    let workers = section.count("workers", 1..=256);
    node.workers = workers.and_then(|workers| NonZeroUsize::new(workers.value));
}

fn rtp(section: &mut Section<'_>, node: &mut Node) {
    let Some(mut rtp) = section.section("rtp") else { return };
    put(&mut node.rtp_ports, rtp.parsed("ports", address::ports).map(|at| at.value));
    put(&mut node.silence, rtp.duration("silence", 5 * SECOND..=DAY).map(|at| at.value));
    let known = |text: &str| match text {
        "PCMU" => Ok(Codec::Pcmu),
        "PCMA" => Ok(Codec::Pcma),
        other => Err(format!("has `PCMU` and `PCMA`, not `{}`", other.escape_debug())),
    };
    if let Some(codecs) = rtp.parsed_list("codecs", known) {
        let mut order: Vec<Codec> = Vec::new();
        for codec in codecs.value {
            if order.contains(&codec.value) {
                rtp.wrong(codec.line, "`rtp.codecs` names a codec twice");
            } else {
                order.push(codec.value);
            }
        }
        if order.is_empty() {
            rtp.wrong(codecs.line, "`rtp.codecs` names at least one codec");
        }
        node.codecs = order;
    }
    rtp.end();
}

fn consent_and_retention(section: &mut Section<'_>, node: &mut Node) {
    if let Some(mut consent) = section.section("consent") {
        put(&mut node.consent_wait, consent.duration("wait", SECOND..=MINUTE).map(|at| at.value));
        consent.end();
    }
    if let Some(mut retention) = section.section("retention") {
        put(
            &mut node.retention_every,
            retention.duration("every", MINUTE..=DAY).map(|at| at.value),
        );
        retention.end();
    }
}

fn registrar(section: &mut Section<'_>, node: &mut Node) {
    let Some(mut registrar) = section.section("registrar") else { return };
    let limits = &mut node.registrar;
    put(&mut limits.shortest, registrar.duration("shortest", SECOND..=HOUR).map(|at| at.value));
    let longest = registrar.duration("longest", SECOND..=7 * DAY);
    put(&mut limits.longest, longest.map(|at| at.value));
    put(&mut limits.contacts, registrar.count("contacts", 1..=100).map(|at| at.value));
    let life = registrar.duration("nonce_life", 10 * SECOND..=HOUR);
    put(&mut limits.nonce_life, life.map(|at| at.value));
    let digest = |text: &str| match text {
        "sha-256" => Ok(Algorithm::Sha256),
        "md5" => Ok(Algorithm::Md5),
        other => Err(format!("has `sha-256` and `md5`, not `{}`", other.escape_debug())),
    };
    if let Some(list) = registrar.parsed_list("digests", digest) {
        limits.digests = list.value.iter().map(|at| at.value).collect();
        let twice = limits.digests.len() > 1 && limits.digests[0] == limits.digests[1];
        if limits.digests.is_empty() || limits.digests.len() > 2 || twice {
            registrar
                .wrong(list.line, "`registrar.digests` names `sha-256`, `md5` or both, each once");
        }
    }
    if limits.longest < limits.shortest {
        let line = longest.map_or(registrar.line(), |at| at.line);
        registrar.wrong(line, "`registrar.longest` is shorter than `registrar.shortest`");
    }
    registrar.end();
}

fn subscriptions(section: &mut Section<'_>, node: &mut Node) {
    let Some(mut subscriptions) = section.section("subscriptions") else { return };
    let limits = &mut node.subscriptions;
    // The longest is bounded by what a restart can leap over: see `Remembered` of the dialogs.
    put(&mut limits.shortest, subscriptions.duration("shortest", SECOND..=HOUR).map(|at| at.value));
    let longest = subscriptions.duration("longest", MINUTE..=2 * HOUR);
    put(&mut limits.longest, longest.map(|at| at.value));
    put(&mut limits.per_user, subscriptions.count("per_user", 1..=10_000).map(|at| at.value));
    put(&mut limits.in_all, subscriptions.count("in_all", 1..=200_000).map(|at| at.value));
    if limits.longest < limits.shortest {
        let line = longest.map_or(subscriptions.line(), |at| at.line);
        subscriptions
            .wrong(line, "`subscriptions.longest` is shorter than `subscriptions.shortest`");
    }
    subscriptions.end();
}

fn limits(section: &mut Section<'_>, node: &mut Node) {
    let pairs = usize::from(node.rtp_ports.1 - node.rtp_ports.0).div_ceil(2);
    if let Some(mut limits) = section.section("limits") {
        let calls = limits.count("calls", 1..=20_000);
        put(&mut node.calls, calls.map(|at| at.value));
        put(&mut node.ring, limits.duration("ring", 5 * SECOND..=10 * MINUTE).map(|at| at.value));
        if let Some(calls) = calls.filter(|calls| calls.value * 2 > pairs) {
            let what = "calls need two pairs of ports each";
            let ports = format!("`rtp.ports` has {pairs} pairs");
            limits.odd(calls.line, format!("{} {what}, {ports}", calls.value));
        }
        limits.end();
    }
}

/// `"off"`, or a table.
fn session_timers(section: &mut Section<'_>, node: &mut Node) {
    match section.shape("session_timers") {
        None => {}
        Some(Shape::Word(At { value, .. })) if value == "off" => node.session_timers = None,
        Some(Shape::Word(At { value, line })) => {
            let what = "`session_timers` is `off` or a table, such as { expires = \"30m\" }, not";
            section.wrong(line, format!("{what} `{}`", value.escape_debug()));
        }
        Some(Shape::Section(mut timers)) => {
            let mut limits = Limits::DEFAULT;
            let expires = timers.duration("expires", SHORTEST..=DAY);
            put(&mut limits.expires, expires.map(|at| at.value));
            let min = timers.duration("min", SHORTEST..=DAY);
            put(&mut limits.shortest, min.map(|at| at.value));
            if limits.expires < limits.shortest {
                let line = expires.or(min).map_or(timers.line(), |at| at.line);
                timers.wrong(line, "`session_timers.expires` is shorter than `session_timers.min`");
            }
            node.session_timers = Some(limits);
            timers.end();
        }
    }
}

/// Whose national numbers are dialled, and which of them are emergencies.
fn numbers(section: &mut Section<'_>, node: &mut Node) {
    node.country = section.parsed("country", dialing::country).map(|at| at.value);
    let own = section.parsed_list("emergency", |text| match text.len() {
        2..=6 if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(text.to_owned()),
        _ => Err(format!("has numbers such as `112`, not `{}`", text.escape_debug())),
    });
    node.emergency = match own {
        Some(list) => list.value.into_iter().map(|at| at.value).collect(),
        None => {
            let usual = node.country.map(Country::emergency_numbers).unwrap_or(&["112"]);
            usual.iter().map(|number| (*number).to_owned()).collect()
        }
    };
}

fn dns(section: &mut Section<'_>, node: &mut Node) {
    let Some(mut dns) = section.section("dns") else { return };
    let server = |text: &str| {
        let server = address::socket(text, 53)?;
        if server.port() == 0 || !is_host(server.ip()) {
            return Err("names the addresses of DNS servers".to_owned());
        }
        Ok(server)
    };
    if let Some(servers) = dns.parsed_list("servers", server) {
        if servers.value.len() > 8 {
            dns.wrong(servers.line, "`dns.servers` names 8 servers at most");
        }
        node.dns.servers = servers.value.iter().map(|at| at.value).collect();
    }
    let timeout = dns.duration("timeout", SECOND / 10..=10 * SECOND);
    put(&mut node.dns.timeout, timeout.map(|at| at.value));
    dns.end();
}

fn storage(section: &mut Section<'_>, node: &mut Node) {
    let Some(mut storage) = section.section("storage") else { return };
    node.storage.quota = storage.parsed("quota", size::parse).map(|at| at.value);
    let low = storage.parsed("low", |text| {
        let percent = text.strip_suffix('%').and_then(|number| number.parse().ok());
        percent.filter(|percent| *percent <= 99).ok_or_else(|| {
            format!("is what is left in percent, such as `10%`, not `{}`", text.escape_debug())
        })
    });
    put(&mut node.storage.low, low.map(|at| at.value));
    let words = [
        ("continue", WhenFull::Continue),
        ("refuse", WhenFull::Refuse),
        ("hang_up", WhenFull::HangUp),
    ];
    put(&mut node.storage.when_full, storage.word("when_full", &words).map(|at| at.value));
    storage.end();
}

fn path(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    let read = section.parsed(key, |text| match text {
        "" => Err("is a folder".to_owned()),
        text if text.contains('\0') => Err("is a folder".to_owned()),
        text => Ok(PathBuf::from(text)),
    });
    read.map(|at| at.value)
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

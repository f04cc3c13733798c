//! Files as written to values as meant: every mistake of every file at once, each with its file, line and the nearest known word.

mod address;
mod agents;
mod certificates;
mod dialing;
mod duration;
mod file;
mod findings;
mod folder;
mod forwarding;
mod gateways;
mod groups;
mod hours;
mod listeners;
mod name;
mod nearest;
mod node;
mod overview;
mod park;
mod policies;
mod queues;
mod routes;
mod size;
mod trunks;
pub mod users;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub use findings::{Error, Warning};
pub use folder::NODE;
pub use name::check_extension;

use crate::switch::settings::{Certificates, Settings, User};
use crate::wire::sip::auth::Algorithm;
use findings::Findings;
use folder::Folder;

/// Twelve hours: far below the 4 GiB that a WAV can hold.
const LONGEST_RECORDING: std::time::Duration = std::time::Duration::from_secs(12 * 3_600);

/// One file of the profiles folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Relative to the profiles folder, with `/`: `users/1001.toml`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// A file that need not be on any disk.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Source {
        Source { path: path.into(), text: text.into() }
    }
}

/// A configuration without a mistake.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the switch decides by; its prompts are still to be loaded.
    pub settings: Settings,
    /// Where recordings go. Paths that do not begin with `/` are relative to the profiles folder, as in the files.
    pub recordings: PathBuf,
    /// Where the database and the admin socket lie.
    pub state: PathBuf,
    /// Where the prompts lie, one folder a language.
    pub prompts: PathBuf,
    /// Media workers; `None`: one per core.
    pub workers: Option<NonZeroUsize>,
    /// What is odd, by file and line.
    pub warnings: Vec<Warning>,
    /// What an operator should know although nothing is odd, in sentences.
    pub notes: Vec<String>,
}

/// Makes a configuration of the files. Fails with every mistake there is, by file and line.
pub fn load(sources: &[Source]) -> Result<Loaded, Vec<Error>> {
    let findings = Findings::default();
    let folder = Folder::sort(sources, &findings);
    let node = node::read(&folder, &findings);
    let listeners = listeners::read(&folder, node.rtp_ports, &findings);
    let retention = policies::read(&folder, &findings);
    let hours = hours::read(&folder, &findings);
    let users = users::read(&folder, &node, &findings);
    let agents = agents::read(&folder, &findings);
    let queues = queues::read(&folder, &findings);
    let groups = groups::read(&folder, &node.emergency, &findings);
    let trunks = trunks::read(&folder, &listeners.listeners, &node, &findings);
    if let Some((park, line)) = &node.park {
        park::check(park, *line, &users, &findings);
    }
    let routes = routes::read(&folder, &node, &queues, &agents, &trunks.trunks, &findings);
    let mut notes = overview::notes(&users, &agents, &queues, &routes);
    notes.extend(overview::without_emergency(&users, &routes, &node.emergency));
    notes.extend(unanswerable(&users, &node.registrar.digests));
    let warnings = findings.into_result()?;
    Ok(Loaded {
        settings: Settings {
            domain: node.domain,
            listeners: listeners.listeners,
            certificates: Certificates { own: listeners.certificates, peers: trunks.peers },
            country: node.country,
            emergency: node.emergency,
            trusted: node.trusted,
            hours,
            rtp: crate::switch::settings::Rtp {
                bind: listeners.rtp_bind,
                advertise: listeners.rtp_advertise,
                ports: node.rtp_ports,
                codecs: node.codecs,
            },
            users,
            agents,
            queues: queues.into_iter().map(|(name, read)| (name, read.queue)).collect(),
            groups,
            trunks: trunks.trunks,
            routes,
            retention,
            retention_every: node.retention_every,
            longest_recording: LONGEST_RECORDING,
            prompts: BTreeMap::new(),
            language: node.language,
            registrar: node.registrar,
            subscriptions: node.subscriptions,
            consent_wait: node.consent_wait,
            ring: node.ring,
            silence: node.silence,
            calls: node.calls,
            session_timers: node.session_timers,
            early_media: node.early_media,
            features: node.features,
            park: node.park.map(|(park, _)| park),
            dns: node.dns,
            storage: node.storage,
        },
        recordings: node.recordings,
        state: node.state,
        prompts: node.prompts,
        workers: node.workers,
        warnings,
        notes,
    })
}

/// Users whose file has a hash, but none of a digest that phones are asked for.
fn unanswerable(users: &BTreeMap<String, User>, digests: &[Algorithm]) -> Vec<String> {
    let answers = |user: &User, digest: &Algorithm| match digest {
        Algorithm::Sha256 => user.ha1.sha256.is_some(),
        Algorithm::Md5 => user.ha1.md5.is_some(),
    };
    let locked_out = |user: &&User| {
        let has_one = user.ha1.sha256.is_some() || user.ha1.md5.is_some();
        has_one && !digests.iter().any(|digest| answers(user, digest))
    };
    let say = |user: &User| {
        let extension = &user.extension;
        format!(
            "user {extension} cannot register: no hash of theirs is for a digest in `registrar.digests`"
        )
    };
    users.values().filter(locked_out).map(say).collect()
}

/// The domain alone, for whoever is about to mend the rest.
pub fn domain(sources: &[Source]) -> Result<String, Vec<Error>> {
    let findings = Findings::default();
    let own: Vec<Source> =
        sources.iter().filter(|source| source.path == folder::NODE).cloned().collect();
    let folder = Folder::sort(&own, &findings);
    let domain = node::read(&folder, &findings).domain;
    findings.into_result().map(|_| domain)
}

/// Where recordings and state lie, for whoever has to reach a switch that runs whatever has been mistyped since it started. Fails if
/// just that cannot be known.
pub fn places(sources: &[Source]) -> Result<(PathBuf, PathBuf), Vec<Error>> {
    let findings = Findings::default();
    let own: Vec<Source> =
        sources.iter().filter(|source| source.path == folder::NODE).cloned().collect();
    let places = node::places(&Folder::sort(&own, &findings), &findings);
    findings.into_result().map(|_| places)
}

#[cfg(test)]
mod tests;

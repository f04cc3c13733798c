//! What an operator should know of a sound configuration.

use std::collections::BTreeMap;

use super::queues;
use crate::switch::settings::{Agent, Caller, ConsentMode, Destination, Route, User};

/// Sentences for `config check` and the start of `serve`. No names or numbers of people.
pub(super) fn notes(
    users: &BTreeMap<String, User>,
    agents: &BTreeMap<String, Agent>,
    queues: &BTreeMap<String, queues::Read>,
    routes: &[Route],
) -> Vec<String> {
    let without = |user: &&User| user.ha1.sha256.is_none() && user.ha1.md5.is_none();
    let waiting: Vec<&str> =
        users.values().filter(without).map(|user| user.extension.as_str()).collect();
    let mut notes = Vec::new();
    if let Some(first) = waiting.first() {
        notes.push(format!(
            "no phone can register as {} yet: set a password with `tonspur user add {first}`",
            waiting.join(", ")
        ));
    }
    let outward = |route: &&Route| {
        route.caller == Caller::Users || matches!(route.to, Destination::Trunks(_))
    };
    let unrecorded: Vec<&str> =
        routes.iter().filter(outward).map(|route| route.name.as_str()).collect();
    if !unrecorded.is_empty() {
        notes.push(format!(
            "outbound and internal calls are not recorded in this release: {}",
            unrecorded.join(", ")
        ));
    }
    let recorded = |name: &str| {
        routes.iter().any(|route| {
            route.consent != ConsentMode::Never && route.to == Destination::Queue(name.to_owned())
        })
    };
    let silent: Vec<&str> = agents
        .values()
        .filter(|agent| !agent.agrees_to_recording)
        .filter(|agent| {
            let mut theirs = queues.values().filter(|read| read.queue.agents.contains(&agent.name));
            theirs.any(|read| recorded(&read.queue.name))
        })
        .map(|agent| agent.name.as_str())
        .collect();
    if !silent.is_empty() {
        notes.push(format!(
            "calls taken by agents who do not agree to recording are not recorded: {}",
            silent.join(", ")
        ));
    }
    notes
}

/// Emergency numbers that users cannot reach although they can call out.
pub(super) fn without_emergency(
    users: &BTreeMap<String, User>,
    routes: &[Route],
    emergency: &[String],
) -> Option<String> {
    let of_users = || routes.iter().filter(|route| route.caller == Caller::Users);
    let outward = of_users().any(|route| matches!(route.to, Destination::Trunks(_)));
    let leads = |route: &Route, number: &String| {
        !matches!(route.to, Destination::Refuse(_) | Destination::Dialled)
            && route.numbers.iter().any(|pattern| pattern.matches(number))
    };
    let missing: Vec<&str> = emergency
        .iter()
        .filter(|number| !of_users().any(|route| leads(route, number)))
        .map(String::as_str)
        .collect();
    (outward && !users.is_empty() && !missing.is_empty()).then(|| {
        format!(
            "users cannot dial {}: no route leads there, say one with `emergency = true`",
            missing.join(", ")
        )
    })
}

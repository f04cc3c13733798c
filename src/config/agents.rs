//! `agents/`: who takes calls from queues, and who agrees to be recorded.

use std::collections::BTreeMap;

use super::findings::Findings;
use super::folder::{Folder, Kind};
use crate::switch::settings::Agent;

/// Reads the agents, by name.
pub(super) fn read(folder: &Folder<'_>, findings: &Findings) -> BTreeMap<String, Agent> {
    let mut agents: BTreeMap<String, Agent> = BTreeMap::new();
    for (name, document) in folder.objects(Kind::Agents, findings) {
        let mut section = document.section(findings);
        if section.line_of("user").is_none() {
            section.missing("user", "the extension whose phones ring");
        }
        let user = section.text("user");
        // The law wants the agent's own word, so nothing said is no (BetrVG §87(1) no. 6, StGB §201).
        let agrees = section.flag("agrees_to_recording").is_some_and(|at| at.value);
        if let Some(user) = &user {
            if let Err(why) = folder.check(Kind::Users, &user.value) {
                section.wrong(user.line, why);
            }
            if let Some(other) = agents.values().find(|other| other.user == user.value) {
                let what = format!("user `{}` is agent `{}` already", user.value, other.name);
                section.wrong(user.line, what);
            }
        }
        section.end();
        if let Some(user) = user {
            let name = name.to_owned();
            let agent = Agent { name: name.clone(), user: user.value, agrees_to_recording: agrees };
            agents.insert(name, agent);
        }
    }
    agents
}

//! `queues/`: who waits, who answers, how long.

use std::collections::BTreeMap;
use std::time::Duration;

use super::file::At;
use super::findings::Findings;
use super::folder::{Folder, Kind};
use super::routes::consent;
use crate::switch::settings::{ConsentMode, Queue};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A queue, and what holds for routes to it that say nothing themselves.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) queue: Queue,
    pub(super) consent: Option<ConsentMode>,
    pub(super) retention: Option<String>,
}

/// Reads the queues, by name.
pub(super) fn read(folder: &Folder<'_>, findings: &Findings) -> BTreeMap<String, Read> {
    let mut queues = BTreeMap::new();
    for (name, document) in folder.objects(Kind::Queues, findings) {
        let mut section = document.section(findings);
        let listed = section.list("agents");
        let line = listed.as_ref().map_or(1, |at| at.line);
        let listed = listed.map(|at| at.value).unwrap_or_default();
        let mut agents: Vec<String> = Vec::new();
        for At { value, line } in listed {
            if let Err(why) = folder.check(Kind::Agents, &value) {
                section.wrong(line, why);
            } else if agents.contains(&value) {
                section.wrong(line, format!("agent `{value}` is named twice"));
            } else {
                agents.push(value);
            }
        }
        if agents.is_empty() {
            section.odd(line, "the queue has no agents: callers wait in vain");
        }
        let ring = section.duration("ring", 5 * SECOND..=10 * MINUTE);
        let wrap_up = section.duration("wrap_up", Duration::ZERO..=60 * MINUTE);
        let wait = section.duration("wait", 5 * SECOND..=24 * 60 * MINUTE);
        let length = section.count("length", 1..=10_000);
        let mode = consent(&mut section);
        let retention = section.text("retention");
        if let Some(At { value, line }) = &retention
            && let Err(why) = folder.check(Kind::Policies, value)
        {
            section.wrong(*line, why);
        }
        section.end();
        let queue = Queue {
            name: name.to_owned(),
            agents,
            ring: ring.map_or(20 * SECOND, |at| at.value),
            wrap_up: wrap_up.map_or(10 * SECOND, |at| at.value),
            wait: wait.map_or(10 * MINUTE, |at| at.value),
            length: length.map_or(50, |at| at.value),
        };
        let (consent, retention) = (mode.map(|at| at.value), retention.map(|at| at.value));
        queues.insert(name.to_owned(), Read { queue, consent, retention });
    }
    queues
}

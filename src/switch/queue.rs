//! Queues: callers in the order they came, over all queues that an agent serves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::agent::Agents;
use super::control::QueueRow;
use super::journal::CallId;
use super::settings::Settings;

/// A caller in the line.
#[derive(Clone, Copy, Debug)]
struct Caller {
    call: CallId,
    since: Instant,
    /// Being offered to an agent at this moment; keeps the place until answered.
    offered: bool,
}

/// One caller for one agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Offer {
    pub(super) call: CallId,
    pub(super) queue: String,
    pub(super) agent: String,
}

/// Every line.
#[derive(Debug, Default)]
pub(super) struct Queues {
    lines: BTreeMap<String, VecDeque<Caller>>,
}

impl Queues {
    /// At the end of the line.
    pub(super) fn join(&mut self, now: Instant, queue: &str, call: CallId) {
        self.lines.entry(queue.to_owned()).or_default().push_back(Caller {
            call,
            since: now,
            offered: false,
        });
    }

    /// Answered, given up or gone.
    pub(super) fn leave(&mut self, queue: &str, call: CallId) {
        if let Some(line) = self.lines.get_mut(queue) {
            line.retain(|caller| caller.call != call);
            if line.is_empty() {
                self.lines.remove(queue);
            }
        }
    }

    /// An agent is being rung for this caller.
    pub(super) fn offered(&mut self, queue: &str, call: CallId) {
        self.mark(queue, call, true);
    }

    /// The agent did not answer: the caller is next again.
    pub(super) fn missed(&mut self, queue: &str, call: CallId) {
        self.mark(queue, call, false);
    }

    fn mark(&mut self, queue: &str, call: CallId, offered: bool) {
        let line = self.lines.get_mut(queue).into_iter().flatten();
        line.filter(|caller| caller.call == call).for_each(|caller| caller.offered = offered);
    }

    pub(super) fn length(&self, queue: &str) -> usize {
        self.lines.get(queue).map_or(0, VecDeque::len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The next offer: the caller who has waited longest over all queues and for whom an agent is free, and that agent.
    pub(super) fn next(
        &self,
        settings: &Settings,
        agents: &Agents,
        reachable: impl Fn(&str) -> bool + Copy,
    ) -> Option<Offer> {
        self.lines
            .iter()
            .filter_map(|(name, line)| {
                let caller = line.iter().find(|caller| !caller.offered)?;
                let agent = agents.longest_idle(settings, settings.queues.get(name)?, reachable)?;
                Some((caller, name, agent))
            })
            .min_by_key(|(caller, _, _)| caller.since)
            .map(|(caller, queue, agent)| Offer {
                call: caller.call,
                queue: queue.clone(),
                agent: agent.to_owned(),
            })
    }

    pub(super) fn rows(
        &self,
        now: Instant,
        settings: &Settings,
        only: Option<&str>,
        agents: &Agents,
        registered: impl Fn(&str) -> bool + Copy,
    ) -> Vec<QueueRow> {
        settings
            .queues
            .values()
            .filter(|queue| only.is_none_or(|only| only == queue.name))
            .map(|queue| QueueRow {
                queue: queue.name.clone(),
                waiting: self.length(&queue.name),
                longest_wait: self
                    .lines
                    .get(&queue.name)
                    .and_then(VecDeque::front)
                    .map(|caller| now.saturating_duration_since(caller.since).as_secs()),
                agents: agents.rows(settings, queue.agents.iter(), registered),
            })
            .collect()
    }
}

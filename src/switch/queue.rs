//! Queues: callers in the order they came, over all queues that an agent serves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::agent::Agents;
use super::control::QueueRow;
use super::journal::CallId;
use super::settings::{Queue, Settings};

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

    /// The calls in the line, in their order.
    pub(super) fn waiting(&self, queue: &str) -> impl Iterator<Item = CallId> {
        self.lines.get(queue).into_iter().flatten().map(|caller| caller.call)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The next offer: the caller who has waited longest over all queues and for whom an agent is free, and that agent, who is the
    /// `longest_idle` of the queue.
    pub(super) fn next<'a>(
        &self,
        queues: &'a BTreeMap<String, Queue>,
        longest_idle: impl Fn(&'a Queue) -> Option<&'a str>,
    ) -> Option<Offer> {
        self.lines
            .iter()
            .filter_map(|(name, line)| {
                let caller = line.iter().find(|caller| !caller.offered)?;
                let agent = longest_idle(queues.get(name)?)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn queues(names: &[&str]) -> BTreeMap<String, Queue> {
        let queue = |name: &str| Queue {
            name: name.to_owned(),
            agents: vec![format!("{name} agent")],
            ring: Duration::from_secs(20),
            wrap_up: Duration::ZERO,
            wait: Duration::from_secs(60),
            length: 5,
        };
        names.iter().map(|name| ((*name).to_owned(), queue(name))).collect()
    }

    fn first(queue: &Queue) -> Option<&str> {
        queue.agents.first().map(String::as_str)
    }

    fn called(offer: Option<Offer>) -> Option<u64> {
        offer.map(|offer| offer.call.0)
    }

    #[test]
    fn callers_are_served_in_their_order_over_all_queues() {
        let (start, known) = (Instant::now(), queues(&["sales", "support"]));
        let mut lines = Queues::default();
        for (second, (queue, call)) in
            [("support", 1), ("sales", 2), ("support", 3)].iter().enumerate()
        {
            lines.join(start + Duration::from_secs(second as u64), queue, CallId(*call));
        }
        let offer = lines.next(&known, first).expect("somebody waits");
        assert_eq!(
            offer,
            Offer { call: CallId(1), queue: "support".into(), agent: "support agent".into() }
        );
        lines.leave("support", CallId(1));
        assert_eq!(called(lines.next(&known, first)), Some(2));
        // Nobody is free in sales: the caller behind is not to wait for that.
        let support = |queue: &'_ Queue| (queue.name == "support").then_some("bob");
        assert_eq!(called(lines.next(&known, support)), Some(3));
        assert_eq!(called(lines.next(&known, |_| None)), None);
    }

    #[test]
    fn a_caller_who_is_being_offered_keeps_the_place_and_is_offered_once() {
        let (start, known) = (Instant::now(), queues(&["support"]));
        let mut lines = Queues::default();
        lines.join(start, "support", CallId(1));
        lines.join(start, "support", CallId(2));
        lines.offered("support", CallId(1));
        assert_eq!(called(lines.next(&known, first)), Some(2));
        lines.missed("support", CallId(1));
        assert_eq!(called(lines.next(&known, first)), Some(1));
        assert_eq!(lines.length("support"), 2);
    }

    #[test]
    fn a_line_is_gone_with_its_last_caller() {
        let mut lines = Queues::default();
        lines.join(Instant::now(), "support", CallId(1));
        lines.leave("support", CallId(9));
        assert!(!lines.is_empty());
        lines.leave("support", CallId(1));
        assert!(lines.is_empty());
    }
}

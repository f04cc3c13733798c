//! Agents: what they say of themselves (status), what the switch knows of them (state), and whose turn it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Now;
use super::control::{AgentChange, AgentRow};
use super::journal::{AgentStatus, CallId, Entry};
use super::outbox::Outbox;
use super::settings::{self, Queue, Settings};

/// An agent who let a call ring out, or whose phone refused it, is left in peace so long.
const BACK_OFF: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Desk {
    status: AgentStatus,
    state: State,
    /// The end of the last call, or the login: the longest ago comes first.
    idle_since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Waiting,
    Ringing(CallId),
    Talking(CallId),
    WrapUp { until: Instant },
    BackOff { until: Instant },
}

/// All agents of the settings.
#[derive(Debug)]
pub(super) struct Agents {
    desks: BTreeMap<String, Desk>,
    /// Users with legs of any call, and how many: an agent on a private call is not rung.
    engaged: BTreeMap<String, usize>,
    /// When the states that end by themselves do.
    timers: BTreeSet<(Instant, String)>,
}

impl Agents {
    /// With the status each had before a restart; an unknown agent is logged out.
    pub(super) fn new(
        now: Now,
        settings: &Settings,
        remembered: &[(String, AgentStatus)],
    ) -> Agents {
        let status = |name: &String| {
            remembered
                .iter()
                .find(|(agent, _)| agent == name)
                .map_or(AgentStatus::LoggedOut, |(_, status)| *status)
        };
        let desk = |name: &String| Desk {
            status: status(name),
            state: State::Waiting,
            idle_since: now.instant,
        };
        Agents {
            desks: settings.agents.keys().map(|name| (name.clone(), desk(name))).collect(),
            engaged: BTreeMap::new(),
            timers: BTreeSet::new(),
        }
    }

    /// What the agent (or an admin for them) says. A call that rings or talks goes on.
    pub(super) fn set(
        &mut self,
        now: Now,
        agent: &str,
        change: AgentChange,
        outbox: &mut Outbox,
    ) -> bool {
        let Some(desk) = self.desks.get_mut(agent) else { return false };
        let status = match change {
            AgentChange::Available => AgentStatus::Available,
            AgentChange::Break => AgentStatus::OnBreak,
            AgentChange::Logout => AgentStatus::LoggedOut,
        };
        if desk.status != status {
            desk.status = status;
            if status == AgentStatus::Available {
                desk.idle_since = now.instant;
            }
            outbox.store(Entry::AgentStatus { agent: agent.to_owned(), status, at: now.utc });
        }
        true
    }

    /// What the agent said last; an unknown one is logged out.
    pub(super) fn status(&self, agent: &str) -> AgentStatus {
        self.desks.get(agent).map_or(AgentStatus::LoggedOut, |desk| desk.status)
    }

    /// A leg of this user's has begun.
    pub(super) fn engage(&mut self, user: &str) {
        *self.engaged.entry(user.to_owned()).or_default() += 1;
    }

    /// Whether this user has a leg of any call.
    pub(super) fn is_engaged(&self, user: &str) -> bool {
        self.engaged.contains_key(user)
    }

    /// It has ended.
    pub(super) fn disengage(&mut self, user: &str) {
        let legs = self.engaged.get_mut(user).expect("a leg began before it ended");
        *legs -= 1;
        if *legs == 0 {
            self.engaged.remove(user);
        }
    }

    pub(super) fn ringing(&mut self, agent: &str, call: CallId) {
        self.become_state(agent, State::Ringing(call));
    }

    pub(super) fn talking(&mut self, agent: &str, call: CallId) {
        self.become_state(agent, State::Talking(call));
    }

    /// The offer of `call` was not taken.
    pub(super) fn missed(&mut self, now: Instant, agent: &str, call: CallId) {
        self.free(now, agent, call, State::BackOff { until: now + BACK_OFF });
    }

    /// The offer of `call` is withdrawn: no fault of the agent's.
    pub(super) fn spared(&mut self, agent: &str, call: CallId) {
        if self.desks.get(agent).is_some_and(|desk| desk.state == State::Ringing(call)) {
            self.become_state(agent, State::Waiting);
        }
    }

    /// The call is over; time for notes.
    pub(super) fn wrap_up(&mut self, now: Instant, agent: &str, call: CallId, time: Duration) {
        self.free(now, agent, call, State::WrapUp { until: now + time });
    }

    fn free(&mut self, now: Instant, agent: &str, call: CallId, next: State) {
        if let Some(desk) = self.desks.get_mut(agent)
            && (desk.state == State::Ringing(call) || desk.state == State::Talking(call))
        {
            desk.idle_since = now;
            self.become_state(agent, next);
        }
    }

    fn become_state(&mut self, agent: &str, state: State) {
        let Some(desk) = self.desks.get_mut(agent) else { return };
        if let Some(until) = std::mem::replace(&mut desk.state, state).until() {
            self.timers.remove(&(until, agent.to_owned()));
        }
        if let Some(until) = state.until() {
            self.timers.insert((until, agent.to_owned()));
        }
    }

    /// Whether anybody could take a call of this queue now or after a while: available, at a phone or not.
    pub(super) fn anybody(&self, queue: &Queue) -> bool {
        queue.agents.iter().any(|agent| {
            self.desks.get(agent).is_some_and(|desk| desk.status == AgentStatus::Available)
        })
    }

    /// The available agent of the queue who has been idle longest and whose phone can ring.
    pub(super) fn longest_idle<'a>(
        &self,
        agents: &BTreeMap<String, settings::Agent>,
        queue: &'a Queue,
        reachable: impl Fn(&str) -> bool,
    ) -> Option<&'a str> {
        queue
            .agents
            .iter()
            .filter_map(|name| Some((name, self.desks.get(name)?, agents.get(name)?)))
            .filter(|(_, desk, agent)| {
                desk.status == AgentStatus::Available
                    && desk.state == State::Waiting
                    && !self.engaged.contains_key(&agent.user)
                    && reachable(&agent.user)
            })
            .min_by_key(|(name, desk, _)| (desk.idle_since, *name))
            .map(|(name, _, _)| name.as_str())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(until, _)| *until)
    }

    /// Whether anybody may be free now who was not.
    pub(super) fn timeout(&mut self, now: Instant) -> bool {
        let mut any = false;
        while self.deadline().is_some_and(|until| until <= now) {
            let (_, agent) = self.timers.pop_first().expect("a deadline is a timer");
            self.become_state(&agent, State::Waiting);
            any = true;
        }
        any
    }

    /// Users with a leg of any call.
    pub(super) fn engaged(&self) -> usize {
        self.engaged.len()
    }

    /// Agents who ring or talk.
    pub(super) fn at_work(&self) -> usize {
        let is_at_work = |desk: &&Desk| match desk.state {
            State::Ringing(_) | State::Talking(_) => true,
            State::Waiting | State::WrapUp { .. } | State::BackOff { .. } => false,
        };
        self.desks.values().filter(is_at_work).count()
    }

    pub(super) fn rows<'a>(
        &self,
        settings: &Settings,
        names: impl Iterator<Item = &'a String>,
        registered: impl Fn(&str) -> bool,
    ) -> Vec<AgentRow> {
        names
            .filter_map(|name| Some((self.desks.get(name)?, settings.agents.get(name)?)))
            .map(|(desk, agent)| AgentRow {
                agent: agent.name.clone(),
                user: agent.user.clone(),
                status: desk.status.as_str().to_owned(),
                state: desk.state.as_str(desk.status).to_owned(),
                registered: registered(&agent.user),
                agrees_to_recording: agent.agrees_to_recording,
            })
            .collect()
    }
}

impl State {
    fn until(self) -> Option<Instant> {
        match self {
            State::WrapUp { until } | State::BackOff { until } => Some(until),
            State::Waiting | State::Ringing(_) | State::Talking(_) => None,
        }
    }

    /// The word in replies; only who takes calls waits for one.
    fn as_str(self, status: AgentStatus) -> &'static str {
        match self {
            State::Waiting | State::BackOff { .. } => match status {
                AgentStatus::Available => "waiting",
                AgentStatus::OnBreak | AgentStatus::LoggedOut => "idle",
            },
            State::Ringing(_) => "ringing",
            State::Talking(_) => "talking",
            State::WrapUp { .. } => "wrap-up",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRAP_UP: Duration = Duration::from_secs(10);
    const CALL: CallId = CallId(1);

    /// Agents of these names on a desk of their own, the first of whom has waited longest.
    struct Office {
        agents: Agents,
        settings: BTreeMap<String, settings::Agent>,
        queue: Queue,
        start: Instant,
    }

    impl Office {
        fn with(names: &[&str]) -> Office {
            let start = Instant::now();
            let desk = |place: usize| Desk {
                status: AgentStatus::Available,
                state: State::Waiting,
                idle_since: start + Duration::from_secs(place as u64),
            };
            let agent = |name: &str| settings::Agent {
                name: name.to_owned(),
                user: format!("phone of {name}"),
                agrees_to_recording: true,
            };
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Office {
                agents: Agents {
                    desks: names.iter().cloned().zip((0..).map(desk)).collect(),
                    engaged: BTreeMap::new(),
                    timers: BTreeSet::new(),
                },
                settings: names.iter().map(|name| (name.clone(), agent(name))).collect(),
                queue: Queue {
                    name: "support".into(),
                    agents: names,
                    ring: Duration::from_secs(20),
                    wrap_up: WRAP_UP,
                    wait: Duration::from_secs(60),
                    length: 5,
                },
                start,
            }
        }

        fn next(&self) -> Option<&str> {
            self.agents.longest_idle(&self.settings, &self.queue, |_| true)
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }
    }

    #[test]
    fn who_has_been_idle_longest_is_next_and_a_call_puts_them_last() {
        let mut office = Office::with(&["bob", "alice", "carol"]);
        assert_eq!(office.next(), Some("bob"));
        office.agents.ringing("bob", CALL);
        assert_eq!(office.next(), Some("alice"));
        office.agents.talking("bob", CALL);
        office.agents.wrap_up(office.at(30), "bob", CALL, WRAP_UP);
        assert!(office.agents.timeout(office.at(40)));
        assert_eq!(office.next(), Some("alice"));
        for name in ["alice", "carol"] {
            office.agents.ringing(name, CALL);
        }
        assert_eq!(office.next(), Some("bob"));
    }

    #[test]
    fn who_cannot_be_reached_or_is_in_another_call_is_not_rung() {
        let mut office = Office::with(&["bob", "alice"]);
        let away = |user: &str| user != "phone of bob";
        assert_eq!(
            office.agents.longest_idle(&office.settings, &office.queue, away),
            Some("alice")
        );
        office.agents.engage("phone of bob");
        office.agents.engage("phone of bob");
        office.agents.disengage("phone of bob");
        assert_eq!(office.next(), Some("alice"), "one leg is left");
        office.agents.disengage("phone of bob");
        assert_eq!(office.next(), Some("bob"));
    }

    #[test]
    fn timers_run_out_in_their_order_and_are_forgotten_with_their_state() {
        let mut office = Office::with(&["bob", "alice"]);
        for (name, call) in [("bob", CallId(1)), ("alice", CallId(2))] {
            office.agents.ringing(name, call);
        }
        assert_eq!(office.agents.deadline(), None);
        office.agents.wrap_up(office.at(0), "bob", CallId(1), WRAP_UP);
        office.agents.missed(office.at(0), "alice", CallId(2));
        assert_eq!(office.agents.deadline(), Some(office.start + BACK_OFF));
        assert!(!office.agents.timeout(office.at(4)));
        assert!(office.agents.timeout(office.at(5)));
        assert_eq!(office.next(), Some("alice"));
        assert_eq!(office.agents.deadline(), Some(office.start + WRAP_UP));
        // A private call of the queue's, taken during the notes: its state has no end of its own.
        office.agents.ringing("bob", CallId(3));
        assert_eq!(office.agents.deadline(), None);
    }

    #[test]
    fn who_takes_no_calls_waits_for_none() {
        let waits = |status| State::Waiting.as_str(status);
        assert_eq!(waits(AgentStatus::Available), "waiting");
        assert_eq!([AgentStatus::OnBreak, AgentStatus::LoggedOut].map(waits), ["idle"; 2]);
        // A call that rings or talks goes on.
        assert_eq!(State::Talking(CALL).as_str(AgentStatus::LoggedOut), "talking");
    }

    #[test]
    fn the_end_of_another_call_changes_nothing() {
        let mut office = Office::with(&["bob"]);
        office.agents.ringing("bob", CALL);
        office.agents.missed(office.start, "bob", CallId(9));
        office.agents.spared("bob", CallId(9));
        office.agents.wrap_up(office.start, "bob", CallId(9), WRAP_UP);
        assert_eq!((office.next(), office.agents.deadline()), (None, None));
        office.agents.spared("bob", CALL);
        assert_eq!(office.next(), Some("bob"));
    }
}

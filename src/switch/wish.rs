//! Wishes: what users say by dialling a code, or ask to be told, and what they hear of it.

use std::collections::BTreeMap;

use super::control::AgentChange;
use super::forwarding::Change;
use super::journal::{AgentStatus, CallId};
use super::number::Number;
use super::reception::No;
use super::settings::{DIGITS, DONE, OFF};
use super::{Lines, Now, Switch};

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wish {
    /// What becomes of the user's calls.
    Calls(Change),
    /// The user's agent logs in, or out.
    Login,
    /// The user's agent has a break, or is back.
    Break,
    /// How many callers wait in the queues of the user's agent.
    Waiting,
    /// Which extension this is.
    Extension,
}

/// Who called each user last; known since the start.
#[derive(Debug, Default)]
pub(super) struct LastCallers(BTreeMap<String, Number>);

impl LastCallers {
    /// A call for `user` rings.
    pub(super) fn note(&mut self, user: &str, from: &Number) {
        match self.0.get_mut(user) {
            Some(last) => last.clone_from(from),
            None => drop(self.0.insert(user.to_owned(), from.clone())),
        }
    }

    /// The number to call back, as the phone has shown it.
    pub(super) fn of(&self, user: &str) -> Result<&str, No> {
        match self.0.get(user) {
            None => Err(No::of(404, "nobody has called")),
            Some(Number::Anonymous) => Err(No::of(404, "who called last withheld the number")),
            Some(number) => Ok(number.as_str()),
        }
    }
}

impl Switch {
    /// A user's word, or an admin's for them.
    pub(super) fn wish(&mut self, now: Now, user: &str, wish: Wish) -> Result<(), No> {
        match wish {
            Wish::Calls(change) => {
                self.may_change(now, user, &change)?;
                self.forwarding.set(now, user, change, &mut self.outbox);
            }
            Wish::Login => {
                let (agent, status) = self.duty(user)?;
                let change = match status {
                    AgentStatus::LoggedOut => AgentChange::Available,
                    AgentStatus::Available | AgentStatus::OnBreak => AgentChange::Logout,
                };
                self.agents.set(now, &agent, change, &mut self.outbox);
            }
            Wish::Break => {
                let (agent, status) = self.duty(user)?;
                let change = match status {
                    AgentStatus::Available => AgentChange::Break,
                    AgentStatus::OnBreak => AgentChange::Available,
                    AgentStatus::LoggedOut => return Err(No::of(403, "the agent is logged out")),
                };
                self.agents.set(now, &agent, change, &mut self.outbox);
            }
            Wish::Waiting => return self.duty(user).map(drop),
            Wish::Extension => return Ok(()),
        }
        // An agent who may be disturbed again, or is back, can have a call that waits.
        self.lines = Lines::Changed;
        Ok(())
    }

    /// The user's agent.
    fn duty(&self, user: &str) -> Result<(String, AgentStatus), No> {
        let agent = self.settings.agents.values().find(|agent| agent.user == user);
        let agent = agent.ok_or(No::of(403, "the user is no agent"))?;
        Ok((agent.name.clone(), self.agents.status(&agent.name)))
    }

    /// Tells whoever wished it what has come of it.
    pub(super) fn answer_wish(&mut self, now: Now, call: CallId) {
        let wish = self.calls.get(&call).and_then(|call| call.wish());
        let Some((wish, user)) = wish else { return };
        let words = self.words(wish, user);
        self.with(now, call, |call, desk| call.tell(desk, words));
    }

    fn words(&self, wish: &Wish, user: &str) -> Vec<&'static str> {
        match wish {
            Wish::Calls(_) => vec![DONE],
            Wish::Login | Wish::Break => match self.duty(user) {
                Ok((_, AgentStatus::Available)) => vec![DONE],
                Ok((_, AgentStatus::OnBreak | AgentStatus::LoggedOut)) | Err(_) => vec![OFF],
            },
            Wish::Waiting => {
                let agent = self.duty(user).map_or_else(|_| String::new(), |(agent, _)| agent);
                let queues = self.settings.queues.values();
                let theirs = queues.filter(|queue| queue.agents.contains(&agent));
                let waiting: usize = theirs.map(|queue| self.queues.length(&queue.name)).sum();
                spelled(&waiting.to_string())
            }
            Wish::Extension => spelled(user),
        }
    }
}

/// Digit after digit; of what is no digit nothing is said.
fn spelled(text: &str) -> Vec<&'static str> {
    let digits = text.chars().filter_map(|letter| letter.to_digit(10));
    digits.map(|digit| DIGITS[digit as usize]).collect()
}

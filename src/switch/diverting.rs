//! Calls that are sent on, and what users and admins say of it.

use std::time::Duration;

use super::call::{Elsewhere, Party};
use super::control::Reply;
use super::dialing::{Dialing, may_dial};
use super::forwarding::{Change, Occasion, target};
use super::journal::CallId;
use super::log::Fact;
use super::number::Number;
use super::reception::No;
use super::routing::{Plan, Target};
use super::wish::Wish;
use super::{Now, Switch};

impl Switch {
    /// Finds the way for a call that goes elsewhere: on the account of whoever sends it there.
    pub(super) fn divert(&mut self, now: Now, call: CallId, elsewhere: Elsewhere) {
        let way = match elsewhere {
            Elsewhere::Target(target) => self.is_there(&target).map(|()| target),
            Elsewhere::Number { by, number } => self.goes_to(now, call, &by, number.reveal()),
            Elsewhere::LedOn { by, number } => {
                self.ledger.replaced(now.instant, call, &by);
                self.goes_to(now, call, &by, number.reveal())
            }
        };
        let way = way.map_err(|no| {
            let country = no.told.flatten();
            self.outbox.log(Fact::ForwardRefused { call, why: no.why, country });
            no.status
        });
        self.with(now, call, |call, desk| call.diverted(desk, way));
    }

    /// Where a number leads that is not dialled by hand, once it is on the account of `by`.
    fn goes_to(&mut self, now: Now, call: CallId, by: &Party, number: &str) -> Result<Target, No> {
        let plan = self.sent_on(now, by, number)?;
        self.admit(now, call, by, &plan).map(|()| plan.target)
    }

    /// What a number leads to that is not dialled by hand.
    fn sent_on(&self, now: Now, by: &Party, number: &str) -> Result<Plan, No> {
        let from = match by {
            Party::User(user) => Number::Extension(user.as_str().into()),
            Party::Trunk(_) => Number::Anonymous,
        };
        no_emergency(self.way(now, by, &from, number)?)
    }

    /// Whether a user may say that: the number has to be one that they may dial, at one time of the day or another.
    pub(super) fn may_change(&self, now: Now, user: &str, change: &Change) -> Result<(), No> {
        let to = match change {
            Change::Forward { to, .. } => to.as_ref(),
            Change::Undisturbed(_) => None,
        };
        if let (Some(to), Some(known)) = (to, self.settings.users.get(user)) {
            if to.reveal() == user {
                return Err(No::of(403, "nobody is forwarded to themselves"));
            }
            let dialing = Dialing { off_hours: None, ..Dialing::clone(&known.dialing) };
            let by = Party::User(user.to_owned());
            let plan = self.route(now, &by, &Number::Extension(user.into()), to.reveal())?;
            let number = match no_emergency(plan)?.target {
                Target::Trunk { number, .. } => number,
                Target::User(_) | Target::Queue(_) | Target::Group(_) | Target::Feature(_) => {
                    Number::Extension(to.reveal().as_str().into())
                }
            };
            may_dial(&self.settings, &dialing, &number, now.utc)
                .map_err(|refused| No::of(403, refused.why))?;
        }
        Ok(())
    }

    /// An admin forwards a user's calls.
    pub(super) fn forward(
        &mut self,
        now: Now,
        user: &str,
        to: Vec<(String, Option<String>)>,
        after: Option<u64>,
    ) -> Reply {
        let mut changes = Vec::new();
        for (word, number) in to {
            let occasion = Occasion::ALL.into_iter().find(|occasion| occasion.as_str() == word);
            let Some(occasion) = occasion else {
                return Reply::Refused { why: format!("calls are not forwarded {word:?}") };
            };
            let to = match number.as_deref().map(target).transpose() {
                Ok(to) => to,
                Err(why) => return Reply::Refused { why: format!("the number {why}") },
            };
            let after = after.filter(|_| to.is_some()).map(Duration::from_secs);
            changes.push(Change::Forward { occasion, to, after });
        }
        let said = |change| self.said(now, user, change);
        changes.into_iter().map(said).find(|reply| *reply != Reply::Done).unwrap_or(Reply::Done)
    }

    /// An admin says so for a user.
    pub(super) fn said(&mut self, now: Now, user: &str, change: Change) -> Reply {
        if !self.settings.users.contains_key(user) {
            return Reply::NotFound { what: format!("there is no user {user:?}") };
        }
        match self.wish(now, user, Wish::Calls(change)) {
            Ok(()) => Reply::Done,
            Err(No { why, .. }) => Reply::Refused { why: why.to_owned() },
        }
    }

    /// What becomes of a user's calls.
    pub(super) fn forwarding_of(&self, user: &str) -> Reply {
        match self.settings.users.contains_key(user) {
            true => Reply::Forwarding { forwarding: Box::new(self.forwarding.row(user)) },
            false => Reply::NotFound { what: format!("there is no user {user:?}") },
        }
    }
}

fn no_emergency(plan: Plan) -> Result<Plan, No> {
    match plan.emergency {
        true => Err(No::of(403, "no call is sent on to an emergency number")),
        false => Ok(plan),
    }
}

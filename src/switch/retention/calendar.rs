//! Whether the calendar can be trusted with deletion: it must go as the monotonic clock goes, and on from the last run.

use std::time::Duration;

use crate::switch::Now;
use crate::utc::Utc;

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// A node may have been switched off for so long before its first date is doubted.
const OFF: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Compares what the calendar says with what the monotonic clock counted, at every run.
#[derive(Debug)]
pub(super) struct Calendar {
    /// The last moment that was believed; `None` if even the first was not.
    trusted: Option<Now>,
    doubt: Option<Standing>,
}

/// A doubt, until the calendar has gone steadily for a day or is back where it belongs.
#[derive(Debug)]
struct Standing {
    why: String,
    since: Now,
    seen: Now,
    told: bool,
}

/// Why nothing is deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Doubt {
    /// In a sentence.
    pub(super) why: String,
    /// Told for the first time.
    pub(super) new: bool,
}

impl Calendar {
    /// Begins at `now`; `ran` is the last run of which the store knows.
    pub(super) fn new(now: Now, ran: Option<Utc>) -> Calendar {
        let why = match ran {
            Some(ran) if ran.since(now.utc) > DAY => {
                format!("the clock says {}, but retention has already run at {ran}", now.utc)
            }
            Some(ran) if now.utc.since(ran) > OFF => {
                format!("the clock says {}, more than 30 days after the last run at {ran}", now.utc)
            }
            Some(_) | None => return Calendar { trusted: Some(now), doubt: None },
        };
        Calendar {
            trusted: None,
            doubt: Some(Standing { why, since: now, seen: now, told: false }),
        }
    }

    /// Whether `now` may decide about deletion.
    pub(super) fn check(&mut self, now: Now) -> Result<(), Doubt> {
        if self.trusted.is_some_and(|trusted| steady(trusted, now)) {
            return self.trust(now);
        }
        match &mut self.doubt {
            Some(standing) if steady(standing.seen, now) => {
                if now.instant.saturating_duration_since(standing.since.instant) >= DAY {
                    return self.trust(now);
                }
                standing.seen = now;
                let new = !std::mem::replace(&mut standing.told, true);
                Err(Doubt { why: standing.why.clone(), new })
            }
            Some(_) | None => {
                let before = self.doubt.as_ref().map(|standing| standing.seen).or(self.trusted);
                let why = match before {
                    Some(before) => jumped(before, now),
                    None => format!("the clock says {}", now.utc),
                };
                self.doubt = Some(Standing { why: why.clone(), since: now, seen: now, told: true });
                Err(Doubt { why, new: true })
            }
        }
    }

    /// Why nothing is deleted at present.
    pub(super) fn doubt(&self) -> Option<&str> {
        self.doubt.as_ref().map(|standing| standing.why.as_str())
    }

    fn trust(&mut self, now: Now) -> Result<(), Doubt> {
        *self = Calendar { trusted: Some(now), doubt: None };
        Ok(())
    }
}

/// The calendar moved as far as the monotonic clock, give or take a day.
fn steady(before: Now, now: Now) -> bool {
    let expected = before.utc.after(now.instant.saturating_duration_since(before.instant));
    now.utc.since(expected) <= DAY && expected.since(now.utc) <= DAY
}

fn jumped(before: Now, now: Now) -> String {
    let hours = now.instant.saturating_duration_since(before.instant).as_secs() / 3_600;
    format!(
        "the clock jumped from {} to {} while {hours} hours passed; nothing is deleted until it was steady for a day",
        before.utc, now.utc
    )
}

//! One subscription, as its notifier: RFC 6665 §4.2.2. One NOTIFY at a time is on its way, and one a second is enough: what changes
//! meanwhile is told together.

use std::time::{Duration, Instant};

use super::ask::{ALLOW_EVENTS, Package};
use super::lamp::LineKey;
use crate::switch::Now;
use crate::switch::journal::Subscribed;
use crate::wire::sip::dialog::Dialog;
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Method, Status};
use crate::wire::sip::outgoing::Outgoing;

/// Between two NOTIFYs that nobody asked for.
const GAP: Duration = Duration::from_secs(1);

/// What is watched; the place in this says which event package it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Watched {
    /// The dialogs of this user.
    User(String),
    /// Callers who wait in this queue.
    Queue(String),
    /// The call that is parked in this slot.
    Slot(String),
    /// The messages of this user.
    Messages(String),
}

impl Watched {
    pub(super) fn package(&self) -> Package {
        match self {
            Watched::User(_) | Watched::Queue(_) | Watched::Slot(_) => Package::Dialog,
            Watched::Messages(_) => Package::MessageSummary,
        }
    }

    /// Whose, as the subscriber named them.
    pub(super) fn name(&self) -> &str {
        let (Watched::User(name)
        | Watched::Queue(name)
        | Watched::Slot(name)
        | Watched::Messages(name)) = self;
        name
    }
}

/// Why a subscription ends (RFC 6665 §4.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// Its time is over, or the subscriber said so.
    Timeout,
    /// The switch goes; the subscriber is to come again.
    Deactivated,
    /// After a restart, it is not allowed any more, or nobody is of that name.
    Rejected,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Reason::Timeout => "timeout",
            Reason::Deactivated => "deactivated",
            Reason::Rejected => "rejected",
        }
    }
}

/// How far the subscriber has been told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Telling {
    /// Everything. The next NOTIFY goes not before then.
    Settled { next: Instant },
    /// There is news, to be told then.
    Due { at: Instant },
    /// A NOTIFY awaits its answer; `more` has become known since.
    Sent { next: Instant, more: bool, is_last: bool },
}

/// What the answer to a NOTIFY means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answered {
    /// The subscription goes on.
    GoesOn,
    /// It is over, and nothing more is to be said.
    Over,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Who watches.
    pub(super) user: String,
    pub(super) watched: Watched,
    /// The `id` of the Event header.
    pub(super) id: Option<String>,
    pub(super) dialog: Dialog,
    pub(super) until: Instant,
    telling: Telling,
    end: Option<Reason>,
    /// The dialogs that the subscriber believes in.
    pub(super) told: Vec<LineKey>,
    /// Where the alarm of this subscription is noted.
    pub(super) scheduled: Option<Instant>,
}

impl Subscription {
    /// The first NOTIFY is due at `at`.
    pub(super) fn new(
        user: String,
        watched: Watched,
        id: Option<String>,
        dialog: Dialog,
        until: Instant,
        at: Instant,
    ) -> Subscription {
        let (end, told, scheduled) = Default::default();
        let telling = Telling::Due { at };
        Subscription { user, watched, id, dialog, until, telling, end, told, scheduled }
    }

    /// For the journal.
    pub(super) fn remember(&self, now: Now) -> Subscribed {
        Subscribed {
            user: self.user.clone(),
            package: self.watched.package(),
            watched: self.watched.name().to_owned(),
            id: self.id.clone(),
            expires: now.utc.after(self.until.saturating_duration_since(now.instant)),
            local_tag: self.dialog.id().local_tag.into(),
            dialog: self.dialog.remember(),
        }
    }

    /// Something is new: told soon, with whatever else is by then.
    pub(super) fn changed(&mut self, now: Instant) {
        match &mut self.telling {
            Telling::Settled { next } => self.telling = Telling::Due { at: (*next).max(now) },
            Telling::Due { .. } => {}
            Telling::Sent { more, .. } => *more = true,
        }
    }

    /// The subscriber asked, and is told at once (RFC 6665 §4.2.1.2).
    pub(super) fn asked(&mut self, now: Instant) {
        match &mut self.telling {
            Telling::Settled { .. } | Telling::Due { .. } => {
                self.telling = Telling::Due { at: now }
            }
            Telling::Sent { next, more, .. } => (*next, *more) = (now, true),
        }
    }

    /// Its last NOTIFY is due.
    pub(super) fn ends(&mut self, now: Instant, reason: Reason) {
        if self.end.is_none() {
            self.end = Some(reason);
            self.asked(now);
        }
    }

    /// Whether its last NOTIFY is due or on its way: it can be refreshed no more.
    pub(super) fn is_ending(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.telling {
            Telling::Settled { .. } => Some(self.until),
            Telling::Due { at } => Some(at.min(self.until)),
            Telling::Sent { .. } => None,
        }
    }

    /// The NOTIFY that is due by now, without its document; `None` if there is none.
    pub(super) fn notify(&mut self, now: Instant) -> Option<Outgoing> {
        if self.until <= now {
            self.ends(now, Reason::Timeout);
        }
        match self.telling {
            Telling::Due { at } if at <= now => {}
            Telling::Due { .. } | Telling::Settled { .. } | Telling::Sent { .. } => return None,
        }
        let package = self.watched.package().as_str();
        let request = self.dialog.request(&Method::Notify).header(Name::AllowEvents, ALLOW_EVENTS);
        let request = match &self.id {
            Some(id) => request.header(Name::Event, format_args!("{package};id={id}")),
            None => request.header(Name::Event, package),
        };
        let left = self.until.saturating_duration_since(now).as_secs();
        Some(match self.end {
            Some(reason) => request.header(
                Name::SubscriptionState,
                format_args!("terminated;reason={}", reason.as_str()),
            ),
            None => request.header(Name::SubscriptionState, format_args!("active;expires={left}")),
        })
    }

    /// The document's version: it grows by one with each NOTIFY, and leaps over what a restart has forgotten, as CSeq does.
    pub(super) fn version(&self) -> u32 {
        self.dialog.sequence().saturating_sub(1)
    }

    /// It is on its way.
    pub(super) fn sent(&mut self, now: Instant) {
        let is_last = self.end.is_some();
        self.telling = Telling::Sent { next: now + GAP, more: false, is_last };
    }

    /// A NOTIFY was answered finally, or not at all, which is a 408 (RFC 6665 §4.2.2).
    pub(super) fn answered(&mut self, now: Instant, status: Status) -> Answered {
        let Telling::Sent { next, more, is_last, .. } = self.telling else {
            return Answered::GoesOn;
        };
        if is_last || ends_subscription(status) {
            return Answered::Over;
        }
        self.telling = match more || self.end.is_some() {
            true => Telling::Due { at: if self.end.is_some() { now } else { next.max(now) } },
            false => Telling::Settled { next },
        };
        Answered::GoesOn
    }
}

/// Whether a refusal of a NOTIFY means that there is nobody who would want another (RFC 6665 §4.2.2, RFC 5057 §5.1): what concerns
/// the one request alone does not. 503 is what the transport's failure is told as.
fn ends_subscription(status: Status) -> bool {
    matches!(status.code(), 404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 503 | 604)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_one_notify_is_not_the_end_of_the_subscription() {
        for code in [200, 202, 400, 401, 407, 413, 491, 500, 504] {
            assert!(!ends_subscription(Status::of(code)), "{code}");
        }
        for code in [404, 408, 481, 489, 503] {
            assert!(ends_subscription(Status::of(code)), "{code}");
        }
    }
}

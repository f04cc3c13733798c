//! The course of a call: who has sent it on, how often, and how far it may still fork (RFC 5393, RFC 5806, RFC 7044).

use std::collections::VecDeque;

use crate::switch::forwarding::Occasion;
use crate::switch::headers;
use crate::wire::sip::headers::{Address, Name};
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::uri::Uri;

/// A call is sent on at most so often, those before it came to us included.
const MOST_DIVERSIONS: usize = 5;
/// Groups that one call goes through: each may name another that has it next.
const MOST_GROUPS: usize = 5;
/// Phones and gateways that one call rings, those that agents are offered it at aside.
const MOST_TARGETS: usize = 50;
/// Branches at a time of a call that says nothing of it (RFC 5393 §5.3.3.1).
const BREADTH: usize = 60;
/// RFC 5393 §5.3: how many branches a request may still have at a time.
pub(super) const MAX_BREADTH: &str = "Max-Breadth";

/// Why somebody sent a call on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// They had it forwarded.
    Forwarded(Occasion),
    /// Their phone or gateway named somebody else (3xx).
    Redirected,
}

impl Why {
    /// RFC 5806 §4.
    fn reason(self) -> &'static str {
        match self {
            Why::Forwarded(Occasion::Always) => "unconditional",
            Why::Forwarded(Occasion::Busy) => "user-busy",
            Why::Forwarded(Occasion::NoAnswer) => "no-answer",
            Why::Forwarded(Occasion::Unregistered) => "unavailable",
            Why::Redirected => "deflection",
        }
    }

    /// RFC 4458 §2.
    fn cause(self) -> u16 {
        match self {
            Why::Forwarded(Occasion::Always) => 302,
            Why::Forwarded(Occasion::Busy) => 486,
            Why::Forwarded(Occasion::NoAnswer) => 408,
            Why::Forwarded(Occasion::Unregistered) => 404,
            Why::Redirected => 480,
        }
    }
}

/// One user who sent the call on.
#[derive(Debug)]
pub(super) struct Diversion {
    pub(super) user: String,
    pub(super) why: Why,
    /// What the caller hears if that leads nowhere.
    pub(super) status: Status,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Course {
    diversions: Vec<Diversion>,
    /// How often it was sent on before it came to us.
    before: usize,
    groups: usize,
    /// Users of the group that rings whose turn has not come yet, as they ring together.
    pub(super) turns: VecDeque<Vec<String>>,
    targets: usize,
    breadth: usize,
    /// The caller has named a breadth.
    is_narrow: bool,
}

impl Course {
    /// Of the call that this INVITE begins.
    pub(super) fn of(invite: &Message) -> Course {
        let counted = |address: &Address| match address.params.get("counter") {
            Some(counter) => counter.parse().unwrap_or(MOST_DIVERSIONS).min(MOST_DIVERSIONS),
            None => 1,
        };
        let diversions = invite.addresses(Name::Diversion).unwrap_or_default();
        let named = invite.lines_of(MAX_BREADTH).next().and_then(|line| {
            let text = std::str::from_utf8(line).ok()?;
            text.trim_ascii().parse::<usize>().ok()
        });
        Course {
            diversions: Vec::new(),
            before: diversions.iter().map(counted).sum(),
            groups: 0,
            turns: VecDeque::new(),
            targets: 0,
            breadth: named.map_or(BREADTH, |breadth| breadth.min(BREADTH)),
            is_narrow: named.is_some(),
        }
    }

    /// Who sent it on last, and why.
    pub(super) fn last(&self) -> Option<&Diversion> {
        self.diversions.last()
    }

    /// Whether this user has sent it on already: it runs in a circle.
    pub(super) fn has_been_at(&self, user: &str) -> bool {
        self.diversions.iter().any(|diversion| diversion.user == user)
    }

    /// Notes that it is sent on; not if it runs in a circle, or was too often.
    pub(super) fn divert(&mut self, diversion: Diversion) -> bool {
        let goes_on = self.before + self.diversions.len() < MOST_DIVERSIONS
            && !self.has_been_at(&diversion.user);
        if goes_on {
            self.diversions.push(diversion);
        }
        goes_on
    }

    /// Notes that a carrier leads it on to another number; not if it was sent on too often.
    pub(super) fn lead_on(&mut self) -> bool {
        let goes_on = self.before + self.diversions.len() < MOST_DIVERSIONS;
        self.before += usize::from(goes_on);
        goes_on
    }

    /// Somebody has answered: whoever sends it on now does so anew, and what was before is only counted.
    pub(super) fn arrived(&mut self) {
        self.before += self.diversions.len();
        self.diversions.clear();
        self.turns.clear();
        (self.groups, self.targets) = (0, 0);
    }

    /// Notes that it goes to a group; not if it has been at too many.
    pub(super) fn enter_group(&mut self) -> bool {
        self.groups += 1;
        self.groups <= MOST_GROUPS
    }

    /// An agent's phones ring for it: what it has rung before counts no more.
    pub(super) fn begin_offer(&mut self) {
        self.targets = 0;
    }

    /// Whether no branch of it may be begun (RFC 5393 §5.3.3.2).
    pub(super) fn is_spent(&self) -> bool {
        self.breadth == 0
    }

    /// So many of `wanted` targets may ring at a time, and the breadth that each of them has (RFC 5393 §5.3.3), if it is to be told.
    pub(super) fn fork(&mut self, wanted: usize) -> (usize, Option<usize>) {
        let count = wanted.min(self.breadth).min(MOST_TARGETS.saturating_sub(self.targets));
        self.targets += count;
        let share = self.breadth / count.max(1);
        (count, (self.is_narrow || count > 1).then_some(share))
    }

    /// Diversion, the last first, and History-Info up to `target`; `shown` says who a user is for whoever is called.
    pub(super) fn headers(&self, target: &Uri, shown: impl Fn(&str) -> Uri) -> Vec<headers::Line> {
        let mut headers = Vec::new();
        for (place, Diversion { user, why, .. }) in self.diversions.iter().enumerate().rev() {
            let counter = if place == 0 { 1 + self.before } else { 1 };
            let (uri, reason) = (shown(user), why.reason());
            headers.push((
                Name::Diversion.as_str().into(),
                format!("<{uri}>;reason={reason};counter={counter}"),
            ));
        }
        let mut index = String::from("1");
        if let Some(first) = self.diversions.first() {
            headers.push((
                Name::HistoryInfo.as_str().into(),
                format!("<{}>;index={index}", shown(&first.user)),
            ));
        }
        for (place, Diversion { why, .. }) in self.diversions.iter().enumerate() {
            let next = self.diversions.get(place + 1);
            let uri = next.map_or_else(|| target.clone(), |next| shown(&next.user));
            let uri = uri.with_param("cause", &why.cause().to_string());
            headers.push((
                Name::HistoryInfo.as_str().into(),
                format!("<{uri}>;index={index}.1;mp={index}"),
            ));
            index.push_str(".1");
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::office;

    fn invite(lines: &[&str]) -> Course {
        let text = office::request("INVITE", "sip:1002@x", "1001", "1002", ("c", 1), lines);
        Course::of(&office::read(&text))
    }

    fn at(user: &str) -> Diversion {
        let why = Why::Forwarded(Occasion::Always);
        Diversion { user: user.into(), why, status: Status::of(480) }
    }

    #[test]
    fn a_call_is_sent_on_five_times_and_by_nobody_twice() {
        let mut course = invite(&[]);
        assert!(["1", "2", "3", "4"].iter().all(|user| course.divert(at(user))));
        assert!(!course.divert(at("3")), "in a circle");
        assert!(course.divert(at("5")) && !course.divert(at("6")));
    }

    #[test]
    fn what_was_before_counts_too() {
        let lines = ["Diversion: <sip:a@x>;reason=unknown;counter=3, <sip:b@x>"];
        let mut course = invite(&lines);
        assert!(course.divert(at("1")) && !course.divert(at("2")));
        let shown = |user: &str| Uri::at_domain(user, "office.example");
        let headers = course.headers(&shown("1002"), shown);
        assert_eq!(
            headers[0].1, "<sip:1@office.example>;reason=unconditional;counter=5",
            "so that the next switch knows"
        );
        let mut flooded = invite(&["Diversion: <sip:a@x>;counter=99999999999999999999"]);
        assert!(!flooded.divert(at("1")));
    }

    #[test]
    fn the_history_names_everybody_in_their_order() {
        let mut course = invite(&[]);
        assert!(course.divert(at("1001")));
        let status = Status::of(486);
        let why = Why::Forwarded(Occasion::Busy);
        assert!(course.divert(Diversion { user: "1002".into(), why, status }));
        let shown = |user: &str| Uri::at_domain(user, "x");
        let headers = course.headers(&Uri::at_domain("1003", "x"), shown);
        let lines: Vec<&str> = headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            lines,
            [
                "<sip:1002@x>;reason=user-busy;counter=1",
                "<sip:1001@x>;reason=unconditional;counter=1",
                "<sip:1001@x>;index=1",
                "<sip:1002@x;cause=302>;index=1.1;mp=1",
                "<sip:1003@x;cause=486>;index=1.1.1;mp=1.1",
            ]
        );
    }

    #[test]
    fn breadth_is_shared_and_targets_are_counted() {
        assert_eq!(invite(&[]).fork(1), (1, None));
        assert_eq!(invite(&[]).fork(3), (3, Some(20)));
        assert_eq!(invite(&["Max-Breadth: 2"]).fork(3), (2, Some(1)));
        assert_eq!(invite(&["Max-Breadth: 0"]).fork(3), (0, Some(0)));
        assert_eq!(invite(&["Max-Breadth: 4000000000000000000000"]).fork(70).0, MOST_TARGETS);
        let mut course = invite(&[]);
        assert_eq!(course.fork(40).0 + course.fork(40).0 + course.fork(40).0, MOST_TARGETS);
    }
}

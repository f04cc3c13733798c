//! Lamps: what is known of whoever is watched, a line for each dialog. Only what somebody watches has one.

use std::collections::{BTreeMap, BTreeSet};

use super::SubscriptionId;
use crate::redacted::Redacted;
use crate::switch::call::LegId;
use crate::switch::journal::CallId;
use crate::wire::sip::dialog::DialogId;

/// A dialog, as the lamps tell one from another.
pub(crate) type LineKey = (CallId, LegId);

/// How far a dialog has come, as its phone sees it (RFC 4235 §3.7.1). What is over has no phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Whoever is watched has dialled.
    Trying,
    /// It rings.
    Early,
    /// They talk.
    Confirmed,
    /// Whoever is watched has put the other on hold.
    Held,
}

/// Who began a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Whoever is watched.
    Initiator,
    /// The other.
    Recipient,
}

/// The longest name or number that is told, in characters.
const LONGEST_NAME: usize = 64;
/// The longest part of a dialog's identity that is told, in bytes.
const LONGEST_ID: usize = 128;

/// One dialog of whoever is watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(super) phase: Phase,
    pub(super) side: Side,
    pub(super) dialog: Option<DialogId>,
    pub(super) number: Option<Redacted<String>>,
    pub(super) name: Option<Redacted<String>>,
}

impl Line {
    /// With the other's number, unless it is withheld, and name. `dialog` is as the switch sees it; a caller who waits in a queue has
    /// none with the queue. What the other side made too long is cut, or left out where a part would mean something else.
    pub(crate) fn new(
        phase: Phase,
        side: Side,
        dialog: Option<DialogId>,
        number: Option<&str>,
        name: Option<&str>,
    ) -> Line {
        let cut = |text: &str| Redacted::new(text.chars().take(LONGEST_NAME).collect());
        let is_short = |id: &DialogId| {
            let far = id.remote_tag.as_deref().unwrap_or_default();
            id.call_id.len().max(far.len()) <= LONGEST_ID
        };
        Line {
            phase,
            side,
            dialog: dialog.filter(is_short),
            number: number.map(cut),
            name: name.map(cut),
        }
    }
}

/// What is watched, and by whom.
#[derive(Debug, Default)]
pub(super) struct Lamp {
    pub(super) watchers: BTreeSet<SubscriptionId>,
    pub(super) lines: BTreeMap<LineKey, Line>,
}

/// The lamps that somebody watches.
#[derive(Debug, Default)]
pub(crate) struct Lamps {
    pub(super) users: BTreeMap<String, Lamp>,
    pub(super) queues: BTreeMap<String, Lamp>,
    pub(super) slots: BTreeMap<String, Lamp>,
    /// Who has something new to be told.
    pub(super) news: Vec<SubscriptionId>,
}

impl Lamps {
    /// Shows a line of this user's, or that it is over; `line` is asked for only if somebody watches.
    pub(crate) fn of_user(
        &mut self,
        user: &str,
        key: LineKey,
        line: impl FnOnce() -> Option<Line>,
    ) {
        show(self.users.get_mut(user), &mut self.news, key, line);
    }

    /// The same of a caller in this queue.
    pub(crate) fn of_queue(
        &mut self,
        queue: &str,
        key: LineKey,
        line: impl FnOnce() -> Option<Line>,
    ) {
        show(self.queues.get_mut(queue), &mut self.news, key, line);
    }

    /// The same of a call that is parked in this slot.
    pub(crate) fn of_slot(&mut self, slot: u32, key: LineKey, line: impl FnOnce() -> Option<Line>) {
        if !self.slots.is_empty() {
            show(self.slots.get_mut(&slot.to_string()), &mut self.news, key, line);
        }
    }
}

fn show(
    lamp: Option<&mut Lamp>,
    news: &mut Vec<SubscriptionId>,
    key: LineKey,
    line: impl FnOnce() -> Option<Line>,
) {
    let Some(lamp) = lamp else { return };
    let (line, known) = (line(), lamp.lines.get(&key));
    if line.as_ref() == known {
        return;
    }
    match line {
        Some(line) => drop(lamp.lines.insert(key, line)),
        None => drop(lamp.lines.remove(&key)),
    }
    news.extend(&lamp.watchers);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(call: u64) -> LineKey {
        (CallId(call), LegId(1))
    }

    fn line(phase: Phase) -> Option<Line> {
        Some(Line::new(phase, Side::Recipient, None, Some("+4930555010"), None))
    }

    #[test]
    fn who_is_not_watched_is_not_asked_after() {
        let mut lamps = Lamps::default();
        lamps.of_user("201", key(1), || panic!("nobody watches"));
        lamps.of_queue("support", key(1), || panic!("nobody watches"));
        assert!(lamps.users.is_empty() && lamps.queues.is_empty() && lamps.news.is_empty());
    }

    #[test]
    fn a_change_is_news_for_those_who_watch_just_this() {
        let mut lamps = Lamps::default();
        let watches = |id| Lamp { watchers: [SubscriptionId(id)].into(), ..Lamp::default() };
        lamps.users.insert("201".into(), watches(1));
        lamps.users.insert("202".into(), watches(2));
        lamps.queues.insert("201".into(), watches(3));
        lamps.of_user("201", key(7), || line(Phase::Early));
        assert_eq!(std::mem::take(&mut lamps.news), [SubscriptionId(1)]);
        lamps.of_user("201", key(7), || line(Phase::Early));
        assert!(lamps.news.is_empty(), "it is no change");
        lamps.of_user("201", key(7), || None);
        lamps.of_user("201", key(7), || None);
        assert_eq!(lamps.news, [SubscriptionId(1)]);
        assert!(lamps.users["201"].lines.is_empty());
    }

    #[test]
    fn what_others_made_too_long_is_cut_or_left_out() {
        let id = |length: usize| DialogId {
            call_id: "c".repeat(length).into(),
            local_tag: "us".into(),
            remote_tag: None,
        };
        let long = "é".repeat(10_000);
        let line = |length| {
            Line::new(Phase::Early, Side::Initiator, Some(id(length)), Some(&long), Some(&long))
        };
        let cut = line(LONGEST_ID);
        let chars = |text: Option<Redacted<String>>| text.map(|text| text.reveal().chars().count());
        assert_eq!((chars(cut.number), chars(cut.name)), (Some(LONGEST_NAME), Some(LONGEST_NAME)));
        assert!(cut.dialog.is_some() && line(LONGEST_ID + 1).dialog.is_none());
    }
}

//! Forwarding: where a user's calls go that are not for their phones, and whether the user wants to be left in peace. The file says how
//! it begins; what has been set since, by phone or by command, is journalled and stays.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Now;
use super::control::ForwardingRow;
use super::journal::Entry;
use super::outbox::Outbox;
use super::settings::Settings;
use crate::redacted::Redacted;
use crate::wire::sip::message::Status;

/// Longest number to forward to.
const LONGEST: usize = 32;

/// When a user's calls go elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Occasion {
    /// Whenever somebody calls: no phone rings.
    Always,
    /// While the user does not want to be disturbed, and when the phones say that they are busy.
    Busy,
    /// When nobody has answered in time.
    NoAnswer,
    /// While no phone is registered.
    Unregistered,
}

impl Occasion {
    /// All.
    pub const ALL: [Occasion; 4] =
        [Occasion::Always, Occasion::Busy, Occasion::NoAnswer, Occasion::Unregistered];

    /// The word in files, records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Occasion::Always => "always",
            Occasion::Busy => "busy",
            Occasion::NoAnswer => "no_answer",
            Occasion::Unregistered => "unregistered",
        }
    }

    /// What a user's phones having refused with `status` is.
    pub(super) fn of(status: Status) -> Option<Occasion> {
        match status.code() {
            486 | 600 => Some(Occasion::Busy),
            408 | 480 => Some(Occasion::NoAnswer),
            _ => None,
        }
    }
}

/// What becomes of the calls to a user.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Forwards {
    /// Where they go, on each occasion that has a number.
    pub to: BTreeMap<Occasion, Redacted<String>>,
    /// So long the phones ring before nobody has answered; `None`: as long as anybody's.
    pub after: Option<Duration>,
    /// The phones do not ring.
    pub undisturbed: bool,
}

/// One thing that a user says of their calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Where they go on an occasion; `None`: nowhere else.
    Forward {
        /// When.
        occasion: Occasion,
        /// Where.
        to: Option<Redacted<String>>,
        /// For [`Occasion::NoAnswer`]: after so long; `None`: as before.
        after: Option<Duration>,
    },
    /// Whether their phones are silent.
    Undisturbed(bool),
}

impl Forwards {
    fn change(&mut self, change: Change) {
        match change {
            Change::Forward { occasion, to, after } => {
                if occasion == Occasion::NoAnswer && after.is_some() {
                    self.after = after;
                }
                match to {
                    Some(to) => drop(self.to.insert(occasion, to)),
                    None => drop(self.to.remove(&occasion)),
                }
            }
            Change::Undisturbed(is_so) => self.undisturbed = is_so,
        }
    }
}

/// What every user wants: only those are here who want anything.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    users: BTreeMap<String, Forwards>,
}

impl Forwarding {
    /// As the files say, and what has been changed since.
    pub(super) fn new(settings: &Settings, remembered: Vec<(String, Change)>) -> Forwarding {
        let wants = settings.users.values().filter(|user| user.forward != Forwards::default());
        let users = wants.map(|user| (user.extension.clone(), user.forward.clone()));
        let mut forwarding = Forwarding { users: users.collect() };
        for (user, change) in remembered {
            if settings.users.contains_key(&user) {
                forwarding.users.entry(user).or_default().change(change);
            }
        }
        forwarding
    }

    /// What this user wants, if anything.
    pub(super) fn of(&self, user: &str) -> Option<&Forwards> {
        self.users.get(user)
    }

    /// Whether this user's phones may ring now.
    pub(super) fn may_disturb(&self, user: &str) -> bool {
        self.of(user).is_none_or(|forwards| !forwards.undisturbed)
    }

    /// Why this user's phones do not ring for a call, if they do not.
    pub(super) fn bars(&self, user: &str, has_phone: bool) -> Option<Occasion> {
        let unregistered = (!has_phone).then_some(Occasion::Unregistered);
        match self.of(user) {
            Some(forwards) if forwards.to.contains_key(&Occasion::Always) => Some(Occasion::Always),
            Some(forwards) if forwards.undisturbed => Some(Occasion::Busy),
            Some(_) | None => unregistered,
        }
    }

    /// Where this user's calls go on that occasion.
    pub(super) fn number(&self, user: &str, on: Occasion) -> Option<&Redacted<String>> {
        self.of(user)?.to.get(&on)
    }

    /// A known user says so.
    pub(super) fn set(&mut self, now: Now, user: &str, change: Change, outbox: &mut Outbox) {
        self.users.entry(user.to_owned()).or_default().change(change.clone());
        outbox.store(Entry::Forwarding { user: user.to_owned(), change, at: now.utc });
    }

    /// For the admin.
    pub(super) fn row(&self, user: &str) -> ForwardingRow {
        let forwards = self.of(user).cloned().unwrap_or_default();
        let to = |occasion| forwards.to.get(&occasion).map(|to| to.reveal().clone());
        ForwardingRow {
            user: user.to_owned(),
            always: to(Occasion::Always),
            busy: to(Occasion::Busy),
            no_answer: to(Occasion::NoAnswer),
            after: forwards.after.map(|after| after.as_secs()),
            unregistered: to(Occasion::Unregistered),
            do_not_disturb: forwards.undisturbed,
        }
    }
}

/// A number to forward to, as it is written or dialled: an extension or a number outside, and no feature code.
pub fn target(text: &str) -> Result<Redacted<String>, String> {
    let rest = text.strip_prefix('+').unwrap_or(text);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    match rest.bytes().all(fits) && (1..=LONGEST).contains(&rest.len()) {
        true => Ok(Redacted::new(text.to_owned())),
        // The number itself is not repeated: errors reach logs.
        false => Err(format!("is an extension or a number of up to {LONGEST} digits")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::switch::office;

    fn to(number: &str) -> Option<Redacted<String>> {
        Some(Redacted::new(number.to_owned()))
    }

    fn forward(occasion: Occasion, number: Option<&str>) -> Change {
        Change::Forward { occasion, to: number.and_then(to), after: None }
    }

    #[test]
    fn what_was_set_since_stands_before_what_the_file_says() {
        let mut settings = office::settings();
        let user = settings.users.get_mut("1001").expect("a user");
        user.forward.to.insert(Occasion::Busy, Redacted::new("1002".to_owned()));
        user.forward.undisturbed = true;
        let remembered = [
            ("1001", forward(Occasion::Busy, None)),
            ("1001", forward(Occasion::Always, Some("030"))),
            ("1009", forward(Occasion::Always, Some("1002"))),
        ];
        let remembered = remembered.map(|(user, change)| (user.to_owned(), change)).into();
        let forwarding = Forwarding::new(&settings, remembered);
        let forwards = forwarding.of("1001").expect("wishes");
        assert_eq!(forwards.to, [(Occasion::Always, Redacted::new("030".to_owned()))].into());
        assert!(!forwarding.may_disturb("1001") && forwarding.may_disturb("1002"));
        assert_eq!(forwarding.bars("1001", true), Some(Occasion::Always));
        assert_eq!(forwarding.bars("1002", true), None);
        assert_eq!(forwarding.bars("1002", false), Some(Occasion::Unregistered));
        assert!(forwarding.of("1009").is_none(), "whoever is no user any more");
    }

    #[test]
    fn every_change_is_journalled() {
        let (mut forwarding, mut outbox) = (Forwarding::default(), Outbox::default());
        let now = office::morning(Instant::now());
        forwarding.set(now, "1001", Change::Undisturbed(true), &mut outbox);
        let stored = outbox.pop();
        let Some(crate::switch::Output::Store(_, Entry::Forwarding { user, change, .. })) = stored
        else {
            panic!("{stored:?}")
        };
        assert_eq!((user.as_str(), change), ("1001", Change::Undisturbed(true)));
        assert!(forwarding.row("1001").do_not_disturb);
    }

    #[test]
    fn a_target_is_a_number_and_no_feature_code() {
        for good in ["1002", "+4930555010", "0301234", "anna-2"] {
            assert!(target(good).is_ok(), "{good}");
        }
        for bad in ["", "+", "*72", "#1", "1 2", "sip:eve@example.com", &"1".repeat(40)] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}

//! Headers of the far sides' own that reach the other side of a call: by a rule of the trunk it comes or goes by, and no others. All
//! else that a call says is said anew for each leg.

use std::borrow::Cow;

use super::call::{Caller, Party};
use super::number::Number;
use super::settings::Settings;
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::Message;

/// Lines that are carried of one call, and their bytes in all; what is beyond is left out.
const MOST_LINES: usize = 16;
const MOST_BYTES: usize = 2_048;
/// Names in one list of a trunk's.
pub const MOST_NAMES: usize = 16;
/// The longest name, and the longest value that is set, in bytes.
const LONGEST_NAME: usize = 64;
const LONGEST_VALUE: usize = 256;

/// Headers that the switch knows and that nothing depends on.
const HARMLESS: [Name; 3] = [Name::AlertInfo, Name::CallInfo, Name::Subject];
/// What the switch does not know and is not to be said for others: who calls (RFC 8224), whom to ring and how (RFC 3841, RFC 5373),
/// dialogs (RFC 3911, RFC 4538), early audio (RFC 5009).
const STEERING: [&str; 17] = [
    "Accept-Contact",
    "Answer-Mode",
    "Feature-Caps",
    "Identity",
    "Identity-Info",
    "Join",
    "Max-Breadth",
    "MIME-Version",
    "P-Early-Media",
    "P-Served-User",
    "Priv-Answer-Mode",
    "Reject-Contact",
    "Remote-Party-ID",
    "Request-Disposition",
    "Session-ID",
    "Target-Dialog",
    "Trigger-Consent",
];
/// The same, whatever follows.
const STEERING_BEGINNINGS: [&str; 6] =
    ["Content-", "P-Asserted-", "P-Preferred-", "Proxy-", "Refer-", "Security-"];
/// Of a caller who withholds who they are, these stay here (RFC 3323 §5.3).
const TELLING: [&str; 5] = ["Call-Info", "In-Reply-To", "Organization", "Reply-To", "Subject"];

/// A header of an INVITE, and its value.
pub(super) type Line = (Cow<'static, str>, String);

/// The name of a header that may be carried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderName(Box<str>);

impl HeaderName {
    /// The long name, in any case. `Err` completes a sentence that begins with the key: it is no name, or the header is the switch's.
    pub fn parse(text: &str) -> Result<HeaderName, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(2..=LONGEST_NAME).contains(&text.len()) || !text.bytes().all(fits) {
            return Err(format!(
                "has names of headers of 2 to {LONGEST_NAME} letters, digits and dashes, such as \"X-Order\""
            ));
        }
        let known = Name::read(text.as_bytes());
        let is_ours = known != Name::Unknown && !HARMLESS.contains(&known);
        let begins = |with: &&str| {
            text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
        };
        if is_ours
            || STEERING.iter().any(|name| name.eq_ignore_ascii_case(text))
            || STEERING_BEGINNINGS.iter().any(begins)
        {
            return Err(format!("has `{text}`, which is the switch's own to say"));
        }
        Ok(HeaderName(text.into()))
    }

    /// `Name: value`, as it is set.
    pub fn parse_line(text: &str) -> Result<(HeaderName, String), String> {
        let (name, value) = text
            .split_once(':')
            .ok_or("has lines of a name, a colon and a value, such as \"X-Tenant: support\"")?;
        let (name, value) = (HeaderName::parse(name.trim_end())?, value.trim());
        if !(1..=LONGEST_VALUE).contains(&value.len()) || value.chars().any(char::is_control) {
            return Err(format!(
                "has values of 1 to {LONGEST_VALUE} bytes without control characters"
            ));
        }
        Ok((name, value.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }

    /// The values of that header, as texts on one line; what is none is left out.
    fn values<'a>(&'a self, message: &'a Message) -> impl Iterator<Item = &'a str> {
        let known = Some(Name::read(self.0.as_bytes())).filter(|name| *name != Name::Unknown);
        let of_known = known.into_iter().flat_map(|name| message.lines(name));
        let of_others = known.is_none().then(|| message.lines_of(&self.0)).into_iter().flatten();
        of_known
            .chain(of_others)
            .filter_map(|value| std::str::from_utf8(value).ok())
            .filter(|value| !value.is_empty() && !value.contains(is_hidden))
    }
}

/// No text: a control character other than the tab, which is a blank (RFC 3261 §25.1).
fn is_hidden(letter: char) -> bool {
    letter.is_control() && letter != '\t'
}

/// What a trunk's calls bring along and take along. Nothing, unless its file says so.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeaderRules {
    /// Of calls in: what phones and other trunks are shown.
    pub inward: Vec<HeaderName>,
    /// Of calls out: what the trunk is shown of what the caller's side said.
    pub outward: Vec<HeaderName>,
    /// Said of every call out, instead of what the caller's side said.
    pub set: Vec<(HeaderName, String)>,
}

/// What the caller's INVITE said that some rule may carry.
#[derive(Debug)]
pub(super) struct Said {
    /// Whoever said anything; the two sides of a call may be of one trunk.
    by: Option<(Party, Number)>,
    lines: Vec<Line>,
}

impl Said {
    /// Of an INVITE of `caller`'s: of a phone's, what any trunk lets out, since nobody knows yet where the call goes in the end.
    pub(super) fn by(settings: &Settings, caller: &Caller, invite: &Message) -> Said {
        let inward = match &caller.party {
            Party::Trunk(trunk) => settings.trunks.get(trunk).map(|trunk| &trunk.headers.inward),
            Party::User(_) => None,
        };
        let outward = settings.trunks.values().filter(|_| matches!(caller.party, Party::User(_)));
        let outward = outward.flat_map(|trunk| &trunk.headers.outward);
        Said::of(caller, invite, inward.into_iter().flatten().chain(outward))
    }

    /// Of what `names` name, as far as there is room, and without what tells who calls if they withhold it.
    fn of<'a>(
        Caller { party: by, number, .. }: &Caller,
        invite: &Message,
        names: impl Iterator<Item = &'a HeaderName>,
    ) -> Said {
        let mut lines: Vec<Line> = Vec::new();
        let mut left = MOST_BYTES;
        for name in names {
            let tells = number.is_anonymous() && TELLING.iter().any(|telling| name.is(telling));
            if tells || lines.iter().any(|(known, _)| name.is(known)) {
                continue;
            }
            for value in name.values(invite) {
                let length = name.0.len() + value.len();
                if lines.len() < MOST_LINES && length <= left {
                    left -= length;
                    lines.push((Cow::Owned(name.0.to_string()), value.to_owned()));
                }
            }
        }
        Said { by: (!lines.is_empty()).then(|| (by.clone(), number.clone())), lines }
    }

    /// What a phone is shown of a call of `caller`'s: whatever the trunk brought along that the call came by.
    pub(super) fn to_phone(&self, caller: &Caller) -> impl Iterator<Item = Line> {
        let is_shown = matches!(caller.party, Party::Trunk(_)) && self.is_by(caller);
        self.lines.iter().filter(move |_| is_shown).cloned()
    }

    /// What a trunk of those rules is told of a call of `caller`'s.
    pub(super) fn to_carrier(&self, caller: &Caller, rules: &HeaderRules) -> Vec<Line> {
        let passes = |name: &str| {
            rules.outward.iter().any(|rule| rule.is(name))
                && !rules.set.iter().any(|(set, _)| set.is(name))
        };
        let is_theirs = self.is_by(caller);
        let said = self.lines.iter().filter(|(name, _)| is_theirs && passes(name));
        let set = rules.set.iter();
        let set = set.map(|(name, value)| (Cow::Owned(name.0.to_string()), value.clone()));
        said.cloned().chain(set).collect()
    }

    fn is_by(&self, caller: &Caller) -> bool {
        let is_it =
            |(party, number): &(Party, Number)| *party == caller.party && *number == caller.number;
        self.by.as_ref().is_some_and(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::office;

    fn names(names: &[&str]) -> Vec<HeaderName> {
        names.iter().map(|name| HeaderName::parse(name).expect("a name")).collect()
    }

    fn caller(party: Party) -> Caller {
        Caller { party, number: Number::E164("+4930555010".into()), kept: None, name: None }
    }

    fn north() -> Caller {
        caller(Party::Trunk("north".into()))
    }

    fn said(lines: &[&str], of: &[&str]) -> Vec<(String, String)> {
        said_by(&north(), lines, of)
    }

    fn said_by(caller: &Caller, lines: &[&str], of: &[&str]) -> Vec<(String, String)> {
        let text = office::request("INVITE", "sip:1002@x", "1001", "1002", ("c", 1), lines);
        let said = Said::of(caller, &office::read(&text), names(of).iter());
        said.to_phone(caller).map(|(name, value)| (name.into_owned(), value)).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn what_a_rule_names_is_carried_in_order_and_nothing_else() {
        let lines = [
            "x-order: 7",
            "X-Other: no",
            "User-to-User: 00;encoding=hex",
            "X-ORDER:  8 , 9",
            "s: hi",
        ];
        assert_eq!(
            said(&lines, &["X-Order", "Subject", "x-order"]),
            [pair("X-Order", "7"), pair("X-Order", "8 , 9"), pair("Subject", "hi")]
        );
        assert!(said(&lines, &[]).is_empty());
    }

    #[test]
    fn a_fold_is_one_line_and_what_is_no_text_is_left_out() {
        let lines = ["X-A: one\r\n two", "X-A: \u{1}", "X-A:", "X-A: a\tb"];
        assert_eq!(said(&lines, &["X-A"]), [pair("X-A", "one two"), pair("X-A", "a\tb")]);
    }

    #[test]
    fn who_withholds_who_they_are_is_not_told_by_other_headers() {
        let lines = ["Subject: Ada", "X-Order: 7", "organization: Lovelace"];
        let of = ["Organization", "Subject", "X-Order"];
        assert_eq!(said(&lines, &of).len(), 3);
        let withheld = Caller { number: Number::Anonymous, ..north() };
        assert_eq!(said_by(&withheld, &lines, &of), [pair("X-Order", "7")]);
    }

    #[test]
    fn there_is_room_for_so_much() {
        let many: Vec<String> = (0..40).map(|n| format!("X-A: {n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(said(&many, &["X-A"]).len(), MOST_LINES);
        let long = [format!("X-A: {}", "a".repeat(1_500)), format!("X-A: {}", "b".repeat(1_500))];
        let long = [long[0].as_str(), long[1].as_str(), "X-B: short"];
        let kept = said(&long, &["X-A", "X-B"]);
        assert_eq!(kept.iter().map(|(_, value)| value.len()).collect::<Vec<_>>(), [1_500, 5]);
    }

    #[test]
    fn a_trunk_is_told_what_its_rules_let_pass_and_set() {
        let lines = ["X-A: 1", "X-B: 2", "X-C: 3"];
        let text = office::request("INVITE", "sip:1002@x", "1001", "1002", ("c", 1), &lines);
        let by = Party::User("1001".into());
        let all = names(&["X-A", "X-B", "X-C"]);
        let said = Said::of(&caller(by.clone()), &office::read(&text), all.iter());
        let set = |line| HeaderName::parse_line(line).expect("a line");
        let rules = HeaderRules {
            inward: all.clone(),
            outward: names(&["x-a", "X-B"]),
            set: vec![set("x-b: ours"), set("X-D : 4: 5")],
        };
        let told = |party: &Party| -> Vec<(String, String)> {
            let told = said.to_carrier(&caller(party.clone()), &rules).into_iter();
            told.map(|(name, value)| (name.into_owned(), value)).collect()
        };
        let set = [pair("x-b", "ours"), pair("X-D", "4: 5")];
        assert_eq!(told(&by), [vec![pair("X-A", "1")], set.to_vec()].concat());
        assert_eq!(told(&Party::User("1002".into())), set, "another's call");
        assert_eq!(said.to_phone(&caller(by)).count(), 0, "phones say nothing to phones");
    }

    #[test]
    fn what_is_the_switchs_own_to_say_cannot_be_named() {
        for ours in [
            "Via",
            "v",
            "call-id",
            "CONTACT",
            "Route",
            "Content-Length",
            "Authorization",
            "Require",
            "P-Asserted-Identity",
            "Privacy",
            "Diversion",
            "History-Info",
            "Replaces",
            "Join",
            "x",
            "",
            "Remote-Party-ID",
            "answer-mode",
            "P-Asserted-Service",
            "Proxy-X",
            "Refer-Sub",
            "Content-X",
            "X Order",
            "X-A\r\nVia",
            "X:A",
            "Max-Breadth",
            "Security-Verify",
        ] {
            assert!(HeaderName::parse(ours).is_err(), "{ours:?}");
        }
        for line in ["X-A", "X-A:", "X-A:  ", "Via: x", "X-A: a\r\nb", "X-A: \u{7}"] {
            assert!(HeaderName::parse_line(line).is_err(), "{line:?}");
        }
        assert!(HeaderName::parse_line(&format!("X-A: {}", "a".repeat(257))).is_err());
    }
}

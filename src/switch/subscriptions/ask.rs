//! What a SUBSCRIBE asks for, read and checked as far as no business is needed: RFC 6665 §4.2.1.1.

use std::time::Duration;

use super::{dialog_info, message_summary};
use crate::switch::settings::Subscriptions as Limits;
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Malformed, Message, Status};

/// The event packages that are served, as Allow-Events says it.
pub(crate) const ALLOW_EVENTS: &str = "dialog, message-summary";

/// What a subscription without a stated life gets (RFC 4235 §3.4; RFC 3842 §3.4 leaves it open).
const USUAL: Duration = Duration::from_secs(3_600);

/// The longest `id` of an Event header, in bytes.
const LONGEST_ID: usize = 64;

/// An event package.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Package {
    /// RFC 4235: who rings and talks.
    Dialog,
    /// RFC 3842: messages that wait.
    MessageSummary,
}

impl Package {
    const ALL: [Package; 2] = [Package::Dialog, Package::MessageSummary];

    /// The name in Event headers, in records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Package::Dialog => dialog_info::PACKAGE,
            Package::MessageSummary => message_summary::PACKAGE,
        }
    }

    /// From its name.
    pub fn read(name: &str) -> Option<Package> {
        Package::ALL.into_iter().find(|package| package.as_str() == name)
    }

    /// The type of its documents.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Package::Dialog => dialog_info::KIND,
            Package::MessageSummary => message_summary::KIND,
        }
    }
}

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ask {
    pub(super) package: Package,
    /// The `id` of the Event header, which every NOTIFY repeats.
    pub(super) id: Option<String>,
    /// Zero: to be told once, or no more.
    pub(super) life: Duration,
}

/// Why it is not granted.
pub(super) type Refusal = (Status, &'static str);

/// RFC 6665 §8.3.2.
pub(crate) const BAD_EVENT: Status = Status::of(489);

impl Ask {
    pub(super) fn read(limits: &Limits, request: &Message) -> Result<Ask, Refusal> {
        let event = request.text(Name::Event).ok_or((BAD_EVENT, "Bad Event"))?;
        let mut parts = event.split(';').map(str::trim_ascii);
        let package = parts.next().and_then(Package::read).ok_or((BAD_EVENT, "Bad Event"))?;
        let mut id = None;
        for (name, value) in parts.map(|part| part.split_once('=').unwrap_or((part, ""))) {
            let (name, value) = (name.trim_ascii(), value.trim_ascii());
            if name.eq_ignore_ascii_case("id") {
                let is_sound =
                    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
                if !is_sound || value.len() > LONGEST_ID || id.is_some() {
                    return Err((Status::of(400), "Event id cannot be read"));
                }
                id = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("call-id") {
                // RFC 4235 §3.2: who asks for one dialog is not to be told of all.
                return Err((BAD_EVENT, "One dialog alone cannot be watched"));
            }
        }
        let kind = package.kind();
        let range = |range: &str| {
            let range = range.split(';').next().unwrap_or_default().trim_ascii_end();
            [kind, "application/*", "*/*"].iter().any(|ours| range.eq_ignore_ascii_case(ours))
        };
        if request.lines(Name::Accept).next().is_some() && !request.tokens(Name::Accept).any(range)
        {
            return Err((Status::of(406), "Not Acceptable"));
        }
        let stated = request.expires().map_err(|wrong: Malformed| (wrong.status, wrong.what))?;
        let life = stated.map_or(USUAL, |seconds| Duration::from_secs(u64::from(seconds)));
        if !life.is_zero() && life < limits.shortest {
            return Err((Status::of(423), "Interval Too Brief"));
        }
        Ok(Ask { package, id, life: life.min(limits.longest) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::office;

    fn read(lines: &[&str]) -> Result<Ask, u16> {
        let text = office::request(
            "SUBSCRIBE",
            "sip:1002@office.example",
            "1001",
            "1002",
            ("s", 1),
            lines,
        );
        Ask::read(&office::settings().subscriptions, &office::read(&text))
            .map_err(|(status, _)| status.code())
    }

    #[test]
    fn a_package_is_named_as_the_rfcs_name_it_or_refused() {
        for (event, package) in [
            ("Event: dialog", Ok(Package::Dialog)),
            ("o: message-summary", Ok(Package::MessageSummary)),
            ("Event: dialog ; ID = a1 ; sla", Ok(Package::Dialog)),
            ("Event: Dialog", Err(489)),
            ("Event: presence", Err(489)),
            ("Event: as-feature-event", Err(489)),
            ("Event: dialog.winfo", Err(489)),
            ("Event: ;id=1", Err(489)),
            ("Subject: no event", Err(489)),
            ("Event: dialog;call-id=12;from-tag=1;to-tag=2", Err(489)),
            ("Event: dialog;id=", Err(400)),
            ("Event: dialog;id=1;id=2", Err(400)),
        ] {
            assert_eq!(read(&[event]).map(|ask| ask.package), package, "{event}");
        }
        let id = |event| read(&[event]).map(|ask| ask.id);
        assert_eq!(id("Event: dialog;sla;id=a1"), Ok(Some("a1".to_owned())));
        let long = format!("Event: dialog;id={}", "x".repeat(65));
        assert_eq!(read(&[&long]), Err(400));
    }

    #[test]
    fn a_life_is_granted_within_bounds() {
        for (expires, life) in [
            (None, Ok(3_600)),
            (Some("0"), Ok(0)),
            (Some("1"), Err(423)),
            (Some("59"), Err(423)),
            (Some("60"), Ok(60)),
            (Some("4294967295"), Ok(3_600)),
            (Some("4294967296"), Err(400)),
            (Some("-1"), Err(400)),
        ] {
            let line = expires.map(|seconds| format!("Expires: {seconds}"));
            let lines: Vec<&str> =
                std::iter::once("Event: dialog").chain(line.as_deref()).collect();
            assert_eq!(read(&lines).map(|ask| ask.life.as_secs()), life, "{expires:?}");
        }
    }

    #[test]
    fn who_cannot_read_our_documents_is_told_so() {
        let accept = |accept| read(&["Event: dialog", accept]).map(|_| ());
        assert_eq!(accept("Accept: application/pidf+xml"), Err(406));
        assert_eq!(
            accept("Accept: application/pidf+xml, Application/Dialog-Info+XML;q=0.5"),
            Ok(())
        );
        assert_eq!(accept("Accept: */*"), Ok(()));
    }
}

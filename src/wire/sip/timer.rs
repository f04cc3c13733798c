//! Session timers: RFC 4028. What the headers say, and what follows from them for either side; no clock.

use std::fmt;
use std::time::Duration;

use super::cursor::{number, split_params, trim};
use super::headers::Name;
use super::message::{Malformed, Message};

/// The option tag.
pub const TAG: &str = "timer";
/// No interval is ever shorter (RFC 4028 §4).
pub const SHORTEST: Duration = Duration::from_secs(90);

/// Who sends the refreshes, in the terms of the transaction that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresher {
    /// Whoever sent the request.
    Uac,
    /// Whoever answers it.
    Uas,
}

/// A Session-Expires header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expires {
    /// How long the call lasts without a refresh.
    pub interval: Duration,
    /// Who refreshes, if it is said.
    pub refresher: Option<Refresher>,
}

impl Expires {
    /// Of a message; `Err` if there is one that cannot be read.
    pub fn read(message: &Message) -> Result<Option<Expires>, Malformed> {
        let bad = Malformed::bad("bad Session-Expires", 0);
        let Some(line) = message.lines(Name::SessionExpires).next() else { return Ok(None) };
        let mut params = split_params(line).map(trim);
        let interval = params.next().and_then(seconds).ok_or(bad)?;
        let mut refresher = None;
        for param in params {
            let mut halves = param.splitn(2, |&byte| byte == b'=').map(trim);
            if halves.next().is_some_and(|name| name.eq_ignore_ascii_case(b"refresher")) {
                refresher = Some(match halves.next() {
                    Some(who) if who.eq_ignore_ascii_case(b"uac") => Refresher::Uac,
                    Some(who) if who.eq_ignore_ascii_case(b"uas") => Refresher::Uas,
                    _ => return Err(bad),
                });
            }
        }
        Ok(Some(Expires { interval, refresher }))
    }

    /// How long whoever refreshes waits before they do (RFC 4028 §10).
    pub fn refresh_after(&self) -> Duration {
        self.interval / 2
    }

    /// How long whoever does not waits for a refresh before they say BYE (RFC 4028 §10).
    pub fn missed_after(&self) -> Duration {
        self.interval - (self.interval / 3).min(Duration::from_secs(32))
    }
}

impl fmt::Display for Expires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refresher = match self.refresher {
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
            None => "",
        };
        write!(f, "{}{refresher}", self.interval.as_secs())
    }
}

fn seconds(digits: &[u8]) -> Option<Duration> {
    number(digits, u64::from(u32::MAX)).map(Duration::from_secs)
}

/// The Min-SE of a message, if it has one that can be read.
pub fn shortest_of(message: &Message) -> Option<Duration> {
    let line = message.lines(Name::MinSe).next()?;
    seconds(trim(split_params(line).next()?))
}

/// What a side wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The interval that we ask for.
    pub expires: Duration,
    /// The shortest that we put up with; never under [`SHORTEST`].
    pub shortest: Duration,
}

impl Limits {
    /// Half an hour, and whatever the RFC allows: what it recommends (RFC 4028 §4).
    pub const DEFAULT: Limits = Limits { expires: Duration::from_secs(1_800), shortest: SHORTEST };

    /// Whether an INVITE or UPDATE asks for too short an interval and can be told so with a 422 (RFC 4028 §9).
    pub fn refuse(&self, request: &Message) -> bool {
        let asked = Expires::read(request).ok().flatten();
        asked.is_some_and(|asked| asked.interval < self.shortest) && is_supported(request)
    }

    /// What the 2xx to an INVITE or UPDATE says: `None` if the far side knows nothing of timers (RFC 4028 §9, table 2). Where it
    /// leaves the choice to us, we refresh: who is gone is found out by the first refresh that fails.
    pub fn answer(&self, request: &Message) -> Option<Expires> {
        let asked = Expires::read(request).ok().flatten();
        let knows = is_supported(request);
        let refresher = match asked {
            Some(Expires { refresher: Some(Refresher::Uac), .. }) if knows => Refresher::Uac,
            Some(_) => Refresher::Uas,
            None if knows => Refresher::Uas,
            None => return None,
        };
        // No longer than they asked for, no shorter than anybody on the way can bear.
        let least = shortest_of(request).unwrap_or(SHORTEST).max(self.shortest);
        let longest = asked.map_or(self.expires, |asked| asked.interval.min(self.expires));
        Some(Expires { interval: longest.max(least), refresher: Some(refresher) })
    }

    /// A 422 came: whether asking again, for what it says, makes sense (RFC 4028 §7.4).
    pub fn obey(&mut self, refusal: &Message) -> bool {
        match shortest_of(refusal) {
            Some(shortest) if shortest > self.shortest => {
                self.shortest = shortest;
                self.expires = self.expires.max(shortest);
                true
            }
            Some(_) | None => false,
        }
    }
}

/// What a 2xx to an INVITE or UPDATE of ours has settled: `None` if there is no timer. Who is not named as refresher is the one
/// who asked (RFC 4028 §7.2); less than the least is taken for the least.
pub fn agreed(response: &Message) -> Option<(Expires, Refresher)> {
    let agreed = Expires::read(response).ok().flatten()?;
    let refresher = agreed.refresher.unwrap_or(Refresher::Uac);
    Some((Expires { interval: agreed.interval.max(SHORTEST), ..agreed }, refresher))
}

fn is_supported(request: &Message) -> bool {
    [Name::Supported, Name::Require]
        .into_iter()
        .any(|name| request.tokens(name).any(|tag| tag.eq_ignore_ascii_case(TAG)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Limits =
        Limits { expires: Duration::from_secs(1_800), shortest: Duration::from_secs(120) };

    fn invite(headers: &str) -> Message {
        let text = format!(
            "INVITE sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKp\r\nFrom: <sip:b@x.example>;tag=b\r\n\
             To: <sip:a@x.example>\r\nCall-ID: c\r\nCSeq: 2 INVITE\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).expect("an INVITE")
    }

    fn answer(headers: &str) -> Option<String> {
        OURS.answer(&invite(headers)).map(|expires| expires.to_string())
    }

    #[test]
    fn the_header_is_read_in_either_form_and_refused_if_it_cannot_be() {
        let read = |headers: &str| {
            Expires::read(&invite(headers)).map(|read| read.map(|expires| expires.to_string()))
        };
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("x: 90\r\n"), Ok(Some("90".into())));
        let full = read("Session-Expires: 4000 ; a=b ; Refresher = UAS\r\n");
        assert_eq!(full, Ok(Some("4000;refresher=uas".into())));
        for bad in ["", "x", "90s", "-1", "4294967296", "90;refresher", "90;refresher=me"] {
            assert!(read(&format!("Session-Expires: {bad}\r\n")).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_refresher_is_theirs_only_where_they_say_so_and_can() {
        let timer = "Supported: timer\r\n";
        assert_eq!(answer(""), None);
        assert_eq!(answer(timer).as_deref(), Some("1800;refresher=uas"));
        let said = |who: &str| answer(&format!("{timer}Session-Expires: 600{who}\r\n"));
        assert_eq!(said("").as_deref(), Some("600;refresher=uas"));
        assert_eq!(said(";refresher=uac").as_deref(), Some("600;refresher=uac"));
        assert_eq!(said(";refresher=uas").as_deref(), Some("600;refresher=uas"));
        // A proxy on the way asked for it.
        assert_eq!(answer("Session-Expires: 600\r\n").as_deref(), Some("600;refresher=uas"));
    }

    #[test]
    fn an_interval_is_never_longer_than_asked_for_nor_shorter_than_anybody_bears() {
        let asked = |headers: &str| answer(&format!("Supported: timer\r\n{headers}"));
        assert_eq!(asked("Session-Expires: 7200\r\n").as_deref(), Some("1800;refresher=uas"));
        let least = asked("Session-Expires: 7200\r\nMin-SE: 3600\r\n");
        assert_eq!(least.as_deref(), Some("3600;refresher=uas"));
        assert_eq!(answer("Session-Expires: 30\r\n").as_deref(), Some("120;refresher=uas"));
    }

    #[test]
    fn too_short_is_refused_to_who_can_be_told() {
        assert!(OURS.refuse(&invite("Supported: timer\r\nSession-Expires: 119\r\n")));
        assert!(!OURS.refuse(&invite("Supported: timer\r\nSession-Expires: 120\r\n")));
        assert!(!OURS.refuse(&invite("Session-Expires: 30\r\n")), "a proxy asked");
        assert!(!OURS.refuse(&invite("Supported: timer\r\n")));
    }

    #[test]
    fn a_422_is_obeyed_as_long_as_it_asks_for_more() {
        let mut limits = OURS;
        assert!(limits.obey(&invite("Min-SE: 3600\r\n")));
        assert_eq!(limits.expires, Duration::from_secs(3_600));
        assert!(!limits.obey(&invite("Min-SE: 3600\r\n")), "it has had that");
        assert!(!limits.obey(&invite("")));
        assert!(!limits.obey(&invite("Min-SE: many\r\n")));
    }

    #[test]
    fn who_is_not_named_refreshes_if_they_asked_and_less_than_the_least_is_the_least() {
        let agreed = |expires: &str| {
            let text = format!(
                "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKp\r\nFrom: <sip:b@x.example>;tag=b\r\n\
                 To: <sip:a@x.example>;tag=a\r\nCall-ID: c\r\nCSeq: 2 INVITE\r\n{expires}Content-Length: 0\r\n\r\n"
            );
            let response = Message::parse(text.as_bytes()).expect("a 200");
            agreed(&response).map(|(expires, who)| (expires.interval.as_secs(), who))
        };
        assert_eq!(agreed(""), None);
        assert_eq!(agreed("Session-Expires: 30;refresher=uas\r\n"), Some((90, Refresher::Uas)));
        assert_eq!(agreed("x: 600\r\n"), Some((600, Refresher::Uac)));
    }

    #[test]
    fn who_refreshes_does_so_at_half_time_and_who_waits_gives_up_a_little_before_the_end() {
        let expires = |secs| Expires { interval: Duration::from_secs(secs), refresher: None };
        assert_eq!(expires(1_800).refresh_after(), Duration::from_secs(900));
        assert_eq!(expires(1_800).missed_after(), Duration::from_secs(1_768));
        assert_eq!(expires(90).missed_after(), Duration::from_secs(60));
    }
}

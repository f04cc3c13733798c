//! The session timer of a leg: RFC 4028. Whoever refreshes does so at half time, by UPDATE where the far side knows it, else by a
//! re-INVITE that changes nothing; whoever waits in vain says BYE.

use std::time::{Duration, Instant};

use super::asks::Request;
use super::presence::Presence;
use super::{Exchange, Leg, Outcome, State};
use crate::switch::call::desk::Desk;
use crate::wire::flow::Flow;
use crate::wire::sip::endpoint::{ClientId, SUPPORTED};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::timer::{self, Expires, Refresher, SHORTEST};

/// So often a far side may ask for longer intervals (422) in one call.
const RAISES: u8 = 3;
/// Between a refresh that was refused and the next, at least.
const PAUSE: Duration = Duration::from_secs(5);

/// Who refreshes, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refresh {
    /// No timer was agreed on: [`super::presence`] looks after the far side.
    Off,
    /// We do.
    Ours { at: Instant, end: Instant, interval: Duration },
    /// We have.
    Asked { client: ClientId, end: Instant, interval: Duration },
    /// They do; until then.
    Theirs { end: Instant, interval: Duration },
}

/// Whether the far side knows UPDATE (RFC 3311 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Updates {
    Unknown,
    Known,
}

impl Updates {
    /// By the Allow header of an INVITE or of a 2xx to one; without one, what was known stays.
    pub(super) fn learn(&mut self, message: &Message) {
        let mut methods = message.tokens(Name::Allow).peekable();
        if methods.peek().is_some() {
            let knows = methods.any(|method| method == Method::Update.as_str());
            *self = if knows { Updates::Known } else { Updates::Unknown };
        }
    }
}

impl Leg {
    /// A request that begins or refreshes the call, with what it says of the timer (RFC 4028 §7.1, §7.4).
    pub(super) fn timed(&self, desk: &Desk<'_>, request: Outgoing) -> Outgoing {
        let request = request.header(Name::Supported, SUPPORTED);
        match self.expires(desk) {
            Some((expires, shortest)) => {
                let request = request.header(Name::SessionExpires, expires);
                match shortest {
                    Some(shortest) => request.header(Name::MinSe, shortest),
                    None => request,
                }
            }
            None => request,
        }
    }

    /// Session-Expires, and Min-SE where it is more than the least.
    fn expires(&self, desk: &Desk<'_>) -> Option<(Expires, Option<u64>)> {
        let shortest = self.limits.shortest;
        let (interval, refresher) = match self.refresh {
            Refresh::Off if self.dialog.is_confirmed() => return None,
            Refresh::Off if desk.settings.session_timers.is_none() => return None,
            // Who refreshes is for them to say.
            Refresh::Off => (self.limits.expires, None),
            Refresh::Ours { interval, .. } | Refresh::Asked { interval, .. } => {
                (interval, Some(Refresher::Uac))
            }
            Refresh::Theirs { interval, .. } => (interval, Some(Refresher::Uas)),
        };
        let expires = Expires { interval: interval.max(shortest), refresher };
        Some((expires, (shortest > SHORTEST).then_some(shortest.as_secs())))
    }

    /// The 2xx to an INVITE or UPDATE of theirs, with what it says of the timer, which begins anew (RFC 4028 §9).
    pub(super) fn timed_answer(
        &mut self,
        desk: &Desk<'_>,
        request: &Message,
        response: Outgoing,
    ) -> Outgoing {
        let is_asked = request.lines(Name::SessionExpires).next().is_some();
        let answer = self.limits.answer(request);
        let answer = answer.filter(|_| is_asked || desk.settings.session_timers.is_some());
        let Some(expires) = answer else {
            self.refresh = Refresh::Off;
            return response;
        };
        let is_theirs = expires.refresher == Some(Refresher::Uac);
        self.settle(desk, expires, is_theirs);
        let response = response.header(Name::SessionExpires, expires);
        if is_theirs { response.header(Name::Require, timer::TAG) } else { response }
    }

    /// The 2xx to an INVITE or UPDATE of ours: the timer begins anew (RFC 4028 §7.2).
    pub(super) fn renew(&mut self, desk: &Desk<'_>, response: &Message) {
        match timer::agreed(response) {
            Some((expires, refresher)) => self.settle(desk, expires, refresher == Refresher::Uas),
            None => self.refresh = Refresh::Off,
        }
    }

    fn settle(&mut self, desk: &Desk<'_>, expires: Expires, is_theirs: bool) {
        let (now, interval) = (desk.now.instant, expires.interval);
        self.refresh = if is_theirs {
            Refresh::Theirs { end: now + expires.missed_after(), interval }
        } else {
            Refresh::Ours { at: now + expires.refresh_after(), end: now + interval, interval }
        };
    }

    /// When something is to be done about it; a leg that is not up has no timer, and during an exchange none is needed.
    pub(super) fn refresh_deadline(&self) -> Option<Instant> {
        let State::Up(exchange) = &self.state else { return None };
        match self.refresh {
            Refresh::Off => None,
            Refresh::Ours { at, .. } if *exchange == Exchange::Idle => Some(at),
            Refresh::Ours { end, .. }
            | Refresh::Asked { end, .. }
            | Refresh::Theirs { end, .. } => Some(end),
        }
    }

    /// Refreshes, or says BYE because nobody has.
    pub(super) fn keep_fresh(&mut self, desk: &mut Desk<'_>) -> Outcome {
        let now = desk.now.instant;
        if self.refresh_deadline().is_none_or(|due| due > now) {
            return Outcome::Nothing;
        }
        match self.refresh {
            Refresh::Off => {}
            Refresh::Ours { end, interval, .. } if end > now => {
                let client = match self.updates {
                    Updates::Known => self.ask_for_refresh(desk),
                    Updates::Unknown => self.reinvite_unchanged(desk),
                };
                self.refresh = Refresh::Asked { client, end, interval };
            }
            Refresh::Ours { .. } | Refresh::Asked { .. } | Refresh::Theirs { .. } => {
                self.bye(desk, Some("SIP;cause=408;text=\"Session timer expired\""));
                return Outcome::Lost;
            }
        }
        Outcome::Nothing
    }

    fn ask_for_refresh(&mut self, desk: &mut Desk<'_>) -> ClientId {
        let mut update = Request::of(Method::Update).header(Name::Supported, SUPPORTED.to_owned());
        if let Some((expires, shortest)) = self.expires(desk) {
            update = update.header(Name::SessionExpires, expires.to_string());
            if let Some(shortest) = shortest {
                update = update.header(Name::MinSe, shortest.to_string());
            }
        }
        self.ask(desk, update)
    }

    /// What was asked is asked once more, with a proof.
    pub(super) fn asked_again(&mut self, before: ClientId, again: ClientId) {
        if let Refresh::Asked { client, .. } = &mut self.refresh
            && *client == before
        {
            *client = again;
        }
        if self.presence == (Presence::Asked { client: before }) {
            self.presence = Presence::Asked { client: again };
        }
    }

    /// The final answer to an UPDATE of ours.
    pub(super) fn refreshed(
        &mut self,
        desk: &mut Desk<'_>,
        client: ClientId,
        response: &Message,
        status: Status,
        flow: Flow,
    ) -> Outcome {
        match status.code() {
            200..=299 => {
                self.take_target(desk, response, flow);
                self.renew(desk, response);
                self.look_after(desk);
                Outcome::Nothing
            }
            408 | 481 => {
                self.bye(desk, None);
                Outcome::Lost
            }
            code => {
                if matches!(code, 405 | 501) {
                    self.updates = Updates::Unknown;
                }
                self.not_refreshed(desk, client, response, status);
                Outcome::Nothing
            }
        }
    }

    /// A refresh was refused: at once another, if something else is to be asked, else another try later, while there is time.
    pub(super) fn not_refreshed(
        &mut self,
        desk: &Desk<'_>,
        client: ClientId,
        response: &Message,
        status: Status,
    ) {
        let Refresh::Asked { client: asked, end, interval } = self.refresh else { return };
        if asked != client {
            return;
        }
        let now = desk.now.instant;
        let wait = match status.code() {
            405 | 501 if response.cseq().method == Method::Update => Duration::ZERO,
            422 if self.raise(response) => Duration::ZERO,
            _ => (end.saturating_duration_since(now) / 2).clamp(PAUSE, interval),
        };
        self.refresh = Refresh::Ours { at: (now + wait).min(end), end, interval };
    }

    /// A 422: whether it makes sense to ask again (RFC 4028 §7.4).
    pub(super) fn raise(&mut self, response: &Message) -> bool {
        let raises = self.raises < RAISES && self.limits.obey(response);
        if raises {
            self.raises += 1;
        }
        raises
    }
}

//! What an unanswered caller is told, and what of it is acknowledged (RFC 3262): every response to who requires that; to who can, the
//! one that begins the media, since an answer in it that is lost would be silence until the call is answered.

use std::time::{Duration, Instant};

use super::{Leg, Outcome, SDP, State};
use crate::switch::call::desk::Desk;
use crate::wire::sip::endpoint::{ALLOW, ServerId};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::reliable::{self, RAck, Sender, Wish};
use crate::wire::sip::transaction::Fired;

/// Proxies give up a call of which they hear nothing for three minutes: they are told again that it rings (RFC 3261 §13.3.1.1).
const EVERY: Duration = Duration::from_secs(60);
/// What is acknowledged has certainly been heard (RFC 3262 §3).
const EVERY_RELIABLY: Duration = Duration::from_secs(150);

/// See the module.
#[derive(Debug)]
pub(super) struct Early {
    wish: Wish,
    /// The CSeq number of their INVITE.
    invite: u32,
    sender: Sender,
    /// What awaits its PRACK.
    sent: Option<Sent>,
    next: Next,
    told: Option<Ringing>,
    /// When the caller is told again.
    again: Option<Instant>,
    /// How long the caller wants it to ring (RFC 3261 §13.3.1).
    until: Option<Instant>,
    media: Media,
}

#[derive(Debug)]
struct Sent {
    response: Outgoing,
    /// With SDP: a 2xx waits for its PRACK (RFC 3262 §3).
    begins_media: bool,
}

/// How a caller hears that it rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ringing {
    /// 180: by their own phone.
    Bell,
    /// 183: by audio of ours.
    Audio,
}

/// Whether it is news that it rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Saying {
    News,
    Again,
}

/// What is said once the PRACK has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Nothing,
    Ring(Ringing),
    Answer,
}

/// What offer and answer have come to, reliably (RFC 3262 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Media {
    Unsaid,
    /// Our offer; the PRACK brings the answer.
    Offered,
    Agreed,
    /// The PRACK brought none that would do.
    Failed,
}

impl Early {
    /// Of a leg that their `invite` began, or of one of ours, which has nothing to acknowledge.
    pub(super) fn of(now: Instant, invite: Option<&Message>, chance: u32) -> Early {
        let expires = invite.and_then(|invite| invite.expires().ok().flatten());
        Early {
            wish: invite.map_or(Wish::Unknown, Wish::of),
            invite: invite.map_or(0, |invite| invite.cseq().number),
            sender: Sender::begin(chance),
            sent: None,
            next: Next::Nothing,
            told: None,
            again: None,
            until: expires.map(|seconds| now + Duration::from_secs(seconds.into())),
            media: Media::Unsaid,
        }
    }

    /// Their offer was answered, or ours, before the 2xx: another may follow.
    pub(super) fn is_agreed(&self) -> bool {
        self.media == Media::Agreed
    }

    /// Our offer awaits its answer.
    pub(super) fn is_offered(&self) -> bool {
        self.media == Media::Offered
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.sender.deadline().or(self.again).into_iter().chain(self.until).min()
    }

    /// A final answer goes out: nothing is repeated any more.
    pub(super) fn conclude(&mut self) {
        self.sender.concluded();
        self.sent = None;
        self.next = Next::Nothing;
    }

    /// Whether a 2xx has to wait; it follows the PRACK then.
    pub(super) fn holds_back(&mut self) -> bool {
        let waits = self.sent.as_ref().is_some_and(|sent| sent.begins_media);
        if waits {
            self.next = Next::Answer;
        }
        waits
    }
}

impl Leg {
    /// A 183 has announced audio of ours.
    pub(in crate::switch::call) fn hears_us_early(&self) -> bool {
        self.early.told == Some(Ringing::Audio)
    }

    /// 181: the call goes elsewhere. Not to who would have to acknowledge it for nothing.
    pub(in crate::switch::call) fn forwarded(&mut self, desk: &mut Desk<'_>) {
        if let State::Invited { server, request, .. } = &self.state
            && self.early.wish != Wish::Required
        {
            let response = Outgoing::response(Status::of(181), request, Some(&self.tag))
                .header(Name::Contact, format_args!("<{}>", self.dialog.contact()));
            desk.endpoint.respond(desk.now.instant, *server, response);
        }
    }

    /// 180, or 183 with our answer when there is early audio (RFC 3960); our offer, if they made none and PRACK can answer it.
    pub(in crate::switch::call) fn ring(&mut self, desk: &mut Desk<'_>, early: bool) {
        self.rang = true;
        self.say(desk, if early { Ringing::Audio } else { Ringing::Bell }, Saying::News);
    }

    fn say(&mut self, desk: &mut Desk<'_>, ringing: Ringing, saying: Saying) {
        let State::Invited { server, request, answer } = &self.state else { return };
        let early = &mut self.early;
        if early.sender.waits() {
            if early.told != Some(ringing) && early.next != Next::Answer {
                early.next = Next::Ring(ringing);
            }
            return;
        }
        // RFC 3261 §13.2.1: where they made no offer, the first reliable response makes ours.
        let offers = match early.wish {
            Wish::Required => answer.is_none(),
            Wish::Supported => answer.is_none() && ringing == Ringing::Audio,
            Wish::Unknown => false,
        };
        let body = match (early.media, ringing, answer) {
            (Media::Unsaid, Ringing::Audio, Some(answer)) => Some(answer.clone()),
            (Media::Unsaid, _, None) if offers => {
                self.session.as_mut().map(|session| session.offer(self.wanted))
            }
            _ => None,
        };
        let has_audio = body.is_some() || early.media == Media::Agreed;
        let ringing = if has_audio { ringing } else { Ringing::Bell };
        let is_reliable = match early.wish {
            Wish::Required => true,
            Wish::Supported => body.is_some(),
            Wish::Unknown => false,
        };
        // What was acknowledged need not be said again.
        let is_known = is_reliable || early.media == Media::Agreed;
        if saying == Saying::News && is_known && early.told == Some(ringing) {
            return;
        }
        early.told = Some(ringing);
        let every = if early.wish == Wish::Required { EVERY_RELIABLY } else { EVERY };
        early.again = Some(desk.now.instant + every);
        let status = match ringing {
            Ringing::Bell => 180,
            Ringing::Audio => 183,
        };
        let mut response = Outgoing::response(Status::of(status), request, Some(&self.tag))
            .header(Name::Contact, format_args!("<{}>", self.dialog.contact()));
        let begins_media = body.is_some();
        if is_reliable && let Some(rseq) = early.sender.sent(desk.now.instant) {
            // RFC 3311 §4: an UPDATE may come from now on.
            response = response
                .header(Name::Require, reliable::TAG)
                .header(Name::RSeq, rseq)
                .header(Name::Allow, ALLOW);
            if begins_media {
                early.media = if answer.is_some() { Media::Agreed } else { Media::Offered };
            }
        }
        if let Some(body) = body {
            response = response.body(SDP, &body);
        }
        if early.sender.waits() {
            early.sent = Some(Sent { response: response.clone(), begins_media });
        }
        desk.endpoint.respond(desk.now.instant, *server, response);
    }

    /// Their PRACK; gives its answer. [`Leg::go_on`] has to follow.
    pub(in crate::switch::call) fn pracked(
        &mut self,
        desk: &mut Desk<'_>,
        request: &Message,
    ) -> Outgoing {
        let respond = |code: u16| Outgoing::response(Status::of(code), request, None);
        let rack = match RAck::read(request) {
            Ok(rack) => rack,
            Err(malformed) => return respond(malformed.status.code()).reason(malformed.what),
        };
        if !self.early.sender.acknowledged(&rack, self.early.invite) {
            return respond(481);
        }
        self.early.sent = None;
        let sdp = request.body_of(SDP);
        let Some(session) = self.session.as_mut() else { return respond(200) };
        match (self.early.media, sdp) {
            (Media::Offered, answer) => {
                let agreed = answer.is_some_and(|answer| session.conclude(answer).is_ok());
                self.early.media = if agreed { Media::Agreed } else { Media::Failed };
                self.connect(desk);
                respond(if answer.is_some() { 200 } else { 400 })
            }
            (Media::Agreed, Some(offer)) => match session.answer(offer, self.wanted) {
                Ok((answer, _)) => {
                    self.connect(desk);
                    respond(200).body(SDP, &answer)
                }
                Err(_) => respond(488),
            },
            // Their first offer is not answered yet, so this is none (RFC 3262 §5).
            (Media::Unsaid | Media::Failed, Some(_)) => respond(400).reason("offer out of turn"),
            (Media::Unsaid | Media::Agreed | Media::Failed, None) => respond(200),
        }
    }

    /// Says what waited for a PRACK. `Err`: it should have brought an answer, and brought none that would do.
    pub(in crate::switch::call) fn go_on(&mut self, desk: &mut Desk<'_>) -> Result<(), Status> {
        if self.early.media == Media::Failed {
            return Err(Status::of(488));
        }
        if !self.early.sender.waits() {
            match std::mem::replace(&mut self.early.next, Next::Nothing) {
                Next::Nothing => {}
                Next::Ring(ringing) => self.say(desk, ringing, Saying::News),
                Next::Answer => self.answer(desk),
            }
        }
        Ok(())
    }

    /// Repeats what was not acknowledged, or gives it up; says again what was.
    pub(super) fn repeat(&mut self, desk: &mut Desk<'_>) -> Outcome {
        let State::Invited { server, .. } = &self.state else { return Outcome::Nothing };
        if self.early.until.is_some_and(|until| until <= desk.now.instant) {
            return Outcome::Expired;
        }
        let server: ServerId = *server;
        match self.early.sender.timeout(desk.now.instant) {
            Fired::Resend => {
                if let Some(sent) = &self.early.sent {
                    desk.endpoint.respond(desk.now.instant, server, sent.response.clone());
                }
                Outcome::Nothing
            }
            Fired::GaveUp => Outcome::Unacknowledged,
            Fired::Nothing | Fired::Ended => {
                let is_due = self.early.again.is_some_and(|again| again <= desk.now.instant);
                if let Some(told) = self.early.told.filter(|_| is_due) {
                    self.say(desk, told, Saying::Again);
                }
                Outcome::Nothing
            }
        }
    }
}

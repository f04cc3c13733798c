//! How a call ends: by whom, with which cause, and who is told.

use std::time::Duration;

use super::desk::{Desk, News};
use super::leg::{Outcome, UNANSWERED};
use super::{Call, LegId, Party, Stage};
use crate::switch::journal::{CallDirection, ConsentAnswer, Entry};
use crate::switch::log::Fact;
use crate::switch::routing::Target;
use crate::switch::settings::ConsentMode;
use crate::wire::sip::endpoint::ServerId;
use crate::wire::sip::message::Status;

impl Call {
    /// A side said BYE, which meant `outcome` for its leg; `status` is what an unanswered caller got.
    pub(super) fn left(
        &mut self,
        desk: &mut Desk<'_>,
        leg: LegId,
        outcome: Outcome,
        status: Option<Status>,
    ) {
        if self.is_aside(leg) {
            return self.aside_gone(desk, leg);
        }
        let talks = leg == self.a.id || matches!(self.stage, Stage::Talking { b } if b == leg);
        match outcome {
            Outcome::Refused(status) => self.declined(desk, status),
            Outcome::Lost if talks && self.hung_up_too_soon(desk, leg) => {}
            Outcome::Lost if talks => {
                self.finish(desk, &format!("{} hung up", self.side(leg)), status)
            }
            _ => {}
        }
    }

    /// How long the two have talked, once the call is over.
    pub(in crate::switch) fn talked(&self) -> Duration {
        match (self.cdr.bridged, self.cdr.ended) {
            (Some(bridged), Some(ended)) => ended.since(bridged),
            (None, _) | (_, None) => Duration::ZERO,
        }
    }

    /// A side knows nothing of the call any more, or is not there.
    pub(super) fn lost(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        self.finish(desk, &format!("{} was lost", self.side(leg)), None);
    }

    /// What a side of this call is called in its record.
    fn side(&self, leg: LegId) -> &'static str {
        match self.cdr.direction {
            _ if leg == LegId(0) => "caller",
            CallDirection::Inbound => "agent",
            CallDirection::Outbound | CallDirection::Internal => "called side",
        }
    }

    /// The caller's CANCEL; its Reason header is the phones' too (RFC 3326 §1).
    pub(in crate::switch) fn cancelled(&mut self, desk: &mut Desk<'_>, reason: Option<&str>) {
        self.a.cancelled(desk);
        for leg in &mut self.b {
            leg.hang_up(desk, reason);
        }
        self.finish(desk, "caller hung up", Some(Status::of(487)));
    }

    /// The caller's connection was cut before they were answered. A phone's INVITE has failed with that (RFC 3261 §8.1.3.1): it waits for
    /// nothing, and calls anew. A carrier's may be a proxy's, which gets its answer by a new connection (§18.2.2).
    pub(in crate::switch) fn deserted(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        if leg == self.a.id && self.a.is_unanswered() && matches!(self.a.party, Party::User(_)) {
            self.a.cancelled(desk);
            self.finish(desk, "caller was lost", Some(Status::of(487)));
        }
    }

    /// A 2xx of ours was never acknowledged.
    pub(in crate::switch) fn unacknowledged(
        &mut self,
        desk: &mut Desk<'_>,
        leg: LegId,
        server: ServerId,
    ) {
        if self.leg(leg).is_some_and(|leg| leg.unacknowledged(desk, server)) && !self.is_aside(leg)
        {
            self.finish(desk, &format!("no ACK from the {}", self.side(leg)), None);
        }
    }

    /// A far side fell silent although it should speak; one that holds or is held may, and is asked now and then whether it is there.
    pub(in crate::switch) fn silent(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        if matches!(self.stage, Stage::Talking { .. })
            && !self.is_aside(leg)
            && self.leg(leg).is_some_and(|leg| leg.owes_audio() && !leg.is_leaving())
        {
            self.finish(desk, &format!("no audio from the {}", self.side(leg)), None);
        }
    }

    /// Refuses an unanswered caller with `status`, or hangs an answered one up.
    pub(super) fn refuse(&mut self, desk: &mut Desk<'_>, status: Status, cause: &'static str) {
        self.a.refuse(desk, status);
        self.finish(desk, cause, Some(status));
    }

    /// Ends every leg and the recording. The first cause stays.
    pub(in crate::switch) fn finish(
        &mut self,
        desk: &mut Desk<'_>,
        cause: &str,
        status: Option<Status>,
    ) {
        if self.cdr.ended.is_some() {
            return;
        }
        let status = status.or(self.a.is_unanswered().then_some(UNANSWERED));
        if matches!(self.stage, Stage::Asking(_)) {
            self.keep_answer(desk, ConsentAnswer::Left);
        }
        match (std::mem::replace(&mut self.stage, Stage::Ending), &self.plan.target) {
            (Stage::Waiting { .. }, Target::Queue(queue)) => {
                desk.news.push(News::Unqueued { queue: queue.clone(), call: self.id });
            }
            (Stage::Ringing { offer: Some(offer), .. }, Target::Queue(queue)) => {
                desk.news.push(News::Unqueued { queue: queue.clone(), call: self.id });
                desk.news.push(News::Spared { agent: offer.agent, call: self.id });
            }
            (Stage::Parked { slot, .. }, _) => desk.unpark(slot, self.id),
            _ => {}
        }
        if let Some(serving) = self.serving.take() {
            serving.end(desk);
        }
        self.tell_transferor(desk, Status::of(487));
        self.transfer = None;
        self.outward_ends(desk);
        if let Some(recording) = &mut self.recording {
            recording.end(desk.outbox);
        }
        let aside = self.aside.iter_mut().map(|aside| &mut aside.leg);
        for leg in std::iter::once(&mut self.a).chain(&mut self.b).chain(aside) {
            leg.hang_up(desk, None);
        }
        if self.plan.consent != ConsentMode::Never {
            self.unrecorded(desk, "nobody talked".into());
        } else if self.cdr.answered.is_some() && self.cdr.recording.is_none() {
            let why = match self.cdr.direction {
                CallDirection::Inbound => "its route records nothing",
                CallDirection::Outbound => "calls out are not recorded",
                CallDirection::Internal => "calls inside are not recorded",
            };
            self.cdr.unrecorded = Some(why.to_owned());
        }
        self.cdr.ended = Some(desk.now.utc);
        self.cdr.end_cause = Some(cause.to_owned());
        self.cdr.status = status.map(Status::code);
        desk.outbox.store(Entry::Call(Box::new(self.cdr.clone())));
        desk.outbox.log(Fact::CallEnded { call: self.id, cause: cause.to_owned() });
    }
}

/// A refusal in words.
pub(super) fn cause(status: Status) -> &'static str {
    match status.code() {
        486 | 600 => "busy",
        408 | 480 | 487 => "no answer",
        403 | 603 => "declined",
        404 | 604 => "not found",
        488 | 606 => "no media in common",
        _ => "refused",
    }
}

//! How a call ends: by whom, with which cause, and who is told.

use std::time::Duration;

use super::desk::{Desk, News};
use super::{Call, LegId, Stage};
use crate::switch::journal::{ConsentAnswer, Entry};
use crate::switch::log::Fact;
use crate::switch::routing::Target;
use crate::switch::settings::ConsentMode;
use crate::wire::sip::message::Status;

impl Call {
    /// A side said BYE.
    pub(super) fn left(&mut self, desk: &mut Desk<'_>, leg: LegId, cause: &'static str) {
        match self.stage {
            Stage::Talking { b, .. } if leg != self.a.id && leg != b => {}
            _ if leg == self.a.id || matches!(self.stage, Stage::Talking { .. }) => {
                self.finish(desk, cause, None)
            }
            _ => {}
        }
    }

    /// The caller's CANCEL.
    pub(in crate::switch) fn cancelled(&mut self, desk: &mut Desk<'_>) {
        self.a.cancelled(desk);
        self.finish(desk, "caller hung up", Some(Status::of(487)));
    }

    /// A 2xx of ours was never acknowledged.
    pub(in crate::switch) fn unacknowledged(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        if let Some(leg) = self.leg(leg) {
            leg.unacknowledged(desk);
            self.finish(desk, "no ACK", None);
        }
    }

    /// A far side fell silent although it should speak; one that holds may.
    pub(in crate::switch) fn silent(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        if matches!(self.stage, Stage::Talking { .. })
            && !self.is_held()
            && self.leg(leg).is_some_and(|leg| !leg.is_leaving())
        {
            self.finish(desk, "no audio", None);
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
        cause: &'static str,
        status: Option<Status>,
    ) {
        if self.cdr.ended.is_some() {
            return;
        }
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
            (Stage::Talking { agent: Some(agent), .. }, Target::Queue(queue)) => {
                let wrap_up =
                    desk.settings.queues.get(queue).map_or(Duration::ZERO, |queue| queue.wrap_up);
                desk.news.push(News::Finished { agent, call: self.id, wrap_up });
            }
            _ => {}
        }
        if let Some(recording) = &mut self.recording {
            recording.end(desk.outbox);
        }
        for leg in std::iter::once(&mut self.a).chain(&mut self.b) {
            leg.hang_up(desk, None);
        }
        self.tidy();
        if self.plan.consent != ConsentMode::Never {
            self.unrecorded(desk, "nobody talked".into());
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

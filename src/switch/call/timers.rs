//! When a call wants to be woken, and what it does then.

use std::time::Instant;

use super::desk::Desk;
use super::gateways::Outward;
use super::leg::{Leg, LegId, Outcome};
use super::transfer::Aside;
use super::{Call, Stage};
use crate::switch::recording::Recording;
use crate::switch::settings::DONE;
use crate::wire::sip::message::Status;

impl Call {
    pub(in crate::switch) fn deadline(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Asking(question) => question.deadline(),
            Stage::Waiting { until }
            | Stage::Ringing { until, .. }
            | Stage::Told { until, .. }
            | Stage::Echoing { until }
            | Stage::Parked { until, .. } => Some(*until),
            Stage::Opening | Stage::Answering | Stage::Talking { .. } | Stage::Ending => None,
        };
        let stage = stage.into_iter().chain(self.outward.as_ref().and_then(Outward::deadline));
        let recording = self.recording.as_ref().and_then(Recording::deadline);
        let aside = self.aside.iter().filter_map(Aside::deadline);
        let legs = self.b.iter().chain([&self.a]).filter_map(Leg::deadline);
        legs.chain(aside).chain(stage).chain(recording).min()
    }

    pub(in crate::switch) fn timeout(&mut self, desk: &mut Desk<'_>) {
        let now = desk.now.instant;
        match &self.stage {
            Stage::Asking(question) => {
                if let Some(answer) = question.expired(now) {
                    self.answered(desk, answer);
                }
            }
            Stage::Waiting { until } if *until <= now => self.finish(desk, "waited too long", None),
            Stage::Ringing { until, .. } if *until <= now => {
                for leg in &mut self.b {
                    leg.hang_up(desk, None);
                }
                self.unanswered(desk, Status::of(480));
            }
            Stage::Told { until, .. } if *until <= now => self.tell_next(desk),
            Stage::Echoing { until } if *until <= now => self.finish(desk, DONE, None),
            Stage::Parked { until, .. } if *until <= now => self.back_from_park(desk),
            _ => {}
        }
        self.give_up_locating(desk);
        self.turn_reels(desk);
        self.watch_recording(desk);
        self.dismiss_transferors(desk);
        let aside = self.aside.iter().map(|aside| aside.leg.id);
        let legs: Vec<LegId> =
            self.b.iter().chain([&self.a]).map(|leg| leg.id).chain(aside).collect();
        for id in legs {
            if let Some(leg) = self.leg(id) {
                let outcome = leg.timeout(desk);
                if outcome != Outcome::Nothing {
                    self.outcome(desk, id, outcome);
                }
            }
        }
    }
}

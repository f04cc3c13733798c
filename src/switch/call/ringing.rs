//! What a caller hears who is not answered yet: early media (RFC 3960).

use super::desk::Desk;
use super::{Call, LegId, Stage};
use crate::media::{Command, Repeat};
use crate::switch::settings::{EarlyMedia, RINGBACK};
use crate::wire::sip::message::Status;

impl Call {
    /// A phone rings: so it does for an unanswered caller, who hears early audio if there is just one to hear, or our tone, or what
    /// their own phone makes of a 180.
    pub(super) fn rings(&mut self, desk: &mut Desk<'_>, leg: LegId, early: bool) {
        if !matches!(self.stage, Stage::Ringing { .. }) {
            return;
        }
        self.tell_transferor(desk, Status::of(180));
        if !self.a.is_unanswered() {
            return;
        }
        // One that was given up may still be there.
        let early = early && self.b.iter().filter(|leg| !leg.is_leaving()).count() == 1;
        if self.has_rung_before(leg) && !early {
            return;
        }
        match desk.settings.early_media {
            EarlyMedia::Ring => self.a.ring(desk, false),
            EarlyMedia::Pass => {
                if early && let Some(b) = self.b.iter().find(|b| b.id == leg) {
                    desk.outbox.media(Command::Bridge { a: self.a.port, b: b.port });
                }
                self.a.ring(desk, early);
            }
            EarlyMedia::Tone if self.a.hears_us_early() => {}
            EarlyMedia::Tone => {
                self.a.ring(desk, true);
                if self.a.hears_us_early() {
                    self.play(desk, &self.a, RINGBACK, Repeat::Forever);
                }
            }
        }
    }
}

//! What the lamps of those who watch show of a call: a line for each leg of a user's, and one for a caller who waits in a queue.

use super::leg::Leg;
use super::{Call, Caller, LegId, Stage};
use crate::switch::settings::Settings;
use crate::switch::subscriptions::{Lamps, Line, Phase, Side};
use crate::wire::sip::dialog::DialogId;

impl Call {
    /// Shows what has turned since the last time. Of a user whom nobody watches this costs a comparison.
    pub(in crate::switch) fn show(&mut self, settings: &Settings, lamps: &mut Lamps) {
        while let Some(leg) = self.turned() {
            if let Some(leg) = self.all().find(|known| known.id == leg)
                && let Some(user) = leg.user()
            {
                lamps.of_user(user, (self.id, leg.id), || self.line(settings, leg));
            }
        }
    }

    /// The next leg that has turned.
    fn turned(&mut self) -> Option<LegId> {
        let aside = self.aside.iter_mut().map(|aside| &mut aside.leg);
        let mut legs = std::iter::once(&mut self.a).chain(&mut self.b).chain(aside);
        legs.find_map(|leg| leg.has_turned().then_some(leg.id))
    }

    fn all(&self) -> impl Iterator<Item = &Leg> {
        self.legs().chain(self.aside.iter().map(|aside| &aside.leg))
    }

    /// Shows every line of this user's.
    pub(in crate::switch) fn light(&self, settings: &Settings, user: &str, lamps: &mut Lamps) {
        for leg in self.all().filter(|leg| leg.user() == Some(user)) {
            lamps.of_user(user, (self.id, leg.id), || self.line(settings, leg));
        }
    }

    /// Shows that the caller waits in this queue.
    pub(in crate::switch) fn light_queue(
        &self,
        settings: &Settings,
        queue: &str,
        lamps: &mut Lamps,
    ) {
        let caller = || self.face(settings, &self.a);
        let line = || Some(opposite(&caller(), Phase::Early, Side::Recipient, None));
        lamps.of_queue(queue, (self.id, LegId(0)), line);
    }

    /// Shows that the caller is parked in this slot.
    pub(in crate::switch) fn light_slot(&self, settings: &Settings, slot: u32, lamps: &mut Lamps) {
        let caller = || self.face(settings, &self.a);
        let line = || Some(opposite(&caller(), Phase::Confirmed, Side::Recipient, None));
        lamps.of_slot(slot, (self.id, LegId(0)), line);
    }

    /// A leg's line: opposite is whoever they talk to; before that, the caller has whom they dialled, and all others the caller.
    fn line(&self, settings: &Settings, leg: &Leg) -> Option<Line> {
        let (phase, side, dialog) = (leg.phase()?, leg.side(), Some(leg.dialog_id()));
        let other = match self.stage {
            Stage::Talking { b } if leg.id == self.a.id => self.b.iter().find(|leg| leg.id == b),
            _ if leg.id == self.a.id => None,
            _ => Some(&self.a),
        };
        Some(match other {
            Some(other) => opposite(&self.face(settings, other), phase, side, dialog),
            None => Line::new(phase, side, dialog, Some(self.cdr.to.reveal()), None),
        })
    }
}

fn opposite(other: &Caller, phase: Phase, side: Side, dialog: Option<DialogId>) -> Line {
    let number = (!other.number.is_anonymous()).then(|| other.number.as_str());
    let name = other.name.as_ref().map(|name| name.reveal().as_str());
    Line::new(phase, side, dialog, number, name)
}

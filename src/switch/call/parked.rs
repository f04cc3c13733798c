//! Park: a transferred call waits in a slot until somebody fetches it, or goes back to whoever parked it.

use super::desk::{Desk, News};
use super::{Call, Party, Stage};
use crate::media::Repeat;
use crate::switch::settings::MUSIC;
use crate::wire::sip::message::Status;

impl Call {
    /// Takes a slot; whoever transferred the call there is done.
    pub(super) fn park(&mut self, desk: &mut Desk<'_>, slot: Option<u32>) {
        let (Some(park), Some(transfer)) = (&desk.settings.park, &self.transfer) else {
            return self.not_reached(desk, Status::of(403));
        };
        let Some(slot) = desk.parking.take(park, slot, self.id) else {
            return self.not_reached(desk, Status::of(486));
        };
        let by = match &transfer.by {
            Party::User(user) => Some(user.clone()),
            Party::Trunk(_) => None,
        };
        let until = desk.now.instant + park.timeout;
        self.play(desk, &self.a, MUSIC, Repeat::Forever);
        self.stage = Stage::Parked { slot, by, until };
        desk.news.push(News::Parked { slot, call: self.id });
        self.transferred(desk);
    }

    /// Nobody has fetched it in time.
    pub(super) fn back_from_park(&mut self, desk: &mut Desk<'_>) {
        let Stage::Parked { slot, by, .. } = &mut self.stage else { return };
        desk.unpark(*slot, self.id);
        match by.take() {
            Some(user) => self.call_back(desk, user),
            None => self.finish(desk, "parked too long", None),
        }
    }
}

//! Ring groups: the phones of several users ring, all at once or one user's after the other's. Who is busy, not to be disturbed or not
//! there is passed over, and nobody's own forwarding counts: a group rings people, it does not follow them.

use super::desk::Desk;
use super::diverting::Elsewhere;
use super::{Call, LegId, Stage};
use crate::switch::routing::Target;
use crate::switch::settings::{Destination, Strategy};
use crate::wire::sip::message::Status;

impl Call {
    /// Rings a group.
    pub(super) fn ring_group(&mut self, desk: &mut Desk<'_>, name: &str) {
        let found = desk.settings.groups.get(name).filter(|_| self.course.enter_group());
        let Some(group) = found else { return self.not_reached(desk, Status::of(480)) };
        let is_there = |user: &&String| {
            desk.registrar.reachable(user).next().is_some() && desk.forwarding.may_disturb(user)
        };
        let there: Vec<String> = group.members.iter().filter(is_there).cloned().collect();
        self.course.turns = match group.strategy {
            Strategy::Parallel => [there].into(),
            Strategy::InTurn => there.into_iter().map(|user| vec![user]).collect(),
        };
        self.ring_next_turn(desk, name, None);
    }

    /// Rings whoever is next in the group, since those before, if anybody, have come to `status`; where nobody is, the call goes where the group
    /// says.
    pub(super) fn ring_next_turn(
        &mut self,
        desk: &mut Desk<'_>,
        name: &str,
        status: Option<Status>,
    ) {
        let mut worst = status.map_or(Status::of(480), |status| self.tell_worse(status));
        let Some(group) = desk.settings.groups.get(name) else {
            return self.not_reached(desk, worst);
        };
        while let Some(mut users) = self.course.turns.pop_front() {
            let count = users.len();
            users.retain(|user| !desk.agents.is_engaged(user));
            if users.len() < count {
                worst = self.tell_worse(Status::of(486));
            }
            if self.ring_phones(desk, &users) {
                self.stage = Stage::Ringing { until: desk.now.instant + group.ring, offer: None };
                return;
            }
        }
        let target = match group.then.as_ref() {
            Some(Destination::User(user)) => Target::User(user.clone()),
            Some(Destination::Queue(queue)) => Target::Queue(queue.clone()),
            Some(Destination::Group(group)) => Target::Group(group.clone()),
            Some(Destination::Refuse(status)) => return self.not_reached(desk, *status),
            Some(Destination::Dialled | Destination::Trunks(_)) | None => {
                return self.not_reached(desk, worst);
            }
        };
        self.goes(desk, Elsewhere::Target(target));
    }

    /// What a leg's refusal is to the call. A 6xx speaks for the person who is called (RFC 3261 §21.6): of a user's phones it ends all; the
    /// others of a group are other persons, for whom nobody declines.
    pub(super) fn refused_by(&mut self, desk: &mut Desk<'_>, leg: LegId, status: Status) -> Status {
        if status.code() < 600 || !matches!(self.plan.target, Target::Group(_)) {
            return status;
        }
        let party = self.b.iter().find(|known| known.id == leg).map(|known| known.party.clone());
        for other in self.b.iter_mut().filter(|other| party.as_ref() == Some(&other.party)) {
            other.hang_up(desk, None);
        }
        Status::of(if status.code() == 600 { 486 } else { 480 })
    }
}

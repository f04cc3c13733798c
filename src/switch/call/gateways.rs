//! A call's way out through one trunk: from one of its servers to the next, until one serves (RFC 3263 §4.3).

use std::time::{Duration, Instant};

use super::desk::{Desk, News};
use super::fork::{Aim, outward};
use super::leg::{LegId, Party};
use super::{Call, Stage};
use crate::switch::identity::{self, Presentation};
use crate::switch::number::Number;
use crate::switch::routing::Way;
use crate::switch::trunk::rate::Direction;
use crate::switch::trunk::{Attempt, Attempts, flow_to};
use crate::wire::sip::headers::Address;
use crate::wire::sip::message::Status;

/// A call waits so long to hear where its only gateway is.
const LOCATING: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Outward {
    way: Way,
    attempts: Attempts,
    /// It waits until then to hear where a gateway is.
    until: Option<Instant>,
    /// One of the trunk's places, while no leg has it.
    has_place: bool,
    /// What the last one said.
    status: Status,
    /// By whom the caller has heard that it rings: of the next one it is no news.
    rung: Option<LegId>,
}

impl Outward {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }
}

impl Call {
    /// Calls out through a trunk; `false` if there is no way to it or no place in it.
    pub(super) fn ring_trunk(&mut self, desk: &mut Desk<'_>, way: &Way) -> bool {
        let trunk = desk.settings.trunks.get(&way.trunk);
        let Some(trunk) = trunk.filter(|trunk| !trunk.gateways.is_empty()) else { return false };
        if self.plan.emergency {
            desk.trunks.take_anyway(trunk);
        } else if desk.trunks.take(desk.now.instant, trunk, Direction::Out).is_err() {
            return false;
        }
        self.outward = Some(Outward {
            way: way.clone(),
            attempts: desk.trunks.attempts(desk.now.instant, trunk, desk.ids),
            until: None,
            has_place: true,
            status: Status::of(500),
            rung: self.outward.as_ref().and_then(|before| before.rung),
        });
        self.try_next(desk)
    }

    /// Rings the next server, or waits to hear where one is; `false` if none is left.
    fn try_next(&mut self, desk: &mut Desk<'_>) -> bool {
        while let Some(attempt) = self.outward.as_mut().and_then(|out| out.attempts.next()) {
            if self.call_by(desk, attempt) {
                return true;
            }
        }
        // Nobody waits for DNS who has another trunk to go by.
        let has_other = !self.ways.is_empty();
        let Some(out) = &mut self.outward else { return false };
        if out.attempts.is_open() && !has_other {
            // Another gateway's news buys no time.
            out.until.get_or_insert(desk.now.instant + LOCATING);
            return true;
        }
        self.outward_ends(desk);
        false
    }

    /// None of the trunk's servers is left: another trunk has the call, or the caller is told.
    fn no_server(&mut self, desk: &mut Desk<'_>) {
        let status = outward(self.outward.as_ref().map_or(Status::of(500), |out| out.status));
        if self.ways.is_empty() {
            self.declined(desk, status);
        } else {
            self.ring_next_trunk(desk, status);
        }
    }

    /// Whether that can be tried at all.
    fn call_by(&mut self, desk: &mut Desk<'_>, attempt: Attempt) -> bool {
        let settings = desk.settings;
        if !self.hops.allow(attempt.target.transport) {
            return false;
        }
        let Some(out) = &mut self.outward else { return false };
        let name = out.way.trunk.as_str();
        let Some(trunk) = settings.trunks.get(name) else { return false };
        let gateway = trunk.gateways.get(attempt.gateway);
        let Some((gateway, flow)) = gateway.zip(flow_to(settings, name, attempt.target)) else {
            return false;
        };
        let number_of = |user: &str| settings.users.get(user)?.caller_id.as_ref();
        // Whoever transfers a call there calls with their own number, and not with that of somebody outside.
        let by = self.transfer.as_ref().map(|transfer| &transfer.by);
        let own = match by.unwrap_or(&self.caller.party) {
            Party::User(user) => number_of(user),
            Party::Trunk(_) => Some(self.caller.known()).filter(|number| !number.is_anonymous()),
        };
        let presentation = match by {
            Some(Party::User(_)) => Presentation::Shown,
            // Whoever is in need is to be found.
            _ if self.plan.emergency => Presentation::Shown,
            Some(Party::Trunk(_)) | None => self.caller.presentation(),
        };
        // Whoever sends the call on answers for it.
        let diverter = self.course.last().and_then(|last| number_of(&last.user));
        let line = gateway.caller_id.as_ref().unwrap_or(&Number::Anonymous);
        let number = own.or(diverter).unwrap_or(line);
        let (from, asserted) = identity::to_carrier(trunk, gateway, number, presentation);
        let target = gateway.uri(Some(&out.way.number));
        let shown = |user: &str| {
            let number = number_of(user).unwrap_or(line);
            gateway.uri(Some(&trunk.numbering.write(number)))
        };
        let mut more = self.course.headers(&target, shown);
        more.extend(asserted);
        more.extend(self.said.to_carrier(&self.caller, &trunk.headers));
        let party = Party::Trunk(name.to_owned());
        (out.has_place, out.until) = (false, None);
        let to = Address::new(target.clone());
        let leg = self.new_leg(desk, party, from, to, Aim { target, routes: Vec::new(), flow });
        self.b.push(leg.by(attempt, gateway.timeout).saying(more));
        true
    }

    /// Whether it waits to hear where a gateway is.
    pub(in crate::switch) fn awaits_name(&self) -> bool {
        self.outward.as_ref().is_some_and(|out| out.until.is_some())
    }

    /// Some gateway has been found, or lost.
    pub(in crate::switch) fn located(&mut self, desk: &mut Desk<'_>) {
        let Some(out) = self.outward.as_mut().filter(|out| out.until.is_some()) else { return };
        let Some(trunk) = desk.settings.trunks.get(&out.way.trunk) else { return };
        desk.trunks.extend(desk.now.instant, trunk, &mut out.attempts, desk.ids);
        if !self.try_next(desk) {
            self.no_server(desk);
        }
    }

    /// Nobody has said in time where the gateway is.
    pub(super) fn give_up_locating(&mut self, desk: &mut Desk<'_>) {
        let is_late = |until: Instant| until <= desk.now.instant;
        if self.outward.as_ref().and_then(|out| out.until).is_some_and(is_late) {
            self.outward_ends(desk);
            self.no_server(desk);
        }
    }

    /// A server does not serve: it is noted, and the next one has the call, if the caller still waits.
    pub(super) fn unserved(
        &mut self,
        desk: &mut Desk<'_>,
        leg: LegId,
        status: Status,
        after: Option<Duration>,
    ) {
        let Some((trunk, attempt)) = self.attempt(leg) else { return };
        desk.trunks.failed(desk.now.instant, trunk, attempt.target, after, desk.outbox);
        let Some(out) = &mut self.outward else { return };
        (out.status, out.has_place) = (status, true);
        if !matches!(self.stage, Stage::Ringing { .. }) {
            self.outward_ends(desk);
        } else if !self.try_next(desk) {
            self.no_server(desk);
        }
    }

    /// A server of a trunk has said something: it is there.
    pub(super) fn heard(&self, desk: &mut Desk<'_>, leg: LegId, status: Status) {
        if let Some((trunk, attempt)) = self.attempt(leg).filter(|_| status.code() != 503) {
            desk.trunks.heard(trunk, attempt.target, desk.outbox);
        }
    }

    /// Which server of which trunk a leg calls.
    fn attempt(&self, leg: LegId) -> Option<(&str, Attempt)> {
        let leg = self.b.iter().find(|candidate| candidate.id == leg)?;
        match &leg.party {
            Party::Trunk(trunk) => Some((trunk, leg.attempt?)),
            Party::User(_) => None,
        }
    }

    /// Whether the caller has heard it ring at a server that was given up.
    pub(super) fn has_rung_before(&mut self, leg: LegId) -> bool {
        self.outward.as_mut().is_some_and(|out| *out.rung.get_or_insert(leg) != leg)
    }

    /// No leg of this trunk follows: what was taken for it is given back.
    pub(super) fn outward_ends(&mut self, desk: &mut Desk<'_>) {
        let Some(out) = &mut self.outward else { return };
        out.until = None;
        if std::mem::take(&mut out.has_place) {
            desk.news.push(News::TrunkFree(out.way.trunk.clone()));
        }
    }
}

//! Forking: several phones of one user ring at once, the first that answers has the call.

use std::net::SocketAddr;
use std::time::Duration;

use super::course::MAX_BREADTH;
use super::desk::Desk;
use super::leg::{Leg, LegId, Party};
use super::{Call, Offer, Stage, TIMER_C};
use crate::switch::registrar::Registrar;
use crate::switch::{headers, identity};
use crate::wire::flow::Flow;
use crate::wire::sip::dialog::Dialog;
use crate::wire::sip::headers::Address;
use crate::wire::sip::message::Status;
use crate::wire::sip::uri::Uri;

impl Call {
    /// Rings every phone of `user`.
    pub(super) fn ring_user(
        &mut self,
        desk: &mut Desk<'_>,
        user: &str,
        offer: Option<Offer>,
        ring: Duration,
    ) {
        if offer.is_some() {
            self.course.begin_offer();
        }
        self.stage = Stage::Ringing { until: desk.now.instant + ring, offer };
        if !self.ring_phones(desk, &[user.to_owned()]) {
            self.unanswered(desk, Status::of(if self.course.is_spent() { 440 } else { 480 }));
        }
    }

    /// Rings every phone of these users, each once, as many as may be; `false` if there is none.
    pub(super) fn ring_phones(&mut self, desk: &mut Desk<'_>, users: &[String]) -> bool {
        let domain = &desk.settings.domain;
        let from = identity::to_phone(desk.settings, &self.caller);
        let mut phones: Vec<(&String, Vec<Aim>)> = Vec::new();
        for user in users {
            for mut aims in self::phones(desk.registrar, user) {
                aims.retain(|aim| self.hops.allow(aim.flow.transport));
                let Some(aim) = aims.last() else { continue };
                let is_known =
                    |(_, known): &(&String, Vec<Aim>)| known.iter().any(|other| other.is_same(aim));
                if !phones.iter().any(is_known) {
                    phones.push((user, aims));
                }
            }
        }
        let (count, breadth) = self.course.fork(phones.len());
        for (user, mut aims) in phones.into_iter().take(count) {
            let Some(aim) = aims.pop() else { continue };
            let to = Uri::at_domain(user, domain);
            let mut more = self.course.headers(&to, |user| Uri::at_domain(user, domain));
            more.extend(breadth.map(|breadth| (MAX_BREADTH.into(), breadth.to_string())));
            more.extend(self.said.to_phone(&self.caller));
            desk.last_callers.note(user, &self.caller.number);
            let party = Party::User(user.clone());
            self.call_out(desk, party, from.clone(), Address::new(to), aim, more);
            if !aims.is_empty() {
                self.other_flows.insert(LegId(self.legs), aims);
            }
        }
        count > 0
    }

    /// Calls out through the next trunk that has a way and a place; `status` is what the caller gets if none has.
    pub(super) fn ring_next_trunk(&mut self, desk: &mut Desk<'_>, status: Status) {
        self.stage = Stage::Ringing { until: desk.now.instant + TIMER_C, offer: None };
        while let Some(way) = self.ways.pop_front() {
            if self.ring_trunk(desk, &way) {
                if matches!(self.caller.party, Party::User(_)) {
                    self.cdr.trunk = Some(way.trunk);
                }
                return;
            }
        }
        self.unanswered(desk, status);
    }

    /// A phone of several flows could not be reached by one of them: it is called by the next (RFC 5626 §5.3). `false`: it has none.
    pub(super) fn rings_otherwise(&mut self, desk: &mut Desk<'_>, leg: LegId) -> bool {
        let Some(mut aims) = self.other_flows.remove(&leg) else { return false };
        let (Stage::Ringing { .. }, Some(aim)) = (&self.stage, aims.pop()) else { return false };
        let Some(failed) = self.b.iter().find(|b| b.id == leg) else { return false };
        let (party, from, to) = failed.parties();
        let more = failed.more.clone();
        self.call_out(desk, party, from, to, aim, more);
        if !aims.is_empty() {
            self.other_flows.insert(LegId(self.legs), aims);
        }
        true
    }

    /// The connection to a leg was cut while it rang.
    pub(in crate::switch) fn severed(&mut self, desk: &mut Desk<'_>, leg: LegId) {
        if let Some(leg) = self.leg(leg) {
            leg.severed(desk);
        }
    }

    /// Whether it waits for phones that were cut off while they rang.
    pub(in crate::switch) fn awaits_phone(&self) -> bool {
        self.b.iter().any(Leg::is_cut_off)
    }

    /// Somebody has registered: perhaps one of those phones.
    pub(in crate::switch) fn ring_on(&mut self, desk: &mut Desk<'_>) {
        for leg in &mut self.b {
            leg.ring_on(desk);
        }
    }

    fn call_out(
        &mut self,
        desk: &mut Desk<'_>,
        party: Party,
        from: Address,
        to: Address,
        aim: Aim,
        more: Vec<headers::Line>,
    ) {
        let leg = self.new_leg(desk, party, from, to, aim);
        self.b.push(leg.saying(more));
    }

    /// A new leg, whose INVITE follows when its port is open.
    pub(super) fn new_leg(
        &mut self,
        desk: &mut Desk<'_>,
        party: Party,
        from: Address,
        to: Address,
        Aim { target, routes, flow }: Aim,
    ) -> Leg {
        let reach = desk.settings.listener(flow.listener).reach;
        let contact = desk.contact(flow);
        let local = from.tagged(&desk.ids.tag());
        let call_id = desk.ids.call_id();
        let sequence = 1 + desk.ids.word() % 10_000;
        let dialog =
            Dialog::calling(&call_id, local, to, target, routes, flow, reach, contact, sequence)
                .with_max_forwards(self.max_forwards);
        self.legs += 1;
        let referred_by = match &party {
            Party::User(_) => self.referrer(desk.settings),
            Party::Trunk(_) => None,
        };
        let mut leg = Leg::calling(desk, self.id, LegId(self.legs), party, dialog, self.a.port);
        leg.referred_by = referred_by;
        leg
    }

    /// A B-leg's port is bound: its INVITE goes out.
    pub(super) fn invite(&mut self, desk: &mut Desk<'_>, leg: LegId, rtp: SocketAddr) {
        let Some(calling) = self.leg(leg).filter(|leg| !leg.is_leaving()) else { return };
        calling.opened(desk, rtp).expect("a leg of ours has no offer to refuse");
        calling.invite(desk, None);
    }

    /// A B-leg is over without an answer; `status` is what the caller would get for it. When it was the last, the most telling is the
    /// caller's (RFC 3261 §16.7, step 6).
    pub(super) fn declined(&mut self, desk: &mut Desk<'_>, status: Status) {
        if !matches!(self.stage, Stage::Ringing { .. }) {
            return;
        }
        let worst = self.tell_worse(status);
        if worst.code() >= 600 {
            for leg in &mut self.b {
                leg.hang_up(desk, None);
            }
        }
        if self.b.iter().all(Leg::is_leaving) {
            self.unanswered(desk, worst);
        }
    }
}

/// Where an INVITE to a phone or a gateway goes.
#[derive(Debug)]
pub(super) struct Aim {
    pub(super) target: Uri,
    pub(super) routes: Vec<Address>,
    pub(super) flow: Flow,
}

impl Aim {
    /// Whether both ring the same phone (RFC 5393 §5.2 asks for no target twice).
    fn is_same(&self, other: &Aim) -> bool {
        self.flow.remote == other.flow.remote && self.target.matches(&other.target)
    }
}

/// The phones of a user that can be reached, each with its flows, the one to try first last: a phone that has registered several flows is
/// one, and rung by the latest (RFC 5626 §5.3).
fn phones(registrar: &Registrar, user: &str) -> Vec<Vec<Aim>> {
    let mut phones: Vec<(Option<&str>, Vec<Aim>)> = Vec::new();
    for bound in registrar.reachable(user) {
        let aim = Aim {
            target: bound.contact().for_request(),
            routes: bound.path.clone(),
            flow: bound.binding.flow,
        };
        let instance = bound.binding.instance.as_deref();
        match phones.iter_mut().find(|(known, _)| instance.is_some() && *known == instance) {
            Some((_, aims)) => aims.push(aim),
            None => phones.push((instance, vec![aim])),
        }
    }
    phones.into_iter().map(|(_, aims)| aims).collect()
}

impl Call {
    /// Notes a refusal; gives the most telling so far.
    pub(super) fn tell_worse(&mut self, status: Status) -> Status {
        let worst = self
            .refusal
            .map_or(status, |known| std::cmp::min_by_key(known, status, |status| rank(*status)));
        self.refusal = Some(worst);
        worst
    }
}

/// The most telling comes first: 6xx, which speaks for the person and not for one phone; then the lowest class, in it what tells
/// whether calling again helps, busy before absent (RFC 3261 §16.7, step 6); a mere time-out last.
fn rank(status: Status) -> (u8, u16) {
    let place = match status.code() {
        600.. => 0,
        486 => 1,
        480 => 2,
        408 => 4,
        _ => 3,
    };
    (place, status.code())
}

/// What of a B-leg's refusal is the caller's business. Challenges and redirects were meant for us, protocol errors are ours, another
/// server's overload is not ours (RFC 3261 §16.7, step 6), a loop is everybody's (482, 483: another way would be in it too), and who ends a ringing by themselves is not there.
pub(super) fn outward(status: Status) -> Status {
    match status.code() {
        300..=399 | 487 => Status::of(480),
        400..=402 | 405..=407 | 413..=416 | 420..=423 | 481 | 491 | 493 | 503 | 505 | 513 => {
            Status::of(500)
        }
        _ => status,
    }
}

/// Whether a carrier's refusal is about the carrier and not about who is called: another may take the call (RFC 3261 §21.5.4, and no
/// answer at all).
pub(super) fn is_no_way(status: Status) -> bool {
    matches!(status.code(), 408 | 500 | 502..=504)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the caller gets if the phones answer so, in any order.
    fn told(phones: &[u16]) -> u16 {
        let best = |order: &mut dyn Iterator<Item = &u16>| {
            order.map(|code| outward(Status::of(*code))).min_by_key(|status| rank(*status))
        };
        let told = best(&mut phones.iter()).expect("a phone");
        assert_eq!(best(&mut phones.iter().rev()), Some(told), "whoever answers first");
        told.code()
    }

    #[test]
    fn a_busy_phone_is_not_hidden_by_one_that_is_away_or_misled() {
        for other in [302, 404, 408, 410, 480, 487, 488, 500, 503] {
            assert_eq!(told(&[486, other]), 486, "{other}");
        }
    }

    #[test]
    fn a_refusal_for_the_person_beats_one_of_a_phone() {
        assert_eq!(told(&[486, 603]), 603);
        assert_eq!(told(&[486, 600, 404]), 600);
    }

    #[test]
    fn a_phone_that_redirects_or_ends_its_own_ringing_is_an_absent_one() {
        assert_eq!(told(&[302]), 480);
        assert_eq!(told(&[487]), 480);
        assert_eq!(told(&[302, 404]), 480);
    }

    #[test]
    fn the_lowest_class_comes_first_and_a_time_out_last() {
        assert_eq!(told(&[404, 500]), 404);
        assert_eq!(told(&[408, 500]), 500);
        assert_eq!(told(&[408]), 408);
    }

    #[test]
    fn neither_anothers_overload_nor_a_challenge_is_the_callers() {
        for code in [503, 401, 407, 400, 491] {
            assert_eq!(told(&[code]), 500, "{code}");
        }
    }
}

//! Two calls become one: an attended transfer joins the far sides of a party's two calls (RFC 5589 §7), without an INVITE to ourselves.

use std::collections::VecDeque;
use std::time::Instant;

use super::desk::Desk;
use super::leg::{Leg, LegId, Party};
use super::transfer::{Referral, Serving, Transfer};
use super::{Call, Caller, Stage};
use crate::redacted::Redacted;
use crate::switch::journal::CallId;
use crate::switch::routing::Way;
use crate::wire::sip::endpoint::ServerId;
use crate::wire::sip::headers::Replaces;
use crate::wire::sip::message::{Message, Status};

/// What one call hands over to another.
#[derive(Debug)]
pub(in crate::switch) struct Given {
    /// Legs, with how each is shown.
    legs: Vec<(Leg, Caller)>,
    /// They ring until then; `None`: there is one, and it talks.
    ringing: Option<Instant>,
    serving: Option<Serving>,
    /// Ways out that were not tried yet.
    ways: VecDeque<Way>,
}

impl Call {
    /// Whether the dialog of this leg is named so.
    pub(in crate::switch) fn is_named(&self, leg: LegId, replaces: &Replaces) -> bool {
        self.legs().any(|known| known.id == leg && known.is_named(replaces))
    }

    pub(super) fn legs(&self) -> impl Iterator<Item = &Leg> {
        std::iter::once(&self.a).chain(&self.b)
    }

    /// Whether `by`, at this leg, can give the other side of this call away: they talk, or the caller waits for an answer.
    pub(in crate::switch) fn may_join(&self, leg: LegId, by: &Party) -> bool {
        let can = match &self.stage {
            Stage::Talking { b } => leg == self.a.id || leg == *b,
            Stage::Ringing { offer: None, .. } => leg == self.a.id && self.transfer.is_none(),
            Stage::Opening
            | Stage::Answering
            | Stage::Asking(_)
            | Stage::Waiting { .. }
            | Stage::Ringing { .. }
            | Stage::Told { .. }
            | Stage::Echoing { .. }
            | Stage::Parked { .. }
            | Stage::Ending => false,
        };
        can && self.legs().any(|known| known.id == leg && known.party == *by)
    }

    /// Whether its caller was asked for consent: then the conversation, and its recording, is this call's.
    pub(in crate::switch) fn has_asked(&self) -> bool {
        self.cdr.consent.is_some()
    }

    /// Whether two talk.
    pub(in crate::switch) fn talks(&self) -> bool {
        matches!(self.stage, Stage::Talking { .. })
    }

    /// Gives away everybody but `leaving`; this call is over, and `leaving` hears its end.
    pub(in crate::switch) fn hand_over(
        &mut self,
        desk: &mut Desk<'_>,
        leaving: LegId,
        into: CallId,
    ) -> Option<Given> {
        let (legs, ringing) = match self.stage {
            Stage::Talking { b } => {
                let staying = if leaving == self.a.id { b } else { self.a.id };
                (vec![self.step_out(desk, staying)?], None)
            }
            Stage::Ringing { until, .. } => {
                let (called, over): (Vec<Leg>, Vec<Leg>) =
                    std::mem::take(&mut self.b).into_iter().partition(Leg::is_called);
                self.b = over;
                (called, Some(until))
            }
            _ => return None,
        };
        let shown = |leg: Leg| {
            let face = self.face(desk.settings, &leg);
            (leg, face)
        };
        let legs: Vec<(Leg, Caller)> = legs.into_iter().map(shown).collect();
        let serving =
            self.serving.take_if(|serving| legs.iter().any(|(leg, _)| leg.id == serving.leg));
        self.cdr.merged_into = Some(into);
        self.finish(desk, "transferred", None);
        Some(Given { legs, ringing, serving, ways: std::mem::take(&mut self.ways) })
    }

    /// A REFER to the far side of another call, which that one has handed over.
    pub(in crate::switch) fn refer_to_leg(
        &mut self,
        desk: &mut Desk<'_>,
        server: ServerId,
        request: &Message,
        referral: Referral,
        given: Given,
    ) {
        if !self.set_aside(desk, server, request, &referral) {
            return;
        }
        let Referral { leg, by, number, admitted, .. } = referral;
        let before = self.plan.clone();
        let shown = given.legs.first().map(|(_, face)| face.number.as_str().to_owned());
        let number = shown.unwrap_or(number);
        self.transfer = Some(Transfer { leg, by, number, before, hops: self.hops, admitted });
        self.adopt(desk, given);
    }

    /// A REFER to the far side of another call, which is where the conversation goes on: gives away everybody but whoever refers.
    pub(in crate::switch) fn refer_away(
        &mut self,
        desk: &mut Desk<'_>,
        server: ServerId,
        request: &Message,
        referral: &Referral,
        into: CallId,
    ) -> Option<Given> {
        let told = referral.accept(desk, server, request);
        if let (Some(mut told), Some(leg)) = (told, self.leg(referral.leg)) {
            told.tell(desk, leg, Status::of(200));
        }
        self.hand_over(desk, referral.leg, into)
    }

    /// Goes on with what another call has handed over, in the place of `leaving`, who is hung up.
    pub(in crate::switch) fn take_over(
        &mut self,
        desk: &mut Desk<'_>,
        leaving: LegId,
        given: Given,
    ) {
        let Some(mut leg) = self.step_out(desk, leaving) else { return };
        leg.hang_up(desk, None);
        self.served_by(desk, leaving);
        self.b.push(leg);
        let number = given.legs.first().map(|(_, face)| face.number.as_str().to_owned());
        self.cdr.transferred_to = number.map(Redacted::new);
        self.adopt(desk, given);
    }

    /// Legs of another call are legs of this one, which talks to them, or waits for their answer.
    fn adopt(&mut self, desk: &mut Desk<'_>, given: Given) {
        let ringing = given.ringing;
        match (ringing, self.join(desk, given)) {
            (None, Some(leg)) => {
                self.transferred(desk);
                self.converse(desk, leg);
            }
            (Some(until), Some(_)) => {
                self.refusal = None;
                self.stage = Stage::Ringing { until, offer: None };
                self.settle_recording(desk);
                self.ringback(desk);
                self.tell_transferor(desk, Status::of(180));
            }
            (_, None) => {
                self.stage = Stage::Ringing { until: desk.now.instant, offer: None };
                self.not_reached(desk, Status::of(480));
            }
        }
    }

    /// Legs of another call are legs of this one; gives the last of them.
    pub(super) fn join(&mut self, desk: &mut Desk<'_>, given: Given) -> Option<LegId> {
        let Given { legs, ringing: _, serving, ways } = given;
        self.ways = ways;
        let mut last = None;
        let mut serving = serving;
        for (mut leg, face) in legs {
            self.legs += 1;
            let id = LegId(self.legs);
            if let Some(agent) = serving.take_if(|serving| serving.leg == leg.id) {
                self.serving = Some(Serving { leg: id, ..agent });
            }
            leg.move_to(desk, self.id, id);
            self.remember_face((id, face));
            self.b.push(leg);
            last = Some(id);
        }
        last
    }
}

impl Given {
    /// One leg that talks.
    pub(super) fn one(leg: Leg, face: Caller) -> Given {
        Given { legs: vec![(leg, face)], ringing: None, serving: None, ways: VecDeque::new() }
    }
}

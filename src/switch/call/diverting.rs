//! Calls that go elsewhere than to the phones they were for: by the forwarding of the user, by the word of a phone (302), by a group
//! that says who is next. Whoever sends a call on causes it: it takes the routes and rights of that user.

use super::course::{Diversion, Why};
use super::desk::{Desk, News};
use super::leg::{LegId, Party};
use super::{Call, Stage};
use crate::redacted::Redacted;
use crate::switch::forwarding::{Occasion, target};
use crate::switch::number;
use crate::switch::routing::Target;
use crate::switch::settings::Redirects;
use crate::wire::sip::headers::{Contacts, Params};
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::uri::{Scheme, Uri};

/// Contacts of a 3xx that are looked at.
const MOST_CONTACTS: usize = 5;

/// Where a call is to go, for the switch to find the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::switch) enum Elsewhere {
    /// Whatever this number is, dialled by this party.
    Number { by: Party, number: Redacted<String> },
    /// The same, since a carrier has named it instead of what they have dialled.
    LedOn { by: Party, number: Redacted<String> },
    /// There.
    Target(Target),
}

impl Call {
    /// Calls a user: their phones ring, or the call goes where they want it to.
    pub(super) fn call_user(&mut self, desk: &mut Desk<'_>, user: &str) {
        let has_phone = desk.registrar.reachable(user).next().is_some();
        let after = desk.forwarding.of(user).and_then(|forwards| {
            forwards.after.filter(|_| forwards.to.contains_key(&Occasion::NoAnswer))
        });
        let ring = desk.settings.ring;
        let Some(bar) = desk.forwarding.bars(user, has_phone) else {
            return self.ring_user(desk, user, None, after.map_or(ring, |after| after.min(ring)));
        };
        let status = match bar {
            Occasion::Busy => Status::of(486),
            Occasion::Always if self.course.has_been_at(user) => Status::of(482),
            Occasion::Always | Occasion::NoAnswer | Occasion::Unregistered => Status::of(480),
        };
        if !self.forwards(desk, user, bar, status) {
            self.not_reached(desk, status);
        }
    }

    /// The user's phones are all done; `status` is what the caller would get.
    pub(super) fn user_unanswered(&mut self, desk: &mut Desk<'_>, user: &str, status: Status) {
        let occasion = Occasion::of(status);
        if !occasion.is_some_and(|occasion| self.forwards(desk, user, occasion, status)) {
            self.not_reached(desk, status);
        }
    }

    /// Sends the call where the user wants it on that occasion, if they do.
    fn forwards(&mut self, desk: &mut Desk<'_>, user: &str, on: Occasion, status: Status) -> bool {
        let Some(to) = desk.forwarding.number(user, on).cloned() else { return false };
        self.divert(desk, user, Why::Forwarded(on), to, status)
    }

    fn divert(
        &mut self,
        desk: &mut Desk<'_>,
        user: &str,
        why: Why,
        number: Redacted<String>,
        status: Status,
    ) -> bool {
        let goes_on = self.course.divert(Diversion { user: user.to_owned(), why, status });
        if goes_on {
            let by = Party::User(user.to_owned());
            self.goes(desk, Elsewhere::Number { by, number });
        }
        goes_on
    }

    /// The switch finds the way, before anything else happens.
    pub(super) fn goes(&mut self, desk: &mut Desk<'_>, elsewhere: Elsewhere) {
        self.stage = Stage::Ringing { until: desk.now.instant + desk.settings.ring, offer: None };
        desk.news.push(News::Elsewhere { call: self.id, elsewhere });
    }

    /// The way that the switch has found, or why there is none.
    pub(in crate::switch) fn diverted(&mut self, desk: &mut Desk<'_>, way: Result<Target, Status>) {
        if !matches!(self.stage, Stage::Ringing { .. }) {
            return;
        }
        match way {
            Ok(target) => {
                if self.course.last().is_some() {
                    self.a.forwarded(desk);
                }
                self.go_to(desk, target);
            }
            Err(status) => {
                // That somebody may not be called is the business of whoever sent the call there.
                let known = self.course.last().map(|diversion| diversion.status);
                let is_absent = matches!(status.code(), 480 | 486);
                self.not_reached(desk, known.filter(|_| !is_absent).unwrap_or(status));
            }
        }
    }

    /// Where a call that has begun already goes now. Who waits in a queue hears music, and so is answered.
    pub(in crate::switch) fn go_to(&mut self, desk: &mut Desk<'_>, target: Target) {
        let is_queue = matches!(target, Target::Queue(_));
        if let Target::Queue(queue) = &target {
            self.cdr.queue = Some(queue.clone());
        }
        self.plan.target = target;
        if is_queue && self.a.is_unanswered() {
            self.a.answer(desk);
            self.cdr.answered = Some(desk.now.utc);
            self.stage = Stage::Answering;
        } else {
            self.seek(desk);
        }
    }

    /// A phone or gateway names somebody else: whether the call goes there. Then it speaks for the user, and their other phones are
    /// done.
    pub(super) fn redirected(
        &mut self,
        desk: &mut Desk<'_>,
        leg: LegId,
        response: &Message,
    ) -> bool {
        let Stage::Ringing { offer: None, .. } = self.stage else { return false };
        let Some(party) = self.leg(leg).map(|leg| leg.party.clone()) else { return false };
        let policy = match &party {
            Party::User(user) => desk.settings.users.get(user).map(|user| user.redirects),
            Party::Trunk(trunk) => desk.settings.trunks.get(trunk).map(|trunk| trunk.redirects),
        };
        // An agent is never led away, and nobody speaks for a group.
        let is_own = match (&self.plan.target, &party) {
            (Target::User(user), Party::User(theirs)) => user == theirs,
            (Target::Trunk { .. }, Party::Trunk(_)) => true,
            _ => false,
        };
        if policy != Some(Redirects::Follow) || !is_own {
            return false;
        }
        let Some(number) = named(desk, &party, response) else { return false };
        let goes_on = match &party {
            Party::User(user) => self.divert(desk, user, Why::Redirected, number, Status::of(480)),
            Party::Trunk(_) => {
                let goes_on = self.course.lead_on();
                if goes_on {
                    let by = self.causer();
                    self.goes(desk, Elsewhere::LedOn { by, number });
                }
                goes_on
            }
        };
        if goes_on {
            for leg in &mut self.b {
                leg.hang_up(desk, None);
            }
        }
        goes_on
    }

    /// Who causes what is called now: whoever sent the call on last, else the caller.
    pub(super) fn causer(&self) -> Party {
        match self.course.last() {
            Some(diversion) => Party::User(diversion.user.clone()),
            None => self.caller.party.clone(),
        }
    }
}

/// The number that a 3xx names, of several the one it likes best (RFC 3261 §20.10): one of ours, or of a carrier that speaks of itself.
/// A call never goes to the address itself.
fn named(desk: &Desk<'_>, party: &Party, response: &Message) -> Option<Redacted<String>> {
    let Ok(Some(Contacts::List(contacts))) = response.contacts() else { return None };
    let trunk = match party {
        Party::User(_) => None,
        Party::Trunk(trunk) => desk.settings.trunks.get(trunk),
    };
    let is_theirs =
        |uri: &Uri| trunk.is_some_and(|trunk| trunk.gateways.iter().any(|it| it.is_at(uri)));
    let is_known = |uri: &Uri| match uri.scheme() {
        Scheme::Tel => true,
        Scheme::Sip | Scheme::Sips => desk.settings.is_ours(uri) || is_theirs(uri),
        Scheme::Other(_) => false,
    };
    let quality = |params: &Params| {
        params.get("q").and_then(|q| q.parse::<f32>().ok()).map_or(1_000, |q| (q * 1_000.0) as u32)
    };
    let known = contacts.iter().take(MOST_CONTACTS).filter(|contact| is_known(&contact.uri));
    let named = known.filter_map(|contact| {
        let number = target(&number::said(&contact.uri)?).ok()?;
        Some((quality(&contact.params), number))
    });
    // Of equals the first.
    named.rev().max_by_key(|(quality, _)| *quality).map(|(_, number)| number)
}

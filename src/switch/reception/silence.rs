//! Who gets no answer: a source that guesses passwords or has used up its answers, until the gate opens again.

use crate::switch::gate::{Budget, ShutOut};
use crate::switch::log::Fact;
use crate::switch::number;
use crate::switch::settings::Profile;
use crate::switch::trunk::Trunks;
use crate::switch::{Now, Switch};
use crate::wire::flow::Flow;
use crate::wire::sip::endpoint::ServerId;
use crate::wire::sip::message::{Message, Method};
use crate::wire::sip::outgoing::Outgoing;

/// What an attempt at the carriers' door costs: thirty are a whole budget.
const STRANGERS_CALL: u32 = 10;
impl Switch {
    /// Whether this source, or this user from this source, is not answered at present.
    pub(super) fn is_shut_out(&self, now: Now, request: &Message, flow: Flow) -> bool {
        let source = flow.remote.ip();
        let doubted = || {
            let user = self.guard.claimed(request);
            user.is_ok_and(|user| self.gate.doubts_user(now.instant, source, &user))
        };
        let shut = self.gate.is_shut(now.instant, source) || self.gate.doubts(source) && doubted();
        shut && !self.is_urgent(request, flow)
    }

    /// Whether this is an emergency of somebody whose phone is registered from where it comes from.
    fn is_urgent(&self, request: &Message, flow: Flow) -> bool {
        let dialled = request.uri().and_then(number::said).unwrap_or_default();
        let user = request.from().uri.user().unwrap_or_default();
        let bound = self.registrar.of(user);
        request.method() == Some(&Method::Invite)
            && self.settings.emergency.contains(&dialled)
            && bound.iter().any(|it| it.binding.flow.remote.ip() == flow.remote.ip())
    }

    /// Answers a request that has proven nothing, if its source has an answer left.
    pub(super) fn dismiss(
        &mut self,
        now: Now,
        server: ServerId,
        request: &Message,
        flow: Flow,
        response: Outgoing,
    ) {
        let is_call = matches!(request.method(), Some(Method::Invite | Method::Register));
        let cost = match self.settings.listener(flow.listener).profile {
            Profile::External if is_call => STRANGERS_CALL,
            Profile::External | Profile::Internal => 1,
        };
        let source = flow.remote.ip();
        if self.is_trusted(flow) || self.is_urgent(request, flow) {
            return self.endpoint.dismiss(server, response);
        }
        let known = || self.registrar.is_at(source);
        match self.gate.spend(now.instant, source, cost, known) {
            Budget::Enough => self.endpoint.dismiss(server, response),
            Budget::Spent => self.endpoint.ignore(server),
            Budget::Shut(shut) => {
                self.endpoint.ignore(server);
                self.tell_of(shut);
            }
        }
    }

    fn is_trusted(&self, flow: Flow) -> bool {
        self.settings.trusted.iter().any(|network| network.contains(flow.remote))
            || Trunks::of(&self.settings, flow).is_some()
            // Else whoever sends packets in the name of a carrier's server could have it shut out.
            || self.trunks.is_server(&self.settings, flow.remote.ip())
    }

    fn tell_of(&mut self, ShutOut { source, why, span }: ShutOut) {
        self.outbox.log(Fact::Blocked { source, why: why.as_str(), span });
    }

    /// A wrong password, if it answers a question of ours.
    pub(super) fn guessed(&mut self, now: Now, request: &Message, flow: Flow) {
        let source = flow.remote.ip();
        if self.is_trusted(flow) || !self.guard.asked(now.instant, source, request) {
            return;
        }
        let user = self.guard.claimed(request).unwrap_or_default();
        let known = || self.registrar.is_at(source);
        if let Some(shut) = self.gate.guessed(now.instant, source, &user, known) {
            self.tell_of(shut);
        }
    }
}

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
        match self.has_an_answer_left(now, Some(request), flow) {
            true => self.endpoint.dismiss(server, response),
            false => self.endpoint.ignore(server),
        }
    }

    /// The same of one that goes no further; whoever is in a call is always told what is wrong.
    pub(in crate::switch) fn refuse(&mut self, now: Now, response: Outgoing, flow: Flow) {
        let request = response.request_answered();
        let tag = request.and_then(|request| request.to().tag());
        let is_in_call = tag.is_some_and(|tag| self.keys.tags.contains_key(tag));
        if is_in_call || self.has_an_answer_left(now, request, flow) {
            self.endpoint.stateless(flow, response);
        }
    }

    /// Whether what has proven nothing is answered: one answer less for its source. `request`: as far as it could be read.
    fn has_an_answer_left(&mut self, now: Now, request: Option<&Message>, flow: Flow) -> bool {
        let is_urgent = request.is_some_and(|request| self.is_urgent(request, flow));
        if self.is_trusted(flow) || is_urgent {
            return true;
        }
        let method = request.and_then(Message::method);
        let is_call = matches!(method, Some(Method::Invite | Method::Register));
        let cost = match self.settings.listener(flow.listener).profile {
            Profile::External if is_call => STRANGERS_CALL,
            Profile::External | Profile::Internal => 1,
        };
        let source = flow.remote.ip();
        let known = || self.registrar.is_at(source);
        match self.gate.spend(now.instant, source, cost, known) {
            Budget::Enough => true,
            Budget::Spent => false,
            Budget::Shut(shut) => {
                self.tell_of(shut);
                false
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

    /// A wrong password. Only one that answers a question of ours shuts anybody out: others come from who knows where.
    pub(super) fn guessed(&mut self, now: Now, request: &Message, flow: Flow) {
        let source = flow.remote.ip();
        if !self.guard.asked(now.instant, source, request) {
            return self.gate.strayed(now.instant, source);
        }
        if self.is_trusted(flow) {
            return;
        }
        let user = self.guard.claimed(request).unwrap_or_default();
        let known = || self.registrar.is_at(source);
        if let Some(shut) = self.gate.guessed(now.instant, source, &user, known) {
            self.tell_of(shut);
        }
    }
}

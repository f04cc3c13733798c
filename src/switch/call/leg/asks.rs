//! Requests of ours inside a dialog that are no offers: OPTIONS, INFO, PRACK, UPDATE. Each may be challenged, and is sent once more with
//! the proof then.

use super::calling::PRACKS;
use super::{Leg, Outcome, State};
use crate::switch::call::desk::Desk;
use crate::wire::flow::Flow;
use crate::wire::sip::dialog::Dialog;
use crate::wire::sip::endpoint::ClientId;
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::reliable;

/// A request that awaits its answer.
#[derive(Debug)]
pub(super) struct Ask {
    client: ClientId,
    /// The tag of the early dialog it belongs to.
    early: Option<Box<str>>,
    proven: Proven,
    what: Request,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) headers: Vec<(Name, String)>,
    pub(super) body: Option<(String, Vec<u8>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Proven {
    NotAsked,
    /// A challenge was answered; another one is not.
    Once,
}

impl Request {
    pub(super) fn of(method: Method) -> Request {
        Request { method, headers: Vec::new(), body: None }
    }

    pub(super) fn header(mut self, name: Name, value: String) -> Request {
        self.headers.push((name, value));
        self
    }
}

impl Leg {
    /// Sends a request inside the dialog.
    pub(super) fn ask(&mut self, desk: &mut Desk<'_>, what: Request) -> ClientId {
        self.ask_in(desk, None, what, None)
    }

    /// The PRACK of a response (RFC 3262 §4), in the early dialog of that tag if it is of one.
    pub(super) fn acknowledge(
        &mut self,
        desk: &mut Desk<'_>,
        early: Option<Box<str>>,
        rseq: u32,
        response: &Message,
    ) {
        let invite = response.cseq();
        let rack = format!("{rseq} {} {}", invite.number, invite.method);
        self.ask_in(desk, early, Request::of(Method::Prack).header(Name::RAck, rack), None);
    }

    fn ask_in(
        &mut self,
        desk: &mut Desk<'_>,
        early: Option<Box<str>>,
        what: Request,
        proof: Option<(Name, String)>,
    ) -> ClientId {
        let proven = if proof.is_some() { Proven::Once } else { Proven::NotAsked };
        let dialog = self.dialog_of(early.as_deref());
        let mut request = dialog.request(&what.method);
        let (target, flow) = (dialog.target().clone(), dialog.flow());
        for (name, value) in proof.iter().chain(&what.headers) {
            request = request.header(*name, value);
        }
        if let Some((kind, body)) = &what.body {
            request = request.body(kind, body);
        }
        let client = desk.request(self.key(), self.way_to(desk, &target, flow), request);
        self.asks.push(Ask { client, early, proven, what });
        client
    }

    /// The early dialog of that tag, if there is one, else the dialog.
    pub(super) fn dialog_of(&mut self, tag: Option<&str>) -> &mut Dialog {
        if let (Some(tag), State::Calling { forks, .. }) = (tag, &mut self.state)
            && let Some(fork) = forks.iter_mut().find(|fork| fork.is_of(tag))
        {
            return &mut fork.dialog;
        }
        &mut self.dialog
    }

    /// PRACKs that await their answers.
    pub(super) fn acknowledging(&self) -> usize {
        self.asks.iter().filter(|ask| ask.what.method == Method::Prack).count()
    }

    /// What was asked of the far side by this request, which has its answer now.
    pub(super) fn asked(&mut self, client: ClientId) -> Option<Ask> {
        let at = self.asks.iter().position(|ask| ask.client == client)?;
        Some(self.asks.swap_remove(at))
    }

    /// The final answer to a request.
    pub(super) fn told(
        &mut self,
        desk: &mut Desk<'_>,
        ask: Ask,
        response: &Message,
        status: Status,
        flow: Flow,
    ) -> Outcome {
        let Ask { client, early, proven, what } = ask;
        if proven == Proven::NotAsked && matches!(status.code(), 401 | 407) && !self.is_leaving() {
            let (party, attempt) = (self.party.clone(), self.attempt);
            let dialog = self.dialog_of(early.as_deref());
            if let Some(proof) = desk.authorization(&party, attempt, response, &what.method, dialog)
            {
                let again = self.ask_in(desk, early, what, Some(proof));
                self.asked_again(client, again);
                return Outcome::Nothing;
            }
        }
        let is_up = matches!(self.state, State::Up(_));
        match what.method {
            // Whoever did not want it will repeat the response, or give up the INVITE.
            Method::Prack => Outcome::Nothing,
            Method::Update if is_up => self.refreshed(desk, client, response, status, flow),
            _ if is_up => self.replied(desk, client, status),
            _ => Outcome::Nothing,
        }
    }

    /// No answer to a request.
    pub(super) fn untold(&mut self, desk: &mut Desk<'_>, ask: Ask, status: Status) -> Outcome {
        match (&self.state, ask.what.method) {
            (State::Up(_), Method::Update) => {
                self.bye(desk, None);
                Outcome::Lost
            }
            (_, Method::Prack) => Outcome::Nothing,
            (State::Up(_), _) => self.unheard(desk, ask.client, status),
            _ => Outcome::Nothing,
        }
    }

    /// A provisional response to a re-INVITE of ours: acknowledged if it wants to be, in order; an answer in it counts.
    pub(super) fn progressed(&mut self, desk: &mut Desk<'_>, response: &Message) {
        let Some(rseq) = reliable::number_of(response) else { return };
        if self.acknowledging() < PRACKS && self.receiver.is_next(rseq) {
            self.acknowledge(desk, None, rseq, response);
            let answer = response.body_of(super::SDP);
            if let (Some(answer), Some(session)) = (answer, self.session.as_mut())
                && session.conclude(answer).is_ok()
            {
                self.connect(desk);
            }
        }
    }
}

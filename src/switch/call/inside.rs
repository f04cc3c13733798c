//! Requests inside the dialogs of a call; ACK and CANCEL have their own ways.

use super::desk::Desk;
use super::ending::cause;
use super::{Call, LegId, Stage};
use crate::switch::reception::capable;
use crate::switch::subscriptions::{ALLOW_EVENTS, BAD_EVENT};
use crate::wire::flow::Flow;
use crate::wire::sip::endpoint::{ALLOW, ServerId};
use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::outgoing::Outgoing;

impl Call {
    /// A request inside one of the dialogs; ACK and CANCEL have their own ways.
    pub(in crate::switch) fn request(
        &mut self,
        desk: &mut Desk<'_>,
        leg: LegId,
        server: ServerId,
        request: &Message,
        flow: Flow,
    ) {
        let id = self.id;
        let Some(asked) = self.leg(leg).filter(|leg| leg.owns(request)) else {
            return desk
                .endpoint
                .dismiss(server, Outgoing::response(Status::of(481), request, None));
        };
        debug_assert_eq!(asked.call, id, "legs know their call");
        if let Err(status) = asked.accept(request) {
            return desk.endpoint.respond(
                desk.now.instant,
                server,
                Outgoing::response(status, request, None),
            );
        }
        let ok = || Outgoing::response(Status::of(200), request, None);
        let response = match request.method() {
            Some(Method::Bye) => {
                let early = asked.is_unanswered().then_some(Status::of(487));
                let outcome = asked.left(desk);
                desk.endpoint.respond(desk.now.instant, server, ok());
                return self.left(desk, leg, outcome, early);
            }
            Some(Method::Prack) => {
                let response = asked.pracked(desk, request);
                desk.endpoint.respond(desk.now.instant, server, response);
                if let Err(status) = asked.go_on(desk) {
                    self.refuse(desk, status, cause(status));
                }
                return self.settle_hold(desk);
            }
            Some(Method::Invite | Method::Update) => asked.renegotiate(desk, server, request, flow),
            // RFC 6086 §4.2.2: we ask for no package, so none is wanted; keys come without one.
            Some(Method::Info) if request.text(Name::InfoPackage).is_some() => {
                Outgoing::response(Status::of(469), request, None).header(Name::RecvInfo, "")
            }
            Some(Method::Info) => {
                self.informed(desk, leg, request);
                ok()
            }
            Some(Method::Options) => capable(ok(), desk.settings),
            // No dialog is shared (RFC 6665 §4.5.2): a subscription has one of its own.
            Some(Method::Subscribe) => {
                Outgoing::response(BAD_EVENT, request, None).header(Name::AllowEvents, ALLOW_EVENTS)
            }
            Some(
                Method::Ack
                | Method::Cancel
                | Method::Register
                | Method::Notify
                | Method::Refer
                | Method::Message
                | Method::Publish
                | Method::Other(_),
            )
            | None => Outgoing::response(Status::of(405), request, None).header(Name::Allow, ALLOW),
        };
        desk.endpoint.respond(desk.now.instant, server, response);
        self.settle_hold(desk);
    }

    /// INFO: a key while it matters to us, passed on while two talk.
    fn informed(&mut self, desk: &mut Desk<'_>, from: LegId, request: &Message) {
        let (kind, body) = ["application/dtmf-relay", "application/dtmf"]
            .into_iter()
            .find_map(|kind| Some((kind, request.body_of(kind)?)))
            .unwrap_or_default();
        let Some(digit) = digit(body) else { return };
        if let Some(leg) = self.leg(from) {
            leg.pressed_by_info();
        }
        match self.stage {
            Stage::Talking { b } if from == b || from == self.a.id => {
                let to = if from == b { self.a.id } else { b };
                if let Some(leg) = self.leg(to) {
                    leg.inform(desk, kind, body);
                }
            }
            _ => self.pressed(desk, from, digit),
        }
    }
}

/// The key of an INFO body: `Signal=1` lines, or the bare key.
fn digit(body: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(body).ok()?;
    let signal = text.lines().find_map(|line| {
        line.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("signal"))
    });
    let key = signal.map_or(text, |(_, value)| value).trim();
    let mut keys = key.chars();
    let digit =
        keys.next().filter(|key| key.is_ascii_digit() || matches!(key, '*' | '#' | 'A'..='D'))?;
    keys.next().is_none().then_some(digit)
}

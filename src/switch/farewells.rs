//! BYEs of no call's: to whoever was in one when the switch died, and to a fork that answered after another.

use std::collections::BTreeMap;

use super::journal::{CallId, Entry};
use super::outbox::Outbox;
use super::settings::Settings;
use super::{Now, Switch};
use crate::wire::flow::Flow;
use crate::wire::sip::dialog::{Dialog, Remembered};
use crate::wire::sip::endpoint::{ClientId, Endpoint};
use crate::wire::sip::message::{Message, Method};
use crate::wire::sip::uri::Uri;

/// More requests than anybody sends in an early dialog: a gap in CSeq is no error, a number used before is (RFC 3261 §12.2.2).
const SENT_EARLY: u32 = 1_000;

impl Switch {
    /// A 2xx of one more fork, after another had the first word: acknowledged and left (RFC 3261 §13.2.2.4), whether its call still is
    /// or not.
    pub(super) fn leave(&mut self, now: Now, client: ClientId, response: &Message, flow: Flow) {
        let listener = self.settings.listener(flow.listener);
        let contact = Uri::sip(None, listener.advertise);
        let number = response.cseq().number;
        let mut dialog = Dialog::calling(
            response.call_id(),
            response.from().clone(),
            response.to().clone(),
            response.to().uri.clone(),
            Vec::new(),
            flow,
            listener.reach,
            contact,
            // PRACKs may have been sent in it since.
            (number + SENT_EARLY) & 0x7fff_ffff,
        );
        dialog.establish(response, flow);
        self.endpoint.acknowledge(client, dialog.flow(), dialog.ack(number));
        let bye = dialog.request(&Method::Bye);
        self.endpoint.request(now.instant, dialog.flow(), bye);
    }
}

/// BYE to everybody who was in a call when the switch last died (their legs are gone, they should not wait for the time-out).
pub(super) fn farewells(
    now: Now,
    settings: &Settings,
    dialogs: Vec<(CallId, String, Remembered)>,
    endpoint: &mut Endpoint,
    outbox: &mut Outbox,
) -> BTreeMap<ClientId, String> {
    let mut farewells = BTreeMap::new();
    for (_, local_tag, remembered) in dialogs {
        let listener = settings.listeners.get(usize::from(remembered.flow.listener.0));
        let contact = listener.map(|listener| Uri::sip(None, listener.advertise));
        match contact.and_then(|contact| Dialog::recalled(&remembered, contact)) {
            Some(mut dialog) => {
                let bye = dialog.request(&Method::Bye);
                farewells.insert(endpoint.request(now.instant, dialog.flow(), bye), local_tag);
            }
            None => {
                outbox.store(Entry::DialogDown { local_tag });
            }
        }
    }
    farewells
}

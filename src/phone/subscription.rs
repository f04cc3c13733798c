//! What the phone has subscribed to: RFC 6665 as the subscriber.

use std::time::{Duration, Instant};

use super::message::{Challenge, authorization};
use super::{Identity, Phone, Received};

/// A subscription, as the phone believes in it.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The Event header.
    pub event: String,
    /// Whose.
    pub name: String,
    call_id: String,
    local: String,
    /// With their tag, once it is known.
    remote: String,
    target: String,
    cseq: u32,
    asked: u64,
    /// From and CSeq of their last NOTIFY.
    heard: Option<(String, u32)>,
    /// The last NOTIFY.
    pub told: Option<Received>,
    /// Until then, if it was granted and is not over.
    pub until: Option<Instant>,
}

impl Subscription {
    /// The switch's tag, if it is known.
    pub fn far_tag(&self) -> Option<&str> {
        self.remote.split_once(";tag=").map(|(_, tag)| tag)
    }
}

impl Phone {
    /// SUBSCRIBE to an event of somebody's for so many seconds, in a new dialog.
    pub fn subscribe(&mut self, now: Instant, event: &str, name: &str, expires: u64) {
        let Identity { user, domain, .. } = self.identity.clone();
        let remote = format!("<sip:{name}@{domain}>");
        let subscription = Subscription {
            event: event.to_owned(),
            name: name.to_owned(),
            call_id: self.number(),
            local: format!("<sip:{user}@{domain}>;tag={}", self.number()),
            target: format!("sip:{name}@{domain}"),
            remote,
            cseq: 0,
            asked: expires,
            heard: None,
            told: None,
            until: None,
        };
        self.subscriptions.push(subscription);
        self.send_subscribe(now, self.subscriptions.len() - 1, None);
    }

    /// SUBSCRIBE again in the dialog of the last subscription of that name; zero ends it.
    pub fn resubscribe(&mut self, now: Instant, name: &str, expires: u64) {
        let of_name = |subscription: &Subscription| subscription.name == name;
        if let Some(place) = self.subscriptions.iter().rposition(of_name) {
            self.subscriptions[place].asked = expires;
            self.send_subscribe(now, place, None);
        }
    }

    /// All of them, the oldest first.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// As after a power cut: it knows of no subscription.
    pub fn forget_subscriptions(&mut self) {
        self.subscriptions.clear();
    }

    /// How it answers a NOTIFY of theirs from now on; not at all if `None`.
    pub fn answer_notify(&mut self, status: Option<u16>) {
        self.notified = status;
    }

    fn send_subscribe(&mut self, now: Instant, place: usize, challenge: Option<&Challenge>) {
        let Identity { user, password, .. } = self.identity.clone();
        let contact = self.contact();
        let Some(subscription) = self.subscriptions.get_mut(place) else { return };
        subscription.cseq += 1;
        let Subscription { event, call_id, local, remote, target, cseq, asked, .. } =
            subscription.clone();
        let proof = challenge
            .map(|challenge| authorization(challenge, "SUBSCRIBE", &target, &user, &password))
            .unwrap_or_default();
        let headers = format!(
            "From: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} SUBSCRIBE\r\n{contact}\
             Event: {event}\r\nExpires: {asked}\r\n{proof}"
        );
        let key = (call_id, cseq, "SUBSCRIBE".to_owned());
        self.request(now, "SUBSCRIBE", &target, &headers, None, Some(key));
    }

    /// An answer to a SUBSCRIBE.
    pub(super) fn subscribed(&mut self, now: Instant, response: &Received, status: u16) {
        let same = |one: &Subscription| one.call_id == response.header("Call-ID");
        let Some(place) = self.subscriptions.iter().position(same) else { return };
        let subscription = &mut self.subscriptions[place];
        if response.cseq() != subscription.cseq {
            return;
        }
        match status {
            200..=299 => {
                subscription.remote = response.header("To").to_owned();
                subscription.target = response.contact();
                let granted = response.header("Expires").parse().unwrap_or_default();
                let is_over = granted == 0;
                subscription.until = (!is_over).then(|| now + Duration::from_secs(granted));
            }
            401 | 407 => {
                if let Some(challenge) = response.challenge() {
                    self.send_subscribe(now, place, Some(&challenge));
                }
            }
            // It is gone, or was never granted; a refusal of a refresh leaves it as it was (RFC 6665 §4.1.2.2).
            481 => subscription.until = None,
            _ => {}
        }
    }

    /// A NOTIFY: of a subscription of ours it is taken and answered, of none it is a 481 (RFC 6665 §4.1.3).
    pub(super) fn notified(&mut self, now: Instant, notify: &Received) {
        // Of a transfer: it is the call's.
        if notify.header("Event").starts_with("refer") {
            if self.manners.polite {
                self.respond(now, notify, 200, "OK", None);
            }
            return;
        }
        let Some(status) = self.notified else { return };
        let mine = |one: &&mut Subscription| {
            one.call_id == notify.header("Call-ID") && one.local == notify.header("To")
        };
        let Some(one) = self.subscriptions.iter_mut().find(mine).filter(|_| status != 481) else {
            return self.respond(now, notify, 481, "Subscription Does Not Exist", None);
        };
        // Another tag is another dialog, with numbers of its own (RFC 6665 §4.4.1).
        let from = notify.header("From");
        if one.heard.as_ref().is_some_and(|(who, last)| who == from && notify.cseq() <= *last) {
            return self.respond(now, notify, 500, "CSeq Out Of Order", None);
        }
        one.heard = Some((from.to_owned(), notify.cseq()));
        one.told = Some(notify.clone());
        if notify.header("Subscription-State").starts_with("terminated") {
            one.until = None;
        }
        let phrase = if status == 200 { "OK" } else { "No" };
        self.respond(now, notify, status, phrase, None);
    }
}

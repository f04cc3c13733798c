//! What a transferor is told of the transfer it asked for: the subscription that a REFER implies, inside its dialog (RFC 3515 §2.4.4
//! to §2.4.7, RFC 6665 §4.2.2).

use std::time::{Duration, Instant};

use super::{Leg, Party, State};
use crate::media::PortId;
use crate::switch::call::LegId;
use crate::switch::call::desk::{Desk, News};
use crate::switch::journal::CallId;
use crate::wire::sip::dialog::Dialog;
use crate::wire::sip::endpoint::ClientId;
use crate::wire::sip::headers::{Name, Replaces};
use crate::wire::sip::message::{Method, Status};

/// Longer than any phone rings, so that the end of a transfer ends its subscription and not time.
const LIFE: Duration = Duration::from_secs(660);

/// The body of a NOTIFY: the status line of what the transfer came to (RFC 3515 §2.4.5).
const FRAGMENT: &str = "message/sipfrag;version=2.0";

/// See the module.
#[derive(Debug)]
pub(in crate::switch::call) struct Subscription {
    /// The CSeq of the REFER: tells several in one dialog apart.
    id: u32,
    until: Instant,
    /// What was told last.
    told: Option<Status>,
    /// The NOTIFY that has no final answer yet.
    asked: Option<ClientId>,
    is_over: bool,
}

impl Subscription {
    /// To the REFER of that CSeq.
    pub(in crate::switch::call) fn new(now: Instant, id: u32) -> Subscription {
        Subscription { id, until: now + LIFE, told: None, asked: None, is_over: false }
    }

    /// Nothing more is told.
    pub(in crate::switch::call) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Tells `leg` what has come of it so far, once; a final status ends the subscription. The BYE of a transferor does not
    /// (RFC 5057 §4.2).
    pub(in crate::switch::call) fn tell(
        &mut self,
        desk: &mut Desk<'_>,
        leg: &mut Leg,
        status: Status,
    ) {
        if self.is_over || self.told == Some(status) {
            return;
        }
        self.told = Some(status);
        self.is_over = !status.is_provisional();
        let left = self.until.saturating_duration_since(desk.now.instant).as_secs();
        let request = leg
            .dialog
            .request(&Method::Notify)
            .header(Name::Event, format_args!("refer;id={}", self.id));
        let request = match self.is_over {
            true => request.header(Name::SubscriptionState, "terminated;reason=noresource"),
            false => request.header(Name::SubscriptionState, format_args!("active;expires={left}")),
        };
        let line = format!("SIP/2.0 {} {}\r\n", status.code(), status.reason());
        let request = request.body(FRAGMENT, line.as_bytes());
        self.asked = Some(desk.request(leg.key(), leg.way(desk), request));
    }

    /// A NOTIFY was answered finally, or not at all; whoever does not want to know is not told any more (RFC 6665 §4.2.2).
    pub(in crate::switch::call) fn answered(&mut self, client: ClientId, status: Status) {
        if self.asked == Some(client) && !status.is_provisional() {
            self.asked = None;
            self.is_over |= !status.is_success();
        }
    }
}

impl Leg {
    /// The dialog is confirmed, and not about to end.
    pub(in crate::switch::call) fn is_confirmed(&self) -> bool {
        matches!(self.state, State::Answered { .. } | State::Up(_)) && !self.is_leaving()
    }

    /// We have called it, and it has not answered yet.
    pub(in crate::switch::call) fn is_called(&self) -> bool {
        matches!(self.state, State::Opening | State::Calling { .. })
    }

    /// Whether this is the dialog that is named so.
    pub(in crate::switch::call) fn is_named(&self, replaces: &Replaces) -> bool {
        let is_it = |dialog: &Dialog| {
            let id = dialog.id();
            id.call_id == replaces.call_id
                && id.local_tag == replaces.to_tag
                && id.remote_tag.as_deref() == Some(&*replaces.from_tag)
        };
        let forks = match &self.state {
            State::Calling { forks, .. } => forks.as_slice(),
            _ => &[],
        };
        is_it(&self.dialog) || forks.iter().any(|fork| is_it(&fork.dialog))
    }

    /// It goes on in another call, under another number; whatever is under way follows it.
    pub(in crate::switch::call) fn move_to(
        &mut self,
        desk: &mut Desk<'_>,
        call: CallId,
        id: LegId,
    ) {
        let port: PortId = self.port;
        desk.keys.moved(self.key(), (call, id), port, &self.tag);
        if self.shown.take().is_some()
            && let Party::User(user) = &self.party
        {
            desk.news.push(News::Moved { user: user.clone(), from: self.key() });
        }
        (self.call, self.id) = (call, id);
        if self.remembered {
            self.remember(desk);
        }
    }
}

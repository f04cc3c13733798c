//! Whether a far side that owes us no audio is still there: OPTIONS inside the dialog (RFC 3261 §11, §12.2.1.2). Who owes us audio is
//! watched by the media port; a held call has nobody who does, and would outlive both its phones. A leg with a session timer
//! ([`super::refresh`]) is refreshed instead: nobody is asked twice.

use std::time::{Duration, Instant};

use super::asks::Request;
use super::refresh::Refresh;
use super::{Leg, Outcome, State};
use crate::switch::call::desk::Desk;
use crate::wire::sdp::negotiation::Direction;
use crate::wire::sip::endpoint::ClientId;
use crate::wire::sip::message::{Method, Status};

/// Between two questions: a call that is held by nobody any more ends within four minutes, and a phone that sleeps is seldom woken.
const EVERY: Duration = Duration::from_secs(180);

/// How we know of the far side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Presence {
    /// By its audio.
    Heard,
    /// It may be silent: to be asked then.
    Silent { ask: Instant },
    /// It has been asked.
    Asked { client: ClientId },
}

impl Presence {
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Presence::Silent { ask } => Some(ask),
            Presence::Heard | Presence::Asked { .. } => None,
        }
    }
}

impl Leg {
    /// Whether silence of the far side means that it is gone. A side that holds, or is held, may be silent.
    pub(in crate::switch::call) fn owes_audio(&self) -> bool {
        self.agreed()
            .is_some_and(|agreed| agreed.rtp.is_some() && agreed.direction == Direction::SendRecv)
    }

    /// To be called whenever something was agreed and when the leg comes up.
    pub(super) fn look_after(&mut self, desk: &Desk<'_>) {
        let may_be_silent =
            self.state.is_up() && !self.owes_audio() && self.refresh == Refresh::Off;
        self.presence = match (may_be_silent, self.presence) {
            (false, _) => Presence::Heard,
            (true, Presence::Heard) => Presence::Silent { ask: desk.now.instant + EVERY },
            (true, asking) => asking,
        };
    }

    /// Asks, if it is time.
    pub(super) fn ask_after(&mut self, desk: &mut Desk<'_>) {
        if self.state.is_up() && self.presence.deadline().is_some_and(|ask| ask <= desk.now.instant)
        {
            let client = self.ask(desk, Request::of(Method::Options));
            self.presence = Presence::Asked { client };
        }
    }

    /// The final answer to an INFO or OPTIONS of ours: 481 and 408 mean that the far side knows nothing of the dialog any more, any
    /// other that it is there.
    pub(super) fn replied(
        &mut self,
        desk: &mut Desk<'_>,
        client: ClientId,
        status: Status,
    ) -> Outcome {
        if matches!(status.code(), 408 | 481) {
            self.bye(desk, None);
            return Outcome::Lost;
        }
        if self.presence == (Presence::Asked { client }) {
            self.presence = Presence::Silent { ask: desk.now.instant + EVERY };
        }
        Outcome::Nothing
    }

    /// No answer to an INFO or OPTIONS of ours. A key that did not get through an open connection is no end of the call: audio is.
    pub(super) fn unheard(
        &mut self,
        desk: &mut Desk<'_>,
        client: ClientId,
        status: Status,
    ) -> Outcome {
        if status.code() == 408 || self.presence == (Presence::Asked { client }) {
            self.bye(desk, None);
            return Outcome::Lost;
        }
        Outcome::Nothing
    }
}

impl State {
    fn is_up(&self) -> bool {
        matches!(self, State::Up(_))
    }
}

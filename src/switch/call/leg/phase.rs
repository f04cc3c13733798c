//! How far a leg has come as its phone sees it: what lamps show (RFC 4235 §3.7.1).

use super::{Leg, Party, State, Then};
use crate::switch::subscriptions::{Phase, Side};
use crate::wire::sip::dialog::DialogId;

impl Leg {
    /// `None` before it rings at whom we call, so that a lamp's first change is that it rings, and once it is over for us.
    pub(in crate::switch::call) fn phase(&self) -> Option<Phase> {
        match &self.state {
            State::Invited { .. } | State::Calling { .. } if self.rang => Some(Phase::Early),
            State::Invited { .. } => Some(Phase::Trying),
            State::Answered { then: Then::Up, .. } | State::Up(_) if self.holds() => {
                Some(Phase::Held)
            }
            State::Answered { then: Then::Up, .. } | State::Up(_) => Some(Phase::Confirmed),
            State::Answered { then: Then::Bye, .. }
            | State::Opening
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Leaving { .. }
            | State::Gone => None,
        }
    }

    /// Whether that is another phase than when it was asked last.
    pub(in crate::switch::call) fn has_turned(&mut self) -> bool {
        let phase = self.phase();
        std::mem::replace(&mut self.shown, phase) != phase
    }

    /// The user whose leg it is.
    pub(in crate::switch::call) fn user(&self) -> Option<&str> {
        match &self.party {
            Party::User(user) => Some(user),
            Party::Trunk(_) => None,
        }
    }

    /// Who began its dialog, as its phone sees it.
    pub(in crate::switch::call) fn side(&self) -> Side {
        if self.is_ours { Side::Recipient } else { Side::Initiator }
    }

    /// Its dialog; of several early ones, that which spoke last.
    pub(in crate::switch::call) fn dialog_id(&self) -> DialogId {
        match &self.state {
            State::Calling { forks, .. } => forks.last().map_or(&self.dialog, |fork| &fork.dialog),
            _ => &self.dialog,
        }
        .id()
    }
}

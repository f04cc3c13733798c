//! Who calls, proven by digest or by source address.

use super::leg::Party;
use crate::redacted::Redacted;
use crate::switch::identity::Presentation;
use crate::switch::number::Number;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::switch) struct Caller {
    pub(in crate::switch) party: Party,
    /// The number to show.
    pub(in crate::switch) number: Number,
    /// Of somebody who withholds it, for our own record: then `number` is anonymous.
    pub(in crate::switch) kept: Option<Number>,
    /// The name to show.
    pub(in crate::switch) name: Option<Redacted<String>>,
}

impl Caller {
    /// The number as we know it, which is not for everybody.
    pub(in crate::switch) fn known(&self) -> &Number {
        self.kept.as_ref().unwrap_or(&self.number)
    }

    /// The number that routes are for: a user is who they are, and a carrier's caller who withholds it is anonymous.
    pub(in crate::switch) fn routed(&self) -> &Number {
        match self.party {
            Party::User(_) => self.known(),
            Party::Trunk(_) => &self.number,
        }
    }

    pub(super) fn presentation(&self) -> Presentation {
        if self.number.is_anonymous() { Presentation::Withheld } else { Presentation::Shown }
    }
}

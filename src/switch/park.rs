//! The car park of calls: which slot holds which call.

use std::collections::BTreeMap;

use super::journal::CallId;
use super::settings::Park;

/// Every slot that is taken.
#[derive(Debug, Default)]
pub(super) struct Parking {
    slots: BTreeMap<u32, CallId>,
}

impl Parking {
    /// Takes this slot, or the first that is free; gives its number.
    pub(super) fn take(&mut self, park: &Park, slot: Option<u32>, call: CallId) -> Option<u32> {
        let free = match slot {
            Some(slot) => self.is_free(slot).then_some(slot),
            None => park.slots.clone().find(|slot| self.is_free(*slot)),
        }?;
        self.slots.insert(free, call);
        Some(free)
    }

    fn is_free(&self, slot: u32) -> bool {
        !self.slots.contains_key(&slot)
    }

    /// The slot is free again.
    pub(super) fn leave(&mut self, slot: u32) {
        self.slots.remove(&slot);
    }

    /// The call in that slot.
    pub(super) fn at(&self, slot: u32) -> Option<CallId> {
        self.slots.get(&slot).copied()
    }

    /// Slots taken.
    pub(super) fn taken(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_slot_holds_one_call_and_the_next_one_takes_the_first_that_is_free() {
        let timeout = Duration::from_secs(120);
        let park = Park { extension: "700".into(), slots: 701..=703, timeout };
        let mut parking = Parking::default();
        assert_eq!(parking.take(&park, Some(702), CallId(1)), Some(702));
        assert_eq!(parking.take(&park, Some(702), CallId(2)), None);
        assert_eq!(parking.take(&park, None, CallId(2)), Some(701));
        assert_eq!(parking.take(&park, None, CallId(3)), Some(703));
        assert_eq!(parking.take(&park, None, CallId(4)), None);
        parking.leave(701);
        assert_eq!(parking.at(701), None);
        assert_eq!(parking.take(&park, None, CallId(4)), Some(701));
        assert_eq!((parking.at(701), parking.taken()), (Some(CallId(4)), 3));
    }
}

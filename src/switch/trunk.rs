//! Trunks: who calls from where, and how many at once.

use std::collections::BTreeMap;

use super::control::TrunkRow;
use super::settings::{Proof, Settings, Trunk};
use crate::wire::flow::Flow;

/// The calls of every trunk.
#[derive(Debug, Default)]
pub(super) struct Trunks {
    calls: BTreeMap<String, usize>,
}

impl Trunks {
    /// The trunk that calls by `flow`: the one whose certificate it has proven, then the one that names its address most closely.
    pub(super) fn of(settings: &Settings, flow: Flow) -> Option<&Trunk> {
        settings
            .trunks
            .values()
            .filter_map(|trunk| {
                let closest = trunk
                    .from
                    .iter()
                    .filter(|from| from.contains(flow.remote))
                    .map(|from| (from.port.is_some(), from.bits))
                    .max();
                let is_proven = trunk.peer.is_some() && trunk.peer == flow.peer;
                let is_it = match trunk.proof {
                    Proof::Address => closest.is_some(),
                    Proof::Certificate => is_proven,
                    Proof::Both => closest.is_some() && is_proven,
                };
                is_it.then_some(((trunk.proof != Proof::Address, closest), trunk))
            })
            .max_by_key(|(closest, _)| *closest)
            .map(|(_, trunk)| trunk)
    }

    /// Takes a place for one more call; `false` if none is left.
    pub(super) fn take(&mut self, trunk: &Trunk) -> bool {
        let calls = self.calls.entry(trunk.name.clone()).or_default();
        let room = *calls < trunk.channels;
        *calls += usize::from(room);
        room
    }

    /// Takes a place whether there is one or not: for an emergency.
    pub(super) fn take_anyway(&mut self, trunk: &Trunk) {
        *self.calls.entry(trunk.name.clone()).or_default() += 1;
    }

    /// Gives a place back.
    pub(super) fn give_back(&mut self, trunk: &str) {
        if let Some(calls) = self.calls.get_mut(trunk) {
            *calls = calls.checked_sub(1).expect("a place was taken before it is given back");
        }
    }

    /// Places taken, of all trunks.
    pub(super) fn taken(&self) -> usize {
        self.calls.values().sum()
    }

    pub(super) fn rows(&self, settings: &Settings) -> Vec<TrunkRow> {
        settings
            .trunks
            .values()
            .map(|trunk| TrunkRow {
                trunk: trunk.name.clone(),
                gateway: trunk.gateway.as_ref().map(|gateway| gateway.address.to_string()),
                calls: self.calls.get(&trunk.name).copied().unwrap_or(0),
                channels: trunk.channels,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::office;
    use crate::switch::settings::Source;

    fn trunk(name: &str, from: &[(&str, u8, Option<u16>)]) -> (String, Trunk) {
        let source = |&(address, bits, port): &(&str, u8, Option<u16>)| Source {
            address: address.parse().expect("an address"),
            bits,
            port,
        };
        let from = from.iter().map(source).collect();
        let north = office::settings().trunks["north"].clone();
        (name.to_owned(), Trunk { name: name.into(), from, ..north })
    }

    fn whose(settings: &Settings, source: &str) -> Option<String> {
        Trunks::of(settings, office::flow(1, source)).map(|trunk| trunk.name.clone())
    }

    #[test]
    fn a_caller_is_of_the_trunk_that_names_its_address_most_closely() {
        let mut settings = office::settings();
        settings.trunks = [
            trunk("wide", &[("192.0.2.0", 24, None), ("2001:db8::", 32, None)]),
            trunk("host", &[("192.0.2.9", 32, None)]),
            trunk("port", &[("192.0.2.0", 24, Some(5070))]),
        ]
        .into();
        assert_eq!(whose(&settings, "192.0.2.8:5060").as_deref(), Some("wide"));
        assert_eq!(whose(&settings, "192.0.2.9:5060").as_deref(), Some("host"));
        assert_eq!(whose(&settings, "192.0.2.9:5070").as_deref(), Some("port"));
        assert_eq!(whose(&settings, "[2001:db8::7]:5060").as_deref(), Some("wide"));
        for stranger in ["192.0.3.9:5060", "[2001:db9::7]:5060", "[::1]:5070"] {
            assert_eq!(whose(&settings, stranger), None, "{stranger}");
        }
    }

    #[test]
    fn a_place_given_back_can_be_taken_again() {
        let settings = office::settings();
        let north = &settings.trunks["north"];
        let mut trunks = Trunks::default();
        assert!(trunks.take(north) && trunks.take(north));
        assert!(!trunks.take(north), "there are two");
        assert_eq!(trunks.rows(&settings)[0].calls, 2);
        trunks.give_back("north");
        assert!(trunks.take(north));
        assert!(!trunks.take(north), "a refusal takes none");
        trunks.give_back("north");
        trunks.give_back("north");
        assert_eq!(trunks.rows(&settings)[0].calls, 0);
    }

    #[test]
    fn the_places_of_one_trunk_are_not_anothers() {
        let mut settings = office::settings();
        settings.trunks.extend([trunk("south", &[])]);
        let mut trunks = Trunks::default();
        assert!(trunks.take(&settings.trunks["north"]) && trunks.take(&settings.trunks["north"]));
        assert!(trunks.take(&settings.trunks["south"]));
        let calls: Vec<usize> = trunks.rows(&settings).iter().map(|row| row.calls).collect();
        assert_eq!(calls, [2, 1]);
    }
}

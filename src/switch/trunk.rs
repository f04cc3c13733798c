//! Trunks: who calls from where, and how many at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::control::TrunkRow;
use super::settings::{Settings, Trunk};

/// The calls of every trunk.
#[derive(Debug, Default)]
pub(super) struct Trunks {
    calls: BTreeMap<String, usize>,
}

impl Trunks {
    /// The trunk that calls from `source`: the one that names it most closely.
    pub(super) fn of(settings: &Settings, source: SocketAddr) -> Option<&Trunk> {
        settings
            .trunks
            .values()
            .filter_map(|trunk| {
                let closest = trunk
                    .from
                    .iter()
                    .filter(|from| from.contains(source))
                    .map(|from| (from.port.is_some(), from.bits))
                    .max()?;
                Some((closest, trunk))
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

//! Trunks as the admin sees them.

use super::{Standing, Trunks, gateways};
use crate::switch::Now;
use crate::switch::control::{GatewayRow, TargetRow, TrunkRow};
use crate::switch::settings::{Settings, Trunk};
use crate::wire::sip::locating::{Finding, Target};

impl Trunks {
    /// Every trunk, or the one of that name.
    pub(in crate::switch) fn rows(
        &self,
        now: Now,
        settings: &Settings,
        only: Option<&str>,
    ) -> Vec<TrunkRow> {
        let wanted = |trunk: &&Trunk| only.is_none_or(|only| only == trunk.name);
        let row = |trunk: &Trunk| TrunkRow {
            trunk: trunk.name.clone(),
            gateway: trunk.gateways.first().map(|gateway| gateway.place.to_string()),
            calls: self.calls.get(&trunk.name).copied().unwrap_or(0),
            channels: trunk.channels,
            gateways: self.gateway_rows(now, settings, trunk),
        };
        settings.trunks.values().filter(wanted).map(row).collect()
    }

    fn gateway_rows(&self, now: Now, settings: &Settings, trunk: &Trunk) -> Vec<GatewayRow> {
        let own = gateways(settings).filter(|((name, _), _)| *name == trunk.name);
        own.map(|(key, gateway)| {
            let registration = self.registrations.get(&key);
            let binding = registration.and_then(|registration| registration.binding(now.instant));
            let trouble = registration.and_then(|registration| registration.trouble());
            let name = match self.locator.finding(&gateway.place) {
                Finding::Found(_) => None,
                Finding::Open(_) => Some("its name is being looked up".to_owned()),
                Finding::Nowhere => Some("its name leads nowhere".to_owned()),
            };
            GatewayRow {
                gateway: gateway.place.to_string(),
                targets: self.targets(gateway).map(|target| self.target_row(now, target)).collect(),
                registered: registration.map(|_| binding.is_some()),
                registered_at: binding.map(|binding| binding.target.address.to_string()),
                registered_until: binding.map(|binding| {
                    now.utc.after(binding.until.saturating_duration_since(now.instant)).to_string()
                }),
                trouble: name.or(trouble.map(|trouble| trouble.to_string())),
            }
        })
        .collect()
    }

    fn target_row(&self, now: Now, target: Target) -> TargetRow {
        let until = |at: std::time::Instant| {
            Some(now.utc.after(at.saturating_duration_since(now.instant)).to_string())
        };
        let (state, until) = match self.rests.standing(now.instant, target) {
            Standing::Up => ("up", None),
            Standing::Down(at) => ("down", until(at)),
            Standing::Shut(at) => ("overloaded", until(at)),
        };
        TargetRow {
            address: target.address.to_string(),
            transport: target.transport.word().to_owned(),
            state: state.to_owned(),
            until,
        }
    }
}

//! Whether a gateway's targets are there: OPTIONS now and then (RFC 3261 §11), where its file says how often.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Errand, GatewayKey, Means, flow_to, request};
use crate::switch::settings::Gateway;
use crate::wire::sip::endpoint::ClientId;
use crate::wire::sip::headers::{Address, Name};
use crate::wire::sip::locating::Target;
use crate::wire::sip::message::{Method, Status};
use crate::wire::sip::uri::Uri;

/// A target that leaves so many in a row unanswered is down.
const MISSES: u32 = 2;
/// One that left the last unanswered is asked again as soon as this.
const SOON: Duration = Duration::from_secs(5);

/// One target of one gateway.
pub(super) type ProbeKey = (GatewayKey, Target);

/// Every target that is asked.
#[derive(Debug, Default)]
pub(super) struct Probes(BTreeMap<ProbeKey, Probe>);

#[derive(Debug)]
struct Probe {
    misses: u32,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// To be asked then.
    Waiting { at: Instant },
    /// It has been; no answer by then is a miss.
    Asked { client: ClientId, give_up: Instant },
}

/// What an answer, or its absence, says of a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Alive,
    Dead,
    /// Once is no proof.
    Unsure,
}

impl Probes {
    /// A gateway has these targets from now on.
    pub(super) fn set(&mut self, means: &mut Means<'_>, key: &GatewayKey, targets: &[Target]) {
        let endpoint = &mut means.endpoint;
        self.0.retain(|(gateway, target), probe| {
            let stays = gateway != key || targets.contains(target);
            if let (false, State::Asked { client, .. }) = (stays, probe.state) {
                endpoint.abandon(client);
            }
            stays
        });
        for target in targets {
            self.0.entry((key.clone(), *target)).or_insert_with(|| {
                // Not all at once.
                let soon = Duration::from_millis(u64::from(means.ids.word() % 1_000));
                Probe { misses: 0, state: State::Waiting { at: means.now.instant + soon } }
            });
        }
    }

    /// Nobody is asked any more.
    pub(super) fn end(&mut self, means: &mut Means<'_>) {
        for probe in std::mem::take(&mut self.0).into_values() {
            if let State::Asked { client, .. } = probe.state {
                means.endpoint.abandon(client);
            }
        }
    }

    pub(super) fn has(&self, key: &ProbeKey) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = |probe: &Probe| match probe.state {
            State::Waiting { at } => at,
            State::Asked { give_up, .. } => give_up,
        };
        self.0.values().map(due).min()
    }

    /// Those that are due: to be asked, or to be missed.
    pub(super) fn due(&self, now: Instant) -> Vec<ProbeKey> {
        let is_due = |probe: &Probe| match probe.state {
            State::Waiting { at } => at <= now,
            State::Asked { give_up, .. } => give_up <= now,
        };
        let due = self.0.iter().filter(|(_, probe)| is_due(probe));
        due.map(|(key, _)| key.clone()).collect()
    }

    /// Its time has come: asks, or notes a miss.
    pub(super) fn timeout(
        &mut self,
        means: &mut Means<'_>,
        key: &ProbeKey,
        gateway: &Gateway,
        every: Duration,
    ) -> (Verdict, Option<(ClientId, Errand)>) {
        let Some(probe) = self.0.get_mut(key) else { return (Verdict::Unsure, None) };
        if let State::Asked { client, .. } = probe.state {
            means.endpoint.abandon(client);
            return (probe.missed(means, every), None);
        }
        let Some(client) = asked(means, gateway, key) else {
            return (probe.missed(means, every), None);
        };
        probe.state = State::Asked { client, give_up: means.now.instant + gateway.timeout };
        (Verdict::Unsure, Some((client, Errand::Probe(key.clone()))))
    }

    /// An answer came, or that there will be none. Whoever answers is there, but for one that says it cannot serve.
    pub(super) fn answered(
        &mut self,
        means: &mut Means<'_>,
        key: &ProbeKey,
        status: Status,
        every: Duration,
    ) -> Verdict {
        let Some(probe) = self.0.get_mut(key) else { return Verdict::Unsure };
        if matches!(status.code(), 408 | 503) {
            return probe.missed(means, every);
        }
        probe.misses = 0;
        probe.state = State::Waiting { at: means.now.instant + jittered(means, every) };
        Verdict::Alive
    }
}

impl Probe {
    fn missed(&mut self, means: &mut Means<'_>, every: Duration) -> Verdict {
        self.misses = self.misses.saturating_add(1);
        let span = if self.misses < MISSES { every.min(SOON) } else { every };
        self.state = State::Waiting { at: means.now.instant + jittered(means, span) };
        if self.misses >= MISSES { Verdict::Dead } else { Verdict::Unsure }
    }
}

/// Up to a tenth less, so that questions do not stay together.
fn jittered(means: &mut Means<'_>, span: Duration) -> Duration {
    span - span / 1_000 * (means.ids.word() % 100)
}

fn asked(means: &mut Means<'_>, gateway: &Gateway, key: &ProbeKey) -> Option<ClientId> {
    let ((trunk, _), target) = key;
    let flow = flow_to(means.settings, trunk, *target)?;
    let own = Uri::sip(Some("tonspur"), means.settings.listener(flow.listener).advertise);
    let to = gateway.uri(None);
    let call = (&*means.ids.call_id(), 1);
    let from = Address::new(own.clone()).tagged(&means.ids.tag());
    let request = request(&Method::Options, &to, &from, &Address::new(to.clone()), call)
        .header(Name::Contact, Address::new(own))
        .header(Name::Accept, "application/sdp");
    Some(means.endpoint.request(means.now.instant, flow, request))
}

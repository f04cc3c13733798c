//! The servers of a trunk's gateways, in the order in which one call tries them.

use std::collections::VecDeque;
use std::time::Instant;

use super::Trunks;
use super::rest::Standing;
use crate::switch::settings::{Gateway, Trunk};
use crate::wire::sip::ids::Ids;
use crate::wire::sip::locating::{Finding, Target, drawn, ordered};

/// A call tries so many targets at most.
const MOST: usize = 8;

/// One of them: a target of a gateway, by its place in the trunk's list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::switch) struct Attempt {
    pub(in crate::switch) gateway: usize,
    pub(in crate::switch) target: Target,
}

/// See the module.
#[derive(Debug, Default)]
pub(in crate::switch) struct Attempts {
    next: VecDeque<Attempt>,
    /// Gateways of which DNS has not said yet where they are: they come last, lest a call waits that need not.
    open: Vec<usize>,
    tried: usize,
}

impl Attempts {
    /// The next to try.
    pub(in crate::switch) fn next(&mut self) -> Option<Attempt> {
        let next = self.next.pop_front().filter(|_| self.tried < MOST)?;
        self.tried += 1;
        Some(next)
    }

    /// Whether more may be found out.
    pub(in crate::switch) fn is_open(&self) -> bool {
        self.tried < MOST && !self.open.is_empty()
    }
}

impl Trunks {
    /// Those of a new call.
    pub(in crate::switch) fn attempts(
        &self,
        now: Instant,
        trunk: &Trunk,
        ids: &mut Ids,
    ) -> Attempts {
        let mut attempts = Attempts { open: in_order(&trunk.gateways, ids), ..Attempts::default() };
        self.extend(now, trunk, &mut attempts, ids);
        attempts
    }

    /// Adds those that are known meanwhile.
    pub(in crate::switch) fn extend(
        &self,
        now: Instant,
        trunk: &Trunk,
        attempts: &mut Attempts,
        ids: &mut Ids,
    ) {
        let mut found: Vec<(Standing, Attempt)> = Vec::new();
        attempts.open.retain(|gateway| {
            let Some(place) = trunk.gateways.get(*gateway).map(|gateway| &gateway.place) else {
                return false;
            };
            match self.locator.finding(place) {
                Finding::Open(_) => return true,
                Finding::Nowhere => {}
                Finding::Found(candidates) => {
                    let targets = ordered(candidates, || ids.word()).into_iter();
                    found.extend(targets.map(|target| {
                        (self.rests.standing(now, target), Attempt { gateway: *gateway, target })
                    }));
                }
            }
            false
        });
        // Stable: those that rest come after the others, the one that has rested longest first.
        found.sort_by_key(|(standing, _)| *standing);
        let tried =
            found.into_iter().filter(|(standing, _)| !matches!(standing, Standing::Shut(_)));
        attempts.next.extend(tried.map(|(_, attempt)| attempt).take(MOST));
    }
}

/// As they are listed, or drawn by their weights.
fn in_order(gateways: &[Gateway], ids: &mut Ids) -> Vec<usize> {
    let mut left: Vec<usize> = (0..gateways.len()).collect();
    if gateways.iter().all(|gateway| gateway.weight.is_none()) {
        return left;
    }
    let mut order = Vec::new();
    while !left.is_empty() {
        let weights = left.iter().map(|place| gateways[*place].weight.unwrap_or(0));
        order.push(left.remove(drawn(weights, ids.word())));
    }
    order
}

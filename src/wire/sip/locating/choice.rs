//! The order of servers: by priority, and among equals by chance and weight (RFC 2782).

use super::Target;

/// One server of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The lowest comes first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// Its sockets, in the order they are tried.
    pub targets: Vec<Target>,
}

/// The targets in the order in which they are tried: every call's own. `chance` gives 32 random bits.
pub fn ordered(candidates: &[Candidate], mut chance: impl FnMut() -> u32) -> Vec<Target> {
    let mut left: Vec<&Candidate> = candidates.iter().collect();
    left.sort_by_key(|candidate| candidate.priority);
    let mut targets = Vec::new();
    while let Some(first) = left.first() {
        let equals = left.partition_point(|candidate| candidate.priority <= first.priority);
        let taken = if equals == 1 {
            0
        } else {
            drawn(left[..equals].iter().map(|candidate| candidate.weight), chance())
        };
        targets.extend_from_slice(&left.remove(taken).targets);
    }
    targets
}

/// The place of the one that is drawn. Who weighs nothing stands before the others, and has a very small share.
pub fn drawn(weights: impl Iterator<Item = u16> + Clone, chance: u32) -> usize {
    let sum: u64 = weights.clone().map(u64::from).sum();
    let mark = u64::from(chance) % (sum + 1);
    let zero_first = weights.clone().enumerate().filter(|(_, weight)| *weight == 0);
    let others = weights.enumerate().filter(|(_, weight)| *weight != 0);
    let mut run = 0;
    let mut last = 0;
    for (place, weight) in zero_first.chain(others) {
        run += u64::from(weight);
        last = place;
        if run >= mark {
            break;
        }
    }
    last
}

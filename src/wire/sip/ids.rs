//! What must be unpredictable on the wire: tags, branches, Call-IDs, nonces, SSRCs; all from one seed, so that a run can be repeated.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A source of identifiers. Two of the same seed give the same identifiers in the same order.
#[derive(Clone, Debug)]
pub struct Ids(ChaCha12Rng);

impl Ids {
    /// From 32 bytes of entropy, or of a test's choice.
    pub fn new(seed: [u8; 32]) -> Ids {
        Ids(ChaCha12Rng::from_seed(seed))
    }

    /// A source of its own for a part of the switch, so that one part's use does not shift another's.
    pub fn split(&mut self) -> Ids {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Ids::new(seed)
    }

    /// A tag of 64 random bits (RFC 3261 §19.3 asks for 32).
    pub fn tag(&mut self) -> String {
        format!("{:016x}", self.0.next_u64())
    }

    /// A Call-ID that names no host of ours (RFC 3261 §8.1.1.4 leaves the form open).
    pub fn call_id(&mut self) -> String {
        format!("{:016x}{:016x}", self.0.next_u64(), self.0.next_u64())
    }

    /// 32 random bits: SSRCs, first timestamps, jitter of retries.
    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 64 random bits.
    pub fn long(&mut self) -> u64 {
        self.0.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let (mut one, mut two) = (Ids::new([7; 32]), Ids::new([7; 32]));
        assert_eq!((one.tag(), one.long(), one.call_id()), (two.tag(), two.long(), two.call_id()));
        assert_ne!(one.tag(), one.tag());
    }
}

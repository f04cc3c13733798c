//! Nonces that carry their own proof: time and chance, sealed for one address, so that a challenge costs no memory.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::digest::{hex, same, seal};
use crate::wire::sip::ids::Ids;

/// Most nonces whose counts are remembered; beyond it the oldest are called stale.
const MOST: usize = 100_000;

/// Milliseconds since the mint's first use, then six bytes of chance: unique, and ordered by age.
type Key = [u8; 12];

/// What a nonce is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Worth {
    /// Ours, for that address, not too old.
    Good(Key),
    /// Ours, for that address, too old.
    Old,
    /// Not ours, or of another address.
    Foreign,
}

/// What a nonce count is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Count {
    /// Not seen before.
    New,
    /// Seen before, or so far back that nobody remembers.
    Seen,
    /// Beyond what the nonce is good for.
    UsedUp,
}

/// Makes nonces and remembers the counts of those that were used well.
#[derive(Debug)]
pub(super) struct Mint {
    secret: [u8; 32],
    ids: Ids,
    epoch: Option<Instant>,
    life: Duration,
    uses: u32,
    used: BTreeMap<Key, Counts>,
    /// Nonces up to here were forgotten to bound memory.
    forgotten: Option<Key>,
}

/// The highest count and which of the 64 up to it were seen: requests overtake each other over UDP.
#[derive(Clone, Copy, Debug)]
struct Counts {
    highest: u32,
    seen: u64,
}

impl Mint {
    pub(super) fn new(life: Duration, uses: u32, mut ids: Ids) -> Mint {
        let mut secret = [0; 32];
        for chunk in secret.chunks_exact_mut(8) {
            chunk.copy_from_slice(&ids.long().to_be_bytes());
        }
        let used = BTreeMap::new();
        Mint { secret, ids, epoch: None, life, uses, used, forgotten: None }
    }

    /// A nonce for `source`: 48 hex digits.
    pub(super) fn make(&mut self, now: Instant, source: IpAddr) -> String {
        let epoch = *self.epoch.get_or_insert(now);
        let mut nonce = [0; 24];
        nonce[..6].copy_from_slice(&millis(now.saturating_duration_since(epoch)));
        nonce[6..12].copy_from_slice(&self.ids.long().to_be_bytes()[..6]);
        let seal = self.seal(&nonce[..12], source);
        nonce[12..].copy_from_slice(&seal);
        hex(&nonce)
    }

    /// Whether `nonce` was made here for `source`, and how long ago.
    pub(super) fn weigh(&self, now: Instant, source: IpAddr, nonce: &[u8]) -> Worth {
        let Some(epoch) = self.epoch else { return Worth::Foreign };
        let Some(bytes) = unhex(nonce) else { return Worth::Foreign };
        let (key, seal) = bytes.split_at(12);
        if !same(&self.seal(key, source), seal) {
            return Worth::Foreign;
        }
        let key: Key = std::array::from_fn(|i| key[i]);
        let age = now.saturating_duration_since(epoch).saturating_sub(age_of(&key));
        let forgotten = self.forgotten.is_some_and(|forgotten| key <= forgotten);
        if age > self.life || forgotten { Worth::Old } else { Worth::Good(key) }
    }

    /// Notes that `key` was used with `count`.
    pub(super) fn count(&mut self, now: Instant, key: Key, count: u32) -> Count {
        if count == 0 {
            return Count::Seen;
        }
        if count > self.uses {
            return Count::UsedUp;
        }
        self.forget(now);
        let counts = self.used.entry(key).or_insert(Counts { highest: 0, seen: 0 });
        if count > counts.highest {
            let ahead = count - counts.highest;
            counts.seen = counts.seen.checked_shl(ahead).unwrap_or(0) | 1;
            counts.highest = count;
            return Count::New;
        }
        let bit = 1u64.checked_shl(counts.highest - count).unwrap_or(0);
        if bit == 0 || counts.seen & bit != 0 {
            return Count::Seen;
        }
        counts.seen |= bit;
        Count::New
    }

    /// Drops what is too old to be used again, and the oldest of too many.
    fn forget(&mut self, now: Instant) {
        let Some(epoch) = self.epoch else { return };
        let oldest = now.saturating_duration_since(epoch).saturating_sub(self.life);
        while let Some(entry) = self.used.first_entry() {
            if age_of(entry.key()) < oldest {
                entry.remove();
            } else {
                break;
            }
        }
        while self.used.len() >= MOST {
            self.forgotten = self.used.pop_first().map(|(key, _)| key);
        }
    }

    fn seal(&self, key: &[u8], source: IpAddr) -> [u8; 12] {
        // An IPv4 peer of a socket of both families is one address, however it is written.
        match source.to_canonical() {
            IpAddr::V4(address) => seal(&self.secret, &[key, &address.octets()]),
            IpAddr::V6(address) => seal(&self.secret, &[key, &address.octets()]),
        }
    }
}

/// The low 48 bits of the milliseconds: 8,900 years.
fn millis(span: Duration) -> [u8; 6] {
    let bytes = span.as_millis().to_be_bytes();
    std::array::from_fn(|i| bytes[10 + i])
}

/// How long after the epoch a nonce was made.
fn age_of(key: &Key) -> Duration {
    Duration::from_millis(key[..6].iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

fn unhex(digits: &[u8]) -> Option<[u8; 24]> {
    let mut bytes = [0; 24];
    if digits.len() != 48 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PHONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const LIFE: Duration = Duration::from_secs(60);

    fn mint() -> Mint {
        Mint::new(LIFE, 1000, Ids::new([3; 32]))
    }

    fn good(mint: &Mint, now: Instant, nonce: &str) -> Key {
        match mint.weigh(now, PHONE, nonce.as_bytes()) {
            Worth::Good(key) => key,
            worth => panic!("{worth:?}"),
        }
    }

    #[test]
    fn a_nonce_is_good_for_its_address_and_its_life() {
        let now = Instant::now();
        let mut mint = mint();
        mint.make(now, PHONE);
        let nonce = mint.make(now + LIFE, PHONE);
        good(&mint, now + LIFE, &nonce);
        good(&mint, now + LIFE * 2, &nonce);
        let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
        assert_eq!(mint.weigh(now + LIFE, elsewhere, nonce.as_bytes()), Worth::Foreign);
        let late = now + LIFE * 2 + Duration::from_millis(1);
        assert_eq!(mint.weigh(late, PHONE, nonce.as_bytes()), Worth::Old);
    }

    #[test]
    fn a_mapped_address_is_the_address() {
        let now = Instant::now();
        let mut mint = mint();
        let mapped = IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
        let nonce = mint.make(now, mapped);
        good(&mint, now, &nonce);
    }

    #[test]
    fn no_nonce_can_be_made_up_or_changed() {
        let now = Instant::now();
        let mut mint = mint();
        assert_eq!(mint.weigh(now, PHONE, b"anything"), Worth::Foreign);
        let nonce = mint.make(now, PHONE);
        for i in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[i] = if changed[i] == b'0' { b'1' } else { b'0' };
            assert_eq!(mint.weigh(now, PHONE, &changed), Worth::Foreign);
        }
        let mut other = Mint::new(LIFE, 1000, Ids::new([4; 32]));
        other.make(now, PHONE);
        assert_eq!(other.weigh(now, PHONE, nonce.as_bytes()), Worth::Foreign);
        assert_ne!(mint.make(now, PHONE), nonce);
    }

    #[test]
    fn a_count_is_good_once_in_any_order() {
        let now = Instant::now();
        let mut mint = mint();
        let nonce = mint.make(now, PHONE);
        let key = good(&mint, now, &nonce);
        let counts: Vec<Count> =
            [0, 1, 1, 3, 2, 2, 3, 100, 99, 36, 37, 37].map(|n| mint.count(now, key, n)).to_vec();
        use Count::{New, Seen};
        assert_eq!(
            counts,
            [Seen, New, Seen, New, New, Seen, Seen, New, New, Seen, New, Seen],
            "36 lies 64 below 100, which is one too far"
        );
    }

    #[test]
    fn a_nonce_is_used_up() {
        let now = Instant::now();
        let mut mint = mint();
        let nonce = mint.make(now, PHONE);
        let key = good(&mint, now, &nonce);
        assert_eq!(mint.count(now, key, 1000), Count::New);
        assert_eq!(mint.count(now, key, 1001), Count::UsedUp);
        assert_eq!(mint.count(now, key, u32::MAX), Count::UsedUp);
    }

    #[test]
    fn memory_is_bounded_and_what_was_forgotten_cannot_be_replayed() {
        let now = Instant::now();
        let mut mint = mint();
        let first = mint.make(now, PHONE);
        let key = good(&mint, now, &first);
        assert_eq!(mint.count(now, key, 1), Count::New);
        for _ in 0..MOST {
            let nonce = mint.make(now + Duration::from_secs(1), PHONE);
            let key = good(&mint, now, &nonce);
            mint.count(now, key, 1);
        }
        assert!(mint.used.len() <= MOST);
        assert_eq!(mint.weigh(now, PHONE, first.as_bytes()), Worth::Old);
    }

    #[test]
    fn an_old_nonce_leaves_the_memory() {
        let now = Instant::now();
        let mut mint = mint();
        let nonce = mint.make(now, PHONE);
        let key = good(&mint, now, &nonce);
        mint.count(now, key, 1);
        let later = now + LIFE * 3;
        let nonce = mint.make(later, PHONE);
        let key = good(&mint, later, &nonce);
        mint.count(later, key, 1);
        assert_eq!(mint.used.len(), 1);
    }
}

//! The network of the lab: delivers after a while, and in bad weather loses, doubles and reorders, all from one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What happens to SIP messages on their way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Of a hundred, so many are lost.
    pub(crate) loss: u64,
    /// So many arrive twice.
    pub(crate) twice: u64,
    /// So many are late by up to 300 ms, and so out of order.
    pub(crate) late: u64,
}

impl Weather {
    pub(crate) const FINE: Weather = Weather { loss: 0, twice: 0, late: 0 };
}

/// One packet on its way.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// See the module.
pub(crate) struct Network {
    pub(crate) weather: Weather,
    /// The next message that begins so is lost, and so many of them.
    pub(crate) losing: Vec<(String, usize)>,
    /// Nothing comes from or reaches these any more.
    pub(crate) gone: BTreeSet<SocketAddr>,
    chance: u64,
    sent: u64,
    on_the_way: BTreeMap<(Instant, u64), Parcel>,
}

/// One way.
pub(crate) const DELAY: Duration = Duration::from_millis(5);

impl Network {
    pub(crate) fn new(seed: u64) -> Network {
        Network {
            weather: Weather::FINE,
            losing: Vec::new(),
            gone: BTreeSet::new(),
            // Spread, and not zero, which xorshift never leaves.
            chance: seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 63,
            sent: 0,
            on_the_way: BTreeMap::new(),
        }
    }

    /// A number below `below`; xorshift64*, seeded.
    pub(crate) fn chance(&mut self, below: u64) -> u64 {
        self.chance ^= self.chance >> 12;
        self.chance ^= self.chance << 25;
        self.chance ^= self.chance >> 27;
        (self.chance.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }

    /// Sends a SIP message; `false` if it is lost.
    pub(crate) fn send(&mut self, now: Instant, parcel: Parcel) -> bool {
        if self.is_cut_off(&parcel) {
            return false;
        }
        if let Some(place) =
            self.losing.iter().position(|(start, _)| parcel.bytes.starts_with(start.as_bytes()))
        {
            self.losing[place].1 -= 1;
            if self.losing[place].1 == 0 {
                self.losing.remove(place);
            }
            return false;
        }
        if self.chance(100) < self.weather.loss {
            return false;
        }
        let copies = 1 + u64::from(self.chance(100) < self.weather.twice);
        for _ in 0..copies {
            let late = self.chance(100) < self.weather.late;
            let delay =
                DELAY + if late { Duration::from_millis(self.chance(300)) } else { Duration::ZERO };
            self.deliver(now + delay, parcel.clone());
        }
        true
    }

    /// Sends RTP, which the weather spares.
    pub(crate) fn deliver(&mut self, at: Instant, parcel: Parcel) {
        self.sent += 1;
        self.on_the_way.insert((at, self.sent), parcel);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.on_the_way.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn arrived(&mut self, now: Instant) -> Option<Parcel> {
        loop {
            let first = *self.on_the_way.keys().next().filter(|(at, _)| *at <= now)?;
            let parcel = self.on_the_way.remove(&first)?;
            if !self.is_cut_off(&parcel) {
                return Some(parcel);
            }
        }
    }

    fn is_cut_off(&self, parcel: &Parcel) -> bool {
        self.gone.contains(&parcel.from) || self.gone.contains(&parcel.to)
    }
}

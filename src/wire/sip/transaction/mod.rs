//! The four transaction machines of RFC 3261 §17, with RFC 6026 and RFC 4320: pure timers and states, no bytes and no addresses.

pub mod client;
pub mod invite_client;
pub mod invite_server;
pub mod server;

use std::time::{Duration, Instant};

use crate::wire::flow::Transport;

/// The round trip that RFC 3261 §17.1.1.1 assumes.
pub const T1: Duration = Duration::from_millis(500);
/// The longest gap between repetitions of a non-INVITE request or an INVITE's answer (RFC 3261 §17.1.2.2).
pub const T2: Duration = Duration::from_secs(4);
/// The longest time that a message stays in the network (RFC 3261 §17.1.2.2).
pub const T4: Duration = Duration::from_secs(5);
/// 64*T1: timers B, F, H, J, L and M, and how long anybody waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(32);

/// What a machine wants done because its timer fired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fired {
    /// It was not due.
    Nothing,
    /// Send what was sent last once more.
    Resend,
    /// Nobody answered: tell the user, forget the transaction.
    GaveUp,
    /// It has lingered long enough: forget the transaction.
    Ended,
}

/// A repetition whose gap doubles: timers A, E and G, and the 2xx of RFC 3261 §13.3.1.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repeat {
    at: Instant,
    gap: Duration,
}

impl Repeat {
    /// First due T1 after `now`.
    pub fn begin(now: Instant) -> Repeat {
        Repeat { at: now + T1, gap: T1 }
    }

    /// [`Repeat::begin`] where the transport may lose messages, `None` where it does not.
    pub fn unless_reliable(now: Instant, transport: Transport) -> Option<Repeat> {
        (!transport.is_reliable()).then(|| Repeat::begin(now))
    }

    /// When it is due.
    pub fn at(&self) -> Instant {
        self.at
    }

    /// The one after this: twice the gap, at most `ceiling`, counted from `now`, so that a late call sends once and not in a burst.
    pub fn next(self, now: Instant, ceiling: Duration) -> Repeat {
        let gap = (self.gap * 2).min(ceiling);
        Repeat { at: now + gap, gap }
    }

    /// The one after this with the gap at T2 (timer E in Proceeding, RFC 3261 §17.1.2.2).
    pub fn at_longest(self, now: Instant) -> Repeat {
        Repeat { at: now + T2, gap: T2 }
    }
}

/// The earlier of a repetition, if there is one, and an end.
fn earlier(resend: Option<Repeat>, end: Instant) -> Instant {
    resend.map_or(end, |repeat| repeat.at().min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_double_up_to_their_ceiling() {
        let now = Instant::now();
        let mut repeat = Repeat::begin(now);
        let mut at = Vec::new();
        for _ in 0..6 {
            at.push((repeat.at() - now).as_millis());
            repeat = repeat.next(repeat.at(), T2);
        }
        assert_eq!(at, [500, 1500, 3500, 7500, 11_500, 15_500]);
    }

    #[test]
    fn a_late_timer_fires_once_and_not_in_a_burst() {
        let now = Instant::now();
        let late = now + Duration::from_secs(10);
        assert_eq!(Repeat::begin(now).next(late, T2).at(), late + Duration::from_secs(1));
    }

    #[test]
    fn the_patience_is_64_t1() {
        assert_eq!(PATIENCE, T1 * 64);
    }
}

//! The clock that the switch is given the time by: real, or with a calendar that can be stepped.

#![expect(clippy::disallowed_methods, reason = "this is the clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::switch::Now;
use crate::utc::Utc;

/// Gives [`Now`]; clones of a clock show the same time. The monotonic half is always real.
#[derive(Clone, Debug)]
pub struct Clock(Calendar);

#[derive(Clone, Debug)]
enum Calendar {
    System,
    /// Microseconds ahead of the system.
    Stepped(Arc<AtomicI64>),
}

impl Clock {
    /// The system's: what `serve` runs on.
    pub fn system() -> Clock {
        Clock(Calendar::System)
    }

    /// One whose calendar begins at the system's and can be stepped: for the demo's and the tests' own switch.
    pub fn stepped() -> Clock {
        Clock(Calendar::Stepped(Arc::default()))
    }

    /// Puts the calendar of a stepped clock, and of its clones, forward. The system's is not ours to change and stays as it is.
    pub fn advance(&self, span: Duration) {
        match &self.0 {
            Calendar::System => {}
            Calendar::Stepped(ahead) => {
                let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
                let _ = ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                    Some(now.saturating_add(span))
                });
            }
        }
    }

    /// This moment.
    pub fn now(&self) -> Now {
        let system = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Utc::from_micros(0).after(since),
            Err(before) => Utc::from_micros(0).before(before.duration()),
        };
        let utc = match &self.0 {
            Calendar::System => system,
            Calendar::Stepped(ahead) => {
                Utc::from_micros(system.micros().saturating_add(ahead.load(Ordering::Relaxed)))
            }
        };
        Now { instant: Instant::now(), utc }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_step_moves_the_calendar_of_every_clone_and_no_timer() {
        let clock = Clock::stepped();
        let before = clock.clone().now();
        clock.clone().advance(DAY);
        let after = clock.now();
        assert!(after.utc.since(before.utc) >= DAY);
        assert!(after.instant.duration_since(before.instant) < DAY);
    }

    #[test]
    fn the_system_clock_cannot_be_stepped() {
        let clock = Clock::system();
        let before = clock.now();
        clock.advance(DAY);
        assert!(clock.now().utc.since(before.utc) < DAY);
    }
}

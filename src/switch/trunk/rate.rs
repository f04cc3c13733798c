//! How many calls a trunk may begin in how long, each way for itself: what a carrier allows us, and what we take of it.

use std::time::{Duration, Instant};

/// So many calls in so long: a span's worth may come at once, and then they come back one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Calls; never 0.
    pub calls: u32,
    /// In this span.
    pub span: Duration,
}

/// Which way a call goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::switch) enum Direction {
    In,
    Out,
}

/// The calls of one way, as the moment when all of them will be forgotten (GCRA: one moment instead of many).
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Pace(Option<Instant>);

impl Pace {
    /// One more call; `false` if it comes too soon.
    pub(super) fn admit(&mut self, now: Instant, rate: Rate) -> bool {
        let each = rate.span / rate.calls.max(1);
        let forgotten = self.0.map_or(now, |at| at.max(now));
        let is_room = forgotten + each <= now + rate.span;
        if is_room {
            self.0 = Some(forgotten + each);
        }
        is_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spans_worth_comes_at_once_and_then_one_by_one() {
        let rate = Rate { calls: 4, span: Duration::from_secs(1) };
        let (mut pace, start) = (Pace::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let admitted =
            |pace: &mut Pace, millis| (0..9).filter(|_| pace.admit(at(millis), rate)).count();
        assert_eq!(admitted(&mut pace, 0), 4);
        assert_eq!(admitted(&mut pace, 249), 0);
        assert_eq!(admitted(&mut pace, 250), 1);
        assert_eq!(admitted(&mut pace, 1_000), 3);
        assert_eq!(admitted(&mut pace, 60_000), 4, "and never more");
    }
}

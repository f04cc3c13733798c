//! Assurance: a recording that should be growing and is not, whose file is gone, or in which a side is never heard, is noticed while the
//! call is up, within ten seconds.

use std::time::{Duration, Instant};

use crate::media::{Fault, Progress, Samples};

/// So long nothing may grow, and nobody may be heard, before it is told. Progress comes every two seconds.
const PATIENCE: Duration = Duration::from_millis(7_500);
/// A microphone makes more noise than this; silence in either law is no louder.
const AUDIBLE: u16 = 16;

/// What is wrong with a recording that goes on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Alarm {
    /// Nothing has reached the disk for a while.
    Stalled,
    /// The file is not where it was made.
    FileMissing,
    /// The file is shorter than what was written.
    FileShort,
    /// Nothing is heard of the customer.
    CustomerSilent,
    /// Nothing is heard of our side.
    AgentSilent,
}

impl Alarm {
    /// In plain words, for logs and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Alarm::Stalled => "nothing of the recording reaches the disk",
            Alarm::FileMissing => "the recording's file is gone",
            Alarm::FileShort => "the recording's file is shorter than what was written",
            Alarm::CustomerSilent => "nothing is heard of the customer in the recording",
            Alarm::AgentSilent => "nothing is heard of our side in the recording",
        }
    }
}

/// An alarm that is raised, or over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) alarm: Alarm,
    pub(super) is_raised: bool,
}

/// What is known of one recording.
#[derive(Debug)]
pub(super) struct Assurance {
    length: Samples,
    grew: Instant,
    /// When the customer, and our side, was heard last, or was to be heard again.
    heard: [Instant; 2],
    /// There was a silence on purpose since it was told last.
    excused: bool,
    raised: Vec<Alarm>,
}

impl Assurance {
    pub(super) fn new(now: Instant) -> Assurance {
        Assurance {
            length: Samples(0),
            grew: now,
            heard: [now; 2],
            excused: false,
            raised: Vec::new(),
        }
    }

    /// Both sides are silent on purpose, or just were.
    pub(super) fn excuse(&mut self) {
        self.excused = true;
    }

    /// Another file begins.
    pub(super) fn turned(&mut self, now: Instant) {
        (self.length, self.grew) = (Samples(0), now);
    }

    /// How far the file has come; `silent`: on purpose.
    pub(super) fn written(
        &mut self,
        now: Instant,
        progress: Progress,
        silent: bool,
    ) -> Vec<Change> {
        if progress.length > self.length {
            (self.length, self.grew) = (progress.length, now);
        }
        let excused = std::mem::take(&mut self.excused) || silent;
        for (heard, peak) in self.heard.iter_mut().zip(progress.peaks) {
            if excused || peak > AUDIBLE {
                *heard = now;
            }
        }
        let mut changes = self.timeout(now);
        changes.extend(self.set(Alarm::FileMissing, progress.fault == Some(Fault::Missing)));
        changes.extend(self.set(Alarm::FileShort, progress.fault == Some(Fault::Short)));
        let [customer, agent] = self.heard.map(|heard| heard + PATIENCE <= now);
        changes.extend(self.set(Alarm::CustomerSilent, customer));
        changes.extend(self.set(Alarm::AgentSilent, agent));
        changes
    }

    /// When nothing has grown for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.raised.contains(&Alarm::Stalled)).then_some(self.grew + PATIENCE)
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Vec<Change> {
        let stalled = self.grew + PATIENCE <= now;
        self.set(Alarm::Stalled, stalled).into_iter().collect()
    }

    /// What is wrong now.
    pub(super) fn alarms(&self) -> &[Alarm] {
        &self.raised
    }

    fn set(&mut self, alarm: Alarm, is_raised: bool) -> Option<Change> {
        let place = self.raised.iter().position(|raised| *raised == alarm);
        match (place, is_raised) {
            (None, true) => self.raised.push(alarm),
            (Some(place), false) => drop(self.raised.swap_remove(place)),
            (None, false) | (Some(_), true) => return None,
        }
        Some(Change { alarm, is_raised })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Duration = Duration::from_secs(2);

    /// A recording of which is told every two seconds.
    struct Told {
        assurance: Assurance,
        now: Instant,
        length: u64,
    }

    impl Told {
        fn new() -> Told {
            let now = Instant::now();
            Told { assurance: Assurance::new(now), now, length: 0 }
        }

        fn grows(&mut self, peaks: [u16; 2], silent: bool) -> Vec<(Alarm, bool)> {
            self.length += 16_000;
            self.stays(peaks, silent, None)
        }

        fn stays(
            &mut self,
            peaks: [u16; 2],
            silent: bool,
            fault: Option<Fault>,
        ) -> Vec<(Alarm, bool)> {
            self.now += PACE;
            let progress = Progress { length: Samples(self.length), peaks, fault };
            let changes = self.assurance.written(self.now, progress, silent);
            changes.iter().map(|change| (change.alarm, change.is_raised)).collect()
        }
    }

    #[test]
    fn a_side_that_is_not_heard_is_told_once_within_ten_seconds_and_once_when_it_is_heard() {
        let mut told = Told::new();
        let mut after = Vec::new();
        for n in 1..=10 {
            after.extend(told.grows([0, 900], false).into_iter().map(|change| (n, change)));
        }
        assert_eq!(after, [(4, (Alarm::CustomerSilent, true))]);
        assert_eq!(told.assurance.alarms(), [Alarm::CustomerSilent]);
        assert_eq!(told.grows([17, 900], false), [(Alarm::CustomerSilent, false)]);
        assert!(told.assurance.alarms().is_empty());
        for _ in 0..3 {
            assert!(told.grows([900, 16], false).is_empty());
        }
        assert_eq!(told.grows([900, 16], false), [(Alarm::AgentSilent, true)]);
    }

    #[test]
    fn silence_on_purpose_is_none_and_counts_from_its_end() {
        let mut told = Told::new();
        for _ in 0..20 {
            assert!(told.grows([0, 0], true).is_empty());
        }
        told.assurance.excuse();
        for _ in 0..4 {
            assert!(told.grows([0, 0], false).is_empty());
        }
        assert_eq!(
            told.grows([0, 0], false),
            [(Alarm::CustomerSilent, true), (Alarm::AgentSilent, true)]
        );
    }

    #[test]
    fn what_does_not_grow_is_told_whether_anybody_reports_it_or_not() {
        let mut told = Told::new();
        told.grows([900; 2], false);
        let deadline = told.assurance.deadline().expect("it waits");
        assert_eq!(deadline, told.now + PATIENCE);
        assert!(told.assurance.timeout(deadline - PACE).is_empty());
        let changes = told.assurance.timeout(deadline);
        assert_eq!(changes, [Change { alarm: Alarm::Stalled, is_raised: true }]);
        assert_eq!(told.assurance.deadline(), None, "it is told");
        told.now = deadline;
        assert!(told.stays([900; 2], false, None).is_empty(), "it has not grown since");
        assert_eq!(told.grows([900; 2], false), [(Alarm::Stalled, false)]);
        // Another file begins from nothing.
        told.assurance.turned(told.now);
        told.length = 0;
        assert!(told.grows([900; 2], false).is_empty());
        assert_eq!(told.assurance.deadline(), Some(told.now + PATIENCE));
    }

    #[test]
    fn a_file_that_is_gone_or_short_is_told_at_once() {
        let mut told = Told::new();
        let gone = told.stays([900; 2], false, Some(Fault::Missing));
        assert_eq!(gone, [(Alarm::FileMissing, true)]);
        let short = told.stays([900; 2], false, Some(Fault::Short));
        assert_eq!(short, [(Alarm::FileMissing, false), (Alarm::FileShort, true)]);
    }
}

//! Storage: how much room recordings have left, how long that lasts, and what becomes of calls when there is none.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::control::StorageRow;
use super::log::Fact;
use super::settings;

/// What recordings take and may still take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Bytes of all recordings.
    pub used: u64,
    /// Bytes until the quota, or the disk, is used up.
    pub left: u64,
}

/// How much is left, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// As much as anybody wants.
    Enough,
    /// Less than is set as low.
    Low,
    /// Nothing.
    Full,
}

impl Level {
    /// The word in logs and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Enough => "enough",
            Level::Low => "low",
            Level::Full => "full",
        }
    }
}

/// How far back the forecast looks, and how often it takes a note.
const PAST: Duration = Duration::from_secs(86_400);
const NOTE: Duration = Duration::from_secs(600);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Storage {
    space: Option<Space>,
    /// What was used, every ten minutes of the last day, the oldest first.
    past: VecDeque<(Instant, u64)>,
}

impl Storage {
    /// A look at the disk: what to log, if it changes anything.
    pub(super) fn look(
        &mut self,
        now: Instant,
        space: Space,
        settings: &settings::Storage,
    ) -> Option<Fact> {
        let before = self.level(settings);
        self.space = Some(space);
        if self.past.back().is_none_or(|(at, _)| *at + NOTE <= now) {
            self.past.push_back((now, space.used));
        }
        while self.past.front().is_some_and(|(at, _)| *at + PAST < now) {
            self.past.pop_front();
        }
        let level = self.level(settings);
        (level != before).then(|| Fact::Storage { level, space, lasts: self.lasts(now) })
    }

    /// How much is left; before the first look, enough.
    pub(super) fn level(&self, settings: &settings::Storage) -> Level {
        match self.space {
            None => Level::Enough,
            Some(Space { left: 0, .. }) => Level::Full,
            Some(Space { used, left }) => {
                let whole = u128::from(used) + u128::from(left);
                match u128::from(left) * 100 < whole * u128::from(settings.low) {
                    true => Level::Low,
                    false => Level::Enough,
                }
            }
        }
    }

    /// How long the room lasts if recordings grow, less what is deleted, as they did in the last day; `None` while they do not, or not
    /// long enough is known of it.
    fn lasts(&self, now: Instant) -> Option<Duration> {
        let (since, used) = self.past.front()?;
        let space = self.space?;
        let (time, grown) = (now.duration_since(*since), space.used.checked_sub(*used)?);
        if time < NOTE || grown == 0 {
            return None;
        }
        let seconds = space.left as f64 / grown as f64 * time.as_secs_f64();
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// For the admin; `None` before the first look.
    pub(super) fn row(&self, now: Instant, settings: &settings::Storage) -> Option<StorageRow> {
        let space = self.space?;
        Some(StorageRow {
            level: self.level(settings).as_str().to_owned(),
            used: space.used,
            left: space.left,
            lasts: self.lasts(now).map(|lasts| lasts.as_secs()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::settings::WhenFull;

    const SETTINGS: settings::Storage =
        settings::Storage { quota: None, low: 10, when_full: WhenFull::Continue };

    fn level(fact: Option<Fact>) -> Option<Level> {
        fact.map(|fact| match fact {
            Fact::Storage { level, .. } => level,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn it_is_told_when_it_gets_low_full_and_enough_again_and_not_in_between() {
        let (mut storage, now) = (Storage::default(), Instant::now());
        let mut look = |used, left| level(storage.look(now, Space { used, left }, &SETTINGS));
        assert_eq!(look(100, 900), None, "there is enough from the beginning");
        assert_eq!(look(900, 100), None);
        assert_eq!(look(901, 99), Some(Level::Low));
        assert_eq!(look(950, 50), None);
        assert_eq!(look(1_000, 0), Some(Level::Full));
        assert_eq!(look(999, 1), Some(Level::Low));
        assert_eq!(look(0, u64::MAX), Some(Level::Enough));
    }

    #[test]
    fn how_long_it_lasts_is_told_by_what_the_last_day_took() {
        let (mut storage, start) = (Storage::default(), Instant::now());
        let hour = Duration::from_secs(3_600);
        for n in 0..60u32 {
            // A gigabyte an hour, and nothing for the first half of the time.
            let used = u64::from(n.saturating_sub(30)) * 1_000;
            let space = Space { used, left: 100_000 - used };
            storage.look(start + hour * n, space, &SETTINGS);
            let lasts = storage.row(start + hour * n, &SETTINGS).expect("looked").lasts;
            match n {
                0..=30 => assert_eq!(lasts, None, "nothing has grown at {n}"),
                // By then the whole day has grown.
                55.. => assert_eq!(lasts, Some((100 - u64::from(n - 30)) * 3_600)),
                _ => assert!(lasts.is_some_and(|lasts| lasts > 75 * 3_600)),
            }
        }
        assert_eq!(storage.past.len(), 25);
        let emptied = Space { used: 0, left: 100_000 };
        storage.look(start + hour * 60, emptied, &SETTINGS);
        assert_eq!(storage.row(start + hour * 60, &SETTINGS).expect("looked").lasts, None);
    }
}

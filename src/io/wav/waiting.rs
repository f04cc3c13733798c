//! Samples on their way from the thread that listens to the one that writes: next to nothing while the disk keeps up, half a minute
//! when it does not, and silence for what was more than that.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::media::Samples;

/// So much waits for the disk; what comes after it is a gap, until the disk has taken all that waits.
pub(super) const MOST: Samples = Samples(30 * Samples::RATE);

/// So much silence is written for a gap at a time.
const PIECE: u64 = Samples::RATE;

/// See the module. Nobody touches the disk while it is locked.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// Left and right in turn.
    pcm: Vec<i16>,
    /// Samples of both sides that were given and may not be in the file yet.
    given: usize,
    /// What had no room, after `pcm`; as long as there is any, nothing more is taken.
    left_out: Samples,
}

impl Waiting {
    /// Has `speak` append samples; says how many of them (of each side) had no room.
    pub(super) fn take<T>(&self, speak: impl FnOnce(&mut Vec<i16>) -> T) -> (T, Samples) {
        let inside = &mut *self.lock();
        let old = inside.pcm.len();
        let told = speak(&mut inside.pcm);
        let room = match inside.left_out {
            Samples(0) => (2 * MOST.0 as usize).saturating_sub(inside.given + old),
            Samples(_) => 0,
        };
        let without = (inside.pcm.len() - old).saturating_sub(room) / 2;
        inside.pcm.truncate(inside.pcm.len() - 2 * without);
        inside.left_out.0 += without as u64;
        (told, Samples(without as u64))
    }

    /// What was given before is in the file. Exchanges `pcm`, which is empty, for what is next; `false` if nothing waits.
    pub(super) fn give(&self, pcm: &mut Vec<i16>) -> bool {
        let inside = &mut *self.lock();
        if inside.pcm.is_empty() {
            let silence = inside.left_out.0.min(PIECE);
            inside.left_out.0 -= silence;
            pcm.resize(2 * silence as usize, 0);
        } else {
            std::mem::swap(pcm, &mut inside.pcm);
        }
        inside.given = pcm.len();
        !pcm.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speak(waiting: &Waiting, frames: u64, sample: i16) -> u64 {
        waiting.take(|pcm| pcm.resize(pcm.len() + 2 * frames as usize, sample)).1.0
    }

    fn given(waiting: &Waiting) -> Vec<i16> {
        let (mut all, mut pcm) = (Vec::new(), Vec::new());
        while waiting.give(&mut pcm) {
            all.append(&mut pcm);
        }
        all
    }

    #[test]
    fn what_has_no_room_is_told_and_becomes_silence_in_its_place() {
        let waiting = Waiting::default();
        assert_eq!(speak(&waiting, MOST.0 - 5, 1), 0);
        assert_eq!(speak(&waiting, 8, 2), 3);
        assert_eq!(speak(&waiting, 7, 3), 7, "a gap lasts until the disk has taken what waits");
        let all = given(&waiting);
        assert_eq!(all.len() as u64, 2 * (MOST.0 + 10));
        let (heard, silence) = all.split_at(2 * MOST.0 as usize);
        assert!(heard.ends_with(&[1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]));
        assert!(silence.iter().all(|&sample| sample == 0));
        assert_eq!(speak(&waiting, 7, 4), 0);
        assert_eq!(given(&waiting), [4; 14]);
    }

    #[test]
    fn what_is_given_counts_until_it_is_written() {
        let waiting = Waiting::default();
        assert_eq!(speak(&waiting, MOST.0, 1), 0);
        let mut pcm = Vec::new();
        assert!(waiting.give(&mut pcm));
        assert_eq!(speak(&waiting, 1, 2), 1, "the disk has not taken it yet");
    }
}

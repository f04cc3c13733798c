//! The demo's conversation: who speaks when, at which tone, and whether that is what was heard or recorded.

use std::time::Duration;

use super::stage::{ANNA, CALLER};
use crate::media::Samples;
use crate::phone::tone_level;

/// What each party speaks: tones that cannot be taken for each other.
pub(super) const TONES: [f64; 2] = [1_000.0, 440.0];

/// In milliseconds: a question, an answer, and both at once for a while.
const TURNS: [(usize, u64, u64); 4] =
    [(CALLER, 200, 1_200), (ANNA, 1_500, 2_500), (CALLER, 2_800, 3_800), (ANNA, 3_400, 4_400)];
const END: u64 = 4_600;

/// So much is left out at both ends of a turn or pause: a busy machine lets a phone speak a little late.
const MARGIN: u64 = 200;

/// How loud one party is, as an amplitude.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    /// Their tone, in the faintest of their turns.
    pub(super) in_turn: f64,
    /// Any sound, in the loudest of their pauses.
    pub(super) in_pause: f64,
}

impl Levels {
    /// Their tone loud and clear in every turn, and nobody in any pause.
    pub(super) fn are_clean(self) -> bool {
        self.in_turn > 7_000.0 && self.in_pause < 300.0
    }

    /// For people: relative to full scale.
    pub(super) fn said(self) -> String {
        let [turn, pause] = [self.in_turn, self.in_pause].map(decibels);
        format!("{turn:.1} dBFS in their turns, {pause:.0} in their pauses")
    }
}

/// How long they talk.
pub(super) fn length() -> Duration {
    Duration::from_millis(END)
}

/// When to begin (a tone) or cease (`None`), and who, in order.
pub(super) fn cues() -> Vec<(Duration, usize, Option<f64>)> {
    let both = |&(party, from, to): &(usize, u64, u64)| {
        [(from, party, Some(TONES[party])), (to, party, None)]
    };
    let mut cues: Vec<_> = TURNS.iter().flat_map(both).collect();
    cues.sort_by_key(|(at, ..)| *at);
    cues.into_iter().map(|(at, party, tone)| (Duration::from_millis(at), party, tone)).collect()
}

/// One party's levels in samples that begin with the conversation.
pub(super) fn levels(samples: &[i16], party: usize) -> Levels {
    let turns: Vec<(u64, u64)> =
        TURNS.iter().filter(|(who, ..)| *who == party).map(|(_, from, to)| (*from, *to)).collect();
    let begins = std::iter::once(0).chain(turns.iter().map(|(_, to)| *to));
    let ends = turns.iter().map(|(from, _)| *from).chain([END]);
    let pauses = begins.zip(ends).filter(|(from, to)| to - from > 2 * MARGIN);
    let in_turn = turns.iter().map(|turn| tone_level(within(samples, *turn), TONES[party]));
    let in_pause = pauses.map(|pause| amplitude(within(samples, pause)));
    Levels {
        in_turn: in_turn.fold(f64::INFINITY, f64::min),
        in_pause: in_pause.fold(0.0, f64::max),
    }
}

/// The middle of a span; empty if it was never heard.
fn within(samples: &[i16], (from, to): (u64, u64)) -> &[i16] {
    let at = |milliseconds: u64| (milliseconds * Samples::RATE / 1_000) as usize;
    samples.get(at(from + MARGIN)..at(to - MARGIN)).unwrap_or_default()
}

/// That of a sine as loud as all of this together.
fn amplitude(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (2.0 * power / samples.len().max(1) as f64).sqrt()
}

/// Root mean square of a sine of this amplitude; silence is what 16 bits can say least.
fn decibels(amplitude: f64) -> f64 {
    20.0 * (amplitude.max(1.0) / 2f64.sqrt() / 32_768.0).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a party says from the beginning to the end, so much later.
    fn spoken(party: usize, late: u64) -> Vec<i16> {
        (0..END * 8)
            .map(|sample| {
                let speaks = TURNS.iter().any(|&(who, from, to)| {
                    who == party && ((from + late) * 8..(to + late) * 8).contains(&sample)
                });
                let seconds = sample as f64 / 8_000.0;
                let swing = (seconds * TONES[party] * std::f64::consts::TAU).sin();
                if speaks { (swing * 10_000.0) as i16 } else { 0 }
            })
            .collect()
    }

    #[test]
    fn who_speaks_in_turn_is_clean() {
        for party in [CALLER, ANNA] {
            let levels = levels(&spoken(party, 60), party);
            assert!(levels.are_clean(), "{levels:?}");
            assert!((levels.in_turn - 10_000.0).abs() < 100.0, "{levels:?}");
            assert_eq!(levels.in_pause, 0.0);
        }
    }

    #[test]
    fn the_other_one_the_two_together_and_nobody_are_not() {
        let (caller, anna) = (spoken(CALLER, 0), spoken(ANNA, 0));
        let both: Vec<i16> = caller.iter().zip(&anna).map(|(a, b)| a + b).collect();
        let leaking: Vec<i16> = caller.iter().zip(&anna).map(|(a, b)| a + b / 16).collect();
        for wrong in [anna, both, leaking, vec![0; caller.len()], vec![]] {
            assert!(!levels(&wrong, CALLER).are_clean());
        }
    }

    #[test]
    fn a_recording_that_is_half_a_second_off_or_cut_short_is_not() {
        assert!(!levels(&spoken(CALLER, 500), CALLER).are_clean());
        assert!(!levels(&spoken(ANNA, 500), ANNA).are_clean());
        assert!(!levels(&spoken(ANNA, 0)[..4 * 8_000], ANNA).are_clean());
    }

    #[test]
    fn cues_come_in_order_and_every_turn_ends() {
        let cues = cues();
        assert!(cues.is_sorted_by_key(|(at, ..)| *at));
        assert!(cues.iter().all(|(at, ..)| *at < length()));
        for party in [CALLER, ANNA] {
            let own: Vec<bool> =
                cues.iter().filter(|cue| cue.1 == party).map(|cue| cue.2.is_some()).collect();
            assert_eq!(own, [true, false, true, false]);
        }
    }

    #[test]
    fn levels_are_said_relative_to_full_scale() {
        assert!((decibels(32_768.0) + 3.01).abs() < 0.01);
        assert!((decibels(10_000.0) + 13.3).abs() < 0.05);
        assert!(decibels(0.0).is_finite());
    }
}

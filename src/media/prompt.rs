//! Prompts: sounds kept ready to send, in both laws, in 20 ms pieces, and how far one has been played.

use std::time::{Duration, Instant};

use super::{PlayId, PromptId, Repeat, Samples};
use crate::wire::rtp::g711::{self, Codec};

/// Samples, and octets, of one piece.
pub const PIECE: usize = 160;
/// A piece lasts so long.
pub const PIECE_TIME: Duration = Duration::from_millis(20);
/// After a late tick so many missed pieces are sent at once; beyond that the grid is laid anew.
const CATCH_UP: u32 = 3;

/// Every prompt and piece of music, decoded and encoded once at the start.
#[derive(Debug, Default)]
pub struct Library {
    sounds: Vec<Sound>,
}

#[derive(Debug)]
struct Sound {
    mu: Vec<u8>,
    a: Vec<u8>,
}

impl Library {
    /// Adds 8 kHz mono samples; the last piece is filled up with silence.
    pub fn add(&mut self, samples: &[i16]) -> PromptId {
        let encoded = |codec: Codec| {
            let mut bytes: Vec<u8> =
                samples.iter().map(|&sample| g711::encode(codec, sample)).collect();
            bytes.resize(samples.len().next_multiple_of(PIECE), codec.silence());
            bytes
        };
        self.sounds.push(Sound { mu: encoded(Codec::Pcmu), a: encoded(Codec::Pcma) });
        PromptId((self.sounds.len() - 1) as u32)
    }

    /// How long a prompt plays, the filling included; `None` if there is no such prompt.
    pub fn length(&self, prompt: PromptId) -> Option<Samples> {
        self.sounds.get(prompt.0 as usize).map(|sound| Samples(sound.mu.len() as u64))
    }

    /// The piece of that number, from 0.
    pub fn piece(&self, prompt: PromptId, codec: Codec, number: usize) -> Option<&[u8]> {
        let sound = self.sounds.get(prompt.0 as usize)?;
        let bytes = match codec {
            Codec::Pcmu => &sound.mu,
            Codec::Pcma => &sound.a,
        };
        bytes.chunks_exact(PIECE).nth(number)
    }
}

/// One prompt on its way out of a port, on a grid of 20 ms that does not drift.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Playing {
    /// Which playing.
    pub play: PlayId,
    /// What.
    pub prompt: PromptId,
    repeat: Repeat,
    pieces: usize,
    next: usize,
    due: Instant,
}

/// What a playing wants at its due time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send this piece, which is due at that time.
    Piece(usize, Instant),
    /// The last piece has been played out.
    Over,
}

impl Playing {
    /// Begins at `now`. `None` if there is no such prompt, or an empty one is to play forever.
    pub fn begin(
        library: &Library,
        now: Instant,
        play: PlayId,
        prompt: PromptId,
        repeat: Repeat,
    ) -> Option<Playing> {
        let pieces = library.length(prompt)?.0 as usize / PIECE;
        let plays = match repeat {
            Repeat::Once => true,
            Repeat::Forever => pieces > 0,
        };
        plays.then_some(Playing { play, prompt, repeat, pieces, next: 0, due: now })
    }

    /// When the next step is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Lays the grid anew if `now` is too late for it; whether it was.
    pub fn catch_up(&mut self, now: Instant) -> bool {
        let earliest = now.checked_sub(PIECE_TIME * CATCH_UP);
        match earliest {
            Some(earliest) if self.due < earliest => {
                self.due = earliest;
                true
            }
            _ => false,
        }
    }

    /// Puts off what is due while nobody can be sent to, so that the end is told only of what went out whole. What plays forever does
    /// not wait, nor does what has only its end to tell. Whether it waits.
    pub fn wait(&mut self, now: Instant) -> bool {
        let waits = match self.repeat {
            Repeat::Once => self.next < self.pieces && self.due <= now,
            Repeat::Forever => false,
        };
        if waits {
            self.due = now + PIECE_TIME;
        }
        waits
    }

    /// The next step, if it is due.
    pub fn step(&mut self, now: Instant) -> Option<Step> {
        if self.due > now {
            return None;
        }
        if self.next == self.pieces {
            match self.repeat {
                Repeat::Once => return Some(Step::Over),
                Repeat::Forever => self.next = 0,
            }
        }
        let step = Step::Piece(self.next, self.due);
        self.next += 1;
        self.due += PIECE_TIME;
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_kept_in_both_laws_and_filled_up_with_silence() {
        let mut library = Library::default();
        let short = library.add(&[1_000; 200]);
        let empty = library.add(&[]);
        assert_eq!(library.length(short), Some(Samples(320)));
        assert_eq!(library.length(empty), Some(Samples(0)));
        assert_eq!(library.length(PromptId(2)), None);
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let last = library.piece(short, codec, 1).expect("two pieces");
            assert_eq!(last[39], g711::encode(codec, 1_000));
            assert_eq!(last[40..], [codec.silence(); 120]);
            assert_eq!(library.piece(short, codec, 2), None);
        }
    }

    #[test]
    fn a_late_tick_is_caught_up_with_a_few_pieces_and_then_forgotten() {
        let mut library = Library::default();
        let prompt = library.add(&[0; 160 * 100]);
        let start = Instant::now();
        let mut playing = Playing::begin(&library, start, PlayId(1), prompt, Repeat::Once)
            .expect("there is such a prompt");
        let late = start + Duration::from_millis(1_007);
        assert!(playing.catch_up(late));
        let mut pieces = 0;
        while playing.step(late).is_some() {
            pieces += 1;
        }
        assert_eq!(pieces, 4);
        assert_eq!(playing.due(), late + PIECE_TIME);
    }

    #[test]
    fn nothing_cannot_play_forever() {
        let mut library = Library::default();
        let empty = library.add(&[]);
        let now = Instant::now();
        let begin = |prompt, repeat| Playing::begin(&library, now, PlayId(1), prompt, repeat);
        assert_eq!(begin(empty, Repeat::Forever), None);
        assert_eq!(begin(PromptId(9), Repeat::Once), None);
        let mut playing = begin(empty, Repeat::Once).expect("it has an end");
        assert_eq!(playing.step(now), Some(Step::Over));
    }
}

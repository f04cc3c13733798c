//! A whole switch and a hostile world: carriers, phones and strangers say what the input makes them say, with headers and bytes that
//! nobody asked for; ports fail, connections close, entries are committed late. It must not panic, and when everybody has left, nothing
//! may be left of any call.
#![no_main]

mod world;

use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use world::World;

/// The world's steps at most in one story.
const MOST_STEPS: usize = 64;

/// What may happen.
#[derive(Debug, Arbitrary)]
enum Step {
    /// A request that begins something.
    Asks { who: u8, method: u8, number: u8, sdp: u8, extra: Extra },
    /// The same, with the credentials of its sender for the challenge that came last.
    Proves { who: u8, method: u8, number: u8, sdp: u8, extra: Extra },
    /// An answer to a request of the switch's: `back` counts from the last one.
    Answers { who: u8, back: u8, status: u8, sdp: u8, extra: Extra },
    /// A request inside the dialog of a message of the switch's.
    Goes { who: u8, back: u8, method: u8, sdp: u8, extra: Extra },
    /// The ACK of an answer of the switch's.
    Acknowledges { who: u8, back: u8, sdp: u8 },
    /// The CANCEL of what `who` asked last.
    Cancels { who: u8 },
    /// What `who` said last comes again, perhaps from elsewhere.
    Repeats { who: u8, from: u8 },
    /// Anything at all.
    Babbles { who: u8, bytes: Vec<u8> },
    /// Time passes.
    Waits { milliseconds: u16 },
    /// A key, by RTP.
    Presses { port: u8, digit: u8 },
    /// A prompt ends.
    Plays,
    /// No audio comes.
    Fades { port: u8 },
    /// From now on ports can be bound, or not.
    Binds(bool),
    /// Everything is committed.
    Commits,
    /// DNS answers.
    Resolves(u8),
    /// A connection or address is gone.
    Breaks { who: u8, closed: bool },
    /// The journal is behind, or not any more.
    Lags(bool),
    /// An admin.
    Orders(u8),
}

/// What a message carries that it need not.
#[derive(Debug, Arbitrary)]
struct Extra {
    /// Header lines by number.
    lines: [u8; 2],
    /// Bytes to change: where, how many go, what comes.
    edit: Option<(u16, u8, Vec<u8>)>,
}

impl Extra {
    fn apply(self, mut message: Vec<u8>) -> Vec<u8> {
        if let Some((at, gone, come)) = self.edit {
            let at = usize::from(at) % (message.len() + 1);
            let end = (at + usize::from(gone % 16)).min(message.len());
            message.splice(at..end, come.into_iter().take(64));
        }
        message
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut world = World::new();
    let mut story = Unstructured::new(bytes);
    for _ in 0..MOST_STEPS {
        if story.is_empty() || step(&mut world, &mut story).is_err() {
            break;
        }
    }
    world.everybody_leaves();
});

fn step(world: &mut World, story: &mut Unstructured<'_>) -> Result<()> {
    match Step::arbitrary(story)? {
        Step::Asks { who, method, number, sdp, extra } => {
            let message = world.request(who, method, number, sdp, &extra.lines, false);
            world.says(who, extra.apply(message));
        }
        Step::Proves { who, method, number, sdp, extra } => {
            let message = world.request(who, method, number, sdp, &extra.lines, true);
            world.says(who, extra.apply(message));
        }
        Step::Answers { who, back, status, sdp, extra } => {
            if let Some(message) = world.response(who, back, status, sdp, &extra.lines) {
                world.says(who, extra.apply(message));
            }
        }
        Step::Goes { who, back, method, sdp, extra } => {
            if let Some(message) = world.inside(who, back, method, sdp, &extra.lines) {
                world.says(who, extra.apply(message));
            }
        }
        Step::Acknowledges { who, back, sdp } => {
            if let Some(message) = world.ack(who, back, sdp) {
                world.says(who, message);
            }
        }
        Step::Cancels { who } => {
            if let Some(message) = world.cancel(who) {
                world.says(who, message);
            }
        }
        Step::Repeats { who, from } => world.repeats(who, from),
        Step::Babbles { who, bytes } => world.says(who, bytes),
        Step::Waits { milliseconds } => {
            world.advance(Duration::from_millis(u64::from(milliseconds)));
        }
        Step::Presses { port, digit } => world.presses(port, digit),
        Step::Plays => world.plays(),
        Step::Fades { port } => world.fades(port),
        Step::Binds(binds) => world.binds = binds,
        Step::Commits => world.commits(),
        Step::Resolves(mood) => world.resolves(mood),
        Step::Breaks { who, closed } => world.breaks(who, closed),
        Step::Lags(behind) => world.lags(behind),
        Step::Orders(which) => world.orders(which),
    }
    Ok(())
}

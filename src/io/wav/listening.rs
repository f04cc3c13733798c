//! The thread that listens: drains its taps every 80 ms, lays out what they hold, and hands it to the thread that writes. It never
//! waits for the disk, nor for a lock that somebody holds who does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::LONGEST;
use super::waiting::Waiting;
use super::writing::{Ended, Pen};
use crate::media::recorder::Recorder;
use crate::media::tap::Listener;
use crate::media::{RecordingId, Samples, Silence};

/// Half of the recordings have their turn in each slot, so that the disk sees a stream and no bursts.
const SLOT: Duration = Duration::from_millis(40);

/// So much of conversations that are over waits for their rows to be committed: 64 MB of a writer.
const MOST_UNARMED: u64 = 2_000 * Samples::RATE;

#[derive(Debug)]
pub(super) enum Order {
    Begin(RecordingId, Listener, Instant),
    Hear(RecordingId, Listener, Instant),
    Record(RecordingId, String),
    Silence(RecordingId, Silence, Instant),
    Unsilence(RecordingId, Instant),
    Seal(RecordingId, Instant),
    Stop,
}

/// See the module.
pub(super) struct Listening {
    takes: BTreeMap<RecordingId, Take>,
    pen: Pen,
}

/// One recording of this thread.
struct Take {
    recorder: Recorder,
    waiting: Arc<Waiting>,
    /// Which of the two slots is its own.
    slot: usize,
    /// The conversation ended then, and the row is not committed yet.
    ended: Option<Instant>,
}

impl Listening {
    pub(super) fn new(pen: Pen) -> Listening {
        Listening { takes: BTreeMap::new(), pen }
    }

    pub(super) fn run(mut self, inbox: &Receiver<Order>) {
        let mut slot = 0;
        let mut due = Instant::now() + SLOT;
        loop {
            // Without recordings there is nothing to wake up for.
            let order = if self.takes.is_empty() {
                inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                inbox.recv_timeout(due.saturating_duration_since(Instant::now()))
            };
            match order {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(order) => self.carry_out(order),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now >= due {
                slot = 1 - slot;
                // After a long sleep both slots are due.
                let both = now >= due + SLOT;
                self.advance(now, |take| both || take.slot == slot);
                due = now.max(due + SLOT);
            }
        }
        self.advance(Instant::now(), |_| true);
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Begin(recording, listener, start) => {
                let take = Take {
                    recorder: Recorder::new(listener, start),
                    waiting: Arc::default(),
                    slot: self.takes.len() % 2,
                    ended: None,
                };
                self.takes.insert(recording, take);
            }
            Order::Hear(recording, listener, at) => {
                if let Some(take) = self.takes.get_mut(&recording) {
                    take.lay_out(|recorder, pcm| recorder.advance(at, pcm));
                    take.recorder.hear(listener);
                }
            }
            Order::Record(recording, path) => self.record(recording, path),
            Order::Silence(recording, reason, at) => {
                if let Some(take) = self.takes.get_mut(&recording) {
                    take.recorder.silence(at, reason);
                }
            }
            Order::Unsilence(recording, at) => {
                if let Some(take) = self.takes.get_mut(&recording) {
                    take.recorder.unsilence(at);
                }
            }
            Order::Seal(recording, at) => self.seal(recording, at),
            Order::Stop => {}
        }
    }

    fn record(&mut self, recording: RecordingId, path: String) {
        let Some(take) = self.takes.get_mut(&recording) else {
            // Dropped below: somebody waits to hear what became of it.
            return self.pen.fail(recording, "its row was committed too late for what was kept");
        };
        take.recorder.arm();
        self.pen.begin(recording, path, Arc::clone(&take.waiting));
        if let Some(at) = take.ended {
            self.seal(recording, at);
        }
    }

    fn advance(&mut self, now: Instant, is_due: impl Fn(&Take) -> bool) {
        let mut over = Vec::new();
        for (&recording, take) in &mut self.takes {
            if take.ended.is_none() && is_due(take) {
                take.lay_out(|recorder, pcm| recorder.advance(now, pcm));
                if take.recorder.length() >= LONGEST {
                    over.push(recording);
                }
            }
        }
        for recording in over {
            self.seal(recording, now);
        }
        self.pen.turn();
    }

    /// What was said until `at` is all there is. It goes to the disk, or waits until it may.
    fn seal(&mut self, recording: RecordingId, at: Instant) {
        let Some(take) = self.takes.get_mut(&recording) else { return };
        take.lay_out(|recorder, pcm| recorder.finish(at, pcm));
        if take.recorder.is_armed() {
            let ended = Ended {
                silences: take.recorder.silences().to_vec(),
                gaps: take.recorder.gaps().to_vec(),
                packets: take.recorder.packets(),
            };
            self.pen.end(recording, ended);
            self.takes.remove(&recording);
        } else {
            take.ended = Some(at);
            let over = self.takes.values().filter(|take| take.ended.is_some());
            if over.map(|take| take.recorder.waiting().0).sum::<u64>() > MOST_UNARMED {
                self.takes.remove(&recording);
            }
        }
    }
}

impl Take {
    /// Moves what comes out of the recorder to where the disk finds it; what has no room there is a gap.
    fn lay_out(&mut self, mut speak: impl FnMut(&mut Recorder, &mut Vec<i16>) -> bool) {
        loop {
            let (whole, without) = self.waiting.take(|pcm| speak(&mut self.recorder, pcm));
            self.recorder.lose(without);
            if whole {
                return;
            }
        }
    }
}

//! The recorder of one conversation: tapped packets in, stereo PCM out. Before it is armed nothing comes out; what was tapped waits in
//! bounded memory.

use std::time::Instant;

use super::tap::Listener;
use super::{Samples, Silence};

/// See the module. Left is the customer, right our side.
#[derive(Debug)]
pub struct Recorder {}

impl Recorder {
    /// The conversation's clock starts at `start`.
    pub fn new(listener: Listener, start: Instant) -> Recorder {
        let _ = (listener, start);
        todo!()
    }

    /// From now on samples may come out.
    pub fn arm(&mut self) {
        todo!()
    }

    /// Both sides silent from `now`.
    pub fn silence(&mut self, now: Instant, reason: Silence) {
        let _ = (now, reason);
        todo!()
    }

    /// Both sides audible from `now`.
    pub fn unsilence(&mut self, now: Instant) {
        let _ = now;
        todo!()
    }

    /// Drains the tap and appends what is settled by now (older than the jitter delay) to `out`, interleaved left, right.
    pub fn advance(&mut self, now: Instant, out: &mut Vec<i16>) {
        let _ = (now, out);
        todo!()
    }

    /// The conversation ended at `now`: appends the rest.
    pub fn finish(&mut self, now: Instant, out: &mut Vec<i16>) {
        let _ = (now, out);
        todo!()
    }

    /// Samples per channel that have come out.
    pub fn length(&self) -> Samples {
        todo!()
    }

    /// Spans silent on purpose, so far.
    pub fn silences(&self) -> &[(Silence, Samples, Samples)] {
        todo!()
    }

    /// Spans lost, so far.
    pub fn gaps(&self) -> &[(Samples, Samples)] {
        todo!()
    }
}

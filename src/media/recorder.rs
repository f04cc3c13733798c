//! The recorder of one conversation: tapped packets in, stereo PCM out. Before it is armed nothing comes out; what was tapped waits in
//! bounded memory.

use std::time::{Duration, Instant};

use super::jitter::DELAY;
use super::tap::{LONGEST, Listener};
use super::timeline::Timeline;
use super::{Packets, Samples, Silence};

/// Both sides' audio of so many samples waits for the arming; what comes after that is lost and listed.
pub const MOST_WAITING: Samples = Samples(30 * Samples::RATE);

/// At most so much comes out of one call, so that a writer that slept long needs no more memory than this.
const MOST_AT_ONCE: i64 = 60 * Samples::RATE as i64;

/// Packets taken from the tap in one call; a tap holds fewer.
const MOST_PACKETS: usize = 30_000;

/// More spans than this run into one.
const MOST_SPANS: usize = 4_096;

/// Nanoseconds of one sample.
const NANOS: u128 = 125_000;

/// See the module. Left is the customer, right our side.
#[derive(Debug)]
pub struct Recorder {
    listener: Listener,
    start: Instant,
    timeline: Timeline,
    arming: Arming,
    /// The last one is open while `silent`.
    silences: Vec<(Silence, Samples, Samples)>,
    silent: bool,
    gaps: Vec<(Samples, Samples)>,
    /// When the newest packet arrived.
    newest: Samples,
    /// When the tap was last seen open, and first seen closed.
    open: Samples,
    closed: Option<Samples>,
}

#[derive(Debug)]
enum Arming {
    /// Nothing may come out.
    Awaited { waiting: Vec<i16> },
    /// It may, and what has waited is to come first.
    Granted { waiting: Vec<i16> },
    /// Nothing waits any more.
    Done,
}

impl Recorder {
    /// The conversation's clock starts at `start`.
    pub fn new(listener: Listener, start: Instant) -> Recorder {
        Recorder {
            listener,
            start,
            timeline: Timeline::new(),
            arming: Arming::Awaited { waiting: Vec::new() },
            silences: Vec::new(),
            silent: false,
            gaps: Vec::new(),
            newest: Samples(0),
            open: Samples(0),
            closed: None,
        }
    }

    /// From now on samples may come out.
    pub fn arm(&mut self) {
        if let Arming::Awaited { waiting } = &mut self.arming {
            self.arming = Arming::Granted { waiting: std::mem::take(waiting) };
        }
    }

    /// Whether samples may come out.
    pub fn is_armed(&self) -> bool {
        match self.arming {
            Arming::Awaited { .. } => false,
            Arming::Granted { .. } | Arming::Done => true,
        }
    }

    /// Listens to another tap from now on. What the one before still holds is to be taken first: see [`Recorder::advance`]. That it was
    /// closed is no loss: whoever closes a tap on purpose says so by a silence.
    pub fn hear(&mut self, listener: Listener) {
        self.listener = listener;
        self.closed = None;
    }

    /// Both sides silent from `now`. Another reason than the present one begins a span of its own.
    pub fn silence(&mut self, now: Instant, reason: Silence) {
        if self.silent && self.silences.last().is_some_and(|&(present, ..)| present == reason) {
            return;
        }
        self.unsilence(now);
        let from = self.not_yet_out(now);
        self.silent = true;
        let full = self.silences.len() >= MOST_SPANS;
        match self.silences.last_mut() {
            Some(last) if full => last.2 = from,
            _ => self.silences.push((reason, from, from)),
        }
    }

    /// Both sides audible from `now`.
    pub fn unsilence(&mut self, now: Instant) {
        let to = self.not_yet_out(now);
        if !std::mem::take(&mut self.silent) {
            return;
        }
        if let Some((_, from, end)) = self.silences.last_mut() {
            *end = to;
            if *from >= to {
                self.silences.pop();
            }
        }
    }

    /// Drains the tap and appends what is settled by now (older than the jitter delay of 90 ms) to `out`, interleaved left, right.
    /// `false` if more is settled than comes out of one call (a minute): call again.
    pub fn advance(&mut self, now: Instant, out: &mut Vec<i16>) -> bool {
        self.drain(now, out);
        let settled = self.at(now).0 as i64 - DELAY.0 as i64;
        self.emit(settled, out)
    }

    /// The conversation ended at `now`: appends the rest. `false` if there is more, as with [`Recorder::advance`]. What is not armed yet
    /// keeps it: call again, with the same `now`, when it is.
    pub fn finish(&mut self, now: Instant, out: &mut Vec<i16>) -> bool {
        self.drain(now, out);
        let whole = self.emit(self.at(now).0 as i64, out);
        if whole {
            self.unsilence(now);
            let end = self.timeline.emitted();
            if self.listener.ends_in_loss() {
                list_gap(&mut self.gaps, self.newest, end);
            }
            // It is closed at the end, and not before.
            if self.closed.is_some_and(|closed| closed < self.at(now)) {
                list_gap(&mut self.gaps, self.open.max(self.newest), end);
            }
        }
        whole
    }

    /// The last so many samples that came out found no room: they are silence, and a gap.
    pub fn lose(&mut self, last: Samples) {
        let end = self.timeline.emitted();
        list_gap(&mut self.gaps, Samples(end.0.saturating_sub(last.0)), end);
    }

    /// Samples per channel that wait for the arming.
    pub fn waiting(&self) -> Samples {
        match &self.arming {
            Arming::Awaited { waiting } | Arming::Granted { waiting } => {
                Samples(waiting.len() as u64 / 2)
            }
            Arming::Done => Samples(0),
        }
    }

    /// Samples per channel that have come out.
    pub fn length(&self) -> Samples {
        match self.arming {
            Arming::Awaited { .. } | Arming::Granted { .. } => Samples(0),
            Arming::Done => self.timeline.emitted(),
        }
    }

    /// Spans silent on purpose, so far.
    pub fn silences(&self) -> &[(Silence, Samples, Samples)] {
        &self.silences
    }

    /// Spans lost, so far: by a full tap, before the arming, on the way to the disk; and at the end, those since the tap was gone.
    pub fn gaps(&self) -> &[(Samples, Samples)] {
        &self.gaps
    }

    /// What came of each side, so far.
    pub fn packets(&self) -> Packets {
        self.timeline.packets()
    }

    fn drain(&mut self, now: Instant, out: &mut Vec<i16>) {
        match self.listener.is_closed() {
            false => self.open = self.at(now),
            // Nobody is to be heard: the tap is gone on purpose.
            true if self.silent => {}
            true => self.closed = self.closed.or(Some(self.at(now))),
        }
        let mut room = [0; LONGEST];
        for _ in 0..MOST_PACKETS {
            let Some(frame) = self.listener.pop(&mut room) else { break };
            let arrived = samples(frame.arrived.saturating_duration_since(self.start));
            if self.listener.after_loss() {
                list_gap(&mut self.gaps, self.newest, arrived);
            }
            self.newest = self.newest.max(arrived);
            let to = out_or_waiting(&mut self.arming, &mut self.gaps, &self.timeline, out);
            let (from, old) = (self.timeline.emitted(), to.len());
            self.timeline.take(&frame, arrived.0 as i64, to);
            mute(&mut self.silences, self.silent, from, &mut to[old..]);
        }
    }

    fn emit(&mut self, to: i64, out: &mut Vec<i16>) -> bool {
        let from = self.timeline.emitted();
        let limit = from.0 as i64 + MOST_AT_ONCE;
        let sink = out_or_waiting(&mut self.arming, &mut self.gaps, &self.timeline, out);
        let old = sink.len();
        self.timeline.emit(to.min(limit), sink);
        mute(&mut self.silences, self.silent, from, &mut sink[old..]);
        if let Arming::Awaited { waiting } = &mut self.arming {
            waiting.truncate(2 * MOST_WAITING.0 as usize);
        }
        to <= limit
    }

    fn at(&self, now: Instant) -> Samples {
        samples(now.saturating_duration_since(self.start))
    }

    /// What has come out cannot be changed any more.
    fn not_yet_out(&self, now: Instant) -> Samples {
        self.at(now).max(self.timeline.emitted())
    }
}

/// Where samples go. On the first call after the arming, all that has waited goes before them, and silence for what could not wait.
fn out_or_waiting<'a>(
    arming: &'a mut Arming,
    gaps: &mut Vec<(Samples, Samples)>,
    timeline: &Timeline,
    out: &'a mut Vec<i16>,
) -> &'a mut Vec<i16> {
    if let Arming::Granted { waiting } = arming {
        let kept = Samples(waiting.len() as u64 / 2);
        let emitted = timeline.emitted();
        out.append(waiting);
        if kept < emitted {
            out.resize(out.len() + 2 * (emitted.0 - kept.0) as usize, 0);
            list_gap(gaps, kept, emitted);
        }
        *arming = Arming::Done;
    }
    match arming {
        Arming::Awaited { waiting } => waiting,
        Arming::Granted { .. } | Arming::Done => out,
    }
}

/// Silences what lies in a silent span of the samples that begin at `from`.
fn mute(
    silences: &mut [(Silence, Samples, Samples)],
    silent: bool,
    from: Samples,
    pcm: &mut [i16],
) {
    let to = Samples(from.0 + pcm.len() as u64 / 2);
    if silent && let Some((_, begin, end)) = silences.last_mut() {
        *end = to.max(*begin);
    }
    for &(_, begin, end) in silences.iter().rev().take_while(|&&(_, _, end)| end > from) {
        let begin = begin.max(from).min(to);
        let end = end.min(to);
        pcm[2 * (begin.0 - from.0) as usize..2 * (end.0 - from.0) as usize].fill(0);
    }
}

/// Gaps stay in order; what touches becomes one.
fn list_gap(gaps: &mut Vec<(Samples, Samples)>, from: Samples, to: Samples) {
    if from >= to {
        return;
    }
    let mut first = gaps.partition_point(|gap| gap.1 < from);
    let after = gaps.partition_point(|gap| gap.0 <= to);
    if first == after && gaps.len() < MOST_SPANS {
        gaps.insert(first, (from, to));
        return;
    }
    // With too many of them, what lies between the last two is given up too.
    first = first.min(gaps.len() - 1);
    let after = after.max(first + 1);
    let joined = (gaps[first].0.min(from), gaps[after - 1].1.max(to));
    gaps.splice(first..after, [joined]);
}

fn samples(span: Duration) -> Samples {
    Samples(u64::try_from(span.as_nanos() / NANOS).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;

//! The timeline of a conversation: both sides' packets laid where their RTP time says, however they came. What is missing is silence,
//! what comes twice is heard once, what comes too late for its place is counted and left out.

use super::jitter::{DELAY, FINE, Mapping, Place, Stamp, consistent};
use super::tap::{Frame, LONGEST, Side};
use super::{Packets, Samples};
use crate::wire::rtp::g711;

/// Samples of each side that wait for their turn: more than half a second, a power of two.
const WINDOW: usize = 4_096;

/// Packets of an unknown timeline are kept back so long before they are believed, which also shows how the first of them was delayed.
const PROBATION: i64 = 60 * 8;

/// And at most so many of them.
const MOST_KEPT: usize = 16;

/// Below this a packet is quiet: no jump in it is heard.
const QUIET: u16 = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Timeline {
    customer: Lane,
    agent: Lane,
    emitted: i64,
}

impl Timeline {
    pub(super) fn new() -> Timeline {
        Timeline { customer: Lane::new(), agent: Lane::new(), emitted: 0 }
    }

    /// Samples of each side that have come out.
    pub(super) fn emitted(&self) -> Samples {
        Samples(self.emitted as u64)
    }

    /// What came of each side, and what of it was left out: too late for its place, or strayed in from another time.
    pub(super) fn packets(&self) -> Packets {
        Packets {
            customer: self.customer.packets,
            agent: self.agent.packets,
            left_out: self.customer.left_out + self.agent.left_out,
        }
    }

    /// Lays down a packet that arrived so many samples after the beginning. What has no room any more comes out first.
    pub(super) fn take(&mut self, frame: &Frame<'_>, arrived: i64, out: &mut Vec<i16>) {
        if frame.payload.is_empty() || frame.payload.len() > LONGEST {
            return;
        }
        // Room for the packet itself and for one that is as early as a packet can be.
        let horizon = arrived + (WINDOW / 2) as i64;
        if horizon > self.emitted + WINDOW as i64 {
            self.emit(horizon - WINDOW as i64, out);
        }
        let emitted = self.emitted;
        self.lane(frame.side).take(frame, arrived, emitted);
    }

    /// Appends both sides up to there, left and right in turn.
    pub(super) fn emit(&mut self, to: i64, out: &mut Vec<i16>) {
        for lane in [&mut self.customer, &mut self.agent] {
            lane.decide(to + DELAY.0 as i64, self.emitted);
        }
        while self.emitted < to {
            let from = self.emitted as usize % WINDOW;
            let count = (WINDOW - from).min((to - self.emitted) as usize);
            let left = &mut self.customer.window[from..from + count];
            let right = &mut self.agent.window[from..from + count];
            let old = out.len();
            out.resize(old + 2 * count, 0);
            let pairs = left.iter().zip(right.iter());
            for (pair, (&left, &right)) in out[old..].as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
                *pair = [left, right];
            }
            left.fill(0);
            right.fill(0);
            self.emitted += count as i64;
        }
    }

    fn lane(&mut self, side: Side) -> &mut Lane {
        match side {
            Side::Customer => &mut self.customer,
            Side::Agent => &mut self.agent,
        }
    }
}

/// One side.
#[derive(Debug)]
struct Lane {
    window: Box<[i16; WINDOW]>,
    mapping: Option<Mapping>,
    /// Packets whose timeline is not the known one.
    kept: Vec<Kept>,
    /// The last packet as it came, for the pieces of one that was cut up.
    last: Option<(Stamp, u16)>,
    tail: Tail,
    packets: u64,
    left_out: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    stamp: Stamp,
    pcm: [i16; LONGEST],
}

/// The end of the packet before, which the next one is interpolated with.
#[derive(Clone, Copy, Debug, Default)]
struct Tail {
    ends: i64,
    samples: [i16; REACH],
}

/// Samples before a packet that its interpolation looks at.
const REACH: usize = 3;

impl Lane {
    fn new() -> Lane {
        Lane {
            window: Box::new([0; WINDOW]),
            mapping: None,
            kept: Vec::new(),
            last: None,
            tail: Tail { ends: i64::MIN, samples: [0; REACH] },
            packets: 0,
            left_out: 0,
        }
    }

    fn take(&mut self, frame: &Frame<'_>, arrived: i64, emitted: i64) {
        let stamp = self.stamp(frame, arrived);
        let known = self.mapping.as_mut().filter(|mapping| {
            mapping.fits(stamp) && mapping.position(stamp) + stamp.length > emitted
        });
        let mut pcm = [0; LONGEST];
        let pcm = &mut pcm[..frame.payload.len()];
        for (sample, &byte) in pcm.iter_mut().zip(frame.payload) {
            *sample = g711::decode(frame.codec, byte);
        }
        if let Some(mapping) = known {
            let place = mapping.place(stamp, || quiet(pcm));
            if self.kept.first().is_some_and(|kept| kept.stamp.ssrc == stamp.ssrc) {
                self.forget();
            }
            self.lay(place, pcm, emitted);
        } else {
            self.keep(stamp, pcm, emitted);
        }
    }

    /// The pieces of a packet that was cut up arrived together, and each lasts until the next.
    fn stamp(&mut self, frame: &Frame<'_>, arrived: i64) -> Stamp {
        let length = frame.payload.len() as i64;
        let mut stamp = Stamp { ssrc: frame.ssrc, timestamp: frame.timestamp, arrived, length };
        if let Some((first, sequence)) = self.last
            && (sequence, first.ssrc, first.arrived) == (frame.sequence, frame.ssrc, arrived)
        {
            let behind = i64::from(frame.timestamp.wrapping_sub(first.timestamp));
            if behind < WINDOW as i64 / 4 {
                stamp.arrived += behind;
            }
        } else {
            self.last = Some((stamp, frame.sequence));
            self.packets += 1;
        }
        stamp
    }

    fn keep(&mut self, stamp: Stamp, pcm: &[i16], emitted: i64) {
        if self.kept.last().is_some_and(|last| !consistent(last.stamp, stamp)) {
            match self.mapping {
                None => self.believe(emitted),
                Some(_) => self.forget(),
            }
        }
        if self.kept.len() == MOST_KEPT {
            self.kept.remove(0);
            self.left_out += 1;
        }
        let mut kept = Kept { stamp, pcm: [0; LONGEST] };
        kept.pcm[..pcm.len()].copy_from_slice(pcm);
        self.kept.push(kept);
        self.decide(stamp.arrived, emitted);
    }

    /// Believes what was kept back if that has lasted long enough by `now`. Against a known timeline it takes packets, not just time.
    fn decide(&mut self, now: i64, emitted: i64) {
        let (Some(first), Some(last)) = (self.kept.first(), self.kept.last()) else { return };
        let known = self.mapping.as_ref().is_some_and(|known| known.ssrc() == first.stamp.ssrc);
        let until = if known { last.stamp.arrived } else { now };
        if until - first.stamp.arrived >= PROBATION {
            self.believe(emitted);
        }
    }

    fn believe(&mut self, emitted: i64) {
        let kept = std::mem::take(&mut self.kept);
        let Some(first) = kept.first() else { return };
        let stamps = kept.iter().skip(1).map(|kept| kept.stamp);
        let mut mapping = Mapping::anchor(first.stamp, stamps);
        self.tail.ends = i64::MIN;
        for Kept { stamp, pcm } in &kept {
            let pcm = &pcm[..stamp.length as usize];
            let place = mapping.place(*stamp, || quiet(pcm));
            self.lay(place, pcm, emitted);
        }
        // What was kept needs no memory any more: this is seldom.
        self.mapping = Some(mapping);
    }

    fn forget(&mut self) {
        self.left_out += self.kept.len() as u64;
        self.kept.clear();
    }

    fn lay(&mut self, place: Place, pcm: &[i16], emitted: i64) {
        if place.stretch == 0 && place.start % FINE == 0 {
            self.write(place.start / FINE, pcm, emitted);
        } else {
            self.lay_between(place, pcm, emitted);
        }
        self.tail.ends = place.extended + pcm.len() as i64;
        if let Some(last) = pcm.last_chunk() {
            self.tail.samples = *last;
        } else {
            self.tail.ends = i64::MIN;
        }
    }

    /// While the mapping moves, samples fall between the grid: four points around each (Lagrange), the whole packet a little longer or
    /// shorter than it is.
    fn lay_between(&mut self, place: Place, pcm: &[i16], emitted: i64) {
        let continues = self.tail.ends == place.extended;
        let before = if continues { self.tail.samples } else { [pcm[0]; REACH] };
        let at = |index: i64| match usize::try_from(index) {
            Ok(index) => f32::from(pcm[index.min(pcm.len() - 1)]),
            Err(_) => f32::from(before[(index + REACH as i64).max(0) as usize]),
        };
        let length = pcm.len() as i64 * FINE;
        // The two last samples of the packet before were laid without knowing what follows them.
        let early = if continues { 2 * FINE } else { 0 };
        let first = -(early - place.start).div_euclid(FINE);
        let end = -(-(place.start + length + place.stretch)).div_euclid(FINE);
        let speed = length as f32 / (length + place.stretch) as f32 / FINE as f32;
        let mut moved = [0; LONGEST + 8];
        let mut count = 0;
        for (sample, position) in moved.iter_mut().zip(first..end) {
            let place = (position * FINE - place.start) as f32 * speed;
            let whole = place.floor();
            let t = place - whole;
            let index = whole as i64;
            let value = at(index - 1) * (-t * (t - 1.0) * (t - 2.0) / 6.0)
                + at(index) * ((t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0)
                + at(index + 1) * (-(t + 1.0) * t * (t - 2.0) / 2.0)
                + at(index + 2) * ((t + 1.0) * t * (t - 1.0) / 6.0);
            *sample = value.round() as i16;
            count += 1;
        }
        self.write(first, &moved[..count], emitted);
    }

    /// What lies before the emitted is too late; beyond the window nothing is expected.
    fn write(&mut self, position: i64, pcm: &[i16], emitted: i64) {
        let late = usize::try_from(emitted - position).unwrap_or(0).min(pcm.len());
        let position = position + late as i64;
        let room = usize::try_from(emitted + WINDOW as i64 - position).unwrap_or(0);
        let pcm = &pcm[late..];
        let pcm = &pcm[..pcm.len().min(room)];
        if pcm.is_empty() {
            self.left_out += 1;
            return;
        }
        let from = position as usize % WINDOW;
        let (one, other) = pcm.split_at(pcm.len().min(WINDOW - from));
        self.window[from..from + one.len()].copy_from_slice(one);
        self.window[..other.len()].copy_from_slice(other);
    }
}

fn quiet(pcm: &[i16]) -> bool {
    pcm.iter().all(|sample| sample.unsigned_abs() <= QUIET)
}

//! How one source's RTP time lies on the conversation's clock. A packet cannot arrive before it was sent, so the quickest of the last
//! seconds shows where the source's time really lies, and the others are merely late (RFC 3550 §6.4.1, §A.8 look at the same
//! difference). The mapping follows drift without a jump, by less than half a percent of speed, and unheard where the audio is quiet.

use super::Samples;

/// A sample is divided into so many steps, the unit of slow corrections.
pub(super) const FINE: i64 = 800;

/// A packet later than this has missed its place: the jitter that a recording bears, and the age of what comes out of it.
pub(super) const DELAY: Samples = Samples(90 * 8);

/// A packet earlier than this belongs to another timeline.
const AHEAD: i64 = 100 * 8;

/// Errors of the mapping up to this are left alone.
const TOLERATED: i64 = 8 * 8;

/// Errors above this are corrected twice as fast.
const LARGE: i64 = 20 * 8;

/// Errors above this are corrected at once: the path has changed.
const CHANGED: i64 = 60 * 8;

/// The quickest packet is looked for in spans of so many samples, and so many of them count.
const SPAN: i64 = 8_000;
const SPANS: usize = 4;

/// Fewer packets than this say nothing about the path.
const ENOUGH: u32 = 10;

/// Of so many packets it is known where they were laid: more than can be overtaken within the delay.
const OVERTAKEN: usize = 8;

/// After so long without a packet, what was known of the path is old.
const PAUSE: i64 = 2 * 8_000;

/// What the mapping needs to know of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// Its source.
    pub(super) ssrc: u32,
    /// Its RTP time.
    pub(super) timestamp: u32,
    /// When it came, in samples of the conversation.
    pub(super) arrived: i64,
    /// Its length in samples.
    pub(super) length: i64,
}

/// Where a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// Its RTP time without wraps.
    pub(super) extended: i64,
    /// The conversation's time of its first sample, in [`FINE`] steps.
    pub(super) start: i64,
    /// How much longer than its samples it is to last, in [`FINE`] steps; a four-hundredth of its length at most.
    pub(super) stretch: i64,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    ssrc: u32,
    /// The newest packet.
    timestamp: u32,
    extended: i64,
    arrived: i64,
    /// Conversation time minus extended RTP time, in fine steps.
    offset: i64,
    /// What is left of a correction, in fine steps; it ends on a whole sample.
    slew: i64,
    /// The least difference of arrival and RTP time, in samples: of the span that runs, and of those before.
    floor: i64,
    floors: [i64; SPANS],
    since: i64,
    heard: u32,
    /// The newest packets' RTP times and offsets, the newest first: who is overtaken lies between them.
    placed: [(i64, i64); OVERTAKEN],
}

impl Mapping {
    /// Anchors a source by its first packets, of which the quickest counts.
    pub(super) fn anchor(first: Stamp, rest: impl Iterator<Item = Stamp>) -> Mapping {
        let floor = rest
            .map(|stamp| stamp.arrived - i64::from(distance(first.timestamp, stamp.timestamp)))
            .fold(first.arrived, i64::min);
        Mapping {
            ssrc: first.ssrc,
            timestamp: first.timestamp,
            extended: 0,
            arrived: first.arrived,
            offset: floor * FINE,
            slew: 0,
            floor,
            floors: [i64::MAX; SPANS],
            since: first.arrived,
            heard: 0,
            placed: [(i64::MIN, 0); OVERTAKEN],
        }
    }

    /// The source it is for.
    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Where the packet would lie, in samples of the conversation.
    pub(super) fn position(&self, stamp: Stamp) -> i64 {
        (self.extend(stamp.timestamp) * FINE + self.offset).div_euclid(FINE)
    }

    /// Whether the packet lies where this timeline may expect one.
    pub(super) fn fits(&self, stamp: Stamp) -> bool {
        let late = stamp.arrived - self.position(stamp);
        stamp.ssrc == self.ssrc && (-AHEAD..=DELAY.0 as i64).contains(&late)
    }

    /// Takes a packet that [`Mapping::fits`]; `quiet` says whether a jump in it would go unheard.
    pub(super) fn place(&mut self, stamp: Stamp, quiet: impl FnOnce() -> bool) -> Place {
        let extended = self.extend(stamp.timestamp);
        if extended <= self.extended && self.heard > 0 {
            self.observe(stamp, extended);
            // It ends where the one that overtook it begins.
            let later = self.placed.iter().take_while(|&&(other, _)| other > extended).last();
            let offset = later.map_or(self.offset, |&(_, offset)| offset);
            return Place { extended, start: extended * FINE + offset, stretch: 0 };
        }
        if stamp.arrived - self.arrived > PAUSE {
            self.floors = [i64::MAX; SPANS];
            (self.floor, self.since, self.heard) = (i64::MAX, stamp.arrived, 0);
        }
        self.observe(stamp, extended);
        (self.timestamp, self.extended, self.arrived) = (stamp.timestamp, extended, stamp.arrived);
        if self.slew != 0 && quiet() {
            self.offset += self.slew;
            self.slew = 0;
        }
        let start = extended * FINE + self.offset;
        self.placed.rotate_right(1);
        self.placed[0] = (extended, self.offset);
        let speed = if self.slew.abs() > LARGE * FINE { 2 } else { 1 };
        let most = stamp.length * speed;
        let stretch = self.slew.clamp(-most, most);
        self.offset += stretch;
        self.slew -= stretch;
        Place { extended, start, stretch }
    }

    fn extend(&self, timestamp: u32) -> i64 {
        self.extended + i64::from(distance(self.timestamp, timestamp))
    }

    fn observe(&mut self, stamp: Stamp, extended: i64) {
        self.floor = self.floor.min(stamp.arrived - extended);
        self.heard = self.heard.saturating_add(1);
        if stamp.arrived - self.since >= SPAN && self.heard >= ENOUGH {
            self.floors.rotate_right(1);
            self.floors[0] = self.floor;
            (self.floor, self.since, self.heard) = (i64::MAX, stamp.arrived, 1);
            self.correct();
        }
    }

    /// Later arrivals must persist for all the spans, since a busy network looks the same; earlier ones prove themselves.
    fn correct(&mut self) {
        let least = self.floors.iter().copied().min().unwrap_or(i64::MAX);
        if least == i64::MAX || self.floors[SPANS - 1] == i64::MAX && least * FINE > self.offset {
            return;
        }
        let error = least * FINE - self.offset;
        if error.abs() > CHANGED * FINE {
            self.offset = least * FINE;
            self.slew = 0;
        } else if error.abs() > TOLERATED * FINE || self.slew != 0 {
            self.slew = error;
        }
    }
}

/// From one RTP time to another, the short way round.
fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from) as i32
}

/// Whether two packets can belong to one timeline, as far as two can tell.
pub(super) fn consistent(one: Stamp, other: Stamp) -> bool {
    let advanced = i64::from(distance(one.timestamp, other.timestamp));
    one.ssrc == other.ssrc && (other.arrived - one.arrived - advanced).abs() <= AHEAD
}

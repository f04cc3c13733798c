//! The recordings of the lab: the real recorder, samples instead of files, and what is left of them after a crash.

use std::time::{Duration, Instant};

use tonspur::media::recorder::Recorder;
use tonspur::media::tap::Listener;
use tonspur::media::{Event, Progress, RecordingId, Samples, Sealed, Silence};

/// The recorder looks at its tap this often.
const SLOT: Duration = Duration::from_millis(40);

/// And says so often how far it has come.
const PACE: Duration = Duration::from_secs(2);

/// One recording.
pub(crate) struct Tape {
    pub(crate) id: RecordingId,
    /// Told `Record`: something of it is on the disk, or was.
    pub(crate) recorded: bool,
    /// Told `Seal` before that.
    ended: Option<Instant>,
    pub(crate) samples: Vec<i16>,
    /// How much of it was told of, and when.
    told: (usize, Instant),
    pub(crate) end: End,
    /// The audio is deleted.
    pub(crate) purged: bool,
}

/// How it ended, if it has.
pub(crate) enum End {
    Open(Box<Recorder>),
    /// Under its final name.
    Sealed,
    /// The recorder gave up.
    Failed,
    /// Cut off by a crash: a `.part`, or nothing if it was never told `Record`.
    Torn,
    /// Cut off, and finished by the next start.
    Adopted,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Tapes {
    pub(crate) all: Vec<Tape>,
    next_slot: Option<Instant>,
}

impl Tapes {
    pub(crate) fn begin(&mut self, now: Instant, id: RecordingId, listener: Listener) {
        assert!(self.all.iter().all(|tape| tape.id != id), "a recording begins once");
        let end = End::Open(Box::new(Recorder::new(listener, now)));
        let samples = Vec::new();
        let told = (0, now);
        self.all.push(Tape { id, recorded: false, ended: None, samples, told, end, purged: false });
        self.next_slot = self.next_slot.or(Some(now + SLOT));
    }

    pub(crate) fn get(&mut self, id: RecordingId) -> &mut Tape {
        self.all.iter_mut().find(|tape| tape.id == id).expect("a tapped recording")
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next_slot
    }

    /// Takes what has come through the taps; `fails`: the disk is full, `hangs`: it takes nothing and says nothing.
    pub(crate) fn advance(&mut self, now: Instant, fails: bool, hangs: bool) -> Vec<Event> {
        let mut events = Vec::new();
        for tape in &mut self.all {
            let End::Open(recorder) = &mut tape.end else { continue };
            if tape.ended.is_some() {
                continue;
            }
            recorder.advance(now, &mut tape.samples);
            assert!(tape.recorded || tape.samples.is_empty(), "samples before the row");
            if fails && tape.recorded {
                events.push(tape.fail());
            } else if tape.recorded && !hangs && now >= tape.told.1 + PACE {
                events.push(tape.tell(now));
            }
        }
        let busy = self.all.iter().any(|tape| matches!(tape.end, End::Open(_)));
        self.next_slot = busy.then_some(now + SLOT);
        events
    }

    /// The process has died.
    pub(crate) fn tear(&mut self) {
        for tape in self.all.iter_mut().filter(|tape| matches!(tape.end, End::Open(_))) {
            tape.end = End::Torn;
        }
        self.next_slot = None;
    }
}

impl Tape {
    pub(crate) fn record(&mut self, fails: bool) -> Option<Event> {
        let End::Open(recorder) = &mut self.end else { return None };
        assert!(!self.recorded, "it is told once");
        if fails {
            return Some(self.fail());
        }
        recorder.arm();
        self.recorded = true;
        self.ended.and_then(|at| self.seal(at))
    }

    fn tell(&mut self, now: Instant) -> Event {
        let fresh = &self.samples[self.told.0..];
        let loudest = |side| {
            let samples = fresh.iter().skip(side).step_by(2);
            samples.map(|sample: &i16| sample.unsigned_abs()).max().unwrap_or(0)
        };
        let progress = Progress {
            length: Samples(self.samples.len() as u64 / 2),
            peaks: [loudest(0), loudest(1)],
            fault: None,
        };
        self.told = (self.samples.len(), now);
        Event::Written { recording: self.id, progress }
    }

    fn fail(&mut self) -> Event {
        self.end = End::Failed;
        Event::RecordingFailed { recording: self.id, cause: "the disk is full".into() }
    }

    pub(crate) fn hear(&mut self, now: Instant, listener: Listener) {
        if let End::Open(recorder) = &mut self.end {
            recorder.advance(now, &mut self.samples);
            recorder.hear(listener);
        }
    }

    pub(crate) fn silence(&mut self, now: Instant, reason: Option<Silence>) {
        match (&mut self.end, reason) {
            (End::Open(recorder), Some(reason)) => recorder.silence(now, reason),
            (End::Open(recorder), None) => recorder.unsilence(now),
            (End::Failed, _) => {}
            (End::Sealed | End::Torn | End::Adopted, _) => panic!("silenced after its end"),
        }
    }

    pub(crate) fn seal(&mut self, now: Instant) -> Option<Event> {
        let recorder = match &mut self.end {
            End::Open(recorder) => recorder,
            End::Failed => return None,
            End::Sealed | End::Torn | End::Adopted => panic!("a recording is sealed once"),
        };
        if !self.recorded {
            assert!(self.ended.is_none(), "sealed once");
            self.ended = Some(now);
            return None;
        }
        recorder.finish(now, &mut self.samples);
        let sealed = Sealed {
            length: recorder.length(),
            sha256: [0; 32],
            bytes: 44 + 2 * self.samples.len() as u64,
            silences: recorder.silences().to_vec(),
            gaps: recorder.gaps().to_vec(),
            packets: Some(recorder.packets()),
        };
        assert_eq!(sealed.length.0 * 2, self.samples.len() as u64, "both sides, nothing else");
        self.end = End::Sealed;
        Some(Event::Sealed { recording: self.id, sealed })
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.end, End::Failed)
    }

    /// What the next start makes of the file; `None` if there is none.
    pub(crate) fn adopt(&mut self) -> Option<Sealed> {
        if !self.recorded || self.purged {
            return None;
        }
        match self.end {
            // The seal was on the disk, and its row was not.
            End::Sealed => {}
            End::Torn | End::Failed => self.end = End::Adopted,
            End::Open(_) | End::Adopted => panic!("adopted once, after a crash"),
        }
        Some(Sealed {
            length: Samples(self.samples.len() as u64 / 2),
            sha256: [0; 32],
            bytes: 44 + 2 * self.samples.len() as u64,
            silences: Vec::new(),
            gaps: Vec::new(),
            packets: None,
        })
    }
}

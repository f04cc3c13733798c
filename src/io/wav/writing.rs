//! The thread that writes: makes the files, and appends and flushes what waits for them. What the disk refuses is kept and tried
//! again in every slot; only what it still refuses at the end of the conversation has failed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::room::Lack;
use super::sealing::{Archive, Job};
use super::waiting::Waiting;
use super::{PIECE, Wav};
use crate::media::{Event, Packets, Progress, RecordingId, Samples, Silence};

/// A turn that takes longer is worth a line in the log: a crash in it would have cost as much.
const SLOW: Duration = Duration::from_secs(1);

/// How often it is told how far a recording has come.
const PACE: Duration = Duration::from_secs(2);

/// What is known of a recording when its conversation is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) silences: Vec<(Silence, Samples, Samples)>,
    pub(super) gaps: Vec<(Samples, Samples)>,
    pub(super) packets: Packets,
}

#[derive(Debug)]
enum Errand {
    Begin { recording: RecordingId, path: String, waiting: Arc<Waiting> },
    Turn,
    End(RecordingId, Ended),
    Fail(RecordingId, String),
}

/// How the thread that listens reaches the one that writes.
pub(super) struct Pen {
    errands: Sender<Errand>,
    /// A turn is among the errands already: while the disk hangs they do not pile up.
    turning: Arc<AtomicBool>,
}

impl Pen {
    /// Audio may reach the disk at `path`; it comes by `waiting`.
    pub(super) fn begin(&self, recording: RecordingId, path: String, waiting: Arc<Waiting>) {
        self.send(Errand::Begin { recording, path, waiting });
    }

    /// There may be something in what waits.
    pub(super) fn turn(&self) {
        if !self.turning.swap(true, Ordering::AcqRel) {
            self.send(Errand::Turn);
        }
    }

    /// Nothing more will come.
    pub(super) fn end(&self, recording: RecordingId, ended: Ended) {
        self.send(Errand::End(recording, ended));
    }

    /// There is nothing to write.
    pub(super) fn fail(&self, recording: RecordingId, cause: &str) {
        self.send(Errand::Fail(recording, cause.to_owned()));
    }

    fn send(&self, errand: Errand) {
        // It ends only with us, or by a panic, which is told when it is waited for.
        let _ = self.errands.send(errand);
    }
}

/// See the module.
pub(super) struct Writing {
    archive: Arc<Archive>,
    errands: Receiver<Errand>,
    turning: Arc<AtomicBool>,
    jobs: Sender<Job>,
    sheets: BTreeMap<RecordingId, Sheet>,
    /// Samples on their way to a file.
    pcm: Vec<i16>,
    events: tokio::sync::mpsc::Sender<Event>,
}

/// One recording of this thread.
struct Sheet {
    path: String,
    waiting: Arc<Waiting>,
    wav: Option<Wav>,
    trouble: Trouble,
    /// The loudest sample of each side since `told`.
    peaks: [u16; 2],
    told: Instant,
}

impl Writing {
    pub(super) fn new(
        archive: Arc<Archive>,
        jobs: Sender<Job>,
        events: tokio::sync::mpsc::Sender<Event>,
    ) -> (Pen, Writing) {
        let (sender, errands) = channel();
        let turning = Arc::new(AtomicBool::new(false));
        let pen = Pen { errands: sender, turning: Arc::clone(&turning) };
        let sheets = BTreeMap::new();
        (pen, Writing { archive, errands, turning, jobs, sheets, pcm: Vec::new(), events })
    }

    /// Until the pen is dropped.
    pub(super) fn run(mut self) {
        while let Ok(errand) = self.errands.recv() {
            let begun = Instant::now();
            match errand {
                Errand::Begin { recording, path, waiting } => {
                    let sheet = Sheet {
                        path,
                        waiting,
                        wav: None,
                        trouble: Trouble::default(),
                        peaks: [0; 2],
                        told: begun,
                    };
                    self.sheets.insert(recording, sheet);
                    self.write(|candidate| candidate == recording);
                }
                Errand::Turn => {
                    self.turning.store(false, Ordering::Release);
                    self.write(|_| true);
                }
                Errand::End(recording, ended) => self.end(recording, ended),
                Errand::Fail(recording, cause) => self.hand_over(Job::Fail { recording, cause }),
            }
            let took = begun.elapsed();
            if took >= SLOW {
                let seconds = took.as_secs_f32();
                tracing::warn!(event = "recordings_slow", seconds, "the disk takes its time");
            }
        }
    }

    fn write(&mut self, is_due: impl Fn(RecordingId) -> bool) {
        // Asked once a turn, which costs a microsecond.
        let room = self.archive.has_room();
        for (&recording, sheet) in self.sheets.iter_mut().filter(|(id, _)| is_due(**id)) {
            let written = sheet.write_if(room, &self.archive, &mut self.pcm);
            let now = Instant::now();
            sheet.trouble.tell(recording, &written, now);
            if let Some(progress) = sheet.progress(now, &self.archive) {
                // A switch that has no time for it hears the next one.
                let _ = self.events.try_send(Event::Written { recording, progress });
            }
        }
    }

    fn end(&mut self, recording: RecordingId, ended: Ended) {
        let Some(mut sheet) = self.sheets.remove(&recording) else { return };
        // What waits goes beyond the quota, half a minute at most: it has been said.
        let room = match self.archive.has_room() {
            Err(Lack::Quota) if sheet.wav.is_some() => Ok(()),
            room => room,
        };
        let written = sheet.write_if(room, &self.archive, &mut self.pcm);
        sheet.trouble.tell(recording, &written, Instant::now());
        self.hand_over(match (written, sheet.wav) {
            (Ok(()), Some(wav)) => {
                Job::Seal { recording, path: sheet.path, wav: Box::new(wav), ended }
            }
            (Ok(()), None) => Job::Fail { recording, cause: "it has no file".to_owned() },
            (Err(error), _) => Job::Fail { recording, cause: error.to_string() },
        });
    }

    fn hand_over(&self, job: Job) {
        if self.jobs.send(job).is_err() {
            tracing::error!(event = "thread_panicked", thread = "sealer");
        }
    }
}

impl Sheet {
    fn write_if(
        &mut self,
        room: Result<(), Lack>,
        archive: &Archive,
        pcm: &mut Vec<i16>,
    ) -> io::Result<()> {
        room?;
        let before = self.wav.as_ref().map_or(0, Wav::bytes);
        let written = self.write(archive, pcm);
        archive.wrote(self.wav.as_ref().map_or(0, Wav::bytes) - before);
        written
    }

    /// Everything that waits is in the file, and its header says so. After an error all of it is still there for the next try.
    fn write(&mut self, archive: &Archive, pcm: &mut Vec<i16>) -> io::Result<()> {
        let wav = match &mut self.wav {
            Some(wav) => wav,
            None => self.wav.insert(archive.create(&self.path)?),
        };
        loop {
            wav.flush()?;
            if !self.waiting.give(pcm) {
                return Ok(());
            }
            for frame in pcm.as_chunks::<2>().0 {
                for (peak, sample) in self.peaks.iter_mut().zip(frame) {
                    *peak = sample.unsigned_abs().max(*peak);
                }
            }
            let appended = wav.append(pcm);
            pcm.clear();
            // What a trouble needed is not kept for ever.
            pcm.shrink_to(PIECE / 4);
            appended?;
        }
    }
}

impl Sheet {
    /// How far it has come, now and then. Nobody is told of a file that is not made yet.
    fn progress(&mut self, now: Instant, archive: &Archive) -> Option<Progress> {
        let wav = self.wav.as_ref().filter(|_| now >= self.told + PACE)?;
        self.told = now;
        let peaks = std::mem::take(&mut self.peaks);
        Some(Progress { length: wav.length(), peaks, fault: archive.fault(&self.path, wav) })
    }
}

/// Whether the disk refuses a recording, and since when: told when it begins and when it is over.
#[derive(Debug, Default)]
struct Trouble(Option<Instant>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Turn {
    Begins,
    Lasts,
    Ends(Duration),
    None,
}

impl Trouble {
    fn tell(&mut self, recording: RecordingId, written: &io::Result<()>, now: Instant) {
        match (self.turn(written.is_ok(), now), written) {
            (Turn::Begins, Err(error)) => tracing::error!(
                event = "recording_refused", %recording, %error,
                "the disk does not take it; half a minute of it is kept, and it is tried again"
            ),
            (Turn::Ends(after), _) => {
                let seconds = after.as_secs_f32();
                tracing::warn!(event = "recording_resumed", %recording, seconds);
            }
            (Turn::Begins | Turn::Lasts | Turn::None, _) => {}
        }
    }

    fn turn(&mut self, well: bool, now: Instant) -> Turn {
        match (well, self.0) {
            (false, None) => {
                self.0 = Some(now);
                Turn::Begins
            }
            (false, Some(_)) => Turn::Lasts,
            (true, Some(since)) => {
                self.0 = None;
                Turn::Ends(now.saturating_duration_since(since))
            }
            (true, None) => Turn::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_told_once_and_once_when_it_is_over() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut trouble = Trouble::default();
        assert_eq!(trouble.turn(true, start), Turn::None);
        assert_eq!(trouble.turn(false, start), Turn::Begins);
        assert_eq!(trouble.turn(false, start + second), Turn::Lasts);
        assert_eq!(trouble.turn(true, start + 2 * second), Turn::Ends(2 * second));
        assert_eq!(trouble.turn(true, start + 3 * second), Turn::None);
        assert_eq!(trouble.turn(false, start + 4 * second), Turn::Begins);
    }
}

//! The threads that write recordings: each drains its taps and flushes their files every 80 ms, which with the jitter delay of 90 ms
//! keeps what a crash can lose below 200 ms. Sealing waits for the disk, and so has threads of its own.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::{LONGEST, Wav};
use crate::io::folder::Folder;
use crate::media::recorder::Recorder;
use crate::media::tap::Listener;
use crate::media::{Event, RecordingId, Sealed, Silence};

/// Half of the recordings have their turn in each slot, so that the disk sees a stream and no bursts.
const SLOT: Duration = Duration::from_millis(40);

/// Every disk is waited for by so many threads.
const SEALERS: usize = 4;

/// See the module.
#[derive(Debug)]
pub struct Writers {
    writers: Vec<(Sender<Order>, JoinHandle<()>)>,
    sealers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
enum Order {
    Begin(RecordingId, Listener, Instant),
    Record(RecordingId, String),
    Silence(RecordingId, Silence, Instant),
    Unsilence(RecordingId, Instant),
    Seal(RecordingId, Instant),
    Stop,
}

/// What is done away from the writers, because it may take its time.
enum Job {
    Seal(RecordingId, Box<Take>),
    Fail { recording: RecordingId, cause: String },
}

impl Writers {
    /// Starts `threads` writers (at least one) that write below `recordings`. `Sealed` and `RecordingFailed` are told to `events`.
    pub fn start(
        recordings: PathBuf,
        threads: usize,
        events: tokio::sync::mpsc::Sender<Event>,
    ) -> io::Result<Writers> {
        let root = Arc::new(Folder::open(&recordings)?);
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let mut sealers = Vec::new();
        for number in 0..SEALERS {
            let (root, queue, events) = (Arc::clone(&root), Arc::clone(&queue), events.clone());
            let name = Builder::new().name(format!("sealer-{number}"));
            sealers.push(name.spawn(move || run_jobs(&root, &queue, &events))?);
        }
        let mut writers = Vec::new();
        for number in 0..threads.max(1) {
            let (orders, inbox) = mpsc::channel();
            let writer = Writer {
                root: Arc::clone(&root),
                takes: BTreeMap::new(),
                jobs: jobs.clone(),
                pcm: Vec::new(),
            };
            let name = Builder::new().name(format!("writer-{number}"));
            writers.push((orders, name.spawn(move || writer.run(&inbox))?));
        }
        Ok(Writers { writers, sealers })
    }

    /// A tap to listen to; the conversation's clock starts at `start`. Nothing reaches the disk before [`Writers::record`].
    pub fn begin(&self, recording: RecordingId, listener: Listener, start: Instant) {
        self.order(recording, Order::Begin(recording, listener, start));
    }

    /// Audio may reach the disk, at `path` below the recordings folder.
    pub fn record(&self, recording: RecordingId, path: String) {
        self.order(recording, Order::Record(recording, path));
    }

    /// Both sides silent from `at`.
    pub fn silence(&self, recording: RecordingId, reason: Silence, at: Instant) {
        self.order(recording, Order::Silence(recording, reason, at));
    }

    /// Both sides audible from `at`.
    pub fn unsilence(&self, recording: RecordingId, at: Instant) {
        self.order(recording, Order::Unsilence(recording, at));
    }

    /// The conversation ended at `at`.
    pub fn seal(&self, recording: RecordingId, at: Instant) {
        self.order(recording, Order::Seal(recording, at));
    }

    /// Ends the threads and waits for them. What was told to seal is sealed; what was not stays as it was last flushed, for the next
    /// start to finish.
    pub fn stop(self) {
        for (orders, _) in &self.writers {
            let _ = orders.send(Order::Stop);
        }
        let threads = self.writers.into_iter().map(|(_, thread)| thread).chain(self.sealers);
        for thread in threads.collect::<Vec<_>>() {
            if thread.join().is_err() {
                tracing::error!("a thread that writes recordings had panicked");
            }
        }
    }

    fn order(&self, recording: RecordingId, order: Order) {
        let share = recording.0 % self.writers.len() as u64;
        if self.writers[share as usize].0.send(order).is_err() {
            tracing::error!(%recording, "the thread that writes this recording is gone");
        }
    }
}

struct Writer {
    root: Arc<Folder>,
    takes: BTreeMap<RecordingId, Take>,
    jobs: Sender<Job>,
    /// Samples on their way from a recorder to its file.
    pcm: Vec<i16>,
}

/// One recording of this thread.
struct Take {
    recorder: Recorder,
    file: Option<(String, Wav)>,
    /// Which of the two slots is its own.
    slot: usize,
}

impl Writer {
    fn run(mut self, inbox: &Receiver<Order>) {
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
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return self.flush_all(),
                Ok(order) => self.carry_out(order),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            if now >= due {
                slot = 1 - slot;
                // After a long wait for the disk both slots are due.
                let both = now >= due + SLOT;
                self.advance(now, |take| both || take.slot == slot);
                due = now.max(due + SLOT);
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Begin(recording, listener, start) => {
                let slot = self.takes.len() % 2;
                let take = Take { recorder: Recorder::new(listener, start), file: None, slot };
                self.takes.insert(recording, take);
            }
            Order::Record(recording, path) => {
                let Some(take) = self.takes.get_mut(&recording) else { return };
                match Wav::create(&self.root, &path) {
                    Ok(wav) => {
                        take.recorder.arm();
                        take.file = Some((path, wav));
                    }
                    Err(error) => self.fail(recording, &error),
                }
            }
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

    fn advance(&mut self, now: Instant, is_due: impl Fn(&Take) -> bool) {
        let mut over = Vec::new();
        for (&recording, take) in self.takes.iter_mut().filter(|(_, take)| is_due(take)) {
            match take.advance(now, &mut self.pcm) {
                Ok(true) => {}
                Ok(false) => over.push((recording, None)),
                Err(error) => over.push((recording, Some(error))),
            }
        }
        for (recording, error) in over {
            match error {
                Some(error) => self.fail(recording, &error),
                None => self.seal(recording, now),
            }
        }
    }

    fn seal(&mut self, recording: RecordingId, at: Instant) {
        let Some(mut take) = self.takes.remove(&recording) else { return };
        match take.finish(at, &mut self.pcm) {
            Ok(()) => self.hand_over(Job::Seal(recording, Box::new(take))),
            Err(error) => self.fail(recording, &error),
        }
    }

    fn fail(&mut self, recording: RecordingId, error: &io::Error) {
        self.takes.remove(&recording);
        self.hand_over(Job::Fail { recording, cause: error.to_string() });
    }

    fn hand_over(&self, job: Job) {
        if self.jobs.send(job).is_err() {
            tracing::error!("the threads that seal recordings are gone");
        }
    }

    fn flush_all(mut self) {
        self.advance(Instant::now(), |_| true);
    }
}

impl Take {
    /// Takes what has settled to the file; `false` if that is full.
    fn advance(&mut self, now: Instant, pcm: &mut Vec<i16>) -> io::Result<bool> {
        loop {
            let whole = self.recorder.advance(now, pcm);
            if !self.write(pcm)? {
                return Ok(false);
            }
            if whole {
                return self.flush().map(|()| true);
            }
        }
    }

    fn finish(&mut self, at: Instant, pcm: &mut Vec<i16>) -> io::Result<()> {
        loop {
            let whole = self.recorder.finish(at, pcm);
            if !self.write(pcm)? || whole {
                return self.flush();
            }
        }
    }

    fn write(&mut self, pcm: &mut Vec<i16>) -> io::Result<bool> {
        let Some((_, wav)) = &mut self.file else {
            pcm.clear();
            return Ok(true);
        };
        let room = 2 * LONGEST.0.saturating_sub(wav.length().0) as usize;
        let written = wav.append(&pcm[..pcm.len().min(room)]);
        let fits = pcm.len() < room;
        pcm.clear();
        written.map(|()| fits)
    }

    /// What the finished recording is; `None` if nothing was to reach the disk.
    fn seal(self, root: &Folder) -> io::Result<Option<Sealed>> {
        let Some((path, wav)) = self.file else { return Ok(None) };
        let sealed = wav.seal(root, &path)?.sealed();
        let (silences, gaps) = (self.recorder.silences().to_vec(), self.recorder.gaps().to_vec());
        Ok(Some(Sealed { silences, gaps, ..sealed }))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |(_, wav)| wav.flush())
    }
}

fn run_jobs(
    root: &Folder,
    queue: &Mutex<Receiver<Job>>,
    events: &tokio::sync::mpsc::Sender<Event>,
) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let event = match job {
            Ok(Job::Seal(recording, take)) => match take.seal(root) {
                Ok(Some(sealed)) => Event::Sealed { recording, sealed },
                // It was never armed, and leaves nothing.
                Ok(None) => continue,
                Err(error) => Event::RecordingFailed { recording, cause: error.to_string() },
            },
            Ok(Job::Fail { recording, cause }) => Event::RecordingFailed { recording, cause },
            Err(mpsc::RecvError) => return,
        };
        // A switch that has stopped listening has stopped; the next start finds the file.
        let _ = events.blocking_send(event);
    }
}

//! The threads behind recordings, and how they are reached. Each writer is two: one listens to its taps every 80 ms and never waits
//! for the disk, the other writes and flushes what it is handed, which with the jitter delay of 90 ms keeps what a crash can lose below
//! 200 ms. Sealing waits for the disk, and has threads of its own.
//!
//! Two threads and not one with a larger ring: the hand-over costs two short locks a recording and one wake a slot, and memory grows
//! only in trouble, where a ring that outlasts it would be there for every call.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::listening::{Listening, Order};
use super::room::Room;
use super::sealing::{self, Archive};
use super::writing::Writing;
use crate::media::tap::Listener;
use crate::media::{Event, RecordingId, Silence};

/// Every disk is waited for by so many threads.
const SEALERS: usize = 4;

/// A switch that stops has given its recordings three seconds to be sealed; a disk that hangs is not waited for much longer.
const STOPPING: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub struct Writers {
    orders: Vec<Sender<Order>>,
    threads: Vec<JoinHandle<()>>,
    /// Says nothing: closed when the last thread has ended.
    alive: Receiver<Infallible>,
}

impl Writers {
    /// Starts `writers` (at least one) that write where there is `room`. `Written`, `Sealed` and `RecordingFailed` are told to `events`.
    pub fn start(
        room: Arc<Room>,
        writers: usize,
        events: tokio::sync::mpsc::Sender<Event>,
    ) -> io::Result<Writers> {
        let archive = Arc::new(Archive::new(room));
        let (life, alive) = mpsc::channel();
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let (mut orders, mut threads) = (Vec::new(), Vec::new());
        let mut spawn = |name: String, work: Box<dyn FnOnce() + Send>| {
            let life: Sender<Infallible> = life.clone();
            let thread = Builder::new().name(name).spawn(move || {
                work();
                drop(life);
            });
            thread.map(|thread| threads.push(thread))
        };
        for number in 0..SEALERS {
            let (archive, queue, events) =
                (Arc::clone(&archive), Arc::clone(&queue), events.clone());
            let work = move || sealing::run(&archive, &queue, &events);
            spawn(format!("sealer-{number}"), Box::new(work))?;
        }
        for number in 0..writers.max(1) {
            let (pen, writing) = Writing::new(Arc::clone(&archive), jobs.clone(), events.clone());
            spawn(format!("writer-{number}"), Box::new(|| writing.run()))?;
            let (sender, inbox) = mpsc::channel();
            let listening = Listening::new(pen);
            spawn(format!("listener-{number}"), Box::new(move || listening.run(&inbox)))?;
            orders.push(sender);
        }
        Ok(Writers { orders, threads, alive })
    }

    /// A tap to listen to; the conversation's clock starts at `start`. Nothing reaches the disk before [`Writers::record`].
    pub fn begin(&self, recording: RecordingId, listener: Listener, start: Instant) {
        self.order(recording, Order::Begin(recording, listener, start));
    }

    /// Another tap to listen to, of a recording that goes on.
    pub fn hear(&self, recording: RecordingId, listener: Listener, at: Instant) {
        self.order(recording, Order::Hear(recording, listener, at));
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

    /// The conversation ended at `at`. If its audio may not reach the disk yet, it waits for [`Writers::record`].
    pub fn seal(&self, recording: RecordingId, at: Instant) {
        self.order(recording, Order::Seal(recording, at));
    }

    /// Ends the threads and waits for them, but not for a disk that hangs. What was told to seal is sealed; what was not stays as it was
    /// last flushed, for the next start to finish.
    pub fn stop(self) {
        self.stop_within(STOPPING);
    }

    pub(super) fn stop_within(self, patience: Duration) {
        for orders in &self.orders {
            let _ = orders.send(Order::Stop);
        }
        if self.alive.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            tracing::error!(
                event = "recordings_unfinished",
                "the disk does not answer; the next start finishes the recordings"
            );
            return;
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!(event = "thread_panicked", thread = "recordings");
            }
        }
    }

    fn order(&self, recording: RecordingId, order: Order) {
        let share = recording.0 % self.orders.len() as u64;
        if self.orders[share as usize].send(order).is_err() {
            tracing::error!(event = "thread_panicked", thread = "listener", %recording);
        }
    }
}

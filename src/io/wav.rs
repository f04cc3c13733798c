//! The writers of recordings. Not in this build: a recording that is to reach the disk is said to have failed, and the call goes on.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use tokio::sync::mpsc::Sender;

use crate::media::tap::Listener;
use crate::media::{Event, RecordingId, Silence};

/// See the module.
#[derive(Debug)]
pub struct Writers {
    events: Sender<Event>,
}

impl Writers {
    /// Threads that will write below `recordings`.
    pub fn start(
        _recordings: PathBuf,
        _threads: usize,
        events: Sender<Event>,
    ) -> io::Result<Writers> {
        Ok(Writers { events })
    }

    /// A tap to listen to from `start` on.
    pub fn begin(&self, _recording: RecordingId, _listener: Listener, _start: Instant) {}

    /// Audio may reach the disk.
    pub fn record(&self, recording: RecordingId, _path: String) {
        let cause = "this build writes no recordings".to_owned();
        let _ = self.events.try_send(Event::RecordingFailed { recording, cause });
    }

    /// Both sides silent from `at`.
    pub fn silence(&self, _recording: RecordingId, _reason: Silence, _at: Instant) {}

    /// Both sides audible from `at`.
    pub fn unsilence(&self, _recording: RecordingId, _at: Instant) {}

    /// The conversation ended at `at`.
    pub fn seal(&self, _recording: RecordingId, _at: Instant) {}

    /// Ends the threads.
    pub fn stop(self) {}
}

/// SHA-256 of a whole file.
pub fn digest(path: &std::path::Path) -> io::Result<[u8; 32]> {
    use sha2::Digest;
    Ok(sha2::Sha256::digest(std::fs::read(path)?).into())
}

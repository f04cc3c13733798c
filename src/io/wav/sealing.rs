//! The threads that seal recordings: they wait for the disk to have them, so that nobody else does.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvError};
use std::sync::{Arc, Mutex, PoisonError};

use super::room::{Lack, Room};
use super::writing::Ended;
use super::{Wav, split};
use crate::media::{Event, Fault, Packets, RecordingId, Sealed};

/// What is done away from the threads that write, because it may take its time.
pub(super) enum Job {
    Seal { recording: RecordingId, path: String, wav: Box<Wav>, ended: Ended },
    Fail { recording: RecordingId, cause: String },
}

/// The recordings folder as its writers see it. Folders are made without waiting for the disk: the seal does.
pub(super) struct Archive {
    room: Arc<Room>,
    /// Counts files whose folder was made for them.
    made: AtomicU64,
    /// The folder whose way from the root is on the disk, and the count by then.
    secured: Mutex<(String, u64)>,
}

impl Archive {
    pub(super) fn new(room: Arc<Room>) -> Archive {
        Archive { room, made: AtomicU64::new(1), secured: Mutex::default() }
    }

    /// Whether recordings may be written now.
    pub(super) fn has_room(&self) -> Result<(), Lack> {
        self.room.is_left()
    }

    /// So much was written.
    pub(super) fn wrote(&self, bytes: u64) {
        self.room.wrote(bytes);
    }

    pub(super) fn create(&self, path: &str) -> io::Result<Wav> {
        let (wav, made) = Wav::create(self.room.root(), path)?;
        if made {
            self.made.fetch_add(1, Ordering::Relaxed);
        }
        Ok(wav)
    }

    /// What is wrong with a file that is being written; what cannot be told is not.
    pub(super) fn fault(&self, path: &str, wav: &Wav) -> Option<Fault> {
        wav.fault(self.room.root(), path).unwrap_or(None)
    }

    fn seal(&self, path: &str, wav: Wav, ended: Ended) -> io::Result<Sealed> {
        let sealed = wav.seal(self.room.root(), path)?.sealed();
        self.secure(path)?;
        let Ended { silences, gaps, packets } = ended;
        Ok(Sealed { silences, gaps, packets: Some(packets), ..sealed })
    }

    /// Has the names of the folders on the way to `path` reach the disk: once for all recordings of a day.
    fn secure(&self, path: &str) -> io::Result<()> {
        let (folders, _) = split(path);
        let made = self.made.load(Ordering::Relaxed);
        let mut secured = self.secured.lock().unwrap_or_else(PoisonError::into_inner);
        if secured.1 < made || secured.0 != folders {
            self.room.root().sync_way(folders)?;
            *secured = (folders.to_owned(), made);
        }
        Ok(())
    }
}

/// Until every thread that writes has ended.
pub(super) fn run(
    archive: &Archive,
    queue: &Mutex<Receiver<Job>>,
    events: &tokio::sync::mpsc::Sender<Event>,
) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let event = match job {
            Ok(Job::Seal { recording, path, wav, ended }) => {
                match archive.seal(&path, *wav, ended) {
                    Ok(sealed) => {
                        tell_silent(recording, &sealed);
                        Event::Sealed { recording, sealed }
                    }
                    Err(error) => Event::RecordingFailed { recording, cause: error.to_string() },
                }
            }
            Ok(Job::Fail { recording, cause }) => Event::RecordingFailed { recording, cause },
            Err(RecvError) => return,
        };
        // A switch that has stopped listening has stopped; the next start finds the file.
        let _ = events.blocking_send(event);
    }
}

/// A side of which nothing was ever heard is more often a fault of the network than somebody who said nothing.
fn tell_silent(recording: RecordingId, sealed: &Sealed) {
    if let Some(Packets { customer, agent, .. }) = sealed.packets
        && (customer == 0 || agent == 0)
    {
        tracing::warn!(event = "recording_one_sided", %recording, customer, agent);
    }
}

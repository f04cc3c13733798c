//! The running switch: everything opened in order, one task that owns [`Switch`], and everything closed in order.

mod askers;
mod facts;
mod promises;
mod renewal;
mod signals;
mod start;
mod turn;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use crate::config::Loaded;
use crate::io::certificates::Wrong;
use crate::io::clock::Clock;
use crate::io::control::{self, Asked};
use crate::io::sockets::BindError;
use crate::io::store;
#[cfg(doc)]
use crate::switch::Switch;
use crate::switch::control::{Reply, Request};
use crate::switch::settings::Listener;

/// Calls get so long to end and recordings to be sealed once the switch is told to stop.
const GOODBYE: Duration = Duration::from_millis(3_500);
/// Then what the world still holds is written, in so long.
const CLOSING: Duration = Duration::from_millis(1_000);

/// What a switch is started with.
#[derive(Debug)]
pub struct Options {
    /// The configuration; ports may be 0.
    pub loaded: Loaded,
    /// The time.
    pub clock: Clock,
    /// What every identifier of the run is made from; `None`: the kernel's entropy.
    pub seed: Option<[u8; 32]>,
    /// Whether SIGTERM and SIGINT stop it, and SIGHUP makes it read certificates again: for the program, not for a switch embedded in one.
    pub signals: bool,
}

/// Why a switch cannot be started; what to do about it is part of the sentence.
#[derive(Debug)]
pub enum StartError {
    /// The recordings folder or another file.
    Folder(PathBuf, std::io::Error),
    /// The database, or another switch that uses it.
    Store(store::Error),
    /// A certificate, its key, or an authority's.
    Certificate(Wrong),
    /// An address.
    Bind(BindError),
    /// An address of RTP, and why.
    Rtp(IpAddr, String),
    /// The admin socket.
    Control(control::Error),
    /// Media workers.
    Media(String),
    /// Threads, timers, entropy.
    System(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Folder(path, error) => {
                use std::io::ErrorKind::{Other, StorageFull};
                let path = path.display();
                match error.kind() {
                    // Of our own making, and whole.
                    Other => write!(f, "{path}: {error}"),
                    StorageFull => write!(f, "the disk of {path} is full: make room there"),
                    _ => write!(
                        f,
                        "cannot write to {path} ({error}): make it writable for this user, or name another folder in switch.toml"
                    ),
                }
            }
            StartError::Store(error) => error.fmt(f),
            StartError::Certificate(wrong) => wrong.fmt(f),
            StartError::Bind(error) => error.fmt(f),
            StartError::Rtp(address, why) => write!(f, "cannot bind RTP to {address}: {why}"),
            StartError::Control(error) => error.fmt(f),
            StartError::Media(error) => write!(f, "media cannot start: {error}"),
            StartError::System(error) => write!(f, "the system refuses: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// How a run ended, if not well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A fault of ours: the task panicked.
    Panicked,
    /// The runtime failed.
    System(String),
    /// Entries of the journal that could not be written before the end.
    Unwritten(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Panicked => {
                f.write_str("the switch failed: this is a fault of tonspur, please report it")
            }
            Fault::System(error) => write!(f, "the system failed: {error}"),
            Fault::Unwritten(count) => {
                write!(f, "{count} facts could not be written to the database before the end")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Starts switches.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Opens everything and starts the switch on a thread of its own. When it returns, phones and admins can reach it.
    pub fn start(options: Options) -> Result<Running, StartError> {
        start::start(options)
    }
}

/// A switch at work. Dropped, it is stopped and waited for.
#[derive(Debug)]
pub struct Running {
    listeners: Vec<Listener>,
    recordings: PathBuf,
    state: PathBuf,
    interrupted: store::Interrupted,
    copy: Option<PathBuf>,
    asks: mpsc::Sender<Asked>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<Result<(), Fault>>>,
}

impl Running {
    /// The listeners as they were bound, in the order of the settings.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The recordings folder.
    pub fn recordings(&self) -> &Path {
        &self.recordings
    }

    /// The folder of the database and the admin socket.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What the last run left unfinished and this start has finished.
    pub fn interrupted(&self) -> &store::Interrupted {
        &self.interrupted
    }

    /// The copy of the database that was made before its schema was changed.
    pub fn copy(&self) -> Option<&Path> {
        self.copy.as_deref()
    }

    /// Asks what an admin can ask, without the socket. `None` once the switch has ended. Not to be called within an async runtime.
    pub fn ask(&self, request: Request) -> Option<Reply> {
        let (answer, answered) = oneshot::channel();
        self.asks.blocking_send(Asked { request, answer }).ok()?;
        answered.blocking_recv().ok()
    }

    /// Says goodbye to every call, seals every recording, and ends; does not wait.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits for the end.
    pub fn join(mut self) -> Result<(), Fault> {
        self.wait()
    }

    fn wait(&mut self) -> Result<(), Fault> {
        match self.thread.take() {
            Some(thread) => thread.join().unwrap_or(Err(Fault::Panicked)),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if let Err(fault) = self.wait() {
            tracing::error!(event = "switch_ended", %fault);
        }
    }
}

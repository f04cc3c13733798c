//! The start, in order: folders, store (whose lock says that nobody else is here), addresses, media, admin socket, switch.
#![expect(clippy::disallowed_methods, reason = "the start opens files and the one task")]

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc};

use super::signals::Signals;
use super::turn::{News, Rest, Turn};
use super::{Fault, Options, Running, StartError};
use crate::config::Loaded;
use crate::io::certificates::Certificates;
use crate::io::control::Control;
use crate::io::folder;
use crate::io::process;
use crate::io::prompts;
use crate::io::purge::Purger;
use crate::io::relay::Media;
use crate::io::resolver::Resolver;
use crate::io::sockets::{self, Limits, Sockets};
use crate::io::store::{Opened, Store};
use crate::io::wav::{self, Room};
use crate::media::prompt::Library;
use crate::switch::Switch;
use crate::switch::number;
use crate::switch::settings::{Rtp, Settings};

/// News that wait for the switch; the threads that tell wait when it is full.
const NEWS: usize = 8_192;
/// A file that is made to see whether one can be, before the process's number.
const PROBE: &str = ".tonspur-";
/// Requests of admins that wait for the switch.
const ASKS: usize = 32;
/// A phone refreshes its binding well before it ends; its connection is kept a little longer than the longest one.
const IDLE_MARGIN: std::time::Duration = std::time::Duration::from_secs(100);

pub(super) fn start(options: Options) -> Result<Running, StartError> {
    let Options { loaded, clock, seed, signals } = options;
    let Loaded { mut settings, recordings, state, prompts: folder, workers, .. } = loaded;
    let seed = match seed {
        Some(seed) => seed,
        None => process::entropy().map_err(StartError::System)?,
    };
    writable(&recordings)?;
    let Opened { store, memory, interrupted, copy } =
        Store::open(&state, &recordings, clock.now().utc).map_err(StartError::Store)?;
    let library = sounds(&folder, &mut settings);
    let certificates =
        Certificates::read(&settings.certificates).map_err(StartError::Certificate)?;
    let bound = sockets::bind(&mut settings.listeners).map_err(StartError::Bind)?;
    try_rtp(&settings.rtp)?;
    let control = Control::bind(&state).map_err(StartError::Control)?;

    let (tell, news) = mpsc::channel(NEWS);
    let kept = store.kept().map_err(StartError::Store)?;
    let room = Room::open(&recordings, settings.storage.quota, kept).map_err(StartError::System)?;
    let room = Arc::new(room);
    let purger = {
        let (tell, room) = (tell.clone(), Arc::clone(&room));
        Purger::start(recordings.clone(), state.clone(), room, clock.clone(), move |report| {
            // The switch has ended: the next start asks again.
            let _ = tell.blocking_send(News::Purge(report));
        })
        .map_err(StartError::System)?
    };
    let watcher = tell.clone();
    wav::watch(Arc::clone(&room), move |space| watcher.blocking_send(News::Storage(space)).is_ok())
        .map_err(StartError::System)?;
    let (sounds, heard) = mpsc::channel(NEWS);
    let workers = workers.or_else(|| std::thread::available_parallelism().ok());
    let workers = workers.map_or(1, NonZeroUsize::get);
    let media = Media::start(&settings.rtp, workers, library, room, sounds)
        .map_err(|error| StartError::Media(error.to_string()))?;
    let journal = store
        .start(move |report| {
            let _ = tell.blocking_send(News::Store(report));
        })
        .map_err(StartError::Store)?;

    let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::System)?;
    number::rehearse(settings.country);
    let (asks, asked) = mpsc::channel(ASKS);
    let stop = Arc::new(Notify::new());
    let listeners = settings.listeners.clone();
    let limits = Limits { idle: settings.registrar.longest + IDLE_MARGIN, ..Limits::default() };
    let (sockets, signals, (resolver, resolved)) = {
        let _within = runtime.enter();
        let sockets = Sockets::start(bound, limits, &certificates).map_err(StartError::System)?;
        let signals = Signals::listen(signals).map_err(StartError::System)?;
        (sockets, signals, Resolver::start(&settings.dns))
    };
    let turn = Turn {
        switch: Switch::new(clock.now(), settings, memory, seed),
        clock,
        certificates,
        sockets,
        journal,
        media,
        resolver,
        resolved,
        purger,
        news,
        heard,
        asks: asked,
        stop: Arc::clone(&stop),
        rest: Rest::default(),
    };
    let admins = asks.clone();
    let thread = std::thread::Builder::new()
        .name("switch".to_owned())
        .spawn(move || run(&runtime, turn, signals, control, admins))
        .map_err(StartError::System)?;
    Ok(Running {
        listeners,
        recordings,
        state,
        interrupted,
        copy,
        asks,
        stop,
        thread: Some(thread),
    })
}

fn run(
    runtime: &Runtime,
    turn: Turn,
    signals: Signals,
    control: Control,
    asks: mpsc::Sender<super::Asked>,
) -> Result<(), Fault> {
    let result = runtime.block_on(async {
        let admins = tokio::spawn(control.serve(asks));
        let result = turn.run(signals).await;
        // The socket's file goes with the task.
        admins.abort();
        let _ = admins.await;
        result
    });
    if let Err(fault) = &result {
        tracing::error!(event = "switch_failed", %fault);
    }
    result
}

/// Loads what callers hear. A sound that cannot be read is a warning, and calls that need it go unrecorded.
fn sounds(folder: &Path, settings: &mut Settings) -> Library {
    let mut library = Library::default();
    let (prompts, warnings) = prompts::load(folder, settings, &mut library);
    settings.prompts = prompts;
    for warning in warnings {
        tracing::warn!(event = "prompt", %warning);
    }
    library
}

/// Binds a pair of RTP ports for each profile and lets them go: an address that is not there is said now, and not by the first call.
fn try_rtp(rtp: &Rtp) -> Result<(), StartError> {
    let (first, last) = rtp.ports;
    for (address, file) in rtp.bind.into_iter().zip(["internal.toml", "external.toml"]) {
        let pairs = (first.saturating_add(first % 2)..last).step_by(2);
        let mut taken = pairs.map(|port| {
            let of = |port| UdpSocket::bind((address, port));
            of(port).and_then(|_held| of(port + 1)).map(drop)
        });
        let free = taken.find(|tried| {
            tried.as_ref().err().map(std::io::Error::kind).is_none_or(|kind| {
                !matches!(kind, ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
            })
        });
        let why = match free {
            Some(Ok(())) => continue,
            Some(Err(error)) if error.kind() == ErrorKind::AddrNotAvailable => {
                format!("this machine has no such address; change `rtp.bind` in {file}")
            }
            Some(Err(error)) => format!("{error}; see `rtp.bind` in {file}"),
            None => format!(
                "other programs have every pair of ports from {first} to {last}; change `rtp.ports` in switch.toml"
            ),
        };
        return Err(StartError::Rtp(address, why));
    }
    Ok(())
}

/// What lies in a recordings folder: years, the state, what a repository puts there.
fn is_ours(name: &str) -> bool {
    let year = name.len() == 4 && name.bytes().all(|byte| byte.is_ascii_digit());
    year || name.starts_with(PROBE)
        || [".state", "README.md", ".gitkeep", ".gitignore"].contains(&name)
}

/// Makes the recordings folder if there is none, and a file in it, to see that it can be.
fn writable(recordings: &Path) -> Result<(), StartError> {
    let wrong = |error| StartError::Folder(recordings.to_owned(), error);
    folder::create_private(recordings, is_ours).map_err(wrong)?;
    let probe = recordings.join(format!("{PROBE}{}", std::process::id()));
    std::fs::write(&probe, b"").map_err(wrong)?;
    std::fs::remove_file(&probe).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtp(external: &str, ports: (u16, u16)) -> Rtp {
        let bind = ["127.0.0.1", external].map(|text| text.parse().expect("an address"));
        Rtp { bind, advertise: bind, ports, codecs: vec![] }
    }

    #[test]
    fn an_rtp_address_that_is_not_here_is_said_at_the_start() {
        try_rtp(&rtp("127.0.0.1", (20_000, 20_999))).expect("here");
        let refused = try_rtp(&rtp("192.0.2.1", (20_000, 20_999))).expect_err("not here");
        assert_eq!(
            refused.to_string(),
            "cannot bind RTP to 192.0.2.1: this machine has no such address; change `rtp.bind` in external.toml"
        );
    }

    #[test]
    fn a_range_that_others_have_is_said_at_the_start() {
        let even =
            |socket: &UdpSocket| socket.local_addr().expect("bound").port().is_multiple_of(2);
        let mut bound = std::iter::repeat_with(|| UdpSocket::bind("127.0.0.1:0").expect("a port"));
        let held = bound.find(even).expect("in the end");
        let port = held.local_addr().expect("bound").port();
        let refused = try_rtp(&rtp("127.0.0.1", (port, port + 1))).expect_err("taken");
        assert!(refused.to_string().contains("`rtp.ports` in switch.toml"), "{refused}");
    }
}

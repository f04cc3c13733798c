//! `serve`: the switch, until SIGTERM or Ctrl-C.

use std::fmt::Write;

use clap::Args;

use super::output::print;
use super::{Context, Exit, Failure, place};
use crate::config::Loaded;
use crate::io::clock::Clock;
use crate::io::reconcile::{Look, Report, reconcile};
use crate::io::store::Reader;
use crate::io::{folder, log, process, wav};
use crate::server::{Options, Running, Server, StartError};
use crate::switch::settings::{Listener, Profile};

/// Bytes: the recordings of a minute of a hundred calls.
const SCARCE: u64 = 200 << 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What to log: error, warn, info, debug, trace (else what TONSPUR_LOG says, else info)
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let _log =
        log::start(arguments.log.as_deref()).map_err(|why| Failure::new(Exit::Usage, why))?;
    process::keep_private();
    process::raise_descriptors();
    let loaded = place::load(context)?;
    for warning in &loaded.warnings {
        tracing::warn!(event = "configuration", %warning);
    }
    let counts = counts(&loaded);
    let locked_out = !loaded
        .settings
        .users
        .values()
        .any(|user| user.ha1.sha256.is_some() || user.ha1.md5.is_some());
    let options = Options { loaded, clock: Clock::system(), seed: None, signals: true };
    let running = Server::start(options).map_err(refused)?;
    if let Err(failure) = print(&greeting(&running, &counts, locked_out)) {
        // The switch serves, whether or not anybody reads that it does.
        tracing::warn!(event = "greeting_unwritten", why = failure.says());
    }
    running.join().map_err(|fault| Failure::new(Exit::Failed, fault.to_string()))
}

fn refused(error: StartError) -> Failure {
    let exit = match &error {
        StartError::Store(crate::io::store::Error::Busy(_)) => Exit::Running,
        StartError::Bind(_) | StartError::Rtp(..) => Exit::Address,
        StartError::Certificate(_) => Exit::Configuration,
        StartError::Folder(..) | StartError::Store(_) | StartError::Control(_) => Exit::Storage,
        StartError::Media(_) | StartError::System(_) => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}

fn counts(loaded: &Loaded) -> String {
    let settings = &loaded.settings;
    [
        (settings.users.len(), "user"),
        (settings.agents.len(), "agent"),
        (settings.queues.len(), "queue"),
        (settings.trunks.len(), "trunk"),
        (settings.routes.len(), "route"),
    ]
    .map(|(count, noun)| counted(count, noun))
    .join(", ")
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What listens where, what the last run left, what to do next.
fn greeting(running: &Running, counts: &str, locked_out: bool) -> String {
    let mut text = format!("tonspur {} is up: {counts}\n", env!("CARGO_PKG_VERSION"));
    for (profile, whose) in [(Profile::Internal, "phones"), (Profile::External, "carriers")] {
        let _ = writeln!(text, "  {whose:<10} {}", addresses(running.listeners(), profile));
    }
    let _ = writeln!(text, "  recordings {}", running.recordings().display());
    if let Some(warning) = folder::free(running.recordings()).ok().and_then(scarce) {
        let _ = writeln!(text, "  {warning}; see tonspur retention run --dry-run");
    }
    let interrupted = running.interrupted();
    if interrupted.calls > 0 {
        let (finished, lost) = (interrupted.finished.len(), interrupted.lost.len());
        let _ = writeln!(
            text,
            "  after the last run ended badly: {} marked interrupted, {} finished, {lost} without audio",
            counted(interrupted.calls, "call"),
            counted(finished, "recording")
        );
    }
    if let Some(copy) = running.copy() {
        let _ = writeln!(
            text,
            "  the database has a new form; its copy from before: {}",
            copy.display()
        );
    }
    for line in disagreements(running) {
        let _ = writeln!(text, "  {line}");
    }
    let next = if locked_out {
        "no user has a password yet: tonspur user add 1001, then start again"
    } else {
        "see who is there: tonspur registration list, tonspur agent list"
    };
    let _ = write!(text, "  next       {next}");
    text
}

/// What is to be said of so many free bytes, if anything.
fn scarce(free: u64) -> Option<String> {
    const MIB: u64 = 1 << 20;
    let (least, enough) = (wav::LEAST_FREE / MIB, wav::ENOUGH_FREE / MIB);
    match free {
        SCARCE.. => None,
        wav::LEAST_FREE.. => Some(format!(
            "the disk of the recordings is almost full: {} MiB free, and below {least} MiB calls are served and not recorded",
            free / MIB
        )),
        _ => Some(format!(
            "the disk of the recordings is full: calls are served and not recorded until {enough} MiB are free"
        )),
    }
}

fn addresses(listeners: &[Listener], profile: Profile) -> String {
    let mut shown: Vec<String> = Vec::new();
    for listener in listeners.iter().filter(|listener| listener.profile == profile) {
        let transport = listener.transport.word();
        match shown.iter_mut().find(|line| line.starts_with(&format!("{} ", listener.bind))) {
            Some(line) => line.push_str(&format!("+{transport}")),
            None => shown.push(format!("{} {transport}", listener.bind)),
        }
    }
    match profile {
        _ if !shown.is_empty() => shown.join(", "),
        Profile::Internal => "nowhere: there is no internal.toml".to_owned(),
        Profile::External => "nowhere: there is no external.toml".to_owned(),
    }
}

/// Files without a row and rows without a file, counted; `recording check` names them.
fn disagreements(running: &Running) -> Vec<String> {
    let report = Reader::open(running.state())
        .ok()
        .and_then(|reader| reconcile(running.recordings(), &reader, Look::Sizes).ok());
    report.filter(|report| !report.is_clean()).map(|report| lines(&report)).unwrap_or_default()
}

/// What a report found, a line each.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let counted = [
        (report.without_row.len(), "files without a row"),
        (report.without_file.len(), "rows without a file"),
        (report.wrong_size.len(), "files longer or shorter than their rows say"),
        (report.after_purge.len(), "files that should have been deleted"),
        (report.stray_parts.len(), "unfinished files that belong to no call"),
        (report.strange.len(), "files that are no recordings"),
    ];
    counted
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}: tonspur recording check"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_called_many() {
        assert_eq!(counted(1, "queue"), "1 queue");
        assert_eq!([0, 2].map(|count| counted(count, "trunk")), ["0 trunks", "2 trunks"]);
    }

    #[test]
    fn a_disk_is_called_full_when_calls_are_not_recorded_and_not_before() {
        assert_eq!(scarce(SCARCE), None);
        let almost = scarce(150 << 20).expect("a warning");
        assert!(almost.contains("almost full: 150 MiB free"), "{almost}");
        assert!(almost.contains("below 8 MiB"), "{almost}");
        assert!(scarce(wav::LEAST_FREE).expect("a warning").contains("almost full: 8 MiB"));
        let full = scarce(wav::LEAST_FREE - 1).expect("a warning");
        assert!(full.contains("is full") && full.contains("until 16 MiB are free"), "{full}");
    }
}

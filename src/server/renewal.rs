//! Certificates that are renewed while the switch runs: read away from the switch's task, since files may be slow.

use tokio::sync::oneshot;

use crate::io::certificates::{Certificates, Wrong};
use crate::switch::control::Reply;
use crate::utc::Utc;

/// What is in use.
pub(super) fn show(certificates: &Certificates, now: Utc, answer: oneshot::Sender<Reply>) {
    let certificates = certificates.clone();
    tokio::task::spawn_blocking(move || {
        // Whoever asked may have gone.
        let _ = answer.send(told(&certificates, now));
    });
}

/// Reads the files again, and tells whoever asked, if anybody did; what is odd about them is logged as at the start.
pub(super) fn reload(
    certificates: &Certificates,
    now: Utc,
    answer: Option<oneshot::Sender<Reply>>,
) {
    let certificates = certificates.clone();
    tokio::task::spawn_blocking(move || {
        let reply = match certificates.read_again() {
            Ok(()) => {
                tracing::info!(event = "certificates_reloaded");
                for warning in certificates.oddities(now) {
                    tracing::warn!(event = "configuration", %warning);
                }
                told(&certificates, now)
            }
            Err(wrong) => {
                tracing::error!(event = "certificates_unchanged", %wrong);
                Reply::Refused { why: unchanged(&wrong) }
            }
        };
        if let Some(answer) = answer {
            let _ = answer.send(reply);
        }
    });
}

fn told(certificates: &Certificates, now: Utc) -> Reply {
    let warnings = certificates.oddities(now).iter().map(Wrong::to_string).collect();
    Reply::Certificates { certificates: certificates.rows(), warnings }
}

fn unchanged(wrong: &Wrong) -> String {
    format!("{wrong}; the certificates in use stay as they were")
}

//! Certificates that are renewed while the switch runs: read away from the switch's task, since files may be slow.

use tokio::sync::oneshot;

use crate::io::certificates::{Certificates, Wrong};
use crate::switch::control::Reply;

/// What is in use.
pub(super) fn show(certificates: &Certificates, answer: oneshot::Sender<Reply>) {
    // Whoever asked may have gone.
    let _ = answer.send(Reply::Certificates { certificates: certificates.rows() });
}

/// Reads the files again, and tells whoever asked, if anybody did.
pub(super) fn reload(certificates: &Certificates, answer: Option<oneshot::Sender<Reply>>) {
    let certificates = certificates.clone();
    tokio::task::spawn_blocking(move || {
        let reply = match certificates.read_again() {
            Ok(()) => {
                tracing::info!(event = "certificates_reloaded");
                Reply::Certificates { certificates: certificates.rows() }
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

fn unchanged(wrong: &Wrong) -> String {
    format!("{wrong}; the certificates in use stay as they were")
}

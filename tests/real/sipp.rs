//! SIPp as carrier and as phone, one scenario file each.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::wait_for;

/// A running SIPp; ended with it.
pub(crate) struct Sipp {
    child: Child,
    errors: PathBuf,
}

impl Sipp {
    /// Runs `scenario` (a name under `tests/real/sipp/`) from `local` towards `remote`.
    pub(crate) fn run(
        folder: &Path,
        scenario: &str,
        local: SocketAddr,
        remote: SocketAddr,
        more: &[&str],
    ) -> Sipp {
        let errors = folder.join(format!("{scenario}-{}.errors", local.port()));
        let said = folder.join(format!("{scenario}-{}-said.errors", local.port()));
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/real/sipp")
            .join(format!("{scenario}.xml"));
        let child = Command::new("sipp")
            .arg(remote.to_string())
            .args(["-sf", file.to_str().expect("UTF-8")])
            .args(["-i", &local.ip().to_string(), "-p", &local.port().to_string()])
            .args(["-nostdin", "-trace_err", "-error_file", errors.to_str().expect("UTF-8")])
            .args(more)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(said).expect("a log"))
            .spawn()
            .expect("sipp runs (Debian: sip-tester)");
        Sipp { child, errors }
    }

    /// Waits for its end.
    pub(crate) fn finish(&mut self, limit: Duration) -> ExitStatus {
        wait_for("SIPp ends", limit, || self.child.try_wait().expect("a child"))
    }

    /// Asserts that every call of its went as the scenario says.
    pub(crate) fn succeeds(&mut self, limit: Duration) {
        let status = self.finish(limit);
        assert!(
            status.success(),
            "SIPp: {status}: {}",
            fs::read_to_string(&self.errors).unwrap_or_default()
        );
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A tone of ten seconds as raw µ-law, `<frequency>.ulaw`, for SIPp to stream.
pub(crate) fn tone_file(folder: &Path, frequency: f64) {
    let samples = (0..80_000).map(|at| {
        let seconds = f64::from(at) / 8000.0;
        crate::audio::mu_law(
            ((seconds * frequency * std::f64::consts::TAU).sin() * 12_000.0) as i16,
        )
    });
    let path = folder.join(format!("{frequency}.ulaw"));
    fs::write(&path, samples.collect::<Vec<u8>>()).expect("a tone");
}

/// A port of `address` that is free at this moment.
pub(crate) fn free_port(address: Ipv4Addr) -> SocketAddr {
    let socket = std::net::UdpSocket::bind((address, 0)).expect("a socket");
    socket.local_addr().expect("its address")
}

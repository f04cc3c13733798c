//! SIPp as carrier and as phone, one scenario file each.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::switch::{PASSWORD, Switch};
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

    /// The carrier's call to the support, by this scenario.
    pub(crate) fn calls(switch: &Switch, scenario: &str, more: &[&str]) -> Sipp {
        let from = free_port(switch.carrier);
        let to = SocketAddr::new(switch.address.into(), 5080);
        let all = [&["-m", "1", "-s", "+4930555010"], more].concat();
        Sipp::run(switch.folder(), scenario, from, to, &all)
    }

    /// A server of the carrier's, by this scenario.
    pub(crate) fn serves(switch: &Switch, scenario: &str, at: SocketAddr) -> Sipp {
        let switch_at = SocketAddr::new(switch.address.into(), 5080);
        let one = ["-m", "1", "-key", "voice_port", "9"];
        Sipp::run(switch.folder(), scenario, at, switch_at, &one).listens(at)
    }

    /// The registered phone of a user, by this scenario.
    pub(crate) fn phone(switch: &Switch, user: &str, scenario: &str, more: &[&str]) -> Sipp {
        let phone = free_port(switch.address);
        let internal = SocketAddr::new(switch.address.into(), 5060);
        let (contact, from) = (phone.port().to_string(), free_port(switch.address));
        let who = ["-m", "1", "-s", user, "-au", user, "-ap", PASSWORD];
        // SIPp signs its target unless told otherwise, phones the Request-URI.
        let how = ["-auth_uri", "real.test", "-key", "contact_port", &contact];
        let both: Vec<&str> = who.into_iter().chain(how).collect();
        Sipp::run(switch.folder(), "register", from, internal, &both)
            .succeeds(Duration::from_secs(10));
        Sipp::run(switch.folder(), scenario, phone, internal, more).listens(phone)
    }

    /// Anna calls this number, by this scenario.
    pub(crate) fn dials(switch: &Switch, number: &str, scenario: &str) -> Sipp {
        let internal = SocketAddr::new(switch.address.into(), 5060);
        let signed = format!("{number}@real.test");
        let who = ["-m", "1", "-s", number, "-au", "1001", "-ap", PASSWORD, "-auth_uri", &signed];
        Sipp::run(switch.folder(), scenario, free_port(switch.address), internal, &who)
    }

    /// Waits until somebody listens at `local`, as Linux tells it.
    fn listens(self, local: SocketAddr) -> Sipp {
        let IpAddr::V4(address) = local.ip() else { panic!("IPv4") };
        let entry = format!(" {:08X}:{:04X} ", u32::from_ne_bytes(address.octets()), local.port());
        wait_for("SIPp listens", Duration::from_secs(10), || {
            fs::read_to_string("/proc/net/udp").expect("Linux").contains(&entry).then_some(())
        });
        self
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

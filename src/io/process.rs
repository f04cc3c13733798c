//! What the process asks of the system before it serves: files that only its owner reads, descriptors, entropy.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// Everything made from now on is for its owner alone. For the whole process: to be called by the program, not by a part of it.
pub fn keep_private() {
    umask(Mode::from_raw_mode(0o077));
}

/// Raises the limit of open descriptors to the hard one, and gives it (`None`: no limit). Four descriptors a call go to RTP and RTCP.
pub fn raise_descriptors() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(event = "descriptor_limit", limit = ?limit.current, %error);
            limit.current
        }
    }
}

/// The number of the user this process runs as.
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The terminal that a process was started in, if it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Terminal {
    /// It has none: a service.
    None,
    /// It has one, or had.
    Some,
}

impl Terminal {
    /// This process's.
    pub fn of_this_process() -> Terminal {
        if terminal_opens() { Terminal::Some } else { Terminal::None }
    }

    /// Whether there was one and it was closed.
    pub fn is_gone(self) -> bool {
        self == Terminal::Some && !terminal_opens()
    }
}

/// `/dev/tty` is the terminal of whoever opens it, while there is one: tty(4).
fn terminal_opens() -> bool {
    #[expect(clippy::disallowed_methods, reason = "the kernel tells it by a file")]
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether whoever started the process wants it to outlive its terminal (`nohup`): then a handler of ours would undo that.
pub fn ignores_hangup() -> bool {
    #[expect(clippy::disallowed_methods, reason = "the kernel tells it in a file")]
    let status = std::fs::read("/proc/self/status").unwrap_or_default();
    ignored(&String::from_utf8_lossy(&status)) & 1 == 1
}

/// The signals a process ignores, the first in the lowest bit: proc_pid_status(5).
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// 32 bytes from the kernel, for the identifiers of a run.
pub fn entropy() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    let mut filled = 0;
    while filled < seed.len() {
        filled +=
            rustix::rand::getrandom(&mut seed[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_under_nohup_is_known_by_its_status() {
        assert_eq!(ignored("Name:\ttonspur\nSigIgn:\t0000000000001001\n") & 1, 1);
        assert_eq!(ignored("Name:\ttonspur\nSigIgn:\t0000000000001000\n") & 1, 0);
        assert_eq!(ignored(""), 0);
    }

    #[test]
    fn two_runs_differ() {
        assert_ne!(entropy().expect("entropy"), entropy().expect("entropy"));
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_descriptors();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!((limit.current, raised), (limit.maximum, limit.maximum));
    }
}

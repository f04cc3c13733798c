//! A real switch, real sockets, real files, real phones: SIPp as the carrier, baresip as the agent. Each test has an address of
//! 127/8 for itself, so all of them run side by side.
#![expect(clippy::disallowed_methods, reason = "real files, real threads, real time")]

#[path = "real/admin.rs"]
mod admin;
#[path = "real/audio.rs"]
mod audio;
#[path = "real/baresip.rs"]
mod baresip;
#[path = "real/caller.rs"]
mod caller;
#[path = "real/crash.rs"]
mod crash;
#[path = "real/dns.rs"]
mod dns;
#[path = "real/extensions.rs"]
mod extensions;
#[path = "real/gateways.rs"]
mod gateways;
#[path = "real/names.rs"]
mod names;
#[path = "real/recorded.rs"]
mod recorded;
#[path = "real/redirections.rs"]
mod redirections;
#[path = "real/secure.rs"]
mod secure;
#[path = "real/sipp.rs"]
mod sipp;
#[path = "real/switch.rs"]
mod switch;
#[path = "real/transfers.rs"]
mod transfers;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For who measures milliseconds, and for who makes fifty calls at once: one after the other.
fn machine_alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `found` gives something; panics with `what` after `limit`.
fn wait_for<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

//! The signals of the program: those that end it, and SIGHUP, which has the certificates read again.

use std::future::poll_fn;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::io::process::{self, Terminal};

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// SIGTERM, SIGINT, or a terminal that was closed.
    End,
    /// SIGHUP from somebody who is there.
    Reload,
}

/// The signals that are ours to take.
pub(super) struct Signals {
    end: Vec<Signal>,
    hangup: Option<Signal>,
    terminal: Terminal,
}

impl Signals {
    /// None if they are not `ours`; SIGHUP not under nohup. To be called within the runtime.
    pub(super) fn listen(ours: bool) -> std::io::Result<Signals> {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
        let end = kinds.into_iter().filter(|_| ours).map(signal).collect::<Result<_, _>>()?;
        let hangup = ours && !process::ignores_hangup();
        let hangup = hangup.then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Signals { end, hangup, terminal: Terminal::of_this_process() })
    }

    /// The next of them.
    pub(super) async fn next(&mut self) -> Wish {
        let hung_up = poll_fn(|context| {
            if self.end.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
                return Poll::Ready(false);
            }
            let hangup = self.hangup.as_mut().map(|signal| signal.poll_recv(context).is_ready());
            if hangup == Some(true) { Poll::Ready(true) } else { Poll::Pending }
        });
        match hung_up.await {
            true if !self.terminal.is_gone() => Wish::Reload,
            true | false => Wish::End,
        }
    }
}

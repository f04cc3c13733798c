//! The event loop: inputs in, outputs out, in batches, on one task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};

use super::askers::Askers;
use super::promises::Promises;
use super::signals::{Signals, Wish};
use super::{CLOSING, Fault, GOODBYE, facts, renewal};
use crate::io::adoption::Adopted;
use crate::io::certificates::Certificates;
use crate::io::clock::Clock;
use crate::io::control::Asked;
use crate::io::purge::{self, Outcome, Purger};
use crate::io::relay::Media;
use crate::io::resolver::Resolver;
use crate::io::sockets::{Arrival, Sockets};
use crate::io::store::{Journal, Report};
use crate::media;
use crate::switch::control::{Reply, Request};
use crate::switch::storage::Space;
use crate::switch::{Input, Output, Switch};
use crate::wire::flow::Datagram;
use crate::wire::sip::locating::Resolution;

/// Messages read from the sockets before the first of them is handled.
const READ: usize = 1_024;
/// Messages that wait in memory; beyond, they wait in the kernel, which drops them when it is full.
const BACKLOG: usize = 8_192;
/// Messages handled before the sockets are looked at again: their age is to be known.
const BATCH: usize = 32;
/// Other inputs taken in one turn.
const NEWS: usize = 512;
/// Overload is told once in so long.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What the threads of the world tell.
#[derive(Debug)]
pub(super) enum News {
    Store(Report),
    Purge(purge::Report),
    Storage(Space),
}

/// Everything that the task owns.
pub(super) struct Turn {
    pub(super) clock: Clock,
    pub(super) certificates: Certificates,
    pub(super) switch: Switch,
    pub(super) sockets: Sockets,
    pub(super) journal: Journal,
    pub(super) media: Media,
    pub(super) resolver: Resolver,
    pub(super) resolved: mpsc::Receiver<Resolution>,
    pub(super) purger: Purger,
    pub(super) news: mpsc::Receiver<News>,
    pub(super) heard: mpsc::Receiver<media::Event>,
    pub(super) asks: mpsc::Receiver<Asked>,
    pub(super) stop: Arc<Notify>,
    pub(super) rest: Rest,
}

/// What only the loop itself keeps.
#[derive(Debug, Default)]
pub(super) struct Rest {
    backlog: VecDeque<Arrival>,
    /// Taken off a queue by waiting, not handled yet.
    first: Option<First>,
    askers: Askers,
    /// When the world is no longer waited for.
    deadline: Option<Instant>,
    stopped: bool,
    promises: Promises,
    /// Whether the switch has heard that the journal is behind, and the log when.
    behind: bool,
    told: Option<Instant>,
}

#[derive(Debug)]
enum First {
    Heard(media::Event),
    News(News),
    Asked(Asked),
    Resolved(Resolution),
}

impl Turn {
    /// Runs until the switch has stopped, then closes what it used.
    pub(super) async fn run(mut self, mut signals: Signals) -> Result<(), Fault> {
        // The dialogs that a crash left get their BYEs.
        self.carry_out();
        while !self.rest.stopped {
            self.wait(&mut signals).await;
            self.take_messages();
            self.take_heard();
            self.take_news();
            // Whatever made room in the journal told so.
            self.rest.promises.retry(|id, entry| self.journal.append(id, entry));
            self.take_resolved();
            self.take_asks();
            self.take_time();
            self.media.deliver();
        }
        self.close().await
    }

    /// Until there is something to do.
    async fn wait(&mut self, signals: &mut Signals) {
        if !self.rest.backlog.is_empty() {
            // The tasks of TCP and of admins run here too.
            tokio::task::yield_now().await;
            return;
        }
        let due = [self.switch.deadline(), self.rest.deadline, self.rest.askers.deadline()];
        let due = due.into_iter().flatten().min();
        let timer = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            biased;
            wish = signals.next() => {
                match wish {
                    Wish::End => self.begin_to_stop(),
                    Wish::Reload => renewal::reload(&self.certificates, self.clock.now().utc, None),
                }
                None
            }
            () = self.stop.notified() => {
                self.begin_to_stop();
                None
            }
            heard = self.heard.recv() => heard.map(First::Heard),
            news = self.news.recv() => news.map(First::News),
            asked = self.asks.recv() => asked.map(First::Asked),
            resolved = self.resolved.recv() => resolved.map(First::Resolved),
            () = self.sockets.ready() => None,
            () = timer => None,
        };
        self.rest.first = first;
    }

    fn take_messages(&mut self) {
        let now = self.clock.now().instant;
        let room = BACKLOG.saturating_sub(self.rest.backlog.len()).min(READ);
        self.sockets.receive(now, room, &mut self.rest.backlog);
        for _ in 0..BATCH {
            let Some(arrival) = self.rest.backlog.pop_front() else { break };
            match arrival {
                Arrival::Flow(event) => self.handle(Input::Flow(event)),
                Arrival::Message(message) => {
                    // Asked only when a new call may come: it takes a lock.
                    if message.bytes.starts_with(b"INVITE ") {
                        self.weigh_journal();
                    }
                    self.handle(Input::Datagram(Datagram {
                        flow: message.flow,
                        received: message.received,
                        bytes: &message.bytes,
                        broken: message.broken,
                    }));
                    self.sockets.recycle(message);
                }
            }
        }
    }

    /// Tells the switch when the journal falls too far behind to take in new calls, and when it has caught up.
    fn weigh_journal(&mut self) {
        let behind = self.journal.is_strained();
        if behind != self.rest.behind {
            self.rest.behind = behind;
            self.handle(if behind { Input::JournalBehind } else { Input::JournalCaughtUp });
        }
        let now = self.clock.now().instant;
        let quiet = self.rest.told.is_some_and(|told| now.duration_since(told) < TELL_AGAIN);
        if behind && !quiet {
            self.rest.told = Some(now);
            tracing::warn!(event = "journal_behind", unwritten = self.journal.waiting());
        }
    }

    fn take_heard(&mut self) {
        for _ in 0..NEWS {
            let event = match self.rest.first.take() {
                Some(First::Heard(event)) => event,
                other => {
                    self.rest.first = other;
                    let Ok(event) = self.heard.try_recv() else { return };
                    event
                }
            };
            if let media::Event::RecordingFailed { recording, cause: _ } = &event {
                self.purger.failed(*recording);
            }
            self.handle(Input::Media(event));
        }
    }

    fn take_news(&mut self) {
        for _ in 0..NEWS {
            let news = match self.rest.first.take() {
                Some(First::News(news)) => news,
                other => {
                    self.rest.first = other;
                    let Ok(news) = self.news.try_recv() else { return };
                    news
                }
            };
            self.handle(match news {
                News::Store(Report::Stored(entry)) => Input::Stored(entry),
                News::Store(Report::Found(page)) => Input::Found(page),
                News::Purge(purge::Report::Done(Outcome::Purged(recording))) => {
                    Input::Purged(recording)
                }
                News::Purge(purge::Report::Done(Outcome::Failed(recording, cause))) => {
                    Input::PurgeFailed(recording, cause)
                }
                News::Storage(space) => Input::Storage(space),
                News::Purge(purge::Report::Adopted(Adopted { recording, sealed, at })) => {
                    Input::Adopted(recording, sealed, at)
                }
            });
        }
    }

    fn take_resolved(&mut self) {
        for _ in 0..NEWS {
            let resolution = match self.rest.first.take() {
                Some(First::Resolved(resolution)) => resolution,
                other => {
                    self.rest.first = other;
                    let Ok(resolution) = self.resolved.try_recv() else { return };
                    resolution
                }
            };
            self.handle(Input::Resolved(resolution));
        }
    }

    fn take_asks(&mut self) {
        while self.rest.askers.has_room() {
            let Asked { request, answer } = match self.rest.first.take() {
                Some(First::Asked(asked)) => asked,
                other => {
                    self.rest.first = other;
                    let Ok(asked) = self.asks.try_recv() else { return };
                    asked
                }
            };
            match request {
                Request::Stop => {
                    // Whoever asked sees the socket close when it is done.
                    let _ = answer.send(Reply::Done);
                    self.begin_to_stop();
                    continue;
                }
                Request::CertificateShow => {
                    renewal::show(&self.certificates, self.clock.now().utc, answer);
                    continue;
                }
                Request::CertificateReload => {
                    renewal::reload(&self.certificates, self.clock.now().utc, Some(answer));
                    continue;
                }
                _ => {}
            }
            if request == Request::AcceptClock {
                tracing::warn!(event = "clock_accepted");
            }
            let id = self.rest.askers.add(self.clock.now().instant, answer);
            self.handle(Input::Control(id, request));
        }
    }

    fn take_time(&mut self) {
        let now = self.clock.now().instant;
        if self.switch.deadline().is_some_and(|due| due <= now) {
            self.handle(Input::Timeout);
        }
        self.rest.askers.give_up(now, || self.journal.trouble());
        if self.rest.deadline.is_some_and(|deadline| deadline <= now) {
            tracing::warn!(event = "stopped_late");
            self.rest.stopped = true;
        }
    }

    /// The first time in order; the second time at once.
    fn begin_to_stop(&mut self) {
        if self.rest.deadline.is_some() {
            tracing::warn!(event = "stopped_at_once");
            self.rest.stopped = true;
            return;
        }
        tracing::info!(event = "stopping");
        self.rest.deadline = Some(self.clock.now().instant + GOODBYE);
        let id = self.rest.askers.number();
        self.handle(Input::Control(id, Request::Stop));
    }

    fn handle(&mut self, input: Input<'_>) {
        self.switch.handle(self.clock.now(), input);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.switch.poll() {
            match output {
                Output::Transmit(transmit) => self.sockets.send(transmit),
                Output::Resolve(question) => self.resolver.ask(question),
                Output::Close(flow) => self.sockets.close(flow),
                Output::Media(command) => {
                    if let Some(answer) = self.media.command(command) {
                        // What else there is to do waits its turn: outputs are in order.
                        self.switch.handle(self.clock.now(), Input::Media(answer));
                    }
                }
                Output::Store(id, entry) => {
                    let append = |id, entry| self.journal.append(id, entry);
                    if self.rest.promises.store(id, entry, append).is_err() {
                        // New calls are refused at half of it; beyond the end the record has a hole, and the log says so.
                        tracing::error!(event = "journal_full", entry = id.0);
                    }
                }
                Output::Find(query) => self.journal.find(query),
                Output::Purge(order) => self.purger.order(order),
                Output::Reply(id, mut reply) => {
                    if let Reply::Retention { trouble, .. } = &mut reply {
                        *trouble = self.journal.trouble();
                    }
                    self.rest.askers.answer(id, reply);
                }
                Output::Log(fact) => facts::write(&fact),
                Output::Stopped => self.rest.stopped = true,
            }
        }
    }

    /// Writes what is left: answers to the network, audio, the journal.
    async fn close(self) -> Result<(), Fault> {
        let Turn { sockets, journal, media, purger, heard, mut rest, .. } = self;
        drop(purger);
        // Nobody is to wait for us to hear what is of no use any more.
        drop(heard);
        sockets.finish(CLOSING / 4).await;
        media.stop();
        rest.promises.retry(|id, entry| journal.append(id, entry));
        let lost = journal.close(CLOSING).map_or_else(|unwritten| unwritten.0, |()| 0);
        match lost + rest.promises.len() {
            0 => {}
            unwritten => return Err(Fault::Unwritten(unwritten)),
        }
        tracing::info!(event = "stopped");
        Ok(())
    }
}

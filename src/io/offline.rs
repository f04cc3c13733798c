//! What an admin can do to recordings while no switch runs: retention, legal hold, release. The store's lock keeps a switch out
//! meanwhile, and the decisions are those of the switch.

use std::path::Path;

use super::clock::Clock;
use super::purge::{self, Outcome};
use super::store::{Error, Store};
use crate::switch::control::{Reply, RequestId};
use crate::switch::journal::EntryId;
use crate::switch::retention::Retention;
use crate::switch::{Now, Output};

const ASKED: RequestId = RequestId(0);

/// Whether the calendar must fit the last run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Calendar {
    /// It must, within 30 days forward and one back.
    Checked,
    /// The admin has looked at the clock and answers for it.
    Vouched,
}

/// Deletes what is due now: [`Reply::RetentionRan`], or [`Reply::Refused`] if the calendar jumped since the last run.
pub fn run(
    state: &Path,
    recordings: &Path,
    clock: &Clock,
    calendar: Calendar,
) -> Result<Reply, Error> {
    ask(state, recordings, clock, calendar, |retention, now| retention.run(now, ASKED))
}

/// Puts a recording on legal hold: [`Reply::Done`], [`Reply::NotFound`] or [`Reply::Refused`].
pub fn hold(
    state: &Path,
    recordings: &Path,
    clock: &Clock,
    recording: &str,
    reason: &str,
) -> Result<Reply, Error> {
    ask(state, recordings, clock, Calendar::Checked, |retention, now| {
        retention.hold(now, ASKED, recording, reason);
    })
}

/// Lifts a legal hold: [`Reply::Done`], [`Reply::NotFound`] or [`Reply::Refused`].
pub fn release(
    state: &Path,
    recordings: &Path,
    clock: &Clock,
    recording: &str,
) -> Result<Reply, Error> {
    ask(state, recordings, clock, Calendar::Checked, |retention, now| {
        retention.release(now, ASKED, recording);
    })
}

fn ask(
    state: &Path,
    recordings: &Path,
    clock: &Clock,
    calendar: Calendar,
    question: impl Fn(&mut Retention, Now),
) -> Result<Reply, Error> {
    let now = clock.now();
    let opened = Store::open(state, recordings, now.utc)?;
    let ran = match calendar {
        Calendar::Checked => opened.memory.retention_ran,
        Calendar::Vouched => None,
    };
    let every = std::time::Duration::from_secs(86_400);
    let retention = Retention::new(now, every, ran, opened.memory.purges);
    let mut desk = Desk { store: opened.store, recordings, retention, entries: 0, reply: None };
    question(&mut desk.retention, now);
    desk.work(clock)?;
    let Some(mut whole) = desk.reply.take() else {
        return Ok(Reply::Refused { why: "retention gave no answer".to_owned() });
    };
    // A run is bounded; the next one is due at once while there is more.
    while let Reply::RetentionRan { purged, failed } = &mut whole {
        let now = clock.now();
        if desk.retention.deadline().is_none_or(|next| next > now.instant) {
            break;
        }
        question(&mut desk.retention, now);
        desk.work(clock)?;
        if let Some(Reply::RetentionRan { purged: more, failed: also }) = desk.reply.take() {
            purged.extend(more);
            failed.extend(also);
        }
    }
    Ok(whole)
}

/// Does for retention what the switch's surroundings do, one thing after the other.
struct Desk<'a> {
    store: Store,
    recordings: &'a Path,
    retention: Retention,
    entries: u64,
    reply: Option<Reply>,
}

impl Desk<'_> {
    fn work(&mut self, clock: &Clock) -> Result<(), Error> {
        let mut writes = Vec::new();
        loop {
            let number = || {
                self.entries += 1;
                EntryId(self.entries)
            };
            let output = self.retention.poll(number);
            if let Some(Output::Store(_, entry)) = output {
                writes.push(entry);
                continue;
            }
            if !writes.is_empty() {
                self.store.write(&writes)?;
                writes.clear();
            }
            match output {
                Some(Output::Find(query)) => {
                    let page = self.store.answer(query)?;
                    self.retention.found(clock.now(), page);
                }
                Some(Output::Purge(order)) => {
                    let now = clock.now();
                    match purge::carry_out(self.recordings, order, now.utc) {
                        Outcome::Purged(recording) => self.retention.purged(now, recording),
                        Outcome::Failed(recording, cause) => {
                            self.retention.purge_failed(now, recording, cause);
                        }
                    }
                }
                Some(Output::Reply(ASKED, reply)) => self.reply = Some(reply),
                Some(
                    Output::Reply(..)
                    | Output::Store(..)
                    | Output::Transmit(_)
                    | Output::Close(_)
                    | Output::Media(_)
                    | Output::Log(_)
                    | Output::Stopped,
                ) => {}
                None => {
                    let before = self.entries;
                    self.retention.stored(clock.now(), EntryId(before));
                    if self.retention.is_quiet() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

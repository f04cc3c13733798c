//! A recording's life: armed, running, sealing, over. It begins with a permit and no other way. When it gets too long it is sealed, and
//! another one goes on under the same permit.

use std::time::{Duration, Instant};

use super::Now;
use super::assurance::{Alarm, Assurance, Change};
use super::consent::RecordingPermit;
use super::journal::{Armed, CallId, Entry, EntryId};
use super::outbox::Outbox;
use crate::media::{Command, PortId, Progress, RecordingId, Silence};

/// What is recorded of one call: one recording, or several that follow each other without a break.
#[derive(Debug)]
pub(super) struct Recording {
    call: CallId,
    /// As long as it is here, those who talk may be recorded; else the recording is paused.
    permit: Option<RecordingPermit>,
    /// Customer and agent.
    ports: (PortId, PortId),
    /// The retention policy's name and span.
    keep: (String, Duration),
    longest: Duration,
    is_held: bool,
    /// What the media side was told.
    silence: Option<Silence>,
    /// When the running one is long enough.
    full_at: Instant,
    /// In order; only the last one can be running.
    reels: Vec<Reel>,
    assurance: Assurance,
}

/// One WAV and its row.
#[derive(Debug)]
struct Reel {
    id: RecordingId,
    path: String,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The intent is on its way to the disk; audio waits in bounded memory.
    Arming(EntryId),
    /// Audio reaches the disk.
    Running,
    /// Told to seal when the intent is committed.
    Ending(EntryId),
    /// Told to seal.
    Sealing,
    /// Sealed or failed, and the journal knows.
    Over,
}

impl Recording {
    /// Taps the two ports (customer, agent) and stores the intent. `keep` is the retention policy's name and span.
    pub(super) fn begin(
        permit: RecordingPermit,
        id: RecordingId,
        ports: (PortId, PortId),
        keep: (String, Duration),
        longest: Duration,
        now: Now,
        outbox: &mut Outbox,
    ) -> Recording {
        let full_at = now.instant + longest;
        let reels = Vec::new();
        let mut recording = Recording {
            call: permit.call(),
            permit: Some(permit),
            ports,
            keep,
            longest,
            is_held: false,
            silence: None,
            full_at,
            reels,
            assurance: Assurance::new(now.instant),
        };
        recording.tap(id, now, outbox);
        recording
    }

    fn tap(&mut self, id: RecordingId, now: Now, outbox: &mut Outbox) {
        let Some(permit) = &self.permit else { return };
        let (year, month, day) = now.utc.date();
        let path = format!("{year:04}/{month:02}/{day:02}/{}_{id}.wav", now.utc.basic());
        let armed = Armed {
            recording: id,
            call: self.call,
            agent: permit.agent().to_owned(),
            path: path.clone(),
            policy: self.keep.0.clone(),
            keep: self.keep.1,
            continues: self.reels.first().map(|first| first.id),
            at: now.utc,
        };
        let (customer, agent) = self.ports;
        outbox.media(Command::Tap { recording: id, customer, agent });
        if let Some(reason) = self.silence {
            outbox.media(Command::Silence { recording: id, reason });
        }
        let entry = outbox.store(Entry::Armed(armed));
        self.full_at = now.instant + self.longest;
        self.assurance.turned(now.instant);
        self.reels.push(Reel { id, path, state: State::Arming(entry) });
    }

    /// Each of them, the first one first.
    pub(super) fn ids(&self) -> impl Iterator<Item = RecordingId> {
        self.reels.iter().map(|reel| reel.id)
    }

    /// The journal has committed everything up to `entry`.
    pub(super) fn stored(&mut self, entry: EntryId, outbox: &mut Outbox) {
        for reel in &mut self.reels {
            reel.state = match reel.state {
                State::Arming(armed) if armed <= entry => State::Running,
                State::Ending(armed) if armed <= entry => State::Sealing,
                State::Arming(_)
                | State::Ending(_)
                | State::Running
                | State::Sealing
                | State::Over => continue,
            };
            outbox.media(Command::Record { recording: reel.id, path: reel.path.clone() });
        }
    }

    /// A side is on hold, or none is any more.
    pub(super) fn hold(&mut self, is_held: bool, outbox: &mut Outbox) {
        self.is_held = is_held;
        self.settle(outbox);
    }

    /// Somebody talks without a permit, or nobody of our side is there: nobody is listened to, and the interval is listed.
    pub(super) fn pause(&mut self, outbox: &mut Outbox) {
        if self.permit.take().is_some() {
            self.settle(outbox);
            if let Some(recording) = self.running() {
                outbox.media(Command::Deafen { recording });
            }
        }
    }

    /// Those who talk now, over these ports (customer, agent), may be recorded.
    pub(super) fn resume(
        &mut self,
        permit: RecordingPermit,
        ports: (PortId, PortId),
        outbox: &mut Outbox,
    ) {
        let was_paused = self.permit.replace(permit).is_none();
        let moved = std::mem::replace(&mut self.ports, ports) != ports;
        if (was_paused || moved)
            && let Some(recording) = self.running()
        {
            let (customer, agent) = ports;
            outbox.media(Command::Hear { recording, customer, agent });
        }
        self.settle(outbox);
    }

    /// Tells the media side whether both sides are silent on purpose, and why.
    fn settle(&mut self, outbox: &mut Outbox) {
        let Some(recording) = self.running() else { return };
        let reason = match (&self.permit, self.is_held) {
            (None, _) => Some(Silence::Pause),
            (Some(_), true) => Some(Silence::Hold),
            (Some(_), false) => None,
        };
        if self.silence == reason {
            return;
        }
        self.silence = reason;
        self.assurance.excuse();
        outbox.media(match reason {
            Some(reason) => Command::Silence { recording, reason },
            None => Command::Unsilence { recording },
        });
    }

    /// How far its file has come: what is wrong now and was not, and what is not any more.
    pub(super) fn written(&mut self, id: RecordingId, now: Now, progress: Progress) -> Vec<Change> {
        match self.running() == Some(id) {
            true => self.assurance.written(now.instant, progress, self.silence.is_some()),
            false => Vec::new(),
        }
    }

    /// The same when nothing is heard of it.
    pub(super) fn unwritten(&mut self, now: Now) -> Vec<Change> {
        match self.running() {
            Some(_) => self.assurance.timeout(now.instant),
            None => Vec::new(),
        }
    }

    /// What is wrong with it, while it goes on.
    pub(super) fn alarms(&self) -> &[Alarm] {
        if self.running().is_some() { self.assurance.alarms() } else { &[] }
    }

    /// When it has to go on in another one, or to be asked about; a paused one is not turned before somebody is heard again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let stalled = self.running().and(self.assurance.deadline());
        self.full().into_iter().chain(stalled).min()
    }

    /// Whether it is long enough.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full().is_some_and(|full_at| full_at <= now)
    }

    fn full(&self) -> Option<Instant> {
        self.permit.as_ref().and(self.running()).map(|_| self.full_at)
    }

    /// It is long enough: another one, of this id, begins where it ends.
    pub(super) fn go_on(&mut self, id: RecordingId, now: Now, outbox: &mut Outbox) {
        let Some(last) = self.reels.len().checked_sub(1) else { return };
        // A port has one tap: the new one takes the place of the old one, and not a packet falls between.
        self.tap(id, now, outbox);
        self.reels[last].end(outbox);
    }

    /// The conversation is over. Call before the ports close.
    pub(super) fn end(&mut self, outbox: &mut Outbox) {
        if let Some(reel) = self.reels.last_mut() {
            reel.end(outbox);
        }
    }

    /// The media side is done with one of them, well or badly; `entry` says how.
    pub(super) fn over(&mut self, id: RecordingId, entry: Entry, outbox: &mut Outbox) {
        let Some(reel) = self.reels.iter_mut().find(|reel| reel.id == id) else { return };
        if reel.state != State::Over {
            // Nobody listens to its tap any more.
            reel.end(outbox);
            reel.state = State::Over;
            outbox.store(entry);
        }
    }

    /// Whether an intent is not committed yet.
    pub(super) fn awaits_commit(&self) -> bool {
        self.reels.iter().any(|reel| matches!(reel.state, State::Arming(_) | State::Ending(_)))
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.reels.iter().all(|reel| reel.state == State::Over)
    }

    fn running(&self) -> Option<RecordingId> {
        let last = self.reels.last()?;
        matches!(last.state, State::Arming(_) | State::Running).then_some(last.id)
    }
}

impl Reel {
    /// What was said until now is all of it, whether its intent is committed or not.
    fn end(&mut self, outbox: &mut Outbox) {
        self.state = match self.state {
            State::Arming(entry) => State::Ending(entry),
            State::Running => State::Sealing,
            State::Ending(_) | State::Sealing | State::Over => return,
        };
        outbox.media(Command::Seal { recording: self.id });
    }
}

#[cfg(test)]
mod tests;

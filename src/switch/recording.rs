//! A recording's life: armed, running, sealing, over. It begins with a permit and no other way.

use super::consent::RecordingPermit;
use super::journal::{Armed, Entry, EntryId};
use super::outbox::Outbox;
use crate::media::{Command, PortId, RecordingId, Silence};
use crate::utc::Utc;

/// One recording of one call.
#[derive(Debug)]
pub(super) struct Recording {
    id: RecordingId,
    path: String,
    state: State,
    silence: Option<Silence>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The intent is on its way to the disk; audio waits in bounded memory.
    Arming(EntryId),
    /// Audio reaches the disk.
    Running,
    /// The conversation is over; waiting for the intent, then for the seal.
    Ending(EntryId),
    /// Told to seal.
    Sealing,
    /// Sealed or failed, and the journal knows.
    Over,
}

impl Recording {
    /// Taps the two ports and stores the intent. `keep` is the retention policy's name and span.
    pub(super) fn begin(
        permit: RecordingPermit,
        id: RecordingId,
        (customer, agent): (PortId, PortId),
        keep: (String, std::time::Duration),
        at: Utc,
        outbox: &mut Outbox,
    ) -> Recording {
        let (year, month, day) = at.date();
        let path = format!("{year:04}/{month:02}/{day:02}/{}_{id}.wav", at.basic());
        let armed = Armed {
            recording: id,
            call: permit.call(),
            agent: permit.agent().to_owned(),
            path: path.clone(),
            policy: keep.0,
            keep: keep.1,
            at,
        };
        outbox.media(Command::Tap { recording: id, customer, agent });
        let entry = outbox.store(Entry::Armed(armed));
        Recording { id, path, state: State::Arming(entry), silence: None }
    }

    pub(super) fn id(&self) -> RecordingId {
        self.id
    }

    /// The journal has committed everything up to `entry`.
    pub(super) fn stored(&mut self, entry: EntryId, outbox: &mut Outbox) {
        let record = || Command::Record { recording: self.id, path: self.path.clone() };
        match self.state {
            State::Arming(armed) if armed <= entry => {
                outbox.media(record());
                self.state = State::Running;
            }
            State::Ending(armed) if armed <= entry => {
                outbox.media(record());
                outbox.media(Command::Seal { recording: self.id });
                self.state = State::Sealing;
            }
            State::Arming(_) | State::Ending(_) | State::Running | State::Sealing | State::Over => {
            }
        }
    }

    /// Silent on purpose for `reason`, or audible again.
    pub(super) fn silence(&mut self, reason: Option<Silence>, outbox: &mut Outbox) {
        if self.silence == reason || !matches!(self.state, State::Arming(_) | State::Running) {
            return;
        }
        self.silence = reason;
        outbox.media(match reason {
            Some(reason) => Command::Silence { recording: self.id, reason },
            None => Command::Unsilence { recording: self.id },
        });
    }

    /// The conversation is over. Call before the ports close.
    pub(super) fn end(&mut self, outbox: &mut Outbox) {
        match self.state {
            State::Arming(entry) => self.state = State::Ending(entry),
            State::Running => {
                outbox.media(Command::Seal { recording: self.id });
                self.state = State::Sealing;
            }
            State::Ending(_) | State::Sealing | State::Over => {}
        }
    }

    /// The media side is done with it, well or badly; `entry` says how.
    pub(super) fn over(&mut self, entry: Entry, outbox: &mut Outbox) {
        if self.state != State::Over {
            self.state = State::Over;
            outbox.store(entry);
        }
    }

    /// Whether its intent is not committed yet.
    pub(super) fn awaits_commit(&self) -> bool {
        matches!(self.state, State::Arming(_) | State::Ending(_))
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }
}

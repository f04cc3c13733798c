//! Legal holds: an admin forbids the purge of a recording, or allows it again. A hold wins over everything but an order already
//! given out; then it waits to learn whether there is anything left to hold.

use crate::media::RecordingId;
use crate::switch::Now;
use crate::switch::control::{Reply, RequestId};
use crate::switch::journal::{Entry, EntryId};

use super::{ASKERS, Kept, Ordered, Query, Retention, Step};

/// Bytes of a reason.
const REASON: usize = 1_000;

/// A change that is not answered yet.
#[derive(Debug)]
pub(super) struct Ask {
    request: RequestId,
    recording: RecordingId,
    change: Change,
    stage: Stage,
}

#[derive(Debug)]
enum Change {
    Hold { reason: String },
    Release,
}

#[derive(Debug)]
enum Stage {
    /// The store is asked whether there is such a recording.
    Looking,
    /// The file is being deleted.
    Deleting,
    /// The entry is on its way to the disk; numbered once it is polled.
    Writing(Option<EntryId>),
}

impl Ask {
    /// From the moment the hold is asked for, nobody orders the recording's purge.
    pub(super) fn forbids(&self, recording: RecordingId) -> bool {
        self.recording == recording
            && match self.change {
                Change::Hold { .. } => true,
                Change::Release => false,
            }
    }
}

impl Retention {
    /// Forbids the purge of a recording; `request` is answered once that is committed, or refused.
    pub fn hold(&mut self, now: Now, request: RequestId, recording: &str, reason: &str) {
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > REASON {
            let why = format!("a legal hold needs a reason of at most {REASON} bytes");
            return self.reply(request, Reply::Refused { why });
        }
        self.change(now, request, recording, Change::Hold { reason: reason.to_owned() });
    }

    /// Allows it again.
    pub fn release(&mut self, now: Now, request: RequestId, recording: &str) {
        self.change(now, request, recording, Change::Release);
    }

    fn change(&mut self, now: Now, request: RequestId, recording: &str, change: Change) {
        let Some(recording) = RecordingId::parse(recording) else {
            return self.reply(request, not_found("that is not a recording's id".to_owned()));
        };
        if self.asks.len() >= ASKERS || self.asks.iter().any(|ask| ask.recording == recording) {
            let why = "another change of a legal hold is under way, try again".to_owned();
            return self.reply(request, Reply::Refused { why });
        }
        let ask = Ask { request, recording, change, stage: Stage::Looking };
        match ask.change {
            Change::Hold { .. } if self.withdraw(recording) => {
                self.write(now, ask);
                self.go_on(now);
            }
            Change::Hold { .. } if self.orders.contains_key(&recording) => {
                self.asks.push(Ask { stage: Stage::Deleting, ..ask });
            }
            Change::Hold { .. } | Change::Release => {
                self.asks.push(ask);
                self.out.push_back(Step::Find(Query::One { recording }));
            }
        }
    }

    /// Takes an order back that nobody has polled yet; the hold's entry takes back the intent.
    fn withdraw(&mut self, recording: RecordingId) -> bool {
        let unpolled = self
            .out
            .iter()
            .position(|step| matches!(step, Step::Purge(order) if order.recording() == recording));
        match (self.orders.get(&recording), unpolled) {
            (Some(Ordered::Intended { .. }), _) => {}
            (Some(Ordered::GivenOut), Some(place)) => drop(self.out.remove(place)),
            (Some(Ordered::GivenOut), None) | (None, _) => return false,
        }
        self.orders.remove(&recording).is_some()
    }

    /// The store knows the recording, or does not.
    pub(super) fn found_one(&mut self, now: Now, recording: RecordingId, found: Option<Kept>) {
        let Some(ask) = self.take(|ask| ask.recording == recording && ask.is_looking()) else {
            return;
        };
        match (found, &ask.change) {
            (None, _) => {
                let what = format!("no recording {recording}, or it is deleted already");
                self.reply(ask.request, not_found(what));
            }
            (Some(Kept { legal_hold: false, .. }), Change::Release) => {
                let why = format!("{recording} is not on legal hold");
                self.reply(ask.request, Reply::Refused { why });
            }
            (Some(_), Change::Hold { .. } | Change::Release) => self.write(now, ask),
        }
    }

    /// Its file is gone: a hold that waited for that came too late.
    pub(super) fn asks_purged(&mut self, recording: RecordingId) {
        if let Some(ask) = self.take(|ask| ask.recording == recording && ask.is_deleting()) {
            let why = format!("{recording} was being deleted already, and is gone");
            self.reply(ask.request, Reply::Refused { why });
        }
    }

    /// Its file is still there.
    pub(super) fn asks_not_purged(&mut self, now: Now, recording: RecordingId) {
        if let Some(ask) = self.take(|ask| ask.recording == recording && ask.is_deleting()) {
            self.write(now, ask);
        }
    }

    /// The entry of a change has its number.
    pub(super) fn ask_numbered(&mut self, recording: RecordingId, id: EntryId) {
        for ask in self.asks.iter_mut().filter(|ask| ask.recording == recording) {
            if let Stage::Writing(entry @ None) = &mut ask.stage {
                *entry = Some(id);
            }
        }
    }

    /// Everything up to `entry` is committed.
    pub(super) fn asks_stored(&mut self, entry: EntryId) {
        while let Some(ask) = self.take(|ask| match ask.stage {
            Stage::Writing(Some(own)) => own <= entry,
            Stage::Writing(None) | Stage::Looking | Stage::Deleting => false,
        }) {
            if let (Some(run), Change::Hold { .. }) = (&mut self.run, &ask.change) {
                run.held.insert(ask.recording);
            }
            self.reply(ask.request, Reply::Done);
        }
    }

    fn write(&mut self, now: Now, ask: Ask) {
        let (recording, at) = (ask.recording, now.utc);
        self.out.push_back(Step::Store(match &ask.change {
            Change::Hold { reason } => Entry::LegalHold { recording, reason: reason.clone(), at },
            Change::Release => Entry::Released { recording, at },
        }));
        self.asks.push(Ask { stage: Stage::Writing(None), ..ask });
    }

    fn take(&mut self, which: impl Fn(&Ask) -> bool) -> Option<Ask> {
        self.asks.iter().position(which).map(|place| self.asks.remove(place))
    }
}

impl Ask {
    fn is_looking(&self) -> bool {
        match self.stage {
            Stage::Looking => true,
            Stage::Deleting | Stage::Writing(_) => false,
        }
    }

    fn is_deleting(&self) -> bool {
        match self.stage {
            Stage::Deleting => true,
            Stage::Looking | Stage::Writing(_) => false,
        }
    }
}

fn not_found(what: String) -> Reply {
    Reply::NotFound { what }
}

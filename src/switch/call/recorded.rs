//! The call's recording: begun by a permit, ended with the conversation.

use super::Call;
use super::desk::Desk;
use crate::media::{PortId, RecordingId, Sealed};
use crate::switch::consent;
use crate::switch::journal::{Entry, EntryId};
use crate::switch::log::Fact;
use crate::switch::recording::Recording;
use crate::switch::settings::{Agent, ConsentMode};

impl Call {
    /// Begins it, if both sides agreed; else notes why not. `agent` is whose agreement is on file.
    pub(super) fn record(&mut self, desk: &mut Desk<'_>, port: PortId, agent: Option<&Agent>) {
        if self.plan.consent != ConsentMode::Never && self.cdr.unrecorded.is_none() {
            match (
                consent::permit(self.id, self.cdr.consent.as_ref(), agent),
                self.plan.retention.clone(),
            ) {
                (Ok(permit), Some(keep)) => {
                    let id = RecordingId(desk.id());
                    self.cdr.recording = Some(id);
                    self.recording = Some(Recording::begin(
                        permit,
                        id,
                        (self.a.port, port),
                        keep,
                        desk.settings.longest_recording,
                        desk.now,
                        desk.outbox,
                    ));
                }
                (Ok(_), None) => {
                    self.unrecorded(desk, "the route names no retention policy".into())
                }
                (Err(why), _) => self.unrecorded(desk, why.into()),
            }
        }
    }

    /// Each of its recordings, the first one first.
    pub(in crate::switch) fn recordings(&self) -> impl Iterator<Item = RecordingId> {
        self.recording.iter().flat_map(Recording::ids)
    }

    /// A recording that is long enough goes on in another one.
    pub(super) fn turn_reels(&mut self, desk: &mut Desk<'_>) {
        let now = desk.now.instant;
        if let Some(recording) = &mut self.recording
            && recording.deadline().is_some_and(|full_at| full_at <= now)
        {
            let id = RecordingId(desk.id());
            desk.outbox.log(Fact::RecordingGoesOn { call: self.id, recording: id });
            recording.go_on(id, desk.now, desk.outbox);
        }
    }

    /// Whether the next commit may be the one that lets audio reach the disk.
    pub(in crate::switch) fn awaits_commit(&self) -> bool {
        self.recording.as_ref().is_some_and(Recording::awaits_commit)
    }

    /// The journal is committed up to `entry`.
    pub(in crate::switch) fn stored(&mut self, desk: &mut Desk<'_>, entry: EntryId) {
        if let Some(recording) = &mut self.recording {
            recording.stored(entry, desk.outbox);
        }
    }

    /// The file is whole.
    pub(in crate::switch) fn sealed(
        &mut self,
        desk: &mut Desk<'_>,
        id: RecordingId,
        sealed: Sealed,
    ) {
        if let Some(recording) = &mut self.recording {
            let entry = Entry::Sealed { recording: id, sealed, at: desk.now.utc };
            recording.over(id, entry, desk.outbox);
        }
    }

    /// The recorder gave up; the call goes on.
    pub(in crate::switch) fn recording_failed(
        &mut self,
        desk: &mut Desk<'_>,
        id: RecordingId,
        cause: String,
    ) {
        if let Some(recording) = &mut self.recording {
            desk.outbox.log(Fact::RecordingFailed { recording: id, cause: cause.clone() });
            recording.over(
                id,
                Entry::RecordingFailed { recording: id, cause, at: desk.now.utc },
                desk.outbox,
            );
        }
    }
}

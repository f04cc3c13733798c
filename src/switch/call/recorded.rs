//! The call's recording: begun by a permit, paused while those who talk have none, ended with the conversation.

use super::desk::Desk;
use super::leg::{Leg, LegId};
use super::{Call, Stage};
use crate::media::{PortId, Progress, RecordingId, Sealed};
use crate::switch::assurance::{Alarm, Change};
use crate::switch::consent::{self, RecordingPermit, Talker};
use crate::switch::journal::{Entry, EntryId};
use crate::switch::log::Fact;
use crate::switch::recording::Recording;
use crate::switch::settings::{ConsentMode, Settings, WhenFull};

impl Call {
    /// Brings the recording in line with who talks: begins it, pauses it, or goes on with it; notes why there is none.
    pub(super) fn settle_recording(&mut self, desk: &mut Desk<'_>) {
        if self.plan.consent == ConsentMode::Never {
            return;
        }
        match (self.permit(desk.settings), &mut self.recording) {
            (Ok((permit, ports)), Some(recording)) => {
                recording.resume(permit, ports, desk.outbox);
                self.turn_reels(desk);
            }
            (Err(_), Some(recording)) => recording.pause(desk.outbox),
            (Ok((permit, ports)), None) => self.begin_recording(desk, permit, ports),
            (Err(why), None) => self.unrecorded(desk, why.into()),
        }
    }

    fn begin_recording(
        &mut self,
        desk: &mut Desk<'_>,
        permit: RecordingPermit,
        ports: (PortId, PortId),
    ) {
        let Some(keep) = self.plan.retention.clone() else {
            return self.unrecorded(desk, "the route names no retention policy".into());
        };
        let id = RecordingId(desk.id());
        self.cdr.recording = Some(id);
        self.cdr.unrecorded = None;
        self.recording = Some(Recording::begin(
            permit,
            id,
            ports,
            keep,
            desk.settings.longest_recording,
            desk.now,
            desk.outbox,
        ));
    }

    /// The permit of those who talk, and the ports of customer and agent.
    fn permit(
        &self,
        settings: &Settings,
    ) -> Result<(RecordingPermit, (PortId, PortId)), &'static str> {
        let Stage::Talking { b } = self.stage else { return Err("nobody talked") };
        let b = self.b.iter().find(|leg| leg.id == b).ok_or("nobody talked")?;
        let talker = |leg: &Leg| match self.agent_at(settings, leg) {
            // Only the caller is ever asked, whose leg is the first.
            _ if leg.id == LegId(0) => Talker::Caller(self.cdr.consent.as_ref()),
            Some(agent) => Talker::Agent(agent),
            None => Talker::Other,
        };
        let permit = consent::permit(self.id, [talker(&self.a), talker(b)])?;
        let ports = match self.a.id {
            LegId(0) => (self.a.port, b.port),
            _ => (b.port, self.a.port),
        };
        Ok((permit, ports))
    }

    /// Each of its recordings, the first one first.
    pub(in crate::switch) fn recordings(&self) -> impl Iterator<Item = RecordingId> {
        self.recording.iter().flat_map(Recording::ids)
    }

    /// A recording that is long enough goes on in another one.
    pub(super) fn turn_reels(&mut self, desk: &mut Desk<'_>) {
        if let Some(recording) = &mut self.recording
            && recording.is_full(desk.now.instant)
        {
            let id = RecordingId(desk.id());
            desk.outbox.log(Fact::RecordingGoesOn { call: self.id, recording: id });
            recording.go_on(id, desk.now, desk.outbox);
        }
    }

    /// How far the file of one of its recordings has come.
    pub(in crate::switch) fn written(
        &mut self,
        desk: &mut Desk<'_>,
        id: RecordingId,
        progress: Progress,
    ) {
        let changes = self.recording.as_mut().map(|it| it.written(id, desk.now, progress));
        self.tell_alarms(desk, changes.unwrap_or_default());
    }

    /// Nothing may have been heard of it for too long.
    pub(super) fn watch_recording(&mut self, desk: &mut Desk<'_>) {
        let changes = self.recording.as_mut().map(|recording| recording.unwritten(desk.now));
        self.tell_alarms(desk, changes.unwrap_or_default());
    }

    fn tell_alarms(&mut self, desk: &mut Desk<'_>, changes: Vec<Change>) {
        for Change { alarm, is_raised } in changes {
            desk.outbox.log(Fact::RecordingAlarm { call: self.id, alarm, is_raised });
            if (alarm, is_raised) == (Alarm::Stalled, true)
                && desk.settings.storage.when_full == WhenFull::HangUp
            {
                self.finish(desk, "its recording could not be kept", None);
            }
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

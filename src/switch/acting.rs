//! How a call acts: with what it may touch of the switch, and what is noted of it afterwards.

use std::collections::BTreeMap;

use super::call::desk::Desk;
use super::call::{Call, LegId};
use super::journal::CallId;
use super::{Now, Switch};
use crate::media::{self, RecordingId};

impl Switch {
    pub(super) fn at_port(
        &mut self,
        now: Now,
        port: media::PortId,
        act: impl FnOnce(&mut Call, LegId, &mut Desk<'_>),
    ) {
        if let Some((call, leg)) = self.keys.ports.get(&port).copied() {
            self.with(now, call, |call, desk| act(call, leg, desk));
        }
    }

    pub(super) fn at_recording(
        &mut self,
        now: Now,
        recording: RecordingId,
        act: impl FnOnce(&mut Call, &mut Desk<'_>),
    ) {
        if let Some(call) = self.recordings.get(&recording).copied() {
            self.with(now, call, act);
        }
    }

    /// What a call acts with, beside the calls.
    pub(super) fn desk(&mut self, now: Now) -> (Desk<'_>, &mut BTreeMap<CallId, Box<Call>>) {
        let Switch {
            settings,
            registrar,
            forwarding,
            agents,
            trunks,
            parking,
            last_callers,
            endpoint,
            outbox,
            ids,
            keys,
            news,
            calls,
            ..
        } = self;
        let desk = Desk {
            now,
            settings,
            registrar,
            forwarding,
            agents,
            trunks,
            parking,
            last_callers,
            endpoint,
            outbox,
            ids,
            keys,
            news,
        };
        (desk, calls)
    }

    /// Lets a call act, then notes when it wants to be woken, or that it is over.
    pub(super) fn with<T>(
        &mut self,
        now: Now,
        id: CallId,
        act: impl FnOnce(&mut Call, &mut Desk<'_>) -> T,
    ) -> Option<T> {
        let (mut desk, calls) = self.desk(now);
        let done = act(calls.get_mut(&id)?, &mut desk);
        let call = self.calls.get_mut(&id)?;
        call.show(&self.settings, self.subscriptions.lamps());
        call.tidy();
        for recording in call.recordings() {
            self.recordings.insert(recording, id);
        }
        if call.awaits_commit() {
            self.arming.insert(id);
        }
        if call.awaits_name() {
            self.locating.insert(id);
        }
        if call.awaits_phone() {
            self.cut_off.insert(id);
        }
        let (noted, wanted) = (call.scheduled, call.deadline());
        if noted != wanted {
            call.scheduled = wanted;
            noted.map(|at| self.alarms.remove(&(at, id)));
            wanted.map(|at| self.alarms.insert((at, id)));
        }
        if call.is_over() {
            self.over(now, id);
        }
        Some(done)
    }

    fn over(&mut self, now: Now, id: CallId) {
        let Some(call) = self.calls.remove(&id) else { return };
        self.ledger.ended(now.instant, id, call.talked());
        self.keys.forget(id);
        self.arming.remove(&id);
        self.locating.remove(&id);
        self.cut_off.remove(&id);
        call.scheduled.map(|at| self.alarms.remove(&(at, id)));
        for recording in call.recordings() {
            self.recordings.remove(&recording);
        }
    }
}

//! A leg's media: what its port is told, and what the port has told.

use super::{Leg, Port};
use crate::media::{Command, Remote, Statistics};
use crate::switch::call::desk::Desk;
use crate::switch::leg_media::LegMedia;
use crate::wire::sdp::negotiation::Agreed;
use crate::wire::sip::dialog::Dialog;

impl Leg {
    /// The port could not be bound, or is closed.
    pub(in crate::switch::call) fn port_closed(&mut self, desk: &mut Desk<'_>) {
        self.port_state = Port::Closed;
        desk.keys.ports.remove(&self.port);
    }

    /// Tells the media port what was agreed last.
    pub(super) fn connect(&self, desk: &mut Desk<'_>) {
        if let Some(agreed) = self.agreed() {
            self.join(desk, agreed, &self.dialog);
        }
    }

    pub(super) fn join(&self, desk: &mut Desk<'_>, agreed: &Agreed, dialog: &Dialog) {
        let silence = agreed.direction.receives().then_some(desk.settings.silence);
        let remote = Remote {
            rtp: agreed.rtp,
            rtcp: agreed.rtcp,
            rtcp_mux: agreed.rtcp_mux,
            sip_host: Some(dialog.flow().remote.ip().to_canonical()),
            codec: agreed.codec,
            payload_type: agreed.payload_type,
            telephone_event: agreed.telephone_event,
            received: agreed.received.clone(),
            direction: agreed.direction,
        };
        desk.outbox.media(Command::Connect { port: self.port, remote, silence });
    }

    /// What has gone through its port so far.
    pub(in crate::switch::call) fn measured(&mut self, desk: &Desk<'_>, statistics: Statistics) {
        self.measured = Some((statistics, desk.now.utc));
    }

    /// The same with what was agreed; `None` before there is either.
    pub(in crate::switch::call) fn media(&self) -> Option<LegMedia> {
        let ((statistics, at), agreed) = (self.measured?, self.agreed()?);
        let (user, trunk) = LegMedia::of(&self.party);
        Some(LegMedia {
            call: self.call,
            leg: self.id.0,
            user,
            trunk,
            codec: agreed.codec,
            advertised: agreed.rtp,
            receives: agreed.direction.receives(),
            sends: agreed.direction.sends() && agreed.rtp.is_some(),
            info_keys: self.info_keys,
            statistics,
            at,
        })
    }

    /// A key came by INFO.
    pub(in crate::switch::call) fn pressed_by_info(&mut self) {
        self.info_keys += 1;
    }
}

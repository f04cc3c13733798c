//! What the media side tells, and whom each of it concerns.

use super::{Now, Switch};
use crate::media::Event;

impl Switch {
    pub(super) fn heard(&mut self, now: Now, event: Event) {
        match event {
            Event::Opened { port, rtp } => {
                self.at_port(now, port, |call, leg, desk| call.opened(desk, leg, rtp))
            }
            Event::OpenFailed { port, cause: _ } => {
                self.at_port(now, port, |call, leg, desk| call.open_failed(desk, leg))
            }
            Event::Digit { port, digit } => {
                self.at_port(now, port, |call, leg, desk| call.pressed(desk, leg, digit))
            }
            Event::Played { port, play } => {
                self.at_port(now, port, |call, leg, desk| call.played(desk, leg, play))
            }
            Event::Silent { port } => {
                self.at_port(now, port, |call, leg, desk| call.silent(desk, leg))
            }
            Event::Measured { port, statistics } => {
                self.at_port(now, port, |call, leg, desk| call.measured(desk, leg, statistics));
            }
            Event::Closed { port, statistics } => {
                self.at_port(now, port, |call, leg, desk| {
                    call.measured(desk, leg, statistics);
                    call.port_closed(desk, leg);
                });
            }
            Event::Written { recording, progress } => {
                self.at_recording(now, recording, |call, desk| {
                    call.written(desk, recording, progress);
                });
            }
            Event::Sealed { recording, sealed } => {
                self.at_recording(now, recording, |call, desk| call.sealed(desk, recording, sealed))
            }
            Event::RecordingFailed { recording, cause } => {
                self.at_recording(now, recording, |call, desk| {
                    call.recording_failed(desk, recording, cause)
                });
            }
        }
    }
}

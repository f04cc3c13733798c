//! Hold: a side that wants to hear nothing. The other side hears music and is told by a re-INVITE; the recording falls silent.

use super::desk::Desk;
use super::{Call, Stage};
use crate::media::{Command, Repeat};
use crate::switch::settings::MUSIC;
use crate::wire::sdp::negotiation::Direction;

impl Call {
    pub(super) fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    /// Brings the media in line with who holds whom; to be called after anything that may have changed it.
    pub(super) fn settle_hold(&mut self, desk: &mut Desk<'_>) {
        let Stage::Talking { b } = self.stage else { return self.settle_question(desk) };
        let Some(at) = self.b.iter().position(|leg| leg.id == b) else { return };
        let holding = (self.a.holds(), self.b[at].holds());
        let hold = (holding != (false, false)).then_some(holding);
        if hold == self.hold {
            return;
        }
        self.hold = hold;
        let (a, b) = (self.a.port, self.b[at].port);
        match hold {
            None => desk.outbox.media(Command::Bridge { a, b }),
            Some(_) => desk.outbox.media(Command::Unbridge { port: a }),
        }
        if let Some(recording) = &mut self.recording {
            recording.hold(hold.is_some(), desk.outbox);
        }
        let told = |held: bool| if held { Direction::SendOnly } else { Direction::SendRecv };
        self.a.tell(desk, told(holding.1));
        self.b[at].tell(desk, told(holding.0));
        for (leg, holds, held) in
            [(&self.a, holding.0, holding.1), (&self.b[at], holding.1, holding.0)]
        {
            if held && !holds {
                self.play(desk, leg, MUSIC, Repeat::Forever);
            } else if holds {
                desk.outbox.media(Command::Stop { port: leg.port });
            }
        }
    }
}

//! The INVITE server transaction: RFC 3261 §17.2.1 as amended by RFC 6026 §7.1, with the repetition of 2xx of RFC 3261 §13.3.1.4.

use std::time::{Duration, Instant};

use super::{Fired, PATIENCE, Repeat, T2, T4, earlier};
use crate::wire::flow::Transport;
use crate::wire::sip::message::Status;

/// How long the user may take to answer before a 100 is sent for it (RFC 3261 §17.2.1).
pub const TRYING: Duration = Duration::from_millis(200);

/// One INVITE of the far side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InviteServer {
    /// No final answer yet.
    Proceeding {
        /// When the 100 goes out, unless the user has said anything by then.
        trying: Option<Instant>,
        /// A CANCEL arrived.
        cancelled: bool,
    },
    /// Refused with 300 to 699, repeated until the ACK.
    Completed {
        /// Timer G, over UDP.
        resend: Option<Repeat>,
        /// Timer H.
        give_up: Instant,
    },
    /// The refusal's ACK arrived; its repetitions are absorbed.
    Confirmed {
        /// Timer I.
        end: Instant,
    },
    /// Answered with 2xx, repeated until the ACK whatever the transport; repetitions of the INVITE are absorbed.
    Accepted {
        /// The next repetition; `None` once the ACK arrived.
        resend: Option<Repeat>,
        /// Timer L.
        end: Instant,
    },
    /// To be forgotten.
    Ended,
}

/// What the arrival of an ACK means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acknowledged {
    /// It is the first of a 2xx: tell the user.
    Success,
    /// It is the first of a refusal: nothing is to be repeated any more.
    Refusal,
    /// It comes again, or for nothing.
    Nothing,
}

impl InviteServer {
    /// The INVITE has arrived.
    pub fn begin(now: Instant) -> InviteServer {
        InviteServer::Proceeding { trying: Some(now + TRYING), cancelled: false }
    }

    /// The user answers. False: a final answer has been given before, this one is not to be sent.
    pub fn answered(&mut self, now: Instant, status: Status, transport: Transport) -> bool {
        let InviteServer::Proceeding { cancelled, .. } = *self else { return false };
        *self = if status.is_provisional() {
            InviteServer::Proceeding { trying: None, cancelled }
        } else if status.is_success() {
            InviteServer::Accepted { resend: Some(Repeat::begin(now)), end: now + PATIENCE }
        } else {
            InviteServer::Completed {
                resend: Repeat::unless_reliable(now, transport),
                give_up: now + PATIENCE,
            }
        };
        true
    }

    /// The INVITE arrived again: whether the last answer is to be sent again. In Accepted it is repeated by its own timer.
    pub fn repeated(&mut self) -> bool {
        match self {
            InviteServer::Proceeding { trying, .. } => {
                *trying = None;
                true
            }
            InviteServer::Completed { .. } => true,
            InviteServer::Confirmed { .. }
            | InviteServer::Accepted { .. }
            | InviteServer::Ended => false,
        }
    }

    /// A CANCEL arrived: whether the user must be told (RFC 3261 §9.2: no effect after a final answer).
    pub fn cancelled(&mut self) -> bool {
        match self {
            InviteServer::Proceeding { cancelled, .. } => !std::mem::replace(cancelled, true),
            InviteServer::Completed { .. }
            | InviteServer::Confirmed { .. }
            | InviteServer::Accepted { .. }
            | InviteServer::Ended => false,
        }
    }

    /// An ACK arrived.
    pub fn acknowledged(&mut self, now: Instant, transport: Transport) -> Acknowledged {
        match *self {
            InviteServer::Accepted { resend: Some(_), end } => {
                *self = InviteServer::Accepted { resend: None, end };
                Acknowledged::Success
            }
            InviteServer::Completed { .. } => {
                *self = match transport {
                    Transport::Udp => InviteServer::Confirmed { end: now + T4 },
                    Transport::Tcp | Transport::Tls => InviteServer::Ended,
                };
                Acknowledged::Refusal
            }
            InviteServer::Proceeding { .. }
            | InviteServer::Confirmed { .. }
            | InviteServer::Accepted { resend: None, .. }
            | InviteServer::Ended => Acknowledged::Nothing,
        }
    }

    /// Whether it has done all, and only stays to absorb what comes again.
    pub fn lingers(&self) -> bool {
        matches!(self, InviteServer::Confirmed { .. } | InviteServer::Accepted { resend: None, .. })
    }

    /// When [`InviteServer::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            InviteServer::Proceeding { trying, .. } => trying,
            InviteServer::Completed { resend, give_up } => Some(earlier(resend, give_up)),
            InviteServer::Accepted { resend, end } => Some(earlier(resend, end)),
            InviteServer::Confirmed { end } => Some(end),
            InviteServer::Ended => None,
        }
    }

    /// Fires what is due. [`Fired::GaveUp`]: no ACK of a 2xx came. A refusal without ACK just ends.
    pub fn timeout(&mut self, now: Instant) -> Fired {
        match *self {
            InviteServer::Proceeding { trying: Some(at), cancelled } if at <= now => {
                *self = InviteServer::Proceeding { trying: None, cancelled };
                Fired::Resend
            }
            InviteServer::Completed { give_up, .. } if give_up <= now => {
                *self = InviteServer::Ended;
                Fired::Ended
            }
            InviteServer::Completed { resend: Some(resend), give_up } if resend.at() <= now => {
                let resend = Some(resend.next(now, T2));
                *self = InviteServer::Completed { resend, give_up };
                Fired::Resend
            }
            InviteServer::Accepted { resend, end } if end <= now => {
                *self = InviteServer::Ended;
                if resend.is_some() { Fired::GaveUp } else { Fired::Ended }
            }
            InviteServer::Accepted { resend: Some(resend), end } if resend.at() <= now => {
                *self = InviteServer::Accepted { resend: Some(resend.next(now, T2)), end };
                Fired::Resend
            }
            InviteServer::Confirmed { end } if end <= now => {
                *self = InviteServer::Ended;
                Fired::Ended
            }
            InviteServer::Proceeding { .. }
            | InviteServer::Completed { .. }
            | InviteServer::Confirmed { .. }
            | InviteServer::Accepted { .. }
            | InviteServer::Ended => Fired::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Status = Status::of(200);
    const BUSY: Status = Status::of(486);

    fn until_it_ends(machine: &mut InviteServer, start: Instant) -> Vec<(u128, Fired)> {
        let mut fired = Vec::new();
        while let Some(at) = machine.deadline() {
            fired.push(((at - start).as_millis(), machine.timeout(at)));
        }
        fired
    }

    fn repetitions() -> Vec<(u128, Fired)> {
        [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
            .map(|at| (at, Fired::Resend))
            .to_vec()
    }

    #[test]
    fn a_slow_user_is_covered_by_a_100_after_200_ms() {
        let start = Instant::now();
        let mut machine = InviteServer::begin(start);
        assert_eq!(machine.deadline(), Some(start + TRYING));
        assert_eq!(machine.timeout(start + TRYING), Fired::Resend);
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn a_quick_user_is_not() {
        let start = Instant::now();
        let mut machine = InviteServer::begin(start);
        assert!(machine.answered(start, Status::of(180), Transport::Udp));
        assert_eq!(machine.deadline(), None);
        assert!(machine.repeated());
    }

    #[test]
    fn a_refusal_is_repeated_over_udp_until_timer_h() {
        let start = Instant::now();
        let mut machine = InviteServer::begin(start);
        assert!(machine.answered(start, BUSY, Transport::Udp));
        assert!(machine.repeated());
        let mut expected = repetitions();
        expected.push((32_000, Fired::Ended));
        assert_eq!(until_it_ends(&mut machine, start), expected);
    }

    #[test]
    fn a_refusal_is_not_repeated_over_tcp() {
        let start = Instant::now();
        let mut machine = InviteServer::begin(start);
        assert!(machine.answered(start, BUSY, Transport::Tcp));
        assert_eq!(until_it_ends(&mut machine, start), [(32_000, Fired::Ended)]);
    }

    #[test]
    fn an_acknowledged_refusal_lingers_for_t4_over_udp_and_not_over_tcp() {
        let start = Instant::now();
        let mut machine = InviteServer::begin(start);
        machine.answered(start, BUSY, Transport::Udp);
        assert_eq!(machine.acknowledged(start, Transport::Udp), Acknowledged::Refusal);
        assert_eq!(machine.acknowledged(start, Transport::Udp), Acknowledged::Nothing);
        assert!(!machine.repeated());
        assert_eq!(until_it_ends(&mut machine, start), [(5000, Fired::Ended)]);

        let mut machine = InviteServer::begin(start);
        machine.answered(start, BUSY, Transport::Tcp);
        assert_eq!(machine.acknowledged(start, Transport::Tcp), Acknowledged::Refusal);
        assert_eq!(machine, InviteServer::Ended);
    }

    #[test]
    fn an_unacknowledged_2xx_is_repeated_over_any_transport_and_given_up() {
        for transport in [Transport::Udp, Transport::Tcp] {
            let start = Instant::now();
            let mut machine = InviteServer::begin(start);
            assert!(machine.answered(start, OK, transport));
            assert!(!machine.repeated());
            let mut expected = repetitions();
            expected.push((32_000, Fired::GaveUp));
            assert_eq!(until_it_ends(&mut machine, start), expected);
        }
    }

    #[test]
    fn an_acknowledged_2xx_is_silent_until_timer_l() {
        let start = Instant::now();
        let mut machine = InviteServer::begin(start);
        machine.answered(start, OK, Transport::Udp);
        assert_eq!(machine.acknowledged(start, Transport::Udp), Acknowledged::Success);
        assert_eq!(machine.acknowledged(start, Transport::Udp), Acknowledged::Nothing);
        assert!(!machine.repeated());
        assert_eq!(until_it_ends(&mut machine, start), [(32_000, Fired::Ended)]);
    }

    #[test]
    fn the_first_final_answer_stands() {
        let start = Instant::now();
        let mut machine = InviteServer::begin(start);
        assert!(machine.answered(start, OK, Transport::Udp));
        assert!(!machine.answered(start, BUSY, Transport::Udp));
        assert!(!machine.answered(start, Status::of(180), Transport::Udp));
    }

    #[test]
    fn a_cancel_is_told_once_and_never_after_a_final_answer() {
        let start = Instant::now();
        let mut machine = InviteServer::begin(start);
        assert!(machine.cancelled());
        assert!(!machine.cancelled());
        assert!(machine.answered(start, OK, Transport::Udp), "a 200 may cross the CANCEL");
        assert!(!machine.cancelled());
    }

    #[test]
    fn an_ack_before_any_answer_means_nothing() {
        let start = Instant::now();
        let mut machine = InviteServer::begin(start);
        assert_eq!(machine.acknowledged(start, Transport::Udp), Acknowledged::Nothing);
        assert!(matches!(machine, InviteServer::Proceeding { .. }));
    }
}

//! The INVITE client transaction: RFC 3261 §17.1.1 as amended by RFC 6026 §7.2.

use std::time::{Duration, Instant};

use super::{Fired, PATIENCE, Repeat, earlier};
use crate::wire::flow::Transport;
use crate::wire::sip::message::Status;

/// Timer D over UDP: more than 32 s (RFC 3261 §17.1.1.2); zero over TCP.
pub const TIMER_D: Duration = Duration::from_secs(32);

/// One INVITE of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InviteClient {
    /// Sent, nothing heard.
    Calling {
        /// Timer A, over UDP.
        resend: Option<Repeat>,
        /// Timer B.
        give_up: Instant,
    },
    /// Answered provisionally.
    Proceeding {
        /// Once a CANCEL went out: when to stop waiting for the final answer (RFC 3261 §9.1).
        give_up: Option<Instant>,
    },
    /// Answered with 300 to 699 and acknowledged; repetitions are acknowledged again.
    Completed {
        /// Timer D.
        end: Instant,
    },
    /// Answered with 2xx; repetitions and other forks still come.
    Accepted {
        /// Timer M.
        end: Instant,
    },
    /// To be forgotten.
    Ended,
}

/// What to do with a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It comes too late or again: drop it.
    Nothing,
    /// Tell the user.
    Provisional,
    /// A 2xx, perhaps again, perhaps of another fork.
    Success,
    /// The final refusal: send its ACK and tell the user.
    Refusal,
    /// The final refusal again: send its ACK once more.
    RefusalAgain,
}

impl InviteClient {
    /// The INVITE has been sent.
    pub fn begin(now: Instant, transport: Transport) -> InviteClient {
        InviteClient::Calling {
            resend: Repeat::unless_reliable(now, transport),
            give_up: now + PATIENCE,
        }
    }

    /// A response arrived.
    pub fn heard(&mut self, now: Instant, status: Status, transport: Transport) -> Heard {
        let heard = match *self {
            InviteClient::Calling { .. } | InviteClient::Proceeding { .. } => {
                if status.is_provisional() {
                    Heard::Provisional
                } else if status.is_success() {
                    Heard::Success
                } else {
                    Heard::Refusal
                }
            }
            InviteClient::Accepted { .. } if status.is_success() => Heard::Success,
            InviteClient::Completed { .. } if !status.is_provisional() && !status.is_success() => {
                Heard::RefusalAgain
            }
            InviteClient::Accepted { .. }
            | InviteClient::Completed { .. }
            | InviteClient::Ended => Heard::Nothing,
        };
        *self = match (*self, heard) {
            (InviteClient::Calling { .. }, Heard::Provisional) => {
                InviteClient::Proceeding { give_up: None }
            }
            (InviteClient::Calling { .. } | InviteClient::Proceeding { .. }, Heard::Success) => {
                InviteClient::Accepted { end: now + PATIENCE }
            }
            (_, Heard::Refusal) => match transport {
                Transport::Udp => InviteClient::Completed { end: now + TIMER_D },
                Transport::Tcp | Transport::Tls => InviteClient::Ended,
            },
            (state, _) => state,
        };
        heard
    }

    /// A CANCEL goes out: the final answer is awaited for 64*T1 from here (RFC 3261 §9.1). Only after a provisional answer.
    pub fn cancelled(&mut self, now: Instant) {
        if let InviteClient::Proceeding { give_up } = self {
            *give_up = give_up.or(Some(now + PATIENCE));
        }
    }

    /// Nobody wants it answered any more. It cannot be cancelled before it is (RFC 3261 §9.1), but need not be sent again.
    pub fn unwanted(&mut self) {
        if let InviteClient::Calling { resend, .. } = self {
            *resend = None;
        }
    }

    /// Whether no final answer came yet.
    pub fn is_unanswered(&self) -> bool {
        match self {
            InviteClient::Calling { .. } | InviteClient::Proceeding { .. } => true,
            InviteClient::Completed { .. }
            | InviteClient::Accepted { .. }
            | InviteClient::Ended => false,
        }
    }

    /// Whether it has done all, and only stays to absorb what comes again.
    pub fn lingers(&self) -> bool {
        matches!(self, InviteClient::Completed { .. } | InviteClient::Accepted { .. })
    }

    /// When [`InviteClient::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            InviteClient::Calling { resend, give_up } => Some(earlier(resend, give_up)),
            InviteClient::Proceeding { give_up } => give_up,
            InviteClient::Completed { end } | InviteClient::Accepted { end } => Some(end),
            InviteClient::Ended => None,
        }
    }

    /// Fires what is due.
    pub fn timeout(&mut self, now: Instant) -> Fired {
        match *self {
            InviteClient::Calling { give_up, .. } if give_up <= now => {
                *self = InviteClient::Ended;
                Fired::GaveUp
            }
            InviteClient::Calling { resend: Some(resend), give_up } if resend.at() <= now => {
                // Timer A doubles without a ceiling (RFC 3261 §17.1.1.2).
                let resend = Some(resend.next(now, PATIENCE));
                *self = InviteClient::Calling { resend, give_up };
                Fired::Resend
            }
            InviteClient::Proceeding { give_up: Some(give_up) } if give_up <= now => {
                *self = InviteClient::Ended;
                Fired::GaveUp
            }
            InviteClient::Completed { end } | InviteClient::Accepted { end } if end <= now => {
                *self = InviteClient::Ended;
                Fired::Ended
            }
            InviteClient::Calling { .. }
            | InviteClient::Proceeding { .. }
            | InviteClient::Completed { .. }
            | InviteClient::Accepted { .. }
            | InviteClient::Ended => Fired::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sip::transaction::T1;

    fn until_it_ends(machine: &mut InviteClient, start: Instant) -> Vec<(u128, Fired)> {
        let mut fired = Vec::new();
        while let Some(at) = machine.deadline() {
            fired.push(((at - start).as_millis(), machine.timeout(at)));
        }
        fired
    }

    #[test]
    fn an_unanswered_invite_is_sent_seven_times_and_given_up_after_32_s() {
        let start = Instant::now();
        let mut machine = InviteClient::begin(start, Transport::Udp);
        let resent = [500, 1500, 3500, 7500, 15_500, 31_500].map(|at| (at, Fired::Resend));
        let mut expected = resent.to_vec();
        expected.push((32_000, Fired::GaveUp));
        assert_eq!(until_it_ends(&mut machine, start), expected);
        assert_eq!(machine, InviteClient::Ended);
    }

    #[test]
    fn over_tcp_an_invite_is_sent_once() {
        let start = Instant::now();
        let mut machine = InviteClient::begin(start, Transport::Tcp);
        assert_eq!(until_it_ends(&mut machine, start), [(32_000, Fired::GaveUp)]);
    }

    #[test]
    fn a_provisional_answer_stops_timers_a_and_b() {
        let start = Instant::now();
        let mut machine = InviteClient::begin(start, Transport::Udp);
        assert_eq!(machine.heard(start, Status::of(180), Transport::Udp), Heard::Provisional);
        assert_eq!(machine.deadline(), None);
        assert_eq!(machine.heard(start, Status::of(183), Transport::Udp), Heard::Provisional);
        assert!(machine.is_unanswered());
    }

    #[test]
    fn an_invite_that_nobody_wants_answered_is_not_sent_again_and_waited_for_all_the_same() {
        let start = Instant::now();
        let mut machine = InviteClient::begin(start, Transport::Udp);
        machine.unwanted();
        assert!(machine.is_unanswered());
        assert_eq!(until_it_ends(&mut machine, start), [(32_000, Fired::GaveUp)]);
    }

    #[test]
    fn a_cancelled_invite_is_given_up_after_32_s() {
        let start = Instant::now();
        let mut machine = InviteClient::begin(start, Transport::Udp);
        machine.heard(start, Status::of(180), Transport::Udp);
        machine.cancelled(start + T1);
        machine.cancelled(start + T1 * 2);
        machine.heard(start + T1 * 3, Status::of(180), Transport::Udp);
        assert_eq!(until_it_ends(&mut machine, start), [(32_500, Fired::GaveUp)]);
    }

    #[test]
    fn a_refusal_is_acknowledged_again_until_timer_d() {
        let start = Instant::now();
        let mut machine = InviteClient::begin(start, Transport::Udp);
        assert_eq!(machine.heard(start, Status::of(486), Transport::Udp), Heard::Refusal);
        assert_eq!(machine.heard(start + T1, Status::of(486), Transport::Udp), Heard::RefusalAgain);
        assert_eq!(machine.heard(start + T1, Status::of(180), Transport::Udp), Heard::Nothing);
        assert_eq!(machine.heard(start + T1, Status::of(200), Transport::Udp), Heard::Nothing);
        assert_eq!(until_it_ends(&mut machine, start), [(32_000, Fired::Ended)]);
    }

    #[test]
    fn over_tcp_a_refusal_ends_it_at_once() {
        let start = Instant::now();
        let mut machine = InviteClient::begin(start, Transport::Tcp);
        assert_eq!(machine.heard(start, Status::of(603), Transport::Tcp), Heard::Refusal);
        assert_eq!(machine, InviteClient::Ended);
        assert_eq!(machine.heard(start, Status::of(603), Transport::Tcp), Heard::Nothing);
    }

    #[test]
    fn every_2xx_passes_for_64_t1_after_the_first_even_over_tcp() {
        for transport in [Transport::Udp, Transport::Tcp] {
            let start = Instant::now();
            let mut machine = InviteClient::begin(start, transport);
            assert_eq!(machine.heard(start, Status::of(200), transport), Heard::Success);
            let late = start + Duration::from_secs(31);
            assert_eq!(machine.heard(late, Status::of(200), transport), Heard::Success);
            assert_eq!(machine.heard(late, Status::of(486), transport), Heard::Nothing);
            assert_eq!(machine.heard(late, Status::of(180), transport), Heard::Nothing);
            assert_eq!(until_it_ends(&mut machine, start), [(32_000, Fired::Ended)]);
        }
    }
}

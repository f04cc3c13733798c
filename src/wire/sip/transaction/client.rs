//! The non-INVITE client transaction: RFC 3261 §17.1.2.

use std::time::Instant;

use super::{Fired, PATIENCE, Repeat, T2, T4, earlier};
use crate::wire::flow::Transport;
use crate::wire::sip::message::Status;

/// One request of ours that is neither INVITE nor ACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    /// Sent, nothing heard.
    Trying {
        /// Timer E, over UDP.
        resend: Option<Repeat>,
        /// Timer F.
        give_up: Instant,
    },
    /// Answered provisionally.
    Proceeding {
        /// Timer E, over UDP: what is left of the gap of Trying, then T2 each.
        resend: Option<Repeat>,
        /// Timer F, still the one of the beginning.
        give_up: Instant,
    },
    /// Answered; repetitions of the answer are absorbed.
    Completed {
        /// Timer K.
        end: Instant,
    },
    /// To be forgotten.
    Ended,
}

impl Client {
    /// The request has been sent.
    pub fn begin(now: Instant, transport: Transport) -> Client {
        Client::Trying { resend: Repeat::unless_reliable(now, transport), give_up: now + PATIENCE }
    }

    /// A response arrived: whether to tell the user.
    pub fn heard(&mut self, now: Instant, status: Status, transport: Transport) -> bool {
        match *self {
            // The timer that runs fires when it would have; only then does its gap become T2.
            Client::Trying { resend, give_up } if status.is_provisional() => {
                *self = Client::Proceeding { resend, give_up };
                true
            }
            Client::Proceeding { .. } if status.is_provisional() => true,
            Client::Trying { .. } | Client::Proceeding { .. } => {
                *self = match transport {
                    Transport::Udp => Client::Completed { end: now + T4 },
                    Transport::Tcp | Transport::Tls => Client::Ended,
                };
                true
            }
            Client::Completed { .. } | Client::Ended => false,
        }
    }

    /// Whether no final answer came yet.
    pub fn is_unanswered(&self) -> bool {
        match self {
            Client::Trying { .. } | Client::Proceeding { .. } => true,
            Client::Completed { .. } | Client::Ended => false,
        }
    }

    /// Whether it has done all, and only stays to absorb what comes again.
    pub fn lingers(&self) -> bool {
        matches!(self, Client::Completed { .. })
    }

    /// When [`Client::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            Client::Trying { resend, give_up } | Client::Proceeding { resend, give_up } => {
                Some(earlier(resend, give_up))
            }
            Client::Completed { end } => Some(end),
            Client::Ended => None,
        }
    }

    /// Fires what is due.
    pub fn timeout(&mut self, now: Instant) -> Fired {
        match *self {
            Client::Trying { give_up, .. } | Client::Proceeding { give_up, .. }
                if give_up <= now =>
            {
                *self = Client::Ended;
                Fired::GaveUp
            }
            Client::Trying { resend: Some(resend), give_up } if resend.at() <= now => {
                *self = Client::Trying { resend: Some(resend.next(now, T2)), give_up };
                Fired::Resend
            }
            Client::Proceeding { resend: Some(resend), give_up } if resend.at() <= now => {
                *self = Client::Proceeding { resend: Some(resend.at_longest(now)), give_up };
                Fired::Resend
            }
            Client::Completed { end } if end <= now => {
                *self = Client::Ended;
                Fired::Ended
            }
            Client::Trying { .. }
            | Client::Proceeding { .. }
            | Client::Completed { .. }
            | Client::Ended => Fired::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn until_it_ends(machine: &mut Client, start: Instant) -> Vec<(u128, Fired)> {
        let mut fired = Vec::new();
        while let Some(at) = machine.deadline() {
            fired.push(((at - start).as_millis(), machine.timeout(at)));
        }
        fired
    }

    #[test]
    fn an_unanswered_request_is_sent_eleven_times_and_given_up_after_32_s() {
        let start = Instant::now();
        let mut machine = Client::begin(start, Transport::Udp);
        let mut expected = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
            .map(|at| (at, Fired::Resend))
            .to_vec();
        expected.push((32_000, Fired::GaveUp));
        assert_eq!(until_it_ends(&mut machine, start), expected);
    }

    #[test]
    fn over_tcp_a_request_is_sent_once() {
        let start = Instant::now();
        let mut machine = Client::begin(start, Transport::Tcp);
        assert_eq!(until_it_ends(&mut machine, start), [(32_000, Fired::GaveUp)]);
    }

    #[test]
    fn a_provisional_answer_slows_the_repetition_to_t2_once_the_running_timer_has_fired() {
        let start = Instant::now();
        let mut machine = Client::begin(start, Transport::Udp);
        let at = start + Duration::from_millis(100);
        assert!(machine.heard(at, Status::of(100), Transport::Udp));
        let mut expected = [500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500]
            .map(|at| (at, Fired::Resend))
            .to_vec();
        expected.push((32_000, Fired::GaveUp));
        assert_eq!(until_it_ends(&mut machine, start), expected);
    }

    #[test]
    fn the_answer_is_told_once_and_its_repetitions_are_absorbed_for_t4() {
        let start = Instant::now();
        let mut machine = Client::begin(start, Transport::Udp);
        assert!(machine.heard(start, Status::of(200), Transport::Udp));
        assert!(!machine.heard(start, Status::of(200), Transport::Udp));
        assert!(!machine.is_unanswered());
        assert_eq!(until_it_ends(&mut machine, start), [(5000, Fired::Ended)]);
    }

    #[test]
    fn over_tcp_the_answer_ends_it() {
        let start = Instant::now();
        let mut machine = Client::begin(start, Transport::Tcp);
        assert!(machine.heard(start, Status::of(404), Transport::Tcp));
        assert_eq!(machine, Client::Ended);
    }
}

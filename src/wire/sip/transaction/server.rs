//! The non-INVITE server transaction: RFC 3261 §17.2.2 as amended by RFC 4320.

use std::time::Instant;

use super::{Fired, PATIENCE};
use crate::wire::flow::Transport;
use crate::wire::sip::message::Status;

/// One request of the far side that is neither INVITE nor ACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Server {
    /// Not answered.
    Trying {
        /// When nobody waits for an answer any more (the far side's timer F).
        give_up: Instant,
    },
    /// Answered with 100.
    Proceeding {
        /// As in Trying.
        give_up: Instant,
    },
    /// Answered; the answer is given again whenever the request comes again.
    Completed {
        /// Timer J.
        end: Instant,
    },
    /// To be forgotten.
    Ended,
}

/// What becomes of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is sent.
    Send,
    /// It is not: it would be the second, or RFC 4320 bars it.
    Withhold,
}

impl Server {
    /// The request has arrived.
    pub fn begin(now: Instant) -> Server {
        Server::Trying { give_up: now + PATIENCE }
    }

    /// The user answers. RFC 4320 §4.1, §4.2: no provisional answer but 100, and silence instead of 408.
    pub fn answered(&mut self, now: Instant, status: Status, transport: Transport) -> Answer {
        match *self {
            Server::Trying { give_up } | Server::Proceeding { give_up } => {
                if status == Status::of(100) {
                    *self = Server::Proceeding { give_up };
                    Answer::Send
                } else if status.is_provisional() {
                    Answer::Withhold
                } else if status == Status::of(408) {
                    *self = Server::Ended;
                    Answer::Withhold
                } else {
                    *self = match transport {
                        Transport::Udp => Server::Completed { end: now + PATIENCE },
                        Transport::Tcp | Transport::Tls => Server::Ended,
                    };
                    Answer::Send
                }
            }
            Server::Completed { .. } | Server::Ended => Answer::Withhold,
        }
    }

    /// The request arrived again: whether the last answer is to be sent again.
    pub fn repeated(&self) -> bool {
        match self {
            Server::Proceeding { .. } | Server::Completed { .. } => true,
            Server::Trying { .. } | Server::Ended => false,
        }
    }

    /// Whether it has done all, and only stays to absorb what comes again.
    pub fn lingers(&self) -> bool {
        matches!(self, Server::Completed { .. })
    }

    /// When [`Server::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match *self {
            Server::Trying { give_up } | Server::Proceeding { give_up } => Some(give_up),
            Server::Completed { end } => Some(end),
            Server::Ended => None,
        }
    }

    /// Fires what is due: it only ever ends, and in silence.
    pub fn timeout(&mut self, now: Instant) -> Fired {
        if self.deadline().is_some_and(|at| at <= now) {
            *self = Server::Ended;
            Fired::Ended
        } else {
            Fired::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_timer_j_over_udp() {
        let start = Instant::now();
        let mut machine = Server::begin(start);
        assert!(!machine.repeated());
        assert_eq!(machine.answered(start, Status::of(200), Transport::Udp), Answer::Send);
        assert!(machine.repeated());
        assert_eq!(machine.answered(start, Status::of(500), Transport::Udp), Answer::Withhold);
        assert_eq!(machine.deadline(), Some(start + PATIENCE));
        assert_eq!(machine.timeout(start), Fired::Nothing);
        assert_eq!(machine.timeout(start + PATIENCE), Fired::Ended);
        assert_eq!(machine.deadline(), None);
    }

    #[test]
    fn over_tcp_the_answer_ends_it() {
        let start = Instant::now();
        let mut machine = Server::begin(start);
        assert_eq!(machine.answered(start, Status::of(200), Transport::Tcp), Answer::Send);
        assert_eq!(machine, Server::Ended);
    }

    #[test]
    fn only_100_is_a_provisional_answer_here() {
        let start = Instant::now();
        let mut machine = Server::begin(start);
        assert_eq!(machine.answered(start, Status::of(180), Transport::Udp), Answer::Withhold);
        assert!(!machine.repeated());
        assert_eq!(machine.answered(start, Status::of(100), Transport::Udp), Answer::Send);
        assert!(machine.repeated());
        assert_eq!(machine.deadline(), Some(start + PATIENCE));
    }

    #[test]
    fn silence_takes_the_place_of_408() {
        let start = Instant::now();
        let mut machine = Server::begin(start);
        assert_eq!(machine.answered(start, Status::of(408), Transport::Udp), Answer::Withhold);
        assert_eq!(machine, Server::Ended);
    }

    #[test]
    fn a_user_that_never_answers_does_not_keep_it_for_ever() {
        let start = Instant::now();
        let mut machine = Server::begin(start);
        assert_eq!(machine.timeout(start + PATIENCE), Fired::Ended);
        assert_eq!(machine, Server::Ended);
    }
}

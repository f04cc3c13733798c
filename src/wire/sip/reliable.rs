//! Provisional responses that are acknowledged: RFC 3262. Two machines without bytes and addresses, one for whoever sends such
//! responses, one for whoever acknowledges them.

use std::time::{Duration, Instant};

use super::cursor::{number, trim};
use super::headers::{CSeq, Name};
use super::message::{Malformed, Message, Method, Status};
use super::transaction::{Fired, PATIENCE, Repeat};

/// The option tag.
pub const TAG: &str = "100rel";
/// The first RSeq is below this; they go up by one and never reach the end of 32 bits (RFC 3262 §3).
const FIRST: u32 = 1 << 31;

/// What a PRACK acknowledges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RAck {
    /// The RSeq of the response.
    pub rseq: u32,
    /// Its CSeq.
    pub cseq: CSeq,
}

impl RAck {
    /// Of a PRACK (RFC 3262 §7.2): a 400 without one that can be read.
    pub fn read(prack: &Message) -> Result<RAck, Malformed> {
        let bad = Malformed::bad("bad RAck", 0);
        let line = trim(prack.lines(Name::RAck).next().ok_or(bad)?);
        let end = line.iter().position(u8::is_ascii_whitespace).ok_or(bad)?;
        let rseq = rseq(&line[..end]).ok_or(bad)?;
        Ok(RAck { rseq, cseq: CSeq::read(trim(&line[end..])).map_err(|_| bad)? })
    }
}

fn rseq(digits: &[u8]) -> Option<u32> {
    let number = number(digits, u64::from(u32::MAX))?;
    u32::try_from(number).ok().filter(|number| *number > 0)
}

/// The RSeq of a provisional response that is to be acknowledged (RFC 3262 §4). One that says so and has none is as any other.
pub fn number_of(response: &Message) -> Option<u32> {
    let is_asked = (101..200).contains(&response.status()?.code())
        && response.cseq().method == Method::Invite
        && response.tokens(Name::Require).any(|tag| tag.eq_ignore_ascii_case(TAG));
    let line = response.lines(Name::RSeq).next().filter(|_| is_asked)?;
    rseq(trim(line))
}

/// Whether who sent an INVITE wants its provisional responses to be reliable, or allows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// They know nothing of it: it must not be used.
    Unknown,
    /// They can; whoever answers decides.
    Supported,
    /// Every one but 100.
    Required,
}

impl Wish {
    /// Of an INVITE.
    pub fn of(invite: &Message) -> Wish {
        let has = |name| invite.tokens(name).any(|tag| tag.eq_ignore_ascii_case(TAG));
        if has(Name::Require) {
            Wish::Required
        } else if has(Name::Supported) {
            Wish::Supported
        } else {
            Wish::Unknown
        }
    }
}

/// Whoever answers an INVITE reliably (RFC 3262 §3): one response at a time, the next one when its PRACK has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sender {
    /// Nothing to be acknowledged; the next response has the number `next`.
    Idle {
        /// Its RSeq.
        next: u32,
    },
    /// A response awaits its PRACK.
    Waiting {
        /// Its RSeq.
        rseq: u32,
        /// When it is sent again, over whatever transport.
        resend: Repeat,
        /// 64*T1 after it was sent first.
        give_up: Instant,
    },
    /// The final answer went out before its PRACK came: it is not sent again, and its PRACK is still welcome.
    Owed {
        /// Its RSeq.
        rseq: u32,
    },
}

impl Sender {
    /// Of an INVITE; `chance` makes the first RSeq, anywhere from 1 to 2^31 - 1.
    pub fn begin(chance: u32) -> Sender {
        Sender::Idle { next: 1 + chance % (FIRST - 1) }
    }

    /// A response goes out: its RSeq, or `None` while another awaits its PRACK.
    pub fn sent(&mut self, now: Instant) -> Option<u32> {
        let Sender::Idle { next } = *self else { return None };
        *self = Sender::Waiting { rseq: next, resend: Repeat::begin(now), give_up: now + PATIENCE };
        Some(next)
    }

    /// A PRACK came: whether it is of the response that awaits one. `invite` is the CSeq number of the INVITE.
    pub fn acknowledged(&mut self, rack: &RAck, invite: u32) -> bool {
        let (Sender::Waiting { rseq, .. } | Sender::Owed { rseq }) = *self else { return false };
        let fits =
            rack.rseq == rseq && rack.cseq.number == invite && rack.cseq.method == Method::Invite;
        if fits {
            *self = Sender::Idle { next: rseq.saturating_add(1) };
        }
        fits
    }

    /// The final answer goes out.
    pub fn concluded(&mut self) {
        if let Sender::Waiting { rseq, .. } = *self {
            *self = Sender::Owed { rseq };
        }
    }

    /// Whether a response awaits its PRACK.
    pub fn waits(&self) -> bool {
        matches!(self, Sender::Waiting { .. })
    }

    /// When [`Sender::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Sender::Waiting { resend, give_up, .. } => Some(resend.at().min(*give_up)),
            Sender::Idle { .. } | Sender::Owed { .. } => None,
        }
    }

    /// Sends again, with gaps that double without end, or gives up: then the INVITE gets a 5xx.
    pub fn timeout(&mut self, now: Instant) -> Fired {
        match self {
            Sender::Waiting { give_up, .. } if *give_up <= now => {
                self.concluded();
                Fired::GaveUp
            }
            Sender::Waiting { resend, .. } if resend.at() <= now => {
                *resend = resend.next(now, Duration::MAX);
                Fired::Resend
            }
            Sender::Waiting { .. } | Sender::Idle { .. } | Sender::Owed { .. } => Fired::Nothing,
        }
    }
}

/// Whoever acknowledges the responses of one early dialog (RFC 3262 §4).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Receiver {
    last: Option<u32>,
}

impl Receiver {
    /// Whether the response of that number is the next in order: acknowledged now. One that comes again has been; one after a gap must
    /// not be, and will be sent again.
    pub fn is_next(&mut self, rseq: u32) -> bool {
        let is_next = self.last.is_none_or(|last| last.checked_add(1) == Some(rseq));
        if is_next {
            self.last = Some(rseq);
        }
        is_next
    }
}

/// What an INVITE gets whose provisional response was never acknowledged (RFC 3262 §3: a 5xx).
pub const UNACKNOWLEDGED: Status = Status::of(504);

#[cfg(test)]
mod tests {
    use super::*;

    fn prack(rack: &str) -> Message {
        let text = format!(
            "PRACK sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKp\r\nFrom: <sip:b@x.example>;tag=b\r\n\
             To: <sip:a@x.example>;tag=a\r\nCall-ID: c\r\nCSeq: 2 PRACK\r\n{rack}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).expect("a PRACK")
    }

    fn progress(headers: &str) -> Message {
        let text = format!(
            "SIP/2.0 183 Session Progress\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKp\r\nFrom: <sip:b@x.example>;tag=b\r\n\
             To: <sip:a@x.example>;tag=a\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.as_bytes()).expect("a response")
    }

    fn rack(rseq: u32, number: u32, method: Method) -> RAck {
        RAck { rseq, cseq: CSeq { number, method } }
    }

    #[test]
    fn a_rack_is_three_words_and_nothing_else() {
        let read = |text: &str| RAck::read(&prack(text));
        assert_eq!(read("RAck: 776656 1 INVITE\r\n"), Ok(rack(776_656, 1, Method::Invite)));
        assert_eq!(read("rack:\t 7 \t 1  INVITE \r\n"), Ok(rack(7, 1, Method::Invite)));
        for bad in [
            "",
            "RAck: \r\n",
            "RAck: 1\r\n",
            "RAck: 1 INVITE\r\n",
            "RAck: 0 1 INVITE\r\n",
            "RAck: 4294967296 1 INVITE\r\n",
            "RAck: 1 1 INVITE x\r\n",
            "RAck: -1 1 INVITE\r\n",
        ] {
            let status = read(bad).expect_err(bad).status.code();
            assert_eq!(status, 400, "{bad}");
        }
    }

    #[test]
    fn only_a_response_that_requires_it_and_has_a_number_is_acknowledged() {
        let number = |headers: &str| number_of(&progress(headers));
        assert_eq!(number("Require: 100rel\r\nRSeq: 7\r\n"), Some(7));
        assert_eq!(number("Require: timer, 100REL\r\nRSeq: 7\r\n"), Some(7));
        assert_eq!(number("Supported: 100rel\r\nRSeq: 7\r\n"), None);
        assert_eq!(number("Require: 100rel\r\n"), None);
        assert_eq!(number("Require: 100rel\r\nRSeq: x\r\n"), None);
    }

    #[test]
    fn a_response_is_repeated_with_gaps_that_double_until_64_t1() {
        let now = Instant::now();
        let mut sender = Sender::begin(41);
        assert_eq!(sender.sent(now), Some(42));
        assert_eq!(sender.sent(now), None, "one at a time");
        let mut at = Vec::new();
        let last = loop {
            let due = sender.deadline().expect("it waits");
            at.push((due - now).as_millis());
            match sender.timeout(due) {
                Fired::Resend => {}
                other => break other,
            }
        };
        assert_eq!(at, [500, 1_500, 3_500, 7_500, 15_500, 31_500, 32_000]);
        assert_eq!(last, Fired::GaveUp);
        assert_eq!(sender.deadline(), None);
    }

    #[test]
    fn a_prack_fits_number_cseq_and_method_and_only_once() {
        let now = Instant::now();
        let mut sender = Sender::begin(0);
        let fitting = rack(1, 9, Method::Invite);
        assert!(!sender.acknowledged(&fitting, 9), "nothing was sent");
        sender.sent(now);
        assert!(!sender.acknowledged(&rack(2, 9, Method::Invite), 9));
        assert!(!sender.acknowledged(&rack(1, 8, Method::Invite), 9));
        assert!(!sender.acknowledged(&rack(1, 9, Method::Update), 9));
        assert!(sender.acknowledged(&fitting, 9));
        assert!(!sender.acknowledged(&fitting, 9), "once");
        assert_eq!(sender.sent(now), Some(2));
        sender.concluded();
        assert_eq!(sender.deadline(), None, "not repeated after the final answer");
        assert!(sender.acknowledged(&rack(2, 9, Method::Invite), 9), "and still welcome");
    }

    #[test]
    fn the_first_number_leaves_room_for_the_others() {
        for chance in [0, 1, FIRST - 2, FIRST - 1, u32::MAX] {
            let Sender::Idle { next } = Sender::begin(chance) else { panic!("idle") };
            assert!((1..FIRST).contains(&next), "{chance}");
        }
    }

    #[test]
    fn what_comes_again_or_after_a_gap_is_not_acknowledged() {
        let mut receiver = Receiver::default();
        let told = [7, 7, 9, 8, 8, 9, 6].map(|rseq| receiver.is_next(rseq));
        assert_eq!(told, [true, false, false, true, false, true, false]);
        assert!(!Receiver { last: Some(u32::MAX) }.is_next(0));
    }
}

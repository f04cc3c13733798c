//! The verdict that each message of RFC 4475 and RFC 5118 deserves from a whole switch: what the RFC's text under the message asks of
//! a user agent server.

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It is well formed: it is answered, and neither 400 nor 5xx (but 501) says that it could not be read.
    Read,
    /// It is refused.
    Refused,
    /// It may be refused or read liberally, but it is answered.
    Either,
    /// It is a response that nobody waits for: silence.
    Silence,
}

/// What becomes of a stream that carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stream {
    /// The answer comes by it, and it goes on.
    GoesOn,
    /// More of the message is awaited, as long as patience lasts.
    Waits,
    /// Nobody knows where the message ends: the stream is closed (RFC 3261 §18.3).
    Ends,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Folder and file of the message.
    pub(crate) name: &'static str,
    /// Where the RFC speaks of it.
    pub(crate) section: &'static str,
    pub(crate) verdict: Verdict,
    /// The statuses that the text names; any that fits the verdict if there are none.
    pub(crate) best: &'static [u16],
    /// Others that are as true.
    pub(crate) also: &'static [u16],
    /// Whether it may be dropped instead of refused.
    pub(crate) droppable: bool,
    pub(crate) stream: Stream,
}

impl Line {
    const fn new(name: &'static str, section: &'static str, verdict: Verdict) -> Line {
        let (best, also): (&[u16], &[u16]) = (&[], &[]);
        Line { name, section, verdict, best, also, droppable: false, stream: Stream::GoesOn }
    }

    const fn best(self, best: &'static [u16]) -> Line {
        Line { best, ..self }
    }

    const fn also(self, also: &'static [u16]) -> Line {
        Line { also, ..self }
    }

    const fn or_dropped(self) -> Line {
        Line { droppable: true, ..self }
    }

    const fn stream(self, stream: Stream) -> Line {
        Line { stream, ..self }
    }
}

const fn read(name: &'static str, section: &'static str) -> Line {
    Line::new(name, section, Verdict::Read)
}

const fn refused(name: &'static str, section: &'static str, best: &'static [u16]) -> Line {
    Line::new(name, section, Verdict::Refused).best(best)
}

const fn either(name: &'static str, section: &'static str) -> Line {
    Line::new(name, section, Verdict::Either)
}

const fn silence(name: &'static str, section: &'static str) -> Line {
    Line::new(name, section, Verdict::Silence)
}

pub(crate) const TABLE: &[Line] = &[
    // To has a tag: no such dialog.
    read("rfc4475/wsinv", "3.1.1.1").best(&[481]),
    read("rfc4475/intmeth", "3.1.1.2").best(&[501]).also(&[404, 405]),
    read("rfc4475/esc01", "3.1.1.3"),
    // Registrations of strangers are asked for credentials first.
    read("rfc4475/escnull", "3.1.1.4").best(&[200, 401]),
    read("rfc4475/esc02", "3.1.1.5").best(&[501]).also(&[404, 405]),
    read("rfc4475/lwsdisp", "3.1.1.6").best(&[200]),
    read("rfc4475/longreq", "3.1.1.7"),
    // Two requests on a stream; the second is 5 octets longer than it says, which no message begins with.
    read("rfc4475/dblreq", "3.1.1.8").best(&[200, 401]).stream(Stream::Ends),
    read("rfc4475/semiuri", "3.1.1.9").best(&[200]),
    read("rfc4475/transports", "3.1.1.10").best(&[200]),
    read("rfc4475/mpart01", "3.1.1.11").best(&[200, 202, 405]),
    silence("rfc4475/unreason", "3.1.1.12"),
    silence("rfc4475/noreason", "3.1.1.13"),
    refused("rfc4475/badinv01", "3.1.2.1", &[400]).or_dropped(),
    refused("rfc4475/clerr", "3.1.2.2", &[400]).stream(Stream::Waits),
    refused("rfc4475/ncl", "3.1.2.3", &[400]).also(&[413]).or_dropped().stream(Stream::Ends),
    refused("rfc4475/scalar02", "3.1.2.4", &[400]).or_dropped(),
    silence("rfc4475/scalarlg", "3.1.2.5"),
    either("rfc4475/quotbal", "3.1.2.6").best(&[400]),
    either("rfc4475/ltgtruri", "3.1.2.7").best(&[400]),
    either("rfc4475/lwsruri", "3.1.2.8").best(&[400]).also(&[481]),
    either("rfc4475/lwsstart", "3.1.2.9").best(&[400]),
    either("rfc4475/trws", "3.1.2.10").best(&[400]),
    either("rfc4475/escruri", "3.1.2.11").best(&[400]),
    either("rfc4475/baddate", "3.1.2.12"),
    either("rfc4475/regbadct", "3.1.2.13").best(&[400]).also(&[200, 401]),
    either("rfc4475/badaspec", "3.1.2.14").best(&[400]),
    // The archive leaves its empty line out: a datagram that is cut may be dropped.
    either("rfc4475/baddn", "3.1.2.15").best(&[400]).or_dropped(),
    refused("rfc4475/badvers", "3.1.2.16", &[505]).also(&[400]),
    refused("rfc4475/mismatch01", "3.1.2.17", &[400]),
    refused("rfc4475/mismatch02", "3.1.2.18", &[501]).also(&[400, 405]),
    silence("rfc4475/bigcode", "3.1.2.19"),
    either("rfc4475/badbranch", "3.2.1").best(&[400]).also(&[200]),
    refused("rfc4475/insuf", "3.3.1", &[400]).or_dropped(),
    refused("rfc4475/unkscm", "3.3.2", &[416]).also(&[404]),
    refused("rfc4475/novelsc", "3.3.3", &[416, 404]),
    refused("rfc4475/unksm2", "3.3.4", &[400]).also(&[403, 404, 416]),
    refused("rfc4475/bext01", "3.3.5", &[420]),
    refused("rfc4475/invut", "3.3.6", &[415]).also(&[403, 404, 488]),
    read("rfc4475/regaut01", "3.3.7").best(&[401]),
    refused("rfc4475/multi01", "3.3.8", &[400]).or_dropped(),
    refused("rfc4475/mcl01", "3.3.9", &[400]).or_dropped().stream(Stream::Ends),
    silence("rfc4475/bcast", "3.3.10"),
    read("rfc4475/zeromf", "3.3.11").best(&[200, 483]),
    read("rfc4475/cparam01", "3.3.12").best(&[200, 401]),
    read("rfc4475/cparam02", "3.3.13").best(&[200, 401]),
    read("rfc4475/regescrt", "3.3.14").best(&[200, 401]),
    refused("rfc4475/sdp01", "3.3.15", &[406, 400]).also(&[403, 404, 488]),
    either("rfc4475/inv2543", "3.4.1").stream(Stream::Ends),
    // In the archive, not in the text: a line without a colon, neither Via nor CSeq.
    refused("rfc4475/test", "appendix A", &[400]).or_dropped(),
    read("rfc5118/ipv6-good", "4.1").best(&[200, 401]),
    refused("rfc5118/ipv6-bad", "4.2", &[400]).also(&[404, 416]),
    read("rfc5118/port-ambiguous", "4.3").best(&[200, 401]),
    read("rfc5118/port-unambiguous", "4.4").best(&[200, 401]),
    // A BYE of no dialog of ours.
    read("rfc5118/via-received-param-with-delim", "4.5").best(&[481]),
    read("rfc5118/via-received-param-no-delim", "4.5").best(&[200]),
    read("rfc5118/ipv6-in-sdp", "4.6"),
    read("rfc5118/mult-ip-in-header", "4.7").best(&[481]),
    read("rfc5118/mult-ip-in-sdp", "4.8"),
    read("rfc5118/ipv4-mapped-ipv6", "4.9"),
    either("rfc5118/ipv6-bug-abnf-3-colons", "4.10").best(&[400]),
    read("rfc5118/ipv6-correct-abnf-2-colons", "4.10").best(&[200]),
];

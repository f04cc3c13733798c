//! What happens to audio, in RTP time: ports, bridges, prompts, taps, and the recorder's timeline. No socket, no clock, no thread:
//! the I/O threads and the lab drive the same [`relay::Relay`] and [`recorder::Recorder`].

pub mod jitter;
mod latch;
mod outgoing;
mod port;
pub mod prompt;
pub mod quality;
pub mod recorder;
pub mod relay;
mod schedule;
pub mod tap;
pub mod timeline;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::wire::rtp::g711::Codec;
use crate::wire::sdp::description::Encoding;
use crate::wire::sdp::negotiation::Direction;

/// One leg's media port: an RTP and an RTCP socket. Numbered by the switch, never used twice in a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PortId(pub u64);

/// A prompt or a piece of music, by its place in the library.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PromptId(pub u32);

/// One playing of a prompt, so that its end is not taken for another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PlayId(pub u64);

/// A recording: 60 random bits, written as 12 characters of Crockford's base 32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordingId(pub u64);

impl RecordingId {
    /// Reads the written form.
    pub fn parse(text: &str) -> Option<RecordingId> {
        if text.len() != 12 {
            return None;
        }
        text.bytes()
            .try_fold(0u64, |id, byte| {
                let digit =
                    ALPHABET.iter().position(|&letter| letter == byte.to_ascii_lowercase())?;
                Some(id << 5 | digit as u64)
            })
            .map(RecordingId)
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: [u8; 12] =
            std::array::from_fn(|place| ALPHABET[(self.0 >> (5 * (11 - place)) & 31) as usize]);
        f.write_str(std::str::from_utf8(&letters).expect("the alphabet is ASCII"))
    }
}

/// Samples at 8 kHz: 8 to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Samples(pub u64);

impl Samples {
    /// Per second: every codec and recording of this release runs at 8 kHz.
    pub const RATE: u64 = 8_000;

    /// Of a time span, as many as are over.
    pub fn of(span: Duration) -> Samples {
        Samples(u64::try_from(span.as_micros() / 125).unwrap_or(u64::MAX))
    }

    /// As a time span.
    pub fn duration(self) -> Duration {
        Duration::from_micros(self.0.saturating_mul(125))
    }
}

/// Where a leg's audio goes, and what it looks like; from the agreed SDP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote {
    /// Their RTP address; `None` while they gave none (held the old way).
    pub rtp: Option<SocketAddr>,
    /// Their RTCP address.
    pub rtcp: Option<SocketAddr>,
    /// RTCP goes and comes by the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
    /// Where the SIP of this leg comes from: behind NAT the phone's RTP comes from there too, whatever its SDP says.
    pub sip_host: Option<IpAddr>,
    /// The codec we send.
    pub codec: Codec,
    /// The payload type under which they want it: the one they listed (RFC 3264 §6.1).
    pub payload_type: u8,
    /// The payload type under which they want telephone-event; `None` if not agreed.
    pub telephone_event: Option<u8>,
    /// What the payload types mean that they may send, beside 0 and 8; the first mention counts, and no more than six.
    pub received: Vec<(u8, Encoding)>,
    /// Whether we send, receive.
    pub direction: Direction,
}

/// How often a prompt plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// Once; its end is told.
    Once,
    /// Until stopped: music, ringback.
    Forever,
}

/// Why a recording falls silent on purpose; the interval is listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silence {
    /// A side is on hold.
    Hold,
    /// Somebody asked (card number, private matter), or is on the call who may not be recorded.
    Pause,
}

/// What the switch tells the media side. None is answered but by the [`Event`] it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Bind a pair of sockets, on the worker of `near` if given; answered by `Opened` or `OpenFailed`.
    Open {
        /// The new port.
        port: PortId,
        /// A port that this one will be bridged to.
        near: Option<PortId>,
        /// The address to bind.
        address: IpAddr,
        /// Our SSRC on this port.
        ssrc: u32,
    },
    /// Sets or changes the far side. A changed RTP address unlocks the latch once.
    Connect {
        /// The port.
        port: PortId,
        /// The far side.
        remote: Remote,
        /// Tell `Silent` after so long without RTP while we receive; `None` never.
        silence: Option<Duration>,
    },
    /// Crosses two ports of one worker; ends what either is playing. A port that is crossed with itself sends back what comes.
    Bridge {
        /// One.
        a: PortId,
        /// The other.
        b: PortId,
    },
    /// Undoes the bridge that `port` is part of.
    Unbridge {
        /// Either side.
        port: PortId,
    },
    /// Plays a prompt to the far side, instead of what is playing; answered by `Played` when it ran to its end, every piece sent. While
    /// nobody can be sent to (they hold, or gave no address) a prompt that plays once waits.
    Play {
        /// The port.
        port: PortId,
        /// What.
        prompt: PromptId,
        /// This playing.
        play: PlayId,
        /// Once or until stopped.
        repeat: Repeat,
    },
    /// Stops what is playing; no `Played` follows.
    Stop {
        /// The port.
        port: PortId,
    },
    /// Begins to copy the audio of two bridged ports into bounded memory; nothing reaches the disk before `Record`.
    Tap {
        /// The recording.
        recording: RecordingId,
        /// Left.
        customer: PortId,
        /// Right.
        agent: PortId,
    },
    /// Nobody is listened to from now on: what is said is not copied. The recording goes on, and may hear somebody again by `Hear`.
    Deafen {
        /// The recording.
        recording: RecordingId,
    },
    /// A recording that goes on copies the audio of these ports from now on.
    Hear {
        /// The recording.
        recording: RecordingId,
        /// Left.
        customer: PortId,
        /// Right.
        agent: PortId,
    },
    /// The armed row is committed: audio may reach the disk, at `path` (relative to the recordings folder, without `.part`).
    Record {
        /// The recording.
        recording: RecordingId,
        /// `YYYY/MM/DD/<UTC>_<id>.wav`
        path: String,
    },
    /// Both sides silent from now on.
    Silence {
        /// The recording.
        recording: RecordingId,
        /// Why.
        reason: Silence,
    },
    /// Both sides audible again.
    Unsilence {
        /// The recording.
        recording: RecordingId,
    },
    /// The conversation is over: write what is left and seal the file. Answered by `Sealed` or `RecordingFailed`. If the armed row is not
    /// committed yet, what was said until now waits for `Record`.
    Seal {
        /// The recording.
        recording: RecordingId,
    },
    /// Closes the sockets; answered by `Closed`.
    Close {
        /// The port.
        port: PortId,
    },
}

/// What the media side tells the switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The sockets are bound.
    Opened {
        /// The port.
        port: PortId,
        /// The RTP address; RTCP is one port up.
        rtp: SocketAddr,
    },
    /// No pair of ports was free, or the system refused.
    OpenFailed {
        /// The port.
        port: PortId,
        /// In a few words.
        cause: String,
    },
    /// A key was pressed, told once per press (RFC 4733 §2.5.1.3), at its beginning.
    Digit {
        /// The port.
        port: PortId,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
    },
    /// A prompt ran to its end: every piece of it went out.
    Played {
        /// The port.
        port: PortId,
        /// Which playing.
        play: PlayId,
    },
    /// No RTP for as long as `Connect` named.
    Silent {
        /// The port.
        port: PortId,
    },
    /// What has gone through an open port so far: every five seconds, about.
    Measured {
        /// The port.
        port: PortId,
        /// So far.
        statistics: Statistics,
    },
    /// The port is closed and its sockets are free.
    Closed {
        /// The port.
        port: PortId,
        /// What went through it.
        statistics: Statistics,
    },
    /// How far a recording has come that goes on: every two seconds, unless the disk hangs.
    Written {
        /// The recording.
        recording: RecordingId,
        /// So far.
        progress: Progress,
    },
    /// The WAV is whole, on disk under its final name.
    Sealed {
        /// The recording.
        recording: RecordingId,
        /// What it is.
        sealed: Sealed,
    },
    /// The recording stopped; the call goes on. What reached the disk before stays as a `.part` or is sealed short.
    RecordingFailed {
        /// The recording.
        recording: RecordingId,
        /// In a few words.
        cause: String,
    },
}

/// What is in the file of a recording that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// So much of each side.
    pub length: Samples,
    /// The loudest sample of the customer, and of our side, since it was told last.
    pub peaks: [u16; 2],
    /// What is wrong with the file.
    pub fault: Option<Fault>,
}

/// See [`Progress`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is not where it was made, or another one is.
    Missing,
    /// It is shorter than what was written.
    Short,
}

/// A finished recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// Its length.
    pub length: Samples,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// Bytes on disk.
    pub bytes: u64,
    /// Spans that are silent on purpose, from the beginning of the recording.
    pub silences: Vec<(Silence, Samples, Samples)>,
    /// Audio that was lost on its way to the file, as spans: the tap was full or gone, the row or the disk was too late.
    pub gaps: Vec<(Samples, Samples)>,
    /// What came of each side; not known of a recording that a restart finished.
    pub packets: Option<Packets>,
}

/// What a recorder heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Packets {
    /// RTP packets of the customer.
    pub customer: u64,
    /// RTP packets of our side.
    pub agent: u64,
    /// Of both: too late for their place, or strayed in from another time.
    pub left_out: u64,
}

/// Counters of one port, from its opening to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// RTP packets taken.
    pub received: u64,
    /// RTP packets sent.
    pub sent: u64,
    /// Missing by sequence number (RFC 3550 A.3).
    pub lost: u64,
    /// From a source that is not the far side or still on probation, not RTP, or of a payload type that was not agreed.
    pub refused: u64,
    /// Keys that came faster than anybody presses them, and were not told.
    pub unheeded: u64,
    /// Keys that were told (RFC 4733).
    pub keys: u64,
    /// Interarrival jitter of what came, on average and at its worst (RFC 3550 A.8).
    pub jitter: Samples,
    /// See `jitter`.
    pub worst_jitter: Samples,
    /// Where RTP comes from, once it is trusted.
    pub source: Option<SocketAddr>,
    /// How long nothing has come, whether anything was to come or not.
    pub quiet: Duration,
    /// A payload type that came and was not agreed, the latest.
    pub stray: Option<u8>,
    /// What the far side says of our stream, if it says anything.
    pub reported: Option<Reported>,
}

/// How the far side receives what we send, by its latest RTCP report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reported {
    /// Packets that it misses.
    pub lost: u32,
    /// Interarrival jitter at its side.
    pub jitter: Samples,
    /// There and back, if it has heard a report of ours.
    pub round_trip: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_id_survives_being_written() {
        let id = RecordingId(0x0fed_cba9_8765_4321);
        assert_eq!(RecordingId::parse(&id.to_string()), Some(id));
        assert_eq!(id.to_string().len(), 12);
        assert_eq!(RecordingId::parse("../../etc/pw"), None);
    }
}

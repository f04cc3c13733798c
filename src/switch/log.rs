//! What is worth a line in the log: facts, which the server writes down. None holds anybody's number or name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::assurance::Alarm;
use super::journal::CallId;
use super::number::Country;
use super::storage::{Level, Space};
use crate::media::RecordingId;
use crate::wire::sip::message::Status;

/// One fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// For the security log: wrong credentials, after they were asked for.
    AuthenticationFailed {
        /// Who tried.
        source: SocketAddr,
        /// For what: `REGISTER`, `INVITE`.
        method: &'static str,
    },
    /// For the security log: a call or a registration at the carriers' door, from an address that is no trunk.
    StrangerRefused {
        /// Who tried.
        source: SocketAddr,
    },
    /// For the security log: attempts of the last minute that got no line of their own.
    MoreAttempts {
        /// Whose: an IPv4 address or an IPv6 /64; `None`: of more sources than are told apart.
        source: Option<IpAddr>,
        /// How many.
        count: u64,
    },
    /// For the security log: a source, or one user of it, is not answered for a while.
    Blocked {
        /// An IPv4 address or an IPv6 /64.
        source: IpAddr,
        /// Why.
        why: &'static str,
        /// For how long.
        span: Duration,
    },
    /// For the security log: somebody proven dialled a number that they may not, or more than they may.
    DialRefused {
        /// The phone, or the carrier.
        source: SocketAddr,
        /// Why.
        why: &'static str,
        /// Where the call would have gone, if that is known.
        country: Option<Country>,
    },
    /// For the security log: a call was to be sent on, and is not.
    ForwardRefused {
        /// Which.
        call: CallId,
        /// Why.
        why: &'static str,
        /// Where it would have gone, if that is known.
        country: Option<Country>,
    },
    /// For the security log: an emergency call began.
    EmergencyCall {
        /// Which.
        call: CallId,
        /// The route it takes.
        route: String,
    },
    /// A call was taken in.
    CallStarted {
        /// Which.
        call: CallId,
        /// The route it takes.
        route: String,
    },
    /// A call was refused before it began.
    CallRefused {
        /// By what status.
        status: Status,
        /// Why.
        why: &'static str,
    },
    /// A carrier's server does not serve: others are tried first.
    GatewayDown {
        /// The trunk.
        trunk: String,
        /// Which server.
        address: SocketAddr,
    },
    /// It serves again.
    GatewayUp {
        /// The trunk.
        trunk: String,
        /// Which server.
        address: SocketAddr,
    },
    /// A registrar knows us now.
    TrunkRegistered {
        /// The trunk.
        trunk: String,
        /// Which server.
        address: SocketAddr,
    },
    /// A registrar does not, or soon will not; it is tried again.
    TrunkUnregistered {
        /// The trunk.
        trunk: String,
        /// Why.
        why: String,
    },
    /// A call is over.
    CallEnded {
        /// Which.
        call: CallId,
        /// Why.
        cause: String,
    },
    /// A call that should be recorded is not.
    Unrecorded {
        /// Which.
        call: CallId,
        /// Why.
        why: String,
    },
    /// A recording was long enough, and this one goes on.
    RecordingGoesOn {
        /// The call.
        call: CallId,
        /// The new one.
        recording: RecordingId,
    },
    /// A recording stopped while its call went on.
    RecordingFailed {
        /// Which.
        recording: RecordingId,
        /// Why.
        cause: String,
    },
    /// Something is wrong with a recording that goes on, or is not any more.
    RecordingAlarm {
        /// The call.
        call: CallId,
        /// What.
        alarm: Alarm,
        /// Or else it is over.
        is_raised: bool,
    },
    /// The room for recordings is low or used up, or there is enough again.
    Storage {
        /// How much there is, in a word.
        level: Level,
        /// In bytes.
        space: Space,
        /// How long it lasts, if that is known.
        lasts: Option<Duration>,
    },
    /// A recording could not be deleted although its time is over.
    PurgeFailed {
        /// Which.
        recording: RecordingId,
        /// Why.
        cause: String,
    },
}

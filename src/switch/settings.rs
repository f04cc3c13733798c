//! The settings as meant: what `config` makes of the files, and what every decision reads.

mod certificates;
mod group;
mod trunk;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::dialing::Dialing;
use super::feature::Code;
use super::forwarding::Forwards;
use super::hours::Hours;
use super::number::{Country, Number, Numbering};
pub use super::pattern::NumberPattern;
use crate::media::PromptId;
use crate::redacted::Redacted;
use crate::wire::flow::{Flow, ListenerId, Transport};
use crate::wire::rtp::g711::Codec;
use crate::wire::sip::auth::{Algorithm, Ha1};
use crate::wire::sip::dialog::Reach;
use crate::wire::sip::message::Status;
use crate::wire::sip::timer;
use crate::wire::sip::uri::{Host, Uri};

pub use super::identity::Identity;
pub use super::trunk::rate::Rate;
pub use certificates::{Certificates, KeyPair, Peer, Proof};
pub use group::{Group, Strategy};
pub use trunk::{Credentials, Gateway, Register, Source, Trunk};

/// The whole configuration of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The realm of digests, and the domain of every AOR of ours.
    pub domain: String,
    /// The listeners, `ListenerId` being the place in this list.
    pub listeners: Vec<Listener>,
    /// What TLS shows and asks for.
    pub certificates: Certificates,
    /// Whose national numbers are dialled here; `None`: only what begins with `+` is known, and nobody may call out.
    pub country: Option<Country>,
    /// Numbers of emergency services.
    pub emergency: Vec<String>,
    /// Networks whose requests have no budget and whose wrong passwords are not held against them.
    pub trusted: Vec<Source>,
    /// Opening hours by name.
    pub hours: BTreeMap<String, Hours>,
    /// RTP.
    pub rtp: Rtp,
    /// Users by extension.
    pub users: BTreeMap<String, User>,
    /// Agents by name.
    pub agents: BTreeMap<String, Agent>,
    /// Queues by name.
    pub queues: BTreeMap<String, Queue>,
    /// Ring groups by name.
    pub groups: BTreeMap<String, Group>,
    /// Trunks by name.
    pub trunks: BTreeMap<String, Trunk>,
    /// Routes, emergencies first, then in the order of their names (files sort them); the first that matches wins.
    pub routes: Vec<Route>,
    /// Retention policies by name.
    pub retention: BTreeMap<String, RetentionPolicy>,
    /// How often the retention job runs.
    pub retention_every: Duration,
    /// How much room recordings have, and what becomes of calls when there is none.
    pub storage: Storage,
    /// A recording is sealed at this length, and another one goes on.
    pub longest_recording: Duration,
    /// Prompts by language, then name.
    pub prompts: BTreeMap<Language, BTreeMap<String, Prompt>>,
    /// What callers hear where nothing else says.
    pub language: Language,
    /// Registrations: shortest and longest life, contacts per AOR.
    pub registrar: Registrar,
    /// Subscriptions: shortest and longest life, how many.
    pub subscriptions: Subscriptions,
    /// How long the caller has to press a key after the consent prompt.
    pub consent_wait: Duration,
    /// An extension rings at most so long.
    pub ring: Duration,
    /// A leg is given up after so long without RTP while it should speak.
    pub silence: Duration,
    /// Calls at once; more get 503.
    pub calls: usize,
    /// The session timers that we ask for; `None`: only who asks us has one.
    pub session_timers: Option<timer::Limits>,
    /// What becomes of the audio that a called side sends before it answers.
    pub early_media: EarlyMedia,
    /// What users dial to forward their calls or to be left in peace, with its meaning.
    pub features: Vec<(String, Code)>,
    /// Where calls are parked, if they are.
    pub park: Option<Park>,
    /// How names are looked up.
    pub dns: Dns,
}

/// What a caller hears who is not answered yet (RFC 3960).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EarlyMedia {
    /// The called side's early audio, announced by a 183; where there is none, the ringing of their own phone.
    Pass,
    /// The ringing of their own phone, whatever the called side sends.
    Ring,
    /// Our ringback tone, announced by a 183.
    Tone,
}

/// The room for recordings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Storage {
    /// They may take so many bytes; `None`: the disk, but for what the database needs.
    pub quota: Option<u64>,
    /// With less than so many percent left, it is said.
    pub low: u8,
    /// What becomes of calls that should be recorded when there is no room.
    pub when_full: WhenFull,
}

impl Default for Storage {
    fn default() -> Storage {
        Storage { quota: None, low: 10, when_full: WhenFull::Continue }
    }
}

/// See [`Storage::when_full`]; an alarm is raised in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenFull {
    /// They are served.
    Continue,
    /// New ones are refused with 503.
    Refuse,
    /// And those that are up are hung up before anything of them is lost.
    HangUp,
}

/// Numbers to transfer a call to, where it waits until somebody fetches it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Park {
    /// Parks in the next free slot.
    pub extension: String,
    /// The slots, each a number of its own to park at and to fetch from.
    pub slots: std::ops::RangeInclusive<u32>,
    /// Then the call goes back to whoever parked it.
    pub timeout: Duration,
}

impl Park {
    /// The slot of that number, written as it is dialled.
    pub fn slot(&self, number: &str) -> Option<u32> {
        let slot = number.parse().ok().filter(|slot| self.slots.contains(slot))?;
        (slot.to_string() == number).then_some(slot)
    }
}

/// Who is asked for names, and how long is waited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dns {
    /// The servers; none: those of the system.
    pub servers: Vec<SocketAddr>,
    /// An answer that takes longer is none.
    pub timeout: Duration,
}

impl Default for Dns {
    fn default() -> Dns {
        Dns { servers: Vec::new(), timeout: Duration::from_secs(2) }
    }
}

/// BCP 47 primary subtag, lower case: `de`, `en`.
pub type Language = String;

/// Which kind of peers a listener is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// `internal.toml`: phones.
    Internal,
    /// `external.toml`: carriers.
    External,
}

/// One bound address.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Phones or carriers.
    pub profile: Profile,
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// What to bind; port 0 only in demo and tests.
    pub bind: SocketAddr,
    /// What Via and Contact say; after binding never port 0.
    pub advertise: SocketAddr,
    /// Where requests inside dialogs go.
    pub reach: Reach,
}

/// Media addresses.
#[derive(Clone, Debug)]
pub struct Rtp {
    /// The address to bind, per profile: internal, external.
    pub bind: [IpAddr; 2],
    /// The address in SDP, per profile, if it is another one (NAT).
    pub advertise: [IpAddr; 2],
    /// First and last port; RTP takes the even ones.
    pub ports: (u16, u16),
    /// Codecs in order of preference.
    pub codecs: Vec<Codec>,
}

/// A phone's owner.
#[derive(Clone, Debug)]
pub struct User {
    /// The number others dial, also the user name of the digest.
    pub extension: String,
    /// The name shown.
    pub name: Redacted<String>,
    /// H(user:realm:password).
    pub ha1: Ha1,
    /// The number shown to carriers, if the user may call out by it.
    pub caller_id: Option<Number>,
    /// The only transport that their phones may use; `None`: any.
    pub transport: Option<Transport>,
    /// What the user may dial.
    pub dialing: Arc<Dialing>,
    /// Whoever is of the same group may pick up what rings at this user's phones.
    pub pickup_group: Option<String>,
    /// What becomes of calls to the user.
    pub forward: Forwards,
    /// What a phone's answer means that names somebody else (3xx).
    pub redirects: Redirects,
    /// What the lamps of their phones show of others.
    pub watch: Watch,
}

/// What becomes of a call whose called side names somebody else (RFC 3261 §21.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Redirects {
    /// Nobody is there.
    Refuse,
    /// It goes where they say, if that is a number of ours, or one that whoever causes the call may dial.
    Follow,
}

/// What somebody's lamps show of other users and of queues: who talks to whom is not everybody's business (RFC 4235 §6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watch {
    /// They stay dark: only their own line may be watched.
    Nothing,
    /// Whether it rings or talks there.
    State,
    /// And with whom, and what a phone needs to pick the call up.
    Callers,
}

/// Somebody who takes calls from queues.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The name in CLI and records.
    pub name: String,
    /// The user whose phones ring.
    pub user: String,
    /// The agent's own agreement to be recorded; without it no call of theirs is.
    pub agrees_to_recording: bool,
}

/// Callers waiting for agents: first in, first out, longest idle agent.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Names of its agents.
    pub agents: Vec<String>,
    /// How long one agent's phone rings.
    pub ring: Duration,
    /// The agent's time after a call.
    pub wrap_up: Duration,
    /// A caller waits at most so long.
    pub wait: Duration,
    /// Callers at once.
    pub length: usize,
}

/// Who a route is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Caller {
    /// Calls in from this trunk.
    Trunk(String),
    /// Registered users.
    Users,
}

/// From a number to a destination.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name: the file's.
    pub name: String,
    /// Who may use it.
    pub caller: Caller,
    /// Which numbers: any of these.
    pub numbers: Vec<NumberPattern>,
    /// Calls from which numbers: any of these, or all if there are none.
    pub from: Vec<NumberPattern>,
    /// At what times.
    pub when: When,
    /// It comes before all others, and nothing holds its calls up.
    pub emergency: bool,
    /// Where to.
    pub to: Destination,
    /// Where to if nobody is there at the beginning.
    pub or_else: Option<Destination>,
    /// Whether the call is recorded, and how the caller is asked.
    pub consent: ConsentMode,
    /// The name of its retention policy; always there when `consent` is not `Never`.
    pub retention: Option<String>,
    /// What the caller hears.
    pub language: Language,
    /// Digits taken off the front before a trunk is dialled.
    pub strip: usize,
    /// Put in front after that.
    pub prepend: String,
}

/// At what times a route is for calls; the hours by their name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum When {
    /// At any.
    Always,
    /// While these are open.
    During(String),
    /// While they are not.
    Outside(String),
}

/// Where a route leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// A user's phones.
    User(String),
    /// The dialled number as an extension: users among themselves.
    Dialled,
    /// A queue.
    Queue(String),
    /// A ring group.
    Group(String),
    /// Out through a trunk: the first that takes the call.
    Trunks(Vec<String>),
    /// Refused with this status.
    Refuse(Status),
}

/// Whether a call is recorded, and how the caller is asked; the words of the policy reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsentMode {
    /// Not recorded.
    Never,
    /// Recorded once the notice has played to its end.
    NoticeAll,
    /// Recorded only if the caller presses 1.
    ExpressAll,
}

impl ConsentMode {
    /// The word in files, records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            ConsentMode::Never => "never",
            ConsentMode::NoticeAll => "notice_all",
            ConsentMode::ExpressAll => "express_all",
        }
    }
}

/// How long recordings are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetentionPolicy {
    /// Its name.
    pub name: String,
    /// From the end of the recording to its purge.
    pub keep: Duration,
}

/// A sound for callers: what the switch knows of it. An unreadable file is known too, by why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompt {
    /// For the media side; `Err` says why it cannot be played.
    pub sound: Result<PromptId, String>,
    /// SHA-256 of the file, in hex: the consent record cites it.
    pub sha256: String,
    /// What it says.
    pub text: String,
    /// How long it plays.
    pub length: Duration,
}

/// The name of the consent question (`express_all`).
pub const CONSENT: &str = "consent";
/// The name of the notice (`notice_all`).
pub const NOTICE: &str = "notice";
/// The name of the music for whoever waits or is held.
pub const MUSIC: &str = "music";
/// The name of the tone that confirms a feature code.
pub const DONE: &str = "done";
/// The name of the tone that says that an agent takes no calls now.
pub const OFF: &str = "off";
/// The names of the spoken digits.
pub const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
/// The name of the ringback tone for callers already answered.
pub const RINGBACK: &str = "ringback";

/// Limits of registrations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registrar {
    /// Shorter ones get 423.
    pub shortest: Duration,
    /// Longer ones are shortened to this.
    pub longest: Duration,
    /// Contacts per AOR.
    pub contacts: usize,
    /// A nonce lives so long.
    pub nonce_life: Duration,
    /// The digests that phones are asked for, the preferred first (RFC 8760 §2.4).
    pub digests: Vec<Algorithm>,
}

/// Limits of subscriptions (RFC 6665).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscriptions {
    /// Shorter ones get 423; never above an hour (RFC 6665 §4.2.1.1).
    pub shortest: Duration,
    /// Longer ones are shortened to this.
    pub longest: Duration,
    /// At once, of one user.
    pub per_user: usize,
    /// At once, of all.
    pub in_all: usize,
}

impl Settings {
    /// What a user means by `text`, which is as [`super::number::said`] gives it: an emergency, an extension, a number outside.
    pub fn read(&self, text: &str) -> Number {
        match self.read_outward(text) {
            emergency @ Number::Emergency(_) => emergency,
            _ if self.is_extension(text) => Number::Extension(text.into()),
            number => number,
        }
    }

    /// The same where no extension can be meant.
    pub fn read_outward(&self, text: &str) -> Number {
        match self.emergency.iter().any(|number| number == text) {
            true => Number::Emergency(text.into()),
            false => Numbering::of(self.country).read(text),
        }
    }

    /// What a carrier means by `text`: never an emergency of ours.
    pub fn read_from(&self, trunk: &Trunk, text: &str) -> Number {
        match trunk.numbering.read(text) {
            number @ Number::E164(_) => number,
            _ if self.is_extension(text) => Number::Extension(text.into()),
            number => number,
        }
    }

    /// Whether a user or a group has this number.
    fn is_extension(&self, text: &str) -> bool {
        self.users.contains_key(text) || self.group_at(text).is_some()
    }

    /// The group of that extension.
    pub fn group_at(&self, extension: &str) -> Option<&Group> {
        self.groups.values().find(|group| group.extension.as_deref() == Some(extension))
    }

    /// Whether this URI names somebody here: at our domain, or at an address of ours.
    pub fn is_ours(&self, uri: &Uri) -> bool {
        match uri.host() {
            Some(Host::Name(name)) => name.eq_ignore_ascii_case(&self.domain),
            Some(Host::Address(address)) => {
                let address = address.to_canonical();
                let at = |ours: SocketAddr| ours.ip().to_canonical() == address;
                let is_listener = self
                    .listeners
                    .iter()
                    .any(|listener| at(listener.advertise) || at(listener.bind));
                is_listener || Host::read(&self.domain) == Some(Host::Address(address))
            }
            None => false,
        }
    }

    /// The listener of that number.
    pub fn listener(&self, id: ListenerId) -> &Listener {
        &self.listeners[usize::from(id.0)]
    }

    /// Whether these two users may pick up each other's calls.
    pub fn share_pickup(&self, one: &str, other: &str) -> bool {
        let group = |user: &str| self.users.get(user)?.pickup_group.as_ref();
        group(one).is_some() && group(one) == group(other)
    }

    /// Our Contact towards a flow.
    pub(super) fn contact(&self, flow: Flow) -> Uri {
        let contact = Uri::sip(Some("tonspur"), self.listener(flow.listener).advertise);
        match flow.transport {
            Transport::Udp => contact,
            Transport::Tcp | Transport::Tls => {
                contact.with_param("transport", flow.transport.word())
            }
        }
    }
}

//! The journal: what happened, entry by entry, and what a restart remembers of it. The store keeps it; nobody polls it.

use crate::media::{RecordingId, Sealed};
use crate::redacted::Redacted;
use crate::switch::forwarding::Change;
use crate::switch::leg_media::LegMedia;
use crate::switch::settings::ConsentMode;
use crate::switch::subscriptions::Package;
use crate::utc::Utc;
use crate::wire::flow::Flow;
use crate::wire::sip::dialog;

/// Entries are numbered from 1 in a run, without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntryId(pub u64);

/// A call: 60 random bits, in the form of a recording's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

impl std::fmt::Display for CallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        RecordingId(self.0).fmt(f)
    }
}

/// One fact to keep.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A binding is new or refreshed; the key is (AOR, contact, flow).
    Bound(Binding),
    /// A binding is gone.
    Unbound {
        /// Whose.
        aor: String,
        /// Which contact.
        contact: String,
        /// By which of several flows, or 0.
        reg_id: u32,
    },
    /// What an agent said of themselves.
    AgentStatus {
        /// Who.
        agent: String,
        /// What.
        status: AgentStatus,
        /// When.
        at: Utc,
    },
    /// Where a user's calls go, or that they want to be left in peace.
    Forwarding {
        /// Whose.
        user: String,
        /// What.
        change: Change,
        /// When.
        at: Utc,
    },
    /// The row of a call, as it is known by now; replaces the one before.
    Call(Box<Cdr>),
    /// What went through the media of a leg that is over.
    Leg(Box<LegMedia>),
    /// A confirmed dialog, which gets a BYE if the switch dies; replaces the one of the same local tag.
    DialogUp {
        /// The call it belongs to.
        call: CallId,
        /// Our tag: the key.
        local_tag: String,
        /// What a BYE needs.
        dialog: dialog::Remembered,
    },
    /// It ended properly.
    DialogDown {
        /// Our tag.
        local_tag: String,
    },
    /// A subscription is new or refreshed; replaces the one of the same local tag.
    SubscriptionUp(Box<Subscribed>),
    /// It is over.
    SubscriptionDown {
        /// Our tag.
        local_tag: String,
    },
    /// Audio will reach the disk: committed before it does.
    Armed(Armed),
    /// A recording is whole.
    Sealed {
        /// Which.
        recording: RecordingId,
        /// What it is.
        sealed: Sealed,
        /// When; retention counts from here.
        at: Utc,
    },
    /// A recording ended badly. What there is of it is finished when the disk takes it, or at the next start, and has a
    /// [`Entry::Sealed`] then, or it is purged as it is.
    RecordingFailed {
        /// Which.
        recording: RecordingId,
        /// Why.
        cause: String,
        /// When.
        at: Utc,
    },
    /// A recording must not be purged; nor those that go on with its conversation while it is held.
    LegalHold {
        /// Which.
        recording: RecordingId,
        /// Why, in the admin's words.
        reason: String,
        /// When.
        at: Utc,
    },
    /// The legal hold is lifted.
    Released {
        /// Which.
        recording: RecordingId,
        /// When.
        at: Utc,
    },
    /// The intent to delete: committed before the file goes.
    PurgeOrdered {
        /// Which.
        recording: RecordingId,
        /// By which policy.
        policy: String,
        /// When.
        at: Utc,
    },
    /// The file is gone, the tombstone stays.
    Purged {
        /// Which.
        recording: RecordingId,
        /// When.
        at: Utc,
    },
    /// When retention last ran, so that a jump of the calendar is noticed.
    RetentionRan {
        /// When.
        at: Utc,
        /// Recordings deleted.
        purged: usize,
        /// Recordings that could not be deleted.
        failed: usize,
    },
    /// Retention was to run and did not trust the calendar.
    RetentionBlocked {
        /// In a sentence.
        why: String,
        /// What the calendar said.
        at: Utc,
    },
}

impl Entry {
    /// Whether something is done, or somebody is told so, because this is committed. Such an entry must not be lost: that a later one
    /// is committed says the same of it.
    pub fn is_promise(&self) -> bool {
        match self {
            Entry::Armed(_)
            | Entry::PurgeOrdered { .. }
            | Entry::LegalHold { .. }
            | Entry::Released { .. } => true,
            Entry::Bound(_)
            | Entry::Unbound { .. }
            | Entry::AgentStatus { .. }
            | Entry::Forwarding { .. }
            | Entry::Call(_)
            | Entry::Leg(_)
            | Entry::DialogUp { .. }
            | Entry::DialogDown { .. }
            | Entry::SubscriptionUp(_)
            | Entry::SubscriptionDown { .. }
            | Entry::Sealed { .. }
            | Entry::RecordingFailed { .. }
            | Entry::Purged { .. }
            | Entry::RetentionRan { .. }
            | Entry::RetentionBlocked { .. } => false,
        }
    }
}

/// AOR -> contact, with expiry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// The extension.
    pub aor: String,
    /// The contact URI as the phone gave it.
    pub contact: String,
    /// Where its REGISTER came from.
    pub flow: Flow,
    /// When it ends.
    pub expires: Utc,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// The phone's User-Agent, cut to a bound.
    pub user_agent: String,
    /// The proxies on the way to it, the nearest to us first (RFC 3327), as they are written in a Route.
    pub path: Vec<String>,
    /// Of a phone that may register several flows: which phone (RFC 5626 §4.1),
    pub instance: Option<String>,
    /// and which flow (§4.2). 0: it has this one alone.
    pub reg_id: u32,
}

/// A phone's subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscribed {
    /// Who watches: the extension.
    pub user: String,
    /// The event package.
    pub package: Package,
    /// The user or queue that is watched.
    pub watched: String,
    /// The `id` of the Event header.
    pub id: Option<String>,
    /// When it ends.
    pub expires: Utc,
    /// Our tag: the key.
    pub local_tag: String,
    /// What a NOTIFY needs.
    pub dialog: dialog::Remembered,
}

/// What an agent says of themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AgentStatus {
    /// Takes calls.
    Available,
    /// Logged in, takes none.
    OnBreak,
    /// Not there.
    LoggedOut,
}

impl AgentStatus {
    /// The word in records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentStatus::Available => "available",
            AgentStatus::OnBreak => "on break",
            AgentStatus::LoggedOut => "logged out",
        }
    }
}

/// Which way a call went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallDirection {
    /// From a trunk to us.
    Inbound,
    /// From a user through a trunk.
    Outbound,
    /// Between users.
    Internal,
}

impl CallDirection {
    /// The word in records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            CallDirection::Inbound => "inbound",
            CallDirection::Outbound => "outbound",
            CallDirection::Internal => "internal",
        }
    }
}

/// The record of one call.
#[derive(Clone, Debug)]
pub struct Cdr {
    /// Its id.
    pub call: CallId,
    /// Which way.
    pub direction: CallDirection,
    /// The caller's number, as shown to us; `anonymous` if withheld, unless by a user or over a trusted trunk.
    pub from: Redacted<String>,
    /// The number dialled.
    pub to: Redacted<String>,
    /// The trunk it came by or left by.
    pub trunk: Option<String>,
    /// The route that matched.
    pub route: Option<String>,
    /// The queue it waited in.
    pub queue: Option<String>,
    /// The agent (or user) who answered.
    pub agent: Option<String>,
    /// The INVITE's arrival.
    pub started: Utc,
    /// When the caller was answered (by a prompt or a person).
    pub answered: Option<Utc>,
    /// When caller and agent were bridged.
    pub bridged: Option<Utc>,
    /// The end.
    pub ended: Option<Utc>,
    /// Why it ended, in a word or two (`caller hung up`, `interrupted`).
    pub end_cause: Option<String>,
    /// The final SIP status towards the caller, if it failed.
    pub status: Option<u16>,
    /// What was asked and answered.
    pub consent: Option<ConsentRecord>,
    /// The recording, if there is one.
    pub recording: Option<RecordingId>,
    /// Why there is none, if the route wanted one.
    pub unrecorded: Option<String>,
    /// The number it was transferred to last.
    pub transferred_to: Option<Redacted<String>>,
    /// The call that one of its sides went on in: after an attended transfer, a pickup.
    pub merged_into: Option<CallId>,
}

/// What the caller was told or asked, and what they said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsentRecord {
    /// How they were asked.
    pub mode: ConsentMode,
    /// What they said.
    pub answer: ConsentAnswer,
    /// When.
    pub at: Utc,
    /// The prompt's name.
    pub prompt: String,
    /// SHA-256 of the prompt's file.
    pub prompt_sha256: String,
    /// Its language.
    pub language: String,
}

/// The caller's answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsentAnswer {
    /// Key 1.
    Agreed,
    /// The notice played to its end and they stayed.
    Noticed,
    /// This key, which is not 1.
    Declined(char),
    /// No key in time.
    Silent,
    /// They hung up before they answered.
    Left,
}

impl ConsentAnswer {
    /// The key it was given by.
    pub fn key(self) -> Option<char> {
        match self {
            ConsentAnswer::Agreed => Some('1'),
            ConsentAnswer::Declined(key) => Some(key),
            ConsentAnswer::Noticed | ConsentAnswer::Silent | ConsentAnswer::Left => None,
        }
    }

    /// The word in records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            ConsentAnswer::Agreed => "agreed",
            ConsentAnswer::Noticed => "noticed",
            ConsentAnswer::Declined(_) => "declined",
            ConsentAnswer::Silent => "silent",
            ConsentAnswer::Left => "left",
        }
    }
}

/// A recording that is about to reach the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Armed {
    /// Its id.
    pub recording: RecordingId,
    /// The call.
    pub call: CallId,
    /// The agent.
    pub agent: String,
    /// Relative to the recordings folder: `YYYY/MM/DD/<UTC>_<id>.wav`.
    pub path: String,
    /// The name of the retention policy.
    pub policy: String,
    /// How long that policy keeps it, as of now: a later, shorter policy does not reach back.
    pub keep: std::time::Duration,
    /// The first recording of its conversation, if that got too long for one. If any of them is on legal hold, so is this one.
    pub continues: Option<RecordingId>,
    /// When.
    pub at: Utc,
}

/// What the store remembers at a start.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Bindings, expired ones included.
    pub bindings: Vec<Binding>,
    /// The last status of every agent.
    pub agents: Vec<(String, AgentStatus)>,
    /// What users have said of their calls since their files were written.
    pub forwarding: Vec<(String, Change)>,
    /// Dialogs that were up when the switch died: each gets a BYE.
    pub dialogs: Vec<(CallId, String, dialog::Remembered)>,
    /// Subscriptions, expired ones included.
    pub subscriptions: Vec<Subscribed>,
    /// Purge orders that were not carried out.
    pub purges: Vec<(RecordingId, String, String)>,
    /// When retention last ran.
    pub retention_ran: Option<Utc>,
}

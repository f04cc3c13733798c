//! What an admin can ask of a running switch, and the answers.

use serde::{Deserialize, Serialize};

use super::journal::Cdr;
use crate::utc::Utc;

/// Whom to answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// One request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// The calls that are up.
    CallList,
    /// One of them.
    CallShow {
        /// Its id, or the beginning of it.
        call: String,
    },
    /// Ends one.
    CallHangup {
        /// Its id, or the beginning of it.
        call: String,
    },
    /// Every binding.
    RegistrationList,
    /// Every subscription.
    SubscriptionList,
    /// Every trunk and its calls.
    TrunkList,
    /// Whoever is not answered.
    BlockList,
    /// Answers a source again.
    BlockLift {
        /// Its address.
        source: String,
    },
    /// One of them.
    TrunkShow {
        /// Its name.
        trunk: String,
    },
    /// Queues: callers and agents.
    QueueShow {
        /// One queue, or all.
        queue: Option<String>,
    },
    /// Every agent.
    AgentList,
    /// Changes an agent's status: `login` and `ready` make available, `break` and `logout` not.
    AgentSet {
        /// Who.
        agent: String,
        /// `available`, `break` or `logout`.
        status: AgentChange,
    },
    /// How much room recordings have.
    StorageShow,
    /// What becomes of a user's calls.
    ForwardingShow {
        /// Their extension.
        user: String,
    },
    /// Forwards a user's calls, or does not any more.
    ForwardingSet {
        /// Their extension.
        user: String,
        /// On which occasions (`always`, `busy`, `no_answer`, `unregistered`), and where; `None`: nowhere.
        to: Vec<(String, Option<String>)>,
        /// With `no_answer`: after so many seconds.
        after: Option<u64>,
    },
    /// Keeps a user's phones silent, or lets them ring.
    DoNotDisturb {
        /// Their extension.
        user: String,
        /// Silent.
        on: bool,
    },
    /// Forbids the purge of a recording.
    LegalHold {
        /// Its id.
        recording: String,
        /// Why.
        reason: String,
    },
    /// Allows it again.
    Release {
        /// Its id.
        recording: String,
    },
    /// Deletes what is due now.
    RetentionRun,
    /// Believes the clock, although it jumped: the admin has looked at it.
    AcceptClock,
    /// When retention ran and runs next.
    RetentionStatus,
    /// The certificates of TLS that are in use.
    CertificateShow,
    /// Reads their files again.
    CertificateReload,
    /// BYE to all, seal, end.
    Stop,
}

/// See [`Request::AgentSet`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentChange {
    /// Takes calls; from logged out this is `login`, from a break `ready`.
    Available,
    /// Stays logged in, takes none.
    Break,
    /// Leaves.
    Logout,
}

/// One answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// See [`Request::StorageShow`].
    Storage {
        /// `None` before the first look.
        storage: Option<StorageRow>,
    },
    /// Done.
    Done,
    /// No such call, agent, recording; in a sentence.
    NotFound {
        /// What was not found.
        what: String,
    },
    /// It cannot be done, and why.
    Refused {
        /// In a sentence.
        why: String,
    },
    /// Calls.
    Calls {
        /// The calls, oldest first.
        calls: Vec<CallRow>,
    },
    /// Bindings.
    Registrations {
        /// By AOR.
        registrations: Vec<RegistrationRow>,
    },
    /// Sources that are not answered.
    Blocks {
        /// By address.
        blocks: Vec<BlockRow>,
    },
    /// Subscriptions.
    Subscriptions {
        /// By who watches.
        subscriptions: Vec<SubscriptionRow>,
    },
    /// Trunks.
    Trunks {
        /// By name.
        trunks: Vec<TrunkRow>,
    },
    /// Queues.
    Queues {
        /// By name.
        queues: Vec<QueueRow>,
    },
    /// Agents.
    Agents {
        /// By name.
        agents: Vec<AgentRow>,
    },
    /// What becomes of a user's calls.
    Forwarding {
        /// Theirs.
        forwarding: Box<ForwardingRow>,
    },
    /// Certificates.
    Certificates {
        /// Ours, then those of authorities.
        certificates: Vec<CertificateRow>,
        /// What is odd about their files, a line each, as at the start.
        warnings: Vec<String>,
    },
    /// What retention did.
    RetentionRan {
        /// Ids of what was purged.
        purged: Vec<String>,
        /// Ids of what could not be, with the cause.
        failed: Vec<(String, String)>,
    },
    /// Retention's times, RFC 3339.
    Retention {
        /// The last run.
        ran: Option<String>,
        /// The next.
        next: Option<String>,
        /// Why it does not run, if it does not (the calendar jumped).
        blocked: Option<String>,
        /// Why the database cannot be written at present, if it cannot: then nothing is deleted either.
        trouble: Option<String>,
    },
}

/// A call, up or past.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it; times are RFC 3339")]
pub struct CallRow {
    pub call: String,
    pub direction: String,
    pub from: String,
    pub to: String,
    /// Of one that is past, why it ended.
    pub state: String,
    pub trunk: Option<String>,
    pub route: Option<String>,
    pub queue: Option<String>,
    pub agent: Option<String>,
    pub started: String,
    pub answered: Option<String>,
    pub bridged: Option<String>,
    pub ended: Option<String>,
    pub end_cause: Option<String>,
    pub status: Option<u16>,
    pub consent: Option<String>,
    pub consent_mode: Option<String>,
    pub consent_key: Option<String>,
    pub consent_at: Option<String>,
    pub consent_prompt: Option<String>,
    pub consent_prompt_sha256: Option<String>,
    pub consent_language: Option<String>,
    pub recording: Option<String>,
    /// What has become of the recording, if that was looked up: a word, and why it failed if it did.
    pub recording_state: Option<String>,
    pub recording_cause: Option<String>,
    pub unrecorded: Option<String>,
    pub transferred_to: Option<String>,
    pub merged_into: Option<String>,
    /// What is wrong with its recording at this moment, in plain words.
    #[serde(default)]
    pub alarms: Vec<String>,
    /// Of one call that was asked for; none in a list.
    #[serde(default)]
    pub legs: Vec<LegRow>,
}

/// The room for recordings, in bytes, and how many seconds it lasts at the pace of the last day.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the table")]
pub struct StorageRow {
    /// `enough`, `low` or `full`.
    pub level: String,
    pub used: u64,
    pub left: u64,
    pub lasts: Option<u64>,
}

/// What went through a leg's media; `far_` is what the far side says of what it was sent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the table")]
pub struct LegRow {
    pub leg: u32,
    pub user: Option<String>,
    pub trunk: Option<String>,
    pub codec: String,
    pub advertised: Option<String>,
    pub source: Option<String>,
    pub received: u64,
    pub lost: u64,
    pub refused: u64,
    pub jitter_ms: f64,
    pub worst_jitter_ms: f64,
    pub mos: Option<f64>,
    pub sent: u64,
    pub far_lost: Option<u32>,
    pub far_jitter_ms: Option<f64>,
    pub far_mos: Option<f64>,
    pub round_trip_ms: Option<f64>,
    pub keys_by_rtp: u64,
    pub keys_by_info: u64,
    /// What is odd about it, in plain words.
    pub findings: Vec<String>,
}

impl CallRow {
    /// What the record says, under this state.
    pub fn of(cdr: &Cdr, state: impl Into<String>) -> CallRow {
        let at = |at: Option<Utc>| at.map(|at| at.to_string());
        let consent = cdr.consent.as_ref();
        CallRow {
            call: cdr.call.to_string(),
            direction: cdr.direction.as_str().to_owned(),
            from: cdr.from.reveal().clone(),
            to: cdr.to.reveal().clone(),
            state: state.into(),
            trunk: cdr.trunk.clone(),
            route: cdr.route.clone(),
            queue: cdr.queue.clone(),
            agent: cdr.agent.clone(),
            started: cdr.started.to_string(),
            answered: at(cdr.answered),
            bridged: at(cdr.bridged),
            ended: at(cdr.ended),
            end_cause: cdr.end_cause.clone(),
            status: cdr.status,
            consent: consent.map(|consent| consent.answer.as_str().to_owned()),
            consent_mode: consent.map(|consent| consent.mode.as_str().to_owned()),
            consent_key: consent
                .and_then(|consent| consent.answer.key())
                .map(|key| key.to_string()),
            consent_at: consent.map(|consent| consent.at.to_string()),
            consent_prompt: consent.map(|consent| consent.prompt.clone()),
            consent_prompt_sha256: consent.map(|consent| consent.prompt_sha256.clone()),
            consent_language: consent.map(|consent| consent.language.clone()),
            recording: cdr.recording.map(|recording| recording.to_string()),
            recording_state: None,
            recording_cause: None,
            unrecorded: cdr.unrecorded.clone(),
            transferred_to: cdr.transferred_to.as_ref().map(|number| number.reveal().clone()),
            merged_into: cdr.merged_into.map(|call| call.to_string()),
            alarms: Vec::new(),
            legs: Vec::new(),
        }
    }
}

/// A binding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it; times are RFC 3339")]
pub struct RegistrationRow {
    pub aor: String,
    pub contact: String,
    pub source: String,
    pub transport: String,
    pub expires: String,
    pub state: Reachable,
    pub user_agent: String,
}

/// Whether a phone can be called, as far as we know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reachable {
    /// It can.
    Reachable,
    /// Its connection was cut, and it has to register anew.
    CutOff,
}

impl Reachable {
    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Reachable::Reachable => "reachable",
            Reachable::CutOff => "cut-off",
        }
    }
}

/// A source that is not answered, or not as one user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it; `user` is as the source said it")]
pub struct BlockRow {
    pub source: String,
    pub user: Option<String>,
    pub why: String,
    pub seconds: u64,
}

/// A subscription.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it; times are RFC 3339")]
pub struct SubscriptionRow {
    pub user: String,
    pub event: String,
    pub watched: String,
    pub contact: String,
    pub source: String,
    pub expires: String,
}

/// A trunk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TrunkRow {
    pub trunk: String,
    /// The first.
    pub gateway: Option<String>,
    pub calls: usize,
    pub channels: usize,
    pub gateways: Vec<GatewayRow>,
}

/// A gateway of a trunk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GatewayRow {
    /// As its file says it.
    pub gateway: String,
    /// What it leads to.
    pub targets: Vec<TargetRow>,
    /// Whether we are registered; `None` if we do not register there.
    pub registered: Option<bool>,
    /// With which server.
    pub registered_at: Option<String>,
    /// Until when, if it is not renewed; RFC 3339.
    pub registered_until: Option<String>,
    /// What is wrong with it, in a few words.
    pub trouble: Option<String>,
}

/// A server of a gateway.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TargetRow {
    /// Address and port.
    pub address: String,
    /// `udp` or `tcp`.
    pub transport: String,
    /// `up`; `down`: it failed, and is tried last; `overloaded`: it said when to come again, and is not tried.
    pub state: String,
    /// Until when; RFC 3339.
    pub until: Option<String>,
}

/// What becomes of a user's calls.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it; `after` is seconds")]
pub struct ForwardingRow {
    pub user: String,
    pub always: Option<String>,
    pub busy: Option<String>,
    pub no_answer: Option<String>,
    pub after: Option<u64>,
    pub unregistered: Option<String>,
    pub do_not_disturb: bool,
}

/// A certificate of TLS.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it; times are RFC 3339")]
pub struct CertificateRow {
    /// For whom: `phones`, `carriers`, a peer's name.
    pub used: String,
    pub file: String,
    /// Whom it is for, by its subjectAltName.
    pub names: Vec<String>,
    pub issuer: String,
    pub begins: String,
    pub expires: String,
}

/// A queue.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it; waits are seconds")]
pub struct QueueRow {
    pub queue: String,
    pub waiting: usize,
    pub longest_wait: Option<u64>,
    pub agents: Vec<AgentRow>,
}

/// An agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct AgentRow {
    pub agent: String,
    pub user: String,
    pub status: String,
    pub state: String,
    pub registered: bool,
    pub agrees_to_recording: bool,
}

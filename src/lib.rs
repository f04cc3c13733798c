//! Tonspur, a SIP softswitch for call centres: callers are asked for consent, wait in queues, talk to agents, are recorded where both
//! sides agreed, and every recording goes when its time is over.
//!
//! This page is the code map: the rooms, the arrows, the life of a call, and what always holds.
//!
//! # Rooms and arrows
//!
//! ```text
//! wire ← media ← switch ← config ← io ← server ← cli
//! ```
//!
//! A room may use only rooms to its left; `tests/tidy.rs` keeps it so, and keeps each foreign crate in its one home.
//!
//! | room | is | knows nothing of |
//! | --- | --- | --- |
//! | [`wire`] | bytes and their meaning: SIP, SDP, RTP | calls, agents, recordings |
//! | [`media`] | what happens to audio, in RTP time: relay, prompts, tap, timeline | SIP, sockets |
//! | [`switch`] | decisions: registrar, routing, consent, calls, queues, retention | sockets, files, clocks |
//! | [`config`] | files as written to values as meant | where the files are |
//! | [`io`] | sockets, media threads, WAV, SQLite, the clock; the only room that may block or fail because of the world | why |
//! | [`server`] | the event loop: the one task that owns [`switch::Switch`] | |
//! | [`cli`] | noun, verb | |
//!
//! Beside the line stand [`utc`] and [`redacted`], which anybody may use, and [`phone`], a phone for the demo and the lab that
//! shares no code with [`wire`], so that a mistake cannot cancel itself out.
//!
//! `wire`, `media` and `switch` are sans-IO: time is an argument, chance a seed, the world two enums,
//! [`switch::Input`] and [`switch::Output`]. So a whole call centre runs in a test, in virtual time (`tests/flows`).
//!
//! # The life of a recorded call
//!
//! 1. `io::sockets` receives a datagram, `server` hands it to [`switch::Switch::handle`]. [`wire::sip::endpoint`] reads it, matches
//!    it to a transaction, answers what needs no business (a broken message, a merged request), and tells the rest.
//! 2. The reception (`switch/reception.rs`) finds out who calls: a trunk by its address, a user by digest. [`switch::routing`] makes a
//!    plan: target, consent mode, retention policy, language.
//! 3. A `Call` begins: its A-leg asks for a media port ([`media::Command::Open`]); no SDP names a port before it is bound.
//! 4. The caller is answered; the consent prompt plays; a key, or its absence, becomes a
//!    [`switch::journal::ConsentRecord`] with the hash of the very prompt that was heard.
//! 5. The queue picks the agent who has been idle longest; their phones ring; the first that answers has the call.
//! 6. The two ports are bridged: from here on RTP runs through a worker of `io::relay` and [`media::relay::Relay`] alone.
//! 7. The caller's consent and the agent's agreement make a [`switch::consent::RecordingPermit`], which no other file can make, and
//!    which a recording cannot begin without. The tap fills bounded memory; the intent is stored; when it is committed, and no
//!    sooner, audio may reach the disk (`io::wav`: one thread listens to taps and never waits for the disk, another writes what it
//!    is handed; between them waits half a minute at most, and what is beyond that is a listed gap).
//! 8. A BYE ends the call. The file is sealed: finalised, synced, hashed, renamed. Its row says what it is, how many packets came of
//!    each side, and what is missing. After twelve hours it is sealed while the call goes on, and another recording follows it under
//!    the same permit, and under the same legal hold if there is one. What the disk did not take to the end has failed; `io::adoption`
//!    finishes what there is of it when the disk has room again.
//! 9. When the policy's time is over, [`switch::retention`] stores the intent to delete, and only the committed intent becomes a
//!    [`switch::retention::PurgeOrder`]. The file goes, the tombstone stays.
//!
//! # Beside the call
//!
//! What a call leaves to others, each in a file of its own: whether the one who causes it may dial that (`switch/dialing.rs`: calls,
//! forwards, transfers and redirections all ask there), who is answered at all (`switch/gate.rs`), the servers of a carrier and our
//! registrations with it (`switch/trunk/`, names by `switch/locator.rs`), transfers, pickups and parked calls
//! (`switch/transfers.rs`, `switch/call/transfer.rs`), forwards and ring groups (`switch/forwarding.rs`, `switch/diverting.rs`), and the
//! lamps and messages that phones subscribe to (`switch/subscriptions/`).
//!
//! # What always holds
//!
//! - Not one frame is tapped without a permit; no audio reaches the disk without a committed row; no file is deleted without a
//!   committed order; a legal hold beats them all.
//! - A timer lives in the state that needs it, so leaving the state stops it.
//! - Every queue, map and buffer that a stranger can fill has a bound.
//! - The packet path allocates nothing, takes no lock, wakes no task.
//! - The same seed and the same inputs give the same outputs.
//!
//! # Where it differs from the first design
//!
//! - One [`wire::sip::endpoint::Endpoint`] holds all listeners, and the profile is a property of the listener: transactions are
//!   matched over all of them anyway.
//! - Who the far side of a TLS connection has proven to be is part of its flow, as a place in the settings, instead of an event with
//!   names: `io` knows certificates, and the switch whom they stand for. TLS has a thread of its own.
//! - Each leg of a call negotiates alone and the media port converts, so a hold is answered at once and told to the other side by a
//!   re-INVITE of its own, instead of being passed through.
//! - Only the names of gateways are resolved, one DNS question at a time ([`wire::sip::locating`] follows them); phones are reached
//!   where they registered from.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test begins at some instant"))]

pub mod cli;
pub mod config;
pub mod io;
pub mod media;
pub mod phone;
pub mod redacted;
pub mod server;
pub mod switch;
pub mod utc;
pub mod wire;

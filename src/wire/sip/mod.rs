//! SIP: messages, framing, digests, transactions, dialogs (RFC 3261 and what amends it).

pub mod auth;
pub mod dialog;
pub mod endpoint;
pub mod framing;
pub mod headers;
pub mod ids;
pub mod message;
pub mod outgoing;
pub mod transaction;
pub mod uri;

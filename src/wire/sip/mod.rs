//! SIP: messages, framing, digests, transactions, dialogs (RFC 3261 and what amends it).

pub mod auth;
mod cursor;
pub mod dialog;
pub mod endpoint;
mod escape;
pub mod framing;
pub mod headers;
pub mod ids;
mod lexer;
pub mod locating;
pub mod message;
mod method;
pub mod outgoing;
pub mod reliable;
mod status;
pub mod timer;
pub mod transaction;
pub mod uri;

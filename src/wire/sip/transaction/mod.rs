//! The four transaction machines of RFC 3261 §17, with RFC 6026.

pub mod client;
pub mod invite_client;
pub mod invite_server;
pub mod server;

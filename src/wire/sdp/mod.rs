//! SDP: descriptions (RFC 8866) and their negotiation (RFC 3264).

pub mod description;
pub mod negotiation;

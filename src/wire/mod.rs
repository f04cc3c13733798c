//! Bytes to meaning and back: knows protocols, no business.

pub mod address;
pub mod flow;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod stun;

//! RTP: packets, RTCP, sequences, telephone events, G.711 (RFC 3550, 3551, 4733).

pub mod g711;
pub mod packet;
pub mod rtcp;
pub mod sequence;
pub mod telephone_event;

//! A session description: RFC 8866, read leniently, written strictly. Home of sdp-types.

/// One description.
#[derive(Clone, Debug)]
pub struct Description {}

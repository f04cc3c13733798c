//! A small SIP phone for the demo and the lab; speaks rsip, never our own `wire`.

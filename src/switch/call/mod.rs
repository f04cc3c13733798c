//! The call: an A-leg, its B-legs and what became of them.

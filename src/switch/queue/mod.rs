//! Callers waiting for agents.

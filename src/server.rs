//! The event loop: the one task that owns Switch.

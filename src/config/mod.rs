//! Files as written to values as meant.

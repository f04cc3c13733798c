//! Sockets of the loopback, and what may go wrong with them.

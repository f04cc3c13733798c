//! Flows: a whole call centre in virtual time. Each test reads as the story of a call; its ladder lies beside it.
#![expect(clippy::disallowed_methods, reason = "virtual time begins at some instant")]

mod calls;
mod chaos;
mod endings;
mod faults;
mod holds;
mod lab;
mod questions;
mod recordings;
mod restarts;

//! Flows: a whole call centre in virtual time. Each test reads as the story of a call; its ladder lies beside it.

mod calls;
mod chaos;
mod faults;
mod holds;
mod lab;
mod recordings;
mod restarts;

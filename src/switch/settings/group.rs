//! Ring groups: several users who answer one number.

use std::time::Duration;

use super::Destination;

/// See the module.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The number that users dial to reach it, if it has one.
    pub extension: Option<String>,
    /// Whose phones ring: users, each once.
    pub members: Vec<String>,
    /// In which order.
    pub strategy: Strategy,
    /// So long they ring: all, or each in turn.
    pub ring: Duration,
    /// Where a call goes that nobody has answered; refused where it says nothing.
    pub then: Option<Destination>,
}

/// How a group rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// All at once.
    Parallel,
    /// One after the other, in the order of the list.
    InTurn,
}

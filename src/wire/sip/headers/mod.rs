//! Headers: their names in any form, and typed views of those that the switch reads.

mod address;
mod name;
mod params;
mod replaces;
mod via;

pub use address::{Address, Contacts};
pub use name::Name;
pub use params::Params;
pub use replaces::Replaces;
pub use via::{CSeq, Via};

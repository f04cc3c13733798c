//! The code map (to be written).

pub mod cli;
pub mod config;
pub mod io;
pub mod media;
pub mod phone;
pub mod redacted;
pub mod server;
pub mod switch;
pub mod utc;
pub mod wire;

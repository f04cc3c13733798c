//! The only room that may block, sleep, spawn, or fail because of the world.

pub mod adoption;
pub mod certificates;
pub mod clock;
pub mod control;
pub mod export;
pub mod folder;
pub mod log;
pub mod offline;
pub mod process;
pub mod profiles;
pub mod prompts;
pub mod purge;
pub mod reconcile;
pub mod relay;
pub mod resolver;
pub mod sockets;
pub mod store;
pub mod wav;

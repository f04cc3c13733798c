//! Whether the disk has room for recordings. The last of it belongs to the database, which needs little, and whose commits are what
//! makes room: recordings leave alone what the store keeps back for that and gives up when the disk is full.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::io::folder::Folder;
use crate::io::store::RESERVED;

/// With fewer bytes free, nothing is recorded.
pub const LEAST_FREE: u64 = 2 * RESERVED;
/// After that, recordings go on when so many are free: by then the store has its reserve again, and as much beside it.
pub const ENOUGH_FREE: u64 = 4 * RESERVED;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Room {
    scarce: AtomicBool,
}

impl Room {
    /// Asks the file system of the recordings folder.
    pub(super) fn is_left_at(&self, root: &Folder) -> bool {
        // What cannot be told is taken for enough: the disk itself refuses what it has no room for.
        let free = root.free().unwrap_or(u64::MAX);
        #[cfg(test)]
        let free = super::tests::trouble::free(root).unwrap_or(free);
        self.is_left(free)
    }

    fn is_left(&self, free: u64) -> bool {
        let least = if self.scarce.load(Ordering::Relaxed) { ENOUGH_FREE } else { LEAST_FREE };
        let left = free >= least;
        self.scarce.store(!left, Ordering::Relaxed);
        left
    }
}

/// What a recording meets for which there is no room.
pub(super) fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "the disk is full, but for what the database needs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_gives_up_is_not_enough_to_go_on() {
        let room = Room::default();
        assert!(room.is_left(LEAST_FREE));
        assert!(!room.is_left(0));
        assert!(!room.is_left(RESERVED), "the reserve was given up");
        assert!(!room.is_left(ENOUGH_FREE - 1));
        assert!(room.is_left(ENOUGH_FREE));
        assert!(room.is_left(LEAST_FREE), "there is no need to stop before it is scarce again");
    }
}

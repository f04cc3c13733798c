//! Whether there is room for recordings: on the disk, whose last bytes belong to the database, which needs little, and whose commits are
//! what makes room; and within their quota, if they have one. Recordings leave alone what the store keeps back and gives up when the
//! disk is full.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::io::folder::Folder;
use crate::io::store::RESERVED;
use crate::switch::storage::Space;

/// With fewer bytes free, nothing is recorded.
pub const LEAST_FREE: u64 = 2 * RESERVED;
/// After that, recordings go on when so many are free: by then the store has its reserve again, and as much beside it.
pub const ENOUGH_FREE: u64 = 4 * RESERVED;

/// How often it is told how much there is.
const LOOK: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub struct Room {
    root: Folder,
    /// Recordings may take so many bytes.
    quota: Option<u64>,
    /// And take so many.
    used: AtomicU64,
    scarce: AtomicBool,
}

impl Room {
    /// Of the recordings folder, which holds recordings of `used` bytes already.
    pub fn open(recordings: &Path, quota: Option<u64>, used: u64) -> io::Result<Room> {
        let (used, scarce) = (AtomicU64::new(used), AtomicBool::new(false));
        Ok(Room { root: Folder::open(recordings)?, quota, used, scarce })
    }

    /// The recordings folder.
    pub(super) fn root(&self) -> &Folder {
        &self.root
    }

    /// So much more lies there.
    pub(super) fn wrote(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So much was deleted.
    pub fn deleted(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Whether recordings may be written now.
    pub(super) fn is_left(&self) -> Result<(), Lack> {
        let (disk, quota) = self.left();
        let scarce = self.scarce.load(Ordering::Relaxed);
        let least = if scarce { ENOUGH_FREE } else { LEAST_FREE };
        let lack = match (disk >= least, quota > 0) {
            (false, _) => Err(Lack::Disk),
            (true, false) => Err(Lack::Quota),
            (true, true) => Ok(()),
        };
        self.scarce.store(disk < least, Ordering::Relaxed);
        lack
    }

    /// What there is.
    pub fn space(&self) -> Space {
        let (disk, quota) = self.left();
        let left = disk.saturating_sub(LEAST_FREE).min(quota);
        let left = if self.is_left().is_ok() { left } else { 0 };
        Space { used: self.used.load(Ordering::Relaxed), left }
    }

    /// Bytes free on the disk, and within the quota.
    fn left(&self) -> (u64, u64) {
        // What cannot be told is taken for enough: the disk itself refuses what it has no room for.
        let disk = self.root.free().unwrap_or(u64::MAX);
        #[cfg(test)]
        let disk = super::tests::trouble::free(&self.root).unwrap_or(disk);
        let used = self.used.load(Ordering::Relaxed);
        (disk, self.quota.map_or(u64::MAX, |quota| quota.saturating_sub(used)))
    }
}

/// Tells how much room there is, now and every five seconds, on a thread of its own, since a disk that hangs does not answer; ends when
/// `tell` says that nobody listens.
pub fn watch(
    room: Arc<Room>,
    tell: impl Fn(Space) -> bool + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let work = move || {
        while tell(room.space()) {
            thread::park_timeout(LOOK);
        }
    };
    thread::Builder::new().name("room".into()).spawn(work)
}

/// What there is too little of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lack {
    Disk,
    Quota,
}

impl From<Lack> for io::Error {
    fn from(lack: Lack) -> io::Error {
        match lack {
            Lack::Disk => io::Error::new(
                io::ErrorKind::StorageFull,
                "the disk is full, but for what the database needs",
            ),
            Lack::Quota => {
                io::Error::new(io::ErrorKind::QuotaExceeded, "recordings have used up their quota")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::trouble::Disk;
    use super::*;

    fn room(quota: Option<u64>, used: u64) -> (tempfile::TempDir, Room) {
        let place = tempfile::tempdir().expect("a folder");
        let room = Room::open(place.path(), quota, used).expect("opens");
        (place, room)
    }

    #[test]
    fn what_the_store_gives_up_is_not_enough_to_go_on() {
        let (place, room) = room(None, 0);
        let disk = Disk::of(place.path(), LEAST_FREE);
        assert_eq!(room.is_left(), Ok(()));
        // At RESERVED the reserve was given up.
        for free in [0, RESERVED, ENOUGH_FREE - 1] {
            disk.has(free);
            assert_eq!(room.is_left(), Err(Lack::Disk), "{free}");
        }
        disk.has(ENOUGH_FREE);
        assert_eq!(room.is_left(), Ok(()));
        disk.has(LEAST_FREE);
        assert_eq!(room.is_left(), Ok(()), "there is no need to stop before it is scarce again");
    }

    #[test]
    fn recordings_stay_within_their_quota_whatever_the_disk_has() {
        let (place, room) = room(Some(1_000), 600);
        let disk = Disk::of(place.path(), ENOUGH_FREE);
        assert_eq!((room.is_left(), room.space()), (Ok(()), Space { used: 600, left: 400 }));
        room.wrote(400);
        assert_eq!(
            (room.is_left(), room.space()),
            (Err(Lack::Quota), Space { used: 1_000, left: 0 })
        );
        room.deleted(1);
        assert_eq!((room.is_left(), room.space()), (Ok(()), Space { used: 999, left: 1 }));
        disk.has(0);
        assert_eq!((room.is_left(), room.space()), (Err(Lack::Disk), Space { used: 999, left: 0 }));
        room.deleted(5_000);
        assert_eq!(room.space().used, 0);
    }
}

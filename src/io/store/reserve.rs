//! A little of the disk, kept back: when it is full, the store gives this up, so that the orders by which retention makes room can
//! be committed before anything is deleted.
#![expect(clippy::disallowed_methods, reason = "a file that takes up room")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::folder;

/// The file's name in the state folder.
pub(super) const RESERVE: &str = "reserve";
/// A thousand pages: orders for several hundred recordings, and what else waits with them.
pub(in crate::io) const SIZE: u64 = 4 << 20;
/// A database is not opened in less: its log and the index of it.
const NOTHING: u64 = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    spent: bool,
}

impl Reserve {
    /// That of a state folder. On a full disk it is given up at once, so that the database can be opened.
    pub(super) fn of(state: &Path) -> Reserve {
        let mut reserve = Reserve { path: state.join(RESERVE), spent: true };
        if reserve.is_short() {
            reserve.give_up();
        }
        reserve
    }

    /// Whether the disk has no room to open a database in.
    pub(super) fn is_short(&self) -> bool {
        is_full(&self.path)
    }

    /// Frees what was kept back; `false` if nothing was.
    pub(super) fn give_up(&mut self) -> bool {
        self.spent = true;
        let freed = fs::remove_file(&self.path).is_ok();
        if freed {
            tracing::warn!(event = "disk_full", remedy = "the reserve of the state folder is used");
        }
        freed
    }

    /// Keeps it back, again if need be and if there is room for as much beside it.
    pub(super) fn keep(&mut self) {
        if !self.spent {
            return;
        }
        let there = fs::metadata(&self.path).is_ok_and(|file| file.len() == SIZE);
        if there {
            self.spent = false;
        } else if free(&self.path) >= 2 * SIZE {
            match fill(&self.path) {
                Ok(()) => self.spent = false,
                // It is a reserve: without it the store works as well.
                Err(_) => drop(fs::remove_file(&self.path)),
            }
        }
    }
}

/// Whether the disk of this file has no room left worth speaking of.
pub(super) fn is_full(path: &Path) -> bool {
    free(path) < NOTHING
}

fn free(path: &Path) -> u64 {
    // What cannot be told is taken for enough.
    folder::free(path.parent().unwrap_or(Path::new("."))).unwrap_or(u64::MAX)
}

/// With chance, so that no file system finds a shorter way to say it.
fn fill(path: &Path) -> io::Result<()> {
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    io::copy(&mut File::open("/dev/urandom")?.take(SIZE), &mut file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_back_can_be_given_up_once_and_is_kept_again() {
        let place = tempfile::tempdir().expect("a folder");
        let mut reserve = Reserve::of(place.path());
        assert!(!reserve.give_up(), "nothing is there yet");
        reserve.keep();
        let size = || fs::metadata(place.path().join(RESERVE)).map(|file| file.len());
        assert_eq!(size().expect("there"), SIZE);
        assert!(reserve.give_up() && !reserve.give_up());
        assert!(size().is_err());
        reserve.keep();
        assert_eq!(size().expect("there again"), SIZE);
    }
}

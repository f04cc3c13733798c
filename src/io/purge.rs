//! Carries out a purge order: unlinks the recording, has that reach the disk, and clears away the folder of a day that is empty. The
//! thread that does so also finishes what is left of failed recordings: so no file is finished while it is deleted.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::adoption::{Adopted, Adoption};
use super::clock::Clock;
use super::folder::{Folder, Kind};
use super::wav::Room;
use crate::media::RecordingId;
use crate::switch::retention::PurgeOrder;
use crate::utc::Utc;

/// Whether what is left of failed recordings can be finished is looked at this often.
const LOOK: Duration = Duration::from_secs(10);

/// What became of an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Its file is gone, or was gone already.
    Purged(RecordingId),
    /// It is still there, and why.
    Failed(RecordingId, String),
}

/// Why a file was not deleted.
#[derive(Debug)]
pub enum Error {
    /// The path in the order leads, or could lead, out of the recordings folder.
    Path,
    /// Something else stands under its name: a link, a folder.
    NotAFile(String),
    /// The system refused.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Path => f.write_str("the path does not lie within the recordings folder"),
            Error::NotAFile(name) => write!(f, "{name:?} is not a file but a link or a folder"),
            Error::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

/// Deletes the file of `order` under `recordings`, and its `.part` if there is one. A file that is not there is deleted already.
/// `today` spares the folders in which recordings may just be beginning; `deleted` is told the bytes.
pub fn carry_out(
    recordings: &Path,
    order: PurgeOrder,
    today: Utc,
    deleted: impl FnOnce(u64),
) -> Outcome {
    let recording = order.recording();
    match delete(recordings, order.path(), today) {
        Ok(bytes) => {
            deleted(bytes);
            Outcome::Purged(recording)
        }
        Err(error) => Outcome::Failed(recording, error.to_string()),
    }
}

/// A thread that carries out orders, one after the other, so that a slow disk stops nobody.
#[derive(Debug)]
pub struct Purger {
    errands: mpsc::Sender<Errand>,
}

#[derive(Debug)]
enum Errand {
    Purge(PurgeOrder),
    Failed(RecordingId),
}

/// What the thread tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Report {
    /// What became of an order.
    Done(Outcome),
    /// A failed recording is whole after all, as far as there is anything of it.
    Adopted(Adopted),
}

impl Purger {
    /// Starts the thread; it ends when the `Purger` is dropped and its orders are done. `tell` is called on it, once an order, and for
    /// what is left of recordings that failed.
    pub fn start(
        recordings: PathBuf,
        state: PathBuf,
        room: Arc<Room>,
        clock: Clock,
        tell: impl Fn(Report) + Send + 'static,
    ) -> io::Result<Purger> {
        let (errands, given) = mpsc::channel();
        let work = move || run(&recordings, state, &room, &clock, &given, &tell);
        thread::Builder::new().name("purge".into()).spawn(work)?;
        Ok(Purger { errands })
    }

    /// A recording has failed: what is left of it is finished when it can be.
    pub fn failed(&self, recording: RecordingId) {
        // If the thread is gone, the next start does it.
        let _ = self.errands.send(Errand::Failed(recording));
    }

    /// Hands an order over. There are never more than a page of them.
    pub fn order(&self, order: PurgeOrder) {
        let recording = order.recording();
        if self.errands.send(Errand::Purge(order)).is_err() {
            // The thread panicked; the intent is in the store and the next start finishes it.
            tracing::error!(event = "thread_panicked", thread = "purge", %recording);
        }
    }
}

fn run(
    recordings: &Path,
    state: PathBuf,
    room: &Room,
    clock: &Clock,
    given: &mpsc::Receiver<Errand>,
    tell: &impl Fn(Report),
) {
    let mut adoption = Adoption::new(recordings.to_owned(), state);
    let mut look = clock.now().instant;
    loop {
        let errand = if adoption.is_idle() {
            given.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            given.recv_timeout(look.saturating_duration_since(clock.now().instant))
        };
        let now = clock.now();
        match errand {
            Ok(Errand::Purge(order)) => {
                let deleted = |bytes| room.deleted(bytes);
                tell(Report::Done(carry_out(recordings, order, now.utc, deleted)));
            }
            Ok(Errand::Failed(recording)) => adoption.remember(recording),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if look <= now.instant {
            adoption.look(now.utc, |adopted| tell(Report::Adopted(adopted)));
            look = now.instant + LOOK;
        }
    }
}

/// How many bytes are free now.
fn delete(recordings: &Path, path: &str, today: Utc) -> Result<u64, Error> {
    let parts: Vec<&str> = path.split('/').collect();
    let usable =
        |part: &&str| !part.is_empty() && *part != "." && *part != ".." && !part.contains('\0');
    let Some((file, folders)) = parts.split_last().filter(|_| parts.iter().all(usable)) else {
        return Err(Error::Path);
    };
    let mut way = vec![Folder::open(recordings)?];
    for name in folders {
        match way[way.len() - 1].within(name) {
            Ok(folder) => way.push(folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => {
                return Err(match way[way.len() - 1].kind(name) {
                    Ok(Some(Kind::Other | Kind::File)) => Error::NotAFile((*name).to_owned()),
                    Ok(Some(Kind::Folder) | None) | Err(_) => error.into(),
                });
            }
        }
    }
    let folder = &way[way.len() - 1];
    let part = format!("{file}.part");
    let mut bytes = 0;
    for name in [*file, &part] {
        match folder.kind(name)? {
            None => {}
            Some(Kind::File) => {
                let size = folder.size(name).unwrap_or(0);
                match folder.remove_file(name) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error.into());
                    }
                    Ok(()) => bytes += size,
                    Err(_) => {}
                }
            }
            Some(Kind::Folder | Kind::Other) => return Err(Error::NotAFile(name.to_owned())),
        }
    }
    folder.sync()?;
    clear_away(&way, folders, today);
    Ok(bytes)
}

/// Removes the folders that are empty now, from the day up; those of yesterday and today are in use. A failure is no matter.
fn clear_away(way: &[Folder], folders: &[&str], today: Utc) {
    let in_use = [today, today.before(Duration::from_secs(86_400))].map(|at| {
        let (year, month, day) = at.date();
        format!("{year:04}/{month:02}/{day:02}/")
    });
    for depth in (0..folders.len()).rev() {
        let path = folders[..=depth].join("/") + "/";
        if in_use.iter().any(|used| used.starts_with(&path))
            || way[depth].remove_folder(folders[depth]).is_err()
        {
            return;
        }
        // What is lost without this is an empty folder.
        let _ = way[depth].sync();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn today() -> Utc {
        Utc::parse("2030-03-01T00:00:30Z").expect("a time")
    }

    fn recordings() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn put(root: &Path, path: &str) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("created");
        fs::write(file, b"audio").expect("written");
    }

    #[test]
    fn the_file_its_part_and_the_empty_folders_go() {
        let root = recordings();
        put(root.path(), "2030/01/07/a.wav");
        put(root.path(), "2030/01/07/a.wav.part");
        put(root.path(), "2030/02/01/b.wav");
        let bytes = delete(root.path(), "2030/01/07/a.wav", today()).expect("deleted");
        assert_eq!(bytes, 10, "both files");
        assert!(!root.path().join("2030/01").exists());
        assert!(root.path().join("2030/02/01/b.wav").exists());
    }

    #[test]
    fn a_file_that_is_gone_is_deleted() {
        let root = recordings();
        delete(root.path(), "2030/01/07/a.wav", today()).expect("no folder, no file");
        fs::create_dir_all(root.path().join("2030/01/07")).expect("created");
        delete(root.path(), "2030/01/07/a.wav", today()).expect("no file");
    }

    #[test]
    fn a_neighbour_stays() {
        let root = recordings();
        put(root.path(), "2030/01/07/a.wav");
        put(root.path(), "2030/01/07/b.wav");
        delete(root.path(), "2030/01/07/a.wav", today()).expect("deleted");
        assert!(root.path().join("2030/01/07/b.wav").exists());
    }

    #[test]
    fn folders_in_which_recordings_begin_are_spared() {
        let root = recordings();
        for path in ["2030/03/01/a.wav", "2030/02/28/b.wav", "2030/02/27/c.wav"] {
            put(root.path(), path);
            delete(root.path(), path, today()).expect("deleted");
        }
        assert!(root.path().join("2030/03/01").exists());
        assert!(root.path().join("2030/02/28").exists());
        assert!(!root.path().join("2030/02/27").exists());
    }

    #[test]
    fn a_path_that_leaves_the_folder_is_refused() {
        let root = recordings();
        put(root.path(), "victim.wav");
        let inner = root.path().join("inner");
        fs::create_dir(&inner).expect("created");
        for path in ["../victim.wav", "a/../../victim.wav", "/etc/passwd", "", ".", "a//b", "a\0b"]
        {
            assert!(matches!(delete(&inner, path, today()), Err(Error::Path)), "{path:?}");
        }
        assert!(root.path().join("victim.wav").exists());
    }

    #[test]
    fn a_planted_link_is_refused_wherever_it_stands() {
        let root = recordings();
        let elsewhere = recordings();
        put(elsewhere.path(), "07/a.wav");
        fs::create_dir_all(root.path().join("2030")).expect("created");
        std::os::unix::fs::symlink(elsewhere.path(), root.path().join("2030/01")).expect("linked");
        let refused = delete(root.path(), "2030/01/07/a.wav", today());
        assert!(matches!(refused, Err(Error::NotAFile(name)) if name == "01"));

        fs::create_dir_all(root.path().join("2030/02/07")).expect("created");
        let link = root.path().join("2030/02/07/a.wav");
        std::os::unix::fs::symlink(elsewhere.path().join("07/a.wav"), &link).expect("linked");
        let refused = delete(root.path(), "2030/02/07/a.wav", today());
        assert!(matches!(refused, Err(Error::NotAFile(name)) if name == "a.wav"));
        assert!(elsewhere.path().join("07/a.wav").exists());
    }
}

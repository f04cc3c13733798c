//! A recording copied out: written beside its target, its digest taken on the way, and only then given its name.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::folder::Folder;

/// Bytes read at once.
const PIECE: usize = 128 << 10;

/// A file that has the target's name already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Present {
    /// Stays, and nothing is copied.
    Keep,
    /// Is replaced, once the copy is whole.
    Replace,
}

/// Why there is no copy.
#[derive(Debug)]
pub enum Error {
    /// The recording cannot be read.
    From(PathBuf, io::Error),
    /// It is not what its row says.
    Changed(PathBuf),
    /// The target lies where only the switch writes.
    Inside(PathBuf, PathBuf),
    /// The target is there already.
    Present(PathBuf),
    /// The target is a link, a pipe, a device, a folder, or the recording itself.
    NotAFile(PathBuf),
    /// The copy cannot be written.
    To(PathBuf, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::From(path, why) => write!(f, "{}: {why}", path.display()),
            Error::Changed(path) => write!(
                f,
                "{}: the file was changed: its digest is not that of its row",
                path.display()
            ),
            Error::Inside(path, folder) => write!(
                f,
                "{} lies in {}, where only the switch writes: name another place",
                path.display(),
                folder.display()
            ),
            Error::Present(path) => {
                write!(f, "{} is there already; --force overwrites it", path.display())
            }
            Error::NotAFile(path) => write!(
                f,
                "{} is a link, a folder or a device, or the recording itself: name a file",
                path.display()
            ),
            Error::To(path, why) => write!(f, "{}: {why}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

/// Copies the recording at `path` under `recordings`, whose SHA-256 (in hex) is known, to `to`, for its owner's eyes alone. Nothing is
/// left of a copy that fails. `state` is barred as a target too.
pub fn export(
    (recordings, state): (&Path, &Path),
    path: &str,
    sha256: &str,
    to: &Path,
    present: Present,
) -> Result<(), Error> {
    let from = recordings.join(path);
    let unreadable = |why| Error::From(from.clone(), why);
    let unwritable = |why| Error::To(to.to_owned(), why);
    let source = open(recordings, path).map_err(unreadable)?;
    let Some(name) = to.file_name() else { return Err(Error::NotAFile(to.to_owned())) };
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).map_err(unwritable)?;
    for barred in [recordings, state] {
        if fs::canonicalize(barred).is_ok_and(|barred| folder.starts_with(barred)) {
            return Err(Error::Inside(to.to_owned(), barred.to_owned()));
        }
    }
    match fs::symlink_metadata(folder.join(name)) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => {}
        Err(why) => return Err(unwritable(why)),
        Ok(_) if present == Present::Keep => return Err(Error::Present(to.to_owned())),
        Ok(there) => {
            let own = source.metadata().map_err(unreadable)?;
            if !there.is_file() || (there.dev(), there.ino()) == (own.dev(), own.ino()) {
                return Err(Error::NotAFile(to.to_owned()));
            }
        }
    }
    let beside = folder.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let write = || {
        let copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
        let copy = copy.map_err(unwritable)?;
        if transfer(&source, &copy, unreadable, unwritable)? != sha256 {
            return Err(Error::Changed(from.clone()));
        }
        copy.sync_all().map_err(unwritable)?;
        rename(&beside, &folder.join(name), present).map_err(|why| match why.kind() {
            io::ErrorKind::AlreadyExists => Error::Present(to.to_owned()),
            _ => unwritable(why),
        })
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

/// No link is followed: what lies under the recordings folder is recorded by us.
fn open(recordings: &Path, path: &str) -> io::Result<File> {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    Folder::open(recordings)?.descend(folders)?.open_to_read(name)
}

/// Copies all of it and gives its SHA-256 in hex, as rows have it.
pub(super) fn transfer<E>(
    mut source: impl Read,
    mut copy: impl Write,
    unreadable: impl Fn(io::Error) -> E,
    unwritable: impl Fn(io::Error) -> E,
) -> Result<String, E> {
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match source.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => {
                digest.update(&piece[..length]);
                copy.write_all(&piece[..length]).map_err(&unwritable)?;
            }
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(unreadable(why)),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn rename(from: &Path, to: &Path, present: Present) -> io::Result<()> {
    match present {
        Present::Replace => fs::rename(from, to),
        Present::Keep => match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system without it: looked at before, and this is a stick in somebody's hand.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
            done => Ok(done?),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: &[u8] = b"what was said";
    const PATH: &str = "2030/01/07/a.wav";

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Place {
            let place = Place(tempfile::tempdir().expect("a folder"));
            let file = place.recordings().join(PATH);
            fs::create_dir_all(file.parent().expect("a folder")).expect("created");
            fs::create_dir(place.state()).expect("created");
            fs::create_dir(place.0.path().join("out")).expect("created");
            fs::write(file, AUDIO).expect("written");
            place
        }

        fn recordings(&self) -> PathBuf {
            self.0.path().join("recordings")
        }

        fn state(&self) -> PathBuf {
            self.0.path().join("state")
        }

        fn out(&self, name: &str) -> PathBuf {
            self.0.path().join("out").join(name)
        }

        fn export(&self, to: &Path, present: Present) -> Result<(), Error> {
            let digest: String =
                Sha256::digest(AUDIO).iter().map(|byte| format!("{byte:02x}")).collect();
            export((&self.recordings(), &self.state()), PATH, &digest, to, present)
        }

        fn exported(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.path().join("out")).expect("listed");
            entries
                .map(|entry| entry.expect("one").file_name().to_string_lossy().into_owned())
                .collect()
        }
    }

    #[test]
    fn a_copy_is_whole_private_and_replaces_only_when_told_to() {
        let place = Place::new();
        let to = place.out("call.wav");
        place.export(&to, Present::Keep).expect("copied");
        assert_eq!(fs::read(&to).expect("read"), AUDIO);
        assert_eq!(fs::metadata(&to).expect("there").mode() & 0o777, 0o600);
        fs::write(&to, "other").expect("written");
        assert!(matches!(place.export(&to, Present::Keep), Err(Error::Present(_))));
        assert_eq!(fs::read(&to).expect("read"), b"other");
        place.export(&to, Present::Replace).expect("copied");
        assert_eq!(fs::read(&to).expect("read"), AUDIO);
        assert_eq!(place.exported(), ["call.wav"]);
    }

    #[test]
    fn no_copy_is_made_over_what_the_switch_keeps() {
        let place = Place::new();
        let own = place.recordings().join(PATH);
        let linked = place.out("linked");
        std::os::unix::fs::symlink(place.recordings(), &linked).expect("linked");
        for to in [own.clone(), linked.join("b.wav"), place.state().join("tonspur.db")] {
            assert!(
                matches!(place.export(&to, Present::Replace), Err(Error::Inside(..))),
                "{to:?}"
            );
        }
        let same = place.out("same.wav");
        fs::hard_link(&own, &same).expect("linked");
        assert!(matches!(place.export(&same, Present::Replace), Err(Error::NotAFile(_))));
        assert_eq!(fs::read(&own).expect("read"), AUDIO);
    }

    #[test]
    fn links_pipes_and_folders_are_no_targets() {
        let place = Place::new();
        let (link, pipe) = (place.out("link"), place.out("pipe"));
        std::os::unix::fs::symlink("elsewhere", &link).expect("linked");
        let mode = rustix::fs::Mode::RUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(CWD, &pipe, fifo, mode, 0).expect("a pipe");
        for to in [&link, &pipe, &place.out("")] {
            assert!(place.export(to, Present::Keep).is_err(), "{to:?}");
            assert!(place.export(to, Present::Replace).is_err(), "{to:?}");
        }
        assert!(!place.out("elsewhere").exists());
        assert_eq!(place.exported().len(), 2);
    }

    #[test]
    fn nothing_is_left_of_a_copy_that_fails() {
        let place = Place::new();
        fs::write(place.recordings().join(PATH), "what was never said").expect("written");
        let to = place.out("call.wav");
        assert!(matches!(place.export(&to, Present::Keep), Err(Error::Changed(_))));
        assert!(place.exported().is_empty());
    }
}

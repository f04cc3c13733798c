//! A folder held open, and what lies under it reached without following a link: nobody who plants one leads us elsewhere.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, StatVfs};

/// A folder, by a descriptor: it stays the same folder whatever is renamed above it.
#[derive(Debug)]
pub struct Folder(OwnedFd);

/// What a name in a folder stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a socket, a device: nothing of ours.
    Other,
}

impl Folder {
    /// Opens the folder at `path`, which the operator named: links in it are theirs.
    pub fn open(path: &Path) -> io::Result<Folder> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Folder(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// A folder in this one; a link is an error.
    pub fn within(&self, name: &str) -> io::Result<Folder> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(Folder(rustix::fs::openat(&self.0, plain(name)?, flags, Mode::empty())?))
    }

    /// The folder at the end of `way`, whose parts are separated by `/`; a link on the way is an error.
    pub fn descend(&self, way: &str) -> io::Result<Folder> {
        let mut folder = Folder(self.0.try_clone()?);
        for name in way.split('/').filter(|name| !name.is_empty()) {
            folder = folder.within(name)?;
        }
        Ok(folder)
    }

    /// As [`Folder::descend`], and makes what is missing, readable by us alone; says whether anything was. It does not wait for the
    /// disk: see [`Folder::sync_way`].
    pub fn descend_or_make(&self, way: &str) -> io::Result<(Folder, bool)> {
        let mut folder = Folder(self.0.try_clone()?);
        let mut made = false;
        for name in way.split('/').filter(|name| !name.is_empty()) {
            match rustix::fs::mkdirat(&folder.0, plain(name)?, Mode::RWXU) {
                Ok(()) => made = true,
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = folder.within(name)?;
        }
        Ok((folder, made))
    }

    /// Has the names of all folders on `way` reach the disk.
    pub fn sync_way(&self, way: &str) -> io::Result<()> {
        let mut folder = Folder(self.0.try_clone()?);
        for name in way.split('/').filter(|name| !name.is_empty()) {
            folder.sync()?;
            folder = folder.within(name)?;
        }
        Ok(())
    }

    /// Makes a file to read and write, readable by us alone. One that is there already, or a link, is an error.
    pub fn create_file(&self, name: &str) -> io::Result<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(rustix::fs::openat(&self.0, plain(name)?, flags, mode)?.into())
    }

    /// Opens a file to read and write; a link is an error.
    pub fn open_file(&self, name: &str) -> io::Result<File> {
        self.open_for(name, OFlags::RDWR)
    }

    /// Opens a file to read; a link is an error.
    pub fn open_to_read(&self, name: &str) -> io::Result<File> {
        self.open_for(name, OFlags::RDONLY)
    }

    fn open_for(&self, name: &str, access: OFlags) -> io::Result<File> {
        // Not to wait for a pipe that somebody put there.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.0, plain(name)?, flags, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(file)
    }

    /// Gives a file of this folder another name, which nothing has yet.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        if self.kind(to)?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(rustix::fs::renameat(&self.0, plain(from)?, &self.0, plain(to)?)?)
    }

    /// What `name` is; `None` if there is no such name.
    pub fn kind(&self, name: &str) -> io::Result<Option<Kind>> {
        match rustix::fs::statat(&self.0, plain(name)?, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(kind(FileType::from_raw_mode(stat.st_mode)))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// How long a file is, in bytes.
    pub fn size(&self, name: &str) -> io::Result<u64> {
        let stat = rustix::fs::statat(&self.0, plain(name)?, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// Inode and bytes of a file of this folder; `None`: there is none of that name.
    pub fn identity(&self, name: &str) -> io::Result<Option<(u64, u64)>> {
        match rustix::fs::statat(&self.0, plain(name)?, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some((stat.st_ino, u64::try_from(stat.st_size).unwrap_or(0)))),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(test)]
    pub(super) fn inode(&self) -> io::Result<u64> {
        Ok(rustix::fs::fstat(&self.0)?.st_ino)
    }

    /// Bytes that may still be written to its file system.
    pub fn free(&self) -> io::Result<u64> {
        Ok(room(rustix::fs::fstatvfs(&self.0)?))
    }

    /// Removes a file of this folder.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, plain(name)?, AtFlags::empty())?)
    }

    /// Removes an empty folder of this folder.
    pub fn remove_folder(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, plain(name)?, AtFlags::REMOVEDIR)?)
    }

    /// Has what was created and removed here reach the disk.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// Everything in it, sorted; names that are not UTF-8 are none of ours and come as `Other` with what can be read of them.
    pub fn names(&self) -> io::Result<Vec<(String, Kind)>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = match entry.file_name().to_str() {
                Ok("." | "..") => continue,
                Ok(name) => name.to_owned(),
                Err(_) => {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    names.push((name, Kind::Other));
                    continue;
                }
            };
            let of = match entry.file_type() {
                // Some file systems do not tell.
                FileType::Unknown => match self.kind(&name)? {
                    Some(kind) => kind,
                    None => continue,
                },
                known => kind(known),
            };
            names.push((name, of));
        }
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(names)
    }
}

/// An exclusive lock on a file, until it is dropped or the process dies: there is nothing stale to clean up.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Takes it at once, or says by `None` that another process has it.
    pub fn take(path: &Path) -> io::Result<Option<Lock>> {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // Who has it, for the eyes of an admin; the lock itself does not depend on it.
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Some(Lock(file)))
    }
}

/// Makes the folder and those above it, readable by us alone. One that is there already and open to others is closed to them if it
/// holds nothing but names that are `ours`; if it may be somebody else's too, the error says what to run.
pub fn create_private(path: &Path, ours: impl Fn(&str) -> bool) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    if Folder::open(path)?.names()?.iter().all(|(name, _)| ours(name)) {
        return std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700));
    }
    Err(io::Error::other(format!(
        "others may read it (mode {:04o}), and it holds more than tonspur's files: name a folder of its own in switch.toml, or if \
         it is one: chmod 0700 {}",
        mode & 0o7777,
        path.display()
    )))
}

/// Bytes that may still be written to the file system of `path`.
pub fn free(path: &Path) -> io::Result<u64> {
    Ok(room(rustix::fs::statvfs(path)?))
}

/// A file system that does not count its blocks has enough of them.
fn room(of: StatVfs) -> u64 {
    if of.f_blocks == 0 { u64::MAX } else { of.f_bavail.saturating_mul(of.f_frsize) }
}

/// One component, not a way.
fn plain(name: &str) -> io::Result<&str> {
    match name {
        "" | "." | ".." => Err(io::ErrorKind::InvalidInput.into()),
        name if name.contains(['/', '\0']) => Err(io::ErrorKind::InvalidInput.into()),
        name => Ok(name),
    }
}

fn kind(of: FileType) -> Kind {
    match of {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_way_out() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(place.path()).expect("opens");
        for name in ["..", ".", "", "a/b", "/etc", "a\0b"] {
            assert_eq!(
                folder.within(name).expect_err(name).kind(),
                io::ErrorKind::InvalidInput,
                "{name:?}"
            );
            assert!(folder.remove_file(name).is_err());
        }
    }

    #[test]
    fn a_link_is_seen_for_what_it_is() {
        let place = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(place.path().join("real")).expect("created");
        std::os::unix::fs::symlink("real", place.path().join("link")).expect("linked");
        let folder = Folder::open(place.path()).expect("opens");
        assert!(folder.within("real").is_ok());
        assert!(folder.within("link").is_err());
        assert_eq!(
            folder.names().expect("listed"),
            [("link".into(), Kind::Other), ("real".into(), Kind::Folder)]
        );
    }

    #[test]
    fn a_folder_that_is_somebody_elses_too_keeps_its_rights() {
        let place = tempfile::tempdir().expect("a folder");
        let mode = || std::fs::metadata(place.path()).expect("there").permissions().mode() & 0o7777;
        let open = |mode| {
            let rights = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(place.path(), rights).expect("set");
        };
        let close = || create_private(place.path(), |name| name == "ours");
        open(0o1777);
        std::fs::write(place.path().join("ours"), "").expect("written");
        std::fs::write(place.path().join("theirs"), "").expect("written");
        let refused = close().expect_err("refused").to_string();
        assert!(refused.ends_with(&format!("chmod 0700 {}", place.path().display())), "{refused}");
        assert_eq!(mode(), 0o1777);
        std::fs::remove_file(place.path().join("theirs")).expect("removed");
        close().expect("closed");
        assert_eq!(mode(), 0o700);
        let inner = place.path().join("a/b");
        create_private(&inner, |_| false).expect("made");
        assert_eq!(std::fs::metadata(inner).expect("there").permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_lock_is_taken_once_and_freed_by_its_end() {
        let place = tempfile::tempdir().expect("a folder");
        let path = place.path().join("lock");
        let held = Lock::take(&path).expect("no error").expect("free");
        assert!(Lock::take(&path).expect("no error").is_none());
        drop(held);
        assert!(Lock::take(&path).expect("no error").is_some());
    }
}

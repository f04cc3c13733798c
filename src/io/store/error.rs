//! What can be wrong with the store, in words for the operator.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::reserve;

/// Why the store cannot be opened or read.
#[derive(Debug)]
pub enum Error {
    /// Another process writes to it.
    Busy(PathBuf),
    /// There is none yet.
    Missing(PathBuf),
    /// A newer Tonspur made it.
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest we know.
        known: i64,
    },
    /// An older Tonspur made it, and it is only being read.
    Older(PathBuf),
    /// The file is damaged.
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// The file is a database, but not of ours.
    Foreign(PathBuf),
    /// The disk is.
    Full(PathBuf),
    /// The folder or a file cannot be made, opened, locked.
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Anything else that SQLite refuses.
    Sql {
        /// The database.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
}

impl Error {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::Full(path.to_owned())
            }
            _ => Error::Io { path: path.to_owned(), error },
        }
    }

    pub(super) fn sql(path: &Path) -> impl Fn(rusqlite::Error) -> Error {
        move |error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Error::Corrupt { path: path.to_owned(), detail: error.to_string() }
            }
            Some(rusqlite::ErrorCode::DiskFull) => Error::Full(path.to_owned()),
            // What it says of a log that cannot be made.
            Some(rusqlite::ErrorCode::SystemIoFailure | rusqlite::ErrorCode::CannotOpen)
                if reserve::is_full(path) =>
            {
                Error::Full(path.to_owned())
            }
            Some(_) | None => Error::Sql { path: path.to_owned(), error },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Busy(path) => write!(
                f,
                "another tonspur uses {}: stop it first, or name another state folder",
                path.display()
            ),
            Error::Missing(path) => {
                write!(f, "there is no database {} yet: `tonspur serve` makes it", path.display())
            }
            Error::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer tonspur (schema {found}, this one knows {known}): use that one, or restore the copy it made before",
                path.display()
            ),
            Error::Older(path) => write!(
                f,
                "{} was written by an older tonspur: start `tonspur serve` once, it keeps a copy and brings it up to date",
                path.display()
            ),
            Error::Corrupt { path, detail } => write!(
                f,
                "{0} is damaged ({detail}). The recordings are files of their own and not concerned. \
                 Restore {0} from a copy; or move it away together with {0}-wal and {0}-shm and start again with an empty one: \
                 `tonspur recording check` then names the files that have lost their row",
                path.display()
            ),
            Error::Foreign(path) => {
                write!(f, "{} is a database, but not one of tonspur's", path.display())
            }
            Error::Full(path) => {
                write!(f, "{}: the disk is full: make room there, then try again", path.display())
            }
            Error::Io { path, error } => write!(f, "{}: {error}", path.display()),
            Error::Sql { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { error, .. } => Some(error),
            Error::Sql { error, .. } => Some(error),
            Error::Busy(_)
            | Error::Missing(_)
            | Error::Newer { .. }
            | Error::Older(_)
            | Error::Corrupt { .. }
            | Error::Foreign(_)
            | Error::Full(_) => None,
        }
    }
}

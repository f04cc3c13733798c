//! Whether rows and files agree: files that nobody knows, rows whose file is missing, what is left lying about.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use super::export::transfer;
use super::folder::{Folder, Kind};
use super::store::{self, Reader, Recording, State};
use crate::media::RecordingId;

/// Year, month and day lie this deep; what is deeper is none of ours.
const DEPTH: usize = 8;

/// What does not agree. Paths are relative to the recordings folder.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Recordings on disk without a row: no policy will delete them.
    pub without_row: Vec<String>,
    /// Rows of whole recordings whose file is missing.
    pub without_file: Vec<(RecordingId, String)>,
    /// Deleted by retention, and there again.
    pub after_purge: Vec<(RecordingId, String)>,
    /// Whole recordings whose file is longer or shorter than its row says.
    pub wrong_size: Vec<(RecordingId, String)>,
    /// Whole recordings whose file is of the right size and says something else; only looked for with [`Look::Digests`].
    pub wrong_digest: Vec<(RecordingId, String)>,
    /// `.part` files of no recording that is open or failed.
    pub stray_parts: Vec<String>,
    /// Links, and files that are no recordings; hidden ones are not looked at.
    pub strange: Vec<String>,
    /// Files that are where they should be.
    pub agreeing: usize,
}

/// How closely files are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// Whether they are there, and their sizes.
    Sizes,
    /// Every byte, against the SHA-256 of the row.
    Digests,
}

/// Why they could not be compared.
#[derive(Debug)]
pub enum Error {
    /// The folder cannot be read.
    Folder(io::Error),
    /// The rows cannot.
    Store(store::Error),
}

impl Report {
    /// Nothing to report.
    pub fn is_clean(&self) -> bool {
        self.without_row.is_empty()
            && self.without_file.is_empty()
            && self.after_purge.is_empty()
            && self.wrong_size.is_empty()
            && self.wrong_digest.is_empty()
            && self.stray_parts.is_empty()
            && self.strange.is_empty()
    }
}

/// Compares the recordings folder with the store. A switch may be running.
pub fn reconcile(recordings: &Path, reader: &Reader, look: Look) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut files = BTreeMap::new();
    let root = Folder::open(recordings).map_err(Error::Folder)?;
    walk(&root, "", 0, &mut files, &mut report.strange).map_err(Error::Folder)?;

    // Rows are read after the files: a row is committed before its file is made.
    for row in reader.files().map_err(Error::Store)? {
        let (recording, state, path) = (row.recording, row.state(), row.path.clone());
        let size = files.remove(&path);
        let file = size.is_some();
        let part = files.remove(&format!("{path}.part")).is_some();
        match state {
            State::Open | State::Failed => {
                report.agreeing += usize::from(file || part);
                continue;
            }
            State::Sealed | State::Interrupted if file => {
                if row.bytes.is_some_and(|bytes| Some(bytes) != size) {
                    report.wrong_size.push((recording, path.clone()));
                } else if look == Look::Sizes || says_the_same(&root, &row)? {
                    report.agreeing += 1;
                } else if is_still_kept(reader, recording)? {
                    report.wrong_digest.push((recording, path.clone()));
                }
            }
            State::Sealed | State::Interrupted => {
                if is_missing(&root, &path) && is_still_kept(reader, recording)? {
                    report.without_file.push((recording, path.clone()));
                }
            }
            State::Purged if file => report.after_purge.push((recording, path.clone())),
            State::Purged => {}
        }
        if part {
            report.stray_parts.push(format!("{path}.part"));
        }
    }
    for path in files.into_keys() {
        if path.ends_with(".part") {
            report.stray_parts.push(path);
        } else if path.ends_with(".wav") {
            report.without_row.push(path);
        } else {
            report.strange.push(path);
        }
    }
    report.stray_parts.sort_unstable();
    report.strange.sort_unstable();
    Ok(report)
}

fn walk(
    folder: &Folder,
    way: &str,
    depth: usize,
    files: &mut BTreeMap<String, u64>,
    strange: &mut Vec<String>,
) -> io::Result<()> {
    for (name, kind) in folder.names()? {
        // `.state`, `.gitkeep`, and what says what the folder is for.
        if name.starts_with('.') || (way.is_empty() && name == "README.md") {
            continue;
        }
        let path = if way.is_empty() { name.clone() } else { format!("{way}/{name}") };
        match kind {
            Kind::File => match folder.size(&name) {
                Ok(size) => drop(files.insert(path, size)),
                // Deleted, or sealed under its other name, as we look.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            },
            Kind::Folder if depth < DEPTH => match folder.within(&name) {
                Ok(inner) => walk(&inner, &path, depth + 1, files, strange)?,
                // Retention clears empty folders away as we look.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            },
            Kind::Folder | Kind::Other => strange.push(path),
        }
    }
    Ok(())
}

/// Whether the file has the digest of its row; one that is deleted as we read says nothing else.
fn says_the_same(root: &Folder, row: &Recording) -> Result<bool, Error> {
    let (folders, name) = row.path.rsplit_once('/').unwrap_or(("", &row.path));
    let read = || {
        let file = root.descend(folders)?.open_to_read(name)?;
        transfer(file, io::sink(), |error| error, |error| error)
    };
    match (read(), &row.sha256) {
        (Ok(found), Some(sha256)) => Ok(found == *sha256),
        (Ok(_), None) => Ok(true),
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        (Err(error), _) => Err(Error::Folder(error)),
    }
}

/// Looked at again: it may have been sealed since the folder was read.
fn is_missing(root: &Folder, path: &str) -> bool {
    let mut folder = None;
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
    for name in folders.split('/').filter(|name| !name.is_empty()) {
        match folder.as_ref().unwrap_or(root).within(name) {
            Ok(inner) => folder = Some(inner),
            Err(_) => return true,
        }
    }
    !matches!(folder.as_ref().unwrap_or(root).kind(file), Ok(Some(Kind::File)))
}

/// Asked again: it may have been purged since the row was read, or be about to be.
fn is_still_kept(reader: &Reader, recording: RecordingId) -> Result<bool, Error> {
    match reader.recording(&recording.to_string()).map_err(Error::Store)? {
        store::Matches::One(row) => Ok(row.purged.is_none() && row.purge_ordered.is_none()),
        store::Matches::None | store::Matches::Many => Ok(false),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Folder(error) => write!(f, "the recordings folder cannot be read: {error}"),
            Error::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::io::store::Store;
    use crate::media::{Samples, Sealed};
    use crate::switch::journal::{Armed, CallId, Entry};
    use crate::utc::Utc;

    fn now() -> Utc {
        Utc::parse("2030-01-07T09:00:00Z").expect("a time")
    }

    fn path(id: u64) -> String {
        format!("2030/01/07/{id}.wav")
    }

    fn armed(id: u64) -> Entry {
        Entry::Armed(Armed {
            recording: RecordingId(id),
            call: CallId(id),
            agent: "bob".into(),
            path: path(id),
            policy: "short".into(),
            keep: Duration::from_secs(1),
            continues: None,
            at: now(),
        })
    }

    fn sealed(id: u64) -> Entry {
        let sealed = Sealed {
            length: Samples(8_000),
            sha256: Sha256::digest(b"audio").into(),
            bytes: 5,
            silences: vec![],
            gaps: vec![],
            packets: None,
        };
        Entry::Sealed { recording: RecordingId(id), sealed, at: now() }
    }

    fn put(root: &Path, path: &str) {
        let file = root.join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("created");
        std::fs::write(file, b"audio").expect("written");
    }

    fn compare(root: &Path, entries: &[Entry]) -> Report {
        let state = root.join(".state");
        let mut store = Store::open(&state, root, now()).expect("opens").store;
        store.write(entries).expect("written");
        reconcile(root, &Reader::open(&state).expect("opens"), Look::Digests).expect("compared")
    }

    #[test]
    fn rows_and_files_that_agree_are_no_news() {
        let place = tempfile::tempdir().expect("a folder");
        put(place.path(), &path(1));
        put(place.path(), &(path(2) + ".part"));
        put(place.path(), ".gitkeep");
        put(place.path(), "README.md");
        let entries = [
            armed(1),
            sealed(1),
            armed(2),
            armed(3),
            sealed(3),
            Entry::Purged { recording: RecordingId(3), at: now() },
        ];
        let report = compare(place.path(), &entries);
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(report.agreeing, 2);
    }

    #[test]
    fn what_does_not_agree_is_named() {
        let place = tempfile::tempdir().expect("a folder");
        let root = place.path();
        put(root, "2030/01/07/nobody.wav");
        put(root, "2030/01/07/lost.wav.part");
        put(root, &path(2));
        put(root, &(path(2) + ".part"));
        put(root, &path(3));
        put(root, "notes.txt");
        std::os::unix::fs::symlink("/etc", root.join("2030/01/08")).expect("linked");
        let entries = [
            armed(1),
            sealed(1),
            armed(2),
            sealed(2),
            armed(3),
            sealed(3),
            Entry::Purged { recording: RecordingId(3), at: now() },
        ];
        let report = compare(root, &entries);
        assert_eq!(
            report,
            Report {
                without_row: vec!["2030/01/07/nobody.wav".into()],
                without_file: vec![(RecordingId(1), path(1))],
                after_purge: vec![(RecordingId(3), path(3))],
                stray_parts: vec![path(2) + ".part", "2030/01/07/lost.wav.part".into()],
                strange: vec!["2030/01/08".into(), "notes.txt".into()],
                agreeing: 1,
                ..Report::default()
            }
        );
        assert!(!report.is_clean());
    }

    #[test]
    fn a_file_that_says_something_else_than_its_row_is_named() {
        let place = tempfile::tempdir().expect("a folder");
        let root = place.path();
        let entries = [1, 2, 3].map(|id| [armed(id), sealed(id)]).concat();
        for (id, audio) in [(1, "audio"), (2, ""), (3, "oidua")] {
            put(root, &path(id));
            std::fs::write(root.join(path(id)), audio).expect("written");
        }
        let report = compare(root, &entries);
        assert_eq!(report.wrong_size, [(RecordingId(2), path(2))]);
        assert_eq!(report.wrong_digest, [(RecordingId(3), path(3))]);
        assert_eq!((report.agreeing, report.is_clean()), (1, false));

        let reader = Reader::open(&root.join(".state")).expect("opens");
        let sizes = reconcile(root, &reader, Look::Sizes).expect("compared");
        assert_eq!((sizes.wrong_size.len(), sizes.wrong_digest.len()), (1, 0));
    }

    #[test]
    fn a_file_that_retention_is_deleting_is_not_missed() {
        let place = tempfile::tempdir().expect("a folder");
        let recording = RecordingId(1);
        let ordered = Entry::PurgeOrdered { recording, policy: "short".into(), at: now() };
        let report = compare(place.path(), &[armed(1), sealed(1), ordered]);
        assert!(report.is_clean(), "{report:?}");
    }
}

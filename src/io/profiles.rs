//! The profiles folder on disk: read whole, and users written into it.
#![expect(clippy::disallowed_methods, reason = "the profiles are files")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::certificates::{self, Certificates};
use super::clock::Clock;
use crate::config::{self, Error, Loaded, Source, Warning, users};
use crate::redacted::Redacted;
use crate::switch::settings::User;
use crate::wire::sip::auth::Ha1;

/// A file of settings is not longer; reading a device or a recording by mistake ends here.
const LONGEST_FILE: u64 = 1 << 20;

/// Reads and checks the whole folder. Paths in the result are joined with it.
pub fn load(folder: &Path) -> Result<Loaded, Vec<Error>> {
    let (sources, warnings) = read(folder)?;
    let mut loaded = config::load(&sources)?;
    for path in [&mut loaded.recordings, &mut loaded.state, &mut loaded.prompts] {
        *path = plain(&folder.join(&*path));
    }
    for path in loaded.settings.certificates.paths() {
        *path = folder.join(&*path);
    }
    let certificates = &loaded.settings.certificates;
    let read = Certificates::read(certificates).map_err(|wrong| {
        vec![Error { file: place(folder, &wrong.file), line: None, what: wrong.what }]
    })?;
    for odd in certificates::oddities(certificates, &read.rows(), Clock::system().now().utc) {
        let file = place(folder, &odd.file);
        loaded.warnings.push(Warning { file, line: None, what: odd.what });
    }
    loaded.warnings.extend(warnings);
    loaded.warnings.sort();
    Ok(loaded)
}

/// A path as it is written in the files.
fn place(folder: &Path, path: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).display().to_string()
}

/// Where recordings and state lie, by `switch.toml` alone: mistakes anywhere else do not matter.
pub fn places(folder: &Path) -> Result<(PathBuf, PathBuf), Vec<Error>> {
    let mut found = Found::default();
    let path = folder.join(config::NODE);
    match fs::symlink_metadata(&path) {
        // That it is missing is said of a folder that is there.
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            if let Err(why) = fs::read_dir(folder) {
                found.unreadable(folder, None, &why);
            }
        }
        Ok(_) | Err(_) => found.file(&path, config::NODE.to_owned()),
    }
    if !found.errors.is_empty() {
        return Err(found.errors);
    }
    let (recordings, state) = config::places(&found.sources)?;
    Ok((plain(&folder.join(recordings)), plain(&folder.join(state))))
}

/// Every `.toml` of the folder and of the folders in it, and the secrets. Hidden files (an editor's) are left out, as are READMEs.
pub fn read(folder: &Path) -> Result<(Vec<Source>, Vec<Warning>), Vec<Error>> {
    let mut found = Found::default();
    found.folder(folder, None);
    if found.errors.is_empty() {
        found.sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((found.sources, found.warnings))
    } else {
        found.errors.sort();
        Err(found.errors)
    }
}

#[derive(Default)]
struct Found {
    sources: Vec<Source>,
    warnings: Vec<Warning>,
    errors: Vec<Error>,
}

impl Found {
    /// `inside` is the name of the folder within the profiles folder, if it is not that itself.
    fn folder(&mut self, folder: &Path, inside: Option<&str>) {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(why) => return self.unreadable(folder, inside, &why),
        };
        for entry in entries {
            let name = match &entry {
                Ok(entry) => entry.file_name().to_string_lossy().into_owned(),
                Err(why) => {
                    self.error(inside.unwrap_or("."), format!("the folder cannot be read: {why}"));
                    continue;
                }
            };
            if name.starts_with('.') {
                continue;
            }
            let path = folder.join(&name);
            let place = inside.map_or_else(|| name.clone(), |inside| format!("{inside}/{name}"));
            if path.is_dir() {
                // Prompts and certificates are not settings, and nothing lies deeper.
                if inside.is_some() {
                    self.passed_over(place, "no folder is read in a folder");
                } else if !["prompts", "tls"].contains(&name.as_str()) {
                    self.folder(&path, Some(&name));
                }
            } else if name.ends_with(".toml") || inside == Some("secrets") {
                self.file(&path, place);
            } else if !name.starts_with("README") {
                self.passed_over(place, "it is not read: its name does not end in .toml");
            }
        }
    }

    fn unreadable(&mut self, folder: &Path, inside: Option<&str>, why: &io::Error) {
        let name = inside.map_or_else(|| folder.display().to_string(), str::to_owned);
        self.error(&name, format!("the folder cannot be read: {why}"));
    }

    fn file(&mut self, path: &Path, place: String) {
        let read = || -> io::Result<(String, u32)> {
            // A FIFO would block the open itself.
            let metadata = fs::metadata(path)?;
            if !metadata.is_file() {
                return Err(io::Error::other("it is not a file"));
            }
            let mut text = String::new();
            let file = File::open(path)?;
            if file.take(LONGEST_FILE + 1).read_to_string(&mut text)? as u64 > LONGEST_FILE {
                return Err(io::Error::other("it is longer than 1 MiB"));
            }
            Ok((text, metadata.permissions().mode()))
        };
        match read() {
            Ok((text, mode)) => {
                let hashes = place.starts_with("users/") && text.contains("ha1");
                if mode & 0o077 != 0 && (place.starts_with("secrets/") || hashes) {
                    let what =
                        format!("others may read it (mode {:04o}): chmod 0600", mode & 0o7777);
                    self.warnings.push(Warning { file: place.clone(), line: None, what });
                }
                self.sources.push(Source { path: place, text });
            }
            Err(why) if why.kind() == io::ErrorKind::PermissionDenied => {
                let user = super::process::user();
                let what = format!(
                    "it cannot be read by this user (number {user}): {why}; give it to them, or run as its owner"
                );
                self.error(&place, what);
            }
            Err(why) => self.error(&place, format!("it cannot be read: {why}")),
        }
    }

    fn passed_over(&mut self, file: String, why: &str) {
        self.warnings.push(Warning { file, line: None, what: why.to_owned() });
    }

    fn error(&mut self, file: &str, what: String) {
        self.errors.push(Error { file: file.to_owned(), line: None, what });
    }
}

/// Without `..` and links, for people to read, as far as it is there; the rest may be made later.
fn plain(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => plain(parent).join(name),
        _ => path.to_owned(),
    })
}

/// A user to be written.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The number others dial, also the user name of the digest.
    pub extension: String,
    /// The name shown; if not given, that of the file there is.
    pub name: Option<Redacted<String>>,
    /// The number shown to carriers; if not given, that of the file there is.
    pub caller_id: Option<Redacted<String>>,
    /// Only its hashes are written.
    pub password: Redacted<String>,
    /// What becomes of a password that is set already.
    pub present: Present,
}

/// A password that is set already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Present {
    /// Stays, and the new one is refused.
    Keep,
    /// Is overwritten.
    Replace,
}

/// Why a user was not added or removed.
#[derive(Debug)]
pub enum Refused {
    /// It would not do; in a sentence.
    Because(String),
    /// There is no such user.
    Unknown(String),
    /// Others need the user: their files, with what would be wrong in them.
    Needed(String, Vec<Error>),
    /// The files would be, or are, wrong.
    Files(Vec<Error>),
    /// The file cannot be written.
    Write(PathBuf, io::Error),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Because(why) => f.write_str(why),
            Refused::Unknown(extension) => {
                write!(f, "there is no user {extension} (users/{extension}.toml)")
            }
            Refused::Needed(extension, errors) => {
                let place = |error: &Error| match error.line {
                    Some(line) => format!("{}:{line}", error.file),
                    None => error.file.clone(),
                };
                let places: Vec<String> = errors.iter().map(place).collect();
                let places = places.join(", ");
                write!(
                    f,
                    "user {extension} is still named in {places}: change that first, then remove the user"
                )
            }
            Refused::Files(errors) => {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
            Refused::Write(path, why) => write!(f, "{}: {why}", path.display()),
        }
    }
}

impl std::error::Error for Refused {}

/// Writes `users/<extension>.toml` with the hashes of the password for the domain of the folder; whole or not at all, mode 0600.
/// Takes effect at the next start. Returns the file's path.
pub fn add_user(folder: &Path, user: &NewUser) -> Result<PathBuf, Refused> {
    let extension = user.extension.as_str();
    config::check_extension(extension).map_err(Refused::Because)?;
    users::check_password(extension, user.password.reveal()).map_err(Refused::Because)?;
    let (sources, _) = read(folder).map_err(Refused::Files)?;
    let realm = config::domain(&sources).map_err(Refused::Files)?;
    let place = format!("users/{extension}.toml");
    let there = sources.iter().find(|source| source.path == place);
    let before = there.and_then(|source| known(source, &sources, extension, &realm));
    let has_password = there.is_some_and(|_| before.as_ref().is_none_or(has_password));
    match (user.present, has_password) {
        (Present::Keep, true) => {
            return Err(Refused::Because(format!(
                "user {extension} has a password already ({place})"
            )));
        }
        (Present::Keep, false) | (Present::Replace, _) => {}
    }
    let ha1 = Ha1::of(extension, &realm, user.password.reveal());
    let shown = user.name.clone().or(before.as_ref().map(|user| user.name.clone()));
    let caller_id = user.caller_id.clone().or_else(|| {
        before.and_then(|user| user.caller_id).map(|number| Redacted::new(number.as_str().into()))
    });
    let [shown, caller_id] =
        [&shown, &caller_id].map(|text| text.as_ref().map(|text| text.reveal().as_str()));
    let more = there.map(|source| users::more(&source.text)).unwrap_or_default();
    let text = users::write(shown, caller_id, &realm, &ha1, &more).map_err(Refused::Because)?;
    let mut after: Vec<Source> =
        sources.iter().filter(|source| source.path != place).cloned().collect();
    after.push(Source::new(place.as_str(), text.as_str()));
    no_worse(&sources, &after)?;
    let path = folder.join(&place);
    put(&path, &text).map_err(|why| Refused::Write(path.clone(), why))?;
    Ok(path)
}

/// Whether [`remove_user`] would do it; returns the path of the file that would go.
pub fn removable_user(folder: &Path, extension: &str) -> Result<PathBuf, Refused> {
    config::check_extension(extension).map_err(Refused::Because)?;
    let (sources, _) = read(folder).map_err(Refused::Files)?;
    let place = format!("users/{extension}.toml");
    let after: Vec<Source> =
        sources.iter().filter(|source| source.path != place).cloned().collect();
    if after.len() == sources.len() {
        return Err(Refused::Unknown(extension.to_owned()));
    }
    no_worse(&sources, &after).map_err(|refused| match refused {
        Refused::Files(errors) => Refused::Needed(extension.to_owned(), errors),
        other => other,
    })?;
    Ok(folder.join(&place))
}

/// Deletes `users/<extension>.toml`, unless an agent or a route needs it. Returns the file's path.
pub fn remove_user(folder: &Path, extension: &str) -> Result<PathBuf, Refused> {
    let path = removable_user(folder, extension)?;
    let gone = fs::remove_file(&path).and_then(|()| File::open(folder.join("users"))?.sync_all());
    gone.map_err(|why| Refused::Write(path.clone(), why))?;
    Ok(path)
}

/// A password of 120 random bits, easy to read aloud: four groups of six of Crockford's base 32.
pub fn make_password() -> io::Result<Redacted<String>> {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut random = [0u8; 24];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let groups: Vec<String> = random
        .chunks(6)
        .map(|group| group.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect())
        .collect();
    Ok(Redacted::new(groups.join("-")))
}

/// The user a file describes; `None` if it is not sound.
fn known(source: &Source, all: &[Source], extension: &str, realm: &str) -> Option<User> {
    // Alone with a domain, an address and what it may name, so that other files' mistakes do not matter here.
    let named = all.iter().filter(|source| source.path.starts_with("hours/")).cloned();
    let sources = [
        Source::new("switch.toml", format!("domain = \"{realm}\"")),
        Source::new("internal.toml", "bind = \"127.0.0.1:5060\""),
        source.clone(),
    ];
    let sources: Vec<Source> = sources.into_iter().chain(named).collect();
    config::load(&sources).ok()?.settings.users.remove(extension)
}

fn has_password(user: &User) -> bool {
    user.ha1.sha256.is_some() || user.ha1.md5.is_some()
}

/// A change may leave old mistakes, it may not add any.
fn no_worse(before: &[Source], after: &[Source]) -> Result<(), Refused> {
    let Err(mut errors) = config::load(after) else { return Ok(()) };
    let old = config::load(before).err().unwrap_or_default();
    errors.retain(|error| !old.contains(error));
    if errors.is_empty() { Ok(()) } else { Err(Refused::Files(errors)) }
}

/// Writes beside, then renames: a reader finds the old file or the new one, a crash leaves one of them.
fn put(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    // What an earlier process of this number left there.
    let _ = fs::remove_file(&beside);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(test)]
mod tests;

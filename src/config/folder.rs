//! The profiles folder: which file is what, by its place.

use std::collections::BTreeMap;

use super::file::Document;
use super::findings::Findings;
use super::{Source, name, nearest};

/// What concerns the whole node.
pub const NODE: &str = "switch.toml";
/// The addresses for phones.
pub(super) const INTERNAL: &str = "internal.toml";
/// The addresses for carriers.
pub(super) const EXTERNAL: &str = "external.toml";
/// Where passwords lie.
const SECRETS: &str = "secrets";

/// A folder with one object a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Agents,
    Groups,
    Hours,
    Policies,
    Queues,
    Routes,
    Trunks,
    Users,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Agents,
        Kind::Groups,
        Kind::Hours,
        Kind::Policies,
        Kind::Queues,
        Kind::Routes,
        Kind::Trunks,
        Kind::Users,
    ];

    /// The folder's name.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Kind::Agents => "agents",
            Kind::Groups => "groups",
            Kind::Hours => "hours",
            Kind::Policies => "policies",
            Kind::Queues => "queues",
            Kind::Routes => "routes",
            Kind::Trunks => "trunks",
            Kind::Users => "users",
        }
    }

    /// One of its objects.
    fn noun(self) -> &'static str {
        match self {
            Kind::Agents => "agent",
            Kind::Groups => "ring group",
            Kind::Hours => "opening hours",
            Kind::Policies => "retention policy",
            Kind::Queues => "queue",
            Kind::Routes => "route",
            Kind::Trunks => "trunk",
            Kind::Users => "user",
        }
    }
}

/// The files by their places. A file that cannot be parsed keeps its name, so that nobody is told it is not there.
#[derive(Debug, Default)]
pub(super) struct Folder<'a> {
    top: BTreeMap<&'a str, Option<Document<'a>>>,
    /// Parsed when they are read, one at a time: an office of 100,000 users has as many files.
    objects: BTreeMap<Kind, BTreeMap<&'a str, &'a Source>>,
    secrets: BTreeMap<&'a str, &'a str>,
}

impl<'a> Folder<'a> {
    /// Parses the files of the top level and reports those that have no place.
    pub(super) fn sort(sources: &'a [Source], findings: &Findings) -> Folder<'a> {
        let mut sorted = Folder::default();
        for source in sources {
            let path = source.path.as_str();
            match path.split_once('/') {
                Some((SECRETS, _)) => {
                    sorted.secrets.insert(path, &source.text);
                }
                Some((folder, file)) => sorted.object(folder, file, source, findings),
                None => sorted.top_level(source, findings),
            }
        }
        sorted
    }

    /// A file of the top level; `None` if it is not there or cannot be parsed.
    pub(super) fn top(&self, path: &str) -> Option<&Document<'a>> {
        self.top.get(path).and_then(Option::as_ref)
    }

    /// Whether a file is there, readable or not.
    pub(super) fn has(&self, path: &str) -> bool {
        self.top.contains_key(path)
    }

    /// The objects of a kind that can be parsed, by name. Each kind is read once, since what cannot be parsed is reported here.
    pub(super) fn objects(
        &self,
        kind: Kind,
        findings: &Findings,
    ) -> impl Iterator<Item = (&'a str, Document<'a>)> {
        let all = self.objects.get(&kind).into_iter().flatten();
        all.filter_map(|(name, source)| {
            let document = Document::parse(&source.path, &source.text, findings)?;
            Some((*name, document))
        })
    }

    /// `Err` says that there is no object of that name, and which is meant.
    pub(super) fn check(&self, kind: Kind, name: &str) -> Result<(), String> {
        let names = self.objects.get(&kind).into_iter().flat_map(|all| all.keys().copied());
        if names.clone().any(|known| known == name) {
            return Ok(());
        }
        let (noun, folder) = (kind.noun(), kind.folder());
        let hint = nearest::hint(name, names);
        let name = name.escape_debug();
        Err(format!("no {noun} `{name}` ({folder}/{name}.toml){hint}"))
    }

    /// What a secret file says, without the line end an editor adds.
    pub(super) fn secret(&self, path: &str) -> Result<&'a str, String> {
        if path.strip_prefix("secrets/").is_none_or(str::is_empty) {
            return Err("names a file in `secrets/`, such as `secrets/north`".to_owned());
        }
        let text = self.secrets.get(path).ok_or_else(|| {
            let hint = nearest::hint(path, self.secrets.keys().copied());
            format!("names a file that is not there{hint}")
        })?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() || text.contains(char::is_control) {
            return Err("names a file that does not hold one line of text".to_owned());
        }
        Ok(text)
    }

    fn top_level(&mut self, source: &'a Source, findings: &Findings) {
        let path = source.path.as_str();
        if [NODE, INTERNAL, EXTERNAL].contains(&path) {
            self.top.insert(path, Document::parse(path, &source.text, findings));
        } else {
            let hint = nearest::hint(path, [NODE, INTERNAL, EXTERNAL]);
            findings.error(path, None, format!("no such file is read{hint}"));
        }
    }

    fn object(&mut self, folder: &str, file: &'a str, source: &'a Source, findings: &Findings) {
        let path = source.path.as_str();
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.folder() == folder) else {
            let known = Kind::ALL.map(Kind::folder);
            let hint = nearest::hint(folder, known);
            return findings.error(path, None, format!("no folder of that name is read{hint}"));
        };
        let name = file.strip_suffix(".toml").unwrap_or(file);
        let fits = match kind {
            Kind::Users => name::check_extension(name),
            Kind::Agents
            | Kind::Groups
            | Kind::Hours
            | Kind::Policies
            | Kind::Queues
            | Kind::Routes
            | Kind::Trunks => name::check(name),
        };
        if let Err(why) = fits {
            return findings.error(path, None, why);
        }
        self.objects.entry(kind).or_default().insert(name, source);
    }
}

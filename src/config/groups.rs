//! `groups/`: users who answer one number, all at once or in turn.

use std::collections::BTreeMap;
use std::time::Duration;

use super::file::At;
use super::findings::Findings;
use super::folder::{Folder, Kind};
use super::{name, routes};
use crate::switch::settings::{Destination, Group, Strategy};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Members of one group: no call rings more phones than `switch::call` lets it.
const MOST_MEMBERS: usize = 50;

/// Reads the groups, by name.
pub(super) fn read(
    folder: &Folder<'_>,
    emergency: &[String],
    findings: &Findings,
) -> BTreeMap<String, Group> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (name, document) in folder.objects(Kind::Groups, findings) {
        let mut section = document.section(findings);
        if section.line_of("members").is_none() {
            section.missing("members", "the users whose phones ring, such as [\"1001\", \"1002\"]");
        }
        let listed = section.list("members");
        let mut members: Vec<String> = Vec::new();
        for At { value, line } in listed.iter().flat_map(|at| &at.value) {
            if let Err(why) = folder.check(Kind::Users, value) {
                section.wrong(*line, why);
            } else if members.contains(value) {
                section.wrong(*line, format!("user `{value}` is named twice"));
            }
            members.push(value.clone());
        }
        if let Some(At { line, .. }) = listed
            && !(1..=MOST_MEMBERS).contains(&members.len())
        {
            section.wrong(line, format!("`members` names 1 to {MOST_MEMBERS} users"));
        }
        let extension = section.parsed("extension", |text| {
            name::check_extension(text)?;
            if folder.check(Kind::Users, text).is_ok() {
                return Err(format!("is that of user `{text}`"));
            }
            if emergency.iter().any(|number| number == text) {
                return Err("is an emergency number".to_owned());
            }
            match groups.values().find(|group| group.extension.as_deref() == Some(text)) {
                Some(other) => Err(format!("is that of group `{}`", other.name)),
                None => Ok(text.to_owned()),
            }
        });
        let words = [("parallel", Strategy::Parallel), ("in_turn", Strategy::InTurn)];
        let strategy = section.word("strategy", &words);
        let ring = section.duration("ring", 5 * SECOND..=10 * MINUTE);
        let then =
            section.line_of("then").and_then(|_| routes::destination(&mut section, folder, "then"));
        if let Some(At { value: Destination::Trunks(_) | Destination::Dialled, line }) = &then {
            let what = "`then` is for users, queues and groups of ours, or refuses";
            section.wrong(*line, format!("{what}: a user who forwards leads outside"));
        }
        section.end();
        let group = Group {
            name: name.to_owned(),
            extension: extension.map(|at| at.value),
            members,
            strategy: strategy.map_or(Strategy::Parallel, |at| at.value),
            ring: ring.map_or(20 * SECOND, |at| at.value),
            then: then.map(|at| at.value),
        };
        groups.insert(name.to_owned(), group);
    }
    circles(&groups, findings);
    groups
}

/// Groups that lead back to themselves.
fn circles(groups: &BTreeMap<String, Group>, findings: &Findings) {
    let next = |name: &str| match groups.get(name)?.then.as_ref()? {
        Destination::Group(next) => Some(next.as_str()),
        Destination::User(_)
        | Destination::Dialled
        | Destination::Queue(_)
        | Destination::Trunks(_)
        | Destination::Refuse(_) => None,
    };
    for name in groups.keys() {
        let after = std::iter::successors(next(name), |name| next(name)).take(groups.len());
        if after.into_iter().any(|later| later == name) {
            let what = format!("`then` leads back to group `{name}`");
            findings.error(&format!("groups/{name}.toml"), None, what);
        }
    }
}

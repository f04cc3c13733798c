//! `routes/`: from a number to a destination, and whether the call is recorded.

use std::collections::BTreeMap;

use super::file::{At, Section, Shape};
use super::findings::Findings;
use super::folder::{Folder, Kind};
use super::node::Node;
use super::{name, queues};
use crate::switch::settings::{
    Agent, Caller, ConsentMode, Destination, NumberPattern, Route, Trunk, When,
};
use crate::wire::sip::message::Status;

/// Why the word on a route that is not for callers from outside has no effect.
const NOT_RECORDED: &str = "outbound and internal calls are not recorded in this release";

/// A route, and where it stands.
struct Read<'a> {
    route: Route,
    path: &'a str,
    /// Of its number.
    line: u32,
}

/// Trunks that one route tries.
const MOST_TRUNKS: usize = 16;

/// Reads the routes: emergencies first, then in the order of their names.
pub(super) fn read(
    folder: &Folder<'_>,
    node: &Node,
    queues: &BTreeMap<String, queues::Read>,
    agents: &BTreeMap<String, Agent>,
    trunks: &BTreeMap<String, Trunk>,
    findings: &Findings,
) -> Vec<Route> {
    let mut all: Vec<Read<'_>> = Vec::new();
    for (name, document) in folder.objects(Kind::Routes, findings) {
        let mut section = document.section(findings);
        let caller = caller(&mut section, folder);
        let emergency = section.flag("emergency").is_some_and(|at| at.value);
        let numbers = numbers(&mut section, emergency, node);
        let from = section.parsed_some("from", NumberPattern::parse);
        let when = when(&mut section, folder);
        let to = destination(&mut section, folder, "to");
        let or_else =
            section.line_of("else").and_then(|_| destination(&mut section, folder, "else"));
        let spoken = section.parsed("language", name::language);
        let outward = [&to, &or_else].into_iter().flatten().find(|at| is_outward(&at.value));
        let (strip, prepend) = dialling(&mut section, to.is_some() && outward.is_none());
        if let (Some(caller), Some(to)) = (&caller, outward) {
            dials_out(&section, &caller.value, to.line, node, trunks);
        }
        let (mode, retention) =
            recording(&mut section, folder, name, caller.as_ref(), to.as_ref(), queues, agents);
        section.end();
        if let (Some(caller), Some(numbers), Some(to)) = (caller, numbers, to) {
            let line = numbers.line;
            let route = Route {
                name: name.to_owned(),
                caller: caller.value,
                numbers: numbers.value,
                from: values(from),
                when,
                emergency,
                to: to.value,
                or_else: or_else.map(|at| at.value),
                consent: mode,
                retention,
                language: spoken.map_or_else(|| node.language.clone(), |at| at.value),
                strip,
                prepend,
            };
            all.push(Read { route, path: document.path, line });
        }
    }
    all.sort_by_key(|read| !read.route.emergency);
    for (place, later) in all.iter().enumerate() {
        shadowed(later, all.iter().take(place), findings);
    }
    all.into_iter().map(|read| read.route).collect()
}

/// The numbers of a route; those of the emergency services where an emergency route names none.
fn numbers(
    section: &mut Section<'_>,
    emergency: bool,
    node: &Node,
) -> Option<At<Vec<NumberPattern>>> {
    if section.line_of("number").is_none() {
        if emergency {
            let value =
                node.emergency.iter().map(|number| NumberPattern::exactly(number)).collect();
            return Some(At { value, line: section.line() });
        }
        section.missing("number", "whom it is for, such as \"+4930555010\" or \"0*\"");
    }
    let list = section.parsed_some("number", NumberPattern::parse)?;
    let line = list.line;
    let value = values(Some(list));
    (!value.is_empty()).then_some(At { value, line })
}

fn values<T>(list: Option<At<Vec<At<T>>>>) -> Vec<T> {
    list.map(|at| at.value).unwrap_or_default().into_iter().map(|at| at.value).collect()
}

/// The keys `during` and `outside`.
fn when(section: &mut Section<'_>, folder: &Folder<'_>) -> When {
    let (during, outside) = (section.text("during"), section.text("outside"));
    for at in [&during, &outside].into_iter().flatten() {
        if let Err(why) = folder.check(Kind::Hours, &at.value) {
            section.wrong(at.line, why);
        }
    }
    match (during, outside) {
        (Some(_), Some(at)) => {
            section.wrong(at.line, "a route has `during` or `outside`, not both");
            When::Always
        }
        (Some(at), None) => When::During(at.value),
        (None, Some(at)) => When::Outside(at.value),
        (None, None) => When::Always,
    }
}

fn is_outward(to: &Destination) -> bool {
    match to {
        Destination::Trunks(_) => true,
        Destination::User(_)
        | Destination::Dialled
        | Destination::Queue(_)
        | Destination::Group(_)
        | Destination::Refuse(_) => false,
    }
}

/// A route out needs somebody who may dial out.
fn dials_out(
    section: &Section<'_>,
    caller: &Caller,
    line: u32,
    node: &Node,
    trunks: &BTreeMap<String, Trunk>,
) {
    if node.country.is_none() {
        let what = "calls out need `country` in switch.toml: who may call where is decided by it";
        section.wrong(line, what);
    }
    if let Caller::Trunk(trunk) = caller
        && trunks.get(trunk).is_some_and(|trunk| trunk.dialing.is_none())
    {
        let what = format!("calls of trunk `{trunk}` may not dial out");
        section.wrong(line, format!("{what}: say `may_dial_out = true` in trunks/{trunk}.toml"));
    }
}

/// The key `consent`, on routes and queues.
pub(super) fn consent(section: &mut Section<'_>) -> Option<At<ConsentMode>> {
    let modes = [ConsentMode::Never, ConsentMode::NoticeAll, ConsentMode::ExpressAll];
    section.word("consent", &modes.map(|mode| (mode.as_str(), mode)))
}

fn caller(section: &mut Section<'_>, folder: &Folder<'_>) -> Option<At<Caller>> {
    const FORMS: &str = "is \"users\" or { trunk = \"name\" }";
    if section.line_of("caller").is_none() {
        section.missing("caller", format!("it {FORMS}"));
    }
    match section.shape("caller")? {
        Shape::Word(At { value, line }) if value == "users" => {
            Some(At { value: Caller::Users, line })
        }
        Shape::Word(At { line, .. }) => {
            section.wrong(line, format!("`caller` {FORMS}"));
            None
        }
        Shape::Section(mut table) => {
            let trunk = existing(&mut table, folder, "trunk", Kind::Trunks);
            let (line, keys) = (table.line(), table.keys());
            table.end();
            if keys == 0 {
                section.wrong(line, format!("`caller` {FORMS}"));
            }
            trunk.map(|trunk| At { value: Caller::Trunk(trunk), line })
        }
    }
}

/// The destination that stands at `key`.
pub(super) fn destination(
    section: &mut Section<'_>,
    folder: &Folder<'_>,
    key: &'static str,
) -> Option<At<Destination>> {
    const FORMS: &str = "is { queue = \"name\" }, { group = \"name\" }, { user = \"extension\" }, { trunk = \"name\" }, \
                         { trunks = [\"name\", \"name\"] }, { refuse = 603 } or \"dialled\"";
    if section.line_of(key).is_none() {
        section.missing(key, format!("it {FORMS}"));
    }
    let mut table = match section.shape(key)? {
        Shape::Word(At { value, line }) if value == "dialled" => {
            return Some(At { value: Destination::Dialled, line });
        }
        Shape::Word(At { line, .. }) => {
            section.wrong(line, format!("`{key}` {FORMS}"));
            return None;
        }
        Shape::Section(table) => table,
    };
    let queue = existing(&mut table, folder, "queue", Kind::Queues).map(Destination::Queue);
    let group = existing(&mut table, folder, "group", Kind::Groups).map(Destination::Group);
    let user = existing(&mut table, folder, "user", Kind::Users).map(Destination::User);
    let trunk = existing(&mut table, folder, "trunk", Kind::Trunks)
        .map(|trunk| Destination::Trunks(vec![trunk]));
    let trunks = several(&mut table, folder, key).map(Destination::Trunks);
    let refuse = table.count("refuse", 400..=699).and_then(|at| {
        let status = u16::try_from(at.value).ok().and_then(Status::new)?;
        // Both ask for credentials that are never looked at.
        if matches!(at.value, 401 | 407) {
            table.wrong(at.line, format!("`{key}.refuse` is a final answer, not a challenge"));
            return None;
        }
        Some(Destination::Refuse(status))
    });
    let (line, keys) = (table.line(), table.keys());
    table.end();
    if keys != 1 {
        section.wrong(line, format!("`{key}` {FORMS}, one of them"));
        return None;
    }
    queue.or(group).or(user).or(trunk).or(trunks).or(refuse).map(|value| At { value, line })
}

/// The name of an object that is there.
fn existing(
    table: &mut Section<'_>,
    folder: &Folder<'_>,
    key: &'static str,
    kind: Kind,
) -> Option<String> {
    let At { value, line } = table.text(key)?;
    if let Err(why) = folder.check(kind, &value) {
        table.wrong(line, why);
    }
    Some(value)
}

/// Trunks in the order in which they are tried.
fn several(table: &mut Section<'_>, folder: &Folder<'_>, key: &str) -> Option<Vec<String>> {
    let At { value, line } = table.list("trunks")?;
    let mut names: Vec<String> = Vec::new();
    for At { value, line } in value {
        if let Err(why) = folder.check(Kind::Trunks, &value) {
            table.wrong(line, why);
        }
        if names.contains(&value) {
            table.wrong(line, format!("`{key}.trunks` names a trunk twice"));
        }
        names.push(value);
    }
    if names.is_empty() || names.len() > MOST_TRUNKS {
        table.wrong(line, format!("`{key}.trunks` names 1 to {MOST_TRUNKS} trunks"));
    }
    Some(names)
}

/// What is done to the number before a trunk gets it.
fn dialling(section: &mut Section<'_>, inward: bool) -> (usize, String) {
    let strip = section.count("strip", 0..=32);
    let prepend = section.parsed("prepend", |text| {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if text.len() <= 32
            && digits.bytes().all(|byte| byte.is_ascii_digit() || b"*#".contains(&byte))
        {
            Ok(text.to_owned())
        } else {
            Err("is digits, with or without a `+` before them".to_owned())
        }
    });
    if inward {
        let lines =
            [("strip", strip.map(|at| at.line)), ("prepend", prepend.as_ref().map(|at| at.line))];
        for (key, line) in lines {
            if let Some(line) = line {
                section.wrong(line, format!("`{key}` is for routes to a trunk"));
            }
        }
    }
    (strip.map_or(0, |at| at.value), prepend.map(|at| at.value).unwrap_or_default())
}

/// Whether calls of this route are recorded: its own word, else its queue's, else every caller is asked.
fn recording(
    section: &mut Section<'_>,
    folder: &Folder<'_>,
    name: &str,
    caller: Option<&At<Caller>>,
    to: Option<&At<Destination>>,
    queues: &BTreeMap<String, queues::Read>,
    agents: &BTreeMap<String, Agent>,
) -> (ConsentMode, Option<String>) {
    let own_mode = consent(section);
    let own_retention = section.text("retention");
    if let Some(At { value, line }) = &own_retention
        && let Err(why) = folder.check(Kind::Policies, value)
    {
        section.wrong(*line, why);
    }
    let (Some(caller), Some(to)) = (caller, to) else { return (ConsentMode::Never, None) };
    let unrecorded = match (&caller.value, &to.value) {
        (_, Destination::Refuse(_)) => Some("refused calls are never recorded"),
        (Caller::Users, _) | (_, Destination::Trunks(_)) => Some(NOT_RECORDED),
        (
            _,
            Destination::User(_)
            | Destination::Queue(_)
            | Destination::Group(_)
            | Destination::Dialled,
        ) => None,
    };
    if let Some(why) = unrecorded {
        if let Some(At { value, line }) = own_mode.filter(|at| at.value != ConsentMode::Never) {
            section.odd(line, format!("{why}: route `{name}` says `{}`", value.as_str()));
        }
        return (ConsentMode::Never, None);
    }
    let queue = match &to.value {
        Destination::Queue(queue) => queues.get(queue),
        Destination::User(_)
        | Destination::Dialled
        | Destination::Group(_)
        | Destination::Trunks(_)
        | Destination::Refuse(_) => None,
    };
    let mode = own_mode
        .map(|at| at.value)
        .or(queue.and_then(|queue| queue.consent))
        .unwrap_or(ConsentMode::ExpressAll);
    if mode == ConsentMode::Never {
        return (mode, None);
    }
    let retention = own_retention
        .map(|at| at.value)
        .or_else(|| queue.and_then(|queue| queue.retention.clone()));
    if retention.is_none() {
        let line = own_mode.map_or(to.line, |at| at.line);
        let what = format!("calls of route `{name}` are recorded ({})", mode.as_str());
        let say = "say `retention = \"...\"`, or `consent = \"never\"`";
        section
            .wrong(line, format!("{what}, and nothing says how long recordings are kept: {say}"));
    }
    if let Destination::User(user) = &to.value
        && !agents.values().any(|agent| agent.user == *user && agent.agrees_to_recording)
    {
        let what = format!("calls of route `{name}` will not be recorded");
        let why = format!("user `{user}` is no agent who agrees to recording");
        section.odd(to.line, format!("{what}: {why}"));
    }
    (mode, retention)
}

/// Two routes for one number, or one that others hide.
fn shadowed<'a>(
    Read { route, path, line }: &Read<'_>,
    earlier: impl Iterator<Item = &'a Read<'a>>,
    findings: &Findings,
) {
    for Read { route: first, .. } in earlier.filter(|read| read.route.caller == route.caller) {
        let same = first.numbers == route.numbers && first.from == route.from;
        if same && first.when == route.when {
            let what = format!("route `{}` is for the same number and caller", first.name);
            return findings.error(path, Some(*line), what);
        }
        let covered = |wide: &[NumberPattern], narrow: &[NumberPattern]| {
            narrow.iter().all(|narrow| wide.iter().any(|wide| wide.covers(narrow)))
        };
        let callers =
            first.from.is_empty() || !route.from.is_empty() && covered(&first.from, &route.from);
        let times = first.when == When::Always || first.when == route.when;
        if callers && times && covered(&first.numbers, &route.numbers) {
            let what =
                format!("route `{}` comes first and takes every call of this one", first.name);
            return findings.warning(path, Some(*line), what);
        }
    }
}

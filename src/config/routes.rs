//! `routes/`: from a number to a destination, and whether the call is recorded.

use std::collections::BTreeMap;

use super::file::{At, Section, Shape};
use super::findings::Findings;
use super::folder::{Folder, Kind};
use super::{name, queues};
use crate::switch::settings::{
    Agent, Caller, ConsentMode, Destination, Language, NumberPattern, Route,
};
use crate::wire::sip::message::Status;

/// Why the word on a route that is not for callers from outside has no effect.
const NOT_RECORDED: &str = "outbound and internal calls are not recorded in this release";

/// Reads the routes, in the order of their names.
pub(super) fn read(
    folder: &Folder<'_>,
    queues: &BTreeMap<String, queues::Read>,
    agents: &BTreeMap<String, Agent>,
    language: &Language,
    findings: &Findings,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for (name, document) in folder.objects(Kind::Routes) {
        let mut section = document.section(findings);
        let caller = caller(&mut section, folder);
        if section.line_of("number").is_none() {
            section.missing("number", "whom it is for, such as \"+4930555010\" or \"0*\"");
        }
        let number = section.parsed("number", pattern);
        let to = destination(&mut section, folder);
        let spoken = section.parsed("language", name::language);
        let (strip, prepend) = dialling(&mut section, to.as_ref().map(|at| &at.value));
        let (mode, retention) =
            recording(&mut section, folder, name, caller.as_ref(), to.as_ref(), queues, agents);
        if let (Some(caller), Some(number)) = (&caller, &number) {
            shadowed(&section, caller, number, &routes);
        }
        section.end();
        if let (Some(caller), Some(number), Some(to)) = (caller, number, to) {
            routes.push(Route {
                name: name.to_owned(),
                caller: caller.value,
                number: number.value,
                to: to.value,
                consent: mode,
                retention,
                language: spoken.map_or_else(|| language.clone(), |at| at.value),
                strip,
                prepend,
            });
        }
    }
    routes
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

fn destination(section: &mut Section<'_>, folder: &Folder<'_>) -> Option<At<Destination>> {
    const FORMS: &str = "is { queue = \"name\" }, { user = \"extension\" }, { trunk = \"name\" }, \
                         { refuse = 603 } or \"dialled\"";
    if section.line_of("to").is_none() {
        section.missing("to", format!("it {FORMS}"));
    }
    let mut table = match section.shape("to")? {
        Shape::Word(At { value, line }) if value == "dialled" => {
            return Some(At { value: Destination::Dialled, line });
        }
        Shape::Word(At { line, .. }) => {
            section.wrong(line, format!("`to` {FORMS}"));
            return None;
        }
        Shape::Section(table) => table,
    };
    let queue = existing(&mut table, folder, "queue", Kind::Queues).map(Destination::Queue);
    let user = existing(&mut table, folder, "user", Kind::Users).map(Destination::User);
    let trunk = existing(&mut table, folder, "trunk", Kind::Trunks).map(Destination::Trunk);
    let refuse = table.count("refuse", 400..=699).and_then(|at| {
        let status = u16::try_from(at.value).ok().and_then(Status::new)?;
        // Both ask for credentials that are never looked at.
        if matches!(at.value, 401 | 407) {
            table.wrong(at.line, "`to.refuse` is a final answer, not a challenge");
            return None;
        }
        Some(Destination::Refuse(status))
    });
    let (line, keys) = (table.line(), table.keys());
    table.end();
    if keys != 1 {
        section.wrong(line, format!("`to` {FORMS}, one of them"));
        return None;
    }
    queue.or(user).or(trunk).or(refuse).map(|value| At { value, line })
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

fn pattern(text: &str) -> Result<NumberPattern, String> {
    let (body, open) = match text.strip_suffix('*') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let digits = body.strip_prefix('+').unwrap_or(body);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*#".contains(&byte);
    if digits.len() > 64 || !digits.bytes().all(fits) || (digits.is_empty() && !open) {
        return Err("is a number such as `+4930555010`, an extension, or the beginning of some \
                    with `*`, such as `0*`"
            .to_owned());
    }
    let body = body.to_owned();
    Ok(if open { NumberPattern::Prefix(body) } else { NumberPattern::Exact(body) })
}

/// What is done to the number before a trunk gets it.
fn dialling(section: &mut Section<'_>, to: Option<&Destination>) -> (usize, String) {
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
    if !matches!(to, Some(Destination::Trunk(_)) | None) {
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
        (Caller::Users, _) | (_, Destination::Trunk(_)) => Some(NOT_RECORDED),
        (_, Destination::User(_) | Destination::Queue(_) | Destination::Dialled) => None,
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
        | Destination::Trunk(_)
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

/// Two routes for one number, or one that another hides.
fn shadowed(
    section: &Section<'_>,
    caller: &At<Caller>,
    number: &At<NumberPattern>,
    earlier: &[Route],
) {
    for route in earlier.iter().filter(|route| route.caller == caller.value) {
        if route.number == number.value {
            let what = format!("route `{}` is for the same number and caller", route.name);
            return section.wrong(number.line, what);
        }
        let hidden = match (&route.number, &number.value) {
            (
                NumberPattern::Prefix(wide),
                NumberPattern::Prefix(narrow) | NumberPattern::Exact(narrow),
            ) => narrow.starts_with(wide.as_str()),
            (NumberPattern::Exact(_), _) => false,
        };
        if hidden {
            let what =
                format!("route `{}` comes first and takes every call of this one", route.name);
            return section.odd(number.line, what);
        }
    }
}

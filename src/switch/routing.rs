//! Routing: from who calls, whom, from where and when to what will happen, consent and retention included. Emergency routes come first,
//! then all in the order of their names; the first that matches wins.

use std::time::Duration;

use super::call::LegId;
use super::journal::CallId;
use super::number::Number;
use super::settings::{
    Caller, ConsentMode, Destination, Language, NumberPattern, Route, Settings, When,
};
use super::wish::Wish;
use crate::utc::Utc;
use crate::wire::sip::message::Status;

/// Where a call is to go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// All phones of this user.
    User(String),
    /// This queue.
    Queue(String),
    /// The phones of this ring group.
    Group(String),
    /// Out through one of these, the first that takes it.
    Trunk {
        /// In order.
        ways: Vec<Way>,
        /// Whom.
        number: Number,
    },
    /// A feature code.
    Feature(Feature),
}

/// What a user dials, or transfers to, that is no number of anybody's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Feature {
    /// Takes the place of a phone of that call: of every one that rings, or of `replaces` alone (RFC 3891).
    PickUp {
        /// The call.
        call: CallId,
        /// The leg whose place it is.
        replaces: Option<LegId>,
    },
    /// To be parked: in that slot, or the next free one.
    Park(Option<u32>),
    /// The call that is parked in that slot.
    Fetch(u32),
    /// What the caller says or asks.
    Wish(Wish),
    /// The caller's own voice.
    Echo,
}

/// A way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Way {
    /// The trunk.
    pub trunk: String,
    /// The number as its carrier gets it.
    pub number: String,
}

/// What will happen to a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The route that matched.
    pub route: String,
    /// Where to.
    pub target: Target,
    /// Where to if nobody is there at the beginning: no phone registered, no agent logged in, the queue full.
    pub instead: Option<Result<Target, Status>>,
    /// Whom the caller meant, for the record.
    pub number: Number,
    /// Nothing holds this call up: no cap, no queue of work, no full trunk.
    pub emergency: bool,
    /// How the caller is asked; `Never` for outbound and internal calls, whatever the route says.
    pub consent: ConsentMode,
    /// Retention policy: name and span.
    pub retention: Option<(String, Duration)>,
    /// What the caller hears.
    pub language: Language,
}

/// What a route is looked for with.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// From which number.
    pub from: &'a Number,
    /// What was dialled, without separators.
    pub dialled: &'a str,
    /// What that means.
    pub number: &'a Number,
    /// When.
    pub at: Utc,
}

/// Why a route has a call, or has it not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is for this call.
    Matches,
    /// It is for another caller.
    OtherCaller,
    /// It is for other numbers.
    OtherNumber,
    /// It is for calls from other numbers.
    OtherCallingNumber,
    /// It is for another time.
    OtherTime,
}

/// Finds the way, or the status that refuses it: 404 where no route or user is, 603 and the like where a route says so.
pub fn plan(settings: &Settings, asked: Asked<'_>) -> Result<Plan, Status> {
    let Some(route) = find(settings, asked) else {
        return by_extension(settings, asked).ok_or(Status::of(404));
    };
    let target = target(settings, route, &route.to, asked)?;
    let instead = route.or_else.as_ref().map(|to| self::target(settings, route, to, asked));
    let consent = match asked.caller {
        Caller::Trunk(_) => route.consent,
        Caller::Users => ConsentMode::Never,
    };
    let retention = route
        .retention
        .as_ref()
        .and_then(|name| settings.retention.get(name))
        .map(|policy| (policy.name.clone(), policy.keep));
    let (number, emergency) = match &target {
        Target::Trunk { number, .. } => (number.clone(), matches!(number, Number::Emergency(_))),
        Target::User(_) | Target::Queue(_) | Target::Group(_) | Target::Feature(_) => {
            (asked.number.clone(), route.emergency)
        }
    };
    Ok(Plan {
        route: route.name.clone(),
        emergency,
        target,
        instead,
        number,
        consent,
        retention,
        language: route.language.clone(),
    })
}

/// The number that whoever causes the call needs a right to; `None` if they need none. Carriers need none to be put through to our own.
pub fn demanded(plan: &Plan, by_user: bool) -> Option<Number> {
    let inside = |name: &str| (by_user && !plan.emergency).then(|| Number::Extension(name.into()));
    match &plan.target {
        Target::Trunk { number, .. } => Some(number.clone()),
        Target::User(user) => inside(user),
        Target::Queue(name) | Target::Group(name) => inside(name),
        Target::Feature(_) => inside(plan.number.as_str()),
    }
}

/// Users reach a group by its extension without a route, where no route is for that number.
fn by_extension(settings: &Settings, asked: Asked<'_>) -> Option<Plan> {
    let group = match asked.caller {
        Caller::Users => settings.group_at(asked.dialled)?,
        Caller::Trunk(_) => return None,
    };
    Some(Plan {
        route: group.name.clone(),
        target: Target::Group(group.name.clone()),
        instead: None,
        number: asked.number.clone(),
        emergency: false,
        consent: ConsentMode::Never,
        retention: None,
        language: settings.language.clone(),
    })
}

/// The route that has the call.
pub fn find<'a>(settings: &'a Settings, asked: Asked<'_>) -> Option<&'a Route> {
    settings.routes.iter().find(|route| verdict(settings, route, asked) == Verdict::Matches)
}

/// Whether `route` is for this call.
pub fn verdict(settings: &Settings, route: &Route, asked: Asked<'_>) -> Verdict {
    if route.caller != *asked.caller {
        return Verdict::OtherCaller;
    }
    if !route.numbers.iter().any(|pattern| is_meant(pattern, asked.dialled, asked.number)) {
        return Verdict::OtherNumber;
    }
    let from = asked.from;
    if !route.from.is_empty()
        && !route.from.iter().any(|pattern| is_meant(pattern, from.as_str(), from))
    {
        return Verdict::OtherCallingNumber;
    }
    let is_open = |hours: &str| settings.hours.get(hours).map(|hours| hours.is_open(asked.at));
    let is_time = match &route.when {
        When::Always => true,
        When::During(hours) => is_open(hours) == Some(true),
        When::Outside(hours) => is_open(hours) == Some(false),
    };
    if is_time { Verdict::Matches } else { Verdict::OtherTime }
}

/// Whether the pattern is for this number: for its international form if it begins with `+`, else for what was dialled.
fn is_meant(pattern: &NumberPattern, dialled: &str, number: &Number) -> bool {
    pattern.matches(compared(pattern, dialled, number))
}

fn compared<'a>(pattern: &NumberPattern, dialled: &'a str, number: &'a Number) -> &'a str {
    if pattern.is_international() { number.as_str() } else { dialled }
}

fn target(
    settings: &Settings,
    route: &Route,
    to: &Destination,
    asked: Asked<'_>,
) -> Result<Target, Status> {
    match to {
        Destination::User(user) => Ok(Target::User(user.clone())),
        Destination::Dialled => {
            let is_user = settings.users.contains_key(asked.dialled);
            let user = is_user.then(|| Target::User(asked.dialled.to_owned()));
            let group = || settings.group_at(asked.dialled);
            user.or_else(|| Some(Target::Group(group()?.name.clone()))).ok_or(Status::of(404))
        }
        Destination::Group(group) => Ok(Target::Group(group.clone())),
        Destination::Queue(queue) => Ok(Target::Queue(queue.clone())),
        Destination::Trunks(trunks) => {
            let number = rewritten(settings, route, asked);
            let way = |trunk: &String| {
                let numbering = &settings.trunks.get(trunk)?.numbering;
                Some(Way { trunk: trunk.clone(), number: numbering.write(&number) })
            };
            let ways: Vec<Way> = trunks.iter().filter_map(way).collect();
            Ok(Target::Trunk { ways, number })
        }
        Destination::Refuse(status) => Err(*status),
    }
}

/// The number to call out: the one that was dialled, or what the route makes of it, read anew.
fn rewritten(settings: &Settings, route: &Route, asked: Asked<'_>) -> Number {
    if route.strip == 0 && route.prepend.is_empty() {
        return asked.number.clone();
    }
    let pattern =
        route.numbers.iter().find(|pattern| is_meant(pattern, asked.dialled, asked.number));
    let text = pattern.map_or(asked.dialled, |it| compared(it, asked.dialled, asked.number));
    let kept: String = text.chars().skip(route.strip).collect();
    settings.read_outward(&format!("{}{kept}", route.prepend))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::office;
    use crate::switch::settings::Trunk;

    fn route(name: &str, number: &str, to: Destination) -> Route {
        let numbers = vec![NumberPattern::parse(number).expect("a pattern")];
        let caller = Caller::Users;
        Route { name: name.into(), caller, numbers, to, ..office::settings().routes[0].clone() }
    }

    fn planned(settings: &Settings, dialled: &str) -> Result<Plan, Status> {
        let number = settings.read(dialled);
        let (from, at) = (settings.read("1001"), office::morning(std::time::Instant::now()).utc);
        let caller = &Caller::Users;
        plan(settings, Asked { caller, from: &from, dialled, number: &number, at })
    }

    fn sent(settings: &Settings, dialled: &str) -> (Number, Vec<String>) {
        match planned(settings, dialled).expect("a plan").target {
            Target::Trunk { ways, number } => {
                (number, ways.into_iter().map(|way| way.number).collect())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_number_goes_out_as_each_carrier_writes_it() {
        let mut settings = office::settings();
        let mut south: Trunk = settings.trunks["north"].clone();
        south.numbering.format = crate::switch::number::Format::National;
        settings.trunks.insert("south".into(), south);
        let both = || Destination::Trunks(vec!["north".into(), "south".into()]);
        settings.routes = vec![
            Route { strip: 1, ..route("outside", "9*", both()) },
            route("home", "+49*", both()),
        ];
        let number = Number::E164("+4930555010".into());
        for dialled in ["030555010", "+4930555010", "9030555010", "9004930555010"] {
            let written = vec!["+4930555010".to_owned(), "030555010".to_owned()];
            assert_eq!(sent(&settings, dialled), (number.clone(), written), "{dialled}");
        }
        let (number, written) = sent(&settings, "9112");
        assert_eq!(number, Number::Emergency("112".into()));
        assert_eq!(written, ["112", "112"]);
        assert!(planned(&settings, "9112").expect("a plan").emergency);
    }

    #[test]
    fn what_a_route_makes_of_a_number_is_read_anew() {
        let mut settings = office::settings();
        let to = Destination::Trunks(vec!["north".into()]);
        settings.routes =
            vec![Route { prepend: "00".into(), strip: 1, ..route("trick", "8*", to) }];
        let (number, _) = sent(&settings, "837167222555");
        assert_eq!(number, Number::E164("+37167222555".into()));
    }

    #[test]
    fn a_calling_number_and_a_time_choose_the_route_too() {
        let mut settings = office::settings();
        let hours = crate::switch::hours::Hours {
            zone: crate::utc::Zone::named("Europe/Berlin").expect("a zone"),
            open: vec![crate::switch::hours::Span { days: 0x7f, from: 0, to: 12 * 60 }],
            closed: Vec::new(),
        };
        settings.hours.insert("morning".into(), hours);
        let to = |code| Destination::Refuse(Status::of(code));
        let from = vec![NumberPattern::exactly("1002")];
        let (during, outside) = (When::During("morning".into()), When::Outside("morning".into()));
        settings.routes = vec![
            Route { from, ..route("other", "7", to(410)) },
            Route { when: outside, ..route("late", "7", to(411)) },
            Route { when: during, ..route("early", "7", to(412)) },
        ];
        assert_eq!(planned(&settings, "7"), Err(Status::of(412)));
        let number = settings.read("7");
        let from = settings.read("1001");
        let at = Utc::parse("2030-01-07T11:00:00Z").expect("a time");
        let asked =
            Asked { caller: &Caller::Users, from: &from, dialled: "7", number: &number, at };
        let verdicts: Vec<Verdict> =
            settings.routes.iter().map(|route| verdict(&settings, route, asked)).collect();
        use Verdict::{Matches, OtherCallingNumber, OtherTime};
        assert_eq!(verdicts, [OtherCallingNumber, Matches, OtherTime]);
    }

    #[test]
    fn an_anonymous_caller_can_have_a_route() {
        let mut settings = office::settings();
        let from = vec![NumberPattern::exactly("anonymous")];
        let refused = Destination::Refuse(Status::of(433));
        settings.routes = vec![Route { from, ..route("nameless", "*", refused) }];
        let (number, at) = (settings.read("1002"), office::morning(std::time::Instant::now()).utc);
        let asked =
            |from| Asked { caller: &Caller::Users, from, dialled: "1002", number: &number, at };
        assert_eq!(plan(&settings, asked(&Number::Anonymous)), Err(Status::of(433)));
        assert_eq!(plan(&settings, asked(&settings.read("1001"))), Err(Status::of(404)));
    }
}

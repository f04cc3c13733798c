//! `route list` and `route test`: what the files make of a number, asked of the same code as the switch asks, with nobody running.

use std::fmt::Write as _;

use clap::Subcommand;
use serde_json::json;

use super::output::{self, Format, or_dash, table};
use super::{Context, Exit, Failure, place};
use crate::io::clock::Clock;
use crate::switch::dialing::{Demand, may_dial};
use crate::switch::feature::FeatureCode;
use crate::switch::number::{self, Number};
use crate::switch::routing::{self, Asked, Feature, Plan, Target, Verdict};
use crate::switch::settings::{Caller, Destination, NumberPattern, Route, Settings, When};
use crate::switch::wish::Wish;
use crate::utc::Utc;
use crate::wire::sip::message::Status;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Every route in the order in which they are looked at
    List,
    /// What would become of a call: which route has it and why, what goes out, whether it may
    Test(Question),
}

#[derive(Debug, clap::Args)]
pub(super) struct Question {
    /// The number as it is dialled: 0891234567, +4930555010, 1001
    #[arg(long)]
    to: String,
    /// Who calls: an extension, or with --trunk the number of the caller (withheld if not given)
    #[arg(long, required_unless_present = "trunk")]
    from: Option<String>,
    /// The carrier that the call comes in from
    #[arg(long)]
    trunk: Option<String>,
    /// When, such as 2030-01-07T09:00:00Z: now if not given
    #[arg(long)]
    at: Option<String>,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let settings = place::load(context)?.settings;
    match verb {
        Verb::List => {
            let rows = settings.routes.iter().map(columns);
            output::print(&match context.format {
                Format::Json => {
                    let rows: Vec<_> = rows
                        .map(|[route, caller, numbers, from, when, to, or_else]| {
                            json!({ "route": route, "caller": caller, "numbers": numbers, "from": from, "when": when, "to": to, "else": or_else })
                        })
                        .collect();
                    output::value(&json!({ "routes": rows }))?
                }
                Format::Table => table(
                    ["ROUTE", "CALLER", "NUMBERS", "FROM", "WHEN", "TO", "ELSE"],
                    rows,
                    "no routes: add a file in routes/",
                ),
            })
        }
        Verb::Test(question) => {
            let report = Report::of(&settings, &question, Clock::system().now().utc)?;
            output::print(&match context.format {
                Format::Json => output::value(&report.json())?,
                Format::Table => {
                    let lines: Vec<String> = report.text().lines().map(output::plain).collect();
                    lines.join("\n")
                }
            })?;
            report.outcome()
        }
    }
}

fn columns(route: &Route) -> [String; 7] {
    let caller = match &route.caller {
        Caller::Users => "users".to_owned(),
        Caller::Trunk(trunk) => format!("trunk {trunk}"),
    };
    let when = match &route.when {
        When::Always => "always".to_owned(),
        When::During(hours) => format!("during {hours}"),
        When::Outside(hours) => format!("outside {hours}"),
    };
    let name = match route.emergency {
        true => format!("{} (emergency)", route.name),
        false => route.name.clone(),
    };
    let from = if route.from.is_empty() { "anybody".to_owned() } else { patterns(&route.from) };
    let or_else = or_dash(route.or_else.as_ref().map(destination).as_deref());
    [name, caller, patterns(&route.numbers), from, when, destination(&route.to), or_else]
}

fn patterns(patterns: &[NumberPattern]) -> String {
    patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn destination(to: &Destination) -> String {
    match to {
        Destination::User(user) => format!("user {user}"),
        Destination::Dialled => "the user dialled".to_owned(),
        Destination::Queue(queue) => format!("queue {queue}"),
        Destination::Group(group) => format!("group {group}"),
        Destination::Trunks(trunks) => format!("trunk {}", trunks.join(", then ")),
        Destination::Refuse(status) => format!("refused with {}", status.code()),
    }
}

/// What would become of a call.
struct Report<'a> {
    settings: &'a Settings,
    at: Utc,
    dialled: String,
    from: Number,
    number: Number,
    /// The routes up to the one that has it, each with its reason.
    looked_at: Vec<(&'a str, &'static str)>,
    /// What the caller asks for by a feature code, which no route is asked about.
    feature: Option<String>,
    plan: Result<Plan, Status>,
    /// What the caller needs a right to.
    demanded: Option<Number>,
    /// Why the caller may not dial it.
    refused: Option<&'static str>,
}

impl<'a> Report<'a> {
    fn of(settings: &'a Settings, question: &Question, now: Utc) -> Result<Report<'a>, Failure> {
        let usage = |what: String| Failure::new(Exit::Usage, what);
        let at = match &question.at {
            Some(text) => Utc::parse(text).map_err(|wrong| usage(format!("--at is {wrong}")))?,
            None => now,
        };
        let typed =
            |text: &str| number::typed(text).ok_or(usage("a number is 1 to 64 long".into()));
        let dialled = typed(&question.to)?;
        let (caller, from, number, dialing) = match &question.trunk {
            Some(name) => {
                let trunk = settings.trunks.get(name);
                let trunk =
                    trunk.ok_or(Failure::not_found(format!("there is no trunk {name:?}")))?;
                let from = question.from.as_deref().map(typed).transpose()?;
                (
                    Caller::Trunk(name.clone()),
                    settings.read_from(trunk, from.as_deref().unwrap_or_default()),
                    settings.read_from(trunk, &dialled),
                    trunk.dialing.as_ref(),
                )
            }
            None => {
                let from = question.from.as_deref().unwrap_or_default();
                let user = settings.users.get(from);
                let user = user.ok_or(Failure::not_found(format!(
                    "there is no user {from:?}; for a call from outside say --trunk"
                )))?;
                let from = Number::Extension(user.extension.as_str().into());
                (Caller::Users, from, settings.read(&dialled), Some(&*user.dialing))
            }
        };
        let asked = Asked { caller: &caller, from: &from, dialled: &dialled, number: &number, at };
        let feature = match caller {
            Caller::Users => FeatureCode::read(settings, &dialled).map(|code| feature(&code)),
            Caller::Trunk(_) => None,
        };
        let mut looked_at = Vec::new();
        for route in settings.routes.iter().filter(|_| feature.is_none()) {
            let verdict = routing::verdict(settings, route, asked);
            looked_at.push((route.name.as_str(), reason(verdict)));
            if verdict == Verdict::Matches {
                break;
            }
        }
        let plan = routing::plan(settings, asked);
        let planned = plan.as_ref().ok().filter(|_| feature.is_none());
        let demanded =
            planned.and_then(|plan| routing::demanded(plan, matches!(caller, Caller::Users)));
        let refused = demanded.as_ref().and_then(|number| match dialing {
            Some(dialing) => may_dial(settings, dialing, number, at).err().map(|no| no.why),
            None => Some("this caller may not dial out"),
        });
        Ok(Report {
            settings,
            at,
            dialled,
            from,
            number,
            looked_at,
            feature,
            plan,
            demanded,
            refused,
        })
    }

    /// What the switch would do, in a word and a sentence.
    fn outcome(&self) -> Result<(), Failure> {
        let refused = |why: String| Err(Failure::new(Exit::Failed, why));
        if self.feature.is_some() {
            return Ok(());
        }
        match (&self.plan, self.refused) {
            (Err(status), _) if self.has_route() => {
                refused(format!("the route refuses the call with {}", status.code()))
            }
            (Err(status), _) => refused(format!("no route has the call: {}", status.code())),
            (Ok(_), Some(why)) => refused(format!("the call is refused with 403: {why}")),
            (Ok(_), None) => Ok(()),
        }
    }

    /// Where the call goes by a route.
    fn planned(&self) -> Option<&Plan> {
        self.plan.as_ref().ok().filter(|_| self.feature.is_none())
    }

    fn has_route(&self) -> bool {
        self.looked_at.last().is_some_and(|(_, why)| *why == reason(Verdict::Matches))
    }

    /// Trunk, gateway and number of each way out.
    fn ways(&self) -> Vec<[String; 3]> {
        let Some(Plan { target: Target::Trunk { ways, .. }, .. }) = self.planned() else {
            return Vec::new();
        };
        let way = |way: &routing::Way| {
            let trunk = self.settings.trunks.get(&way.trunk);
            let gateways = trunk.map_or(&[][..], |trunk| &trunk.gateways);
            let places: Vec<String> =
                gateways.iter().map(|gateway| gateway.place.to_string()).collect();
            let gateway = match places.as_slice() {
                [] => "none: no call leaves here".to_owned(),
                places => places.join(", "),
            };
            [way.trunk.clone(), gateway, way.number.clone()]
        };
        ways.iter().map(way).collect()
    }

    fn json(&self) -> serde_json::Value {
        let looked_at: Vec<_> = self
            .looked_at
            .iter()
            .map(|(route, why)| json!({ "route": route, "why": why }))
            .collect();
        let ways: Vec<_> = self
            .ways()
            .into_iter()
            .map(|[trunk, gateway, number]| json!({ "trunk": trunk, "gateway": gateway, "number": number }))
            .collect();
        let plan = self.planned();
        json!({
            "at": self.at.to_string(),
            "from": self.from.as_str(),
            "dialled": self.dialled,
            "number": self.number.as_str(),
            "kind": self.number.kind(),
            "country": self.country(),
            "rights": self.rights(),
            "feature": self.feature,
            "routes": looked_at,
            "route": plan.map(|plan| &plan.route),
            "status": self.plan.as_ref().err().filter(|_| self.feature.is_none()).map(|it| it.code()),
            "to": plan.map(|plan| target(&plan.target)),
            "else": plan.and_then(|plan| plan.instead.as_ref()).map(instead),
            "ways": ways,
            "emergency": plan.is_some_and(|plan| plan.emergency),
            "consent": plan.map(|plan| plan.consent.as_str()),
            "retention": plan.and_then(|plan| plan.retention.as_ref()).map(|(name, _)| name),
            "keep_seconds": plan.and_then(|plan| plan.retention.as_ref()).map(|(_, keep)| keep.as_secs()),
            "language": plan.map(|plan| &plan.language),
            "allowed": self.outcome().is_ok(),
            "why": self.outcome().err().map(|failure| failure.says().to_owned()),
        })
    }

    /// Where the number that the caller needs a right to leads.
    fn country(&self) -> Option<String> {
        let place = self.demanded.as_ref().and_then(Number::place)?;
        place.country.map(|country| country.to_string())
    }

    fn rights(&self) -> Vec<&'static str> {
        let demanded = self.demanded.as_ref();
        let demand = demanded.and_then(|number| Demand::of(self.settings, number));
        demand.into_iter().flat_map(|it| it.rights).map(|right| right.as_str()).collect()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<10} {value}");
        };
        line("at", output::second(&self.at.to_string()));
        line("from", format!("{} ({})", self.from.as_str(), self.from.kind()));
        line("dialled", self.dialled.clone());
        line("means", format!("{} ({})", self.number.as_str(), self.number.kind()));
        for (route, why) in &self.looked_at {
            line("route", format!("{route}: {why}"));
        }
        if let Some(feature) = &self.feature {
            line("feature", feature.clone());
        }
        if let Some(plan) = self.planned() {
            line("to", target(&plan.target));
            for [trunk, gateway, number] in self.ways() {
                line("way", format!("trunk {trunk}, gateway {gateway}, number {number}"));
            }
            if let Some(other) = &plan.instead {
                line("else", instead(other));
            }
            if plan.emergency {
                line("emergency", "nothing holds it up".into());
            }
            if let Some(country) = self.country() {
                line("country", country);
            }
            let rights = self.rights().join(", ");
            line("asks for", if rights.is_empty() { "nothing".into() } else { rights });
            line("consent", plan.consent.as_str().to_owned());
            if let Some((name, keep)) = &plan.retention {
                let (days, hours) = (keep.as_secs() / 86_400, keep.as_secs() / 3_600 % 24);
                line("retention", format!("{name}, {days} days {hours} hours"));
            }
            line("language", plan.language.clone());
        }
        if self.outcome().is_ok() {
            line("outcome", "the call goes its way".into());
        }
        text.trim_end().to_owned()
    }
}

fn reason(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Matches => "has the call",
        Verdict::OtherCaller => "is for another caller",
        Verdict::OtherNumber => "is for other numbers",
        Verdict::OtherCallingNumber => "is for calls from other numbers",
        Verdict::OtherTime => "is for another time",
    }
}

fn feature(code: &FeatureCode<'_>) -> String {
    match code {
        FeatureCode::PickUp(Some(extension)) => format!("picks up what rings at {extension}"),
        FeatureCode::PickUp(None) => "picks up what rings in the caller's group".to_owned(),
        FeatureCode::Park(Some(slot)) => {
            format!("parks in {slot}, or fetches what is parked there")
        }
        FeatureCode::Park(None) => "parks in the next free slot".to_owned(),
        FeatureCode::Wish(Ok(Wish::Calls(_))) => {
            "sets the caller's own forwards or peace".to_owned()
        }
        FeatureCode::Wish(Ok(Wish::Login)) => "logs the caller's agent in or out".to_owned(),
        FeatureCode::Wish(Ok(Wish::Break)) => "begins or ends the caller's break".to_owned(),
        FeatureCode::Wish(Ok(Wish::Waiting)) => {
            "says how many wait in the queues of the caller's agent".to_owned()
        }
        FeatureCode::Wish(Ok(Wish::Extension)) => "says the caller's extension".to_owned(),
        FeatureCode::Echo => "sends the caller's voice back".to_owned(),
        FeatureCode::CallReturn => "calls back whoever called the caller last".to_owned(),
        FeatureCode::Wish(Err(())) => "wants a number after the code".to_owned(),
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::User(user) => format!("user {user}"),
        Target::Queue(queue) => format!("queue {queue}"),
        Target::Group(group) => format!("group {group}"),
        Target::Trunk { number, .. } => format!("{} outside", number.as_str()),
        Target::Feature(Feature::PickUp { .. }) => "a call that rings".to_owned(),
        Target::Feature(Feature::Wish(_)) => "a setting of the caller's own".to_owned(),
        Target::Feature(Feature::Echo) => "the caller's own voice".to_owned(),
        Target::Feature(Feature::Park(_)) => "a place to park".to_owned(),
        Target::Feature(Feature::Fetch(slot)) => format!("the call parked in {slot}"),
    }
}

fn instead(other: &Result<Target, Status>) -> String {
    match other {
        Ok(other) => format!("{} if nobody is there", target(other)),
        Err(status) => format!("refused with {} if nobody is there", status.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = root.join("tests/profiles/small-office");
        crate::io::profiles::load(&folder).expect("sound profiles").settings
    }

    fn asked(to: &str, from: Option<&str>, trunk: Option<&str>) -> Question {
        let at = Some("2030-01-07T09:00:00Z".to_owned());
        Question { to: to.into(), from: from.map(Into::into), trunk: trunk.map(Into::into), at }
    }

    fn told(question: &Question) -> String {
        let settings = settings();
        let now = Utc::from_micros(0);
        let report = Report::of(&settings, question, now).unwrap_or_else(|no| panic!("{no:?}"));
        let outcome = report.outcome().err().map(|no| format!("\n{}", no.says()));
        format!("{}{}", report.text(), outcome.unwrap_or_default())
    }

    #[test]
    fn a_call_out_is_told_with_its_ways() {
        insta::assert_snapshot!(told(&asked("0 30-123456", Some("201"), None)));
        insta::assert_snapshot!(told(&asked("112", Some("201"), None)));
    }

    #[test]
    fn a_feature_code_is_told_as_what_it_asks_for() {
        let told = told(&asked("**202", Some("201"), None));
        assert!(told.contains("feature    picks up what rings at 202"), "{told}");
        assert!(told.ends_with("the call goes its way"), "{told}");
        assert!(!told.contains("route"), "{told}");
        for (code, what) in [
            ("*43", "sends the caller's voice back"),
            ("*24", "begins or ends the caller's break"),
            ("*69", "calls back whoever called the caller last"),
        ] {
            let told = super::tests::told(&asked(code, Some("201"), None));
            assert!(told.contains(&format!("feature    {what}")), "{told}");
        }
    }

    #[test]
    fn a_call_in_is_told_with_its_consent() {
        insta::assert_snapshot!(told(&asked("+4930555010", None, Some("north"))));
    }

    #[test]
    fn a_refusal_is_told_with_its_reason() {
        insta::assert_snapshot!(told(&asked("09001123456", Some("201"), None)));
        insta::assert_snapshot!(told(&asked("777", Some("201"), None)));
        let nobody = Report::of(&settings(), &asked("1", Some("999"), None), Utc::from_micros(0))
            .err()
            .map(|no| no.exit());
        assert_eq!(nobody, Some(Exit::NotFound));
    }

    #[test]
    fn programs_read_the_same() {
        let settings = settings();
        let question = asked("030123456", Some("201"), None);
        let report = Report::of(&settings, &question, Utc::from_micros(0));
        let json = report.unwrap_or_else(|no| panic!("{no:?}")).json();
        insta::assert_snapshot!(serde_json::to_string_pretty(&json).expect("JSON"));
    }
}

//! Routing: from who calls and what they dialled to what will happen, consent and retention included.

use std::time::Duration;

use super::settings::{Caller, ConsentMode, Destination, Language, Route, Settings};
use crate::wire::sip::message::Status;

/// Where a call is to go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// All phones of this user.
    User(String),
    /// This queue.
    Queue(String),
    /// Out through this trunk, with this number.
    Trunk {
        /// Which.
        trunk: String,
        /// The number as the carrier gets it.
        number: String,
    },
}

/// What will happen to a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The route that matched.
    pub route: String,
    /// Where to.
    pub target: Target,
    /// How the caller is asked; `Never` for outbound and internal calls, whatever the route says.
    pub consent: ConsentMode,
    /// Retention policy: name and span.
    pub retention: Option<(String, Duration)>,
    /// What the caller hears.
    pub language: Language,
}

/// Finds the way for `number`, or the status that refuses it: 404 where no route or user is, 603 and the like where a route says so.
pub fn plan(settings: &Settings, caller: &Caller, number: &str) -> Result<Plan, Status> {
    let route = settings
        .routes
        .iter()
        .find(|route| route.caller == *caller && route.number.matches(number))
        .ok_or(Status::of(404))?;
    let target = match &route.to {
        Destination::User(user) => Target::User(user.clone()),
        Destination::Dialled if settings.users.contains_key(number) => {
            Target::User(number.to_owned())
        }
        Destination::Dialled => return Err(Status::of(404)),
        Destination::Queue(queue) => Target::Queue(queue.clone()),
        Destination::Trunk(trunk) => {
            Target::Trunk { trunk: trunk.clone(), number: rewritten(route, number) }
        }
        Destination::Refuse(status) => return Err(*status),
    };
    let consent = match caller {
        Caller::Trunk(_) => route.consent,
        Caller::Users => ConsentMode::Never,
    };
    let retention = route
        .retention
        .as_ref()
        .and_then(|name| settings.retention.get(name))
        .map(|policy| (policy.name.clone(), policy.keep));
    Ok(Plan {
        route: route.name.clone(),
        target,
        consent,
        retention,
        language: route.language.clone(),
    })
}

fn rewritten(route: &Route, number: &str) -> String {
    let kept: String = number.chars().skip(route.strip).collect();
    format!("{}{kept}", route.prepend)
}

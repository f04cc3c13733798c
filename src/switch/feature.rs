//! Feature codes: what a user may dial that is nobody's number.

use super::forwarding::{Change, Occasion, target};
use super::settings::Settings;
use super::wish::Wish;

/// Group pickup.
const GROUP_PICKUP: &str = "*8";
/// Directed pickup: before an extension.
const PICKUP: &str = "**";

/// A code of the table `features`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    /// With the number after it.
    Forward(Occasion),
    /// Not any more.
    NoForward(Occasion),
    /// Whether their phones are silent.
    Undisturbed(bool),
    /// See [`Wish::Login`].
    Login,
    /// See [`Wish::Break`].
    Break,
    /// See [`Wish::Waiting`].
    Waiting,
    /// See [`Wish::Extension`].
    Extension,
    /// See [`FeatureCode::Echo`].
    Echo,
    /// See [`FeatureCode::CallReturn`].
    CallReturn,
}

impl Code {
    /// All, each with its key in switch.toml and the digits that are usual: FreePBX's, and FusionPBX's where it has others.
    pub const ALL: [(Code, &str, &[&str]); 14] = [
        (Code::Forward(Occasion::Always), "forward", &["*72"]),
        (Code::NoForward(Occasion::Always), "forward_off", &["*73"]),
        (Code::Forward(Occasion::Busy), "busy", &["*90"]),
        (Code::NoForward(Occasion::Busy), "busy_off", &["*91"]),
        (Code::Forward(Occasion::NoAnswer), "no_answer", &["*92"]),
        (Code::NoForward(Occasion::NoAnswer), "no_answer_off", &["*93"]),
        (Code::Undisturbed(true), "do_not_disturb", &["*78"]),
        (Code::Undisturbed(false), "do_not_disturb_off", &["*79"]),
        (Code::Login, "login", &["*45", "*22"]),
        (Code::Break, "break", &["*46", "*24"]),
        (Code::Waiting, "waiting", &["*47"]),
        (Code::Extension, "extension", &["*65"]),
        (Code::Echo, "echo", &["*43"]),
        (Code::CallReturn, "call_return", &["*69"]),
    ];

    /// What the code asks for, with what was dialled after it; `None` if nothing may follow it.
    fn with(self, rest: &str) -> Option<FeatureCode<'_>> {
        let wish = |wish| FeatureCode::Wish(Ok(wish));
        match self {
            Code::Forward(occasion) => {
                let forward =
                    |to| Wish::Calls(Change::Forward { occasion, to: Some(to), after: None });
                Some(FeatureCode::Wish(target(rest).map(forward).map_err(drop)))
            }
            _ if !rest.is_empty() => None,
            Code::NoForward(occasion) => {
                Some(wish(Wish::Calls(Change::Forward { occasion, to: None, after: None })))
            }
            Code::Undisturbed(is_so) => Some(wish(Wish::Calls(Change::Undisturbed(is_so)))),
            Code::Login => Some(wish(Wish::Login)),
            Code::Break => Some(wish(Wish::Break)),
            Code::Waiting => Some(wish(Wish::Waiting)),
            Code::Extension => Some(wish(Wish::Extension)),
            Code::Echo => Some(FeatureCode::Echo),
            Code::CallReturn => Some(FeatureCode::CallReturn),
        }
    }
}

/// What a feature code asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FeatureCode<'a> {
    /// A call that rings: at this extension, or in one's own group.
    PickUp(Option<&'a str>),
    /// A slot of the car park, or the next free one: to be parked there, or what is parked there.
    Park(Option<u32>),
    /// Something said or told; `Err` if the code wants a number and has none.
    Wish(Result<Wish, ()>),
    /// To hear oneself.
    Echo,
    /// Whoever called last.
    CallReturn,
}

impl<'a> FeatureCode<'a> {
    /// What `dialled` asks for; `None` if it is a number like any other.
    pub fn read(settings: &Settings, dialled: &'a str) -> Option<FeatureCode<'a>> {
        if let Some(park) = &settings.park {
            match park.slot(dialled) {
                None if dialled != park.extension => {}
                slot => return Some(FeatureCode::Park(slot)),
            }
        }
        match dialled.strip_prefix(PICKUP) {
            Some(extension) => Some(FeatureCode::PickUp(Some(extension))),
            None if dialled == GROUP_PICKUP => Some(FeatureCode::PickUp(None)),
            None => settings
                .features
                .iter()
                .find_map(|(digits, code)| code.with(dialled.strip_prefix(digits.as_str())?)),
        }
    }
}

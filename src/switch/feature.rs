//! Feature codes: what a user may dial that is nobody's number.

use super::forwarding::{Change, Code};
use super::settings::Settings;

/// Group pickup.
const GROUP_PICKUP: &str = "*8";
/// Directed pickup: before an extension.
const PICKUP: &str = "**";

/// What a feature code asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FeatureCode<'a> {
    /// A call that rings: at this extension, or in one's own group.
    PickUp(Option<&'a str>),
    /// A slot of the car park, or the next free one: to be parked there, or what is parked there.
    Park(Option<u32>),
    /// A forward of one's own calls, or to be left in peace; `Err` if the code wants a number and has none.
    Wish(Result<Change, ()>),
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
            None => Code::read(&settings.features, dialled).map(FeatureCode::Wish),
        }
    }
}

//! What becomes of the calls to a user, and of a call whose called side names somebody else.

use std::time::Duration;

use super::file::Section;
use crate::switch::forwarding::{Forwards, Occasion, target};
use crate::switch::settings::Redirects;

const SECOND: Duration = Duration::from_secs(1);

/// The table `forward`, and `do_not_disturb`.
pub(super) fn forwards(section: &mut Section<'_>) -> Forwards {
    let undisturbed = section.flag("do_not_disturb").is_some_and(|at| at.value);
    let mut forwards = Forwards { undisturbed, ..Forwards::default() };
    let Some(mut table) = section.section("forward") else { return forwards };
    for occasion in Occasion::ALL {
        if let Some(at) = table.parsed(occasion.as_str(), target) {
            forwards.to.insert(occasion, at.value);
        }
    }
    if let Some(at) = table.duration("after", 5 * SECOND..=600 * SECOND) {
        if !forwards.to.contains_key(&Occasion::NoAnswer) {
            table.odd(at.line, "`forward.after` is for `forward.no_answer`, which is not there");
        }
        forwards.after = Some(at.value);
    }
    table.end();
    forwards
}

/// The key `redirects`.
pub(super) fn redirects(section: &mut Section<'_>, usual: Redirects) -> Redirects {
    let words = [("refuse", Redirects::Refuse), ("follow", Redirects::Follow)];
    section.word("redirects", &words).map_or(usual, |at| at.value)
}

//! What becomes of the calls to a user, and of a call whose called side names somebody else.

use std::time::Duration;

use super::file::{At, Section, Shape};
use crate::switch::feature::Code;
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

/// The codes that users dial where switch.toml says nothing.
pub(super) fn usual_codes() -> Vec<(String, Code)> {
    let each = |(code, _, digits): (Code, _, &[&str])| {
        digits.iter().map(move |digits| ((*digits).to_owned(), code)).collect::<Vec<_>>()
    };
    Code::ALL.into_iter().flat_map(each).collect()
}

/// `"off"`, or a table of other codes than the usual ones.
pub(super) fn codes(section: &mut Section<'_>) -> Option<Vec<(String, Code)>> {
    let mut table = match section.shape("features")? {
        Shape::Word(At { value, .. }) if value == "off" => return Some(Vec::new()),
        Shape::Word(At { value, line }) => {
            let what = "`features` is `off` or a table, such as { forward = \"*72\" }, not";
            section.wrong(line, format!("{what} `{}`", value.escape_debug()));
            return None;
        }
        Shape::Section(table) => table,
    };
    let mut codes: Vec<(String, Code)> = Vec::new();
    for (code, key, usual) in Code::ALL {
        let digits = table.parsed(key, |text| match text.strip_prefix('*') {
            Some(rest) if (1..=6).contains(&rest.len()) && is_dialled(rest) => Ok(text.to_owned()),
            _ => Err(format!("is `*` and up to 6 digits, not `{}`", text.escape_debug())),
        });
        let line = digits.as_ref().map_or(table.line(), |at| at.line);
        let usual = || usual.iter().map(|digits| (*digits).to_owned()).collect();
        for digits in digits.map_or_else(usual, |at| vec![at.value]) {
            let meets = |(other, _): &&(String, Code)| {
                other.starts_with(&digits) || digits.starts_with(other.as_str())
            };
            if let Some((other, _)) = codes.iter().find(meets) {
                let what = format!("`features.{key}`: `{digits}` and `{other}` begin alike");
                table.wrong(line, what);
            }
            codes.push((digits, code));
        }
    }
    table.end();
    Some(codes)
}

fn is_dialled(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

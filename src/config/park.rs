//! `park` in `switch.toml`: where calls wait until somebody fetches them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::file::Section;
use super::findings::Findings;
use super::folder::NODE;
use super::name;
use crate::switch::settings::{Park, User};

/// More calls are not parked at a time.
const MOST_SLOTS: u32 = 1_000;

/// Reads it, with its line.
pub(super) fn read(section: &mut Section<'_>) -> Option<(Park, u32)> {
    let mut park = section.section("park")?;
    let line = park.line();
    let extension = park.parsed("extension", |text| {
        let number = name::number(text)?;
        if text.starts_with('+') { Err("is an extension".to_owned()) } else { Ok(number) }
    });
    let slots = park.parsed("slots", slots);
    let timeout = park.duration("timeout", Duration::from_secs(10)..=Duration::from_secs(3_600));
    let read = Park {
        extension: extension.map_or_else(|| "700".to_owned(), |at| at.value),
        slots: slots.as_ref().map_or(701..=720, |at| at.value.clone()),
        timeout: timeout.map_or(Duration::from_secs(120), |at| at.value),
    };
    if read.extension.parse().is_ok_and(|number| read.slots.contains(&number)) {
        park.wrong(line, "`park.extension` is one of `park.slots`");
    }
    park.end();
    Some((read, line))
}

/// Numbers of the same length: `701-720`.
fn slots(text: &str) -> Result<std::ops::RangeInclusive<u32>, String> {
    let number = |text: &str| {
        let number: Option<u32> = text.parse().ok();
        number.filter(|number| number.to_string() == text)
    };
    let range = text.split_once('-').and_then(|(first, last)| {
        let (from, to) = (number(first)?, number(last)?);
        (first.len() == last.len() && from <= to && to - from < MOST_SLOTS).then_some(from..=to)
    });
    range.ok_or_else(|| format!("is up to {MOST_SLOTS} numbers of one length, such as \"701-720\""))
}

/// A user cannot be reached at a number that parks.
pub(super) fn check(park: &Park, line: u32, users: &BTreeMap<String, User>, findings: &Findings) {
    let parks = |extension: &&String| {
        **extension == park.extension
            || extension.parse().is_ok_and(|number| park.slots.contains(&number))
    };
    if let Some(extension) = users.keys().find(parks) {
        findings.error(NODE, Some(line), format!("`park` has the number of user {extension}"));
    }
}

//! The table `dial`: what may be dialled outwards, how often and how long. The node's holds where a user's or a trunk's says nothing.

use std::sync::Arc;

use super::file::Section;
use super::folder::{Folder, Kind};
use crate::switch::dialing::{Dialing, Right};
use crate::switch::number::Country;

/// Reads the table of `section`; who has none shares the usual one.
pub(super) fn read(
    section: &mut Section<'_>,
    folder: &Folder<'_>,
    usual: &Arc<Dialing>,
) -> Arc<Dialing> {
    let Some(mut table) = section.section("dial") else { return Arc::clone(usual) };
    let mut dialing = Dialing::clone(usual);
    let rights = rights(&mut table, "rights");
    let countries = table.parsed_list("countries", country);
    if let Some((line, rights)) = &rights {
        dialing.rights.clone_from(rights);
        let abroad = rights.contains(&Right::International);
        if abroad && countries.is_none() && dialing.countries.is_empty() {
            table.odd(*line, "calls abroad are open to no country: list them in `dial.countries`");
        }
    }
    if let Some(list) = countries {
        if !dialing.rights.contains(&Right::International) {
            table.odd(
                list.line,
                "`dial.countries` opens nothing: `dial.rights` has no `international`",
            );
        }
        dialing.countries = list.value.into_iter().map(|at| at.value).collect();
    }
    let per_hour = table.count("calls_per_hour", 0..=10_000_000);
    dialing.calls_per_hour = per_hour.map_or(usual.calls_per_hour, |at| at.value as u64);
    let minutes = table.count("minutes_per_day", 0..=10_000_000);
    dialing.minutes_per_day = minutes.map_or(usual.minutes_per_day, |at| at.value as u64);
    let at_once = table.count("at_once", 0..=20_000);
    dialing.at_once = at_once.map_or(usual.at_once, |at| at.value);
    let hours = table.text("hours");
    let left = self::rights(&mut table, "off_hours");
    if let Some(hours) = hours {
        if let Err(why) = folder.check(Kind::Hours, &hours.value) {
            table.wrong(hours.line, why);
        }
        let left = left.map_or(vec![Right::Internal], |(_, left)| left);
        dialing.off_hours = Some((hours.value, left));
    } else if let Some((line, left)) = left {
        match &mut dialing.off_hours {
            Some((_, rights)) => *rights = left,
            None => table.wrong(line, "`dial.off_hours` needs `dial.hours`, the hours of business"),
        }
    }
    table.end();
    dialing.into()
}

/// A country by its two letters.
pub(super) fn country(text: &str) -> Result<Country, String> {
    Country::parse(text).ok_or_else(|| {
        format!("is a country by its two letters such as `DE`, not `{}`", text.escape_debug())
    })
}

fn rights(table: &mut Section<'_>, key: &'static str) -> Option<(u32, Vec<Right>)> {
    let list = table.parsed_list(key, |text| {
        Right::ALL.into_iter().find(|right| right.as_str() == text).ok_or_else(|| {
            let all = Right::ALL.map(|right| format!("`{}`", right.as_str()));
            format!("has {}, not `{}`", all.join(", "), text.escape_debug())
        })
    })?;
    Some((list.line, list.value.into_iter().map(|at| at.value).collect()))
}

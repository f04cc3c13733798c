//! `hours/`: when somebody is there, by the clock on the wall of a named place.

use std::collections::BTreeMap;

use super::findings::Findings;
use super::folder::{Folder, Kind};
use crate::switch::hours::{DAY, Holiday, Hours, Span};
use crate::utc::{Date, Zone};

const WEEK: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// A leap year: for days of every year.
const LEAP: i16 = 2000;

/// Reads the opening hours, by name.
pub(super) fn read(folder: &Folder<'_>, findings: &Findings) -> BTreeMap<String, Hours> {
    let mut all = BTreeMap::new();
    for (name, document) in folder.objects(Kind::Hours, findings) {
        let mut section = document.section(findings);
        if section.line_of("zone").is_none() {
            section.missing("zone", "whose clock counts, such as \"Europe/Berlin\"");
        }
        let zone = section.parsed("zone", |text| {
            Zone::named(text).ok_or_else(|| {
                format!(
                    "is a place of the time zone database such as `Europe/Berlin`, not `{}`",
                    text.escape_debug()
                )
            })
        });
        if section.line_of("open").is_none() {
            section.missing("open", "when, such as [\"mon-fri 09:00-17:30\"]");
        }
        let open = section.parsed_some("open", span);
        let closed = section.parsed_some("closed", holiday);
        section.end();
        if let (Some(zone), Some(open)) = (zone, open) {
            let open = open.value.into_iter().map(|at| at.value).collect();
            let closed = closed.map(|at| at.value).unwrap_or_default();
            let closed = closed.into_iter().map(|at| at.value).collect();
            all.insert(name.to_owned(), Hours { zone: zone.value, open, closed });
        }
    }
    all
}

/// `mon-fri 09:00-17:30`, `sat,sun 10:00-14:00`, `fri-sat 22:00-04:00`.
fn span(text: &str) -> Result<Span, String> {
    let wrong = || {
        format!("is days and times such as `mon-fri 09:00-17:30`, not `{}`", text.escape_debug())
    };
    let (days, times) = text.split_once(' ').ok_or_else(wrong)?;
    let (from, to) = times.trim().split_once('-').ok_or_else(wrong)?;
    let days =
        days.split(',').try_fold(0, |all, days| Some(all | week(days)?)).ok_or_else(wrong)?;
    let (from, to) = (minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?);
    if from == to || from == DAY {
        return Err(wrong());
    }
    Ok(Span { days, from, to })
}

/// A day, or from one to another; a week may go round.
fn week(text: &str) -> Option<u8> {
    let place = |day: &str| WEEK.iter().position(|known| *known == day);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (place(first)?, place(last)?);
    let days = (last + WEEK.len() - first) % WEEK.len();
    Some((0..=days).fold(0, |all, day| all | 1 << ((first + day) % WEEK.len())))
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| {
        let number: u16 = text.parse().ok()?;
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

/// `2030-12-24`, or `12-25` of every year.
fn holiday(text: &str) -> Result<Holiday, String> {
    let parts: Vec<Option<i16>> = text
        .split('-')
        .map(|part| {
            let digits = part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        })
        .collect();
    let found = match parts.as_slice() {
        [Some(year), Some(month), Some(day)] => Some((Some(*year), *month, *day)),
        [Some(month), Some(day)] => Some((None, *month, *day)),
        _ => None,
    };
    let date = found.and_then(|(year, month, day)| {
        let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        Date::new(year.unwrap_or(LEAP), month, day).map(|date| (year, date))
    });
    match date {
        Some((year, Date { month, day, .. })) => Ok(Holiday { year, month, day }),
        None => Err(format!(
            "is a day such as `2030-12-24`, or `12-25` for every year, not `{}`",
            text.escape_debug()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_read() {
        let span = |days, from, to| Ok(Span { days, from, to });
        assert_eq!(super::span("mon-fri 09:00-17:30"), span(0b001_1111, 540, 1_050));
        assert_eq!(super::span("sat,sun 00:00-24:00"), span(0b110_0000, 0, DAY));
        assert_eq!(super::span("sun-tue 22:00-04:00"), span(0b100_0011, 1_320, 240));
        for bad in [
            "",
            "mon",
            "mon 9-17",
            "mon 09:00-09:00",
            "mon 09:60-10:00",
            "Mon 09:00-10:00",
            "mon 24:00-01:00",
            "mon-x 09:00-10:00",
        ] {
            assert!(super::span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_holiday_is_a_day_that_exists() {
        assert_eq!(holiday("02-29"), Ok(Holiday { year: None, month: 2, day: 29 }));
        assert_eq!(holiday("2030-12-24"), Ok(Holiday { year: Some(2030), month: 12, day: 24 }));
        for bad in ["", "12", "13-01", "02-30", "2030-02-29", "-1-1", "24.12.", "2030-12-24-1"] {
            assert!(holiday(bad).is_err(), "{bad}");
        }
    }
}

//! Opening hours: by the clock on the wall of a named place, so that summer time changes nothing.

use crate::utc::{Date, Utc, Zone};

/// The minutes of a day.
pub const DAY: u16 = 24 * 60;

/// When somebody is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hours {
    /// Whose wall.
    pub zone: Zone,
    /// Open at any of these.
    pub open: Vec<Span>,
    /// Closed all day, whatever the week says.
    pub closed: Vec<Holiday>,
}

/// From one time to another on some days of the week. One that ends before it begins ends on the next day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// A bit a day, Monday the lowest.
    pub days: u8,
    /// Minutes after midnight.
    pub from: u16,
    /// The first minute that is not in it: up to [`DAY`].
    pub to: u16,
}

/// One day of one year or of all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holiday {
    /// `None`: every year.
    pub year: Option<i16>,
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
}

impl Hours {
    /// Whether it is open at this moment.
    pub fn is_open(&self, at: Utc) -> bool {
        let wall = at.wall(&self.zone);
        let yesterday = (wall.weekday + 6) % 7;
        self.open.iter().any(|span| {
            let over_night = span.to <= span.from;
            let today = span.is_on(wall.weekday)
                && wall.minute >= span.from
                && (over_night || wall.minute < span.to);
            let since_yesterday = over_night && span.is_on(yesterday) && wall.minute < span.to;
            today && !self.is_holiday(wall.date)
                || since_yesterday && !self.is_holiday(wall.yesterday)
        })
    }

    fn is_holiday(&self, date: Date) -> bool {
        self.closed.iter().any(|holiday| {
            holiday.year.is_none_or(|year| year == date.year)
                && (holiday.month, holiday.day) == (date.month, date.day)
        })
    }
}

impl Span {
    fn is_on(&self, weekday: u8) -> bool {
        self.days >> weekday & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin(open: &[(u8, u16, u16)], closed: &[Holiday]) -> Hours {
        let zone = Zone::named("Europe/Berlin").expect("a zone");
        let span = |&(days, from, to): &(u8, u16, u16)| Span { days, from: from * 60, to: to * 60 };
        Hours { zone, open: open.iter().map(span).collect(), closed: closed.to_vec() }
    }

    fn at(hours: &Hours, moment: &str) -> bool {
        hours.is_open(Utc::parse(moment).expect("a moment"))
    }

    #[test]
    fn nine_is_nine_in_winter_and_in_summer() {
        let office = berlin(&[(0b001_1111, 9, 17)], &[]);
        assert!(!at(&office, "2030-01-07T07:59:59Z") && at(&office, "2030-01-07T08:00:00Z"));
        assert!(at(&office, "2030-01-07T15:59:59Z") && !at(&office, "2030-01-07T16:00:00Z"));
        assert!(!at(&office, "2030-07-01T06:59:59Z") && at(&office, "2030-07-01T07:00:00Z"));
        // Saturday.
        assert!(!at(&office, "2030-01-12T10:00:00Z"));
    }

    #[test]
    fn the_hour_that_does_not_exist_and_the_one_that_comes_twice_are_counted_by_the_wall() {
        let night = berlin(&[(0b100_0000, 2, 3)], &[]);
        // 2030-03-31: from 2 to 3 at once. 2030-10-27: from 3 back to 2.
        assert!(!at(&night, "2030-03-31T00:59:00Z") && !at(&night, "2030-03-31T01:00:00Z"));
        assert!(at(&night, "2030-10-27T00:30:00Z") && at(&night, "2030-10-27T01:30:00Z"));
        assert!(!at(&night, "2030-10-27T02:00:00Z"));
    }

    #[test]
    fn a_night_ends_in_the_morning_and_belongs_to_its_evening() {
        let friday = 0b001_0000;
        let bar = berlin(&[(friday, 22, 4)], &[]);
        assert!(at(&bar, "2030-01-11T21:00:00Z") && at(&bar, "2030-01-12T02:59:00Z"));
        assert!(!at(&bar, "2030-01-12T03:00:00Z") && !at(&bar, "2030-01-11T02:00:00Z"));
        let closed = Holiday { year: Some(2030), month: 1, day: 11 };
        let bar = berlin(&[(friday, 22, 4)], &[closed]);
        assert!(!at(&bar, "2030-01-12T02:00:00Z"), "its evening was a holiday");
    }

    #[test]
    fn a_holiday_is_of_one_year_or_of_all() {
        let always = |holiday| berlin(&[(0b111_1111, 0, 24)], &[holiday]);
        let christmas = always(Holiday { year: None, month: 12, day: 25 });
        assert!(!at(&christmas, "2030-12-25T12:00:00Z") && !at(&christmas, "2031-12-24T23:30:00Z"));
        assert!(at(&christmas, "2030-12-24T22:30:00Z") && at(&christmas, "2030-12-26T12:00:00Z"));
        let once = always(Holiday { year: Some(2030), month: 12, day: 24 });
        assert!(!at(&once, "2030-12-24T12:00:00Z") && at(&once, "2031-12-24T12:00:00Z"));
    }
}

//! A moment for the records: UTC, as RFC 3339 and ISO 8601 write it.

use std::fmt;
use std::time::Duration;

/// Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Utc(i64);

/// A place's clock, by its IANA name (`Europe/Berlin`), from the rules built in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone(jiff::tz::TimeZone);

/// A day of the calendar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    /// The year.
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
}

/// What the clock and the calendar on a wall say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wall {
    /// The day.
    pub date: Date,
    /// The day before.
    pub yesterday: Date,
    /// Monday is 0.
    pub weekday: u8,
    /// Minutes after midnight.
    pub minute: u16,
}

impl Zone {
    /// `None` if there is no such place.
    pub fn named(name: &str) -> Option<Zone> {
        jiff::tz::TimeZoneDatabase::bundled().get(name).ok().map(Zone)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl Date {
    /// `None` if the calendar has no such day.
    pub fn new(year: i16, month: i8, day: i8) -> Option<Date> {
        jiff::civil::Date::new(year, month, day).ok().map(Date::of)
    }

    fn of(date: jiff::civil::Date) -> Date {
        Date { year: date.year(), month: date.month(), day: date.day() }
    }
}

/// The text is not an RFC 3339 timestamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotATime;

impl Utc {
    /// From microseconds since the epoch, as the database keeps them.
    pub const fn from_micros(micros: i64) -> Utc {
        Utc(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 (`2030-01-07T09:00:00Z`); the result is UTC whatever offset the text names.
    pub fn parse(text: &str) -> Result<Utc, NotATime> {
        text.parse::<jiff::Timestamp>().map(|at| Utc(at.as_microsecond())).map_err(|_| NotATime)
    }

    /// This moment `span` later; stops at the ends of the calendar instead of wrapping.
    pub fn after(self, span: Duration) -> Utc {
        Utc(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment `span` earlier.
    pub fn before(self, span: Duration) -> Utc {
        Utc(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Utc) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `(year, month, day)` in UTC.
    pub fn date(self) -> (i16, i8, i8) {
        let date = self.zoned().date();
        (date.year(), date.month(), date.day())
    }

    /// What the wall of a place says at this moment.
    pub fn wall(self, zone: &Zone) -> Wall {
        let local = zone.0.to_datetime(self.timestamp());
        let date = local.date();
        Wall {
            date: Date::of(date),
            yesterday: Date::of(date.yesterday().unwrap_or(date)),
            weekday: u8::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0),
            minute: u16::try_from(local.hour()).unwrap_or(0) * 60
                + u16::try_from(local.minute()).unwrap_or(0),
        }
    }

    /// ISO 8601 basic form to the second, fit for a file name: `20300107T090000Z`.
    pub fn basic(self) -> String {
        self.zoned().strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    fn zoned(self) -> jiff::ZonedDateTime {
        self.timestamp().to_zoned_datetime(jiff::tz::TimeZone::UTC)
    }

    fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

/// RFC 3339 with milliseconds.
impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RFC 3339 time, such as 2030-01-07T09:00:00Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_being_written_and_read() {
        let at = Utc::parse("2030-01-07T09:00:00.250+01:00").expect("a time");
        assert_eq!(at.to_string(), "2030-01-07T08:00:00.250Z");
        assert_eq!(Utc::parse(&at.to_string()), Ok(at));
        assert_eq!(at.basic(), "20300107T080000Z");
        assert_eq!(at.date(), (2030, 1, 7));
    }

    #[test]
    fn the_ends_of_the_calendar_do_not_wrap() {
        let end = Utc::from_micros(i64::MAX);
        assert_eq!(end.after(Duration::MAX), end);
        assert!(end.to_string().starts_with("9999-"));
        assert_eq!(Utc::from_micros(0).since(end), Duration::ZERO);
    }
}

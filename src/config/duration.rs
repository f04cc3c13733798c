//! Times as people write them: `"15s"`, `"90d"`, `"1h30m"`.

use std::time::Duration;

/// Each unit in milliseconds, the longest first. Months and years have no fixed length: 30 days are `"30d"`.
const UNITS: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration; the error is the rest of a sentence that begins with the key.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || {
        let what = "is a time such as `15s`, `2m`, `1h30m` or `90d` (units: ms, s, m, h, d, w)";
        format!("{what}, not `{}`", text.escape_debug())
    };
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, after) = after.split_at(letters);
        if matches!(unit, "y" | "M" | "mo" | "month" | "year") {
            return Err("has no unit for months and years: say days, as in `365d`".to_owned());
        }
        // `units` goes on where it stopped, so that each unit comes once and the longer first.
        let (_, length) = units.find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total =
            number.checked_mul(*length).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
        rest = after;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
}

/// Writes a duration the same way, in its longest units.
pub(super) fn write(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, length) in UNITS {
        if rest >= length {
            text.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_meant() {
        for (text, seconds) in
            [("15s", 15), ("2m", 120), ("1h30m", 5_400), ("30d", 2_592_000), ("0s", 0)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("200ms"), Ok(Duration::from_millis(200)));
    }

    #[test]
    fn what_is_not_a_time_is_refused_with_an_example() {
        for text in [
            "",
            "15",
            "s",
            "15 s",
            "-5s",
            "1.5h",
            "30m1h",
            "5m5m",
            "99999999999999999999d",
            "9999999999999999w",
        ] {
            assert!(parse(text).is_err_and(|why| why.contains("`90d`")), "{text}");
        }
        assert!(parse("3y").is_err_and(|why| why.contains("365d")));
    }

    #[test]
    fn a_time_reads_as_it_was_written() {
        for text in ["15s", "1h30m", "4w2d", "250ms", "0s"] {
            assert_eq!(parse(text).map(write), Ok(text.to_owned()));
        }
    }
}

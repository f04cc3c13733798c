//! Sizes as people write them: `"500GiB"`, `"2TB"`.

/// Each unit in bytes.
const UNITS: [(&str, u64); 7] = [
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
];

/// Reads a size in bytes; the error is the rest of a sentence that begins with the key.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || {
        let what = "is a size such as `500GiB` or `2TB` (units: MB, GB, TB, MiB, GiB, TiB)";
        format!("{what}, not `{}`", text.escape_debug())
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(*bytes).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_meant() {
        for (text, bytes) in [("1MB", 1_000_000), ("2 GiB", 2 << 30), ("3TiB", 3 << 40)] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "5", "GiB", "0GB", "-1GB", "1.5GB", "1gb", "99999999PiB", "1GBx"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

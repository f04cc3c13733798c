//! Patterns of numbers, as a route names them: one number, the beginning of some, digits by class, a block of extensions.

use std::fmt;

/// The longest pattern.
const LONGEST: usize = 64;
/// The digits of a block: `{0000-9999}` and the like.
const WIDEST: usize = 9;
/// Any digit.
const ANY: u16 = 0x3ff;

/// `+4930555010` is one number, `+4930555*` all that begin so, `?` one digit, `[2-5]` one of some, `{10-49}` a block of numbers of
/// as many digits. A pattern that begins with `+` is compared with the international form of a number, any other with what was dialled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumberPattern(Vec<Piece>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Piece {
    /// This character.
    Is(u8),
    /// One of these digits, a bit each.
    Of(u16),
    /// A decimal of that many digits, leading noughts included.
    Block { first: u32, last: u32, digits: usize },
    /// Whatever follows.
    Rest,
}

impl NumberPattern {
    /// Reads a pattern; the error is the rest of a sentence that begins with the key.
    pub fn parse(text: &str) -> Result<NumberPattern, String> {
        let wrong = || {
            "is a number such as `+4930555010`, an extension, or a pattern: `0*` is all that begin so, `?` any digit, \
             `[2-5]` one of some, `{10-49}` a block"
                .to_owned()
        };
        if text.is_empty() || text.len() > LONGEST {
            return Err(wrong());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.bytes().next() {
            let piece = match first {
                b'*' if rest.len() == 1 => Piece::Rest,
                b'+' if rest.len() == text.len() && text.len() > 1 => Piece::Is(first),
                b'?' => Piece::Of(ANY),
                b'[' | b'{' => {
                    let close = if first == b'[' { ']' } else { '}' };
                    let (inside, after) =
                        rest.get(1..).and_then(|rest| rest.split_once(close)).ok_or_else(wrong)?;
                    pieces.push(
                        match first {
                            b'[' => class(inside),
                            _ => block(inside),
                        }
                        .ok_or_else(wrong)?,
                    );
                    rest = after;
                    continue;
                }
                byte if byte.is_ascii_alphanumeric() || b"-_.*#".contains(&byte) => Piece::Is(byte),
                _ => return Err(wrong()),
            };
            pieces.push(piece);
            rest = rest.get(1..).unwrap_or_default();
        }
        Ok(NumberPattern(pieces))
    }

    /// Exactly this text.
    pub fn exactly(text: &str) -> NumberPattern {
        NumberPattern(text.bytes().map(Piece::Is).collect())
    }

    /// Whether it is about the international form.
    pub fn is_international(&self) -> bool {
        self.0.first() == Some(&Piece::Is(b'+'))
    }

    /// Whether `text` is meant.
    pub fn matches(&self, text: &str) -> bool {
        let mut rest = text.as_bytes();
        for piece in &self.0 {
            let taken = match piece {
                Piece::Rest => return true,
                Piece::Is(byte) => rest.first() == Some(byte),
                Piece::Of(digits) => rest.first().is_some_and(|byte| digit(*byte) & digits != 0),
                Piece::Block { first, last, digits } => rest
                    .get(..*digits)
                    .and_then(decimal)
                    .is_some_and(|number| (*first..=*last).contains(&number)),
            };
            if !taken {
                return false;
            }
            rest = rest.get(piece.width()..).unwrap_or_default();
        }
        rest.is_empty()
    }

    /// Whether every text that `other` means is meant here too. `false` where it cannot be told at a glance.
    pub fn covers(&self, other: &NumberPattern) -> bool {
        covers(&self.0, &other.0)
    }
}

/// As it may be written.
impl fmt::Display for NumberPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Is(byte) => write!(f, "{}", char::from(*byte))?,
                Piece::Of(ANY) => f.write_str("?")?,
                Piece::Of(digits) => {
                    let all = (b'0'..=b'9').filter(|byte| digit(*byte) & digits != 0);
                    let all: String = all.map(char::from).collect();
                    write!(f, "[{all}]")?;
                }
                Piece::Block { first, last, digits } => {
                    write!(f, "{{{first:0digits$}-{last:0digits$}}}")?;
                }
                Piece::Rest => f.write_str("*")?,
            }
        }
        Ok(())
    }
}

impl Piece {
    /// Characters.
    fn width(&self) -> usize {
        match self {
            Piece::Is(_) | Piece::Of(_) => 1,
            Piece::Block { digits, .. } => *digits,
            Piece::Rest => 0,
        }
    }
}

fn covers(wide: &[Piece], narrow: &[Piece]) -> bool {
    match (wide.split_first(), narrow.split_first()) {
        (Some((Piece::Rest, _)), _) | (None, None) => true,
        (None, Some(_)) | (Some(_), None | Some((Piece::Rest, _))) => false,
        (Some((Piece::Block { first, last, digits }, wide)), Some((piece, narrow_rest))) => {
            match piece {
                Piece::Block { first: from, last: to, digits: width } => {
                    width == digits && first <= from && to <= last && covers(wide, narrow_rest)
                }
                Piece::Is(_) | Piece::Of(_) | Piece::Rest => {
                    let fixed: Option<Vec<u8>> = narrow
                        .get(..*digits)
                        .into_iter()
                        .flatten()
                        .map(|piece| match piece {
                            Piece::Is(byte) => Some(*byte),
                            Piece::Of(_) | Piece::Block { .. } | Piece::Rest => None,
                        })
                        .collect();
                    fixed.as_deref().and_then(decimal).is_some_and(|number| {
                        (*first..=*last).contains(&number)
                            && covers(wide, narrow.get(*digits..).unwrap_or_default())
                    })
                }
            }
        }
        (Some(_), Some((Piece::Block { digits, .. }, narrow))) => {
            let any = wide
                .get(..*digits)
                .is_some_and(|pieces| pieces.iter().all(|piece| *piece == Piece::Of(ANY)));
            let rest_follows = wide.iter().take(*digits).position(|piece| *piece == Piece::Rest);
            match rest_follows {
                Some(at) => wide.iter().take(at).all(|piece| *piece == Piece::Of(ANY)),
                None => any && covers(wide.get(*digits..).unwrap_or_default(), narrow),
            }
        }
        (Some((one, wide)), Some((other, narrow))) => {
            let fits = match (one, other) {
                (Piece::Of(wide), Piece::Of(narrow)) => wide & narrow == *narrow,
                (Piece::Of(wide), Piece::Is(byte)) => digit(*byte) & wide != 0,
                (one, other) => one == other,
            };
            fits && covers(wide, narrow)
        }
    }
}

/// Its bit; none for what is no digit.
fn digit(byte: u8) -> u16 {
    match byte {
        b'0'..=b'9' => 1 << (byte - b'0'),
        _ => 0,
    }
}

fn decimal(bytes: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(bytes).ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// `135`, `2-9`, `13-57`.
fn class(text: &str) -> Option<Piece> {
    let bytes = text.as_bytes();
    let (mut digits, mut at) = (0, 0);
    while let Some(&from) = bytes.get(at) {
        let to = match bytes.get(at + 1) {
            Some(b'-') => *bytes.get(at + 2)?,
            _ => from,
        };
        if !from.is_ascii_digit() || !to.is_ascii_digit() || to < from {
            return None;
        }
        digits |= (from..=to).fold(0, |all, byte| all | digit(byte));
        at += if bytes.get(at + 1) == Some(&b'-') { 3 } else { 1 };
    }
    (digits != 0).then_some(Piece::Of(digits))
}

/// `10-49`: as many digits on both sides.
fn block(text: &str) -> Option<Piece> {
    let (first, last) = text.split_once('-')?;
    if first.len() != last.len() || first.len() > WIDEST {
        return None;
    }
    let digits = first.len();
    let (first, last) = (decimal(first.as_bytes())?, decimal(last.as_bytes())?);
    (first <= last).then_some(Piece::Block { first, last, digits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> NumberPattern {
        NumberPattern::parse(text).unwrap_or_else(|why| panic!("{text} {why}"))
    }

    #[test]
    fn a_pattern_means_what_it_says() {
        for (text, yes, no) in [
            ("+4930555010", vec!["+4930555010"], vec!["+49305550100", "+493055501", "4930555010"]),
            ("0*", vec!["0", "030", "0x"], vec!["1", "", "+0"]),
            ("*", vec!["", "1", "anything"], vec![]),
            ("*97", vec!["*97"], vec!["97", "*970"]),
            ("1??", vec!["100", "199"], vec!["10", "1000", "1a0"]),
            ("[2-46]0", vec!["20", "40", "60"], vec!["50", "10", "a0"]),
            ("555{010-049}", vec!["555010", "555049"], vec!["555009", "555050", "55501", "555+10"]),
            ("7{1-3}*", vec!["71", "739"], vec!["74", "7"]),
        ] {
            let pattern = pattern(text);
            yes.iter().for_each(|number| assert!(pattern.matches(number), "{text}: {number}"));
            no.iter().for_each(|number| assert!(!pattern.matches(number), "{text}: {number}"));
        }
        for text in ["+49*", "1?[246]0", "555{010-049}*"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert!(pattern("+49*").is_international() && !pattern("0*").is_international());
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "+",
            "+49 30",
            "1+2",
            "[",
            "[]",
            "[a]",
            "[9-2]",
            "[1-]",
            "{1}",
            "{1-22}",
            "{9-1}",
            "{0000000000-9999999999}",
            "ä",
            "1}",
            &"1".repeat(65),
        ] {
            assert!(NumberPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wide_pattern_covers_a_narrow_one() {
        for (wide, narrow) in [
            ("*", "+49*"),
            ("+49*", "+4930*"),
            ("+49*", "+493055501{0-9}"),
            ("+49*", "+49"),
            ("1??", "1{10-49}"),
            ("1??", "1[2-3]4"),
            ("1{00-99}", "1{10-49}"),
            ("1{00-99}", "155"),
            ("1{00-99}*", "155*"),
            ("[1-5]0", "[24]0"),
            ("1?*", "1{10-49}"),
        ] {
            assert!(pattern(wide).covers(&pattern(narrow)), "{wide} {narrow}");
            assert!(!pattern(narrow).covers(&pattern(wide)), "{narrow} {wide}");
        }
        for (one, other) in
            [("1*", "2*"), ("1??", "1*"), ("1{00-49}", "1{10-59}"), ("1?", "1{10-20}")]
        {
            assert!(!pattern(one).covers(&pattern(other)), "{one} {other}");
        }
        assert!(pattern("1{10-20}").covers(&pattern("1{10-20}")));
    }
}

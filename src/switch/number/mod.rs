//! Numbers, typed from end to end: what somebody dialled, called from or is written in a file has one form here, by which it is routed,
//! recorded and refused.

mod country;

use std::fmt;

use country::Written;
pub use country::{Country, Place, Rate, rehearse};

use crate::wire::sip::uri::{Scheme, Uri};

/// The longest text that is taken for a number.
const LONGEST: usize = 64;
/// The longest number that only a network of its own country knows, such as `116117`.
const LONGEST_SERVICE: usize = 6;
/// From a caller who withholds the number, or whose network knows none (RFC 3323 §4.1.1.3, and what gateways say).
const WITHHELD: [&str; 5] = ["anonymous", "restricted", "unavailable", "unknown", "private"];

/// Somebody's number in its one form. Its text is shown by [`Number::as_str`] alone: people's numbers do not reach a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Number {
    /// International: `+` and 1 to 15 digits (ITU-T E.164).
    E164(Box<str>),
    /// A user of ours.
    Extension(Box<str>),
    /// An emergency service of the country: `112`.
    Emergency(Box<str>),
    /// Another number that only the country's networks know: `115`, `116117`.
    Service(Box<str>),
    /// Anything else, as it came: a number of the neighbourhood, a name.
    Plain(Box<str>),
    /// Withheld.
    Anonymous,
}

/// How numbers are written to a carrier, and by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// `+4930555010`
    #[default]
    E164,
    /// As dialled in the country: `030555010`, `0033...`.
    National,
    /// International without the `+`: `4930555010`.
    Plain,
}

/// The rules by which texts become numbers and numbers texts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Numbering {
    /// Whose national numbers these are; `None`: only what begins with `+` is known.
    pub country: Option<Country>,
    /// How they are written.
    pub format: Format,
    /// Before every number to this carrier, but for emergency and service numbers.
    pub prefix: String,
}

impl Number {
    /// The text: for records, and for whoever is meant to read it.
    pub fn as_str(&self) -> &str {
        match self {
            Number::E164(text)
            | Number::Extension(text)
            | Number::Emergency(text)
            | Number::Service(text)
            | Number::Plain(text) => text,
            Number::Anonymous => WITHHELD[0],
        }
    }

    /// What kind it is, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Number::E164(_) => "international",
            Number::Extension(_) => "extension",
            Number::Emergency(_) => "emergency",
            Number::Service(_) => "service",
            Number::Plain(_) => "plain",
            Number::Anonymous => "anonymous",
        }
    }

    /// Whether somebody who withholds the number calls.
    pub fn is_anonymous(&self) -> bool {
        *self == Number::Anonymous
    }

    /// Where it leads; `None` if it is not international.
    pub fn place(&self) -> Option<Place> {
        match self {
            Number::E164(text) => Some(country::place(text)),
            Number::Extension(_)
            | Number::Emergency(_)
            | Number::Service(_)
            | Number::Plain(_)
            | Number::Anonymous => None,
        }
    }
}

/// The kind alone.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(***)", self.kind())
    }
}

impl Numbering {
    /// Numbers as they are dialled in `country`.
    pub fn of(country: Option<Country>) -> Numbering {
        Numbering { country, format: Format::National, prefix: String::new() }
    }

    /// What `text` means: never an extension or an emergency number, which are ours to know. `text` is as [`said`] gives it.
    pub fn read(&self, text: &str) -> Number {
        if WITHHELD.iter().any(|word| text.eq_ignore_ascii_case(word)) || text.is_empty() {
            return Number::Anonymous;
        }
        if let Some(digits) = text.strip_prefix('+') {
            let is_number = (1..=15).contains(&digits.len()) && is_digits(digits);
            let number = is_number.then(|| country::plain(text).unwrap_or_else(|| text.to_owned()));
            return number.map_or_else(|| plain(text), |number| Number::E164(number.into()));
        }
        if !is_digits(text) {
            return plain(text);
        }
        let written = match self.format {
            Format::Plain => Written::WithCode,
            Format::E164 | Format::National => Written::AsDialled,
        };
        let national = self.country.and_then(|country| country.international(text, written));
        let national = national.or_else(|| match self.format {
            // Eight digits are the fewest of a whole number; a national one would have been read above.
            Format::Plain if (8..=15).contains(&text.len()) && !text.starts_with('0') => {
                country::plain(&format!("+{text}"))
            }
            Format::Plain | Format::E164 | Format::National => None,
        });
        match national {
            Some(number) => Number::E164(number.into()),
            None if text.len() <= LONGEST_SERVICE && self.country.is_some() => {
                Number::Service(text.into())
            }
            None => plain(text),
        }
    }

    /// The text for the carrier.
    pub fn write(&self, number: &Number) -> String {
        let Number::E164(text) = number else { return number.as_str().to_owned() };
        let written = match (self.format, self.country) {
            (Format::National, Some(country)) => country.dialled(text),
            (Format::Plain, _) => text.strip_prefix('+').map(str::to_owned),
            (Format::E164, _) | (Format::National, None) => None,
        };
        format!("{}{}", self.prefix, written.unwrap_or_else(|| text.to_string()))
    }
}

/// The number that a URI names, without visual separators, with its context before it where that is a number itself (RFC 3966 §5.1.5,
/// also in the user part of a SIP URI, RFC 3261 §19.1.6). `None`: the URI names nobody, or at such length that nobody is meant.
pub fn said(uri: &Uri) -> Option<String> {
    let user = uri.user().filter(|user| user.len() <= 4 * LONGEST)?;
    let (number, params) = user.split_once(';').unwrap_or((user, ""));
    let within = params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.eq_ignore_ascii_case("phone-context").then_some(value)
    });
    let within = within.or_else(|| match uri.scheme() {
        Scheme::Tel => uri.param("phone-context"),
        Scheme::Sip | Scheme::Sips | Scheme::Other(_) => None,
    });
    let number = bare(number);
    let whole = match within.map(bare) {
        Some(code) if code.starts_with('+') && !number.starts_with('+') => {
            format!("{code}{number}")
        }
        // A domain names a plan that we do not know: the number stands for itself.
        Some(_) | None => number,
    };
    (1..=LONGEST).contains(&whole.len()).then_some(whole)
}

/// The same of what a person typed.
pub fn typed(text: &str) -> Option<String> {
    let number = bare(text.trim());
    (1..=LONGEST).contains(&number.len()).then_some(number)
}

/// Without the separators that people put between digits; a text with anything else in it stays as it is.
fn bare(text: &str) -> String {
    let separates = |byte: u8| b"-.() ".contains(&byte);
    let dials = |byte: u8| byte.is_ascii_digit() || b"+*#".contains(&byte) || separates(byte);
    match text.bytes().all(dials) {
        true => text.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | ' ')).collect(),
        false => text.to_owned(),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn plain(text: &str) -> Number {
    Number::Plain(text.chars().take(LONGEST).collect::<String>().into())
}

#[cfg(test)]
mod tests;

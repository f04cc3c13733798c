//! Percent escapes of URIs (RFC 3261 §19.1.2, §25.1): read once, never twice, and written where they must be.

use std::borrow::Cow;

use super::message::Malformed;

/// The part of a URI that text stands in; each leaves other characters unescaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// User or password.
    User,
    /// The name or the value of one parameter.
    Param,
    /// A whole parameter, `=` included.
    Params,
    /// All headers, `=` and `&` included.
    Headers,
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

/// Whether `byte` may stand in `part` as it is.
fn is_legal(byte: u8, part: Part) -> bool {
    is_unreserved(byte)
        || match part {
            Part::User => matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/'),
            Part::Param => matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$'),
            Part::Params => matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$' | b'='),
            Part::Headers => {
                matches!(byte, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$' | b'=' | b'&')
            }
        }
}

/// What is tolerated besides: `#` of feature codes, `:` in a password, raw UTF-8 in a user, `;` and `,` and `@` in header values.
fn is_tolerated(byte: u8, part: Part) -> bool {
    match part {
        Part::User => matches!(byte, b'#' | b':') || byte >= 0x80,
        Part::Param => false,
        Part::Params => matches!(byte, b'#' | b','),
        Part::Headers => matches!(byte, b';' | b',' | b'@' | b'#'),
    }
}

/// Whether a byte may stand anywhere in a URI of a scheme we do not know.
pub(super) fn is_visible(byte: u8) -> bool {
    byte > b' ' && byte < 0x7f && !matches!(byte, b'"' | b'<' | b'>')
}

/// Refuses what cannot stand in `part`. `from` is where `text` begins.
pub(super) fn check(text: &str, part: Part, from: usize) -> Result<(), Malformed> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'%' {
            if hex(bytes, at).is_none() {
                return Err(Malformed::bad("bad escape in URI", from + at));
            }
            at += 3;
        } else if is_legal(byte, part) || is_tolerated(byte, part) {
            at += 1;
        } else {
            return Err(Malformed::bad("bad character in URI", from + at));
        }
    }
    Ok(())
}

/// Checks and unescapes. Escapes that are not UTF-8 are refused: no two texts may become one.
pub(super) fn read(text: &str, part: Part, from: usize) -> Result<Box<str>, Malformed> {
    check(text, part, from)?;
    match bytes(text) {
        Cow::Borrowed(_) => Ok(text.into()),
        Cow::Owned(plain) => String::from_utf8(plain)
            .map(Into::into)
            .map_err(|_| Malformed::bad("escapes that are not UTF-8", from)),
    }
}

/// Unescaped once; as it is where the escapes are not UTF-8.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    match bytes(text) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(plain) => String::from_utf8(plain).map_or(Cow::Borrowed(text), Cow::Owned),
    }
}

/// Appends `text` with everything escaped that cannot stand in `part`.
pub(super) fn write(out: &mut String, text: &str, part: Part) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text.as_bytes() {
        if is_legal(byte, part) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Equal, where an escaped character equals itself unless it is reserved (RFC 3261 §19.1.4).
pub(super) fn same(one: &str, other: &str) -> bool {
    one == other || canonical(one).eq(canonical(other))
}

fn canonical(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let &byte = bytes.get(at)?;
        match hex(bytes, at).filter(|_| byte == b'%') {
            Some(plain) => {
                at += 3;
                Some((plain, !is_unreserved(plain)))
            }
            None => {
                at += 1;
                Some((byte, false))
            }
        }
    })
}

fn bytes(text: &str) -> Cow<'_, [u8]> {
    let raw = text.as_bytes();
    if !raw.contains(&b'%') {
        return Cow::Borrowed(raw);
    }
    let mut plain = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        match hex(raw, at).filter(|_| byte == b'%') {
            Some(escaped) => {
                plain.push(escaped);
                at += 3;
            }
            None => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(plain)
}

/// The byte that the two digits after `at` stand for.
fn hex(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |place: usize| {
        let value = char::from(*bytes.get(place)?).to_digit(16)?;
        u8::try_from(value).ok()
    };
    Some(digit(at + 1)? << 4 | digit(at + 2)?)
}

//! A place in a header's value, and the few steps the grammar of RFC 3261 §25.1 is read with.

use super::message::Malformed;

const TOKEN: u8 = 1;
const VALUE: u8 = 2;
const HOST: u8 = 4;

/// What each byte may be part of.
const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let mut class = 0;
        if b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
        {
            class |= TOKEN;
        }
        // Wider than token and host: unquoted base64 and `a@b` are seen, and cannot be mistaken for the end of the value.
        if b > b' ' && b != 0x7f && !matches!(b, b'"' | b'<' | b'>' | b',' | b';' | b'\\') {
            class |= VALUE;
        }
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_') {
            class |= HOST;
        }
        table[byte] = class;
        byte += 1;
    }
    table
};

/// Whether a byte may stand in a `token`.
pub(super) fn is_token(byte: u8) -> bool {
    CLASS[usize::from(byte)] & TOKEN != 0
}

/// Whether a byte may stand in a host name; the underscore is no letter of DNS host names, but is used in them.
pub(super) fn is_host(byte: u8) -> bool {
    CLASS[usize::from(byte)] & HOST != 0
}

/// A blank of an unfolded line.
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Without blanks at both ends.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_blank(*last)
    {
        bytes = rest;
    }
    bytes
}

/// A decimal number that fills `digits` and is at most `max`. Leading zeros are legal, signs are not.
pub(super) fn number(digits: &[u8], max: u64) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        if value > max {
            return None;
        }
    }
    Some(value)
}

/// Splits a list at the commas that stand neither in quotes nor in angle brackets; items are trimmed, empty ones kept.
pub(super) fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let bytes = rest?;
        if memchr::memchr(b',', bytes).is_none() {
            rest = None;
            return Some(trim(bytes));
        }
        let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
        let end = bytes.iter().position(|&b| {
            if escaped {
                escaped = false;
                return false;
            }
            match b {
                b'\\' if quoted => escaped = true,
                b'"' if !bracketed => quoted = !quoted,
                b'<' if !quoted => bracketed = true,
                b'>' if !quoted => bracketed = false,
                b',' if !quoted && !bracketed => return true,
                _ => {}
            }
            false
        });
        rest = end.map(|end| &bytes[end + 1..]);
        Some(trim(&bytes[..end.unwrap_or(bytes.len())]))
    })
}

/// Splits at the semicolons outside of quotes.
pub(super) fn split_params(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |&b| {
        if escaped {
            escaped = false;
            return false;
        }
        match b {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        b == b';' && !quoted
    })
}

/// Reads a value from left to right.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.at = (self.at + count).min(self.bytes.len());
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// A 400 at this place.
    pub(super) fn error(&self, what: &'static str) -> Malformed {
        Malformed::bad(what, self.at)
    }

    /// Skips blanks; whether there were any.
    pub(super) fn blanks(&mut self) -> bool {
        let from = self.at;
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
        self.at > from
    }

    /// Takes one byte if it is `byte`.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes a separator with the blanks around it (SLASH, EQUAL, COLON ... of the grammar).
    pub(super) fn separator(&mut self, byte: u8) -> bool {
        let before = self.at;
        self.blanks();
        if self.eat(byte) {
            self.blanks();
            true
        } else {
            self.at = before;
            false
        }
    }

    /// The longest run of bytes that fit, perhaps none.
    pub(super) fn run(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let end = rest.iter().position(|&b| !fits(b)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// A token of at least one byte.
    pub(super) fn token(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        let token = self.run(is_token);
        if token.is_empty() {
            return Err(self.error(what));
        }
        std::str::from_utf8(token).map_err(|_| self.error(what))
    }

    /// An unquoted parameter value of at least one byte.
    pub(super) fn value(&mut self) -> Result<&'a str, Malformed> {
        let value = self.run(|b| CLASS[usize::from(b)] & VALUE != 0);
        if value.is_empty() {
            return Err(self.error("empty parameter value"));
        }
        std::str::from_utf8(value).map_err(|_| self.error("parameter value is not UTF-8"))
    }

    /// A quoted string from its opening quote on, appended to `out` unquoted. Bytes that are not UTF-8 become U+FFFD.
    pub(super) fn quoted(&mut self, out: &mut String) -> Result<(), Malformed> {
        let open = self.at;
        if !self.eat(b'"') {
            return Err(self.error("a quoted string was expected"));
        }
        let from = self.at;
        let mut escapes = false;
        loop {
            match self.peek() {
                None => return Err(Malformed::bad("unterminated quoted string", open)),
                Some(b'"') => break,
                Some(b'\\') => {
                    escapes = true;
                    self.at += 1;
                    if self.is_done() {
                        return Err(Malformed::bad("unterminated quoted string", open));
                    }
                }
                Some(b) if b < b' ' && b != b'\t' => {
                    return Err(self.error("control character in a quoted string"));
                }
                Some(_) => {}
            }
            self.at += 1;
        }
        let inner = &self.bytes[from..self.at];
        self.at += 1;
        if escapes {
            let mut plain = Vec::with_capacity(inner.len());
            let mut bytes = inner.iter();
            while let Some(&b) = bytes.next() {
                plain.push(if b == b'\\' { bytes.next().copied().unwrap_or(b) } else { b });
            }
            out.push_str(&String::from_utf8_lossy(&plain));
        } else {
            out.push_str(&String::from_utf8_lossy(inner));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_only_where_no_quote_and_no_bracket_is_open() {
        let list = b" a , \"b, \\\" c\" <sip:x,y@z>;p=\",\" ,, d";
        let parts: Vec<_> = items(list).map(|item| String::from_utf8_lossy(item)).collect();
        assert_eq!(parts, ["a", "\"b, \\\" c\" <sip:x,y@z>;p=\",\"", "", "d"]);
    }

    #[test]
    fn a_number_has_digits_only_and_a_limit() {
        assert_eq!(number(b"0068", 255), Some(68));
        assert_eq!(number(b"255", 255), Some(255));
        for bad in [&b"256"[..], b"", b"-1", b"+1", b"1 ", b"36893488147419103232"] {
            assert_eq!(number(bad, 255), None);
        }
    }

    #[test]
    fn a_quoted_string_loses_its_quotes_and_escapes() {
        let mut text = String::new();
        let mut cursor = Cursor::new(b"\"a\\\"b\\\\c\\\x00\" x");
        cursor.quoted(&mut text).expect("it is terminated");
        assert_eq!(text, "a\"b\\c\0");
        assert_eq!(cursor.rest(), b" x");
        for open in [&b"\"abc"[..], b"\"abc\\", b"\"abc\\\""] {
            assert!(Cursor::new(open).quoted(&mut text).is_err());
        }
    }
}

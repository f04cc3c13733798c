//! The `name=value` list of a challenge or of credentials: RFC 7616 §3.3, §3.4.

use std::borrow::Cow;

use crate::wire::sip::message::{Malformed, Status};

/// RFC 7616 knows 14 fields, and extensions are rare; every one more is compared with all before it.
const MOST: usize = 32;

/// What follows the word `Digest`, values without their quotes.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<Field<'a>>);

/// Name and value.
type Field<'a> = (&'a [u8], &'a [u8]);

impl<'a> Fields<'a> {
    /// Reads one header line. `Ok(None)`: it is of another scheme.
    pub(super) fn read(line: &'a [u8]) -> Result<Option<Fields<'a>>, Malformed> {
        let line = line.trim_ascii();
        let end = line.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(line.len());
        let (scheme, rest) = line.split_at(end);
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Ok(None);
        }
        let mut reader = Reader { rest: rest.trim_ascii_start(), whole: line.len() };
        let mut fields = Vec::with_capacity(10);
        while let Some((name, value)) = reader.next()? {
            if fields.iter().any(|(other, _): &Field<'_>| other.eq_ignore_ascii_case(name)) {
                return Err(reader.malformed("a digest field twice"));
            }
            if fields.len() == MOST {
                return Err(reader.malformed("too many digest fields"));
            }
            fields.push((name, value));
        }
        Ok(Some(Fields(fields)))
    }

    /// A value as it stands between its quotes: what digests are computed over.
    pub(super) fn raw(&self, name: &str) -> Option<&'a [u8]> {
        let found = |(other, _): &&Field<'_>| other.eq_ignore_ascii_case(name.as_bytes());
        self.0.iter().find(found).map(|(_, value)| *value)
    }

    /// A value with its backslashes taken out.
    pub(super) fn plain(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        let raw = self.raw(name)?;
        if !raw.contains(&b'\\') {
            return Some(Cow::Borrowed(raw));
        }
        let mut plain = Vec::with_capacity(raw.len());
        let mut bytes = raw.iter();
        while let Some(&byte) = bytes.next() {
            plain.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
        }
        Some(Cow::Owned(plain))
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        while let [b',' | b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let end = self.rest.iter().position(|byte| matches!(byte, b'=' | b',' | b'"'));
        let Some(end) = end.filter(|&end| self.rest[end] == b'=') else {
            return Err(self.malformed("a digest field without a value"));
        };
        let name = self.rest[..end].trim_ascii();
        if name.is_empty() {
            return Err(self.malformed("a digest field without a name"));
        }
        self.rest = self.rest[end + 1..].trim_ascii_start();
        let value = match self.rest {
            [b'"', rest @ ..] => {
                self.rest = rest;
                self.quoted()?
            }
            _ => {
                let end = self.rest.iter().position(|&byte| byte == b',');
                let (value, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                value.trim_ascii()
            }
        };
        Ok(Some((name, value)))
    }

    fn quoted(&mut self) -> Result<&'a [u8], Malformed> {
        let mut at = 0;
        while let Some(&byte) = self.rest.get(at) {
            match byte {
                b'"' => {
                    let value = &self.rest[..at];
                    self.rest = self.rest[at + 1..].trim_ascii_start();
                    if !matches!(self.rest, [] | [b',', ..]) {
                        return Err(self.malformed("something after a quoted digest field"));
                    }
                    return Ok(value);
                }
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        Err(self.malformed("an open quote in a digest field"))
    }

    fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.whole - self.rest.len(), status: Status::of(400) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[u8]) -> Fields<'_> {
        Fields::read(line).expect("well formed").expect("Digest")
    }

    #[test]
    fn names_know_no_case_and_blanks_no_meaning() {
        let fields = read(b"digest  Realm = \"a, b\" ,\tNONCE=\"x\\\"y\",, qop=auth ,nc=00000001");
        assert_eq!(fields.raw("realm"), Some(&b"a, b"[..]));
        assert_eq!(fields.raw("nonce"), Some(&b"x\\\"y"[..]));
        assert_eq!(fields.plain("nonce").as_deref(), Some(&b"x\"y"[..]));
        assert_eq!(fields.raw("qop"), Some(&b"auth"[..]));
        assert_eq!(fields.raw("nc"), Some(&b"00000001"[..]));
        assert_eq!(fields.raw("opaque"), None);
    }

    #[test]
    fn another_scheme_is_not_an_error() {
        assert!(Fields::read(b"Basic QWxhZGRpbg==").expect("not ours to read").is_none());
        assert!(Fields::read(b"NoOneKnowsThisScheme opaque-data=here").expect("so").is_none());
        assert!(Fields::read(b"").expect("so").is_none());
    }

    #[test]
    fn more_fields_than_anybody_needs_are_malformed() {
        let line = |count: usize| {
            let fields: Vec<String> = (0..count).map(|n| format!("f{n}=1")).collect();
            format!("Digest {}", fields.join(","))
        };
        assert!(Fields::read(line(32).as_bytes()).is_ok());
        assert!(Fields::read(line(33).as_bytes()).is_err());
    }

    #[test]
    fn broken_lists_are_malformed() {
        for line in [
            &b"Digest realm=\"open"[..],
            b"Digest realm=\"open\\\"",
            b"Digest realm=\"open\\",
            b"Digest realm",
            b"Digest =\"a\"",
            b"Digest realm=\"a\"b",
            b"Digest nonce=\"a\", nonce=\"b\"",
        ] {
            assert!(Fields::read(line).is_err(), "{}", line.escape_ascii());
        }
    }
}

//! name-addr and addr-spec: the form of From, To, Contact, Route and their like.

use std::fmt;

use super::super::cursor::{Cursor, is_blank, number};
use super::super::message::Malformed;
use super::super::uri::Uri;
use super::Params;
use super::params::write_quoted;

/// name-addr or addr-spec with header parameters: From, To, Contact, Route, Record-Route, P-Asserted-Identity ...
#[derive(Clone)]
pub struct Address {
    /// The display name, unquoted.
    pub display: Option<Box<str>>,
    /// The URI.
    pub uri: Uri,
    /// Header parameters (a parameter of an addr-spec without brackets is the header's, RFC 3261 §20).
    pub params: Params,
}

impl Address {
    /// `<uri>` alone.
    pub fn new(uri: Uri) -> Address {
        Address { display: None, uri, params: Params::default() }
    }

    /// With a display name; it is quoted and escaped when written.
    pub fn named(display: &str, uri: Uri) -> Address {
        Address { display: Some(display.into()), uri, params: Params::default() }
    }

    /// Reads one value, whole.
    pub fn parse(value: &[u8]) -> Result<Address, Malformed> {
        let mut cursor = Cursor::new(value);
        let address = Address::read(&mut cursor)?;
        if cursor.is_done() { Ok(address) } else { Err(cursor.error("one address was expected")) }
    }

    /// With a tag added or replaced.
    pub fn tagged(mut self, tag: &str) -> Address {
        self.params.set("tag", tag);
        self
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }

    /// The `expires` parameter of a Contact, in seconds; `Err` when unreadable or above 2^32-1 (RFC 3261 §20.10).
    pub fn expires(&self) -> Result<Option<u32>, Malformed> {
        let Some(text) = self.params.get("expires") else { return Ok(None) };
        number(text.as_bytes(), u64::from(u32::MAX))
            .and_then(|seconds| u32::try_from(seconds).ok())
            .map(Some)
            .ok_or(Malformed::bad("expires out of range", 0))
    }

    /// Reads the value at the cursor, up to a comma or the end.
    pub(in crate::wire::sip) fn read(cursor: &mut Cursor<'_>) -> Result<Address, Malformed> {
        cursor.blanks();
        let (display, bracketed) = read_display(cursor)?;
        let from = cursor.at();
        let uri = if bracketed {
            let rest = cursor.rest();
            let Some(end) = rest.iter().position(|&b| b == b'>') else {
                return Err(cursor.error("< without >"));
            };
            cursor.advance(end + 1);
            &rest[..end]
        } else {
            cursor.run(|b| !is_blank(b) && b != b';' && b != b',')
        };
        if !bracketed && uri.contains(&b'?') {
            return Err(Malformed::bad("URI headers outside of <>", from));
        }
        let uri = std::str::from_utf8(uri)
            .map_err(|_| Malformed::bad("URI is not UTF-8", from))
            .and_then(Uri::parse)
            .map_err(|malformed| malformed.shifted(from))?;
        let params = Params::read(cursor)?;
        cursor.blanks();
        if cursor.is_done() || cursor.peek() == Some(b',') {
            Ok(Address { display, uri, params })
        } else {
            Err(cursor.error("address cannot be read"))
        }
    }
}

/// The display name, if any, and whether a `<` follows it (and is taken).
fn read_display(cursor: &mut Cursor<'_>) -> Result<(Option<Box<str>>, bool), Malformed> {
    if cursor.peek() == Some(b'"') {
        let mut name = String::new();
        cursor.quoted(&mut name)?;
        cursor.blanks();
        if !cursor.eat(b'<') {
            return Err(cursor.error("display name without <"));
        }
        return Ok((Some(name.into()), true));
    }
    // Wider than the tokens of the grammar: `+49 (30) 5550` and raw UTF-8 are common, and end at the bracket all the same.
    let mut ahead = cursor.clone();
    let name = ahead
        .run(|b| b >= b' ' && !matches!(b, b'"' | b',' | b';' | b'<' | b'>' | 0x7f) || b == b'\t');
    if !ahead.eat(b'<') {
        return Ok((None, false));
    }
    *cursor = ahead;
    let name = String::from_utf8_lossy(name);
    let mut words = name.split([' ', '\t']).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return Ok((None, true)) };
    let name = words.fold(String::from(first), |name, word| name + " " + word);
    Ok((Some(name.into()), true))
}

/// As on the wire: display name quoted, URI in brackets, parameters.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write_quoted(f, display)?;
            f.write_str(" ")?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// Without name and user.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{:?}>{:?}", self.uri, self.params)
    }
}

/// The Contact header of a whole message.
#[derive(Clone, Debug)]
pub enum Contacts {
    /// `*`: all of them (RFC 3261 §10.2.2).
    All,
    /// In order of appearance.
    List(Vec<Address>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Address {
        Address::parse(text.as_bytes()).unwrap_or_else(|malformed| panic!("{text}: {malformed}"))
    }

    #[test]
    fn a_parameter_outside_of_brackets_is_the_headers() {
        let bare = read("sip:+19725552222@gw1.example.net;unknownparam");
        assert_eq!(bare.params.get("unknownparam"), Some(""));
        assert_eq!(bare.uri.param("unknownparam"), None);
        let bracketed = read("<sip:+19725552222@gw1.example.net;unknownparam>");
        assert_eq!(bracketed.params.get("unknownparam"), None);
        assert_eq!(bracketed.uri.param("unknownparam"), Some(""));
    }

    #[test]
    fn a_display_name_is_read_quoted_or_not() {
        assert_eq!(read("\"J \\\"\\\\ R\"  <sip:a@b>").display.as_deref(), Some("J \"\\ R"));
        assert_eq!(read("caller<sip:a@b>;tag=323").display.as_deref(), Some("caller"));
        assert_eq!(read("A.  Bell <sip:a@b>").display.as_deref(), Some("A. Bell"));
        assert_eq!(read("<sip:a@b>").display, None);
        assert_eq!(read("\"\" <sip:a@b>").display.as_deref(), Some(""));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let address = Address::named("a \"b\" \\c", read("<sip:x@y;p>").uri).tagged("t1");
        let text = address.to_string();
        assert_eq!(text, "\"a \\\"b\\\" \\\\c\" <sip:x@y;p>;tag=t1");
        let again = read(&text);
        assert_eq!(again.display, address.display);
        assert_eq!(again.tag(), Some("t1"));
        assert_eq!(again.tagged("t2").tag(), Some("t2"));
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for bad in [
            "\"Mr. J. User <sip:j.user@example.com>",
            "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            "\"Watson, Thomas\" < sip:t.watson@example.org >",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "<sip:a@b",
            "<sip:a@b> x",
            "<<sip:a@b>>",
            "\"a\" sip:a@b",
            "",
            "<>",
            "alan@jasomi.com",
            "<sip:a@b>;;;;",
            "<sip:a@b>;tag=1;tag=2",
            "<sip:a@b>, <sip:c@d>",
        ] {
            assert!(Address::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_seconds_of_a_contact_have_a_range() {
        assert_eq!(read("<sip:a@b>;expires=4294967295").expires(), Ok(Some(u32::MAX)));
        assert!(read("<sip:a@b>;expires=280297596632815").expires().is_err());
        assert!(read("<sip:a@b>;expires=abc").expires().is_err());
        assert_eq!(read("<sip:a@b>").expires(), Ok(None));
    }

    #[test]
    fn a_log_line_shows_no_number() {
        let shown = format!("{:?}", read("\"Bob\" <sip:+4930555010@example.com;user=phone>;tag=1"));
        assert!(!shown.contains("4930") && !shown.contains("Bob"), "{shown}");
    }
}

//! `;name=value` parameters of a header or a URI.

use std::fmt;

use super::super::cursor::{Cursor, is_token};
use super::super::message::Malformed;

/// `;name=value` parameters in order; names are compared without case, quoted values are unquoted by `get`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Params {
    /// Names (lower-cased) and values (unquoted), one after the other.
    text: String,
    list: Vec<Param>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Param {
    name: Span,
    value: Option<Span>,
    quoted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    from: usize,
    to: usize,
}

impl Params {
    /// The value, `""` for a bare parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|param| self.value_of(param).unwrap_or(""))
    }

    /// Names (in lower case) and values, in order; `None` for a bare parameter.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.list.iter().map(|param| (self.at(param.name), self.value_of(param)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a parameter, or replaces its value. It is quoted when written if it is no token; `""` makes it a bare one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        let quoted = !value.is_empty() && !value.bytes().all(|b| is_token(b) || is_open(b));
        let name = self.append(name, true);
        let value = (!value.is_empty()).then(|| self.append(value, false));
        self.list.push(Param { name, value, quoted });
    }

    /// A value in quotes, as it is written.
    pub fn quoted(value: &str) -> String {
        let mut text = String::with_capacity(value.len() + 2);
        // Writing to a String cannot fail.
        _ = write_quoted(&mut text, value);
        text
    }

    /// Takes a parameter out.
    pub fn remove(&mut self, name: &str) {
        if let Some(place) =
            self.list.iter().position(|param| self.at(param.name).eq_ignore_ascii_case(name))
        {
            self.list.remove(place);
        }
    }

    /// Reads `;a;b=c;d="e"` up to what is no parameter. A name that comes twice is refused (RFC 3261 §7.3.1).
    pub(in crate::wire::sip) fn read(cursor: &mut Cursor<'_>) -> Result<Params, Malformed> {
        let mut params = Params::default();
        while cursor.separator(b';') {
            if params.list.is_empty() {
                // Few values have more, and none of these is kept for long.
                params.list.reserve(4);
                params.text.reserve(cursor.rest().len().min(128));
            }
            let at = cursor.at();
            let name = cursor.token("empty parameter")?;
            let name = params.append(name, true);
            let mut quoted = false;
            let value = if cursor.separator(b'=') {
                let from = params.text.len();
                if cursor.peek() == Some(b'"') {
                    quoted = true;
                    cursor.quoted(&mut params.text)?;
                } else {
                    let value = cursor.value()?;
                    params.text.push_str(value);
                }
                Some(Span { from, to: params.text.len() })
            } else {
                None
            };
            params.push(Param { name, value, quoted }, at)?;
        }
        Ok(params)
    }

    /// Adds a parameter that was read; the limit keeps the search for doubles linear in the length of the message.
    fn push(&mut self, param: Param, at: usize) -> Result<(), Malformed> {
        const LIMIT: usize = 64;
        if self.list.len() == LIMIT {
            return Err(Malformed::bad("too many parameters", at));
        }
        if self.find(self.at(param.name)).is_some() {
            return Err(Malformed::bad("doubled parameter", at));
        }
        self.list.push(param);
        Ok(())
    }

    /// Adds a parameter of a URI, unescaped already.
    pub(in crate::wire::sip) fn push_plain(
        &mut self,
        name: &str,
        value: Option<&str>,
        at: usize,
    ) -> Result<(), Malformed> {
        let name = self.append(name, true);
        let value = value.map(|value| self.append(value, false));
        self.push(Param { name, value, quoted: false }, at)
    }

    fn append(&mut self, part: &str, fold_case: bool) -> Span {
        let from = self.text.len();
        self.text.push_str(part);
        if fold_case {
            self.text[from..].make_ascii_lowercase();
        }
        Span { from, to: self.text.len() }
    }

    fn find(&self, name: &str) -> Option<&Param> {
        self.list.iter().find(|param| self.at(param.name).eq_ignore_ascii_case(name))
    }

    fn at(&self, span: Span) -> &str {
        &self.text[span.from..span.to]
    }

    fn value_of(&self, param: &Param) -> Option<&str> {
        param.value.map(|span| self.at(span))
    }
}

/// What an unquoted value may hold besides token characters: address literals.
fn is_open(byte: u8) -> bool {
    matches!(byte, b'[' | b']' | b':')
}

/// As on the wire.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for param in &self.list {
            write!(f, ";{}", self.at(param.name))?;
            match self.value_of(param) {
                None => {}
                Some(value) if param.quoted => {
                    f.write_str("=")?;
                    write_quoted(f, value)?;
                }
                Some(value) => write!(f, "={value}")?,
            }
        }
        Ok(())
    }
}

/// Names only: values may be people's numbers.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(|param| self.at(param.name))).finish()
    }
}

/// Writes `text` as a quoted string.
pub(super) fn write_quoted(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut rest = text;
    while let Some(place) = rest.find(['"', '\\']) {
        out.write_str(&rest[..place])?;
        out.write_char('\\')?;
        out.write_str(&rest[place..=place])?;
        rest = &rest[place + 1..];
    }
    out.write_str(rest)?;
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Params, Malformed> {
        Params::read(&mut Cursor::new(text.as_bytes()))
    }

    #[test]
    fn values_are_found_without_case_and_without_quotes() {
        let params = read(" ; Tag =\ta1 ; lr; q=\"a\\\"b;c\"").expect("legal");
        assert_eq!(params.get("tag"), Some("a1"));
        assert_eq!(params.get("LR"), Some(""));
        assert_eq!(params.get("q"), Some("a\"b;c"));
        assert_eq!(params.get("r"), None);
        assert_eq!(params.to_string(), ";tag=a1;lr;q=\"a\\\"b;c\"");
    }

    #[test]
    fn empty_doubled_and_too_many_parameters_are_refused() {
        assert!(read(";;a").is_err());
        assert!(read(";a=").is_err());
        assert!(read(";").is_err());
        assert!(read(";tag=a;Tag=b").is_err());
        let many: String = (0..65).map(|n| format!(";p{n}")).collect();
        assert!(read(&many).is_err());
    }

    #[test]
    fn a_value_that_is_set_is_quoted_where_it_must_be() {
        let mut params = read(";tag=old;x").expect("legal");
        params.set("TAG", "new");
        params.set("y", "a b");
        params.remove("x");
        assert_eq!(params.to_string(), ";tag=new;y=\"a b\"");
    }
}

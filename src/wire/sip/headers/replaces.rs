//! Replaces: the dialog that a new one takes the place of (RFC 3891 §6.1).

use super::super::cursor::{Cursor, is_blank};
use super::super::message::Malformed;
use super::Params;

/// A dialog, as named by somebody to whom `to_tag` is our tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    /// Call-ID.
    pub call_id: Box<str>,
    /// Our tag.
    pub to_tag: Box<str>,
    /// The far tag.
    pub from_tag: Box<str>,
    /// Only if nobody has answered yet.
    pub early_only: bool,
}

impl Replaces {
    /// Reads the one value of the header; a second one, or a tag that is missing, is a 400.
    pub fn parse(value: &[u8]) -> Result<Replaces, Malformed> {
        let mut cursor = Cursor::new(value);
        cursor.blanks();
        let call_id = cursor.run(|b| b != b';' && b != b',' && !is_blank(b));
        let call_id = std::str::from_utf8(call_id).ok().filter(|call_id| !call_id.is_empty());
        let call_id = call_id.ok_or(Malformed::bad("Replaces without Call-ID", 0))?;
        let params = Params::read(&mut cursor)?;
        cursor.blanks();
        if !cursor.is_done() {
            return Err(cursor.error("one Replaces was expected"));
        }
        let tag = |name| {
            let tag = params.get(name).filter(|tag| !tag.is_empty());
            tag.map(Into::into).ok_or(Malformed::bad("Replaces without its tags", 0))
        };
        Ok(Replaces {
            call_id: call_id.into(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: params.get("early-only").is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let read = |text: &str| Replaces::parse(text.as_bytes()).expect("legal");
        let named = read("98asjd8@test.com; from-tag=r33th4x0r;to-tag=ff87ff");
        assert_eq!((&*named.call_id, &*named.to_tag), ("98asjd8@test.com", "ff87ff"));
        assert_eq!((&*named.from_tag, named.early_only), ("r33th4x0r", false));
        assert!(read("12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only").early_only);
    }

    #[test]
    fn what_names_no_dialog_or_two_is_refused() {
        for bad in [
            "",
            ";to-tag=a;from-tag=b",
            "call",
            "call;to-tag=a",
            "call;from-tag=a",
            "call;to-tag;from-tag=b",
            "call;to-tag=a;from-tag=b;to-tag=c",
            "call;to-tag=a;from-tag=b, other;to-tag=a;from-tag=b",
        ] {
            assert!(Replaces::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}

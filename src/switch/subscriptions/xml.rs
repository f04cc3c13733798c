//! Text for XML documents of ours: what people are called must not become markup (XML 1.0 §2.2, §2.4).

use std::fmt::{self, Write};

/// A text as character data or as an attribute in double quotes. What XML cannot hold is a space.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&apos;")?,
                '\u{fffe}' | '\u{ffff}' => f.write_char(' ')?,
                control if control.is_control() => f.write_char(' ')?,
                plain => f.write_char(plain)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_a_piece_of_markup() {
        let name = "]]><x a=\"b\" c='d'>&amp;\0\u{1b}\r\n\u{85}\u{ffff}é😀";
        let escaped = Escaped(name).to_string();
        assert_eq!(escaped, "]]&gt;&lt;x a=&quot;b&quot; c=&apos;d&apos;&gt;&amp;amp;      é😀");
    }
}

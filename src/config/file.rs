//! One TOML file, read key by key: what nobody asked for is unknown, and every value knows its line.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::findings::Findings;
use super::{duration, nearest};

/// A value and the line it stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: u32,
}

/// A parsed file.
#[derive(Debug)]
pub(super) struct Document<'a> {
    /// Relative to the profiles folder.
    pub(super) path: &'a str,
    table: Spanned<DeTable<'a>>,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'a> Document<'a> {
    /// Parses `text`, reporting each syntax error; `None` if there is one, since the rest could be misread.
    pub(super) fn parse(path: &'a str, text: &'a str, findings: &Findings) -> Option<Document<'a>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let lines = std::iter::once(0)
            .chain(
                text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1),
            )
            .collect();
        let document = Document { path, table, lines };
        let mut reported = None;
        for error in &errors {
            let line = error.span().map(|span| document.line(span.start));
            // What follows in the line follows from the first.
            if line.is_none() || line != reported {
                findings.error(path, line, error.message().replace('\n', " "));
            }
            reported = line;
        }
        errors.is_empty().then_some(document)
    }

    /// The whole file.
    pub(super) fn section<'d>(&'d self, findings: &'d Findings) -> Section<'d> {
        let table = self.table.get_ref();
        Section {
            document: self,
            findings,
            table,
            place: String::new(),
            line: None,
            asked: Vec::new(),
        }
    }

    /// From 1.
    fn line(&self, at: usize) -> u32 {
        u32::try_from(self.lines.partition_point(|begins| *begins <= at)).unwrap_or(u32::MAX)
    }
}

/// A table of a file. Every key it may have is asked for once, then [`Section::end`] reports the others.
#[derive(Debug)]
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    findings: &'d Findings,
    table: &'d DeTable<'d>,
    /// `rtp.` before the keys of `[rtp]`.
    place: String,
    line: Option<u32>,
    asked: Vec<&'static str>,
}

/// A value that is one word, or a table where the word would not do.
#[derive(Debug)]
pub(super) enum Shape<'d> {
    /// `"users"`
    Word(At<String>),
    /// `{ trunk = "north" }`
    Section(Section<'d>),
}

impl<'d> Section<'d> {
    /// A string.
    pub(super) fn text(&mut self, key: &'static str) -> Option<At<String>> {
        self.read(key, "a text in quotes", |value| value.as_str().map(str::to_owned))
    }

    /// A string that `parse` understands; its error is the rest of a sentence that begins with the key.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        let At { value, line } = self.text(key)?;
        match parse(&value) {
            Ok(value) => Some(At { value, line }),
            Err(why) => {
                self.wrong(line, format!("`{}{key}` {why}", self.place));
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Option<At<T>> {
        self.parsed(key, |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant).ok_or_else(|| {
                let all: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                format!("is one of {}, not `{}`", all.join(", "), text.escape_debug())
            })
        })
    }

    /// A time within bounds.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
    ) -> Option<At<Duration>> {
        self.parsed(key, |text| {
            let time = duration::parse(text)?;
            let (least, most) = (duration::write(*bounds.start()), duration::write(*bounds.end()));
            if bounds.contains(&time) {
                Ok(time)
            } else {
                Err(format!("is at least {least} and at most {most}, not {text}"))
            }
        })
    }

    /// A whole number within bounds.
    pub(super) fn count(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<usize>,
    ) -> Option<At<usize>> {
        let found = self.read(key, "a whole number", |value| {
            let number = value.as_integer()?;
            Some(usize::from_str_radix(number.as_str(), number.radix()).ok())
        })?;
        match found.value.filter(|number| bounds.contains(number)) {
            Some(value) => Some(At { value, line: found.line }),
            None => {
                let (least, most) = (bounds.start(), bounds.end());
                self.wrong(found.line, format!("`{}{key}` is from {least} to {most}", self.place));
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<At<bool>> {
        self.read(key, "`true` or `false`", DeValue::as_bool)
    }

    /// A list of strings, each with its line.
    pub(super) fn list(&mut self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        let document = self.document;
        let read = |value: &DeValue<'_>| -> Option<Vec<At<String>>> {
            let texts = value.as_array()?.iter().map(|item| {
                let line = document.line(item.span().start);
                item.get_ref().as_str().map(|text| At { value: text.to_owned(), line })
            });
            texts.collect()
        };
        self.read(key, "a list of texts, such as [\"a\", \"b\"]", read)
    }

    /// A list of strings that `parse` understands; those it does not are reported and left out.
    pub(super) fn parsed_list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<Vec<At<T>>>> {
        let list = self.list(key)?;
        Some(self.understood(key, list, parse))
    }

    /// The same, where one alone needs no brackets.
    pub(super) fn parsed_some<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<Vec<At<T>>>> {
        let list = match self.table.get(key).map(Spanned::get_ref) {
            Some(DeValue::Array(_)) => self.list(key)?,
            _ => {
                let one = self.text(key)?;
                At { line: one.line, value: vec![one] }
            }
        };
        Some(self.understood(key, list, parse))
    }

    fn understood<T>(
        &self,
        key: &str,
        At { value, line }: At<Vec<At<String>>>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> At<Vec<At<T>>> {
        let mut good = Vec::new();
        for item in value {
            match parse(&item.value) {
                Ok(value) => good.push(At { value, line: item.line }),
                Err(why) => self.wrong(item.line, format!("`{}{key}` {why}", self.place)),
            }
        }
        At { value: good, line }
    }

    /// A table.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'d>> {
        let (line, value) = self.take(key)?;
        match value.as_table() {
            Some(table) => Some(self.inner(key, line, table)),
            None => {
                self.mistaken(key, line, "a table, such as { key = \"value\" }", value);
                None
            }
        }
    }

    /// A table, or several of that name (`[[gateway]]`).
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'d>> {
        let Some((line, value)) = self.take(key) else { return Vec::new() };
        let tables: Option<Vec<Section<'d>>> = match value {
            DeValue::Table(table) => Some(vec![self.inner(key, line, table)]),
            DeValue::Array(items) => items
                .iter()
                .map(|item| {
                    let line = self.document.line(item.span().start);
                    item.get_ref().as_table().map(|table| self.inner(key, line, table))
                })
                .collect(),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => None,
        };
        tables.unwrap_or_else(|| {
            self.mistaken(key, line, "a table, such as [gateway], or several of them", value);
            Vec::new()
        })
    }

    /// A word, or a table.
    pub(super) fn shape(&mut self, key: &'static str) -> Option<Shape<'d>> {
        let (line, value) = self.take(key)?;
        match value {
            DeValue::String(text) => Some(Shape::Word(At { value: text.to_string(), line })),
            DeValue::Table(table) => Some(Shape::Section(self.inner(key, line, table))),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                self.mistaken(key, line, "a text in quotes or a table", value);
                None
            }
        }
    }

    /// Whether the key stands there; it counts as asked for.
    pub(super) fn line_of(&mut self, key: &'static str) -> Option<u32> {
        self.take(key).map(|(line, _)| line)
    }

    /// Reports that `key` has to be there.
    pub(super) fn missing(&self, key: &str, what: impl Display) {
        let line = self.line;
        self.findings.error(
            self.document.path,
            line,
            format!("`{}{key}` is missing: {what}", self.place),
        );
    }

    /// Reports what is wrong in a line.
    pub(super) fn wrong(&self, line: u32, what: impl Into<String>) {
        self.findings.error(self.document.path, Some(line), what);
    }

    /// Reports what is odd in a line.
    pub(super) fn odd(&self, line: u32, what: impl Into<String>) {
        self.findings.warning(self.document.path, Some(line), what);
    }

    /// The file.
    pub(super) fn path(&self) -> &'d str {
        self.document.path
    }

    /// The keys that stand here, asked for or not.
    pub(super) fn keys(&self) -> usize {
        self.table.len()
    }

    /// The line this table begins in; 1 for the file itself.
    pub(super) fn line(&self) -> u32 {
        self.line.unwrap_or(1)
    }

    /// Reports every key that was not asked for.
    pub(super) fn end(self) {
        for (key, _) in self.table.iter() {
            let word: &str = key.get_ref();
            if !self.asked.contains(&word) {
                let hint = nearest::hint(word, self.asked.iter().copied());
                let line = self.document.line(key.span().start);
                self.wrong(
                    line,
                    format!("unknown key `{}{}`{hint}", self.place, word.escape_debug()),
                );
            }
        }
    }

    fn inner(&self, key: &str, line: u32, table: &'d DeTable<'d>) -> Section<'d> {
        let place = format!("{}{key}.", self.place);
        let Section { document, findings, .. } = *self;
        Section { document, findings, table, place, line: Some(line), asked: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<(u32, &'d DeValue<'d>)> {
        self.asked.push(key);
        let (name, value) = self.table.get_key_value(key)?;
        // A table may begin before its key (`[rtp]`); the key is where one looks.
        Some((self.document.line(name.span().start), value.get_ref()))
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&'d DeValue<'d>) -> Option<T>,
    ) -> Option<At<T>> {
        let (line, value) = self.take(key)?;
        match read(value) {
            Some(value) => Some(At { value, line }),
            None => {
                self.mistaken(key, line, wanted, value);
                None
            }
        }
    }

    fn mistaken(&self, key: &str, line: u32, wanted: &str, value: &DeValue<'_>) {
        let found = match value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "`true` or `false`",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let found = if wanted.starts_with(found) { "a list of other things" } else { found };
        self.wrong(line, format!("`{}{key}` is {wanted}, not {found}", self.place));
    }
}

/// The file without these keys of its top level, comments gone; nothing of one that cannot be parsed.
pub(super) fn without(text: &str, keys: &[&str]) -> String {
    let mut table: toml::Table = text.parse().unwrap_or_default();
    table.retain(|key, _| !keys.contains(&key));
    table.to_string()
}

/// A text as TOML writes it, quotes and all.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, read: impl FnOnce(&mut Section<'_>)) -> Vec<String> {
        let findings = Findings::default();
        if let Some(document) = Document::parse("x.toml", text, &findings) {
            let mut section = document.section(&findings);
            read(&mut section);
            section.end();
        }
        findings.into_result().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_unknown_key_is_named_with_its_line_and_nearest_word() {
        let found = problems("\nqueu = 1\n[rtp]\nprots = 2\n", |section| {
            section.text("queue");
            if let Some(mut rtp) = section.section("rtp") {
                rtp.text("ports");
                rtp.end();
            }
        });
        assert_eq!(
            found,
            [
                "x.toml:2: unknown key `queu`; did you mean `queue`?",
                "x.toml:4: unknown key `rtp.prots`; did you mean `ports`?",
            ]
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_says_what_was_wanted() {
        let second = Duration::from_secs(1);
        let found =
            problems("a = 1\nb = \"x\"\nc = \"5h\"\nd = [1]\ne = 7\nf = 1\ng = 2", |section| {
                section.text("a");
                section.count("b", 1..=2);
                section.duration("c", second..=60 * second);
                section.list("d");
                section.count("e", 1..=5);
                section.flag("f");
                section.shape("g");
            });
        assert_eq!(
            found,
            [
                "x.toml:1: `a` is a text in quotes, not a number",
                "x.toml:2: `b` is a whole number, not a text",
                "x.toml:3: `c` is at least 1s and at most 1m, not 5h",
                "x.toml:4: `d` is a list of texts, such as [\"a\", \"b\"], not a list of other things",
                "x.toml:5: `e` is from 1 to 5",
                "x.toml:6: `f` is `true` or `false`, not a number",
                "x.toml:7: `g` is a text in quotes or a table, not a number",
            ]
        );
    }

    #[test]
    fn broken_toml_is_reported_where_it_breaks() {
        let found = problems("a = 1\nb = \n\nc = = 3\na = 2\n", |_| {});
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("x.toml:2: "), "{found:?}");
        assert!(found[1].starts_with("x.toml:4: "), "{found:?}");
        assert_eq!(found[2], "x.toml:5: duplicate key");
    }

    #[test]
    fn a_quoted_text_reads_back() {
        for text in ["Anna \"A\" \\ \u{7}", "ä", "a\nb"] {
            let file = format!("name = {}", quoted(text));
            let findings = Findings::default();
            let document = Document::parse("x", &file, &findings).expect("valid TOML");
            let name = document.section(&findings).text("name").map(|name| name.value);
            assert_eq!(name.as_deref(), Some(text));
        }
    }
}

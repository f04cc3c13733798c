//! What a command prints: tables for people, JSON for programs; nothing from the network reaches a terminal raw. Home of comfy-table.

use super::Failure;
use super::failure::Exit;
use comfy_table::{Table, presets};

/// For whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// People.
    Table,
    /// Programs.
    Json,
}

/// `text` with everything escaped that could steer a terminal or turn the reading order: control and format characters.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        let steers = letter.is_control()
            || matches!(letter,
                '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        if steers {
            plain.extend(letter.escape_default());
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// `text` if there is any, else a dash.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), str::to_owned)
}

/// An RFC 3339 time without its fraction.
pub(super) fn second(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, fraction)) if fraction.ends_with('Z') => format!("{whole}Z"),
        Some(_) | None => time.to_owned(),
    }
}

/// A time span as `h:mm:ss` or `m:ss`.
pub(super) fn span(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// Rows under headings; `nothing` if there is none.
pub(super) fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    nothing: &str,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings);
    let mut count = 0;
    for row in rows {
        table.add_row(row.map(|cell| plain(&cell)));
        count += 1;
    }
    if count == 0 { nothing.to_owned() } else { lines(&table) }
}

/// One thing: its properties below each other.
pub(super) fn sheet<'a>(properties: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in properties {
        table.add_row([name.to_owned(), plain(&value)]);
    }
    lines(&table)
}

/// Anything as indented JSON.
pub(super) fn value(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write JSON: {error}")))
}

/// Prints `text` and a line end. A reader who has seen enough (`| head`) is no failure; a full disk is.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    print_to(std::io::stdout().lock(), text)
}

fn print_to(mut place: impl std::io::Write, text: &str) -> Result<(), Failure> {
    match writeln!(place, "{text}").and_then(|()| place.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::storage(format!("standard output cannot be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_steer_the_terminal() {
        assert_eq!(
            plain("Eve\x1b[2J\r\n\u{202e}evil\u{9b}"),
            "Eve\\u{1b}[2J\\r\\n\\u{202e}evil\\u{9b}"
        );
        assert_eq!(plain("Jürgen Müller 北京"), "Jürgen Müller 北京");
    }

    #[test]
    fn times_and_spans_read_like_a_clock() {
        assert_eq!(second("2030-01-07T09:00:00.250Z"), "2030-01-07T09:00:00Z");
        assert_eq!(second("2030-01-07T09:00:00Z"), "2030-01-07T09:00:00Z");
        assert_eq!(
            (span(59), span(61), span(3_661)),
            ("0:59".into(), "1:01".into(), "1:01:01".into())
        );
    }

    #[test]
    fn an_answer_that_cannot_be_written_is_a_failure_but_for_a_reader_who_has_seen_enough() {
        struct Place(std::io::ErrorKind);
        impl std::io::Write for Place {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let full = print_to(Place(std::io::ErrorKind::StorageFull), "text");
        assert_eq!(full.expect_err("a failure").exit(), Exit::Storage);
        assert_eq!(print_to(Place(std::io::ErrorKind::BrokenPipe), "text"), Ok(()));
    }

    #[test]
    fn an_empty_table_says_so() {
        assert_eq!(table(["A"], [], "no calls"), "no calls");
    }
}

//! The ladder: who said what to whom, and when; for the eyes of a phone engineer.

use std::fmt::Write;
use std::time::Duration;

const WIDTH: usize = 30;

/// Messages in the order they were sent.
#[derive(Clone, Default, Debug)]
pub struct Ladder {
    columns: Vec<String>,
    rungs: Vec<Rung>,
}

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rung {
    /// When it was sent, from the beginning.
    pub at: Duration,
    /// By whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// `INVITE`, or `180 Ringing`.
    pub what: String,
    /// Whether it never arrived.
    pub lost: bool,
}

impl Ladder {
    /// A message from one party to another, `lost` on its way or not; from one to itself, what befell it.
    pub fn note(&mut self, at: Duration, from: &str, to: &str, what: &str, lost: bool) {
        for name in [from, to] {
            if !self.columns.iter().any(|known| known == name) {
                self.columns.push(name.to_owned());
            }
        }
        let (from, to, what) = (from.to_owned(), to.to_owned(), what.to_owned());
        self.rungs.push(Rung { at, from, to, what, lost });
    }

    /// Everybody who said or was told something: carriers on the left, the switch in the middle, phones on the right.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        columns.sort_by_key(|name| match name {
            carrier if carrier.starts_with("north") || carrier.starts_with("south") => 0,
            &"tonspur" => 1,
            _ => 2,
        });
        columns
    }

    /// All messages, in the order they were sent.
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// As text, a line for each message.
    pub fn draw(&self) -> String {
        let columns = self.columns();
        let place = |name: &str| {
            columns.iter().position(|known| *known == name).unwrap_or_default() * WIDTH + 10
        };
        let mut drawing = String::new();
        let mut head = vec![b' '; columns.len() * WIDTH];
        for name in &columns {
            let at = place(name).saturating_sub(name.len() / 2);
            head[at..at + name.len()].copy_from_slice(name.as_bytes());
        }
        let _ = writeln!(drawing, "{}", String::from_utf8_lossy(&head).trim_end());
        for Rung { at, from, to, what, lost } in &self.rungs {
            let mut line: Vec<char> = vec![' '; columns.len() * WIDTH];
            let stamp: Vec<char> = format!("{:>7}", at.as_millis()).chars().collect();
            line[..stamp.len()].copy_from_slice(&stamp);
            for name in &columns {
                line[place(name)] = '|';
            }
            let (start, end) = (place(from), place(to));
            if start == end {
                // Nobody is spoken to: something befalls the party itself.
                line[start] = 'X';
                line.extend(" ".chars().chain(what.chars()));
                let _ = writeln!(drawing, "{}", line.iter().collect::<String>().trim_end());
                continue;
            }
            let (left, right) = (start.min(end) + 1, start.max(end));
            line[left..right].fill('-');
            if *lost {
                line[(left + right) / 2 + 8] = 'x';
            }
            if end > start {
                line[right - 1] = '>'
            } else {
                line[left] = '<'
            }
            let text: String = format!(" {what} ").chars().take(WIDTH - 5).collect();
            let middle = left + (WIDTH - 1 - text.chars().count()) / 2;
            for (step, letter) in text.chars().enumerate() {
                line[middle + step] = letter;
            }
            let _ = writeln!(drawing, "{}", line.iter().collect::<String>().trim_end());
        }
        drawing
    }
}

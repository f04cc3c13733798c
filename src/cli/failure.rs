//! Why a command did not do what was asked: one sentence for people, one number for scripts.

use super::output::{self, Format};

/// The exit codes; the table is in the documentation of `cli`. They do not change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// It was done.
    Done = 0,
    /// Refused, or failed.
    Failed = 1,
    /// Not a command.
    Usage = 2,
    /// Nothing of that name.
    NotFound = 3,
    /// No switch is running.
    NotRunning = 4,
    /// The configuration is wrong.
    Configuration = 5,
    /// Another switch is running.
    Running = 6,
    /// An address cannot be bound.
    Address = 7,
    /// A folder or file cannot be read or written.
    Storage = 8,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// A command that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    exit: Exit,
    says: String,
}

impl Failure {
    /// `says` is a sentence (or lines) for the person who typed the command: what is wrong and what to do.
    pub fn new(exit: Exit, says: impl Into<String>) -> Failure {
        Failure { exit, says: says.into() }
    }

    /// Nothing of that name.
    pub fn not_found(what: impl Into<String>) -> Failure {
        Failure::new(Exit::NotFound, what)
    }

    /// A file or folder.
    pub fn storage(what: impl Into<String>) -> Failure {
        Failure::new(Exit::Storage, what)
    }

    /// For the shell.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The sentence.
    pub(super) fn says(&self) -> &str {
        &self.says
    }

    /// For standard error.
    pub(super) fn text(&self, format: Format) -> String {
        match format {
            Format::Table => self.says.lines().map(output::plain).collect::<Vec<_>>().join("\n"),
            Format::Json => {
                serde_json::json!({ "error": self.says, "exit": self.exit.code() }).to_string()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_its_exit_code_to_programs() {
        let failure = Failure::not_found("no call begins with \u{1b}[2J");
        assert_eq!(failure.text(Format::Table), "no call begins with \\u{1b}[2J");
        assert_eq!(
            failure.text(Format::Json),
            r#"{"error":"no call begins with \u001b[2J","exit":3}"#
        );
    }
}

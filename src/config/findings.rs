//! What is wrong or odd in the files: collected over all of them, so that one look mends everything.

use std::cell::RefCell;
use std::fmt;

/// Something that keeps the switch from starting, for the operator to mend.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Error {
    /// The file, relative to the profiles folder.
    pub file: String,
    /// From 1; `None` if it is about the file as a whole.
    pub line: Option<u32>,
    /// What is wrong, in a sentence.
    pub what: String,
}

/// Something the switch can live with, but its operator should know.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Warning {
    /// The file, relative to the profiles folder.
    pub file: String,
    /// From 1; `None` if it is about the file as a whole.
    pub line: Option<u32>,
    /// What is odd, in a sentence.
    pub what: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.file, self.line, &self.what)
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.file, self.line, &self.what)
    }
}

fn write(f: &mut fmt::Formatter<'_>, file: &str, line: Option<u32>, what: &str) -> fmt::Result {
    match line {
        Some(line) => write!(f, "{file}:{line}: {what}"),
        None => write!(f, "{file}: {what}"),
    }
}

/// The collection, shared by everything that reads.
#[derive(Debug, Default)]
pub(super) struct Findings {
    errors: RefCell<Vec<Error>>,
    warnings: RefCell<Vec<Warning>>,
}

impl Findings {
    pub(super) fn error(&self, file: &str, line: Option<u32>, what: impl Into<String>) {
        let file = file.to_owned();
        self.errors.borrow_mut().push(Error { file, line, what: what.into() });
    }

    pub(super) fn warning(&self, file: &str, line: Option<u32>, what: impl Into<String>) {
        let file = file.to_owned();
        self.warnings.borrow_mut().push(Warning { file, line, what: what.into() });
    }

    /// By file and line; `Err` if there is a single error.
    pub(super) fn into_result(self) -> Result<Vec<Warning>, Vec<Error>> {
        let mut errors = self.errors.into_inner();
        errors.sort();
        errors.dedup();
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut warnings = self.warnings.into_inner();
        warnings.sort();
        warnings.dedup();
        Ok(warnings)
    }
}

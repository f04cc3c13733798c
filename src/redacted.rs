//! What must not be read in a log: people's numbers and names.

use std::fmt;

/// A value that prints as `***` however it is formatted; [`Redacted::reveal`] is the one way to it, and easy to search for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Hides `value` from every formatter.
    pub const fn new(value: T) -> Redacted<T> {
        Redacted(value)
    }

    /// The value itself: for the wire, the database and the admin who asked for it; never for a log.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// Gives the value up.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Redacted<T> {
        Redacted(value)
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_formatter_shows_the_value() {
        let number = Redacted::new("+4930555010");
        assert_eq!(format!("{number} {number:?} {number:#?}"), "*** *** ***");
        assert_eq!(*number.reveal(), "+4930555010");
    }
}

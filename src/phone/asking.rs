//! What a phone asks inside its dialog, beside calls.

use std::time::Instant;

use super::Phone;

impl Phone {
    /// A key by INFO.
    pub fn info(&mut self, now: Instant, digit: char) {
        self.in_dialog(
            now,
            "INFO",
            Some(("application/dtmf-relay", format!("Signal={digit}\r\nDuration=160\r\n"))),
        );
    }

    /// OPTIONS, inside the dialog if there is one.
    pub fn options(&mut self, now: Instant) {
        self.in_dialog(now, "OPTIONS", None);
    }

    /// UPDATE without a body.
    pub fn update(&mut self, now: Instant) {
        self.in_dialog(now, "UPDATE", None);
    }
}

//! The message summary: RFC 3842 §5.2. Whoever keeps messages one day says here how many there are; nobody does yet, and desk phones
//! ask all the same.

use crate::wire::sip::uri::Uri;

/// The event package.
pub(super) const PACKAGE: &str = "message-summary";
/// Its documents.
pub(super) const KIND: &str = "application/simple-message-summary";

/// Voice messages of one mailbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Messages {
    /// Not heard yet.
    pub(super) new: u32,
    /// Heard and kept.
    pub(super) old: u32,
}

impl Messages {
    /// The mailbox of somebody who has none.
    pub(super) const NONE: Messages = Messages { new: 0, old: 0 };

    /// The document; `account` is the address of the mailbox.
    pub(super) fn document(self, account: &Uri) -> String {
        let Messages { new, old } = self;
        let waiting = if new > 0 { "yes" } else { "no" };
        format!(
            "Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\nVoice-Message: {new}/{old} (0/0)\r\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_messages_wait_and_old_ones_do_not() {
        let account = Uri::at_domain("201", "office.example");
        let document = |new, old| Messages { new, old }.document(&account);
        assert_eq!(
            Messages::NONE.document(&account),
            "Messages-Waiting: no\r\nMessage-Account: sip:201@office.example\r\nVoice-Message: 0/0 (0/0)\r\n"
        );
        assert!(document(2, 5).contains("Messages-Waiting: yes\r\n"));
        assert!(document(2, 5).contains("Voice-Message: 2/5 (0/0)\r\n"));
        assert!(document(0, 5).contains("Messages-Waiting: no\r\n"));
    }
}

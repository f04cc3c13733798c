//! A phone that transfers, or takes the place of another.

use std::time::Instant;

use super::{Dialog, Phone};

impl Phone {
    /// REFER inside the dialog, with these further header lines.
    pub fn refer(&mut self, now: Instant, to: &str, headers: &str) {
        self.dialog.cseq += 1;
        let headers = format!(
            "{}{}Refer-To: {to}\r\n{headers}",
            self.dialog_headers("REFER"),
            self.contact()
        );
        let uri = self.dialog.target.clone();
        let key = (self.dialog.call_id.clone(), self.dialog.cseq, "REFER".to_owned());
        self.request(now, "REFER", &uri, &headers, None, Some(key));
    }

    /// The dialog it is in as a Replaces header names it to the switch (RFC 3891 §6.1).
    pub fn replaces(&self) -> String {
        let tag = |address: &str| {
            let (_, rest) = address.split_once(";tag=").unwrap_or_default();
            rest.split(';').next().unwrap_or_default().to_owned()
        };
        let Dialog { call_id, local, remote, .. } = &self.dialog;
        format!("{call_id};to-tag={};from-tag={}", tag(remote), tag(local))
    }

    /// Calls, to take the place of a dialog named as [`Phone::replaces`] does.
    pub fn invite_replacing(&mut self, now: Instant, number: &str, replaces: &str) {
        self.begin_with = format!("Replaces: {replaces}\r\n");
        self.invite_with(now, number, "sendrecv");
    }
}

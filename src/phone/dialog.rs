//! The dialog the phone is in, or was in last: RFC 3261 §12 as a phone keeps it.

use super::message::Received;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    /// Our From or To, with tag.
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) routes: Vec<String>,
    pub(super) cseq: u32,
    /// CSeq number and top Via of their last request.
    heard: Option<(u32, String)>,
    /// The branch, CSeq number and Request-URI of our last INVITE, for ACK and CANCEL.
    pub(super) invite: Option<(String, u32, String)>,
    /// The last RAck.
    pub(super) acknowledged: String,
}

impl Dialog {
    /// That of our INVITE, before anybody has answered it.
    pub(super) fn calling(
        call_id: String,
        local: String,
        remote: String,
        target: String,
    ) -> Dialog {
        Dialog { call_id, local, remote, target, ..Dialog::default() }
    }

    /// That of their INVITE; we have no tag yet.
    pub(super) fn called(invite: &Received) -> Dialog {
        Dialog {
            call_id: invite.header("Call-ID").to_owned(),
            remote: invite.header("From").to_owned(),
            target: invite.contact(),
            routes: invite.all("Record-Route").map(str::to_owned).collect(),
            heard: Some((invite.cseq(), invite.header("Via").to_owned())),
            ..Dialog::default()
        }
    }

    /// An answer to our INVITE says who they are and how they are reached.
    pub(super) fn answered(&mut self, response: &Received) {
        self.remote = response.header("To").to_owned();
        self.target = response.contact();
        self.routes = response.all("Record-Route").map(str::to_owned).collect();
        self.routes.reverse();
    }

    /// The lines that place a request of ours in it.
    pub(super) fn headers(&self, method: &str, cseq: u32) -> String {
        let Dialog { call_id, local, remote, routes, .. } = self;
        let routes: String = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        format!(
            "{routes}From: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
        )
    }

    /// Those of the ACK of a refusal, which belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
    pub(super) fn acknowledgement(&self, refusal: &Received, cseq: u32) -> String {
        let Dialog { call_id, local, .. } = self;
        let to = refusal.header("To");
        format!("From: {local}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} ACK\r\n")
    }

    /// Each of their requests has a higher CSeq than the last, but for one that comes again (RFC 3261 §12.2.2).
    pub(super) fn is_out_of_order(&mut self, request: &Received) -> bool {
        let ours = self.local.split_once(";tag=").map(|(_, tag)| tag);
        let theirs = request.header("To").split_once(";tag=").map(|(_, tag)| tag);
        let inside = request.header("Call-ID") == self.call_id
            && theirs.is_some()
            && theirs == ours
            && !matches!(request.method(), Some("ACK" | "CANCEL"));
        let this = (request.cseq(), request.header("Via").to_owned());
        if !inside || self.heard.as_ref() == Some(&this) {
            return false;
        }
        if self.heard.as_ref().is_some_and(|(last, _)| this.0 <= *last) {
            return true;
        }
        self.heard = Some(this);
        false
    }
}

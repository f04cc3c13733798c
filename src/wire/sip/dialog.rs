//! Dialogs: RFC 3261 §12.

use super::headers::Address;
use super::message::{Message, Method, Status};
use super::outgoing::Outgoing;
use super::uri::Uri;
use crate::wire::flow::Flow;

/// Whether requests go where the far Contact says, or back where its messages come from (phones behind NAT).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// RFC 3261 §12.2.1.1: the route set, else the remote target, if it is an address literal; else the flow.
    Contact,
    /// Always the flow that the far side last used.
    Source,
}

/// What identifies a dialog, as seen from here. Our tags are 64 random bits, so `local_tag` alone finds it and the rest proves it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: Box<str>,
    /// Our tag.
    pub local_tag: Box<str>,
    /// The far tag; `None` from a far side of RFC 2543 and before the first response.
    pub remote_tag: Option<Box<str>>,
}

/// The peer-to-peer relationship of one leg.
#[derive(Clone, Debug)]
pub struct Dialog {}

/// What a dialog needs to say goodbye after a restart; all text, for the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remembered {
    /// Call-ID.
    pub call_id: String,
    /// Our From, with tag.
    pub local: String,
    /// The far To, with tag.
    pub remote: String,
    /// The remote target.
    pub target: String,
    /// The route set, in order.
    pub routes: Vec<String>,
    /// Our last CSeq.
    pub local_seq: u32,
    /// Where requests go.
    pub flow: Flow,
}

impl Dialog {
    /// The UAS side, from the INVITE and the tag we answer with (RFC 3261 §12.1.1). `contact` is ours, for every request and 2xx.
    pub fn answering(
        request: &Message,
        flow: Flow,
        reach: Reach,
        tag: &str,
        contact: Uri,
    ) -> Dialog {
        let _ = (request, flow, reach, tag, contact);
        todo!()
    }

    /// The UAC side before its first response. `local` carries our tag, `remote` none. CSeq starts at `sequence`.
    #[expect(clippy::too_many_arguments, reason = "a dialog has that many parts")]
    pub fn calling(
        call_id: &str,
        local: Address,
        remote: Address,
        target: Uri,
        routes: Vec<Address>,
        flow: Flow,
        reach: Reach,
        contact: Uri,
        sequence: u32,
    ) -> Dialog {
        let _ = (call_id, local, remote, target, routes, flow, reach, contact, sequence);
        todo!()
    }

    /// Requests begin with so many Max-Forwards instead of 70.
    pub fn with_max_forwards(self, hops: u8) -> Dialog {
        let _ = hops;
        todo!()
    }

    /// From the database; good for a BYE.
    pub fn recalled(remembered: &Remembered, contact: Uri) -> Option<Dialog> {
        let _ = (remembered, contact);
        todo!()
    }

    /// For the database.
    pub fn remember(&self) -> Remembered {
        todo!()
    }

    /// Takes the far tag, route set and target of a 1xx with tag or a 2xx to our INVITE (RFC 3261 §12.1.2, §13.2.2.4).
    pub fn establish(&mut self, response: &Message, flow: Flow) {
        let _ = (response, flow);
        todo!()
    }

    /// Its identity.
    pub fn id(&self) -> DialogId {
        todo!()
    }

    /// Whether a message from the far side belongs to it: Call-ID and both tags.
    pub fn owns(&self, message: &Message) -> bool {
        let _ = message;
        todo!()
    }

    /// Checks the order of a request inside the dialog and remembers its CSeq (RFC 3261 §12.2.2): an older one is 500.
    pub fn accept(&mut self, request: &Message) -> Result<(), Status> {
        let _ = request;
        todo!()
    }

    /// Target refresh: takes the Contact of a re-INVITE or UPDATE, or of the 2xx to ours, and the flow it came by.
    pub fn refresh(&mut self, message: &Message, flow: Flow) {
        let _ = (message, flow);
        todo!()
    }

    /// The next request of ours inside the dialog (any but ACK, CANCEL): Route, From, To, Call-ID, CSeq (counted up), Max-Forwards,
    /// Contact. Also used for the first INVITE, whose CSeq is the one the dialog was made with.
    pub fn request(&mut self, method: &Method) -> Outgoing {
        let _ = method;
        todo!()
    }

    /// The ACK of a 2xx to the INVITE numbered `cseq`.
    pub fn ack(&self, cseq: u32) -> Outgoing {
        let _ = cseq;
        todo!()
    }

    /// The CSeq of our last request.
    pub fn sequence(&self) -> u32 {
        todo!()
    }

    /// Where our requests go.
    pub fn flow(&self) -> Flow {
        todo!()
    }

    /// Our Contact.
    pub fn contact(&self) -> &Uri {
        todo!()
    }
}

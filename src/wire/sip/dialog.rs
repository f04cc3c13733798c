//! Dialogs: RFC 3261 §12.

use super::headers::{Address, Contacts, Name};
use super::message::{Message, Method, Status};
use super::outgoing::Outgoing;
use super::uri::{Scheme, Uri};
use crate::wire::address::is_host;
use crate::wire::flow::{Flow, Transport};

/// Max-Forwards of what begins here (RFC 3261 §8.1.1.6).
const HOPS: u8 = 70;

/// A dialog is remembered as it was when it was confirmed; so many requests may have been sent in it since.
const SENT_SINCE: u32 = 10_000;

/// Whether requests go where the far Contact says, or back where its messages come from (phones behind NAT).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// RFC 3261 §12.2.1.1: the route set, else the remote target, if it is an address literal; else the flow.
    Contact,
    /// The flow that the far side last used, at its Contact's port where that names the same host and no proxy is on the way: right
    /// behind NAT too.
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
pub struct Dialog {
    call_id: Box<str>,
    /// With our tag.
    local: Address,
    /// With the far tag, if there is one yet.
    remote: Address,
    target: Uri,
    routes: Vec<Address>,
    /// Our last CSeq, or the first while `is_unused`.
    sequence: u32,
    is_unused: bool,
    /// The far side's last CSeq.
    remote_sequence: Option<u32>,
    /// A 2xx or our answer fixed the route set (RFC 3261 §13.2.2.4).
    is_confirmed: bool,
    hops: u8,
    /// Where the far side was last heard.
    flow: Flow,
    reach: Reach,
    contact: Uri,
}

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
        let remote = request.from().clone();
        Dialog {
            call_id: request.call_id().into(),
            local: request.to().clone().tagged(tag),
            target: target_of(request).unwrap_or_else(|| remote.uri.clone()),
            remote,
            routes: request.record_routes().unwrap_or_default(),
            sequence: 0,
            is_unused: false,
            remote_sequence: Some(request.cseq().number),
            is_confirmed: true,
            hops: HOPS,
            flow,
            reach,
            contact,
        }
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
        Dialog {
            call_id: call_id.into(),
            local,
            remote,
            target,
            routes,
            sequence,
            is_unused: true,
            remote_sequence: None,
            is_confirmed: false,
            hops: HOPS,
            flow,
            reach,
            contact,
        }
    }

    /// The INVITE that begins the dialog has so many Max-Forwards instead of 70: one less than the call it continues.
    pub fn with_max_forwards(self, hops: u8) -> Dialog {
        Dialog { hops, ..self }
    }

    /// From the database; good for a BYE. Its CSeq leaps over what was sent since: a gap is no error, a number used before is
    /// refused, and the far side stays in the call (RFC 3261 §12.2.2).
    pub fn recalled(remembered: &Remembered, contact: Uri) -> Option<Dialog> {
        let read = |text: &String| Address::parse(text.as_bytes()).ok();
        let local = read(&remembered.local)?;
        local.tag()?;
        Some(Dialog {
            call_id: remembered.call_id.as_str().into(),
            local,
            remote: read(&remembered.remote)?,
            target: Uri::parse(&remembered.target).ok()?,
            routes: remembered.routes.iter().map(read).collect::<Option<_>>()?,
            sequence: remembered.local_seq.saturating_add(SENT_SINCE),
            is_unused: false,
            remote_sequence: None,
            is_confirmed: true,
            hops: HOPS,
            // No connection outlives the run that made it.
            flow: Flow { connection: None, ..remembered.flow },
            reach: Reach::Source,
            contact,
        })
    }

    /// For the database.
    pub fn remember(&self) -> Remembered {
        Remembered {
            call_id: self.call_id.to_string(),
            local: self.local.to_string(),
            remote: self.remote.to_string(),
            target: self.target.to_string(),
            routes: self.routes.iter().map(Address::to_string).collect(),
            local_seq: self.sequence,
            flow: self.flow(),
        }
    }

    /// Takes the far tag, route set and target of a 1xx with tag or a 2xx to our INVITE (RFC 3261 §12.1.2, §13.2.2.4).
    /// The route set is taken anew until the first 2xx, and again from the 2xx of another fork.
    pub fn establish(&mut self, response: &Message, flow: Flow) {
        let is_success = response.status().is_some_and(Status::is_success);
        if response.to().tag().is_none() && !is_success {
            return;
        }
        self.heard_by(flow);
        let is_known = self.is_confirmed && self.remote.tag() == response.to().tag();
        if !is_known {
            self.remote = response.to().clone();
            self.routes = response.record_routes().unwrap_or_default();
            self.routes.reverse();
            self.is_confirmed = is_success;
        }
        if let Some(target) = target_of(response) {
            self.target = target;
        }
    }

    /// Its identity.
    pub fn id(&self) -> DialogId {
        DialogId {
            call_id: self.call_id.clone(),
            local_tag: self.local.tag().unwrap_or_default().into(),
            remote_tag: self.remote.tag().map(Into::into),
        }
    }

    /// The far tag, if there is one yet.
    pub fn remote_tag(&self) -> Option<&str> {
        self.remote.tag()
    }

    /// Whether a message from the far side belongs to it: Call-ID and both tags. Any far tag fits while none is known.
    pub fn owns(&self, message: &Message) -> bool {
        let (near, far) = match message.status() {
            None => (message.to(), message.from()),
            Some(_) => (message.from(), message.to()),
        };
        message.call_id() == &*self.call_id
            && near.tag() == self.local.tag()
            && (self.remote.tag().is_none() || far.tag() == self.remote.tag())
    }

    /// Checks the order of a request inside the dialog and remembers its CSeq (RFC 3261 §12.2.2): an older one is 500.
    pub fn accept(&mut self, request: &Message) -> Result<(), Status> {
        let number = request.cseq().number;
        if self.remote_sequence.is_some_and(|last| number < last) {
            return Err(Status::of(500));
        }
        self.remote_sequence = Some(number);
        Ok(())
    }

    /// Target refresh: takes the Contact of a re-INVITE or UPDATE, or of the 2xx to ours, and the flow it came by. Whether our requests
    /// go elsewhere now, or to another target.
    pub fn refresh(&mut self, message: &Message, flow: Flow) -> bool {
        let before = self.flow();
        self.heard_by(flow);
        let refreshes = match message.status() {
            None => true,
            Some(status) => status.is_success(),
        };
        if refreshes
            && refreshes_target(&message.cseq().method)
            && let Some(target) = target_of(message)
            && target.as_str() != self.target.as_str()
        {
            self.target = target;
            return true;
        }
        self.flow() != before
    }

    /// The far side was heard by this flow. Who it has to prove to be where a connection is opened to it stays the same.
    fn heard_by(&mut self, flow: Flow) {
        self.flow = Flow { peer: flow.peer.or(self.flow.peer), ..flow };
    }

    /// Whether a 2xx made it.
    pub fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// The next request of ours inside the dialog (any but ACK, CANCEL): Route, From, To, Call-ID, CSeq (counted up), Max-Forwards, and
    /// Contact where the method may carry one. Also used for the first INVITE, whose CSeq is the one the dialog was made with.
    pub fn request(&mut self, method: &Method) -> Outgoing {
        if !std::mem::take(&mut self.is_unused) {
            // CSeq stays below 2^31 (RFC 3261 §8.1.1.5).
            self.sequence = (self.sequence + 1) & 0x7fff_ffff;
        }
        let request = self.begin(method, self.sequence);
        if refreshes_target(method) {
            request.header(Name::Contact, Address::new(self.contact.clone()))
        } else {
            request
        }
    }

    /// The ACK of a 2xx to the INVITE numbered `cseq`.
    pub fn ack(&self, cseq: u32) -> Outgoing {
        self.begin(&Method::Ack, cseq)
    }

    /// Our next request is later than the last one in `other`, an early dialog of the same INVITE.
    pub fn follow(&mut self, other: &Dialog) {
        self.sequence = self.sequence.max(other.sequence);
    }

    /// The CSeq of our last request.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Where our requests go.
    pub fn flow(&self) -> Flow {
        match self.reach {
            Reach::Source => match self.target.socket_addr() {
                Some(contact)
                    if self.flow.transport == Transport::Udp
                        && self.routes.is_empty()
                        && contact.ip() == self.flow.remote.ip() =>
                {
                    Flow { remote: contact, ..self.flow }
                }
                _ => self.flow,
            },
            Reach::Contact => {
                let next = self.routes.first().map_or(&self.target, |route| &route.uri);
                flow_to(next, self.flow).unwrap_or(self.flow)
            }
        }
    }

    /// Our From and the far To.
    pub fn parties(&self) -> (&Address, &Address) {
        (&self.local, &self.remote)
    }

    /// The far Contact.
    pub fn target(&self) -> &Uri {
        &self.target
    }

    /// Our Contact.
    pub fn contact(&self) -> &Uri {
        &self.contact
    }

    /// The Request-URI of our requests: the remote target, or the first route where that is a strict one (RFC 3261 §12.2.1.1).
    pub fn request_uri(&self) -> Uri {
        match self.strict_route() {
            None => self.target.for_request(),
            Some(first) => first.uri.for_request(),
        }
    }

    fn strict_route(&self) -> Option<&Address> {
        self.routes.first().filter(|first| first.uri.param("lr").is_none())
    }

    /// Request line, Route, From, To, Call-ID, CSeq and Max-Forwards: RFC 3261 §12.2.1.1.
    fn begin(&self, method: &Method, sequence: u32) -> Outgoing {
        let strict = self.strict_route();
        let mut request = Outgoing::request(method, &self.request_uri());
        for route in self.routes.iter().skip(usize::from(strict.is_some())) {
            request = request.header(Name::Route, route);
        }
        if strict.is_some() {
            request = request.header(Name::Route, Address::new(self.target.clone()));
        }
        let is_first = !self.is_confirmed && self.remote.tag().is_none();
        request
            .header(Name::From, &self.local)
            .header(Name::To, &self.remote)
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, format_args!("{sequence} {method}"))
            .header(Name::MaxForwards, if is_first { self.hops } else { HOPS })
    }
}

/// Where a URI leads: only an address literal does, and only over what we speak. The transport is the URI's, else the one in use with
/// that address, else UDP (RFC 3263 §4.1). What began over TLS stays there, and by the connection in use with that address, which has
/// proven whose it is (RFC 5923 §4); to nobody in particular no other is begun.
fn flow_to(uri: &Uri, last: Flow) -> Option<Flow> {
    let remote = match uri.scheme() {
        Scheme::Sip | Scheme::Sips => uri.socket_addr()?,
        Scheme::Tel | Scheme::Other(_) => return None,
    };
    if !is_host(remote.ip()) || remote.port() == 0 {
        return None;
    }
    let transport = match uri.transport() {
        Some(transport) => transport?,
        None if remote.ip() == last.remote.ip() => last.transport,
        None => Transport::Udp,
    };
    if last.transport.is_secure() && !transport.is_secure() {
        return None;
    }
    let is_there = match last.transport {
        Transport::Udp | Transport::Tcp => remote == last.remote,
        Transport::Tls => remote.ip() == last.remote.ip(),
    };
    if transport == last.transport && is_there {
        return Some(last);
    }
    if transport.is_secure() && last.peer.is_none() {
        return None;
    }
    Some(Flow { transport, remote, connection: None, ..last })
}

/// Whether a request carries a Contact and moves the target by it.
fn refreshes_target(method: &Method) -> bool {
    match method {
        Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer => {
            true
        }
        Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Register
        | Method::Info
        | Method::Prack
        | Method::Message
        | Method::Publish
        | Method::Other(_) => false,
    }
}

/// The one Contact of a message, if it is one that a request can go to.
fn target_of(message: &Message) -> Option<Uri> {
    match message.contacts() {
        Ok(Some(Contacts::List(contacts))) => contacts
            .into_iter()
            .next()
            .map(|contact| contact.uri)
            .filter(|uri| matches!(uri.scheme(), Scheme::Sip | Scheme::Sips)),
        Ok(Some(Contacts::All) | None) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;

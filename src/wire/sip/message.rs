//! A received SIP message: an index over its bytes, then the parts that every message must have, read once.

use std::fmt;

use super::headers::{Address, CSeq, Contacts, Name, Via};
use super::uri::Uri;

/// A request method (RFC 3261 §7.1); compared with case, as methods are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Method {
    /// RFC 3261
    Invite,
    /// RFC 3261
    Ack,
    /// RFC 3261
    Bye,
    /// RFC 3261
    Cancel,
    /// RFC 3261
    Options,
    /// RFC 3261
    Register,
    /// RFC 6086
    Info,
    /// RFC 3311
    Update,
    /// RFC 3262
    Prack,
    /// RFC 6665
    Subscribe,
    /// RFC 6665
    Notify,
    /// RFC 3515
    Refer,
    /// RFC 3428
    Message,
    /// RFC 3903
    Publish,
    /// Any other token, as it came.
    Other(Box<str>),
}

impl Method {
    /// As on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Options => "OPTIONS",
            Method::Register => "REGISTER",
            Method::Info => "INFO",
            Method::Update => "UPDATE",
            Method::Prack => "PRACK",
            Method::Subscribe => "SUBSCRIBE",
            Method::Notify => "NOTIFY",
            Method::Refer => "REFER",
            Method::Message => "MESSAGE",
            Method::Publish => "PUBLISH",
            Method::Other(token) => token,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A status code, 100 to 699.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Status(u16);

impl Status {
    /// A code of our own choice; a peer's goes through [`Status::new`].
    pub const fn of(code: u16) -> Status {
        assert!(code >= 100 && code <= 699, "a SIP status has three digits");
        Status(code)
    }

    /// `None` unless 100 to 699.
    pub const fn new(code: u16) -> Option<Status> {
        if code >= 100 && code <= 699 { Some(Status(code)) } else { None }
    }

    /// The number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// 1xx.
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// 2xx.
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// The usual phrase (RFC 3261 §21).
    pub fn reason(self) -> &'static str {
        todo!()
    }
}

/// What is wrong with a peer's message, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// In a few words, fit for a reason phrase: `"CSeq out of range"`.
    pub what: &'static str,
    /// Byte offset in the message, or in the value that was read.
    pub at: usize,
    /// What to answer (400, 413, 414, 416, 501, 505 ...), if it was a request.
    pub status: Status,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// The first line.
#[derive(Clone, Debug)]
pub enum Start {
    /// Method and Request-URI.
    Request(Method, Uri),
    /// Status and phrase.
    Response(Status, Box<str>),
}

/// A message that is lexed, and no more: enough to answer a broken request statelessly.
#[derive(Clone, Debug)]
pub struct Lexed {}

impl Lexed {
    /// Finds start line, headers and body. The limits: 64 KiB a message, 8 KiB a header, 128 headers.
    pub fn read(bytes: &[u8]) -> Result<Lexed, Malformed> {
        let _ = bytes;
        todo!()
    }

    /// Whether it is a request (and not an ACK, which is never answered), so that an error may be sent.
    pub fn is_answerable(&self) -> bool {
        todo!()
    }

    /// The values of a header in order, unfolded, one per line (lists not split). Bytes that are not UTF-8 are kept.
    pub fn lines(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        let _ = name;
        std::iter::empty()
    }
}

/// A message whose mandatory headers are all there, once, and readable: Via, From, To, Call-ID, CSeq, Max-Forwards if present,
/// Content-Length if present.
#[derive(Clone, Debug)]
pub struct Message {}

impl Message {
    /// Reads and checks a whole message (UDP rules: bytes beyond Content-Length are ignored, fewer are an error).
    /// The error carries what was lexed, so that it can be answered.
    pub fn parse(bytes: &[u8]) -> Result<Message, (Malformed, Option<Lexed>)> {
        let _ = bytes;
        todo!()
    }

    /// The first line.
    pub fn start(&self) -> &Start {
        todo!()
    }

    /// The method, of a request.
    pub fn method(&self) -> Option<&Method> {
        todo!()
    }

    /// The Request-URI, of a request.
    pub fn uri(&self) -> Option<&Uri> {
        todo!()
    }

    /// The status, of a response.
    pub fn status(&self) -> Option<Status> {
        todo!()
    }

    /// The topmost Via.
    pub fn via(&self) -> &Via {
        todo!()
    }

    /// From, with its tag if any.
    pub fn from(&self) -> &Address {
        todo!()
    }

    /// To, with its tag if any.
    pub fn to(&self) -> &Address {
        todo!()
    }

    /// Call-ID, byte for byte.
    pub fn call_id(&self) -> &str {
        todo!()
    }

    /// CSeq.
    pub fn cseq(&self) -> &CSeq {
        todo!()
    }

    /// Max-Forwards, 0 to 255.
    pub fn max_forwards(&self) -> Option<u8> {
        todo!()
    }

    /// The Contact values; `Ok(None)` when there is no Contact.
    pub fn contacts(&self) -> Result<Option<Contacts>, Malformed> {
        todo!()
    }

    /// The Route values in order.
    pub fn routes(&self) -> Result<Vec<Address>, Malformed> {
        todo!()
    }

    /// The Record-Route values in order.
    pub fn record_routes(&self) -> Result<Vec<Address>, Malformed> {
        todo!()
    }

    /// Expires in seconds, as written; `Err` when unreadable.
    pub fn expires(&self) -> Result<Option<u32>, Malformed> {
        todo!()
    }

    /// The lines of a header in order, unfolded; lists not split.
    pub fn lines(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        let _ = name;
        std::iter::empty()
    }

    /// The items of a comma-separated list of tokens (Require, Supported, Allow, Accept ...), over all its lines, trimmed.
    pub fn tokens(&self, name: Name) -> impl Iterator<Item = &str> {
        let _ = name;
        std::iter::empty()
    }

    /// The first line of a header as text, if it is UTF-8.
    pub fn text(&self, name: Name) -> Option<&str> {
        let _ = name;
        todo!()
    }

    /// The body, Content-Length applied.
    pub fn body(&self) -> &[u8] {
        todo!()
    }

    /// The body if its Content-Type is `kind` (`application/sdp`), compared without case and parameters.
    pub fn body_of(&self, kind: &str) -> Option<&[u8]> {
        let _ = kind;
        todo!()
    }

    /// The bytes as received, without what lies beyond the body.
    pub fn bytes(&self) -> &[u8] {
        todo!()
    }
}

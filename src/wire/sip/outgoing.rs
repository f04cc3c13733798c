//! A message of ours, on its way out: headers are written as they are added, Via and Content-Length at the end.

use std::fmt::Display;

use super::headers::Name;
use super::message::{Message, Method, Status};
use super::uri::Uri;

/// A message to be sent. No value can smuggle in a line: CR, LF and NUL in what is added become spaces.
#[derive(Clone, Debug)]
pub struct Outgoing {}

impl Outgoing {
    /// A request without any header yet; the transaction adds the Via.
    pub fn request(method: &Method, uri: &Uri) -> Outgoing {
        let _ = (method, uri);
        todo!()
    }

    /// A response with Via, From, To, Call-ID and CSeq copied (RFC 3261 §8.2.6.2), byte for byte. `tag` goes to To if it has none
    /// (and is not a 100). Record-Route is copied into 18x and 2xx of INVITE (RFC 3261 §12.1.1).
    pub fn response(status: Status, request: &Message, tag: Option<&str>) -> Outgoing {
        let _ = (status, request, tag);
        todo!()
    }

    /// Replaces the reason phrase of a response.
    pub fn reason(self, phrase: &str) -> Outgoing {
        let _ = phrase;
        todo!()
    }

    /// Appends a header line.
    pub fn header(self, name: Name, value: impl Display) -> Outgoing {
        let _ = (name, value.to_string());
        todo!()
    }

    /// Sets the body and its Content-Type.
    pub fn body(self, kind: &str, body: &[u8]) -> Outgoing {
        let _ = (kind, body);
        todo!()
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&Method> {
        todo!()
    }

    /// The status of a response.
    pub fn status(&self) -> Option<Status> {
        todo!()
    }

    /// Appends the whole message to `out`, with `via` (`SIP/2.0/UDP host:port;branch=...;rport`) on top of a request.
    pub fn write(&self, via: Option<&str>, out: &mut Vec<u8>) {
        let _ = (via, out);
        todo!()
    }
}

//! A message of ours, on its way out: headers are written as they are added, Via and Content-Length at the end.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io::Write as _;
use std::net::SocketAddr;

use super::cursor::{Cursor, is_token, items, split_params, trim};
use super::headers::{Address, Name, Via};
use super::message::{Lexed, Message, Method, Status};
use super::uri::Uri;
use crate::wire::flow::Transport;

/// A message to be sent. No value can smuggle in a line: CR, LF and NUL in what is added become spaces.
#[derive(Clone)]
pub struct Outgoing {
    what: What,
    /// Start line and headers, without Via of a request, Content-Type and Content-Length.
    head: Vec<u8>,
    /// Where the start line ends in `head`.
    first: usize,
    /// Where what was copied from the request ends in it.
    copied: usize,
    /// How long that request was.
    asked: usize,
    /// The request that it answers, if that could be read, and the tag of ours that To was given.
    answered: Option<(Message, Option<Box<str>>)>,
    /// Content-Type and body.
    content: Option<Box<(String, Vec<u8>)>>,
}

#[derive(Clone)]
enum What {
    Request(Method),
    Response(Status),
}

impl Outgoing {
    /// A request without any header yet; the transaction adds the Via.
    pub fn request(method: &Method, uri: &Uri) -> Outgoing {
        let mut head = Vec::with_capacity(512);
        add(&mut head, format_args!("{method} {uri} SIP/2.0"));
        head.extend_from_slice(b"\r\n");
        Outgoing {
            what: What::Request(method.clone()),
            first: head.len(),
            copied: head.len(),
            asked: 0,
            head,
            answered: None,
            content: None,
        }
    }

    /// A response with Via, From, To, Call-ID and CSeq copied (RFC 3261 §8.2.6.2), byte for byte. `tag` goes to To if it has none
    /// (and is not a 100). Record-Route is copied into 18x and 2xx of INVITE and SUBSCRIBE (RFC 3261 §12.1.1), Timestamp into a 100 (§8.2.6.1).
    pub fn response(status: Status, request: &Message, tag: Option<&str>) -> Outgoing {
        let mut response = Outgoing::status_line(status, status.reason());
        let tag = tag.filter(|_| request.to().tag().is_none() && status.code() != 100);
        response.copy(request.lexed(), tag);
        response.answered = Some((request.clone(), tag.map(Box::from)));
        let makes_dialog = (101..300).contains(&status.code());
        if makes_dialog && matches!(request.method(), Some(Method::Invite | Method::Subscribe)) {
            request
                .lines(Name::RecordRoute)
                .for_each(|line| response.line(Name::RecordRoute, line));
        }
        if status.code() == 100 {
            request.lines(Name::Timestamp).for_each(|line| response.line(Name::Timestamp, line));
        }
        response
    }

    /// A stateless answer to a request that could not be read, with what of Via, From, To, Call-ID and CSeq there is (the first line
    /// of those that must be single). `None` if it is not answerable or has no Via. `tag` goes to a To that has none.
    pub fn refusal(status: Status, lexed: &Lexed, reason: &str, tag: &str) -> Option<Outgoing> {
        if !lexed.is_answerable() || lexed.lines(Name::Via).next().is_none() {
            return None;
        }
        let mut response = Outgoing::status_line(status, reason);
        let tagged = lexed.lines(Name::To).next().is_none_or(|to| {
            to.split(|&b| b == b';').skip(1).any(|param| {
                let name = param.split(|&b| b == b'=').next().unwrap_or_default();
                trim(name).eq_ignore_ascii_case(b"tag")
            })
        });
        response.copy(lexed, (!tagged).then_some(tag));
        Some(response)
    }

    fn status_line(status: Status, phrase: &str) -> Outgoing {
        let mut head = Vec::with_capacity(640);
        add(&mut head, format_args!("SIP/2.0 {} {phrase}", status.code()));
        head.extend_from_slice(b"\r\n");
        Outgoing {
            what: What::Response(status),
            first: head.len(),
            copied: head.len(),
            asked: 0,
            head,
            answered: None,
            content: None,
        }
    }

    fn copy(&mut self, request: &Lexed, tag: Option<&str>) {
        request.lines(Name::Via).for_each(|line| self.line(Name::Via, line));
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            if let Some(line) = request.lines(name).next() {
                self.line(name, line);
                if let Some(tag) = tag.filter(|_| name == Name::To) {
                    self.head.truncate(self.head.len() - 2);
                    add(&mut self.head, format_args!(";tag={tag}"));
                    self.head.extend_from_slice(b"\r\n");
                }
            }
        }
        (self.copied, self.asked) = (self.head.len(), request.bytes().len());
    }

    /// A received line, which holds neither CR nor LF.
    fn line(&mut self, name: Name, value: &[u8]) {
        self.head.extend_from_slice(name.as_str().as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value);
        self.head.extend_from_slice(b"\r\n");
    }

    /// Notes in the top Via of a response where its request came from: `received` if that is not what sent-by says or `rport` was
    /// asked for (RFC 3261 §18.2.1), and the port then (RFC 3581 §4). What the request claimed in their place is dropped.
    pub fn received(mut self, source: SocketAddr) -> Outgoing {
        if let What::Request(_) = self.what {
            return self;
        }
        let from = self.first + b"Via: ".len();
        let Some(line) = self.head.get(from..) else { return self };
        let end = line.iter().position(|&b| b == b'\r').unwrap_or(line.len());
        let top = items(&line[..end]).next().unwrap_or_default();
        let via = match &self.answered {
            Some((request, _)) => Cow::Borrowed(request.via()),
            None => match Via::read(&mut Cursor::new(top)) {
                Ok(via) => Cow::Owned(via),
                Err(_) => return self,
            },
        };
        let address = source.ip().to_canonical();
        let rport = via.params.get("rport").is_some();
        let claimed = via.params.get("received").is_some();
        let here = via.host.address().is_some_and(|host| host.to_canonical() == address);
        if here && !rport && !claimed {
            return self;
        }
        let mut stamped = Vec::with_capacity(top.len() + 64);
        for (place, part) in split_params(top).enumerate() {
            let name = trim(part.split(|&b| b == b'=').next().unwrap_or_default());
            if place == 0 {
                stamped.extend_from_slice(part);
            } else if !name.eq_ignore_ascii_case(b"received")
                && !name.eq_ignore_ascii_case(b"rport")
            {
                stamped.push(b';');
                stamped.extend_from_slice(part);
            }
        }
        if rport || !here {
            add(&mut stamped, format_args!(";received={address}"));
        }
        if rport {
            add(&mut stamped, format_args!(";rport={}", source.port()));
        }
        let length = top.len();
        self.copied = self.copied + stamped.len() - length;
        self.head.splice(from..from + length, stamped);
        self
    }

    /// A response as whoever has proven nothing gets it, from `source` by this transport. Over UDP the source may be somebody else's, so
    /// that it is at most twice as long as the request: what explains it is left out then, and a 401 that does not say what is asked for
    /// is no answer.
    pub(super) fn for_a_stranger(
        self,
        source: SocketAddr,
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let most = match transport {
            Transport::Udp => 2 * self.asked,
            Transport::Tcp | Transport::Tls => usize::MAX,
        };
        let mut response = self.received(source);
        let mut bytes = Vec::new();
        response.write(None, &mut bytes);
        if bytes.len() > most {
            let explains = response.status().is_some_and(|status| status.code() != 401);
            response.head.truncate(response.copied);
            response.content = None;
            bytes.clear();
            response.write(None, &mut bytes);
            return (explains && bytes.len() <= most).then_some(bytes);
        }
        Some(bytes)
    }

    /// Replaces the reason phrase of a response.
    pub fn reason(mut self, phrase: &str) -> Outgoing {
        if let What::Response(_) = self.what {
            let mut line = Vec::with_capacity(16 + phrase.len());
            add(&mut line, format_args!("{phrase}"));
            let from = b"SIP/2.0 200 ".len();
            let before = self.first;
            self.head.splice(from..before - 2, line.iter().copied());
            self.first = from + line.len() + 2;
            self.copied = self.copied + self.first - before;
        }
        self
    }

    /// Appends a header line. [`Name::Unknown`] has no name and appends nothing: see [`Outgoing::other`].
    pub fn header(mut self, name: Name, value: impl Display) -> Outgoing {
        if name != Name::Unknown {
            self.head.extend_from_slice(name.as_str().as_bytes());
            self.head.extend_from_slice(b": ");
            add(&mut self.head, format_args!("{value}"));
            self.head.extend_from_slice(b"\r\n");
        }
        self
    }

    /// Appends a header line of a name that [`Name`] does not list. A name that is no token appends nothing.
    pub fn other(mut self, name: &str, value: impl Display) -> Outgoing {
        if !name.is_empty() && name.bytes().all(is_token) {
            self.head.extend_from_slice(name.as_bytes());
            self.head.extend_from_slice(b": ");
            add(&mut self.head, format_args!("{value}"));
            self.head.extend_from_slice(b"\r\n");
        }
        self
    }

    /// Sets the body and its Content-Type.
    pub fn body(mut self, kind: &str, body: &[u8]) -> Outgoing {
        self.content = Some(Box::new((kind.to_owned(), body.to_vec())));
        self
    }

    /// The method of a request.
    pub fn method(&self) -> Option<&Method> {
        match &self.what {
            What::Request(method) => Some(method),
            What::Response(_) => None,
        }
    }

    /// The request that a response answers, if that could be read.
    pub fn request_answered(&self) -> Option<&Message> {
        self.answered.as_ref().map(|(request, _)| request)
    }

    /// The request that a response answers, and the tag in its To, if there is one.
    pub(super) fn answers(&self) -> Option<(&Message, Option<&str>)> {
        let (request, given) = self.answered.as_ref()?;
        Some((request, request.to().tag().or(given.as_deref())))
    }

    /// The tag in the To of a request.
    pub(super) fn to_tag(&self) -> Option<Box<str>> {
        let at = memchr::memmem::find(&self.head, b"\r\nTo: ")? + b"\r\nTo: ".len();
        let line = &self.head[at..];
        let end = memchr::memchr(b'\r', line).unwrap_or(line.len());
        Address::parse(&line[..end]).ok()?.tag().map(Box::from)
    }

    /// The status of a response.
    pub fn status(&self) -> Option<Status> {
        match self.what {
            What::Request(_) => None,
            What::Response(status) => Some(status),
        }
    }

    /// Appends the whole message to `out`, with `via` (`SIP/2.0/UDP host:port;branch=...;rport`) on top of a request.
    pub fn write(&self, via: Option<&str>, out: &mut Vec<u8>) {
        // What is kept for repetitions has no slack, and glibc tidies its lists at every request for a kilobyte or more.
        let room = via.map_or(0, str::len) + 64;
        out.reserve(self.length() + room);
        out.extend_from_slice(&self.head[..self.first]);
        if let Some(via) = via {
            out.extend_from_slice(b"Via: ");
            add(out, format_args!("{via}"));
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&self.head[self.first..]);
        let (kind, body) = self.content().unzip();
        if let Some(kind) = kind {
            out.extend_from_slice(b"Content-Type: ");
            add(out, format_args!("{kind}"));
            out.extend_from_slice(b"\r\n");
        }
        let body = body.unwrap_or_default();
        let written = write!(out, "Content-Length: {}\r\n\r\n", body.len());
        debug_assert!(written.is_ok(), "a Vec takes everything");
        out.extend_from_slice(body);
    }

    fn content(&self) -> Option<(&str, &[u8])> {
        self.content.as_ref().map(|content| (content.0.as_str(), content.1.as_slice()))
    }

    /// Of what there is of it, in bytes.
    fn length(&self) -> usize {
        self.head.len() + self.content().map_or(0, |(kind, body)| kind.len() + body.len())
    }
}

/// The first line without its URI, and the length: a message names people.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.length();
        match &self.what {
            What::Request(method) => write!(f, "Outgoing({method}, {length} bytes)"),
            What::Response(status) => write!(f, "Outgoing({}, {length} bytes)", status.code()),
        }
    }
}

/// Writes text with CR, LF and NUL as spaces.
struct OneLine<'a>(&'a mut Vec<u8>);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let from = self.0.len();
        self.0.extend_from_slice(text.as_bytes());
        let mut rest = &mut self.0[from..];
        while let Some(at) = memchr::memchr3(b'\r', b'\n', 0, rest) {
            rest[at] = b' ';
            rest = &mut rest[at + 1..];
        }
        Ok(())
    }
}

/// A `Display` that fails leaves a shorter value, never a broken line.
fn add(out: &mut Vec<u8>, value: fmt::Arguments<'_>) {
    _ = OneLine(out).write_fmt(value);
}

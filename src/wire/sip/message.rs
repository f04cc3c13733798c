//! A received SIP message: an index over its bytes, then the parts that every message must have, read once.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::cursor::{Cursor, items, number, trim};
use super::headers::{Address, CSeq, Contacts, Name, Via};
use super::uri::Uri;

pub use super::lexer::Lexed;
pub use super::method::Method;
pub use super::status::Status;

/// The most Via values of a message.
const VIAS_LIMIT: usize = 64;
/// The most values of Contact, and of any other list of addresses.
const ADDRESSES_LIMIT: usize = 100;

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

impl Malformed {
    /// With a status of its own.
    pub const fn new(what: &'static str, at: usize, status: Status) -> Malformed {
        Malformed { what, at, status }
    }

    /// A 400.
    pub const fn bad(what: &'static str, at: usize) -> Malformed {
        Malformed::new(what, at, Status::of(400))
    }

    /// The same, of a value that begins at `from`.
    pub(super) const fn shifted(self, from: usize) -> Malformed {
        Malformed { at: self.at + from, ..self }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for Malformed {}

/// The first line.
#[derive(Clone, Debug)]
pub enum Start {
    /// Method and Request-URI.
    Request(Method, Uri),
    /// Status and phrase.
    Response(Status, Box<str>),
}

/// A message whose mandatory headers are all there, once, and readable: Via, From, To, Call-ID, CSeq, Max-Forwards if present,
/// Content-Length if present. A clone shares the bytes.
#[derive(Clone)]
pub struct Message(Arc<Parts>);

struct Parts {
    lexed: Lexed,
    start: Start,
    via: Via,
    vias: usize,
    from: Address,
    to: Address,
    call_id: Box<str>,
    cseq: CSeq,
    max_forwards: Option<u8>,
    body: Range<usize>,
}

impl Message {
    /// Reads and checks a whole message (UDP rules: bytes beyond Content-Length are ignored, fewer are an error).
    /// The error carries what was lexed, so that it can be answered.
    pub fn parse(bytes: &[u8]) -> Result<Message, (Malformed, Option<Lexed>)> {
        let (lexed, flaw) = Lexed::scan(bytes);
        match Parts::read(&lexed, flaw) {
            Ok(read) => Ok(Message(Arc::new(read(lexed)))),
            Err(malformed) => Err((malformed, Some(lexed))),
        }
    }

    /// The first line.
    pub fn start(&self) -> &Start {
        &self.0.start
    }

    /// The method, of a request.
    pub fn method(&self) -> Option<&Method> {
        match &self.0.start {
            Start::Request(method, _) => Some(method),
            Start::Response(..) => None,
        }
    }

    /// The Request-URI, of a request.
    pub fn uri(&self) -> Option<&Uri> {
        match &self.0.start {
            Start::Request(_, uri) => Some(uri),
            Start::Response(..) => None,
        }
    }

    /// The status, of a response.
    pub fn status(&self) -> Option<Status> {
        match self.0.start {
            Start::Request(..) => None,
            Start::Response(status, _) => Some(status),
        }
    }

    /// The topmost Via.
    pub fn via(&self) -> &Via {
        &self.0.via
    }

    /// How many Via values there are: more than one in a response means that it is not for us (RFC 3261 §8.1.3.3).
    pub fn via_count(&self) -> usize {
        self.0.vias
    }

    /// From, with its tag if any.
    pub fn from(&self) -> &Address {
        &self.0.from
    }

    /// To, with its tag if any.
    pub fn to(&self) -> &Address {
        &self.0.to
    }

    /// Call-ID, byte for byte.
    pub fn call_id(&self) -> &str {
        &self.0.call_id
    }

    /// CSeq.
    pub fn cseq(&self) -> &CSeq {
        &self.0.cseq
    }

    /// Max-Forwards, 0 to 255.
    pub fn max_forwards(&self) -> Option<u8> {
        self.0.max_forwards
    }

    /// The Contact values; `Ok(None)` when there is no Contact.
    pub fn contacts(&self) -> Result<Option<Contacts>, Malformed> {
        let mut places = self.0.lexed.places(Name::Contact);
        let Some((_, first)) = places.next() else { return Ok(None) };
        match (first, places.next()) {
            (b"*", None) => Ok(Some(Contacts::All)),
            _ => Ok(Some(Contacts::List(self.addresses(Name::Contact)?))),
        }
    }

    /// The Route values in order.
    pub fn routes(&self) -> Result<Vec<Address>, Malformed> {
        self.addresses(Name::Route)
    }

    /// The Record-Route values in order.
    pub fn record_routes(&self) -> Result<Vec<Address>, Malformed> {
        self.addresses(Name::RecordRoute)
    }

    /// The values of any header that lists addresses (P-Asserted-Identity, Path, Diversion ...), at most 100.
    pub fn addresses(&self, name: Name) -> Result<Vec<Address>, Malformed> {
        let mut list = Vec::new();
        for (at, line) in self.0.lexed.places(name) {
            let mut cursor = Cursor::new(line);
            loop {
                if list.len() == ADDRESSES_LIMIT {
                    return Err(Malformed::bad("too many addresses", at));
                }
                list.push(Address::read(&mut cursor).map_err(|malformed| malformed.shifted(at))?);
                if !cursor.eat(b',') {
                    break;
                }
            }
        }
        Ok(list)
    }

    /// Expires in seconds, as written; `Err` when unreadable.
    pub fn expires(&self) -> Result<Option<u32>, Malformed> {
        let Some((at, digits)) = self.0.lexed.places(Name::Expires).next() else { return Ok(None) };
        number(digits, u64::from(u32::MAX))
            .and_then(|seconds| u32::try_from(seconds).ok())
            .map(Some)
            .ok_or(Malformed::bad("Expires out of range", at))
    }

    /// The seconds in a header such as Retry-After; a comment or parameters after them do not count.
    pub fn seconds(&self, name: Name) -> Option<Duration> {
        let line = self.lines(name).next()?.trim_ascii_start();
        let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(line.get(..digits)?).ok()?;
        text.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()))
    }

    /// The lines of a header in order, unfolded; lists not split.
    pub fn lines(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.0.lexed.lines(name)
    }

    /// The lines of a header that [`Name`] does not list, by its long name in any case.
    pub fn lines_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.lexed.lines_of(name)
    }

    /// The items of a comma-separated list of tokens (Require, Supported, Allow, Accept ...), over all its lines, trimmed.
    /// Items that are not UTF-8 are left out.
    pub fn tokens(&self, name: Name) -> impl Iterator<Item = &str> {
        self.lines(name)
            .flat_map(items)
            .filter_map(|item| std::str::from_utf8(item).ok())
            .filter(|item| !item.is_empty())
    }

    /// The first line of a header as text, if it is UTF-8.
    pub fn text(&self, name: Name) -> Option<&str> {
        self.lines(name).next().and_then(|line| std::str::from_utf8(line).ok())
    }

    /// The body, Content-Length applied.
    pub fn body(&self) -> &[u8] {
        &self.0.lexed.bytes()[self.0.body.clone()]
    }

    /// The body if its Content-Type is `kind` (`application/sdp`), compared without case and parameters.
    pub fn body_of(&self, kind: &str) -> Option<&[u8]> {
        let line = self.lines(Name::ContentType).next()?;
        let essence = line.split(|&b| b == b';').next()?;
        let (one, other) = kind.split_once('/')?;
        let mut halves = essence.splitn(2, |&b| b == b'/').map(trim);
        let same = |half: Option<&[u8]>, wanted: &str| {
            half.is_some_and(|half| half.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        (same(halves.next(), one) && same(halves.next(), other)).then(|| self.body())
    }

    /// The bytes as received, without what lies beyond the body; folds are undone in place.
    pub fn bytes(&self) -> &[u8] {
        &self.0.lexed.bytes()[..self.0.body.end]
    }

    /// What was lexed.
    pub fn lexed(&self) -> &Lexed {
        &self.0.lexed
    }
}

impl Parts {
    /// Checks everything, and gives what turns the lexed message into parts: an error leaves it with the caller.
    fn read(
        lexed: &Lexed,
        flaw: Option<Malformed>,
    ) -> Result<impl FnOnce(Lexed) -> Parts + use<>, Malformed> {
        let start = lexed.read_start()?;
        flaw.map_or(Ok(()), Err)?;
        lexed.check_doubles()?;

        let received = lexed.after_headers().len();
        let length = lexed.content_length()?.unwrap_or(received);
        if length > received {
            return Err(Malformed::bad("body shorter than Content-Length", lexed.body_at()));
        }
        let body = lexed.body_at()..lexed.body_at() + length;

        let (at, top) = lexed.single(Name::Via, "no Via")?;
        let via = Via::read(&mut Cursor::new(top)).map_err(|malformed| malformed.shifted(at))?;
        let vias = lexed.lines(Name::Via).flat_map(items).take(VIAS_LIMIT + 1).count();
        if vias > VIAS_LIMIT {
            return Err(Malformed::bad("too many Via values", at));
        }
        let from = read_address(lexed, Name::From, "no From")?;
        let to = read_address(lexed, Name::To, "no To")?;
        let call_id = read_call_id(lexed)?;
        let cseq = read_cseq(lexed, &start)?;
        let max_forwards = read_max_forwards(lexed)?;
        Ok(move |lexed| Parts {
            lexed,
            start,
            via,
            vias,
            from,
            to,
            call_id,
            cseq,
            max_forwards,
            body,
        })
    }
}

fn read_address(lexed: &Lexed, name: Name, missing: &'static str) -> Result<Address, Malformed> {
    let (at, value) = lexed.single(name, missing)?;
    Address::parse(value).map_err(|malformed| malformed.shifted(at))
}

/// RFC 3261 §20.8 names the characters; here any that can be seen will do, as it is only compared and echoed.
fn read_call_id(lexed: &Lexed) -> Result<Box<str>, Malformed> {
    let (at, value) = lexed.single(Name::CallId, "no Call-ID")?;
    match std::str::from_utf8(value) {
        Ok(text) if !text.is_empty() && value.iter().all(|&b| b > b' ' && b != 0x7f) => {
            Ok(text.into())
        }
        _ => Err(Malformed::bad("bad Call-ID", at)),
    }
}

/// RFC 3261 §8.2.2: an unknown method is the more telling fault than a CSeq of another one.
fn read_cseq(lexed: &Lexed, start: &Start) -> Result<CSeq, Malformed> {
    let (at, value) = lexed.single(Name::CSeq, "no CSeq")?;
    let cseq = CSeq::read(value).map_err(|malformed| malformed.shifted(at))?;
    match start {
        Start::Request(method, _) if *method != cseq.method => Err(match method {
            Method::Other(_) => Malformed::new("CSeq of another method", at, Status::of(501)),
            _ => Malformed::bad("CSeq of another method", at),
        }),
        Start::Request(..) | Start::Response(..) => Ok(cseq),
    }
}

fn read_max_forwards(lexed: &Lexed) -> Result<Option<u8>, Malformed> {
    let Some((at, digits)) = lexed.places(Name::MaxForwards).next() else { return Ok(None) };
    number(digits, u64::from(u8::MAX))
        .and_then(|hops| u8::try_from(hops).ok())
        .map(Some)
        .ok_or(Malformed::bad("Max-Forwards out of range", at))
}

/// The first line without its URI, and the length: a message names people.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.start {
            Start::Request(method, _) => {
                write!(f, "Message({method}, {} bytes)", self.bytes().len())
            }
            Start::Response(status, _) => {
                write!(f, "Message({}, {} bytes)", status.code(), self.bytes().len())
            }
        }
    }
}

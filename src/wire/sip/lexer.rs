//! The index over a received message: one pass finds start line, headers and body; what a header means is read later.

use std::fmt;

use super::cursor::{is_blank, is_token, number, trim};
use super::headers::Name;
use super::message::{Malformed, Method, Start, Status};
use super::uri::Uri;

/// The largest message we read or frame, in bytes.
pub(super) const MESSAGE_LIMIT: usize = 64 * 1024;
/// The longest header (or start line), folds included, in bytes.
const HEADER_LIMIT: usize = 8 * 1024;
/// The most header lines.
const HEADERS_LIMIT: usize = 128;

const TOO_LARGE: Status = Status::of(513);

/// A message that is lexed, and no more: enough to answer a broken request statelessly.
#[derive(Clone)]
pub struct Lexed {
    /// As received up to [`MESSAGE_LIMIT`], each fold replaced by one blank (and blanks at the end of its header).
    bytes: Box<[u8]>,
    start: Span,
    lines: Vec<Line>,
    /// Where the body begins.
    body: usize,
    /// Whether others may find other headers in it: a CR that ends no line, or something beyond a limit.
    doubtful: bool,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    from: u32,
    to: u32,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    name: Name,
    as_written: Span,
    value: Span,
}

impl Span {
    /// Offsets are below [`MESSAGE_LIMIT`].
    fn new(from: usize, to: usize) -> Span {
        let narrow = |at: usize| u32::try_from(at).expect("a message has at most 64 KiB");
        Span { from: narrow(from), to: narrow(to) }
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.from as usize..self.to as usize]
    }
}

impl Lexed {
    /// Finds start line, headers and body. The limits: 64 KiB a message, 8 KiB a header, 128 headers.
    pub fn read(bytes: &[u8]) -> Result<Lexed, Malformed> {
        match Lexed::scan(bytes) {
            (lexed, None) => Ok(lexed),
            (_, Some(flaw)) => Err(flaw),
        }
    }

    /// As much as can be found, and the first flaw.
    pub(super) fn scan(received: &[u8]) -> (Lexed, Option<Malformed>) {
        let mut flaw = (received.len() > MESSAGE_LIMIT).then_some(Malformed::new(
            "message too large",
            MESSAGE_LIMIT,
            TOO_LARGE,
        ));
        let mut doubtful = flaw.is_some();
        let mut bytes: Box<[u8]> = received[..received.len().min(MESSAGE_LIMIT)].into();

        // RFC 3261 §7.5: empty lines before the start line.
        let begin = bytes.iter().position(|&b| b != b'\r' && b != b'\n').unwrap_or(bytes.len());
        let first = Extent::find(&bytes, begin);
        if first.folded {
            flaw.get_or_insert(Malformed::bad("start line is folded", begin));
        } else if first.end - begin > HEADER_LIMIT {
            doubtful = true;
            flaw.get_or_insert(Malformed::new("start line too long", begin, Status::of(414)));
        }
        if let Some(at) = first.bare_cr {
            doubtful = true;
            flaw.get_or_insert(Malformed::bad(BARE_CR, at));
        }
        let start = Span::new(begin, first.end.min(begin + HEADER_LIMIT));

        let mut lines = Vec::with_capacity(24);
        let mut at = first.next;
        let body = loop {
            let line = Extent::find(&bytes, at);
            if line.end == at {
                if line.next == at {
                    flaw.get_or_insert(Malformed::bad("no empty line after the headers", at));
                }
                break line.next;
            }
            if lines.len() == HEADERS_LIMIT {
                doubtful = true;
                flaw.get_or_insert(Malformed::new("too many headers", at, TOO_LARGE));
                break bytes.len();
            }
            if let Some(at) = line.bare_cr {
                doubtful = true;
                flaw.get_or_insert(Malformed::bad(BARE_CR, at));
            }
            if line.end - at > HEADER_LIMIT {
                doubtful = true;
                flaw.get_or_insert(Malformed::new("header too long", at, TOO_LARGE));
            } else {
                match Line::read(&mut bytes, at, &line) {
                    Ok(line) => lines.push(line),
                    Err(malformed) => _ = flaw.get_or_insert(malformed),
                }
            }
            at = line.next;
        };
        (Lexed { bytes, start, lines, body, doubtful }, flaw)
    }

    /// Whether it is a request (and not an ACK, which is never answered), so that an error may be sent.
    pub fn is_answerable(&self) -> bool {
        let line = self.start_line();
        let Some(end) = line.iter().position(|&b| b == b' ') else { return false };
        Method::read(&line[..end]).is_some_and(|method| method != Method::Ack)
    }

    /// The values of a header in order, unfolded, one per line (lists not split). Bytes that are not UTF-8 are kept.
    pub fn lines(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.places(name).map(|(_, value)| value)
    }

    /// The values of a header that [`Name`] does not list, by its long name in any case.
    pub fn lines_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.lines
            .iter()
            .filter(|line| line.as_written.of(&self.bytes).eq_ignore_ascii_case(name.as_bytes()))
            .map(|line| line.value.of(&self.bytes))
    }

    /// Every header in order: its name as written, and its value.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (line.as_written.of(&self.bytes), line.value.of(&self.bytes)))
    }

    /// The lines of a header with the place where each begins.
    pub(super) fn places(&self, name: Name) -> impl Iterator<Item = (usize, &[u8])> {
        self.lines
            .iter()
            .filter(move |line| line.name == name)
            .map(|line| (line.value.from as usize, line.value.of(&self.bytes)))
    }

    /// The only line of a header that must be there once.
    pub(super) fn single(
        &self,
        name: Name,
        missing: &'static str,
    ) -> Result<(usize, &[u8]), Malformed> {
        self.places(name).next().ok_or(Malformed::bad(missing, self.body))
    }

    /// Refuses a second line of any header that must be single (RFC 3261 §7.3.1).
    pub(super) fn check_doubles(&self) -> Result<(), Malformed> {
        let mut seen: u128 = 0;
        for line in &self.lines {
            let bit = 1 << line.name as u32;
            if line.name.is_single() && seen & bit != 0 {
                return Err(Malformed::bad("doubled header", line.as_written.from as usize));
            }
            seen |= bit;
        }
        Ok(())
    }

    /// The one reading of Content-Length, for datagrams and streams alike (RFC 3261 §20.14). `None`: there is no such header.
    pub(super) fn content_length(&self) -> Result<Option<usize>, Malformed> {
        let mut places = self.places(Name::ContentLength);
        let Some((at, digits)) = places.next() else { return Ok(None) };
        if let Some((at, _)) = places.next() {
            return Err(Malformed::bad("two Content-Length headers", at));
        }
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Malformed::bad("bad Content-Length", at));
        }
        number(digits, MESSAGE_LIMIT as u64)
            .and_then(|length| usize::try_from(length).ok())
            .map(Some)
            .ok_or(Malformed::new("Content-Length too large", at, Status::of(413)))
    }

    /// Reads the first line (RFC 3261 §7.1, §7.2): single blanks, and SIP/2.0 in any case.
    pub(super) fn read_start(&self) -> Result<Start, Malformed> {
        let line = self.start_line();
        let begin = self.start.from as usize;
        if line.get(..4).is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"SIP/")) {
            return read_status_line(line, begin);
        }
        let bad = |what, at: usize| Malformed::bad(what, begin + at);
        let first = line.iter().position(|&b| b == b' ').ok_or(bad("bad start line", 0))?;
        let last = line.iter().rposition(|&b| b == b' ').ok_or(bad("bad start line", 0))?;
        let method = Method::read(&line[..first]).ok_or(bad("bad method", 0))?;
        if first == last {
            return Err(bad("no SIP version", first));
        }
        let version = &line[last + 1..];
        if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            return Err(if is_version(version) {
                Malformed::new("unknown SIP version", begin + last + 1, Status::of(505))
            } else {
                bad("no SIP version", last + 1)
            });
        }
        let uri = std::str::from_utf8(&line[first + 1..last])
            .map_err(|_| bad("Request-URI is not UTF-8", first + 1))?;
        let uri = Uri::parse(uri).map_err(|malformed| malformed.shifted(begin + first + 1))?;
        Ok(Start::Request(method, uri))
    }

    fn start_line(&self) -> &[u8] {
        self.start.of(&self.bytes)
    }

    /// Whether others may find other headers in it, and so another end of the message.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Everything behind the empty line, Content-Length not applied.
    pub(super) fn after_headers(&self) -> &[u8] {
        &self.bytes[self.body..]
    }

    /// Where the body begins.
    pub(super) fn body_at(&self) -> usize {
        self.body
    }

    /// The message.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The kind of message and its length: a message names people.
impl fmt::Debug for Lexed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lexed({} headers, {} bytes)", self.lines.len(), self.bytes.len())
    }
}

const BARE_CR: &str = "CR without LF";

fn is_version(version: &[u8]) -> bool {
    let Some((protocol, digits)) = version.split_at_checked(4) else { return false };
    protocol.eq_ignore_ascii_case(b"SIP/")
        && digits.iter().all(|&b| b.is_ascii_digit() || b == b'.')
        && digits.first().is_some_and(u8::is_ascii_digit)
}

fn read_status_line(line: &[u8], begin: usize) -> Result<Start, Malformed> {
    let mut parts = line.splitn(3, |&b| b == b' ');
    if !parts.next().unwrap_or_default().eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(Malformed::new("unknown SIP version", begin, Status::of(505)));
    }
    let code = parts.next().unwrap_or_default();
    let status = number(code, 699).filter(|_| code.len() == 3);
    let status = status.and_then(|code| Status::new(u16::try_from(code).ok()?));
    let status = status.ok_or(Malformed::bad("bad status code", begin + line.len().min(8)))?;
    let phrase = trim(parts.next().unwrap_or_default());
    Ok(Start::Response(status, String::from_utf8_lossy(phrase).into()))
}

/// From the first byte of a header to the end of its last continuation line.
struct Extent {
    /// Where the content ends.
    end: usize,
    /// Where the next header begins.
    next: usize,
    folded: bool,
    /// A CR that ends no line, which others may take for a line's end.
    bare_cr: Option<usize>,
}

impl Extent {
    /// Finds the end of the line that begins at `from`; LF alone ends a line too. At the end of the bytes, `next` is `end`.
    fn find(bytes: &[u8], from: usize) -> Extent {
        let (mut at, mut folded, mut bare_cr) = (from, false, None);
        loop {
            let Some(place) = memchr::memchr2(b'\n', b'\r', &bytes[at..]) else {
                return Extent { end: bytes.len(), next: bytes.len(), folded, bare_cr };
            };
            let end = at + place;
            if bytes[end] == b'\r' && bytes.get(end + 1) != Some(&b'\n') {
                bare_cr.get_or_insert(end);
                at = end + 1;
                continue;
            }
            let next = end + if bytes[end] == b'\r' { 2 } else { 1 };
            if end > from && bytes.get(next).copied().is_some_and(is_blank) {
                folded = true;
                at = next;
                continue;
            }
            return Extent { end, next, folded, bare_cr };
        }
    }
}

impl Line {
    fn read(bytes: &mut [u8], from: usize, line: &Extent) -> Result<Line, Malformed> {
        let text = &bytes[from..line.end];
        let name = text.iter().position(|&b| !is_token(b)).unwrap_or(text.len());
        let blanks = text[name..].iter().position(|&b| !is_blank(b)).unwrap_or(text.len() - name);
        if name == 0 || text.get(name + blanks) != Some(&b':') {
            return Err(Malformed::bad("header line without name and colon", from));
        }
        let begin = from + name + blanks + 1;
        let end = if line.folded || line.bare_cr.is_some() {
            unfold(&mut bytes[begin..line.end]) + begin
        } else {
            line.end
        };
        let value = &bytes[begin..end];
        let skipped = value.iter().position(|&b| !is_blank(b)).unwrap_or(value.len());
        let kept = trim(value).len();
        let as_written = Span::new(from, from + name);
        Ok(Line {
            name: Name::read(as_written.of(bytes)),
            as_written,
            value: Span::new(begin + skipped, begin + skipped + kept),
        })
    }
}

/// Replaces each fold with the blanks around it by one blank (RFC 3261 §7.3.1), moving what follows. The rest is filled with blanks.
/// Returns the new length.
fn unfold(value: &mut [u8]) -> usize {
    let (mut read, mut write) = (0, 0);
    while let Some(&byte) = value.get(read) {
        if byte == b'\r' || byte == b'\n' {
            while write > 0 && is_blank(value[write - 1]) {
                write -= 1;
            }
            while value.get(read).is_some_and(|&b| is_blank(b) || b == b'\r' || b == b'\n') {
                read += 1;
            }
            value[write] = b' ';
        } else {
            value[write] = byte;
            read += 1;
        }
        write += 1;
    }
    value[write..].fill(b' ');
    write
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(lexed: &Lexed, name: Name) -> Vec<&[u8]> {
        lexed.lines(name).collect()
    }

    #[test]
    fn headers_are_found_under_any_form_of_their_name_and_kept_in_order() {
        let lexed = Lexed::read(
            b"\r\n\r\nOPTIONS sip:a SIP/2.0\r\nV : 1\r\nX-Odd:;;,\xff\r\nvIA:2\nl:0\r\n\r\nrest",
        )
        .expect("legal");
        assert_eq!(values(&lexed, Name::Via), [b"1", b"2"]);
        assert_eq!(values(&lexed, Name::Unknown), [b";;,\xff"]);
        assert_eq!(lexed.lines_of("x-odd").collect::<Vec<_>>(), [b";;,\xff"]);
        assert_eq!(lexed.after_headers(), b"rest");
        assert_eq!(lexed.content_length(), Ok(Some(0)));
        assert!(lexed.is_answerable());
    }

    #[test]
    fn a_fold_is_one_blank() {
        let lexed = Lexed::read(
            b"OPTIONS sip:a SIP/2.0\r\nSubject: \r\n\t a \r\n  b\n c\r\n \r\nTo:\r\n x\r\n\r\n",
        )
        .expect("legal");
        assert_eq!(values(&lexed, Name::Subject), [b"a b c"]);
        assert_eq!(values(&lexed, Name::To), [b"x"]);
    }

    #[test]
    fn a_line_without_colon_a_bare_cr_and_a_missing_end_are_flaws_yet_the_rest_is_found() {
        for bad in [
            &b"INVITE sip:a SIP/2.0\r\nFoobar roobar\r\nVia: v\r\n\r\n"[..],
            b"INVITE sip:a SIP/2.0\r\nX: a\rContent-Length: 5\r\nVia: v\r\n\r\n",
            b"INVITE sip:a SIP/2.0\r\nVia: v\r\n",
            b"INVITE sip:a SIP/2.0\r\n folded\r\nVia: v\r\n\r\n",
        ] {
            let (lexed, flaw) = Lexed::scan(bad);
            assert_eq!(flaw.map(|flaw| flaw.status), Some(Status::of(400)));
            assert_eq!(values(&lexed, Name::Via), [b"v"]);
            assert!(lexed.is_answerable());
        }
    }

    #[test]
    fn the_limits_are_those_that_are_promised() {
        let request = |headers: &str| format!("INVITE sip:a SIP/2.0\r\n{headers}\r\n");
        let status = |text: String| Lexed::read(text.as_bytes()).map_err(|flaw| flaw.status.code());
        assert!(status(request(&"a:\r\n".repeat(128))).is_ok());
        assert_eq!(status(request(&"a:\r\n".repeat(129))).err(), Some(513));
        assert!(status(request(&format!("a:{}\r\n", "x".repeat(8190)))).is_ok());
        assert_eq!(status(request(&format!("a:{}\r\n", "x".repeat(8191)))).err(), Some(513));
        assert_eq!(
            status(request(&format!("a: b{}\r\n", "\r\n ".repeat(20_000)))).err(),
            Some(513)
        );
        let body = "x".repeat(65_536 - request("").len());
        assert!(status(request("") + &body).is_ok());
        assert_eq!(status(request("") + &body + "x").err(), Some(513));
        let uri = "%41".repeat(20_000);
        assert_eq!(status(format!("INVITE sip:{uri} SIP/2.0\r\n\r\n")).err(), Some(414));
    }

    #[test]
    fn content_length_is_one_number_and_nothing_else() {
        let length = |lines: &str| {
            let text = format!("INVITE sip:a SIP/2.0\r\n{lines}\r\n");
            let lexed = Lexed::read(text.as_bytes()).expect("lexed");
            lexed.content_length().map_err(|malformed| malformed.status.code())
        };
        assert_eq!(length("Content-Length   : 150\r\n"), Ok(Some(150)));
        assert_eq!(length("l:\r\n 0150\r\n"), Ok(Some(150)));
        assert_eq!(length("X: 1\r\n"), Ok(None));
        assert_eq!(length("l: 1\r\nContent-Length: 1\r\n"), Err(400));
        for bad in ["", "-999", "+1", "1 2", "1,1", "0x1", "1;a", "\u{661}"] {
            assert_eq!(length(&format!("l: {bad}\r\n")), Err(400), "{bad}");
        }
        assert_eq!(length("l: 65537\r\n"), Err(413));
        assert_eq!(length("l: 18446744073709551616\r\n"), Err(413));
    }

    #[test]
    fn what_is_no_request_is_not_answered() {
        for line in [
            "ACK sip:a SIP/2.0",
            "SIP/2.0 200 OK",
            "\u{0}\u{1}\u{0} x",
            "",
            "garbage",
            "SIP/7.0 200 OK",
        ] {
            let (lexed, _) = Lexed::scan(format!("{line}\r\nVia: v\r\n\r\n").as_bytes());
            assert!(!lexed.is_answerable(), "{line:?}");
        }
    }
}

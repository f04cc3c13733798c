//! A session description: RFC 8866, read leniently (home of sdp-types), written strictly.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use super::negotiation::{Direction, Refusal};
use crate::wire::address::is_host;
use crate::wire::rtp::g711::Codec;

/// More m= lines than this are nobody's telephone call.
const MOST_STREAMS: usize = 32;

/// One description, as far as an audio call needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Description {
    /// The first t= line, as far as it can be read.
    pub time: Time,
    /// Its m= lines, in order.
    pub streams: Vec<Stream>,
}

/// When it is good for, in NTP seconds (RFC 8866 §5.9): from 0 to 0 is always.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Time {
    /// From then on.
    pub start: u64,
    /// Until then.
    pub stop: u64,
}

/// One m= line with what belongs to it (RFC 8866 §5.14); what the session level says for all is filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stream {
    /// `audio`, `video` and so on, as written.
    pub media: String,
    /// The port; 0 is a refused or ended stream (RFC 3264 §6, §8.2).
    pub port: u16,
    /// `RTP/AVP` and so on, as written.
    pub protocol: String,
    /// The formats, as written, in the order of preference.
    pub formats: Vec<String>,
    /// Where to send: the stream's own c= lines, else the session's.
    pub addresses: Vec<Address>,
    /// As the author of the description sees it; `SendRecv` unless said otherwise.
    pub direction: Direction,
    /// Payload types given a meaning by a=rtpmap, the first mention of each.
    pub encodings: Vec<(u8, Encoding)>,
    /// a=rtcp (RFC 3605): the port, and the address if one is named.
    pub rtcp: Option<(u16, Option<Address>)>,
    /// a=rtcp-mux (RFC 5761): RTCP may share the port of RTP.
    pub rtcp_mux: bool,
}

/// What a payload type carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// G.711 at 8 kHz, one channel.
    G711(Codec),
    /// `telephone-event/8000` (RFC 4733).
    TelephoneEvent,
    /// Anything we do not speak.
    Other,
}

/// What a c= line names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Address {
    /// A literal address of one host.
    Unicast(IpAddr),
    /// `0.0.0.0` or `::`: hold as RFC 2543 did it (RFC 3264 §8.4).
    Unspecified,
    /// A host name (never resolved), a group, or broadcast.
    Unreachable,
}

impl Description {
    /// Reads a description. Unknown or broken lines that do not touch the streams are passed over; a broken m= or v= line is not.
    pub fn read(bytes: &[u8]) -> Result<Description, Refusal> {
        let session = sdp_types::Session::parse(essence(bytes)?.as_bytes())
            .map_err(|_| Refusal::Unreadable)?;
        let everywhere: Vec<Address> = session.connection.iter().map(address).collect();
        let direction = direction(&session.attributes).unwrap_or(Direction::SendRecv);
        let streams =
            session.medias.iter().map(|media| stream(media, &everywhere, direction)).collect();
        Ok(Description { time: time(bytes).unwrap_or_default(), streams })
    }
}

impl Stream {
    /// What the payload type of one of the formats means: by a=rtpmap, else by RFC 3551 §6. `None` for a format that is no payload type.
    pub fn encoding(&self, format: &str) -> Option<(u8, Encoding)> {
        let number = format.parse::<u8>().ok().filter(|&number| number < 128)?;
        let mapped = self.encodings.iter().find(|&&(mapped, _)| mapped == number);
        Some(match (mapped, number) {
            (Some(&found), _) => found,
            (None, 0) => (number, Encoding::G711(Codec::Pcmu)),
            (None, 8) => (number, Encoding::G711(Codec::Pcma)),
            (None, _) => (number, Encoding::Other),
        })
    }

    /// Whether this is audio over plain RTP.
    pub fn is_plain_audio(&self) -> bool {
        self.media.eq_ignore_ascii_case("audio") && self.protocol.eq_ignore_ascii_case("RTP/AVP")
    }
}

/// A description of ours, ready to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Draft {
    /// o= session id.
    pub(super) id: u64,
    /// o= version.
    pub(super) version: u64,
    /// Our address, in o= and c=.
    pub(super) address: IpAddr,
    /// t=.
    pub(super) time: Time,
    /// The m= lines.
    pub(super) lines: Vec<Line>,
}

/// An m= line of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// The stream we take.
    Audio {
        /// RTP here, RTCP one up.
        port: u16,
        /// Payload types in the order of preference.
        encodings: Vec<(u8, Encoding)>,
        /// As we see it.
        direction: Direction,
        /// RTCP here too (RFC 5761).
        rtcp_mux: bool,
    },
    /// One we do not: port 0, the rest as offered (RFC 3264 §6).
    Refused {
        /// As offered.
        media: String,
        /// As offered.
        protocol: String,
        /// As offered.
        formats: Vec<String>,
    },
}

impl Draft {
    /// The text, CRLF after each line (RFC 8866 §5).
    pub(super) fn write(&self) -> Vec<u8> {
        let mut text = String::with_capacity(320);
        let written = self.write_to(&mut text);
        debug_assert!(written.is_ok(), "a String takes everything");
        text.into_bytes()
    }

    fn write_to(&self, text: &mut String) -> fmt::Result {
        let (id, version, address) = (self.id, self.version, self.address);
        let family = if address.is_ipv4() { "IP4" } else { "IP6" };
        let host = address.to_string();
        write!(text, "v=0\r\no=- {id} {version} IN {family} {host}\r\ns=-\r\n")?;
        write!(text, "c=IN {family} {host}\r\nt={} {}\r\n", self.time.start, self.time.stop)?;
        self.lines.iter().try_for_each(|line| line.write_to(text))
    }
}

impl Line {
    fn write_to(&self, text: &mut String) -> fmt::Result {
        match self {
            Line::Audio { port, encodings, direction, rtcp_mux } => {
                write!(text, "m=audio {port} RTP/AVP")?;
                encodings.iter().try_for_each(|(number, _)| write!(text, " {number}"))?;
                text.push_str("\r\n");
                for &(number, encoding) in encodings {
                    match encoding {
                        Encoding::G711(codec) => {
                            write!(text, "a=rtpmap:{number} {}/8000\r\n", codec.name())?;
                        }
                        Encoding::TelephoneEvent => {
                            write!(text, "a=rtpmap:{number} telephone-event/8000\r\n")?;
                            write!(text, "a=fmtp:{number} 0-15\r\n")?;
                        }
                        Encoding::Other => {}
                    }
                }
                if *rtcp_mux {
                    text.push_str("a=rtcp-mux\r\n");
                }
                write!(text, "a=ptime:20\r\na={}\r\n", word(*direction))
            }
            Line::Refused { media, protocol, formats } => {
                write!(text, "m={media} 0 {protocol}")?;
                formats.iter().try_for_each(|format| write!(text, " {format}"))?;
                text.push_str("\r\n");
                Ok(())
            }
        }
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

/// The lines that decide an audio call, in a form that the strict reader takes. It refuses a whole description for one odd b= or t=
/// line, a second c= line or a doubled blank; RFC 8866 §5 and every softphone ask for more patience.
fn essence(bytes: &[u8]) -> Result<String, Refusal> {
    let mut kept = String::with_capacity(bytes.len());
    let mut streams = 0;
    let mut connected = false;
    let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    for (place, line) in lines.filter(|line| !line.is_empty()).enumerate() {
        let text = std::str::from_utf8(line).ok().filter(|text| !text.contains(['\0', '\r']));
        if place == 0 {
            match text {
                Some("v=0") => kept.push_str("v=0\n"),
                _ => return Err(Refusal::Unreadable),
            }
            continue;
        }
        match (line, text) {
            ([b'm', b'=', ..], Some(text)) => {
                streams += 1;
                push_stream(&mut kept, &text[2..]);
            }
            ([b'm', b'=', ..], None) => return Err(Refusal::Unreadable),
            // A second one for the whole session has no meaning (RFC 8866 §5.7); for a stream it may have.
            ([b'c', b'=', ..], text) if streams > 0 || !connected => {
                connected = true;
                kept.push_str("c=");
                kept.push_str(text.map_or("IN IP4 invalid", |text| connection(&text[2..])));
                kept.push('\n');
            }
            ([b'a', b'=', _, ..], Some(text)) => {
                kept.push_str(text);
                kept.push('\n');
            }
            _ => {}
        }
    }
    if streams > MOST_STREAMS { Err(Refusal::Unreadable) } else { Ok(kept) }
}

fn time(bytes: &[u8]) -> Option<Time> {
    let mut lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let line = lines.find_map(|line| line.strip_prefix(b"t="))?;
    let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let mut seconds = || fields.next()?.parse().ok();
    Some(Time { start: seconds()?, stop: seconds()? })
}

/// One blank between the fields; the format that some phones leave out of a refused line is put back.
fn push_stream(kept: &mut String, value: &str) {
    kept.push_str("m=");
    let mut fields = 0;
    for field in value.split_ascii_whitespace() {
        if fields > 0 {
            kept.push(' ');
        }
        kept.push_str(field);
        fields += 1;
    }
    if fields == 3 {
        kept.push_str(" 0");
    }
    kept.push('\n');
}

/// A c= value that is no three fields names no address of ours to reach.
fn connection(value: &str) -> &str {
    let token = |field: &str| field.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut fields = value.split_ascii_whitespace();
    let sound = fields.next().is_some_and(token) && fields.next().is_some_and(token);
    if sound && fields.count() == 1 { value } else { "IN IP4 invalid" }
}

fn stream(media: &sdp_types::Media, everywhere: &[Address], session: Direction) -> Stream {
    let own: Vec<Address> = media.connections.iter().map(address).collect();
    let mut encodings: Vec<(u8, Encoding)> = Vec::new();
    let maps = values(&media.attributes, "rtpmap").filter_map(rtpmap);
    for (number, encoding) in maps {
        // 128 payload types at most, so this stays small however long the description is.
        if !encodings.iter().any(|&(seen, _)| seen == number) {
            encodings.push((number, encoding));
        }
    }
    Stream {
        media: media.media.clone(),
        port: media.port,
        protocol: media.proto.clone(),
        formats: media.fmt.split_ascii_whitespace().map(str::to_owned).collect(),
        addresses: if own.is_empty() { everywhere.to_vec() } else { own },
        direction: direction(&media.attributes).unwrap_or(session),
        encodings,
        rtcp: values(&media.attributes, "rtcp").find_map(rtcp),
        rtcp_mux: media.attributes.iter().any(|line| line.attribute == "rtcp-mux"),
    }
}

fn values<'a>(
    attributes: &'a [sdp_types::Attribute],
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.attribute.eq_ignore_ascii_case(name))
        .filter_map(|attribute| attribute.value.as_deref())
}

fn direction(attributes: &[sdp_types::Attribute]) -> Option<Direction> {
    attributes.iter().find_map(|attribute| {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .into_iter()
            .find(|&direction| attribute.attribute.trim().eq_ignore_ascii_case(word(direction)))
    })
}

/// `<payload type> <name>/<clock>[/<channels>]` (RFC 8866 §6.6).
fn rtpmap(value: &str) -> Option<(u8, Encoding)> {
    let mut fields = value.split_ascii_whitespace();
    let number = fields.next()?.parse::<u8>().ok().filter(|&number| number < 128)?;
    let mut parts = fields.next()?.split('/');
    let name = parts.next()?;
    let telephone = parts.next() == Some("8000") && matches!(parts.next(), None | Some("1"));
    let encoding = if !telephone {
        Encoding::Other
    } else if name.eq_ignore_ascii_case("PCMU") {
        Encoding::G711(Codec::Pcmu)
    } else if name.eq_ignore_ascii_case("PCMA") {
        Encoding::G711(Codec::Pcma)
    } else if name.eq_ignore_ascii_case("telephone-event") {
        Encoding::TelephoneEvent
    } else {
        Encoding::Other
    };
    Some((number, encoding))
}

/// `<port> [<nettype> <addrtype> <address>]` (RFC 3605 §2.1).
fn rtcp(value: &str) -> Option<(u16, Option<Address>)> {
    let mut fields = value.split_ascii_whitespace();
    let port = fields.next()?.parse().ok()?;
    Some((port, fields.nth(2).map(literal)))
}

fn address(connection: &sdp_types::Connection) -> Address {
    literal(&connection.connection_address)
}

fn literal(text: &str) -> Address {
    // A TTL or count belongs to groups (RFC 8866 §5.7), which are refused below.
    let host = text.split('/').next().unwrap_or_default();
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if address.is_unspecified() => Address::Unspecified,
        Ok(address) if is_host(address) => Address::Unicast(address),
        Ok(_) | Err(_) => Address::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_odd_but_harmless_does_not_spoil_a_description() {
        let odd = b"v=0\no=- 99999999999999999999999 x IN IP4 h\ns=\nb=AS:many\nt=now\nr=1\nno equals sign\n\
            c=IN IP4 192.0.2.1\nc=IN IP4 192.0.2.2\nX=1\na=\na=caf\xe9\nm=audio  4000   RTP/AVP  0 101 \n\
            a=rtpmap:101  telephone-event/8000\na=rtpmap:x\na=rtcp:nonsense\na=zz:\xff\n";
        let description = Description::read(odd).expect("readable");
        let stream = &description.streams[0];
        assert_eq!(stream.port, 4000);
        assert_eq!(stream.formats, ["0", "101"]);
        assert_eq!(stream.addresses, [Address::Unicast([192, 0, 2, 1].into())]);
        assert_eq!(stream.encoding("101"), Some((101, Encoding::TelephoneEvent)));
        assert_eq!(stream.rtcp, None);
    }

    #[test]
    fn what_is_no_description_is_refused() {
        for text in [
            &b""[..],
            b"\r\n\r\n",
            b"hello",
            b"v=1\r\nm=audio 4000 RTP/AVP 0\r\n",
            b"o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n",
            b"v=0\r\nm=audio 70000 RTP/AVP 0\r\n",
            b"v=0\r\nm=audio -1 RTP/AVP 0\r\n",
            b"v=0\r\nm=audio\r\n",
            b"v=0\r\nm=\xff\xfe 4000 RTP/AVP 0\r\n",
        ] {
            assert_eq!(Description::read(text), Err(Refusal::Unreadable), "{text:?}");
        }
        let crowd = format!("v=0\n{}", "m=audio 4000 RTP/AVP 0\n".repeat(MOST_STREAMS + 1));
        assert_eq!(Description::read(crowd.as_bytes()), Err(Refusal::Unreadable));
    }

    #[test]
    fn only_the_literal_address_of_one_host_can_be_reached() {
        let of = |line: &str| {
            let text = format!("v=0\nm=audio 4000 RTP/AVP 0\n{line}\n");
            Description::read(text.as_bytes()).expect("readable").streams[0].addresses.clone()
        };
        assert_eq!(of("c=IN IP4 pbx.example.com"), [Address::Unreachable]);
        assert_eq!(of("c=IN IP4 224.2.1.1/127/3"), [Address::Unreachable]);
        assert_eq!(of("c=IN IP6 ff15::101/3"), [Address::Unreachable]);
        assert_eq!(of("c=IN IP4 255.255.255.255"), [Address::Unreachable]);
        assert_eq!(of("c=IN IP4"), [Address::Unreachable]);
        assert_eq!(of("c=IN IP4 192.0.2.1 192.0.2.2"), [Address::Unreachable]);
        assert_eq!(of("c=IN IP6 ::"), [Address::Unspecified]);
        assert_eq!(of("c=IN IP6 ::ffff:192.0.2.2"), [Address::Unicast([192, 0, 2, 2].into())]);
        assert_eq!(of("a=x"), []);
    }

    #[test]
    fn the_stream_overrides_the_session() {
        let text =
            b"v=0\r\nc=IN IP4 192.0.2.1\r\na=sendonly\r\nm=audio 4000 RTP/AVP 0\r\na=inactive\r\n\
            m=audio 4002/2 RTP/AVP 8\r\nc=IN IP4 192.0.2.2\r\n";
        let streams = Description::read(text).expect("readable").streams;
        assert_eq!(streams[0].direction, Direction::Inactive);
        assert_eq!(streams[0].addresses, [Address::Unicast([192, 0, 2, 1].into())]);
        assert_eq!(streams[1].direction, Direction::SendOnly);
        assert_eq!(streams[1].addresses, [Address::Unicast([192, 0, 2, 2].into())]);
    }
}

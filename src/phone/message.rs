//! What the phone reads: by `rsip` where it can, by eye where it cannot.

use std::net::SocketAddr;

use md5::{Digest, Md5};
use rsip::headers::UntypedHeader;
use rsip::message::HeadersExt;
use sha2::Sha256;

/// One message as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    text: String,
    /// Whether `rsip` read it too, and the same.
    pub confirmed: bool,
}

/// What a 401 or 407 asks for.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    header: &'static str,
    realm: String,
    nonce: String,
    sha256: bool,
}

impl Received {
    /// Reads a message. Never fails: what is not SIP is text.
    pub fn read(bytes: &[u8]) -> Received {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let read = Received { text, confirmed: false };
        let confirmed = match rsip::SipMessage::try_from(bytes) {
            Ok(message) => {
                message.call_id_header().is_ok_and(|id| id.value() == read.header("Call-ID"))
                    && message.cseq_header().is_ok_and(|cseq| cseq.value() == read.header("CSeq"))
            }
            Err(_) => false,
        };
        Received { confirmed, ..read }
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn start(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// Method of a request.
    pub fn method(&self) -> Option<&str> {
        self.start().strip_suffix(" SIP/2.0")?.split(' ').next()
    }

    /// Status of a response.
    pub fn status(&self) -> Option<u16> {
        self.start().strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// `180 Ringing`, or `INVITE`: as people say it.
    pub fn summary(&self) -> &str {
        self.start().strip_prefix("SIP/2.0 ").or(self.method()).unwrap_or("?")
    }

    /// The same for a ladder: of a NOTIFY also the state of the subscription and of the dialogs it tells of.
    pub fn rung(&self) -> String {
        let mut words = vec![self.summary()];
        if words == ["NOTIFY"] {
            let (state, _) = self.header("Subscription-State").split_once(';').unwrap_or_default();
            words.extend(self.states());
            words.extend((state == "terminated").then_some("(last)"));
        }
        words.join(" ")
    }

    /// The states of the dialogs in its dialog-info, in order.
    pub fn states(&self) -> Vec<&str> {
        let states = self.body().split("<state>").skip(1);
        states.filter_map(|rest| rest.split('<').next()).collect()
    }

    /// Every value of a header, in the canonical form that the switch writes.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines()
            .skip(1)
            .filter_map(move |line| {
                line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name))
            })
            .map(|(_, value)| value.trim())
    }

    /// The first value of a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let line = head.lines().skip(1).find_map(|line| {
            line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name))
        });
        line.map_or("", |(_, value)| value.trim())
    }

    pub(super) fn cseq(&self) -> u32 {
        self.header("CSeq")
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or_default()
    }

    pub(super) fn cseq_method(&self) -> &str {
        self.header("CSeq").split(' ').nth(1).unwrap_or_default()
    }

    /// The URI of the Contact.
    pub(super) fn contact(&self) -> String {
        let contact = self.header("Contact");
        contact
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map_or(contact, |(uri, _)| uri)
            .to_owned()
    }

    /// What comes after the headers.
    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// RTP address, codec and the payload type of telephone-event of its SDP.
    pub fn media(&self) -> Option<(SocketAddr, u8, Option<u8>)> {
        let line = |start: &str| {
            self.body().lines().find_map(|line| line.strip_prefix(start).map(str::to_owned))
        };
        let ip = line("c=IN IP4 ").or_else(|| line("c=IN IP6 "))?.parse().ok()?;
        let audio = line("m=audio ")?;
        let mut words = audio.split(' ');
        let port = words.next()?.parse().ok()?;
        let codec = words.nth(1)?.parse().ok()?;
        let event = self.body().lines().find(|line| line.contains("telephone-event/8000"));
        let event =
            event.and_then(|line| line.strip_prefix("a=rtpmap:")?.split(' ').next()?.parse().ok());
        Some((SocketAddr::new(ip, port), codec, event))
    }

    /// What its SDP says of the direction of audio, seen from here.
    pub fn mirrored(&self) -> &'static str {
        let says = |word: &str| self.body().lines().any(|line| line == word);
        match () {
            () if says("a=sendonly") => "recvonly",
            () if says("a=recvonly") => "sendonly",
            () if says("a=inactive") => "inactive",
            () => "sendrecv",
        }
    }

    pub(super) fn challenge(&self) -> Option<Challenge> {
        let (header, value) =
            [("WWW-Authenticate", "Authorization"), ("Proxy-Authenticate", "Proxy-Authorization")]
                .into_iter()
                .find_map(|(asks, answers)| Some((answers, self.all(asks).next()?)))?;
        let part = |name: &str| {
            let (_, rest) = value.split_once(&format!("{name}=\""))?;
            rest.split('"').next().map(str::to_owned)
        };
        Some(Challenge {
            header,
            realm: part("realm")?,
            nonce: part("nonce")?,
            sha256: value.contains("SHA-256"),
        })
    }
}

/// The header line that answers a challenge: RFC 7616, computed here a second time and by other means than the switch's.
pub(super) fn authorization(
    challenge: &Challenge,
    method: &str,
    uri: &str,
    user: &str,
    password: &str,
) -> String {
    let Challenge { header, realm, nonce, sha256 } = challenge;
    let hash = |text: String| match sha256 {
        true => hex(&Sha256::digest(text.as_bytes())),
        false => hex(&Md5::digest(text.as_bytes())),
    };
    let (ha1, ha2) = (hash(format!("{user}:{realm}:{password}")), hash(format!("{method}:{uri}")));
    let response = hash(format!("{ha1}:{nonce}:00000001:0a4f113b:auth:{ha2}"));
    let algorithm = if *sha256 { "SHA-256" } else { "MD5" };
    format!(
        "{header}: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", qop=auth, nc=00000001, \
         cnonce=\"0a4f113b\", response=\"{response}\", algorithm={algorithm}\r\n"
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! What the peers say, as text.

use tonspur::wire::sip::auth;
use tonspur::wire::sip::message::{Message, Method};

use super::{Peer, World};

const METHODS: [&str; 14] = [
    "INVITE",
    "REGISTER",
    "OPTIONS",
    "BYE",
    "UPDATE",
    "INFO",
    "PRACK",
    "REFER",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
    "PUBLISH",
    "CANCEL",
    "FOO",
];

const NUMBERS: [&str; 12] = [
    "+4930555010",
    "+4930555011",
    "+4930555012",
    "+4930555013",
    "+4930555014",
    "+4930555019",
    "201",
    "202",
    "203",
    "0891234567",
    "9112",
    "*8",
];

const STATUSES: [u16; 20] = [
    100, 180, 183, 199, 200, 200, 200, 302, 401, 404, 407, 408, 422, 481, 486, 488, 491, 503, 603,
    999,
];

/// Header lines that mean something to somebody.
const LINES: [&str; 30] = [
    "",
    "",
    "Require: 100rel",
    "Supported: 100rel, timer, replaces, path, outbound",
    "RSeq: 1",
    "RSeq: 2",
    "RAck: 1 1 INVITE",
    "Session-Expires: 90;refresher=uac",
    "Session-Expires: 1800;refresher=uas",
    "Min-SE: 3600",
    "Retry-After: 1",
    "Refer-To: <sip:203@office.example>",
    "Refer-To: <sip:0891234567@office.example>",
    "Refer-To: <sip:203@office.example?Replaces=x%3Bto-tag%3Dy%3Bfrom-tag%3Dz>",
    "Replaces: x;to-tag=y;from-tag=z",
    "Event: dialog",
    "Event: message-summary",
    "Event: refer",
    "Subscription-State: terminated;reason=noresource",
    "Expires: 0",
    "Expires: 4294967295",
    "Contact: *",
    "Contact: <sip:203@office.example>;q=0.5",
    "Record-Route: <sip:203.0.113.1;lr>",
    "Route: <sip:10.0.0.1;lr>",
    "Privacy: id",
    "P-Asserted-Identity: <tel:+49891234567>",
    "Reason: SIP;cause=200;text=\"Call completed elsewhere\"",
    "Diversion: <sip:201@office.example>;reason=unconditional",
    "Content-Type: application/dtmf-relay",
];

const SDPS: [&str; 6] = [
    "",
    "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
    "v=0\r\no=- 1 2 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\na=sendonly\r\n",
    "v=0\r\no=- 1 3 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n",
    "v=0\r\no=- 1 4 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n",
    "v=0\r\no=- 1 5 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n",
];

fn choice<T: Copy>(choices: &[T], number: u8) -> T {
    choices[usize::from(number) % choices.len()]
}

/// The rest of a message: extra lines, and a body.
fn rest(lines: &[u8], sdp: u8) -> String {
    let mut text: String = lines
        .iter()
        .map(|line| choice(&LINES, *line))
        .filter(|line| !line.is_empty())
        .flat_map(|line| [line, "\r\n"])
        .collect();
    let body = choice(&SDPS, sdp);
    if !body.is_empty() && !text.contains("Content-Type") {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text
}

fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    head.split("\r\n").filter(|line| line.starts_with(name)).collect()
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    lines(text, name).first().map(|line| line[name.len()..].trim())
}

fn uri(address: &str) -> &str {
    let from = address.find('<').map_or(0, |at| at + 1);
    let rest = &address[from..];
    &rest[..rest.find('>').unwrap_or(rest.len())]
}

impl Peer {
    fn heard(&self, back: u8, is_it: impl Fn(&str) -> bool) -> Option<String> {
        let heard = self.heard.iter().rev().map(|bytes| String::from_utf8_lossy(bytes));
        heard.filter(|text| is_it(text)).nth(usize::from(back % 4)).map(|text| text.into_owned())
    }

    fn via(&self, branch: u32) -> String {
        let transport = match self.flow.connection {
            Some(_) => "TCP",
            None => "UDP",
        };
        format!("Via: SIP/2.0/{transport} {};branch=z9hG4bK{branch};rport\r\n", self.flow.remote)
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{}>\r\n", self.name(), self.flow.remote)
    }

    fn name(&self) -> &'static str {
        self.user.map_or("+49891112222", |(user, _)| user)
    }
}

fn is_request(text: &str) -> bool {
    !text.starts_with("SIP/2.0")
}

impl World {
    pub(crate) fn request(
        &mut self,
        who: u8,
        method: u8,
        number: u8,
        sdp: u8,
        extra: &[u8],
        proves: bool,
    ) -> Vec<u8> {
        self.count += 1;
        let who = self.who(who);
        let (peer, count, method) = (&self.peers[who], self.count, choice(&METHODS, method));
        let name = peer.name();
        let (uri, to) = match method {
            "REGISTER" => ("sip:office.example".to_owned(), name),
            _ => {
                let number = choice(&NUMBERS, number);
                (format!("sip:{number}@office.example"), number)
            }
        };
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\n{}Max-Forwards: 70\r\nFrom: <sip:{name}@office.example>;tag=f{count}\r\n\
             To: <sip:{to}@office.example>\r\nCall-ID: c{count}\r\nCSeq: {count} {method}\r\n{}",
            peer.via(count),
            peer.contact(),
        );
        let challenge = peer
            .heard(0, |text| text.starts_with("SIP/2.0 401"))
            .and_then(|text| Message::parse(text.as_bytes()).ok());
        if let (true, Some(challenge), Some((user, password))) = (proves, challenge, peer.user) {
            let method = Method::read(method.as_bytes()).expect("a method of the list");
            let proof =
                auth::answer(&challenge, &method, &uri, user, password, None, &mut self.ids);
            if let Some((name, value)) = proof {
                text.push_str(&format!("{}: {value}\r\n", name.as_str()));
            }
        }
        text.push_str(&rest(extra, sdp));
        text.into_bytes()
    }

    pub(crate) fn response(
        &mut self,
        who: u8,
        back: u8,
        status: u8,
        sdp: u8,
        extra: &[u8],
    ) -> Option<Vec<u8>> {
        let peer = &self.peers[self.who(who)];
        let request = peer.heard(back, is_request)?;
        let status = choice(&STATUSES, status);
        let mut text = format!("SIP/2.0 {status} So\r\n");
        for name in ["Via:", "Record-Route:", "From:", "Call-ID:", "CSeq:"] {
            for line in lines(&request, name) {
                text.push_str(line);
                text.push_str("\r\n");
            }
        }
        let to = value(&request, "To:")?;
        let tag = if to.contains(";tag=") || status == 100 { "" } else { ";tag=theirs" };
        text.push_str(&format!("To: {to}{tag}\r\n{}", peer.contact()));
        text.push_str(&rest(extra, sdp));
        Some(text.into_bytes())
    }

    /// Who is who in the dialog that `message` of the switch's belongs to: From, To, and the request's URI.
    fn sides(message: &str) -> Option<(String, String, String)> {
        let (from, to) = (value(message, "From:")?, value(message, "To:")?);
        let target = value(message, "Contact:").map_or("sip:10.0.0.1", uri).to_owned();
        Some(match is_request(message) {
            true if to.contains(";tag=") => (to.to_owned(), from.to_owned(), target),
            true => (format!("{to};tag=theirs"), from.to_owned(), target),
            false => (from.to_owned(), to.to_owned(), target),
        })
    }

    pub(crate) fn inside(
        &mut self,
        who: u8,
        back: u8,
        method: u8,
        sdp: u8,
        extra: &[u8],
    ) -> Option<Vec<u8>> {
        self.count += 1;
        let peer = &self.peers[self.who(who)];
        let message = peer.heard(back, |text| value(text, "CSeq:").is_some())?;
        let (from, to, target) = World::sides(&message)?;
        let (method, count) = (choice(&METHODS, method), self.count);
        let text = format!(
            "{method} {target} SIP/2.0\r\n{}Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {}\r\n\
             CSeq: {count} {method}\r\n{}{}",
            peer.via(count),
            value(&message, "Call-ID:")?,
            peer.contact(),
            rest(extra, sdp),
        );
        Some(text.into_bytes())
    }

    pub(crate) fn ack(&mut self, who: u8, back: u8, sdp: u8) -> Option<Vec<u8>> {
        self.count += 1;
        let peer = &self.peers[self.who(who)];
        let message = peer.heard(back, |text| text.starts_with("SIP/2.0 2"))?;
        let (from, to, target) = World::sides(&message)?;
        let number = value(&message, "CSeq:")?.split(' ').next()?;
        let text = format!(
            "ACK {target} SIP/2.0\r\n{}Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {}\r\n\
             CSeq: {number} ACK\r\n{}",
            peer.via(self.count),
            value(&message, "Call-ID:")?,
            rest(&[], sdp),
        );
        Some(text.into_bytes())
    }

    pub(crate) fn cancel(&mut self, who: u8) -> Option<Vec<u8>> {
        let said = String::from_utf8_lossy(&self.peers[self.who(who)].said).into_owned();
        let target = said.strip_prefix("INVITE ")?.split(' ').next()?;
        let number = value(&said, "CSeq:")?.split(' ').next()?;
        let mut text = format!("CANCEL {target} SIP/2.0\r\n");
        for name in ["Via:", "From:", "To:", "Call-ID:", "Max-Forwards:"] {
            text.push_str(lines(&said, name).first()?);
            text.push_str("\r\n");
        }
        text.push_str(&format!("CSeq: {number} CANCEL\r\nContent-Length: 0\r\n\r\n"));
        Some(text.into_bytes())
    }
}

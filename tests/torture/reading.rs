//! Messages read by eye, leniently, and without any code of the switch's: what must agree is compared as text.

use std::net::SocketAddr;

/// A message as text, each byte a character, so that nothing is lost.
#[derive(Clone)]
pub(crate) struct Text {
    start: String,
    lines: Vec<(String, String)>,
}

impl Text {
    pub(crate) fn read(bytes: &[u8]) -> Text {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
        let head: String = bytes[..head].iter().map(|&byte| char::from(byte)).collect();
        let mut lines: Vec<String> = Vec::new();
        for line in head.split("\r\n") {
            match lines.last_mut() {
                Some(last) if line.starts_with([' ', '\t']) => *last = format!("{last} {line}"),
                _ => lines.push(line.to_owned()),
            }
        }
        let start = lines.first().cloned().unwrap_or_default();
        let pairs = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        let lines = pairs.map(|(name, value)| (canonical(name), value.trim().to_owned())).collect();
        Text { start, lines }
    }

    pub(crate) fn start(&self) -> &str {
        &self.start
    }

    pub(crate) fn is_request(&self) -> bool {
        !self.start.starts_with("SIP/2.0 ")
    }

    pub(crate) fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn status(&self) -> Option<u16> {
        let code = self.start.strip_prefix("SIP/2.0 ")?.split(' ').next()?;
        code.parse().ok().filter(|_| code.len() == 3)
    }

    /// Every line of a header, by its long name in lower case.
    pub(crate) fn lines(&self, name: &str) -> Vec<&str> {
        let named = self.lines.iter().filter(|(other, _)| other == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The first line of a header; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.lines(name).first().copied().unwrap_or_default()
    }

    /// Every value of a header that may list some.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        self.lines(name).into_iter().flat_map(values).collect()
    }

    /// Host and port of the topmost Via.
    pub(crate) fn sent_by(&self) -> Option<(String, u16)> {
        let via = squashed(self.values("via").first()?);
        let place = via.split(';').next()?;
        // What stands before the host is SIP/2.0/ and a transport in capitals.
        let at = ["UDP", "TCP", "TLS", "SCTP"].into_iter().find_map(|transport| {
            place.strip_prefix("SIP/2.0/").and_then(|rest| rest.strip_prefix(transport))
        })?;
        match at.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => Some((host.into(), port.parse().ok()?)),
            _ => Some((at.into(), 5060)),
        }
    }

    pub(crate) fn asks_for_rport(&self) -> bool {
        let via = self.values("via").first().cloned().unwrap_or_default();
        squashed(&via).split(';').any(|param| param.split('=').next() == Some("rport"))
    }
}

/// What an answer does not repeat as RFC 3261 §8.2.6.2 wants it; `source` is where the request came from.
pub(crate) fn miscopied(request: &Text, answer: &Text, source: SocketAddr) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut same = |what: &str, asked: String, told: String| {
        if asked != told {
            wrong.push(format!("{what}: {asked:?} became {told:?}"));
        }
    };
    same("Call-ID", request.header("call-id").into(), answer.header("call-id").into());
    same("From", squashed(request.header("from")), squashed(answer.header("from")));
    same("CSeq", cseq(request), cseq(answer));
    let (asked, told) = (squashed(request.header("to")), squashed(answer.header("to")));
    let is_final = answer.status().is_some_and(|status| status > 100);
    if !asked.is_empty() {
        let rest = told.strip_prefix(&asked).unwrap_or("?");
        let (tagged, added) = (has_tag(&asked), rest.starts_with(";tag=") && rest.len() > 5);
        if if tagged || !is_final { !rest.is_empty() } else { !added } {
            same("To", asked, told);
        }
    }
    let (asked, told) = (request.values("via"), answer.values("via"));
    same("Vias", asked.len().to_string(), told.len().to_string());
    for (asked, told) in asked.iter().zip(&told).skip(1) {
        same("a lower Via", squashed(asked), squashed(told));
    }
    if let (Some(asked), Some(told)) = (asked.first(), told.first()) {
        same("the top Via", without_stamps(asked), without_stamps(told));
        // RFC 3261 §18.2.1, RFC 3581 §4; a Via that cannot be read is not stamped.
        let told = squashed(told);
        let params: Vec<&str> = told.split(';').skip(1).collect();
        let host = request.sent_by().map(|(host, _)| host);
        if host.is_some_and(|host| host != source.ip().to_string()) && answer.status() != Some(400)
        {
            let stamp = format!("received={}", source.ip());
            same(
                "received",
                stamp.clone(),
                params.iter().find(|p| **p == stamp).map_or_else(|| told.clone(), |p| (*p).into()),
            );
        }
    }
    wrong
}

/// Blanks mean nothing in what is compared so.
pub(crate) fn squashed(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '\t')).collect()
}

fn without_stamps(via: &str) -> String {
    let via = squashed(via);
    let mut params: Vec<&str> = via
        .split(';')
        .filter(|param| !matches!(param.split('=').next(), Some("received" | "rport")))
        .collect();
    params[1..].sort_unstable();
    params.join(";")
}

fn has_tag(address: &str) -> bool {
    address.rsplit('>').next().is_some_and(|after| after.contains(";tag="))
}

fn cseq(message: &Text) -> String {
    let mut words = message.header("cseq").split([' ', '\t']).filter(|word| !word.is_empty());
    let number = words.next().unwrap_or_default().trim_start_matches('0').to_owned();
    format!("{number} {}", words.next().unwrap_or_default())
}

fn canonical(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    match name.as_str() {
        "v" => "via".into(),
        "f" => "from".into(),
        "t" => "to".into(),
        "i" => "call-id".into(),
        "m" => "contact".into(),
        "l" => "content-length".into(),
        "c" => "content-type".into(),
        _ => name,
    }
}

/// Split at the commas outside of quotes and brackets.
fn values(line: &str) -> Vec<String> {
    let (mut found, mut value, mut quoted, mut escaped, mut angle) =
        (Vec::new(), String::new(), false, false, false);
    for c in line.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            ',' if !quoted && !angle => {
                found.push(std::mem::take(&mut value).trim().to_owned());
                continue;
            }
            _ => {}
        }
        value.push(c);
    }
    if !value.trim().is_empty() {
        found.push(value.trim().to_owned());
    }
    found
}

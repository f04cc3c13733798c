//! Via, CSeq: what routes a response and orders requests.

use super::super::cursor::{Cursor, is_host, number};
use super::super::message::{Malformed, Method};
use super::super::uri::Host;
use super::Params;

/// One Via value (RFC 3261 §20.42, RFC 3581).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Via {
    /// `UDP`, `TCP`, ... upper-cased.
    pub transport: Box<str>,
    /// sent-by.
    pub host: Host,
    /// sent-by's port, if written.
    pub port: Option<u16>,
    /// branch, received, rport, maddr, ttl and others.
    pub params: Params,
}

impl Via {
    /// The branch, if any.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// Reads the value at the cursor, up to a comma or the end.
    pub(in crate::wire::sip) fn read(cursor: &mut Cursor<'_>) -> Result<Via, Malformed> {
        cursor.blanks();
        let protocol = cursor.token("Via without protocol")?;
        if !protocol.eq_ignore_ascii_case("SIP") || !cursor.separator(b'/') {
            return Err(cursor.error("Via of another protocol"));
        }
        if cursor.token("Via without version")? != "2.0" || !cursor.separator(b'/') {
            return Err(cursor.error("Via of another version"));
        }
        let transport = cursor.token("Via without transport")?.to_ascii_uppercase().into();
        if !cursor.blanks() {
            return Err(cursor.error("Via without sent-by"));
        }
        let from = cursor.at();
        let host = if cursor.peek() == Some(b'[') {
            let rest = cursor.rest();
            let end = rest.iter().position(|&b| b == b']').map_or(rest.len(), |end| end + 1);
            cursor.advance(end);
            &rest[..end]
        } else {
            cursor.run(is_host)
        };
        let host = std::str::from_utf8(host).ok().and_then(Host::read);
        let host = host.ok_or(Malformed::bad("bad host in Via", from))?;
        let port = if cursor.separator(b':') {
            let digits = cursor.run(|b| b.is_ascii_digit());
            let port =
                number(digits, u64::from(u16::MAX)).and_then(|port| u16::try_from(port).ok());
            Some(port.filter(|&port| port != 0).ok_or(cursor.error("bad port in Via"))?)
        } else {
            None
        };
        let params = Params::read(cursor)?;
        cursor.blanks();
        if cursor.is_done() || cursor.peek() == Some(b',') {
            Ok(Via { transport, host, port, params })
        } else {
            Err(cursor.error("Via cannot be read"))
        }
    }
}

/// CSeq: number below 2^31 and method.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CSeq {
    /// The number.
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    /// Reads a whole value (RFC 3261 §20.16; below 2^31 by §8.1.1.5).
    pub(in crate::wire::sip) fn read(value: &[u8]) -> Result<CSeq, Malformed> {
        let mut cursor = Cursor::new(value);
        cursor.blanks();
        let digits = cursor.run(|b| b.is_ascii_digit());
        let number = number(digits, (1 << 31) - 1)
            .and_then(|number| u32::try_from(number).ok())
            .ok_or(Malformed::bad("CSeq out of range", 0))?;
        if !cursor.blanks() {
            return Err(cursor.error("CSeq without method"));
        }
        let method = Method::read(cursor.token("CSeq without method")?.as_bytes());
        cursor.blanks();
        match method {
            Some(method) if cursor.is_done() => Ok(CSeq { number, method }),
            _ => Err(cursor.error("CSeq cannot be read")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Via, Malformed> {
        Via::read(&mut Cursor::new(text.as_bytes()))
    }

    #[test]
    fn blanks_may_stand_at_every_separator() {
        let via = read(
            "SIP  / 2.0  / tcp     spindle.example.com : 05061  ; branch  =   z9hG4bK9ikj8  ,x",
        );
        let via = via.expect("RFC 4475 §3.1.1.1 is full of them");
        assert_eq!(&*via.transport, "TCP");
        assert_eq!(via.host, Host::Name("spindle.example.com".into()));
        assert_eq!(via.port, Some(5061));
        assert_eq!(via.branch(), Some("z9hG4bK9ikj8"));
    }

    #[test]
    fn received_is_read_with_and_without_brackets() {
        for text in [
            "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111",
            "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3-111",
        ] {
            let via = read(text).expect("RFC 5118 §4.5");
            assert_eq!(via.branch(), Some("z9hG4bKas3-111"));
            assert!(via.params.get("received").is_some_and(|value| value.contains("::9:255")));
        }
    }

    #[test]
    fn a_via_of_garbage_is_refused() {
        for bad in [
            "",
            "garbage",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/7.0/UDP a",
            "HTTP/2.0/UDP a",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP a:",
            "SIP/2.0/UDP a:0",
            "SIP/2.0/UDP a:65536",
            "SIP/2.0/UDP a;",
            "SIP/2.0/UDP a;;,;,,",
            "SIP/2.0/UDP [::1",
            "SIP/2.0/UDP [::1]x",
            "SIP/2.0/UDP 1.2.3.4.5",
            "SIP/2.0/UDP a;branch",
        ] {
            assert_eq!(read(bad).is_ok(), bad.ends_with("branch"), "{bad}");
        }
    }

    #[test]
    fn cseq_is_below_two_to_the_31st() {
        let cseq = CSeq::read(b"0009  INVITE").expect("legal");
        assert_eq!(cseq, CSeq { number: 9, method: Method::Invite });
        assert!(CSeq::read(b"2147483647 ACK").is_ok());
        for bad in
            [&b"2147483648 ACK"[..], b"-1 ACK", b"1", b"1ACK", b"ACK", b"1 ACK x", b"1 A\xff"]
        {
            assert!(CSeq::read(bad).is_err());
        }
    }
}

//! What an INVITE of ours brings with it: its CANCEL, the ACK of its refusal, the credentials for the ACK of its 2xx.

use crate::wire::sip::headers::Name;
use crate::wire::sip::message::Method;

/// The CANCEL of an INVITE of ours (RFC 3261 §9.1), or the ACK of its refusal with the refusal's To (§17.1.1.3): its first line, Via,
/// Route, From, To, Call-ID and CSeq number, out of its bytes.
pub(super) fn derived(
    invite: &[u8],
    method: &Method,
    to: Option<&[u8]>,
    reason: Option<&str>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let mut add = |parts: &[&[u8]]| {
        for part in parts {
            bytes.extend(part.iter().map(|&byte| match byte {
                b'\r' | b'\n' | 0 => b' ',
                byte => byte,
            }));
        }
        bytes.extend_from_slice(b"\r\n");
    };
    for line in invite.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        if let Some(rest) = line.strip_prefix(Method::Invite.as_str().as_bytes())
            && rest.first() == Some(&b' ')
        {
            add(&[method.as_str().as_bytes(), rest]);
            continue;
        }
        match Name::read(&line[..colon]) {
            Name::Via | Name::Route | Name::From | Name::CallId => add(&[line]),
            Name::To => match to {
                Some(to) => add(&[b"To: ", to]),
                None => add(&[line]),
            },
            Name::CSeq => {
                let number = line[colon + 1..].trim_ascii();
                let number = number.split(|&byte| byte == b' ').next().unwrap_or_default();
                add(&[b"CSeq: ", number, b" ", method.as_str().as_bytes()]);
            }
            _ => {}
        }
    }
    add(&[b"Max-Forwards: 70"]);
    if let Some(reason) = reason {
        add(&[b"Reason: ", reason.as_bytes()]);
    }
    add(&[b"Content-Length: 0"]);
    add(&[]);
    bytes.shrink_to_fit();
    bytes
}

/// The credentials in an INVITE of ours, which the ACK of its 2xx repeats (RFC 3261 §13.2.2.4).
pub(super) fn proofs_of(invite: &[u8]) -> Vec<(Name, Box<str>)> {
    let head = invite.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let proofs = head.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|&byte| byte == b':')?);
        let name = Name::read(name);
        let is_proof = matches!(name, Name::Authorization | Name::ProxyAuthorization);
        let value = std::str::from_utf8(&value[1..]).ok().filter(|_| is_proof)?;
        Some((name, value.trim_ascii().into()))
    });
    proofs.collect()
}

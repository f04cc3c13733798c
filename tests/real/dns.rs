//! A small DNS server on loopback, written from RFC 1035 alone, for whoever asks a switch to find its gateways.

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// A, SRV, NAPTR as numbers (RFC 1035 §3.2.2, RFC 2782, RFC 3403).
pub(crate) const A: u16 = 1;
pub(crate) const SRV: u16 = 33;
pub(crate) const NAPTR: u16 = 35;

/// A domain name as it stands in a message.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let labels = labels.map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([vec![0]]).collect::<Vec<_>>().concat()
}

/// A record of the Internet, for so many seconds.
pub(crate) fn record(owner: &str, kind: u16, ttl: u32, value: &[u8]) -> Vec<u8> {
    let length = (value.len() as u16).to_be_bytes();
    let fixed = [&kind.to_be_bytes()[..], &[0, 1], &ttl.to_be_bytes(), &length].concat();
    [name(owner), fixed, value.to_vec()].concat()
}

/// A server of a name.
pub(crate) fn srv(owner: &str, numbers: [u16; 3], target: &str) -> Vec<u8> {
    let [priority, weight, port] = numbers.map(u16::to_be_bytes);
    record(owner, SRV, 300, &[&priority[..], &weight, &port, &name(target)].concat())
}

/// That a name speaks SIP over UDP, and under which other name its servers stand.
pub(crate) fn naptr(owner: &str, replacement: &str) -> Vec<u8> {
    let value = [&[0, 10, 0, 20][..], b"\x01s", b"\x07SIP+D2U", b"\0", &name(replacement)];
    record(owner, NAPTR, 300, &value.concat())
}

/// Answers on a thread of its own until the tests end, as `says` has it: a response code and records; `None`: not at all.
pub(crate) fn server(
    address: IpAddr,
    says: impl Fn(&str, u16) -> Option<(u8, Vec<Vec<u8>>)> + Send + 'static,
) -> SocketAddr {
    let socket = UdpSocket::bind((address, 0)).expect("a port");
    let address = socket.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut bytes = [0; 1_500];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let Some((asked, kind, end)) = question(&bytes[..length]) else { continue };
            let Some((code, records)) = says(&asked, kind) else { continue };
            let counts = [1, records.len() as u16, 0, 0].map(u16::to_be_bytes).concat();
            let head = [&bytes[..2], &[0x81, 0x80 | code], &counts, &bytes[12..end]].concat();
            let _ = socket.send_to(&[head, records.concat()].concat(), from);
        }
    });
    address
}

/// The first question of a message: its name, its kind, where it ends.
fn question(bytes: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(bytes.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}

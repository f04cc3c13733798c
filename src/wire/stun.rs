//! The STUN of keep-alives: a Binding request at a SIP port is told where it came from (RFC 5626 §3.5.2, RFC 5389 §7.3).

use std::net::{IpAddr, SocketAddr};

const HEADER: usize = 20;
const REQUEST: [u8; 2] = [0x00, 0x01];
const SUCCESS: [u8; 2] = [0x01, 0x01];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

/// Whether these bytes are STUN: two zero bits, a length that is theirs, and the cookie where it belongs. No SIP message begins so.
pub fn is_one(bytes: &[u8]) -> bool {
    let (Some([kind, _, high, low]), Some(cookie)) = (bytes.first_chunk(), bytes.get(4..8)) else {
        return false;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    kind & 0xc0 == 0 && cookie == COOKIE && length % 4 == 0 && bytes.len() == HEADER + length
}

/// The answer to a Binding request from `source`, of whatever attributes; `None`: it is none, or the answer would be more than twice as
/// long, which would make us a weapon against whoever is named as the source.
pub fn answer(bytes: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    if !is_one(bytes) || bytes.first_chunk() != Some(&REQUEST) {
        return None;
    }
    let transaction = bytes.get(8..HEADER)?;
    let [port_high, port_low, ..] = COOKIE;
    let [high, low] = source.port().to_be_bytes();
    let mask = COOKIE.iter().chain(transaction);
    let masked = |octets: &[u8]| -> Vec<u8> {
        octets.iter().zip(mask.clone()).map(|(octet, mask)| octet ^ mask).collect()
    };
    let (family, address) = match source.ip().to_canonical() {
        IpAddr::V4(v4) => (1, masked(&v4.octets())),
        IpAddr::V6(v6) => (2, masked(&v6.octets())),
    };
    let attribute = u8::try_from(4 + address.len()).ok()?;
    let mut text = Vec::with_capacity(HEADER + 4 + usize::from(attribute));
    text.extend(SUCCESS);
    text.extend([0, 4 + attribute]);
    text.extend(COOKIE);
    text.extend(transaction);
    text.extend(XOR_MAPPED_ADDRESS);
    text.extend([0, attribute, 0, family, high ^ port_high, low ^ port_low]);
    text.extend(address);
    (text.len() <= 2 * bytes.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Binding request with these attributes; the transaction of RFC 5769 §2.1.
    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, attributes.len() as u8];
        bytes.extend(COOKIE);
        bytes.extend([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
        bytes.extend(attributes);
        bytes
    }

    #[test]
    fn a_phone_is_told_where_it_is_seen() {
        // The mapped addresses of RFC 5769 §2.2 and §2.3.
        let told = answer(&request(&[]), "192.0.2.1:32853".parse().expect("an address"));
        let told = told.expect("an answer");
        assert_eq!(told[..4], [1, 1, 0, 12]);
        assert_eq!(told[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let source = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().expect("an address");
        assert_eq!(answer(&request(&[]), source), None, "44 bytes for 20");
        let told = answer(&request(&[0x80, 0x22, 0, 4, b'b', b'a', b'r', b'e']), source);
        let told = told.expect("an answer");
        assert_eq!(
            told[20..],
            [
                0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79,
                0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9
            ]
        );
    }

    #[test]
    fn nothing_else_is_answered() {
        let source = "192.0.2.1:5060".parse().expect("an address");
        let whole = request(&[]);
        for length in 0..whole.len() {
            assert!(!is_one(&whole[..length]));
        }
        let changed = |at: usize, to: u8| {
            let mut bytes = request(&[]);
            bytes[at] = to;
            bytes
        };
        for (bytes, is_stun) in [
            (changed(0, b'O'), false),
            (changed(3, 4), false),
            (changed(4, 0), false),
            (changed(1, 0x11), true),
            (changed(0, 1), true),
        ] {
            assert_eq!((is_one(&bytes), answer(&bytes, source)), (is_stun, None));
        }
    }
}

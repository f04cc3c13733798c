//! The arithmetic of digests: the one place that names the hash crates.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};

use super::Algorithm;

/// H of the parts with colons between, in lower-case hex (RFC 7616 §3.4).
pub(super) fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> String {
    match algorithm {
        Algorithm::Sha256 => joined::<Sha256>(parts),
        Algorithm::Md5 => joined::<Md5>(parts),
    }
}

/// The response of RFC 7616 §3.4.1 with qop=auth; `count` is the nonce count as sent, eight hex digits.
pub(super) fn response(
    algorithm: Algorithm,
    ha1: &str,
    nonce: &[u8],
    count: &[u8],
    cnonce: &[u8],
    method: &str,
    uri: &[u8],
) -> String {
    let ha2 = hash(algorithm, &[method.as_bytes(), uri]);
    hash(algorithm, &[ha1.as_bytes(), nonce, count, cnonce, b"auth", ha2.as_bytes()])
}

/// The response without qop, as RFC 2069 had it: some carriers still offer nothing better.
pub(super) fn legacy_response(
    algorithm: Algorithm,
    ha1: &str,
    nonce: &[u8],
    method: &str,
    uri: &[u8],
) -> String {
    let ha2 = hash(algorithm, &[method.as_bytes(), uri]);
    hash(algorithm, &[ha1.as_bytes(), nonce, ha2.as_bytes()])
}

/// HMAC-SHA-256 over `parts`, cut to 96 bits. The parts must be of fixed length or come last.
pub(super) fn seal(secret: &[u8; 32], parts: &[&[u8]]) -> [u8; 12] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length (RFC 2104)");
    for part in parts {
        mac.update(part);
    }
    let whole = mac.finalize().into_bytes();
    std::array::from_fn(|i| whole[i])
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    one.len() == other.len() && std::hint::black_box(difference) == 0
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn joined<D: Digest>(parts: &[&[u8]]) -> String {
    let mut hash = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::super::Ha1;
    use super::*;

    #[test]
    fn the_example_of_rfc_7616_3_9_1_comes_out() {
        let ha1 = Ha1::of("Mufasa", "http-auth@example.org", "Circle of Life");
        let of = |algorithm| {
            response(
                algorithm,
                ha1.get(algorithm).expect("both are made"),
                b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                b"00000001",
                b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                "GET",
                b"/dir/index.html",
            )
        };
        assert_eq!(of(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            of(Algorithm::Sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn the_example_of_rfc_2069_comes_out_as_corrected_by_its_erratum() {
        let ha1 = hash(Algorithm::Md5, &[b"Mufasa", b"testrealm@host.com", b"CircleOfLife"]);
        let nonce = b"dcd98b7102dd2f0e8b11d0f600bfb0c093";
        assert_eq!(
            legacy_response(Algorithm::Md5, &ha1, nonce, "GET", b"/dir/index.html"),
            "1949323746fe6a43ef61f9606e7febea"
        );
    }

    #[test]
    fn only_equal_strings_are_the_same() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd"));
        assert!(!same(b"abc", b"ab"));
        assert!(!same(b"", b"a"));
    }
}

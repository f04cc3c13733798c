//! Which addresses are those of one machine.

use std::net::IpAddr;

/// Whether an address is one machine's: not a group, not everybody, not nobody.
pub fn is_host(address: IpAddr) -> bool {
    match address.to_canonical() {
        // 0.0.0.0/8 is this network, and no source or destination on it (RFC 1122 §3.2.1.3).
        IpAddr::V4(address) => {
            !(address.is_multicast() || address.is_broadcast() || address.octets()[0] == 0)
        }
        IpAddr::V6(address) => !(address.is_multicast() || address.is_unspecified()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_nobody_are_no_hosts() {
        for address in [
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "ff02::1",
            "::",
            "::ffff:255.255.255.255",
            "::ffff:224.0.0.1",
        ] {
            assert!(!is_host(address.parse().expect("an address")), "{address}");
        }
        for address in ["127.0.0.1", "192.0.2.255", "2001:db8::1", "::1", "::ffff:192.0.2.1"] {
            assert!(is_host(address.parse().expect("an address")), "{address}");
        }
    }
}

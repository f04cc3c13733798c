//! Addresses and ports as people write them. Only carriers' gateways may be names: who listens where, and who may call in, is not for
//! DNS to say.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::switch::settings::Source;
use crate::wire::sip::uri::Host;

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:5060`, `2001:db8::1`, `[2001:db8::1]:5060`.
pub(super) fn socket(text: &str, default_port: u16) -> Result<SocketAddr, String> {
    let (address, port) = split(text)?;
    Ok(SocketAddr::new(address, port.unwrap_or(default_port)))
}

/// An address without a port.
pub(super) fn ip(text: &str) -> Result<IpAddr, String> {
    match split(text)? {
        (address, None) => Ok(address),
        (_, Some(_)) => Err(format!("is an address without a port, not `{text}`")),
    }
}

/// Where a carrier is: an address, or a name that DNS knows, each with or without a port.
pub(super) fn place(text: &str, default_port: u16) -> Result<(Host, Option<u16>), String> {
    if let Ok((address, port)) = split(text) {
        return Ok((Host::Address(address), Some(port.unwrap_or(default_port))));
    }
    let (name, port) = match text.rsplit_once(':') {
        None => (text, None),
        Some((name, port)) => (name, Some(port.parse::<u16>().map_err(|_| misread(text))?)),
    };
    match Host::read(name) {
        Some(Host::Name(name)) if super::name::domain(&name).is_ok() => {
            Ok((Host::Name(name), port))
        }
        _ => Err(misread(text)),
    }
}

/// Who may call in: an address, an address with a port, or a network such as `198.51.100.0/24`.
pub(super) fn source(text: &str) -> Result<Source, String> {
    let Some((network, bits)) = text.split_once('/') else {
        let (address, port) = split(text)?;
        if address.is_unspecified() {
            return Err("would let anybody in: name the carrier's addresses".to_owned());
        }
        return Ok(Source { address, bits: width(address), port });
    };
    let address = ip(network)?;
    let bits = bits
        .parse::<u8>()
        .ok()
        .filter(|bits| *bits <= width(address) && text.bytes().filter(|b| *b == b'/').count() == 1)
        .ok_or_else(|| {
            format!("is a network such as `198.51.100.0/24`, not `{}`", text.escape_debug())
        })?;
    if bits == 0 {
        return Err("would let anybody in: name the carrier's addresses".to_owned());
    }
    let network = masked(address, bits);
    if network != address {
        return Err(format!("has bits beyond the /{bits}: `{network}/{bits}` is meant?"));
    }
    Ok(Source { address, bits, port: None })
}

/// A range of ports, `16384-32767`: it begins even and ends odd, since RTP takes the even port of a pair and RTCP the odd one.
pub(super) fn ports(text: &str) -> Result<(u16, u16), String> {
    let wrong =
        || format!("is a range of ports such as `16384-32767`, not `{}`", text.escape_debug());
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let (first, last): (u16, u16) =
        (first.trim().parse().map_err(|_| wrong())?, last.trim().parse().map_err(|_| wrong())?);
    if first < 1024 {
        return Err("begins below 1024, where ports need privileges".to_owned());
    }
    if last <= first {
        return Err(format!("has fewer than 2 ports: `{first}-{last}`"));
    }
    if first % 2 == 1 || last.is_multiple_of(2) {
        let (even, odd) = (first + first % 2, if last % 2 == 1 { last } else { last - 1 });
        let meant = if even < odd { format!(": `{even}-{odd}` is meant?") } else { String::new() };
        return Err(format!(
            "begins with an even port and ends with an odd one, for RTP and RTCP take them in pairs{meant}"
        ));
    }
    Ok((first, last))
}

fn split(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bracketed.parse::<IpAddr>() {
        return Ok((address.to_canonical(), None));
    }
    match text.parse::<SocketAddr>() {
        Ok(socket) => Ok((socket.ip().to_canonical(), Some(socket.port()))),
        Err(_) => Err(misread(text)),
    }
}

fn misread(text: &str) -> String {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let is_name = host.bytes().any(|byte| byte.is_ascii_alphabetic())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    if is_name {
        format!("is an address in numbers here, not the name `{host}`")
    } else {
        format!(
            "is an address such as `192.0.2.1` or `192.0.2.1:5060`, not `{}`",
            text.escape_debug()
        )
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(bits.into())).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(bits.into())).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_port() {
        for (text, meant) in [
            ("192.0.2.1", "192.0.2.1:5060"),
            ("192.0.2.1:5080", "192.0.2.1:5080"),
            ("2001:db8::1", "[2001:db8::1]:5060"),
            ("[2001:db8::1]", "[2001:db8::1]:5060"),
            ("[2001:db8::1]:7", "[2001:db8::1]:7"),
            ("::ffff:192.0.2.1", "192.0.2.1:5060"),
        ] {
            assert_eq!(socket(text, 5060).map(|a| a.to_string()), Ok(meant.to_owned()), "{text}");
        }
        assert!(ip("192.0.2.1:5060").is_err());
    }

    #[test]
    fn a_host_name_is_told_from_rubbish() {
        assert!(socket("sip.example.com:5060", 0).is_err_and(|why| why.contains("in numbers")));
        assert!(socket("192.0.2.1:99999", 0).is_err_and(|why| why.contains("such as")));
        assert!(socket("", 0).is_err() && socket("192.0.2", 0).is_err());
    }

    #[test]
    fn a_place_is_an_address_or_a_name() {
        let read = |text| place(text, 5060).map(|(host, port)| (host.to_string(), port));
        assert_eq!(read("192.0.2.1"), Ok(("192.0.2.1".into(), Some(5060))));
        assert_eq!(read("[2001:db8::1]:5070"), Ok(("[2001:db8::1]".into(), Some(5070))));
        assert_eq!(read("SIP.Carrier.example"), Ok(("sip.carrier.example".into(), None)));
        assert_eq!(
            read("sip.carrier.example:5070"),
            Ok(("sip.carrier.example".into(), Some(5070)))
        );
        for bad in [
            "",
            "sip carrier",
            "a..b",
            "192.0.2",
            "sip.example:x",
            "sip.example:99999",
            "-a.b",
            "x_y.z",
        ] {
            assert!(place(bad, 5060).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_source_is_an_address_a_port_of_it_or_a_network() {
        let read = |text| source(text).map(|s| (s.address.to_string(), s.bits, s.port));
        assert_eq!(read("192.0.2.9"), Ok(("192.0.2.9".into(), 32, None)));
        assert_eq!(read("192.0.2.9:5062"), Ok(("192.0.2.9".into(), 32, Some(5062))));
        assert_eq!(read("198.51.100.0/24"), Ok(("198.51.100.0".into(), 24, None)));
        assert_eq!(read("2001:db8::/32"), Ok(("2001:db8::".into(), 32, None)));
        assert!(
            read("198.51.100.7/24").is_err_and(|why| why.contains("`198.51.100.0/24` is meant"))
        );
        for bad in ["0.0.0.0/0", "0.0.0.0", "::/0", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/24/1"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_come_in_pairs() {
        assert_eq!(ports("16384-32767"), Ok((16384, 32767)));
        assert_eq!(ports("20000-20001"), Ok((20000, 20001)));
        assert!(ports("10000-20000").is_err_and(|why| why.contains("`10000-19999` is meant")));
        for bad in ["", "7", "20000-20000", "20001-20002", "30000-20001", "80-99", "1-99999", "a-b"]
        {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }
}

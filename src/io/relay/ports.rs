//! The RTP ports of the node: pairs from the configured range, even for RTP and odd for RTCP, taken in turn so that a port rests before
//! it is used again.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};

use crate::media::relay::Component;

/// Pairs that others hold are stepped over so many times for one opening.
const FOREIGN: usize = 64;

/// Expedited forwarding (RFC 3246, DSCP 46), as a TOS octet.
const EXPEDITED: u8 = 46 << 2;

/// Two bound sockets.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) rtp: OwnedFd,
    pub(super) rtcp: OwnedFd,
    /// Of the RTP socket.
    pub(super) address: SocketAddr,
}

impl Pair {
    pub(super) fn of(&self, component: Component) -> &OwnedFd {
        match component {
            Component::Rtp => &self.rtp,
            Component::Rtcp => &self.rtcp,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pairs {
    first: u16,
    count: u16,
    next: u16,
    taken: BTreeSet<SocketAddr>,
}

impl Pairs {
    /// All pairs that lie within the range, both ends included.
    pub(super) fn new((first, last): (u16, u16)) -> Pairs {
        let first = first.saturating_add(first % 2);
        let count = (last.saturating_sub(first).saturating_add(1)) / 2;
        Pairs {
            first,
            count: if last > first { count } else { 0 },
            next: 0,
            taken: BTreeSet::new(),
        }
    }

    /// Binds the next free pair that `avoid` has nothing against. `Err` says why there is none.
    pub(super) fn open(
        &mut self,
        address: IpAddr,
        avoid: impl Fn(SocketAddr) -> bool,
    ) -> Result<Pair, String> {
        let mut foreign = 0;
        for _ in 0..self.count {
            let rtp = SocketAddr::new(address, self.first + 2 * self.next);
            self.next = (self.next + 1) % self.count;
            if self.taken.contains(&rtp) || avoid(rtp) {
                continue;
            }
            match bind_pair(rtp) {
                Ok(pair) => {
                    self.taken.insert(rtp);
                    return Ok(pair);
                }
                Err(Errno::ADDRINUSE | Errno::ACCESS) if foreign < FOREIGN => foreign += 1,
                Err(refused) => return Err(format!("cannot bind {rtp}: {refused}")),
            }
        }
        Err("no free pair of RTP ports in the range".to_owned())
    }

    /// The pair has been closed.
    pub(super) fn release(&mut self, rtp: SocketAddr) {
        self.taken.remove(&rtp);
    }

    /// Whether one of our RTP sockets is bound to exactly this address.
    pub(super) fn holds(&self, rtp: SocketAddr) -> bool {
        self.taken.contains(&rtp)
    }
}

fn bind_pair(rtp: SocketAddr) -> Result<Pair, Errno> {
    let rtcp = SocketAddr::new(rtp.ip(), rtp.port() + 1);
    Ok(Pair { rtp: bind_one(rtp)?, rtcp: bind_one(rtcp)?, address: rtp })
}

fn bind_one(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
    // A mark for routers; a system that forbids it still has a telephone.
    let _ = if address.is_ipv4() {
        sockopt::set_ip_tos(&socket, EXPEDITED)
    } else {
        sockopt::set_ipv6_v6only(&socket, true)?;
        sockopt::set_ipv6_tclass(&socket, u32::from(EXPEDITED))
    };
    bind(&socket, &address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 77, 1, 1));

    #[test]
    fn pairs_are_even_rotate_and_run_out() {
        let mut pairs = Pairs::new((30_001, 30_007));
        let mut open = Vec::new();
        for port in [30_002, 30_004, 30_006] {
            let pair = pairs.open(HOST, |_| false).expect("a free pair");
            assert_eq!(pair.address, SocketAddr::new(HOST, port));
            open.push(pair);
        }
        assert!(pairs.open(HOST, |_| false).is_err());
        let freed = open.remove(1);
        pairs.release(freed.address);
        drop(freed);
        let again = pairs.open(HOST, |_| false).expect("a free pair");
        assert_eq!(again.address.port(), 30_004);
        assert!(pairs.holds(again.address));
    }

    #[test]
    fn what_others_hold_is_stepped_over() {
        let host = IpAddr::V4(Ipv4Addr::new(127, 77, 1, 2));
        let _foreign = UdpSocket::bind((host, 30_003)).expect("a free port");
        let mut pairs = Pairs::new((30_000, 30_005));
        assert_eq!(pairs.open(host, |_| false).expect("free").address.port(), 30_000);
        assert_eq!(pairs.open(host, |_| false).expect("free").address.port(), 30_004);
        let host = IpAddr::V4(Ipv4Addr::new(127, 77, 1, 3));
        let avoided = pairs.open(host, |rtp| rtp.port() != 30_002).expect("free");
        assert_eq!(avoided.address.port(), 30_002);
    }

    #[test]
    fn an_address_that_is_not_ours_is_an_answer_not_a_search() {
        let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let cause = Pairs::new((30_000, 39_999)).open(elsewhere, |_| false).expect_err("not ours");
        assert!(cause.contains("192.0.2.1"), "{cause}");
    }

    #[test]
    fn a_range_without_a_pair_has_none() {
        for range in [(0, 0), (5, 5), (7, 8), (9, 3), (65_535, 65_535)] {
            assert!(Pairs::new(range).open(HOST, |_| false).is_err(), "{range:?}");
        }
    }
}

//! ICMP: what a machine says of a datagram of ours when nobody listens there, or it is not there at all. The kernel keeps it in a queue
//! beside the socket, with the address it is about.
#![expect(clippy::disallowed_methods, reason = "each socket has a task that waits for its errors")]

use std::io::{Error, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::tcp::Told;
use crate::wire::flow::{Flow, ListenerId, Transport};

/// Asks the kernel to keep what comes.
pub(super) fn listen(socket: &std::net::UdpSocket) -> std::io::Result<()> {
    if socket.local_addr()?.is_ipv6() {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    }
    Ok(())
}

/// Tells what comes, until it is ended.
pub(super) fn watch(
    socket: Arc<UdpSocket>,
    listener: ListenerId,
    tell: mpsc::Sender<Told>,
) -> AbortHandle {
    let told = tokio::spawn(async move {
        while let Ok(lost) = socket.async_io(Interest::ERROR, || next(&socket)).await {
            let Some(remote) = lost else { continue };
            let flow = Flow::to(listener, Transport::Udp, remote);
            if tell.send(Told::Unreachable(flow)).await.is_err() {
                return;
            }
        }
    });
    told.abort_handle()
}

/// The next of the queue: where a datagram was to go, if it says that this cannot be reached.
fn next(socket: &UdpSocket) -> std::io::Result<Option<SocketAddr>> {
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    // What was sent comes back with it, and does not matter.
    let mut sent = [0; 1];
    let mut sent = [IoSliceMut::new(&mut sent)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let told =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut sent, Some(&mut control), flags)?;
    let says_so = |message: ControlMessageOwned| match message {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
            let code = i32::try_from(error.ee_errno).map_or(Errno::UnknownErrno, Errno::from_raw);
            matches!(code, Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH)
        }
        _ => false,
    };
    let is_lost = told.cmsgs().map_err(Error::from)?.any(says_so);
    let remote = told.address.filter(|_| is_lost).and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4(SocketAddrV4::from(*v4)));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6))))
    });
    Ok(remote)
}

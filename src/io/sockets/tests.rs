//! Sockets of the loopback, and what may go wrong with them.

mod secure;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::wire::sip::dialog::Reach;

/// The sockets of one listener, and its address.
fn start(transport: Transport) -> (Sockets, SocketAddr) {
    let address: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let (profile, reach) = (Profile::Internal, Reach::Source);
    let mut listeners = [Listener { profile, transport, bind: address, advertise: address, reach }];
    let bound = bind(&mut listeners).expect("a port");
    let certificates = Certificates::default();
    let sockets = Sockets::start(bound, Limits::default(), &certificates).expect("a socket");
    (sockets, listeners[0].bind)
}

#[tokio::test]
async fn who_leaves_before_a_whole_message_has_come_is_not_waited_for() {
    let (mut sockets, address) = start(Transport::Tcp);
    let mut peer = tokio::net::TcpStream::connect(address).await.expect("it listens");
    peer.write_all(b"OPTIONS sip:a").await.expect("it reads");
    peer.shutdown().await.expect("it is still there");
    let closed = async {
        let mut backlog = VecDeque::new();
        while backlog.is_empty() {
            sockets.ready().await;
            sockets.receive(std::time::Instant::now(), 10, &mut backlog);
        }
        backlog
    };
    let soon = Duration::from_secs(1);
    let backlog = tokio::time::timeout(soon, closed).await.expect("no time for an answer");
    assert!(matches!(backlog[0], Arrival::Flow(flow::Event::Closed(_))), "{backlog:?}");
    assert_eq!(sockets.connections(), 0);
}

#[tokio::test]
async fn a_connection_of_ours_is_pinged_while_there_is_nothing_to_say() {
    let peer = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let bind_to: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let (profile, transport, reach) = (Profile::External, Transport::Tcp, Reach::Source);
    let mut listeners = [Listener { profile, transport, bind: bind_to, advertise: bind_to, reach }];
    let bound = bind(&mut listeners).expect("a port");
    let limits = Limits { ping: Duration::from_millis(20), ..Limits::default() };
    let mut sockets = Sockets::start(bound, limits, &Certificates::default()).expect("a socket");
    let remote = peer.local_addr().expect("bound");
    let flow = Flow::to(ListenerId(0), transport, remote);
    sockets.send(Transmit { flow, bytes: b"x".to_vec() });
    let (mut stream, _) = peer.accept().await.expect("a connection");
    let mut heard = [0; 9];
    stream.read_exact(&mut heard).await.expect("pings");
    assert_eq!(&heard, b"x\r\n\r\n\r\n\r\n");
}

#[tokio::test]
async fn a_stun_keep_alive_is_answered_and_goes_no_further() {
    let (mut sockets, address) = start(Transport::Udp);
    let phone = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend([7; 12]);
    phone.send_to(&request, address).await.expect("sent");
    phone.send_to(b"\r\n\r\n", address).await.expect("sent");
    let mut answer = [0; 64];
    let mut backlog = VecDeque::new();
    let length = loop {
        tokio::select! {
            length = phone.recv(&mut answer) => break length.expect("an answer"),
            () = sockets.ready() => sockets.receive(std::time::Instant::now(), 10, &mut backlog),
        }
    };
    assert_eq!((length, &answer[..2], &answer[8..20]), (32, &[1, 1][..], &request[8..]));
    sockets.receive(std::time::Instant::now(), 10, &mut backlog);
    assert!(backlog.is_empty(), "{backlog:?}");
}

#[tokio::test]
async fn where_nobody_listens_is_told_at_once_and_of_nobody_else() {
    let (mut sockets, _) = start(Transport::Udp);
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (open, heard) = (std::net::UdpSocket::bind("127.0.0.1:0").expect("a port"), &mut [0; 9]);
    let there = closed.local_addr().expect("an address");
    drop(closed);
    let flow = |remote| Flow::to(ListenerId(0), Transport::Udp, remote);
    let lost = async {
        let mut backlog = VecDeque::new();
        while backlog.is_empty() {
            sockets.send(Transmit { flow: flow(there), bytes: b"anybody".to_vec() });
            sockets.send(Transmit {
                flow: flow(open.local_addr().expect("an address")),
                bytes: b"there?".to_vec(),
            });
            sockets.ready().await;
            sockets.receive(std::time::Instant::now(), 10, &mut backlog);
        }
        backlog
    };
    let soon = Duration::from_secs(1);
    let backlog = tokio::time::timeout(soon, lost).await.expect("no time for an answer");
    let told = [Arrival::Flow(flow::Event::Unreachable(flow(there)))];
    assert!(backlog.iter().all(|arrival| told.contains(arrival)), "{backlog:?}");
    assert_eq!(open.recv(heard).expect("it came all the same"), 6);
}

#[tokio::test]
async fn a_message_that_is_too_long_says_nothing_of_its_address() {
    let (mut sockets, remote) = start(Transport::Udp);
    let flow = Flow::to(ListenerId(0), Transport::Udp, remote);
    // No datagram holds so much; what fits arrives all the same.
    sockets.send(Transmit { flow, bytes: vec![b'x'; 70_000] });
    sockets.send(Transmit { flow, bytes: b"after".to_vec() });
    sockets.ready().await;
    let mut backlog = VecDeque::new();
    sockets.receive(std::time::Instant::now(), 10, &mut backlog);
    let heard: Vec<&[u8]> = backlog
        .iter()
        .map(|arrival| match arrival {
            Arrival::Message(message) => &message.bytes[..],
            Arrival::Flow(event) => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(heard, [b"after"]);
}

//! Sockets of the loopback, and what may go wrong with them.

use super::*;
use crate::wire::sip::dialog::Reach;

#[tokio::test]
async fn a_message_that_is_too_long_says_nothing_of_its_address() {
    let address: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let mut listeners = [Listener {
        profile: Profile::Internal,
        transport: Transport::Udp,
        bind: address,
        advertise: address,
        reach: Reach::Source,
    }];
    let bound = bind(&mut listeners).expect("a port");
    let mut sockets = Sockets::start(bound, Limits::default()).expect("a socket");
    let flow = Flow {
        listener: ListenerId(0),
        transport: Transport::Udp,
        remote: listeners[0].bind,
        connection: None,
    };
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

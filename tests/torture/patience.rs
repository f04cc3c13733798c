//! The one message of the two RFCs whose rest never comes (clerr, RFC 4475 §3.1.2.2), on a real connection: it is waited for, and then
//! closed.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tonspur::io::certificates::Certificates;
use tonspur::io::sockets::{Arrival, Limits, Sockets, bind};
use tonspur::switch::settings::{Listener, Profile};
use tonspur::wire::flow::{Event, Transport};
use tonspur::wire::sip::dialog::Reach;

const PATIENCE: Duration = Duration::from_millis(300);

#[test]
fn a_connection_that_owes_the_rest_of_a_message_is_closed_when_patience_ends() {
    let loopback = "127.0.0.1:0".parse().expect("an address");
    let mut listeners = [Listener {
        profile: Profile::External,
        transport: Transport::Tcp,
        bind: loopback,
        advertise: loopback,
        reach: Reach::Contact,
    }];
    let bound = bind(&mut listeners).expect("a free port");
    let limits = Limits { message: PATIENCE, ..Limits::default() };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut sockets = Sockets::start(bound, limits, &Certificates::default()).expect("sockets");
        let begun = Instant::now();
        let mut peer = TcpStream::connect(listeners[0].bind).expect("it listens");
        peer.write_all(&super::bytes("rfc4475/clerr")).expect("there is room");
        let mut arrivals = VecDeque::new();
        while arrivals.is_empty() {
            let ready = tokio::time::timeout(Duration::from_secs(20), sockets.ready());
            ready.await.expect("patience ends");
            sockets.receive(Instant::now(), 16, &mut arrivals);
        }
        let closed = matches!(arrivals.make_contiguous(), [Arrival::Flow(Event::Closed(_))]);
        assert!(closed, "{arrivals:?}");
        assert!(begun.elapsed() >= PATIENCE);
        assert_eq!(sockets.connections(), 0);
        assert_eq!(peer.read(&mut [0; 16]).expect("closed, not broken"), 0);
    });
}

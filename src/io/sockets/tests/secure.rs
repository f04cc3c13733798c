//! TLS over the loopback: who is let in, who is believed, and what a flood costs.
#![expect(clippy::disallowed_methods, reason = "certificates are files, and peers are tasks")]

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::*;
use crate::io::certificates::tests::{Authority, dns};
use crate::switch::settings::{self, KeyPair, Peer};
use crate::wire::flow::PeerId;
use crate::wire::sip::dialog::Reach;

const SOON: Duration = Duration::from_secs(10);
const OPTIONS: &str = "OPTIONS sip:pbx.example SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n";

/// A node with TLS at one door, which shows `host.example`.
struct Node {
    sockets: Sockets,
    address: SocketAddr,
    certificates: Certificates,
    backlog: VecDeque<Arrival>,
}

impl Node {
    fn start(authority: &Authority, profile: Profile, peers: Vec<Peer>, limits: Limits) -> Node {
        let pair = authority.signs("host", &[dns("host.example")]);
        let mut own = [None, None];
        own[profile as usize] = Some(pair);
        let certificates =
            Certificates::read(&settings::Certificates { own, peers }).expect("readable");
        let bind: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let (transport, reach) = (Transport::Tls, Reach::Source);
        let mut listeners = [Listener { profile, transport, bind, advertise: bind, reach }];
        let bound = super::bind(&mut listeners).expect("a port");
        let sockets = Sockets::start(bound, limits, &certificates).expect("sockets");
        Node { sockets, address: listeners[0].bind, certificates, backlog: VecDeque::new() }
    }

    async fn next(&mut self) -> Arrival {
        let next = async {
            while self.backlog.is_empty() {
                self.sockets.ready().await;
                self.sockets.receive(std::time::Instant::now(), 10, &mut self.backlog);
            }
            self.backlog.pop_front().expect("not empty")
        };
        tokio::time::timeout(SOON, next).await.expect("something arrives")
    }

    async fn message(&mut self) -> Message {
        loop {
            // Connections that were refused end meanwhile.
            if let Arrival::Message(message) = self.next().await {
                return message;
            }
        }
    }

    /// Serves until `peer` is done.
    async fn meanwhile<T>(&mut self, peer: impl Future<Output = T>) -> T {
        let mut peer = std::pin::pin!(peer);
        loop {
            tokio::select! {
                done = &mut peer => return done,
                () = self.sockets.ready() => {
                    self.sockets.receive(std::time::Instant::now(), 10, &mut self.backlog);
                }
            }
        }
    }

    fn to(&self, remote: SocketAddr, peer: Option<PeerId>) -> Transmit {
        let flow = Flow { peer, ..Flow::to(ListenerId(0), Transport::Tls, remote) };
        Transmit { flow, bytes: OPTIONS.into() }
    }
}

/// Somebody who trusts the authority, and shows this.
async fn connect(
    authority: &Authority,
    address: SocketAddr,
    shows: Option<&KeyPair>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(authority.path("ca.pem")).expect("PEM");
    roots.add(ca).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match shows {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = CertificateDer::pem_file_iter(&pair.certificate).expect("a file");
            let key = PrivateKeyDer::from_pem_file(&pair.key).expect("a key");
            let chain = chain.collect::<Result<_, _>>().expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("they belong together")
        }
    };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("host.example").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn peer(authority: &Authority, name: &str) -> Peer {
    Peer { name: name.to_owned(), ca: Some(authority.path("ca.pem")), own: None }
}

#[tokio::test]
async fn messages_come_and_go_by_one_connection_whole_together_or_byte_by_byte() {
    let authority = Authority::new();
    let mut node = Node::start(&authority, Profile::Internal, vec![], Limits::default());
    let address = node.address;
    let mut phone = node.meanwhile(connect(&authority, address, None)).await.expect("a handshake");
    let two = [OPTIONS, OPTIONS].concat();
    phone.write_all(two.as_bytes()).await.expect("sent");
    let first = node.message().await;
    assert_eq!((first.flow.transport, first.flow.peer), (Transport::Tls, None));
    assert_eq!(node.message().await.bytes, OPTIONS.as_bytes());
    for byte in OPTIONS.bytes() {
        phone.write_all(&[byte]).await.expect("sent");
        phone.flush().await.expect("sent");
    }
    let third = node.message().await;
    assert_eq!((third.flow, &third.bytes[..]), (first.flow, OPTIONS.as_bytes()));

    // A ping and its pong (RFC 5626 §3.5.1), then a request of ours to the address: by the connection there is.
    phone.write_all(b"\r\n\r\n").await.expect("sent");
    let mut pong = [0; 2];
    node.meanwhile(phone.read_exact(&mut pong)).await.expect("a pong");
    assert_eq!(&pong, b"\r\n");
    node.sockets.send(node.to(first.flow.remote, None));
    let mut heard = vec![0; OPTIONS.len()];
    node.meanwhile(phone.read_exact(&mut heard)).await.expect("a request");
    assert_eq!((heard, node.sockets.connections()), (OPTIONS.into(), 1));

    drop(phone);
    assert_eq!(node.next().await, Arrival::Flow(flow::Event::Closed(first.flow)));
    // To nobody in particular no connection is begun.
    node.sockets.send(node.to(first.flow.remote, None));
    let gone = Flow { connection: None, ..first.flow };
    assert_eq!(node.next().await, Arrival::Flow(flow::Event::Unreachable(gone)));
}

#[tokio::test]
async fn a_carrier_is_who_its_certificate_proves_and_others_are_let_in_as_nobody() {
    let authority = Authority::new();
    let peers = vec![peer(&authority, "south.example"), peer(&authority, "north.example")];
    let mut node = Node::start(&authority, Profile::External, peers, Limits::default());
    let address = node.address;
    let north = authority.signs("north", &[dns("north.example")]);
    let foreign = Authority::new();
    let stranger = foreign.signs("north", &[dns("north.example")]);
    let unnamed = authority.signs("unnamed", &[dns("west.example")]);
    let shown = [
        (Some(&north), Some(PeerId(1))),
        (None, None),
        (Some(&unnamed), None),
        (Some(&stranger), None),
    ];
    for (shows, proven) in shown {
        let mut carrier =
            node.meanwhile(connect(&authority, address, shows)).await.expect("a handshake");
        carrier.write_all(OPTIONS.as_bytes()).await.expect("sent");
        let message = node.message().await;
        assert_eq!(message.flow.peer, proven);
        drop(carrier);
        assert_eq!(node.next().await, Arrival::Flow(flow::Event::Closed(message.flow)));
    }
}

#[tokio::test]
async fn a_connection_of_ours_goes_to_whom_it_is_meant_for_and_to_nobody_else() {
    let authority = Authority::new();
    let mut carrier = Node::start(
        &authority,
        Profile::External,
        vec![peer(&authority, "pbx.example")],
        Limits::default(),
    );
    let own = Some(authority.signs("pbx", &[dns("pbx.example")]));
    let right = Peer { own, ..peer(&authority, "host.example") };
    let foreign = Authority::new();
    let peers = vec![right, peer(&authority, "other.example"), peer(&foreign, "host.example")];
    let home = Authority::new();
    let mut node = Node::start(&home, Profile::External, peers, Limits::default());
    let address = carrier.address;

    for wrong in [PeerId(1), PeerId(2)] {
        let transmit = node.to(address, Some(wrong));
        let flow = transmit.flow;
        node.sockets.send(transmit);
        let refused = carrier.meanwhile(node.next()).await;
        assert_eq!(refused, Arrival::Flow(flow::Event::Unreachable(flow)), "{wrong:?}");
    }
    for _ in 0..2 {
        let transmit = node.to(address, Some(PeerId(0)));
        node.sockets.send(transmit);
        let heard = node.meanwhile(carrier.message()).await;
        assert_eq!((&heard.bytes[..], heard.flow.peer), (OPTIONS.as_bytes(), Some(PeerId(0))));
    }
    assert_eq!(node.sockets.connections(), 1, "one connection serves both");
}

#[tokio::test]
async fn a_version_before_tls_1_2_is_refused() {
    let authority = Authority::new();
    let mut node = Node::start(&authority, Profile::Internal, vec![], Limits::default());
    let mut old = TcpStream::connect(node.address).await.expect("it listens");
    // A ClientHello of TLS 1.1 with one suite (RFC 4346 §7.4.1.2); signatures and groups are what ours would take.
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x09, 1, 0]);
    hello.extend([0, 22, 0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0]);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
    record.extend(hello);
    old.write_all(&record).await.expect("sent");
    let mut answer = Vec::new();
    node.meanwhile(old.read_to_end(&mut answer)).await.expect("an alert");
    // Fatal, protocol_version (RFC 8446 §6.2).
    assert_eq!(answer.get(5..7), Some(&[2, 70][..]), "{answer:?}");
}

#[tokio::test]
async fn who_begins_a_handshake_and_goes_on_saying_nothing_keeps_nobody_out() {
    let authority = Authority::new();
    let limits = Limits { connections: 20, per_source: 10, ..Limits::default() };
    let mut node = Node::start(&authority, Profile::Internal, vec![], limits);
    let address = node.address;
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut stream = node.meanwhile(TcpStream::connect(address)).await.expect("a backlog");
        let _ = stream.write_all(&[22, 3]).await;
        silent.push(stream);
        assert!(node.sockets.connections() <= limits.per_source);
    }
    let mut phone = node.meanwhile(connect(&authority, address, None)).await.expect("a handshake");
    phone.write_all(OPTIONS.as_bytes()).await.expect("sent");
    assert_eq!(node.message().await.bytes, OPTIONS.as_bytes());
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_over() {
    let authority = Authority::new();
    let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
    let mut node = Node::start(&authority, Profile::Internal, vec![], limits);
    let mut slow = TcpStream::connect(node.address).await.expect("it listens");
    slow.write_all(&[22, 3, 1]).await.expect("sent");
    assert!(matches!(node.next().await, Arrival::Flow(flow::Event::Closed(_))));
    assert_eq!(node.sockets.connections(), 0);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_and_keeps_who_is_there() {
    let authority = Authority::new();
    let mut node = Node::start(&authority, Profile::Internal, vec![], Limits::default());
    let address = node.address;
    let mut before = node.meanwhile(connect(&authority, address, None)).await.expect("trusted");
    let next = Authority::new();
    let renewed = next.signs("host", &[dns("host.example")]);
    std::fs::copy(&renewed.certificate, authority.path("host.pem")).expect("copied");
    std::fs::copy(&renewed.key, authority.path("host.key")).expect("copied");
    node.certificates.read_again().expect("readable");
    node.meanwhile(connect(&authority, address, None)).await.expect_err("another authority's");
    node.meanwhile(connect(&next, address, None)).await.expect("trusted");
    before.write_all(OPTIONS.as_bytes()).await.expect("it stands");
    assert_eq!(node.message().await.bytes, OPTIONS.as_bytes());
}

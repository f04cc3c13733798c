//! TLS around a connection, on a thread of its own: the arithmetic of a flood of handshakes keeps no call waiting.

use std::net::IpAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::io::certificates::Certificates;
use crate::switch::settings::Profile;
use crate::wire::flow::PeerId;

/// The thread, which ends with this, and what it shows.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) handle: Handle,
    _ends: oneshot::Sender<()>,
}

impl Thread {
    pub(super) fn start() -> std::io::Result<Thread> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (ends, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("tls".to_owned()).spawn(move || {
            // Nothing is ever sent: the other half goes, and so do all tasks.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Thread { handle, _ends: ends })
    }
}

/// Why there is no connection: for the log.
pub(super) type Why = String;

/// Answers a handshake. Gives who the far side has proven to be.
pub(super) async fn accept(
    certificates: &Certificates,
    profile: Profile,
    stream: TcpStream,
    patience: Duration,
) -> Result<(server::TlsStream<TcpStream>, Option<PeerId>), Why> {
    let config = certificates.server(profile).ok_or("there is no certificate")?;
    let stream = timeout(patience, TlsAcceptor::from(config).accept(stream))
        .await
        .map_err(|_| "it takes too long".to_owned())?
        .map_err(|error| error.to_string())?;
    let chain = stream.get_ref().1.peer_certificates();
    let proven = chain.and_then(|chain| certificates.prove(chain));
    if chain.is_some() && proven.is_none() {
        let remote = stream.get_ref().0.peer_addr().ok();
        tracing::info!(event = "tls_certificate_unknown", remote = ?remote);
    }
    Ok((stream, proven))
}

/// Begins a handshake with `peer`, who has to prove to be it.
pub(super) async fn connect(
    certificates: &Certificates,
    peer: PeerId,
    address: IpAddr,
    stream: TcpStream,
) -> Result<client::TlsStream<TcpStream>, Why> {
    let (config, name) = certificates.client(peer).ok_or("there is no such peer")?;
    // An address is not asked for by name (RFC 6066 §3).
    let name = name.unwrap_or(ServerName::IpAddress(address.into()));
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| error.to_string())
}

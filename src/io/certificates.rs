//! The certificates of TLS: read at the start, and again when an admin or SIGHUP says so. What cannot be read then changes nothing.

mod files;
mod proof;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::WantsClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig};

pub use files::Wrong;

use crate::switch::control::CertificateRow;
use crate::switch::settings::{self, KeyPair, Profile};
use crate::utc::Utc;
use crate::wire::flow::PeerId;
use proof::{Anybody, Verifier};

/// The certificates in use, and what they were read from; clones of a handle share it with the running switch.
#[derive(Clone, Default, Debug)]
pub struct Certificates {
    wanted: Arc<settings::Certificates>,
    current: Arc<RwLock<Arc<Set>>>,
}

/// Everything of one reading.
#[derive(Default, Debug)]
struct Set {
    servers: [Option<Arc<ServerConfig>>; 2],
    peers: Vec<Peer>,
    rows: Vec<CertificateRow>,
}

#[derive(Debug)]
struct Peer {
    verifier: Arc<Verifier>,
    client: Arc<ClientConfig>,
    /// What our ClientHello asks for, if the name is one that it may.
    server_name: Option<ServerName<'static>>,
}

impl Certificates {
    /// Reads every file; fails with the first that cannot be used.
    pub fn read(wanted: &settings::Certificates) -> Result<Certificates, Wrong> {
        let set = Arc::new(Set::read(wanted)?);
        let (wanted, current) = (Arc::new(wanted.clone()), Arc::new(RwLock::new(set)));
        Ok(Certificates { wanted, current })
    }

    /// Reads every file again: what connects from now on is shown and asked for that; what is connected stays. If one of them cannot
    /// be used, nothing changes.
    pub fn read_again(&self) -> Result<(), Wrong> {
        let set = Arc::new(Set::read(&self.wanted)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = set;
        Ok(())
    }

    /// What is odd about the files of what is in use, as [`oddities`] says.
    pub fn oddities(&self, now: Utc) -> Vec<Wrong> {
        oddities(&self.wanted, &self.rows(), now)
    }

    /// What is in use.
    pub fn rows(&self) -> Vec<CertificateRow> {
        self.current().rows.clone()
    }

    /// How to answer a handshake.
    pub(super) fn server(&self, profile: Profile) -> Option<Arc<ServerConfig>> {
        self.current().servers[profile as usize].clone()
    }

    /// How to begin one with a peer, and the name to ask for; `None`: it has none that can be asked for.
    pub(super) fn client(
        &self,
        peer: PeerId,
    ) -> Option<(Arc<ClientConfig>, Option<ServerName<'static>>)> {
        let set = self.current();
        let peer = set.peers.get(usize::from(peer.0))?;
        Some((Arc::clone(&peer.client), peer.server_name.clone()))
    }

    /// Who has shown this chain, first its own certificate, and proven to have its key.
    pub(super) fn prove(&self, chain: &[CertificateDer<'_>]) -> Option<PeerId> {
        let (own, rest) = chain.split_first()?;
        let now = UnixTime::now();
        let place =
            self.current().peers.iter().position(|peer| peer.verifier.accepts(own, rest, now))?;
        u16::try_from(place).ok().map(PeerId)
    }

    fn current(&self) -> Arc<Set> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Set {
    fn read(wanted: &settings::Certificates) -> Result<Set, Wrong> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut rows = Vec::new();
        let mut servers = [None, None];
        for (server, (pair, whose)) in
            servers.iter_mut().zip(wanted.own.iter().zip(["phones", "carriers"]))
        {
            let Some(pair) = pair else { continue };
            let key = own(pair, whose, &provider, &mut rows)?;
            *server = Some(Arc::new(accepting(key, whose == "carriers", &provider)));
        }
        let mut system = None;
        let mut peers = Vec::new();
        for peer in &wanted.peers {
            let roots = match &peer.ca {
                Some(path) => {
                    let (roots, read) =
                        files::authorities(path, &format!("{}'s authority", peer.name))?;
                    rows.extend(read);
                    Arc::new(roots)
                }
                None => Arc::clone(system.get_or_insert_with(|| Arc::new(trusted()))),
            };
            let own = match &peer.own {
                Some(pair) => {
                    Some(own(pair, &format!("shown to {}", peer.name), &provider, &mut rows)?)
                }
                None => None,
            };
            let verifier = Arc::new(Verifier::new(&peer.name, roots, &provider));
            peers.push(Peer {
                client: Arc::new(connecting(Arc::clone(&verifier), own, &provider)),
                verifier,
                server_name: ServerName::try_from(peer.name.clone()).ok(),
            });
        }
        Ok(Set { servers, peers, rows })
    }
}

/// What each profile shows at its door. Carriers are asked for a certificate, and let in without one: their address may be enough.
/// Nothing of a handshake is kept for the next: each proves itself anew, by the certificates of its time.
fn accepting(key: CertifiedKey, asks: bool, provider: &Arc<CryptoProvider>) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3");
    let builder = if asks {
        builder.with_client_cert_verifier(Arc::new(Anybody::new(provider)))
    } else {
        builder.with_no_client_auth()
    };
    let mut config =
        builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

fn connecting(
    verifier: Arc<Verifier>,
    own: Option<CertifiedKey>,
    provider: &Arc<CryptoProvider>,
) -> ClientConfig {
    let builder: ConfigBuilder<ClientConfig, WantsClientCert> =
        ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier);
    let mut config = match own {
        Some(key) => {
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)))
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = rustls::client::Resumption::disabled();
    config
}

fn own(
    pair: &KeyPair,
    whose: &str,
    provider: &CryptoProvider,
    rows: &mut Vec<CertificateRow>,
) -> Result<CertifiedKey, Wrong> {
    let (key, row) = files::key_pair(pair, whose, provider)?;
    rows.push(row);
    Ok(key)
}

/// The authorities that the system trusts. Those that cannot be read are fewer to trust: a peer that needs them is refused.
fn trusted() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(event = "system_authorities", %error);
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

/// What is odd about what the files hold, each with its file: keys that others may read, certificates that end soon.
pub fn oddities(wanted: &settings::Certificates, rows: &[CertificateRow], now: Utc) -> Vec<Wrong> {
    const SOON: std::time::Duration = std::time::Duration::from_secs(21 * 86_400);
    let ends = rows.iter().filter_map(|row| {
        let what = match Utc::parse(&row.expires).ok()? {
            end if end <= now => format!("the certificate ended at {}", row.expires),
            end if end <= now.after(SOON) => format!("the certificate ends at {}", row.expires),
            _ => return None,
        };
        Some(Wrong { file: row.file.clone().into(), what })
    });
    let pairs =
        wanted.own.iter().flatten().chain(wanted.peers.iter().filter_map(|peer| peer.own.as_ref()));
    let keys = pairs.filter_map(|pair| open_to_others(&pair.key));
    ends.chain(keys).collect()
}

fn open_to_others(key: &Path) -> Option<Wrong> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(key).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| Wrong {
        file: key.to_owned(),
        what: format!("others may read the key (mode {:04o}): chmod 0600", mode & 0o7777),
    })
}

#[cfg(test)]
pub(crate) mod tests;

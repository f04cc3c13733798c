//! Certificates: what TLS shows of us, and what it has to be shown. Paths and names alone; `io` reads the files, and again when asked.

use std::path::PathBuf;

/// Every certificate of the settings.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Certificates {
    /// What our listeners show: internal, external. `None`: that profile has no TLS.
    pub own: [Option<KeyPair>; 2],
    /// Far sides that prove who they are, [`PeerId`](crate::wire::flow::PeerId) being the place in this list.
    pub peers: Vec<Peer>,
}

/// A certificate of ours and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPair {
    /// The chain, our own certificate first, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// A far side that proves by certificate who it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The subjectAltName that its certificate carries (RFC 5922 §7.1), in lower case; the common name counts for nothing.
    pub name: String,
    /// The authorities that vouch for it, in PEM; `None`: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// What is shown to it if it asks who we are.
    pub own: Option<KeyPair>,
}

/// How a trunk's calls in are recognised.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Proof {
    /// By where they come from.
    #[default]
    Address,
    /// By the certificate of their connection, wherever it comes from.
    Certificate,
    /// By both.
    Both,
}

impl Certificates {
    /// Every path, to be made one that can be opened.
    pub fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        fn of_pair(KeyPair { certificate, key }: &mut KeyPair) -> [&mut PathBuf; 2] {
            [certificate, key]
        }
        fn of_peer(Peer { ca, own, .. }: &mut Peer) -> impl Iterator<Item = &mut PathBuf> {
            ca.iter_mut().chain(own.iter_mut().flat_map(of_pair))
        }
        let own = self.own.iter_mut().flatten().flat_map(of_pair);
        own.chain(self.peers.iter_mut().flat_map(of_peer))
    }
}

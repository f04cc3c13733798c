//! Whether a certificate is the one that a peer has to show: an authority of that peer's vouches for it, and it carries the peer's name
//! (RFC 5922 §7).

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Verifies what one peer shows, whoever of us began the connection.
#[derive(Debug)]
pub(super) struct Verifier {
    name: String,
    roots: Arc<RootCertStore>,
    /// For certificates that are good for clients alone.
    of_clients: Option<Arc<dyn ClientCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(
        name: &str,
        roots: Arc<RootCertStore>,
        provider: &Arc<CryptoProvider>,
    ) -> Verifier {
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
        Verifier {
            name: name.to_owned(),
            roots,
            // Without a single root nothing can be verified, and nothing is.
            of_clients: builder.build().ok(),
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// Whether the chain is this peer's. A SIP server is at either end of a connection by the same certificate, so that one for servers
    /// is good for a client too (RFC 5922 §7).
    pub(super) fn accepts(
        &self,
        own: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> bool {
        let as_client = || {
            let verifier = self.of_clients.as_ref();
            verifier.is_some_and(|verifier| verifier.verify_client_cert(own, rest, now).is_ok())
        };
        (self.vouched(own, rest, now).is_ok() || as_client()) && self.is_named(own)
    }

    fn vouched(
        &self,
        own: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(own)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, rest, now, algorithms)
    }

    /// As a whole: a `*` stands for nothing but itself (RFC 5922 §7.2).
    fn is_named(&self, own: &CertificateDer<'_>) -> bool {
        Certificate::from_der(own).is_ok_and(|certificate| {
            names(&certificate).iter().any(|name| name.eq_ignore_ascii_case(&self.name))
        })
    }
}

/// Who a certificate is for: the hosts of its `sip:` URIs; where it has none, its DNS names; and its addresses (RFC 5922 §7.1). Never
/// its common name.
pub(super) fn names(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, SubjectAltName(all)))) = certificate.tbs_certificate().get_extension() else {
        return Vec::new();
    };
    let (mut of_sip, mut of_dns, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for name in &all {
        match name {
            GeneralName::UniformResourceIdentifier(uri) => of_sip.extend(sip_domain(uri.as_str())),
            GeneralName::DnsName(name) => of_dns.push(name.as_str().to_owned()),
            GeneralName::IpAddress(bytes) => addresses.extend(address(bytes.as_bytes())),
            GeneralName::OtherName(_)
            | GeneralName::Rfc822Name(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EdiPartyName(_)
            | GeneralName::RegisteredId(_) => {}
        }
    }
    let mut names = if of_sip.is_empty() { of_dns } else { of_sip };
    names.extend(addresses);
    names
}

/// The domain of `sip:example.com`. One with a user part names a person, and no domain.
fn sip_domain(uri: &str) -> Option<String> {
    let (scheme, domain) = uri.split_once(':')?;
    let is_one = scheme.eq_ignore_ascii_case("sip") && !domain.contains(['@', ';', '?', ':']);
    is_one.then(|| domain.to_owned())
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()?;
    Some(address.to_string())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _asked: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.vouched(own, rest, now)?;
        match self.is_named(own) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::NotValidForName.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Lets in whoever connects: that they have the key of what they show is proven here, whose it is afterwards.
#[derive(Debug)]
pub(super) struct Anybody(WebPkiSupportedAlgorithms);

impl Anybody {
    pub(super) fn new(provider: &CryptoProvider) -> Anybody {
        Anybody(provider.signature_verification_algorithms)
    }
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _own: &CertificateDer<'_>,
        _rest: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

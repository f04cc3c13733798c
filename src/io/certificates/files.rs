//! PEM files of certificates and keys, and what a certificate says of itself.
#![expect(clippy::disallowed_methods, reason = "certificates are files")]

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::proof;
use crate::switch::control::CertificateRow;
use crate::switch::settings::KeyPair;
use crate::utc::Utc;

/// No file of certificates is longer: a bundle of every public authority has a quarter of it.
const LONGEST: u64 = 1 << 20;

/// A file that cannot be used, or is odd. Says nothing of what is in a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// Which.
    pub file: PathBuf,
    /// What is wrong with it, in a sentence.
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.what)
    }
}

impl std::error::Error for Wrong {}

/// A certificate of ours with its key, which have to belong together.
pub(super) fn key_pair(
    pair: &KeyPair,
    whose: &str,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, CertificateRow), Wrong> {
    let wrong = |file: &Path, what: String| Wrong { file: file.to_owned(), what };
    let chain = certificates(&pair.certificate)?;
    let row = row(&pair.certificate, whose, &chain[0])?;
    let key = PrivateKeyDer::from_pem_slice(&bytes(&pair.key)?).map_err(|_| {
        wrong(&pair.key, "it holds no private key in PEM, without a passphrase".into())
    })?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            wrong(&pair.key, format!("it is not the key of {}", pair.certificate.display()))
        }
        _ => wrong(
            &pair.key,
            "the key is of a kind that cannot be used: RSA, ECDSA or Ed25519".into(),
        ),
    })?;
    Ok((key, row))
}

/// The authorities of a file, which are trusted.
pub(super) fn authorities(
    path: &Path,
    whose: &str,
) -> Result<(RootCertStore, Vec<CertificateRow>), Wrong> {
    let mut roots = RootCertStore::empty();
    let mut rows = Vec::new();
    for certificate in certificates(path)? {
        rows.push(row(path, whose, &certificate)?);
        roots.add(certificate).map_err(|_| unreadable(path))?;
    }
    Ok((roots, rows))
}

/// At least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let bytes = bytes(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    read.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| unreadable(path))
}

fn unreadable(path: &Path) -> Wrong {
    Wrong { file: path.to_owned(), what: "it holds no certificates in PEM".to_owned() }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Wrong> {
    let read = || {
        // A FIFO would block the open itself.
        if !std::fs::metadata(path)?.is_file() {
            return Err(std::io::Error::other("it is not a file"));
        }
        let mut bytes = Vec::new();
        if File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)? as u64 > LONGEST {
            return Err(std::io::Error::other("it is longer than 1 MiB"));
        }
        Ok(bytes)
    };
    read().map_err(|error| Wrong {
        file: path.to_owned(),
        what: format!("it cannot be read: {error}"),
    })
}

fn row(path: &Path, whose: &str, der: &CertificateDer<'_>) -> Result<CertificateRow, Wrong> {
    let certificate = Certificate::from_der(der).map_err(|_| unreadable(path))?;
    let tbs = certificate.tbs_certificate();
    let moment = |time: x509_cert::time::Time| {
        Utc::from_micros(0).after(time.to_unix_duration()).to_string()
    };
    Ok(CertificateRow {
        used: whose.to_owned(),
        file: path.display().to_string(),
        names: proof::names(&certificate),
        issuer: tbs.issuer().to_string(),
        begins: moment(tbs.validity().not_before),
        expires: moment(tbs.validity().not_after),
    })
}

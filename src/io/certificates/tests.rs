//! Certificates made here, and what becomes of the files they lie in.
#![expect(clippy::disallowed_methods, reason = "certificates are files")]

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair as Key, SanType};

use super::*;

/// An authority, and the folder of what it signs.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, Key>,
    pub(crate) folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = Key::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        Authority { issuer, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Signs a certificate with these names, as `NAME.pem` and `NAME.key`.
    pub(crate) fn signs(&self, name: &str, names: &[SanType]) -> KeyPair {
        self.signs_with(name, |params| params.subject_alt_names = names.to_vec())
    }

    fn signs_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> KeyPair {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        change(&mut params);
        let key = Key::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        let pair = KeyPair {
            certificate: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
        };
        fs::write(&pair.certificate, signed.pem()).expect("written");
        fs::write(&pair.key, key.serialize_pem()).expect("written");
        pair
    }

    fn peer(&self, name: &str) -> settings::Peer {
        settings::Peer { name: name.to_owned(), ca: Some(self.path("ca.pem")), own: None }
    }
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("ASCII"))
}

fn uri(uri: &str) -> SanType {
    SanType::URI(uri.try_into().expect("ASCII"))
}

fn chain(pair: &KeyPair) -> Vec<CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::pem_file_iter(&pair.certificate)
        .expect("a file")
        .collect::<Result<_, _>>()
        .expect("PEM")
}

/// Which of the peers a certificate proves.
fn proven(peers: Vec<settings::Peer>, pair: &KeyPair) -> Option<u16> {
    let wanted = settings::Certificates { peers, ..settings::Certificates::default() };
    let certificates = Certificates::read(&wanted).expect("readable");
    certificates.prove(&chain(pair)).map(|peer| peer.0)
}

#[test]
fn a_peer_is_known_by_a_name_of_its_certificate_that_its_own_authority_vouches_for() {
    let (north, south) = (Authority::new(), Authority::new());
    let pair = north.signs("north", &[dns("sip.north.example")]);
    let peers = || vec![south.peer("sip.north.example"), north.peer("SIP.north.example")];
    assert_eq!(proven(peers(), &pair), Some(1));
    // Another authority may not say it, nor this one of another name.
    assert_eq!(proven(vec![south.peer("sip.north.example")], &pair), None);
    assert_eq!(proven(vec![north.peer("north.example")], &pair), None);
}

#[test]
fn the_common_name_counts_for_nothing() {
    let north = Authority::new();
    let pair = north.signs_with("north", |params| {
        params.distinguished_name.push(rcgen::DnType::CommonName, "sip.north.example");
    });
    assert_eq!(proven(vec![north.peer("sip.north.example")], &pair), None);
}

#[test]
fn sip_uris_come_before_dns_names_and_a_star_stands_for_itself() {
    let north = Authority::new();
    let both = north.signs("both", &[dns("host.example"), uri("sip:north.example")]);
    assert_eq!(proven(vec![north.peer("north.example")], &both), Some(0));
    assert_eq!(proven(vec![north.peer("host.example")], &both), None, "RFC 5922 §7.1");
    let person = north.signs("person", &[dns("host.example"), uri("sip:anna@north.example")]);
    assert_eq!(proven(vec![north.peer("north.example")], &person), None);
    assert_eq!(proven(vec![north.peer("host.example")], &person), Some(0));
    let star = north.signs("star", &[dns("*.north.example")]);
    assert_eq!(proven(vec![north.peer("sip.north.example")], &star), None, "RFC 5922 §7.2");
    assert_eq!(proven(vec![north.peer("*.north.example")], &star), Some(0));
    let address = north.signs("address", &[SanType::IpAddress([192, 0, 2, 9].into())]);
    assert_eq!(proven(vec![north.peer("192.0.2.9")], &address), Some(0));
}

#[test]
fn a_certificate_whose_time_is_over_proves_nothing() {
    let north = Authority::new();
    let pair = north.signs_with("old", |params| {
        params.subject_alt_names = vec![dns("sip.north.example")];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    assert_eq!(proven(vec![north.peer("sip.north.example")], &pair), None);
}

#[test]
fn for_clients_alone_or_for_servers_alone_a_certificate_proves_a_caller() {
    let north = Authority::new();
    for usage in
        [rcgen::ExtendedKeyUsagePurpose::ClientAuth, rcgen::ExtendedKeyUsagePurpose::ServerAuth]
    {
        let pair = north.signs_with("usage", |params| {
            params.subject_alt_names = vec![dns("sip.north.example")];
            params.extended_key_usages = vec![usage];
        });
        assert_eq!(proven(vec![north.peer("sip.north.example")], &pair), Some(0));
    }
}

fn phones(pair: &KeyPair) -> settings::Certificates {
    settings::Certificates { own: [Some(pair.clone()), None], peers: Vec::new() }
}

#[test]
fn a_broken_file_is_refused_and_what_was_in_use_stays() {
    let authority = Authority::new();
    let pair = authority.signs("phones", &[dns("pbx.example")]);
    let certificates = Certificates::read(&phones(&pair)).expect("readable");
    let before = certificates.rows();
    assert_eq!(
        (before[0].used.as_str(), &before[0].names[..]),
        ("phones", &["pbx.example".into()][..])
    );

    let other = authority.signs("other", &[dns("other.example")]);
    fs::copy(&other.certificate, &pair.certificate).expect("copied");
    let wrong = certificates.read_again().expect_err("whose key is that");
    assert!(wrong.to_string().contains("phones.key: it is not the key of"), "{wrong}");
    fs::write(&pair.key, "-----BEGIN PRIVATE KEY-----\nbm9uZQ==\n-----END PRIVATE KEY-----\n")
        .expect("written");
    let wrong = certificates.read_again().expect_err("no key");
    assert!(!wrong.to_string().contains("bm9uZQ"), "{wrong}");
    fs::write(&pair.certificate, "nothing").expect("written");
    assert!(
        certificates.read_again().is_err_and(|wrong| wrong.what.contains("no certificates in PEM"))
    );
    assert_eq!(certificates.rows(), before);

    fs::copy(&other.certificate, &pair.certificate).expect("copied");
    fs::copy(&other.key, &pair.key).expect("copied");
    certificates.read_again().expect("whole again");
    assert_eq!(certificates.rows()[0].names, ["other.example"]);
}

#[test]
fn a_key_that_others_may_read_and_an_end_that_is_near_are_said() {
    use std::os::unix::fs::PermissionsExt;
    let authority = Authority::new();
    let pair = authority.signs_with("phones", |params| {
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 4, 1);
    });
    let wanted = phones(&pair);
    let rows = Certificates::read(&wanted).expect("readable").rows();
    let at = |day: &str| {
        let now = Utc::parse(&format!("2030-{day}T00:00:00Z")).expect("a day");
        oddities(&wanted, &rows, now).into_iter().map(|odd| odd.what).collect::<Vec<_>>()
    };
    fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o600)).expect("set");
    assert_eq!(at("02-01"), Vec::<String>::new());
    assert_eq!(at("03-20"), ["the certificate ends at 2030-04-01T00:00:00.000Z"]);
    assert_eq!(at("05-01"), ["the certificate ended at 2030-04-01T00:00:00.000Z"]);
    fs::set_permissions(&pair.key, fs::Permissions::from_mode(0o640)).expect("set");
    assert_eq!(at("02-01"), ["others may read the key (mode 0640): chmod 0600"]);
}

//! `certificate show|reload`: what TLS shows and trusts, and reading it again after the files were renewed.

use clap::Subcommand;

use super::output::table;
use super::{Context, Failure, live};
use crate::switch::control::{CertificateRow, Reply, Request};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The certificates in use, and when they end
    Show,
    /// Reads their files again; running connections stay
    Reload,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    let request = match verb {
        Verb::Show => Request::CertificateShow,
        Verb::Reload => Request::CertificateReload,
    };
    live::show(context, &request, |reply| match reply {
        Reply::Certificates { certificates } => Some(rows(certificates)),
        _ => None,
    })
}

fn rows(certificates: &[CertificateRow]) -> String {
    table(
        ["FOR", "NAMES", "ENDS", "ISSUED BY", "FILE"],
        certificates.iter().map(|row| {
            [
                row.used.clone(),
                row.names.join(", "),
                row.expires.clone(),
                row.issuer.clone(),
                row.file.clone(),
            ]
        }),
        "no certificates: add [tls] to internal.toml or external.toml",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_listed_with_their_names_and_their_end() {
        let rows = rows(&[CertificateRow {
            used: "phones".into(),
            file: "sip-profiles/tls/phones.pem".into(),
            names: vec!["pbx.example".into(), "192.0.2.1".into()],
            issuer: "CN=Example CA".into(),
            begins: "2030-01-01T00:00:00.000Z".into(),
            expires: "2030-04-01T00:00:00.000Z".into(),
        }]);
        insta::assert_snapshot!(rows, @r#"
        FOR     NAMES                   ENDS                      ISSUED BY      FILE
        phones  pbx.example, 192.0.2.1  2030-04-01T00:00:00.000Z  CN=Example CA  sip-profiles/tls/phones.pem
        "#);
    }
}

//! `certificate show|reload`: what TLS shows and trusts, and reading it again after the files were renewed.

use clap::Subcommand;

use super::output::{self, table};
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
        Reply::Certificates { certificates, warnings } => Some(shown(certificates, warnings)),
        _ => None,
    })
}

/// The table, and what is odd about the files under it.
fn shown(certificates: &[CertificateRow], warnings: &[String]) -> String {
    let warnings = warnings.iter().map(|warning| format!("warning: {}", output::plain(warning)));
    std::iter::once(rows(certificates)).chain(warnings).collect::<Vec<_>>().join("\n")
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
        let row = CertificateRow {
            used: "phones".into(),
            file: "sip-profiles/tls/phones.pem".into(),
            names: vec!["pbx.example".into(), "192.0.2.1".into()],
            issuer: "CN=Example CA".into(),
            begins: "2030-01-01T00:00:00.000Z".into(),
            expires: "2030-04-01T00:00:00.000Z".into(),
        };
        let warning =
            "sip-profiles/tls/phones.key: others may read the key (mode 0644): chmod 0600";
        insta::assert_snapshot!(shown(&[row], &[warning.to_owned()]), @r#"
        FOR     NAMES                   ENDS                      ISSUED BY      FILE
        phones  pbx.example, 192.0.2.1  2030-04-01T00:00:00.000Z  CN=Example CA  sip-profiles/tls/phones.pem
        warning: sip-profiles/tls/phones.key: others may read the key (mode 0644): chmod 0600
        "#);
    }
}

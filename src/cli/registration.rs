//! `registration list`: who can be reached, and where.

use clap::Subcommand;

use super::output::{second, table};
use super::{Context, Failure, live};
use crate::switch::control::{RegistrationRow, Reply, Request};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Every phone that is registered
    List,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List => live::show(context, &Request::RegistrationList, |reply| match reply {
            Reply::Registrations { registrations } => Some(rows(registrations)),
            _ => None,
        }),
    }
}

fn rows(registrations: &[RegistrationRow]) -> String {
    table(
        ["AOR", "CONTACT", "SOURCE", "TRANSPORT", "EXPIRES", "STATE", "USER AGENT"],
        registrations.iter().map(|row| {
            [
                row.aor.clone(),
                row.contact.clone(),
                row.source.clone(),
                row.transport.clone(),
                second(&row.expires),
                row.state.as_str().to_owned(),
                row.user_agent.clone(),
            ]
        }),
        "no phone is registered",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::control::Reachable;

    #[test]
    fn what_a_phone_calls_itself_is_printed_tame() {
        let row = RegistrationRow {
            aor: "1001".into(),
            contact: "sip:1001@192.0.2.7:5062".into(),
            source: "192.0.2.7:5062".into(),
            transport: "UDP".into(),
            expires: "2030-01-07T09:05:00.123Z".into(),
            state: Reachable::CutOff,
            user_agent: "baresip\x1b]0;pwned\x07".into(),
        };
        insta::assert_snapshot!(rows(&[row]), @r#"
        AOR   CONTACT                  SOURCE          TRANSPORT  EXPIRES               STATE    USER AGENT
        1001  sip:1001@192.0.2.7:5062  192.0.2.7:5062  UDP        2030-01-07T09:05:00Z  cut-off  baresip\u{1b}]0;pwned\u{7}
        "#);
        assert_eq!(rows(&[]), "no phone is registered");
    }
}

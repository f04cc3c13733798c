//! `subscription list`: which lamps phones watch, and who has asked for their messages.

use clap::Subcommand;

use super::output::{second, table};
use super::{Context, Failure, live};
use crate::switch::control::{Reply, Request, SubscriptionRow};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Every subscription of a phone
    List,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List => live::show(context, &Request::SubscriptionList, |reply| match reply {
            Reply::Subscriptions { subscriptions } => Some(rows(subscriptions)),
            _ => None,
        }),
    }
}

fn rows(subscriptions: &[SubscriptionRow]) -> String {
    table(
        ["USER", "EVENT", "WATCHED", "CONTACT", "SOURCE", "EXPIRES"],
        subscriptions.iter().map(|row| {
            [
                row.user.clone(),
                row.event.clone(),
                row.watched.clone(),
                row.contact.clone(),
                row.source.clone(),
                second(&row.expires),
            ]
        }),
        "no phone has subscribed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_a_table() {
        let row = SubscriptionRow {
            user: "1001".into(),
            event: "dialog".into(),
            watched: "support".into(),
            contact: "sip:1001@192.0.2.7:5062".into(),
            source: "192.0.2.7:5062".into(),
            expires: "2030-01-07T09:05:00.123Z".into(),
        };
        insta::assert_snapshot!(rows(&[row]), @r"
        USER  EVENT   WATCHED  CONTACT                  SOURCE          EXPIRES
        1001  dialog  support  sip:1001@192.0.2.7:5062  192.0.2.7:5062  2030-01-07T09:05:00Z
        ");
        assert_eq!(rows(&[]), "no phone has subscribed");
    }
}

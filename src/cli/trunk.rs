//! `trunk list`, `trunk status`: the carriers, what goes through them, and which of their servers serve.

use clap::Subcommand;

use super::output::table;
use super::{Context, Failure, live};
use crate::switch::control::{GatewayRow, Reply, Request, TargetRow, TrunkRow};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Every trunk and its calls
    List,
    /// The servers behind every gateway, which of them serve, and where the switch is registered
    #[command(visible_alias = "show")]
    Status {
        /// One trunk
        trunk: Option<String>,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List => live::show(context, &Request::TrunkList, |reply| match reply {
            Reply::Trunks { trunks } => Some(rows(trunks)),
            _ => None,
        }),
        Verb::Status { trunk } => {
            let request = match trunk {
                Some(trunk) => Request::TrunkShow { trunk },
                None => Request::TrunkList,
            };
            live::show(context, &request, |reply| match reply {
                Reply::Trunks { trunks } => Some(servers(trunks)),
                _ => None,
            })
        }
    }
}

fn servers(trunks: &[TrunkRow]) -> String {
    let gateways = trunks
        .iter()
        .flat_map(|trunk| trunk.gateways.iter().map(move |gateway| (&trunk.trunk, gateway)));
    let rows = gateways.flat_map(|(trunk, gateway)| {
        let said = |server: Option<&TargetRow>| {
            let state = match server {
                Some(TargetRow { state, until: Some(until), .. }) => {
                    format!("{state} until {until}")
                }
                Some(server) => server.state.clone(),
                None => "unknown".to_owned(),
            };
            [
                trunk.clone(),
                gateway.gateway.clone(),
                server.map_or("-".to_owned(), |at| format!("{} {}", at.transport, at.address)),
                state,
                registration(gateway, server),
            ]
        };
        match gateway.targets.as_slice() {
            [] => vec![said(None)],
            targets => targets.iter().map(|target| said(Some(target))).collect(),
        }
    });
    table(
        ["TRUNK", "GATEWAY", "SERVER", "STATE", "REGISTERED"],
        rows,
        "no gateways: every trunk is for calls in only",
    )
}

fn registration(gateway: &GatewayRow, server: Option<&TargetRow>) -> String {
    match (gateway.registered, &gateway.registered_until) {
        (Some(true), Some(until))
            if gateway.registered_at.as_ref() == server.map(|at| &at.address) =>
        {
            format!("until {until}")
        }
        (Some(true), _) => "with another".to_owned(),
        (Some(false) | None, _) => match (&gateway.trouble, gateway.registered) {
            (Some(trouble), Some(_)) => format!("no: {trouble}"),
            (Some(trouble), None) => trouble.clone(),
            (None, Some(_)) => "no".to_owned(),
            (None, None) => "not wanted".to_owned(),
        },
    }
}

fn rows(trunks: &[TrunkRow]) -> String {
    table(
        ["TRUNK", "GATEWAY", "CALLS", "OF AT MOST"],
        trunks.iter().map(|row| {
            [
                row.trunk.clone(),
                row.gateway.clone().unwrap_or_else(|| "calls in only".to_owned()),
                row.calls.to_string(),
                row.channels.to_string(),
            ]
        }),
        "no trunks: add a file in trunks/",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trunks_are_listed_with_their_calls() {
        let rows = rows(&[
            TrunkRow {
                trunk: "north".into(),
                gateway: Some("198.51.100.1:5060".into()),
                calls: 3,
                channels: 30,
                gateways: Vec::new(),
            },
            TrunkRow {
                trunk: "south".into(),
                gateway: None,
                calls: 0,
                channels: 10,
                gateways: Vec::new(),
            },
        ]);
        insta::assert_snapshot!(rows, @r#"
        TRUNK  GATEWAY            CALLS  OF AT MOST
        north  198.51.100.1:5060  3      30
        south  calls in only      0      10
        "#);
    }

    #[test]
    fn servers_are_listed_with_what_they_do_and_where_we_are_registered() {
        let target = |address: &str, state: &str, until: Option<&str>| TargetRow {
            address: address.into(),
            transport: "udp".into(),
            state: state.into(),
            until: until.map(str::to_owned),
        };
        let gateway = |gateway: &str, targets, registered, trouble: Option<&str>| GatewayRow {
            gateway: gateway.into(),
            targets,
            registered,
            registered_at: (registered == Some(true)).then(|| "192.0.2.1:5060".into()),
            registered_until: (registered == Some(true)).then(|| "2030-01-07T10:00:00Z".into()),
            trouble: trouble.map(str::to_owned),
        };
        let both = vec![
            target("192.0.2.1:5060", "up", None),
            target("192.0.2.2:5060", "down", Some("2030-01-07T09:10:00Z")),
        ];
        let gateways = vec![
            gateway("sip.carrier.example", both, Some(true), None),
            gateway("lost.example", vec![], Some(false), Some("its name leads nowhere")),
            gateway("192.0.2.9:5060", vec![target("192.0.2.9:5060", "up", None)], None, None),
        ];
        let trunk = TrunkRow {
            trunk: "north".into(),
            gateway: Some("sip.carrier.example".into()),
            calls: 0,
            channels: 30,
            gateways,
        };
        insta::assert_snapshot!(servers(&[trunk]), @r#"
        TRUNK  GATEWAY              SERVER              STATE                            REGISTERED
        north  sip.carrier.example  udp 192.0.2.1:5060  up                               until 2030-01-07T10:00:00Z
        north  sip.carrier.example  udp 192.0.2.2:5060  down until 2030-01-07T09:10:00Z  with another
        north  lost.example         -                   unknown                          no: its name leads nowhere
        north  192.0.2.9:5060       udp 192.0.2.9:5060  up                               not wanted
        "#);
    }
}

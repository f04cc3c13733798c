//! `call list|show|hangup`: the calls that are up, and those of the past.

use std::time::Duration;

use clap::Subcommand;

use super::output::{self, or_dash, second, sheet, table};
use super::{Context, Exit, Failure, live, place};
use crate::io::store::{CallFilter, Matches};
use crate::switch::control::{CallRow, LegRow, Reply, Request};
use crate::switch::journal::Cdr;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The calls that are up, or those of the past
    List {
        /// From the history instead, the newest first
        #[arg(long)]
        past: bool,
        /// Of the past: at most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// One call: live if it is up, else from the history
    Show {
        /// Its id, or the beginning of it
        call: String,
    },
    /// Ends a call
    Hangup {
        /// Its id, or the beginning of it
        call: String,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::List { past: true, limit } => {
            let (_, reader) = place::history(context)?;
            let filter = CallFilter { ended: true, limit: Some(limit), ..CallFilter::default() };
            let calls = reader.calls(&filter).map_err(place::unreadable)?;
            let calls: Vec<CallRow> = calls.iter().map(row).collect();
            live::print(context, &Reply::Calls { calls }, |reply| match reply {
                Reply::Calls { calls } => Some(rows(calls)),
                _ => None,
            })
        }
        Verb::List { .. } => live::show(context, &Request::CallList, |reply| match reply {
            Reply::Calls { calls } => Some(rows(calls)),
            _ => None,
        }),
        Verb::Show { call } => {
            let alive = match live::reach(context, &Request::CallShow { call: call.clone() }) {
                Ok(reply) => reply,
                // Of the past, perhaps.
                Err(failure) if failure.exit() == Exit::NotFound => None,
                Err(failure) => return Err(failure),
            };
            let mut calls = match alive {
                Some(Reply::Calls { calls }) => calls,
                Some(reply) => return Err(live::unexpected(&reply)),
                None => vec![past_whole(context, &call)?],
            };
            calls.iter_mut().for_each(|row| look_up_recording(context, row));
            let reply = Reply::Calls { calls };
            live::print(context, &reply, |reply| match reply {
                Reply::Calls { calls } => {
                    Some(calls.iter().map(one).collect::<Vec<_>>().join("\n\n"))
                }
                _ => None,
            })
        }
        Verb::Hangup { call } => {
            let said = format!("call {} is ended", output::plain(&call));
            let request = Request::CallHangup { call: call.clone() };
            let shown = live::show(context, &request, |reply| match reply {
                Reply::Done => Some(said),
                _ => None,
            });
            shown.map_err(|failure| match past(context, &call) {
                Ok(cdr) if failure.exit() == Exit::NotFound => {
                    Failure::not_found(format!("call {} has ended already", cdr.call))
                }
                Ok(_) | Err(_) => failure,
            })
        }
    }
}

fn past(context: &Context, id: &str) -> Result<Cdr, Failure> {
    let (_, reader) = place::history(context)?;
    match reader.call(id).map_err(place::unreadable)? {
        Matches::One(cdr) => Ok(cdr),
        Matches::None => Err(Failure::not_found(format!("no call begins with {id:?}"))),
        Matches::Many => {
            Err(Failure::new(Exit::Failed, format!("several calls begin with {id:?}")))
        }
    }
}

/// A call of the past, with what went through its legs.
fn past_whole(context: &Context, id: &str) -> Result<CallRow, Failure> {
    let cdr = past(context, id)?;
    let (_, reader) = place::history(context)?;
    let legs = reader.legs(cdr.call).map_err(place::unreadable)?;
    let legs = legs.iter().map(|leg| leg.row(Duration::ZERO)).collect();
    Ok(CallRow { legs, ..row(&cdr) })
}

/// What has become of a call's recording, as far as the history knows.
fn look_up_recording(context: &Context, row: &mut CallRow) {
    let Some(id) = &row.recording else { return };
    let found = place::history(context).map(|(_, reader)| reader.recording(id));
    if let Ok(Ok(Matches::One(recording))) = found {
        row.recording_state = Some(recording.state().as_str().to_owned());
        row.recording_cause = recording.cause;
    }
}

/// A call of the past in the form of one that is up; its state is why it ended.
pub(super) fn row(cdr: &Cdr) -> CallRow {
    CallRow::of(cdr, cdr.end_cause.as_deref().unwrap_or("up"))
}

fn rows(calls: &[CallRow]) -> String {
    table(
        ["CALL", "DIRECTION", "FROM", "TO", "STATE", "QUEUE", "AGENT", "STARTED", "RECORDING"],
        calls.iter().map(|row| {
            [
                row.call.clone(),
                row.direction.clone(),
                row.from.clone(),
                row.to.clone(),
                row.state.clone(),
                or_dash(row.queue.as_deref()),
                or_dash(row.agent.as_deref()),
                second(&row.started),
                or_dash(row.recording.as_deref()),
            ]
        }),
        "no calls",
    )
}

/// Everything that is known of one.
pub(super) fn one(row: &CallRow) -> String {
    let at = |at: &Option<String>| at.as_deref().map_or_else(|| "-".to_owned(), second);
    let call = [
        ("call", row.call.clone()),
        ("direction", row.direction.clone()),
        ("from", row.from.clone()),
        ("to", row.to.clone()),
        ("state", row.state.clone()),
        ("trunk", or_dash(row.trunk.as_deref())),
        ("route", or_dash(row.route.as_deref())),
        ("queue", or_dash(row.queue.as_deref())),
        ("agent", or_dash(row.agent.as_deref())),
        ("started", second(&row.started)),
        ("answered", at(&row.answered)),
        ("bridged", at(&row.bridged)),
        ("ended", at(&row.ended)),
        ("status", row.status.map_or_else(|| "-".to_owned(), |status| status.to_string())),
        ("consent", or_dash(row.consent.as_deref())),
        ("consent mode", or_dash(row.consent_mode.as_deref())),
        ("consent key", or_dash(row.consent_key.as_deref())),
        ("consent at", at(&row.consent_at)),
        ("prompt", or_dash(row.consent_prompt.as_deref())),
        ("prompt language", or_dash(row.consent_language.as_deref())),
        ("prompt sha-256", or_dash(row.consent_prompt_sha256.as_deref())),
        ("recording", or_dash(row.recording.as_deref())),
        ("recording state", or_dash(row.recording_state.as_deref())),
        (
            "not recorded because",
            or_dash(row.unrecorded.as_deref().or(row.recording_cause.as_deref())),
        ),
        ("transferred to", or_dash(row.transferred_to.as_deref())),
        ("merged into", or_dash(row.merged_into.as_deref())),
    ];
    let alarms = row.alarms.iter().map(|alarm| ("ALARM", alarm.clone()));
    sheet(call.into_iter().chain(alarms).chain(row.legs.iter().flat_map(leg)))
}

/// What went through a leg, and what is odd about it.
fn leg(row: &LegRow) -> Vec<(&'static str, String)> {
    let who = match (&row.user, &row.trunk) {
        (Some(user), _) => format!("user {user}"),
        (None, Some(trunk)) => format!("trunk {trunk}"),
        (None, None) => "-".to_owned(),
    };
    let place = |address: &Option<String>| or_dash(address.as_deref());
    let score = |mos: Option<f64>| mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.2}"));
    let there = match (row.far_lost, row.far_jitter_ms) {
        (Some(lost), Some(jitter)) => {
            let trip = row
                .round_trip_ms
                .map_or_else(String::new, |trip| format!(", round trip {trip:.0} ms"));
            let mos = score(row.far_mos);
            format!("{lost} lost, jitter {jitter:.1} ms, MOS {mos}{trip}")
        }
        _ => "they report nothing".to_owned(),
    };
    let mut lines = vec![
        ("leg", format!("{}: {who}, {}", row.leg, row.codec)),
        ("- from", place(&row.source)),
        (
            "- they sent",
            format!(
                "{} packets, {} lost, {} refused, jitter {:.1} ms (worst {:.1}), MOS {}",
                row.received,
                row.lost,
                row.refused,
                row.jitter_ms,
                row.worst_jitter_ms,
                score(row.mos)
            ),
        ),
        ("- to", place(&row.advertised)),
        ("- we sent", format!("{} packets, {there}", row.sent)),
    ];
    if row.keys_by_rtp + row.keys_by_info > 0 {
        let (rtp, info) = (row.keys_by_rtp, row.keys_by_info);
        lines.push(("- keys", format!("{rtp} by RTP (RFC 4733), {info} by INFO")));
    }
    lines.extend(row.findings.iter().map(|finding| ("- note", finding.clone())));
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::media::RecordingId;
    use crate::switch::journal::{CallDirection, CallId, ConsentAnswer, ConsentRecord};
    use crate::switch::settings::ConsentMode;

    fn cdr() -> Cdr {
        let at = |text| crate::utc::Utc::parse(text).expect("a time");
        Cdr {
            call: CallId(0x2a),
            direction: CallDirection::Inbound,
            from: "+4930555010".to_owned().into(),
            to: "+4930555100".to_owned().into(),
            trunk: Some("north".into()),
            route: Some("10-support".into()),
            queue: Some("support".into()),
            agent: Some("anna".into()),
            started: at("2030-01-07T09:00:00.020Z"),
            answered: Some(at("2030-01-07T09:00:00.045Z")),
            bridged: Some(at("2030-01-07T09:00:09Z")),
            ended: Some(at("2030-01-07T09:01:00Z")),
            end_cause: Some("caller hung up".into()),
            status: None,
            consent: Some(ConsentRecord {
                mode: ConsentMode::ExpressAll,
                answer: ConsentAnswer::Agreed,
                at: at("2030-01-07T09:00:04Z"),
                prompt: "consent".into(),
                prompt_sha256: "ab12".into(),
                language: "de".into(),
            }),
            recording: Some(RecordingId(0x2b)),
            unrecorded: None,
            transferred_to: Some("1002".to_owned().into()),
            merged_into: None,
        }
    }

    pub(crate) fn call() -> CallRow {
        CallRow { state: "talking".into(), ..row(&cdr()) }
    }

    #[test]
    fn calls_are_listed_a_line_each() {
        insta::assert_snapshot!(rows(&[call()]), @r#"
        CALL          DIRECTION  FROM         TO           STATE    QUEUE    AGENT  STARTED               RECORDING
        00000000001a  inbound    +4930555010  +4930555100  talking  support  anna   2030-01-07T09:00:00Z  00000000001b
        "#);
        assert_eq!(rows(&[]), "no calls");
    }

    #[test]
    fn one_call_is_shown_whole() {
        insta::assert_snapshot!(one(&row(&cdr())), @r#"
        call                  00000000001a
        direction             inbound
        from                  +4930555010
        to                    +4930555100
        state                 caller hung up
        trunk                 north
        route                 10-support
        queue                 support
        agent                 anna
        started               2030-01-07T09:00:00Z
        answered              2030-01-07T09:00:00Z
        bridged               2030-01-07T09:00:09Z
        ended                 2030-01-07T09:01:00Z
        status                -
        consent               agreed
        consent mode          express_all
        consent key           1
        consent at            2030-01-07T09:00:04Z
        prompt                consent
        prompt language       de
        prompt sha-256        ab12
        recording             00000000001b
        recording state       -
        not recorded because  -
        transferred to        1002
        merged into           -
        "#);
    }

    #[test]
    fn what_went_through_its_legs_stands_below_a_call() {
        let good = LegRow {
            leg: 0,
            user: None,
            trunk: Some("north".into()),
            codec: "PCMA".into(),
            advertised: Some("10.0.0.5:4000".into()),
            source: Some("198.51.100.7:40444".into()),
            received: 3_000,
            lost: 30,
            refused: 0,
            jitter_ms: 2.125,
            worst_jitter_ms: 9.0,
            mos: Some(4.3),
            sent: 2_990,
            far_lost: Some(0),
            far_jitter_ms: Some(1.0),
            far_mos: Some(4.41),
            round_trip_ms: Some(23.4),
            keys_by_rtp: 1,
            keys_by_info: 0,
            findings: vec!["they advertised 10.0.0.5, RTP arrives from 198.51.100.7".into()],
        };
        let silent = LegRow {
            leg: 1,
            user: Some("1001".into()),
            trunk: None,
            source: None,
            received: 0,
            lost: 0,
            mos: None,
            far_lost: None,
            keys_by_rtp: 0,
            findings: vec!["they have sent no RTP at all".into()],
            ..good.clone()
        };
        let shown = one(&CallRow { legs: vec![good, silent], ..call() });
        let (_, legs) = shown.split_once("merged into           -\n").expect("the call itself");
        insta::assert_snapshot!(legs, @r#"
        leg                   0: trunk north, PCMA
        - from                198.51.100.7:40444
        - they sent           3000 packets, 30 lost, 0 refused, jitter 2.1 ms (worst 9.0), MOS 4.30
        - to                  10.0.0.5:4000
        - we sent             2990 packets, 0 lost, jitter 1.0 ms, MOS 4.41, round trip 23 ms
        - keys                1 by RTP (RFC 4733), 0 by INFO
        - note                they advertised 10.0.0.5, RTP arrives from 198.51.100.7
        leg                   1: user 1001, PCMA
        - from                -
        - they sent           0 packets, 0 lost, 0 refused, jitter 2.1 ms (worst 9.0), MOS -
        - to                  10.0.0.5:4000
        - we sent             2990 packets, they report nothing
        - note                they have sent no RTP at all
        "#);
    }

    #[test]
    fn why_a_recording_failed_is_said_of_its_call() {
        let failed = CallRow {
            recording_state: Some("failed".into()),
            recording_cause: Some("the disk is full".into()),
            ..row(&cdr())
        };
        let shown = one(&failed);
        let last = "recording             00000000001b\nrecording state       failed\nnot recorded because  the disk is full";
        assert!(shown.contains(last), "{shown}");
    }

    #[test]
    fn programs_are_told_of_a_past_call_what_is_stored() {
        let told = output::value(&row(&cdr())).expect("JSON");
        for fact in [
            r#""trunk": "north""#,
            r#""ended": "2030-01-07T09:01:00.000Z""#,
            r#""end_cause": "caller hung up""#,
            r#""consent_key": "1""#,
            r#""consent_prompt_sha256": "ab12""#,
        ] {
            assert!(told.contains(fact), "{fact} is not in {told}");
        }
    }
}

//! `recording doctor`: what is wrong with recordings that go on, and what became of the recording of every answered call.

use std::time::Duration;

use crate::cli::output::{self, Format};
use crate::cli::{Context, Exit, Failure, live, place};
use crate::io::clock::Clock;
use crate::io::store::Outcome;
use crate::switch::control::{CallRow, Reply, Request};
use crate::utc::Utc;

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn run(context: &Context, since: Option<&str>) -> Result<(), Failure> {
    let since = match since.map(Utc::parse).transpose() {
        Ok(since) => since.unwrap_or_else(|| Clock::system().now().utc.before(DAY)),
        Err(wrong) => return Err(Failure::new(Exit::Usage, format!("--since: {wrong}"))),
    };
    let up = match live::reach(context, &Request::CallList)? {
        Some(Reply::Calls { calls }) => Some(calls),
        Some(reply) => return Err(live::unexpected(&reply)),
        None => None,
    };
    let (_, reader) = place::history(context)?;
    let outcomes = reader.outcomes(since).map_err(place::unreadable)?;
    output::print(&match context.format {
        Format::Json => output::value(&json(up.as_deref(), &outcomes))?,
        Format::Table => text(up.as_deref(), &outcomes, since),
    })?;
    let alarmed = up.iter().flatten().any(|call| !call.alarms.is_empty());
    match alarmed || outcomes.iter().any(|outcome| is_ill(outcome.word.as_deref())) {
        true => Err(Failure::new(Exit::Failed, "not every call that should be recorded is")),
        false => Ok(()),
    }
}

/// Whether somebody should look at it.
fn is_ill(word: Option<&str>) -> bool {
    word.is_none_or(|word| word.starts_with("failed: "))
}

fn text(up: Option<&[CallRow]>, outcomes: &[Outcome], since: Utc) -> String {
    let mut lines = Vec::new();
    match up {
        None => lines.push("the switch does not run: no recording goes on".to_owned()),
        Some(calls) => {
            let recorded = calls.iter().filter(|call| call.recording.is_some()).count();
            lines
                .push(format!("{} calls are up, {recorded} of them with a recording", calls.len()));
            lines.extend(calls.iter().flat_map(|call| {
                let alarms = call.alarms.iter();
                alarms.map(|alarm| format!("ALARM call {}: {alarm}", call.call))
            }));
        }
    }
    let answered: u64 = outcomes.iter().map(|outcome| outcome.calls).sum();
    lines.push(format!(
        "{answered} calls begun since {} were answered and are over:",
        output::second(&since.to_string())
    ));
    for Outcome { word, calls, some } in outcomes {
        let word = word.as_deref();
        let told = output::plain(word.unwrap_or("not recorded, and nothing tells why"));
        let which = if is_ill(word) { format!(" ({})", some.join(", ")) } else { String::new() };
        lines.push(format!("{calls:>8} {told}{which}"));
    }
    lines.join("\n")
}

fn json(up: Option<&[CallRow]>, outcomes: &[Outcome]) -> serde_json::Value {
    let alarms = up.unwrap_or_default().iter().flat_map(|call| {
        let alarm = |alarm| serde_json::json!({ "call": call.call, "alarm": alarm });
        call.alarms.iter().map(alarm)
    });
    let outcome = |outcome: &Outcome| {
        serde_json::json!({
            "outcome": outcome.word,
            "calls": outcome.calls,
            "some": outcome.some,
            "is_ill": is_ill(outcome.word.as_deref()),
        })
    };
    serde_json::json!({
        "running": up.is_some(),
        "calls_up": up.map(<[CallRow]>::len),
        "alarms": alarms.collect::<Vec<_>>(),
        "outcomes": outcomes.iter().map(outcome).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::call::tests::call;

    fn outcome(word: Option<&str>, calls: u64, some: &[&str]) -> Outcome {
        let some = some.iter().map(|id| (*id).to_owned()).collect();
        Outcome { word: word.map(str::to_owned), calls, some }
    }

    #[test]
    fn alarms_and_what_nobody_can_explain_stand_out() {
        let outcomes = [
            outcome(None, 1, &["00000000000a"]),
            outcome(Some("recorded"), 120, &["00000000000b"]),
            outcome(Some("not recorded: the caller declined"), 9, &["00000000000c"]),
            outcome(Some("failed: the disk is full"), 2, &["00000000000d", "00000000000e"]),
        ];
        let ill = CallRow { alarms: vec!["the recording's file is gone".into()], ..call() };
        let since = Utc::parse("2030-01-07T00:00:00Z").expect("a time");
        insta::assert_snapshot!(text(Some(&[call(), ill]), &outcomes, since), @r#"
        2 calls are up, 2 of them with a recording
        ALARM call 00000000001a: the recording's file is gone
        132 calls begun since 2030-01-07T00:00:00Z were answered and are over:
               1 not recorded, and nothing tells why (00000000000a)
             120 recorded
               9 not recorded: the caller declined
               2 failed: the disk is full (00000000000d, 00000000000e)
        "#);
        let json = json(None, &outcomes);
        assert_eq!(json["outcomes"][3]["is_ill"], true);
        assert_eq!(json["outcomes"][2]["is_ill"], false);
        assert_eq!(json["running"], false);
    }
}

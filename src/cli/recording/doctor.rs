//! `recording doctor`: what is wrong with recordings that go on, and what became of the recording of every answered call.

use std::time::Duration;

use crate::cli::output::{self, Format};
use crate::cli::{Context, Exit, Failure, live, place};
use crate::io::clock::Clock;
use crate::io::store::Outcome;
use crate::switch::control::{CallRow, Reply, Request, StorageRow};
use crate::switch::storage::Level;
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
    let storage = match live::reach(context, &Request::StorageShow)? {
        Some(Reply::Storage { storage }) => storage,
        Some(reply) => return Err(live::unexpected(&reply)),
        None => None,
    };
    let (_, reader) = place::history(context)?;
    let outcomes = reader.outcomes(since).map_err(place::unreadable)?;
    output::print(&match context.format {
        Format::Json => output::value(&json(up.as_deref(), storage.as_ref(), &outcomes))?,
        Format::Table => text(up.as_deref(), storage.as_ref(), &outcomes, since),
    })?;
    let alarmed = up.iter().flatten().any(|call| !call.alarms.is_empty());
    let full = storage.is_some_and(|storage| storage.level == Level::Full.as_str());
    match alarmed || full || outcomes.iter().any(|outcome| is_ill(outcome.word.as_deref())) {
        true => Err(Failure::new(Exit::Failed, "not every call that should be recorded is")),
        false => Ok(()),
    }
}

/// Whether somebody should look at it.
fn is_ill(word: Option<&str>) -> bool {
    word.is_none_or(|word| word.starts_with("failed: "))
}

fn text(
    up: Option<&[CallRow]>,
    storage: Option<&StorageRow>,
    outcomes: &[Outcome],
    since: Utc,
) -> String {
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
    lines.extend(storage.map(room));
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

/// How much room there is, and how long it lasts.
fn room(storage: &StorageRow) -> String {
    let StorageRow { level, used, left, lasts } = storage;
    let lasts = lasts.map_or_else(String::new, |seconds| match seconds / 3_600 {
        hours @ 0..48 => format!(", for {hours} hours at the pace of the last day"),
        hours => format!(", for {} days at the pace of the last day", hours / 24),
    });
    let alarm = if *level == Level::Full.as_str() { "ALARM " } else { "" };
    let (used, left) = (used >> 20, left >> 20);
    format!("{alarm}room for recordings: {level}; {used} MiB used, {left} MiB left{lasts}")
}

fn json(
    up: Option<&[CallRow]>,
    storage: Option<&StorageRow>,
    outcomes: &[Outcome],
) -> serde_json::Value {
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
        "storage": storage,
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
        let storage = StorageRow {
            level: "low".into(),
            used: 900 << 20,
            left: 90 << 20,
            lasts: Some(7 * 3_600 + 59),
        };
        insta::assert_snapshot!(text(Some(&[call(), ill]), Some(&storage), &outcomes, since), @r#"
        2 calls are up, 2 of them with a recording
        ALARM call 00000000001a: the recording's file is gone
        room for recordings: low; 900 MiB used, 90 MiB left, for 7 hours at the pace of the last day
        132 calls begun since 2030-01-07T00:00:00Z were answered and are over:
               1 not recorded, and nothing tells why (00000000000a)
             120 recorded
               9 not recorded: the caller declined
               2 failed: the disk is full (00000000000d, 00000000000e)
        "#);
        let full = StorageRow { level: "full".into(), left: 0, lasts: Some(0), ..storage };
        assert!(room(&full).starts_with("ALARM room for recordings: full;"), "{}", room(&full));
        let week = StorageRow { lasts: Some(7 * 86_400), ..full };
        assert!(room(&week).ends_with("for 7 days at the pace of the last day"));
        let json = json(None, None, &outcomes);
        assert_eq!(json["outcomes"][3]["is_ill"], true);
        assert_eq!(json["outcomes"][2]["is_ill"], false);
        assert_eq!(json["running"], false);
    }
}

//! `demo`: a whole recorded call over real sockets, and its deletion when its time has come, each step checked from the outside.

mod pictures;
mod stage;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use self::stage::{ANNA, CALLER, Stage};
use super::output::{self, Format};
use super::{Context, Exit, Failure, place, recording};
use crate::io::store::{Reader, Recording, RecordingFilter, State};
use crate::io::wav;
use crate::media::Samples;
use crate::phone::tone_level;
use crate::switch::control::{AgentChange, Reply, Request};

/// What the caller and the agent speak: tones that cannot be taken for each other.
const TONES: [f64; 2] = [1_000.0, 440.0];
/// They talk so long.
const TALK: Duration = Duration::from_secs(4);
/// What takes longer than this does not happen.
const PATIENCE: Duration = Duration::from_secs(10);
/// The calendar goes on by half days, for a jump of more than a day would rightly stop all deletion.
const STEP: Duration = Duration::from_secs(43_200);
/// The days of the demo's retention policy.
const KEEP: u32 = 30;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Draw what happened as SVG, into this folder
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let mut report = Report { format: context.format, said: String::new(), held: Vec::new() };
    report.say("a call from a carrier to an agent, recorded with consent, deleted in time\n");
    let mut stage = Stage::set(&context.profiles.join("prompts"))?;
    let [phones, carriers] = stage.addresses();
    report.holds("a switch of its own", true, format!("phones {phones}, carriers {carriers}"))?;

    let talked = call(&mut stage, &mut report)?;
    let (row, sides) = recorded(&mut stage, &mut report, talked)?;
    report.say(&format!("\n{}\n{}\n", stage.ladder().draw(), recording::whole(&row)));
    let tombstone = deleted(&mut stage, &mut report, &row)?;
    stage.end()?;
    report.say("\nall of it held");

    if let Some(folder) = &arguments.pictures {
        pictures::draw(folder, stage.ladder(), &sides, &report.said)
            .map_err(|error| Failure::storage(format!("{}: {error}", folder.display())))?;
    }
    if context.format == Format::Json {
        output::print(&output::value(&serde_json::json!({
            "held": report.held,
            "ladder": stage.ladder().draw().lines().collect::<Vec<_>>(),
            "recording": recording::json(&row),
            "tombstone": recording::json(&tombstone),
        }))?);
    }
    Ok(())
}

/// What is told as it happens, and what held.
struct Report {
    format: Format,
    said: String,
    held: Vec<String>,
}

impl Report {
    fn say(&mut self, text: &str) {
        if self.format == Format::Table {
            output::print(text);
        }
        self.said.push_str(text);
        self.said.push('\n');
    }

    /// A claim of the demo; the first that does not hold ends it.
    fn holds(&mut self, claim: &str, held: bool, detail: String) -> Result<(), Failure> {
        if !held {
            return Err(Failure::new(Exit::Failed, format!("did not hold: {claim} ({detail})")));
        }
        self.say(&format!("  ✓ {claim:<40} {detail}"));
        self.held.push(claim.to_owned());
        Ok(())
    }
}

/// From the registration to the BYE; how long they talked.
fn call(stage: &mut Stage, report: &mut Report) -> Result<Duration, Failure> {
    stage.act(ANNA, |phone, now| phone.register(now, Duration::from_secs(600)));
    let registered = stage.hears_of(ANNA, "200 OK", PATIENCE);
    report.holds("the agent's phone registers", registered, "digest, over UDP".to_owned())?;
    let login = Request::AgentSet { agent: "anna".to_owned(), status: AgentChange::Available };
    let here = stage.ask(login) == Some(Reply::Done);
    report.holds("the agent logs in", here, "anna, queue support".to_owned())?;

    stage.act(CALLER, |phone, now| phone.invite(now, "+4930555010"));
    let answered = stage.hears_of(CALLER, "200 OK", PATIENCE);
    report.holds("the carrier's call is answered", answered, "+4930555010".to_owned())?;
    let prompt = stage.consent_prompt()?;
    let limit = Samples(prompt.len() as u64).duration() + PATIENCE;
    let played = stage.until(limit, |stage| stage.heard(CALLER).len() >= prompt.len());
    let heard = stage.heard(CALLER);
    let off = prompt.iter().zip(heard).filter(|&(&said, &heard)| !sounds_like(said, heard)).count();
    let seconds = prompt.len() as f64 / 8_000.0;
    let detail = format!("{seconds:.1} s, {off} samples off");
    report.holds("the caller hears the consent prompt", played && off == 0, detail)?;

    stage.act(CALLER, |phone, now| phone.voice.press(now, '1'));
    let rang = stage.hears_of(ANNA, "INVITE", PATIENCE);
    report.holds("key 1 lets the agent's phone ring", rang, "RFC 4733".to_owned())?;
    let bridged = stage.hears_of(ANNA, "ACK", PATIENCE);
    let begun = stage.now();
    for (party, tone) in [CALLER, ANNA].into_iter().zip(TONES) {
        stage.act(party, |phone, now| {
            phone.voice.heard.clear();
            phone.voice.speak(now, Some(tone));
        });
    }
    report.holds("the agent answers", bridged, "both speak a tone of their own".to_owned())?;
    stage.until(TALK, |_| false);
    for (party, theirs, own) in [(CALLER, TONES[1], TONES[0]), (ANNA, TONES[0], TONES[1])] {
        let heard = stage.heard(party);
        let middle = heard.get(heard.len() / 4..).unwrap_or_default();
        let (theirs, own) = (tone_level(middle, theirs), tone_level(middle, own));
        let claim = match party {
            CALLER => "the caller hears the agent",
            _ => "the agent hears the caller",
        };
        let detail = format!("amplitude {theirs:.0}, of their own voice {own:.0}");
        report.holds(claim, theirs > 7_000.0 && own < 300.0, detail)?;
    }
    stage.act(CALLER, |phone, now| phone.bye(now));
    let talked = stage.now().duration_since(begun);
    let over = stage.hears_of(CALLER, "200 OK", PATIENCE) && stage.hears_of(ANNA, "BYE", PATIENCE);
    report.holds(
        "the caller hangs up, and so does the agent",
        over,
        "BYE on both legs".to_owned(),
    )?;
    Ok(talked)
}

/// G.711 keeps about five bits of each sample.
fn sounds_like(said: i16, heard: i16) -> bool {
    let (said, heard) = (i32::from(said), i32::from(heard));
    (said - heard).abs() <= 40 + said.abs() / 12
}

/// The row and the file, as others see them.
fn recorded(
    stage: &mut Stage,
    report: &mut Report,
    talked: Duration,
) -> Result<(Recording, [Vec<i16>; 2]), Failure> {
    let reader = Reader::open(stage.state()).map_err(place::unreadable)?;
    let mut row = None;
    stage.until(PATIENCE, |_| {
        row = only(&reader, State::Sealed);
        row.is_some()
    });
    let row = row.ok_or_else(|| Failure::new(Exit::Failed, "the recording was not sealed"))?;
    let path = stage.recordings().join(&row.path);
    let sides = wav::read(&path)
        .map_err(|error| Failure::storage(format!("{}: {error}", path.display())))?;
    let length = Samples(sides[0].len() as u64).duration();
    let detail =
        format!("{:.2} s, they talked {:.2} s", length.as_secs_f64(), talked.as_secs_f64());
    let whole = length.abs_diff(talked) < Duration::from_millis(500);
    report.holds("the WAV is as long as the conversation", whole, detail)?;
    for (number, side) in ["left: the customer", "right: the agent"].into_iter().enumerate() {
        let middle = &sides[number][sides[number].len() / 4..sides[number].len() * 3 / 4];
        let (own, other) =
            (tone_level(middle, TONES[number]), tone_level(middle, TONES[1 - number]));
        let detail = format!("{:.1} dBFS, {:.0} Hz", decibels(middle), TONES[number]);
        report.holds(side, own > 7_000.0 && other < 300.0, detail)?;
    }
    let found = wav::digest(&path)
        .map_err(|error| Failure::storage(format!("{}: {error}", path.display())))?;
    let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
    let same = row.sha256.as_deref() == Some(&found);
    report.holds("its row has the file's SHA-256", same, format!("{}…", &found[..16]))?;
    report.say(&format!("    {}", path.display()));
    Ok((row, sides))
}

/// Root mean square, relative to full scale.
fn decibels(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    10.0 * (power / samples.len().max(1) as f64 / 32_768f64.powi(2)).log10()
}

/// Day by day past the policy, as the calendar would go; the tombstone.
fn deleted(stage: &mut Stage, report: &mut Report, row: &Recording) -> Result<Recording, Failure> {
    let reader = Reader::open(stage.state()).map_err(place::unreadable)?;
    let path = stage.recordings().join(&row.path);
    let due = |stage: &Stage| reader.due(stage.clock().now().utc).map_err(place::unreadable);
    for step in 0..2 * KEEP {
        let early = !due(stage)?.is_empty() || purged(stage)? > 0 || !path.exists();
        if early {
            let detail = format!("on day {}", step / 2);
            report.holds("nothing is deleted before its time", false, detail)?;
        }
        stage.clock().advance(STEP);
    }
    let kept = format!("{KEEP} days, two runs each");
    report.holds("nothing is deleted before its time", true, kept)?;
    let listed = due(stage)?;
    let dry = listed.len() == 1 && listed[0].recording == row.recording && path.exists();
    report.holds("the dry run names it and deletes nothing", dry, row.recording.to_string())?;
    let gone = purged(stage)? == 1 && !path.exists();
    report.holds("the run deletes the file", gone, row.path.clone())?;
    let mut tombstone = None;
    stage.until(PATIENCE, |_| {
        tombstone = only(&reader, State::Purged);
        tombstone.is_some()
    });
    let named = tombstone.as_ref().is_some_and(|row| row.agent.is_some());
    let stands = tombstone.is_some() && !named;
    report.holds("its tombstone stays, and names nobody", stands, "state purged".to_owned())?;
    tombstone.ok_or_else(|| Failure::new(Exit::Failed, "there is no tombstone"))
}

/// The count of what one run deleted.
fn purged(stage: &Stage) -> Result<usize, Failure> {
    match stage.ask(Request::RetentionRun) {
        Some(Reply::RetentionRan { purged, failed }) if failed.is_empty() => Ok(purged.len()),
        other => Err(Failure::new(Exit::Failed, format!("retention did not run: {other:?}"))),
    }
}

/// The one recording in this state.
fn only(reader: &Reader, state: State) -> Option<Recording> {
    let filter = RecordingFilter { state: Some(state), ..RecordingFilter::default() };
    reader.recordings(&filter).ok()?.pop()
}

/// The shipped profiles' prompt that asks for consent.
fn prompt(prompts: &Path) -> Result<Vec<i16>, Failure> {
    let path = prompts.join("en/consent.wav");
    wav::read_prompt(&path)
        .map_err(|error| Failure::storage(format!("{}: {error}", path.display())))
}

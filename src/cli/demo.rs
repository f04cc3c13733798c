//! `demo`: a whole recorded call over real sockets, and its deletion when its time has come, each step checked from the outside.

mod pictures;
mod stage;
mod turns;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use self::stage::{ANNA, CALLER, NAMES, SWITCH, Stage};
use super::output::{self, Format};
use super::{Context, Exit, Failure, call, place, recording};
use crate::io::store::{CallFilter, Reader, Recording, RecordingFilter, State};
use crate::io::wav;
use crate::media::Samples;
use crate::switch::control::{AgentChange, CallRow, Reply, Request};
use crate::switch::journal::{Cdr, ConsentAnswer};

/// What takes longer than this does not happen.
const PATIENCE: Duration = Duration::from_secs(10);
/// A recording may begin and end so far from where the phones say that they talked: they look at a clock that others use too.
const TOLERANCE: Duration = Duration::from_millis(500);
/// The calendar goes on by half days, for a jump of more than a day would rightly stop all deletion.
const STEP: Duration = Duration::from_secs(43_200);
/// The days of the demo's retention policy.
const KEEP: u32 = 30;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Draw what happened as SVG, into this folder
    #[arg(long, value_name = "DIR", hide = true)]
    pictures: Option<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failure> {
    let mut report = Report { format: context.format, shown: String::new(), held: Vec::new() };
    report.say("a call from a carrier to an agent, recorded with consent, deleted in time\n");
    let mut stage = Stage::set(&context.profiles.join("prompts"))?;
    let begun = stage.now();
    let played = play(&mut stage, &mut report);
    let ladder = stage.ladder().clone();
    if played.is_err() {
        report.print(&format!("\nup to here:\n{}", ladder.draw()));
    }
    let Played { call, row, tombstone, sides } = played?;
    let took = stage.now().duration_since(begun);
    stage.end()?;
    report.say(&format!("\nall of it held, in {:.0} s", took.as_secs_f64()));

    if let Some(folder) = &arguments.pictures {
        pictures::draw(folder, &ladder, &sides, &report.shown)
            .map_err(|error| Failure::storage(format!("{}: {error}", folder.display())))?;
    }
    if context.format == Format::Json {
        output::print(&output::value(&serde_json::json!({
            "held": report.held,
            "ladder": ladder.draw().lines().collect::<Vec<_>>(),
            "call": call,
            "recording": recording::json(&row),
            "tombstone": recording::json(&tombstone),
        }))?)?;
    }
    Ok(())
}

/// What is told as it happens, and what held.
struct Report {
    format: Format,
    /// What a picture of the terminal shows.
    shown: String,
    held: Vec<String>,
}

impl Report {
    fn print(&self, text: &str) {
        if self.format == Format::Table {
            // What held is told by the exit code too.
            let _ = output::print(text);
        }
    }

    fn say(&mut self, text: &str) {
        self.print(text);
        self.shown.push_str(text);
        self.shown.push('\n');
    }

    /// Many lines, which a picture leaves out.
    fn lay_out(&mut self, what: &str, text: &str) {
        self.print(&format!("\n{}", text.trim_end()));
        self.shown.push_str(&format!("    … {what}\n"));
    }

    /// A claim of the demo; the first that does not hold ends it.
    fn holds(&mut self, claim: &str, held: bool, detail: String) -> Result<(), Failure> {
        if !held {
            self.say(&format!("  ✗ {claim:<42} {detail}"));
            return Err(Failure::new(Exit::Failed, format!("did not hold: {claim} ({detail})")));
        }
        self.say(&format!("  ✓ {claim:<42} {detail}"));
        self.held.push(claim.to_owned());
        Ok(())
    }
}

/// What is left of a demo that held.
struct Played {
    call: CallRow,
    row: Recording,
    tombstone: Recording,
    sides: [Vec<i16>; 2],
}

fn play(stage: &mut Stage, report: &mut Report) -> Result<Played, Failure> {
    let [phones, carriers] = stage.addresses();
    report.holds("a switch of its own", true, format!("phones {phones}, carriers {carriers}"))?;
    asked(stage, report)?;
    let talked = talk(stage, report)?;
    report.lay_out("the ladder", &stage.ladder().draw());
    report.print("");
    let (row, sides) = recorded(stage, report, talked)?;
    let call = booked(stage, report, &row)?;
    report.lay_out("the call's row", &call::one(&call));
    report.lay_out("the recording's row", &recording::whole(&row));
    report.print("");
    let tombstone = deleted(stage, report, &row)?;
    Ok(Played { call, row, tombstone, sides })
}

/// From the registration to key 1.
fn asked(stage: &mut Stage, report: &mut Report) -> Result<(), Failure> {
    stage.act(ANNA, |phone, now| phone.register(now, Duration::from_secs(600)));
    let registered = stage.hears_of(ANNA, "200 OK", PATIENCE);
    report.holds("the agent's phone registers", registered, "digest, over UDP".to_owned())?;
    let login = Request::AgentSet { agent: "anna".to_owned(), status: AgentChange::Available };
    let here = stage.ask(login) == Some(Reply::Done);
    report.holds("the agent logs in", here, "anna, queue support".to_owned())?;

    stage.act(CALLER, |phone, now| phone.invite(now, "+4930555010"));
    let answered = stage.hears_of(CALLER, "200 OK", PATIENCE);
    report.holds("the carrier's call is answered", answered, "+4930555010".to_owned())?;
    let path = stage.prompt();
    let prompt = wav::read_prompt(&path)
        .map_err(|error| Failure::storage(format!("{}: {error}", path.display())))?;
    let length = Samples(prompt.len() as u64).duration();
    let begins = stage.until(PATIENCE, |stage| !stage.heard(CALLER).is_empty());
    if begins {
        stage.note(SWITCH, NAMES[CALLER], "RTP: consent prompt");
    }
    let whole = |stage: &mut Stage| stage.heard(CALLER).len() >= prompt.len();
    let played = begins && stage.until(length + PATIENCE, whole);
    let heard = prompt.iter().zip(stage.heard(CALLER));
    let seconds = Samples(heard.len() as u64).duration().as_secs_f64();
    let off = heard.filter(|&(&said, &heard)| !sounds_like(said, heard)).count();
    let detail = format!("{seconds:.1} of {:.1} s, {off} samples off", length.as_secs_f64());
    report.holds("the caller hears the consent prompt", played && off == 0, detail)?;

    let too_early = stage.rings(ANNA);
    stage.note(NAMES[CALLER], SWITCH, "RTP: key 1");
    stage.act(CALLER, |phone, now| phone.voice.press(now, '1'));
    let rang = stage.hears_of(ANNA, "INVITE", PATIENCE);
    let detail = "by RFC 4733, and not before".to_owned();
    report.holds("key 1 lets the agent's phone ring", rang && !too_early, detail)
}

/// From the agent's answer to the BYE; how long they talked.
fn talk(stage: &mut Stage, report: &mut Report) -> Result<Duration, Failure> {
    let bridged = stage.hears_of(ANNA, "ACK", PATIENCE);
    let begun = stage.now();
    for party in [CALLER, ANNA] {
        stage.act(party, |phone, now| {
            phone.voice.heard.clear();
            phone.voice.speak(now, Some(0.0));
        });
        stage.note(NAMES[party], SWITCH, "RTP: a tone in turns");
    }
    let [caller, anna] = turns::TONES;
    let detail = format!("they talk, at {caller:.0} and {anna:.0} Hz");
    report.holds("the agent answers", bridged, detail)?;
    for (at, party, tone) in turns::cues() {
        stage.until_then(begun + at);
        // At no tone it goes on sending silence, as phones do.
        stage.act(party, |phone, now| phone.voice.speak(now, Some(tone.unwrap_or(0.0))));
    }
    stage.until_then(begun + turns::length());
    for (party, other, claim) in
        [(CALLER, ANNA, "the caller hears the agent"), (ANNA, CALLER, "the agent hears the caller")]
    {
        let levels = turns::levels(stage.heard(party), other);
        report.holds(claim, levels.are_clean(), levels.said())?;
    }
    stage.act(CALLER, |phone, now| phone.bye(now));
    let talked = stage.now().duration_since(begun);
    let over = stage.hears_of(CALLER, "200 OK", PATIENCE) && stage.hears_of(ANNA, "BYE", PATIENCE);
    let detail = "BYE on both legs".to_owned();
    report.holds("the caller hangs up, the agent is let go", over, detail)?;
    Ok(talked)
}

/// G.711 keeps about five bits of each sample.
fn sounds_like(said: i16, heard: i16) -> bool {
    let (said, heard) = (i32::from(said), i32::from(heard));
    (said - heard).abs() <= 40 + said.abs() / 12
}

/// The recording's row and its file, as others see them.
fn recorded(
    stage: &mut Stage,
    report: &mut Report,
    talked: Duration,
) -> Result<(Recording, [Vec<i16>; 2]), Failure> {
    let reader = Reader::open(stage.state()).map_err(place::unreadable)?;
    let row = stage.finds(PATIENCE, || only(&reader, State::Sealed));
    let row = row.ok_or_else(|| Failure::new(Exit::Failed, "the recording was not sealed"))?;
    let path = stage.recordings().join(&row.path);
    let unreadable =
        |error: std::io::Error| Failure::storage(format!("{}: {error}", path.display()));
    let sides = wav::read(&path).map_err(unreadable)?;
    let length = Samples(sides[0].len() as u64).duration();
    let detail =
        format!("{:.2} s, they talked {:.2} s", length.as_secs_f64(), talked.as_secs_f64());
    let whole = length.abs_diff(talked) < TOLERANCE && sides[0].len() == sides[1].len();
    report.holds("the WAV is as long as the conversation", whole, detail)?;
    for (party, claim) in
        [(CALLER, "left is the customer alone"), (ANNA, "right is the agent alone")]
    {
        let levels = turns::levels(&sides[party], party);
        report.holds(claim, levels.are_clean(), levels.said())?;
    }
    let found = wav::digest(&path).map_err(unreadable)?;
    let found = hex(&found);
    let same = row.sha256.as_deref() == Some(&found);
    report.holds("its row has the file's SHA-256", same, format!("{}…", &found[..16]))?;
    report.say(&format!("    {}", path.display()));
    Ok((row, sides))
}

/// The call in the books: who agreed to what, and which recording came of it.
fn booked(stage: &mut Stage, report: &mut Report, row: &Recording) -> Result<CallRow, Failure> {
    let reader = Reader::open(stage.state()).map_err(place::unreadable)?;
    let ended = || {
        let calls = reader.calls(&CallFilter::default()).ok()?;
        calls.into_iter().find(|cdr| cdr.call == row.call && cdr.ended.is_some())
    };
    let cdr = stage.finds(PATIENCE, ended);
    let cdr = cdr.ok_or_else(|| Failure::new(Exit::Failed, "the call is not in the books"))?;
    let path = stage.prompt();
    let prompt = wav::digest(&path)
        .map_err(|error| Failure::storage(format!("{}: {error}", path.display())))?;
    let agreed = consented(&cdr, &hex(&prompt)) && cdr.recording == Some(row.recording);
    let detail = "agreed, to the very prompt that was heard".to_owned();
    report.holds("the call's row has the consent", agreed, detail)?;
    Ok(call::row(&cdr))
}

fn consented(cdr: &Cdr, prompt: &str) -> bool {
    cdr.consent.as_ref().is_some_and(|consent| {
        consent.answer == ConsentAnswer::Agreed && consent.prompt_sha256 == prompt
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    let tombstone = stage.finds(PATIENCE, || only(&reader, State::Purged));
    let stands = tombstone
        .as_ref()
        .is_some_and(|tombstone| tombstone.recording == row.recording && tombstone.agent.is_none());
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
    let mut found = reader.recordings(&filter).ok()?;
    found.pop().filter(|_| found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::{linear, mu_law};

    #[test]
    fn a_prompt_sounds_like_itself_after_g711_and_like_nothing_else() {
        for said in (i16::MIN..=i16::MAX).step_by(37) {
            assert!(sounds_like(said, linear(mu_law(said))), "{said}");
        }
        assert!(!sounds_like(4_000, 0) && !sounds_like(0, 100) && !sounds_like(4_000, -4_000));
    }

    #[test]
    fn the_first_claim_that_does_not_hold_ends_the_demo_with_1() {
        let mut report = Report { format: Format::Json, shown: String::new(), held: Vec::new() };
        assert_eq!(report.holds("water is wet", true, "it is".into()), Ok(()));
        let failure = report.holds("pigs fly", false, "0 m".into()).expect_err("they do not");
        assert_eq!(failure, Failure::new(Exit::Failed, "did not hold: pigs fly (0 m)"));
        assert_eq!(report.held, ["water is wet"]);
    }
}

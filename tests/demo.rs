//! The demo, as somebody who has just cloned the repository runs it.
#![expect(clippy::disallowed_methods, reason = "the test reads what was drawn, by a clock")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs it with a temporary folder of its own, which it leaves as it was.
fn demo(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_tonspur"))
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", folder.path())
        .output()
        .expect("the demo runs");
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("still there").collect();
    assert!(left.is_empty(), "{left:?}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_demo_holds_shows_it_and_draws_it() {
    let pictures = tempfile::tempdir().expect("a folder for pictures");
    let place = pictures.path().to_str().expect("UTF-8");
    let begun = std::time::Instant::now();
    let output = demo(&["--pictures", place]);
    let took = begun.elapsed();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    assert!(took.as_secs() < 60, "{took:?}");
    for claim in [
        "✓ the caller hears the consent prompt ",
        "✓ key 1 lets the agent's phone ring ",
        "✓ the caller hears the agent ",
        "✓ the agent hears the caller ",
        "✓ the WAV is as long as the conversation ",
        "✓ left is the customer alone ",
        "✓ right is the agent alone ",
        "✓ its row has the file's SHA-256 ",
        "✓ the call's row has the consent ",
        "✓ nothing is deleted before its time ",
        "✓ the dry run names it and deletes nothing ",
        "✓ the run deletes the file ",
        "✓ its tombstone stays, and names nobody ",
        "------ INVITE ------",
        "RTP: key 1",
        "state                 caller hung up",
        "all of it held",
    ] {
        assert!(said.contains(claim), "{claim:?} is not in:\n{said}");
    }
    assert!(!said.contains('✗'), "{said}");
    for picture in ["ladder.svg", "waveform.svg", "demo.svg"] {
        let drawn = std::fs::read_to_string(pictures.path().join(picture)).expect("a picture");
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"), "{picture}");
    }
}

#[test]
fn the_demo_tells_programs_what_held() {
    let output = demo(&["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    assert_eq!(told["call"]["consent"], "agreed");
    assert_eq!(told["call"]["recording"], told["recording"]["recording"]);
    assert_eq!(told["recording"]["state"], "sealed");
    assert_eq!(told["recording"]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(told["tombstone"]["recording"], told["recording"]["recording"]);
    assert_eq!(told["tombstone"]["state"], "purged");
    assert!(told["ladder"].as_array().is_some_and(|lines| lines.len() > 16));
    assert!(told["held"].as_array().is_some_and(|held| held.len() > 16));
}

#[test]
fn without_the_prompts_the_demo_fails_and_says_where_they_are() {
    let empty = tempfile::tempdir().expect("a folder");
    let output = demo(&["--profiles", empty.path().to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(8));
    assert!(text(&output.stderr).contains("run it beside sip-profiles/"));
}

#[test]
fn a_caller_who_is_not_asked_makes_the_demo_fail() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-profiles/prompts/en");
    let prompts = folder.path().join("prompts/en");
    std::fs::create_dir_all(&prompts).expect("a folder");
    // So long that the switch takes it for a mistake and does not play it.
    let mut bytes = std::fs::read(shipped.join("consent.wav")).expect("shipped");
    bytes.resize((16 << 20) + 44, 0);
    std::fs::write(prompts.join("consent.wav"), bytes).expect("written");
    let output = demo(&["--profiles", folder.path().to_str().expect("UTF-8")]);
    let (said, failed) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}{failed}");
    assert!(failed.starts_with("did not hold: the caller hears the consent prompt"), "{failed}");
    assert!(said.contains("✗ the caller hears the consent prompt") && said.contains("up to here:"));
}

//! The demo, as a new user runs it: everything it claims holds, and it leaves nothing behind.

use std::process::Command;

#[test]
fn the_demo_holds_and_says_so() {
    let place = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_tonspur"))
        .args(["demo", "--json"])
        .env("TMPDIR", place.path())
        .output()
        .expect("the demo runs");
    let (said, wrong) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {said}{wrong}", output.status);
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["recording"]["state"], "sealed");
    assert_eq!(said["recording"]["agent"], "anna");
    assert_eq!(said["tombstone"]["state"], "purged");
    assert!(said["tombstone"]["agent"].is_null());
    assert!(said["held"].as_array().is_some_and(|held| held.len() >= 15), "{}", said["held"]);
    let left = std::fs::read_dir(place.path()).expect("a folder").count();
    assert_eq!(left, 0, "the demo clears up");
}

//! The switch in the hands of an admin: its log goes nowhere, its files are mistyped, its terminal is closed.

use std::fs::{self, File};
use std::time::Duration;

use rusqlite::OpenFlags;

use crate::switch::Switch;
use crate::wait_for;

#[test]
fn a_log_that_cannot_be_written_stops_neither_the_switch_nor_a_command() {
    let mut switch = Switch::start();
    assert!(switch.terminate().success());
    switch.launch_logging_to(File::options().write(true).open("/dev/full").expect("Linux"));
    let hangup = switch.cli(&["call", "hangup", "000000000001"]);
    assert_eq!(hangup.status.code(), Some(3));
    assert_eq!(switch.to_full(&["call", "hangup", "000000000001"]), Some(3));
    assert_eq!(switch.to_full(&["call", "list"]), Some(8));
    assert!(switch.terminate().success());
}

#[test]
fn a_terminal_that_is_closed_stops_the_switch_in_order() {
    let mut switch = Switch::start();
    assert!(switch.terminate().success());
    switch.launch_in_a_terminal();
    switch.kill();
    wait_for("the switch ends", Duration::from_secs(10), || {
        switch.log().contains("event=stopped").then_some(())
    });
}

#[test]
fn a_hangup_by_somebody_who_is_there_reads_certificates_again() {
    let switch = Switch::start();
    switch.signal("HUP");
    wait_for("the certificates are read", Duration::from_secs(10), || {
        switch.log().contains("event=certificates_reloaded").then_some(())
    });
    assert!(switch.cli(&["certificate", "show"]).status.success());
}

#[test]
fn a_mistake_in_a_file_locks_no_admin_out() {
    let switch = Switch::start();
    fs::write(switch.profiles().join("routes/20-half.toml"), "caller = \"usres\"\nnumber")
        .expect("written");
    fs::write(switch.profiles().join("switch.toml"), "domian = \"x\"\nlanguage = 7\n")
        .expect("written");
    assert_eq!(switch.cli(&["config", "check"]).status.code(), Some(5));
    assert!(switch.cli(&["call", "list"]).status.success());
    assert_eq!(switch.cli(&["call", "hangup", "000000000001"]).status.code(), Some(3));
    let hold = ["recording", "legal-hold", "000000000001", "--reason", "case 7"];
    assert_eq!(switch.cli(&hold).status.code(), Some(3));
}

#[test]
fn without_a_switch_the_store_answers_and_mistakes_have_their_exit_codes() {
    let mut switch = Switch::start();
    assert!(switch.terminate().success());
    let code = |arguments: &[&str]| switch.cli(arguments).status.code();
    assert_eq!(code(&["call", "list"]), Some(4));
    assert_eq!(code(&["serve", "--log", "wran"]), Some(2));
    assert_eq!(code(&["retention", "status"]), Some(0));
    assert_eq!(code(&["retention", "run", "--accept-clock"]), Some(0));
    let status = switch.json(&["retention", "status"]);
    assert!(status["ran"].is_string() && status["blocked"].is_null(), "{status}");
    assert_eq!(code(&["recording", "list", "--state", "purged"]), Some(0));
    assert_eq!(code(&["recording", "list", "--state", "gone"]), Some(2));
    assert_eq!(code(&["recording", "check", "--digest"]), Some(0));
    assert_eq!(code(&["user", "remove", "1001", "--dry-run"]), Some(1));

    let internal = switch.profiles().join("internal.toml");
    let bind = fs::read_to_string(&internal).expect("read");
    fs::write(internal, bind + "rtp = { bind = \"192.0.2.1\" }\n").expect("written");
    let refused = switch.cli(&["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(7), "{said}");
    assert!(said.contains("cannot bind RTP to 192.0.2.1"), "{said}");
}

#[test]
fn a_retention_run_that_the_database_does_not_take_answers_in_bounded_time_with_why() {
    let mut switch = Switch::start();
    let database = switch.database(OpenFlags::SQLITE_OPEN_READ_WRITE);
    database.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let refused = switch.cli(&["retention", "run"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.starts_with("not stored because database is locked"), "{said}");
    let status = switch.json(&["retention", "status"]);
    assert_eq!(status["trouble"], "database is locked");
    database.execute_batch("ROLLBACK").expect("free");
    assert!(switch.cli(&["retention", "run"]).status.success());
    assert!(switch.terminate().success());
}

#[test]
fn a_call_that_has_ended_is_not_called_unknown() {
    let switch = Switch::start();
    let database = switch.database(OpenFlags::SQLITE_OPEN_READ_WRITE);
    database
        .execute_batch(
            "INSERT INTO calls (id, direction, caller, callee, started, ended, end_cause, recording)
             VALUES ('00000000001a', 'inbound', '1', '2', 0, 1, 'caller hung up', '00000000001b');
             INSERT INTO recordings (id, call, path, policy, keep_us, armed_at, failed_at, cause)
             VALUES ('00000000001b', '00000000001a', 'a.wav', 'short', 1, 0, 1, 'the disk is full');",
        )
        .expect("written");
    let hangup = switch.cli(&["call", "hangup", "00000000001A"]);
    let said = String::from_utf8_lossy(&hangup.stderr).into_owned();
    assert_eq!(
        (hangup.status.code(), said.trim()),
        (Some(3), "call 00000000001a has ended already")
    );
    let shown = switch.json(&["call", "show", "00000000001a"]);
    let row = &shown["calls"][0];
    assert_eq!(
        (&row["recording_state"], &row["recording_cause"]),
        (&"failed".into(), &"the disk is full".into())
    );
}

#[test]
fn a_folder_of_others_is_not_taken_over() {
    use std::os::unix::fs::PermissionsExt;

    let mut switch = Switch::start();
    assert!(switch.terminate().success());
    let shared = switch.folder().join("shared");
    fs::create_dir(&shared).expect("created");
    fs::write(shared.join("letter.txt"), "dear").expect("written");
    fs::set_permissions(&shared, PermissionsExt::from_mode(0o755)).expect("set");
    let node = switch.profiles().join("switch.toml");
    let text = fs::read_to_string(&node).expect("read");
    for key in ["recordings", "state"] {
        fs::write(&node, format!("{key} = \"../shared\"\n{text}")).expect("written");
        let refused = switch.cli(&["serve"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(8), "{said}");
        assert!(said.contains("chmod 0700 /") && said.contains("/shared"), "{said}");
    }
    let mode = fs::metadata(&shared).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

//! The switch in the hands of an admin: its log goes nowhere, its files are mistyped, its terminal is closed.

use std::fs::{self, File};

use crate::switch::Switch;

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
    assert!(switch.end_by("HUP").success());
    assert!(switch.log().contains("event=stopped"), "{}", switch.log());
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

//! `kill -9` under load: what was said is on the disk, and the next start puts the books in order.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::sipp::{Sipp, free_port, tone_file};
use crate::switch::{PASSWORD, Switch};
use crate::{audio, machine_alone, wait_for};

const CALLS: usize = 50;
const ROWS: i64 = CALLS as i64;

#[test]
fn a_killed_switch_loses_at_most_200_ms_of_each_of_50_recordings() {
    let _alone = machine_alone();
    let mut switch = Switch::start();
    let phones = free_port(switch.address);
    let internal = SocketAddr::new(switch.address.into(), 5060);
    let contact = phones.port().to_string();
    let mut registration = Sipp::run(
        switch.folder(),
        "register",
        free_port(switch.address),
        internal,
        &[
            "-m",
            "1",
            "-s",
            "1001",
            "-au",
            "1001",
            "-ap",
            PASSWORD,
            // SIPp signs its target unless told otherwise, phones the Request-URI.
            "-auth_uri",
            "real.test",
            "-key",
            "contact_port",
            &contact,
        ],
    );
    registration.succeeds(Duration::from_secs(10));

    tone_file(switch.folder(), 440.0);
    let _phone = Sipp::run(switch.folder(), "phone", phones, internal, &[]);
    tone_file(switch.folder(), 1000.0);
    let _carrier = Sipp::run(
        switch.folder(),
        "talker",
        free_port(switch.carrier),
        SocketAddr::new(switch.address.into(), 5080),
        &["-m", &CALLS.to_string(), "-l", &CALLS.to_string(), "-r", "25", "-s", "+4930555010"],
    );
    let begun = wait_for("50 recordings have 2 s", Duration::from_secs(40), || {
        let parts = switch.files(".part");
        (parts.len() == CALLS
            && parts.iter().all(|part| part.metadata().is_ok_and(|part| part.len() > 64_000)))
        .then_some(parts)
    });
    let killed =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    switch.kill();

    // Before any restart, read by others.
    let history = switch.history();
    let mut late = Vec::new();
    for part in &begun {
        let name = part.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let id = name.trim_end_matches(".wav.part").rsplit('_').next().expect("an id").to_owned();
        let (bridged, failed): (i64, Option<String>) = history
            .query_row("SELECT c.bridged, r.cause FROM calls c JOIN recordings r ON r.call = c.id WHERE r.id = ?1", [&id], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap_or_else(|wrong| panic!("{id} has a row: {wrong}"));
        assert_eq!(failed, None);
        let seconds = opened_by_python(part);
        let [left, _] = audio::sides(part);
        assert!(
            (left.len() as f64 / 8000.0 - seconds).abs() < 0.001,
            "sox and Python agree on {name}"
        );
        let missing = killed - bridged as f64 / 1e6 - seconds;
        if missing > 0.2 {
            late.push(format!("{name}: {:.0} ms missing", missing * 1000.0));
        }
    }
    assert!(late.is_empty(), "{late:#?}");
    drop(history);

    switch.launch();
    assert!(switch.files(".part").is_empty(), "every file is finished");
    assert_eq!(switch.files(".wav").len(), CALLS);
    let history = switch.history();
    let count =
        |query: &str| history.query_row(query, [], |row| row.get::<_, i64>(0)).expect("a count");
    assert_eq!(count("SELECT count(*) FROM calls WHERE end_cause = 'interrupted'"), ROWS);
    assert_eq!(
        count("SELECT count(*) FROM recordings WHERE sha256 IS NOT NULL AND sealed_at IS NOT NULL"),
        ROWS
    );
    for wav in switch.files(".wav") {
        let name = wav
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name")
            .trim_end_matches(".wav")
            .to_owned();
        let id = name.rsplit('_').next().expect("an id");
        let kept: String = history
            .query_row("SELECT sha256 FROM recordings WHERE id = ?1", [id], |row| row.get(0))
            .expect("a row");
        let sum = Command::new("sha256sum").arg(&wav).output().expect("sha256sum runs");
        assert!(
            String::from_utf8_lossy(&sum.stdout).starts_with(&kept),
            "{name}: row and file agree"
        );
    }
    assert!(switch.terminate().success());
}

/// Its length in seconds, by Python's wave module.
fn opened_by_python(path: &std::path::Path) -> f64 {
    let script = "import sys, wave\nw = wave.open(sys.argv[1])\nassert w.getnchannels() == 2 and w.getsampwidth() == 2\nprint(w.getnframes() / w.getframerate())";
    let output =
        Command::new("python3").args(["-c", script]).arg(path).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number")
}

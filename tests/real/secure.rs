//! TLS with the shipped binary: a phone that may use nothing else, a call to it, and a certificate that is renewed meanwhile.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, SanType};

use crate::baresip::Baresip;
use crate::sipp::{Sipp, free_port};
use crate::switch::Switch;
use crate::wait_for;

/// Puts a certificate of its own word for `name` where the switch looks for it.
fn issue(switch: &Switch, name: &str) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().expect("ASCII"))];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let folder = switch.profiles().join("tls");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("pbx.pem"), certificate.pem()).expect("written");
    fs::write(folder.join("pbx.key"), key.serialize_pem()).expect("written");
    fs::set_permissions(folder.join("pbx.key"), Permissions::from_mode(0o644)).expect("set");
}

#[test]
fn a_phone_of_tls_alone_is_called_by_its_connection_while_certificates_change() {
    let mut switch = Switch::start();
    assert!(switch.terminate().success());
    issue(&switch, "first.example");
    let profiles = switch.profiles();
    let tls = "[tls]\ncertificate = \"tls/pbx.pem\"\nkey = \"tls/pbx.key\"\n";
    let internal = format!("bind = \"{}:5060\"\n{tls}", switch.address);
    fs::write(profiles.join("internal.toml"), internal).expect("written");
    let anna = fs::read_to_string(profiles.join("users/1001.toml")).expect("a user");
    let anna = format!("transport = \"tls\"\n{anna}");
    fs::write(profiles.join("users/1001.toml"), anna).expect("written");
    switch.launch();

    let address = SocketAddr::new(switch.address.into(), 5061);
    let mut anna = Baresip::start_over("tls", switch.folder(), "1001", address, 440.0);
    let row = wait_for("anna's phone is registered", Duration::from_secs(20), || {
        let rows = switch.json(&["registration", "list"]);
        let row = rows["registrations"].get(0)?.clone();
        (row["aor"] == "1001").then_some(row)
    });
    assert_eq!(row["transport"], "tls");

    issue(&switch, "second.example");
    let renewed = switch.json(&["certificate", "reload"]);
    assert_eq!(renewed["certificates"][0]["names"][0], "second.example");
    let warnings = renewed["warnings"].to_string();
    assert!(warnings.contains("others may read the key (mode 0644): chmod 0600"), "{warnings}");
    fs::write(profiles.join("tls/pbx.key"), "no key").expect("written");
    assert_eq!(switch.cli(&["certificate", "reload"]).status.code(), Some(1));
    let shown = switch.json(&["certificate", "show"]);
    assert_eq!(shown["certificates"][0]["names"][0], "second.example");

    let mut carrier = Sipp::run(
        switch.folder(),
        "caller",
        free_port(switch.carrier),
        SocketAddr::new(switch.address.into(), 5080),
        &["-m", "1", "-s", "+4930555010", "-key", "voice_port", "9"],
    );
    anna.expect("CALL_ESTABLISHED");
    anna.command("hangup");
    carrier.succeeds(Duration::from_secs(10));
    assert!(!switch.log().contains("PRIVATE KEY"), "no key in the log");
}

//! A carrier of two gateways, the first of which says nothing.

use std::net::UdpSocket;
use std::time::Duration;

use crate::sipp::{Sipp, free_port};
use crate::switch::{Switch, addresses, node};

const SOON: Duration = Duration::from_secs(10);

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The calls that came to a socket which answers none, by their Call-IDs.
fn calls(silent: &UdpSocket) -> Vec<String> {
    silent.set_nonblocking(true).expect("a socket");
    let mut bytes = [0; 4_096];
    let mut found = Vec::new();
    while let Ok(length) = silent.recv(&mut bytes) {
        let text = String::from_utf8_lossy(&bytes[..length]);
        let line = text.lines().find(|line| line.starts_with("Call-ID:"));
        found.extend(line.filter(|_| text.starts_with("INVITE ")).map(str::to_owned));
    }
    found.dedup();
    found
}

#[test]
fn a_silent_gateway_costs_three_seconds_once_and_is_tried_last_from_then_on() {
    let [address, carrier] = addresses();
    let silent = UdpSocket::bind((carrier, 0)).expect("a socket");
    let (first, second) = (silent.local_addr().expect("its address"), free_port(carrier));
    let gateway = |at| format!("[[gateway]]\naddress = \"{at}\"\ncaller_id = \"+4930555010\"\n");
    let profiles = [
        ("switch.toml", node("country = \"DE\"\n")),
        ("trunks/out.toml", gateway(first) + &gateway(second)),
        (
            "routes/80-out.toml",
            "caller = \"users\"\nnumber = \"+4930*\"\nto = { trunk = \"out\" }\n".to_owned(),
        ),
    ];
    let switch = Switch::start_at([address, carrier], &profiles);
    for _ in 0..2 {
        let mut server = Sipp::serves(&switch, "answerer", second);
        Sipp::dials(&switch, "030555990", "dialler").succeeds(SOON);
        server.succeeds(SOON);
    }
    let trunks = switch.json(&["trunk", "status", "out"]);
    let gateways = &trunks["trunks"][0]["gateways"];
    let states = [0, 1].map(|place: usize| gateways[place]["targets"][0]["state"].clone());
    assert_eq!(states, ["down", "up"], "{trunks}");
    switch.past(2);
    let [first, second] = switch.rang()[..] else { panic!("two calls") };
    assert!((ms(2_900)..ms(5_000)).contains(&first), "{first:?}");
    assert!(second < ms(1_000), "{second:?}");
    assert_eq!(calls(&silent).len(), 1);
}

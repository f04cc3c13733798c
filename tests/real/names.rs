//! A carrier whose gateway is a name: a DNS server that answers, and one that does not.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::dns::{self, A, NAPTR, SRV, naptr, record, srv};
use crate::sipp::{Sipp, free_port};
use crate::switch::{Switch, addresses, colleague, node};
use crate::wait_for;

const SOON: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// A DNS server, and what it has been asked.
struct Dns {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

/// What is known of one name: the name, the kind, the record.
type Known = (String, u16, Vec<u8>);

impl Dns {
    /// Knows these, and that there is nothing else.
    fn knowing(address: Ipv4Addr, records: Vec<Known>) -> Dns {
        Dns::start(address, Some(records))
    }

    /// Hears every question, and answers none.
    fn silent(address: Ipv4Addr) -> Dns {
        Dns::start(address, None)
    }

    fn start(address: Ipv4Addr, records: Option<Vec<Known>>) -> Dns {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        let address = dns::server(address.into(), move |owner, kind| {
            told.lock().expect("nobody panics with it").push((owner.to_owned(), kind));
            let meant =
                records.iter().flatten().filter(|known| (&*known.0, known.1) == (owner, kind));
            records.as_ref().map(|_| (0, meant.map(|known| known.2.clone()).collect()))
        });
        Dns { address, asked }
    }

    /// Whether it was asked that.
    fn was_asked(&self, name: &str, kind: u16) -> bool {
        self.asked.lock().expect("nobody panics with it").contains(&(name.to_owned(), kind))
    }
}

#[test]
fn of_the_servers_that_dns_names_the_second_has_the_call_where_the_first_does_not_serve() {
    let [address, carrier] = addresses();
    let silent = UdpSocket::bind((carrier, 0)).expect("a socket");
    let [closed, overloaded, second] = [(); 3].map(|()| free_port(carrier));
    let firsts = [
        ("closed", closed, "down"),
        ("overloaded", overloaded, "overloaded"),
        ("silent", silent.local_addr().expect("its address"), "down"),
    ];
    let mut records = vec![
        ("closed.test".to_owned(), NAPTR, naptr("closed.test", "_sip._udp.closed.test")),
        ("first.test".to_owned(), A, record("first.test", A, 60, &carrier.octets())),
        ("second.test".to_owned(), A, record("second.test", A, 60, &carrier.octets())),
    ];
    for (name, first, _) in firsts {
        let owner = format!("_sip._udp.{name}.test");
        for (priority, port, target) in
            [(20, second.port(), "second.test"), (10, first.port(), "first.test")]
        {
            let server = srv(&owner, [priority, 0, port], target);
            records.push((owner.clone(), SRV, server));
        }
    }
    let dns = Dns::knowing(carrier, records);
    let trunk =
        |name| format!("[gateway]\naddress = \"{name}.test\"\ncaller_id = \"+4930555010\"\n");
    let route = |digit, name| {
        let number = format!("+493055599{digit}");
        format!("caller = \"users\"\nnumber = \"{number}\"\nto = {{ trunk = \"{name}\" }}\n")
    };
    let about = format!("country = \"DE\"\ndns = {{ servers = [\"{}\"] }}\n", dns.address);
    let profiles = [
        ("switch.toml", node(&about)),
        ("trunks/closed.toml", trunk("closed")),
        ("trunks/overloaded.toml", trunk("overloaded")),
        ("trunks/silent.toml", trunk("silent")),
        ("routes/80-closed.toml", route(0, "closed")),
        ("routes/81-overloaded.toml", route(1, "overloaded")),
        ("routes/82-silent.toml", route(2, "silent")),
    ];
    let switch = Switch::start_at([address, carrier], &profiles);
    let mut full = Sipp::serves(&switch, "overloaded", overloaded);
    for (digit, (name, _, state)) in firsts.into_iter().enumerate() {
        let mut server = Sipp::serves(&switch, "answerer", second);
        Sipp::dials(&switch, &format!("03055599{digit}"), "dialler").succeeds(SOON);
        server.succeeds(SOON);
        let trunks = switch.json(&["trunk", "status", name]);
        let targets = &trunks["trunks"][0]["gateways"][0]["targets"];
        let states = [0, 1].map(|place: usize| targets[place]["state"].clone());
        assert_eq!(states, [state, "up"], "{trunks}");
    }
    full.succeeds(SOON);
    assert!(dns.was_asked("_sip._udp.silent.test", SRV));
    switch.past(3);
    let [closed, overloaded, silent] = switch.rang()[..] else { panic!("three calls") };
    assert!(closed < SECOND && overloaded < SECOND, "{closed:?}, {overloaded:?}");
    assert!(silent > 2 * SECOND && silent < 5 * SECOND, "{silent:?}");
}

#[test]
fn a_dns_that_says_nothing_delays_no_call_between_two_phones() {
    let [address, carrier] = addresses();
    let dns = Dns::silent(carrier);
    let about = format!(
        "country = \"DE\"\ndns = {{ servers = [\"{}\"], timeout = \"10s\" }}\n",
        dns.address
    );
    let trunk = "[gateway]\naddress = \"sip.carrier.test\"\n".to_owned();
    let route = "caller = \"users\"\nnumber = \"+4930*\"\nto = { trunk = \"named\" }\n".to_owned();
    let own = [
        ("switch.toml", node(&about)),
        ("trunks/named.toml", trunk),
        ("routes/80-named.toml", route),
    ];
    let profiles: Vec<_> = own.into_iter().chain(colleague()).collect();
    let switch = Switch::start_at([address, carrier], &profiles);
    let mut ben = Sipp::phone(&switch, "1002", "answerer", &["-m", "1", "-key", "voice_port", "9"]);
    let mut waits = Sipp::dials(&switch, "030555990", "unserved");
    wait_for("a call waits for DNS", SOON, || {
        (switch.json(&["call", "list"])["calls"][0]["route"] == "80-named").then_some(())
    });
    let dialled = Instant::now();
    Sipp::dials(&switch, "1002", "dialler").succeeds(SOON);
    let whole = dialled.elapsed();
    assert!(whole < 2 * SECOND, "{whole:?}");
    ben.succeeds(SOON);
    let trunks = switch.json(&["trunk", "status", "named"]);
    let trouble = &trunks["trunks"][0]["gateways"][0]["trouble"];
    assert_eq!(trouble, "its name is being looked up");
    waits.succeeds(SOON);
    let [outward, inside] = &switch.past(2)[..] else { panic!("two calls") };
    assert_eq!((&outward["status"], &inside["to"]), (&json!(500), &json!("1002")));
    let [rang] = switch.rang()[..] else { panic!("one was answered") };
    assert!(rang < SECOND, "{rang:?}");
    assert!(dns.was_asked("sip.carrier.test", NAPTR));
}

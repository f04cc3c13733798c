//! 302 with SIPp at the other end: a phone that diverts to a colleague, a carrier's server that leads on to another number.

use std::time::Duration;

use serde_json::json;

use crate::sipp::{Sipp, free_port};
use crate::switch::{Switch, addresses, colleague, node};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_phone_that_diverts_to_a_colleague_is_followed() {
    let switch = Switch::start_at(addresses(), &colleague());
    let mut anna = Sipp::phone(&switch, "1001", "diverting", &["-m", "1"]);
    let mut ben = Sipp::phone(&switch, "1002", "diverted", &["-m", "1", "-key", "voice_port", "9"]);
    let mut customer = Sipp::calls(&switch, "caller", &["-key", "voice_port", "9"]);
    let call = switch.conversation();
    anna.succeeds(SOON);
    let id = call["call"].as_str().expect("an id");
    assert!(switch.cli(&["call", "hangup", id]).status.success());
    ben.succeeds(SOON);
    customer.succeeds(SOON);
    let [call] = &switch.past(1)[..] else { panic!("one call") };
    assert_eq!((&call["to"], &call["agent"]), (&json!("+4930555010"), &json!("1002")));
    assert_eq!(call["end_cause"], "hung up by an admin");
}

#[test]
fn a_carrier_that_names_another_number_is_followed_where_its_trunk_says_so() {
    let [address, carrier] = addresses();
    let [north, west, south] = [(); 3].map(|()| free_port(carrier));
    let trunk = |redirects: &str, gateway| {
        format!("{redirects}\n[gateway]\naddress = \"{gateway}\"\ncaller_id = \"+4930555010\"\n")
    };
    let route = |number: &str, trunk: &str| {
        format!("caller = \"users\"\nnumber = \"{number}\"\nto = {{ trunk = \"{trunk}\" }}\n")
    };
    let profiles = [
        ("switch.toml", node("country = \"DE\"\n")),
        ("trunks/northward.toml", trunk("redirects = \"follow\"", north)),
        ("trunks/west.toml", trunk("", west)),
        ("trunks/south.toml", trunk("", south)),
        ("routes/80-northward.toml", route("+4930555990", "northward")),
        ("routes/81-west.toml", route("+4930555991", "west")),
        ("routes/82-south.toml", route("+4930555992", "south")),
    ];
    let switch = Switch::start_at([address, carrier], &profiles);
    let mut leads = [north, west].map(|at| Sipp::serves(&switch, "leading", at));
    let mut south = Sipp::serves(&switch, "answerer", south);

    Sipp::dials(&switch, "030555990", "dialler").succeeds(SOON);
    south.succeeds(SOON);
    let [followed] = &switch.past(1)[..] else { panic!("one call") };
    assert_eq!((&followed["to"], &followed["trunk"]), (&json!("+4930555990"), &json!("south")));
    assert!(followed["answered"].is_string(), "{followed}");

    // A second one would not be answered in the south, and does not get there.
    Sipp::dials(&switch, "030555991", "unserved").succeeds(SOON);
    let [_, refused] = &switch.past(2)[..] else { panic!("two calls") };
    assert_eq!((&refused["trunk"], &refused["status"]), (&json!("west"), &json!(480)));
    for server in &mut leads {
        server.succeeds(SOON);
    }
}

//! REFER with SIPp at the other end: Anna's phone gives its caller to a colleague, blind and attended, and the two talk on.

use std::time::Duration;

use crate::caller::Voice;
use crate::sipp::Sipp;
use crate::switch::{PASSWORD, Switch, addresses, colleague};
use crate::{audio, wait_for};

const SOON: Duration = Duration::from_secs(10);
const CUSTOMER: f64 = 1000.0;
const BEN: f64 = 440.0;

/// The customer's call by one scenario, which Anna's phone gives to Ben by another; then they talk, until the call is ended by the
/// command line. Gives the calls of the past.
fn given(caller: &str, anna: &str, calls: usize) -> Vec<serde_json::Value> {
    let switch = Switch::start_at(addresses(), &colleague());
    let (voice, bens) = (Voice::new(switch.carrier, CUSTOMER), Voice::new(switch.address, BEN));
    let [port, bens_port] = [&voice, &bens].map(|voice| voice.address.port().to_string());
    let who = ["-m", "1", "-au", "1001", "-ap", PASSWORD, "-auth_uri", "1002@real.test"];
    let mut anna = Sipp::phone(&switch, "1001", anna, &who);
    let mut ben =
        Sipp::phone(&switch, "1002", "answerer", &["-m", "1", "-key", "voice_port", &bens_port]);
    let mut customer = Sipp::calls(&switch, caller, &["-key", "voice_port", &port]);
    anna.succeeds(SOON);
    voice.hears(BEN);
    bens.hears(CUSTOMER);
    let call = switch.conversation();
    let id = call["call"].as_str().expect("an id");
    assert!(switch.cli(&["call", "hangup", id]).status.success());
    customer.succeeds(SOON);
    ben.succeeds(SOON);
    // Ben has no agreement on file: the recording goes on, and nothing of what he says is in it.
    let wav = wait_for("the recording is sealed", SOON, || switch.files(".wav").pop());
    let [_, ours] = audio::sides(&wav);
    assert!(ours.len() > audio::RATE / 4, "{} samples", ours.len());
    assert!(audio::amplitude(&ours, BEN) < 100.0);
    switch.past(calls)
}

#[test]
fn a_phone_that_refers_its_caller_to_a_colleague_is_told_how_it_goes_and_they_talk_on() {
    let [call] = &given("caller", "blind", 1)[..] else { panic!("one call") };
    assert_eq!(call["transferred_to"], "1002");
}

#[test]
fn two_calls_of_a_phone_become_one_by_replaces_and_the_customer_is_off_hold() {
    let [call, consultation] = &given("held", "attended", 2)[..] else { panic!("two calls") };
    assert_eq!(call["transferred_to"], "1002");
    assert_eq!(consultation["end_cause"], "transferred");
    assert_eq!(consultation["merged_into"], call["call"]);
}

//! The recorded call, with real phones: what each side said lies on its channel, when it was said.

use std::net::SocketAddr;
use std::time::Duration;

use crate::baresip::Baresip;
use crate::caller::Voice;
use crate::sipp::{Sipp, free_port};
use crate::switch::Switch;
use crate::{audio, machine_alone, wait_for};

const CUSTOMER: f64 = 1000.0;
const AGENT: f64 = 440.0;

#[test]
fn each_side_is_recorded_on_its_channel_within_20_ms_of_when_it_spoke() {
    let _alone = machine_alone();
    let switch = Switch::start();
    let mut anna = Baresip::start(
        switch.folder(),
        "1001",
        SocketAddr::new(switch.address.into(), 5060),
        AGENT,
    );
    wait_for("anna's phone is registered", Duration::from_secs(20), || {
        (switch.json(&["registration", "list"])["registrations"][0]["aor"] == "1001").then_some(())
    });

    let voice = Voice::new(switch.carrier, CUSTOMER);
    let media_port = voice.address.port().to_string();
    let mut carrier = Sipp::run(
        switch.folder(),
        "caller",
        free_port(switch.carrier),
        SocketAddr::new(switch.address.into(), 5080),
        &["-m", "1", "-s", "+4930555010", "-key", "voice_port", &media_port],
    );
    anna.expect("CALL_ESTABLISHED");
    // Long enough for three bursts.
    let talked = std::time::Instant::now() + Duration::from_secs(7);
    wait_for("they have talked", Duration::from_secs(10), || {
        (std::time::Instant::now() > talked).then_some(())
    });
    anna.command("hangup");
    carrier.succeeds(Duration::from_secs(10));
    let heard = voice.stop();

    let wav =
        wait_for("the recording is sealed", Duration::from_secs(10), || switch.files(".wav").pop());
    let bridged: f64 = wait_for("the call is in the books", Duration::from_secs(5), || {
        let history = switch.history();
        let micros: i64 = history
            .query_row("SELECT bridged FROM calls WHERE ended IS NOT NULL", [], |row| row.get(0))
            .ok()?;
        Some(micros as f64 / 1e6)
    });
    let [left, right] = audio::sides(&wav);
    assert!(left.len() > 6 * audio::RATE, "{} samples", left.len());
    assert_eq!(left.len(), right.len());

    let close = |found: Vec<f64>, expected: Vec<f64>, who: &str| {
        let expected: Vec<f64> =
            expected.into_iter().map(|at| at - bridged).filter(|at| *at > 0.6).collect();
        assert!(found.len() >= 2, "{who}: found {found:?}, expected {expected:?}");
        for at in &found {
            let nearest = expected
                .iter()
                .map(|expected| at - expected)
                .min_by(|a, b| a.abs().total_cmp(&b.abs()));
            let off = nearest.expect("something was said");
            assert!(
                off.abs() <= 0.020,
                "{who}: {:.1} ms off; found {found:?}, expected {expected:?}",
                off * 1000.0
            );
        }
    };
    close(audio::onsets(&left, CUSTOMER), heard.said.clone(), "the customer");
    close(audio::onsets(&right, AGENT), heard.onsets(AGENT), "the agent");
    for (side, other, who) in [(&left, AGENT, "the customer's"), (&right, CUSTOMER, "the agent's")]
    {
        assert!(
            audio::amplitude(&side[audio::RATE..6 * audio::RATE], other) < 100.0,
            "{who} channel holds the other side"
        );
    }
}

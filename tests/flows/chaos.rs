//! A thousand calls in weather, and some with a crash: whatever is lost, doubled or late, nothing is left behind.

use crate::lab::{Lab, Weather, ms, secs};

const SUPPORT: &str = "+4930555010";

/// One call in bad weather; what people do follows from the seed, and the lab checks that it ends at rest.
fn storm(seed: u64) {
    let lab = Lab::seeded(seed);
    let bob = lab.agent("bob").answers_after(ms(100 * (seed % 40)));
    let caller = lab.carrier("north").polite();
    lab.weather(Weather { loss: 5 + seed % 15, twice: 10, late: 20 });
    caller.invites(SUPPORT);
    lab.advance(ms(500 + 137 * (seed % 61)));
    match seed % 7 {
        0 => _ = caller.cancels(),
        1 => _ = caller.presses('2'),
        2 => {}
        _ => _ = caller.presses('1'),
    }
    lab.advance(ms(1_000 + 211 * (seed % 43)));
    if seed.is_multiple_of(5) {
        _ = if seed.is_multiple_of(2) {
            caller.reinvites("sendonly")
        } else {
            bob.reinvites("inactive")
        };
        lab.advance(ms(700));
    }
    if seed.is_multiple_of(11) {
        lab.crashes();
    }
    _ = if seed.is_multiple_of(3) { bob.says_bye() } else { caller.says_bye() };
    lab.advance(secs(40));
    lab.weather(Weather::FINE);
    // Who never heard of the end is told once more.
    caller.says_bye();
    bob.says_bye();
    lab.settles();
    for recording in lab.recordings() {
        assert_eq!(recording.left.len(), recording.right.len(), "seed {seed}");
    }
    assert!(lab.cdrs().len() <= 1, "seed {seed}: one INVITE is one call");
}

#[test]
fn calls_in_bad_weather_leave_nothing_behind_part_one() {
    (1..=334).for_each(storm);
}

#[test]
fn calls_in_bad_weather_leave_nothing_behind_part_two() {
    (335..=667).for_each(storm);
}

#[test]
fn calls_in_bad_weather_leave_nothing_behind_part_three() {
    (668..=1_000).for_each(storm);
}

//! Ten thousand runs in bad weather, each another story drawn from its seed: whatever is lost, doubled, late or killed, nothing is
//! left behind and every promise is kept (the lab checks DESIGN's list after each).

mod act;
mod dice;
mod far;
mod story;
mod tally;

use story::Story;
use tally::Tally;

/// Seeds of a run of the tests: 1 and up. Another range on demand: `TONSPUR_SEEDS=10001-50000 cargo test --test flows stories`.
const SEEDS: (u64, u64) = (1, 10_000);
/// The seeds are told in so many parts, side by side.
const PARTS: u64 = 4;

/// The seeds that somebody asks for, or those of every run.
fn seeds() -> (u64, u64) {
    let Ok(asked) = std::env::var("TONSPUR_SEEDS") else { return SEEDS };
    let seed = |text: &str| text.parse().expect("a seed");
    let (first, last) = asked.split_once('-').expect("two seeds, such as 10001-50000");
    (seed(first), seed(last))
}

/// Every seed of which the remainder is `part`. What breaks a promise panics with its seed.
fn storms(part: u64) {
    let (first, last) = seeds();
    let mut tally = Tally::default();
    for seed in (first..=last).filter(|seed| seed % PARTS == part) {
        let mut story = Story::drawn(seed);
        story.told();
        story.ends();
        tally.count(&story);
    }
    // A few stories need not have everything in them.
    if last - first >= 1_000 {
        tally.assert_full();
    }
}

#[test]
fn stories_in_bad_weather_leave_nothing_behind_part_one() {
    storms(0);
}

#[test]
fn stories_in_bad_weather_leave_nothing_behind_part_two() {
    storms(1);
}

#[test]
fn stories_in_bad_weather_leave_nothing_behind_part_three() {
    storms(2);
}

#[test]
fn stories_in_bad_weather_leave_nothing_behind_part_four() {
    storms(3);
}

//! How well a direction of a leg can be understood: the E-model of ITU-T G.107, for G.711 and for what a receiver can know.

use std::time::Duration;

/// The rating of a perfect call with all other parameters at their defaults (G.107 table 2).
const BEST: f64 = 93.2;
/// How robust G.711 with concealment is against loss (G.113 appendix I: Bpl); its own impairment is none.
const ROBUSTNESS: f64 = 25.1;
/// From the microphone to the wire and back: a packet, and what the receiver holds back besides the jitter.
const PACKET: Duration = Duration::from_millis(20);

/// Mean opinion score, 1.0 to 4.5, of a direction that loses `lost` of `expected` packets at random, whose jitter a receiver makes
/// good by waiting twice as long, and whose round trip is known or not.
pub fn mos(lost: u64, expected: u64, jitter: Duration, round_trip: Option<Duration>) -> f64 {
    let loss =
        if expected == 0 { 0.0 } else { 100.0 * lost.min(expected) as f64 / expected as f64 };
    let lossy = 95.0 * loss / (loss + ROBUSTNESS);
    let delay = round_trip.unwrap_or_default() / 2 + 2 * jitter + PACKET;
    score(BEST - lossy - delayed(delay))
}

/// Idd: what absolute delay alone costs (G.107 equation 7-27).
fn delayed(delay: Duration) -> f64 {
    let millis = delay.as_secs_f64() * 1_000.0;
    if millis <= 100.0 {
        return 0.0;
    }
    let x = (millis / 100.0).log2();
    let sixth = |base: f64| (1.0 + base.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
}

/// From a rating to a score (G.107 annex B).
fn score(rating: f64) -> f64 {
    match rating {
        rating if rating <= 0.0 => 1.0,
        rating if rating >= 100.0 => 4.5,
        rating => {
            let score = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
            score.clamp(1.0, 4.5)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn near(score: f64, expected: f64) {
        assert!((score - expected).abs() < 0.02, "{score}, not {expected}");
    }

    #[test]
    fn scores_are_those_of_the_recommendation() {
        // G.107 annex B: R 93.2 is 4.41, R 50 is 2.58; appendix: 400 ms of delay cost 20 to 26 points.
        near(mos(0, 1_000, ms(0), None), 4.41);
        near(score(50.0), 2.58);
        near(score(-1.0), 1.0);
        near(score(101.0), 4.5);
        assert!((20.0..27.0).contains(&delayed(ms(400))), "{}", delayed(ms(400)));
        assert!(delayed(ms(100)) == 0.0 && delayed(ms(150)) < 2.0);
    }

    #[test]
    fn loss_jitter_and_distance_each_cost() {
        let good = mos(0, 1_000, ms(2), Some(ms(30)));
        let five = mos(50, 1_000, ms(2), Some(ms(30)));
        let twenty = mos(200, 1_000, ms(2), Some(ms(30)));
        assert!(good > 4.3 && (3.5..4.1).contains(&five) && twenty < 2.9, "{good} {five} {twenty}");
        assert!(mos(0, 1_000, ms(150), Some(ms(30))) < good - 0.3);
        assert!(mos(0, 1_000, ms(2), Some(ms(800))) < good - 0.5);
        near(mos(5, 0, ms(0), None), 4.41);
        near(mos(9, 3, ms(0), None), mos(3, 3, ms(0), None));
        assert!(mos(3, 3, ms(0), None) < 1.3, "nothing is understood");
    }
}

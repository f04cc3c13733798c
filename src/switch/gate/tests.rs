//! Guessers and floods at night, and the offices that they may not harm.

use super::*;

const OFFICE: &str = "192.0.2.66";

struct Night {
    gate: Gate,
    now: Instant,
}

impl Night {
    fn new() -> Night {
        Night { gate: Gate::default(), now: Instant::now() }
    }

    fn guesses(&mut self, source: &str, user: &str, phones: bool) -> Option<Duration> {
        let shut = self.gate.guessed(self.now, ip(source), user, || phones);
        shut.map(|shut| shut.span)
    }

    fn asks(&mut self, source: &str, phones: bool) -> Budget {
        self.gate.spend(self.now, ip(source), 1, || phones)
    }

    fn is_shut(&self, source: &str) -> bool {
        self.gate.is_shut(self.now, ip(source))
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn ten_wrong_passwords_shut_a_source_out_for_longer_each_time() {
    let mut night = Night::new();
    for minutes in [1, 2, 4, 8] {
        for guess in 0..9 {
            assert_eq!(night.guesses(OFFICE, &format!("{guess}"), false), None);
        }
        assert!(!night.is_shut(OFFICE));
        let span = Duration::from_secs(60 * minutes);
        assert_eq!(night.guesses(OFFICE, "9", false), Some(span));
        assert!(night.is_shut(OFFICE) && !night.is_shut("192.0.2.67"), "and nobody else");
        night.now += span;
        assert!(!night.is_shut(OFFICE));
    }
    night.now += PARDON + MEMORY;
    let spans = (0..10).filter_map(|_| night.guesses(OFFICE, "1", false));
    assert_eq!(spans.last(), Some(Duration::from_secs(60)), "a day later it begins anew");
}

#[test]
fn where_phones_are_registered_only_the_user_that_is_guessed_at_is_doubted() {
    let mut night = Night::new();
    let spans: Vec<Duration> =
        (0..10).filter_map(|_| night.guesses(OFFICE, "1001", true)).collect();
    assert_eq!(spans, [Duration::from_secs(60)]);
    let doubts = |night: &Night, source, user| night.gate.doubts_user(night.now, ip(source), user);
    assert!(!night.is_shut(OFFICE) && night.gate.doubts(ip(OFFICE)));
    assert!(doubts(&night, OFFICE, "1001") && !doubts(&night, OFFICE, "1002"));
    assert!(!doubts(&night, "198.51.100.7", "1001"), "elsewhere the user is welcome");
    // Going round the users does not help for ever.
    let tries = (0..100).take_while(|n| {
        night.guesses(OFFICE, &format!("user {n}"), true);
        !night.is_shut(OFFICE)
    });
    assert_eq!(tries.count(), 89);
    assert!(night.gate.rows(night.now).len() <= 1 + USERS);
}

#[test]
fn a_right_password_and_an_hour_without_a_wrong_one_are_forgotten() {
    let mut night = Night::new();
    for _ in 0..9 {
        night.guesses(OFFICE, "1001", true);
    }
    night.gate.proven(night.now, ip(OFFICE), "1001");
    assert_eq!(night.guesses(OFFICE, "1001", true), None);
    night.now += MEMORY * 4;
    for _ in 0..9 {
        assert_eq!(night.guesses(OFFICE, "1002", false), None);
    }
}

#[test]
fn a_flood_is_answered_in_bounds_and_then_not_at_all() {
    let mut night = Night::new();
    let answered = (0..10_000).filter(|_| night.asks(OFFICE, false) == Budget::Enough).count();
    assert_eq!(answered, BUDGET as usize);
    assert!(night.is_shut(OFFICE));
    night.now += Duration::from_secs(7_200);
    // From an office with phones it costs the budget alone.
    let answered = (0..1_000).filter(|_| night.asks(OFFICE, true) == Budget::Enough).count();
    assert_eq!(answered, BUDGET as usize);
    assert!(!night.is_shut(OFFICE));
    night.now += Duration::from_secs(2);
    let answered = (0..1_000).filter(|_| night.asks(OFFICE, true) == Budget::Enough).count();
    assert_eq!(answered, 2 * PER_SECOND as usize);
    // The silence is longer each time.
    let mut night = Night::new();
    for seconds in [10, 20, 40] {
        let span = (0..1_000).find_map(|_| match night.asks(OFFICE, false) {
            Budget::Shut(shut) => Some(shut.span),
            Budget::Enough | Budget::Spent => None,
        });
        assert_eq!(span, Some(Duration::from_secs(seconds)));
        night.now += Duration::from_secs(seconds);
    }
}

#[test]
fn an_office_of_phones_that_all_ask_at_once_is_answered() {
    let mut night = Night::new();
    for phone in 0..2_000 {
        assert_eq!(night.asks(OFFICE, false), Budget::Enough, "{phone}");
        night.gate.proven(night.now, ip(OFFICE), &phone.to_string());
    }
}

#[test]
fn sources_are_forgotten_in_order_and_whoever_is_shut_out_last() {
    let mut night = Night::new();
    for _ in 0..10 {
        night.guesses("2001:db8::1", "1001", false);
    }
    for n in 0..3 * SOURCES as u32 {
        night.asks(&std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string(), false);
        night.now += Duration::from_millis(1);
    }
    assert_eq!(night.gate.sources.len(), SOURCES);
    assert_eq!(night.gate.order.len(), SOURCES);
    assert!(night.is_shut("2001:db8::ffff"), "one network is one source");
    assert!(night.gate.lift(night.now, ip("2001:db8::2")));
    assert!(!night.is_shut("2001:db8::1") && !night.gate.lift(night.now, ip("2001:db8::1")));
    assert_eq!(night.gate.rows(night.now), []);
}

//! Who may call whom, how often and how long.

use std::sync::Arc;

use super::*;
use crate::switch::hours::{Hours, Span};
use crate::switch::office;
use crate::utc::Zone;

struct Clerk {
    settings: Settings,
    ledger: Ledger,
    now: Now,
    calls: u64,
}

impl Clerk {
    fn new(change: impl FnOnce(&mut Dialing)) -> Clerk {
        let mut settings = office::settings();
        change(Arc::make_mut(&mut settings.users.get_mut("1001").expect("a user").dialing));
        let now = office::morning(Instant::now());
        Clerk { settings, ledger: Ledger::default(), now, calls: 0 }
    }

    /// The next call of 1001.
    fn dials(&mut self, number: &str) -> Result<CallId, &'static str> {
        self.causes(&Party::User("1001".into()), number)
    }

    fn causes(&mut self, by: &Party, number: &str) -> Result<CallId, &'static str> {
        self.calls += 1;
        let call = CallId(self.calls);
        let number = self.settings.read(number);
        let admitted = self.ledger.admit(&self.settings, self.now, call, by, &number);
        admitted.map(|()| call).map_err(|refused| refused.why)
    }

    fn ends(&mut self, call: CallId, talked: Duration) {
        self.ledger.ended(self.now.instant, call, talked);
    }

    fn pass(&mut self, span: Duration) {
        self.now = office::later(self.now, span);
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn at_first_a_user_may_call_at_home_and_nowhere_else() {
    let mut clerk = Clerk::new(|_| {});
    for number in ["1002", "112", "110"] {
        assert!(clerk.dials(number).is_ok(), "{number}");
    }
    for number in ["030555010", "+4930555010", "+4915112345678", "116117", "08001234567"] {
        let call = clerk.dials(number).unwrap_or_else(|why| panic!("{number}: {why}"));
        clerk.ends(call, Duration::ZERO);
    }
    for (number, why) in [
        ("+37167222555", "international calls are not allowed"),
        ("0037167222555", "international calls are not allowed"),
        ("09001123456", "premium numbers are not allowed"),
        ("0900123456", "premium numbers are not allowed"),
        ("+49900112345678", "premium numbers are not allowed"),
        ("11833", "premium numbers are not allowed"),
        ("*31#09001123456", "premium numbers are not allowed"),
        ("+882101234567", "international calls are not allowed"),
    ] {
        assert_eq!(clerk.dials(number), Err(why), "{number}");
    }
    assert_eq!(clerk.ledger.running(), 0);
}

#[test]
fn abroad_is_open_to_the_countries_listed() {
    let mut clerk = Clerk::new(|dialing| {
        dialing.rights.push(Right::International);
        dialing.countries = Country::parse("AT").into_iter().collect();
    });
    assert!(clerk.dials("+43158858").is_ok());
    for number in ["+37167222555", "+88213300655"] {
        assert_eq!(clerk.dials(number), Err("calls to this country are not allowed"), "{number}");
    }
    for number in ["+43900123456", "+882101234567", "+999123"] {
        assert_eq!(clerk.dials(number), Err("premium numbers are not allowed"), "{number}");
    }
}

#[test]
fn a_trunk_dials_out_only_if_its_file_says_so() {
    let mut clerk = Clerk::new(|_| {});
    let north = Party::Trunk("north".into());
    for number in ["+4930555010", "1002"] {
        assert_eq!(clerk.causes(&north, number), Err("this caller may not dial out"));
    }
    assert_eq!(
        clerk.causes(&Party::User("1009".into()), "+4930555010"),
        Err("this caller may not dial out")
    );
    clerk.settings.trunks.get_mut("north").expect("a trunk").dialing = Some(Dialing::default());
    assert!(clerk.causes(&north, "+4930555010").is_ok());
}

#[test]
fn calls_at_once_and_in_an_hour_are_counted() {
    let mut clerk = Clerk::new(|dialing| {
        dialing.at_once = 2;
        dialing.calls_per_hour = 3;
    });
    let one = clerk.dials("+4930555010").expect("the first");
    clerk.dials("+4930555011").expect("the second");
    assert_eq!(clerk.dials("+4930555012"), Err("too many calls at once"));
    clerk.ends(one, MINUTE);
    clerk.pass(10 * MINUTE);
    let three = clerk.dials("+4930555012").expect("there is room again");
    clerk.ends(three, MINUTE);
    assert_eq!(clerk.dials("+4930555013"), Err("too many calls in an hour"));
    assert!(clerk.dials("112").is_ok(), "an emergency has no cap");
    assert!(clerk.dials("1002").is_ok(), "nor have calls inside");
    clerk.pass(50 * MINUTE);
    assert!(clerk.dials("+4930555013").is_ok(), "the first two are an hour old");
}

#[test]
fn minutes_are_counted_over_a_day_those_of_calls_that_are_up_too() {
    let mut clerk = Clerk::new(|dialing| dialing.minutes_per_day = 60);
    let call = clerk.dials("+4930555010").expect("a call");
    clerk.pass(61 * MINUTE);
    assert_eq!(clerk.dials("+4930555011"), Err("too many minutes in a day"));
    clerk.ends(call, 59 * MINUTE);
    let call = clerk.dials("+4930555011").expect("it was not all talk");
    clerk.ends(call, MINUTE);
    assert_eq!(clerk.dials("+4930555011"), Err("too many minutes in a day"));
    clerk.pass(23 * 60 * MINUTE);
    assert_eq!(clerk.dials("+4930555011"), Err("too many minutes in a day"));
    clerk.pass(60 * MINUTE);
    assert!(clerk.dials("+4930555011").is_ok());
}

#[test]
fn at_night_less_may_be_dialled() {
    let mut clerk =
        Clerk::new(|dialing| dialing.off_hours = Some(("day".into(), vec![Right::Internal])));
    let zone = Zone::named("Europe/Berlin").expect("a zone");
    let open = vec![Span { days: 0x7f, from: 9 * 60, to: 18 * 60 }];
    clerk.settings.hours.insert("day".into(), Hours { zone, open, closed: Vec::new() });
    assert!(clerk.dials("+4930555010").is_ok());
    clerk.pass(10 * 60 * MINUTE);
    assert_eq!(clerk.dials("+4930555010"), Err("such calls are not allowed at this time"));
    assert!(clerk.dials("1002").is_ok() && clerk.dials("112").is_ok());
}

#[test]
fn without_a_country_nothing_is_near() {
    let mut clerk = Clerk::new(|_| {});
    clerk.settings.country = None;
    assert_eq!(clerk.dials("+4930555010"), Err("international calls are not allowed"));
    assert_eq!(clerk.dials("030555010"), Err("premium numbers are not allowed"));
}

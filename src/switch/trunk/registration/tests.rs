//! What chance has its share in, and the rest is in the flows.

use super::*;
use crate::switch::office;
use crate::switch::outbox::Outbox;
use crate::wire::sip::endpoint::Endpoint;
use crate::wire::sip::ids::Ids;

#[test]
fn failures_are_tried_again_later_and_later_each_at_a_time_of_its_own() {
    let mut settings = office::settings();
    settings.trunks.clear();
    let mut now = office::morning(Instant::now());
    let (mut outbox, mut ids) = (Outbox::default(), Ids::new([3; 32]));
    let mut endpoint = Endpoint::new(Vec::new(), Ids::new([4; 32]));
    let mut means = Means {
        now,
        settings: &settings,
        endpoint: &mut endpoint,
        outbox: &mut outbox,
        ids: &mut ids,
    };
    let register = Register { user: crate::redacted::Redacted::new("me".into()), expires: DAY };
    let mut registration = Registration::new(&mut means, "north", "token".into(), &register);
    let mut ceilings = Vec::new();
    for _ in 0..9 {
        registration.fail(&mut means, Trouble::Silent, None);
        let at = registration.deadline().expect("it is tried again");
        let (wait, failures) = ((at - now.instant).as_secs_f64(), registration.failures);
        let ceiling = (30.0 * f64::from(2_u32.pow(failures))).min(1_800.0);
        assert!((ceiling * 0.5..=ceiling).contains(&wait), "{wait} of {ceiling}");
        ceilings.push(ceiling as u64);
        now = office::later(now, at - now.instant);
        means.now = now;
    }
    assert_eq!(ceilings, [60, 120, 240, 480, 960, 1_800, 1_800, 1_800, 1_800]);
    // A registrar that says when to come again is obeyed, within a day.
    registration.fail(&mut means, Trouble::Silent, Some(2 * DAY));
    assert_eq!(registration.deadline(), Some(now.instant + DAY));
}

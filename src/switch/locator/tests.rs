//! The locator's memory, in virtual time.

use super::*;
use crate::wire::flow::Transport;
use crate::wire::sip::locating::{Family, Kind, Srv};
use crate::wire::sip::uri::Host;

const PATIENCE: Duration = Duration::from_secs(2);

fn place(name: &str) -> Place {
    let host = Host::read(name).expect("a name");
    Place { host, port: Some(5060), transport: None }
}

struct Desk {
    now: Instant,
    outbox: Outbox,
    locator: Locator,
}

fn desk(places: Vec<Place>) -> Desk {
    let (now, mut outbox) = (Instant::now(), Outbox::default());
    let able = vec![(Transport::Udp, Family::V4)];
    let locator = Locator::new(now, places, able, PATIENCE, &mut outbox);
    Desk { now, outbox, locator }
}

impl Desk {
    fn asked(&mut self) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(output) = self.outbox.pop() {
            let Output::Resolve(question) = output else { panic!("{output:?}") };
            asked.push(format!("{:?} {}", question.kind, question.name));
        }
        asked
    }

    fn answers(&mut self, kind: Kind, name: &str, answer: Answer) -> usize {
        let question = Question { name: name.into(), kind };
        self.locator.resolved(self.now, Resolution { question, answer }, &mut self.outbox).len()
    }

    /// To the next deadline, which it is; how long that took.
    fn waits(&mut self) -> Duration {
        let due = self.locator.deadline().expect("something to wait for");
        let span = due - self.now;
        self.now = due;
        self.locator.timeout(self.now, &mut self.outbox);
        span
    }

    fn ports(&self, place: &Place) -> Vec<String> {
        match self.locator.finding(place) {
            Finding::Found(found) => {
                let targets = found.iter().flat_map(|candidate| &candidate.targets);
                targets.map(|target| target.address.to_string()).collect()
            }
            Finding::Open(_) => vec!["open".into()],
            Finding::Nowhere => vec!["nowhere".into()],
        }
    }
}

fn a(address: &str, seconds: u64) -> Answer {
    let records = Records::Addresses(vec![address.parse().expect("an address")]);
    Answer::Found(records, Duration::from_secs(seconds))
}

#[test]
fn a_name_is_asked_again_when_its_time_is_over_and_used_meanwhile() {
    let sip = place("sip.example");
    let mut desk = desk(vec![sip.clone(), place("192.0.2.1")]);
    assert_eq!(desk.asked(), ["A sip.example"]);
    assert_eq!(desk.ports(&place("192.0.2.1")), ["192.0.2.1:5060"]);
    assert_eq!(desk.ports(&sip), ["open"]);
    assert_eq!(desk.answers(Kind::A, "sip.example", a("192.0.2.7", 60)), 1);
    assert_eq!(desk.ports(&sip), ["192.0.2.7:5060"]);
    assert_eq!(desk.waits(), Duration::from_secs(60));
    assert_eq!(
        (desk.asked(), desk.ports(&sip)),
        (vec!["A sip.example".into()], vec!["192.0.2.7:5060".into()])
    );
    assert_eq!(desk.answers(Kind::A, "sip.example", a("192.0.2.7", 60)), 0, "no news");
    desk.waits();
    assert_eq!(desk.answers(Kind::A, "sip.example", a("192.0.2.8", 0)), 1);
    assert_eq!(desk.waits(), SHORTEST, "a time of zero does not have us ask all the time");
}

#[test]
fn an_old_answer_is_better_than_none_for_a_day() {
    let sip = place("sip.example");
    let mut desk = desk(vec![sip.clone()]);
    desk.answers(Kind::A, "sip.example", a("192.0.2.7", 60));
    desk.waits();
    let mut gaps = Vec::new();
    let start = desk.now;
    while desk.ports(&sip) == ["192.0.2.7:5060"] {
        desk.answers(Kind::A, "sip.example", Answer::Failed);
        gaps.push(desk.waits().as_secs());
        assert!(desk.now < start + 2 * STALE, "it is used for ever");
    }
    assert_eq!(gaps[..5], [5, 10, 20, 30, 30]);
    assert_eq!(desk.ports(&sip), ["nowhere"]);
    assert!(desk.now >= start + STALE - Duration::from_secs(60));
    desk.answers(Kind::A, "sip.example", a("192.0.2.9", 60));
    assert_eq!(desk.ports(&sip), ["192.0.2.9:5060"]);
}

#[test]
fn that_a_name_is_gone_is_an_answer_and_a_short_one() {
    let sip = place("sip.example");
    let mut desk = desk(vec![sip.clone()]);
    desk.answers(Kind::A, "sip.example", a("192.0.2.7", 60));
    desk.waits();
    assert_eq!(
        desk.answers(Kind::A, "sip.example", Answer::Nothing(Duration::from_secs(9_999))),
        1
    );
    assert_eq!(desk.ports(&sip), ["nowhere"]);
    assert_eq!(desk.waits(), LONGEST_NOTHING);
    assert_eq!(desk.asked().len(), 3);
}

#[test]
fn a_silent_server_is_given_up_and_a_late_answer_is_none() {
    let sip = place("sip.example");
    let mut desk = desk(vec![sip.clone()]);
    assert_eq!(desk.waits(), PATIENCE + SLACK);
    assert_eq!(desk.ports(&sip), ["nowhere"]);
    assert_eq!(desk.answers(Kind::A, "sip.example", a("192.0.2.7", 60)), 0);
    assert_eq!(desk.answers(Kind::A, "never.example", a("192.0.2.7", 60)), 0);
    assert_eq!(desk.ports(&sip), ["nowhere"]);
}

#[test]
fn many_names_wait_their_turn_and_what_is_not_needed_is_not_asked_again() {
    let names: Vec<String> = (0..40).map(|number| format!("s{number:02}.example")).collect();
    let mut desk = desk(names.iter().map(|name| place(name)).collect());
    assert_eq!(desk.asked().len(), AT_ONCE);
    desk.answers(Kind::A, "s00.example", a("192.0.2.7", 60));
    assert_eq!(desk.asked(), ["A s16.example"]);
    for name in &names {
        desk.answers(Kind::A, name, a("192.0.2.7", 60));
    }
    assert!(names.iter().all(|name| desk.ports(&place(name)) == ["192.0.2.7:5060"]));

    let sip = Place { port: None, transport: Some(Transport::Udp), ..place("sip.example") };
    let mut desk = self::desk(vec![sip.clone()]);
    let srv = |target: &str| {
        let record = Srv { priority: 0, weight: 0, port: 5062, target: target.into() };
        Answer::Found(Records::Srv(vec![record]), Duration::from_secs(60))
    };
    desk.answers(Kind::Srv, "_sip._udp.sip.example", srv("a.example"));
    desk.answers(Kind::A, "a.example", a("192.0.2.1", 100));
    desk.waits();
    desk.answers(Kind::Srv, "_sip._udp.sip.example", srv("b.example"));
    assert_eq!(desk.ports(&sip), ["192.0.2.1:5062"], "until it is known where b is");
    desk.answers(Kind::A, "b.example", Answer::Failed);
    assert_eq!(desk.ports(&sip), ["192.0.2.1:5062"], "and while that cannot be known");
    desk.waits();
    desk.answers(Kind::A, "b.example", a("192.0.2.2", 100));
    assert_eq!(desk.ports(&sip), ["192.0.2.2:5062"]);
    assert_eq!(desk.locator.entries.len(), 2, "nobody asks for a any more");
}

#[test]
fn a_chain_is_held_while_dns_is_silent() {
    let sip = Place { port: None, ..place("sip.example") };
    let mut desk = desk(vec![sip.clone()]);
    let record = Srv { priority: 0, weight: 0, port: 5062, target: "a.example".into() };
    let minutes = Duration::from_secs(300);
    desk.answers(Kind::Naptr, "sip.example", Answer::Nothing(Duration::from_secs(30)));
    desk.answers(
        Kind::Srv,
        "_sip._udp.sip.example",
        Answer::Found(Records::Srv(vec![record]), minutes),
    );
    desk.answers(Kind::A, "a.example", a("192.0.2.1", 300));
    let start = desk.now;
    while desk.now < start + 12 * minutes {
        desk.waits();
        assert_eq!(
            desk.ports(&sip),
            ["192.0.2.1:5062"],
            "after {:?}: {:?}",
            desk.now - start,
            desk.locator.entries
        );
    }
}

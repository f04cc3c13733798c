//! REGISTERs one after the other, as a proven user sends them.

mod ways;

use std::time::Duration;

use super::*;
use crate::switch::Output;
use crate::switch::office::{self, PHONES};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// The registrar alone, with a journal that is only looked at.
struct Desk {
    registrar: Registrar,
    settings: Settings,
    outbox: Outbox,
    now: Now,
}

/// What the answer says and what was written down, as text.
#[derive(PartialEq, Eq, Debug)]
struct Answered {
    status: u16,
    contacts: Vec<String>,
    min_expires: Option<String>,
    journal: Vec<String>,
}

impl Desk {
    fn new() -> Desk {
        let now = office::morning(Instant::now());
        Desk {
            registrar: Registrar::default(),
            settings: office::settings(),
            outbox: Outbox::default(),
            now,
        }
    }

    fn restarted(memory: Vec<Binding>) -> Desk {
        let mut desk = Desk::new();
        desk.registrar = Registrar::new(desk.now, &desk.settings, memory, &mut desk.outbox);
        desk
    }

    fn register(&mut self, call_id: &str, cseq: u32, lines: &[&str]) -> Answered {
        let request = office::read(&office::register("1001", call_id, cseq, lines));
        let flow = office::flow(0, PHONES[0]);
        let answer = |status| Outgoing::response(status, &request, Some("ours"));
        let answer = self.registrar.register(
            self.now,
            &self.settings,
            "1001",
            &request,
            flow,
            &mut self.outbox,
            &answer,
        );
        let mut bytes = Vec::new();
        answer.write(None, &mut bytes);
        let answer = office::read(std::str::from_utf8(&bytes).expect("UTF-8"));
        let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
        Answered {
            status: answer.status().expect("an answer").code(),
            contacts: answer.lines(Name::Contact).map(text).collect(),
            min_expires: answer.lines(Name::MinExpires).next().map(text),
            journal: self.journal(),
        }
    }

    /// What was written down since it was last asked.
    fn journal(&mut self) -> Vec<String> {
        let mut entries = Vec::new();
        while let Some(output) = self.outbox.pop() {
            match output {
                Output::Store(_, Entry::Bound(binding)) => {
                    entries.push(format!("+ {} {}", binding.aor, binding.contact));
                }
                Output::Store(_, Entry::Unbound { aor, contact, .. }) => {
                    entries.push(format!("- {aor} {contact}"));
                }
                other => panic!("{other:?}"),
            }
        }
        entries
    }

    fn contacts(&self) -> Vec<String> {
        self.registrar.of("1001").iter().map(|bound| bound.contact().to_string()).collect()
    }

    fn pass(&mut self, span: Duration) {
        self.now = office::later(self.now, span);
        self.registrar.timeout(self.now.instant, &mut self.outbox);
    }
}

fn bound(aor: &str, contact: &str, expires: crate::utc::Utc) -> Binding {
    Binding {
        aor: aor.into(),
        contact: contact.into(),
        flow: office::flow(0, PHONES[0]),
        expires,
        call_id: "before".into(),
        cseq: 7,
        user_agent: String::new(),
        path: Vec::new(),
        instance: None,
        reg_id: 0,
    }
}

const DESK_PHONE: &str = "Contact: <sip:1001@10.0.0.50:5060>";
const SOFT_PHONE: &str = "Contact: <sip:1001@10.0.0.60:5060>";
const CELL_PHONE: &str = "Contact: <sip:1001@10.0.0.70:5060>";
const LAST_PHONE: &str = "Contact: <sip:1001@10.0.0.80:5060>";

#[test]
fn a_phone_is_told_how_long_its_binding_lives() {
    for (lines, told) in [
        (vec![DESK_PHONE], 3_600),
        (vec![DESK_PHONE, "Expires: 600"], 600),
        (vec!["Contact: <sip:1001@10.0.0.50:5060>;expires=120", "Expires: 600"], 120),
        (vec!["Contact: <sip:1001@10.0.0.50:5060>;expires=soon", "Expires: 600"], 3_600),
        (vec![DESK_PHONE, "Expires: 86400"], 7_200),
        (vec![DESK_PHONE, "Expires: 60"], 60),
    ] {
        let mut desk = Desk::new();
        let answer = desk.register("a", 1, &lines);
        assert_eq!(answer.status, 200, "{lines:?}");
        assert_eq!(answer.contacts, [format!("<sip:1001@10.0.0.50:5060>;expires={told}")]);
        assert_eq!(answer.journal, ["+ 1001 sip:1001@10.0.0.50:5060"]);
        desk.pass(Duration::from_secs(told - 1));
        assert_eq!(desk.contacts().len(), 1, "{lines:?}");
        desk.pass(Duration::from_secs(1));
        assert_eq!(desk.contacts().len(), 0, "{lines:?}");
        assert_eq!(desk.journal(), ["- 1001 sip:1001@10.0.0.50:5060"]);
        assert_eq!(desk.registrar.deadline(), None);
    }
}

#[test]
fn a_binding_that_would_be_too_brief_is_refused_with_the_shortest_that_is_not() {
    for lines in [
        vec![DESK_PHONE, "Expires: 59"],
        vec!["Contact: <sip:1001@10.0.0.50:5060>;expires=1", "Expires: 600"],
    ] {
        let mut desk = Desk::new();
        let answer = desk.register("a", 1, &lines);
        assert_eq!((answer.status, answer.min_expires.as_deref()), (423, Some("60")), "{lines:?}");
        assert_eq!((answer.journal.len(), desk.contacts().len()), (0, 0), "{lines:?}");
    }
}

#[test]
fn a_register_without_contact_only_asks() {
    let mut desk = Desk::new();
    desk.register("a", 1, &[DESK_PHONE]);
    desk.pass(10 * MINUTE);
    let answer = desk.register("a", 2, &[]);
    assert_eq!((answer.status, answer.journal.len()), (200, 0));
    assert_eq!(answer.contacts, ["<sip:1001@10.0.0.50:5060>;expires=3000"]);
}

#[test]
fn a_phone_takes_its_own_binding_back_and_nobody_elses() {
    for gone in [
        vec!["Contact: <sip:1001@10.0.0.50:5060>;expires=0"],
        vec![DESK_PHONE, "Expires: 0"],
        // The same by RFC 3261 §19.1.4.
        vec!["Contact: <sip:%31001@10.0.0.50:5060>", "Expires: 0"],
    ] {
        let mut desk = Desk::new();
        desk.register("a", 1, &[DESK_PHONE]);
        desk.register("b", 1, &[SOFT_PHONE]);
        let answer = desk.register("a", 2, &gone);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.contacts, ["<sip:1001@10.0.0.60:5060>;expires=3600"]);
        assert_eq!(answer.journal, ["- 1001 sip:1001@10.0.0.50:5060"]);
        let again = desk.register("a", 3, &gone);
        assert_eq!((again.status, again.journal.len()), (200, 0), "it is gone already");
    }
}

#[test]
fn a_refreshed_binding_stays_one_and_lives_anew() {
    let mut desk = Desk::new();
    desk.register("a", 1, &[DESK_PHONE]);
    desk.pass(50 * MINUTE);
    let answer = desk.register("a", 2, &[DESK_PHONE]);
    assert_eq!(answer.contacts, ["<sip:1001@10.0.0.50:5060>;expires=3600"]);
    desk.pass(50 * MINUTE);
    assert_eq!(desk.contacts().len(), 1, "its first end is forgotten");
    desk.pass(10 * MINUTE);
    assert_eq!(desk.contacts().len(), 0);
}

#[test]
fn contacts_are_bound_side_by_side_up_to_the_limit() {
    let mut desk = Desk::new();
    let all = desk.register("a", 1, &[DESK_PHONE, SOFT_PHONE]);
    assert_eq!((all.status, all.contacts.len()), (200, 2));
    assert_eq!(desk.register("b", 1, &[CELL_PHONE]).contacts.len(), 3);
    let full = desk.register("c", 1, &[LAST_PHONE]);
    assert_eq!((full.status, full.journal.len()), (403, 0));
    let refreshed = desk.register("a", 2, &[DESK_PHONE, SOFT_PHONE]);
    assert_eq!((refreshed.status, refreshed.contacts.len()), (200, 3), "nothing is added");
    assert_eq!(desk.contacts().len(), 3);
}

#[test]
fn a_phone_with_a_new_address_may_take_the_place_of_its_old_one() {
    let mut desk = Desk::new();
    desk.register("a", 1, &[DESK_PHONE, SOFT_PHONE, CELL_PHONE]);
    let moved = ["Contact: <sip:1001@10.0.0.70:5060>;expires=0, <sip:1001@10.0.0.80:5060>"];
    let answer = desk.register("a", 2, &moved);
    assert_eq!((answer.status, answer.contacts.len()), (200, 3));
    assert!(desk.contacts().contains(&"sip:1001@10.0.0.80:5060".to_owned()));
    // One place given back twice, or taken again at once, is one place.
    for one_too_many in [
        "Contact: <sip:1001@10.0.0.80:5060>;expires=0, <sip:1001@10.0.0.80:5060>;expires=0, \
         <sip:1001@10.0.0.81>, <sip:1001@10.0.0.82>",
        "Contact: <sip:1001@10.0.0.80:5060>;expires=0, <sip:1001@10.0.0.80:5060>, <sip:1001@10.0.0.81>",
    ] {
        let answer = desk.register("a", 3, &[one_too_many]);
        assert_eq!((answer.status, desk.contacts().len()), (403, 3), "{one_too_many}");
    }
}

#[test]
fn the_star_takes_all_bindings_back_but_only_alone_and_with_expires_0() {
    let mut desk = Desk::new();
    desk.register("a", 1, &[DESK_PHONE]);
    desk.register("b", 1, &[SOFT_PHONE]);
    for lines in [
        vec!["Contact: *"],
        vec!["Contact: *", "Expires: 60"],
        vec!["Contact: *", DESK_PHONE, "Expires: 0"],
        vec!["Contact: *, <sip:1001@10.0.0.50:5060>", "Expires: 0"],
        vec!["Contact: *;expires=0"],
    ] {
        let request = office::register("1001", "c", 2, &lines);
        // What is no Contact at all is refused before it comes here.
        if Message::parse(request.as_bytes()).is_ok() {
            let answer = desk.register("c", 2, &lines);
            assert_eq!((answer.status, answer.journal.len()), (400, 0), "{lines:?}");
        }
        assert_eq!(desk.contacts().len(), 2, "{lines:?}");
    }
    let answer = desk.register("c", 2, &["Contact: *", "Expires: 0"]);
    assert_eq!((answer.status, answer.contacts.len(), answer.journal.len()), (200, 0, 2));
    assert_eq!(desk.registrar.deadline(), None);
}

#[test]
fn all_contacts_are_bound_or_none() {
    for (bad, status) in [
        ("Contact: <sip:1001@10.0.0.60:5060>;expires=30", 423),
        ("Contact: <mailto:1001@office.example>", 400),
        ("Contact: <sip:1001@224.0.1.75>", 403),
        ("Contact: <sip:1001@255.255.255.255>", 403),
        ("Contact: <sip:1001@0.0.0.0>", 403),
        // The switch itself: calls would go round and round.
        ("Contact: <sip:1002@10.0.0.1:5060>", 403),
        ("Contact: <sip:1002@192.0.2.1>", 403),
    ] {
        let mut desk = Desk::new();
        desk.register("a", 1, &[CELL_PHONE]);
        let lines = ["Contact: <sip:1001@10.0.0.70:5060>;expires=0", DESK_PHONE, bad];
        let answer = desk.register("a", 2, &lines);
        assert_eq!((answer.status, answer.journal.len()), (status, 0), "{bad}");
        assert_eq!(desk.contacts(), ["sip:1001@10.0.0.70:5060"], "{bad}");
    }
    let mut desk = Desk::new();
    let long = format!("Contact: <sip:{}@10.0.0.60>", "1".repeat(asked::LONGEST));
    let answer = desk.register("a", 1, &[DESK_PHONE, &long]);
    assert_eq!((answer.status, desk.contacts().len()), (400, 0));
}

#[test]
fn an_older_register_of_the_same_call_id_changes_nothing() {
    let mut desk = Desk::new();
    desk.register("a", 5, &[DESK_PHONE]);
    for (cseq, lines) in [
        (5, vec![DESK_PHONE, "Expires: 600"]),
        (4, vec![DESK_PHONE, "Expires: 0"]),
        (4, vec!["Contact: *", "Expires: 0"]),
        // All or none: the phone that is new is not bound either.
        (4, vec![SOFT_PHONE, DESK_PHONE]),
    ] {
        let answer = desk.register("a", cseq, &lines);
        assert_eq!((answer.status, answer.journal.len()), (500, 0), "{cseq} {lines:?}");
        let fetched = desk.register("a", cseq, &[]);
        assert_eq!(fetched.contacts, ["<sip:1001@10.0.0.50:5060>;expires=3600"], "{lines:?}");
    }
    assert_eq!(desk.register("a", 6, &[DESK_PHONE]).status, 200);
    // A phone that has started again counts anew, under another Call-ID.
    assert_eq!(desk.register("b", 1, &[DESK_PHONE]).status, 200);
    assert_eq!(desk.contacts().len(), 1);
}

#[test]
fn a_restart_remembers_bindings_with_what_is_left_of_their_lives() {
    let utc = Desk::new().now.utc;
    let mut foreign = bound("1001", "sip:1001@10.0.0.90:5060", utc.after(HOUR));
    foreign.flow.listener = crate::wire::flow::ListenerId(2);
    let mut by_tcp = bound("1002", "sip:1002@10.0.0.51:5060;transport=tcp", utc.after(HOUR));
    by_tcp.flow.connection = Some(crate::wire::flow::ConnectionId(4));
    let mut desk = Desk::restarted(vec![
        bound("1001", "sip:1001@10.0.0.50:5060", utc.after(10 * MINUTE)),
        bound("1001", "sip:1001@10.0.0.60:5060", utc.before(MINUTE)),
        bound("1009", "sip:1009@10.0.0.59:5060", utc.after(HOUR)),
        foreign,
        by_tcp,
    ]);
    assert_eq!(
        desk.journal(),
        [
            "- 1001 sip:1001@10.0.0.60:5060",
            "- 1009 sip:1009@10.0.0.59:5060",
            "- 1001 sip:1001@10.0.0.90:5060",
        ],
        "expired, nobody's, of a listener that is gone"
    );
    let [by_tcp] = desk.registrar.of("1002") else { panic!("the other phone") };
    assert_eq!(by_tcp.binding.flow.connection, None, "no connection outlives the process");
    let fetched = desk.register("a", 1, &[]);
    assert_eq!(fetched.contacts, ["<sip:1001@10.0.0.50:5060>;expires=600"]);
    assert_eq!(desk.register("before", 7, &[DESK_PHONE]).status, 500, "its CSeq counts still");
    desk.pass(10 * MINUTE);
    assert_eq!(desk.contacts().len(), 0);
}

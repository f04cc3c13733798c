//! The retention job against a bench of a store and a disk.

use std::collections::BTreeMap;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The job with a store and a disk that do what they are told, one thing at a time.
struct Bench {
    retention: Retention,
    now: Now,
    entries: u64,
    rows: BTreeMap<RecordingId, Kept>,
    journal: Vec<Entry>,
    replies: Vec<(RequestId, Reply)>,
    finds: usize,
    broken: Vec<RecordingId>,
    deleted: Vec<RecordingId>,
}

impl Bench {
    fn new(ran: Option<&str>, purges: Vec<(RecordingId, String, String)>) -> Bench {
        let now = Now { instant: Instant::now(), utc: at("2030-01-07T09:00:00Z") };
        Bench {
            retention: Retention::new(now, HOUR, ran.map(at), purges),
            now,
            entries: 0,
            rows: BTreeMap::new(),
            journal: Vec::new(),
            replies: Vec::new(),
            finds: 0,
            broken: Vec::new(),
            deleted: Vec::new(),
        }
    }

    fn keeps(mut self, id: u64, since: &str, days: u32) -> Bench {
        let recording = RecordingId(id);
        self.rows.insert(
            recording,
            Kept {
                recording,
                path: format!("2030/01/01/{recording}.wav"),
                policy: "short".into(),
                keep: DAY * days,
                since: at(since),
                legal_hold: false,
            },
        );
        self
    }

    fn advance(&mut self, real: Duration, shown: Duration) {
        self.now = Now { instant: self.now.instant + real, utc: self.now.utc.after(shown) };
    }

    fn run(&mut self) -> Reply {
        self.retention.run(self.now, RequestId(1));
        self.settle();
        self.replies.pop().expect("an answer").1
    }

    fn poll(&mut self) -> Option<Output> {
        let entries = &mut self.entries;
        self.retention.poll(|| {
            *entries += 1;
            EntryId(*entries)
        })
    }

    /// Does one thing; what it was.
    fn step(&mut self) -> Option<Output> {
        let output = self.poll()?;
        match &output {
            Output::Store(_, entry) => {
                self.journal.push(entry.clone());
                match entry {
                    Entry::Purged { recording, .. } => drop(self.rows.remove(recording)),
                    Entry::LegalHold { recording, .. } => self.hold(*recording, true),
                    Entry::Released { recording, .. } => self.hold(*recording, false),
                    _ => {}
                }
            }
            Output::Find(query) => {
                self.finds += 1;
                let found = self.answer(*query);
                self.retention.found(self.now, Page { query: *query, found });
            }
            Output::Purge(order) => {
                let recording = order.recording();
                if self.broken.contains(&recording) {
                    self.retention.purge_failed(self.now, recording, "read-only".into());
                } else {
                    self.deleted.push(recording);
                    self.retention.purged(self.now, recording);
                }
            }
            Output::Reply(request, reply) => self.replies.push((*request, reply.clone())),
            other => panic!("retention has no business with {other:?}"),
        }
        Some(output)
    }

    fn hold(&mut self, recording: RecordingId, held: bool) {
        if let Some(kept) = self.rows.get_mut(&recording) {
            kept.legal_hold = held;
        }
    }

    fn answer(&self, query: Query) -> Vec<Kept> {
        match query {
            Query::Due { at, after, limit } => {
                let mut due: Vec<Kept> = self
                    .rows
                    .values()
                    .filter(|kept| kept.due() <= at && !kept.legal_hold)
                    .cloned()
                    .collect();
                due.sort_by_key(|kept| (kept.due(), kept.recording));
                due.retain(|kept| after.is_none_or(|after| kept.recording > after));
                due.truncate(limit);
                due
            }
            Query::One { recording } => self.rows.get(&recording).cloned().into_iter().collect(),
        }
    }

    fn commit(&mut self) {
        self.retention.stored(self.now, EntryId(self.entries));
    }

    fn settle(&mut self) {
        loop {
            while self.step().is_some() {}
            self.commit();
            if self.retention.is_quiet() {
                return;
            }
        }
    }

    fn ordered(&self) -> Vec<RecordingId> {
        (self.journal.iter())
            .filter_map(|entry| match entry {
                Entry::PurgeOrdered { recording, .. } => Some(*recording),
                _ => None,
            })
            .collect()
    }
}

fn at(text: &str) -> Utc {
    Utc::parse(text).expect("a time")
}

fn purged(ids: &[u64]) -> Reply {
    let purged = ids.iter().map(|id| RecordingId(*id).to_string()).collect();
    Reply::RetentionRan { purged, failed: Vec::new() }
}

fn is_refused(reply: &Reply) -> bool {
    matches!(reply, Reply::Refused { .. })
}

#[test]
fn a_recording_goes_when_its_time_is_over_and_not_before() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2030-01-06T09:00:00Z", 1).keeps(
        2,
        "2030-01-06T09:00:00.001Z",
        1,
    );
    assert_eq!(bench.run(), purged(&[1]));
    assert_eq!(bench.deleted, [RecordingId(1)]);
    assert!(bench.retention.at_rest());
}

#[test]
fn the_order_comes_only_after_the_intent_is_committed() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
    bench.retention.run(bench.now, RequestId(1));
    while bench.step().is_some() {}
    assert_eq!(bench.ordered(), [RecordingId(1)]);
    assert!(bench.deleted.is_empty());

    let before = EntryId(bench.entries - 1);
    bench.retention.stored(bench.now, before);
    assert!(bench.retention.is_quiet(), "an older commit is not this one");

    bench.commit();
    assert!(matches!(bench.step(), Some(Output::Purge(order)) if order.policy() == "short"));
    assert!(matches!(bench.step(), Some(Output::Store(_, Entry::Purged { .. }))));
}

#[test]
fn a_run_is_answered_when_its_tombstones_are_committed_and_not_before() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
    bench.retention.run(bench.now, RequestId(1));
    while bench.step().is_some() {}
    bench.commit();
    while bench.step().is_some() {}
    assert!(matches!(bench.journal.last(), Some(Entry::RetentionRan { purged: 1, .. })));
    let before = EntryId(bench.entries - 1);
    bench.retention.stored(bench.now, before);
    assert!(bench.retention.is_quiet() && !bench.retention.at_rest());
    bench.commit();
    bench.step();
    assert_eq!(bench.replies, [(RequestId(1), purged(&[1]))]);
    assert!(bench.retention.at_rest());
}

#[test]
fn an_admin_can_vouch_for_a_clock_that_jumped() {
    let mut bench =
        Bench::new(Some("2029-01-01T00:00:00Z"), vec![]).keeps(1, "2028-01-01T00:00:00Z", 1);
    let Reply::Refused { why } = bench.run() else { panic!("a jump of a year") };
    assert!(why.contains("--accept-clock"), "{why}");
    bench.retention.vouch(bench.now);
    assert_eq!(bench.run(), purged(&[1]));
}

#[test]
fn it_runs_by_itself_every_hour() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2030-01-06T10:00:00Z", 1);
    bench.advance(SETTLE, SETTLE);
    assert_eq!(bench.retention.deadline(), Some(bench.now.instant));
    bench.retention.timeout(bench.now);
    bench.settle();
    assert!(bench.deleted.is_empty(), "not due yet");
    bench.advance(HOUR, HOUR);
    assert_eq!(bench.retention.deadline(), Some(bench.now.instant));
    bench.retention.timeout(bench.now);
    bench.settle();
    assert_eq!(bench.deleted, [RecordingId(1)]);
    let ran =
        (bench.journal.iter()).filter(|entry| matches!(entry, Entry::RetentionRan { .. })).count();
    assert_eq!(ran, 2);
}

#[test]
fn many_go_page_by_page() {
    let mut bench = Bench::new(None, vec![]);
    let many = 2 * PAGE as u64 + 30;
    for id in 1..=many {
        bench = bench.keeps(id, "2029-01-01T00:00:00Z", 1);
    }
    assert_eq!(bench.run(), purged(&(1..=many).collect::<Vec<_>>()));
    assert_eq!(bench.finds, 3);
}

#[test]
fn a_run_is_bounded_and_the_next_follows_at_once() {
    let mut bench = Bench::new(None, vec![]);
    for id in 1..=RUN as u64 + 1 {
        bench = bench.keeps(id, "2029-01-01T00:00:00Z", 1);
    }
    assert!(matches!(bench.run(), Reply::RetentionRan { purged, .. } if purged.len() == RUN));
    assert_eq!(bench.retention.deadline(), Some(bench.now.instant));
    bench.retention.timeout(bench.now);
    bench.settle();
    assert!(bench.rows.is_empty());
    assert_eq!(bench.retention.deadline(), Some(bench.now.instant + HOUR));
}

#[test]
fn what_cannot_be_deleted_is_told_and_tried_again() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
    bench.broken.push(RecordingId(1));
    let failed = vec![(RecordingId(1).to_string(), "read-only".to_owned())];
    assert_eq!(bench.run(), Reply::RetentionRan { purged: vec![], failed });
    bench.broken.clear();
    assert_eq!(bench.run(), purged(&[1]));
}

#[test]
fn a_restart_in_mid_purge_finishes_it() {
    let order = (RecordingId(7), "2030/01/01/x.wav".to_owned(), "short".to_owned());
    let mut bench = Bench::new(Some("2030-01-07T08:30:00Z"), vec![order]);
    assert!(
        matches!(bench.step(), Some(Output::Purge(order)) if order.path() == "2030/01/01/x.wav")
    );
    bench.settle();
    assert!(
        matches!(bench.journal.last(), Some(Entry::Purged { recording, .. }) if recording.0 == 7)
    );
}

#[test]
fn a_legal_hold_outlives_retention() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
    bench.retention.hold(bench.now, RequestId(5), &RecordingId(1).to_string(), "court");
    bench.settle();
    assert_eq!(bench.replies.pop(), Some((RequestId(5), Reply::Done)));
    assert_eq!(bench.run(), purged(&[]));

    bench.retention.release(bench.now, RequestId(6), &RecordingId(1).to_string());
    bench.settle();
    assert_eq!(bench.replies.pop(), Some((RequestId(6), Reply::Done)));
    assert_eq!(bench.run(), purged(&[1]));
}

#[test]
fn a_hold_set_between_intent_and_commit_wins() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
    bench.retention.run(bench.now, RequestId(1));
    while bench.step().is_some() {}
    assert_eq!(bench.ordered(), [RecordingId(1)]);
    bench.retention.hold(bench.now, RequestId(5), &RecordingId(1).to_string(), "court");
    bench.settle();
    assert!(bench.deleted.is_empty());
    assert!(bench.replies.contains(&(RequestId(5), Reply::Done)));
    assert!(bench.replies.contains(&(RequestId(1), purged(&[]))));
    assert!(bench.retention.at_rest());
}

#[test]
fn a_hold_on_a_committed_order_that_nobody_took_wins() {
    let order = (RecordingId(7), "2030/01/01/x.wav".to_owned(), "short".to_owned());
    let mut bench = Bench::new(None, vec![order]).keeps(7, "2029-01-01T00:00:00Z", 1);
    bench.retention.hold(bench.now, RequestId(5), &RecordingId(7).to_string(), "court");
    bench.settle();
    assert!(bench.deleted.is_empty());
    assert_eq!(bench.replies, [(RequestId(5), Reply::Done)]);
}

#[test]
fn a_page_read_before_the_hold_does_not_undo_it() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
    bench.retention.run(bench.now, RequestId(1));
    let Some(Output::Find(query)) = bench.poll() else { panic!("a question") };
    let stale = bench.answer(query);
    bench.retention.hold(bench.now, RequestId(5), &RecordingId(1).to_string(), "court");
    bench.settle();
    assert_eq!(bench.replies, [(RequestId(5), Reply::Done)]);
    bench.retention.found(bench.now, Page { query, found: stale });
    bench.settle();
    assert!(bench.deleted.is_empty() && bench.ordered().is_empty());
}

#[test]
fn a_hold_that_comes_too_late_says_so() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
    bench.retention.run(bench.now, RequestId(1));
    while bench.step().is_some() {}
    bench.commit();
    assert!(matches!(bench.poll(), Some(Output::Purge(_))));
    bench.retention.hold(bench.now, RequestId(5), &RecordingId(1).to_string(), "court");
    assert!(bench.retention.is_quiet(), "it waits for what becomes of the file");
    bench.retention.purged(bench.now, RecordingId(1));
    bench.settle();
    assert!(matches!(&bench.replies[0], (RequestId(5), Reply::Refused { .. })));
}

#[test]
fn a_hold_on_a_file_that_could_not_be_deleted_holds() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
    bench.retention.run(bench.now, RequestId(1));
    while bench.step().is_some() {}
    bench.commit();
    assert!(matches!(bench.poll(), Some(Output::Purge(_))));
    bench.retention.hold(bench.now, RequestId(5), &RecordingId(1).to_string(), "court");
    bench.retention.purge_failed(bench.now, RecordingId(1), "read-only".into());
    bench.settle();
    assert!(bench.replies.contains(&(RequestId(5), Reply::Done)));
    assert!(bench.rows[&RecordingId(1)].legal_hold);
}

#[test]
fn a_hold_on_nothing_is_not_found() {
    let mut bench = Bench::new(None, vec![]);
    for text in ["../../etc/pw", "", "000000000001"] {
        bench.retention.hold(bench.now, RequestId(5), text, "court");
        bench.settle();
        let reply = bench.replies.pop().map(|(_, reply)| reply);
        assert!(matches!(reply, Some(Reply::NotFound { .. })), "{text:?}: {reply:?}");
    }
    bench.retention.hold(bench.now, RequestId(5), "000000000001", "  ");
    bench.settle();
    assert!(is_refused(&bench.replies[0].1), "a hold without a reason");
}

#[test]
fn a_calendar_that_jumps_deletes_nothing() {
    for years in [1, 10] {
        let mut bench =
            Bench::new(Some("2030-01-07T08:30:00Z"), vec![]).keeps(1, "2030-01-01T00:00:00Z", 30);
        bench.advance(HOUR, DAY * 366 * years);
        assert!(is_refused(&bench.run()));
        assert!(is_refused(&bench.run()), "asking again does not help");
        assert!(bench.deleted.is_empty());
        let blocked = bench.journal.iter().filter(|e| matches!(e, Entry::RetentionBlocked { .. }));
        assert_eq!(blocked.count(), 1, "told once");
        assert!(matches!(
            bench.retention.status(bench.now),
            Reply::Retention { blocked: Some(_), .. }
        ));
    }
}

#[test]
fn a_calendar_put_right_is_trusted_at_once() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
    let right = bench.now;
    bench.advance(HOUR, DAY * 3_660);
    assert!(is_refused(&bench.run()));
    bench.now = Now { instant: right.instant + 2 * HOUR, utc: right.utc.after(2 * HOUR) };
    assert_eq!(bench.run(), purged(&[1]));
}

#[test]
fn a_calendar_that_is_steady_for_a_day_is_trusted_again() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2030-01-01T00:00:00Z", 30);
    bench.advance(HOUR, DAY * 60);
    assert!(is_refused(&bench.run()));
    for _ in 0..23 {
        bench.advance(HOUR, HOUR);
        bench.retention.timeout(bench.now);
        bench.settle();
        assert!(bench.deleted.is_empty());
    }
    bench.advance(HOUR, HOUR);
    assert_eq!(bench.run(), purged(&[1]));
}

#[test]
fn steps_of_a_day_are_taken() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2030-01-07T09:00:00Z", 3);
    for day in 1..=3 {
        bench.advance(Duration::from_millis(5), DAY + Duration::from_millis(5));
        assert_eq!(bench.run(), if day == 3 { purged(&[1]) } else { purged(&[]) });
    }
}

#[test]
fn a_start_in_another_year_deletes_nothing() {
    for ran in ["2020-01-01T00:00:00Z", "2031-01-01T00:00:00Z", "2030-01-08T10:00:00Z"] {
        let mut bench = Bench::new(Some(ran), vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
        assert!(is_refused(&bench.run()), "{ran}");
        assert!(matches!(bench.journal[..], [Entry::RetentionBlocked { .. }]));
    }
    for ran in ["2029-12-10T00:00:00Z", "2030-01-07T09:00:00Z", "2030-01-08T08:00:00Z"] {
        let mut bench = Bench::new(Some(ran), vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
        assert_eq!(bench.run(), purged(&[1]), "{ran}");
    }
}

#[test]
fn who_asks_during_a_run_gets_one_of_their_own() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1).keeps(
        2,
        "2030-01-06T09:30:00Z",
        1,
    );
    bench.retention.run(bench.now, RequestId(1));
    while bench.step().is_some() {}
    bench.advance(HOUR, HOUR);
    bench.retention.run(bench.now, RequestId(2));
    bench.settle();
    assert_eq!(bench.replies, [(RequestId(1), purged(&[1])), (RequestId(2), purged(&[2]))]);
}

#[test]
fn answers_to_questions_of_nobody_are_ignored() {
    let mut bench = Bench::new(None, vec![]).keeps(1, "2029-01-01T00:00:00Z", 1);
    let query = Query::Due { at: bench.now.utc, after: None, limit: PAGE };
    let found = bench.answer(query);
    bench.retention.found(bench.now, Page { query, found });
    bench.retention.purged(bench.now, RecordingId(1));
    bench.retention.purge_failed(bench.now, RecordingId(1), String::new());
    assert!(bench.retention.is_quiet());
}

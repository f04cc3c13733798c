//! A store at work: order, commits, locks, pages.

mod memory;
mod opening;

use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

use super::*;
use crate::media::{Packets, RecordingId, Samples, Sealed, Silence};
use crate::switch::journal::{
    AgentStatus, Armed, Binding, CallDirection, CallId, Cdr, ConsentAnswer, ConsentRecord, EntryId,
    Subscribed,
};
use crate::switch::settings::ConsentMode;
use crate::switch::subscriptions::Package;
use crate::wire::flow::{Flow, ListenerId, Transport};
use crate::wire::sip::dialog::Remembered;

const SOON: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn at(text: &str) -> Utc {
    Utc::parse(text).expect("a time")
}

fn now() -> Utc {
    at("2030-01-07T09:00:00Z")
}

/// A folder for a store and its recordings.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    fn state(&self) -> PathBuf {
        self.0.path().join(".state")
    }

    fn database(&self) -> PathBuf {
        self.state().join(DATABASE)
    }

    fn try_open(&self) -> Result<Opened, Error> {
        Store::open_with(&self.state(), self.0.path(), now(), &|_| Err("nothing there".into()))
    }

    fn open(&self) -> Opened {
        self.try_open().expect("opens")
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.state()).expect("opens")
    }

    /// A store at work, and what it tells.
    fn start(&self) -> (Journal, mpsc::Receiver<Report>) {
        let (tell, told) = mpsc::channel();
        let journal = self.open().store.start(move |report| drop(tell.send(report)));
        (journal.expect("starts"), told)
    }

    fn raw(&self) -> Connection {
        Connection::open(self.database()).expect("opens")
    }
}

fn flow() -> Flow {
    Flow {
        listener: ListenerId(1),
        transport: Transport::Tcp,
        remote: "[::1]:5070".parse().expect("an address"),
        connection: None,
        peer: None,
    }
}

fn cdr(id: u64) -> Cdr {
    Cdr {
        call: CallId(id),
        direction: CallDirection::Inbound,
        from: "+4930555010".to_owned().into(),
        to: "anonymous'); DROP TABLE calls; --".to_owned().into(),
        trunk: Some("north".into()),
        route: Some("main".into()),
        queue: Some("support".into()),
        agent: None,
        started: now(),
        answered: None,
        bridged: None,
        ended: None,
        end_cause: None,
        status: None,
        consent: None,
        recording: None,
        unrecorded: None,
        transferred_to: None,
        merged_into: None,
    }
}

fn call(id: u64) -> Entry {
    Entry::Call(Box::new(cdr(id)))
}

fn armed(id: u64) -> Armed {
    Armed {
        recording: RecordingId(id),
        call: CallId(id),
        agent: "bob".into(),
        path: format!("2030/01/07/20300107T090000Z_{}.wav", RecordingId(id)),
        policy: "support".into(),
        keep: 30 * DAY,
        continues: None,
        at: now(),
    }
}

fn sealed(seconds: u64) -> Sealed {
    Sealed {
        length: Samples(seconds * Samples::RATE),
        sha256: [0xab; 32],
        bytes: 44 + seconds * 32_000,
        silences: vec![
            (Silence::Hold, Samples(8), Samples(16)),
            (Silence::Pause, Samples(24), Samples(32)),
        ],
        gaps: vec![(Samples(40), Samples(48))],
        packets: Some(Packets { customer: 3_000, agent: 0, left_out: 7 }),
    }
}

fn seal(id: u64, when: &str) -> Entry {
    Entry::Sealed { recording: RecordingId(id), sealed: sealed(60), at: at(when) }
}

fn stored(told: &mpsc::Receiver<Report>) -> EntryId {
    match told.recv_timeout(SOON).expect("a report") {
        Report::Stored(id) => id,
        Report::Found(page) => panic!("an answer nobody waits for: {page:?}"),
    }
}

fn due(journal: &Journal, told: &mpsc::Receiver<Report>, when: &str) -> Page {
    journal.find(Query::Due { at: at(when), after: None, limit: 10 });
    loop {
        if let Report::Found(page) = told.recv_timeout(SOON).expect("a report") {
            return page;
        }
    }
}

#[test]
fn what_is_committed_is_told_in_order_and_survives_a_crash() {
    let place = Place::new();
    let (journal, told) = place.start();
    for id in 1..=500 {
        journal.append(EntryId(id), call(id)).expect("room");
    }
    let mut last = EntryId(0);
    while last < EntryId(500) {
        let next = stored(&told);
        assert!(next > last, "{next:?} after {last:?}");
        let rows = place.reader().counts().expect("counted").calls;
        assert!(rows >= next.0, "{next:?} was told, and there are {rows} rows");
        last = next;
    }
    drop(journal);
    assert_eq!(place.open().interrupted.calls, 500);
}

#[test]
fn closing_commits_everything() {
    let place = Place::new();
    let (journal, _told) = place.start();
    for id in 1..=5_000 {
        journal.append(EntryId(id), call(id)).expect("room");
    }
    assert_eq!(journal.close(SOON), Ok(()));
    assert_eq!(place.reader().counts().expect("counted").calls, 5_000);
    place.open();
}

#[test]
fn a_locked_database_loses_nothing() {
    let place = Place::new();
    let (journal, told) = place.start();
    let other = place.raw();
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    for id in 1..=50 {
        journal.append(EntryId(id), call(id)).expect("room");
    }
    while journal.trouble().is_none() {
        std::thread::yield_now();
    }
    assert_eq!(journal.waiting(), 50);
    assert!(told.try_recv().is_err());
    other.execute_batch("COMMIT").expect("released");
    while stored(&told) < EntryId(50) {}
    assert_eq!(place.reader().counts().expect("counted").calls, 50);
    assert_eq!(journal.waiting(), 0);
    assert_eq!(journal.trouble(), None);
}

#[test]
fn a_full_disk_costs_the_reserve_and_is_said() {
    let place = Place::new();
    let store = place.open().store;
    let reserve = place.state().join(reserve::RESERVE);
    assert!(reserve.exists());
    // SQLite takes this limit for a full disk.
    store.connection.execute_batch("PRAGMA max_page_count = 1").expect("set");
    let (tell, _told) = mpsc::channel();
    let journal = store.start(move |report| drop(tell.send(report))).expect("starts");
    for id in 1..=500 {
        journal.append(EntryId(id), call(id)).expect("room");
    }
    while journal.trouble().is_none() {
        std::thread::yield_now();
    }
    assert!(journal.trouble().is_some_and(|why| why.contains("full")));
    assert!(!reserve.exists());
    drop(journal);
    place.open();
    assert!(reserve.exists(), "kept again by the next start");
}

#[test]
fn what_a_tombstone_no_longer_says_is_on_no_page_of_any_file() {
    let place = Place::new();
    let (journal, told) = place.start();
    let recording = RecordingId(1);
    let agent = "unmistakable-agent".to_owned();
    let life = [
        Entry::Armed(Armed { agent: agent.clone(), ..armed(1) }),
        Entry::Sealed { recording, sealed: sealed(1), at: now() },
        Entry::PurgeOrdered { recording, policy: "support".into(), at: now() },
    ];
    for (id, entry) in (1..).zip(life) {
        journal.append(EntryId(id), entry).expect("room");
    }
    while stored(&told) < EntryId(3) {}
    let said = || {
        std::fs::read_dir(place.state()).expect("listed").any(|entry| {
            let bytes = std::fs::read(entry.expect("an entry").path()).expect("read");
            bytes.windows(agent.len()).any(|window| window == agent.as_bytes())
        })
    };
    assert!(said(), "as long as it is kept");
    journal.append(EntryId(4), Entry::Purged { recording, at: now() }).expect("room");
    while stored(&told) < EntryId(4) {}
    assert!(!said());
    // Whatever came later lies in one file when the store is closed.
    journal.append(EntryId(5), call(5)).expect("room");
    assert_eq!(journal.close(SOON), Ok(()));
    let log = place.state().join("tonspur.db-wal");
    assert_eq!(std::fs::metadata(log).map_or(0, |log| log.len()), 0);
}

#[test]
fn closing_a_locked_store_says_what_is_lost() {
    let place = Place::new();
    let (journal, _told) = place.start();
    let other = place.raw();
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    journal.append(EntryId(1), call(1)).expect("room");
    assert_eq!(journal.close(Duration::from_millis(1)), Err(Unwritten(1)));
    drop(other);
    place.open();
}

#[test]
fn a_full_backlog_gives_the_entry_back() {
    let place = Place::new();
    let store = place.open().store;
    let other = place.raw();
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    let reader = open_to_read(&place.database()).expect("opens");
    let journal = Journal::start_bounded(store, reader, 4, |_| {}).expect("starts");
    for id in 1..=4 {
        assert_eq!(journal.is_strained(), id > 2);
        journal.append(EntryId(id), call(id)).expect("room");
    }
    let Err(Full(entry)) = journal.append(EntryId(5), call(5)) else { panic!("no room is left") };
    assert!(matches!(*entry, Entry::Call(cdr) if cdr.call == CallId(5)));
    other.execute_batch("COMMIT").expect("released");
    assert_eq!(journal.close(SOON), Ok(()));
}

#[test]
fn an_entry_the_database_refuses_does_not_stop_those_behind_it() {
    let place = Place::new();
    let (journal, told) = place.start();
    journal.append(EntryId(1), Entry::Armed(armed(1))).expect("room");
    journal.append(EntryId(2), Entry::Armed(armed(1))).expect("room");
    journal.append(EntryId(3), call(1)).expect("room");
    while stored(&told) < EntryId(3) {}
    let counts = place.reader().counts().expect("counted");
    assert_eq!((counts.open, counts.calls), (1, 1));
}

#[test]
fn a_question_sees_everything_appended_before_it() {
    let place = Place::new();
    let (journal, told) = place.start();
    journal.append(EntryId(1), Entry::Armed(armed(1))).expect("room");
    journal.append(EntryId(2), seal(1, "2030-01-07T09:01:00Z")).expect("room");
    assert_eq!(due(&journal, &told, "2030-02-06T09:00:59Z").found, []);
    let found = due(&journal, &told, "2030-02-06T09:01:00Z").found;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].recording, RecordingId(1));
    assert_eq!(found[0].due(), at("2030-02-06T09:01:00Z"));
    assert_eq!(found[0].policy, "support");

    let recording = RecordingId(1);
    let when = at("2030-02-07T00:00:00Z");
    journal.append(EntryId(3), Entry::Purged { recording, at: when }).expect("room");
    assert_eq!(due(&journal, &told, "2031-01-01T00:00:00Z").found, []);
}

#[test]
fn pages_follow_one_another_without_a_gap() {
    let place = Place::new();
    let mut store = place.open().store;
    for id in 1..=7 {
        // Pairs of one age, against the order of their ids.
        let minute = 10 - id / 2;
        let seal = seal(id, &format!("2030-01-07T09:{minute:02}:00Z"));
        store.write(&[Entry::Armed(armed(id)), seal]).expect("written");
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let query = Query::Due { at: at("2031-01-01T00:00:00Z"), after, limit: 2 };
        let page = store.answer(query).expect("answered");
        let Some(last) = page.found.last() else { break };
        after = Some(last.recording);
        for kept in page.found {
            // A purged row is still a place in the order.
            let entry = Entry::Purged { recording: kept.recording, at: now() };
            store.write(&[entry]).expect("written");
            seen.push(kept.recording.0);
        }
    }
    assert_eq!(seen, [6, 7, 4, 5, 2, 3, 1]);
}

#[test]
fn a_full_disk_writes_nothing_by_halves() {
    let place = Place::new();
    let mut store = place.open().store;
    let pages = "PRAGMA max_page_count = ";
    let size: i64 =
        store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("read");
    let limit = |store: &Store, pages: String| {
        store.connection.query_row(&pages, [], |row| row.get::<_, i64>(0)).expect("set")
    };
    limit(&store, format!("{pages}{}", size + 2));
    let many: Vec<Entry> = (1..=1_000).map(call).collect();
    assert!(store.write(&many).is_err());
    assert_eq!(place.reader().counts().expect("counted").calls, 0);
    limit(&store, format!("{pages}1000000"));
    store.write(&many).expect("there is room again");
    assert_eq!(place.reader().counts().expect("counted").calls, 1_000);
}

#[test]
fn of_the_rows_of_a_call_in_one_commit_the_last_is_written() {
    let ended = Cdr { end_cause: Some("caller hung up".into()), ..cdr(1) };
    let entries = [call(1), call(2), Entry::Armed(armed(9)), Entry::Call(Box::new(ended))];
    let kept: Vec<&Entry> = last_words(entries.iter()).collect();
    let [Entry::Call(other), Entry::Armed(_), Entry::Call(last)] = &kept[..] else {
        panic!("{kept:?}")
    };
    assert_eq!((other.call, last.call), (CallId(2), CallId(1)));
    assert_eq!(last.end_cause.as_deref(), Some("caller hung up"));
}

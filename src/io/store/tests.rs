use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

use super::*;
use crate::media::{RecordingId, Samples, Sealed, Silence};
use crate::switch::journal::{
    AgentStatus, Armed, Binding, CallDirection, CallId, Cdr, ConsentAnswer, ConsentRecord, EntryId,
};
use crate::switch::settings::ConsentMode;
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
    while !journal.is_troubled() {
        std::thread::yield_now();
    }
    assert_eq!(journal.waiting(), 50);
    assert!(told.try_recv().is_err());
    other.execute_batch("COMMIT").expect("released");
    while stored(&told) < EntryId(50) {}
    assert_eq!(place.reader().counts().expect("counted").calls, 50);
    assert_eq!(journal.waiting(), 0);
    assert!(!journal.is_troubled());
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
fn a_second_writer_is_told_who_is_first() {
    let place = Place::new();
    let first = place.open();
    let Err(error) = place.try_open() else { panic!("two writers") };
    assert!(matches!(error, Error::Busy(_)), "{error}");
    assert!(error.to_string().contains("another tonspur"));
    place.reader();
    drop(first);
    place.open();
}

#[test]
fn only_we_can_read_it() {
    let place = Place::new();
    std::fs::create_dir(place.state()).expect("created");
    std::fs::set_permissions(place.state(), PermissionsExt::from_mode(0o755)).expect("set");
    let (journal, told) = place.start();
    journal.append(EntryId(1), call(1)).expect("room");
    stored(&told);
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&place.state()), 0o700);
    for file in std::fs::read_dir(place.state()).expect("listed") {
        let path = file.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_newer_schema_is_refused_and_untouched() {
    let place = Place::new();
    drop(place.open());
    place.raw().pragma_update(None, "user_version", 99).expect("set");
    let newer = |error| matches!(error, Error::Newer { found: 99, .. });
    assert!(newer(place.try_open().err().expect("refused")));
    assert!(newer(Reader::open(&place.state()).err().expect("refused")));
    let version: i64 =
        place.raw().pragma_query_value(None, "user_version", |row| row.get(0)).expect("read");
    assert_eq!(version, 99);
}

#[test]
fn an_older_schema_is_brought_up_to_date_and_kept_as_a_copy() {
    let place = Place::new();
    place.open().store.write(&[call(1)]).expect("written");
    let steps = [schema::STEPS, &["ALTER TABLE calls ADD COLUMN mood TEXT"]].concat();
    let mut connection = place.raw();
    let copy = schema::migrate(&mut connection, &place.database(), &steps).expect("migrated");
    let copy = copy.expect("a copy");
    let moods = "SELECT count(*) FROM calls WHERE mood IS NULL";
    let count = |rows: &Connection| rows.query_row(moods, [], |row| row.get::<_, i64>(0));
    assert_eq!(count(&connection), Ok(1));
    let old = Connection::open(&copy).expect("opens");
    assert!(count(&old).is_err(), "the copy is as it was");
    let calls: i64 =
        old.query_row("SELECT count(*) FROM calls", [], |row| row.get(0)).expect("read");
    assert_eq!(calls, 1);
    let mode = std::fs::metadata(&copy).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = schema::migrate(&mut connection, &place.database(), &steps).expect("nothing to do");
    assert_eq!(again, None);
}

#[test]
fn a_step_that_fails_leaves_the_schema_as_it_was() {
    let place = Place::new();
    drop(place.open());
    let broken = "CREATE TABLE half (id TEXT); ALTER TABLE nowhere ADD COLUMN mood TEXT";
    let steps = [schema::STEPS, &[broken]].concat();
    let mut connection = place.raw();
    assert!(schema::migrate(&mut connection, &place.database(), &steps).is_err());
    drop(connection);
    place.open();
    assert!(place.raw().prepare("SELECT * FROM half").is_err());
}

#[test]
fn a_damaged_database_is_named_with_what_to_do() {
    let place = Place::new();
    let mut store = place.open().store;
    let many: Vec<Entry> = (1..=2_000).map(call).collect();
    store.write(&many).expect("written");
    drop(store);
    let mut bytes = std::fs::read(place.database()).expect("read");
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 4_096].fill(0x5a);
    std::fs::write(place.database(), &bytes).expect("written");
    let error = place.try_open().err().expect("refused").to_string();
    assert!(error.contains("tonspur.db is damaged"), "{error}");

    std::fs::write(place.database(), "not a database, whatever its name says. ".repeat(200))
        .expect("written");
    assert!(matches!(place.try_open(), Err(Error::Corrupt { .. })));
    assert!(matches!(Reader::open(&place.state()), Err(Error::Corrupt { .. })));
}

#[test]
fn a_database_of_somebody_else_is_refused() {
    let place = Place::new();
    std::fs::create_dir(place.state()).expect("created");
    place.raw().execute_batch("CREATE TABLE notes (text TEXT)").expect("made");
    assert!(matches!(place.try_open(), Err(Error::Foreign(_))));
}

#[test]
fn a_reader_without_a_store_says_so() {
    let place = Place::new();
    assert!(matches!(Reader::open(&place.state()), Err(Error::Missing(_))));
    assert!(!place.state().exists());
}

#[test]
fn a_restart_remembers_bindings_agents_and_dialogs() {
    let place = Place::new();
    let binding = |contact: &str| Binding {
        aor: "101".into(),
        contact: contact.into(),
        flow: flow(),
        expires: now().after(DAY),
        call_id: "a@b".into(),
        cseq: 7,
        user_agent: "Phone/1".into(),
    };
    let dialog = Remembered {
        call_id: "c@d".into(),
        local: "<sip:us>;tag=1".into(),
        remote: "<sip:them>;tag=2".into(),
        target: "sip:them@192.0.2.1".into(),
        routes: vec!["<sip:a;lr>".into(), "<sip:b;lr>".into()],
        local_seq: 3,
        flow: flow(),
    };
    let up = |tag: &str| Entry::DialogUp {
        call: CallId(5),
        local_tag: tag.into(),
        dialog: dialog.clone(),
    };
    let status = |status| Entry::AgentStatus { agent: "bob".into(), status, at: now() };
    let entries = [
        Entry::Bound(binding("sip:1")),
        Entry::Bound(binding("sip:2")),
        Entry::Unbound { aor: "101".into(), contact: "sip:1".into() },
        status(AgentStatus::Available),
        status(AgentStatus::OnBreak),
        up("t1"),
        up("t2"),
        Entry::DialogDown { local_tag: "t1".into() },
        Entry::RetentionRan { at: now(), purged: 1, failed: 0 },
        Entry::RetentionBlocked { why: "it jumped".into(), at: now().after(400 * DAY) },
    ];
    place.open().store.write(&entries).expect("written");
    let memory = place.open().memory;
    assert_eq!(memory.bindings, [binding("sip:2")]);
    assert_eq!(memory.agents, [("bob".to_owned(), AgentStatus::OnBreak)]);
    assert_eq!(memory.dialogs, [(CallId(5), "t2".to_owned(), dialog)]);
    assert_eq!(memory.retention_ran, Some(now()));
    let runs = place.reader().retention_runs(10).expect("read");
    assert_eq!(runs[0].blocked.as_deref(), Some("it jumped"));
    assert_eq!(runs[1].purged, 1);
}

#[test]
fn a_call_is_read_back_as_it_was_written() {
    let place = Place::new();
    let mut whole = cdr(9);
    whole.agent = Some("bob".into());
    whole.answered = Some(now().after(Duration::from_secs(1)));
    whole.bridged = Some(now().after(Duration::from_secs(9)));
    whole.ended = Some(now().after(Duration::from_secs(60)));
    whole.end_cause = Some("caller hung up".into());
    whole.status = Some(486);
    whole.consent = Some(ConsentRecord {
        mode: ConsentMode::ExpressAll,
        answer: ConsentAnswer::Declined('2'),
        at: now(),
        prompt: "consent".into(),
        prompt_sha256: "00ff".into(),
        language: "de".into(),
    });
    whole.recording = Some(RecordingId(9));
    whole.unrecorded = Some("the caller declined".into());
    place.open().store.write(&[call(9), Entry::Call(Box::new(whole.clone()))]).expect("written");

    let Ok(Matches::One(read)) = place.reader().call(&CallId(9).to_string()) else {
        panic!("one call")
    };
    assert_eq!(format!("{read:?}"), format!("{whole:?}"));
    assert_eq!((read.from, read.to), (whole.from, whole.to));
}

#[test]
fn what_a_crash_cut_off_is_finished() {
    let place = Place::new();
    let mut bridged = cdr(1);
    bridged.bridged = Some(now().after(Duration::from_secs(5)));
    bridged.recording = Some(RecordingId(1));
    let mut over = cdr(3);
    over.ended = Some(now());
    over.end_cause = Some("agent hung up".into());
    let entries = [
        Entry::Call(Box::new(bridged)),
        call(2),
        Entry::Call(Box::new(over)),
        Entry::Armed(armed(1)),
        Entry::Armed(armed(2)),
    ];
    place.open().store.write(&entries).expect("written");

    let first = armed(1).path;
    let finish = |path: &str| {
        if path == first { Ok(sealed(60)) } else { Err("no audio reached the disk".to_owned()) }
    };
    let later = now().after(DAY);
    let opened = Store::open_with(&place.state(), place.0.path(), later, &finish).expect("opens");
    assert_eq!(
        opened.interrupted,
        Interrupted {
            calls: 2,
            finished: vec![RecordingId(1)],
            lost: vec![(RecordingId(2), "no audio reached the disk".to_owned())],
        }
    );
    let reader = place.reader();
    let call = |id| match reader.call(&CallId(id).to_string()) {
        Ok(Matches::One(cdr)) => (cdr.ended, cdr.end_cause),
        other => panic!("{other:?}"),
    };
    let interrupted = Some(INTERRUPTED.to_owned());
    assert_eq!(call(1), (Some(now().after(Duration::from_secs(60))), interrupted.clone()));
    assert_eq!(call(2), (Some(now()), interrupted));
    assert_eq!(call(3), (Some(now()), Some("agent hung up".to_owned())));

    let recordings = reader.recordings(&RecordingFilter::default()).expect("read");
    let states: Vec<State> = recordings.iter().map(Recording::state).collect();
    assert_eq!(states, [State::Failed, State::Interrupted]);
    assert_eq!(recordings[1].sealed, Some(now().after(Duration::from_secs(60))));
    assert_eq!(recordings[1].due, Some(now().after(Duration::from_secs(60) + 30 * DAY)));
    assert_eq!(recordings[1].sha256.as_deref(), Some("ab".repeat(32).as_str()));
    assert_eq!(recordings[1].silences, sealed(60).silences);
    assert_eq!(recordings[1].gaps, sealed(60).gaps);

    drop(opened);
    assert_eq!(place.open().interrupted, Interrupted::default(), "finished once");
}

#[test]
fn what_is_left_of_a_failed_recording_is_adopted() {
    let place = Place::new();
    let recording = RecordingId(1);
    let entries = [
        Entry::Armed(armed(1)),
        Entry::RecordingFailed { recording, cause: "disk full".into(), at: now() },
    ];
    place.open().store.write(&entries).expect("written");
    assert_eq!(place.open().interrupted, Interrupted::default(), "there is nothing to adopt");

    let part = place.0.path().join(armed(1).path + ".part");
    std::fs::create_dir_all(part.parent().expect("a folder")).expect("created");
    std::fs::write(&part, b"some audio").expect("written");
    let opened = Store::open_with(&place.state(), place.0.path(), now(), &|_| Ok(sealed(3)));
    assert_eq!(opened.expect("opens").interrupted.finished, [recording]);
    let Ok(Matches::One(row)) = place.reader().recording(&recording.to_string()) else {
        panic!("one recording")
    };
    assert_eq!(row.state(), State::Failed);
    assert_eq!(row.cause.as_deref(), Some("disk full"));
    assert_eq!(row.length, Some(Samples(24_000)));
}

#[test]
fn a_purge_order_survives_and_a_legal_hold_takes_it_back() {
    let place = Place::new();
    let order =
        |id| Entry::PurgeOrdered { recording: RecordingId(id), policy: "old".into(), at: now() };
    let hold =
        |id| Entry::LegalHold { recording: RecordingId(id), reason: "court".into(), at: now() };
    let mut entries = Vec::new();
    for id in 1..=3 {
        entries.extend([Entry::Armed(armed(id)), seal(id, "2030-01-07T09:01:00Z")]);
    }
    // Held after the order; held before it; not held.
    entries.extend([order(1), hold(1), hold(2), order(2), order(3)]);
    place.open().store.write(&entries).expect("written");
    let opened = place.open();
    assert_eq!(opened.memory.purges, [(RecordingId(3), armed(3).path, "old".to_owned())]);
    let query = Query::Due { at: at("2040-01-01T00:00:00Z"), after: None, limit: 10 };
    let page = opened.store.answer(query).expect("answered");
    let found: Vec<u64> = page.found.iter().map(|kept| kept.recording.0).collect();
    assert_eq!(found, [3]);

    let mut store = opened.store;
    store.write(&[Entry::Released { recording: RecordingId(2), at: now() }]).expect("written");
    assert_eq!(store.answer(query).expect("answered").found.len(), 2);
    let one = store.answer(Query::One { recording: RecordingId(1) }).expect("answered").found;
    assert!(one[0].legal_hold);
}

#[test]
fn a_tombstone_proves_the_deletion_and_names_nobody() {
    let place = Place::new();
    let recording = RecordingId(1);
    let entries = [
        Entry::Armed(armed(1)),
        seal(1, "2030-01-07T09:01:00Z"),
        Entry::PurgeOrdered { recording, policy: "support".into(), at: now().after(31 * DAY) },
        Entry::Purged { recording, at: now().after(31 * DAY) },
    ];
    place.open().store.write(&entries).expect("written");
    let reader = place.reader();
    assert_eq!(reader.recordings(&RecordingFilter::default()).expect("read"), []);
    let filter = RecordingFilter { state: Some(State::Purged), ..RecordingFilter::default() };
    let tombstones = reader.recordings(&filter).expect("read");
    let [tombstone] = &tombstones[..] else { panic!("one tombstone") };
    assert_eq!(tombstone.state(), State::Purged);
    assert_eq!(tombstone.agent, None);
    assert_eq!(tombstone.sha256.as_deref(), Some("ab".repeat(32).as_str()));
    assert_eq!(tombstone.length, Some(Samples(480_000)));
    assert_eq!(tombstone.purged, Some(now().after(31 * DAY)));
    assert_eq!(tombstone.policy, "support");
}

#[test]
fn history_is_filtered() {
    let place = Place::new();
    let mut entries = Vec::new();
    for id in 1..=4 {
        let mut cdr = cdr(id);
        cdr.started = now().after(DAY * u32::try_from(id).expect("small"));
        cdr.queue = Some(if id % 2 == 0 { "sales" } else { "support" }.to_owned());
        let armed = Armed { at: cdr.started, ..armed(id) };
        entries.extend([Entry::Call(Box::new(cdr)), Entry::Armed(armed)]);
    }
    entries.push(seal(4, "2030-01-12T09:00:00Z"));
    place.open().store.write(&entries).expect("written");
    let reader = place.reader();
    let calls = |filter: CallFilter| -> Vec<u64> {
        reader.calls(&filter).expect("read").iter().map(|cdr| cdr.call.0).collect()
    };
    let since = Some(now().after(2 * DAY));
    assert_eq!(calls(CallFilter { since, ..CallFilter::default() }), [4, 3, 2]);
    assert_eq!(calls(CallFilter { until: since, ..CallFilter::default() }), [1]);
    assert_eq!(calls(CallFilter { queue: Some("sales".into()), ..CallFilter::default() }), [4, 2]);
    assert_eq!(calls(CallFilter { limit: Some(1), ..CallFilter::default() }), [4]);
    assert!(calls(CallFilter { agent: Some("bob".into()), ..CallFilter::default() }).is_empty());
    assert!(calls(CallFilter { consent: true, ..CallFilter::default() }).is_empty());

    let recordings = |filter: RecordingFilter| -> Vec<u64> {
        reader.recordings(&filter).expect("read").iter().map(|row| row.recording.0).collect()
    };
    let sales = RecordingFilter { queue: Some("sales".into()), ..RecordingFilter::default() };
    assert_eq!(recordings(sales), [4, 2]);
    let open = RecordingFilter { state: Some(State::Open), since, ..RecordingFilter::default() };
    assert_eq!(recordings(open), [3, 2]);
    let bobs = RecordingFilter { agent: Some("bob".into()), ..RecordingFilter::default() };
    assert_eq!(recordings(bobs).len(), 4);
    let held = RecordingFilter { legal_hold: true, ..RecordingFilter::default() };
    assert!(recordings(held).is_empty());
    assert!(matches!(reader.call("0000"), Ok(Matches::Many)));
    assert!(matches!(reader.call("00000000000"), Ok(Matches::Many)));
    assert!(matches!(reader.recording("000000000003"), Ok(Matches::One(_))));
    for nothing in ["", "z", "' OR 1=1 --"] {
        assert!(matches!(reader.call(nothing), Ok(Matches::None)), "{nothing:?}");
    }
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

//! What a restart remembers and finishes, and what history shows.

use super::*;
use crate::media::{Reported, Statistics};
use crate::redacted::Redacted;
use crate::switch::forwarding::{Change, Occasion};
use crate::switch::leg_media::LegMedia;
use crate::wire::rtp::g711::Codec;

#[test]
fn a_restart_remembers_bindings_agents_dialogs_and_subscriptions() {
    let place = Place::new();
    let binding = |contact: &str| Binding {
        aor: "101".into(),
        contact: contact.into(),
        flow: flow(),
        expires: now().after(DAY),
        call_id: "a@b".into(),
        cseq: 7,
        user_agent: "Phone/1".into(),
        path: Vec::new(),
        instance: None,
        reg_id: 0,
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
    let subscribed = |tag: &str, id: Option<&str>| Subscribed {
        user: "101".into(),
        package: Package::Dialog,
        watched: "102".into(),
        id: id.map(Into::into),
        expires: now().after(DAY),
        local_tag: tag.into(),
        dialog: dialog.clone(),
    };
    let subscribes = |tag, id| Entry::SubscriptionUp(Box::new(subscribed(tag, id)));
    let status = |status| Entry::AgentStatus { agent: "bob".into(), status, at: now() };
    let forward = |to: Option<&str>| Change::Forward {
        occasion: Occasion::NoAnswer,
        to: to.map(|to| Redacted::new(to.to_owned())),
        after: to.map(|_| Duration::from_secs(15)),
    };
    let said = |change| Entry::Forwarding { user: "101".into(), change, at: now() };
    let entries = [
        Entry::Bound(binding("sip:1")),
        Entry::Bound(binding("sip:2")),
        Entry::Unbound { aor: "101".into(), contact: "sip:1".into(), reg_id: 0 },
        status(AgentStatus::Available),
        status(AgentStatus::OnBreak),
        said(forward(Some("1002"))),
        said(Change::Undisturbed(false)),
        said(forward(None)),
        said(Change::Undisturbed(true)),
        up("t1"),
        up("t2"),
        Entry::DialogDown { local_tag: "t1".into() },
        subscribes("s1", None),
        subscribes("s2", None),
        subscribes("s2", Some("a")),
        Entry::SubscriptionDown { local_tag: "s1".into() },
        Entry::RetentionRan { at: now(), purged: 1, failed: 0 },
        Entry::RetentionBlocked { why: "it jumped".into(), at: now().after(400 * DAY) },
    ];
    place.open().store.write(&entries).expect("written");
    let memory = place.open().memory;
    assert_eq!(memory.bindings, [binding("sip:2")]);
    assert_eq!(memory.agents, [("bob".to_owned(), AgentStatus::OnBreak)]);
    let said = [forward(None), Change::Undisturbed(true)];
    assert_eq!(memory.forwarding, said.map(|change| ("101".to_owned(), change)));
    assert_eq!(memory.subscriptions, [subscribed("s2", Some("a"))]);
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
    whole.transferred_to = Some("1002".to_owned().into());
    whole.merged_into = Some(CallId(7));
    place.open().store.write(&[call(9), Entry::Call(Box::new(whole.clone()))]).expect("written");

    let Ok(Matches::One(read)) = place.reader().call(&CallId(9).to_string()) else {
        panic!("one call")
    };
    assert_eq!(format!("{read:?}"), format!("{whole:?}"));
    assert_eq!((read.from, read.to), (whole.from, whole.to));
}

#[test]
fn what_went_through_the_legs_of_a_call_is_read_as_it_was_written() {
    let place = Place::new();
    let whole = LegMedia {
        call: CallId(9),
        leg: 0,
        user: None,
        trunk: Some("north".into()),
        codec: Codec::Pcma,
        advertised: "10.0.0.5:4000".parse().ok(),
        receives: true,
        sends: false,
        info_keys: 2,
        statistics: Statistics {
            received: 100,
            sent: 90,
            lost: 3,
            refused: 1,
            unheeded: 4,
            keys: 5,
            jitter: Samples(16),
            worst_jitter: Samples(80),
            source: "[2001:db8::7]:4000".parse().ok(),
            quiet: Duration::from_millis(1_500),
            stray: Some(96),
            reported: Some(Reported {
                lost: 7,
                jitter: Samples(24),
                round_trip: Some(Duration::from_micros(23_400)),
            }),
        },
        at: now(),
    };
    let bare = LegMedia {
        leg: 1,
        user: Some("1001".into()),
        trunk: None,
        advertised: None,
        statistics: Statistics::default(),
        ..whole.clone()
    };
    let other = LegMedia { call: CallId(8), ..whole.clone() };
    let entries = [bare.clone(), other, whole.clone()].map(|media| Entry::Leg(Box::new(media)));
    place.open().store.write(&entries).expect("written");
    assert_eq!(place.reader().legs(CallId(9)).expect("legs"), [whole, bare]);
    assert_eq!(place.reader().legs(CallId(7)).expect("legs"), []);
    let scores: (f64, Option<f64>) = rusqlite::Connection::open(place.database())
        .and_then(|rows| {
            let query = "SELECT mos, far_mos FROM legs WHERE call = ?1 AND leg = 0";
            rows.query_row(query, [CallId(9).to_string()], |row| Ok((row.get(0)?, row.get(1)?)))
        })
        .expect("a row for other programs");
    assert!(scores.0 > 4.0 && scores.1.is_some_and(|far| far < scores.0), "{scores:?}");
}

#[test]
fn what_became_of_the_recordings_of_answered_calls_is_counted() {
    let place = Place::new();
    let over = |id, change: &dyn Fn(&mut Cdr)| {
        let mut cdr = cdr(id);
        (cdr.answered, cdr.ended) = (Some(now()), Some(now()));
        change(&mut cdr);
        Entry::Call(Box::new(cdr))
    };
    let with = |id| move |cdr: &mut Cdr| cdr.recording = Some(RecordingId(id));
    let because = |why: &'static str| move |cdr: &mut Cdr| cdr.unrecorded = Some(why.to_owned());
    let cause = "the disk is full".to_owned();
    let entries = [
        Entry::Armed(armed(1)),
        Entry::Armed(armed(2)),
        Entry::Armed(armed(3)),
        seal(1, "2030-01-07T09:00:00Z"),
        Entry::RecordingFailed { recording: RecordingId(2), cause, at: now() },
        over(1, &with(1)),
        over(2, &with(2)),
        over(3, &with(3)),
        over(4, &because("the caller declined")),
        over(5, &because("the caller declined")),
        over(6, &|_| {}),
        over(7, &|cdr| cdr.answered = None),
        over(8, &|cdr| cdr.started = now().before(2 * DAY)),
        over(9, &|cdr| cdr.merged_into = Some(CallId(1))),
        over(10, &|cdr| cdr.end_cause = Some(INTERRUPTED.to_owned())),
        call(11),
    ];
    // Kept open: a start would finish what is not sealed.
    let mut opened = place.open();
    opened.store.write(&entries).expect("written");
    let outcomes = place.reader().outcomes(now().before(DAY)).expect("counted");
    let told = outcomes.iter().map(|outcome| (outcome.word.as_deref(), outcome.calls));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (None, 1),
            (Some("not recorded: the caller declined"), 2),
            (Some("failed: the disk is full"), 1),
            (Some("not recorded: it went on in another call"), 1),
            (Some("not recorded: the switch died"), 1),
            (Some("not sealed yet"), 1),
            (Some("recorded"), 1),
        ]
    );
    assert_eq!(outcomes[0].some, [CallId(6).to_string()]);
    assert_eq!(outcomes[1].some, [CallId(4).to_string(), CallId(5).to_string()]);
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
    assert_eq!(recordings[1].packets, sealed(60).packets);
    assert_eq!(recordings[0].packets, None);

    drop(opened);
    assert_eq!(place.open().interrupted, Interrupted::default(), "finished once");
}

#[test]
fn recordings_that_follow_each_other_know_it_and_the_call_ends_with_the_last() {
    let place = Place::new();
    let mut long = cdr(1);
    long.recording = Some(RecordingId(9));
    let after = |span, id| Armed {
        call: CallId(1),
        continues: Some(RecordingId(9)),
        at: now().after(span),
        ..armed(id)
    };
    let half = DAY / 2;
    let entries = [
        Entry::Call(Box::new(long)),
        Entry::Armed(Armed { call: CallId(1), ..armed(9) }),
        Entry::Armed(after(half, 8)),
        Entry::Armed(after(2 * half, 7)),
    ];
    place.open().store.write(&entries).expect("written");
    let finish = |_: &str| Ok(sealed(60));
    let later = now().after(3 * DAY);
    drop(Store::open_with(&place.state(), place.0.path(), later, &finish).expect("opens"));
    let reader = place.reader();
    let row = |id| match reader.recording(&RecordingId(id).to_string()) {
        Ok(Matches::One(row)) => row,
        other => panic!("{other:?}"),
    };
    assert_eq!(row(9).continued_by, [RecordingId(8), RecordingId(7)]);
    assert_eq!((row(9).continues, row(7).continues), (None, Some(RecordingId(9))));
    assert!(row(7).continued_by.is_empty());
    let Ok(Matches::One(cdr)) = reader.call(&CallId(1).to_string()) else { panic!("one call") };
    assert_eq!(cdr.ended, Some(now().after(2 * half + Duration::from_secs(60))));
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
fn a_legal_hold_goes_on_with_the_conversation() {
    let place = Place::new();
    let follows = |first, id| {
        let continues = Some(RecordingId(first));
        Entry::Armed(Armed { continues, at: now().after(DAY), ..armed(id) })
    };
    let reason = "court".to_owned();
    let hold = Entry::LegalHold { recording: RecordingId(1), reason: reason.clone(), at: now() };
    let release = |id| Entry::Released { recording: RecordingId(id), at: now() };
    let entries = [Entry::Armed(armed(1)), follows(1, 2), hold, follows(1, 3), follows(1, 4)];
    let others = [Entry::Armed(armed(6)), follows(6, 7)];
    place.open().store.write(&[&entries[..], &others].concat()).expect("written");
    let held = || {
        let filter = RecordingFilter { legal_hold: true, ..RecordingFilter::default() };
        let mut found = place.reader().recordings(&filter).expect("read");
        found.sort_by_key(|row| row.recording);
        found.into_iter().map(|row| (row.recording.0, row.legal_hold, row.held)).collect::<Vec<_>>()
    };
    let since = |at| (Some(reason.clone()), Some(at));
    let (first, later) = (since(now()), since(now().after(DAY)));
    let of = |id, (reason, at)| (id, reason, at);
    assert_eq!(held(), [of(1, first), of(3, later.clone()), of(4, later)]);

    place
        .open()
        .store
        .write(&[release(1), release(3), release(4), follows(1, 5)])
        .expect("written");
    assert_eq!(held(), []);
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
        cdr.ended = (id != 3).then(|| cdr.started.after(DAY));
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
    assert_eq!(calls(CallFilter { ended: true, ..CallFilter::default() }), [4, 2, 1], "3 is up");

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

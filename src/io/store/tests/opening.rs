//! Opening a store: rights, schemas, damage, a second writer.

use super::*;

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
    assert!(newer(place.try_open().expect_err("refused")));
    assert!(newer(Reader::open(&place.state()).expect_err("refused")));
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
    let error = place.try_open().expect_err("refused").to_string();
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

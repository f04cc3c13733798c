//! The folder on disk: the shipped one, the lab's, and users written into one.

use super::*;
use crate::switch::settings::{Caller, ConsentMode, Destination};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-profiles")
}

fn small_office() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/profiles/small-office")
}

/// A folder with a domain, a listener and these files.
fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let needed = [
        ("switch.toml", "domain = \"pbx.example\""),
        ("internal.toml", "bind = \"127.0.0.1\""),
        ("external.toml", "bind = \"127.0.0.1\""),
    ];
    for (path, text) in needed.iter().chain(files) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

fn anna(password: &str, present: Present) -> NewUser {
    NewUser {
        extension: "1001".into(),
        name: Some(Redacted::new("Anna \"A\"".into())),
        caller_id: Some(Redacted::new("+4930555013".into())),
        password: Redacted::new(password.into()),
        present,
    }
}

#[test]
fn the_shipped_profiles_have_no_mistake_and_no_password() {
    let loaded = load(&shipped()).expect("no errors");
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.notes.len(), 2, "{:?}", loaded.notes);
    assert!(loaded.settings.users.len() >= 3);
    assert!(!loaded.settings.users.values().any(has_password));
    assert!(loaded.settings.listeners.iter().all(|listener| listener.bind.ip().is_loopback()));
    let route = &loaded.settings.routes[0];
    assert_eq!(route.caller, Caller::Trunk("north".into()));
    assert_eq!(route.to, Destination::Queue("support".into()));
    assert_eq!(
        (route.consent, route.retention.as_deref()),
        (ConsentMode::ExpressAll, Some("standard"))
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(loaded.recordings, plain(&root.join("recordings")));
    assert_eq!(loaded.state, plain(&root.join("recordings")).join(".state"));
    assert_eq!(loaded.prompts, plain(&root.join("sip-profiles/prompts")));
}

#[test]
fn the_small_office_has_no_mistake() {
    let settings = load(&small_office()).expect("no errors").settings;
    assert_eq!(settings.agents.values().filter(|agent| agent.agrees_to_recording).count(), 2);
    assert_eq!(settings.queues["support"].agents, ["bob", "alice"]);
    assert!(settings.trunks["north"].gateways.iter().all(|north| north.credentials.is_some()));
    assert!(settings.users.values().all(has_password));
}

#[test]
fn the_profiles_to_measure_with_have_no_mistake() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/profiles");
    let loaded = load(&folder).expect("no errors");
    assert!(loaded.settings.routes.iter().any(|route| route.consent == ConsentMode::NoticeAll));
}

#[test]
fn paths_are_relative_to_the_folder_whether_they_are_there_or_not() {
    let folder = folder_with(&[]);
    let loaded = load(folder.path()).expect("no errors");
    let beside = fs::canonicalize(folder.path()).expect("it is there");
    let beside = beside.parent().expect("it lies in a folder").join("recordings");
    assert_eq!((loaded.state, loaded.recordings), (beside.join(".state"), beside));
}

#[test]
fn the_readme_of_the_profiles_shows_every_key_as_it_is_read() {
    let readme = fs::read_to_string(shipped().join("README.md")).expect("it is there");
    let block =
        readme.split("```").nth(1).and_then(|block| block.strip_prefix("toml")).expect("a block");
    let mut sources: Vec<Source> = Vec::new();
    for line in block.lines() {
        let heads = line.strip_prefix("# ").filter(|rest| rest.ends_with(".toml"));
        match (heads, sources.last_mut()) {
            (Some(paths), _) => {
                let first = paths.split(", ").next().expect("split gives one at least");
                sources.push(Source::new(first, ""));
            }
            (None, Some(source)) => source.text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    assert_eq!(sources.len(), 10);
    let errors = config::load(&sources).expect_err("the example leaves values empty");
    let unknown: Vec<&Error> = errors
        .iter()
        .filter(|error| error.what.contains("unknown key") || error.what.contains("no such file"))
        .collect();
    assert_eq!(unknown, [] as [&Error; 0]);
}

#[test]
fn a_user_is_added_with_hashes_alone_and_removed_again() {
    let folder = folder_with(&[]);
    let path = add_user(folder.path(), &anna("staple horse", Present::Keep)).expect("added");
    assert_eq!(path, folder.path().join("users/1001.toml"));
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&path).expect("text").contains("staple"));
    let loaded = load(folder.path()).expect("no errors");
    assert_eq!(loaded.warnings, []);
    let user = &loaded.settings.users["1001"];
    assert_eq!(user.ha1, Ha1::of("1001", "pbx.example", "staple horse"));
    assert_eq!(user.name.reveal(), "Anna \"A\"");
    assert_eq!(fs::read_dir(folder.path().join("users")).expect("a folder").count(), 1);
    remove_user(folder.path(), "1001").expect("removed");
    assert!(!path.exists());
    assert!(matches!(remove_user(folder.path(), "1001"), Err(Refused::Unknown(_))));
}

#[test]
fn a_password_is_overwritten_only_when_asked_for_and_the_rest_stays() {
    let folder =
        folder_with(&[("users/1001.toml", "name = \"Anna\"\ncaller_id = \"+4930555013\"")]);
    let mut user = anna("staple horse", Present::Keep);
    (user.name, user.caller_id) = (None, None);
    add_user(folder.path(), &user).expect("a user without a password gets one");
    let again = add_user(folder.path(), &user);
    assert!(matches!(again, Err(Refused::Because(why)) if why.contains("already")));
    user.password = Redacted::new("battery correct".into());
    user.present = Present::Replace;
    add_user(folder.path(), &user).expect("replaced");
    let loaded = load(folder.path()).expect("no errors");
    let user = &loaded.settings.users["1001"];
    assert_eq!(user.ha1, Ha1::of("1001", "pbx.example", "battery correct"));
    assert_eq!(user.name.reveal(), "Anna");
    assert_eq!(user.caller_id.as_ref().map(|id| id.as_str()), Some("+4930555013"));
}

#[test]
fn a_user_an_agent_needs_is_not_removed() {
    let folder = folder_with(&[("users/1001.toml", ""), ("agents/anna.toml", "user = \"1001\"")]);
    let refused = remove_user(folder.path(), "1001").expect_err("anna needs it").to_string();
    assert_eq!(
        refused,
        "user 1001 is still named in agents/anna.toml:1: change that first, then remove the user"
    );
    assert!(matches!(removable_user(folder.path(), "1001"), Err(Refused::Needed(..))));
    assert!(folder.path().join("users/1001.toml").exists());
}

#[test]
fn a_look_at_what_would_be_removed_removes_nothing() {
    let folder = folder_with(&[("users/1001.toml", "")]);
    let path = removable_user(folder.path(), "1001").expect("nobody needs it");
    assert!(path.exists());
    assert_eq!(remove_user(folder.path(), "1001").expect("removed"), path);
    assert!(!path.exists());
}

#[test]
fn a_user_can_be_added_to_mend_a_folder_that_lacks_one() {
    let folder = folder_with(&[
        ("agents/anna.toml", "user = \"1001\""),
        ("queues/q.toml", "agents = [\"ben\"]"),
    ]);
    add_user(folder.path(), &anna("staple horse", Present::Keep)).expect("added");
    assert_eq!(load(folder.path()).expect_err("ben is still missing").len(), 1);
}

#[test]
fn an_extension_cannot_leave_the_folder() {
    let folder = folder_with(&[]);
    for extension in ["../1001", "", "10/01", ".1001", "1001\0"] {
        let mut user = anna("staple horse", Present::Keep);
        user.extension = extension.into();
        assert!(matches!(add_user(folder.path(), &user), Err(Refused::Because(_))), "{extension}");
        assert!(matches!(remove_user(folder.path(), extension), Err(Refused::Because(_))));
    }
}

#[test]
fn a_weak_password_is_refused_before_anything_is_written() {
    let folder = folder_with(&[]);
    for password in ["", "1001", "seven77"] {
        let refused = add_user(folder.path(), &anna(password, Present::Keep));
        assert!(matches!(refused, Err(Refused::Because(_))), "{password}");
    }
    assert!(!folder.path().join("users").exists());
}

#[test]
fn passwords_that_others_may_read_are_warned_of() {
    let trunk = "from = [\"192.0.2.9\"]";
    let folder = folder_with(&[("secrets/north", "x"), ("trunks/north.toml", trunk)]);
    let secret = folder.path().join("secrets/north");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).expect("chmod");
    let warnings = load(folder.path()).expect("no errors").warnings;
    assert_eq!(
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["secrets/north: others may read it (mode 0640): chmod 0600"]
    );
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("chmod");
    assert_eq!(load(folder.path()).expect("no errors").warnings, []);
}

#[test]
fn what_is_no_profile_is_passed_over_and_what_cannot_be_read_is_named() {
    let folder = folder_with(&[
        (".hidden.toml", "x"),
        ("README.md", "x"),
        ("users/1.toml~", "x"),
        ("users/2.tml", "x"),
        ("users/old/3.toml", "x"),
        ("prompts/de/x.toml", "x"),
    ]);
    let warnings = load(folder.path()).expect("no errors").warnings;
    assert_eq!(
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "users/1.toml~: it is not read: its name does not end in .toml",
            "users/2.tml: it is not read: its name does not end in .toml",
            "users/old: no folder is read in a folder",
        ]
    );
    fs::write(folder.path().join("external.toml"), [0xff, 0xfe]).expect("a file");
    fs::create_dir(folder.path().join("users/2.toml")).expect("a folder");
    let errors = load(folder.path()).expect_err("not text");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].to_string().starts_with("external.toml: it cannot be read"));
    let nowhere = load(Path::new("/nowhere/at/all")).expect_err("not there");
    assert!(nowhere[0].to_string().starts_with("/nowhere/at/all: the folder cannot be read"));
}

#[test]
fn made_passwords_are_strong_and_never_twice_the_same() {
    let [a, b] = [(); 2].map(|()| make_password().expect("random bytes").into_inner());
    assert_ne!(a, b);
    assert_eq!(a.len(), 27);
    assert_eq!(users::check_password("1001", &a), Ok(()));
}

#[test]
fn where_things_lie_is_known_whatever_else_is_mistyped() {
    let folder = folder_with(&[
        ("switch.toml", "domian = 7\nrecordings = \"/srv/rec\"\n[limits]\ncals = 1"),
        ("users/1001.toml", "name ="),
        ("nonsense/x.toml", ""),
    ]);
    assert!(load(folder.path()).is_err());
    let places = places(folder.path()).expect("known");
    assert_eq!(places, ("/srv/rec".into(), "/srv/rec/.state".into()));
}

#[test]
fn where_things_lie_is_not_guessed() {
    for wrong in ["state = 7", "recordings = \"\"", "state = \"/srv"] {
        let folder = folder_with(&[("switch.toml", wrong)]);
        assert!(places(folder.path()).is_err(), "{wrong}");
    }
    let nothing = tempfile::tempdir().expect("a folder");
    let errors = places(nothing.path()).expect_err("nothing there");
    assert!(errors[0].to_string().contains("switch.toml: the file is missing"), "{errors:?}");
}

#[test]
fn a_profiles_folder_that_is_not_there_is_named() {
    let place = tempfile::tempdir().expect("a folder");
    let nowhere = place.path().join("nowhere");
    let errors = places(&nowhere).expect_err("not there");
    let said = errors[0].to_string();
    assert!(said.contains("nowhere: the folder cannot be read"), "{said}");
}

//! The house rules that a compiler does not know: rooms and arrows, what the sans-IO rooms must not touch, one home for each foreign
//! crate, what a file may look like.

use std::fs;
use std::path::{Path, PathBuf};

/// From left to right; a room may use only rooms to its left.
const ROOMS: [&str; 7] = ["wire", "media", "switch", "config", "io", "server", "cli"];

/// Each foreign crate and the files or folders that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("clap", &["src/cli"]),
    ("comfy_table", &["src/cli"]),
    ("hickory_resolver", &["src/io/resolver.rs"]),
    ("hmac", &["src/wire/sip/auth"]),
    ("hound", &["src/io/wav", "src/io/prompts.rs"]),
    ("jiff", &["src/utc.rs"]),
    ("md5", &["src/wire/sip/auth", "src/phone"]),
    ("memchr", &["src/wire/sip"]),
    ("mimalloc", &["src/main.rs"]),
    ("nix", &["src/io/sockets"]),
    ("rand_chacha", &["src/wire/sip/ids.rs"]),
    ("rlibphonenumber", &["src/switch/number/country.rs"]),
    ("rsip", &["src/phone"]),
    ("rtp_rs", &["src/wire/rtp/packet.rs"]),
    ("rtrb", &["src/media/tap.rs"]),
    ("rusqlite", &["src/io/store"]),
    ("rustix", &["src/io"]),
    ("rustls", &["src/io/certificates", "src/io/sockets"]),
    ("rustls_native_certs", &["src/io/certificates"]),
    ("sdp_types", &["src/wire/sdp"]),
    ("serde", &["src/config/file", "src/switch/control.rs", "src/cli/output.rs"]),
    ("serde_json", &["src/io/control.rs", "src/cli"]),
    ("sha2", &["src/wire/sip/auth", "src/io", "src/phone"]),
    ("tempfile", &["src/cli/demo"]),
    ("tokio", &["src/io", "src/server", "src/cli"]),
    ("tokio_rustls", &["src/io/sockets"]),
    ("toml", &["src/config/file"]),
    ("tracing", &["src/io", "src/server", "src/cli/serve.rs"]),
    ("tracing_subscriber", &["src/io/log.rs"]),
    ("x509_cert", &["src/io/certificates"]),
];

/// What a room without I/O must not name: (text, why).
const SANS_IO: &[(&str, &str)] = &[
    ("Instant::now", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("std::fs", "files belong to io"),
    ("std::thread", "threads belong to io"),
    ("std::process", "processes belong to io"),
    ("std::env", "settings are an argument"),
    ("UdpSocket", "sockets belong to io"),
    ("TcpStream", "sockets belong to io"),
    ("TcpListener", "sockets belong to io"),
    ("async fn", "nothing waits here"),
    (".await", "nothing waits here"),
    ("tokio", "nothing waits here"),
    ("HashMap", "a random hash order would break replay"),
    ("HashSet", "a random hash order would break replay"),
    ("getrandom", "the seed is given"),
    ("OsRng", "the seed is given"),
    ("println!", "the log belongs to the server"),
];

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8 source");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new(folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "no sources under {folder}");
    found
}

/// Numbered lines without comments; `tests` modules at the end of a file are left out where `tests` is false.
fn code(text: &str, tests: bool) -> impl Iterator<Item = (usize, &str)> {
    let end = if tests { text.len() } else { text.find("#[cfg(test)]").unwrap_or(text.len()) };
    text[..end]
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether `name` stands in `line` as a path's beginning, not as a part of a longer word.
fn names(line: &str, name: &str) -> bool {
    let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    line.match_indices(name).any(|(at, _)| {
        boundary(line[..at].chars().next_back()) && boundary(line[at + name.len()..].chars().next())
    })
}

fn room(path: &Path) -> Option<&'static str> {
    let inside = path.strip_prefix("src").ok()?.to_str()?;
    ROOMS
        .into_iter()
        .find(|room| inside.starts_with(&format!("{room}/")) || inside == format!("{room}.rs"))
}

fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_room_uses_only_rooms_to_its_left() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let Some(place) =
            room(&path).and_then(|room| ROOMS.iter().position(|known| *known == room))
        else {
            continue;
        };
        for (number, line) in code(&text, false) {
            for right in &ROOMS[place + 1..] {
                if line.contains(&format!("crate::{right}")) {
                    wrong.push(format!(
                        "{}:{number}: uses {right}, which lies to its right",
                        path.display()
                    ));
                }
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn the_rooms_without_io_touch_no_clock_socket_file_thread_or_chance() {
    let mut wrong = Vec::new();
    for room in ["src/wire", "src/media", "src/switch"] {
        for (path, text) in sources(room) {
            if path.file_stem().is_some_and(|stem| stem == "tests") {
                continue;
            }
            for (number, line) in code(&text, false) {
                for (banned, why) in SANS_IO {
                    if names(line, banned.trim_start_matches('.')) && line.contains(banned) {
                        wrong.push(format!("{}:{number}: {banned}: {why}", path.display()));
                    }
                }
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn each_foreign_crate_has_one_home() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        // Tests beside the code may use what the test needs.
        if path.with_extension("").iter().any(|part| part == "tests") {
            continue;
        }
        for (number, line) in code(&text, false) {
            for (name, homes) in HOMES {
                let used = names(line, name)
                    && (line.contains(&format!("{name}::"))
                        || line.contains(&format!("use {name}")));
                let home = homes
                    .iter()
                    .any(|home| path.to_str().is_some_and(|path| path.starts_with(home)));
                if used
                    && !home
                    && !line.contains(&format!("::{name}"))
                    && !line.contains(&format!("mod {name}"))
                {
                    wrong.push(format!(
                        "{}:{number}: names {name}, whose home is {homes:?}",
                        path.display()
                    ));
                }
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn every_dependency_has_a_home() {
    let manifest = fs::read_to_string("Cargo.toml").expect("the manifest");
    let (_, rest) = manifest.split_once("[dependencies]").expect("dependencies");
    let (dependencies, _) = rest.split_once("\n[").expect("another table follows");
    for line in dependencies.lines().filter(|line| line.contains('=')) {
        let name = line.split([' ', '=', '.']).next().expect("a name").replace('-', "_");
        let name = if name == "md_5" { "md5".to_owned() } else { name };
        assert!(
            HOMES.iter().any(|(known, _)| *known == name),
            "{name} has no home in tests/tidy.rs"
        );
    }
}

#[test]
fn every_line_of_the_log_names_its_event() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let code = code(&text, false).map(|(_, line)| line).collect::<Vec<_>>().join("\n");
        for level in ["error", "warn", "info", "debug", "trace"] {
            for after in code.split(&format!("tracing::{level}!(")).skip(1) {
                let fields = after.trim_start();
                if !fields.starts_with("event = ") && !fields.starts_with("security = ") {
                    let line = fields.lines().next().unwrap_or_default();
                    wrong.push(format!("{}: {level}: {line}", path.display()));
                }
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn a_file_opens_with_what_it_is_for() {
    let wrong = sources("src").into_iter().chain(sources("tests"));
    let wrong = wrong.filter(|(_, text)| !text.starts_with("//! "));
    assert_none(
        wrong.map(|(path, _)| format!("{}: says not what it is for", path.display())).collect(),
    );
}

#[test]
fn no_file_is_two_nouns() {
    let wrong = sources("src").into_iter().filter(|(_, text)| text.lines().count() > 700);
    assert_none(
        wrong
            .map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count()))
            .collect(),
    );
}

#[test]
fn no_test_sleeps_and_nothing_is_left_to_do() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        if path.ends_with("tidy.rs") {
            continue;
        }
        for (number, line) in code(&text, true) {
            for banned in ["todo!(", "unimplemented!(", "FIXME", "#[ignore", "thread::sleep"] {
                if line.contains(banned) {
                    wrong.push(format!("{}:{number}: {banned}", path.display()));
                }
            }
        }
    }
    assert_none(wrong);
}

/// `tests/standards.md` says for each demand `file::name`, the file's path without its ending, or that it stands in the limits.
#[test]
fn each_demand_of_the_standards_has_a_test_that_exists() {
    let standards = fs::read_to_string("tests/standards.md").expect("the list of demands");
    let mut wrong = Vec::new();
    for row in standards.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"))
    {
        let last = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        let tests: Vec<_> = last.split('`').filter_map(|word| word.rsplit_once("::")).collect();
        if tests.is_empty() && last != "tests" && !last.contains("Limits") {
            wrong.push(format!("no test for: {row}"));
        }
        for (file, name) in tests {
            let exists = ["tests", "src"].iter().any(|folder| {
                fs::read_to_string(format!("{folder}/{file}.rs"))
                    .is_ok_and(|text| text.contains(&format!("fn {name}(")))
            });
            if !exists {
                wrong.push(format!("`{file}::{name}` is no test, in: {row}"));
            }
        }
    }
    assert_none(wrong);
}

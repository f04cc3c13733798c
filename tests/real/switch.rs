//! A switch of the test's own: the shipped binary, profiles in a temporary folder, an address of 127/8.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tonspur::wire::sip::auth::Ha1;

use crate::wait_for;

/// The password of every user of these tests.
pub(crate) const PASSWORD: &str = "a-phone-of-its-own";

/// The notice of these tests, in milliseconds.
const NOTICE: u32 = 200;

/// One switch and its folder; both end with it.
pub(crate) struct Switch {
    folder: tempfile::TempDir,
    child: Option<Child>,
    /// The switch's address: phones on port 5060, carriers on 5080.
    pub(crate) address: Ipv4Addr,
    /// The carrier's address, which the trunk `north` names.
    pub(crate) carrier: Ipv4Addr,
}

impl Switch {
    /// A switch with user and agent 1001, trunk `north`, and the number +4930555010 leading to 1001 after a short notice.
    pub(crate) fn start() -> Switch {
        Switch::start_at(addresses(), &[])
    }

    /// The same at these addresses, its own and its carrier's, with these profiles more, or instead: their names and what they say.
    pub(crate) fn start_at([address, carrier]: [Ipv4Addr; 2], more: &[(&str, String)]) -> Switch {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let profiles = folder.path().join("sip-profiles");
        write_profiles(&profiles, address, carrier);
        for (name, text) in more {
            fs::write(profiles.join(name), text).expect("a profile is written");
        }
        let mut switch = Switch { folder, child: None, address, carrier };
        switch.launch();
        switch
    }

    /// Starts the process and waits until it answers.
    pub(crate) fn launch(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        self.launch_logging_to(log);
    }

    /// The same, with this for its standard output and error.
    pub(crate) fn launch_logging_to(&mut self, log: fs::File) {
        let child = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the switch starts");
        self.answers(child);
    }

    /// The same in a terminal of its own, which closes when it is killed.
    pub(crate) fn launch_in_a_terminal(&mut self) {
        let command = self.command(&["serve"]);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| word.to_str().expect("UTF-8").to_owned()).collect();
        let child = Command::new("script")
            .args(["-q", "-c", &format!("exec {} >>log 2>&1", words.join(" ")), "/dev/null"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("script runs (Debian: bsdutils)");
        self.answers(child);
    }

    fn answers(&mut self, child: Child) {
        self.child = Some(child);
        wait_for("the switch answers", Duration::from_secs(30), || {
            if let Some(ended) =
                self.child.as_mut().and_then(|child| child.try_wait().expect("a child"))
            {
                panic!("the switch ended with {ended}:\n{}", self.log());
            }
            self.cli(&["registration", "list"]).status.success().then_some(())
        });
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // Whoever runs the tests may run them under nohup, and the switch would respect that.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_tonspur")])
            .arg("--profiles")
            .arg(self.profiles())
            .args(arguments)
            .current_dir(self.folder.path());
        command
    }

    /// Runs one command of the CLI.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the command runs")
    }

    /// Runs one command that can tell nobody anything; gives its exit code.
    pub(crate) fn to_full(&self, arguments: &[&str]) -> Option<i32> {
        let full = || fs::File::options().write(true).open("/dev/full").expect("Linux");
        let status = self.command(arguments).stdout(full()).stderr(full()).status();
        status.expect("the command runs").code()
    }

    /// Runs one command with `--json` and reads its answer.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.command(arguments).arg("--json").output().expect("the command runs");
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).unwrap_or_else(|wrong| {
            panic!("{arguments:?}: {wrong}: {text}{}", String::from_utf8_lossy(&output.stderr))
        })
    }

    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("a running switch");
        child.kill().expect("SIGKILL is sent");
        child.wait().expect("the switch is gone");
    }

    /// SIGTERM; gives the exit status.
    pub(crate) fn terminate(&mut self) -> std::process::ExitStatus {
        self.end_by("TERM")
    }

    /// Sends it this signal.
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.child.as_ref().expect("a running switch").id().to_string();
        let arguments = [format!("-{signal}"), process];
        let sent = Command::new("kill").args(arguments).status().expect("kill runs");
        assert!(sent.success());
    }

    /// This signal; gives the exit status.
    pub(crate) fn end_by(&mut self, signal: &str) -> std::process::ExitStatus {
        self.signal(signal);
        let mut child = self.child.take().expect("a running switch");
        wait_for("the switch ends", Duration::from_secs(10), || child.try_wait().expect("a child"))
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn profiles(&self) -> PathBuf {
        self.folder.path().join("sip-profiles")
    }

    /// Every file under `recordings/` with this ending, sorted.
    pub(crate) fn files(&self, ending: &str) -> Vec<PathBuf> {
        fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, ending, found);
                } else if path.to_str().is_some_and(|path| path.ends_with(ending)) {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.folder.path().join("recordings"), ending, &mut found);
        found.sort();
        found
    }

    /// The one call that is up and talks, as `call list` shows it.
    pub(crate) fn conversation(&self) -> serde_json::Value {
        wait_for("two talk", Duration::from_secs(10), || {
            let calls = self.json(&["call", "list"])["calls"].take();
            let talking = |call: &&serde_json::Value| !call["bridged"].is_null();
            calls.as_array().expect("calls").iter().find(talking).cloned()
        })
    }

    /// The calls of the past, the oldest first, as soon as there are so many.
    pub(crate) fn past(&self, count: usize) -> Vec<serde_json::Value> {
        wait_for("the calls are in the books", Duration::from_secs(10), || {
            let calls = self.json(&["call", "list", "--past"])["calls"].take();
            let serde_json::Value::Array(mut calls) = calls else { panic!("calls: {calls}") };
            calls.reverse();
            (calls.len() == count).then_some(calls)
        })
    }

    /// How long each answered call of the past rang, the oldest first.
    pub(crate) fn rang(&self) -> Vec<Duration> {
        let history = self.history();
        let asked =
            "SELECT answered - started FROM calls WHERE answered IS NOT NULL ORDER BY started";
        let mut rows = history.prepare(asked).expect("a question");
        let micros = rows.query_map([], |row| row.get::<_, i64>(0)).expect("rows");
        micros.map(|micros| Duration::from_micros(micros.expect("a time") as u64)).collect()
    }

    /// The history, read by another connection.
    pub(crate) fn history(&self) -> rusqlite::Connection {
        self.database(rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    /// The same for somebody who interferes with it.
    pub(crate) fn database(&self, flags: rusqlite::OpenFlags) -> rusqlite::Connection {
        let path = self.folder.path().join("recordings/.state/tonspur.db");
        rusqlite::Connection::open_with_flags(path, flags).expect("the database")
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        if std::thread::panicking() && self.child.is_some() {
            for what in [["call", "list"], ["recording", "list"]] {
                eprintln!("---- {what:?}\n{}", String::from_utf8_lossy(&self.cli(&what).stdout));
            }
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("---- the switch's log\n{}", self.log());
            for file in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
                let path = if file.path().is_dir() { file.path().join("log") } else { file.path() };
                if path.extension().is_none_or(|ending| ending == "errors")
                    && let Ok(text) = fs::read_to_string(&path)
                {
                    let text: String = text.chars().take(6_000).collect();
                    eprintln!("---- {}\n{text}", path.display());
                }
            }
        }
    }
}

/// Addresses of 127/8 that nobody else has: a switch's and its carrier's.
pub(crate) fn addresses() -> [Ipv4Addr; 2] {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let net = std::process::id().to_be_bytes();
    let host = NEXT.fetch_add(2, Ordering::Relaxed);
    [host, host + 1].map(|host| Ipv4Addr::new(127, 64 + net[2] % 64, net[3], host))
}

/// What `switch.toml` says, and this.
pub(crate) fn node(more: &str) -> String {
    let usual = "domain = \"real.test\"\nlanguage = \"en\"\nrtp = { ports = \"20000-20999\" }\n";
    format!("{usual}{more}")
}

/// The colleague 1002, whom users may dial.
pub(crate) fn colleague() -> [(&'static str, String); 2] {
    let route = "caller = \"users\"\nnumber = \"100?\"\nto = \"dialled\"\n";
    [("users/1002.toml", user("1002", "Ben")), ("routes/20-office.toml", route.to_owned())]
}

/// The profile of a user with the password of these tests.
fn user(extension: &str, name: &str) -> String {
    let hash = Ha1::of(extension, "real.test", PASSWORD);
    let (sha256, md5) = (hash.sha256.expect("both"), hash.md5.expect("both"));
    format!(
        "name = \"{name}\"\nrealm = \"real.test\"\nha1 = {{ sha256 = \"{sha256}\", md5 = \"{md5}\" }}\n"
    )
}

fn write_profiles(folder: &Path, address: Ipv4Addr, carrier: Ipv4Addr) {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        fs::write(path, text).expect("a profile is written");
    };
    write("switch.toml", node(""));
    write("internal.toml", format!("bind = \"{address}:5060\"\n"));
    write("external.toml", format!("bind = \"{address}:5080\"\n"));
    write("users/1001.toml", user("1001", "Anna"));
    write("agents/anna.toml", "user = \"1001\"\nagrees_to_recording = true\n".into());
    write("trunks/north.toml", format!("from = [\"{carrier}\"]\nchannels = 200\n"));
    write("policies/standard.toml", "keep = \"30d\"\n".into());
    write(
        "routes/10-anna.toml",
        "caller = { trunk = \"north\" }\nnumber = \"+4930555010\"\nto = { user = \"1001\" }\nconsent = \"notice_all\"\nretention = \"standard\"\n"
            .into(),
    );
    for (name, milliseconds) in
        [("notice", NOTICE), ("consent", NOTICE), ("music", 1000), ("ringback", 1000)]
    {
        write(&format!("prompts/en/{name}.txt"), format!("{name}\n"));
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(folder.join(format!("prompts/en/{name}.wav")), spec)
            .expect("a prompt");
        for sample in 0..milliseconds * 8 {
            wav.write_sample((f64::from(sample) * 0.9).sin().mul_add(3000.0, 0.0) as i16)
                .expect("a sample");
        }
        wav.finalize().expect("a whole prompt");
    }
}

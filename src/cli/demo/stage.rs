//! What the demo plays on: a switch of its own in a temporary folder, and two phones with real sockets on the loopback.
#![expect(
    clippy::disallowed_methods,
    reason = "the phones live in real time and write their profiles"
)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::{Exit, Failure};
use crate::config::users;
use crate::io::clock::Clock;
use crate::io::{process, profiles};
use crate::phone::{Identity, Ladder, Manners, Phone};
use crate::server::{Options, Running, Server};
use crate::switch::control::{Reply, Request};
use crate::switch::settings::Profile;
use crate::wire::sip::auth::Ha1;

/// The carrier's caller, and the agent's phone: places among the parties.
pub(super) const CALLER: usize = 0;
pub(super) const ANNA: usize = 1;
/// As the ladder calls them.
pub(super) const NAMES: [&str; 2] = ["north", "anna"];
pub(super) const SWITCH: &str = "tonspur";

const DOMAIN: &str = "demo.invalid";
/// The carrier's address: the switch knows a trunk by where it calls from.
const CARRIER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// The sockets are looked at this often: a packet of speech is 20 ms long.
const GLANCE: Duration = Duration::from_micros(500);

/// See the module.
pub(super) struct Stage {
    prompts: PathBuf,
    clock: Clock,
    /// Before the folder, so that it has ended when that goes, however the demo ends.
    switch: Running,
    folder: tempfile::TempDir,
    addresses: [SocketAddr; 2],
    state: PathBuf,
    recordings: PathBuf,
    parties: [Party; 2],
    ladder: Ladder,
    begun: Instant,
}

struct Party {
    name: &'static str,
    phone: Phone,
    sip: UdpSocket,
    rtp: UdpSocket,
}

impl Stage {
    /// Writes profiles, starts the switch, and gives both phones their sockets.
    pub(super) fn set(prompts: &Path) -> Result<Stage, Failure> {
        process::keep_private();
        let stored = |error: std::io::Error| Failure::storage(error.to_string());
        let prompts = prompts.canonicalize().map_err(|error| {
            Failure::storage(format!(
                "{}: {error}: the demo plays the shipped prompts; run it beside sip-profiles/, or name that with --profiles",
                prompts.display()
            ))
        })?;
        let folder = tempfile::Builder::new().prefix("tonspur-demo-").tempdir().map_err(stored)?;
        let entropy = process::entropy().map_err(stored)?;
        let password: String = entropy[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        write_profiles(&folder.path().join("sip-profiles"), &prompts, &password)?;
        let loaded = profiles::load(&folder.path().join("sip-profiles")).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Failure::new(Exit::Configuration, lines.join("\n"))
        })?;
        let clock = Clock::stepped();
        let options = Options { loaded, clock: clock.clone(), seed: None, signals: false };
        let switch = Server::start(options)
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let addresses = [Profile::Internal, Profile::External].map(|profile| {
            let listener = switch.listeners().iter().find(|listener| listener.profile == profile);
            listener.map_or(SocketAddr::from(([0, 0, 0, 0], 0)), |listener| listener.bind)
        });
        let caller = Party::new(NAMES[CALLER], "+49301234567", CARRIER, addresses[1], "")?;
        let anna = Party::new(NAMES[ANNA], "1001", Ipv4Addr::LOCALHOST, addresses[0], &password)?;
        let (state, recordings) = (switch.state().to_owned(), switch.recordings().to_owned());
        Ok(Stage {
            prompts,
            clock,
            switch,
            folder,
            addresses,
            state,
            recordings,
            parties: [caller, anna],
            ladder: Ladder::default(),
            begun: now(),
        })
    }

    /// Where phones and carriers reach the switch.
    pub(super) fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn now(&self) -> Instant {
        now()
    }

    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    pub(super) fn recordings(&self) -> &Path {
        &self.recordings
    }

    pub(super) fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// The file of the question that callers are asked.
    pub(super) fn prompt(&self) -> PathBuf {
        self.prompts.join("en/consent.wav")
    }

    /// Asks the switch what an admin can ask.
    pub(super) fn ask(&self, request: Request) -> Option<Reply> {
        self.switch.ask(request)
    }

    /// Stops the switch and removes the folder.
    pub(super) fn end(self) -> Result<(), Failure> {
        let Stage { switch, folder, .. } = self;
        switch.stop();
        switch.join().map_err(|fault| Failure::new(Exit::Failed, fault.to_string()))?;
        folder.close().map_err(|error| Failure::storage(error.to_string()))
    }

    /// Lets a phone act now.
    pub(super) fn act(&mut self, party: usize, act: impl FnOnce(&mut Phone, Instant)) {
        act(&mut self.parties[party].phone, now());
        self.glance();
    }

    /// Draws audio into the ladder, from one party to another, as of now.
    pub(super) fn note(&mut self, from: &str, to: &str, what: &str) {
        self.ladder.note(self.begun.elapsed(), from, to, what, false);
    }

    /// Whether an INVITE has reached a phone that it has not answered.
    pub(super) fn rings(&self, party: usize) -> bool {
        self.parties[party].phone.is_ringing()
    }

    /// What a phone has heard.
    pub(super) fn heard(&self, party: usize) -> &[i16] {
        &self.parties[party].phone.voice.heard
    }

    /// Waits for a message to a phone that begins so; `false` if none comes.
    pub(super) fn hears_of(&mut self, party: usize, what: &str, limit: Duration) -> bool {
        self.until(limit, |stage| {
            std::iter::from_fn(|| stage.parties[party].phone.take())
                .any(|message| message.summary().starts_with(what))
        })
    }

    /// Lets time pass until `done`; `false` if that takes longer than `limit`.
    pub(super) fn until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&mut Stage) -> bool,
    ) -> bool {
        let end = now() + limit;
        loop {
            self.glance();
            if done(self) {
                return true;
            }
            if now() >= end {
                return false;
            }
            std::thread::park_timeout(GLANCE);
        }
    }

    /// Lets time pass until then.
    pub(super) fn until_then(&mut self, then: Instant) {
        self.until(then.saturating_duration_since(now()), |_| false);
    }

    /// Lets time pass until something is found; `None` if that takes longer than `limit`.
    pub(super) fn finds<T>(&mut self, limit: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
        let mut found = None;
        self.until(limit, |_| {
            found = look();
            found.is_some()
        });
        found
    }

    /// Takes what has come and sends what is due.
    fn glance(&mut self) {
        let mut packet = [0; 4_096];
        for Party { name, phone, sip, rtp } in &mut self.parties {
            while let Ok(length) = rtp.recv(&mut packet) {
                phone.voice.receive(&packet[..length]);
            }
            while let Ok(length) = sip.recv(&mut packet) {
                let what = crate::phone::Received::read(&packet[..length]);
                self.ladder.note(self.begun.elapsed(), SWITCH, name, what.summary(), false);
                phone.receive(now(), &packet[..length]);
            }
            if phone.deadline().is_some_and(|due| due <= now()) {
                phone.tick(now());
            }
            while let Some(out) = phone.poll() {
                let is_sip = out.from == phone.identity().sip;
                if is_sip {
                    let what = crate::phone::Received::read(&out.bytes);
                    self.ladder.note(self.begun.elapsed(), name, SWITCH, what.summary(), false);
                }
                // What the system does not take is lost, as on any network.
                let socket: &UdpSocket = if is_sip { sip } else { rtp };
                let _ = socket.send_to(&out.bytes, out.to);
            }
        }
    }
}

impl Party {
    fn new(
        name: &'static str,
        user: &str,
        host: Ipv4Addr,
        proxy: SocketAddr,
        password: &str,
    ) -> Result<Party, Failure> {
        let socket = || {
            let socket = UdpSocket::bind((IpAddr::V4(host), 0))?;
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, socket))
        };
        let refused = |error: std::io::Error| {
            Failure::new(Exit::Address, format!("no socket on {host}: {error}"))
        };
        let (own, sip) = socket().map_err(refused)?;
        let (media, rtp) = socket().map_err(refused)?;
        let identity = Identity {
            user: user.to_owned(),
            domain: DOMAIN.to_owned(),
            password: password.to_owned(),
            sip: own,
            rtp: media,
            proxy,
        };
        let manners =
            Manners { answers_after: Some(Duration::from_millis(700)), ..Manners::POLITE };
        let phone = Phone::new(identity, manners, u64::from(own.port()));
        Ok(Party { name, phone, sip, rtp })
    }
}

/// The small call centre of the demo.
fn write_profiles(folder: &Path, prompts: &Path, password: &str) -> Result<(), Failure> {
    let wrong = |why: String| Failure::new(Exit::Configuration, why);
    let prompts = prompts.to_str().filter(|path| !path.contains(['"', '\\', '\n']));
    let prompts =
        prompts.ok_or_else(|| wrong("the path of the prompts cannot be written".into()))?;
    let anna = users::write(Some("Anna"), None, DOMAIN, &Ha1::of("1001", DOMAIN, password), "");
    let files = [
        (
            "switch.toml",
            format!("domain = \"{DOMAIN}\"\nlanguage = \"en\"\nprompts = \"{prompts}\"\n"),
        ),
        ("internal.toml", "bind = \"127.0.0.1:0\"\ntransports = [\"udp\"]\n".to_owned()),
        ("external.toml", "bind = \"127.0.0.1:0\"\ntransports = [\"udp\"]\n".to_owned()),
        ("users/1001.toml", anna.map_err(wrong)?),
        ("agents/anna.toml", "user = \"1001\"\nagrees_to_recording = true\n".to_owned()),
        ("queues/support.toml", "agents = [\"anna\"]\n".to_owned()),
        ("trunks/north.toml", format!("from = [\"{CARRIER}\"]\n")),
        ("policies/standard.toml", format!("keep = \"{}d\"\n", super::KEEP)),
        (
            "routes/10-support.toml",
            "caller = { trunk = \"north\" }\nnumber = \"+4930555010\"\nto = { queue = \"support\" }\n\
             consent = \"express_all\"\nretention = \"standard\"\n"
                .to_owned(),
        ),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        written
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| Failure::storage(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

fn now() -> Instant {
    Instant::now()
}

//! The admin socket: one JSON request a line, one JSON reply a line, over a Unix socket that only its owner can open.
#![expect(clippy::disallowed_methods, reason = "each admin is served by a task")]

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, unix};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::switch::control::{Reply, Request};

/// The socket's name within the state folder.
pub const SOCKET: &str = "admin.sock";

/// Bytes of a socket's path.
const LONGEST: usize = 107;
/// Clients at once; one more waits.
const CLIENTS: usize = 16;
/// A request's line.
const REQUEST: u64 = 64 * 1_024;
/// A reply's line, as far as a client reads: 2,000 calls take about a megabyte.
const REPLY: u64 = 64 * 1_024 * 1_024;
/// A client must send its line, and take its reply, in so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// The switch must answer in so long; a retention run deletes many files.
const ANSWER: Duration = Duration::from_secs(600);

/// A request on its way to the switch.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes; dropped unanswered, the client reads that the switch is ending.
    pub answer: oneshot::Sender<Reply>,
}

/// What keeps an admin from an answer.
#[derive(Debug)]
pub enum Error {
    /// Nobody listens.
    NotRunning,
    /// Another switch does.
    Running,
    /// It does, but the socket is not ours to open.
    Forbidden(PathBuf),
    /// Linux has no room for such a path.
    TooLong(PathBuf),
    /// The socket cannot be made, opened, written or read.
    Io(std::io::Error),
    /// What came back is no reply.
    Garbled(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotRunning => f.write_str("no switch is running"),
            Error::Running => f.write_str("another switch is running here"),
            Error::Forbidden(socket) => write!(
                f,
                "{} is not open to this user: run the command as the user the switch runs as",
                socket.display()
            ),
            Error::TooLong(socket) => write!(
                f,
                "the admin socket's path is {} bytes long and Linux takes {LONGEST}: name a shorter `state` in switch.toml than that of {}",
                socket.as_os_str().len(),
                socket.display()
            ),
            Error::Io(error) => write!(f, "the admin socket failed: {error}"),
            Error::Garbled(what) => write!(f, "the switch gave an unreadable answer: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Error {
        Error::Io(error)
    }
}

/// Asks the switch that listens at `socket`, and waits for its answer.
pub fn ask(socket: &Path, request: &Request) -> Result<Reply, Error> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
    fits(socket)?;
    let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        NotFound | ConnectionRefused => Error::NotRunning,
        PermissionDenied => Error::Forbidden(socket.to_owned()),
        _ => Error::Io(error),
    })?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(ANSWER + PATIENCE))?;
    let mut line =
        serde_json::to_vec(request).map_err(|error| Error::Garbled(error.to_string()))?;
    line.push(b'\n');
    (&stream).write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(&stream).take(REPLY).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(Error::NotRunning);
    }
    serde_json::from_slice(&answer).map_err(|error| Error::Garbled(error.to_string()))
}

/// `sun_path` of unix(7) and its NUL.
fn fits(socket: &Path) -> Result<(), Error> {
    if socket.as_os_str().len() <= LONGEST {
        Ok(())
    } else {
        Err(Error::TooLong(socket.to_owned()))
    }
}

/// The listening socket of this switch; its file goes with it.
#[derive(Debug)]
pub struct Control {
    listener: std::os::unix::net::UnixListener,
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Control {
    /// Listens at `state`/`admin.sock`. The folder is made if need be (0700); the file of a switch that died is replaced. The caller
    /// holds the lock of the state folder, so that two do not do so at once.
    pub fn bind(state: &Path) -> Result<Control, Error> {
        if !state.is_dir() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state)?;
        }
        let path = state.join(SOCKET);
        fits(&path)?;
        match UnixStream::connect(&path) {
            Ok(_) => return Err(Error::Running),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(&path)?;
            }
            // Nothing there, or nothing that can be reached: binding says which.
            Err(_) => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Control { listener, path })
    }

    /// Takes clients until dropped, and sends what they ask to `asked`. To be called within the runtime that will drive it.
    pub async fn serve(self, asked: mpsc::Sender<Asked>) -> std::io::Result<()> {
        let listener = UnixListener::from_std(self.listener.try_clone()?)?;
        let room = std::sync::Arc::new(Semaphore::new(CLIENTS));
        loop {
            let Ok(place) = std::sync::Arc::clone(&room).acquire_owned().await else {
                return Ok(());
            };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let asked = asked.clone();
                    tokio::spawn(async move {
                        converse(stream, asked).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(event = "admin_accept_failed", %error);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
}

/// Request by request, until the client closes or dawdles.
async fn converse(mut stream: tokio::net::UnixStream, asked: mpsc::Sender<Asked>) {
    let (reader, mut writer) = stream.split();
    let mut reader = tokio::io::BufReader::new(reader);
    while let Some(line) = read_line(&mut reader).await {
        let reply = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => pass_on(request, &asked).await,
            Err(error) => Reply::Refused { why: format!("not a request: {error}") },
        };
        let Ok(mut line) = serde_json::to_vec(&reply) else { return };
        line.push(b'\n');
        if !matches!(timeout(PATIENCE, writer.write_all(&line)).await, Ok(Ok(()))) {
            return;
        }
    }
}

async fn pass_on(request: Request, asked: &mpsc::Sender<Asked>) -> Reply {
    let ending = || Reply::Refused { why: "the switch is ending".to_owned() };
    let (answer, answered) = oneshot::channel();
    if asked.send(Asked { request, answer }).await.is_err() {
        return ending();
    }
    match timeout(ANSWER, answered).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => ending(),
        Err(_) => Reply::Refused { why: "no answer in time".to_owned() },
    }
}

/// One line without its end; `None` when there is no more, or it is too long or too slow.
async fn read_line(reader: &mut tokio::io::BufReader<unix::ReadHalf<'_>>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut limited = reader.take(REQUEST);
    let length = timeout(PATIENCE, limited.read_until(b'\n', &mut line)).await.ok()?.ok()?;
    if length == 0 || line.last() != Some(&b'\n') {
        return None;
    }
    line.pop();
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    /// A switch's end that answers every request with `Done`, on a thread of its own, until the socket is asked to stop.
    fn answering(state: &Path) -> std::thread::JoinHandle<Vec<Request>> {
        let control = Control::bind(state).expect("a socket");
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let (asked, mut asks) = mpsc::channel(4);
                let serving = tokio::spawn(control.serve(asked));
                let mut seen = Vec::new();
                while let Some(Asked { request, answer }) = asks.recv().await {
                    let last = request == Request::Stop;
                    seen.push(request);
                    let _ = answer.send(Reply::Done);
                    if last {
                        // The reply is written by a task that is not waited for; the client's end of the line tells it is out.
                        break;
                    }
                }
                tokio::task::yield_now().await;
                serving.abort();
                let _ = serving.await;
                seen
            })
        })
    }

    #[test]
    fn a_request_goes_round_and_only_its_owner_may_ask() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("state");
        let switch = answering(&state);
        let socket = state.join(SOCKET);
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode(&socket) & 0o777, 0o600);
        assert_eq!(mode(&state) & 0o777, 0o700);

        let hangup = Request::CallHangup { call: "7k3".to_owned() };
        assert_eq!(ask(&socket, &hangup).expect("an answer"), Reply::Done);
        assert!(matches!(Control::bind(&state), Err(Error::Running)));
        let _ = ask(&socket, &Request::Stop);
        // The look whether somebody listens asked nothing.
        assert_eq!(switch.join().expect("no panic"), [hangup, Request::Stop]);
        assert!(!socket.exists());
        assert!(matches!(ask(&socket, &Request::CallList), Err(Error::NotRunning)));
    }

    #[test]
    fn what_is_no_request_is_refused_in_words_and_the_next_line_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let switch = answering(folder.path());
        let stream = UnixStream::connect(folder.path().join(SOCKET)).expect("a connection");
        (&stream)
            .write_all(b"{\"request\":\"self-destruct\"}\n{\"request\":\"stop\"}\n")
            .expect("sent");
        let mut lines = BufReader::new(&stream).lines();
        let refused = lines.next().expect("an answer").expect("readable");
        assert!(refused.contains("refused") && refused.contains("self-destruct"), "{refused}");
        assert_eq!(switch.join().expect("no panic"), [Request::Stop]);
    }

    #[test]
    fn a_line_without_end_is_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let switch = answering(folder.path());
        let socket = folder.path().join(SOCKET);
        let stream = UnixStream::connect(&socket).expect("a connection");
        // The switch stops reading at its limit; the rest may meet a closed pipe.
        let _ = (&stream).write_all(&vec![b'x'; REQUEST as usize + 1]);
        let mut answer = Vec::new();
        let _ = (&stream).read_to_end(&mut answer);
        assert_eq!(answer, b"");
        let _ = ask(&socket, &Request::Stop);
        assert_eq!(switch.join().expect("no panic"), [Request::Stop]);
    }

    #[test]
    fn a_path_that_is_too_long_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("s".repeat(100));
        let refused = Control::bind(&state).expect_err("refused");
        let asked = ask(&state.join(SOCKET), &Request::CallList).expect_err("refused");
        for error in [refused, asked] {
            let said = error.to_string();
            assert!(said.contains("shorter `state`") && said.contains("sss/admin.sock"), "{said}");
        }
        // As long as it may be.
        let room = LONGEST - folder.path().as_os_str().len() - "//admin.sock".len();
        Control::bind(&folder.path().join("s".repeat(room))).expect("a socket");
    }

    #[test]
    fn the_socket_of_a_dead_switch_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let dead = std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET));
        drop(dead.expect("a socket"));
        let switch = answering(folder.path());
        let _ = ask(&folder.path().join(SOCKET), &Request::Stop);
        assert_eq!(switch.join().expect("no panic"), [Request::Stop]);
    }
}

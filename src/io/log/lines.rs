//! Lines on their way to a place that may be slow, full or gone: whoever logs never waits and never fails. What does not fit is
//! counted, and the count is a line of its own as soon as one can be written.
#![expect(clippy::disallowed_methods, reason = "how long to wait for a slow place at the end")]

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that wait at most.
const ROOM: usize = 1 << 20;
/// A line waits so long for others: they are written together.
const GATHER: Duration = Duration::from_millis(20);
/// At the end, what waits is written within so long, or lost.
const FAREWELL: Duration = Duration::from_millis(500);

/// Where lines wait for the thread that writes them.
#[derive(Clone, Debug)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// How many they are.
    count: u64,
    /// Taken by the thread and not written yet.
    under_way: bool,
    lost: u64,
    end: bool,
}

impl Lines {
    /// Starts the thread that writes to `place`. `lost` makes the line that counts what was lost.
    pub(super) fn start(
        place: impl Write + Send + 'static,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Lines> {
        let lines = Lines(Arc::new(Shared::default()));
        let shared = Arc::clone(&lines.0);
        thread::Builder::new().name("log".into()).spawn(move || shared.write(place, &lost))?;
        Ok(lines)
    }

    /// Waits until what was logged is written, for a moment at most.
    pub(super) fn finish(&self) {
        let until = Instant::now() + FAREWELL;
        let mut waiting = self.0.lock();
        waiting.end = true;
        self.0.changed.notify_all();
        while waiting.under_way || waiting.count > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = (self.0.changed.wait_timeout(waiting, left))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// One call, one line.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.lock();
        if waiting.lines.len() + line.len() > ROOM {
            waiting.lost += 1;
        } else {
            waiting.lines.extend_from_slice(line);
            waiting.count += 1;
            // The others find the thread awake.
            if waiting.count == 1 {
                self.0.changed.notify_all();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mut place: impl Write, say_lost: &impl Fn(u64) -> String) {
        let mut lines = Vec::new();
        let mut waiting = self.lock();
        loop {
            while waiting.count == 0 && !waiting.end {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            waiting = (self.changed.wait_timeout_while(waiting, GATHER, |waiting| !waiting.end))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let (count, lost) =
                (std::mem::take(&mut waiting.count), std::mem::take(&mut waiting.lost));
            if count == 0 {
                return;
            }
            std::mem::swap(&mut lines, &mut waiting.lines);
            waiting.under_way = true;
            drop(waiting);
            // What was lost was lost before what still waits, or among it.
            let told = lost == 0 || place.write_all(say_lost(lost).as_bytes()).is_ok();
            let written = place.write_all(&lines).is_ok();
            lines.clear();
            waiting = self.lock();
            waiting.lost += if told { 0 } else { lost } + if written { 0 } else { count };
            waiting.under_way = false;
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A place that takes a line when it is told to, or refuses it.
    struct Slow {
        answers: mpsc::Receiver<bool>,
        taken: mpsc::Sender<String>,
    }

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            match self.answers.recv() {
                Ok(true) => {
                    let line = String::from_utf8_lossy(line).into_owned();
                    self.taken.send(line).expect("the test listens");
                }
                Ok(false) => return Err(io::ErrorKind::StorageFull.into()),
                // The test is over.
                Err(_) => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Lines, mpsc::Sender<bool>, mpsc::Receiver<String>) {
        let ((answer, answers), (taken, seen)) = (mpsc::channel(), mpsc::channel());
        let lines = Lines::start(Slow { answers, taken }, |lost| format!("lost {lost}\n"));
        (lines.expect("a thread"), answer, seen)
    }

    #[test]
    fn whoever_logs_to_a_place_that_takes_nothing_goes_on_and_the_rest_is_counted() {
        let (mut lines, answer, seen) = slow();
        let long = vec![b'x'; ROOM / 4];
        for _ in 0..64 {
            lines.write_all(&long).expect("never fails");
        }
        for _ in 0..8 {
            answer.send(true).expect("the place waits");
        }
        let told = seen.iter().find(|line| line.starts_with("lost"));
        let lost: u64 = told.expect("the count").trim()[5..].parse().expect("a number");
        // Four wait, and perhaps four others are being written.
        assert!((56..=60).contains(&lost), "{lost}");
    }

    #[test]
    fn a_place_that_refuses_costs_the_line_and_says_so_later() {
        let (mut lines, answer, seen) = slow();
        lines.write_all(b"one\n").expect("never fails");
        answer.send(false).expect("the place waits");
        drop(lines.0.changed.wait_while(lines.0.lock(), |waiting| waiting.lost == 0));
        lines.write_all(b"two\n").expect("never fails");
        for _ in 0..2 {
            answer.send(true).expect("the place waits");
        }
        assert_eq!(seen.recv().expect("the count"), "lost 1\n");
        assert_eq!(seen.recv().expect("the line"), "two\n");
    }

    #[test]
    fn what_was_logged_is_written_before_the_end() {
        let (mut lines, answer, seen) = slow();
        for line in ["one\n", "two\n"] {
            lines.write_all(line.as_bytes()).expect("never fails");
            answer.send(true).expect("the place waits");
        }
        lines.finish();
        assert_eq!(seen.try_iter().collect::<String>(), "one\ntwo\n");
    }
}

//! The log: a fact a line on standard error, as `2030-01-07T09:00:00.250001Z INFO event=registered source=192.0.2.7:5060`. Home of
//! tracing-subscriber.
#![expect(
    clippy::disallowed_methods,
    reason = "a log line has its moment; its level may come from outside"
)]

mod lines;

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use lines::Lines;

/// The variable that names the level where no flag does.
pub const VARIABLE: &str = "TONSPUR_LOG";
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// The log at work. Dropped, what waits is written.
#[derive(Debug)]
pub struct Log(Lines);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Begins to log, at `level` (`error`, `warn`, `info`, `debug`, `trace`, or a filter such as `warn,tonspur::io=debug`), else at that of
/// `TONSPUR_LOG`, else at `info`. `Err` says what is wrong with the level.
pub fn start(level: Option<&str>) -> Result<Log, String> {
    let variable = std::env::var(VARIABLE).ok().filter(|named| !named.is_empty());
    let level = match (level, &variable) {
        (Some(level), _) => check(level)?,
        (None, Some(level)) => check(level).map_err(|wrong| format!("{VARIABLE}: {wrong}"))?,
        (None, None) => "info",
    };
    let filter =
        EnvFilter::try_new(level).map_err(|error| format!("no such log level: {error}"))?;
    let lost = |lost| format!("{} WARN event=log_lines_lost lines={lost}\n", stamp());
    let lines = Lines::start(std::io::stderr(), lost).map_err(|error| error.to_string())?;
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would tell them to standard error, of all places, and panic if it cannot.
        .log_internal_errors(false)
        .with_writer(move || writer.clone())
        .event_format(Line)
        .try_init()
        .map_err(|error| format!("cannot log: {error}"))?;
    Ok(Log(lines))
}

/// The filter takes any word for the name of a crate, and then logs nothing.
fn check(level: &str) -> Result<&str, String> {
    let known = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let sound = |part: &str| match part.split_once('=') {
        None => known(part),
        Some((place, level)) => {
            (place == "tonspur" || place.starts_with("tonspur::")) && known(level)
        }
    };
    match level.split(',').find(|part| !sound(part)) {
        None => Ok(level),
        Some(part) => Err(format!(
            "no such log level: {part:?}; there are {}, and filters such as warn,tonspur::io=debug",
            LEVELS.join(", ")
        )),
    }
}

/// The form of a line.
#[derive(Debug)]
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "{} {}", stamp(), event.metadata().level())?;
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        writeln!(writer, "{}", fields.0)
    }
}

fn stamp() -> String {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    crate::utc::Utc::from_micros(0).after(since).to_string()
}

/// Fields as ` key=value`, quoted where the value has blanks or anything that could be taken for another field or line.
struct Fields(String);

impl Fields {
    fn add(&mut self, field: &Field, value: &str) {
        let bare = !value.is_empty()
            && value
                .chars()
                .all(|letter| letter.is_ascii_graphic() && !matches!(letter, '"' | '=' | '\\'));
        // Writing to a String cannot fail.
        let _ = if bare {
            write!(self.0, " {}={value}", field.name())
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while held").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(log: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .event_format(Line)
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = page.0.lock().expect("no panic while held").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_and_not_taken_for_a_place() {
        for level in ["warn", "INFO", "off", "warn,tonspur::io=debug", "tonspur=trace"] {
            assert_eq!(check(level), Ok(level));
        }
        for wrong in ["wran", "", "warn,", "tonspur", "tonspur=loud", "tonspurr=debug", "warn info"]
        {
            assert!(check(wrong).is_err_and(|why| why.contains("error, warn")), "{wrong}");
        }
    }

    #[test]
    fn a_line_is_a_time_a_level_and_fields() {
        let line = written(|| tracing::warn!(event = "trunk_down", trunk = "north", tries = 3));
        let (time, rest) = line.split_once(' ').expect("two words");
        assert!(crate::utc::Utc::parse(time).is_ok(), "{time}");
        assert_eq!(rest, "WARN event=trunk_down trunk=north tries=3\n");
    }

    #[test]
    fn a_value_from_the_network_cannot_forge_a_line_or_a_field() {
        let hostile = "x\n2030-01-07T09:00:00Z INFO event=all_is_well";
        let line = written(|| tracing::info!(event = "refused", agent = %hostile, name = "a=b"));
        assert_eq!(line.lines().count(), 1);
        assert!(line.ends_with(
            "INFO event=refused agent=\"x\\n2030-01-07T09:00:00Z INFO event=all_is_well\" name=\"a=b\"\n"
        ));
    }
}

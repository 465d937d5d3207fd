//! Logs: text for a person, JSON lines for a machine, both on standard output.
//!
//! Rules of every line that is logged:
//!
//! * A line is a constant message and fields; nothing is formatted into the message, so that lines
//!   can be counted by it.
//! * Fields are dotted by what they are of, with the unit last: `session.id`, `user.id`,
//!   `room.name`, `duration_ms`, `size_bytes`. `reason` is the word that metric, protocol and
//!   runbook use. `timestamp`, `level`, `target`, `message` and `span` are the line's own and never
//!   a field.
//! * What is the same for all lines of a session stands once, in the fields of its span. A session
//!   has one span: a span within it would stand in its place in a JSON line.
//! * `error` is a promise broken, `warn` something degraded or a setting to look at, `info` the
//!   life of the node, `debug` the life of a session and whatever a user can cause, `trace` single
//!   frames.
//! * Never logged: the text of a message, an identity token, a password, a key.

use std::env;
use std::io::{self, IsTerminal};

use tracing::Dispatch;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, registry};

use crate::config::LogFormat;

/// Logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not parse; a filter out of checked settings does.
    #[error("log.filter (MADANG_LOG__FILTER) is not a filter")]
    Filter(#[from] ParseError),
    /// Something in this process logs already.
    #[error("logging has begun already")]
    AlreadyBegun(#[from] TryInitError),
}

/// How lines look, decided once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text { color: bool },
    Json,
}

impl Shape {
    fn new(format: LogFormat, is_terminal: bool, no_color: bool) -> Self {
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Auto if !is_terminal => Self::Json,
            LogFormat::Auto | LogFormat::Text => Self::Text {
                color: is_terminal && !no_color,
            },
        }
    }
}

/// Begins to log to standard output, for the whole process.
///
/// Text has colors only on a terminal and not if `NO_COLOR` is set (no-color.org). A JSON line has
/// the event's fields at its top level and those of the current span in `span`.
///
/// # Errors
/// The filter does not parse, or the process logs already.
pub fn init(format: LogFormat, filter: &str) -> Result<(), LogError> {
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let shape = Shape::new(format, io::stdout().is_terminal(), no_color);
    Ok(dispatch(shape, filter, io::stdout)?.try_init()?)
}

fn dispatch<W>(shape: Shape, filter: &str, writer: W) -> Result<Dispatch, ParseError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(filter)?;
    let lines = fmt::layer().with_writer(writer);
    Ok(match shape {
        Shape::Text { color } => {
            Dispatch::new(registry().with(filter).with(lines.with_ansi(color)))
        }
        Shape::Json => {
            let lines = lines
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false);
            Dispatch::new(registry().with(filter).with(lines))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::{debug, dispatcher, info, info_span, warn};

    use super::*;

    /// Standard output of a test.
    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(shape: Shape, filter: &str, body: impl FnOnce()) -> String {
        let output = Output::default();
        let writer = output.clone();
        let dispatch = dispatch(shape, filter, move || writer.clone()).unwrap();
        dispatcher::with_default(&dispatch, body);
        let bytes = output.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn in_a_session() {
        let span = info_span!(
            "session",
            session.id = "s1",
            user.id = tracing::field::Empty
        );
        let _entered = span.enter();
        span.record("user.id", "u1");
        warn!(
            reason = "slow",
            duration_ms = 12_u64,
            size_bytes = 5_u64,
            "session closed"
        );
        debug!("not at this level");
    }

    #[test]
    fn a_json_line_has_the_fields_of_event_and_span() {
        let text = logged(Shape::Json, "info", in_a_session);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "session closed");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["reason"], "slow");
        assert_eq!(line["duration_ms"], 12);
        assert_eq!(line["span"]["session.id"], "s1");
        assert_eq!(line["span"]["user.id"], "u1");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(line.get("spans").is_none(), "{line}");
    }

    #[test]
    fn a_text_line_has_colors_only_where_asked() {
        let plain = logged(Shape::Text { color: false }, "info", in_a_session);
        assert!(
            plain.contains("session closed") && plain.contains("session.id=\"s1\""),
            "{plain}"
        );
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
        let colored = logged(Shape::Text { color: true }, "info", in_a_session);
        assert!(colored.contains('\u{1b}'), "{colored:?}");
    }

    #[test]
    fn the_filter_decides_by_target_and_level() {
        let body = || {
            info!(target: "madang::hub", "hub");
            debug!(target: "madang::broker", "broker");
            info!(target: "other", "other");
        };
        let text = logged(
            Shape::Json,
            "warn,madang::hub=info,madang::broker=debug",
            body,
        );
        let targets: Vec<_> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["target"].clone())
            .collect();
        assert_eq!(targets, ["madang::hub", "madang::broker"]);
    }

    #[test]
    fn auto_is_text_on_a_terminal_only() {
        let text = |color| Shape::Text { color };
        let rows = [
            (LogFormat::Auto, true, false, text(true)),
            (LogFormat::Auto, true, true, text(false)),
            (LogFormat::Auto, false, false, Shape::Json),
            (LogFormat::Text, false, false, text(false)),
            (LogFormat::Text, true, false, text(true)),
            (LogFormat::Json, true, false, Shape::Json),
        ];
        for (format, is_terminal, no_color, expected) in rows {
            assert_eq!(
                Shape::new(format, is_terminal, no_color),
                expected,
                "{format:?} {is_terminal} {no_color}"
            );
        }
    }

    #[test]
    fn a_bad_filter_names_the_setting() {
        let error = LogError::from(dispatch(Shape::Json, "madang=loud", io::sink).unwrap_err());
        assert_eq!(
            error.to_string(),
            "log.filter (MADANG_LOG__FILTER) is not a filter"
        );
    }
}

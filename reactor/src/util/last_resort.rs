//! The destination of warnings in a program that has set up no logging.

use std::fmt::{self, Write as _};
use std::sync::LazyLock;

use tracing::dispatcher::{self, Dispatch};
use tracing::field::{Field, Visit};
use tracing::metadata::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, NoSubscriber};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::util::escaped::escaped;
use crate::util::panics::catch_panic;

/// Runs this; meanwhile the warnings and errors of this thread go to standard error, one per line, unless there is
/// already a subscriber. Without this, a program that sets none would fail silently.
pub(crate) fn with_last_resort<R>(run: impl FnOnce() -> R) -> R {
    // While there is but one subscriber, `tracing` asks that of the thread that is the first to log somewhere whether anybody
    // is interested, and a thread of a pool has none.
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(LastResort));
    if dispatcher::get_default(Dispatch::is::<NoSubscriber>) {
        LazyLock::force(&SECOND);
        dispatcher::with_default(&Dispatch::new(LastResort), run)
    } else {
        run()
    }
}

struct LastResort;

impl Subscriber for LastResort {
    /// Asked once for each place that logs, so anything below warnings costs nothing.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line { level: *event.metadata().level(), message: String::new(), fields: String::new() };
        event.record(&mut line);
        // By the macro, whose output a test only shows if it fails. It panics if standard error is closed, where there
        // is nobody to report to.
        let _ = catch_panic(|| eprintln!("{line}"));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// `warning: MESSAGE (FIELD: VALUE, …)`
struct Line {
    level: Level,
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, "{}{name}: {value:?}", if self.fields.is_empty() { "" } else { ", " }),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = if self.fields.is_empty() { String::new() } else { format!(" ({})", self.fields) };
        f.write_str(if self.level == Level::ERROR { "error: " } else { "warning: " })?;
        // It may contain text from a peer, and is about to be shown on a terminal.
        write!(f, "{}{}", escaped(&self.message), escaped(&fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(level: Level, message: &str, fields: &str) -> String {
        Line { level, message: message.to_owned(), fields: fields.to_owned() }.to_string()
    }

    #[test]
    fn a_line_has_the_message_its_fields_and_no_control_characters() {
        assert_eq!(
            line(Level::WARN, "cut off", "peer: 127.0.0.1:1, unsent: 5"),
            "warning: cut off (peer: 127.0.0.1:1, unsent: 5)"
        );
        assert_eq!(line(Level::ERROR, "\x1b[2Jgone\n", ""), "error: \\x1b[2Jgone\\n");
    }
}

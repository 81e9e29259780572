//! Lines in JSON, each an object: those of the log, and those of the journal.
//!
//! Written here, because the crates that do it would add a fifth to the time that the program takes to build.

use std::fmt;
use std::fmt::Write;

use chrono::{SecondsFormat, Utc};
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// An object under construction.
pub(crate) struct Object(String);

impl Object {
    /// Begins the object of something that happens now.
    pub(crate) fn now(level: Level) -> Self {
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        Self("{".to_owned()).with("timestamp", time).with("level", level)
    }

    /// Adds a text.
    pub(crate) fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.add(name, value);
        self
    }

    fn add(&mut self, name: &str, value: impl fmt::Display) {
        self.begin(name);
        self.0.push('"');
        // Writing to a string does not fail; a value that cannot be displayed is cut short.
        let _ = write!(Escaped(&mut self.0), "{value}");
        self.0.push('"');
    }

    /// Adds what JSON writes as Rust does.
    fn add_bare(&mut self, name: &str, value: impl fmt::Display) {
        self.begin(name);
        let _ = write!(self.0, "{value}");
    }

    fn begin(&mut self, name: &str) {
        let separator = if self.0.len() > 1 { "," } else { "" };
        let _ = write!(self.0, "{separator}\"{name}\":");
    }

    /// Adds an object inside, which has these fields.
    fn add_object(&mut self, name: &str, fields: &str) {
        self.add_bare(name, format_args!("{{{fields}}}"));
    }

    /// The object, without a newline.
    pub(crate) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Escapes what JSON does not allow in a string (RFC 8259, section 7), and the other control characters.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' | '\\' => self.0.extend(['\\', c]),
                c if c.is_control() => write!(self.0, "\\u{:04x}", u32::from(c))?,
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

impl Visit for Object {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add_bare(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add_bare(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add_bare(field.name(), value);
    }
}

/// Formats the events of the log. The fields of the spans around one, such as `connection`, are objects inside.
pub(crate) struct Events;

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, Fields> for Events {
    fn format_event(&self, context: &FmtContext<'_, S, Fields>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut object = Object::now(*event.metadata().level()).with("target", event.metadata().target());
        event.record(&mut object);
        for span in context.event_scope().into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<FormattedFields<Fields>>() {
                object.add_object(span.name(), fields);
            }
        }
        writeln!(to, "{}", object.finish())
    }
}

/// Formats the fields of a span: an object without its braces.
pub(crate) struct Fields;

impl<'a> FormatFields<'a> for Fields {
    fn format_fields<R: RecordFields>(&self, mut to: Writer<'a>, fields: R) -> fmt::Result {
        let mut object = Object("{".to_owned());
        fields.record(&mut object);
        to.write_str(&object.0[1..])
    }

    fn add_fields(&self, current: &'a mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let mut object = Object(format!("{{{}", current.fields));
        fields.record(&mut object);
        current.fields = object.0.split_off(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(data)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_an_object_on_a_line_of_its_own() {
        let written = Written::default();
        let output = written.clone();
        let log = tracing_subscriber::fmt().fmt_fields(Fields).event_format(Events);
        let log = log.with_writer(move || output.clone()).finish();
        tracing::subscriber::with_default(log, || {
            let span = tracing::info_span!("connection", id = 7, pid = tracing::field::Empty);
            span.record("pid", 8);
            let _inside = span.entered();
            let error = io::Error::other("no \"room\"\n");
            tracing::warn!(%error, peer = "\u{1b}[2J\\\u{9b}\u{e9}", left_out = 3_u64, late = -1, yes = true, "cannot {}", "go");
            tracing::error!(?error);
        });
        let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(!written.contains(|c: char| c.is_control() && c != '\n'), "{written:?}");
        let objects: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [event, _] = &objects[..] else { panic!("{written}") };
        for (name, value) in [
            ("level", Value::from("WARN")),
            ("message", "cannot go".into()),
            ("error", "no \"room\"\n".into()),
            ("peer", "\u{1b}[2J\\\u{9b}\u{e9}".into()),
            ("left_out", 3.into()),
            ("late", (-1).into()),
            ("yes", true.into()),
            ("target", module_path!().into()),
            ("connection", serde_json::json!({"id": 7, "pid": 8})),
        ] {
            assert_eq!(event[name], value, "{name}");
        }
        let time = event["timestamp"].as_str().unwrap();
        assert_eq!((time.len(), &time[26..]), (27, "Z"), "{time}");
    }
}

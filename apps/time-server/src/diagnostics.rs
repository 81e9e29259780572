//! Logging to standard error.

use std::io::{ErrorKind, IsTerminal, Write};
use std::{env, io, mem};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{Handle, Layer};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, registry};

use crate::arguments::{Arguments, Format};
use crate::json;

/// What is logged, which can be changed.
#[derive(Clone)]
pub(crate) struct LogFilter(Handle<Targets, Registry>);

impl LogFilter {
    /// Logs what has this level, or a graver one; of this target, or of all.
    pub(crate) fn set(&self, level: LevelFilter, target: Option<&str>) -> Result<(), String> {
        let changed = self.0.modify(|targets| {
            *targets = match target {
                Some(target) => mem::take(targets).with_target(target, level),
                None => Targets::new().with_default(level),
            }
        });
        changed.map_err(|error| error.to_string())
    }
}

/// Sets the level from the arguments; the variable `RUST_LOG` takes precedence.
pub(crate) fn start(arguments: &Arguments) -> LogFilter {
    let level = match (arguments.quiet, arguments.verbose) {
        (0, 0) => LevelFilter::WARN,
        (0, 1) => LevelFilter::INFO,
        (0, 2) => LevelFilter::DEBUG,
        (0, _) => LevelFilter::TRACE,
        (1, _) => LevelFilter::ERROR,
        (_, _) => LevelFilter::OFF,
    };
    let default = Targets::new().with_default(level);
    let variable = env::var("RUST_LOG").unwrap_or_default();
    // Not EnvFilter, which can filter by spans, too: its regular expressions take as long to build as a tenth of the program.
    let (filter, mistake) = match variable.parse() {
        Ok(filter) if !variable.is_empty() => (filter, None),
        Ok(_) => (default, None),
        Err(error) => (default, Some(error)),
    };
    let (filter, handle) = Layer::new(filter);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = lines.log_internal_errors(false); // it would panic where standard error is closed
    let log = registry().with(filter);
    match arguments.log_format {
        Format::Text => log.with(lines.with_ansi(io::stderr().is_terminal())).init(),
        Format::Json => log.with(lines.fmt_fields(json::Fields).event_format(json::Events)).init(),
    }
    if let Some(error) = mistake {
        tracing::warn!("RUST_LOG={variable:?} is invalid and ignored: {error}");
    }
    LogFilter(handle)
}

/// The error, with advice if there is any.
pub(crate) fn with_advice(error: io::Error) -> io::Error {
    let text = error.to_string();
    let advice = match error.kind() {
        // For UNIX sockets the error itself has the advice.
        ErrorKind::AddrInUse if text.ends_with("address in use") => {
            "end the other program, or choose another port (0: any)"
        }
        ErrorKind::AddrNotAvailable => "0.0.0.0 and [::] stand for all addresses of this machine",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{text}; {advice}"))
}

/// Reports why the program ends.
pub(crate) fn complain(error: &io::Error) {
    // If standard error is closed, there is nowhere to report to.
    let _ = writeln!(io::stderr(), "time-server: {error}");
}

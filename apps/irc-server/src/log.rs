//! Logging to standard error.

use std::io::{self, IsTerminal as _};
use std::{env, mem};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{Handle, Layer};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, registry};

use crate::arguments::{Arguments, Format};

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

/// Begins to log. The variable `RUST_LOG` takes precedence over the arguments.
pub(crate) fn start(arguments: &Arguments) -> LogFilter {
    let level = match (arguments.quiet, arguments.verbose) {
        (0, 0) => LevelFilter::INFO,
        (0, 1) => LevelFilter::DEBUG,
        (0, _) => LevelFilter::TRACE,
        (1, _) => LevelFilter::ERROR,
        (_, _) => LevelFilter::OFF,
    };
    let variable = env::var("RUST_LOG").unwrap_or_default();
    let chosen = Some(variable.parse()).filter(|_| !variable.is_empty()).transpose();
    let (filter, mistake) = match chosen {
        Ok(chosen) => (chosen.unwrap_or_else(|| Targets::new().with_default(level)), None),
        Err(error) => (Targets::new().with_default(level), Some(error)),
    };
    let (filter, handle) = Layer::new(filter);
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = lines.log_internal_errors(false); // it would panic where standard error is closed
    let log = registry().with(filter);
    match arguments.log_format {
        Format::Text => log.with(lines.with_ansi(io::stderr().is_terminal())).init(),
        Format::Json => log.with(lines.json()).init(),
    }
    if let Some(error) = mistake {
        tracing::warn!("RUST_LOG={variable:?} is invalid and ignored: {error}");
    }
    LogFilter(handle)
}

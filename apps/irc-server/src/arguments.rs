//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{ArgAction, Parser, ValueEnum};

/// Serves chat by IRC, on one machine or on many.
///
/// Without options it listens on the ports 6667 and, by TLS, 6697, and keeps accounts, bans and history in
/// `irc-server.db`, in the current folder.
#[derive(Debug, Parser)]
#[command(name = "irc-server", version, verbatim_doc_comment, after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Take the settings from this file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Print a file with all settings, their defaults, and what they mean
    #[arg(long, exclusive = true)]
    pub(crate) print_config: bool,

    /// Read a password from standard input, and print what settings have in its place
    #[arg(long, exclusive = true)]
    pub(crate) hash_password: bool,

    /// Check the settings, and say what is wrong with them
    #[arg(long)]
    pub(crate) check_config: bool,

    /// Listen here without encryption, in place of what the settings say (may be repeated)
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) listen: Vec<String>,

    /// Listen here by TLS, in place of what the settings say (may be repeated)
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) tls: Vec<String>,

    /// Listen here for browsers, which get a page to chat from, in place of what the settings say (may be repeated)
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) web: Vec<String>,

    /// Keep accounts, bans and history in this file; "" for nowhere
    // A parser of paths takes no empty one.
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) database: Option<PathBuf>,

    /// Take over the listening sockets of the server started with the same PATH, which then stops, and pass them on to
    /// the next
    #[arg(long, value_name = "PATH")]
    pub(crate) handover: Option<PathBuf>,

    /// Serve on this many threads [default: one for each processor]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// How to write the log
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: Format,

    /// Log more (-vv, -vvv: still more)
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Log errors only (-qq: nothing)
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "verbose")]
    pub(crate) quiet: u8,
}

const AFTER_HELP: &str = "\
An ENDPOINT is a port, of all addresses of this machine (6667), an address with a
port (127.0.0.1:6667, [::1]:6667, localhost:6667), or a description, such as
tcp:6667:per-peer=10 or unix:/run/irc.sock. Port 0 lets the system choose.

Standard output has a line for each address once it listens, with the real port.
Diagnostics go to standard error; the variable RUST_LOG, if set, selects them
instead of -v and -q.

SIGINT and SIGTERM end it: it tells its clients, sends the remaining output, for
up to eight seconds, and exits. A second signal ends it at once. SIGHUP makes it
read its settings and certificates again.

Exit status: 0 after a signal, 1 if it cannot serve, 2 if the command line is
wrong.";

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// An object a line, for other programs
    Json,
}

impl Arguments {
    /// The number of threads to serve on.
    pub(crate) fn threads(&self) -> usize {
        let processors = || available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(processors, NonZeroUsize::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_may_be_nowhere() {
        let database = |value| Arguments::try_parse_from(["irc-server", "--database", value]).unwrap().database;
        assert_eq!(database(""), Some(PathBuf::new()));
        assert_eq!(database("/a"), Some("/a".into()));
    }
}

//! The command line.

use std::time::Duration;

use clap::Parser;
use reactor::endpoint::quote_string_argument;

/// Shows in a terminal what a running program does, through its console.
///
/// It lists the connections, with their rates; the callbacks that were slow; the
/// ports. Connections can be closed and traced, ports drained. Press ? for the keys.
#[derive(Debug, Parser)]
#[command(name = "reactor-top", version, verbatim_doc_comment, after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Where the console listens: the path of its UNIX socket, or the description of an endpoint
    #[arg(value_name = "CONSOLE")]
    pub(crate) console: String,

    /// Ask every SECONDS
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub(crate) interval: Duration,

    /// List at most this many connections: those that the order puts first
    #[arg(short, long, value_name = "NUMBER", default_value_t = 1000)]
    pub(crate) limit: usize,
}

const AFTER_HELP: &str = "\
CONSOLE is written as the program was told, for example:
  /run/time-server.sock          a UNIX socket
  unix:/run/time-server.sock     the same
  tcp:127.0.0.1:9000             a console that listens on TCP

Exit status:
  0  it was ended by a key or a signal
  1  there is no terminal, or it has failed
  2  the command line is wrong";

impl Arguments {
    /// The description of the console's endpoint.
    pub(crate) fn endpoint(&self) -> String {
        // A description begins with its scheme.
        let is_path = self.console.starts_with('@') || self.console.contains('/') && !self.console.contains(':');
        if is_path || self.console.starts_with('/') {
            format!("unix:{}", quote_string_argument(&self.console))
        } else {
            self.console.clone()
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    seconds.filter(|interval| range.contains(interval)).ok_or_else(|| "expected a number from 0.1 to 3600".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Arguments, String> {
        let words = [&["reactor-top"], arguments].concat();
        Arguments::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_is_that_of_a_unix_socket_and_anything_else_an_endpoint() {
        Arguments::command().debug_assert();
        let endpoint = |console| parsed(&[console]).unwrap().endpoint();
        assert_eq!(endpoint("/run/a:b.sock"), "unix:/run/a\\:b.sock");
        assert_eq!(endpoint("./console"), "unix:./console");
        assert_eq!(endpoint("run/console"), "unix:run/console");
        assert_eq!(endpoint("unix:/run/console"), "unix:/run/console");
        assert_eq!(endpoint("@console"), "unix:@console");
        assert_eq!(endpoint("tcp:127.0.0.1:9000"), "tcp:127.0.0.1:9000");
    }

    #[test]
    fn an_interval_is_a_number_of_seconds_within_bounds() {
        let interval = |text| parsed(&["/c", "--interval", text]).map(|arguments| arguments.interval);
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "inf", "3601", "x", ""] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }
}

//! What may be said on the command line.

use std::net::Ipv4Addr;
use std::net::SocketAddr;

use clap::ArgAction;
use clap::Parser;

/// Answers what it receives with the time and the same bytes.
///
/// To every chunk of bytes received it answers `[Sun Nov  1 16:58:06 2026] ` and
/// those bytes. One process serves any number of addresses, in any of these ways,
/// or one session on its standard input and output.
/// An ADDR is a port, of all IPv4 interfaces, or an address and a port: `21567`,
/// `127.0.0.1:21567`, `[::1]:21567`. Port 0 lets the system choose. A PATH is that
/// of a UNIX socket, or `@` and an abstract name. Without any address it is
/// `--tcp 21567`.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment, after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Serve connections, and answer each chunk as it comes
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) tcp: Vec<SocketAddr>,

    /// Serve connections of one line each (65,536 bytes at most): answer it, then close
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) lines: Vec<SocketAddr>,

    /// Serve datagrams, and answer each with one
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) udp: Vec<SocketAddr>,

    /// Like --tcp, on a UNIX socket
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Vec<String>,

    /// Like --lines, on a UNIX socket
    #[arg(long, value_name = "PATH")]
    pub(crate) unix_lines: Vec<String>,

    /// Serve a page for browsers at `/`, and its web socket at `/socket` (messages of text, 65,536 bytes at most)
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) web: Vec<SocketAddr>,

    /// Serve standard input and output like one connection, as inetd and socat want it
    #[arg(long, conflicts_with_all = ["tcp", "lines", "udp", "unix", "unix_lines", "web"])]
    pub(crate) stdio: bool,

    /// Print what is received, and log more (-vv, -vvv: still more)
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Log errors only (-qq: nothing)
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "verbose")]
    pub(crate) quiet: u8,
}

const DEFAULT_PORT: u16 = 21567;

const AFTER_HELP: &str = "\
Standard output has a line for each address once it listens, with the real port
(`waiting for connection... tcp 127.0.0.1:21567`), and one for each client
(`...connected from: 127.0.0.1:54321`); with --stdio it has the answers alone.
Diagnostics go to standard error; the variable RUST_LOG, if set, says what is
logged instead of -v and -q.

Beside a UNIX socket lies a lock, PATH.lock, while it is served; both are removed
at the end. What a server that was killed has left behind is replaced.

SIGINT and SIGTERM end it: it sends what is still to be sent, for at most eight
seconds, and exits. A second signal ends it at once.

Exit status: 0 after a signal or the end of standard input, 1 if it cannot serve
an address or nobody reads its answers, 2 if the command line is wrong.";

impl Arguments {
    /// What to listen on with TCP: the default address if none at all was given.
    pub(crate) fn tcp(&self) -> Vec<SocketAddr> {
        let no_internet = [&self.tcp, &self.lines, &self.udp, &self.web].into_iter().all(Vec::is_empty);
        if no_internet && self.unix.is_empty() && self.unix_lines.is_empty() {
            return vec![on_all_interfaces(DEFAULT_PORT)];
        }
        self.tcp.clone()
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return port(text).map(on_all_interfaces);
    }
    text.parse().map_err(|_| match text.rsplit_once(':') {
        Some((host, last)) if is_host(host) => match port(last) {
            Err(error) => error,
            Ok(_) => format!("{host} is not an IP address"),
        },
        _ => EXPECTED.to_owned(),
    })
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text:?} is not a port: a port is a number from 0 to 65535"))
}

/// Whether the text before the last colon can be a host; in a bare IPv6 address it is not.
fn is_host(text: &str) -> bool {
    !text.is_empty() && (text.ends_with(']') || !text.contains(':'))
}

fn on_all_interfaces(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

const EXPECTED: &str = "expected a port or an address and a port: 21567, 127.0.0.1:21567, [::1]:21567";

#[cfg(test)]
mod tests {
    use super::*;

    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_an_address_it_serves_the_usual_port_of_all_interfaces() {
        let arguments = parse("time-server").unwrap();
        assert_eq!(arguments.tcp(), ["0.0.0.0:21567".parse().unwrap()]);
        for other in ["--udp 0", "--lines 0", "--unix a", "--unix-lines @a"] {
            assert_eq!(parse(&format!("time-server {other}")).unwrap().tcp(), []);
        }
    }

    #[test]
    fn every_option_may_be_given_many_times() {
        let line = "time-server --tcp 1 --tcp 127.0.0.1:2 --lines [::1]:3 --lines 4 --udp 5 --udp 0 -vv";
        let arguments = parse(line).unwrap();
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(arguments.tcp(), addresses(&["0.0.0.0:1", "127.0.0.1:2"]));
        assert_eq!(arguments.lines, addresses(&["[::1]:3", "0.0.0.0:4"]));
        assert_eq!(arguments.udp, addresses(&["0.0.0.0:5", "0.0.0.0:0"]));
        assert_eq!(arguments.verbose, 2);
    }

    #[test]
    fn an_address_that_is_none_is_explained() {
        for (text, expected) in [
            ("70000", "\"70000\" is not a port: a port is a number from 0 to 65535"),
            ("127.0.0.1:70000", "\"70000\" is not a port: a port is a number from 0 to 65535"),
            ("[::1]:http", "\"http\" is not a port: a port is a number from 0 to 65535"),
            ("localhost:21567", "localhost is not an IP address"),
            ("127.0.0.1", EXPECTED),
            ("::1", EXPECTED),
            (":21567", EXPECTED),
            ("", "\"\" is not a port: a port is a number from 0 to 65535"),
        ] {
            assert_eq!(address(text), Err(expected.to_owned()), "{text}");
        }
    }
}

//! The command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::{ArgAction, Parser, ValueEnum};
use reactor::endpoint::quote_string_argument;

/// Answers what it receives with the time and the same bytes.
///
/// It answers each chunk of bytes with `[Sun Nov  1 16:58:06 2026] ` and those
/// bytes. One process serves any number of addresses, in any of these ways, or one
/// session on its standard input and output.
/// An ADDR is a port, on all IPv4 interfaces, or an address and a port: `21567`,
/// `127.0.0.1:21567`, `[::1]:21567`; `localhost:21567` is the first of these. Port
/// 0 lets the system choose. An ENDPOINT is an ADDR, or the description of another
/// source of clients. A PATH is that of a UNIX socket, or `@` and an abstract name.
/// The default is `--tcp 21567`.
#[derive(Debug, Parser)]
#[command(name = "time-server", version, verbatim_doc_comment, after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Serve connections, and answer each chunk as it arrives
    #[arg(long, value_name = "ENDPOINT", value_parser = endpoint)]
    pub(crate) tcp: Vec<Endpoint>,

    /// Serve connections of one line each (up to 65,536 bytes): answer it, then close
    #[arg(long, value_name = "ENDPOINT", value_parser = endpoint)]
    pub(crate) lines: Vec<Endpoint>,

    /// Serve datagrams, and answer each with a datagram
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) udp: Vec<SocketAddr>,

    /// The same as --tcp unix:PATH
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Vec<String>,

    /// The same as --lines unix:PATH
    #[arg(long, value_name = "PATH")]
    pub(crate) unix_lines: Vec<String>,

    /// Serve a page for browsers at `/`, and its web socket at `/socket` (text messages, up to 65,536 bytes); and at `/status`
    /// a view of what the server does, in totals, without addresses
    #[arg(long, value_name = "ENDPOINT", value_parser = endpoint)]
    pub(crate) web: Vec<Endpoint>,

    /// Let browsers ask --web for this host only (may be repeated): `time.example.org`, or with a port. Without it any
    /// host is accepted
    #[arg(long, value_name = "HOST", requires = "web")]
    pub(crate) web_host: Vec<String>,

    /// Serve numbers for Prometheus (OpenMetrics) at `/metrics`: `localhost:9100`, `unix:/run/time-metrics.sock:mode=600`. All
    /// that reach the ENDPOINT may read them
    #[arg(long, value_name = "ENDPOINT", value_parser = endpoint)]
    pub(crate) metrics: Vec<Endpoint>,

    /// Serve a console, for root and the user of the server: `socat - UNIX:PATH`, then `help`. It is a UNIX socket, a PATH of mode
    /// 600 or an ENDPOINT `unix:PATH:...`; nobody is admitted at others
    #[arg(long, value_name = "PATH", conflicts_with = "stdio", value_parser = console)]
    pub(crate) console: Option<String>,

    /// Serve standard input and output like one connection, as inetd and socat expect: like --tcp stdio:, and a failure
    /// of the connection is one of the program
    #[arg(long, conflicts_with_all = ["tcp", "lines", "udp", "unix", "unix_lines", "web", "metrics"])]
    pub(crate) stdio: bool,

    /// The maximum number of connections of each ADDR and PATH at a time (limited only by open files)
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<NonZeroU32>,

    /// The maximum number of connections of one client, by its IPv4 address or IPv6 network, to an ADDR (half of all;
    /// behind a proxy all clients count as one)
    #[arg(long, value_name = "N")]
    pub(crate) per_peer: Option<NonZeroU32>,

    /// The maximum number of connections that an ADDR or PATH accepts per second; others wait (no limit)
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<NonZeroU32>,

    /// Close a connection of --tcp or --unix after this many idle seconds (0: never)
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) idle_timeout: u32,

    /// The time limit in seconds for a client of --lines or --unix-lines to send its line (0: none)
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) line_timeout: u32,

    /// Stamp in UTC, not in local time
    #[arg(long)]
    pub(crate) utc: bool,

    /// Stamp as RFC 3339 has it, to the millisecond: `[2026-11-01T16:58:06.000+01:00] `, with --utc
    /// `[2026-11-01T15:58:06.000Z] `
    #[arg(long)]
    pub(crate) iso: bool,

    /// Take over the listening sockets of the server started with the same PATH, which then stops, and pass them on to
    /// the next
    #[arg(long, value_name = "PATH", conflicts_with = "stdio")]
    pub(crate) handover: Option<PathBuf>,

    /// Serve on this many threads [default: one for each processor]
    #[arg(long, value_name = "N", conflicts_with = "stdio")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Go on as this user once all addresses listen
    #[arg(long, value_name = "NAME", conflicts_with = "stdio")]
    pub(crate) user: Option<String>,

    /// Write the process id to this file once all addresses listen, and remove it at the end; with --user its folder must
    /// be that user's
    #[arg(long, value_name = "PATH", conflicts_with = "stdio")]
    pub(crate) pid_file: Option<PathBuf>,

    /// How to write the log and the lines of standard output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: Format,

    /// Print received data, and log more (-vv, -vvv: still more)
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Log errors only (-qq: nothing)
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "verbose")]
    pub(crate) quiet: u8,
}

const DEFAULT_PORT: u16 = 21567;

const AFTER_HELP: &str = "\
An ENDPOINT other than an ADDR is one of these:
  tcp:PORT[:interface=IP][:backlog=N][:reuse-port=yes][LIMITS]
  tcp6:PORT                           all interfaces, IPv6 and IPv4
  unix:PATH[:mode=666][:backlog=N][:lockfile=yes][LIMITS]
  systemd:name=NAME, systemd:index=N  a socket that systemd has opened
  fd:N                                a listening socket, inherited by number
  stdio:                              standard input and output, once
  tls:PORT:certificate=FILE[:key=FILE][:client-ca=FILE]
                                      TLS over tcp; all that tcp has can follow
  tls:directory=DIR:ENDPOINT          TLS over another; a file NAME.pem a name
  web:[path=/PATH:][text=yes:]ENDPOINT
                                      web sockets in place of connections
  haproxy:[trust=IP,...:]ENDPOINT     behind a proxy that sends PROXY headers
  timeouts:[idle=SECONDS:][first-message=SECONDS:]ENDPOINT
                                      shorter times than --idle-timeout and
                                      --line-timeout for this one
LIMITS, each a number or none, are
  :max-connections=N                  connections at a time
  :per-peer=N                         the same for one client (not with unix)
  :max-pending=N, :pending-per-peer=N the same while the opening handshake or the
                                      PROXY header is incomplete
  :rate=N                             accepted per second; others wait
tcp also has :keep-alive=SECONDS, :keep-alive-interval=SECONDS, :keep-alive-count=N.
A colon in an argument is written \\:, as in tcp:21567:interface=\\:\\:1.

Standard output has a line for each address once it listens, with the real port
(`waiting for connection... tcp 127.0.0.1:21567`), and one for each client
(`...connected from: 127.0.0.1:54321`); with --stdio it has the answers only.
Addresses are printed as time-client and browsers take them: `tls://[::1]:21567`,
`http://127.0.0.1:8080/`. With --log-format json each line is an object, but for
the sentence that says why the program cannot go on.
Diagnostics go to standard error; the variable RUST_LOG, if set, selects them
instead of -v and -q.

A UNIX socket has a lock beside it, PATH.lock, while it is served; both are
removed at the end. Those that a killed server has left behind are replaced.

SIGINT and SIGTERM end it: it sends the remaining output, for up to eight
seconds, and exits. A second signal ends it at once. SIGHUP makes it read its
certificates again, as it does within ten seconds when they have changed.
Signals ignored at the start, like SIGINT after `&` in a script, stay ignored.
It tells systemd when it serves and when it stops, if asked to (Type=notify).

Exit status: 0 after a signal or the end of standard input, 1 if it cannot serve
an address or nobody reads its answers, 2 if the command line is wrong.";

/// A service over connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Tcp,
    Lines,
    Web,
    Unix,
    UnixLines,
    /// It answers no client with the time.
    Metrics,
}

impl Service {
    /// The option that selects it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Lines => "lines",
            Self::Web => "web",
            Self::Unix => "unix",
            Self::UnixLines => "unix-lines",
            Self::Metrics => "metrics",
        }
    }
}

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

    /// The services over connections, with the descriptions of their endpoints; the default if the arguments name no
    /// service at all. Last, and no service in that sense, the metrics.
    pub(crate) fn services(&self) -> Vec<(Service, String)> {
        let all = |endpoints: &[Endpoint]| -> Vec<_> {
            endpoints.iter().map(|endpoint| self.description_of(endpoint)).collect()
        };
        let unix = |paths: &[String]| paths.iter().map(|path| self.description_of_path(path)).collect();
        let services: [(_, Vec<_>); 5] = [
            (Service::Tcp, all(&self.tcp)),
            (Service::Lines, all(&self.lines)),
            (Service::Web, all(&self.web)),
            (Service::Unix, unix(&self.unix)),
            (Service::UnixLines, unix(&self.unix_lines)),
        ];
        let with_their_service = |(service, descriptions): (_, Vec<_>)| {
            descriptions.into_iter().map(move |description| (service, description))
        };
        let mut services: Vec<_> = services.into_iter().flat_map(with_their_service).collect();
        if services.is_empty() && self.udp.is_empty() {
            services.push((Service::Tcp, self.description_of(&Endpoint::Address(on_all_interfaces(DEFAULT_PORT)))));
        }
        services.extend(all(&self.metrics).into_iter().map(|description| (Service::Metrics, description)));
        services
    }

    fn description_of(&self, endpoint: &Endpoint) -> String {
        let address = match endpoint {
            Endpoint::Address(address) => *address,
            Endpoint::Description(description) => return description.clone(),
        };
        let scope = match address {
            SocketAddr::V6(address) if address.scope_id() != 0 => format!("%{}", address.scope_id()),
            _ => String::new(),
        };
        let interface = quote_string_argument(&format!("{}{scope}", address.ip()));
        let per_peer = self.per_peer.map(|limit| format!(":per-peer={limit}")).unwrap_or_default();
        format!("tcp:{}:interface={interface}{per_peer}{}", address.port(), self.limits())
    }

    fn description_of_path(&self, path: &str) -> String {
        format!("unix:{}{}", quote_string_argument(path), self.limits())
    }

    /// The arguments that every port's description gets.
    fn limits(&self) -> String {
        let limits = [("max-connections", self.max_connections), ("rate", self.rate)];
        let given = limits.iter().filter_map(|(name, limit)| limit.map(|limit| format!(":{name}={limit}")));
        given.collect()
    }
}

/// The description of the endpoint of a console.
fn console(text: &str) -> Result<String, String> {
    if text.starts_with("unix:") || text.starts_with("systemd:") || text.starts_with("fd:") {
        return Ok(text.to_owned());
    }
    if text.starts_with(['/', '.', '@']) {
        return Ok(format!("unix:{}:mode=600", quote_string_argument(text)));
    }
    Err("expected the path of a UNIX socket, such as /run/time/console, or unix:PATH".to_owned())
}

/// A source of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Address(SocketAddr),
    /// As given, to be parsed when there is a reactor.
    Description(String),
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    let is_description = text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.contains(':');
    let is_description = is_description && !text.starts_with("localhost:");
    if is_description { Ok(Endpoint::Description(text.to_owned())) } else { address(text).map(Endpoint::Address) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return port(text).map(on_all_interfaces);
    }
    if let Some(text) = text.strip_prefix("localhost:") {
        return port(text).map(|port| (Ipv4Addr::LOCALHOST, port).into());
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
    // Without the sign that `parse` would allow.
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok());
    port.ok_or_else(|| format!("{text:?} is not a port: a port is a number from 0 to 65535"))
}

/// Whether the text before the last colon can be a host; in a bare IPv6 address it cannot.
fn is_host(text: &str) -> bool {
    !text.is_empty() && (text.ends_with(']') || !text.contains(':'))
}

fn on_all_interfaces(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

const EXPECTED: &str = "expected a port or an address and a port: 21567, 127.0.0.1:21567, localhost:21567, [::1]:21567";

#[cfg(test)]
mod tests {
    use super::*;

    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' '))
    }

    fn parse_with(option: &str, value: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(["time-server", option, value])
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_an_address_it_serves_the_usual_port_of_all_interfaces() {
        let arguments = parse("time-server").unwrap();
        assert_eq!(arguments.services(), [(Service::Tcp, "tcp:21567:interface=0.0.0.0".to_owned())]);
        for other in ["--lines 0", "--web 0", "--unix a", "--unix-lines @a"] {
            let services = parse(&format!("time-server {other}")).unwrap().services();
            assert!(matches!(&services[..], [(service, _)] if *service != Service::Tcp), "{services:?}");
        }
        assert_eq!(parse("time-server --udp 0").unwrap().services(), []);
        let services = parse("time-server --metrics localhost:9100").unwrap().services();
        let services: Vec<_> = services.iter().map(|(service, _)| *service).collect();
        assert_eq!(services, [Service::Tcp, Service::Metrics]);
    }

    #[test]
    fn every_option_may_be_given_many_times() {
        let line = "time-server --tcp 1 --tcp 127.0.0.1:2 --lines [::1]:3 --lines 4 --udp 5 --udp 0 -vv";
        let arguments = parse(line).unwrap();
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let services = arguments.services();
        let descriptions: Vec<_> = services.iter().map(|(_, description)| description).collect();
        let [one, two] = ["tcp:1:interface=0.0.0.0", "tcp:2:interface=127.0.0.1"];
        assert_eq!(descriptions, [one, two, "tcp:3:interface=\\:\\:1", "tcp:4:interface=0.0.0.0"]);
        assert_eq!(arguments.udp, addresses(&["0.0.0.0:5", "0.0.0.0:0"]));
        assert_eq!(arguments.verbose, 2);
    }

    #[test]
    fn an_endpoint_is_an_address_or_any_description() {
        for (text, description) in [
            ("[fe80::1%3]:80", "tcp:80:interface=fe80\\:\\:1%3"),
            ("unix:/run/a", "unix:/run/a"),
            ("localhost:80", "tcp:80:interface=127.0.0.1"),
            ("stdio:", "stdio:"),
            ("no such:thing", "no such:thing"),
        ] {
            let services = parse_with("--tcp", text).unwrap().services();
            assert_eq!(services, [(Service::Tcp, description.to_owned())]);
        }
        for text in ["", "tcp", "::1", "127.0.0.1", ":x"] {
            assert!(endpoint(text).is_err(), "{text}");
        }
        let unix = parse("time-server --unix /a:b").unwrap().services();
        assert_eq!(unix, [(Service::Unix, "unix:/a\\:b".to_owned())]);
    }

    #[test]
    fn limits_are_those_of_each_address_and_path_and_a_description_has_its_own() {
        let line = "time-server --tcp 1 --unix /a --web tcp:2 --max-connections 9 --per-peer 3 --rate 5";
        let [first, second, third] = [
            (Service::Tcp, "tcp:1:interface=0.0.0.0:per-peer=3:max-connections=9:rate=5"),
            (Service::Web, "tcp:2"),
            (Service::Unix, "unix:/a:max-connections=9:rate=5"),
        ]
        .map(|(service, description)| (service, description.to_owned()));
        assert_eq!(parse(line).unwrap().services(), [first, second, third]);
        assert!(parse("time-server --rate 0").is_err());
    }

    #[test]
    fn a_console_is_at_a_unix_socket_for_one_user_or_at_an_endpoint() {
        for (text, description) in [
            ("/run/a:b", "unix:/run/a\\:b:mode=600"),
            ("@a", "unix:@a:mode=600"),
            ("unix:/run/a:mode=660", "unix:/run/a:mode=660"),
        ] {
            let arguments = parse_with("--console", text).unwrap();
            assert_eq!(arguments.console.as_deref(), Some(description));
            assert_eq!(arguments.services().len(), 1, "the usual port is served besides");
        }
        assert!(parse_with("--console", "tcp:7").is_err());
    }

    #[test]
    fn an_address_that_is_none_is_explained() {
        for (text, expected) in [
            ("70000", "\"70000\" is not a port: a port is a number from 0 to 65535"),
            ("127.0.0.1:70000", "\"70000\" is not a port: a port is a number from 0 to 65535"),
            ("[::1]:http", "\"http\" is not a port: a port is a number from 0 to 65535"),
            ("example.org:21567", "example.org is not an IP address"),
            ("localhost:http", "\"http\" is not a port: a port is a number from 0 to 65535"),
            ("127.0.0.1", EXPECTED),
            ("::1", EXPECTED),
            (":21567", EXPECTED),
            ("", "\"\" is not a port: a port is a number from 0 to 65535"),
        ] {
            assert_eq!(address(text), Err(expected.to_owned()), "{text}");
        }
    }
}

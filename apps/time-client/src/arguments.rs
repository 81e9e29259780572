//! The command line.

use std::fmt;
use std::fmt::Display;
use std::net::Ipv6Addr;
use std::str::FromStr;

use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser};
use reactor::endpoint::quote_string_argument;

/// Sends the lines you type to a time server, and prints its replies.
///
/// On a terminal it prompts with `> `, and lines can be edited and recalled (arrow
/// keys, Ctrl-R), also those of earlier sessions. Ctrl-C clears a line that was
/// begun. An empty line ends the program, as do Ctrl-D and Ctrl-C on one. What is
/// pasted waits for Enter, and is then sent line by line; its empty lines are sent,
/// too, as a newline. Lines from a pipe or a file are read without a prompt, up to
/// an empty line or the end.
///
/// A reply is a stamp, `[Sun Nov  1 16:58:06 2026] `, and the text that was sent.
/// Any other reply is printed when nothing more has come for two seconds. On a
/// terminal control characters in it are shown as \x1b; to a pipe or a file it is
/// written unchanged.
#[derive(Debug, Parser)]
#[command(name = "time-client", version, verbatim_doc_comment, after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The server: a name or an address, with its port or without, a URL, the path of a UNIX socket, or the description of
    /// an endpoint
    #[arg(default_value = "localhost", value_name = "HOST")]
    pub(crate) server: Server,

    /// The server's port, if HOST is a name or an address without one [default: 21567]
    #[arg(value_parser = port)]
    pub(crate) port: Option<u16>,

    /// Make a connection for each line, and end the line with CRLF
    #[arg(long, conflicts_with = "udp")]
    pub(crate) lines: bool,

    /// Send each line as a datagram, and wait two seconds for one back
    #[arg(long)]
    pub(crate) udp: bool,

    /// Secure the connection with TLS, and verify that the server is HOST
    #[arg(long, conflicts_with_all = ["udp", "unix"])]
    pub(crate) tls: bool,

    /// With TLS: trust the authorities in this PEM file, and not those of the system
    #[arg(long, value_name = "FILE", conflicts_with_all = ["udp", "unix"])]
    pub(crate) ca: Option<String>,

    /// Let HOST be an exec: description, which runs a program
    #[arg(long)]
    pub(crate) allow_exec: bool,

    /// The same as unix:PATH in place of HOST and PORT
    #[arg(long, value_name = "PATH", conflicts_with_all = ["udp", "server", "port"])]
    pub(crate) unix: Option<String>,

    /// Neither read nor write the file of earlier lines
    #[arg(long)]
    pub(crate) no_history: bool,

    /// Say on standard error to whom it is connected and how long each reply took, and log more (-vv, -vvv: still more)
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

const DEFAULT_PORT: u16 = 21567;

const AFTER_HELP: &str = "\
HOST is written as the server prints it:
  localhost, 127.0.0.1, ::1           a name or an address
  localhost:21567, [::1]:21567        with a port
  tcp://HOST:PORT, tls://HOST:PORT    the same as a URL
  ws://HOST:PORT/PATH, wss://...      a web socket
  http://HOST:PORT/, https://...      the web socket of the time server's page
  /PATH, @NAME                        a UNIX socket; an abstract one
or is the description of an endpoint:
  tcp:HOST:PORT[:timeout=SECONDS][:bindAddress=IP]
  tls:HOST:PORT[:ca=FILE][:fingerprint=SHA256][:certificate=FILE][:key=FILE]
  tls:server=NAME:[ca=FILE:]ENDPOINT  TLS over another endpoint
  unix:PATH                           a UNIX socket, or @ and an abstract name
  exec:PROGRAM[:ARGUMENT]...          a program to run and talk to; only with
                                      --allow-exec
  web:[path=/PATH:][text=yes:]ENDPOINT
                                      a web socket in place of the connection
A colon in an argument is written \\:, as in tcp:\\:\\:1:21567.

The lines typed at a terminal are kept in time-client/history below the
directory in XDG_STATE_HOME, or else in ~/.local/state, which only you can read;
those that begin with a space are not kept.

Exit status:
  0    the lines have ended, or it was interrupted at the prompt
  1    there is no server, or it went away, or input or output failed
  2    the command line is wrong
  130  it was interrupted while it waited for the server

The variable RUST_LOG, if set, selects what is logged to standard error, instead
of -v.";

impl Arguments {
    /// The host and port of a server for datagrams.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        match &self.server {
            Server::Host { host, port, .. } => (host, port.or(self.port).unwrap_or(DEFAULT_PORT)),
            // Refused by `check`.
            Server::Page { .. } | Server::Description(_) => ("", 0),
        }
    }

    /// The description of the server's endpoint.
    pub(crate) fn endpoint(&self) -> String {
        if let Some(path) = &self.unix {
            return unix(path);
        }
        match &self.server {
            Server::Host { host, tls, .. } => {
                let port = self.host_and_port().1;
                self.connection(host, port, *tls || self.tls)
            }
            Server::Page { host, port, tls, path } => {
                let connection = self.connection(host, *port, *tls);
                format!("web:text=yes:path={}:{connection}", quote_string_argument(path))
            }
            Server::Description(description) => description.clone(),
        }
    }

    fn connection(&self, host: &str, port: u16, tls: bool) -> String {
        let host = quote_string_argument(host);
        match (tls, &self.ca) {
            (false, _) => format!("tcp:{host}:{port}"),
            (true, None) => format!("tls:{host}:{port}"),
            (true, Some(file)) => format!("tls:{host}:{port}:ca={}", quote_string_argument(file)),
        }
    }

    /// Ends the program if the arguments contradict each other.
    pub(crate) fn check(&self) {
        if let Err(wrong) = self.contradiction() {
            fail(wrong);
        }
    }

    fn contradiction(&self) -> Result<(), String> {
        let Self { server, .. } = self;
        let (kind, secure) = match server {
            Server::Host { tls, port, .. } => {
                if let (Some(port), Some(_)) = (port, self.port) {
                    return Err(format!("the port is given twice: {server} has the port {port} already"));
                }
                (None, *tls || self.tls)
            }
            Server::Page { tls, .. } => (Some("a URL"), *tls),
            Server::Description(_) => (Some("the description of an endpoint"), false),
        };
        let other = match self {
            Self { udp: true, .. } => Some("--udp"),
            Self { tls: true, .. } => Some("--tls"),
            Self { port: Some(_), .. } => Some("a port"),
            _ => None,
        };
        match (kind, other) {
            (Some(kind), Some(other)) => Err(format!("{server} is {kind}: it cannot be used with {other}")),
            _ if self.ca.is_some() && !secure => {
                Err("--ca is for TLS: add --tls, or begin HOST with tls://".to_owned())
            }
            _ if self.udp && secure => Err(format!("{server} is for TLS: it cannot be used with --udp")),
            _ => Ok(()),
        }
    }
}

/// Reports an error in the command line, and ends the program.
pub(crate) fn fail(wrong: impl Display) -> ! {
    Arguments::command().error(ErrorKind::ValueValidation, wrong).exit()
}

/// Where to find a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// Over TCP, TLS or UDP.
    Host { host: String, port: Option<u16>, tls: bool },
    /// A web socket.
    Page { host: String, port: u16, tls: bool, path: String },
    /// As given, to be parsed when there is a reactor.
    Description(String),
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((scheme, rest)) = text.split_once("://") {
            return from_url(scheme, rest);
        }
        if text.starts_with(['/', '@']) {
            return Ok(Self::Description(unix(text)));
        }
        match host_and_port(text)? {
            Some((host, port)) => Ok(Self::Host { host, port, tls: false }),
            None => Ok(Self::Description(text.to_owned())),
        }
    }
}

impl Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = |host: &String| if host.contains(':') { format!("[{host}]") } else { host.clone() };
        match self {
            Self::Host { host, port, tls } => {
                let scheme = if *tls { "tls://" } else { "" };
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                write!(f, "{scheme}{}{port}", bracketed(host))
            }
            Self::Page { host, port, tls, path } => {
                write!(f, "{}://{}:{port}{path}", if *tls { "wss" } else { "ws" }, bracketed(host))
            }
            Self::Description(description) => f.write_str(description),
        }
    }
}

/// The page's web socket is beside it.
const SOCKET_OF_PAGE: &str = "socket";

fn from_url(scheme: &str, rest: &str) -> Result<Server, String> {
    let (tls, is_page, usual_port) = match scheme {
        "tcp" => (false, None, DEFAULT_PORT),
        "tls" => (true, None, DEFAULT_PORT),
        "ws" => (false, Some(false), 80),
        "wss" => (true, Some(false), 443),
        "http" => (false, Some(true), 80),
        "https" => (true, Some(true), 443),
        _ => return Err(format!("{scheme}:// is not known: use tcp, tls, ws, wss, http or https")),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Some((host, port)) = host_and_port(authority)? else {
        return Err(format!("{authority:?} is not a host with a port"));
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match is_page {
        None if !path.is_empty() => Err(format!("a {scheme}:// URL has no path")),
        None => Ok(Server::Host { host, port, tls }),
        Some(is_page) => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = match (is_page, folder) {
                (false, _) => format!("/{path}"),
                (true, "") => format!("/{SOCKET_OF_PAGE}"),
                (true, folder) => format!("/{folder}/{SOCKET_OF_PAGE}"),
            };
            Ok(Server::Page { host, port: port.unwrap_or(usual_port), tls, path })
        }
    }
}

/// A host, and its port if there is one; `None` for anything else with a colon in it.
fn host_and_port(text: &str) -> Result<Option<(String, Option<u16>)>, String> {
    let host = |host: &str| match host {
        "" => Err("the host is missing: for example localhost or 127.0.0.1".to_owned()),
        host => Ok(host.to_owned()),
    };
    if let Some(inside) = text.strip_prefix('[') {
        let Some((address, rest)) = inside.split_once(']') else {
            return Err(format!("{text}: the closing bracket is missing"));
        };
        if !address.is_empty() && !is_ipv6(address) {
            return Err(format!("{address} is not an IPv6 address"));
        }
        return match rest.strip_prefix(':') {
            Some(number) => Ok(Some((host(address)?, Some(port(number)?)))),
            None if rest.is_empty() => Ok(Some((host(address)?, None))),
            None => Err(format!("{text}: only a colon and a port can follow the bracket")),
        };
    }
    match text.split_once(':') {
        None => Ok(Some((host(text)?, None))),
        Some(_) if is_ipv6(text) => Ok(Some((text.to_owned(), None))),
        // Of the kinds of endpoints these two alone can have a single number as their arguments.
        Some((name, number)) if is_number(number) && !["exec", "unix"].contains(&name) => {
            Ok(Some((host(name)?, Some(port(number)?))))
        }
        Some(_) => Ok(None),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_ipv6(text: &str) -> bool {
    let (address, _zone) = text.split_once('%').unwrap_or((text, ""));
    address.parse::<Ipv6Addr>().is_ok()
}

fn unix(path: &str) -> String {
    format!("unix:{}", quote_string_argument(path))
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "a port is a number from 0 to 65535")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Arguments {
        Arguments::try_parse_from([&["time-client"], line].concat()).unwrap()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_arguments_it_is_the_usual_port_of_this_machine() {
        let arguments = parse(&[]);
        assert_eq!(arguments.host_and_port(), ("localhost", 21567));
        assert_eq!(arguments.endpoint(), "tcp:localhost:21567");
        assert!(!arguments.lines && !arguments.udp && arguments.unix.is_none());
    }

    #[test]
    fn a_server_may_be_named_in_many_ways() {
        for (line, endpoint) in [
            (&["::1", "80"][..], "tcp:\\:\\:1:80"),
            (&["[::1]"], "tcp:\\:\\:1:21567"),
            (&["[::1]:80"], "tcp:\\:\\:1:80"),
            (&["127.0.0.1:80"], "tcp:127.0.0.1:80"),
            (&["localhost:80"], "tcp:localhost:80"),
            (&["web:80"], "tcp:web:80"),
            (&["fe80::1%eth0"], "tcp:fe80\\:\\:1%eth0:21567"),
            (&["[fe80::1%eth0]:80"], "tcp:fe80\\:\\:1%eth0:80"),
            (&["tcp:localhost:80"], "tcp:localhost:80"),
            (&["unix:/run/time"], "unix:/run/time"),
            (&["unix:80"], "unix:80"),
            (&["/run/a:b"], "unix:/run/a\\:b"),
            (&["@time"], "unix:@time"),
            (&["--unix", "/run/a:b"], "unix:/run/a\\:b"),
            (&["::1", "80", "--tls"], "tls:\\:\\:1:80"),
            (&["time.example", "--tls", "--ca", "a:b.pem"], "tls:time.example:21567:ca=a\\:b.pem"),
            (&["tcp://localhost:80/"], "tcp:localhost:80"),
            (&["tls://[::1]:80", "--ca", "a.pem"], "tls:\\:\\:1:80:ca=a.pem"),
            (&["tls://time.example", "80"], "tls:time.example:80"),
            (&["ws://[::1]/a/b"], "web:text=yes:path=/a/b:tcp:\\:\\:1:80"),
            (&["wss://time.example"], "web:text=yes:path=/:tls:time.example:443"),
            (&["http://127.0.0.1:8080/?ask=hi"], "web:text=yes:path=/socket:tcp:127.0.0.1:8080"),
            (&["https://time.example/now/"], "web:text=yes:path=/now/socket:tls:time.example:443"),
        ] {
            let arguments = parse(line);
            assert_eq!(arguments.contradiction(), Ok(()));
            assert_eq!(arguments.endpoint(), endpoint);
        }
    }

    #[test]
    fn a_server_that_is_none_is_explained() {
        for (text, expected) in [
            ("", "the host is missing: for example localhost or 127.0.0.1"),
            ("[]:80", "the host is missing: for example localhost or 127.0.0.1"),
            (":80", "the host is missing: for example localhost or 127.0.0.1"),
            ("localhost:70000", "a port is a number from 0 to 65535"),
            ("[::1]:http", "a port is a number from 0 to 65535"),
            ("[::g]:80", "::g is not an IPv6 address"),
            ("[::1", "[::1: the closing bracket is missing"),
            ("[::1]80", "[::1]80: only a colon and a port can follow the bracket"),
            ("gopher://time.example", "gopher:// is not known: use tcp, tls, ws, wss, http or https"),
            ("tcp://localhost:80/path", "a tcp:// URL has no path"),
            ("ws://me:secret@time.example/", "\"me:secret@time.example\" is not a host with a port"),
        ] {
            assert_eq!(text.parse::<Server>(), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn arguments_that_contradict_each_other_are_refused() {
        for (line, expected) in [
            (&["[::1]:80", "90"][..], "the port is given twice: [::1]:80 has the port 80 already"),
            (&["ws://[::1]/a", "90"], "ws://[::1]:80/a is a URL: it cannot be used with a port"),
            (&["unix:/a", "--udp"], "unix:/a is the description of an endpoint: it cannot be used with --udp"),
            (&["tls://a", "--udp"], "tls://a is for TLS: it cannot be used with --udp"),
            (&["http://a/", "--ca", "b"], "--ca is for TLS: add --tls, or begin HOST with tls://"),
        ] {
            assert_eq!(parse(line).contradiction(), Err(expected.to_owned()));
        }
        for other in [&["localhost"][..], &["--udp"]] {
            assert!(Arguments::try_parse_from([&["time-client", "--unix", "/run/time"], other].concat()).is_err());
        }
    }
}

//! The command line.

use std::fmt::Display;
use std::net::Ipv6Addr;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use reactor::endpoint::quote_string_argument;

/// Sends the lines you type to a time server, and prints its replies.
///
/// On a terminal it prompts with `> `, and lines can be edited and recalled (arrow
/// keys, Ctrl-R). An empty line, or Ctrl-D or Ctrl-C at the prompt, ends it. Lines
/// from a pipe or a file are read without a prompt, up to an empty line or the end.
///
/// A reply is a stamp, `[Sun Nov  1 16:58:06 2026] `, and the text that was sent.
/// Any other reply is printed when nothing more has come for two seconds. On a
/// terminal control characters in it are shown as \x1b; to a pipe or a file it is
/// written unchanged.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment, after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The name or address of the server, or the description of an endpoint that leads to it
    #[arg(default_value = "localhost", value_parser = host)]
    pub(crate) host: String,

    /// The server's port, unless HOST is the description of an endpoint [default: 21567]
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

    /// With --tls: trust the authorities in this PEM file, and not those of the system
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub(crate) ca: Option<String>,

    /// Let HOST be an exec: description, which runs a program
    #[arg(long)]
    pub(crate) allow_exec: bool,

    /// The same as unix:PATH in place of HOST and PORT
    #[arg(long, value_name = "PATH", conflicts_with_all = ["udp", "host", "port"])]
    pub(crate) unix: Option<String>,
}

const DEFAULT_PORT: u16 = 21567;

const AFTER_HELP: &str = "\
The description of an endpoint is one of these:
  tcp:HOST:PORT[:timeout=SECONDS][:bindAddress=IP]
  tls:HOST:PORT[:ca=FILE][:fingerprint=SHA256][:certificate=FILE][:key=FILE]
  tls:server=NAME:[ca=FILE:]ENDPOINT  TLS over another endpoint
  unix:PATH                           a UNIX socket, or @ and an abstract name
  exec:PROGRAM[:ARGUMENT]...          a program to run and talk to; only with
                                      --allow-exec
  web:[path=/PATH:][text=yes:]ENDPOINT
                                      a web socket in place of the connection
A colon in an argument is written \\:, as in tcp:\\:\\:1:21567.

Exit status:
  0    the lines have ended, or it was interrupted at the prompt
  1    there is no server, or it went away, or input or output failed
  2    the command line is wrong
  130  it was interrupted while it waited for the server

The variable RUST_LOG, if set, selects what is logged to standard error.";

impl Arguments {
    /// The host and port of a server for datagrams.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port.unwrap_or(DEFAULT_PORT))
    }

    /// The description of the server's endpoint.
    pub(crate) fn endpoint(&self) -> String {
        if let Some(path) = &self.unix {
            return format!("unix:{}", quote_string_argument(path));
        }
        if is_description(&self.host) {
            return self.host.clone();
        }
        let (host, port) = self.host_and_port();
        let host = quote_string_argument(host);
        match (self.tls, &self.ca) {
            (false, _) => format!("tcp:{host}:{port}"),
            (true, None) => format!("tls:{host}:{port}"),
            (true, Some(file)) => format!("tls:{host}:{port}:ca={}", quote_string_argument(file)),
        }
    }

    /// Ends the program if the arguments contradict each other.
    pub(crate) fn check(&self) {
        if is_description(&self.host) && (self.udp || self.tls || self.port.is_some()) {
            let other = match self {
                Self { udp: true, .. } => "--udp",
                Self { tls: true, .. } => "--tls",
                _ => "a port",
            };
            fail(format_args!("{} is the description of an endpoint: it cannot be used with {other}", self.host));
        }
    }
}

/// Reports an error in the command line, and ends the program.
pub(crate) fn fail(wrong: impl Display) -> ! {
    Arguments::command().error(ErrorKind::ValueValidation, wrong).exit()
}

fn host(text: &str) -> Result<String, &'static str> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if bare.is_empty() {
        return Err("the host is missing: for example localhost or 127.0.0.1");
    }
    let has_port = |(host, port): (&str, &str)| host.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
    if is_description(bare) && (text.starts_with('[') || text.split_once(':').is_none_or(has_port)) {
        return Err("the port is a separate argument: for example localhost 21567");
    }
    Ok(bare.to_owned())
}

/// Whether it is not a host: a name contains no colon.
fn is_description(host: &str) -> bool {
    let (address, _zone) = host.split_once('%').unwrap_or((host, ""));
    host.contains(':') && address.parse::<Ipv6Addr>().is_err()
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().map_err(|_| "a port is a number from 0 to 65535")
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for text in ["localhost", "127.0.0.1", "::1", "fe80::1%eth0"] {
            assert_eq!(host(text).as_deref(), Ok(text));
        }
        assert_eq!(host("[::1]").as_deref(), Ok("::1"));
        for text in ["", "[]", "localhost:21567", "[::1]:21567", "[::g]"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn without_arguments_it_is_the_usual_port_of_this_machine() {
        let arguments = Arguments::try_parse_from(["time-client"]).unwrap();
        assert_eq!(arguments.host_and_port(), ("localhost", 21567));
        assert_eq!(arguments.endpoint(), "tcp:localhost:21567");
        assert!(!arguments.lines && !arguments.udp && arguments.unix.is_none());
    }

    #[test]
    fn an_endpoint_may_be_described_in_place_of_a_host() {
        for (line, endpoint) in [
            (&["::1", "80"][..], "tcp:\\:\\:1:80"),
            (&["fe80::1%eth0"], "tcp:fe80\\:\\:1%eth0:21567"),
            (&["tcp:localhost:80"], "tcp:localhost:80"),
            (&["unix:/run/time"], "unix:/run/time"),
            (&["--unix", "/run/a:b"], "unix:/run/a\\:b"),
            (&["::1", "80", "--tls"], "tls:\\:\\:1:80"),
            (&["time.example", "--tls", "--ca", "a:b.pem"], "tls:time.example:21567:ca=a\\:b.pem"),
        ] {
            let arguments = Arguments::try_parse_from([&["time-client"], line].concat()).unwrap();
            assert_eq!(arguments.endpoint(), endpoint);
        }
    }

    #[test]
    fn a_unix_socket_is_instead_of_a_host() {
        let arguments = Arguments::try_parse_from(["time-client", "--lines", "--unix", "/run/time"]).unwrap();
        assert_eq!(arguments.unix.as_deref(), Some("/run/time"));
        for other in [&["localhost"][..], &["--udp"]] {
            assert!(Arguments::try_parse_from([&["time-client", "--unix", "/run/time"], other].concat()).is_err());
        }
    }
}

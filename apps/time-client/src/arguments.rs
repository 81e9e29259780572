//! What may be said on the command line.

use std::net::Ipv6Addr;

use clap::Parser;

/// Sends the lines you type to a time server, and prints its replies.
///
/// At a terminal it prompts with `> `, and a line can be edited and fetched again
/// (arrow keys, Ctrl-R). An empty line, or Ctrl-D or Ctrl-C at the prompt, ends it.
/// Lines from a pipe or a file are read plainly, without a prompt, up to an empty
/// line or the end.
///
/// A reply is a stamp, `[Sun Nov  1 16:58:06 2026] `, and the text that was sent.
/// One of another form is printed when nothing more has come for two seconds.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment, after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The name or the address of the server
    #[arg(default_value = "localhost", value_parser = host)]
    pub(crate) host: String,

    /// The server's port
    #[arg(default_value = "21567", value_parser = port)]
    pub(crate) port: u16,

    /// Make a connection for each line, and end the line with CRLF
    #[arg(long, conflicts_with = "udp")]
    pub(crate) lines: bool,

    /// Send each line as a datagram, and wait two seconds for one back
    #[arg(long)]
    pub(crate) udp: bool,

    /// Connect to a UNIX socket, or by `@` and an abstract name, in place of HOST and PORT
    #[arg(long, value_name = "PATH", conflicts_with_all = ["udp", "host", "port"])]
    pub(crate) unix: Option<String>,
}

const AFTER_HELP: &str = "\
Exit status:
  0    the lines have ended, or it was interrupted at the prompt
  1    there is no server, or it went away, or input or output failed
  2    the command line is wrong
  130  it was interrupted while it waited for the server

The variable RUST_LOG, if set, says what is logged to standard error.";

fn host(text: &str) -> Result<String, &'static str> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let (address, _zone) = bare.split_once('%').unwrap_or((bare, ""));
    if bare.is_empty() {
        Err("a host is needed, as in localhost or 127.0.0.1")
    } else if bare.contains(':') && address.parse::<Ipv6Addr>().is_err() {
        Err("the port is an argument of its own, as in localhost 21567")
    } else {
        Ok(bare.to_owned())
    }
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
        for text in ["", "[]", "localhost:21567", "[::1]:21567", "::g"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn without_arguments_it_is_the_usual_port_of_this_machine() {
        let arguments = Arguments::try_parse_from(["time-client"]).unwrap();
        assert_eq!((arguments.host.as_str(), arguments.port), ("localhost", 21567));
        assert!(!arguments.lines && !arguments.udp && arguments.unix.is_none());
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

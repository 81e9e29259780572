//! The gallery: each of its programs is run, and does the same as the Twisted program that it ports. See
//! `docs/gallery.md`.

mod amp;
mod carbon;
mod chat;
mod console;
mod databases;
mod datagrams;
mod descriptors;
mod echo;
mod finger;
mod forwarding;
mod guide;
mod irc;
mod lengths;
mod logins;
mod pages;
mod postfix;
mod processes;
mod quotes;
mod readme;
mod services;
mod streaming;
mod telnet;
mod timers;
mod tls;
mod transit;
mod tutorial;

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::apps::binaries::example;
use crate::apps::net::{connect, read_to_end};
use crate::apps::program::{Program, hearing_signals};

/// Starts a server, whose first argument is where it listens, at a port that the system chooses.
#[track_caller]
fn serve(name: &str, arguments: &[&str]) -> (Program, SocketAddr) {
    let mut server = Program::example(name, ["127.0.0.1:0"].iter().chain(arguments));
    let address = listening(&mut server);
    (server, address)
}

/// The address that a server reports.
#[track_caller]
fn listening(server: &mut Program) -> SocketAddr {
    server.line_after("listening on ").parse().unwrap()
}

/// Starts a program that is a service, with the endpoints that it listens on first among its arguments, and waits until it
/// is ready. How many endpoints these are is how many addresses there are then.
#[track_caller]
fn serve_endpoints<const N: usize>(name: &str, arguments: [&str; N]) -> (Program, [SocketAddr; N]) {
    let mut server = Program::start(hearing_signals(example(name)).args(arguments).env("NO_COLOR", "1"));
    let addresses = arguments.map(|_| {
        let line = server.stderr_line_with(" host=");
        line.rsplit_once('=').unwrap().1.parse().unwrap()
    });
    server.stderr_line_with(" ready ");
    (server, addresses)
}

/// A port of this machine that the system chooses.
const ANY_PORT: &str = "tcp:0:interface=127.0.0.1";

/// A client that speaks in lines.
struct Client(BufReader<TcpStream>);

impl Client {
    #[track_caller]
    fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(connect(address)))
    }

    #[track_caller]
    fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    #[track_caller]
    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("{line:?} has no end")).to_owned()
    }

    /// Ends this side's stream.
    fn end(&self) {
        self.0.get_ref().shutdown(Shutdown::Write).unwrap();
    }

    /// Everything received until the server closes.
    #[track_caller]
    fn hear_to_the_end(mut self) -> String {
        let mut heard = String::from_utf8(self.0.buffer().to_vec()).unwrap();
        heard += &String::from_utf8(read_to_end(self.0.get_mut())).unwrap();
        heard
    }
}

/// What a server answers to one line, until it closes.
#[track_caller]
fn ask(server: SocketAddr, line: &str) -> String {
    let mut client = Client::connect(server);
    client.say(line);
    client.hear_to_the_end()
}

//! Twisted as a client and as a server, from the first byte on and in mid-stream.

use std::net::SocketAddr;
use std::process::Command;

use protocols::tls::Client;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::CloseReason;
use rig::peer;

use crate::apps::peers::script;
use crate::apps::program::Program;
use crate::apps::tools::is_there;
use crate::protocols::tls::authority::Issued;
use crate::protocols::tls::{Authority, NAME, serve, talk, talked};
use crate::support::datagrams::LOOPBACK;
use crate::support::{Log, in_time, test_reactor};

fn twisted(test: &str) -> bool {
    let import = "import twisted.internet.ssl, twisted.internet.reactor, service_identity";
    is_there("Python's Twisted with TLS", Command::new("python3").args(["-c", import]), test)
}

#[track_caller]
fn start(issued: &Issued, mode: &[&str]) -> (Program, SocketAddr) {
    let mut command = script("twisted_tls_server.py");
    command.args(["127.0.0.1", "0"]).arg(&issued.chain).arg(&issued.key).args(mode);
    let mut server = Program::start(&mut command);
    let address = server.line_after("waiting for connection... ").parse().unwrap();
    (server, address)
}

/// What a client of Twisted's prints.
#[track_caller]
fn ask(address: SocketAddr, authority: &Authority, mode: &[&str]) -> String {
    let mut command = script("twisted_tls_client.py");
    command.args([address.ip().to_string(), address.port().to_string()]);
    Program::start(command.arg(authority.path()).arg(NAME).args(mode)).finish().with_code(0).stdout
}

/// Echoes lines; starts TLS if it is asked to, and asks for it at a client's end.
struct Echo {
    lines: Lines,
    log: Log,
    is_client: bool,
}

impl LineHandler for Echo {
    fn connection_made(&mut self) {
        if self.is_client {
            self.lines.send_line("STARTTLS");
        }
    }

    fn line_received(&mut self, line: &[u8]) {
        self.log.add(line.escape_ascii().to_string());
        match line {
            b"STARTTLS" => {
                self.lines.send_line("READY");
                self.start_tls();
            }
            b"READY" => {
                self.start_tls();
                self.lines.send_line("hello");
            }
            _ if self.is_client => self.lines.lose_connection(),
            _ => self.lines.send_line(line),
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.add(format!("lost: {reason}"));
    }
}

impl Echo {
    fn start_tls(&self) {
        self.lines.start_tls(|this: &mut Self, tls| this.log.add(tls.version())).unwrap();
    }
}

#[test]
fn twisted_talks_with_a_server() {
    if !twisted("twisted_talks_with_a_server") {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    let tls = authority.issue("server", &[NAME]).server();
    let (server, log) = serve(&tls);
    assert_eq!(ask(server.address(), &authority, &[]), "hello\nConnectionDone\n");
    log.wait_for("lost Done");
    assert_eq!(ask(server.address(), &other, &[]), "Error\n");
    log.wait_until("the count", |_| tls.failed_handshakes() == 1);
}

#[test]
fn a_client_talks_with_twisted() {
    if !twisted("a_client_talks_with_twisted") {
        return;
    }
    let authority = Authority::new();
    let (mut server, address) = start(&authority.issue("server", &[NAME]), &[]);
    assert_eq!(talk(&authority.client(), address), talked("TLS 1.3 with a certificate"));
    assert_eq!(server.line(), "ConnectionDone");
}

#[test]
fn s202_twisted_starts_tls_with_a_server_in_mid_stream() {
    if !twisted("s202_twisted_starts_tls_with_a_server_in_mid_stream") {
        return;
    }
    let authority = Authority::new();
    let (tls, log) = (authority.issue("server", &[NAME]).server(), Log::default());
    let logged = log.clone();
    let server = peer::serve(move |reactor| {
        let echo = move |lines| Echo { lines, log: logged.clone(), is_client: false };
        reactor.listen_tcp(LOOPBACK, tls.upgradable(LineReceiver::factory(echo).delimiter("\n")))
    });
    assert_eq!(ask(server.address(), &authority, &["starttls"]), "READY\nhello\nConnectionDone\n");
    log.wait_for("lost");
    assert_eq!(log.lines(), ["STARTTLS", "TLS 1.3", "hello", "lost: connection closed cleanly"]);
}

#[test]
fn s202_a_client_starts_tls_with_twisted_in_mid_stream() {
    if !twisted("s202_a_client_starts_tls_with_twisted_in_mid_stream") {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    let (mut server, address) = start(&authority.issue("server", &[NAME]), &["starttls"]);
    let upgraded = |tls: Client| {
        in_time(move || {
            let (reactor, log) = (test_reactor(), Log::default());
            let logged = log.clone();
            let echo = move |lines| Echo { lines, log: logged.clone(), is_client: true };
            let factory = tls.upgradable(NAME, LineReceiver::factory(echo).delimiter("\n"));
            reactor.run_until(reactor.connect_tcp(address, factory).finished()).unwrap().unwrap();
            log.lines()
        })
    };
    assert_eq!(upgraded(authority.client()), ["READY", "TLS 1.3", "hello", "lost: connection closed cleanly"]);
    assert_eq!(server.line(), "ConnectionDone");
    let refused = "lost: the certificate of server.example was not issued by an authority that this side trusts, or \
                   intermediate certificates were not sent";
    assert_eq!(upgraded(other.client()), ["READY", refused]);
}

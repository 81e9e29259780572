//! With an independent program on the other side: `socat`, or Twisted.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process;
use std::process::Command;

use reactor::address::UnixAddress;
use reactor::unix::{UnixConnectOptions, UnixListenOptions};
use reactor::{CloseReason, Protocol, Reactor, Transport};

use crate::apps::peers::{script, socat, twisted};
use crate::apps::program::Program;
use crate::support::{Callback, Log, Recorder, fresh_path, in_time, test_reactor};
use crate::unix::{echoing, idle};

/// Runs `client` beside the reactor until it has ended.
fn beside<T: Send + 'static>(reactor: &Reactor, client: impl FnOnce() -> T + Send + 'static) -> T {
    let client = reactor.defer_to_thread(client);
    reactor.run_until(client).unwrap().unwrap()
}

fn ask_by_socat(address: &str) -> String {
    let mut client = Program::start(Command::new("socat").args(["-t10", "-", address]));
    client.type_in("hello\n");
    client.line()
}

#[test]
fn socat_talks_with_a_port_by_its_path_and_by_its_abstract_name() {
    if !socat("socat_talks_with_a_port_by_its_path_and_by_its_abstract_name") {
        return;
    }
    in_time(|| {
        let (_folder, path) = fresh_path();
        let name = format!("reactor-socat-{}", process::id());
        let reactor = test_reactor();
        reactor.listen_unix(&path, echoing).unwrap();
        reactor.listen_unix(format!("@{name}"), echoing).unwrap();
        let path = path.display().to_string();
        let answers = beside(&reactor, move || {
            [format!("UNIX-CONNECT:{path}"), format!("ABSTRACT-CONNECT:{name}")].map(|address| ask_by_socat(&address))
        });
        assert_eq!(answers, ["hello", "hello"]);
    });
}

#[test]
fn a_client_talks_with_an_echo_of_socat() {
    if !socat("a_client_talks_with_an_echo_of_socat") {
        return;
    }
    in_time(|| {
        let (_folder, path) = fresh_path();
        let listen = format!("UNIX-LISTEN:{}", path.display());
        let mut echo = Program::start(Command::new("socat").args(["-d", "-d", &listen, "PIPE"]));
        echo.stderr_line_with("listening on");
        let (reactor, log) = (test_reactor(), Log::default());
        let seen = log.clone();
        let client = reactor.connect_unix(&path, move |transport| {
            Recorder::new(transport, seen.clone())
                .on(Callback::Made, |this| this.transport.write("hello"))
                .on(Callback::Data, |this| this.transport.lose_connection())
        });
        reactor.run_until(client.finished()).unwrap().unwrap();
        assert_eq!(log.received(), b"hello");
    });
}

#[test]
fn socat_sends_datagrams() {
    if !socat("socat_sends_datagrams") {
        return;
    }
    struct Once(reactor::datagram::DatagramTransport<UnixAddress>, Log);
    impl reactor::datagram::DatagramProtocol<UnixAddress> for Once {
        fn datagram_received(&mut self, data: &[u8], _peer: UnixAddress) {
            self.1.data(data);
            self.0.reactor().stop();
        }
    }
    in_time(|| {
        let (_folder, path) = fresh_path();
        let (reactor, log) = (test_reactor(), Log::default());
        let seen = log.clone();
        reactor.listen_unix_datagram(&path, |transport| Once(transport, seen)).unwrap();
        let mut client = Program::start(Command::new("socat").args(["-", &format!("UNIX-SENDTO:{}", path.display())]));
        client.type_in("hello\n");
        reactor.run().unwrap();
        assert_eq!(log.received(), b"hello\n");
    });
}

/// Sends a descriptor that says "there", and a byte; logs what comes.
struct Exchange(Transport, Log);

impl Protocol for Exchange {
    fn connection_made(&mut self) {
        let (reading, writing) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut { writing }, b"there").unwrap();
        self.0.send_file_descriptor(reading).unwrap();
        self.0.write("y");
    }
    fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        let mut text = String::new();
        File::from(descriptor).read_to_string(&mut text).unwrap();
        self.1.add(format!("descriptor {text}"));
    }
    fn data_received(&mut self, data: &[u8]) {
        self.1.data(data);
    }
    fn connection_lost(&mut self, reason: CloseReason) {
        self.1.add(reason.to_string());
        self.0.reactor().stop();
    }
}

fn in_python(mode: &str, path: &Path) -> Program {
    Program::start(script("twisted_unix.py").arg(mode).arg(path))
}

const SEEN: [&str; 3] = ["descriptor here", "data x", "connection closed cleanly"];

#[test]
fn descriptors_pass_to_and_from_a_server_of_twisted_whose_lock_is_respected() {
    if !twisted("descriptors_pass_to_and_from_a_server_of_twisted_whose_lock_is_respected") {
        return;
    }
    in_time(|| {
        let (folder, path) = fresh_path();
        let mut server = in_python("serve", &path);
        server.line_after("waiting for connection... ");
        let (reactor, log) = (test_reactor(), Log::default());
        let error = reactor.listen_unix(UnixListenOptions::new(&path).lock(true), idle).unwrap_err();
        assert!(error.to_string().contains("has the lock"), "{error}");
        let seen = log.clone();
        let options = UnixConnectOptions::new(&path).check_lock(true);
        reactor.connect_unix(options, move |transport| Exchange(transport, seen.clone()));
        reactor.run().unwrap();
        assert_eq!(log.lines(), SEEN);
        assert_eq!(server.line(), "descriptor: there");
        assert_eq!(server.line(), "data: y");
        server.finish().with_code(0);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    });
}

#[test]
fn descriptors_pass_to_and_from_a_client_of_twisted_which_looks_for_the_lock() {
    if !twisted("descriptors_pass_to_and_from_a_client_of_twisted_which_looks_for_the_lock") {
        return;
    }
    in_time(|| {
        let (_folder, path) = fresh_path();
        let (reactor, log) = (test_reactor(), Log::default());
        let seen = log.clone();
        let exchange = move |transport| Exchange(transport, seen.clone());
        reactor.listen_unix(UnixListenOptions::new(&path).lock(true).receive_file_descriptors(true), exchange).unwrap();
        let mut client = in_python("ask", &path);
        reactor.run().unwrap();
        assert_eq!(log.lines(), SEEN);
        assert_eq!(client.line(), "descriptor: there");
        assert_eq!(client.line(), "data: y");
    });
}

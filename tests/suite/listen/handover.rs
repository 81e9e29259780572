//! One server after another at the same addresses, here as threads of one process with their own reactors. The program
//! `reliability` does the same with processes, under load.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::{io, thread};

use reactor::address::UnixAddress;
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::listen::Handover;
use reactor::testing::Simulation;
use reactor::threads::RemoteReactor;
use reactor::unix::UnixListenOptions;
use reactor::{Protocol, Reactor, Transport, run_on_threads};
use tracing_subscriber::filter::LevelFilter;

use crate::listen::finish_and_stop;
use crate::support::datagrams::{receive, socket};
use crate::support::{
    PATIENCE, connect, connect_unix, fresh_path, in_time, log_lines, receive_descriptors, send_descriptors,
    test_reactor,
};

/// Answers everything by its server's name, and stays until the client goes.
struct Named<T> {
    transport: T,
    name: &'static str,
}

impl Protocol for Named<Transport> {
    fn connection_made(&mut self) {
        self.transport.on_drain(|_: &mut Self| ());
    }

    fn data_received(&mut self, _data: &[u8]) {
        self.transport.write(self.name);
    }
}

impl DatagramProtocol for Named<DatagramTransport> {
    fn datagram_received(&mut self, _data: &[u8], peer: SocketAddr) {
        self.transport.write(self.name, peer).unwrap();
    }
}

struct Deaf;

impl DatagramProtocol<UnixAddress> for Deaf {
    fn datagram_received(&mut self, _data: &[u8], _peer: UnixAddress) {}
}

/// A server on a thread. It ends when the next one has taken over and its clients are gone.
struct Server {
    taken: usize,
    tcp: SocketAddr,
    udp: SocketAddr,
    remote: RemoteReactor,
    /// The outcome of [`Handover::finish`], and later that the sockets were taken over.
    finished: Receiver<Result<(), String>>,
    thread: JoinHandle<()>,
}

impl Server {
    fn start(name: &'static str, folder: &Path) -> Self {
        let folder = folder.to_owned();
        let (tell, told) = mpsc::channel();
        let (finish, finished) = mpsc::channel();
        let thread = thread::spawn(move || {
            let reactor = test_reactor();
            reactor.set_shutdown_deadline(PATIENCE);
            let handover = Handover::begin(&reactor, folder.join("handover")).unwrap();
            let taken = handover.taken_count();
            let tcp = reactor.listen_tcp("127.0.0.1:0", move |transport| Named { transport, name }).unwrap();
            let udp = reactor.listen_udp("127.0.0.1:0", move |transport| Named { transport, name }).unwrap();
            let path = UnixListenOptions::new(folder.join("socket")).lock(true);
            reactor.listen_unix(path, move |transport| Named { transport, name }).unwrap();
            let hosts = [tcp.host(), udp.host()].map(|host| host.socket_addr().unwrap());
            tell.send((taken, hosts, reactor.remote())).unwrap();
            finish_and_stop(&reactor, handover, finish);
            reactor.run().unwrap();
        });
        let (taken, [tcp, udp], remote) = told.recv_timeout(PATIENCE).unwrap();
        Self { taken, tcp, udp, remote, finished, thread }
    }

    #[track_caller]
    fn expect_finished(&self) {
        self.finished.recv_timeout(PATIENCE).unwrap().unwrap();
    }

    fn stop(self) {
        self.remote.stop();
        self.thread.join().unwrap();
    }
}

#[track_caller]
fn answer(mut stream: impl Read + Write) -> String {
    stream.write_all(b"?").unwrap();
    let mut name = [0; 3];
    stream.read_exact(&mut name).unwrap();
    String::from_utf8(name.to_vec()).unwrap()
}

#[track_caller]
fn answers(server: &Server, path: &Path) -> [String; 3] {
    let datagrams = socket();
    datagrams.send_to(b"?", server.udp).unwrap();
    let datagram = String::from_utf8(receive(&datagrams).0).unwrap();
    [answer(connect(server.tcp)), datagram, answer(connect_unix(path))]
}

/// A server that offers its sockets, and the folder where.
fn offering(name: &'static str) -> (impl Sized, PathBuf, Server) {
    let (kept, folder) = fresh_folder();
    let server = Server::start(name, &folder);
    server.expect_finished();
    (kept, folder, server)
}

fn fresh_folder() -> (impl Sized, PathBuf) {
    let (folder, path) = fresh_path();
    (folder, path.parent().unwrap().to_owned())
}

#[test]
fn the_next_server_gets_every_kind_of_socket_and_the_last_one_removes_the_files() {
    in_time(|| {
        let (_kept, folder) = fresh_folder();
        let path = folder.join("socket");
        let one = Server::start("one", &folder);
        one.expect_finished();
        assert_eq!(one.taken, 0);
        assert_eq!(answers(&one, &path), ["one", "one", "one"]);
        let client = connect(one.tcp);
        assert_eq!(answer(&client), "one");

        let two = Server::start("two", &folder);
        assert_eq!((two.taken, two.tcp, two.udp), (3, one.tcp, one.udp));
        two.expect_finished();
        one.expect_finished();
        for _ in 0..5 {
            assert_eq!(answers(&two, &path), ["two", "two", "two"]);
        }
        assert_eq!(answer(&client), "one", "a connection stays where it is");
        drop(client);
        one.thread.join().unwrap();
        assert_eq!(answers(&two, &path), ["two", "two", "two"]);

        let three = Server::start("tre", &folder);
        three.expect_finished();
        two.expect_finished();
        two.thread.join().unwrap();
        assert_eq!(answers(&three, &path), ["tre", "tre", "tre"]);
        three.stop();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "sockets and locks are gone");
    });
}

#[test]
fn a_next_server_that_ends_before_it_is_ready_changes_nothing() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let reactor = test_reactor();
        let handover = Handover::begin(&reactor, folder.join("handover")).unwrap();
        assert_eq!(handover.taken_count(), 3);
        let path = folder.join("socket");
        let socket = UnixListenOptions::new(&*path).lock(true);
        reactor.listen_unix(socket.clone(), |transport| Named { transport, name: "two" }).unwrap();
        drop((handover, reactor));
        assert_eq!(answers(&one, &path), ["one", "one", "one"]);
        let error = test_reactor().listen_unix(socket, |transport| Named { transport, name: "two" }).unwrap_err();
        assert!(error.to_string().contains("has the lock"), "{error}");
        let two = Server::start("two", &folder);
        two.expect_finished();
        one.thread.join().unwrap();
        two.stop();
    });
}

#[test]
fn a_socket_whose_file_the_last_server_has_removed_meanwhile_is_told_of() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let reactor = test_reactor();
        let handover = Handover::begin(&reactor, folder.join("handover")).unwrap();
        let socket = UnixListenOptions::new(folder.join("socket")).lock(true);
        reactor.listen_unix(socket, |transport| Named { transport, name: "two" }).unwrap();
        one.stop();
        let error = reactor.run_until(handover.finish(|| ())).unwrap().unwrap_err().to_string();
        let expected = format!("unix {} is unavailable: ", folder.join("socket").display());
        assert!(error.contains(&expected), "{error}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    });
}

#[test]
fn of_two_next_servers_only_the_first_that_is_ready_takes_over() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let late = test_reactor();
        let too_late = Handover::begin(&late, folder.join("handover")).unwrap();
        late.listen_tcp("127.0.0.1:0", |transport| Named { transport, name: "tre" }).unwrap();
        let two = Server::start("two", &folder);
        two.expect_finished();
        let error = late.run_until(too_late.finish(|| ())).unwrap().unwrap_err();
        assert!(error.to_string().ends_with("another process has taken over meanwhile"), "{error}");
        assert_eq!(answers(&two, &folder.join("socket")), ["two", "two", "two"]);
        one.thread.join().unwrap();
        two.stop();
    });
}

#[test]
fn sockets_that_nobody_asks_for_any_more_are_closed() {
    in_time(|| {
        let (_kept, parent) = fresh_folder();
        // A name that is not displayed as it is.
        let folder = parent.join("odd\nname");
        std::fs::create_dir(&folder).unwrap();
        let one = Server::start("one", &folder);
        one.expect_finished();
        let reactor = test_reactor();
        let handover = Handover::begin(&reactor, folder.join("handover")).unwrap();
        reactor.listen_udp("127.0.0.1:0", |transport| Named { transport, name: "two" }).unwrap();
        reactor.run_until(handover.finish(|| ())).unwrap().unwrap();
        one.thread.join().unwrap();
        assert_eq!(std::net::TcpStream::connect(one.tcp).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "the files of what nobody serves are gone, too");
    });
}

#[test]
fn an_unknown_reply_at_the_path_is_an_error_that_names_it() {
    in_time(|| {
        let (_kept, folder) = fresh_folder();
        for (said, expected) in [
            ("", "the answer was cut short"),
            ("tcp 0.0.0.0:80\n", "the answer was cut short"),
            ("tcp 0.0.0.0:80\n\n", "malformed reply"),
            ("\n\n", "malformed reply"),
            ("\nmore", "malformed reply"),
            ("\ngone\n", "another process has taken over meanwhile"),
            ("tcp 0.0.0.0:80\n\ntcp 0.0.0.0:81\n\n", "malformed reply"),
            ("\u{fffd}\n\n", "malformed reply"),
        ] {
            let path = folder.join("handover");
            let listener = UnixListener::bind(&path).unwrap();
            let other = thread::spawn(move || listener.accept().unwrap().0.write_all(said.as_bytes()).unwrap());
            let error = Handover::begin(&test_reactor(), &path).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("cannot take over from the process at {}: {expected}", path.display())
            );
            other.join().unwrap();
            std::fs::remove_file(path).unwrap();
        }
    });
}

#[test]
fn a_socket_that_is_not_what_its_name_says_is_not_listened_on() {
    in_time(|| {
        let (_kept, folder) = fresh_folder();
        let path = folder.join("handover");
        let listener = UnixListener::bind(&path).unwrap();
        let connected = UnixStream::pair().unwrap().0;
        let sent: [(&str, OwnedFd); 4] = [
            ("tcp 127.0.0.1:0", socket().into()),
            ("udp 127.0.0.1:0", std::net::TcpListener::bind("127.0.0.1:0").unwrap().into()),
            ("unix /run/no", connected.into()),
            ("unix-datagram /run/no", socket().into()),
        ];
        let other = thread::spawn(move || {
            let predecessor = listener.accept().unwrap().0;
            for (name, descriptor) in sent {
                send_descriptors(&predecessor, format!("{name}\n").as_bytes(), &[descriptor]);
            }
            (&predecessor).write_all(b"\n").unwrap();
        });
        let reactor = test_reactor();
        let handover = Handover::begin(&reactor, &path).unwrap();
        assert_eq!(handover.taken_count(), 4);
        let name = "two";
        let opened = [
            reactor.listen_tcp("127.0.0.1:0", move |transport| Named { transport, name }),
            reactor.listen_udp("127.0.0.1:0", move |transport| Named { transport, name }),
            reactor.listen_unix("/run/no", move |transport| Named { transport, name }),
            reactor.listen_unix_datagram("/run/no", |_| Deaf),
        ];
        for error in opened.map(Result::unwrap_err) {
            let said = error.to_string();
            assert!(said.ends_with(": the socket that the previous process has left is of another kind"), "{said}");
        }
        other.join().unwrap();
    });
}

#[test]
fn a_process_that_asks_and_then_says_something_else_gets_nothing_more() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let mut other: UnixStream = connect_unix(&folder.join("handover"));
        other.write_all(b"ready to fail\n").unwrap();
        let _ = other.read_to_end(&mut Vec::new());
        assert_eq!(answers(&one, &folder.join("socket")), ["one", "one", "one"]);
        one.stop();
    });
}

#[test]
fn a_path_that_cannot_be_is_an_error_from_the_beginning() {
    in_time(|| {
        let error = Handover::begin(&test_reactor(), "/no/such/folder/handover").unwrap_err();
        assert_eq!(error.to_string(), "cannot hand over at /no/such/folder/handover: there is no such directory");
    });
}

#[test]
fn of_several_reactors_only_the_first_can_take_over() {
    for (number, kind) in [(0, io::ErrorKind::NotFound), (1, io::ErrorKind::Unsupported)] {
        let begin = |reactor: &Reactor| {
            reactor.set_signal_handling(false);
            if reactor.thread_number() == number { Handover::begin(reactor, "/no/such/path").map(drop) } else { Ok(()) }
        };
        assert_eq!(run_on_threads(2, begin).unwrap_err().kind(), kind);
    }
}

/// A server that takes over from the one in this folder, listens, and is never ready.
fn unready(folder: &Path) -> (RemoteReactor, JoinHandle<()>) {
    let path = folder.join("handover");
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        let reactor = test_reactor();
        let _handover = Handover::begin(&reactor, path).unwrap();
        reactor.listen_tcp("127.0.0.1:0", |transport| Named { transport, name: "two" }).unwrap();
        tell.send(reactor.remote()).unwrap();
        reactor.run().unwrap();
    });
    (told.recv_timeout(PATIENCE).unwrap(), thread)
}

#[test]
fn a_next_server_accepts_nobody_before_it_has_taken_over() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let (remote, thread) = unready(&folder);
        let clients: Vec<_> = (0..50).map(|_| connect(one.tcp)).collect();
        for client in &clients {
            assert_eq!(answer(client), "one");
        }
        remote.stop();
        thread.join().unwrap();
        for client in &clients {
            assert_eq!(answer(client), "one", "nobody is cut off by the end of a server that was not ready");
        }
        drop(clients);
        one.stop();
    });
}

#[test]
fn a_server_that_is_full_can_be_replaced() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let client = connect(one.tcp);
        assert_eq!(answer(&client), "one");
        one.remote.blocking_call(|reactor| reactor.set_connection_budget(1)).unwrap();
        let mut refused = connect(one.tcp);
        assert_eq!(refused.read(&mut [0]).unwrap_or(0), 0);
        let two = Server::start("two", &folder);
        two.expect_finished();
        one.expect_finished();
        assert_eq!(answers(&two, &folder.join("socket")), ["two", "two", "two"]);
        drop(client);
        one.thread.join().unwrap();
        two.stop();
    });
}

#[test]
fn a_server_that_listens_on_none_of_the_addresses_takes_nothing_over() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let reactor = test_reactor();
        let handover = Handover::begin(&reactor, folder.join("handover")).unwrap();
        reactor.listen_tcp("127.0.0.2:0", |transport| Named { transport, name: "two" }).unwrap();
        let error = reactor.run_until(handover.finish(|| ())).unwrap().unwrap_err().to_string();
        let why = "it offers none of the addresses that this program listens on";
        assert!(error.starts_with("cannot take over from") && error.contains(why), "{error}");
        assert_eq!(answers(&one, &folder.join("socket")), ["one", "one", "one"]);
        one.stop();
    });
}

#[test]
fn a_path_that_is_a_link_is_refused() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let link = folder.join("link");
        std::os::unix::fs::symlink(folder.join("handover"), &link).unwrap();
        let error = Handover::begin(&test_reactor(), &link).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot hand over at {}: it is a symbolic link", link.display()));
        one.stop();
    });
}

#[test]
fn what_was_not_handed_over_is_logged_with_the_reason() {
    in_time(|| {
        for (said, why) in [
            ("unwanted\n", "the process that asked listens on none of the addresses offered here"),
            ("nonsense\n", "malformed reply"),
            ("", "the process that asked ended before it was ready"),
        ] {
            let (logging, lines) = log_lines(LevelFilter::WARN);
            let (_kept, folder) = fresh_folder();
            let reactor = test_reactor();
            reactor.listen_tcp("127.0.0.1:0", |transport| Named { transport, name: "one" }).unwrap();
            let handover = Handover::begin(&reactor, folder.join("handover")).unwrap();
            let path = folder.join("handover");
            let asked = async {
                handover.finish(|| panic!("handed over")).await.unwrap();
                let ask = move || {
                    let mut other = connect_unix(&path);
                    other.write_all(said.as_bytes()).unwrap();
                    other.shutdown(Shutdown::Write).unwrap();
                    let _ = other.read_to_end(&mut Vec::new());
                };
                reactor.defer_to_thread(ask).await.unwrap();
            };
            reactor.run_until(asked).unwrap();
            drop(logging);
            let lines = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
            assert!(lines.contains(why), "{lines}");
        }
    });
}

#[test]
fn a_process_of_an_older_version_takes_over_and_is_taken_over_from() {
    in_time(|| {
        // It says that it is ready, and knows nothing else.
        let (_kept, folder, one) = offering("one");
        let mut next = connect_unix(&folder.join("handover"));
        let mut received = Vec::new();
        let names = receive_list(&next, &mut received);
        assert_eq!(names.len(), received.len());
        next.write_all(b"ready\n").unwrap();
        assert_eq!(next.read_to_end(&mut Vec::new()).unwrap(), 0, "no message comes that it does not know");
        one.expect_finished();
        one.thread.join().unwrap();

        // It reads that the next process is ready, and nothing behind that.
        let (_kept, folder) = fresh_folder();
        let path = folder.join("handover");
        let listener = UnixListener::bind(&path).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap();
        let before = thread::spawn(move || {
            let mut next = listener.accept().unwrap().0;
            send_descriptors(&next, b"tcp 127.0.0.1:0\n", &[OwnedFd::from(port)]);
            next.write_all(b"\n").unwrap();
            let mut said = [0; 6];
            next.read_exact(&mut said).unwrap();
            assert_eq!(&said, b"ready\n");
            std::fs::remove_file(path).unwrap();
        });
        let reactor = test_reactor();
        let handover = Handover::begin(&reactor, folder.join("handover")).unwrap();
        let port = reactor.listen_tcp("127.0.0.1:0", |transport| Named { transport, name: "two" }).unwrap();
        assert_eq!(port.host().socket_addr(), Some(address));
        let asked = async {
            handover.finish(|| ()).await.unwrap();
            reactor.defer_to_thread(move || answer(connect(address))).await.unwrap()
        };
        assert_eq!(reactor.run_until(asked).unwrap(), "two");
        before.join().unwrap();
    });
}

/// Reads the list that the old process begins with.
fn receive_list(before: &UnixStream, descriptors: &mut Vec<OwnedFd>) -> Vec<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\n\n") {
        text.extend(receive_descriptors(before, descriptors));
    }
    String::from_utf8(text).unwrap().lines().filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn in_a_simulation_there_is_nobody_to_take_over_from() {
    let error = Handover::begin(&Simulation::new(0).host("here"), "/no/such/path").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
}

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::rc::Rc;
use std::{fs, io};

use reactor::Reactor;
use reactor::address::UnixAddress;
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::unix::UnixDatagramOptions;
use tempfile::tempdir;

use crate::support::{Log, PATIENCE, in_time, test_reactor};

type Transport = DatagramTransport<UnixAddress>;

/// Logs what it receives, and answers peers that have an address; stops the reactor at "stop".
struct Recorder {
    transport: Transport,
    log: Log,
}

impl DatagramProtocol<UnixAddress> for Recorder {
    fn start_protocol(&mut self) {
        self.log.add("started");
    }
    fn datagram_received(&mut self, data: &[u8], peer: UnixAddress) {
        let name = peer.path().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        let name = name.unwrap_or_else(|| peer.to_string());
        self.log.add(format!("{} from {name}", String::from_utf8_lossy(data)));
        if !peer.is_unnamed() {
            self.transport.write(data, peer).unwrap();
        }
        if data == b"stop" {
            self.transport.reactor().stop();
        }
    }
    fn stop_protocol(&mut self) {
        self.log.add("stopped");
    }
}

/// A port that logs, and its transport.
fn open(reactor: &Reactor, options: impl Into<UnixDatagramOptions>, log: &Log) -> Transport {
    let transport = RefCell::new(None);
    let build = |new: Transport| {
        transport.replace(Some(new.clone()));
        Recorder { transport: new, log: log.clone() }
    };
    reactor.listen_unix_datagram(options, build).unwrap();
    transport.take().unwrap()
}

fn plain(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn s192_a_datagram_is_answered_to_its_sender_if_that_has_a_name() {
    in_time(|| {
        let folder = tempdir().unwrap();
        let path = folder.path().join("port");
        let (reactor, log) = (test_reactor(), Log::default());
        let transport = open(&reactor, UnixDatagramOptions::new(&path).mode(0o640), &log);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(transport.host(), UnixAddress::from(&path));
        let client = plain(&folder.path().join("client"));
        client.send_to(b"hello", &path).unwrap();
        client.send_to(b"", &path).unwrap();
        UnixDatagram::unbound().unwrap().send_to(b"stop", &path).unwrap();
        reactor.run().unwrap();
        let mut answer = [0; 10];
        assert_eq!(client.recv(&mut answer).unwrap(), 5);
        assert_eq!(client.recv(&mut answer).unwrap(), 0);
        let expected = ["started", "hello from client", " from client", "stop from (unnamed)", "stopped"];
        assert_eq!(log.lines(), expected);
        assert!(!path.exists());
        assert_eq!(transport.write("late", UnixAddress::from(&path)).unwrap_err().kind(), io::ErrorKind::NotConnected);
    });
}

#[test]
fn s192_a_client_has_one_peer_and_may_have_no_name() {
    in_time(|| {
        let folder = tempdir().unwrap();
        let [here, there, other] = ["here", "there", "other"].map(|name| folder.path().join(name));
        let (reactor, log) = (test_reactor(), Log::default());
        open(&reactor, &there, &log);
        let silent = open(&reactor, UnixAddress::unnamed(), &Log::default());
        silent.connect(UnixAddress::from(&there)).unwrap();
        assert_eq!((silent.host(), silent.peer()), (UnixAddress::unnamed(), Some(UnixAddress::from(&there))));
        silent.write_to_peer("hello").unwrap();
        let error = silent.write("hello", UnixAddress::from(&other)).unwrap_err();
        let [there_name, other_name] = [&there, &other].map(|path| path.display());
        assert_eq!(error.to_string(), format!("cannot send to {other_name}: the port is connected to {there_name}"));

        let answered = Log::default();
        let client = open(&reactor, &here, &answered);
        client.connect(UnixAddress::from(&there)).unwrap();
        client.write_to_peer("stop").unwrap();
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["started", "hello from (unnamed)", "stop from here", "stopped"]);
    });
}

#[test]
fn s192_what_the_peer_has_no_room_for_is_dropped_with_an_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("full");
    let full = plain(&path);
    let reactor = test_reactor();
    let transport = open(&reactor, UnixAddress::unnamed(), &Log::default());
    let peer = UnixAddress::from(&path);
    let error = loop {
        if let Err(error) = transport.write("x", peer.clone()) {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    full.recv(&mut [0]).unwrap();
    transport.write("y", peer).unwrap();
}

#[test]
fn s192_an_unreachable_peer_is_an_error_of_the_write() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("nobody");
    let reactor = test_reactor();
    let transport = open(&reactor, UnixAddress::unnamed(), &Log::default());
    let peer = UnixAddress::from(&path);
    assert_eq!(transport.write("x", peer.clone()).unwrap_err().kind(), io::ErrorKind::NotFound);
    drop(plain(&path));
    assert_eq!(transport.write("x", peer).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    let long = UnixAddress::from("x".repeat(108));
    assert_eq!(transport.write("x", long).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let whom = plain(&folder.path().join("somebody"));
    let error = transport.write(vec![0; 1 << 24], whom.local_addr().unwrap().into()).unwrap_err();
    assert_eq!(error.to_string(), "16777216 bytes are too many for one datagram");
}

#[test]
fn s192_a_datagram_too_long_to_be_received_whole_is_not_received_at_all() {
    in_time(|| {
        let folder = tempdir().unwrap();
        let path = folder.path().join("port");
        let (reactor, log) = (test_reactor(), Log::default());
        let lengths = Rc::new(RefCell::new(Vec::new()));
        struct Lengths(Rc<RefCell<Vec<usize>>>, Transport);
        impl DatagramProtocol<UnixAddress> for Lengths {
            fn datagram_received(&mut self, data: &[u8], _peer: UnixAddress) {
                self.0.borrow_mut().push(data.len());
                if data.is_empty() {
                    self.1.reactor().stop();
                }
            }
        }
        let seen = Rc::clone(&lengths);
        reactor.listen_unix_datagram(&path, |transport| Lengths(seen, transport)).unwrap();
        let client = open(&reactor, UnixAddress::unnamed(), &log);
        for len in [65_535, 65_536, 1, 0] {
            client.write(vec![b'x'; len], UnixAddress::from(&path)).unwrap();
        }
        reactor.run().unwrap();
        assert_eq!(*lengths.borrow(), [65_535, 1, 0]);
    });
}

#[test]
fn s192_a_name_in_use_is_an_error_and_nothing_is_built() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("port");
    let _taken = plain(&path);
    let build = |_: Transport| -> Recorder { unreachable!("nothing is built") };
    let error = test_reactor().listen_unix_datagram(&path, build).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().starts_with(&format!("cannot listen on {}: in use: ", path.display())), "{error}");
}

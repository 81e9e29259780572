use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::rc::Rc;
use std::thread;

use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::unix::UnixListenOptions;
use reactor::{Factory, Protocol, Transport};

use crate::support::datagrams::socket;
use crate::support::{
    Callback, HUGE, Log, PATIENCE, Recorder, connect, connect_unix, fresh_path, in_time, test_reactor,
};
use crate::unix::{echoing, idle};

/// Echoes once, and then stops the reactor.
fn once(transport: Transport) -> Recorder {
    idle(transport)
        .on(Callback::Data, |this| {
            this.transport.write(&this.data);
            this.transport.lose_connection();
        })
        .on(Callback::Lost, |this| this.transport.reactor().stop())
}

#[track_caller]
fn round_trip(mut socket: impl Read + Write) {
    let mut answer = [0; 2];
    socket.write_all(b"hi").unwrap();
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hi");
}

#[test]
fn s105_a_listening_socket_of_either_kind_becomes_a_port_and_its_file_is_not_removed() {
    in_time(|| {
        let reactor = test_reactor();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let port = reactor.adopt_stream_port(listener, once).unwrap();
        assert_eq!(port.host(), address.into());
        let client = thread::spawn(move || round_trip(connect(address)));
        reactor.run().unwrap();
        client.join().unwrap();
        TcpListener::bind(address).unwrap();
    });
    in_time(|| {
        let (_folder, path) = fresh_path();
        let reactor = test_reactor();
        let port = reactor.adopt_stream_port(UnixListener::bind(&path).unwrap(), once).unwrap();
        assert_eq!(port.host().to_string(), path.display().to_string());
        let client = thread::spawn({
            let path = path.clone();
            move || round_trip(connect_unix(&path))
        });
        reactor.run().unwrap();
        client.join().unwrap();
        assert!(path.exists());
    });
}

#[test]
fn s105_a_connected_socket_of_either_kind_becomes_a_connection() {
    in_time(|| {
        let reactor = test_reactor();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = connect(listener.local_addr().unwrap());
        reactor.adopt_stream_connection(listener.accept().unwrap().0, once).unwrap();
        let client = thread::spawn(move || round_trip(near));
        reactor.run().unwrap();
        client.join().unwrap();
    });
    in_time(|| {
        let reactor = test_reactor();
        let (near, far) = UnixStream::pair().unwrap();
        reactor.adopt_stream_connection(far, once).unwrap();
        let client = thread::spawn(move || round_trip(near));
        reactor.run().unwrap();
        client.join().unwrap();
    });
}

/// Logs its start and stop, and refuses.
struct Refusing(Log);

impl Factory for Refusing {
    fn start_factory(&mut self) {
        self.0.add("started");
    }
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        self.0.add("refuses");
        transport.reactor().stop();
        None
    }
    fn stop_factory(&mut self) {
        self.0.add("stopped");
    }
}

#[test]
fn s105_a_factory_that_refuses_an_adopted_connection_closes_it_and_nothing_happens_before_the_next_turn() {
    in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        let (mut near, far) = UnixStream::pair().unwrap();
        reactor.adopt_stream_connection(far, Refusing(log.clone())).unwrap();
        assert_eq!(log.lines(), [""; 0]);
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["started", "refuses", "stopped"]);
        assert_eq!(near.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn s105_what_cannot_be_adopted_is_an_error_that_says_why_and_is_closed() {
    let reactor = test_reactor();
    let log = Log::default();
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let pair = || OwnedFd::from(UnixStream::pair().unwrap().0);
    let datagrams = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    let unconnected =
        || OwnedFd::from(socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap());
    let file = || OwnedFd::from(File::open("/dev/null").unwrap());
    for (socket, reason) in [(pair(), "it does not listen"), (datagrams(), "it is not a stream")] {
        let error = reactor.adopt_stream_port(socket, Refusing(log.clone())).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot adopt a port: {reason}"));
    }
    let error = reactor.adopt_stream_port(file(), Refusing(log.clone())).unwrap_err();
    assert!(error.to_string().starts_with("cannot adopt a port: Socket operation on non-socket"), "{error}");
    for (socket, reason) in
        [(listener(), "it listens"), (unconnected(), "it is not connected"), (datagrams(), "it is not a stream")]
    {
        let error = reactor.adopt_stream_connection(socket, Refusing(log.clone())).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot adopt a connection: {reason}"));
    }
    let (watched, mut watcher) = UnixStream::pair().unwrap();
    reactor.adopt_stream_port(watched, Refusing(log.clone())).unwrap_err();
    assert_eq!(watcher.read(&mut [0]).unwrap(), 0);
    assert_eq!(log.lines(), [""; 0], "no factory was started");
    let connected = UdpSocket::bind("127.0.0.1:0").unwrap();
    connected.connect("127.0.0.1:9").unwrap();
    for (socket, reason) in [
        (pair(), "it is not for datagrams"),
        (UnixDatagram::unbound().unwrap().into(), "it is a UNIX socket"),
        (connected.into(), "it is connected"),
    ] {
        let error = reactor.adopt_datagram_port(socket, |_| Answer::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot adopt a datagram port: {reason}"));
    }
}

/// Answers one datagram, and stops the reactor.
#[derive(Default)]
struct Answer(Option<DatagramTransport>);

impl DatagramProtocol for Answer {
    fn datagram_received(&mut self, data: &[u8], peer: std::net::SocketAddr) {
        let transport = self.0.as_ref().unwrap();
        transport.write(data, peer).unwrap();
        transport.reactor().stop();
    }
}

#[test]
fn s105_a_bound_datagram_socket_becomes_a_port() {
    in_time(|| {
        let reactor = test_reactor();
        let adopted = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = adopted.local_addr().unwrap();
        let port = reactor.adopt_datagram_port(adopted, |transport| Answer(Some(transport))).unwrap();
        assert_eq!(port.host(), address.into());
        let client = socket();
        client.send_to(b"hi", address).unwrap();
        reactor.run().unwrap();
        let mut answer = [0; 10];
        assert_eq!(client.recv(&mut answer).unwrap(), 2);
    });
}

#[test]
fn s105_a_socket_received_in_a_message_can_be_adopted_in_that_callback() {
    struct Broker(Rc<Cell<u32>>, Transport);
    impl Protocol for Broker {
        fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
            self.0.set(self.0.get() + 1);
            self.1.reactor().adopt_stream_connection(descriptor, echoing).unwrap();
        }
        fn data_received(&mut self, _data: &[u8]) {}
    }
    in_time(|| {
        let (_folder, path) = fresh_path();
        let reactor = test_reactor();
        let brokered = Rc::new(Cell::new(0));
        let count = Rc::clone(&brokered);
        let options = UnixListenOptions::new(&path).receive_file_descriptors(true);
        reactor.listen_unix(options, move |transport| Broker(Rc::clone(&count), transport)).unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let far = Cell::new(Some(far));
        reactor.connect_unix(&path, move |transport: Transport| {
            transport.send_file_descriptor(far.take().unwrap()).unwrap();
            transport.write("here");
            idle(transport)
        });
        let client = reactor.defer_to_thread(move || round_trip(near));
        reactor.run_until(client).unwrap().unwrap();
        assert_eq!(brokered.get(), 1);
    });
}

#[test]
fn connections_adopted_just_before_the_reactor_stops_are_closed_with_the_others() {
    struct Broker(Vec<UnixStream>, Transport);
    impl Protocol for Broker {
        fn connection_made(&mut self) {
            let reactor = self.1.reactor();
            for socket in self.0.drain(..) {
                reactor.adopt_stream_connection(socket, echoing).unwrap();
            }
            reactor.stop();
            self.1.write(vec![0; HUGE]);
        }
        fn data_received(&mut self, _data: &[u8]) {}
    }
    in_time(|| {
        let reactor = test_reactor();
        reactor.set_shutdown_deadline(10 * PATIENCE);
        let (mut slow, broker) = UnixStream::pair().unwrap();
        // More than begin before the reactor notices that it is to stop.
        let (near, far): (Vec<_>, Vec<_>) = (0..100).map(|_| UnixStream::pair().unwrap()).unzip();
        let far = Cell::new(far);
        reactor.adopt_stream_connection(broker, move |transport| Broker(far.take(), transport)).unwrap();
        let peer = thread::spawn(move || {
            for mut near in near {
                near.set_read_timeout(Some(PATIENCE)).unwrap();
                assert_eq!(near.read(&mut [0]).unwrap(), 0);
            }
            slow.read_to_end(&mut Vec::new()).unwrap()
        });
        reactor.run().unwrap();
        assert_eq!(peer.join().unwrap(), HUGE);
    });
}

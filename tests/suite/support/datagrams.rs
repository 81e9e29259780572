//! A datagram protocol that writes down what happens to it, and a thread to run it on.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::net::ToSocketAddrs;
use std::net::UdpSocket;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use reactor::DatagramProtocol;
use reactor::DatagramTransport;
use reactor::Port;
use reactor::Reactor;
use reactor::RemoteReactor;

use super::Guard;
use super::Log;
use super::PATIENCE;
use super::test_reactor;

pub(crate) const LOOPBACK: &str = "127.0.0.1:0";

/// A protocol that logs every callback, and then does what it was told to do in it.
pub(crate) struct Recorder {
    pub(crate) transport: DatagramTransport,
    pub(crate) log: Log,
    pub(crate) data: Vec<u8>,
    pub(crate) peer: Option<SocketAddr>,
    logs_data: bool,
    actions: Vec<(Moment, Action)>,
}

type Action = Box<dyn FnMut(&mut Recorder)>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Start,
    Received,
    Stop,
}

impl Recorder {
    pub(crate) fn new(transport: DatagramTransport, log: Log) -> Self {
        Self { transport, log, data: Vec::new(), peer: None, logs_data: true, actions: Vec::new() }
    }

    pub(crate) fn on(mut self, moment: Moment, action: impl FnMut(&mut Self) + 'static) -> Self {
        self.actions.push((moment, Box::new(action)));
        self
    }

    /// Leaves datagrams out of the log.
    pub(crate) fn quiet(mut self) -> Self {
        self.logs_data = false;
        self
    }

    pub(crate) fn answer(&mut self) {
        self.transport.write(&self.data, self.peer.unwrap()).unwrap();
    }

    pub(crate) fn tick(&mut self, number: u32) {
        self.log.add(format!("tick {number}"));
        if number < 100 {
            self.transport.call_later(Duration::from_micros(100), move |this: &mut Self| this.tick(number + 1));
        }
    }

    fn happened(&mut self, moment: Moment) {
        let mut actions = std::mem::take(&mut self.actions);
        for (_, action) in actions.iter_mut().filter(|(when, _)| *when == moment) {
            // A panic must not take the actions with it.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| action(self))) {
                self.actions = actions;
                resume_unwind(payload);
            }
        }
        self.actions = actions;
    }
}

impl DatagramProtocol for Recorder {
    fn start_protocol(&mut self) {
        self.log.add("started");
        self.happened(Moment::Start);
    }

    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        if self.logs_data {
            self.log.add(format!("received {}", String::from_utf8_lossy(data)));
        }
        data.clone_into(&mut self.data);
        self.peer = Some(peer);
        self.happened(Moment::Received);
    }

    fn connection_refused(&mut self) {
        self.log.add("refused");
    }

    fn stop_protocol(&mut self) {
        self.log.add("stopped");
        self.happened(Moment::Stop);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.log.add("dropped");
    }
}

/// A port under test, on a thread of its own.
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) address: SocketAddr,
    remote: RemoteReactor,
    thread: JoinHandle<()>,
}

thread_local! {
    /// The transport of this thread's port.
    static TRANSPORT: RefCell<Option<DatagramTransport>> = const { RefCell::new(None) };
}

pub(crate) fn play(script: impl FnOnce(Recorder) -> Recorder + Send + 'static, play: impl FnOnce(&mut World)) {
    play_at(LOOPBACK, script, play);
}

pub(crate) fn play_at(
    address: &'static str,
    script: impl FnOnce(Recorder) -> Recorder + Send + 'static,
    play: impl FnOnce(&mut World),
) {
    let log = Log::default();
    let (tell, told) = mpsc::channel();
    let thread = {
        let log = log.clone();
        thread::spawn(move || {
            let reactor = test_reactor();
            let build = |transport: DatagramTransport| {
                TRANSPORT.replace(Some(transport.clone()));
                script(Recorder::new(transport, log.clone()))
            };
            let port = reactor.listen_udp(address, build).unwrap();
            tell.send((port.host().socket_addr().unwrap(), reactor.remote())).unwrap();
            let _ended = Guard::new(&log, "ended");
            reactor.run().unwrap();
            TRANSPORT.take();
        })
    };
    let (address, remote) = told.recv_timeout(PATIENCE).unwrap();
    let mut world = World { log, address, remote, thread };
    play(&mut world);
    let World { log, remote, thread, .. } = world;
    remote.stop();
    log.wait_for("ended");
    thread.join().unwrap();
    let lines = log.lines();
    assert_eq!(lines[0], "started", "{lines:#?}");
    for end in ["stopped", "dropped"] {
        assert_eq!(log.count(end), log.count("started"), "every port is {end} once: {lines:#?}");
    }
}

impl World {
    /// Does this on the reactor's thread, outside of any callback.
    #[track_caller]
    pub(crate) fn act(&self, action: impl FnOnce(&DatagramTransport) + Send + 'static) {
        let (tell, told) = mpsc::channel();
        self.remote.call_from_thread(move |_| {
            let transport = TRANSPORT.with_borrow(Clone::clone).unwrap();
            action(&transport);
            tell.send(()).unwrap();
        });
        told.recv_timeout(PATIENCE).expect("the reactor's thread does it");
    }
}

#[track_caller]
pub(crate) fn listen(reactor: &Reactor, log: &Log, script: impl FnOnce(Recorder) -> Recorder) -> Port {
    reactor.listen_udp(LOOPBACK, |transport| script(Recorder::new(transport, log.clone()))).unwrap()
}

pub(crate) fn socket() -> UdpSocket {
    socket_at(LOOPBACK)
}

/// Whoever gives up an address and binds it again takes one that no other test has to do with.
#[track_caller]
pub(crate) fn socket_at(address: impl ToSocketAddrs) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[track_caller]
pub(crate) fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (len, from) = socket.recv_from(&mut buffer).expect("a datagram in time");
    buffer.truncate(len);
    (buffer, from)
}

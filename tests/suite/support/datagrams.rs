//! A datagram protocol that records its callbacks, and the worlds in which it runs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;
use std::{io, thread};

use reactor::datagram::{DatagramOptions, DatagramProtocol, DatagramTransport};
use reactor::testing::Simulation;
use reactor::threads::RemoteReactor;
use reactor::{Port, Reactor};

use crate::support::{Guard, Log, PATIENCE, test_reactor};

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

/// A port under test.
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) address: SocketAddr,
    runs: Runs,
}

/// What runs the port's reactor.
enum Runs {
    Thread(RemoteReactor),
    Simulation(Simulation),
}

thread_local! {
    /// The transport of this thread's port.
    static TRANSPORT: RefCell<Option<DatagramTransport>> = const { RefCell::new(None) };
}

/// Plays a scenario with a [`Recorder`] on sockets, and in a simulation.
pub(crate) fn play(script: impl Fn(Recorder) -> Recorder + Send + Clone + 'static, play: impl Fn(&mut World)) {
    play_at(LOOPBACK, script, play);
}

pub(crate) fn play_at(
    options: impl Into<DatagramOptions>,
    script: impl Fn(Recorder) -> Recorder + Send + Clone + 'static,
    play: impl Fn(&mut World),
) {
    let options = options.into();
    play_in_simulation_at(options.clone(), script.clone(), &play);
    play_on_sockets_at(options, script, &play);
}

pub(crate) fn play_on_sockets(
    script: impl FnOnce(Recorder) -> Recorder + Send + 'static,
    play: impl FnOnce(&mut World),
) {
    play_on_sockets_at(LOOPBACK, script, play);
}

pub(crate) fn play_on_sockets_at(
    options: impl Into<DatagramOptions>,
    script: impl FnOnce(Recorder) -> Recorder + Send + 'static,
    play: impl FnOnce(&mut World),
) {
    let (options, log) = (options.into(), Log::default());
    let (tell, told) = mpsc::channel();
    let thread = {
        let log = log.clone();
        thread::spawn(move || {
            let reactor = test_reactor();
            let address = open(&reactor, options, script, &log);
            tell.send((address, reactor.remote())).unwrap();
            let _ended = Guard::new(&log, "ended");
            reactor.run().unwrap();
            TRANSPORT.take();
        })
    };
    let (address, remote) = told.recv_timeout(PATIENCE).unwrap();
    let mut world = World { log: log.clone(), address, runs: Runs::Thread(remote.clone()) };
    play(&mut world);
    remote.stop();
    log.wait_for("ended");
    thread.join().unwrap();
    check(&log);
}

pub(crate) fn play_in_simulation_at(
    options: impl Into<DatagramOptions>,
    script: impl FnOnce(Recorder) -> Recorder,
    play: impl FnOnce(&mut World),
) {
    let (sim, log) = (Simulation::new(1), Log::default());
    let address = open(&sim.host(HOST), options.into(), script, &log);
    sim.run_for(Duration::ZERO);
    play(&mut World { log: log.clone(), address, runs: Runs::Simulation(sim.clone()) });
    let reactor = sim.host(HOST);
    reactor.stop();
    assert!(sim.run_until(|| !reactor.is_running()), "the reactor does not stop");
    TRANSPORT.take();
    check(&log);
}

/// Where the port and its peers are in a simulation.
const HOST: &str = "here";

fn open(
    reactor: &Reactor,
    options: DatagramOptions,
    script: impl FnOnce(Recorder) -> Recorder,
    log: &Log,
) -> SocketAddr {
    let build = |transport: DatagramTransport| {
        TRANSPORT.replace(Some(transport.clone()));
        script(Recorder::new(transport, log.clone()))
    };
    reactor.listen_udp(options, build).unwrap().host().socket_addr().unwrap()
}

fn check(log: &Log) {
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
        let action = || action(&TRANSPORT.with_borrow(Clone::clone).unwrap());
        let Runs::Thread(remote) = &self.runs else { return action() };
        let (tell, told) = mpsc::channel();
        remote
            .call_from_thread(move |_| {
                action();
                tell.send(()).unwrap();
            })
            .unwrap();
        told.recv_timeout(PATIENCE).expect("the reactor's thread does it");
    }

    /// Waits for a line of the log that begins with this.
    #[track_caller]
    pub(crate) fn wait_for(&self, beginning: &str) {
        self.wait_until(&format!("a line '{beginning}…'"), |log| log.has(beginning));
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn(&Log) -> bool) {
        match &self.runs {
            Runs::Thread(_) => self.log.wait_until(what, condition),
            Runs::Simulation(sim) => {
                assert!(sim.run_until(|| condition(&self.log)), "not {what}: {:#?}", self.log.lines());
            }
        }
    }

    /// A plain peer that sends and receives datagrams.
    pub(crate) fn peer(&self) -> Peer {
        self.peer_at(LOOPBACK)
    }

    #[track_caller]
    pub(crate) fn peer_at(&self, address: &str) -> Peer {
        match &self.runs {
            Runs::Thread(_) => Peer::Socket(socket_at(address)),
            Runs::Simulation(sim) => {
                let inbox = Rc::<Inbox>::default();
                let kept = Rc::clone(&inbox);
                sim.host(HOST).listen_udp(address, move |transport| Keeper { transport, inbox: kept }).unwrap();
                sim.run_until(|| inbox.transport.borrow().is_some());
                Peer::Simulated { sim: sim.clone(), inbox }
            }
        }
    }
}

/// The peer of a port under test. Dropping it closes its socket.
pub(crate) enum Peer {
    Socket(UdpSocket),
    Simulated { sim: Simulation, inbox: Rc<Inbox> },
}

#[derive(Default)]
pub(crate) struct Inbox {
    transport: RefCell<Option<DatagramTransport>>,
    received: RefCell<VecDeque<(Vec<u8>, SocketAddr)>>,
}

struct Keeper {
    transport: DatagramTransport,
    inbox: Rc<Inbox>,
}

impl DatagramProtocol for Keeper {
    fn start_protocol(&mut self) {
        self.inbox.transport.replace(Some(self.transport.clone()));
    }

    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        self.inbox.received.borrow_mut().push_back((data.to_vec(), peer));
    }
}

impl Peer {
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Socket(socket) => socket.local_addr().unwrap(),
            Self::Simulated { inbox, .. } => inbox.transport.borrow().as_ref().unwrap().host(),
        }
    }

    #[track_caller]
    pub(crate) fn send_to(&self, data: impl AsRef<[u8]>, to: SocketAddr) {
        match self {
            Self::Socket(socket) => drop(socket.send_to(data.as_ref(), to).unwrap()),
            Self::Simulated { inbox, .. } => inbox.transport.borrow().as_ref().unwrap().write(data, to).unwrap(),
        }
    }

    #[track_caller]
    pub(crate) fn receive(&self) -> (Vec<u8>, SocketAddr) {
        match self {
            Self::Socket(socket) => receive(socket),
            Self::Simulated { sim, inbox } => {
                assert!(sim.run_until(|| !inbox.received.borrow().is_empty()), "nothing comes");
                inbox.received.borrow_mut().pop_front().expect("something came")
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Self::Simulated { sim, inbox } = self
            && let Some(transport) = inbox.transport.take()
        {
            drop(transport.stop_listening());
            sim.run_for(Duration::ZERO);
        }
    }
}

#[track_caller]
pub(crate) fn listen(reactor: &Reactor, log: &Log, script: impl FnOnce(Recorder) -> Recorder) -> Port {
    reactor.listen_udp(LOOPBACK, |transport| script(Recorder::new(transport, log.clone()))).unwrap()
}

pub(crate) fn socket() -> UdpSocket {
    socket_at(LOOPBACK)
}

/// If a test releases an address and binds it again, it must choose one that no other test uses.
#[track_caller]
pub(crate) fn socket_at(address: impl ToSocketAddrs) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[track_caller]
pub(crate) fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    loop {
        match socket.recv_from(&mut buffer) {
            // A socket with a time-out is interrupted when the process is stopped and goes on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            received => {
                let (len, from) = received.expect("a datagram in time");
                buffer.truncate(len);
                return (buffer, from);
            }
        }
    }
}

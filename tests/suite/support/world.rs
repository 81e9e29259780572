//! The worlds in which a scenario runs: by hand in memory, on the simulated network, and on TCP and UNIX sockets, with
//! a peer that does not use a reactor.

use std::cell::RefCell;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{io, thread};

use protocols::web_socket::WebSocket;
use reactor::testing::{Link, Simulation, StringTransport};
use reactor::threads::RemoteReactor;
use reactor::{Factory, Port, Reactor, Transport};
use rig::certificates;
use socket2::SockRef;

use crate::support::far_end::{Carrier, FarEnd};
use crate::support::plain_socket::{PlainSocket, fresh_path};
use crate::support::recorder::check_callbacks;
use crate::support::{Callback, Log, PATIENCE, Recorder};

/// Makes the factory under test; on the reactor's own thread where there is one.
type MakeFactory = Arc<dyn Fn(Log) -> Box<dyn Factory> + Send + Sync>;

/// Plays a scenario with a [`Recorder`]: in memory, in simulations, and on sockets of both kinds.
pub(crate) fn every_world(
    script: impl Fn(Recorder) -> Recorder + Send + Sync + Clone + 'static,
    play: impl Fn(&mut Peer),
) {
    play_everywhere(&recorders(script), &play);
}

/// The same, and over two pipes, which know no reset and hold 64 KiB.
pub(crate) fn every_world_and_pipes(
    script: impl Fn(Recorder) -> Recorder + Send + Sync + Clone + 'static,
    play: impl Fn(&mut Peer),
) {
    let factory = recorders(script);
    play_everywhere(&factory, &play);
    play_on_pipes(&factory, &play);
}

/// The same, and inside layers: over TLS, and over web sockets, which end in both directions at once.
pub(crate) fn every_world_and_layers(
    script: impl Fn(Recorder) -> Recorder + Send + Sync + Clone + 'static,
    play: impl Fn(&mut Peer),
) {
    let factory = recorders(script);
    play_everywhere(&factory, &play);
    play_in_simulations(&factory, &play, Carrier::Tls);
    play_in_simulations(&factory, &play, Carrier::WebSocket);
}

/// The same with a factory of the test's own, which the log is given to.
pub(crate) fn every_world_with(
    factory: impl Fn(Log) -> Box<dyn Factory> + Send + Sync + 'static,
    play: impl Fn(&mut Peer),
) {
    play_everywhere(&(Arc::new(factory) as MakeFactory), &play);
}

fn play_everywhere(factory: &MakeFactory, play: &dyn Fn(&mut Peer)) {
    play_in_memory(factory, play);
    play_in_simulations(factory, play, Carrier::Tcp);
    play_on_sockets(factory, play);
}

/// Over TCP and over UNIX sockets.
fn play_on_sockets(factory: &MakeFactory, play: &dyn Fn(&mut Peer)) {
    play_on(Kind::Tcp, factory, play);
    play_on(Kind::Unix, factory, play);
}

pub(crate) fn in_memory(
    script: impl Fn(Recorder) -> Recorder + Send + Sync + Clone + 'static,
    play: impl Fn(&mut Peer),
) {
    play_in_memory(&recorders(script), &play);
}

pub(crate) fn on_sockets(
    script: impl Fn(Recorder) -> Recorder + Send + Sync + Clone + 'static,
    play: impl Fn(&mut Peer),
) {
    play_on_sockets(&recorders(script), &play);
}

pub(crate) fn in_memory_with(
    factory: impl Fn(Log) -> Box<dyn Factory> + Send + Sync + 'static,
    play: impl Fn(&mut Peer),
) {
    play_in_memory(&(Arc::new(factory) as MakeFactory), &play);
}

pub(crate) fn on_sockets_with(
    factory: impl Fn(Log) -> Box<dyn Factory> + Send + Sync + 'static,
    play: impl Fn(&mut Peer),
) {
    play_on_sockets(&(Arc::new(factory) as MakeFactory), &play);
}

fn recorders(script: impl Fn(Recorder) -> Recorder + Send + Sync + Clone + 'static) -> MakeFactory {
    Arc::new(move |log| {
        let script = script.clone();
        Box::new(move |transport| script(Recorder::new(transport, log.clone())))
    })
}

fn play_in_memory(factory: &MakeFactory, play: &dyn Fn(&mut Peer)) {
    let log = Log::default();
    let wire = StringTransport::connect(factory(log.clone()));
    let mut peer = Peer { log: log.clone(), wire: Wire::Memory { wire: Box::new(wire), stalled: false } };
    play(&mut peer);
    let Wire::Memory { mut wire, .. } = peer.wire else { unreachable!() };
    if wire.close_reason().is_none() {
        wire.transport().abort_connection();
        wire.settle();
    }
    assert!(wire.close_reason().is_some(), "in memory: the connection did not end when it was aborted");
    assert_eq!(wire.reactor().connection_count(), 0, "in memory: the reactor still has the connection");
    assert_eq!(wire.reactor().held_bytes(), 0, "in memory: what it held still counts");
    drop(wire);
    check("in memory", &log);
}

/// Over a link with constant latency, and over links with jitter. None splits writes, because scenarios expect them whole.
fn play_in_simulations(factory: &MakeFactory, play: &dyn Fn(&mut Peer), carrier: Carrier) {
    Simulation::for_seeds(0..4, |sim| {
        let near = sim.host("near");
        if near.random() % 2 > 0 {
            sim.set_link(Link::rough().splits(0.0));
        }
        let log = Log::default();
        let inside = tell_of_transports(factory(log.clone()), || ());
        match carrier {
            Carrier::Tcp => near.listen_tcp(7, inside).unwrap(),
            Carrier::Tls => near.listen_tcp(7, certificates::server().around(inside)).unwrap(),
            Carrier::WebSocket => near.listen_tcp(7, WebSocket::around(inside)).unwrap(),
        };
        let far = FarEnd::connect(sim, carrier, || LATEST.with_borrow(Option::is_some));
        let mut peer = Peer { log: log.clone(), wire: Wire::Simulated(far) };
        play(&mut peer);
        let Wire::Simulated(far) = peer.wire else { unreachable!() };
        far.reset();
        near.stop();
        assert!(far.run_until(|| !near.is_running()), "in a simulation: the reactor does not stop");
        LATEST.take();
        assert_eq!(near.connection_count(), 0, "in a simulation: the reactor still has the connection");
        assert_eq!(near.held_bytes(), 0, "in a simulation: what it held still counts");
        check("in a simulation", &log);
    });
}

fn play_on(kind: Kind, factory: &MakeFactory, play: &dyn Fn(&mut Peer)) {
    let (folder, path) = fresh_path();
    let log = Log::default();
    let (tell, told) = mpsc::channel();
    let (tell_built, built) = mpsc::channel();
    let ended = {
        let (factory, log, path) = (Arc::clone(factory), log.clone(), path.clone());
        spawn(move || {
            let reactor = test_reactor();
            let factory = tell_of_transports(factory(log), move || _ = tell_built.send(()));
            let port = match kind {
                Kind::Tcp => reactor.listen_tcp("127.0.0.1:0", factory),
                Kind::Unix => reactor.listen_unix(path, factory),
            };
            tell.send((port.unwrap().host(), reactor.remote())).unwrap();
            reactor.run().unwrap();
            LATEST.take();
        })
    };
    let (address, remote) = told.recv_timeout(PATIENCE).unwrap();
    let socket = PlainSocket::connect(&address);
    let mut peer =
        Peer { log: log.clone(), wire: Wire::Socket { socket: Some(socket), remote: remote.clone(), built } };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| play(&mut peer)))
        && !payload.is::<NoSuchThing>()
    {
        resume_unwind(payload);
    }
    drop(peer);
    remote.stop();
    wait(&ended, "the reactor to stop");
    check(&format!("on {kind:?} sockets"), &log);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is left behind");
}

fn play_on_pipes(factory: &MakeFactory, play: &dyn Fn(&mut Peer)) {
    let log = Log::default();
    let (tell, told) = mpsc::channel();
    let (tell_built, built) = mpsc::channel();
    let (input, to) = io::pipe().unwrap();
    let (from, output) = io::pipe().unwrap();
    let ended = {
        let (factory, log) = (Arc::clone(factory), log.clone());
        spawn(move || {
            let reactor = test_reactor();
            let factory = tell_of_transports(factory(log), move || _ = tell_built.send(()));
            drop(reactor.connect_fds(input.into(), output.into(), factory).unwrap());
            tell.send(reactor.remote()).unwrap();
            reactor.run().unwrap();
            LATEST.take();
        })
    };
    let remote = told.recv_timeout(PATIENCE).unwrap();
    let pipes = Wire::Pipes { to: Some(to), from: Some(from), remote: remote.clone(), built };
    let mut peer = Peer { log: log.clone(), wire: pipes };
    play(&mut peer);
    drop(peer);
    remote.stop();
    wait(&ended, "the reactor to stop");
    check("on pipes", &log);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    Unix,
}

/// What unwinds from a scenario that cannot go on in this world.
struct NoSuchThing;

/// A factory that leaves the transport it was given last in [`LATEST`].
fn tell_of_transports(mut factory: Box<dyn Factory>, tell: impl Fn() + 'static) -> impl Factory {
    move |transport: Transport| {
        LATEST.replace(Some(transport.clone()));
        tell();
        factory.build_protocol(transport)
    }
}

thread_local! {
    /// The transport that this thread's factory was given last.
    static LATEST: RefCell<Option<Transport>> = const { RefCell::new(None) };
}

/// Checks what holds for every connection, whatever was done to it.
#[track_caller]
fn check(world: &str, log: &Log) {
    let lines = log.lines();
    let place = |wanted: &str| lines.iter().position(|line| line.starts_with(wanted));
    if place("made").is_none() {
        assert_eq!(place("lost"), None, "{world}: lost, but never made: {lines:#?}");
        return;
    }
    assert_eq!(log.count("made"), 1, "{world}: made once: {lines:#?}");
    assert_eq!(log.count("lost"), 1, "{world}: lost once: {lines:#?}");
    assert_eq!(log.count("dropped"), 1, "{world}: dropped once: {lines:#?}");
    assert!(log.count("eof") <= 1, "{world}: eof at most once: {lines:#?}");
    let callbacks = ["made", "data", "eof", "pause", "resume", "lost", "timer", "deferred", "dropped"];
    let is_callback = |line: &&String| callbacks.iter().any(|name| line.starts_with(name)) && !line.ends_with("gone");
    let callbacks: Vec<_> = lines.iter().filter(is_callback).collect();
    assert_eq!(callbacks[0], "made", "{world}: made first: {lines:#?}");
    assert!(callbacks[callbacks.len() - 2].starts_with("lost"), "{world}: lost last: {lines:#?}");
    let mut paused = false;
    for line in &lines {
        match line.as_str() {
            "pause" => assert!(!std::mem::replace(&mut paused, true), "{world}: paused twice: {lines:#?}"),
            "resume" => assert!(std::mem::replace(&mut paused, false), "{world}: resumed unpaused: {lines:#?}"),
            _ => {}
        }
    }
}

/// The other end of the connection under test.
pub(crate) struct Peer {
    pub(crate) log: Log,
    wire: Wire,
}

enum Wire {
    Memory {
        wire: Box<StringTransport>,
        stalled: bool,
    },
    Simulated(FarEnd),
    Socket {
        socket: Option<PlainSocket>,
        remote: RemoteReactor,
        /// Receives something while the protocol is being built.
        built: Receiver<()>,
    },
    Pipes {
        to: Option<PipeWriter>,
        from: Option<PipeReader>,
        remote: RemoteReactor,
        built: Receiver<()>,
    },
}

/// What the peer sees when it has read everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The end of the stream.
    Clean,
    /// A reset.
    Reset,
}

impl Peer {
    pub(crate) fn is_socket(&self) -> bool {
        matches!(self.wire, Wire::Socket { .. } | Wire::Pipes { .. })
    }

    /// Whether it can tell a reset from an end.
    pub(crate) fn sees_resets(&self) -> bool {
        !matches!(self.wire, Wire::Socket { socket: Some(PlainSocket::Unix(_)), .. })
    }

    fn world(&self) -> &'static str {
        match self.wire {
            Wire::Memory { .. } => "in memory",
            Wire::Simulated(_) => "in a simulation",
            Wire::Socket { .. } => "on sockets",
            Wire::Pipes { .. } => "on pipes",
        }
    }

    pub(crate) fn send(&mut self, data: impl AsRef<[u8]>) {
        match &mut self.wire {
            Wire::Memory { wire, .. } => wire.receive(data),
            Wire::Simulated(far) => far.send(data.as_ref()),
            // The test does not depend on whether it can be sent.
            Wire::Socket { socket, .. } => drop(socket.as_mut().expect("open").write_all(data.as_ref())),
            Wire::Pipes { to, .. } => drop(to.as_mut().expect("open").write_all(data.as_ref())),
        }
    }

    /// Sends from a thread of its own, on a socket.
    pub(crate) fn send_in_background(&mut self, data: Vec<u8>) -> thread::JoinHandle<()> {
        let mut to: Box<dyn Write + Send> = match &self.wire {
            Wire::Socket { socket, .. } => Box::new(socket.as_ref().expect("open").try_clone().unwrap()),
            Wire::Pipes { to, .. } => Box::new(to.as_ref().expect("open").try_clone().unwrap()),
            Wire::Memory { .. } | Wire::Simulated(_) => panic!("not in memory"),
        };
        thread::spawn(move || to.write_all(&data).unwrap())
    }

    pub(crate) fn send_eof(&mut self) {
        match &mut self.wire {
            Wire::Memory { wire, .. } => wire.receive_eof(),
            Wire::Simulated(far) => far.send_eof(),
            Wire::Socket { socket, .. } => drop(socket.as_ref().expect("open").shutdown(Shutdown::Write)),
            Wire::Pipes { to, .. } => drop(to.take()),
        }
    }

    /// Resets the connection.
    pub(crate) fn reset(&mut self) {
        match &mut self.wire {
            Wire::Memory { wire, .. } => wire.break_connection(io::ErrorKind::ConnectionReset.into()),
            Wire::Simulated(far) => far.reset(),
            Wire::Socket { socket, .. } => {
                let PlainSocket::Tcp(socket) = socket.take().expect("open") else {
                    // A UNIX socket cannot be reset by closing it.
                    resume_unwind(Box::new(NoSuchThing));
                };
                SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
            }
            Wire::Pipes { from, .. } => drop(from.take()),
        }
    }

    /// Reads nothing until a method reads. (A socket never reads by itself, but the system has buffers.)
    pub(crate) fn stop_reading(&mut self) {
        match &mut self.wire {
            Wire::Memory { wire, stalled } => {
                wire.stall(true);
                *stalled = true;
            }
            Wire::Simulated(far) => far.stop_reading(),
            Wire::Socket { .. } | Wire::Pipes { .. } => {}
        }
    }

    /// Exactly the next `n` bytes.
    #[track_caller]
    pub(crate) fn read(&mut self, n: usize) -> Vec<u8> {
        match &mut self.wire {
            Wire::Memory { wire, stalled } => {
                while *stalled && wire.written().len() < n {
                    let before = wire.written().len();
                    wire.read(n - before);
                    assert!(wire.written().len() > before, "only {before} of {n} bytes were written");
                }
                let mut written = wire.take_written();
                assert!(written.len() == n, "{} bytes were written, not {n}", written.len());
                written.truncate(n);
                written
            }
            Wire::Simulated(far) => far.read(n),
            Wire::Socket { socket, .. } => {
                let mut data = vec![0; n];
                socket.as_mut().expect("open").read_exact(&mut data).unwrap();
                data
            }
            Wire::Pipes { from, .. } => {
                let mut data = vec![0; n];
                from.as_mut().expect("open").read_exact(&mut data).unwrap();
                data
            }
        }
    }

    /// Reads `len` bytes and the end of the stream, and waits until the connection has closed in order.
    #[track_caller]
    pub(crate) fn expect_all_sent(&mut self, len: usize) {
        let (data, ending) = self.read_to_the_end();
        assert_eq!((data.len(), ending), (len, Ending::Clean));
        self.wait_for("dropped");
        assert_eq!(self.log.count("lost Done"), 1, "{:#?}", self.log.lines());
    }

    /// Waits until the connection was aborted, and reads less than `len` bytes and a reset.
    #[track_caller]
    pub(crate) fn expect_cut_off(&mut self, len: usize) {
        self.wait_for("dropped");
        assert!(self.log.has("lost Aborted"), "{:#?}", self.log.lines());
        let (data, ending) = self.read_to_the_end();
        assert!(data.len() < len, "{} bytes came", data.len());
        assert_eq!(ending, Ending::Reset);
    }

    /// Everything received until the connection ends.
    #[track_caller]
    pub(crate) fn read_to_the_end(&mut self) -> (Vec<u8>, Ending) {
        match &mut self.wire {
            Wire::Memory { wire, stalled } => {
                if std::mem::take(stalled) {
                    wire.stall(false);
                }
                let ending = if wire.was_reset() {
                    Ending::Reset
                } else {
                    assert!(wire.eof_written(), "the stream has not ended");
                    Ending::Clean
                };
                (wire.take_written(), ending)
            }
            Wire::Simulated(far) => far.read_to_the_end(),
            Wire::Socket { socket, .. } => {
                let socket = socket.as_mut().expect("open");
                let (data, ending) = read_to_the_end(socket);
                // On a UNIX socket both look the same: the log says which it was.
                let aborted = || self.log.lines().iter().any(|line| line.starts_with("lost ") && line != "lost Done");
                let was_reset = matches!(socket, PlainSocket::Unix(_)) && aborted();
                (data, if was_reset { Ending::Reset } else { ending })
            }
            Wire::Pipes { from, .. } => {
                let mut data = Vec::new();
                from.as_mut().expect("open").read_to_end(&mut data).unwrap();
                (data, Ending::Clean)
            }
        }
    }

    /// Everything received until the end, if there is one; in memory, what has been received so far.
    pub(crate) fn read_what_comes(&mut self) -> Vec<u8> {
        match &mut self.wire {
            Wire::Memory { wire, stalled } => {
                *stalled = false;
                wire.stall(false);
                wire.take_written()
            }
            Wire::Simulated(far) => far.read_what_comes(),
            Wire::Socket { socket, .. } => {
                let mut data = Vec::new();
                let _ = socket.as_mut().expect("open").read_to_end(&mut data);
                data
            }
            Wire::Pipes { .. } => self.read_to_the_end().0,
        }
    }

    /// Runs `action` on the reactor's thread, outside of any callback.
    #[track_caller]
    pub(crate) fn act(&mut self, action: impl FnOnce(&Transport) + Send + 'static) {
        match &mut self.wire {
            Wire::Memory { wire, .. } => {
                action(wire.transport());
                wire.settle();
            }
            Wire::Simulated(_) => action(&LATEST.with_borrow(Clone::clone).expect("a connection")),
            Wire::Socket { remote, built, .. } | Wire::Pipes { remote, built, .. } => {
                if self.log.lines().is_empty() {
                    built.recv_timeout(PATIENCE).expect("the client is accepted");
                }
                let (tell, told) = mpsc::channel();
                remote
                    .call_from_thread(move |_| {
                        let transport = LATEST.with_borrow(Clone::clone).expect("a connection");
                        action(&transport);
                        tell.send(()).unwrap();
                    })
                    .unwrap();
                told.recv_timeout(PATIENCE).expect("the reactor's thread answers");
            }
        }
    }

    /// Lets time pass. In memory it passes by itself.
    pub(crate) fn let_pass(&mut self, time: Duration) {
        if let Wire::Memory { wire, .. } = &mut self.wire {
            wire.advance(time);
        }
    }

    /// Waits for a line of the log that begins with this. In memory it must be there already.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, beginning: &str) {
        self.wait_until(&format!("a line '{beginning}…'"), |log| log.has(beginning));
    }

    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, condition: impl Fn(&Log) -> bool) {
        let came = match &self.wire {
            Wire::Memory { .. } => condition(&self.log),
            Wire::Simulated(far) => far.run_until(|| condition(&self.log)),
            Wire::Socket { .. } | Wire::Pipes { .. } => return self.log.wait_until(what, condition),
        };
        assert!(came, "nothing more happens, and yet not {what}: {:#?}", self.log.lines());
    }

    /// Waits until the protocol is gone, and compares all that has happened.
    #[track_caller]
    pub(crate) fn expect(&mut self, lines: &[&str]) {
        self.wait_for("dropped");
        assert_eq!(self.log.lines(), lines, "{}", self.world());
    }
}

/// Everything received until the connection ends, and how it ends.
#[track_caller]
pub(crate) fn read_to_the_end(socket: &mut impl Read) -> (Vec<u8>, Ending) {
    let mut data = Vec::new();
    match socket.read_to_end(&mut data) {
        Ok(_) => (data, Ending::Clean),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => (data, Ending::Reset),
        Err(error) => panic!("reading failed after {} bytes: {error}", data.len()),
    }
}

/// A plain client.
#[track_caller]
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn address_of(port: &Port) -> SocketAddr {
    port.host().socket_addr().unwrap()
}

/// Serves each client with one line, and closes.
pub(crate) fn greeter(reactor: &Reactor) -> SocketAddr {
    let port = reactor
        .listen_tcp("127.0.0.1:0", |transport: Transport| {
            Recorder::new(transport, Log::default()).on(Callback::Made, |this| {
                this.transport.write("hello");
                this.transport.lose_connection();
            })
        })
        .unwrap();
    address_of(&port)
}

/// An address of this machine without a listener.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A reactor that leaves the signals of the test's process alone.
pub(crate) fn test_reactor() -> Reactor {
    let reactor = Reactor::new().unwrap();
    reactor.set_signal_handling(false);
    reactor
}

/// Runs this with a reactor on sockets, and with that of a host of a simulation.
#[track_caller]
pub(crate) fn every_reactor(run: impl Fn(Reactor) + Send + 'static) {
    let run = in_time(move || {
        run(test_reactor());
        run
    });
    run(Simulation::new(1).host("here"));
}

/// Runs this on a thread of its own, where a reactor can run; fails if it takes too long.
#[track_caller]
pub(crate) fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let ended = spawn(run);
    wait(&ended, "the reactor's thread to end")
}

type Ended<T> = Receiver<thread::Result<T>>;

fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Ended<T> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let value = run();
            check_callbacks();
            value
        }));
        let _ = tell.send(result);
    });
    told
}

#[track_caller]
fn wait<T>(ended: &Ended<T>, what: &str) -> T {
    match ended.recv_timeout(PATIENCE) {
        Ok(Ok(value)) => value,
        Ok(Err(payload)) => resume_unwind(payload),
        Err(RecvTimeoutError::Timeout) => panic!("waited {PATIENCE:?} for {what}"),
        Err(RecvTimeoutError::Disconnected) => panic!("the thread is gone: {what}"),
    }
}

//! Everything from everywhere: what a callback may ask for, of its own connection and of others.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use reactor::CloseReason;
use reactor::Protocol;
use reactor::Reactor;
use reactor::Transport;

use crate::support::Callback;
use crate::support::Log;
use crate::support::PATIENCE;
use crate::support::Peer;
use crate::support::Recorder;
use crate::support::every_world;
use crate::support::in_time;
use crate::support::on_sockets;
use crate::support::test_reactor;

/// More than a loopback connection's buffers take.
const HUGE: usize = 32 << 20;

/// One thing that user code may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Write,
    WriteBytes,
    WriteFormatted,
    Lose,
    Abort,
    Fail,
    WriteEof,
    PauseAndResumeReading,
    PacedByItself,
    CallLater,
    Defer,
    Connect,
    Listen,
    StopListening,
    Stop,
    Spawn,
    SetOptions,
    Remote,
    DropOthers,
    BeforeShutdown,
    DeferToThread,
}

impl Act {
    const ALL: [Self; 21] = [
        Self::Write,
        Self::WriteBytes,
        Self::WriteFormatted,
        Self::Lose,
        Self::Abort,
        Self::Fail,
        Self::WriteEof,
        Self::PauseAndResumeReading,
        Self::PacedByItself,
        Self::CallLater,
        Self::Defer,
        Self::Connect,
        Self::Listen,
        Self::StopListening,
        Self::Stop,
        Self::Spawn,
        Self::SetOptions,
        Self::Remote,
        Self::DropOthers,
        Self::BeforeShutdown,
        Self::DeferToThread,
    ];

    fn run(self, this: &mut Recorder) {
        let transport = this.transport.clone();
        let reactor = transport.reactor();
        match self {
            Self::Write => transport.write("written"),
            Self::WriteBytes => transport.write_bytes(Bytes::from(vec![b'b'; 20_000])),
            Self::WriteFormatted => write!(transport, "{} and {}", 1, Nested(&transport)),
            Self::Lose => transport.lose_connection(),
            Self::Abort => transport.abort_connection(),
            Self::Fail => transport.fail_connection(CloseReason::failed("asked for")),
            Self::WriteEof => transport.write_eof(),
            Self::PauseAndResumeReading => {
                transport.pause_reading();
                transport.resume_reading();
            }
            Self::PacedByItself => transport.paced_by(&transport),
            Self::CallLater => {
                transport.call_later(Duration::ZERO, |this: &mut Recorder| this.transport.write("timed"));
                transport.call_later(Duration::ZERO, |_: &mut Recorder| ()).cancel();
                reactor.call_later(Duration::ZERO, move || transport.write("timed"));
            }
            Self::Defer => {
                let other = transport.clone();
                let future = async move { other.write("from a future") };
                transport.defer(future, |this: &mut Recorder, ()| this.transport.write("deferred")).active();
                transport.defer(std::future::pending::<()>(), |_: &mut Recorder, ()| ()).cancel();
            }
            Self::Connect => {
                let connector =
                    reactor.connect_tcp("127.0.0.1:1", |transport: Transport| Recorder::new(transport, Log::default()));
                connector.on_failed(|connector, _| connector.disconnect()).disconnect();
            }
            Self::Listen => {
                // In memory there is no network, and at the end there is none any more.
                if let Ok(port) = reactor.listen_tcp("127.0.0.1:0", |t: Transport| Recorder::new(t, Log::default())) {
                    drop(port.stop_listening());
                }
            }
            Self::StopListening => {
                if let Ok(port) = reactor.listen_tcp("127.0.0.1:0", |t: Transport| Recorder::new(t, Log::default())) {
                    reactor.spawn(async move { port.stop_listening().await });
                }
            }
            Self::Stop => reactor.stop(),
            Self::Spawn => reactor.spawn(async move { transport.write("from a task") }),
            Self::SetOptions => {
                transport.set_no_delay(false);
                transport.set_keep_alive(Some(Duration::from_secs(60)));
                transport.set_output_limit(usize::MAX);
            }
            Self::Remote => {
                let remote = transport.remote();
                remote.write(Bytes::from_static(b"remotely"));
                remote.call(|this: &mut Recorder| this.transport.write("called"));
            }
            Self::DropOthers => {
                drop(reactor.call_later(Duration::from_secs(3600), move || transport.write("never")));
                drop(reactor);
            }
            Self::BeforeShutdown => {
                reactor.before_shutdown(async || {});
                reactor.after_shutdown(|| ());
                reactor.call_when_running(|| ());
            }
            Self::DeferToThread => {
                transport.defer(reactor.defer_to_thread(|| 7), |this: &mut Recorder, result| {
                    assert_eq!(result.unwrap(), 7);
                    this.transport.write("computed");
                });
            }
        }
    }
}

/// Writes while it is being formatted.
struct Nested<'a>(&'a Transport);

impl std::fmt::Display for Nested<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(self.0, "nested {} ", 3);
        self.0.write("in the middle ");
        f.write_str("end")
    }
}

/// Leads a connection through all its callbacks.
fn all_callbacks(peer: &mut Peer) {
    peer.stop_reading();
    peer.send("go");
    peer.let_pass(Duration::from_millis(2));
    if peer.is_socket() {
        peer.act(|_| ());
    }
    peer.send_eof();
    peer.let_pass(Duration::from_millis(2));
    // To the end, whatever that is.
    match peer.log.has("lost Aborted") || peer.log.has("lost Failed") {
        true => {}
        false => drop(peer.read_what_comes()),
    }
    peer.wait_for("dropped");
}

#[test]
fn every_callback_may_ask_for_everything() {
    for callback in Callback::ALL {
        for act in Act::ALL {
            every_world(
                move |recorder| {
                    recorder
                        .on(Callback::Data, |this| {
                            this.timer(Duration::from_millis(1), "t");
                            this.deferred();
                            this.transport.write(vec![b'x'; 8 << 20]);
                        })
                        .on(callback, move |this| {
                            act.run(this);
                            this.log.add(format!("did {act:?}"));
                        })
                },
                |peer| {
                    all_callbacks(peer);
                    let lines = peer.log.lines();
                    assert!(!peer.log.has("lost Panicked"), "{act:?} in {callback:?}: {lines:#?}");
                    let may_be_left_out = [Callback::Pause, Callback::Resume, Callback::Timer, Callback::Deferred];
                    if !may_be_left_out.contains(&callback) {
                        assert!(peer.log.has("did"), "{act:?} in {callback:?}: {lines:#?}");
                    }
                },
            );
        }
    }
}

#[test]
fn what_every_callback_writes_arrives() {
    every_world(
        |recorder| {
            let mut recorder = recorder.keeping_writing();
            for (callback, text) in [
                (Callback::Made, "made "),
                (Callback::Data, "data "),
                (Callback::Timer, "timer "),
                (Callback::Deferred, "deferred "),
                (Callback::Eof, "eof "),
            ] {
                recorder = recorder.on(callback, move |this| {
                    this.transport.write(text);
                    match callback {
                        Callback::Data => drop(this.timer(Duration::from_millis(1), "t")),
                        Callback::Timer => this.deferred(),
                        Callback::Eof => this.transport.lose_connection(),
                        _ => {}
                    }
                });
            }
            recorder
        },
        |peer| {
            assert_eq!(peer.read(5), b"made ");
            peer.send("hi");
            peer.let_pass(Duration::from_millis(1));
            assert_eq!(peer.read(20), b"data timer deferred ");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end().0, b"eof ");
        },
    );
}

#[test]
fn nested_formatting_writes_in_the_order_of_the_calls() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                write!(this.transport, "[{}]", Nested(&this.transport));
            })
        },
        |peer| {
            peer.send("go");
            let expected = b"nested 3 in the middle [end]";
            assert_eq!(peer.read(expected.len()), expected);
        },
    );
}

#[test]
fn a_future_deferred_from_pause_writing_runs_without_another_event() {
    every_world(
        |recorder| {
            recorder
                .on(Callback::Data, |this| {
                    let transport = this.transport.clone();
                    let future = async move {
                        transport.write(vec![b'x'; HUGE]);
                        std::future::pending::<()>().await;
                    };
                    this.transport.defer(future, |_: &mut Recorder, ()| ());
                })
                .on(Callback::Pause, |this| this.deferred())
        },
        |peer| {
            peer.stop_reading();
            peer.send("go");
            peer.wait_for("deferred");
        },
    );
}

#[test]
fn a_chain_of_futures_that_are_always_ready_does_not_starve_the_others() {
    struct Chain {
        transport: Transport,
        over: Rc<Cell<bool>>,
    }
    impl Chain {
        fn next(&mut self) {
            if !self.over.get() {
                self.transport.defer(std::future::ready(()), |this: &mut Self, ()| this.next());
            }
        }
    }
    impl Protocol for Chain {
        fn connection_made(&mut self) {
            self.next();
        }
        fn data_received(&mut self, _data: &[u8]) {
            self.over.set(true);
            self.transport.lose_connection();
        }
    }
    in_time(|| {
        let reactor = test_reactor();
        let over = Rc::new(Cell::new(false));
        let chain = Rc::clone(&over);
        let port =
            reactor.listen_tcp("127.0.0.1:0", move |transport| Chain { transport, over: Rc::clone(&chain) }).unwrap();
        let address = port.host().socket_addr().unwrap();
        let client = reactor.defer_to_thread(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.write_all(b"enough").unwrap();
            socket.read_to_end(&mut Vec::new()).unwrap();
        });
        reactor.run_until(client).unwrap().unwrap();
        assert!(over.get());
    });
}

/// Says what everybody says to everybody, and throws out who says "quit" or whom somebody kicks.
struct Chat {
    transport: Transport,
    users: Rc<RefCell<HashMap<usize, Transport>>>,
    number: usize,
    log: Log,
}

impl Protocol for Chat {
    fn connection_made(&mut self) {
        self.users.borrow_mut().insert(self.number, self.transport.clone());
        self.log.add("made");
        self.transport.write("welcome\n");
    }
    fn data_received(&mut self, data: &[u8]) {
        if let Some(who) = data.strip_prefix(b"kick ") {
            let who: usize = String::from_utf8_lossy(who).trim().parse().unwrap();
            let other = self.users.borrow()[&who].clone();
            other.write("kicked\n");
            other.lose_connection();
        }
        for transport in self.users.borrow().values() {
            transport.write(data);
        }
    }
    fn connection_lost(&mut self, reason: CloseReason) {
        self.users.borrow_mut().remove(&self.number);
        self.log.add(format!("lost {reason}"));
        for transport in self.users.borrow().values() {
            write!(transport, "{} left\n", self.number);
        }
    }
}

#[test]
fn a_chat_broadcasts_and_closes_others_while_it_does() {
    let log = Log::default();
    let seen = log.clone();
    let users = in_time(move || {
        let reactor = test_reactor();
        let users = Rc::new(RefCell::new(HashMap::new()));
        let mut number = 0;
        let everybody = Rc::clone(&users);
        let port = reactor
            .listen_tcp("127.0.0.1:0", move |transport| {
                number += 1;
                Chat { transport, users: Rc::clone(&everybody), number, log: seen.clone() }
            })
            .unwrap();
        let address = port.host().socket_addr().unwrap();
        let clients = reactor.defer_to_thread(move || {
            let mut sockets: Vec<_> = (0..20)
                .map(|_| {
                    let mut socket = TcpStream::connect(address).unwrap();
                    socket.set_read_timeout(Some(PATIENCE)).unwrap();
                    expect(&mut socket, "welcome\n");
                    socket
                })
                .collect();
            sockets[0].write_all(b"hello all\n").unwrap();
            for socket in &mut sockets {
                expect(socket, "hello all\n");
            }
            sockets[0].write_all(b"kick 7\n").unwrap();
            let mut kicked = sockets.remove(6);
            let mut rest = String::new();
            kicked.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "kicked\n");
            for socket in &mut sockets {
                expect(socket, "kick 7\n7 left\n");
            }
        });
        drop(port);
        reactor.run_until(clients).unwrap().unwrap();
        Rc::strong_count(&users)
    });
    assert_eq!(users, 1, "a factory or a protocol is leaked");
    assert_eq!((log.count("made"), log.count("lost")), (20, 20));
}

fn expect(socket: &mut TcpStream, text: &str) {
    let mut data = vec![0; text.len()];
    socket.read_exact(&mut data).unwrap();
    assert_eq!(String::from_utf8_lossy(&data), text);
}

/// Forwards to another connection, each side paced by the other.
struct Forwarder {
    other: Rc<RefCell<Option<Transport>>>,
    most_unsent: Rc<Cell<usize>>,
}

impl Protocol for Forwarder {
    fn data_received(&mut self, data: &[u8]) {
        let other = self.other.borrow();
        let other = other.as_ref().unwrap();
        other.write(data);
        self.most_unsent.set(self.most_unsent.get().max(other.unsent()));
    }
    fn connection_lost(&mut self, _reason: CloseReason) {
        if let Some(other) = self.other.borrow_mut().take() {
            other.lose_connection();
        }
    }
}

#[test]
fn forwarding_with_a_slow_reader_keeps_memory_flat_both_ways() {
    const TOTAL: usize = 48 << 20;
    let most = in_time(|| {
        let reactor = test_reactor();
        let most_unsent = Rc::new(Cell::new(0));
        // The backend sends TOTAL when it has got TOTAL; it is a plain thread, and so is the client.
        let backend = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = backend.local_addr().unwrap();
        let most = Rc::clone(&most_unsent);
        let port = reactor
            .listen_tcp("127.0.0.1:0", move |incoming: Transport| {
                incoming.pause_reading();
                let (there, back) = (Rc::new(RefCell::new(None)), Rc::new(RefCell::new(Some(incoming.clone()))));
                let (outgoing_to, most_there) = (Rc::clone(&there), Rc::clone(&most));
                incoming.reactor().connect_tcp(to, move |outgoing: Transport| {
                    incoming.paced_by(&outgoing);
                    outgoing.paced_by(&incoming);
                    outgoing.paced_by(&incoming);
                    outgoing_to.replace(Some(outgoing));
                    incoming.resume_reading();
                    Forwarder { other: Rc::clone(&back), most_unsent: Rc::clone(&most_there) }
                });
                Forwarder { other: there, most_unsent: Rc::clone(&most) }
            })
            .unwrap();
        let address = port.host().socket_addr().unwrap();
        let backend = reactor.defer_to_thread(move || {
            let (mut socket, _) = backend.accept().unwrap();
            transfer(&mut socket, Some(TOTAL), TOTAL);
        });
        let client = reactor.defer_to_thread(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            let mut sender = socket.try_clone().unwrap();
            let sending = std::thread::spawn(move || transfer(&mut sender, None, TOTAL));
            sending.join().unwrap();
            transfer(&mut socket, Some(TOTAL), 0);
        });
        reactor
            .run_until(async move {
                client.await.unwrap();
                backend.await.unwrap();
            })
            .unwrap();
        most_unsent.get()
    });
    assert!(most <= 3 * 65_536, "{most} bytes were unsent");
}

/// Reads so many bytes, if any, then writes so many.
fn transfer(socket: &mut TcpStream, read: Option<usize>, write: usize) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = vec![b'x'; 1 << 16];
    let mut left = read.unwrap_or(0);
    while left > 0 {
        let n = socket.read(&mut buffer).unwrap();
        assert!(n > 0, "{left} bytes are missing");
        left -= n;
    }
    for _ in 0..write / buffer.len() {
        socket.write_all(&buffer).unwrap();
    }
}

#[test]
fn a_source_paced_by_a_connection_that_ends_goes_on() {
    on_sockets(
        |recorder| recorder,
        |peer| {
            let (tell, told) = mpsc::channel();
            peer.act(move |destination| {
                // The destination is full; another connection of this reactor is paced by it, then it is aborted.
                destination.write(vec![b'x'; HUGE]);
                let reactor = destination.reactor();
                let destination = destination.clone();
                let port = reactor
                    .listen_tcp("127.0.0.1:0", move |source: Transport| {
                        source.paced_by(&destination);
                        let destination = destination.clone();
                        source.reactor().call_later(Duration::from_millis(5), move || destination.abort_connection());
                        Recorder::new(source, Log::default()).on(Callback::Data, |this| this.transport.write("got it"))
                    })
                    .unwrap();
                tell.send(port.host().socket_addr().unwrap()).unwrap();
            });
            let mut socket = TcpStream::connect(told.recv_timeout(PATIENCE).unwrap()).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.write_all(b"hi").unwrap();
            expect(&mut socket, "got it");
            peer.wait_for("lost Aborted");
        },
    );
}

#[test]
fn nothing_of_a_connection_is_left_when_it_has_ended() {
    let counts = in_time(|| {
        let reactor = test_reactor();
        let token = Rc::new(());
        let inside = Rc::clone(&token);
        let port = reactor
            .listen_tcp("127.0.0.1:0", move |transport: Transport| {
                let token = Rc::clone(&inside);
                let (timed, deferred) = (Rc::clone(&token), Rc::clone(&token));
                transport.call_later(Duration::from_secs(3600), move |_: &mut Recorder| drop(timed));
                let handle = transport.clone();
                let future = async move {
                    std::future::pending::<()>().await;
                    drop((deferred, handle));
                };
                transport.defer(future, |_: &mut Recorder, ()| ());
                Recorder::new(transport, Log::default()).on(Callback::Data, move |this| {
                    let _token = &token;
                    this.transport.write("bye");
                    this.transport.lose_connection();
                })
            })
            .unwrap();
        let address = port.host().socket_addr().unwrap();
        let clients = reactor.defer_to_thread(move || {
            for _ in 0..50 {
                let mut socket = TcpStream::connect(address).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket.write_all(b"hi").unwrap();
                socket.read_to_end(&mut Vec::new()).unwrap();
            }
        });
        let inside = reactor.clone();
        let alive = Rc::clone(&token);
        let while_running = reactor
            .run_until(async move {
                clients.await.unwrap();
                (Rc::strong_count(&alive), inside.pending_calls() < 60, inside.connections())
            })
            .unwrap();
        (while_running, Rc::strong_count(&token))
    });
    // The test's own, the future's, the factory's; and at the end the test's alone.
    assert_eq!(counts, ((3, true, 0), 1));
}

#[test]
fn a_reactor_that_never_ran_is_dropped_with_everything_made_with_it() {
    let token = Rc::new(());
    let reactor = test_reactor();
    let inside = Rc::clone(&token);
    reactor
        .listen_tcp("127.0.0.1:0", move |transport| {
            let _token = &inside;
            Recorder::new(transport, Log::default())
        })
        .unwrap();
    let (a, b, c, d) = (Rc::clone(&token), Rc::clone(&token), Rc::clone(&token), Rc::clone(&token));
    reactor.call_later(Duration::ZERO, move || drop(a));
    reactor.call_when_running(move || drop(b));
    reactor.spawn(async move { drop(c) });
    reactor.before_shutdown(async move || drop(d));
    drop(reactor);
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn what_is_dropped_at_the_end_of_a_run_may_use_every_handle() {
    struct User(Reactor, Transport);
    impl Drop for User {
        fn drop(&mut self) {
            let Self(reactor, transport) = self;
            transport.write("too late");
            transport.lose_connection();
            reactor.call_later(Duration::ZERO, || ());
            reactor.call_when_running(|| ());
            reactor.spawn(async {});
            drop(reactor.connect_tcp("127.0.0.1:1", |t: Transport| Recorder::new(t, Log::default())));
            assert!(reactor.listen_tcp("127.0.0.1:0", |t: Transport| Recorder::new(t, Log::default())).is_err());
            reactor.stop();
        }
    }
    on_sockets(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                let user = || User(this.transport.reactor(), this.transport.clone());
                let (in_task, in_timer, in_hook, in_future) = (user(), user(), user(), user());
                let reactor = this.transport.reactor();
                reactor.spawn(async move {
                    std::future::pending::<()>().await;
                    drop(in_task);
                });
                reactor.call_later(Duration::from_secs(3600), move || drop(in_timer));
                reactor.after_shutdown(move || drop(in_hook));
                this.transport.defer(
                    async move {
                        std::future::pending::<()>().await;
                        drop(in_future);
                    },
                    |_: &mut Recorder, ()| (),
                );
                reactor.stop();
            })
        },
        |peer| {
            peer.send("go");
            peer.wait_for("dropped");
        },
    );
}

//! Connections that act on each other.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use reactor::{CloseReason, Protocol, Transport};

use crate::support::{Callback, HUGE, Log, PATIENCE, Recorder, in_time, on_sockets, test_reactor};

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

/// Sends every message to all connections, and closes those that say "quit" or are kicked by another.
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
            writeln!(transport, "{} left", self.number);
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
        self.most_unsent.set(self.most_unsent.get().max(other.unsent_bytes()));
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

/// Reads `read` bytes, if any, then writes `write` bytes.
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

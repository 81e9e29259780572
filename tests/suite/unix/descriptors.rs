use std::cell::{Cell, RefCell};
use std::io;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use reactor::testing::StringTransport;
use reactor::unix::{UnixListenOptions, close_in_thread};
use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};
use socket2::SockRef;
use tracing_subscriber::filter::LevelFilter;

use crate::support::{
    Callback, Log, PATIENCE, Recorder, count_logged, fresh_path, in_time, send_descriptors, tap, test_reactor,
};
use crate::unix::idle;

/// Takes descriptors, reads from them, and stops the reactor when its connection has ended.
struct Taker {
    transport: Transport,
    log: Log,
    closes_when_asked: bool,
}

impl Taker {
    fn new(transport: Transport, log: &Log) -> Self {
        Self { transport, log: log.clone(), closes_when_asked: false }
    }
}

impl Protocol for Taker {
    fn data_received(&mut self, data: &[u8]) {
        self.log.data(data);
    }
    fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
        let mut text = String::new();
        UnixStream::from(descriptor).read_to_string(&mut text).unwrap();
        self.log.add(format!("descriptor {text}"));
        if self.closes_when_asked && text == "close" {
            self.transport.lose_connection();
        }
    }
    fn eof_received(&mut self) -> OnEof {
        self.log.add("end");
        OnEof::Close
    }
    fn connection_lost(&mut self, _reason: CloseReason) {
        self.transport.reactor().stop();
    }
}

/// A descriptor from which this text can be read.
fn saying(text: &str) -> OwnedFd {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all(text.as_bytes()).unwrap();
    theirs.into()
}

/// A descriptor, and what notices that all copies of it are closed.
fn watched() -> (OwnedFd, UnixStream) {
    let (watched, watcher) = UnixStream::pair().unwrap();
    (watched.into(), watcher)
}

#[track_caller]
fn assert_closed(mut watcher: UnixStream) {
    watcher.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(watcher.read(&mut [0]).unwrap(), 0, "it was not closed");
}

/// Plays one end, with what it does when the connection is made, and returns what both saw: the sender's reason
/// first.
fn exchange(send: impl Fn(&Transport) + Send + 'static) -> Vec<String> {
    exchange_by(send, |_, factory| factory)
}

type Build = Box<dyn Factory>;

fn exchange_by(send: impl Fn(&Transport) + Send + 'static, around: fn(&Log, Build) -> Build) -> Vec<String> {
    in_time(move || {
        let (reactor, log, layers) = (test_reactor(), Log::default(), Log::default());
        let reason = Rc::new(RefCell::new(String::new()));
        let (near, far) = UnixStream::pair().unwrap();
        let (noted, seen) = (Rc::clone(&reason), log.clone());
        let send = Rc::new(send);
        let sender = move |transport: Transport| {
            let (noted, send) = (Rc::clone(&noted), Rc::clone(&send));
            let end = Log::default();
            Recorder::new(transport, end.clone())
                .on(Callback::Made, move |this| send(&this.transport))
                .on(Callback::Lost, move |_| drop(noted.replace(end.lines().pop().unwrap())))
        };
        reactor.adopt_stream_connection(near, around(&layers, Box::new(sender))).unwrap();
        let taker = move |transport| Taker::new(transport, &seen);
        reactor.adopt_stream_connection(far, around(&layers, Box::new(taker))).unwrap();
        reactor.run().unwrap();
        [vec![reason.take()], log.lines()].concat()
    })
}

#[test]
fn s190_each_descriptor_travels_with_the_first_byte_written_after_it() {
    let script = |transport: &Transport| {
        transport.write("one");
        transport.send_file_descriptor(saying("A")).unwrap();
        transport.write("two");
        transport.send_file_descriptor(saying("B")).unwrap();
        transport.send_file_descriptor(saying("C")).unwrap();
        transport.write("three");
        transport.lose_connection();
    };
    let seen = exchange(script);
    // What was sent before a descriptor, and not read yet, the system gives out with it.
    let expected =
        ["lost Done", "descriptor A", "data onetwo", "descriptor B", "data t", "descriptor C", "data hree", "end"];
    assert_eq!(seen, expected);
    assert_eq!(
        exchange_by(script, |log, factory| Box::new(tap("a", log, tap("b", log, factory)))),
        expected,
        "in layers"
    );
}

#[test]
fn s190_descriptors_arrive_at_their_bytes_however_much_is_written_around_them() {
    let seen = exchange(|transport| {
        for number in 0..100 {
            transport.write(vec![b'x'; 9_000]);
            transport.send_file_descriptor(saying(&number.to_string())).unwrap();
        }
        transport.write("y");
        transport.lose_connection();
    });
    let descriptors: Vec<_> = seen.iter().filter_map(|line| line.strip_prefix("descriptor ")).collect();
    assert_eq!(descriptors, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!((seen[0].as_str(), seen.last().unwrap().as_str()), ("lost Done", "end"));
}

#[test]
fn s190_more_descriptors_than_bytes_end_the_connection_with_that_reason() {
    for layered in [false, true] {
        let script = |transport: &Transport| {
            transport.send_file_descriptor(saying("A")).unwrap();
            transport.send_file_descriptor(saying("B")).unwrap();
            transport.write("x");
            transport.lose_connection();
        };
        let around: fn(&Log, Build) -> Build =
            if layered { |log, factory| Box::new(tap("a", log, factory)) } else { |_, factory| factory };
        let seen = exchange_by(script, around);
        assert_eq!(seen, ["lost DescriptorOverrun", "descriptor A", "data x", "end"], "layered: {layered}");
    }
    let half_closed = exchange(|transport| {
        transport.write("x");
        transport.send_file_descriptor(saying("A")).unwrap();
        transport.write_eof();
    });
    assert_eq!(half_closed, ["lost DescriptorOverrun", "data x", "end"]);
    let reason = CloseReason::DescriptorOverrun;
    assert_eq!(reason.to_string(), "more file descriptors were sent than bytes to go with them");
}

#[test]
fn s190_with_more_than_64_descriptors_on_their_way_a_connection_is_full() {
    let seen = exchange(|transport| {
        for _ in 0..64 {
            transport.send_file_descriptor(saying("")).unwrap();
        }
        transport.write([b'x'; 64]);
        assert!(!transport.is_full());
        transport.send_file_descriptor(saying("")).unwrap();
        assert!(transport.is_full());
        transport.write("x");
        transport.lose_connection();
    });
    assert_eq!(seen.iter().filter(|line| *line == "descriptor ").count(), 65);
}

#[test]
fn s190_a_protocol_that_sends_many_descriptors_is_paused_until_they_have_left() {
    in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        let (near, far) = UnixStream::pair().unwrap();
        let sent = log.clone();
        let sender = move |transport| {
            Recorder::new(transport, sent.clone())
                .on(Callback::Made, |this| {
                    for _ in 0..65 {
                        this.transport.send_file_descriptor(saying("")).unwrap();
                        this.transport.write("x");
                    }
                })
                .on(Callback::Resume, |this| this.transport.lose_connection())
        };
        reactor.adopt_stream_connection(near, sender).unwrap();
        reactor.adopt_stream_connection(far, |transport| Taker::new(transport, &Log::default())).unwrap();
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["made", "pause", "resume", "lost Done", "dropped"]);
    });
}

#[test]
fn s190_what_is_not_sent_is_closed_with_the_connection() {
    let (tell, told) = mpsc::channel();
    exchange(move |transport| {
        let (descriptor, watcher) = watched();
        transport.send_file_descriptor(descriptor).unwrap();
        transport.write("x");
        transport.abort_connection();
        let (late, late_watcher) = watched();
        transport.send_file_descriptor(late).unwrap();
        tell.send([watcher, late_watcher]).unwrap();
    });
    told.recv().unwrap().into_iter().for_each(assert_closed);
}

#[test]
fn s190_other_connections_refuse_descriptors_and_close_them() {
    let wire = StringTransport::connect(idle);
    let (descriptor, watcher) = watched();
    let error = wire.transport().send_file_descriptor(descriptor).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    let peer = wire.transport().peer();
    assert_eq!(
        error.to_string(),
        format!("cannot send a file descriptor to {peer}: the connection carries bytes only")
    );
    assert_closed(watcher);
}

/// What a protocol sees of what `play` sends.
fn receive<P: Protocol>(
    build: impl Fn(Transport, &Log) -> P + 'static,
    play: impl FnOnce(&mut UnixStream),
) -> Vec<String> {
    let (mut near, far) = UnixStream::pair().unwrap();
    let log = Log::default();
    let reactor = test_reactor();
    let seen = log.clone();
    reactor.adopt_stream_connection(far, move |transport| build(transport, &seen)).unwrap();
    play(&mut near);
    drop(near);
    reactor.run().unwrap();
    log.lines()
}

#[test]
fn s191_all_descriptors_of_a_message_come_before_its_bytes() {
    let many = |count| {
        move |socket: &mut UnixStream| {
            let descriptors: Vec<_> = (0..count).map(|number: u32| saying(&number.to_string())).collect();
            send_descriptors(socket, b"hello", &descriptors);
        }
    };
    for count in [3, 253] {
        let seen = in_time(move || receive(Taker::new, many(count)));
        let descriptors = (0..count).map(|number| format!("descriptor {number}"));
        assert_eq!(seen, descriptors.chain(["data hello", "end"].map(String::from)).collect::<Vec<_>>());
    }
}

#[test]
fn s191_a_protocol_that_takes_none_has_them_closed_and_that_is_logged() {
    in_time(|| {
        let (descriptor, watcher) = watched();
        let (_logging, lines) = count_logged(LevelFilter::INFO);
        receive(
            |transport, log| {
                Recorder::new(transport, log.clone()).on(Callback::Lost, |this| this.transport.reactor().stop())
            },
            |socket| send_descriptors(socket, b"x", &[descriptor]),
        );
        assert_closed(watcher);
        assert_eq!(lines.load(Ordering::Relaxed), 1);
    });
}

/// Sends a descriptor with a byte, to a port with these options. Returns what its protocol has seen.
fn send_to_port(set: fn(UnixListenOptions) -> UnixListenOptions) -> Vec<String> {
    in_time(move || {
        let (_folder, path) = fresh_path();
        let (reactor, log) = (test_reactor(), Log::default());
        let seen = log.clone();
        reactor.listen_unix(set(UnixListenOptions::new(&path)), move |transport| Taker::new(transport, &seen)).unwrap();
        let descriptor = Cell::new(Some(saying("A")));
        reactor.connect_unix(&path, move |transport: Transport| {
            transport.send_file_descriptor(descriptor.take().unwrap()).unwrap();
            transport.write("x");
            transport.write_eof();
            idle(transport)
        });
        reactor.run().unwrap();
        log.lines()
    })
}

#[test]
fn a_port_that_was_not_told_to_takes_no_descriptors() {
    let seen = send_to_port(|options| options);
    // Linux before 6.16 does not refuse them.
    assert!(seen == ["end"] || seen == ["data x", "end"], "{seen:?}");
    let seen = send_to_port(|options| options.receive_file_descriptors(true));
    assert_eq!(seen, ["descriptor A", "data x", "end"]);
}

/// A connection whose last close takes an hour, and its other end.
fn lingering(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let stuck = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (never_reads, _) = listener.accept().unwrap();
    SockRef::from(&stuck).set_send_buffer_size(4096).unwrap();
    SockRef::from(&stuck).set_linger(Some(Duration::from_secs(3600))).unwrap();
    stuck.set_nonblocking(true).unwrap();
    while (&stuck).write(&[0; 65_536]).is_ok() {}
    (stuck, never_reads)
}

#[test]
fn a_descriptor_whose_close_takes_an_hour_keeps_nobody_waiting() {
    in_time(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (stuck, _never_reads) = lingering(&listener);
        let seen = receive(
            |transport, log| {
                Recorder::new(transport, log.clone()).on(Callback::Lost, |this| this.transport.reactor().stop())
            },
            |socket| send_descriptors(socket, b"hello", &[OwnedFd::from(stuck)]),
        );
        assert!(seen.contains(&"data hello".to_owned()), "{seen:?}");
    });
}

#[test]
fn any_number_of_descriptors_is_closed_without_waiting() {
    in_time(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
        // More than wait for a thread.
        let close = |_| {
            let (stuck, never_reads) = lingering(&listener);
            close_in_thread(stuck);
            never_reads
        };
        let never_read: Vec<_> = (0..100).map(close).collect();
        // The threads that wait for the last bytes go on when these are reset.
        drop(never_read);
        let (file, watcher) = watched();
        close_in_thread(file);
        assert_closed(watcher);
    });
}

#[test]
fn s191_what_comes_when_the_connection_is_closing_is_closed() {
    in_time(|| {
        let watchers = RefCell::new(Vec::new());
        let seen = receive(
            |transport, log| Taker { closes_when_asked: true, ..Taker::new(transport, log) },
            |socket| {
                let (same, watcher) = watched();
                send_descriptors(&socket, b"never received", &[saying("close"), same]);
                let (later, later_watcher) = watched();
                send_descriptors(&socket, b"nor this", &[later]);
                watchers.borrow_mut().extend([watcher, later_watcher]);
            },
        );
        assert_eq!(seen, ["descriptor close"]);
        watchers.take().into_iter().for_each(assert_closed);
    });
}

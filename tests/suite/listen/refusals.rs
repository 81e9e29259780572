//! Connections that are refused before they exist.

use std::cell::RefCell;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use reactor::Transport;

use crate::support::{Callback, Ending, Guard, Log, PATIENCE, Recorder, in_time, read_to_the_end, test_reactor};

#[test]
fn s015_a_refused_client_gets_no_callback_and_is_closed_and_the_next_is_served() {
    in_time(|| {
        let reactor = test_reactor();
        let mut count = 0;
        let log = Log::default();
        let seen = log.clone();
        let port = reactor
            .listen_tcp("127.0.0.1:0", move |transport: Transport| {
                count += 1;
                match count % 3 {
                    0 => panic!("in build_protocol"),
                    1 => None,
                    _ => Some(Recorder::new(transport, seen.clone()).on(Callback::Made, |this| {
                        this.transport.write("hello");
                        this.transport.lose_connection();
                    })),
                }
            })
            .unwrap();
        let address = port.host().socket_addr().unwrap();
        let clients = reactor.defer_to_thread(move || {
            (0..30)
                .map(|_| {
                    let mut socket = TcpStream::connect(address).unwrap();
                    socket.set_read_timeout(Some(PATIENCE)).unwrap();
                    read_to_the_end(&mut socket)
                })
                .collect::<Vec<_>>()
        });
        let seen = reactor.run_until(clients).unwrap().unwrap();
        for (index, (data, ending)) in seen.into_iter().enumerate() {
            assert_eq!(data, if index % 3 == 1 { &b"hello"[..] } else { b"" });
            assert_eq!(ending, Ending::Clean);
        }
        assert_eq!((log.count("made"), log.count("lost Done"), log.count("dropped")), (10, 10, 10));
    });
}

#[test]
fn a_handle_of_a_refused_connection_is_stale_and_what_was_asked_of_it_dropped() {
    in_time(|| {
        let reactor = test_reactor();
        let log = Log::default();
        let handles = Rc::new(RefCell::new(Vec::new()));
        let (kept, seen) = (Rc::clone(&handles), log.clone());
        let mut count = 0;
        let port = reactor
            .listen_tcp("127.0.0.1:0", move |transport: Transport| -> Option<Recorder> {
                let guard = Guard::new(&seen, "timer gone");
                transport.call_later(Duration::from_secs(3600), move |_: &mut Recorder| guard.disarm());
                let guard = Guard::new(&seen, "future gone");
                let future = async move {
                    let _guard = guard;
                    std::future::pending::<()>().await;
                };
                transport.defer(future, |_: &mut Recorder, ()| {});
                kept.borrow_mut().push(transport);
                count += 1;
                assert!(count < 2, "the second panics");
                None
            })
            .unwrap();
        let address = port.host().socket_addr().unwrap();
        let clients = reactor.defer_to_thread(move || {
            for _ in 0..2 {
                let mut socket = TcpStream::connect(address).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                read_to_the_end(&mut socket);
            }
        });
        let pending = reactor.pending_call_count();
        let inside = reactor.clone();
        let checked = async move {
            clients.await.unwrap();
            assert_eq!(inside.pending_call_count(), pending, "a timer of a refused connection is left");
            for transport in handles.borrow().iter() {
                assert!(transport.is_closing(), "a refused connection's handle is not closing");
                transport.write("into the void");
                assert_eq!(transport.unsent_bytes(), 0);
            }
        };
        reactor.run_until(checked).unwrap();
        assert_eq!((log.count("timer gone"), log.count("future gone")), (2, 2));
    });
}

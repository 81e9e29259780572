//! Nothing remains of what has ended.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Reactor, Transport};

use crate::support::{Callback, Log, PATIENCE, Recorder, in_time, on_sockets, test_reactor};

#[test]
fn s013_nothing_of_a_connection_is_left_when_it_has_ended() {
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
                (Rc::strong_count(&alive), inside.pending_call_count() < 60, inside.connection_count())
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

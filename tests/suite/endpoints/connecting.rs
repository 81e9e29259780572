use std::cell::RefCell;
use std::fs::File;
use std::future::{poll_fn, ready};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use reactor::connect::ConnectErrorKind;
use reactor::endpoint::{client_from_string, connect_protocol};
use reactor::net::{Resolver, Resolving};
use reactor::testing::{Simulation, expect_panic};
use reactor::{CloseReason, Protocol, Transport};

use crate::endpoints::{Logging, every_client, every_client_and_web_sockets};
use crate::support::{Callback, Log, Recorder, fresh_path, in_time, test_reactor};

#[test]
fn s130_connecting_gives_the_transport_when_connection_made_has_returned() {
    every_client_and_web_sockets(|reactor, endpoint| {
        let log = Log::default();
        let inside = log.clone();
        let reason = reactor.run_until(async move {
            let recorders = inside.clone();
            let factory = move |transport| {
                Recorder::new(transport, recorders.clone()).on(Callback::Data, |this| this.transport.lose_connection())
            };
            let transport = endpoint.connect(Box::new(factory)).await.unwrap();
            assert_eq!(inside.lines(), ["made"]);
            transport.write("hello");
            transport.finished().await.unwrap()
        });
        assert!(reason.unwrap().is_clean());
        assert_eq!(log.lines(), ["made", "data hello", "lost Done", "dropped"]);
    });
}

#[test]
fn s130_whatever_keeps_a_connection_from_being_made_is_in_the_result() {
    in_time(|| {
        let (_folder, path) = fresh_path();
        let unix = format!("unix:{}", path.display());
        let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for (description, kind, expected) in [
            (
                format!("tcp:127.0.0.1:{}", refused.port()),
                ConnectErrorKind::Refused,
                format!("cannot connect to {refused}: connection refused"),
            ),
            (
                "tcp:host.invalid:7".to_owned(),
                ConnectErrorKind::Unresolved,
                "cannot connect to host.invalid:7: name not known".to_owned(),
            ),
            (
                "tcp:127.0.0.1:7:bindAddress=192.0.2.1".to_owned(),
                ConnectErrorKind::Bind,
                "cannot connect to 127.0.0.1:7: cannot bind to 192.0.2.1:0: address not available".to_owned(),
            ),
            (unix, ConnectErrorKind::Other, format!("cannot connect to {}: no such file", path.display())),
            (
                "exec:/no/such/program:with=arguments".to_owned(),
                ConnectErrorKind::Other,
                "cannot connect to /no/such/program: cannot run /no/such/program: no such program".to_owned(),
            ),
        ] {
            let reactor = test_reactor();
            reactor.set_resolver(Nobody);
            reactor.allow_endpoint_schemes(&["exec"]);
            let endpoint = client_from_string(&reactor, &description).unwrap();
            let log = Log::default();
            let factory = Logging::boxed(&log, |_| None);
            let error = reactor.run_until(async move { endpoint.connect(factory).await }).unwrap().unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (&kind, expected));
            assert_eq!(log.count("building"), 0);
        }
    });
}

/// A resolver that finds no name.
struct Nobody;

impl Resolver for Nobody {
    fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> Resolving<'a> {
        Box::pin(ready(Ok(Vec::new())))
    }
}

#[test]
fn s130_an_attempt_has_the_time_that_the_description_says() {
    let sim = Simulation::new(1);
    let client = sim.host("client");
    sim.host("server");
    for address in sim.addresses_of("server") {
        sim.set_black_hole(address, true);
    }
    let endpoint = client_from_string(&client, "tcp:server:7:timeout=2.5").unwrap();
    let factory = |transport: Transport| Recorder::new(transport, Log::default());
    let error = client.run_until(async move { endpoint.connect(Box::new(factory)).await }).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to server:7: no answer within 2.5s");
    assert_eq!(sim.elapsed(), Duration::from_millis(2500));
}

#[test]
fn s131_a_factory_that_refuses_or_panics_is_an_error() {
    expect_panic("oh", || {
        every_client_and_web_sockets(|reactor, endpoint| {
            let (refused, panicked) = reactor
                .run_until(async move {
                    let refused = endpoint.connect(Box::new(|_| None::<Recorder>)).await.unwrap_err();
                    let panicked = endpoint.connect(Box::new(|_| -> Recorder { panic!("oh") })).await.unwrap_err();
                    (refused, panicked)
                })
                .unwrap();
            assert_eq!(refused.kind(), &ConnectErrorKind::NoProtocol);
            assert_eq!(panicked.kind(), &ConnectErrorKind::Panicked("oh".to_owned()));
        });
    });
}

#[test]
fn s132_a_panic_in_connection_made_is_an_error() {
    expect_panic("oh", || {
        every_client_and_web_sockets(|reactor, endpoint| {
            let log = Log::default();
            let recorders = log.clone();
            let factory =
                move |transport| Recorder::new(transport, recorders.clone()).on(Callback::Made, |_| panic!("oh"));
            let error =
                reactor.run_until(async move { endpoint.connect(Box::new(factory)).await }).unwrap().unwrap_err();
            assert_eq!(error.kind(), &ConnectErrorKind::Panicked("oh".to_owned()));
            assert_eq!(log.lines(), ["made", "lost Panicked(oh)", "dropped"]);
        });
    });
}

#[test]
fn s133_an_attempt_is_given_up_by_dropping_it() {
    every_client_and_web_sockets(|reactor, endpoint| {
        let log = Log::default();
        let factory = Logging::boxed(&log, |_| panic!("it was given up"));
        let (watched, stopping) = (log.clone(), reactor.clone());
        reactor.call_when_running(move || {
            stopping.clone().spawn(async move {
                assert!(endpoint.connect(factory).now_or_never().is_none());
                stopping.call_later(Duration::from_millis(20), {
                    let stopping = stopping.clone();
                    move || stopping.stop()
                });
            });
        });
        reactor.run().unwrap();
        assert_eq!(watched.count("stopped"), watched.count("started"));
        assert_eq!(watched.count("building"), 0, "{:?}", watched.lines());
        assert_eq!(reactor.connection_count(), 0);
    });
}

#[test]
fn s133_a_connection_that_comes_about_just_before_its_attempt_is_dropped_is_aborted() {
    every_client_and_web_sockets(|reactor, endpoint| {
        let log = Log::default();
        let (recorders, made) = (log.clone(), log.clone());
        let transport = Rc::new(RefCell::new(None));
        let built = Rc::clone(&transport);
        let reason = reactor.run_until(async move {
            let factory = move |transport: Transport| {
                built.replace(Some(transport.clone()));
                Recorder::new(transport, recorders.clone())
            };
            let mut connecting = endpoint.connect(Box::new(factory));
            // Without another poll the caller does not learn that the connection was made.
            poll_fn(|cx| if made.lines().is_empty() { connecting.poll_unpin(cx).map(drop) } else { Poll::Ready(()) })
                .await;
            drop(connecting);
            let transport = transport.take().unwrap();
            transport.finished().await.unwrap()
        });
        assert!(matches!(reason, Ok(CloseReason::Aborted)));
        assert_eq!(log.lines(), ["made", "lost Aborted", "dropped"]);
    });
}

#[test]
fn s134_half_closed_connections_work_through_an_endpoint() {
    every_client(|reactor, endpoint| {
        let log = Log::default();
        let recorders = log.clone();
        let reason = reactor.run_until(async move {
            let factory = move |transport| {
                Recorder::new(transport, recorders.clone())
                    .keeping_writing()
                    .on(Callback::Made, |this| {
                        this.transport.write("hello");
                        this.transport.write_eof();
                    })
                    .on(Callback::Eof, |this| this.transport.lose_connection())
            };
            endpoint.connect(Box::new(factory)).await.unwrap().finished().await.unwrap()
        });
        assert!(reason.unwrap().is_clean());
        assert_eq!(log.lines(), ["made", "data hello", "eof", "lost Done", "dropped"]);
    });
}

#[test]
fn s134_descriptors_pass_through_an_endpoint() {
    struct Taker(Transport, Log);
    impl Protocol for Taker {
        fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
            assert!(File::from(descriptor).metadata().is_ok());
            self.1.add("descriptor");
        }
        fn data_received(&mut self, _data: &[u8]) {
            self.0.lose_connection();
        }
    }
    in_time(|| {
        let (_folder, path) = fresh_path();
        let reactor = test_reactor();
        let giving = |transport: Transport| {
            Recorder::new(transport, Log::default()).on(Callback::Made, |this| {
                this.transport.send_file_descriptor(File::open("/dev/null").unwrap()).unwrap();
                this.transport.write("here");
            })
        };
        reactor.listen_unix(&path, giving).unwrap();
        let endpoint = client_from_string(&reactor, &format!("unix:{}", path.display())).unwrap();
        let log = Log::default();
        let taken = log.clone();
        let done = reactor.run_until(async move {
            let factory = move |transport| Taker(transport, taken.clone());
            endpoint.connect(Box::new(factory)).await.unwrap().finished().await
        });
        assert!(done.unwrap().unwrap().is_clean());
        assert_eq!(log.lines(), ["descriptor"]);
    });
}

#[test]
fn s135_the_factory_is_started_before_the_attempt_and_stopped_behind_the_connection() {
    every_client_and_web_sockets(|reactor, endpoint| {
        let log = Log::default();
        let recorders = log.clone();
        let factory = Logging::boxed(&log, move |transport| {
            let recorder = Recorder::new(transport, recorders.clone());
            Some(Box::new(recorder.on(Callback::Made, |this| this.transport.lose_connection())))
        });
        let finished = reactor.run_until(async move { endpoint.connect(factory).await.unwrap().finished().await });
        // It may have been over when it was asked.
        assert!(finished.unwrap().is_none_or(|reason| reason.is_clean()));
        assert_eq!(log.lines(), ["started", "building", "made", "lost Done", "dropped", "stopped"]);
    });
}

#[test]
fn s142_a_program_is_given_its_arguments_and_its_status_is_the_reason_of_the_end() {
    in_time(|| {
        let reactor = test_reactor();
        reactor.allow_endpoint_schemes(&["exec"]);
        let endpoint = client_from_string(&reactor, "exec:sh:-c:echo \"$1,$2\"; exit 3:sh:a=b\\:c:--d=\\=").unwrap();
        assert_eq!(endpoint.to_string(), "exec:sh:-c:echo \"$1,$2\"; exit 3:sh:a=b\\:c:--d=\\=");
        let log = Log::default();
        let recorders = log.clone();
        let reason = reactor.run_until(async move {
            let factory = move |transport| Recorder::new(transport, recorders.clone());
            endpoint.connect(Box::new(factory)).await.unwrap().finished().await.unwrap()
        });
        assert_eq!(reason.unwrap().exit_status().unwrap().code(), Some(3));
        assert_eq!(log.lines(), ["made", "data a=b:c,--d==\n", "lost Lost", "dropped"]);
    });
}

#[test]
fn s143_a_single_protocol_is_connected_without_a_factory() {
    every_client_and_web_sockets(|reactor, endpoint| {
        let log = Log::default();
        let own = log.clone();
        let reason = reactor.run_until(async move {
            // Not to be cloned: it is built once.
            let greeting = "hello".to_owned();
            let build = move |transport: Transport| {
                transport.write(greeting);
                Recorder::new(transport, own).on(Callback::Data, |this| this.transport.lose_connection())
            };
            connect_protocol(&*endpoint, build).await.unwrap().finished().await.unwrap()
        });
        assert!(reason.unwrap().is_clean());
        assert_eq!(log.lines(), ["made", "data hello", "lost Done", "dropped"]);
    });
}

//! R16, R17: a panic ends the code that panics and nothing else.

use std::io::{ErrorKind, Write as _};
use std::net::Shutdown;

use reactor::connect::ConnectErrorKind;
use reactor::{Protocol, Reactor};
use rig::faulty::Fault;
use rig::peer::End;
use rig::{Child, peer};

use crate::reliability::server;

#[test]
fn panics_in_every_callback_touch_no_healthy_connection() {
    const PANICS: usize = 200;
    let server = server("faulty", &[]);
    let healthy: Vec<_> = (0..100).map(|_| peer::connect(server.address())).collect();
    healthy.iter().for_each(|stream| peer::round_trip(stream, b"first"));
    let before = server.descriptors();
    for number in 0..PANICS {
        let fault = Fault::IN_CALLBACKS[number % 8];
        let end = provoke(&server, fault);
        // What panics in `connection_lost` has ended in order before.
        assert_eq!(end, if fault == Fault::Lost { End::Clean } else { End::Reset }, "{fault:?}");
        peer::round_trip(&healthy[number % healthy.len()], b"still well?");
    }
    healthy.iter().for_each(|stream| peer::round_trip(stream, b"and now?"));
    assert_eq!(server.descriptors(), before);
    drop(healthy);

    let ended = server.stop();
    assert!(ended.status.success());
    assert_eq!(ended.count("panicked"), PANICS as u64 / 8 * 7, "each with its own message as the reason");
    assert_eq!(ended.count("built"), PANICS as u64 + 100);
    assert_eq!(ended.count("lost"), PANICS as u64 + 100, "exactly once each");
    assert_eq!(ended.count("dropped"), PANICS as u64 + 100);
    assert_eq!(ended.count("wrong"), 0, "nothing but connection_lost comes behind a panic");
    let logged = ended.errors.iter().filter(|line| line.contains("ERROR")).count();
    assert!((1..PANICS).contains(&logged), "one in a while is logged: {logged}");
}

#[test]
fn s024_a_factory_that_panics_or_refuses_closes_that_client_and_serves_the_others() {
    let server = server("faulty", &[]);
    for number in 0..90 {
        match number % 3 {
            0 => peer::round_trip(&peer::connect(server.address()), b"hello"),
            1 => drop(provoke(&server, Fault::Build)),
            _ => drop(provoke(&server, Fault::Refusal)),
        }
    }
    let ended = server.stop();
    assert_eq!(ended.count("built"), 30);
    assert_eq!(ended.count("lost"), 30);
    assert_eq!(ended.count("wrong"), 0);
    let logged = ended.errors.iter().filter(|line| line.contains("ERROR")).count();
    assert!((1..30).contains(&logged), "one panic in a while is logged: {logged}");
}

#[test]
fn s025_a_client_whose_factory_panics_gets_that_as_the_reason_of_its_failure() {
    struct Never;
    impl Protocol for Never {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    let server = server("echo", &[]);
    let reactor = Reactor::new().unwrap();
    reactor.set_signal_handling(false);
    // Not `panic!`: that would print to the test's output.
    let connector = reactor.connect_tcp(server.address(), |_| -> Never { std::panic::resume_unwind(Box::new("no")) });
    let error = reactor.run_until(connector.finished()).unwrap().unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::Panicked("no".to_owned()));
}

/// Has a connection panic, and says how it ended. No byte comes back but what it had written.
#[track_caller]
fn provoke(server: &Child, fault: Fault) -> End {
    let Ok(mut stream) = peer::connect_from(fault.source(), server.address()) else {
        return End::Reset; // it was faster
    };
    if let Err(error) = stream.write_all(b"x")
        && error.kind() == ErrorKind::ConnectionReset
    {
        return End::Reset; // the system says so only once
    }
    if matches!(fault, Fault::Eof | Fault::Lost) {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let (received, end) = peer::read_to_end(&stream);
    assert!(received.len() <= 100_000);
    end
}

//! R5: what happens when no descriptor is left.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rig::{Child, peer};

use crate::reliability::server;

const CLIENTS: usize = 120;

#[test]
fn s103_at_the_descriptor_limit_clients_are_closed_and_counted_and_the_others_are_served_on() {
    // With a budget, clients would be turned away before descriptors run out.
    let server = server("echo", &["nofile=64", "budget=1000000"]);
    let served: Vec<_> = (0..CLIENTS).filter_map(|_| served(&server)).collect();
    let first_round = served.len();
    assert!((30..64).contains(&first_round), "{first_round} were served");
    for stream in &served {
        peer::round_trip(stream, b"still there?");
    }

    // The served clients leave, and as many others are served, once the server has noticed.
    let (mut again, mut turned_away) = (Vec::new(), CLIENTS - first_round);
    drop(served);
    while again.len() < first_round {
        match self::served(&server) {
            Some(stream) => again.push(stream),
            None => turned_away += 1,
        }
    }
    for stream in &again {
        peer::round_trip(stream, b"and you?");
    }

    let ended = server.stop();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.count("refused"), turned_away as u64, "each client turned away is counted once");
    let about_it = ended.errors.iter().filter(|line| line.contains("no descriptor is left")).count();
    assert!(about_it >= 1 && ended.errors.len() <= 10, "{:?}", ended.errors);
    assert_eq!(ended.errors.len(), about_it, "there was always a descriptor in reserve: {:?}", ended.errors);
}

#[test]
fn the_limit_of_open_files_is_a_budget_of_connections_that_leaves_descriptors_for_the_program() {
    let server = server("echo", &["nofile=64"]);
    let served: Vec<_> = (0..CLIENTS).filter_map(|_| served(&server)).collect();
    let all = served.len();
    assert!((30..56).contains(&all), "{all} were served");
    assert!(server.descriptors() <= 56, "{} of 64 are taken", server.descriptors());
    for stream in &served {
        peer::round_trip(stream, b"still there?");
    }
    let ended = server.stop();
    assert_eq!(ended.count("over_budget"), (CLIENTS - all) as u64);
    assert_eq!(ended.count("refused"), (CLIENTS - all) as u64);
    assert!(ended.errors.len() == 1 && ended.errors[0].contains("the limit of open files"), "{:?}", ended.errors);
}

/// A connection, if it is served. A client that is turned away sees an end or a reset, and no byte.
#[track_caller]
fn served(server: &Child) -> Option<TcpStream> {
    let mut stream = peer::connect(server.address());
    let mut answer = [0; 2];
    let answered = stream.write_all(b"hi").and_then(|()| stream.read(&mut answer));
    match answered {
        Ok(0) => None,
        Ok(n) => {
            assert_eq!(answer[..n], b"hi"[..n]);
            Some(stream)
        }
        Err(error) => {
            assert!(
                matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe),
                "{error}"
            );
            None
        }
    }
}

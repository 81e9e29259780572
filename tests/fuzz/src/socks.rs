//! A SOCKS client that sends anything, in any pieces.

#[expect(dead_code, reason = "the tests beside the code use more of it")]
#[path = "../../../protocols/src/remote_end.rs"]
mod remote_end;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocols::socks::{Socks, SocksRequest};
use reactor::testing::Simulation;

use crate::receiving::alike_in_every_cut;
use remote_end::RemoteEnd;

/// Two bytes select whether passwords are required, and where to cut; the others are received.
pub fn socks(data: &[u8]) {
    let [kind, cut, stream @ ..] = data else { return };
    let whole = alike_in_every_cut(stream, *cut, |pieces| outcome(*kind, pieces));

    let Outcome { answer, ended, asked, target } = whole;
    assert!(stream.ends_with(&target), "something else arrived than was sent");
    assert!(answer.len() <= 2 + 2 + 22);
    let allowed = |request: &&SocksRequest| request.address.port() == PORT;
    match asked.iter().find(allowed) {
        Some(request) => assert!(request.host != "t" || !ended, "it listens, and is allowed"),
        None => assert!(target.is_empty()),
    }
    if kind & 1 == 1 {
        assert!(asked.iter().all(|request| request.user.as_deref() == Some("me")));
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    answer: Vec<u8>,
    ended: bool,
    asked: Vec<SocksRequest>,
    /// The bytes that arrived at the client's target.
    target: Vec<u8>,
}

fn outcome(kind: u8, pieces: &[&[u8]]) -> Outcome {
    let sim = Simulation::new(1);
    let (client, target, asked) = (RemoteEnd::default(), RemoteEnd::default(), Rc::new(RefCell::default()));
    let log: Rc<RefCell<Vec<SocksRequest>>> = Rc::clone(&asked);
    let rule = move |request: &SocksRequest| {
        log.borrow_mut().push(request.clone());
        request.address.port() == PORT
    };
    let socks = match kind & 1 {
        0 => Socks::new(rule),
        _ => Socks::with_password(async |user, password| user == "me" && password == "secret", rule),
    };
    sim.host("t").listen_tcp(PORT, target.factory()).unwrap();
    sim.host("proxy").listen_tcp(1080, socks).unwrap();
    sim.host("client").connect_tcp("proxy:1080", client.factory());
    sim.run_until(|| client.is_connected());
    for piece in pieces {
        client.transport().write(piece);
        sim.run_for(Duration::from_millis(10));
    }
    sim.run_for(Duration::from_secs(1));
    let ended = client.has_eof() || client.lost().is_some();
    // Local ports are random each time, and so is the client's.
    let asked = asked.take().into_iter().map(|mut request| {
        request.client = "0.0.0.0:0".parse::<std::net::SocketAddr>().unwrap().into();
        request
    });
    Outcome { answer: client.received(), ended, asked: asked.collect(), target: target.received() }
}

const PORT: u16 = 80;

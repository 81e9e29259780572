//! TLS: what is no TLS at all, and conversations in which bytes are changed, left out and put in.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;

use protocols::tls::{Certificates, Client, Roots, Server};
use reactor::testing::StringTransport;
use reactor::{CloseReason, OnEof, Protocol, Transport};

use crate::receiving::cuts;

/// The first byte selects the end that is tried and how; the others are what it receives, or the changes to what a real peer
/// sends.
pub fn tls(data: &[u8]) {
    let [setup, rest @ ..] = data else { return };
    match setup & 1 {
        0 => made_up(*setup, rest),
        _ => changed(*setup, rest),
    }
}

/// A stream from nowhere: however it is cut, nobody takes it for a peer.
fn made_up(setup: u8, stream: &[u8]) {
    for pieces in cuts(stream, setup) {
        let end = End::default();
        let mut wire = StringTransport::connect(end.protect(setup & 2 == 0));
        for piece in pieces {
            wire.receive(piece);
        }
        wire.receive_eof();
        assert!(wire.close_reason().is_some_and(|reason| !reason.is_clean()));
        assert!(end.0.borrow().transport.is_none());
    }
}

/// A conversation, from its handshake to its end, with changes of four bytes each: where (two bytes), what, and how much.
fn changed(setup: u8, changes: &[u8]) {
    let ends = [End::default(), End::default()];
    let mut wires =
        [false, true].map(|is_server| StringTransport::connect(ends[usize::from(is_server)].protect(is_server)));
    let sender = usize::from(setup >> 1 & 1);
    let mut passed = 0;
    let mut pump = |wires: &mut [StringTransport; 2]| {
        while wires.iter().any(|wire| !wire.written().is_empty()) {
            for from in 0..2 {
                let mut records = wires[from].take_written();
                if from == sender {
                    let begin = passed;
                    passed += records.len();
                    change(&mut records, begin, changes);
                }
                wires[1 - from].receive(records);
            }
        }
    };
    pump(&mut wires);
    for end in &ends {
        let transport = end.0.borrow().transport.clone();
        if let Some(transport) = transport {
            transport.write(SAID);
            transport.lose_connection();
        }
    }
    wires.iter_mut().for_each(StringTransport::settle);
    pump(&mut wires);
    wires.iter_mut().for_each(StringTransport::receive_eof);
    for end in &ends {
        let seen = end.0.borrow();
        assert!(SAID.starts_with(&seen.received), "{:?}", seen.received.escape_ascii().to_string());
        assert!(seen.ended <= 1 && seen.lost <= 1);
        assert!(seen.ended == 0 || seen.received == SAID, "the stream was cut, and taken for whole");
    }
}

/// Makes the changes to those bytes of a stream that begin at `begin`.
fn change(records: &mut Vec<u8>, begin: usize, changes: &[u8]) {
    for change in changes.chunks_exact(4) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]]) & 0xfff);
        let Some(place) = place.checked_sub(begin).filter(|place| *place < records.len()) else { continue };
        let count = usize::from(change[3]).min(records.len() - place);
        match change[2] % 4 {
            0 => records[place] ^= change[3],
            1 => drop(records.drain(place..place + count)),
            2 => drop(records.splice(place..place, changes.iter().copied().take(count))),
            // An alert, as a record of its own.
            _ => drop(records.splice(place..place, [21, 3, 3, 0, 2, 1 + (change[2] >> 2 & 1), change[3]])),
        }
    }
}

const SAID: &[u8] = b"hello";

#[derive(Clone, Default)]
struct End(Rc<RefCell<Seen>>);

#[derive(Default)]
struct Seen {
    transport: Option<Transport>,
    received: Vec<u8>,
    ended: usize,
    lost: usize,
}

impl End {
    fn protect(&self, is_server: bool) -> impl reactor::Factory {
        static BOTH: LazyLock<(Client, Server)> = LazyLock::new(|| {
            let mut params = rcgen::CertificateParams::new(vec!["server.example".to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(1990, 1, 1);
            params.is_ca = rcgen::IsCa::NoCa;
            let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
            let (chain, key) = (params.self_signed(&key).unwrap().pem(), key.serialize_pem());
            let client = Client::new().roots(Roots::from_pem(chain.as_bytes()).unwrap());
            (client, Server::new(Certificates::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()))
        });
        let end = self.clone();
        let inside = move |transport: Transport| {
            end.0.borrow_mut().transport = Some(transport);
            Inside(end.clone())
        };
        if is_server { BOTH.1.around(inside) } else { BOTH.0.around("server.example", inside) }
    }
}

struct Inside(End);

impl Protocol for Inside {
    fn data_received(&mut self, data: &[u8]) {
        self.0.0.borrow_mut().received.extend(data);
    }

    fn eof_received(&mut self) -> OnEof {
        self.0.0.borrow_mut().ended += 1;
        OnEof::Close
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.0.0.borrow_mut().lost += 1;
    }
}

//! PROXY headers of both versions, and the bytes after them.

use std::cell::RefCell;
use std::rc::Rc;

use protocols::proxy_header::ProxyHeader;
use reactor::testing::{Pair, StringTransport};
use reactor::{Address, CloseReason, Protocol, Transport};

use crate::receiving::alike_in_every_cut;

/// The first byte selects where to cut; a server receives the others.
pub fn proxy_header(data: &[u8]) {
    let [cut, stream @ ..] = data else { return };
    let whole = alike_in_every_cut(stream, *cut, outcome);
    let Some([client, server]) = whole.addresses else {
        return assert!(whole.received.is_empty() && whole.refused == 1 && whole.lost == 0);
    };
    assert!(whole.refused == 0 && whole.lost == 1 && stream.ends_with(&whole.received));

    let header = &stream[..stream.len() - whole.received.len()];
    if header.starts_with(b"PROXY ") {
        assert!(header.len() <= 107 && header.ends_with(b"\r\n"));
    } else {
        assert!(header.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
        assert_eq!(header.len(), 16 + usize::from(u16::from_be_bytes([header[14], header[15]])));
    }
    if are_alike(&client, &server) {
        assert_eq!(sent_again(&client, &server), [client, server]);
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    /// The addresses of the client and the server, if a protocol was built.
    addresses: Option<[Address; 2]>,
    received: Vec<u8>,
    /// How many times the end was reported.
    lost: usize,
    refused: u64,
}

fn outcome(pieces: &[&[u8]]) -> Outcome {
    let seen = Rc::<RefCell<Seen>>::default();
    let server = server(&seen);
    let mut wire = StringTransport::connect(server.clone());
    for piece in pieces {
        wire.receive(piece);
    }
    wire.receive_eof();
    assert!(wire.close_reason().is_some());
    let Seen { addresses, received, lost } = seen.take();
    Outcome { addresses, received, lost, refused: server.refusals().total() }
}

/// The addresses that the server reports for a header with these.
fn sent_again(client: &Address, server: &Address) -> [Address; 2] {
    let seen = Rc::<RefCell<Seen>>::default();
    let sender = ProxyHeader::send_v2(client, server, |_| Silent);
    Pair::connect(sender, self::server(&seen)).run_until_quiet();
    seen.take().addresses.unwrap()
}

/// Whether a header can name both.
fn are_alike(client: &Address, server: &Address) -> bool {
    match (client, server) {
        (Address::Inet(client), Address::Inet(server)) => client.is_ipv4() == server.is_ipv4(),
        (Address::Unix(_), Address::Unix(_)) => true,
        _ => false,
    }
}

#[derive(Default)]
struct Seen {
    addresses: Option<[Address; 2]>,
    received: Vec<u8>,
    lost: usize,
}

fn server(seen: &Rc<RefCell<Seen>>) -> ProxyHeader {
    let seen = Rc::clone(seen);
    ProxyHeader::around(move |transport: Transport| {
        let addresses = [transport.peer(), transport.host()];
        assert!(seen.borrow_mut().addresses.replace(addresses).is_none(), "it is built once");
        Inside(Rc::clone(&seen))
    })
}

struct Inside(Rc<RefCell<Seen>>);

impl Protocol for Inside {
    fn data_received(&mut self, data: &[u8]) {
        self.0.borrow_mut().received.extend_from_slice(data);
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.0.borrow_mut().lost += 1;
    }
}

struct Silent;

impl Protocol for Silent {
    fn data_received(&mut self, _data: &[u8]) {}
}

//! Both sides of the Identification Protocol.

use protocols::ident::{IdentClient, IdentError, IdentReply, IdentServer};
use reactor::testing::{Simulation, StringTransport};
use reactor::{Protocol, Transport};

use crate::receiving::alike_in_every_cut;

/// Two bytes select the side that receives the others, and where to cut them.
pub fn ident(data: &[u8]) {
    let [kind, cut, stream @ ..] = data else { return };
    if kind & 1 == 0 {
        let whole = alike_in_every_cut(stream, *cut, answers);
        for line in whole.0.split_terminator("\r\n") {
            let (ports, said) = line.split_once(" : ").unwrap();
            let (one, other) = ports.split_once(", ").unwrap();
            let valid = [one, other].map(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) == [true; 2];
            assert_eq!(said, if valid { "USERID : UNIX : root" } else { "ERROR : INVALID-PORT" }, "{line}");
        }
    } else {
        alike_in_every_cut(stream, *cut, found);
    }
}

/// The server's answers, and whether it has closed.
fn answers(pieces: &[&[u8]]) -> (String, bool) {
    let mut wire = StringTransport::connect(IdentServer::factory(async |_| Ok(IdentReply::unix("root"))));
    for piece in pieces {
        wire.receive(piece);
    }
    (String::from_utf8(wire.take_written()).unwrap(), wire.close_reason().is_some())
}

/// The client's results for these replies to two questions. Both resolve because the server closes after the replies.
fn found(pieces: &[&[u8]]) -> Vec<String> {
    let sim = Simulation::new(1);
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    sim.host("server").listen_tcp(113, move |transport| Says { transport, pieces: pieces.clone() }).unwrap();
    let client = sim.host("client");
    let ident = IdentClient::connect(&client, "server:113");
    let (one, other) = (ident.lookup(23, 1), ident.lookup(23, 2));
    let found = client.run_until(async move { [one.await, other.await] }).unwrap();
    let show = |found: Result<IdentReply, IdentError>| match found {
        Ok(reply) => format!("{reply:?}"),
        Err(error) => format!("{error:?}"),
    };
    found.map(show).into()
}

struct Says {
    transport: Transport,
    pieces: Vec<Vec<u8>>,
}

impl Says {
    fn next(&mut self) {
        if self.pieces.is_empty() {
            self.transport.lose_connection();
        } else {
            self.transport.write(self.pieces.remove(0));
            self.transport.call_later(std::time::Duration::from_millis(10), Self::next);
        }
    }
}

impl Protocol for Says {
    fn connection_made(&mut self) {
        self.next();
    }

    fn data_received(&mut self, _data: &[u8]) {}
}

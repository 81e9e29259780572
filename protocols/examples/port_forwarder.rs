//! Forwards connections to another address, by hand: `port_forwarder [ADDRESS [TARGET]]`.
//! `protocols::forward::PortForward` does the same, ready to use, with half-close.

use std::{env, io};

use reactor::{CloseReason, Connector, Protocol, Reactor, Transport};

/// An accepted connection.
struct Incoming {
    transport: Transport,
    target: String,
    /// The connector of the outgoing connection.
    connector: Option<Connector>,
}

impl Protocol for Incoming {
    fn connection_made(&mut self) {
        // Nothing is read until there is a target to send it to.
        self.transport.pause_reading();
        let (incoming, refused) = (self.transport.clone(), self.transport.clone());
        let connector = self.transport.reactor().connect_tcp(&*self.target, move |transport: Transport| {
            // If one side reads too slowly, reading from the other pauses.
            transport.paced_by(&incoming);
            incoming.paced_by(&transport);
            incoming.resume_reading();
            Outgoing { incoming: incoming.clone() }
        });
        self.connector = Some(connector.on_failed(move |_, error| {
            println!("{error}");
            refused.lose_connection();
        }));
    }

    fn data_received(&mut self, data: &[u8]) {
        if let Some(outgoing) = self.connector.as_ref().and_then(Connector::transport) {
            outgoing.write(data);
        }
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        if let Some(connector) = &self.connector {
            connector.disconnect();
        }
    }
}

/// The outgoing connection made for an accepted one.
struct Outgoing {
    incoming: Transport,
}

impl Protocol for Outgoing {
    fn data_received(&mut self, data: &[u8]) {
        self.incoming.write(data);
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.incoming.lose_connection();
    }
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:6666".to_owned());
    let target = arguments.next().unwrap_or_else(|| "localhost:6665".to_owned());
    let reactor = Reactor::new()?;
    let factory = move |transport| Incoming { transport, target: target.clone(), connector: None };
    let port = reactor.listen_tcp(address, factory)?;
    println!("listening on {}", port.host());
    reactor.run()
}

use std::io;
use std::net::SocketAddr;

use protocols::forward::PortForward;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::net::ListenOptions;
use reactor::port::AcceptLimits;
use reactor::{Factory, Port, Protocol, Reactor, Transport};

use super::{Role, no_target, say_ready};

struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}

struct EchoLines {
    lines: Lines,
}

impl LineHandler for EchoLines {
    fn line_received(&mut self, line: &[u8]) {
        self.lines.send_line(line);
    }
}

struct EchoDatagrams {
    transport: DatagramTransport,
}

impl DatagramProtocol for EchoDatagrams {
    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        let _ = self.transport.write(data, peer);
    }
}

pub(super) fn serve(role: Role, target: Option<SocketAddr>) -> io::Result<()> {
    let reactor = Reactor::new()?;
    let port = match role {
        Role::Echo => listen(&reactor, |transport| Echo { transport })?,
        Role::Lines => listen(&reactor, LineReceiver::factory(|lines| EchoLines { lines }).delimiter("\n"))?,
        Role::Datagrams => reactor.listen_udp("127.0.0.1:0", |transport| EchoDatagrams { transport })?,
        Role::Forward => listen(&reactor, PortForward::new(target.ok_or_else(no_target)?))?,
    };
    let address = port.host().socket_addr().ok_or_else(|| io::Error::other("it is no TCP port"))?;
    reactor.call_when_running(move || say_ready(address));
    reactor.run()
}

/// All clients have the same address here.
fn listen(reactor: &Reactor, factory: impl Factory) -> io::Result<Port> {
    reactor.listen_tcp(ListenOptions::new("127.0.0.1:0").limits(AcceptLimits::new().per_peer(usize::MAX)), factory)
}

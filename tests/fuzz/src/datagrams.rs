//! Datagrams to the services of `wire::udp`, from several sources.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use protocols::wire::udp;
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::testing::Simulation;

/// Each step is a byte that selects a source and a service and may let time pass, a length, and that many bytes to send.
/// Each source gets the answers to its own questions, within the limits on their length and rate.
pub fn datagrams(data: &[u8]) {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    for port in [
        server.listen_udp(PORTS[0], udp::echo),
        server.listen_udp(PORTS[1], udp::chargen),
        server.listen_udp(PORTS[2], udp::time),
        server.listen_udp(PORTS[3], |transport| udp::qotd(transport, || QUOTE)),
    ] {
        port.unwrap();
    }
    let ip = sim.addresses_of("server").into_iter().find(|ip| ip.is_ipv4()).unwrap();
    let to = PORTS.map(|port| SocketAddr::new(ip, port));
    let sources = [("low", 7), ("one", 2000), ("two", 2000), ("three", 2001)].map(|(host, port)| {
        let source = Source::default();
        let kept = source.clone();
        sim.host(host).listen_udp(port, move |transport| kept.listen(transport)).unwrap();
        source
    });
    sim.run_for(Duration::from_millis(1));
    let mut asked: [Vec<(usize, &[u8])>; 4] = Default::default();
    let (mut rest, mut waited) = (data, Duration::ZERO);
    while let [what, length, after @ ..] = rest {
        let (sent, after) = after.split_at(usize::from(*length).min(after.len()));
        let (source, service) = (usize::from(what & 3), usize::from(what >> 2 & 3));
        let times = if what & 0x40 == 0 { 1 } else { 60 };
        for _ in 0..times {
            sources[source].send(sent, to[service]);
            asked[source].push((service, sent));
        }
        if what & 0x80 != 0 {
            let time = Duration::from_millis(u64::from(*length) * 10);
            sim.run_for(time);
            waited += time;
        }
        rest = after;
    }
    sim.run_for(SETTLE);

    for (source, asked) in sources.iter().zip(&asked) {
        let received = source.received.take();
        for (service, port) in PORTS.iter().enumerate() {
            let asked: Vec<_> = asked.iter().filter(|(other, _)| *other == service).map(|(_, sent)| *sent).collect();
            let answers: Vec<_> =
                received.iter().filter(|(from, _)| from.port() == *port).map(|(_, data)| data).collect();
            let most = BURST + (waited + SETTLE).as_millis() as usize / EVERY_MILLIS + 1;
            assert!(answers.len() <= asked.len().min(most), "{} answers", answers.len());
            for answer in answers {
                match service {
                    0 => assert!(asked.contains(&&answer[..]), "{answer:?} was not sent"),
                    1 => assert!(asked.iter().any(|sent| sent.len().min(512) == answer.len())),
                    2 => assert_eq!(answer.len(), 4),
                    _ => assert_eq!(answer, QUOTE.as_bytes()),
                }
            }
            // All of a few questions are answered, except those from a port below 1,024.
            if asked.len() <= BURST && !Rc::ptr_eq(&source.received, &sources[0].received) {
                let there = received.iter().filter(|(from, _)| from.port() == *port).count();
                assert_eq!(there, asked.len(), "at port {port}");
            }
        }
    }
    assert!(sources[0].received.borrow().is_empty(), "a port below 1,024 got an answer");
}

/// The sender, and the data.
type Datagram = (SocketAddr, Vec<u8>);

/// A client.
#[derive(Clone, Default)]
struct Source {
    transport: Rc<RefCell<Option<DatagramTransport>>>,
    received: Rc<RefCell<Vec<Datagram>>>,
}

impl Source {
    fn listen(self, transport: DatagramTransport) -> Receiver {
        self.transport.replace(Some(transport));
        Receiver(self)
    }

    fn send(&self, data: &[u8], to: SocketAddr) {
        self.transport.borrow().as_ref().unwrap().write(data, to).unwrap();
    }
}

struct Receiver(Source);

impl DatagramProtocol for Receiver {
    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        self.0.received.borrow_mut().push((peer, data.to_vec()));
    }
}

const PORTS: [u16; 4] = [1007, 1019, 1037, 1017];
const QUOTE: &str = "Less is more.\r\n";
const SETTLE: Duration = Duration::from_secs(1);

/// The default of `AnswerLimit`.
const BURST: usize = 100;
const EVERY_MILLIS: usize = 20;

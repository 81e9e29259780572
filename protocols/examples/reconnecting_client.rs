//! Shows what a server sends, and reconnects when the connection is lost or fails, with growing delays:
//! `reconnecting_client [SERVER]`.

use std::f64::consts::E;
use std::{env, io};

use reactor::connect::Backoff;
use reactor::{Connector, Protocol, Reactor};

struct Echo;

impl Protocol for Echo {
    fn connection_made(&mut self) {
        println!("Connected. The reconnection delay is reset.");
    }

    fn data_received(&mut self, data: &[u8]) {
        println!("{}", String::from_utf8_lossy(data));
    }
}

fn connect(reactor: &Reactor, server: &str) -> Connector {
    reactor
        .connect_tcp(server, |_| Echo)
        .on_failed(|_, error| println!("Connection failed. Reason: {error}"))
        .on_lost(|_, reason| println!("Lost connection. Reason: {reason}"))
        // If many clients lose one server, jitter keeps them from all coming back at once.
        .retry(Backoff::new().factor(E).jitter(false))
}

fn main() -> io::Result<()> {
    let server = env::args().nth(1).unwrap_or_else(|| "localhost:8000".to_owned());
    let reactor = Reactor::new()?;
    connect(&reactor, &server);
    reactor.run()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reactor::connect::ConnectorState;
    use reactor::testing::Simulation;

    use super::*;

    #[test]
    fn the_delays_are_powers_of_e_and_begin_anew_after_a_connection() {
        let sim = Simulation::new(1);
        let server = sim.host("server");
        let client = connect(&sim.host("client"), "server:8000");
        // How long each attempt waited, in hundredths of a second.
        let mut waited = Vec::new();
        let mut attempts = |number| {
            for _ in 0..number {
                let (before, failures) = (sim.elapsed(), client.failure_count());
                assert!(sim.run_until(|| client.failure_count() > failures));
                waited.push((sim.elapsed() - before).as_millis() / 10);
            }
        };
        attempts(4);
        server.listen_tcp(8000, |_| Echo).unwrap();
        assert!(sim.run_until(|| client.state() == ConnectorState::Connected));
        sim.run_for(Duration::from_secs(1));
        sim.crash("server");
        sim.host("server");
        sim.reset_connections("client", "server");
        attempts(3);
        assert_eq!(waited, [0, 100, 272, 739, 100, 272, 739]);
    }
}

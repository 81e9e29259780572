//! Greets a server and shows what it sends. Reconnects when the connection is lost or fails, with growing delays:
//! `client_service [ENDPOINT]`.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use reactor::connect::Backoff;
use reactor::endpoint::{ClientEndpoint, client_from_string};
use reactor::service::{ClientService, Runner};
use reactor::{Protocol, Reactor};

struct Show;

impl Protocol for Show {
    fn data_received(&mut self, data: &[u8]) {
        println!("{}", data.escape_ascii());
    }
}

fn greeter(reactor: &Reactor, endpoint: Box<dyn ClientEndpoint>) -> ClientService {
    let backoff = Backoff::new().initial_delay(Duration::from_millis(500)).factor(3.0);
    let service = ClientService::new(reactor, endpoint, |_| Show).backoff(backoff);
    let connected = service.when_connected(Some(1));
    reactor.spawn(async move {
        match connected.await {
            Ok(transport) => transport.write("hello, world!\r\n"),
            Err(error) => println!("initial connection failed: {error}"),
        }
    });
    service
}

fn main() -> ExitCode {
    let server = env::args().nth(1).unwrap_or_else(|| "tcp:localhost:8000".to_owned());
    Runner::new("client_service").run(|reactor| Ok(greeter(reactor, client_from_string(reactor, &server)?)))
}

#[cfg(test)]
mod tests {
    use std::array;
    use std::cell::RefCell;
    use std::rc::Rc;

    use reactor::service::Service;
    use reactor::testing::Simulation;

    use super::*;

    #[test]
    fn delays_are_drawn_up_to_a_bound_that_triples_and_begins_anew_after_a_connection() {
        // The longest that each attempt has waited, in milliseconds.
        let longest = RefCell::new([0; 8]);
        Simulation::for_seeds(0..100, |sim| {
            let (server, client) = (sim.host("server"), sim.host("client"));
            let service = Rc::new(greeter(&client, client_from_string(&client, "sim:server:8000").unwrap()));
            let starting = Rc::clone(&service);
            client.spawn(async move { starting.start().await.unwrap() });
            let attempt = |number: usize| {
                let before = sim.elapsed();
                let waiting = sim.host(&format!("who waits for attempt {number}"));
                waiting.run_until(service.when_connected(Some(1))).unwrap().unwrap_err();
                let waited = (sim.elapsed() - before).as_millis();
                let longest = &mut longest.borrow_mut()[number];
                *longest = waited.max(*longest);
            };
            (0..4).for_each(attempt);
            let port = server.listen_tcp(8000, |_| Show).unwrap();
            let transport = sim.host("who waits for success").run_until(service.when_connected(None)).unwrap().unwrap();
            drop(port.stop_listening());
            transport.abort_connection();
            // The end of a connection counts as a failure.
            (4..8).for_each(attempt);
        });
        let bounds = [0, 500, 1500, 4500, 0, 500, 1500, 4500];
        let near: [_; 8] = array::from_fn(|n| (bounds[n] * 9 / 10..=bounds[n] + 10).contains(&longest.borrow()[n]));
        assert_eq!(near, [true; 8], "{longest:?}");
    }
}

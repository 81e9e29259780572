//! Two servers, a timer and a client of one server in one program: `simple_services [SERVER SERVER CLIENT]`, all three
//! of them endpoints. The log shows what starts and stops, and when.

use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

use async_trait::async_trait;
use protocols::wire::Echo;
use reactor::endpoint::{client_from_string, server_from_string};
use reactor::service::{ClientService, EndpointService, MultiService, Runner, Service, ServiceError, TimerService};
use reactor::{Protocol, Reactor, Transport};
use tracing::Level;

struct Foo(Transport);

impl Protocol for Foo {
    fn connection_made(&mut self) {
        self.0.write("lalala\n");
    }

    fn data_received(&mut self, data: &[u8]) {
        println!("{}", data.escape_ascii());
    }
}

struct FooService;

#[async_trait(?Send)]
impl Service for FooService {
    fn name(&self) -> &str {
        "foo"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        println!("lala, starting");
        Ok(())
    }

    async fn stop(&self) {
        println!("lala, stopping");
    }
}

fn services(
    reactor: &Reactor,
    [one, two, client]: &[String; 3],
    mark: impl Fn() + 'static,
) -> Result<MultiService, ServiceError> {
    Ok(MultiService::new(reactor, "test")
        .with(EndpointService::new(server_from_string(reactor, one)?, Echo::new))
        .with(EndpointService::new(server_from_string(reactor, two)?, Echo::new))
        .with(TimerService::new(reactor, "mark", Duration::from_secs(5), move |_tick| mark()).now())
        .with(ClientService::new(reactor, client_from_string(reactor, client)?, Foo))
        .with(FooService))
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_writer(io::stderr).with_ansi(false).init();
    let mut arguments = env::args().skip(1);
    let defaults = ["tcp:8080:interface=127.0.0.1", "tcp:8081:interface=127.0.0.1", "tcp:localhost:8081"];
    let endpoints = defaults.map(|default| arguments.next().unwrap_or_else(|| default.to_owned()));
    Runner::new("simple_services").run(|reactor| services(reactor, &endpoints, || println!("--MARK--")))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use reactor::testing::Simulation;

    use super::*;

    #[test]
    fn the_timer_marks_at_once_and_every_five_seconds_until_it_is_stopped() {
        let sim = Simulation::new(1);
        let reactor = sim.host("here");
        let marks = Rc::new(Cell::new(0));
        let counting = Rc::clone(&marks);
        let mark = move || counting.set(counting.get() + 1);
        let endpoints = ["sim:here:1", "sim:here:2", "sim:here:2"].map(str::to_owned);
        let services = services(&reactor, &endpoints, mark).unwrap();
        let stopping = reactor.clone();
        reactor.call_later(Duration::from_secs(17), move || stopping.stop());
        Runner::new("simulated").run_on(&reactor, services).unwrap();
        assert_eq!(marks.get(), 4);
        sim.run_for(Duration::from_secs(60));
        assert_eq!(marks.get(), 4);
    }
}

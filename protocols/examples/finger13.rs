//! Finger, stage 13: one port sets what another answers, and a service holds the users for both:
//! `finger13 [ENDPOINT [SETTER'S ENDPOINT]]`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::process::ExitCode;
use std::rc::Rc;
use std::{env, io};

use async_trait::async_trait;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::endpoint::server_from_string;
use reactor::service::{EndpointService, MultiService, Runner, Service, ServiceError};
use reactor::{Factory, Reactor};

struct Finger {
    lines: Lines,
    service: Rc<FingerService>,
}

impl LineHandler for Finger {
    fn line_received(&mut self, user: &[u8]) {
        self.lines.pause_reading();
        let found = Rc::clone(&self.service).get_user(user.to_owned());
        self.lines.defer(found, |this: &mut Self, status| {
            this.lines.send_line(status.unwrap_or_else(|_| b"Internal error in server".to_vec()));
            this.lines.lose_connection();
        });
    }
}

/// Receives a user's name, then the user's new status.
struct FingerSetter {
    lines: Lines,
    user: Option<Vec<u8>>,
    service: Rc<FingerService>,
}

impl LineHandler for FingerSetter {
    fn line_received(&mut self, line: &[u8]) {
        match self.user.take() {
            None => self.user = Some(line.to_owned()),
            Some(user) => {
                self.service.users.borrow_mut().insert(user, line.to_owned());
                self.lines.lose_connection();
            }
        }
    }
}

struct FingerService {
    users: RefCell<HashMap<Vec<u8>, Vec<u8>>>,
}

impl FingerService {
    async fn get_user(self: Rc<Self>, user: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(self.users.borrow().get(&user).cloned().unwrap_or_else(|| b"No such user".to_vec()))
    }

    fn finger_factory(self: &Rc<Self>) -> impl Factory + use<> {
        let service = Rc::clone(self);
        LineReceiver::factory(move |lines| Finger { lines, service: Rc::clone(&service) })
    }

    fn setter_factory(self: &Rc<Self>) -> impl Factory + use<> {
        let service = Rc::clone(self);
        LineReceiver::factory(move |lines| FingerSetter { lines, user: None, service: Rc::clone(&service) })
    }
}

#[async_trait(?Send)]
impl Service for FingerService {
    fn name(&self) -> &str {
        "users"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        Ok(())
    }

    async fn stop(&self) {
        for (user, status) in &*self.users.borrow() {
            println!("at last {}: {}", user.escape_ascii(), status.escape_ascii());
        }
    }
}

fn services(reactor: &Reactor, finger: &str, setter: &str) -> Result<MultiService, ServiceError> {
    protocols::add_endpoint_schemes(reactor);
    let users = HashMap::from([(b"moshez".to_vec(), b"Happy and well".to_vec())]);
    let service = Rc::new(FingerService { users: RefCell::new(users) });
    let finger = EndpointService::new(server_from_string(reactor, finger)?, service.finger_factory());
    let setter = EndpointService::new(server_from_string(reactor, setter)?, service.setter_factory());
    // The first to start is the last to stop, when nothing can change the users any more.
    Ok(MultiService::new(reactor, "finger").with(service).with(finger).with(setter))
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    let mut arguments = env::args().skip(1);
    let finger = arguments.next().unwrap_or_else(|| "tcp:1079:interface=127.0.0.1".to_owned());
    let setter = arguments.next().unwrap_or_else(|| "tcp:1080:interface=127.0.0.1".to_owned());
    Runner::new("finger13").run(|reactor| services(reactor, &finger, &setter))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocols::finger;
    use reactor::testing::{Link, Simulation};

    use super::*;

    /// A setter's client, which types slowly.
    struct Typist(Lines);

    impl LineHandler for Typist {
        fn connection_made(&mut self) {
            self.0.send_line("moshez");
            self.0.call_later(Duration::from_secs(10), |this: &mut Self| this.0.send_line("Gone fishing"));
        }

        fn line_received(&mut self, _line: &[u8]) {}
    }

    #[test]
    fn a_user_is_as_before_until_the_second_line_has_come() {
        let sim = Simulation::new(1);
        sim.set_link(Link::new().latency(Duration::from_millis(500)));
        let server = sim.host("server");
        let services = services(&server, "sim:server:79", "sim:server:1079").unwrap();
        server.spawn(async move { services.start().await.unwrap() });
        sim.run_for(Duration::ZERO);
        sim.host("typist").connect_tcp("server:1079", LineReceiver::factory(Typist));

        let ask = |host: &str| {
            let client = sim.host(host);
            client.run_until(finger::lookup(&client, "server:79", "moshez")).unwrap().unwrap()
        };
        sim.run_for(Duration::from_secs(9));
        assert_eq!(ask("one"), "Happy and well\n");
        sim.run_for(Duration::from_secs(3));
        assert_eq!(ask("another"), "Gone fishing\n");
    }
}

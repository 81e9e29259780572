//! A whole configuration of several hosts, each set up by endpoint descriptions.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Reactor;
use reactor::endpoint::{ClientEndpoint, client_from_string, server_from_string};
use reactor::testing::{Link, Simulation};

/// Answers each line with what the next relay says to it, and its own name; the last one with the line.
struct Relay {
    lines: Lines,
    name: &'static str,
    next: Option<Rc<dyn ClientEndpoint>>,
}

impl LineHandler for Relay {
    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        let Some(next) = self.next.clone() else {
            self.lines.send_line(format!("{line} {}", self.name));
            return;
        };
        self.lines.defer(async move { ask(&*next, line).await }, |this: &mut Self, answer| {
            this.lines.send_line(format!("{answer} {}", this.name));
        });
    }
}

/// Sends a line, and waits for one.
struct Asker {
    lines: Lines,
    line: String,
    answer: Rc<RefCell<String>>,
}

impl LineHandler for Asker {
    fn connection_made(&mut self) {
        self.lines.send_line(&self.line);
    }

    fn line_received(&mut self, line: &[u8]) {
        self.answer.borrow_mut().push_str(&String::from_utf8_lossy(line));
        self.lines.lose_connection();
    }
}

async fn ask(endpoint: &dyn ClientEndpoint, line: String) -> String {
    let answer = Rc::default();
    let own = Rc::clone(&answer);
    let factory = LineReceiver::factory(move |lines| Asker { lines, line: line.clone(), answer: Rc::clone(&own) });
    match endpoint.connect(Box::new(factory)).await {
        Ok(transport) => drop(transport.finished().await),
        Err(error) => return error.to_string(),
    }
    answer.take()
}

fn start(reactor: &Reactor, name: &'static str, listen: &str, next: Option<&str>) {
    let server = server_from_string(reactor, listen).unwrap();
    let next = next.map(|next| Rc::from(client_from_string(reactor, next).unwrap()));
    let factory = LineReceiver::factory(move |lines| Relay { lines, name, next: next.clone() });
    reactor.spawn(async move {
        server.listen(Box::new(factory)).await.unwrap();
    });
}

const CONFIGURATION: [(&str, &str, Option<&str>); 3] = [
    ("front", "sim:front:80", Some("sim:middle:8080")),
    ("middle", "sim:middle:8080", Some("sim:host=back:port=5432")),
    ("back", "sim:back:5432", None),
];

#[test]
fn one_configuration_makes_all_the_hosts_of_a_simulation() {
    Simulation::for_seeds(0..20, |sim| {
        sim.set_link(Link::new().latency(Duration::from_millis(5)).splits(0.5));
        // All are read by one reactor, and each listens on the host that it names.
        let reactor = sim.host("operator");
        for (name, listen, next) in CONFIGURATION {
            start(&reactor, name, listen, next);
        }
        let front = client_from_string(&reactor, "sim:front:80").unwrap();
        sim.run_for(Duration::from_millis(1));
        let answer = reactor.run_until(async move { ask(&*front, "hello".to_owned()).await }).unwrap();
        assert_eq!(answer, "hello back middle front");
        assert!(sim.elapsed() >= Duration::from_millis(10));
        sim.crash("back");
        let client = sim.host("client");
        let front = client_from_string(&client, "sim:front:81").unwrap();
        let refused = client.run_until(async move { ask(&*front, "hello".to_owned()).await }).unwrap();
        assert_eq!(refused, "cannot connect to front:81: connection refused");
    });
}

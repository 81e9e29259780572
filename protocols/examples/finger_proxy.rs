//! Passes questions on to other finger servers: `finger_proxy [ADDRESS [PORT]]`. The question `user@host` goes to that
//! host, `user` to this one.

use std::error::Error;
use std::time::Duration;
use std::{env, io};

use protocols::{LineHandler, LineReceiver, Lines, finger};
use reactor::{OnEof, Port, Reactor};

/// The time limit of the other server.
const PATIENCE: Duration = Duration::from_secs(30);

struct FingerProxy {
    lines: Lines,
    /// The port of the other servers.
    port: u16,
    asked: bool,
}

impl LineHandler for FingerProxy {
    fn line_received(&mut self, question: &[u8]) {
        self.asked = true;
        self.lines.pause_reading();
        let question = String::from_utf8_lossy(question);
        let (user, host) = question.rsplit_once('@').unwrap_or((&question, "127.0.0.1"));
        let answer = finger::lookup(&self.lines.reactor(), (host, self.port), user);
        self.lines.defer(answer, |this: &mut Self, answer| match answer {
            Ok(text) => this.answer(&text),
            Err(error) => this.answer(&error.to_string()),
        });
        self.lines.call_later(PATIENCE, |this: &mut Self| this.answer("the other server does not answer"));
    }

    fn eof_received(&mut self, _unfinished: &[u8]) -> OnEof {
        if self.asked { OnEof::KeepWriting } else { OnEof::Close }
    }
}

impl FingerProxy {
    fn answer(&self, text: &str) {
        text.lines().for_each(|line| self.lines.send_line(line));
        self.lines.lose_connection();
    }
}

fn serve(reactor: &Reactor, address: &str, port: u16) -> io::Result<Port> {
    reactor.listen_tcp(address, LineReceiver::factory(move |lines| FingerProxy { lines, port, asked: false }))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7779".to_owned());
    let port = arguments.next().map_or(Ok(79), |port| port.parse())?;
    let reactor = Reactor::new()?;
    println!("listening on {}", serve(&reactor, &address, port)?.host());
    reactor.run()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use reactor::Protocol;
    use reactor::testing::Simulation;

    use super::*;

    /// Says nothing.
    struct Silent;

    impl Protocol for Silent {
        fn data_received(&mut self, _data: &[u8]) {}
    }

    #[test]
    fn a_server_that_says_nothing_is_waited_for_no_longer_than_that() {
        let sim = Simulation::new(1);
        serve(&sim.host("proxy"), "0.0.0.0:7779", 79).unwrap();
        sim.host("silent").listen_tcp(79, |_| Silent).unwrap();
        let client = sim.host("client");
        let answer = client.run_until(finger::lookup(&client, "proxy:7779", "moshez@silent"));
        assert_eq!(answer.unwrap().unwrap(), "the other server does not answer\n");
        assert_eq!(sim.elapsed().as_secs(), PATIENCE.as_secs());
    }

    #[test]
    fn a_server_that_cannot_be_found_or_is_down_is_an_answer_too() {
        let sim = Simulation::new(1);
        serve(&sim.host("proxy"), "0.0.0.0:7779", 79).unwrap();
        let _ = sim.host("down");
        sim.crash("down");
        for (question, expected) in [
            ("moshez@nowhere", "cannot connect to nowhere:79: name not known\n"),
            ("moshez@down", "the other server does not answer\n"),
        ] {
            let client = sim.host(question);
            let answer = client.run_until(finger::lookup(&client, "proxy:7779", question));
            assert_eq!(answer.unwrap().unwrap(), expected);
        }
    }
}

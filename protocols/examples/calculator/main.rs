//! A calculator over the network that shows how to test one: the tests are the point.
//!
//! `calculator serve` listens on loopback and answers each line, such as `add 2 3`, with a line. `calculator add 2 3`
//! asks it. The tests of each side are at the end of its file: results, however the network cuts the bytes; a time-out,
//! by a clock that the test controls; a lost connection. The tests of both together are here. None of them opens a
//! socket or waits.

mod client;
mod server;

use std::error::Error;
use std::io;
use std::rc::Rc;

use client::{Client, Failure};
use reactor::{Connector, Port, Reactor};
use server::calculator;

/// The server's default address.
const ADDRESS: &str = "127.0.0.1:8123";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let reactor = Reactor::new()?;
    match &words[..] {
        [command] if command == "serve" => {
            serve(&reactor, ADDRESS)?;
            reactor.run()?;
        }
        [operation, a, b] => {
            let question = format!("{operation} {a} {b}");
            let connector = ask(&reactor, ADDRESS, &question, |answer| match answer {
                Ok(number) => println!("{number}"),
                Err(failure) => eprintln!("{failure}"),
            });
            reactor.run_until(connector.finished())??;
        }
        _ => eprintln!("usage: calculator serve | add A B | subtract A B | multiply A B | divide A B"),
    }
    Ok(())
}

fn serve(reactor: &Reactor, address: &str) -> io::Result<Port> {
    reactor.listen_tcp(address, calculator())
}

/// Connects, asks one question, and closes when it is answered.
fn ask(
    reactor: &Reactor,
    server: &str,
    question: &str,
    answered: impl Fn(Result<i64, Failure>) + 'static,
) -> Connector {
    let (question, answered) = (question.to_owned(), Rc::new(answered));
    reactor.connect_tcp(
        server,
        Client::factory(move |client| {
            let (lines, answered) = (client.lines(), Rc::clone(&answered));
            client.ask(&question, move |answer| {
                answered(answer);
                lines.lose_connection();
            });
        }),
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use reactor::testing::{Pair, Simulation};

    use super::*;

    type Answers = Rc<RefCell<Vec<Result<i64, Failure>>>>;

    /// Both sides joined, step by step in the test's hands, and a place for answers.
    fn client_and_server() -> (Pair, Answers) {
        (Pair::connect(Client::factory(|_| {}), calculator()), Answers::default())
    }

    /// Asks a question, whose answer goes to the others.
    fn ask_in(pair: &mut Pair, question: &str, answers: &Answers) {
        let answers = Rc::clone(answers);
        pair.client.protocol::<Client>().ask(question, move |answer| answers.borrow_mut().push(answer));
    }

    #[test]
    fn client_and_server_understand_each_other() {
        let (mut pair, answers) = client_and_server();
        for question in ["add 2 3", "divide 7 0", "subtract 2 3"] {
            ask_in(&mut pair, question, &answers);
        }
        pair.run_until_quiet();
        assert_eq!(*answers.borrow(), [Ok(5), Err(Failure::Refused("division by zero".to_owned())), Ok(-1)]);
    }

    #[test]
    fn questions_and_answers_can_be_seen_in_flight() {
        let (mut pair, answers) = client_and_server();
        ask_in(&mut pair, "multiply 6 7", &answers);
        pair.client.settle();
        assert_eq!(pair.client.written(), b"multiply 6 7\r\n");
        pair.pump();
        assert_eq!(pair.server.written(), b"42\r\n");
        assert!(answers.borrow().is_empty());
        pair.pump();
        assert_eq!(*answers.borrow(), [Ok(42)]);
    }

    #[test]
    fn a_link_that_breaks_before_the_answer_is_a_failure() {
        let (mut pair, answers) = client_and_server();
        ask_in(&mut pair, "add 2 3", &answers);
        pair.pump();
        pair.break_link();
        assert_eq!(*answers.borrow(), [Err(Failure::ConnectionLost)]);
    }

    /// The very functions that `main` calls, on a network in this process that is made to fail.
    #[test]
    fn a_network_that_swallows_the_question_is_a_time_out() {
        let sim = Simulation::new(7);
        serve(&sim.host("server"), "0.0.0.0:8123").unwrap();
        let answers = Answers::default();
        let (client, kept) = (sim.host("client"), Rc::clone(&answers));
        let connector = ask(&client, "server:8123", "add 2 3", move |answer| kept.borrow_mut().push(answer));
        assert!(sim.run_until(|| client.connection_count() == 1));
        sim.partition("client", "server");
        sim.run_for(Duration::from_secs(61));
        assert_eq!(*answers.borrow(), [Err(Failure::TimedOut)]);
        assert!(client.run_until(connector.finished()).is_ok());
    }
}

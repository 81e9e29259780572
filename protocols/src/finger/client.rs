use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use reactor::connection::MemoryCharge;
use reactor::net::ConnectOptions;
use reactor::{CloseReason, ConnectError, OnEof, Protocol, Reactor, Transport};

use crate::finger::query::{FingerQuery, InvalidFingerQuery};

/// Asks a Finger server (RFC 1288) about a user, and resolves with its answer.
///
/// The answer's lines end with LF. Bytes that are not UTF-8 are replaced, and control characters are removed, as the
/// RFC's section 3.3 requires: the text comes from a stranger and is about to be shown on a terminal.
///
/// ```no_run
/// use protocols::finger;
/// use reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// let answer = finger::lookup(&reactor, "localhost:79", "/W root");
/// match reactor.run_until(answer)? {
///     Ok(text) => print!("{text}"),
///     Err(error) => eprintln!("{error}"),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The server has a minute for its answer, counted from the connection; [`lookup_within`] sets another limit.
///
/// # Errors
///
/// If `query` is not a valid [`FingerQuery`], the connection cannot be made or breaks before the end of the answer, the
/// server takes longer than a minute, or the answer is longer than 256 KiB.
pub fn lookup<T: Into<ConnectOptions>>(
    reactor: &Reactor,
    server: T,
    query: &str,
) -> impl Future<Output = Result<String, FingerError>> + 'static + use<T> {
    lookup_within(reactor, server, query, ANSWER)
}

/// As [`lookup`], with this time limit for the answer.
///
/// # Errors
///
/// As [`lookup`].
pub fn lookup_within<T: Into<ConnectOptions>>(
    reactor: &Reactor,
    server: T,
    query: &str,
    deadline: Duration,
) -> impl Future<Output = Result<String, FingerError>> + 'static + use<T> {
    let query = FingerQuery::parse(query.as_bytes());
    let (reactor, server) = (reactor.clone(), server.into());
    async move {
        let query = query.map_err(FingerError::Query)?;
        let answer = Rc::new(Answer::default());
        let shared = Rc::clone(&answer);
        let connector = reactor.connect_tcp(server, move |transport: Transport| Lookup {
            charge: transport.charge_memory(0),
            transport,
            query: query.to_string(),
            deadline,
            answer: Rc::clone(&shared),
        });
        match connector.finished().await.map_err(FingerError::Connect)? {
            _ if answer.complete.get() => Ok(shown(&answer.bytes.take())),
            reason => Err(FingerError::Lost(reason)),
        }
    }
}

/// Why [`lookup`] has no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FingerError {
    /// The question is not a valid query.
    Query(InvalidFingerQuery),
    /// The connection could not be made.
    Connect(ConnectError),
    /// The connection ended before the answer was complete.
    Lost(CloseReason),
}

impl fmt::Display for FingerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(error) => error.fmt(f),
            Self::Connect(error) => error.fmt(f),
            Self::Lost(reason) => write!(f, "the answer is incomplete: {reason}"),
        }
    }
}

impl Error for FingerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Query(_) => None,
            Self::Connect(error) => error.source(),
            Self::Lost(reason) => reason.source(),
        }
    }
}

#[derive(Default)]
struct Answer {
    bytes: RefCell<Vec<u8>>,
    complete: Cell<bool>,
}

struct Lookup {
    transport: Transport,
    charge: MemoryCharge,
    query: String,
    deadline: Duration,
    answer: Rc<Answer>,
}

impl Protocol for Lookup {
    fn connection_made(&mut self) {
        write!(self.transport, "{}\r\n", self.query);
        self.transport
            .call_later(self.deadline, |this: &mut Self| this.transport.fail_connection(CloseReason::TimedOut));
    }

    fn data_received(&mut self, data: &[u8]) {
        let mut bytes = self.answer.bytes.borrow_mut();
        if bytes.len() + data.len() > LONGEST {
            self.transport.fail_connection(CloseReason::failed("it is longer than 256 KiB"));
        } else {
            bytes.extend_from_slice(data);
            self.charge.set(bytes.capacity());
        }
    }

    fn eof_received(&mut self) -> OnEof {
        self.answer.complete.set(true);
        OnEof::Close
    }
}

/// The answer in a form that is safe to show.
fn shown(answer: &[u8]) -> String {
    let is_harmless = |char: &char| !char.is_control() || matches!(char, '\n' | '\t');
    String::from_utf8_lossy(answer).chars().filter(is_harmless).collect()
}

const LONGEST: usize = 256 * 1024;

/// The default time limit for the answer.
const ANSWER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use reactor::testing::Simulation;

    use super::*;
    use crate::finger::Finger;

    fn ask(query: &str, answer: &'static str) -> Result<String, FingerError> {
        let sim = Simulation::new(1);
        sim.host("server").listen_tcp(79, Finger::factory(async |_| Some(answer.to_owned()))).unwrap();
        let client = sim.host("client");
        client.run_until(lookup(&client, "server:79", query)).unwrap()
    }

    /// A server that says this and then closes, or breaks off.
    struct Says(Transport, Vec<u8>, bool);

    impl Protocol for Says {
        fn data_received(&mut self, _data: &[u8]) {
            self.0.write(&self.1);
            if self.2 {
                self.0.lose_connection();
            } else {
                self.0.call_later(Duration::from_secs(1), |this: &mut Self| this.0.abort_connection());
            }
        }
    }

    struct Silent;

    impl Protocol for Silent {
        fn data_received(&mut self, _data: &[u8]) {}
    }

    fn ask_one_that_says(text: impl Into<Vec<u8>>, closes: bool) -> Result<String, FingerError> {
        let (sim, text) = (Simulation::new(1), text.into());
        sim.host("server").listen_tcp(79, move |transport| Says(transport, text.clone(), closes)).unwrap();
        let client = sim.host("client");
        client.run_until(lookup(&client, "server:79", "root")).unwrap()
    }

    #[test]
    fn the_answer_is_what_the_server_tells() {
        assert_eq!(ask("/W root", "Login: root\nNo Plan.").unwrap(), "Login: root\nNo Plan.\n");
        assert_eq!(ask("root@elsewhere", "").unwrap(), "Finger forwarding service denied\n");
        assert_eq!(ask_one_that_says("no line end", true).unwrap(), "no line end");
    }

    #[test]
    fn what_would_control_a_terminal_is_left_out() {
        assert_eq!(ask_one_that_says(b"\x1b[2Ja\tb\x07\r\n\xff\xc2\x9bc", true).unwrap(), "[2Ja\tb\n\u{fffd}c");
    }

    #[test]
    fn a_question_that_is_none_is_not_asked() {
        for query in ["root\r\nroot", "a b", "\0"] {
            assert!(matches!(ask(query, "an answer"), Err(FingerError::Query(_))), "{query:?}");
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error_and_so_is_one_without_end() {
        let error = ask_one_that_says("half of", false).unwrap_err();
        assert!(matches!(error, FingerError::Lost(CloseReason::Lost(_))), "{error}");
        let error = ask_one_that_says(vec![b'x'; LONGEST + 1], true).unwrap_err();
        assert_eq!(error.to_string(), "the answer is incomplete: it is longer than 256 KiB");
        assert_eq!(ask_one_that_says(vec![b'x'; LONGEST], true).unwrap().len(), LONGEST);
    }

    #[test]
    fn a_server_that_says_nothing_has_a_minute_or_what_it_is_given() {
        for deadline in [None, Some(Duration::from_secs(5))] {
            let sim = Simulation::new(1);
            sim.host("server").listen_tcp(79, |_| Silent).unwrap();
            let client = sim.host("client");
            let begun = client.now();
            let answer = client.run_until(async {
                match deadline {
                    None => lookup(&client, "server:79", "x").await,
                    Some(deadline) => lookup_within(&client, "server:79", "x", deadline).await,
                }
            });
            assert!(matches!(answer.unwrap(), Err(FingerError::Lost(CloseReason::TimedOut))));
            let taken = (client.now() - begun).as_secs();
            assert_eq!(taken, deadline.unwrap_or(ANSWER).as_secs());
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        let sim = Simulation::new(1);
        sim.host("server");
        let client = sim.host("client");
        let error = client.run_until(lookup(&client, "server:79", "root")).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "cannot connect to server:79: connection refused");
    }
}

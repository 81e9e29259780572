use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use reactor::net::ConnectOptions;
use reactor::{CloseReason, Connector, DelayedCall, Reactor};

use crate::ident::LONGEST_LINE;
use crate::ident::reply::{IdentError, IdentReply, parse_line};
use crate::line::LineReceiver;
use crate::line::handle::Lines;
use crate::line::handler::LineHandler;

/// A client of the Identification Protocol (RFC 1413), which asks a host which user owns a connection. Twisted's
/// `IdentClient`.
///
/// It is a handle of one connection: cloning it is cheap, and dropping it changes nothing.
///
/// ```no_run
/// use protocols::ident::IdentClient;
/// use reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// let ident = IdentClient::connect(&reactor, "localhost:113");
/// match reactor.run_until(ident.lookup(6193, 23))? {
///     Ok(reply) => println!("{}", reply.user),
///     Err(error) => eprintln!("{error}"),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct IdentClient {
    queries: Rc<RefCell<Queries>>,
    connector: Connector,
}

struct Queries {
    /// The first of them has been sent, if there is a connection.
    pending: VecDeque<Query>,
    lines: Option<Lines>,
    /// The time limit of each reply.
    deadline: Duration,
    timer: Option<DelayedCall>,
    /// Why no more replies will come.
    over: Option<IdentError>,
}

struct Query {
    ports: (u16, u16),
    tell: oneshot::Sender<Result<IdentReply, IdentError>>,
}

impl IdentClient {
    /// Connects to an ident server, whose port is 113. The server looks among the connections between the two addresses
    /// of this connection: see [`ConnectOptions::local_address`].
    pub fn connect(reactor: &Reactor, server: impl Into<ConnectOptions>) -> Self {
        let queries = Queries { pending: VecDeque::new(), lines: None, deadline: DEADLINE, timer: None, over: None };
        let queries = Rc::new(RefCell::new(queries));
        let shared = Rc::clone(&queries);
        let factory = LineReceiver::factory(move |lines| QuerySender { lines, queries: Rc::clone(&shared) });
        let connector = reactor.connect_tcp(server, factory.any_newline().max_length(LONGEST_LINE));
        let (finished, shared) = (connector.finished(), Rc::clone(&queries));
        reactor.spawn(async move {
            let error = match finished.await {
                Ok(reason) => IdentError::Lost(reason),
                Err(error) => IdentError::Connect(error),
            };
            shared.borrow_mut().end(&error);
        });
        Self { queries, connector }
    }

    /// Asks which user owns the connection between `server_port` of the server's host and `client_port` of this host.
    /// Questions are sent one after another, each after the reply to the one before.
    ///
    /// # Errors
    ///
    /// The error in the server's reply, [`IdentError::Malformed`] if the reply cannot be understood,
    /// [`IdentError::Connect`] if the connection cannot be made, or [`IdentError::Lost`] if it ends first. Many servers
    /// close after their first reply.
    pub fn lookup(
        &self,
        server_port: u16,
        client_port: u16,
    ) -> impl Future<Output = Result<IdentReply, IdentError>> + 'static + use<> {
        let (tell, told) = oneshot::channel();
        self.queries.borrow_mut().add(Query { ports: (server_port, client_port), tell });
        async move { told.await.unwrap_or(Err(IdentError::Lost(CloseReason::Aborted))) }
    }

    /// The time limit for the reply to each question sent from now on; after it the connection fails with
    /// [`CloseReason::TimedOut`]. Default: 30 s.
    pub fn set_deadline(&self, deadline: Duration) {
        self.queries.borrow_mut().deadline = deadline;
    }

    /// Closes the connection, or gives up connecting; questions without a reply resolve with an error.
    pub fn lose_connection(&self) {
        self.connector.disconnect();
    }
}

impl Queries {
    fn add(&mut self, query: Query) {
        if let Some(error) = &self.over {
            let _ = query.tell.send(Err(error.clone()));
            return;
        }
        self.pending.push_back(query);
        if self.pending.len() == 1 {
            self.send_first();
        }
    }

    fn send_first(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        if let (Some(lines), Some(query)) = (&self.lines, self.pending.front()) {
            let (server_port, client_port) = query.ports;
            lines.send_line(format!("{server_port}, {client_port}"));
            let given_up = |client: &mut QuerySender| client.lines.transport().fail_connection(CloseReason::TimedOut);
            self.timer = Some(lines.call_later(self.deadline, given_up));
        }
    }

    fn end(&mut self, error: &IdentError) {
        self.lines = None;
        self.over = Some(error.clone());
        for query in self.pending.drain(..) {
            let _ = query.tell.send(Err(error.clone()));
        }
    }
}

struct QuerySender {
    lines: Lines,
    queries: Rc<RefCell<Queries>>,
}

impl LineHandler for QuerySender {
    fn connection_made(&mut self) {
        let mut queries = self.queries.borrow_mut();
        queries.lines = Some(self.lines.clone());
        queries.send_first();
    }

    fn line_received(&mut self, line: &[u8]) {
        let mut queries = self.queries.borrow_mut();
        let Some(Query { ports, tell }) = queries.pending.pop_front() else {
            return self.lines.lose_connection();
        };
        let found = match parse_line(line) {
            Some((replied, found)) if replied == (ports.0.into(), ports.1.into()) => found,
            _ => {
                // Nothing that follows can be matched to the remaining questions.
                self.lines.lose_connection();
                Err(IdentError::Malformed)
            }
        };
        // The receiver may have been dropped.
        let _ = tell.send(found);
        queries.send_first();
    }
}

/// The least time after which RFC 1413 lets a server give up.
const DEADLINE: Duration = Duration::from_secs(30);

impl fmt::Debug for IdentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentClient")
            .field("connector", &self.connector)
            .field("pending", &self.queries.borrow().pending.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use reactor::testing::{Link, Simulation};
    use reactor::{Protocol, Transport};

    use super::*;
    use crate::ident::IdentServer;

    fn net() -> (Simulation, Reactor, Reactor) {
        let sim = Simulation::new(1);
        sim.set_link(Link::new().splits(0.5));
        let (server, client) = (sim.host("server"), sim.host("client"));
        (sim, server, client)
    }

    /// A server that says this, and nothing else, to whatever it is asked.
    struct Says(Transport, &'static str);

    impl Protocol for Says {
        fn data_received(&mut self, _data: &[u8]) {
            self.0.write(self.1);
        }
    }

    fn ask_one_that_says(text: &'static str) -> [Result<IdentReply, IdentError>; 2] {
        let (_sim, server, client) = net();
        server.listen_tcp(113, move |transport| Says(transport, text)).unwrap();
        let ident = IdentClient::connect(&client, "server:113");
        let (one, other) = (ident.lookup(23, 1), ident.lookup(23, 2));
        client.run_until(async move { [one.await, other.await] }).unwrap()
    }

    #[test]
    fn each_question_gets_its_reply() {
        let (_sim, server, client) = net();
        let factory = IdentServer::factory(async |query| match query.client_port {
            1 => Err(IdentError::HiddenUser),
            port => Ok(IdentReply::unix(format!("user {port}"))),
        });
        server.listen_tcp(113, factory).unwrap();
        let ident = IdentClient::connect(&client, "server:113");
        let (one, two, three, none) =
            (ident.lookup(23, 1), ident.lookup(23, 2), ident.lookup(23, 3), ident.lookup(23, 0));
        drop(two);
        let replies = async move {
            let early = (one.await, three.await, none.await);
            let (four, five) = (ident.lookup(23, 4), ident.lookup(23, 5));
            (early, (four.await, five.await))
        };
        let ((one, three, none), (four, five)) = client.run_until(replies).unwrap();
        assert!(matches!(one, Err(IdentError::HiddenUser)));
        let users = [three, four, five].map(|reply| reply.unwrap().user);
        assert_eq!(users, ["user 3", "user 4", "user 5"]);
        assert!(matches!(none, Err(IdentError::InvalidPort)));
    }

    #[test]
    fn a_reply_that_fits_no_question_is_an_error_and_ends_the_connection() {
        for reply in ["23, 9 : USERID : UNIX : root\r\n", "what?\r\n", "\n"] {
            let [one, other] = ask_one_that_says(reply);
            assert!(matches!(one, Err(IdentError::Malformed)), "{one:?}");
            assert!(matches!(other, Err(IdentError::Lost(_))), "{other:?}");
        }
        let [one, other] = ask_one_that_says("23, 1 : USERID : UNIX : root\r\n23, 2 : USERID : UNIX : early\r\n");
        assert_eq!((one.unwrap(), other.unwrap()), (IdentReply::unix("root"), IdentReply::unix("early")));
    }

    #[test]
    fn every_question_resolves_when_the_connection_is_lost_and_those_asked_later_at_once() {
        let (sim, server, client) = net();
        server.listen_tcp(113, |transport| Says(transport, "")).unwrap();
        let ident = IdentClient::connect(&client, "server:113");
        let (one, other) = (ident.lookup(23, 1), ident.lookup(23, 2));
        sim.run_for(Duration::from_secs(1));
        sim.reset_connections("server", "client");
        let later = ident.clone();
        let (one, other, later) =
            client.run_until(async move { (one.await, other.await, later.lookup(23, 3).await) }).unwrap();
        for lost in [one, other, later] {
            assert!(matches!(lost, Err(IdentError::Lost(CloseReason::Lost(_)))), "{lost:?}");
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        let (_sim, _server, client) = net();
        let ident = IdentClient::connect(&client, "server:113");
        let error = client.run_until(ident.lookup(23, 1)).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "cannot connect to server:113: connection refused");
    }

    #[test]
    fn closing_resolves_what_has_no_reply() {
        let (sim, server, client) = net();
        server.listen_tcp(113, |transport| Says(transport, "")).unwrap();
        let ident = IdentClient::connect(&client, "server:113");
        let reply = ident.lookup(23, 1);
        sim.run_for(Duration::from_secs(1));
        ident.lose_connection();
        let error = client.run_until(reply).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "no reply from the ident server: connection closed cleanly");
    }

    #[test]
    fn a_server_that_does_not_reply_is_given_up() {
        struct Silent;

        impl Protocol for Silent {
            fn data_received(&mut self, _data: &[u8]) {}
        }

        let (_sim, server, client) = net();
        server.listen_tcp(113, |_: Transport| Silent).unwrap();
        let ident = IdentClient::connect(&client, "server:113");
        let [first, second] = [ident.lookup(1, 2), ident.lookup(3, 4)];
        let begun = client.now();
        let lookups = client.run_until(async { [first.await, second.await] }).unwrap();
        assert!(
            lookups.iter().all(|lookup| matches!(lookup, Err(IdentError::Lost(CloseReason::TimedOut)))),
            "{lookups:?}"
        );
        assert_eq!((client.now() - begun).as_secs(), 30);
    }
}

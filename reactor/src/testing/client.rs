use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::address::target::ToTarget;
use crate::connect::connector::Connector;
use crate::connect::error::ConnectError;
use crate::connection::Protocol;
use crate::testing::simulation::Simulation;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;

impl Simulation {
    /// Connects from a host, which is added if needed, to a server of the simulation. The client that comes back is the
    /// test's own: it sends what it is told, and keeps what it receives.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reactor::testing::Simulation;
    /// # use reactor::{Protocol, Transport};
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    ///
    /// let sim = Simulation::new(0);
    /// sim.host("server").listen_tcp(8007, |transport| Echo { transport })?;
    /// let client = sim.open("client", "server:8007");
    /// client.send_line("hello");
    /// sim.run_for(Duration::from_secs(1));
    /// assert_eq!(client.received_lines(), ["hello"]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open<T: ToTarget>(&self, host: &str, server: T) -> Client {
        let heard = Rc::new(Heard::default());
        let (kept, told) = (Rc::clone(&heard), Rc::clone(&heard));
        let connector = self
            .host(host)
            .connect_tcp(server, move |transport| Ear { transport, heard: Rc::clone(&kept) })
            .on_failed(move |_, error| _ = told.error.replace(Some(error)));
        Client { connector, heard }
    }
}

/// A client in a test's hands, on a host of a [`Simulation`]: made by [`Simulation::open`]. Twisted's
/// `AccumulatingProtocol`.
///
/// Its methods only record what to do. It happens while the simulation runs; what is sent before there is a connection
/// is sent when there is one. It closes when the server has ended its stream. Dropping it changes nothing.
pub struct Client {
    connector: Connector,
    heard: Rc<Heard>,
}

/// What a client has received and is to send.
#[derive(Default)]
struct Heard {
    received: RefCell<Vec<u8>>,
    /// What is to be sent, and whether this side's stream ends behind it, while there is no connection.
    waiting: RefCell<Vec<u8>>,
    ends: Cell<bool>,
    made: Cell<bool>,
    error: RefCell<Option<ConnectError>>,
    reason: RefCell<Option<CloseReason>>,
}

impl Client {
    /// Sends these bytes.
    pub fn send(&self, data: impl AsRef<[u8]>) {
        match self.transport() {
            Some(transport) => transport.write(data),
            None if self.heard.made.get() => {}
            None => self.heard.waiting.borrow_mut().extend(data.as_ref()),
        }
    }

    /// Sends this line, and CR LF.
    pub fn send_line(&self, line: impl AsRef<[u8]>) {
        self.send([line.as_ref(), b"\r\n"].concat());
    }

    /// Ends this side's stream when everything is sent. The server may go on sending.
    pub fn send_eof(&self) {
        self.heard.ends.set(true);
        if let Some(transport) = self.transport() {
            transport.write_eof();
        }
    }

    /// Closes when everything is sent; gives an attempt up.
    pub fn close(&self) {
        self.connector.disconnect();
    }

    /// Resets the connection.
    pub fn reset(&self) {
        if let Some(transport) = self.transport() {
            transport.abort_connection();
        }
    }

    /// What the server has sent, since the beginning or the last [`take_received`](Self::take_received).
    pub fn received(&self) -> Vec<u8> {
        self.heard.received.borrow().clone()
    }

    /// The same, and forgets it.
    pub fn take_received(&self) -> Vec<u8> {
        self.heard.received.take()
    }

    /// [`received`](Self::received) as text, so that a failing assertion is readable.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    #[track_caller]
    pub fn received_text(&self) -> String {
        text(self.received())
    }

    /// [`take_received`](Self::take_received) as text.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    #[track_caller]
    pub fn take_received_text(&self) -> String {
        text(self.take_received())
    }

    /// [`received`](Self::received) as lines, without their CR LF or LF; the last may be unfinished.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    #[track_caller]
    pub fn received_lines(&self) -> Vec<String> {
        self.received_text().lines().map(ToOwned::to_owned).collect()
    }

    /// Why the connection ended, once it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.heard.reason.borrow().clone()
    }

    /// Why there is no connection, if the attempt has failed.
    pub fn connect_error(&self) -> Option<ConnectError> {
        self.heard.error.borrow().clone()
    }

    /// The client's end of the connection, while there is one: to pause its reading, for example.
    pub fn transport(&self) -> Option<Transport> {
        self.connector.transport()
    }
}

#[track_caller]
fn text(data: Vec<u8>) -> String {
    String::from_utf8(data).unwrap_or_else(|error| panic!("{}: {error}", error.as_bytes().escape_ascii()))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connector", &self.connector)
            .field("received", &self.heard.received.borrow().len())
            .field("closed", &self.close_reason())
            .finish_non_exhaustive()
    }
}

/// The protocol of a client.
struct Ear {
    transport: Transport,
    heard: Rc<Heard>,
}

impl Protocol for Ear {
    fn connection_made(&mut self) {
        self.heard.made.set(true);
        self.transport.write(self.heard.waiting.take());
        if self.heard.ends.get() {
            self.transport.write_eof();
        }
    }

    fn data_received(&mut self, data: &[u8]) {
        self.heard.received.borrow_mut().extend(data);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.heard.reason.replace(Some(reason));
    }
}

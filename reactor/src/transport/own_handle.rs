//! The handle of a connection's protocol, for code outside it.

use std::any::Any;
use std::rc::Rc;

use crate::transport::Transport;
use crate::transport::state::State;

impl Transport {
    /// The handle of this connection's protocol, or of the one inside its layers, for code outside the connection: the
    /// `Lines` of a line receiver, an `Amp`, a client such as `MemcacheClient`, or the one that a protocol of yours has
    /// [set](Self::set_handle). `None` if it is not an `H`, or if the connection has ended.
    ///
    /// With it a program reaches the protocol that a connector, a [`ClientService`](crate::service::ClientService) or
    /// [`adopt_stream`](crate::Reactor::adopt_stream) has built. Twisted hands out the protocol itself. For the other
    /// direction, from a layer to the protocols inside it, there is [`attach`](Self::attach).
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    ///
    /// use reactor::testing::Simulation;
    /// use reactor::{Protocol, Transport};
    ///
    /// /// Asks a server what it knows.
    /// #[derive(Clone)]
    /// struct Client { transport: Transport, asked: Rc<Cell<u32>> }
    ///
    /// impl Client {
    ///     fn ask(&self, question: &str) {
    ///         self.asked.set(self.asked.get() + 1);
    ///         self.transport.write(question);
    ///     }
    /// }
    /// # struct Answers(Client);
    /// # impl Protocol for Answers {
    /// #     fn data_received(&mut self, _: &[u8]) {}
    /// # }
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     fn data_received(&mut self, _: &[u8]) {}
    /// # }
    ///
    /// fn client(transport: Transport) -> impl Protocol {
    ///     let client = Client { transport: transport.clone(), asked: Rc::default() };
    ///     transport.set_handle(client.clone());
    ///     Answers(client)
    /// }
    ///
    /// # let sim = Simulation::new(0);
    /// # sim.host("server").listen_tcp(7, |_| Server)?;
    /// # let reactor = sim.host("client");
    /// let connector = reactor.connect_tcp("server:7", client);
    /// let asked = reactor.run_until(async {
    ///     let client: Client = connector.connected().await?.handle().expect("the factory sets it");
    ///     client.ask("the time?");
    ///     Ok::<_, reactor::ConnectError>(client.asked.get())
    /// })??;
    /// assert_eq!(asked, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle<H: Clone + 'static>(&self) -> Option<H> {
        self.innermost().0.handle()?.downcast_ref().cloned()
    }

    /// Sets the protocol's [handle](Self::handle), in place of an earlier one. The usual place is the factory, which
    /// makes the handle. It is dropped when the connection ends.
    pub fn set_handle<H: Clone + 'static>(&self, handle: H) {
        self.0.set_handle(Some(Rc::new(handle)));
    }
}

impl State {
    /// A handle owns its connection, so none is kept once that has ended.
    pub(crate) fn set_handle(&self, handle: Option<Rc<dyn Any>>) {
        if handle.is_none() || !self.has_ended() {
            // The old one is dropped with nothing borrowed: it may be user code.
            drop(self.handle.replace(handle));
        }
    }

    fn handle(&self) -> Option<Rc<dyn Any>> {
        let handle = self.handle.take()?;
        self.handle.set(Some(Rc::clone(&handle)));
        Some(handle)
    }
}

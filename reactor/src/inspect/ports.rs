use crate::port::Port;
use crate::reactor::Reactor;

impl Reactor {
    /// The ports that listen, and those that do not listen any more and have open connections.
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
    /// let server = sim.host("server");
    /// server.listen_tcp(7, |transport| Echo { transport })?;
    /// for port in server.ports() {
    ///     println!("{}: {} connections, {:?}", port.host(), port.connection_count(), port.refusals());
    ///     server.spawn(async move { drop(port.drain(Duration::from_secs(30)).await) });
    /// }
    /// sim.run_for(Duration::from_secs(1));
    /// assert!(server.ports().is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ports(&self) -> Vec<Port> {
        self.0.ports.borrow().iter().filter(|port| !port.is_over()).cloned().collect()
    }
}

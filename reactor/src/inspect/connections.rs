use crate::address::Address;
use crate::reactor::Reactor;
use crate::transport::Transport;
use crate::transport::lifecycle::Lifecycle;
use crate::transport::state::State;

/// A connection as it is at one moment, by [`Reactor::connections`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Its number, which logs have, too. The reactor gives each only once.
    pub id: u64,
    /// The address on this side: of an accepted one, that of its port.
    pub host: Address,
    /// The peer's address.
    pub peer: Address,
    /// Whether a port has accepted it.
    pub accepted: bool,
    /// The types of the protocols, the outermost layer first and the innermost protocol last.
    pub protocols: Vec<&'static str>,
    /// The bytes that were written and that the system has not taken, also inside layers.
    pub unsent_bytes: usize,
    /// The number of deferred calls that are under way.
    pub deferred_calls: usize,
    /// Whether it is read, and if not, why.
    pub reading: Reading,
}

/// Whether a connection is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reading {
    /// It is read when there is something.
    Open,
    /// The protocol, or the program, has paused reading.
    Paused,
    /// A policy, or a connection that this one feeds and that is full, holds it.
    Held,
    /// More than 64 KiB of answers are unsent: the peer does not read them.
    Owing,
    /// It has begun to close.
    Closing,
}

impl Reactor {
    /// The connections that are open now, oldest first.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reactor::inspect::Reading;
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
    /// sim.host("client").connect_tcp("server:7", |transport| Echo { transport });
    /// sim.run_for(Duration::from_secs(1));
    /// let connection = &server.connections()[0];
    /// assert!(connection.protocols[0].ends_with("::Echo"));
    /// assert_eq!((connection.accepted, connection.reading), (true, Reading::Open));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.0.roster.connections().iter().map(ConnectionInfo::of).collect()
    }
}

impl ConnectionInfo {
    fn of(transport: &Transport) -> Self {
        let state = &transport.0;
        let mut info = Self {
            id: state.id,
            host: state.host().clone(),
            peer: state.peer().clone(),
            accepted: state.accepted_by.get().is_some(),
            protocols: Vec::new(),
            unsent_bytes: 0,
            deferred_calls: 0,
            reading: Reading::Open,
        };
        for Transport(state) in transport.layers() {
            info.protocols.extend(state.calls.target().map(|target| target.name));
            info.unsent_bytes += state.unsent_bytes();
            info.deferred_calls += state.calls.deferred_count();
            // The innermost has the cause; layers around it are held because of that.
            let reading = Reading::of(&state);
            if reading != Reading::Open {
                info.reading = reading;
            }
        }
        info
    }
}

impl Reading {
    fn of(state: &State) -> Self {
        match state.lifecycle() {
            Lifecycle::Open(_) if state.is_paused() => Self::Paused,
            Lifecycle::Open(_) if state.is_held() => Self::Held,
            Lifecycle::Open(_) if !state.wants_read() => Self::Owing,
            Lifecycle::Open(_) => Self::Open,
            Lifecycle::Closing(_) | Lifecycle::Failed | Lifecycle::Ended => Self::Closing,
        }
    }
}

use std::rc::{Rc, Weak};
use std::time::Duration;

use crate::address::Address;
use crate::address::peer_credentials::PeerCredentials;
use crate::reactor::Reactor;
use crate::transport::Transport;
use crate::transport::lifecycle::Lifecycle;
use crate::transport::state::State;
use crate::transport::traffic::sums::TrafficSums;

/// A connection as it is at one moment, by [`Reactor::connections`] or [`Transport::info`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Its [number](Transport::id), which logs have, too.
    pub id: u64,
    /// The [address](crate::Port::host) of the port that has accepted it; `None` if this side has connected.
    pub port: Option<Address>,
    /// The address on this side.
    pub host: Address,
    /// The peer's address.
    pub peer: Address,
    /// Who is at the other end of a UNIX socket.
    pub peer_credentials: Option<PeerCredentials>,
    /// The types of the protocols, the outermost layer first and the innermost protocol last.
    pub protocols: Vec<&'static str>,
    /// For how long it has been open, to a tenth of a second. This, and the numbers of what has passed, are those of the
    /// socket, outside all layers.
    pub age: Duration,
    /// How long ago a byte came or left, likewise; at first, its age. A callback that keeps the loop waiting can make it
    /// longer by as much.
    pub idle: Duration,
    /// The bytes that were received.
    pub bytes_in: u64,
    /// The bytes that the system has taken.
    pub bytes_out: u64,
    /// How often bytes were received.
    pub reads: u64,
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
    /// assert_eq!((connection.port.is_some(), connection.reading), (true, Reading::Open));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        self.0.roster.connections().iter().map(Transport::info).collect()
    }

    /// Handles of the connections that are open now, oldest first: to look at very many in [small
    /// steps](Reactor::cooperate), for example.
    pub fn transports(&self) -> Vec<Transport> {
        self.0.roster.connections()
    }

    /// The open connection with this number: to close one that an operator has chosen, for example. It looks at every
    /// connection.
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
    /// sim.host("client").connect_tcp("server:7", |transport| Echo { transport });
    /// sim.run_for(Duration::from_secs(1));
    /// let id = server.connections()[0].id;
    /// server.transport(id).expect("it is open").lose_connection();
    /// sim.run_for(Duration::from_secs(1));
    /// assert!(server.transport(id).is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn transport(&self, id: u64) -> Option<Transport> {
        self.0.roster.find(id)
    }
}

impl Transport {
    /// What this connection does now, or, from inside a layer, the one around it.
    pub fn info(&self) -> ConnectionInfo {
        let transport = Self(Rc::clone(self.0.outermost()));
        let state = &transport.0;
        let TrafficSums { received: bytes_in, sent: bytes_out, reads, age, idle } = traffic_of(state);
        let mut info = ConnectionInfo {
            id: state.id,
            port: state.accepted_by().map(|intake| intake.host.clone()),
            host: state.host().clone(),
            peer: state.peer().clone(),
            peer_credentials: state.peer_credentials(),
            protocols: Vec::new(),
            age,
            idle,
            bytes_in,
            bytes_out,
            reads,
            unsent_bytes: 0,
            deferred_calls: 0,
            reading: Reading::Open,
        };
        for Self(state) in transport.layers() {
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

fn traffic_of(state: &State) -> TrafficSums {
    let (pump, now) = (state.pump().and_then(Weak::upgrade), state.hub.turn_clock.tenths());
    pump.and_then(|pump| pump.traffic().map(|traffic| traffic.sums(now))).unwrap_or_default()
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

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use std::time::SystemTime;

use crate::address::Address;
use crate::clock::Clock;
use crate::driver;
use crate::driver::Keeper;
use crate::driver::Started;
use crate::factory::Factory;
use crate::factory::FactoryCell;
use crate::hub::Hub;
use crate::hub::ReadBuffer;
use crate::memory::MemoryStream;
use crate::memory::Wire;
use crate::options::ConnectionOptions;
use crate::options::LingerLimits;
use crate::reactor::Reactor;
use crate::reason::CloseReason;
use crate::state::OUTPUT_LIMIT;
use crate::stream::Accepted;
use crate::transport::Transport;

/// A connection in a test's hands: the test is the peer, and the clock.
///
/// Underneath is the same machinery as under a socket, so order, flow control and closing are the real ones. Every
/// method returns when nothing more happens without the test or the passing of time; time passes in
/// [`advance`](Self::advance) alone. Twisted's `StringTransport`, with `task.Clock`.
///
/// ```
/// use std::time::Duration;
/// use reactor::testing::StringTransport;
/// use reactor::{Protocol, Transport};
///
/// struct Impatient { transport: Transport }
///
/// impl Protocol for Impatient {
///     fn connection_made(&mut self) {
///         self.transport.write("who are you? ");
///         self.transport.call_later(Duration::from_secs(30), |this: &mut Self| {
///             this.transport.write("too late");
///             this.transport.lose_connection();
///         });
///     }
///     fn data_received(&mut self, _data: &[u8]) {}
/// }
///
/// let mut wire = StringTransport::connect(|transport| Impatient { transport });
/// wire.advance(Duration::from_secs(29));
/// assert_eq!(wire.take_written(), b"who are you? ");
/// wire.advance(Duration::from_secs(1));
/// assert_eq!(wire.take_written(), b"too late");
/// assert!(wire.closed().unwrap().is_clean());
/// ```
pub struct StringTransport {
    reactor: Reactor,
    transport: Transport,
    wire: Rc<Wire>,
    written: Vec<u8>,
    ending: Rc<Ending>,
}

impl StringTransport {
    /// Builds a protocol and connects it. It has got its `connection_made` when this returns.
    ///
    /// # Panics
    ///
    /// If the factory refuses the connection or panics.
    #[track_caller]
    pub fn connect(factory: impl Factory) -> Self {
        let reactor = Reactor::in_memory(Hub::new(Rc::new(Clock::manual(0)), ReadBuffer::default()), None);
        let wire = Rc::new(Wire::default());
        let accepted = Accepted {
            stream: MemoryStream(Rc::clone(&wire)),
            host: Address::Memory("here"),
            peer: Address::Memory("test"),
        };
        let ending = Rc::new(Ending::default());
        let factory = FactoryCell::new(factory);
        factory.start();
        let keeper = Rc::clone(&ending) as Rc<dyn Keeper>;
        let transport = match driver::start(&reactor.0.hub, accepted, OUTPUT_LIMIT, &factory, keeper) {
            Started::Running(transport, task) => {
                reactor.0.spawn_task(task);
                transport
            }
            Started::Refused => panic!("the factory refused the connection"),
            Started::Panicked(message) => panic!("build_protocol panicked: {message}"),
        };
        let mut this = Self { reactor, transport, wire, written: Vec::new(), ending };
        this.settle();
        this
    }

    /// The peer sends these bytes.
    pub fn receive(&mut self, data: impl AsRef<[u8]>) {
        self.wire.inbound.push(data.as_ref());
        self.settle();
    }

    /// The peer ends its stream.
    pub fn receive_eof(&mut self) {
        self.wire.inbound.end();
        self.settle();
    }

    /// The connection breaks with this error, as a socket that was reset does.
    pub fn break_connection(&mut self, error: io::Error) {
        self.wire.break_off(error);
        self.settle();
    }

    /// What was written since the test began or last called [`take_written`](Self::take_written). Twisted's `value`.
    pub fn written(&self) -> &[u8] {
        &self.written
    }

    /// The same, and forgets it. Twisted's `value` and `clear`.
    pub fn take_written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.written)
    }

    /// Whether this side has ended its stream: the peer sees the end behind [`written`](Self::written).
    pub fn eof_written(&self) -> bool {
        self.wire.outbound.has_ended()
    }

    /// Whether this side has reset the connection.
    pub fn was_reset(&self) -> bool {
        self.wire.was_reset()
    }

    /// The peer stops reading: what is written from here on stays unsent. The second call undoes it.
    pub fn stall(&mut self, stalled: bool) {
        self.wire.outbound.set_room(if stalled { 0 } else { usize::MAX });
        self.settle();
    }

    /// The peer reads as much as `bytes`, of a connection that is [stalled](Self::stall), and stalls again.
    pub fn read(&mut self, bytes: usize) {
        self.wire.outbound.set_room(bytes);
        self.reactor.0.settle();
        self.wire.outbound.set_room(0);
        self.settle();
    }

    /// Lets time pass. Every call due meanwhile is made at its own time, one after another.
    pub fn advance(&mut self, time: Duration) {
        self.reactor.0.advance(time);
        self.settle();
    }

    /// Sets the time of day, as somebody who corrects the clock does; timers do not follow it. A test begins with the
    /// year 2000 (UTC).
    pub fn set_time_of_day(&mut self, time: SystemTime) {
        self.reactor.0.hub.clock.set_time_of_day(time);
    }

    /// Makes the calls that other threads have asked for, and lets tasks go on that they have woken.
    pub fn settle(&mut self) {
        loop {
            self.reactor.0.settle();
            let written = self.wire.outbound.take();
            if written.is_empty() {
                return;
            }
            self.written.extend(written);
        }
    }

    /// Why the connection has ended, once it has.
    pub fn closed(&self) -> Option<CloseReason> {
        self.ending.0.borrow().clone()
    }

    /// The handle that the protocol has, too.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The reactor that the protocol sees: in memory, with a clock that only [`advance`](Self::advance) moves.
    pub fn reactor(&self) -> &Reactor {
        &self.reactor
    }
}

impl Drop for StringTransport {
    /// Nothing is called back; what the protocol owns is dropped, even where it owns its reactor.
    fn drop(&mut self) {
        self.reactor.0.clear();
    }
}

/// Keeps the reason of the end.
#[derive(Default)]
struct Ending(RefCell<Option<CloseReason>>);

impl Keeper for Ending {
    fn connection_lost(&self, reason: &CloseReason) {
        self.0.replace(Some(reason.clone()));
    }

    fn linger_limits(&self) -> LingerLimits {
        ConnectionOptions::default().linger
    }
}

impl fmt::Debug for StringTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StringTransport")
            .field("transport", &self.transport)
            .field("written", &self.written.len())
            .field("closed", &self.closed())
            .finish_non_exhaustive()
    }
}

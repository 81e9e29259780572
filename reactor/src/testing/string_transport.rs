use std::any::{Any, type_name};
use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use crate::address::Address;
use crate::connection::Protocol;
use crate::connection::factory::{Factory, FactoryCell};
use crate::driver;
use crate::driver::Started;
use crate::driver::keeper::Keeper;
use crate::driver::linger::LingerLimits;
use crate::driver::stream::Accepted;
use crate::driver::task::Runnable;
use crate::hub::Hub;
use crate::hub::buffers::ReadBuffer;
use crate::net::connection_options::ConnectionOptions;
use crate::reactor::Reactor;
use crate::reactor::core::{Backend, MemoryBackend};
use crate::testing::memory::{MemoryStream, Wire};
use crate::time::clock::Clock;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::flow_control::OUTPUT_LIMIT;
use crate::util::panic_watch::pass_on_panics;

/// A connection driven by a test, which is its peer and its clock.
///
/// It uses the same machinery as a socket, so order, flow control and closing are the real ones. Every method returns
/// when nothing more happens without the test or the passing of time; time passes only in [`advance`](Self::advance).
/// Twisted's `StringTransport`, with `task.Clock`.
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
/// assert_eq!(wire.take_written_text(), "who are you? ");
/// wire.advance(Duration::from_secs(1));
/// assert_eq!(wire.take_written_text(), "too late");
/// assert!(wire.close_reason().unwrap().is_clean());
/// ```
pub struct StringTransport {
    reactor: Reactor,
    transport: Transport,
    /// `None` once the connection has ended: the driver owns the stream, which is then gone.
    driver: Option<Rc<dyn Runnable>>,
    wire: Rc<Wire>,
    written: Vec<u8>,
    /// How many bytes `written` may hold before the connection has to wait.
    window: usize,
    stalled: bool,
    ending: Rc<Ending>,
}

impl StringTransport {
    /// Builds a protocol and connects it. Its `connection_made` has been called when this returns.
    ///
    /// # Panics
    ///
    /// If the factory refuses the connection or panics.
    #[track_caller]
    pub fn connect(factory: impl Factory) -> Self {
        Self::on(&reactor_in_memory(), ["here", "test"], usize::MAX, factory)
    }

    /// Builds a protocol and connects it on the reactor of another `StringTransport` or of a [`Pair`](super::Pair): they
    /// share the clock, and whatever protocols of one program share.
    ///
    /// What a method of one makes the others write shows there after [`settle`](Self::settle) or another method. The
    /// connections end when all of them are dropped.
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    /// use reactor::testing::StringTransport;
    /// use reactor::{Protocol, Transport};
    ///
    /// /// Passes on to all members what one of them says.
    /// struct Member { all: Rc<RefCell<Vec<Transport>>> }
    ///
    /// impl Protocol for Member {
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         self.all.borrow().iter().for_each(|member| member.write(data));
    ///     }
    /// }
    ///
    /// let all = Rc::<RefCell<Vec<Transport>>>::default();
    /// let join = move |transport| {
    ///     all.borrow_mut().push(transport);
    ///     Member { all: all.clone() }
    /// };
    /// let mut one = StringTransport::connect(join.clone());
    /// let mut two = StringTransport::connect_on(one.reactor(), join);
    /// one.receive("hello");
    /// two.settle();
    /// assert_eq!(two.written_text(), "hello");
    /// ```
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect); also if it is a reactor with sockets, or one of a simulation.
    #[track_caller]
    pub fn connect_on(reactor: &Reactor, factory: impl Factory) -> Self {
        Self::on(reactor, ["here", "test"], usize::MAX, factory)
    }

    /// Makes one of the connections of a reactor, with these two addresses. The connection waits while `written` holds
    /// `window` bytes.
    #[track_caller]
    pub(super) fn on(reactor: &Reactor, [host, peer]: [&'static str; 2], window: usize, factory: impl Factory) -> Self {
        let Backend::Memory(MemoryBackend { host: None, driven, .. }) = &reactor.0.backend else {
            panic!(
                "{reactor:?} drives its connections itself: a test drives those of another StringTransport's reactor"
            );
        };
        let wire = Rc::new(Wire::default());
        wire.outbound.set_room(window);
        let accepted = Accepted {
            stream: MemoryStream(Rc::clone(&wire)),
            host: Address::memory(host),
            peer: Address::memory(peer),
        };
        let ending = Rc::new(Ending::default());
        let factory = FactoryCell::new(factory);
        let keeper = Rc::clone(&ending) as Rc<dyn Keeper>;
        let started = pass_on_panics(|| {
            factory.start();
            driver::start(&reactor.0.roster, accepted, OUTPUT_LIMIT, &factory, keeper)
        });
        let (transport, driver) = match started {
            Started::Running(transport, task) => {
                let driver = Rc::clone(&task.0);
                reactor.0.spawn_driver(task);
                (transport, Some(driver))
            }
            Started::Refused => panic!("the factory refused the connection"),
            Started::Panicked(message) => panic!("build_protocol panicked: {message}"),
        };
        driven.set(driven.get() + 1);
        let (reactor, written) = (reactor.clone(), Vec::new());
        let mut this = Self { reactor, transport, driver, wire, written, window, stalled: false, ending };
        this.settle();
        this
    }

    /// Delivers bytes from the peer.
    pub fn receive(&mut self, data: impl AsRef<[u8]>) {
        self.wire.inbound.push(data.as_ref());
        self.settle();
    }

    /// Ends the peer's stream.
    pub fn receive_eof(&mut self) {
        self.wire.inbound.end();
        self.settle();
    }

    /// Breaks the connection with this error, as a reset does on a socket.
    pub fn break_connection(&mut self, error: io::Error) {
        self.wire.break_off(error);
        self.settle();
    }

    /// What was written since the test began or last called [`take_written`](Self::take_written). Twisted's `value`.
    pub fn written(&self) -> &[u8] {
        &self.written
    }

    /// The same, and clears it. Twisted's `value` and `clear`.
    pub fn take_written(&mut self) -> Vec<u8> {
        let written = std::mem::take(&mut self.written);
        self.make_room();
        written
    }

    /// [`written`](Self::written) as text, so that a failing assertion is readable.
    ///
    /// ```
    /// use reactor::testing::StringTransport;
    /// # use reactor::{Protocol, Transport};
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    ///
    /// let mut wire = StringTransport::connect(|transport| Echo { transport });
    /// wire.receive("hello\r\n");
    /// assert_eq!(wire.written_text(), "hello\r\n");
    /// ```
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    #[track_caller]
    pub fn written_text(&self) -> &str {
        match str::from_utf8(&self.written) {
            Ok(text) => text,
            Err(error) => panic!("{}: {error}", self.written.escape_ascii()),
        }
    }

    /// [`take_written`](Self::take_written) as text.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    #[track_caller]
    pub fn take_written_text(&mut self) -> String {
        let text = self.written_text().to_owned();
        self.take_written();
        text
    }

    /// Whether this side has ended its stream: the peer sees the end after [`written`](Self::written).
    pub fn eof_written(&self) -> bool {
        self.wire.outbound.has_ended()
    }

    /// Whether this side has reset the connection.
    pub fn was_reset(&self) -> bool {
        self.wire.was_reset()
    }

    /// Stops the peer's reading: what is written from here on stays unsent. With false, resumes it.
    pub fn stall(&mut self, stalled: bool) {
        self.stalled = stalled;
        self.make_room();
        self.settle();
    }

    /// Lets the peer of a [stalled](Self::stall) connection read up to `bytes` bytes, and stall again.
    pub fn read(&mut self, bytes: usize) {
        self.wire.outbound.set_room(bytes);
        self.reactor.0.settle();
        self.make_room();
        self.settle();
    }

    /// Lets time pass. Every call due meanwhile is made at its own time, one after another.
    pub fn advance(&mut self, time: Duration) {
        self.reactor.0.advance(time);
        self.settle();
    }

    /// Sets the time of day, as an administrator would; timers do not follow it. A test begins with the year 2000
    /// (UTC).
    pub fn set_time_of_day(&mut self, time: SystemTime) {
        self.reactor.0.hub.clock.set_time_of_day(time);
    }

    /// Makes the calls requested by other threads, and runs the tasks that they have woken.
    pub fn settle(&mut self) {
        loop {
            self.reactor.0.settle();
            self.driver.take_if(|driver| Rc::strong_count(driver) == 1);
            let written = self.wire.outbound.take();
            if written.is_empty() {
                return;
            }
            self.written.extend(written);
        }
    }

    /// The protocol, the handler in it, or either of these inside its layers, for inspecting its fields or calling it
    /// as other parts of the program do. What it writes then shows after the next [`settle`](Self::settle) or other
    /// method.
    ///
    /// ```
    /// use reactor::testing::StringTransport;
    /// # use reactor::{Protocol, Transport};
    ///
    /// struct Counter { transport: Transport, bytes: usize }
    ///
    /// impl Counter {
    ///     fn report(&self) { write!(self.transport, "{} bytes", self.bytes) }
    /// }
    /// # impl Protocol for Counter {
    /// #     fn data_received(&mut self, data: &[u8]) { self.bytes += data.len() }
    /// # }
    ///
    /// let mut wire = StringTransport::connect(|transport| Counter { transport, bytes: 0 });
    /// wire.receive("hello");
    /// assert_eq!(wire.protocol::<Counter>().bytes, 5);
    /// wire.protocol::<Counter>().report();
    /// wire.settle();
    /// assert_eq!(wire.written_text(), "5 bytes");
    /// ```
    ///
    /// # Panics
    ///
    /// If there is none of this type, or if the connection has ended, because its protocol is then gone.
    #[track_caller]
    pub fn protocol<P: 'static>(&mut self) -> RefMut<'_, P> {
        // Changes made while it is borrowed do not wake the connection.
        self.transport.0.wake();
        let Some(connection) = self.driver.as_ref().and_then(|driver| driver.connection()) else {
            panic!("the connection has ended, and its `{}` is gone", type_name::<P>());
        };
        RefMut::filter_map(connection, |connection| find(connection.protocol()?)).unwrap_or_else(|mut connection| {
            let found = connection.protocol().map_or("none", |protocol| protocol.type_name());
            panic!("there is no `{}` here: the protocol is `{found}`", type_name::<P>())
        })
    }

    /// Why the connection ended, once it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.ending.0.borrow().clone()
    }

    /// The handle that the protocol also has.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The reactor that the protocol sees: in memory, with a clock that only [`advance`](Self::advance) moves.
    pub fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// Whether the connection has ended and its stream is closed, too.
    pub(super) fn is_over(&self) -> bool {
        self.driver.is_none()
    }

    /// How many bytes the peer has sent that were not read yet.
    pub(super) fn unread(&self) -> usize {
        self.wire.inbound.len()
    }

    fn make_room(&self) {
        self.wire.outbound.set_room(if self.stalled { 0 } else { self.window.saturating_sub(self.written.len()) });
    }
}

/// A reactor with a manual clock, without a network.
pub(super) fn reactor_in_memory() -> Reactor {
    Reactor::in_memory(Hub::new(Rc::new(Clock::manual(0)), ReadBuffer::default()), None)
}

/// Looks for a type from the outside in.
fn find<P: 'static>(protocol: &mut dyn Protocol) -> Option<&mut P> {
    if (protocol as &dyn Any).is::<P>() {
        return (protocol as &mut dyn Any).downcast_mut();
    }
    if protocol.handler().is_some_and(|handler| handler.is::<P>()) {
        return protocol.handler()?.downcast_mut();
    }
    find(protocol.layer()?.inside()?.protocol()?)
}

impl Drop for StringTransport {
    /// Calls nothing back; what the protocol owns is dropped with the last connection of the reactor, even if it owns that.
    fn drop(&mut self) {
        let Backend::Memory(MemoryBackend { driven, .. }) = &self.reactor.0.backend else { return };
        driven.set(driven.get() - 1);
        if driven.get() == 0 {
            pass_on_panics(|| {
                self.driver = None;
                self.reactor.0.clear();
            });
        }
    }
}

/// Keeps the close reason.
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
            .field("closed", &self.close_reason())
            .finish_non_exhaustive()
    }
}

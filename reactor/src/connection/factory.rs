use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::connection::Protocol;
use crate::connection::resumption::Resumption;
use crate::time::panic_log::{log_panic, report_panic};
use crate::time::pulse::{Callback, observed};
use crate::transport::Transport;
use crate::util::panics::catch_panic;

/// Builds a protocol for each connection of a port or a connector. Twisted's `IProtocolFactory`.
///
/// A closure is a factory; it may return a protocol, a boxed protocol, or an `Option` of either, where `None` refuses
/// the connection. To share state between connections, clone an `Rc` into each of them:
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use reactor::{Protocol, Reactor, Transport};
///
/// struct Hit { transport: Transport, hits: Rc<Cell<u64>> }
///
/// impl Protocol for Hit {
///     fn connection_made(&mut self) {
///         self.hits.set(self.hits.get() + 1);
///         write!(self.transport, "you are number {}\r\n", self.hits.get());
///         self.transport.lose_connection();
///     }
///     fn data_received(&mut self, _data: &[u8]) {}
/// }
///
/// let reactor = Reactor::new()?;
/// let hits = Rc::new(Cell::new(0));
/// reactor.listen_tcp("127.0.0.1:0", move |transport| Hit { transport, hits: hits.clone() })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// If the closure calls methods of its argument, annotate it: `|transport: Transport|`.
pub trait Factory: 'static {
    /// Called when the first port or connector that uses the factory starts. Twisted's `startFactory`.
    fn start_factory(&mut self) {}

    /// Builds the protocol of one connection, or refuses the connection by returning `None`: it is then closed at once,
    /// without a callback. Called when the connection is established, immediately before
    /// [`connection_made`](Protocol::connection_made). The peer's address is [`transport.peer()`](Transport::peer).
    /// Twisted's `buildProtocol`.
    ///
    /// A panic also refuses the connection, and is logged.
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>>;

    /// Called when the last port or connector that uses the factory has ended; its connections may still be alive.
    /// Twisted's `stopFactory`.
    fn stop_factory(&mut self) {}

    /// Returns `Some(self)` if connections of this factory can go on in the process that takes over from this one: see
    /// [`Resumable`](crate::connection::Resumable). The answer may not change. A factory around another one whose protocols
    /// it does not change passes the question on.
    fn resumption(&mut self) -> Option<&mut dyn Resumption> {
        None
    }
}

/// What a factory closure may return.
pub trait IntoProtocol {
    /// The protocol, or `None` to refuse the connection.
    fn into_protocol(self) -> Option<Box<dyn Protocol>>;
}

impl<P: Protocol> IntoProtocol for P {
    fn into_protocol(self) -> Option<Box<dyn Protocol>> {
        Some(Box::new(self))
    }
}

impl IntoProtocol for Box<dyn Protocol> {
    fn into_protocol(self) -> Option<Box<dyn Protocol>> {
        Some(self)
    }
}

impl<P: IntoProtocol> IntoProtocol for Option<P> {
    fn into_protocol(self) -> Option<Box<dyn Protocol>> {
        self.and_then(P::into_protocol)
    }
}

impl<F, P> Factory for F
where
    F: FnMut(Transport) -> P + 'static,
    P: IntoProtocol,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        self(transport).into_protocol()
    }
}

impl Factory for Box<dyn Factory> {
    fn start_factory(&mut self) {
        (**self).start_factory();
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        (**self).build_protocol(transport)
    }

    fn stop_factory(&mut self) {
        (**self).stop_factory();
    }

    fn resumption(&mut self) -> Option<&mut dyn Resumption> {
        (**self).resumption()
    }
}

/// Makes one factory serve several ports or connectors: it is started with the first of them and stopped with the last.
///
/// ```
/// use reactor::{Protocol, Reactor, Transport, share};
///
/// struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let echo = share(|transport| Echo { transport });
/// reactor.listen_tcp("127.0.0.1:0", echo.clone())?;
/// reactor.listen_tcp("[::1]:0", echo)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn share(factory: impl Factory) -> SharedFactory {
    SharedFactory(Rc::new(SharedFactoryCell { users: Cell::new(0), factory: RefCell::new(Box::new(factory)) }))
}

/// A factory that several ports and connectors use, from [`share`]; clone it for each.
#[derive(Clone)]
pub struct SharedFactory(Rc<SharedFactoryCell>);

struct SharedFactoryCell {
    /// The ports and connectors that use it now.
    users: Cell<usize>,
    factory: RefCell<Box<dyn Factory>>,
}

impl Factory for SharedFactory {
    fn start_factory(&mut self) {
        let users = self.0.users.get();
        self.0.users.set(users + 1);
        if users == 0 {
            self.0.factory.borrow_mut().start_factory();
        }
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        self.0.factory.borrow_mut().build_protocol(transport)
    }

    fn stop_factory(&mut self) {
        let users = self.0.users.get();
        self.0.users.set(users.saturating_sub(1));
        if users == 1 {
            self.0.factory.borrow_mut().stop_factory();
        }
    }

    fn resumption(&mut self) -> Option<&mut dyn Resumption> {
        let is_resumable = self.0.factory.borrow_mut().resumption().is_some();
        is_resumable.then_some(self)
    }
}

impl Resumption for SharedFactory {
    fn set_held(&mut self, protocol: &mut dyn Protocol, held: bool) {
        if let Some(resumption) = self.0.factory.borrow_mut().resumption() {
            resumption.set_held(protocol, held);
        }
    }

    fn save(&mut self, protocol: &mut dyn Protocol) -> Option<Vec<u8>> {
        self.0.factory.borrow_mut().resumption()?.save(protocol)
    }

    fn resume(&mut self, transport: Transport, state: &[u8]) -> Option<Box<dyn Protocol>> {
        self.0.factory.borrow_mut().resumption()?.resume(transport, state)
    }
}

impl fmt::Debug for SharedFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedFactory").field("users", &self.0.users.get()).finish_non_exhaustive()
    }
}

/// A factory owned by a port or connector: its panics are caught.
pub(crate) struct FactoryCell {
    /// Borrowed while user code runs, which has no way to reach this cell.
    factory: RefCell<Option<Box<dyn Factory>>>,
    started: Cell<bool>,
}

/// What became of a connection's protocol.
pub(crate) enum Built {
    Protocol(Box<dyn Protocol>),
    Refused,
    Panicked(String),
}

impl FactoryCell {
    pub(crate) fn new(factory: impl Factory) -> Self {
        Self { factory: RefCell::new(Some(Box::new(factory))), started: Cell::new(false) }
    }

    pub(crate) fn start(&self) {
        if !self.started.replace(true) {
            log_panic("start_factory", || self.with(Factory::start_factory));
        }
    }

    pub(crate) fn build(&self, transport: Transport) -> Built {
        self.build_by("build_protocol panicked: connection refused", |factory| factory.build_protocol(transport))
    }

    /// Builds the protocol of a connection that another process has handed over.
    pub(crate) fn resume(&self, transport: Transport, state: &[u8]) -> Built {
        self.build_by("a factory panicked: connection not taken over", |factory| {
            factory.resumption()?.resume(transport, state)
        })
    }

    fn build_by(&self, what: &str, build: impl FnOnce(&mut dyn Factory) -> Option<Box<dyn Protocol>>) -> Built {
        let build = || build(&mut **self.factory.borrow_mut().as_mut()?);
        match observed(Callback::BuildProtocol.of_reactor(), || catch_panic(build)) {
            Ok(Some(protocol)) => Built::Protocol(protocol),
            Ok(None) => Built::Refused,
            Err(message) => {
                report_panic(&message, what);
                Built::Panicked(message)
            }
        }
    }

    /// Whether its connections can go on in another process.
    pub(crate) fn is_resumable(&self) -> bool {
        catch_panic(|| Some(self.factory.borrow_mut().as_mut()?.resumption().is_some()))
            .is_ok_and(|is| is == Some(true))
    }

    /// The state of a protocol that this has built; an error is the message of a panic.
    pub(crate) fn save(&self, protocol: &mut dyn Protocol) -> Result<Option<Vec<u8>>, String> {
        catch_panic(|| self.factory.borrow_mut().as_mut()?.resumption()?.save(protocol))
    }

    /// Holds a protocol that this has built, or no longer; an error is the message of a panic.
    pub(crate) fn set_held(&self, protocol: &mut dyn Protocol, held: bool) -> Result<(), String> {
        catch_panic(|| {
            self.with(|factory| {
                if let Some(resumption) = factory.resumption() {
                    resumption.set_held(protocol, held);
                }
            });
        })
    }

    pub(crate) fn stop(&self) {
        if self.started.replace(false) {
            log_panic("stop_factory", || self.with(Factory::stop_factory));
        }
    }

    /// Stops and drops the factory, even if handles of the port or connector remain.
    pub(crate) fn discard(&self) {
        self.stop();
        let factory = self.factory.take();
        log_panic("drop of a factory", || drop(factory));
    }

    fn with(&self, call: impl FnOnce(&mut dyn Factory)) {
        if let Some(factory) = &mut *self.factory.borrow_mut() {
            call(&mut **factory);
        }
    }
}

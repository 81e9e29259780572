use std::any::Any;
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use reactor::task::{LoopingCall, Tick};
use reactor::{Address, DeferredCall, DelayedCall, Reactor, Transport};

use crate::receiver::delivery::Delivery;
#[cfg(feature = "tls")]
use crate::tls::{self, TlsError, TlsInfo};

/// A handle of one connection whose protocol is a receiver, with which a handler sends, closes, and controls how input
/// is cut.
///
/// Each kind of receiver has its own name for it: [`Lines`](crate::Lines), [`Strings`](crate::Strings),
/// [`States`](crate::stateful::States), [`Segments`](crate::segment::Segments), [`Messages`](crate::codec::Messages).
/// This page documents what they have in common first, and then what is specific to a kind.
///
/// Like [`Transport`], it is cheap to clone and may be used from any callback of any connection of the same reactor.
/// Its methods only record what to do: **they never call user code**. A handle that outlives its connection is
/// harmless. Two handles are equal if they belong to the same connection.
///
/// Its handler gets it from the factory; code that only has the connection, as what a connector or a
/// [`ClientService`](reactor::service::ClientService) gives, asks [`Transport::handle`] for it.
///
/// ```
/// use protocols::{LineHandler, LineReceiver, Lines};
/// use reactor::testing::Simulation;
/// # struct Echo { lines: Lines }
/// # impl LineHandler for Echo {
/// #     fn line_received(&mut self, line: &[u8]) { self.lines.send_line(line) }
/// # }
/// # let sim = Simulation::new(0);
/// # sim.host("server").listen_tcp(7, LineReceiver::factory(|lines| Echo { lines }))?;
/// # let reactor = sim.host("client");
///
/// let connector = reactor.connect_tcp("server:7", LineReceiver::factory(|lines| Echo { lines }));
/// let connected = connector.connected();
/// reactor.spawn(async move {
///     if let Some(lines) = connected.await.ok().and_then(|transport| transport.handle::<Lines>()) {
///         lines.send_line("hello");
///     }
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Handle<K: ?Sized>(pub(crate) Rc<ReceiverCell<K>>);

/// A [`Handle`] of any kind of receiver, made by [`Handle::to_any`], with what all kinds have in common.
pub type AnyHandle = Handle<dyn Any>;

/// What a receiver and its handles share.
pub(crate) struct ReceiverCell<K: ?Sized> {
    pub(crate) delivery: Delivery,
    pub(crate) kind: K,
}

impl<K: 'static> Handle<K> {
    /// The handle of a connection, which [`Transport::handle`] then gives. `deliver_later` makes the receiver deliver in the
    /// connection's next turn.
    pub(crate) fn new(transport: Transport, kind: K, deliver_later: fn(&Transport)) -> Self {
        let handle = Self(Rc::new(ReceiverCell { delivery: Delivery::new(transport.clone(), deliver_later), kind }));
        transport.set_handle(handle.clone());
        handle
    }

    /// The same handle without its kind, for code that treats connections of different kinds alike.
    ///
    /// ```
    /// use protocols::receiver::AnyHandle;
    /// use protocols::{Lines, Strings};
    ///
    /// /// All connections that are read while the disk has room.
    /// struct Sources(Vec<AnyHandle>);
    ///
    /// impl Sources {
    ///     fn add(&mut self, control: &Lines, data: &Strings) {
    ///         self.0.extend([control.to_any(), data.to_any()]);
    ///     }
    ///     fn pause(&self) {
    ///         self.0.iter().for_each(AnyHandle::pause_reading);
    ///     }
    /// }
    /// ```
    pub fn to_any(&self) -> AnyHandle {
        let shared: Rc<ReceiverCell<dyn Any>> = Rc::clone(&self.0) as _;
        Handle(shared)
    }
}

impl<K: ?Sized> Handle<K> {
    /// Sends these bytes as they are, with no delimiter, length or encoding. As [`Transport::write`].
    pub fn write(&self, data: impl AsRef<[u8]>) {
        self.transport().write(data);
    }

    /// Stops delivering and reading at once; the rest of the input comes when [`resume_reading`] is called. Twisted's
    /// `pauseProducing`.
    ///
    /// [`resume_reading`]: Self::resume_reading
    pub fn pause_reading(&self) {
        self.0.delivery.pause();
    }

    /// Undoes [`pause_reading`](Self::pause_reading). The rest is delivered in the connection's next turn, before
    /// anything newer. Twisted's `resumeProducing`.
    ///
    /// A handler that processes one line at a time, however long each takes:
    ///
    /// ```
    /// # use protocols::{LineHandler, Lines};
    /// # struct Directory { lines: Lines }
    /// # async fn lookup(_user: Vec<u8>) -> Option<String> { None }
    /// # impl LineHandler for Directory {
    /// fn line_received(&mut self, user: &[u8]) {
    ///     self.lines.pause_reading();
    ///     self.lines.defer(lookup(user.to_vec()), |this: &mut Self, found| {
    ///         this.lines.send_line(found.as_deref().unwrap_or("No such user"));
    ///         this.lines.resume_reading();
    ///     });
    /// }
    /// # }
    /// ```
    pub fn resume_reading(&self) {
        self.0.delivery.resume();
    }

    /// As [`Transport::lose_connection`]; nothing more is delivered.
    pub fn lose_connection(&self) {
        self.transport().lose_connection();
    }

    /// As [`Transport::abort_connection`]; nothing more is delivered.
    pub fn abort_connection(&self) {
        self.transport().abort_connection();
    }

    /// As [`Transport::is_closing`].
    pub fn is_closing(&self) -> bool {
        self.transport().is_closing()
    }

    /// As [`Transport::peer`].
    pub fn peer(&self) -> Address {
        self.transport().peer()
    }

    /// As [`Transport::call_later`]: calls `call` with the handler, `delay` from now.
    ///
    /// The closure must name the type of its argument, here as in the methods below: `|this: &mut Self|`. A handle does not
    /// know its handler's type, so that handles of different handlers can be kept together.
    ///
    /// # Panics
    ///
    /// If the handler is not an `H`.
    #[track_caller]
    pub fn call_later<H: 'static>(&self, delay: Duration, call: impl FnOnce(&mut H) + 'static) -> DelayedCall {
        self.transport().call_later(delay, call)
    }

    /// As [`Transport::call_every`]: calls `call` with the handler, every `interval`.
    ///
    /// # Panics
    ///
    /// If the handler is not an `H`.
    #[track_caller]
    pub fn call_every<H: 'static>(&self, interval: Duration, call: impl FnMut(&mut H, Tick) + 'static) -> LoopingCall {
        self.transport().call_every(interval, call)
    }

    /// As [`Transport::defer`]: runs `future` beside the handler, and calls `call` with its output.
    ///
    /// # Panics
    ///
    /// If the handler is not an `H`.
    #[track_caller]
    pub fn defer<H: 'static, F: Future + 'static>(
        &self,
        future: F,
        call: impl FnOnce(&mut H, F::Output) + 'static,
    ) -> DeferredCall {
        self.transport().defer(future, call)
    }

    /// As [`Transport::on_drain`]: calls `call` when the connection is asked to finish.
    ///
    /// # Panics
    ///
    /// If the handler is not an `H`.
    #[track_caller]
    pub fn on_drain<H: 'static>(&self, call: impl FnOnce(&mut H) + 'static) {
        self.transport().on_drain(call);
    }

    /// Starts TLS and calls `call` with the handler when the connection is secure: as [`tls::start`],
    /// for a connection made by a method `upgradable`. If anything has been received behind the message being
    /// delivered, the connection fails.
    ///
    /// ```
    /// # use protocols::{LineHandler, Lines};
    /// # struct Session { lines: Lines, is_secure: bool }
    /// # impl LineHandler for Session {
    /// fn line_received(&mut self, line: &[u8]) {
    ///     if line == b"STARTTLS" {
    ///         self.lines.send_line("220 go ahead");
    ///         if let Err(error) = self.lines.start_tls(|this: &mut Self, tls| this.is_secure = true) {
    ///             tracing::error!(%error, "this port has no TLS");
    ///             self.lines.lose_connection();
    ///         }
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the connection is not an upgradable one, or TLS was already started.
    ///
    /// # Panics
    ///
    /// If the handler is not an `H`.
    #[cfg(feature = "tls")]
    #[track_caller]
    pub fn start_tls<H: 'static>(&self, call: impl FnOnce(&mut H, Rc<TlsInfo>) + 'static) -> Result<(), TlsError>
    where
        K: 'static,
    {
        let handle = self.clone();
        tls::start(self.transport(), b"", move |handler: &mut H, info| {
            handle.0.delivery.secured();
            call(handler, info);
        })?;
        self.0.delivery.start_tls();
        Ok(())
    }

    /// As [`Transport::reactor`].
    ///
    /// # Panics
    ///
    /// If the reactor is gone.
    pub fn reactor(&self) -> Reactor {
        self.transport().reactor()
    }

    /// The connection itself, for everything else. Its own [`pause_reading`](Transport::pause_reading) holds back only
    /// what has not been read yet.
    pub fn transport(&self) -> &Transport {
        &self.0.delivery.transport
    }
}

impl<K: ?Sized> Clone for Handle<K> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<K: ?Sized> PartialEq for Handle<K> {
    fn eq(&self, other: &Self) -> bool {
        self.transport() == other.transport()
    }
}

impl<K: ?Sized> Eq for Handle<K> {}

impl<K: ?Sized> Hash for Handle<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.transport().hash(state);
    }
}

impl<K: ?Sized> fmt::Debug for Handle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("transport", self.transport()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use reactor::testing::StringTransport;

    use super::AnyHandle;
    use crate::string::StringFormat;
    use crate::{LineHandler, LineReceiver, Lines, StringHandler, StringReceiver, Strings};

    struct Log(Rc<RefCell<Vec<String>>>);

    impl LineHandler for Log {
        fn line_received(&mut self, line: &[u8]) {
            self.0.borrow_mut().push(String::from_utf8_lossy(line).into_owned());
        }
    }

    impl StringHandler for Log {
        fn string_received(&mut self, string: &[u8]) {
            self.0.borrow_mut().push(String::from_utf8_lossy(string).into_owned());
        }
    }

    #[test]
    fn handles_of_different_kinds_are_paused_and_resumed_alike() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let handles = Rc::new(RefCell::new(Vec::new()));
        let (kept, heard) = (Rc::clone(&handles), Rc::clone(&log));
        let mut lines = StringTransport::connect(LineReceiver::factory(move |lines: Lines| {
            kept.borrow_mut().push(lines.to_any());
            Log(Rc::clone(&heard))
        }));
        let (kept, heard) = (Rc::clone(&handles), Rc::clone(&log));
        let mut strings =
            StringTransport::connect(StringReceiver::factory(StringFormat::Int8, move |strings: Strings| {
                kept.borrow_mut().push(strings.to_any());
                Log(Rc::clone(&heard))
            }));
        handles.borrow().iter().for_each(AnyHandle::pause_reading);
        lines.receive("line\r\n");
        strings.receive("\x06string");
        assert!(log.borrow().is_empty());
        handles.borrow().iter().for_each(AnyHandle::resume_reading);
        lines.settle();
        strings.settle();
        assert_eq!(log.take(), ["line", "string"]);
    }

    #[test]
    fn bytes_are_written_as_they_are() {
        let mut wire = StringTransport::connect(LineReceiver::factory(|lines: Lines| {
            lines.write("no delimiter");
            Log(Rc::default())
        }));
        wire.settle();
        assert_eq!(wire.written(), b"no delimiter");
    }

    #[test]
    fn the_end_says_that_a_string_was_no_string() {
        let factory = StringReceiver::factory(StringFormat::Netstring, |_| Log(Rc::default()));
        let mut wire = StringTransport::connect(factory);
        wire.receive("x");
        let reason = wire.close_reason().map(|reason| reason.to_string());
        assert_eq!(reason.as_deref(), Some("the peer sent an invalid string length"));
        assert!(!wire.was_reset());
    }
}

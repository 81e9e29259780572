use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use reactor::task::{LoopingCall, Tick};
use reactor::{Address, DeferredCall, DelayedCall, Reactor, Transport};

use crate::receiver::delivery::Delivery;

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
pub struct Handle<K>(pub(crate) Rc<Shared<K>>);

/// What a receiver and its handles share.
pub(crate) struct Shared<K> {
    pub(crate) delivery: Delivery,
    pub(crate) kind: K,
}

impl<K> Handle<K> {
    /// `deliver_later` makes the receiver deliver in the connection's next turn.
    pub(crate) fn new(transport: Transport, kind: K, deliver_later: fn(&Transport)) -> Self {
        Self(Rc::new(Shared { delivery: Delivery::new(transport, deliver_later), kind }))
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

impl<K> Clone for Handle<K> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<K> PartialEq for Handle<K> {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl<K> Eq for Handle<K> {}

impl<K> Hash for Handle<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.0).hash(state);
    }
}

impl<K> fmt::Debug for Handle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("transport", self.transport()).finish_non_exhaustive()
    }
}

use std::cell::Cell;
use std::cell::OnceCell;
use std::cell::RefCell;
use std::fmt;
use std::fmt::Write as _;
use std::future::Future;
use std::rc::Rc;
use std::rc::Weak;
use std::time::Duration;

use bytes::Bytes;

use crate::address::Address;
use crate::calls::Call;
use crate::calls::Calls;
use crate::calls::DeferredCall;
use crate::calls::Owner;
use crate::delayed_call::DelayedCall;
use crate::hub::Hub;
use crate::output::Output;
use crate::reason::CloseReason;

/// A handle of one connection: how a protocol writes, closes, paces and times.
///
/// It is cheap to clone, and may be used from any callback of any connection of the same reactor. Its methods only
/// take note and wake the connection; **they never call user code**. A handle that outlives its connection is
/// harmless: what is written is dropped, and so are calls asked for. Twisted's `ITransport`.
///
/// [`reactor`](Self::reactor) alone panics when what it is to return is gone.
///
/// ```
/// use reactor::{Protocol, Transport};
///
/// struct Greeter { transport: Transport }
///
/// impl Protocol for Greeter {
///     fn connection_made(&mut self) {
///         write!(self.transport, "hello {}\r\n", self.transport.peer());
///     }
///     fn data_received(&mut self, _data: &[u8]) {
///         self.transport.lose_connection();
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Transport(pub(crate) Rc<State>);

/// What a connection and the handles of it share.
pub(crate) struct State {
    pub(crate) hub: Rc<Hub>,
    pub(crate) id: u64,
    host: Address,
    peer: Address,
    up: OnceCell<Up>,
    calls: Calls,
    output: RefCell<Output>,
    output_limit: Cell<usize>,
    /// Unsent bytes that were written in answer to input.
    owed: Cell<usize>,
    /// How many hold reading back, besides the user.
    holds: Cell<u32>,
    paused: Cell<bool>,
    /// Something was written since this was last cleared.
    wrote: Cell<bool>,
    /// More than [`HIGH_WATER`] was unsent, and not all of it has gone out yet.
    full: Cell<bool>,
    /// Bytes can be written: it is not closing, its stream has not been ended, it has not failed.
    open: Cell<bool>,
    /// The driver is at it, and will look at everything again before it goes to sleep.
    driven: Cell<bool>,
    /// Something has changed since the driver last looked.
    stirred: Cell<bool>,
    closing: Cell<bool>,
    eof_wanted: Cell<bool>,
    eof_sent: Cell<bool>,
    ended: Cell<bool>,
    failed: Cell<bool>,
    rare: RefCell<Option<Box<Rare>>>,
}

/// What most connections never have.
#[derive(Default)]
struct Rare {
    /// Why it has failed, if it has.
    failure: Option<CloseReason>,
    /// Connections that are not read while this one is full.
    sources: Vec<Weak<State>>,
    options: Option<SocketOptions>,
}

/// Changes of the socket's options that the driver has still to make.
#[derive(Clone, Copy, Default)]
pub(crate) struct SocketOptions {
    pub(crate) no_delay: Option<bool>,
    pub(crate) keep_alive: Option<Option<Duration>>,
}

/// Who is told that there is something to do.
enum Up {
    Driver(Weak<dyn Driver>),
    Outer(Transport),
}

/// What moves a connection's bytes.
pub(crate) trait Driver {
    /// Has the connection looked at again, soon.
    fn wake(&self);
    /// Makes the calls that are due, now.
    fn turn(&self);
}

impl Transport {
    pub(crate) fn new(hub: &Rc<Hub>, host: Address, peer: Address, output_limit: usize) -> Self {
        Self(Rc::new(State {
            hub: Rc::clone(hub),
            id: hub.take_id(),
            host,
            peer,
            up: OnceCell::new(),
            calls: Calls::default(),
            output: RefCell::default(),
            output_limit: Cell::new(output_limit),
            owed: Cell::new(0),
            holds: Cell::new(0),
            paused: Cell::new(false),
            wrote: Cell::new(false),
            full: Cell::new(false),
            open: Cell::new(true),
            driven: Cell::new(false),
            stirred: Cell::new(true),
            closing: Cell::new(false),
            eof_wanted: Cell::new(false),
            eof_sent: Cell::new(false),
            ended: Cell::new(false),
            failed: Cell::new(false),
            rare: RefCell::new(None),
        }))
    }

    /// A transport inside another: what a layer gives to the protocol within. Whoever makes it drives a
    /// [`Connection`](crate::Connection) with it, and carries its bytes to and from `outer`.
    pub fn nested(outer: &Self) -> Self {
        let state = &outer.0;
        let inner = Self::new(&state.hub, state.host.clone(), state.peer.clone(), state.output_limit.get());
        let _ = inner.0.up.set(Up::Outer(outer.clone()));
        inner
    }

    /// Queues a copy of `data`, to be sent when the running callback has returned. All that a callback writes leaves
    /// in one system call. Ignored once the connection is closing.
    ///
    /// If something is queued already and the sum passes the output limit
    /// ([`set_output_limit`](Self::set_output_limit)), the connection ends with [`CloseReason::Overflow`].
    pub fn write(&self, data: impl AsRef<[u8]>) {
        let data = data.as_ref();
        self.0.write(data.len(), |output, hub| output.push(data, hub));
    }

    /// Like [`write`](Self::write), but without a copy for buffers of 16 KiB and more.
    pub fn write_bytes(&self, data: Bytes) {
        self.0.write(data.len(), |output, hub| output.push_shared(data, hub));
    }

    /// What `write!(self.transport, "…")` calls. Unlike [`std::io::Write`]'s it cannot fail and returns nothing.
    pub fn write_fmt(&self, arguments: fmt::Arguments<'_>) {
        match arguments.as_str() {
            Some(text) => self.write(text),
            // Formatted with nothing borrowed: a user's `Display` may use this very transport.
            None => self.0.hub.with_scratch(|text| {
                if text.write_fmt(arguments).is_err() {
                    tracing::error!("a Display implementation failed; what it had written is sent");
                }
                self.write(text);
            }),
        }
    }

    /// Whether more than 65,536 bytes are unsent, what the running callback wrote included. From then on until all is
    /// sent the peer is behind: see [`Protocol::pause_writing`](crate::Protocol::pause_writing).
    pub fn is_full(&self) -> bool {
        self.unsent() > HIGH_WATER
    }

    /// How many bytes are queued and not yet handed to the system.
    pub fn unsent(&self) -> usize {
        self.0.output.borrow().len()
    }

    /// Closes when all that was written is sent; until then the connection goes on sending, but nothing more is
    /// received, and nothing more can be written. `connection_lost` follows with [`CloseReason::Done`].
    ///
    /// There is no time limit on the sending: a peer that does not read is got rid of by
    /// [`abort_connection`](Self::abort_connection). Twisted's `loseConnection`.
    pub fn lose_connection(&self) {
        if !self.is_closing() {
            self.0.closing.set(true);
            self.0.open.set(false);
            self.0.wake();
        }
    }

    /// Closes at once, drops what is unsent, and lets the peer see a reset. `connection_lost` follows with
    /// [`CloseReason::Aborted`], never from inside this call. Twisted's `abortConnection`.
    pub fn abort_connection(&self) {
        self.fail_connection(CloseReason::Aborted);
    }

    /// Like [`abort_connection`](Self::abort_connection), with a reason of the caller's. The first failure counts.
    pub fn fail_connection(&self, reason: CloseReason) {
        if !self.0.ended.get() && !self.0.failed.get() {
            self.0.fail(reason);
        }
    }

    /// Ends this side's stream when all that was written is sent: the peer sees the end of its input and can go on
    /// sending. Nothing more can be written. When the peer has ended its stream too, the connection closes.
    /// Twisted's `loseWriteConnection`.
    pub fn write_eof(&self) {
        if !self.is_closing() && !self.0.eof_wanted.replace(true) {
            self.0.open.set(false);
            self.0.wake();
        }
    }

    /// Whether the connection is closing or has ended, by this side's doing or the peer's. Twisted's `disconnecting`.
    pub fn is_closing(&self) -> bool {
        self.0.closing.get() || self.has_failed() || self.0.ended.get()
    }

    /// The peer's address, as it was when the connection was made. Twisted's `getPeer`.
    pub fn peer(&self) -> Address {
        self.0.peer.clone()
    }

    /// This side's address. Twisted's `getHost`.
    pub fn host(&self) -> Address {
        self.0.host.clone()
    }

    /// Stops reading: after the running callback no [`data_received`](crate::Protocol::data_received) comes until
    /// [`resume_reading`](Self::resume_reading). The peer's reset is noticed all the same, and so is its end of stream
    /// if nothing unread lies before it. Twisted's `pauseProducing`.
    pub fn pause_reading(&self) {
        self.0.paused.set(true);
    }

    /// Undoes [`pause_reading`](Self::pause_reading). Twisted's `resumeProducing`.
    pub fn resume_reading(&self) {
        if self.0.paused.replace(false) {
            self.0.wake();
        }
    }

    /// Stops reading this connection whenever `destination` is full, until that has sent everything: what forwarding
    /// needs to keep its memory bounded. It lasts as long as both connections do; saying it twice changes nothing.
    ///
    /// ```
    /// # use reactor::Transport;
    /// # fn forward(incoming: &Transport, outgoing: &Transport) {
    /// incoming.paced_by(outgoing);
    /// outgoing.paced_by(incoming);
    /// # }
    /// ```
    pub fn paced_by(&self, destination: &Self) {
        if destination.0.ended.get() || self.0.ended.get() {
            return;
        }
        let source = Rc::downgrade(&self.0);
        let added = destination.0.with_rare(|rare| {
            rare.sources.retain(|source| source.strong_count() > 0);
            let new = !rare.sources.iter().any(|other| other.ptr_eq(&source));
            if new {
                rare.sources.push(source);
            }
            new
        });
        if added && destination.0.full.get() {
            self.0.hold();
        }
    }

    /// Calls `call` with the protocol this transport was made for, or with the handler directly inside it, `delay`
    /// from now. Calls due at one instant are made in the order they were asked for. All calls of a connection are
    /// dropped before its `connection_lost`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use reactor::{Protocol, Transport};
    /// # struct Chat { transport: Transport, name: Option<String> }
    /// # impl Protocol for Chat {
    /// # fn data_received(&mut self, _: &[u8]) {}
    /// fn connection_made(&mut self) {
    ///     self.transport.call_later(Duration::from_secs(30), |this: &mut Self| {
    ///         if this.name.is_none() {
    ///             this.transport.lose_connection();
    ///         }
    ///     });
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If the protocol is not a `P` and the handler in it is none either. In a factory, where the protocol does not
    /// exist yet, that shows when the call is due, and ends the connection.
    #[track_caller]
    pub fn call_later<P: 'static>(&self, delay: Duration, call: impl FnOnce(&mut P) + 'static) -> DelayedCall {
        self.0.calls.later(&self.0.hub.timers, self.owner(), delay, call)
    }

    /// Runs `future` beside the protocol, in the connection's own turns, and calls `call` with its output. It is
    /// dropped, and the call with it, before `connection_lost`. A panic in it ends the connection.
    ///
    /// ```
    /// # use reactor::{Protocol, Transport};
    /// # struct Asker { transport: Transport }
    /// # async fn lookup(_name: Vec<u8>) -> Option<String> { None }
    /// # impl Protocol for Asker {
    /// fn data_received(&mut self, name: &[u8]) {
    ///     self.transport.defer(lookup(name.to_vec()), |this: &mut Self, found| {
    ///         this.transport.write(found.as_deref().unwrap_or("no such user"));
    ///     });
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`call_later`](Self::call_later).
    #[track_caller]
    pub fn defer<P: 'static, F: Future + 'static>(
        &self,
        future: F,
        call: impl FnOnce(&mut P, F::Output) + 'static,
    ) -> DeferredCall {
        let deferred = self.0.calls.defer(future, call);
        self.0.wake();
        deferred
    }

    /// Sets how many bytes may be unsent (16 MiB if never set). A single write onto an empty queue is always taken.
    pub fn set_output_limit(&self, bytes: usize) {
        self.0.output_limit.set(bytes);
    }

    /// Switches `TCP_NODELAY`, which is on unless [`ListenOptions`](crate::ListenOptions) or
    /// [`ConnectOptions`](crate::ConnectOptions) say otherwise. Does nothing where there is no such thing.
    /// Twisted's `setTcpNoDelay`.
    pub fn set_no_delay(&self, on: bool) {
        self.0.set_option(|options| options.no_delay = Some(on));
    }

    /// Has the system probe a peer that was silent for this long, and again every tenth of it (at least a second)
    /// until nine probes in a row stay unanswered, which ends the connection; `None` switches it off. Does nothing
    /// where there is no such thing. Twisted's `setTcpKeepAlive`.
    pub fn set_keep_alive(&self, silence: Option<Duration>) {
        self.0.set_option(|options| options.keep_alive = Some(silence));
    }

    fn owner(&self) -> Weak<dyn Owner> {
        Rc::downgrade(&self.0) as Weak<dyn Owner>
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.0.failed.get()
    }
}

/// What [`Connection`](crate::Connection) and the drivers need of it.
impl State {
    pub(crate) fn set_driver(&self, driver: Weak<dyn Driver>) {
        let _ = self.up.set(Up::Driver(driver));
    }

    #[inline]
    pub(crate) fn wake(&self) {
        self.stirred.set(true);
        if !self.driven.get() {
            self.wake_up();
        }
    }

    /// What is to be looked at is looked at while this is set, so that nobody need be woken for it.
    pub(crate) fn set_driven(&self, driven: bool) {
        self.driven.set(driven);
    }

    /// Whether anything has changed since this was last asked, or goes on by itself.
    #[inline]
    pub(crate) fn is_stirred(&self) -> bool {
        self.stirred.replace(false) || self.closing.get() || self.eof_wanted.get() || self.calls.any_ready()
    }

    fn wake_up(&self) {
        match self.up.get() {
            Some(Up::Driver(driver)) => {
                if let Some(driver) = driver.upgrade() {
                    driver.wake();
                }
            }
            Some(Up::Outer(outer)) => outer.0.wake(),
            None => {}
        }
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Sends a call to be made at once, from outside of any callback.
    pub(crate) fn call_now(&self, call: Call) {
        self.calls.push(call);
        let mut state = self;
        loop {
            match state.up.get() {
                Some(Up::Outer(outer)) => state = &outer.0,
                Some(Up::Driver(driver)) => {
                    if let Some(driver) = driver.upgrade() {
                        driver.turn();
                    }
                    return;
                }
                None => return,
            }
        }
    }

    /// Ends the connection with a reason that overrides one given before: a panic is not to be masked.
    pub(crate) fn fail(&self, reason: CloseReason) {
        // The old reason may hold a user's error: it is dropped with nothing borrowed.
        self.failed.set(true);
        self.open.set(false);
        let old = self.with_rare(|rare| rare.failure.replace(reason));
        drop(old);
        self.wake();
    }

    pub(crate) fn failure(&self) -> Option<CloseReason> {
        self.rare.borrow().as_ref()?.failure.clone()
    }

    pub(crate) fn wants_read(&self) -> bool {
        !self.paused.get()
            && self.holds.get() == 0
            && self.owed.get() <= HIGH_WATER
            && !self.closing.get()
            && !self.ended.get()
            && !self.failed.get()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.get()
    }

    pub(crate) fn wants_close(&self) -> bool {
        self.closing.get() && self.output.borrow().len() == 0 && !self.failed.get()
    }

    pub(crate) fn wants_shut(&self) -> bool {
        self.eof_wanted.get() && !self.eof_sent.get() && self.output.borrow().len() == 0
    }

    pub(crate) fn set_eof_sent(&self) {
        self.eof_sent.set(true);
    }

    pub(crate) fn eof_sent(&self) -> bool {
        self.eof_sent.get()
    }

    /// Begins to watch whether a callback writes.
    pub(crate) fn watch_writes(&self) {
        self.wrote.set(false);
    }

    /// What was unsent when a callback that wrote in answer to input returned is owed for input.
    pub(crate) fn settle_debt(&self) {
        if self.wrote.get() {
            self.owed.set(self.output.borrow().len());
        }
    }

    pub(crate) fn has_output(&self) -> bool {
        self.output.borrow().len() > 0
    }

    pub(crate) fn output(&self) -> &RefCell<Output> {
        &self.output
    }

    /// Takes note that the first `n` bytes of the output have left.
    pub(crate) fn sent(&self, n: usize) {
        let empty = {
            let mut output = self.output.borrow_mut();
            output.advance(n, &self.hub);
            output.len() == 0
        };
        self.owed.set(self.owed.get().saturating_sub(n));
        if empty && self.full.replace(false) {
            self.for_sources(Self::release);
        }
    }

    /// Holds reading back until as many calls of [`release`](Self::release).
    pub(crate) fn hold(&self) {
        self.holds.set(self.holds.get() + 1);
    }

    pub(crate) fn release(&self) {
        self.holds.set(self.holds.get() - 1);
        if self.holds.get() == 0 {
            self.wake();
        }
    }

    /// The changes of the socket's options that were asked for since the last time.
    pub(crate) fn take_options(&self) -> Option<SocketOptions> {
        self.rare.borrow_mut().as_mut()?.options.take()
    }

    /// From here on every handle is stale. Timers, deferred calls and unsent output are dropped.
    pub(crate) fn end(&self) {
        self.ended.set(true);
        self.open.set(false);
        self.calls.close(&self.hub.timers);
        self.output.borrow_mut().clear(&self.hub);
        if self.full.replace(false) {
            self.for_sources(Self::release);
        }
        self.rare.borrow_mut().take();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Queues `len` bytes by `push`; ends the connection if they would be too many.
    #[inline]
    fn write(&self, len: usize, push: impl FnOnce(&mut Output, &Hub)) {
        if len == 0 || !self.open.get() {
            return;
        }
        let unsent = {
            let mut output = self.output.borrow_mut();
            let queued = output.len();
            if queued > 0 && queued.saturating_add(len) > self.output_limit.get() {
                drop(output);
                return self.fail(CloseReason::Overflow);
            }
            push(&mut output, &self.hub);
            output.len()
        };
        self.wrote.set(true);
        if unsent > HIGH_WATER && !self.full.replace(true) {
            self.for_sources(Self::hold);
        }
        self.wake();
    }

    fn for_sources(&self, each: impl Fn(&Self)) {
        // Collected first: releasing wakes a driver, and that is not done with something borrowed.
        let sources: Vec<_> = match &*self.rare.borrow() {
            Some(rare) => rare.sources.iter().filter_map(Weak::upgrade).collect(),
            None => return,
        };
        for source in sources {
            each(&source);
        }
    }

    fn with_rare<R>(&self, change: impl FnOnce(&mut Rare) -> R) -> R {
        change(self.rare.borrow_mut().get_or_insert_default())
    }

    fn set_option(&self, set: impl FnOnce(&mut SocketOptions)) {
        if !self.ended.get() {
            self.with_rare(|rare| set(rare.options.get_or_insert_default()));
            self.wake();
        }
    }
}

impl Owner for State {
    fn notify(&self, call: Call) {
        self.call_now(call);
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("id", &self.0.id)
            .field("peer", &self.0.peer)
            .field("unsent", &self.unsent())
            .field("closing", &self.is_closing())
            .finish_non_exhaustive()
    }
}

/// Above this many unsent bytes a connection is full (strictly), as in Twisted.
pub(crate) const HIGH_WATER: usize = 64 * 1024;

/// Unsent bytes a connection may have at the most, unless told otherwise.
pub(crate) const OUTPUT_LIMIT: usize = 16 * 1024 * 1024;

pub(crate) mod attached_values;
pub(crate) mod attachments;
pub(crate) mod close_reason;
pub(crate) mod descriptors;
pub(crate) mod establishing;
pub(crate) mod finishing;
pub(crate) mod flow_control;
pub(crate) mod lifecycle;
pub(crate) mod memory_charge;
pub(crate) mod moving;
mod origin;
pub(crate) mod own_handle;
pub(crate) mod roster;
pub(crate) mod sending;
pub(crate) mod state;
pub(crate) mod switching;
pub(crate) mod traffic;

use std::fmt::Write as _;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};
use std::{fmt, io};

use bytes::Bytes;
use futures_channel::oneshot;

use crate::address::Address;
use crate::address::peer_credentials::PeerCredentials;
use crate::hub::Hub;
use crate::time::call::Notify;
use crate::time::deferred_call::DeferredCall;
use crate::time::delayed_call::DelayedCall;
use crate::transport::close_reason::CloseReason;
use crate::transport::state::State;

/// A handle of one connection: how a protocol writes, closes, paces and times.
///
/// It is cheap to clone, and may be used from any callback of any connection of the same reactor. Its methods only
/// record the request and wake the connection; **they never call user code**. A handle that outlives its connection is
/// harmless: what is written is dropped, and so are requested calls. Twisted's `ITransport`.
///
/// Two handles are equal if they belong to the same connection, so handles can be keys of sets and maps.
///
/// Only [`reactor`](Self::reactor) panics on a stale handle, if the reactor itself is gone.
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

impl Transport {
    pub(crate) fn new(hub: &Rc<Hub>, host: Address, peer: Address, output_limit: usize) -> Self {
        Self(Rc::new(State::new(hub, host, peer, output_limit)))
    }

    /// A transport inside another, which a layer gives to the protocol inside it. The caller drives a
    /// [`Connection`](crate::connection::Connection) with it, and carries its bytes to and from `outer`.
    pub fn nested(outer: &Self) -> Self {
        Self(Rc::new(State::nested(&outer.0, None)))
    }

    /// The same, with addresses of its own.
    pub(crate) fn nested_at(outer: &Self, host: Address, peer: Address) -> Self {
        Self(Rc::new(State::nested(&outer.0, Some((host, peer)))))
    }

    /// Queues a copy of `data`, to be sent when the running callback has returned. Everything that a callback writes,
    /// up to 128 KiB, leaves in one system call. Ignored once the connection is closing.
    ///
    /// If something is already queued and the sum exceeds the output limit
    /// ([`set_output_limit`](Self::set_output_limit)), the connection ends with [`CloseReason::Overflow`].
    pub fn write(&self, data: impl AsRef<[u8]>) {
        let data = data.as_ref();
        self.0.write(data.len(), |output, stock| output.push(data, stock));
    }

    /// Like one [`write`](Self::write) of all the pieces in order. Twisted's `writeSequence`.
    #[inline]
    pub fn write_sequence(&self, pieces: &[&[u8]]) {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        self.0.write(len, |output, stock| output.push_all(pieces, len, stock));
    }

    /// Like [`write`](Self::write), but does not copy buffers of 16 KiB and more.
    pub fn write_bytes(&self, data: Bytes) {
        self.0.write(data.len(), |output, stock| output.push_shared(data, stock));
    }

    /// For layers: like [`write`](Self::write), but also works while the connection is closing, for bytes that were
    /// written inside before that.
    pub fn write_from_inside(&self, data: &[u8]) {
        self.0.write_from_inside(data);
    }

    /// What `write!(self.transport, "…")` calls. Unlike the method of [`std::io::Write`], it cannot fail and returns
    /// nothing.
    pub fn write_fmt(&self, arguments: fmt::Arguments<'_>) {
        match arguments.as_str() {
            Some(text) => self.write(text),
            // Formatted with nothing borrowed: a user's `Display` may use this same transport.
            None => self.0.hub.buffers.with_scratch(|text| {
                if text.write_fmt(arguments).is_err() {
                    tracing::error!("a Display implementation failed; what it wrote before that is sent");
                }
                self.write(text);
            }),
        }
    }

    /// Queues a descriptor for the process at the other end of a UNIX socket. The peer gets its own descriptor of the
    /// same open file; this one is closed when it is sent. A descriptor travels with the first byte written after it,
    /// and no two share a byte: the peer has it when it receives that byte
    /// ([`file_descriptor_received`](crate::Protocol::file_descriptor_received)). Ignored once the connection is
    /// closing, as [`write`](Self::write) is.
    ///
    /// If this side's stream ends while descriptors are left without a byte to go with, the connection ends with
    /// [`CloseReason::DescriptorOverrun`]. Layers made by [`layer::around`](crate::layer::around) pass descriptors
    /// through. Twisted's `sendFileDescriptor`.
    ///
    /// ```
    /// # use std::fs::File;
    /// # use reactor::{Protocol, Transport};
    /// # struct Opener { transport: Transport }
    /// # impl Protocol for Opener {
    /// fn data_received(&mut self, path: &[u8]) {
    ///     if let Ok(file) = File::open(String::from_utf8_lossy(path).trim()) {
    ///         let sent = self.transport.send_file_descriptor(file);
    ///         self.transport.write(if sent.is_ok() { "here it is\n" } else { "no way to send it\n" });
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) if the connection is not a UNIX socket, or a layer around it does
    /// not pass descriptors. The descriptor is then closed.
    pub fn send_file_descriptor(&self, descriptor: impl Into<OwnedFd>) -> io::Result<()> {
        if !self.0.passes_descriptors.get() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("cannot send a file descriptor to {}: the connection carries bytes only", self.peer()),
            ));
        }
        self.0.send_descriptor(descriptor.into());
        Ok(())
    }

    /// Whether more than 65,536 bytes are unsent, or more than 64 descriptors and at least one byte, including what the
    /// running callback wrote. From then on until everything is sent, the peer is behind: see
    /// [`Protocol::pause_writing`](crate::Protocol::pause_writing).
    #[inline]
    pub fn is_full(&self) -> bool {
        self.0.is_much(self.0.unsent_bytes())
    }

    /// The number of bytes queued and not yet handed to the system. When the connection has ended, the number of those
    /// that never were: [`connection_lost`](crate::Protocol::connection_lost) can ask what the peer cannot have received.
    #[inline]
    pub fn unsent_bytes(&self) -> usize {
        if self.0.has_ended() { self.0.unsent_at_end() } else { self.0.unsent_bytes() }
    }

    /// Closes when everything written is sent. Until then the connection goes on sending, but receives nothing more and
    /// accepts no more writes. `connection_lost` follows with [`CloseReason::Done`].
    ///
    /// There is no time limit on the sending: to get rid of a peer that does not read, call
    /// [`abort_connection`](Self::abort_connection). Twisted's `loseConnection`.
    pub fn lose_connection(&self) {
        self.0.lose();
    }

    /// Like [`lose_connection`](Self::lose_connection), with a reason of the caller's in place of
    /// [`CloseReason::Done`]: the peer is answered and sees an orderly close, and this side learns why. Only the first
    /// close counts.
    ///
    /// ```
    /// use reactor::testing::StringTransport;
    /// use reactor::{CloseReason, Protocol, Transport};
    ///
    /// struct Greeted { transport: Transport }
    ///
    /// impl Protocol for Greeted {
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         if !data.starts_with(b"HELLO") {
    ///             self.transport.write("say HELLO first\n");
    ///             self.transport.lose_connection_with(CloseReason::failed("no greeting"));
    ///         }
    ///     }
    /// }
    ///
    /// let mut wire = StringTransport::connect(|transport| Greeted { transport });
    /// wire.receive("GET /\n");
    /// assert_eq!(wire.written(), b"say HELLO first\n");
    /// assert_eq!(wire.close_reason().map(|reason| reason.to_string()), Some("no greeting".to_owned()));
    /// ```
    pub fn lose_connection_with(&self, reason: CloseReason) {
        self.0.lose_with(reason);
    }

    /// Closes at once, drops unsent output, and sends the peer a reset where the transport has one (on a UNIX socket
    /// the peer sees an ordinary end). `connection_lost` follows with [`CloseReason::Aborted`], never from inside this
    /// call. Twisted's `abortConnection`.
    pub fn abort_connection(&self) {
        self.fail_connection(CloseReason::Aborted);
    }

    /// Like [`abort_connection`](Self::abort_connection), with the caller's reason. The first failure counts.
    pub fn fail_connection(&self, reason: CloseReason) {
        if !self.0.has_ended() && !self.0.has_failed() {
            self.0.fail(reason);
        }
    }

    /// Ends this side's stream when everything written is sent: the peer sees the end of its input and can go on
    /// sending. Nothing more can be written. When the peer has also ended its stream, the connection closes. Twisted's
    /// `loseWriteConnection`.
    pub fn write_eof(&self) {
        self.0.write_eof();
    }

    /// Whether the connection is closing or has ended, whichever side caused it. Twisted's `disconnecting`.
    #[inline]
    pub fn is_closing(&self) -> bool {
        !self.0.is_open()
    }

    /// The connection's number, which logs have, and [`ConnectionInfo`](crate::inspect::ConnectionInfo). The reactor gives
    /// each only once; what is inside a layer has that of the connection around it.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The peer's address, as it was when the connection was made. Twisted's `getPeer`.
    pub fn peer(&self) -> Address {
        self.0.peer().clone()
    }

    /// The process, user and group at the other end of a UNIX socket; `None` for all other connections.
    pub fn peer_credentials(&self) -> Option<PeerCredentials> {
        self.0.peer_credentials()
    }

    /// This side's address. Twisted's `getHost`.
    pub fn host(&self) -> Address {
        self.0.host().clone()
    }

    /// Stops reading: after the running callback, no [`data_received`](crate::Protocol::data_received) comes until
    /// [`resume_reading`](Self::resume_reading). The peer's reset is still noticed, and so is its end of stream if
    /// nothing unread precedes it. Twisted's `pauseProducing`.
    pub fn pause_reading(&self) {
        self.0.pause_reading();
    }

    /// Undoes [`pause_reading`](Self::pause_reading). Twisted's `resumeProducing`.
    pub fn resume_reading(&self) {
        self.0.resume_reading();
    }

    /// Stops reading this connection whenever `destination` is full, until `destination` has sent everything.
    /// Forwarding needs this to keep its memory bounded. It lasts as long as both connections do; a second call changes
    /// nothing.
    ///
    /// ```
    /// # use reactor::Transport;
    /// # fn forward(incoming: &Transport, outgoing: &Transport) {
    /// incoming.paced_by(outgoing);
    /// outgoing.paced_by(incoming);
    /// # }
    /// ```
    pub fn paced_by(&self, destination: &Self) {
        if !self.0.has_ended() {
            destination.0.add_source(&self.0);
        }
    }

    /// Tells the policies around this connection that a whole message was received
    /// ([`Policy::message_received`](crate::layer::Policy::message_received)), which they cannot see in its bytes.
    /// Receivers call it; a protocol that splits messages itself calls it for each.
    #[inline]
    pub fn note_message(&self) {
        self.0.note_message();
    }

    /// The time by the reactor's clock, which is read once in a turn of the loop: what runs in one turn gets the same, however
    /// long it takes. For what is noted at every message; [`Reactor::now`](crate::Reactor::now) reads the clock.
    ///
    /// ```
    /// # use std::time::Instant;
    /// # use reactor::{Protocol, Transport};
    /// # struct Station { transport: Transport, heard_at: Instant }
    /// # impl Protocol for Station {
    /// fn data_received(&mut self, _data: &[u8]) {
    ///     self.heard_at = self.transport.now();
    /// }
    /// # }
    /// ```
    #[inline]
    pub fn now(&self) -> Instant {
        self.0.hub.turn_clock.now()
    }

    /// Calls `call`, `delay` from now, with the protocol this transport was made for, or with the handler directly
    /// inside it. Calls due at one instant are made in the order they were requested. All calls of a connection are
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
    /// If neither the protocol nor the handler in it is a `P`. In a factory, where the protocol does not exist yet, the
    /// panic comes when the call is due, and ends the connection.
    #[track_caller]
    pub fn call_later<P: 'static>(&self, delay: Duration, call: impl FnOnce(&mut P) + 'static) -> DelayedCall {
        self.0.calls.later(&self.0.hub.timers, self.owner(), delay, call)
    }

    /// Runs `future` beside the protocol, in the connection's own turns, and calls `call` with its output. Both are
    /// dropped before `connection_lost`. A panic in the future ends the connection.
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

    /// Sets what to do when this connection is asked to finish ([`drain`](Self::drain)), replacing any earlier call:
    /// the protocol, or the handler directly inside it, finishes its work and then calls
    /// [`lose_connection`](Self::lose_connection). If nothing is set, the connection is not read any more, and closes
    /// as soon as its [deferred](Self::defer) calls are made and everything written is sent. If the request came before
    /// this, `call` is made in the next turn.
    ///
    /// ```
    /// # use reactor::{Protocol, Transport};
    /// # struct Session { transport: Transport, busy: bool, last: bool }
    /// # impl Protocol for Session {
    /// # fn data_received(&mut self, _: &[u8]) {}
    /// fn connection_made(&mut self) {
    ///     self.transport.on_drain(|this: &mut Self| {
    ///         this.last = true; // closed after the answer to the current request
    ///         if !this.busy {
    ///             this.transport.lose_connection();
    ///         }
    ///     });
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`call_later`](Self::call_later).
    #[track_caller]
    pub fn on_drain<P: 'static>(&self, call: impl FnOnce(&mut P) + 'static) {
        self.0.set_on_drain(self.0.calls.call(call));
    }

    /// Asks the connection to finish: see [`on_drain`](Self::on_drain). Layers pass the request on to the protocol
    /// inside. [`Port::drain`](crate::Port::drain) does this for all connections of a port, and a reactor for all of
    /// its own when it stops.
    pub fn drain(&self) {
        self.0.drain();
    }

    /// Whether this connection, or one around it, was asked to finish.
    pub fn is_draining(&self) -> bool {
        self.0.is_draining()
    }

    /// Resolves with the close reason after `connection_lost`, or with `None` if the connection had ended before this
    /// was called, or if the reactor has. For code outside the protocol, whose own deferred futures are dropped before
    /// that. asyncio's `wait_closed`.
    pub fn finished(&self) -> impl Future<Output = Option<CloseReason>> + 'static + use<> {
        let (tell, told) = oneshot::channel();
        self.0.watch(tell);
        async move { told.await.ok() }
    }

    /// Sets how many bytes may be unsent (16 MiB by default). A single write to an empty queue is always accepted.
    pub fn set_output_limit(&self, bytes: usize) {
        self.0.set_output_limit(bytes);
    }

    /// How many bytes can be written before the [output limit](Self::set_output_limit) of this connection, or of one
    /// around it, ends it. For clients that would rather refuse a request than lose those under way. While nothing is
    /// unsent, a single write of any length is accepted.
    pub fn output_room(&self) -> usize {
        let mut room = self.0.output_room();
        let mut inside = &self.0;
        while let Some(outer) = inside.outer() {
            room = room.min(outer.output_room());
            inside = outer;
        }
        room
    }

    /// Switches `TCP_NODELAY`, which is on unless [`ListenOptions`](crate::net::ListenOptions) or
    /// [`ConnectOptions`](crate::net::ConnectOptions) say otherwise. Does nothing on a connection that is not TCP.
    /// Twisted's `setTcpNoDelay`.
    pub fn set_no_delay(&self, on: bool) {
        self.0.set_option(|options| options.no_delay = Some(on));
    }

    /// Has the system probe a peer that was silent for `idle`, and again after every tenth of that (at least a second)
    /// until nine probes in a row stay unanswered, which ends the connection; `None` switches it off. Does nothing on a
    /// connection that is not TCP. Twisted's `setTcpKeepAlive`.
    pub fn set_keep_alive(&self, idle: Option<Duration>) {
        self.0.set_option(|options| options.keep_alive = Some(idle));
    }

    pub(crate) fn owner(&self) -> Weak<dyn Notify> {
        Rc::downgrade(&self.0) as Weak<dyn Notify>
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.0.has_failed()
    }
}

impl PartialEq for Transport {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Transport {}

impl Hash for Transport {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("id", &self.0.id)
            .field("peer", self.0.peer())
            .field("unsent", &self.unsent_bytes())
            .field("closing", &self.is_closing())
            .finish_non_exhaustive()
    }
}

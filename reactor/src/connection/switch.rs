//! Another protocol for a connection that goes on.

use crate::connection::factory::{Built, Factory, FactoryCell};
use crate::connection::{Connection, PeerStream};
use crate::time::panic_log::report_panic;
use crate::time::pulse::Callback;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::flow_control::HIGH_WATER;
use crate::util::panics::catch_panic;

impl Transport {
    /// Gives the connection another protocol, which `factory` builds with this same transport, when the running callback has
    /// returned: after a handshake in another language, or when the first bytes have told what the peer speaks. `rest` is
    /// what the present protocol has received and leaves to the next, usually the end of the slice that it was just given.
    /// Twisted's `transport.protocol = other`.
    ///
    /// What follows has this order:
    ///
    /// 1. What the present protocol has written stays queued, before everything that the next one writes.
    /// 2. Its timed and deferred calls are dropped, and so is what it has set by [`on_drain`](Self::on_drain) and
    ///    [`set_handle`](Self::set_handle). If it has paused reading, that is over.
    /// 3. `factory` builds the next protocol. The present one is dropped, **without `connection_lost`**: the connection is
    ///    not lost.
    /// 4. `connection_made` of the next protocol is called.
    /// 5. Unless that pauses reading, `data_received` comes with `rest`, and only then with what the peer sends further.
    /// 6. If the peer has ended its stream before, `eof_received` is called (again) behind that; and if the connection was asked
    ///    to finish, it is asked again.
    ///
    /// Policies and other layers around the protocol stay: each transport has its own protocol. If the factory refuses, the
    /// connection fails, and it is the present protocol that hears of it. Nothing happens if the connection begins to close
    /// before the switch; a second request before the switch replaces the first. A receiver keeps input of its own, so in a
    /// receiver use its handle's method instead (`Lines::switch_to`).
    ///
    /// ```
    /// use reactor::testing::StringTransport;
    /// use reactor::{Protocol, SharedFactory, Transport, share};
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    /// # struct Web { transport: Transport }
    /// # impl Protocol for Web {
    /// #     fn data_received(&mut self, data: &[u8]) { write!(self.transport, "404 {}", data.len()) }
    /// # }
    ///
    /// /// Serves browsers and everybody else on one port: the first bytes tell who it is.
    /// struct Sniff { transport: Transport, web: SharedFactory, echo: SharedFactory }
    ///
    /// impl Protocol for Sniff {
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         let next = if data.starts_with(b"GET ") { &self.web } else { &self.echo };
    ///         self.transport.switch_to(next.clone(), data);
    ///     }
    /// }
    ///
    /// let web = share(|transport| Web { transport });
    /// let echo = share(|transport| Echo { transport });
    /// let sniff = move |transport| Sniff { transport, web: web.clone(), echo: echo.clone() };
    /// let mut wire = StringTransport::connect(sniff.clone());
    /// wire.receive("GET / ");
    /// assert_eq!(wire.written_text(), "404 6");
    /// let mut wire = StringTransport::connect(sniff);
    /// wire.receive("hello");
    /// assert_eq!(wire.written_text(), "hello");
    /// ```
    pub fn switch_to(&self, factory: impl Factory, rest: impl AsRef<[u8]>) {
        if !self.is_closing() {
            let switch = Switch { factory: FactoryCell::new(factory), rest: rest.as_ref().to_vec() };
            self.0.ask_to_switch(Box::new(switch));
        }
    }
}

/// What a protocol has asked for.
struct Switch {
    factory: FactoryCell,
    rest: Vec<u8>,
}

impl Connection {
    /// Carries out a switch that was asked for.
    #[cold]
    pub(super) fn switch(&mut self) {
        let switch = self.state().take_switch().and_then(|switch| switch.downcast::<Switch>().ok());
        let Some(Switch { factory, rest }) = switch.map(|switch| *switch) else { return };
        if !self.state().is_open() || self.protocol.is_none() {
            return factory.discard();
        }
        self.state().forget_protocol();
        factory.start();
        let built = factory.build(self.transport.clone());
        factory.discard();
        let next = match built {
            Built::Protocol(next) => next,
            Built::Refused => return self.transport.fail_connection(CloseReason::failed(REFUSED)),
            Built::Panicked(message) => return self.state().fail(CloseReason::Panicked(message)),
        };
        let old = self.protocol.replace(next);
        if let Err(message) = catch_panic(|| drop(old)) {
            report_panic(&message, "a protocol panicked when another took its place");
        }
        // Asking it for its handler runs user code.
        if let Err(message) = catch_panic(|| self.introduce()) {
            return self.panicked(message);
        }
        if self.peer_stream != PeerStream::Open {
            self.peer_stream = PeerStream::EofUnanswered;
        }
        self.state().keep_rest(&rest);
        self.made();
        // For what else is to be told: the rest, the end of the stream, a request to finish, another switch.
        self.state().wake();
    }

    /// Delivers some of what an earlier protocol has left, unless reading is paused.
    #[cold]
    pub(super) fn deliver_rest(&mut self) {
        if self.state().is_reading() {
            let piece = self.state().take_rest(HIGH_WATER);
            self.deliver(Callback::DataReceived, |protocol| protocol.data_received(&piece));
            self.state().wake();
        }
    }

    /// Input that comes while a switch is asked for, or behind what an earlier protocol has left.
    #[cold]
    pub(super) fn received_while_switching(&mut self, data: &[u8]) {
        if self.state().is_switch_asked() {
            self.switch();
        }
        if !self.state().rest_waits() {
            self.input(Callback::DataReceived, |protocol| protocol.data_received(data));
        } else if self.state().is_open() && !self.has_ended() {
            self.state().add_to_rest(data);
        }
    }
}

const REFUSED: &str = "the factory of the protocol to switch to has refused the connection";

use std::future::ready;
use std::time::Duration;

use protocols::auth::SaslExchange;
use protocols::irc::{Irc, IrcHandler, Message, ParseError};
use protocols::tls::TlsInfo;
use reactor::{Address, CloseReason, Transport};
use tokio::task::yield_now;

use crate::connection::hub::Hub;
use crate::connection::wire::Wire;
use crate::server::request::Answer;
use crate::server::{ClientId, Peer};

/// A client's connection.
#[derive(Debug)]
pub struct Session {
    hub: Hub,
    wire: Wire,
    id: Option<ClientId>,
    /// Why no line is delivered now: it waits for an answer, has sent too fast, lets the others have their turn, or several of
    /// these.
    waits: bool,
    slowed: bool,
    yields: bool,
    /// Lines since it has let the others have their turn.
    lines: u32,
    /// A login by SASL that has begun.
    exchange: Option<SaslExchange>,
}

impl Session {
    /// A session whose lines are those of a stream.
    pub fn new(hub: &Hub, irc: Irc) -> Self {
        Self::over(hub, Wire::Stream(irc))
    }

    pub(super) fn over(hub: &Hub, wire: Wire) -> Self {
        Self { hub: hub.clone(), wire, id: None, waits: false, slowed: false, yields: false, lines: 0, exchange: None }
    }

    /// The connection is made.
    pub(super) fn begin(&mut self) {
        let hub = self.hub.clone();
        let transport = self.wire.transport();
        transport.set_output_limit(hub.node().settings().limits.output_bytes);
        let peer = peer_of(transport);
        self.id = Some(hub.connected(self.wire.clone(), peer));
        self.wire.on_drain(Self::let_go);
        if hub.is_held() {
            self.wire.pause();
        }
    }

    /// It goes on with what the server knows of it from the process before, once all others can.
    pub(super) fn go_on(&mut self, id: ClientId) {
        self.wire.transport().set_output_limit(self.hub.node().settings().limits.output_bytes);
        self.id = Some(id);
        self.wire.on_drain(Self::let_go);
        self.wire.pause();
    }

    pub(super) fn received(&mut self, message: &Message<'_>) {
        self.hub.node().count_line();
        if let Some(id) = self.id {
            let hub = self.hub.clone();
            hub.hear(self, |server, now| server.received(now, id, message));
            self.take_turns();
        }
    }

    /// Lets the others have their turn now and then. A connection is read by up to 512 KiB in a turn of its own, which would
    /// be ten thousand lines.
    fn take_turns(&mut self) {
        self.lines += 1;
        if self.lines < LINES_IN_A_TURN {
            return;
        }
        self.lines = 0;
        self.yields = true;
        self.wire.pause();
        self.wire.defer(yield_now(), |this: &mut Self, ()| {
            this.yields = false;
            this.resume();
        });
    }

    pub(super) fn received_too_long(&mut self) {
        if let Some(id) = self.id {
            let hub = self.hub.clone();
            hub.hear(self, |server, now| server.received_too_long(now, id));
            self.take_turns();
        }
    }

    /// The connection has ended.
    pub(super) fn end(&mut self, reason: &CloseReason) {
        if let Some(id) = self.id.take() {
            if matches!(reason, CloseReason::HandedOver) {
                return self.hub.handed_over(id);
            }
            let reason = if reason.is_clean() { "Connection closed".into() } else { reason.to_string() };
            self.hub.clone().disconnected(id, reason.as_bytes());
        }
    }

    /// It waits for an answer from now on.
    pub(super) fn wait(&mut self) {
        self.waits = true;
        self.wire.pause();
    }

    /// The answer is there.
    pub(super) fn answered(&mut self, answer: Answer) {
        self.waits = false;
        if let Some(id) = self.id {
            let hub = self.hub.clone();
            hub.call(Some(self), |server, now| server.answered(now, id, answer));
        }
        self.resume();
    }

    /// It has sent too fast, and waits for this long.
    pub(super) fn slow_down(&mut self, delay: Duration) {
        self.slowed = true;
        self.wire.pause();
        self.wire.call_later(delay, |this: &mut Self| {
            this.slowed = false;
            this.resume();
        });
    }

    /// The answer is there already. The session hears it later, when it does nothing else.
    pub(super) fn answer_later(&self, answer: Answer) {
        self.wire.defer(ready(answer), Self::answered);
    }

    /// A login by SASL has begun, or ended.
    pub(super) fn set_exchange(&mut self, exchange: Option<SaslExchange>) {
        self.exchange = exchange;
    }

    pub(super) fn exchange(&self) -> Option<&SaslExchange> {
        self.exchange.as_ref()
    }

    /// Its port is being closed.
    fn let_go(&mut self) {
        if let Some(id) = self.id {
            let hub = self.hub.clone();
            hub.call(Some(self), |server, now| server.let_go(now, id, b"The server is stopping"));
        }
    }

    /// Lines are delivered, unless something speaks against it.
    pub(super) fn resume(&self) {
        if !self.waits && !self.slowed && !self.yields && !self.hub.is_held() {
            self.wire.resume();
        }
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    pub(super) fn id(&self) -> Option<ClientId> {
        self.id
    }
}

impl IrcHandler for Session {
    fn connection_made(&mut self) {
        self.begin();
    }

    fn message_received(&mut self, message: &Message<'_>) {
        self.received(message);
    }

    fn line_rejected(&mut self, _line: &[u8], _error: ParseError) {
        // Empty lines among them, which some clients send.
    }

    fn line_too_long(&mut self) {
        self.received_too_long();
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.end(&reason);
    }
}

/// What is known of the other side.
pub(super) fn peer_of(transport: &Transport) -> Peer {
    let address = match transport.peer() {
        Address::Inet(address) => Some(address.ip().to_canonical()),
        _ => None,
    };
    let tls = TlsInfo::of(transport);
    let fingerprint = tls.as_ref().and_then(|tls| tls.peer_fingerprint()).map(|fingerprint| fingerprint.to_string());
    // Nobody listens to what does not leave the machine.
    Peer { address, secure: tls.is_some() || address.is_none(), fingerprint }
}

/// Some tens of microseconds, and far more lines than people send at once.
const LINES_IN_A_TURN: u32 = 32;

//! Parts, each of which determines the length of the next.
//!
//! [`StatefulReceiver::factory`] makes a factory of your [`StatefulHandler`], whose methods take one part each and return
//! the [`State`] to wait for next. Twisted's `StatefulProtocol`. [`StatefulHandler`] has an example.

pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod state;

pub use handle::{StateKind, States};
pub use handler::StatefulHandler;
pub use state::State;

use std::fmt;

use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};

use crate::receiver::MAX_LENGTH;
use crate::receiver::handle::ReceiverCell;
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Cut, Event, Receiver};

/// Cuts received bytes into parts, each of which determines the length of the next, and calls the methods of a
/// [`StatefulHandler`] with them. Twisted's `StatefulProtocol`.
///
/// Programs need it only to call [`factory`](Self::factory).
///
/// An empty part is delivered at once. If a handler waits for empty parts 10,000 times in a row, it makes no progress:
/// the connection fails.
pub struct StatefulReceiver<H> {
    /// `None` until the connection is made.
    state: Option<State<H>>,
    buffer: Buffer,
}

impl<H: StatefulHandler> StatefulReceiver<H> {
    /// A factory of stateful receivers. For each connection `build` receives its [`States`] and returns the handler, or
    /// an `Option` of it; `None` refuses the connection. [`StatefulHandler`] has an example.
    pub fn factory<F, T>(build: F) -> StatefulFactory<F>
    where
        F: FnMut(States) -> T + 'static,
        T: IntoHandler<States, Handler = H>,
    {
        StatefulFactory { build, max_length: MAX_LENGTH }
    }
}

/// Builds a receiver of parts for each connection, by [`StatefulReceiver::factory`].
pub struct StatefulFactory<F> {
    build: F,
    max_length: usize,
}

impl<F> StatefulFactory<F> {
    /// The maximum length of a part in bytes. Default: 99,999. See [`StatefulHandler::length_limit_exceeded`].
    #[must_use]
    pub fn max_length(mut self, bytes: usize) -> Self {
        self.max_length = bytes;
        self
    }
}

impl<F, T> Factory for StatefulFactory<F>
where
    F: FnMut(States) -> T + 'static,
    T: IntoHandler<States>,
    T::Handler: StatefulHandler,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let kind = StateKind { max_length: self.max_length };
        let cut = StatefulReceiver { state: None, buffer: Buffer::default() };
        protocol::build(transport, kind, cut, &mut self.build)
    }
}

impl<F> fmt::Debug for StatefulFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatefulFactory").field("max_length", &self.max_length).finish_non_exhaustive()
    }
}

impl<H: StatefulHandler> Cut<H> for StatefulReceiver<H> {
    type Kind = StateKind;

    fn deliver(receiver: &mut Receiver<H, Self>, chunk: &[u8]) {
        let Receiver { handler, handle: states, cut: Self { state, buffer } } = receiver;
        let Some(state) = state else { return };
        let ReceiverCell { delivery, kind } = &*states.0;
        let next = |input: &mut Input<'_>| {
            if state.length > kind.max_length {
                handler.length_limit_exceeded(state.length);
                let text = format!("the handler waits for {} bytes, and may for {}", state.length, kind.max_length);
                delivery.transport.lose_connection_with(CloseReason::failed(text));
                return true;
            }
            let Some(part) = input.take(state.length) else { return false };
            delivery.called_for(part.len());
            if let Some(next) = (state.function)(handler, part) {
                *state = next;
            }
            true
        };
        let stopped = delivery.cut(buffer.input(chunk), next);
        if stopped && state.length == 0 {
            delivery.hold();
        }
    }

    fn end_of_stream(receiver: &mut Receiver<H, Self>) -> OnEof {
        let Receiver { handler, handle, cut } = receiver;
        handle.0.delivery.end_of_stream(&mut cut.buffer, |unfinished| handler.eof_received(unfinished))
    }

    fn tell(receiver: &mut Receiver<H, Self>, event: Event) {
        let handler = &mut receiver.handler;
        match event {
            Event::ConnectionMade => {
                receiver.cut.state = Some(handler.initial_state());
                handler.connection_made();
                // The first part may be empty.
                Self::deliver(receiver, b"");
            }
            Event::PauseWriting => handler.pause_writing(),
            Event::ResumeWriting => handler.resume_writing(),
            Event::ConnectionLost(reason) => handler.connection_lost(reason),
        }
    }
}

impl<H> fmt::Debug for StatefulReceiver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatefulReceiver").field("state", &self.state).finish_non_exhaustive()
    }
}

//! Parts, each of which tells how long the next is.

pub(crate) mod factory;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod state;

pub use factory::StatefulFactory;
pub use handle::States;
pub use handler::StatefulHandler;
pub use state::State;

use std::any::Any;
use std::fmt;

use reactor::{CloseReason, OnEof, Protocol};

use crate::receiver::delivery::Receiver;
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;

/// A protocol that cuts what is received into parts, of which each says how long the next one is, and calls the methods
/// of a [`StatefulHandler`] with them. Twisted's `StatefulProtocol`.
///
/// Programs name it to call [`factory`](Self::factory), and nowhere else.
///
/// A part of no bytes is delivered at once. A handler that waits for no bytes 10,000 times in a row does not get on
/// whatever is received: its connection fails.
pub struct StatefulReceiver<H> {
    handler: H,
    states: States,
    /// None until the connection is made.
    state: Option<State<H>>,
    max_length: usize,
    buffer: Buffer,
}

impl<H: StatefulHandler> StatefulReceiver<H> {
    /// A factory of stateful receivers. For each connection `build` is given its [`States`] and returns the handler, or
    /// an `Option` of it, where `None` refuses the connection. There is an example at [`StatefulHandler`].
    pub fn factory<F, T>(build: F) -> StatefulFactory<F>
    where
        F: FnMut(States) -> T + 'static,
        T: IntoHandler<States, Handler = H>,
    {
        StatefulFactory::new(build)
    }

    pub(crate) fn new(handler: H, states: States, max_length: usize) -> Self {
        Self { handler, states, state: None, max_length, buffer: Buffer::default() }
    }
}

impl<H: StatefulHandler> Receiver for StatefulReceiver<H> {
    fn deliver(&mut self, chunk: &[u8]) {
        let Self { handler, states, state, max_length, buffer } = self;
        let Some(state) = state else { return };
        let delivery = &states.0.delivery;
        let next = |input: &mut Input<'_>| {
            if state.length > *max_length {
                handler.length_limit_exceeded(state.length);
                states.lose_connection();
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
}

impl<H: StatefulHandler> Protocol for StatefulReceiver<H> {
    fn connection_made(&mut self) {
        self.state = Some(self.handler.initial_state());
        self.handler.connection_made();
        self.deliver(b"");
    }

    fn data_received(&mut self, data: &[u8]) {
        self.deliver(data);
    }

    fn eof_received(&mut self) -> OnEof {
        let Self { handler, states, buffer, .. } = self;
        states.0.delivery.end_of_stream(buffer, |unfinished| handler.eof_received(unfinished))
    }

    fn pause_writing(&mut self) {
        self.handler.pause_writing();
    }

    fn resume_writing(&mut self) {
        self.handler.resume_writing();
        if self.states.0.delivery.is_held() {
            self.deliver(b"");
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.handler.connection_lost(reason);
    }

    fn handler(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.handler)
    }
}

impl<H> fmt::Debug for StatefulReceiver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatefulReceiver")
            .field("states", &self.states)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

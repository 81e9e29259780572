use std::fmt;

use reactor::{Factory, Protocol, Transport};

use crate::receiver::into_handler::IntoHandler;
use crate::stateful::StatefulReceiver;
use crate::stateful::handle::{StateKind, States};
use crate::stateful::handler::StatefulHandler;
use crate::string::factory::MAX_LENGTH;

/// Builds a [`StatefulReceiver`] for each connection, by [`StatefulReceiver::factory`].
pub struct StatefulFactory<F> {
    build: F,
    max_length: usize,
}

impl<F> StatefulFactory<F> {
    pub(crate) fn new(build: F) -> Self {
        Self { build, max_length: MAX_LENGTH }
    }

    /// The most bytes that may be waited for at a time: 99,999 if this is never called. See
    /// [`StatefulHandler::length_limit_exceeded`].
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
        let states = States::new::<StatefulReceiver<T::Handler>>(transport, StateKind);
        let handler = (self.build)(states.clone()).into_handler()?;
        Some(Box::new(StatefulReceiver::new(handler, states, self.max_length)))
    }
}

impl<F> fmt::Debug for StatefulFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatefulFactory").field("max_length", &self.max_length).finish_non_exhaustive()
    }
}

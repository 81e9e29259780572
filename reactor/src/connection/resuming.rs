//! Connections that go on in the next process.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

use crate::connection::factory::{Factory, IntoProtocol};
use crate::connection::resumption::{Resumable, Resumption};
use crate::connection::{Connection, Protocol};
use crate::transport::Transport;

/// A factory whose connections [go on](Resumable) in the next process: `build` makes a protocol for a new connection, and
/// `resume` one with the state of an earlier one, or returns `None` if the state makes no sense to it.
pub fn resumable<B, R, P>(build: B, resume: R) -> ResumableFactory<B, R, P>
where
    B: FnMut(Transport) -> P + 'static,
    R: FnMut(Transport, &[u8]) -> Option<P> + 'static,
    P: Protocol + Resumable,
{
    ResumableFactory { build, resume, protocol: PhantomData }
}

/// A factory from [`resumable`].
pub struct ResumableFactory<B, R, P> {
    build: B,
    resume: R,
    protocol: PhantomData<fn() -> P>,
}

impl<B, R, P> Factory for ResumableFactory<B, R, P>
where
    B: FnMut(Transport) -> P + 'static,
    R: FnMut(Transport, &[u8]) -> Option<P> + 'static,
    P: Protocol + Resumable,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        (self.build)(transport).into_protocol()
    }

    fn resumption(&mut self) -> Option<&mut dyn Resumption> {
        Some(self)
    }
}

impl<B, R, P> Resumption for ResumableFactory<B, R, P>
where
    B: FnMut(Transport) -> P + 'static,
    R: FnMut(Transport, &[u8]) -> Option<P> + 'static,
    P: Protocol + Resumable,
{
    fn save(&mut self, protocol: &mut dyn Protocol) -> Option<Vec<u8>> {
        (protocol as &mut dyn Any).downcast_mut::<P>()?.state()
    }

    fn resume(&mut self, transport: Transport, state: &[u8]) -> Option<Box<dyn Protocol>> {
        (self.resume)(transport, state).into_protocol()
    }
}

impl<B, R, P> fmt::Debug for ResumableFactory<B, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumableFactory").finish_non_exhaustive()
    }
}

impl Connection {
    /// Joins a protocol that was resumed to its transport: it is not made again.
    pub(crate) fn resumed(transport: Transport, protocol: Box<dyn Protocol>) -> Self {
        let mut this = Self::new(transport, protocol);
        this.made = true;
        this
    }

    /// Records that the protocol was resumed.
    pub(crate) fn set_resumed(&mut self) {
        self.made = true;
    }

    /// Calls this with the protocol, if the connection has begun and not ended.
    pub(crate) fn hold(&mut self, hold: impl FnOnce(&mut dyn Protocol)) {
        if self.made
            && !self.has_ended()
            && let Some(protocol) = &mut self.protocol
        {
            hold(&mut **protocol);
        }
    }

    /// The state of the protocol, if the connection can go on elsewhere at this moment.
    pub(crate) fn save(&mut self, save: impl FnOnce(&mut dyn Protocol) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        if !self.made || self.has_ended() || !self.transport().0.is_movable() {
            return None;
        }
        save(&mut **self.protocol.as_mut()?)
    }
}

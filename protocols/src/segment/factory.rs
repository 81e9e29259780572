use std::fmt;

use reactor::{Factory, Protocol, Transport};

use crate::receiver::into_handler::IntoHandler;
use crate::segment::TerminatorReceiver;
use crate::segment::handle::{SegmentKind, Segments};
use crate::segment::handler::TerminatorHandler;

/// Builds a [`TerminatorReceiver`] for each connection, by [`TerminatorReceiver::factory`].
pub struct TerminatorFactory<F> {
    build: F,
}

impl<F> TerminatorFactory<F> {
    pub(crate) fn new(build: F) -> Self {
        Self { build }
    }
}

impl<F, T> Factory for TerminatorFactory<F>
where
    F: FnMut(Segments) -> T + 'static,
    T: IntoHandler<Segments>,
    T::Handler: TerminatorHandler,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let segments = Segments::new::<TerminatorReceiver<T::Handler>>(transport, SegmentKind::default());
        let handler = (self.build)(segments.clone()).into_handler()?;
        Some(Box::new(TerminatorReceiver::new(handler, segments)))
    }
}

impl<F> fmt::Debug for TerminatorFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TerminatorFactory").finish_non_exhaustive()
    }
}

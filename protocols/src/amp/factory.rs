use std::fmt;

use reactor::{Factory, Protocol, Transport};

use crate::amp::handle::Amp;
use crate::amp::handler::AmpHandler;
use crate::amp::receiver::AmpReceiver;
use crate::receiver::into_handler::IntoHandler;

/// Builds an [`AmpReceiver`] for each connection, by [`AmpReceiver::factory`].
///
/// ```
/// # use protocols::amp::{AmpHandler, AmpReceiver};
/// # struct Calculator;
/// # impl AmpHandler for Calculator {}
/// # let reactor = reactor::Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:0", AmpReceiver::factory(|_| Calculator).max_box_size(4096).max_answering(10))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AmpFactory<F> {
    build: F,
    limits: Limits,
}

/// What a peer may make a receiver hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_box_size: usize,
    pub(crate) max_answering: usize,
}

impl<F> AmpFactory<F> {
    pub(crate) fn new(build: F) -> Self {
        Self { build, limits: Limits { max_box_size: 1 << 20, max_answering: 1024 } }
    }

    /// How large a box of the peer may be: the bytes that it is sent as, and 64 for each key. 1 MiB if this is never
    /// called; Twisted has no limit. A larger one ends the connection. When the calls that are waiting for an
    /// [`AmpAnswer::later`](crate::amp::AmpAnswer::later) are larger than that together, others wait.
    #[must_use]
    pub fn max_box_size(mut self, bytes: usize) -> Self {
        self.limits.max_box_size = bytes;
        self
    }

    /// How many calls of the peer may be waiting for an [`AmpAnswer::later`](crate::amp::AmpAnswer::later): 1,024 if this is
    /// never called. While there are so many, others wait.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    #[must_use]
    pub fn max_answering(mut self, calls: usize) -> Self {
        assert!(calls > 0, "a receiver that may answer no call can receive none");
        self.limits.max_answering = calls;
        self
    }
}

impl<F, T> Factory for AmpFactory<F>
where
    F: FnMut(Amp) -> T + 'static,
    T: IntoHandler<Amp>,
    T::Handler: AmpHandler,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let amp = Amp::new(transport);
        let handler = (self.build)(amp.clone()).into_handler()?;
        Some(Box::new(AmpReceiver::new(handler, amp, self.limits)))
    }
}

impl<H: AmpHandler> IntoHandler<Amp> for H {
    type Handler = H;

    fn into_handler(self) -> Option<H> {
        Some(self)
    }
}

impl<F> fmt::Debug for AmpFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmpFactory").field("limits", &self.limits).finish_non_exhaustive()
    }
}

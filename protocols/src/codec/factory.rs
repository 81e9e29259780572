use std::fmt;

use reactor::{Factory, Protocol, Transport};
use tokio_util::codec::Decoder;

use crate::codec::CodecReceiver;
use crate::codec::handle::{CodecKind, Messages};
use crate::codec::handler::CodecHandler;
use crate::receiver::into_handler::IntoHandler;

/// Builds a [`CodecReceiver`] for each connection, by [`CodecReceiver::factory`].
pub struct CodecFactory<N, F> {
    new_codec: N,
    build: F,
    max_kept: usize,
}

impl<N, F> CodecFactory<N, F> {
    pub(crate) fn new(new_codec: N, build: F) -> Self {
        Self { new_codec, build, max_kept: MAX_KEPT }
    }

    /// The most bytes that are kept because the codec cannot decode them yet: 1 MiB if this is never called. With more
    /// the connection closes, see [`CodecHandler::decoding_failed`].
    ///
    /// This bounds memory, for codecs that do not. It is no limit of messages, since one that comes in a single chunk
    /// is decoded without being kept: for that, and for codecs that reserve memory for as much as a peer has told, set
    /// a limit of the codec's own.
    #[must_use]
    pub fn max_kept(mut self, bytes: usize) -> Self {
        self.max_kept = bytes;
        self
    }
}

impl<N, C, F, T> Factory for CodecFactory<N, F>
where
    N: FnMut() -> C + 'static,
    C: Decoder + 'static,
    F: FnMut(Messages<C>) -> T + 'static,
    T: IntoHandler<Messages<C>>,
    T::Handler: CodecHandler<Codec = C>,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let kind = CodecKind::new((self.new_codec)());
        let messages = Messages::new::<CodecReceiver<T::Handler>>(transport, kind);
        let handler = (self.build)(messages.clone()).into_handler()?;
        Some(Box::new(CodecReceiver::new(handler, messages, self.max_kept)))
    }
}

impl<N, F> fmt::Debug for CodecFactory<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecFactory").field("max_kept", &self.max_kept).finish_non_exhaustive()
    }
}

const MAX_KEPT: usize = 1 << 20;

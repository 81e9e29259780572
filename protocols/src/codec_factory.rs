use std::fmt;

use reactor::Factory;
use reactor::Protocol;
use reactor::Transport;
use tokio_util::codec::Decoder;

use crate::codec_handler::CodecHandler;
use crate::codec_receiver::CodecReceiver;
use crate::into_handler::IntoHandler;
use crate::messages::CodecKind;
use crate::messages::Messages;

/// Builds a [`CodecReceiver`] for each connection, by [`CodecReceiver::factory`].
pub struct CodecFactory<N, F> {
    new_codec: N,
    build: F,
    max_length: usize,
}

impl<N, F> CodecFactory<N, F> {
    pub(crate) fn new(new_codec: N, build: F) -> Self {
        Self { new_codec, build, max_length: MAX_LENGTH }
    }

    /// The most bytes that may be received of a message before the codec has decoded it: 1 MiB if this is never
    /// called. See [`CodecHandler::decoding_failed`].
    ///
    /// It holds beside any limit of the codec's own, and is there for codecs that have none. A codec may reserve memory
    /// for as much as a peer has told; only its own limit keeps it from that.
    #[must_use]
    pub fn max_length(mut self, bytes: usize) -> Self {
        self.max_length = bytes;
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
        Some(Box::new(CodecReceiver::new(handler, messages, self.max_length)))
    }
}

impl<N, F> fmt::Debug for CodecFactory<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecFactory").field("max_length", &self.max_length).finish_non_exhaustive()
    }
}

const MAX_LENGTH: usize = 1 << 20;

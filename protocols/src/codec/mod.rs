//! Messages of any codec of `tokio_util`.

pub(crate) mod factory;
pub(crate) mod handle;
pub(crate) mod handler;

pub use factory::CodecFactory;
pub use handle::Messages;
pub use handler::CodecHandler;

use std::any::Any;
use std::{fmt, io};

use reactor::{CloseReason, OnEof, Protocol};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder;

use crate::receiver::delivery::Receiver;
use crate::receiver::input::SPARE;
use crate::receiver::into_handler::IntoHandler;

/// A protocol that has a codec of [`tokio_util`](https://docs.rs/tokio-util) cut what is received into messages, and calls
/// a [`CodecHandler`] with them. So all the codecs there are for that crate's `Framed` can be used, with the same rules of delivery as lines.
///
/// Programs name it to call [`factory`](Self::factory), and nowhere else.
///
/// What is received is copied once, into the buffer that the codec decodes from. It is given no more than one chunk
/// beyond what it could not decode yet.
pub struct CodecReceiver<H: CodecHandler> {
    handler: H,
    messages: Messages<H::Codec>,
    max_kept: usize,
    /// What is not decoded yet.
    buffer: BytesMut,
}

impl<H: CodecHandler> CodecReceiver<H> {
    /// A factory of codec receivers. For each connection `new_codec` makes its codec; `build` is given its [`Messages`]
    /// and returns the handler, or an `Option` of it, where `None` refuses the connection.
    ///
    /// ```
    /// use protocols::codec::{CodecHandler, CodecReceiver, Messages};
    /// use reactor::Reactor;
    /// use tokio_util::bytes::BytesMut;
    /// use tokio_util::codec::LengthDelimitedCodec;
    ///
    /// struct Echo { messages: Messages<LengthDelimitedCodec> }
    ///
    /// impl CodecHandler for Echo {
    ///     type Codec = LengthDelimitedCodec;
    ///
    ///     fn message_received(&mut self, message: BytesMut) {
    ///         if self.messages.send(message.freeze()).is_err() {
    ///             self.messages.lose_connection();
    ///         }
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// let new_codec = || LengthDelimitedCodec::builder().max_frame_length(4096).new_codec();
    /// reactor.listen_tcp("127.0.0.1:0", CodecReceiver::factory(new_codec, |messages| Echo { messages }))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn factory<N, F, T>(new_codec: N, build: F) -> CodecFactory<N, F>
    where
        N: FnMut() -> H::Codec + 'static,
        F: FnMut(Messages<H::Codec>) -> T + 'static,
        T: IntoHandler<Messages<H::Codec>, Handler = H>,
    {
        CodecFactory::new(new_codec, build)
    }

    pub(crate) fn new(handler: H, messages: Messages<H::Codec>, max_kept: usize) -> Self {
        Self { handler, messages, max_kept, buffer: BytesMut::new() }
    }

    /// Delivers what `decode` takes off the buffer, as far as may be.
    fn decode(&mut self, decode: Decode<H::Codec>) {
        let Self { handler, messages, max_kept, buffer } = self;
        let delivery = &messages.0.delivery;
        let most = buffer.len();
        let next = || {
            let mut decoded = decode(&mut messages.0.kind.codec.borrow_mut(), buffer);
            if matches!(decoded, Ok(None)) && buffer.len() > *max_kept {
                let text = format!("the peer sent more than {max_kept} bytes of a message that is not complete");
                decoded = Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
            }
            match decoded {
                Ok(Some(message)) => {
                    delivery.transport.note_message();
                    handler.message_received(message);
                }
                Ok(None) => return false,
                Err(error) => {
                    handler.decoding_failed(error);
                    messages.lose_connection();
                }
            }
            true
        };
        let stopped = delivery.run(next) && !messages.is_closing();
        if messages.is_closing() {
            buffer.clear();
        }
        if most > SPARE && buffer.len() <= most / 4 {
            *buffer = BytesMut::from(&buffer[..]);
        }
        delivery.end(!buffer.is_empty(), stopped);
    }
}

/// [`Decoder::decode`], or its `decode_eof`.
type Decode<C> = fn(&mut C, &mut BytesMut) -> Result<Option<<C as Decoder>::Item>, <C as Decoder>::Error>;

impl<H: CodecHandler> Receiver for CodecReceiver<H> {
    fn deliver(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
        self.decode(Decoder::decode);
    }
}

impl<H: CodecHandler> Protocol for CodecReceiver<H> {
    fn connection_made(&mut self) {
        self.handler.connection_made();
    }

    fn data_received(&mut self, data: &[u8]) {
        self.deliver(data);
    }

    fn eof_received(&mut self) -> OnEof {
        if !self.messages.0.delivery.has_more() {
            self.decode(Decoder::decode_eof);
        }
        if self.messages.is_closing() {
            OnEof::Close
        } else if self.messages.0.delivery.has_more() {
            OnEof::NotYet
        } else {
            self.handler.eof_received()
        }
    }

    fn pause_writing(&mut self) {
        self.handler.pause_writing();
    }

    fn resume_writing(&mut self) {
        self.handler.resume_writing();
        if self.messages.0.delivery.is_held() {
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

impl<H: CodecHandler> fmt::Debug for CodecReceiver<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecReceiver").field("messages", &self.messages).finish_non_exhaustive()
    }
}

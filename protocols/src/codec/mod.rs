//! Messages of any `tokio_util` codec.
//!
//! [`CodecReceiver::factory`] combines a closure that makes a codec with your [`CodecHandler`], which is called with each
//! message and sends through its [`Messages`]. [`CodecHandler`] has an example.

pub(crate) mod handle;
pub(crate) mod handler;

pub use handle::{CodecKind, Messages};
pub use handler::CodecHandler;

use std::{fmt, io};

use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::Decoder;

use crate::receiver::handle::ReceiverCell;
use crate::receiver::input::SPARE;
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Cut, Event, Receiver};

/// Lets a codec of [`tokio_util`](https://docs.rs/tokio-util) cut the received bytes into messages, and passes them to
/// a [`CodecHandler`]. Any codec written for that crate's `Framed` can be used, with the same rules of delivery as
/// lines.
///
/// Programs need it only to call [`factory`](Self::factory).
///
/// Received bytes are copied once, into the buffer that the codec decodes from. It holds at most one chunk besides the
/// bytes that could not be decoded yet.
#[derive(Debug)]
pub struct CodecReceiver {
    /// The bytes not yet decoded.
    buffer: BytesMut,
}

impl CodecReceiver {
    /// A factory of codec receivers. For each connection `new_codec` makes its codec; `build` receives its [`Messages`]
    /// and returns the handler, or an `Option` of it; `None` refuses the connection.
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
    pub fn factory<N, C, F, T>(new_codec: N, build: F) -> CodecFactory<N, F>
    where
        N: FnMut() -> C + 'static,
        C: Decoder + 'static,
        F: FnMut(Messages<C>) -> T + 'static,
        T: IntoHandler<Messages<C>>,
        T::Handler: CodecHandler<Codec = C>,
    {
        CodecFactory { new_codec, build, max_kept: MAX_KEPT }
    }
}

const MAX_KEPT: usize = 1 << 20;

/// Builds a receiver of messages for each connection, by [`CodecReceiver::factory`].
pub struct CodecFactory<N, F> {
    new_codec: N,
    build: F,
    max_kept: usize,
}

impl<N, F> CodecFactory<N, F> {
    /// The maximum number of bytes to keep that the codec cannot decode yet. Default: 1 MiB. With more the connection
    /// closes: see [`CodecHandler::decoding_failed`].
    ///
    /// This bounds memory for codecs without a limit. It does not limit messages, since one that arrives in a single
    /// chunk is decoded without being kept. To limit messages, and for codecs that reserve memory by a length that the
    /// peer claims, set a limit of the codec's own.
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
        let kind = CodecKind::new((self.new_codec)(), self.max_kept);
        protocol::build(transport, kind, CodecReceiver { buffer: BytesMut::new() }, &mut self.build)
    }
}

impl<N, F> fmt::Debug for CodecFactory<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecFactory").field("max_kept", &self.max_kept).finish_non_exhaustive()
    }
}

impl<H: CodecHandler> Cut<H> for CodecReceiver {
    type Kind = CodecKind<H::Codec>;

    fn deliver(receiver: &mut Receiver<H, Self>, chunk: &[u8]) {
        receiver.cut.buffer.extend_from_slice(chunk);
        decode_with(receiver, Decoder::decode);
    }

    fn end_of_stream(receiver: &mut Receiver<H, Self>) -> OnEof {
        if !receiver.handle.0.delivery.has_more() {
            decode_with(receiver, Decoder::decode_eof);
        }
        if receiver.handle.is_closing() {
            OnEof::Close
        } else if receiver.handle.0.delivery.has_more() {
            OnEof::NotYet
        } else {
            receiver.handler.eof_received()
        }
    }

    fn tell(receiver: &mut Receiver<H, Self>, event: Event) {
        let handler = &mut receiver.handler;
        match event {
            Event::ConnectionMade => handler.connection_made(),
            Event::PauseWriting => handler.pause_writing(),
            Event::ResumeWriting => handler.resume_writing(),
            Event::ConnectionLost(reason) => handler.connection_lost(reason),
        }
    }
}

/// [`Decoder::decode`], or its `decode_eof`.
type Decode<C> = fn(&mut C, &mut BytesMut) -> Result<Option<<C as Decoder>::Item>, <C as Decoder>::Error>;

/// Delivers what `decode` takes from the buffer, as long as delivery may go on.
fn decode_with<H: CodecHandler>(receiver: &mut Receiver<H, CodecReceiver>, decode: Decode<H::Codec>) {
    let Receiver { handler, handle: messages, cut: CodecReceiver { buffer } } = receiver;
    let ReceiverCell { delivery, kind } = &*messages.0;
    let most = buffer.len();
    let next = || {
        let mut decoded = decode(&mut kind.codec.borrow_mut(), buffer);
        if matches!(decoded, Ok(None)) && buffer.len() > kind.max_kept {
            let text = format!("the peer sent more than {} bytes of an incomplete message", kind.max_kept);
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
                let text = "the codec cannot decode what the peer sent";
                delivery.transport.lose_connection_with(CloseReason::failed(text));
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
    delivery.end(if buffer.is_empty() { 0 } else { buffer.capacity() }, stopped);
}

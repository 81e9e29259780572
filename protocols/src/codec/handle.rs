use std::cell::RefCell;
use std::fmt;

use tokio_util::bytes::BytesMut;
use tokio_util::codec::Encoder;

use crate::receiver::handle::Handle;
use crate::receiver::input::SPARE;

/// A handle of one connection whose protocol is a [`CodecReceiver`](crate::codec::CodecReceiver), with which a
/// [`CodecHandler`](crate::codec::CodecHandler) sends messages. [`Handle`] has what all handles share: closing,
/// pausing, timers.
pub type Messages<C> = Handle<CodecKind<C>>;

/// The kind of [`Handle`] behind [`Messages`], for code that is generic over handles.
pub struct CodecKind<C> {
    pub(crate) codec: RefCell<C>,
    /// The buffer in which a message is encoded. Empty between messages.
    encoded: RefCell<BytesMut>,
    pub(crate) max_kept: usize,
}

impl<C> CodecKind<C> {
    pub(crate) fn new(codec: C, max_kept: usize) -> Self {
        Self { codec: RefCell::new(codec), encoded: RefCell::default(), max_kept }
    }
}

impl<C> Messages<C> {
    /// Sends a message as the codec encodes it. If the codec encodes several types, `message` can be of any of them.
    ///
    /// # Errors
    ///
    /// Any error of the codec. Nothing is sent then.
    ///
    /// # Panics
    ///
    /// If the codec itself calls it.
    pub fn send<M>(&self, message: M) -> Result<(), C::Error>
    where
        C: Encoder<M>,
    {
        let kind = &self.0.kind;
        let mut encoded = kind.encoded.borrow_mut();
        let result = kind.codec.borrow_mut().encode(message, &mut encoded);
        if result.is_ok() {
            self.transport().write(&*encoded);
        }
        encoded.clear();
        if encoded.capacity() > SPARE {
            *encoded = BytesMut::new();
        }
        result
    }
}

impl<C> fmt::Debug for CodecKind<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecKind").finish_non_exhaustive()
    }
}

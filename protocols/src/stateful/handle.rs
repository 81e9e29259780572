use crate::receiver::handle::Handle;

/// A handle of one connection whose protocol is a [`StatefulReceiver`](crate::stateful::StatefulReceiver), with which a
/// [`StatefulHandler`](crate::stateful::StatefulHandler) closes, pauses and sets timers, as with every [`Handle`]. Send
/// through [`transport`](Handle::transport).
pub type States = Handle<StateKind>;

/// The kind of [`Handle`] behind [`States`], for code that is generic over handles.
#[derive(Debug)]
pub struct StateKind {
    pub(crate) max_length: usize,
}

use crate::receiver::handle::Handle;

/// A handle of one connection whose protocol is a [`StatefulReceiver`](crate::stateful::StatefulReceiver): how a
/// [`StatefulHandler`](crate::stateful::StatefulHandler) closes, paces and times, as every [`Handle`]
/// does. It sends by [`transport`](Handle::transport).
pub type States = Handle<StateKind>;

/// The kind of [`Handle`] that [`States`] are: for code over any handle.
#[derive(Debug)]
pub struct StateKind {
    pub(crate) max_length: usize,
}

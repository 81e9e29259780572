//! Cutting a connection's bytes into messages. For each kind of message there is a splitter (bytes in, messages out), the
//! trait of the handler, the handle that sends, the receiver between them, and its factory; `input` and `delivery` are what
//! all of them stand on.

pub(crate) mod delivery;
pub(crate) mod handle;
pub(crate) mod input;
pub(crate) mod into_handler;

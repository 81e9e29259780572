//! Cutting a connection's bytes into messages. For each kind of message there is a splitter (bytes in, messages out), the
//! trait of the handler, the handle that sends, the receiver between them, and its factory; `input` and `delivery` are what
//! all of them stand on.

pub(crate) mod codec_factory;
pub(crate) mod codec_handler;
pub(crate) mod codec_receiver;
pub(crate) mod delivery;
pub(crate) mod handle;
pub(crate) mod input;
pub(crate) mod into_handler;
pub(crate) mod line_factory;
pub(crate) mod line_handler;
pub(crate) mod line_receiver;
pub(crate) mod line_splitter;
pub(crate) mod lines;
pub(crate) mod messages;
pub(crate) mod segments;
pub(crate) mod state;
pub(crate) mod stateful_factory;
pub(crate) mod stateful_handler;
pub(crate) mod stateful_receiver;
pub(crate) mod states;
pub(crate) mod string_error;
pub(crate) mod string_factory;
pub(crate) mod string_format;
pub(crate) mod string_handler;
pub(crate) mod string_receiver;
pub(crate) mod string_splitter;
pub(crate) mod strings;
pub(crate) mod terminator;
pub(crate) mod terminator_factory;
pub(crate) mod terminator_handler;
pub(crate) mod terminator_receiver;
pub(crate) mod terminator_splitter;

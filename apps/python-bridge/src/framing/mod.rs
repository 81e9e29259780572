//! Bytes into lines and strings, for handlers in Python.

pub(crate) mod lines;
pub(crate) mod strings;
pub(crate) mod undelivered;

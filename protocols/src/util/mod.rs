//! Small tools that know no protocol.

pub(crate) mod file;
pub(crate) mod lock;

use std::error::Error;
use std::fmt;

use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};

/// Why something could not be done with what JetStream keeps.
#[derive(Debug)]
pub struct JetStreamError {
    what: &'static str,
    source: async_nats::Error,
}

impl JetStreamError {
    pub(super) fn new(what: &'static str, source: impl Into<async_nats::Error>) -> Self {
        Self { what, source: source.into() }
    }
}

impl fmt::Display for JetStreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.source)?;
        match self.source.downcast_ref::<CreateStreamError>().map(CreateStreamError::kind) {
            Some(CreateStreamErrorKind::JetStreamUnavailable) => {
                f.write_str(": start the NATS server with JetStream, by -js -sd FOLDER")
            }
            _ => Ok(()),
        }
    }
}

impl Error for JetStreamError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

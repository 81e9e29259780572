use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::amp::amp_box::AmpBox;
use crate::amp::error::AmpError;

/// The answer to a call: a box, converted by `into()`, or a future that finds the answer later.
pub struct AmpAnswer(pub(crate) When);

pub(crate) enum When {
    Now(AmpBox),
    Later(Later),
}

pub(crate) type Later = Pin<Box<dyn Future<Output = Result<AmpBox, AmpError>>>>;

impl AmpAnswer {
    /// Answers with the output of a future, which runs beside the handler like one passed to
    /// [`Transport::defer`](reactor::Transport::defer). Twisted's responder that returns a `Deferred`.
    ///
    /// Other calls are received and answered meanwhile. If the connection ends first, the future is dropped.
    pub fn later(future: impl Future<Output = Result<AmpBox, AmpError>> + 'static) -> Self {
        Self(When::Later(Box::pin(future)))
    }
}

impl From<AmpBox> for AmpAnswer {
    fn from(answer: AmpBox) -> Self {
        Self(When::Now(answer))
    }
}

impl fmt::Debug for AmpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            When::Now(answer) => f.debug_tuple("AmpAnswer").field(answer).finish(),
            When::Later(_) => f.write_str("AmpAnswer(..)"),
        }
    }
}

//! Labelled responses: all that answers a command carries its label.

use crate::server::output::line::Line;
use crate::server::values::names::Name;

/// A label, and what was sent for it so far.
#[derive(Debug)]
pub(in crate::server) struct Label {
    /// As the client has sent it, still escaped.
    pub label: Name,
    /// What a batch for it is called.
    pub batch: Name,
    pub sent: Sent,
}

/// How a response looks is known with its second line: one line carries the label itself, more are a batch.
#[derive(Debug)]
pub(in crate::server) enum Sent {
    Nothing,
    /// Held until it is known whether it stays alone.
    One(Line),
    /// The batch is open.
    Batch,
}

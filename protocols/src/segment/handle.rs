use std::cell::{Cell, RefCell};

use crate::receiver::handle::Handle;
use crate::segment::terminator::Terminator;

/// A handle of one connection whose protocol is a [`TerminatorReceiver`](crate::segment::TerminatorReceiver), with
/// which a [`TerminatorHandler`](crate::segment::TerminatorHandler) sets the ends of segments. [`Handle`] has what all
/// handles share: closing, pausing, timers. Send through [`transport`](Handle::transport).
pub type Segments = Handle<SegmentKind>;

/// The kind of [`Handle`] behind [`Segments`], for code that is generic over handles.
#[derive(Debug, Default)]
pub struct SegmentKind {
    pub(crate) terminator: RefCell<Terminator>,
    /// Whether it changed since it was last searched for.
    pub(crate) changed: Cell<bool>,
}

impl Segments {
    /// Sets what ends the current segment: some bytes (`"\r
    /// "`), a count (`42`), or nothing ([`Terminator::None`], the default). It applies to all bytes that have not been delivered yet. asynchat's `set_terminator`.
    ///
    /// Bytes remain the terminator of all following segments; a count is used up when it is reached, and then there is
    /// no terminator until this is called again.
    pub fn set_terminator(&self, terminator: impl Into<Terminator>) {
        let terminator = terminator.into();
        let is_there = terminator == Terminator::Count(0);
        self.0.kind.terminator.replace(terminator);
        self.0.kind.changed.set(true);
        if is_there {
            self.0.delivery.ask();
        } else {
            self.0.delivery.cuts_anew();
        }
    }
}

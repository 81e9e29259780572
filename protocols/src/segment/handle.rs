use std::cell::{Cell, RefCell};

use crate::receiver::handle::Handle;
use crate::segment::terminator::Terminator;

/// A handle of one connection whose protocol is a [`TerminatorReceiver`](crate::segment::TerminatorReceiver): how a
/// [`TerminatorHandler`](crate::segment::TerminatorHandler) says where segments end. How it closes, paces and times is said
/// at [`Handle`]; it sends by [`transport`](Handle::transport).
pub type Segments = Handle<SegmentKind>;

/// The kind of [`Handle`] that [`Segments`] are: for code over any handle.
#[derive(Debug, Default)]
pub struct SegmentKind {
    pub(crate) terminator: RefCell<Terminator>,
    /// Since it was last searched for.
    pub(crate) changed: Cell<bool>,
}

impl Segments {
    /// Says what ends the segment that comes now: some bytes (`"\r\n"`), a count (`42`), or nothing
    /// ([`Terminator::None`], as in the beginning). It holds from the first byte on that was not handed over yet.
    /// asynchat's `set_terminator`.
    ///
    /// Bytes stay the terminator of all that follows; a count is used up when it is found, and nothing takes its place
    /// unless this is called again.
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

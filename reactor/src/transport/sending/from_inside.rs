//! What a connection takes from the one inside it.

use std::rc::Rc;

use crate::hub::output::Output;
use crate::transport::lifecycle::Eof;
use crate::transport::state::State;

impl State {
    /// Takes bytes from the layer inside, which may have been written before this connection began to close.
    pub(crate) fn write_from_inside(self: &Rc<Self>, data: &[u8]) {
        if !data.is_empty() && self.takes_from_inside() {
            self.queue(data.len(), |output, stock| output.push(data, stock));
        }
    }

    /// Whether output that was [lent](Self::lend_output) inside is all that waits there and can move here, which saves the copy
    /// that [`write_from_inside`](Self::write_from_inside) makes. Taps are shown bytes when they leave: there, these stay till then.
    pub(crate) fn can_take_over_from_inside(&self, inside: &Self, lent: &Output) -> bool {
        inside.unsent_bytes() == lent.len()
            && self.unsent_bytes() == 0
            && self.takes_from_inside()
            && inside.waiting_descriptors() == 0
            && !inside.any_taps()
    }

    /// Queues output that was lent inside, and [handed on](crate::connection::Connection::handed_on) there. It goes on to count
    /// as held.
    pub(crate) fn take_over_from_inside(&self, lent: Output) {
        let len = lent.len();
        *self.output.borrow_mut() = lent;
        self.fill(len);
        self.wake();
    }

    /// Records that all output, which is lent, was taken over by the connection around this one.
    pub(crate) fn handed_on(&self) {
        let len = self.output.borrow_mut().give_up_lent();
        self.repay(len);
        self.tell_if_all_is_sent();
    }

    /// Whether bytes from the layer inside are accepted.
    pub(crate) fn takes_from_inside(&self) -> bool {
        matches!(self.lifecycle.get().eof(), Some(Eof::NotWanted | Eof::Wanted))
    }
}

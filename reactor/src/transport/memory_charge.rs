//! The memory that protocols say they hold.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use crate::transport::Transport;
use crate::transport::state::State;

/// Memory that the program holds because of a connection's peer, counted in the reactor's
/// [memory budget](crate::Reactor::memory_budget) until this value is dropped or the connection has ended: the beginning of a
/// message, for example, or messages that wait for their turn. Keep it beside the bytes, so that both go together.
///
/// If the budget has no room for it, connections end, those that hold most first, with
/// [`CloseReason::Evicted`](crate::CloseReason::Evicted); this connection may be one of them. Unsent output is counted
/// without a charge. The receivers and layers of the crate `protocols` charge for the input that they keep.
///
/// ```
/// use reactor::connection::MemoryCharge;
/// use reactor::{Protocol, Transport};
///
/// /// Answers each message, up to an empty line, with its length.
/// struct Measure { transport: Transport, message: Vec<u8>, charge: MemoryCharge }
///
/// impl Measure {
///     fn new(transport: Transport) -> Self {
///         let charge = transport.charge_memory(0);
///         Self { transport, message: Vec::new(), charge }
///     }
/// }
///
/// impl Protocol for Measure {
///     fn data_received(&mut self, data: &[u8]) {
///         self.message.extend_from_slice(data);
///         if self.message.ends_with(b"\n\n") {
///             write!(self.transport, "{}\n", self.message.len());
///             self.message = Vec::new();
///         }
///         self.charge.set(self.message.capacity());
///     }
/// }
/// ```
pub struct MemoryCharge {
    state: Rc<State>,
    bytes: Cell<usize>,
}

impl MemoryCharge {
    /// Sets how many bytes are held now. Setting the same number again costs nothing.
    #[inline]
    pub fn set(&self, bytes: usize) {
        if bytes != self.bytes.get() {
            self.change(bytes);
        }
    }

    fn change(&self, bytes: usize) {
        let before = self.bytes.replace(bytes);
        if bytes > before {
            self.state.charge(bytes - before);
        } else {
            self.state.give_back_memory(before - bytes);
        }
    }

    /// The number of bytes that it stands for.
    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }
}

impl Transport {
    /// Charges this connection for memory that the program holds because of its peer, until the charge is dropped: see
    /// [`MemoryCharge`]. A protocol or a layer that keeps more than 4 KiB of what it has received does this. A connection
    /// may have several charges.
    #[must_use = "dropping the charge gives the memory back"]
    pub fn charge_memory(&self, bytes: usize) -> MemoryCharge {
        let charge = MemoryCharge { state: Rc::clone(&self.0), bytes: Cell::new(0) };
        charge.set(bytes);
        charge
    }
}

impl Drop for MemoryCharge {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl fmt::Debug for MemoryCharge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCharge").field("bytes", &self.bytes.get()).finish_non_exhaustive()
    }
}

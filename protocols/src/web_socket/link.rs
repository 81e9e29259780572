use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use crate::web_socket::close_code::CloseCode;
use crate::web_socket::frame::Keys;

/// What the layer and the message receiver inside it exchange besides bytes. Each input of the receiver is an opcode and
/// the content of a message or control frame of that kind; its output is frames.
pub(super) struct MessageLink {
    /// The keys of a client.
    pub(super) keys: Option<Rc<Keys>>,
    /// The code and reason of the handler's close.
    pub(super) closing: RefCell<Option<(CloseCode, String)>>,
    /// The code and reason of the peer's close.
    pub(super) closed: RefCell<Option<(CloseCode, String)>>,
}

impl MessageLink {
    pub(super) fn new(keys: Option<Rc<Keys>>) -> Self {
        Self { keys, closing: RefCell::default(), closed: RefCell::default() }
    }
}

impl fmt::Debug for MessageLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageLink")
            .field("closing", &self.closing)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use crate::web_socket::close_code::CloseCode;
use crate::web_socket::frame::Keys;

/// What the layer and the receiver of messages inside it tell each other besides bytes. Each input of the receiver is an
/// opcode and what a message or a control frame of that kind holds; its output is frames.
pub(super) struct Link {
    /// A client's.
    pub(super) keys: Option<Rc<Keys>>,
    /// What the handler closes with.
    pub(super) closing: RefCell<Option<(CloseCode, String)>>,
    /// What the peer has closed with.
    pub(super) closed: RefCell<Option<(CloseCode, String)>>,
}

impl Link {
    pub(super) fn new(keys: Option<Rc<Keys>>) -> Self {
        Self { keys, closing: RefCell::default(), closed: RefCell::default() }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("closing", &self.closing).field("closed", &self.closed).finish_non_exhaustive()
    }
}

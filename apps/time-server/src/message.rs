//! The service over web sockets: a stamp for every message.

use std::sync::Arc;

use protocols::web_socket::{WebSocketHandle, WebSocketHandler};

use crate::journal::Journal;
use crate::stamp::Stamps;

/// Answers each message with the time and the message, in a message of the same kind. Empty ones are answered, too.
pub(crate) struct MessageStamper {
    socket: WebSocketHandle,
    journal: Arc<Journal>,
    stamps: Stamps,
}

impl MessageStamper {
    pub(crate) fn new(socket: WebSocketHandle, journal: Arc<Journal>, stamps: Stamps) -> Self {
        Self { socket, journal, stamps }
    }

    fn stamp(&self) -> String {
        self.stamps.stamp(self.socket.reactor().time_of_day()).to_string()
    }
}

impl WebSocketHandler for MessageStamper {
    fn connection_made(&mut self) {
        self.journal.connected(&self.socket.peer());
    }

    fn text_received(&mut self, text: &str) {
        self.journal.received(&self.socket.peer(), text.as_bytes());
        self.socket.send_text(self.stamp() + text);
    }

    fn bytes_received(&mut self, data: &[u8]) {
        self.journal.received(&self.socket.peer(), data);
        self.socket.send_bytes([self.stamp().as_bytes(), data].concat());
    }
}

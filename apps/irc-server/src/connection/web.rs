//! Clients in browsers: a page, and web sockets. <https://ircv3.net/specs/extensions/websocket>

use protocols::irc::{Message, is_too_long};
use protocols::web_page::WebPage;
use protocols::web_socket::{WebSocket, WebSocketHandler};
use reactor::CloseReason;

use crate::connection::wire::{Messages, Wire};
use crate::connection::{Hub, Session};
use crate::settings::Listen;

impl Hub {
    /// The page to chat from, and web sockets whose messages are lines.
    pub fn web(&self, listen: &Listen) -> WebSocket {
        let hub = self.clone();
        let sockets = WebSocket::messages(move |socket, opening| {
            let is_binary = opening.subprotocol() == Some(BINARY);
            let kind = if is_binary { Messages::Binary } else { Messages::Text };
            Session::over(&hub, Wire::Web(socket, kind))
        });
        let sockets = sockets.path("/socket").subprotocol(TEXT).subprotocol(BINARY).max_message(LONGEST);
        let sockets = listen.web_origins.iter().fold(sockets, |sockets, origin| match origin.as_str() {
            "any" => sockets.any_origin(),
            origin => sockets.origin(origin),
        });
        let page = WebPage::new(include_str!("../web/page.html"));
        let (sockets, page) = listen
            .web_hosts
            .iter()
            .fold((sockets, page), |(sockets, page), host| (sockets.host(host), page.host(host)));
        sockets.otherwise(page)
    }
}

impl Session {
    fn line_received(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if is_too_long(line) {
            self.received_too_long();
        } else if let Ok(message) = Message::parse(line) {
            self.received(&message);
        }
    }
}

impl WebSocketHandler for Session {
    fn connection_made(&mut self) {
        self.begin();
    }

    fn text_received(&mut self, text: &str) {
        self.line_received(text.as_bytes());
    }

    fn bytes_received(&mut self, data: &[u8]) {
        self.line_received(data);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.end(&reason);
    }
}

const TEXT: &str = "text.ircv3.net";
const BINARY: &str = "binary.ircv3.net";

/// A longer message ends the connection.
const LONGEST: usize = 16 * 1024;

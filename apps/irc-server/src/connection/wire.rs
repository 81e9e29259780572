use std::time::Duration;

use bytes::Bytes;
use protocols::irc::Irc;
use protocols::web_socket::WebSocketHandle;
use reactor::Transport;

use crate::connection::Session;

/// How lines get to a client.
#[derive(Clone, Debug)]
pub(super) enum Wire {
    /// As bytes of a stream.
    Stream(Irc),
    /// As messages of a web socket, a line each: of text, or of bytes.
    Web(WebSocketHandle, Messages),
}

/// Of which kind messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Messages {
    Text,
    Binary,
}

impl Wire {
    /// Sends lines, each with its CR LF.
    pub(super) fn send(&self, lines: Bytes) {
        match self {
            Self::Stream(irc) => irc.send_raw(lines),
            Self::Web(socket, kind) => {
                for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    match (kind, str::from_utf8(line)) {
                        (Messages::Text, Ok(text)) => socket.send_text(text),
                        (Messages::Text, Err(_)) => socket.send_text(String::from_utf8_lossy(line)),
                        (Messages::Binary, _) => socket.send_bytes(line),
                    }
                }
            }
        }
    }

    /// Closes once all that was sent has left.
    pub(super) fn close(&self) {
        self.transport().lose_connection();
    }

    /// Delivers no line until [`resume`](Self::resume).
    pub(super) fn pause(&self) {
        match self {
            Self::Stream(irc) => irc.pause_reading(),
            Self::Web(socket, _) => socket.pause_reading(),
        }
    }

    /// Delivers lines again.
    pub(super) fn resume(&self) {
        match self {
            Self::Stream(irc) => irc.resume_reading(),
            Self::Web(socket, _) => socket.resume_reading(),
        }
    }

    /// Calls the session later.
    pub(super) fn call_later(&self, delay: Duration, call: impl FnOnce(&mut Session) + 'static) {
        match self {
            Self::Stream(irc) => irc.call_later(delay, call),
            Self::Web(socket, _) => socket.call_later(delay, call),
        };
    }

    /// Calls the session with what the future brings.
    pub(super) fn defer<F: Future + 'static>(&self, future: F, call: impl FnOnce(&mut Session, F::Output) + 'static) {
        match self {
            Self::Stream(irc) => irc.defer(future, call),
            Self::Web(socket, _) => socket.defer(future, call),
        };
    }

    /// Calls the session when its connection is asked to finish.
    pub(super) fn on_drain(&self, call: impl FnOnce(&mut Session) + 'static) {
        match self {
            Self::Stream(irc) => irc.on_drain(call),
            Self::Web(socket, _) => socket.on_drain(call),
        }
    }

    pub(super) fn transport(&self) -> &Transport {
        match self {
            Self::Stream(irc) => irc.transport(),
            Self::Web(socket, _) => socket.transport(),
        }
    }
}

use std::time::Duration;

use bytes::Bytes;
use protocols::irc::Irc;
use reactor::Transport;

use crate::connection::Session;

/// How lines get to a client.
#[derive(Clone, Debug)]
pub(super) enum Wire {
    /// As bytes of a stream.
    Stream(Irc),
}

impl Wire {
    /// Sends a line, with its CR LF.
    pub(super) fn send(&self, line: Bytes) {
        match self {
            Self::Stream(irc) => irc.send_raw(line),
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
        }
    }

    /// Delivers lines again.
    pub(super) fn resume(&self) {
        match self {
            Self::Stream(irc) => irc.resume_reading(),
        }
    }

    /// Calls the session later.
    pub(super) fn call_later(&self, delay: Duration, call: impl FnOnce(&mut Session) + 'static) {
        match self {
            Self::Stream(irc) => irc.call_later(delay, call),
        };
    }

    /// Calls the session with what the future brings.
    pub(super) fn defer<F: Future + 'static>(&self, future: F, call: impl FnOnce(&mut Session, F::Output) + 'static) {
        match self {
            Self::Stream(irc) => irc.defer(future, call),
        };
    }

    /// Calls the session when its connection is asked to finish.
    pub(super) fn on_drain(&self, call: impl FnOnce(&mut Session) + 'static) {
        match self {
            Self::Stream(irc) => irc.on_drain(call),
        }
    }

    pub(super) fn transport(&self) -> &Transport {
        match self {
            Self::Stream(irc) => irc.transport(),
        }
    }
}

//! A web socket after its opening handshake.

use std::mem;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use reactor::connection::Connection;
use reactor::layer::Nested;
use reactor::{CloseReason, OnEof, Transport};

use crate::policies::pass_through::LONGEST_CHUNK;
use crate::web_socket::close_code::CloseCode;
use crate::web_socket::frame::{Keys, Opcode, closing, send};
use crate::web_socket::link::MessageLink;
use crate::web_socket::options::Options;
use crate::web_socket::reader::{FrameEvent, Reader, Violation};
use crate::web_socket::text::Characters;

/// The frames of one connection, and the connection inside.
pub(super) struct Open {
    out: Out,
    nested: Nested,
    options: Rc<Options>,
    form: Form,
    reader: Reader,
    /// Unprocessed frames, because the protocol inside has paused reading.
    kept: Bytes,
    /// How much of the reader's message was delivered, while some of it is left.
    delivered: Option<usize>,
    closing: Closing,
    /// The code of the peer's closing frame.
    peer_code: CloseCode,
    /// Whether the peer has ended the stream of the outer connection.
    peer_ended: bool,
    life: Life,
    timers: Timers,
}

/// Delayed actions of the protocol that this is part of.
#[derive(Clone, Copy)]
pub(super) struct Timers {
    /// Calls [`Open::give_up`].
    pub(super) give_up: fn(&Transport, Duration),
    /// Calls [`Open::look_for_life`].
    pub(super) look_for_life: fn(&Transport, Duration),
}

/// The form of the input and output of the connection inside.
pub(super) enum Form {
    /// The contents of messages, in both directions.
    Bytes,
    /// The same, with text as its output, which may end within a character.
    Text(Characters),
    /// As documented at [`MessageLink`].
    Messages(Rc<MessageLink>),
}

/// Which closing frames have passed. After its own a side sends nothing; after the peer's nothing more is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    Neither,
    Ours,
    Theirs,
    Both,
}

/// What is known about a peer that may have vanished.
#[derive(Default)]
struct Life {
    /// Whether something was received since the last look.
    heard: bool,
    /// Whether a ping was sent because of silence.
    pinged: bool,
    /// The bytes sent, and those unsent, at the last look.
    sent: u64,
    unsent: usize,
}

/// The outer connection, to write frames to.
struct Out {
    outer: Transport,
    keys: Option<Rc<Keys>>,
    /// The total number of bytes written.
    written: u64,
}

impl Open {
    pub(super) fn new(outer: Transport, nested: Nested, options: &Rc<Options>, form: Form, timers: Timers) -> Self {
        let keys = options.keys().cloned();
        Self {
            reader: Reader::new(keys.is_none(), options.max_message),
            out: Out { outer, keys, written: 0 },
            nested,
            options: Rc::clone(options),
            form,
            kept: Bytes::new(),
            delivered: None,
            closing: Closing::Neither,
            peer_code: CloseCode::NO_STATUS,
            peer_ended: false,
            life: Life::default(),
            timers,
        }
    }

    pub(super) fn inside(&mut self) -> &mut Connection {
        self.nested.inside()
    }

    /// Called when the handshake is done; `frames` have already arrived.
    pub(super) fn begin(&mut self, frames: &[u8]) {
        if let Some(interval) = self.options.ping_interval {
            self.look_again(interval);
        }
        self.nested.inside().made();
        self.received(frames);
    }

    pub(super) fn received(&mut self, frames: &[u8]) {
        self.life.heard = true;
        self.deliver(frames);
    }

    /// Called when something may have changed inside or outside.
    pub(super) fn pass(&mut self) {
        let inside = self.nested.inside();
        let wants_more = inside.wants_read() || inside.transport().is_closing();
        if wants_more && self.has_more() {
            self.deliver(b"");
        }
        self.send_and_close();
    }

    /// The peer has ended the stream of the outer connection.
    pub(super) fn received_eof(&mut self) -> OnEof {
        self.peer_ended = true;
        self.pass();
        if self.has_more() {
            return OnEof::NotYet;
        }
        if !self.closing.is_theirs() {
            self.out.outer.fail_connection(CloseReason::Truncated);
        }
        OnEof::KeepWriting
    }

    /// The memory that undelivered input takes.
    pub(super) fn held_bytes(&self) -> usize {
        self.reader.held_bytes() + self.kept.len()
    }

    fn has_more(&self) -> bool {
        !self.closing.is_theirs() && !self.kept.is_empty() || self.delivered.is_some()
    }

    /// Delivers the kept frames, then these, as long as the protocol inside reads. The rest is kept.
    fn deliver(&mut self, frames: &[u8]) {
        if !self.kept.is_empty() && !frames.is_empty() {
            self.kept = [&self.kept, frames].concat().into();
        }
        let kept = mem::take(&mut self.kept);
        let mut input = if kept.is_empty() { frames } else { &kept[..] };
        while self.deliver_message() && !self.closing.is_theirs() {
            // Before what is wrong with later frames, which may or may not have come by now.
            self.close_if_asked();
            match self.reader.next(&mut input) {
                Ok(Some(event)) => self.pass_on(event),
                Ok(None) => break,
                Err(violation) => self.fail(violation),
            }
        }
        if !self.closing.is_theirs() && !input.is_empty() {
            let left = input.len();
            self.kept = if kept.is_empty() { Bytes::copy_from_slice(input) } else { kept.slice(kept.len() - left..) };
        }
    }

    fn pass_on(&mut self, event: FrameEvent) {
        match event {
            FrameEvent::Message => {
                self.delivered = Some(0);
                self.out.outer.note_message();
            }
            FrameEvent::Ping => match self.form {
                Form::Messages(_) => self.pass_on_control(Opcode::Ping),
                _ if self.closing.is_ours() => {}
                _ => self.out.send(Opcode::Pong, [self.reader.control(), b""]),
            },
            FrameEvent::Pong => match self.form {
                Form::Messages(_) => self.pass_on_control(Opcode::Pong),
                Form::Bytes | Form::Text(_) => {}
            },
            FrameEvent::Close(code, reason) => {
                self.closing.add_theirs();
                self.peer_code = code;
                if let Form::Messages(link) = &self.form {
                    link.closed.replace(Some((code, reason)));
                }
            }
        }
    }

    fn pass_on_control(&mut self, opcode: Opcode) {
        let input = [&[opcode as u8], self.reader.control()].concat();
        self.nested.received(&input);
        self.send();
    }

    /// Delivers the current message; false if the protocol inside does not want the rest, or the next one, now.
    fn deliver_message(&mut self) -> bool {
        while let Some(delivered) = self.delivered
            && self.nested.inside().wants_read()
        {
            let message = self.reader.message();
            let (piece, end) = match self.form {
                Form::Messages(_) => (message, message.len()),
                // It begins with its kind.
                Form::Bytes | Form::Text(_) => {
                    let begin = delivered.max(1);
                    let end = message.len().min(begin + LONGEST_CHUNK);
                    (&message[begin..end], end)
                }
            };
            self.delivered = (end < message.len()).then_some(end);
            self.nested.received(piece);
            // Each answer is a message of its own.
            self.send();
        }
        let inside = self.nested.inside();
        let (wants_read, is_closing) = (inside.wants_read(), inside.transport().is_closing());
        if is_closing {
            self.delivered = None;
        }
        if self.delivered.is_none() {
            self.reader.forget_message();
        }
        // After its close the peer's is still to come; after a failure nothing is.
        self.delivered.is_none() && self.nested.inside().failure().is_none() && (wants_read || is_closing)
    }

    fn send_and_close(&mut self) {
        self.send();
        if self.closing.is_theirs() && self.delivered.is_none() && self.nested.inside().received_eof() != OnEof::NotYet
        {
            // It cannot go on sending: the closing handshake covers both directions.
            self.nested.inside().transport().lose_connection();
            self.send();
        }
        self.close_if_asked();
        // The server closes first, so that the port that is in use for a while afterwards is its own (RFC 6455, section
        // 7.1.1).
        if self.closing == Closing::Both && (!self.out.is_client() || self.peer_ended) {
            self.out.outer.lose_connection();
        }
        self.nested.update_outer(!self.closing.is_ours());
    }

    /// Closes if the protocol inside wants to, and everything was sent.
    fn close_if_asked(&mut self) {
        let inside = self.nested.inside();
        if !self.closing.is_ours() && inside.failure().is_none() && (inside.wants_close() || inside.wants_write_eof()) {
            match &self.form {
                Form::Text(characters) if !characters.is_whole() => {
                    inside.transport().fail_connection(not_text());
                }
                _ => self.close(),
            }
        }
    }

    /// Sends the closing frame, or the answer to the peer's.
    fn close(&mut self) {
        let outer = self.out.outer.clone();
        if self.closing.is_theirs() {
            self.send_close(self.peer_code, "");
            if self.out.is_client() {
                (self.timers.give_up)(&outer, self.options.handshake_timeout);
            }
        } else {
            let goes_away = outer.is_closing() || outer.is_draining();
            let code = if goes_away { CloseCode::GOING_AWAY } else { CloseCode::NORMAL };
            let chosen = match &self.form {
                Form::Messages(link) => link.closing.take(),
                Form::Bytes | Form::Text(_) => None,
            };
            let (code, reason) = chosen.unwrap_or((code, String::new()));
            self.send_close(code, &reason);
            (self.timers.give_up)(&outer, self.options.handshake_timeout);
        }
        if self.nested.inside().wants_write_eof() {
            self.nested.inside().write_eof_sent();
        }
    }

    /// The peer has had its time to close: first the web socket, then, if it is the server, the outer connection.
    pub(super) fn give_up(&self) {
        let outer = &self.out.outer;
        if self.closing == Closing::Both && !outer.is_closing() && outer.unsent_bytes() == 0 {
            outer.lose_connection();
        } else {
            outer.fail_connection(CloseReason::TimedOut);
        }
    }

    fn send_close(&mut self, code: CloseCode, reason: &str) {
        self.closing.add_ours();
        self.out.send(Opcode::Close, [&closing(code, reason), b""]);
    }

    /// The peer has violated the protocol; nothing more is read.
    fn fail(&mut self, violation: Violation) {
        tracing::debug!(error = %violation, "the web socket fails");
        self.closing.add_theirs();
        // A partly sent frame would swallow the next one.
        let is_between =
            !matches!(self.form, Form::Messages(_)) || self.nested.inside().transport().unsent_bytes() == 0;
        if is_between && !self.closing.is_ours() {
            self.send_close(violation.code(), "");
        }
        self.closing.add_ours();
        // Before the outer connection ends in order.
        self.nested.inside().lost(CloseReason::failed(violation));
        self.out.outer.lose_connection();
    }

    /// Sends the output of the protocol inside as messages.
    fn send(&mut self) {
        let Self { out, nested, form, .. } = self;
        let mut is_text = true;
        nested.send(|_, data| {
            match form {
                Form::Bytes => out.send(Opcode::Binary, [data, b""]),
                Form::Text(characters) => {
                    is_text &= characters.send(data, |parts| out.send(Opcode::Text, parts));
                }
                Form::Messages(_) => out.write_from_inside(data),
            }
            data.len()
        });
        if !is_text {
            nested.inside().transport().fail_connection(not_text());
        }
    }

    fn look_again(&self, delay: Duration) {
        (self.timers.look_for_life)(&self.out.outer, delay);
    }

    /// Sends a ping to a peer that has been silent for long, and ends the connection if it stays silent.
    pub(super) fn look_for_life(&mut self) {
        let Some(interval) = self.options.ping_interval else { return };
        let inner = self.nested.inside().transport().clone();
        let unsent = self.out.outer.unsent_bytes() + inner.unsent_bytes();
        let sent = self.out.written - self.out.outer.unsent_bytes() as u64;
        let before = mem::replace(&mut self.life, Life { sent, unsent, ..Life::default() });
        // A peer that reads its output is alive, however slow it is; and one whose input is not read cannot be heard.
        let takes = before.unsent > 0 && before.sent != sent;
        let is_unread = unsent == 0 && !self.nested.inside().wants_read();
        if before.heard || takes || is_unread {
            self.look_again(interval);
        } else if !before.pinged {
            self.life.pinged = true;
            if !self.closing.is_ours() {
                self.ping(&inner);
            }
            self.look_again(self.options.pong_timeout);
        } else {
            self.out.outer.fail_connection(CloseReason::TimedOut);
        }
    }

    fn ping(&mut self, inner: &Transport) {
        match self.form {
            // Not between the parts of a frame being sent.
            Form::Messages(_) => {
                send(Opcode::Ping, [b"", b""], self.out.keys.as_deref(), |parts| inner.write_sequence(parts));
                self.send();
            }
            Form::Bytes | Form::Text(_) => self.out.send(Opcode::Ping, [b"", b""]),
        }
    }
}

impl Closing {
    fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::Both)
    }

    fn is_theirs(self) -> bool {
        matches!(self, Self::Theirs | Self::Both)
    }

    fn add_ours(&mut self) {
        *self = if self.is_theirs() { Self::Both } else { Self::Ours };
    }

    fn add_theirs(&mut self) {
        *self = if self.is_ours() { Self::Both } else { Self::Theirs };
    }
}

impl Out {
    fn is_client(&self) -> bool {
        self.keys.is_some()
    }

    fn send(&mut self, opcode: Opcode, parts: [&[u8]; 2]) {
        let Self { outer, keys, written } = self;
        send(opcode, parts, keys.as_deref(), |parts| {
            for part in parts {
                outer.write_from_inside(part);
                *written += part.len() as u64;
            }
        });
    }

    fn write_from_inside(&mut self, data: &[u8]) {
        self.outer.write_from_inside(data);
        self.written += data.len() as u64;
    }
}

fn not_text() -> CloseReason {
    CloseReason::failed("cannot send text that is not UTF-8")
}

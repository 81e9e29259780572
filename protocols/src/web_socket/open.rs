//! A web socket behind its opening handshake.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::{io, str};

use reactor::connection::Connection;
use reactor::layer::Nested;
use reactor::{CloseReason, OnEof, Transport};
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Bytes, Error, Message};

use crate::policies::pass_through::LONGEST_CHUNK;
use crate::web_socket::options::Options;

/// The frames of one connection, and the connection inside.
pub(super) struct Open {
    outer: Transport,
    nested: Nested,
    context: WebSocketContext,
    /// Frames not looked at yet, because the protocol inside does not want to read.
    kept: Bytes,
    incoming: Incoming,
    /// What is left of the message that is being delivered.
    message: Bytes,
    /// Whether what is sent is masked, as a client has to.
    masks: bool,
    text: bool,
    /// The beginning of a character that the protocol inside has still to finish.
    character: Vec<u8>,
    /// This side has sent its closing frame.
    closed: bool,
    /// Ends the connection unless the peer closes in time.
    start_patience: fn(&Transport),
}

/// What may come from the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Incoming {
    /// Frames, when more has been received.
    Frames,
    /// The context may have whole frames already, because the protocol inside does not want to read.
    FramesAlready,
    /// Nothing: the peer has closed, or will not be listened to any more.
    Nothing,
}

impl Open {
    pub(super) fn new(outer: Transport, nested: Nested, options: &Options, start_patience: fn(&Transport)) -> Self {
        let role = if options.url.is_some() { Role::Client } else { Role::Server };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_frame_size(Some(options.max_message))
            .max_message_size(Some(options.max_message));
        Self {
            outer,
            nested,
            context: WebSocketContext::new(role, Some(config)),
            kept: Bytes::new(),
            incoming: Incoming::Frames,
            message: Bytes::new(),
            masks: role == Role::Client,
            text: options.text,
            character: Vec::new(),
            closed: false,
            start_patience,
        }
    }

    pub(super) fn inside(&mut self) -> &mut Connection {
        self.nested.inside()
    }

    /// The handshake is done; `frames` have come already.
    pub(super) fn begin(&mut self, frames: &[u8]) {
        self.nested.inside().made();
        self.received(frames);
    }

    /// Something may have changed inside or outside.
    pub(super) fn pass(&mut self) {
        let inside = self.nested.inside();
        let wants_more = inside.wants_read() || inside.transport().is_closing();
        if wants_more && self.has_more() {
            self.received(b"");
        }
        self.drain();
    }

    /// The connection outside has ended.
    pub(super) fn received_eof(&mut self) -> OnEof {
        self.pass();
        if self.has_more() {
            return OnEof::NotYet;
        }
        if self.incoming != Incoming::Nothing {
            let error = io::Error::new(ErrorKind::UnexpectedEof, "the peer has not closed the web socket before");
            self.outer.fail_connection(CloseReason::Lost(Arc::new(error)));
        }
        OnEof::KeepWriting
    }

    fn has_more(&self) -> bool {
        let more_frames = match self.incoming {
            Incoming::Frames => !self.kept.is_empty(),
            Incoming::FramesAlready => true,
            Incoming::Nothing => false,
        };
        more_frames || !self.message.is_empty()
    }

    /// Delivers what is kept, then these frames, as far as the protocol inside wants to read. What is left is kept.
    pub(super) fn received(&mut self, frames: &[u8]) {
        if !self.kept.is_empty() && !frames.is_empty() {
            self.kept = [&self.kept, frames].concat().into();
        }
        let kept = std::mem::take(&mut self.kept);
        let mut input = if kept.is_empty() { frames } else { &kept[..] };
        if self.incoming == Incoming::Frames {
            self.incoming = Incoming::FramesAlready;
        }
        while self.deliver_message() && self.incoming == Incoming::FramesAlready {
            let mut wire = Wire { input, outer: &self.outer };
            let message = self.context.read(&mut wire);
            input = wire.input;
            match message {
                Ok(Message::Text(text)) => self.begin_message(text.into()),
                Ok(Message::Binary(data)) => self.begin_message(data),
                Ok(Message::Close(_)) => self.incoming = Incoming::Nothing,
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => self.incoming = Incoming::Frames,
                Err(error) => self.fail(error),
            }
        }
        if self.incoming != Incoming::Nothing {
            let left = input.len();
            self.kept = if kept.is_empty() { Bytes::copy_from_slice(input) } else { kept.slice(kept.len() - left..) };
        }
    }

    fn begin_message(&mut self, message: Bytes) {
        self.message = message;
        self.outer.note_message();
    }

    /// Delivers what there is of a message; false if the protocol inside does not want the rest now.
    fn deliver_message(&mut self) -> bool {
        while !self.message.is_empty() && self.nested.inside().wants_read() {
            let piece = self.message.split_to(self.message.len().min(LONGEST_CHUNK));
            self.nested.received(&piece);
            // Each answer is a message of its own.
            self.send();
        }
        let inside = self.nested.inside();
        if self.message.is_empty() || inside.transport().is_closing() {
            // Even empty it would keep the memory of the whole.
            self.message = Bytes::new();
        }
        // Behind its close the peer's is still to come; behind a failure nothing is.
        self.message.is_empty()
            && inside.failure().is_none()
            && (inside.wants_read() || inside.transport().is_closing())
    }

    fn drain(&mut self) {
        self.send();
        let peer_closed = self.incoming == Incoming::Nothing;
        if peer_closed && self.message.is_empty() && self.nested.inside().received_eof() != OnEof::NotYet {
            // It cannot go on sending: the closing handshake is for both directions.
            self.nested.inside().transport().lose_connection();
            self.send();
        }
        let inside = self.nested.inside();
        if !self.closed && inside.failure().is_none() && (inside.wants_close() || inside.wants_write_eof()) {
            if self.character.is_empty() {
                self.close();
            } else {
                inside.transport().fail_connection(not_text());
            }
        }
        if self.closed && peer_closed {
            self.outer.lose_connection();
        }
        self.nested.settle(!self.closed);
    }

    /// Sends the closing frame, or the answer to that of the peer.
    fn close(&mut self) {
        self.closed = true;
        if self.incoming != Incoming::Nothing {
            let code =
                if self.outer.is_closing() || self.outer.is_draining() { CloseCode::Away } else { CloseCode::Normal };
            self.send_close(code);
            (self.start_patience)(&self.outer);
        } else {
            // An error says no more than that this is the end.
            let _ = self.context.flush(&mut Wire::to(&self.outer));
        }
        if self.nested.inside().wants_write_eof() {
            self.nested.inside().write_eof_sent();
        }
    }

    fn send_close(&mut self, code: CloseCode) {
        let frame = CloseFrame { code, reason: Default::default() };
        let _ = self.context.close(&mut Wire::to(&self.outer), Some(frame));
    }

    /// The peer has broken the rules, and nothing more of it is listened to.
    fn fail(&mut self, error: Error) {
        let code = match &error {
            Error::Capacity(_) => CloseCode::Size,
            Error::Utf8(_) => CloseCode::Invalid,
            _ => CloseCode::Protocol,
        };
        tracing::debug!(%error, "the web socket fails");
        self.incoming = Incoming::Nothing;
        self.send_close(code);
        self.closed = true;
        // First, for the connection outside ends in order.
        self.nested.inside().lost(CloseReason::failed(error));
        self.outer.lose_connection();
    }

    /// Sends what the protocol inside has written, as messages.
    fn send(&mut self) {
        let Self { nested, context, masks, text, character, .. } = self;
        let mut is_text = true;
        nested.send(|outer, data| {
            let mut send = |kind, parts: [&[u8]; 2]| {
                if *masks {
                    send_masked(context, outer, kind, parts);
                } else {
                    send_plain(outer, kind, parts);
                }
            };
            if *text {
                is_text &= send_text(character, data, send);
            } else {
                send(Data::Binary, [data, b""]);
            }
            data.len()
        });
        if !is_text {
            nested.inside().transport().fail_connection(not_text());
        }
    }
}

/// Sends as much as ends with a whole character; false if it is no text.
fn send_text(character: &mut Vec<u8>, mut data: &[u8], mut send: impl FnMut(Data, [&[u8]; 2])) -> bool {
    // At most three bytes more finish a character.
    while !character.is_empty() && !data.is_empty() {
        character.push(data[0]);
        data = &data[1..];
        match str::from_utf8(character) {
            Ok(_) => break,
            Err(error) if error.error_len().is_some() => return false,
            Err(_) => {}
        }
    }
    let whole = match str::from_utf8(data) {
        Ok(_) => data.len(),
        Err(error) if error.error_len().is_some() => return false,
        Err(error) => error.valid_up_to(),
    };
    if str::from_utf8(character).is_ok() && character.len() + whole > 0 {
        send(Data::Text, [character, &data[..whole]]);
        character.clear();
    }
    character.extend_from_slice(&data[whole..]);
    true
}

/// Sends a message without a copy of it.
fn send_plain(outer: &Transport, kind: Data, parts: [&[u8]; 2]) {
    let header = FrameHeader { is_final: true, opcode: OpCode::Data(kind), ..FrameHeader::default() };
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // A wire takes everything.
    let _ = header.format(length as u64, &mut Wire::to(outer));
    parts.iter().for_each(|part| outer.carry(part));
}

fn send_masked(context: &mut WebSocketContext, outer: &Transport, kind: Data, parts: [&[u8]; 2]) {
    let message = Frame::message(parts.concat(), OpCode::Data(kind), true);
    let _ = context.write(&mut Wire::to(outer), Message::Frame(message));
}

fn not_text() -> CloseReason {
    CloseReason::failed("what was to be sent as text is not UTF-8")
}

/// The frames that have come, and the connection outside to write to.
struct Wire<'a, 'b> {
    input: &'a [u8],
    outer: &'b Transport,
}

impl<'b> Wire<'_, 'b> {
    /// One that is only written to.
    fn to(outer: &'b Transport) -> Self {
        Self { input: b"", outer }
    }
}

impl Read for Wire<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.input.read(buffer)
    }
}

impl Write for Wire<'_, '_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.outer.carry(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a connection always has for the next frames.
const READ_BUFFER: usize = 4 * 1024;

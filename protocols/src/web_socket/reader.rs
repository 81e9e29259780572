//! Receives frames and assembles them into messages: bytes in, messages out, no I/O.

use std::error::Error;
use std::fmt;

use crate::web_socket::close_code::CloseCode;
use crate::web_socket::frame::{FINAL, Key, LONGEST_CONTROL, MASKED, Opcode, mask};

/// Parses frames by the rules of RFC 6455, section 5. It holds the received bytes of one message and one control frame,
/// whatever length they claim.
pub(super) struct Reader {
    /// Whether frames must be masked, as a client's are.
    masked: bool,
    /// The maximum length of a message in bytes.
    most: usize,
    /// The beginning of a header.
    header: [u8; LONGEST_HEADER],
    header_length: usize,
    /// The frame being received.
    frame: Option<Frame>,
    /// The message being received, or completed last: a byte for its kind, then its bytes so far.
    message: Vec<u8>,
    /// How much of a text is known to be UTF-8.
    checked: usize,
    /// Whether further frames of the message follow.
    within_message: bool,
    control: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Frame {
    is_final: bool,
    /// `None` for a frame that continues a message.
    opcode: Option<Opcode>,
    key: Option<Key>,
    length: u64,
    received: u64,
}

/// The effect of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FrameEvent {
    /// A message, available by [`message`](Reader::message).
    Message,
    /// A ping, with its payload in [`control`](Reader::control).
    Ping,
    Pong,
    Close(CloseCode, String),
}

impl Reader {
    pub(super) fn new(masked: bool, most: usize) -> Self {
        Self {
            masked,
            most,
            header: [0; LONGEST_HEADER],
            header_length: 0,
            frame: None,
            message: Vec::new(),
            checked: 0,
            within_message: false,
            control: Vec::new(),
        }
    }

    /// Takes frames off the front of the input up to the first that completes something; `None` if none does, and then
    /// the whole input is consumed.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<FrameEvent>, Violation> {
        loop {
            let Some(frame) = self.frame else {
                if !self.fill_header(input)? {
                    return Ok(None);
                }
                continue;
            };
            self.fill_payload(frame, input)?;
            let Some(frame) = self.frame.take_if(|frame| frame.received == frame.length) else { return Ok(None) };
            if let Some(event) = self.complete(frame)? {
                return Ok(Some(event));
            }
        }
    }

    /// The message completed last: a byte for its kind, then its content.
    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Discards a completed message, and releases memory that it needed.
    pub(super) fn forget_message(&mut self) {
        if !self.within_message {
            self.message.clear();
            self.message.shrink_to(SPARE);
        }
    }

    /// The memory that the message takes which is incomplete or not yet forgotten; 0 if there is none.
    pub(super) fn held_bytes(&self) -> usize {
        if self.message.is_empty() { 0 } else { self.message.capacity() }
    }

    /// The payload of the last ping or pong.
    pub(super) fn control(&self) -> &[u8] {
        &self.control
    }

    /// Whether the header is complete. Bytes after it stay in the input.
    fn fill_header(&mut self, input: &mut &[u8]) -> Result<bool, Violation> {
        loop {
            if let Some(frame) = self.parse_header()? {
                self.header_length = 0;
                self.begin(frame)?;
                return Ok(true);
            }
            let Some((byte, rest)) = input.split_first() else { return Ok(false) };
            self.header[self.header_length] = *byte;
            self.header_length += 1;
            *input = rest;
            // Errors in the first two bytes are reported at once.
            if self.header_length == 2 {
                self.check(self.header[0], self.header[1])?;
            }
        }
    }

    fn check(&self, first: u8, second: u8) -> Result<(), Violation> {
        if first & RESERVED != 0 {
            return Err(Violation::Rule("the peer set a reserved bit, for an extension that was not negotiated"));
        }
        if (second & MASKED != 0) != self.masked {
            return Err(Violation::Rule(if self.masked {
                "the client sent an unmasked frame"
            } else {
                "the server sent a masked frame"
            }));
        }
        match first & 0x0f {
            0 if !self.within_message => Err(Violation::Rule("the peer continued a message that it had not begun")),
            1 | 2 if self.within_message => {
                Err(Violation::Rule("the peer began a message before the last one was complete"))
            }
            0..=2 => Ok(()),
            8..=10 if first & FINAL == 0 => Err(Violation::Rule("the peer sent a fragmented control frame")),
            8..=10 if usize::from(second & !MASKED) > LONGEST_CONTROL => {
                Err(Violation::Rule("the peer sent a control frame of more than 125 bytes"))
            }
            8..=10 => Ok(()),
            _ => Err(Violation::Rule("the peer sent a frame of an unknown kind")),
        }
    }

    fn parse_header(&self) -> Result<Option<Frame>, Violation> {
        let [first, second, rest @ ..] = &self.header[..self.header_length] else { return Ok(None) };
        let (length, least, bytes) = match second & !MASKED {
            126 => (rest.first_chunk().map(|bytes| u64::from(u16::from_be_bytes(*bytes))), 126, 2),
            127 => (rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)), 65_536, 8),
            short => (Some(u64::from(short)), 0, 0),
        };
        let Some(length) = length else { return Ok(None) };
        if length < least || length > i64::MAX as u64 {
            return Err(Violation::Rule("the peer sent a length that is too great or not in its shortest form"));
        }
        let key = if second & MASKED == 0 {
            None
        } else {
            let Some(key) = rest[bytes..].first_chunk() else { return Ok(None) };
            Some(*key)
        };
        let opcode = match first & 0x0f {
            1 => Some(Opcode::Text),
            2 => Some(Opcode::Binary),
            8 => Some(Opcode::Close),
            9 => Some(Opcode::Ping),
            10 => Some(Opcode::Pong),
            _ => None,
        };
        Ok(Some(Frame { is_final: first & FINAL != 0, opcode, key, length, received: 0 }))
    }

    /// Called when a header is complete.
    fn begin(&mut self, frame: Frame) -> Result<(), Violation> {
        self.frame = Some(frame);
        let before = match frame.opcode {
            Some(Opcode::Close | Opcode::Ping | Opcode::Pong) => {
                self.control.clear();
                return Ok(());
            }
            Some(opcode) => {
                self.message.clear();
                self.message.push(opcode as u8);
                self.checked = 1;
                self.within_message = true;
                0
            }
            None => self.message.len() - 1,
        };
        if frame.length > self.most.saturating_sub(before) as u64 {
            return Err(Violation::TooLong { most: self.most });
        }
        Ok(())
    }

    /// Takes the payload of a frame off the input.
    fn fill_payload(&mut self, mut frame: Frame, input: &mut &[u8]) -> Result<(), Violation> {
        let missing = frame.length - frame.received;
        let there = usize::try_from(missing).unwrap_or(usize::MAX).min(input.len());
        let (data, rest) = input.split_at(there);
        *input = rest;
        let is_message = matches!(frame.opcode, None | Some(Opcode::Text | Opcode::Binary));
        let buffer = if is_message { &mut self.message } else { &mut self.control };
        let before = buffer.len();
        buffer.extend_from_slice(data);
        if let Some(key) = frame.key {
            mask(&mut buffer[before..], key, frame.received);
        }
        frame.received += there as u64;
        self.frame = Some(frame);
        if is_message { self.check_text() } else { Ok(()) }
    }

    /// Fails as soon as the text cannot become valid UTF-8.
    fn check_text(&mut self) -> Result<(), Violation> {
        if self.message[0] != Opcode::Text as u8 {
            return Ok(());
        }
        match str::from_utf8(&self.message[self.checked..]) {
            Ok(_) => self.checked = self.message.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Violation::NotText("a text message")),
        }
        Ok(())
    }

    /// Called when a frame is complete.
    fn complete(&mut self, frame: Frame) -> Result<Option<FrameEvent>, Violation> {
        Ok(match frame.opcode {
            Some(Opcode::Ping) => Some(FrameEvent::Ping),
            Some(Opcode::Pong) => Some(FrameEvent::Pong),
            Some(Opcode::Close) => Some(self.close()?),
            Some(Opcode::Text | Opcode::Binary) | None => {
                if !frame.is_final {
                    return Ok(None);
                }
                if self.message[0] == Opcode::Text as u8 && self.checked < self.message.len() {
                    return Err(Violation::NotText("a text message"));
                }
                self.within_message = false;
                Some(FrameEvent::Message)
            }
        })
    }

    fn close(&self) -> Result<FrameEvent, Violation> {
        let [high, low, reason @ ..] = &self.control[..] else {
            return match self.control[..] {
                [] => Ok(FrameEvent::Close(CloseCode::NO_STATUS, String::new())),
                _ => Err(Violation::Rule("the peer closed with half a code")),
            };
        };
        let Some(code) = CloseCode::new(u16::from_be_bytes([*high, *low])) else {
            return Err(Violation::Rule("the peer closed with a reserved code"));
        };
        match str::from_utf8(reason) {
            Ok(reason) => Ok(FrameEvent::Close(code, reason.to_owned())),
            Err(_) => Err(Violation::NotText("the reason of a close")),
        }
    }
}

/// A violation of RFC 6455 by the peer, or of a limit of this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    Rule(&'static str),
    /// Text that must be UTF-8 and is not.
    NotText(&'static str),
    TooLong {
        most: usize,
    },
}

impl Violation {
    /// The code in the closing frame.
    pub(super) fn code(self) -> CloseCode {
        match self {
            Self::Rule(_) => CloseCode::PROTOCOL_ERROR,
            Self::NotText(_) => CloseCode::INVALID_DATA,
            Self::TooLong { .. } => CloseCode::MESSAGE_TOO_BIG,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => f.write_str(rule),
            Self::NotText(what) => write!(f, "the peer sent {what} that is not UTF-8"),
            Self::TooLong { most } => write!(f, "the peer sent a message of more than {most} bytes"),
        }
    }
}

impl Error for Violation {}

/// The bits of the first byte reserved for extensions.
const RESERVED: u8 = 0x70;

const LONGEST_HEADER: usize = 14;

/// The memory that an idle connection may keep for the next message.
const SPARE: usize = 512;

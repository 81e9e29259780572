//! Telnet (RFC 854): lines from people at terminals, and what their terminals can do.
//!
//! [`TelnetReceiver::factory`] makes a factory of your [`TelnetHandler`], which is called with each line, and sends by its
//! [`Telnet`]. Options are negotiated by the Q method of RFC 1143, so that no two ends can make each other repeat
//! themselves. Twisted's `conch.telnet`: `TelnetTransport`, `StatefulTelnetProtocol`.
//!
//! ```
//! use protocols::telnet::{Telnet, TelnetHandler, TelnetReceiver};
//! use reactor::testing::StringTransport;
//!
//! struct Console { telnet: Telnet }
//!
//! impl TelnetHandler for Console {
//!     fn connection_made(&mut self) {
//!         self.telnet.send("> ");
//!     }
//!     fn line_received(&mut self, line: &[u8]) {
//!         self.telnet.send_line(format!("{} characters", line.len()));
//!         self.telnet.send("> ");
//!     }
//!     fn window_size_changed(&mut self, columns: u16, rows: u16) {
//!         self.telnet.send_line(format!("{columns} by {rows}"));
//!     }
//! }
//!
//! let factory = TelnetReceiver::factory(|telnet| Console { telnet }).ask_window_size();
//! let mut wire = StringTransport::connect(factory);
//! assert_eq!(wire.take_written(), b"\xff\xfd\x1f> "); // IAC DO NAWS
//! wire.receive(b"\xff\xfb\x1f\xff\xfa\x1f\0\x50\0\x18\xff\xf0"); // IAC WILL NAWS, IAC SB NAWS 80 24 IAC SE
//! wire.receive("hellp\x7fo\r\n");
//! assert_eq!(wire.written_text(), "80 by 24\r\n5 characters\r\n> ");
//! ```

pub(crate) mod code;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod line_editor;
pub(crate) mod negotiation;
pub(crate) mod splitter;

pub use code::{Side, TelnetCommand, TelnetOption};
pub use handle::{Telnet, TelnetKind};
pub use handler::TelnetHandler;

use std::fmt;
use std::rc::Rc;

use reactor::connection::MemoryCharge;
use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};

use crate::receiver::handle::ReceiverCell;
use crate::receiver::input::{Buffer, Input};
use crate::receiver::into_handler::IntoHandler;
use crate::receiver::protocol::{self, Cut, Event, Receiver};
use crate::telnet::line_editor::{LineEditor, LineTooLong};
use crate::telnet::splitter::{Piece, Splitter};

/// Takes commands and negotiations out of a stream, cuts the rest into lines, and calls a [`TelnetHandler`] with both.
/// Twisted's `TelnetTransport` with a `StatefulTelnetProtocol`.
///
/// Programs need it only to call [`factory`](Self::factory). A line that is too long, and a subnegotiation that is, end the
/// connection: [`CloseReason::Failed`] says so, and what was written is sent.
pub struct TelnetReceiver {
    buffer: Buffer,
    splitter: Splitter,
    editor: LineEditor,
    settings: Rc<Settings>,
    /// For the unfinished line and subnegotiation.
    charge: MemoryCharge,
}

/// What the factory's methods set.
#[derive(Clone, Debug)]
struct Settings {
    max_length: usize,
    max_subnegotiation: usize,
    asks_window_size: bool,
    asks_terminal_type: bool,
    window_size: Option<(u16, u16)>,
    terminal_type: Option<String>,
    raw: bool,
}

impl TelnetReceiver {
    /// A factory of telnet receivers, for servers and clients alike. For each connection `build` receives its [`Telnet`]
    /// and returns the handler, or an `Option` of it; `None` refuses the connection.
    pub fn factory<F, T>(build: F) -> TelnetFactory<F>
    where
        F: FnMut(Telnet) -> T + 'static,
        T: IntoHandler<Telnet>,
        T::Handler: TelnetHandler,
    {
        let settings = Settings {
            max_length: MAX_LENGTH,
            max_subnegotiation: MAX_SUBNEGOTIATION,
            asks_window_size: false,
            asks_terminal_type: false,
            window_size: None,
            terminal_type: None,
            raw: false,
        };
        TelnetFactory { build, settings: Rc::new(settings) }
    }
}

/// The same as that of lines without telnet.
const MAX_LENGTH: usize = 16 * 1024;

/// The same as Twisted's: far more than any option needs.
const MAX_SUBNEGOTIATION: usize = 4096;

/// Builds a telnet receiver for each connection, by [`TelnetReceiver::factory`].
///
/// ```
/// # use protocols::telnet::{Telnet, TelnetHandler, TelnetReceiver};
/// # struct Console { telnet: Telnet }
/// # impl TelnetHandler for Console { fn line_received(&mut self, _line: &[u8]) {} }
/// # let reactor = reactor::Reactor::new()?;
/// let consoles = TelnetReceiver::factory(|telnet| Console { telnet }).ask_window_size().max_length(200);
/// reactor.listen_tcp("127.0.0.1:0", consoles)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TelnetFactory<F> {
    build: F,
    settings: Rc<Settings>,
}

impl<F> TelnetFactory<F> {
    /// The maximum length of a line in bytes. Default: 16,384. A longer one ends the connection.
    #[must_use]
    pub fn max_length(mut self, bytes: usize) -> Self {
        self.settings().max_length = bytes;
        self
    }

    /// The maximum length of a subnegotiation in bytes. Default: 4,096. A longer one ends the connection.
    #[must_use]
    pub fn max_subnegotiation(mut self, bytes: usize) -> Self {
        self.settings().max_subnegotiation = bytes;
        self
    }

    /// Asks each peer for the size of its window (RFC 1073), which comes to
    /// [`window_size_changed`](TelnetHandler::window_size_changed).
    #[must_use]
    pub fn ask_window_size(mut self) -> Self {
        self.settings().asks_window_size = true;
        self
    }

    /// Asks each peer for the type of its terminal (RFC 1091), which comes to
    /// [`terminal_type_received`](TelnetHandler::terminal_type_received).
    #[must_use]
    pub fn ask_terminal_type(mut self) -> Self {
        self.settings().asks_terminal_type = true;
        self
    }

    /// For clients: tells a server that asks the size of this side's window. [`Telnet::set_window_size`] changes it.
    #[must_use]
    pub fn window_size(mut self, columns: u16, rows: u16) -> Self {
        self.settings().window_size = Some((columns, rows));
        self
    }

    /// For clients: tells a server that asks the type of this side's terminal, such as `xterm`.
    ///
    /// # Panics
    ///
    /// If the name is not 1 to 40 printable ASCII characters without spaces.
    #[track_caller]
    #[must_use]
    pub fn terminal_type(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        let named = terminal_type(name.as_bytes()).is_some();
        assert!(named, "{name:?} is not a terminal type: it must be 1 to 40 printable ASCII characters without spaces");
        self.settings().terminal_type = Some(name);
        self
    }

    /// Begins in raw mode: see [`Telnet::set_raw_mode`]. For clients, since a server's prompts do not end their line.
    #[must_use]
    pub fn raw_mode(mut self) -> Self {
        self.settings().raw = true;
        self
    }

    fn settings(&mut self) -> &mut Settings {
        Rc::make_mut(&mut self.settings)
    }
}

impl<F, T> Factory for TelnetFactory<F>
where
    F: FnMut(Telnet) -> T + 'static,
    T: IntoHandler<Telnet>,
    T::Handler: TelnetHandler,
{
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let settings = Rc::clone(&self.settings);
        let kind = TelnetKind::new(settings.window_size, settings.raw);
        let cut = TelnetReceiver {
            buffer: Buffer::default(),
            splitter: Splitter::new(settings.max_subnegotiation),
            editor: LineEditor::new(settings.max_length),
            charge: transport.charge_memory(0),
            settings,
        };
        protocol::build(transport, kind, cut, &mut self.build)
    }
}

impl<H: TelnetHandler> Cut<H> for TelnetReceiver {
    type Kind = TelnetKind;

    fn deliver(receiver: &mut Receiver<H, Self>, chunk: &[u8]) {
        let Receiver { handler, handle: telnet, cut } = receiver;
        let Self { buffer, splitter, editor, settings, charge } = cut;
        let ReceiverCell { delivery, kind } = &*telnet.0;
        let mut session = Session { handler, telnet, settings, editor };
        let next = |input: &mut Input<'_>| {
            // A command that has begun comes first.
            if splitter.is_in_data() && !kind.extra.borrow().is_empty() {
                splitter.begin_anew();
                input.put_in_front(&kind.extra.take());
            }
            let Some(mut rest) = input.raw(usize::MAX) else { return false };
            let outcome = match splitter.next(&mut rest, kind.mode()) {
                Ok(Some(piece)) => session.piece(piece),
                Ok(None) => Ok(()),
                Err(error) => Err(CloseReason::failed(error)),
            };
            let left = rest.len();
            input.take_back(left);
            if let Err(reason) = outcome {
                delivery.transport.lose_connection_with(reason);
            }
            true
        };
        delivery.cut(buffer.input(chunk), next);
        charge.set(splitter.held_bytes() + session.editor.held_bytes());
    }

    fn end_of_stream(receiver: &mut Receiver<H, Self>) -> OnEof {
        let Receiver { handler, handle, cut } = receiver;
        // What is left of the input is at most the beginning of a command.
        handle.0.delivery.end_of_stream(&mut cut.buffer, |_| handler.eof_received(&cut.editor.take()))
    }

    fn tell(receiver: &mut Receiver<H, Self>, event: Event) {
        let Receiver { handler, handle: telnet, cut } = receiver;
        match event {
            Event::ConnectionMade => {
                if cut.settings.asks_terminal_type {
                    telnet.enable(Side::Remote, TelnetOption::TERMINAL_TYPE);
                }
                if cut.settings.asks_window_size {
                    telnet.enable(Side::Remote, TelnetOption::WINDOW_SIZE);
                }
                handler.connection_made();
            }
            Event::PauseWriting => handler.pause_writing(),
            Event::ResumeWriting => handler.resume_writing(),
            Event::ConnectionLost(reason) => handler.connection_lost(reason),
        }
    }
}

/// What a piece of the stream is for.
struct Session<'a, H> {
    handler: &'a mut H,
    telnet: &'a Telnet,
    settings: &'a Settings,
    editor: &'a mut LineEditor,
}

impl<H: TelnetHandler> Session<'_, H> {
    /// An error is the reason to close the connection.
    fn piece(&mut self, piece: Piece<'_>) -> Result<(), CloseReason> {
        match piece {
            Piece::Data { bytes, .. } if self.telnet.0.kind.is_raw() => self.handler.raw_data_received(bytes),
            Piece::Data { bytes, ends_line: false } => {
                self.editor.add(bytes).map_err(|LineTooLong| self.too_long())?;
            }
            Piece::Data { bytes, ends_line: true } => {
                let line = self.editor.end(bytes).map_err(|LineTooLong| self.too_long())?;
                self.telnet.transport().note_message();
                self.handler.line_received(&line);
            }
            Piece::Command(command) => {
                match command {
                    TelnetCommand::ERASE_CHARACTER => self.editor.erase_character(),
                    TelnetCommand::ERASE_LINE => self.editor.erase_line(),
                    _ => {}
                }
                self.handler.command_received(command);
            }
            Piece::Negotiation(verb, option) => {
                let (side, _) = verb.received();
                let proposed = self.telnet.0.kind.options.borrow().is_proposal(verb, option);
                let agree = proposed && (self.is_configured(side, option) || self.handler.accept_option(side, option));
                let (answer, ended) = self.telnet.0.kind.options.borrow_mut().received(verb, option, agree);
                if let Some(answer) = answer {
                    self.telnet.send_verb(answer, option);
                }
                if let Some(enabled) = ended {
                    if enabled && self.is_configured(side, option) {
                        self.begin(side, option);
                    }
                    self.handler.option_negotiated(side, option, enabled);
                }
            }
            Piece::Subnegotiation(option, data) => self.subnegotiation(option, data),
        }
        Ok(())
    }

    fn too_long(&self) -> CloseReason {
        CloseReason::failed(format!("the peer sent a line of more than {} bytes", self.settings.max_length))
    }

    /// Whether the factory was told to use this option.
    fn is_configured(&self, side: Side, option: TelnetOption) -> bool {
        match (side, option) {
            (Side::Remote, TelnetOption::WINDOW_SIZE) => self.settings.asks_window_size,
            (Side::Remote, TelnetOption::TERMINAL_TYPE) => self.settings.asks_terminal_type,
            (Side::Local, TelnetOption::WINDOW_SIZE) => self.telnet.0.kind.window_size.get().is_some(),
            (Side::Local, TelnetOption::TERMINAL_TYPE) => self.settings.terminal_type.is_some(),
            _ => false,
        }
    }

    /// Does what follows the agreement on an option that the factory was told to use.
    fn begin(&self, side: Side, option: TelnetOption) {
        match (side, option) {
            (Side::Remote, TelnetOption::TERMINAL_TYPE) => self.telnet.send_subnegotiation(option, [SEND]),
            (Side::Local, TelnetOption::WINDOW_SIZE) => self.telnet.tell_window_size(),
            _ => {}
        }
    }

    fn subnegotiation(&mut self, option: TelnetOption, data: &[u8]) {
        let is_on = |side| self.telnet.is_enabled(side, option);
        let (here, there) = (is_on(Side::Local), is_on(Side::Remote));
        match (option, data) {
            (TelnetOption::WINDOW_SIZE, _) if there && self.settings.asks_window_size => {
                if let [a, b, c, d] = *data {
                    self.handler.window_size_changed(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                }
            }
            (TelnetOption::TERMINAL_TYPE, [IS, name @ ..]) if there && self.settings.asks_terminal_type => {
                if let Some(name) = terminal_type(name) {
                    self.handler.terminal_type_received(name);
                }
            }
            (TelnetOption::TERMINAL_TYPE, [SEND]) if here && self.settings.terminal_type.is_some() => {
                let name = self.settings.terminal_type.as_deref().unwrap_or_default();
                self.telnet.send_subnegotiation(option, [&[IS], name.as_bytes()].concat());
            }
            _ if here || there => self.handler.subnegotiation_received(option, data),
            _ => {}
        }
    }
}

/// The name of a terminal type, which may be shown as it is.
fn terminal_type(name: &[u8]) -> Option<&str> {
    let is_name = (1..=40).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic);
    if is_name { str::from_utf8(name).ok() } else { None }
}

/// What a subnegotiation about a terminal type begins with (RFC 1091).
const IS: u8 = 0;
const SEND: u8 = 1;

impl fmt::Debug for TelnetReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelnetReceiver").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for TelnetFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelnetFactory").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

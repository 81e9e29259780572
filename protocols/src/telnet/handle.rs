use std::cell::{Cell, RefCell};
use std::fmt;

use crate::receiver::handle::Handle;
use crate::telnet::code::{IAC, SB, SE, Side, TelnetCommand, TelnetOption, Verb};
use crate::telnet::negotiation::Options;
use crate::telnet::splitter::{Mode, escape};

/// A handle of one connection whose protocol is a [`TelnetReceiver`](crate::telnet::TelnetReceiver), with which a
/// [`TelnetHandler`](crate::telnet::TelnetHandler) sends and negotiates. [`Handle`] has what all handles share: closing,
/// pausing, timers.
///
/// [`Handle::write`] sends bytes as they are. That is right for text in UTF-8 whose lines end with CR LF; for anything else
/// use [`send`](Self::send), which escapes.
pub type Telnet = Handle<TelnetKind>;

/// The kind of [`Handle`] behind [`Telnet`], for code that is generic over handles.
pub struct TelnetKind {
    pub(crate) options: RefCell<Options>,
    pub(crate) window_size: Cell<Option<(u16, u16)>>,
    raw: Cell<bool>,
    /// What is to be received before everything else, as the peer would send it.
    pub(crate) extra: RefCell<Vec<u8>>,
}

impl Telnet {
    /// Sends data, escaped: lines may end with LF or CR LF, and any byte may be among them. Twisted's `write` of a
    /// `TelnetTransport`.
    pub fn send(&self, data: impl AsRef<[u8]>) {
        self.send_with(data.as_ref(), b"");
    }

    /// Sends a line, escaped, and its end, CR LF.
    pub fn send_line(&self, line: impl AsRef<[u8]>) {
        self.send_with(line.as_ref(), b"\r\n");
    }

    fn send_with(&self, data: &[u8], end: &[u8]) {
        let mut escaped = Vec::with_capacity(data.len() + end.len());
        escape(data, self.is_enabled(Side::Local, TelnetOption::BINARY), &mut escaped);
        escaped.extend_from_slice(end);
        self.write(escaped);
    }

    /// Sends a command without arguments, such as [`INTERRUPT_PROCESS`](TelnetCommand::INTERRUPT_PROCESS).
    pub fn send_command(&self, command: TelnetCommand) {
        self.write([IAC, command.0]);
    }

    /// Sets whether the peer's terminal shows what its user types; at first it does. For a password, switch it off: this
    /// side then promises to echo, and does not. Send a line end after the password, because the user's own is not shown
    /// either.
    ///
    /// ```
    /// use protocols::telnet::{Telnet, TelnetHandler, TelnetReceiver};
    /// use reactor::testing::StringTransport;
    ///
    /// struct Login { telnet: Telnet, user: Option<Vec<u8>> }
    ///
    /// impl TelnetHandler for Login {
    ///     fn connection_made(&mut self) {
    ///         self.telnet.send("login: ");
    ///     }
    ///     fn line_received(&mut self, line: &[u8]) {
    ///         if self.user.is_none() {
    ///             self.user = Some(line.to_vec());
    ///             self.telnet.set_echo(false);
    ///             self.telnet.send("password: ");
    ///         } else {
    ///             self.telnet.set_echo(true);
    ///             self.telnet.send_line("\nwelcome");
    ///         }
    ///     }
    /// }
    ///
    /// let mut wire = StringTransport::connect(TelnetReceiver::factory(|telnet| Login { telnet, user: None }));
    /// wire.receive("root\r\n");
    /// assert_eq!(wire.take_written(), b"login: \xff\xfb\x01password: ");
    /// wire.receive(b"\xff\xfd\x01secret\r\n");
    /// assert_eq!(wire.take_written(), b"\xff\xfc\x01\r\nwelcome\r\n");
    /// ```
    pub fn set_echo(&self, shown: bool) {
        if shown {
            self.disable(Side::Local, TelnetOption::ECHO);
        } else {
            self.enable(Side::Local, TelnetOption::ECHO);
        }
    }

    /// Stops cutting into lines: what follows the line just received goes to
    /// [`raw_data_received`](crate::telnet::TelnetHandler::raw_data_received), until [`set_line_mode`](Self::set_line_mode).
    ///
    /// Clients send each character as it is typed once both [`ECHO`](TelnetOption::ECHO) and
    /// [`SUPPRESS_GO_AHEAD`](TelnetOption::SUPPRESS_GO_AHEAD) are [enabled](Self::enable) on this side, which then has to
    /// echo.
    pub fn set_raw_mode(&self) {
        self.0.kind.raw.set(true);
    }

    /// Cuts into lines again, beginning with `extra`: the bytes behind the end of the raw data, or `""`. It comes before
    /// all that was received and not delivered.
    pub fn set_line_mode(&self, extra: impl AsRef<[u8]>) {
        self.0.kind.raw.set(false);
        let extra = extra.as_ref();
        if !extra.is_empty() {
            let mut escaped = Vec::new();
            escape(extra, true, &mut escaped);
            self.0.kind.extra.borrow_mut().splice(..0, escaped);
            self.0.delivery.ask();
        }
    }

    /// Asks for an option. The outcome comes to
    /// [`option_negotiated`](crate::telnet::TelnetHandler::option_negotiated), unless the option is on already. Twisted's
    /// `will` and `do`.
    pub fn enable(&self, side: Side, option: TelnetOption) {
        self.request(side, option, true);
    }

    /// Asks for an option to be turned off, which the peer cannot refuse. Twisted's `wont` and `dont`.
    pub fn disable(&self, side: Side, option: TelnetOption) {
        self.request(side, option, false);
    }

    fn request(&self, side: Side, option: TelnetOption, on: bool) {
        let verb = self.0.kind.options.borrow_mut().request(side, option, on);
        if let Some(verb) = verb {
            self.send_verb(verb, option);
        }
    }

    /// Whether both sides have agreed on an option.
    pub fn is_enabled(&self, side: Side, option: TelnetOption) -> bool {
        self.0.kind.options.borrow().is_enabled(side, option)
    }

    /// Sends a subnegotiation about an option that is on, escaped. Twisted's `requestNegotiation`.
    pub fn send_subnegotiation(&self, option: TelnetOption, data: impl AsRef<[u8]>) {
        let mut sent = vec![IAC, SB, option.0];
        escape(data.as_ref(), true, &mut sent);
        sent.extend_from_slice(&[IAC, SE]);
        self.write(sent);
    }

    /// Tells the peer the size of this side's window, now if it has asked for that, and whenever it asks. For clients.
    pub fn set_window_size(&self, columns: u16, rows: u16) {
        if self.0.kind.window_size.replace(Some((columns, rows))) != Some((columns, rows)) {
            self.tell_window_size();
        }
    }

    pub(crate) fn tell_window_size(&self) {
        if let Some((columns, rows)) = self.0.kind.window_size.get()
            && self.is_enabled(Side::Local, TelnetOption::WINDOW_SIZE)
        {
            let size = [columns.to_be_bytes(), rows.to_be_bytes()].concat();
            self.send_subnegotiation(TelnetOption::WINDOW_SIZE, size);
        }
    }

    pub(crate) fn send_verb(&self, verb: Verb, option: TelnetOption) {
        self.write([IAC, verb as u8, option.0]);
    }
}

impl TelnetKind {
    pub(crate) fn new(window_size: Option<(u16, u16)>, raw: bool) -> Self {
        Self {
            options: RefCell::default(),
            window_size: Cell::new(window_size),
            raw: Cell::new(raw),
            extra: RefCell::default(),
        }
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.raw.get()
    }

    /// How the peer's data is cut.
    pub(crate) fn mode(&self) -> Mode {
        match (self.raw.get(), self.options.borrow().is_enabled(Side::Remote, TelnetOption::BINARY)) {
            (false, _) => Mode::Lines,
            (true, false) => Mode::Raw,
            (true, true) => Mode::Binary,
        }
    }
}

impl fmt::Debug for TelnetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelnetKind")
            .field("raw", &self.raw.get())
            .field("options", &self.options.borrow())
            .finish_non_exhaustive()
    }
}

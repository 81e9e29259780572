use std::fmt;

/// An option of the Telnet protocol, by its number: what one side may do beyond the basic terminal, if the other agrees.
///
/// ```
/// use protocols::telnet::TelnetOption;
///
/// assert_eq!(TelnetOption::WINDOW_SIZE, TelnetOption(31));
/// assert_eq!(TelnetOption::ECHO.to_string(), "ECHO");
/// assert_eq!(TelnetOption(200).to_string(), "option 200");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TelnetOption(pub u8);

impl TelnetOption {
    /// Sends bytes as they are, without the rules for line ends (RFC 856).
    pub const BINARY: Self = Self(0);
    /// Shows what the other side's user types (RFC 857).
    pub const ECHO: Self = Self(1);
    /// Sends no `GO AHEAD`; with [`ECHO`](Self::ECHO), clients send each character at once (RFC 858).
    pub const SUPPRESS_GO_AHEAD: Self = Self(3);
    /// Tells its terminal type when asked (RFC 1091).
    pub const TERMINAL_TYPE: Self = Self(24);
    /// Marks the ends of records, such as prompts, by a command (RFC 885).
    pub const END_OF_RECORD: Self = Self(25);
    /// Tells the size of its window, at once and whenever it changes: NAWS (RFC 1073).
    pub const WINDOW_SIZE: Self = Self(31);
    /// Edits lines as the other side wants it (RFC 1184).
    pub const LINEMODE: Self = Self(34);
    /// Tells environment variables (RFC 1572).
    pub const NEW_ENVIRON: Self = Self(39);
    /// Agrees on a character set (RFC 2066).
    pub const CHARSET: Self = Self(42);
}

impl fmt::Display for TelnetOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::BINARY => "BINARY",
            Self::ECHO => "ECHO",
            Self::SUPPRESS_GO_AHEAD => "SUPPRESS-GO-AHEAD",
            Self::TERMINAL_TYPE => "TERMINAL-TYPE",
            Self::END_OF_RECORD => "END-OF-RECORD",
            Self::WINDOW_SIZE => "NAWS",
            Self::LINEMODE => "LINEMODE",
            Self::NEW_ENVIRON => "NEW-ENVIRON",
            Self::CHARSET => "CHARSET",
            Self(number) => return write!(f, "option {number}"),
        })
    }
}

/// The side of a connection that performs an [option](TelnetOption).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// This side: the option is offered by `WILL`, and requested by `DO` of the peer.
    Local,
    /// The peer: the option is requested by `DO`, and offered by `WILL` of the peer.
    Remote,
}

/// A command of the Telnet protocol without arguments (RFC 854), by its code.
///
/// ```
/// use protocols::telnet::TelnetCommand;
///
/// assert_eq!(TelnetCommand::ARE_YOU_THERE, TelnetCommand(246));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TelnetCommand(pub u8);

impl TelnetCommand {
    /// The user's terminal has no more input (RFC 1184).
    pub const END_OF_FILE: Self = Self(236);
    /// Suspend the running program (RFC 1184).
    pub const SUSPEND: Self = Self(237);
    /// Abort the running program (RFC 1184).
    pub const ABORT: Self = Self(238);
    /// The end of a record, such as a prompt (RFC 885).
    pub const END_OF_RECORD: Self = Self(239);
    /// Nothing; keeps a connection from being idle.
    pub const NO_OPERATION: Self = Self(241);
    /// The mark behind which an urgent notification is over.
    pub const DATA_MARK: Self = Self(242);
    /// The user has pressed the break key.
    pub const BREAK: Self = Self(243);
    /// Interrupt the running program.
    pub const INTERRUPT_PROCESS: Self = Self(244);
    /// Let the program run on, and send no more of its output.
    pub const ABORT_OUTPUT: Self = Self(245);
    /// Answer with anything that the user can see.
    pub const ARE_YOU_THERE: Self = Self(246);
    /// Erase the last character.
    pub const ERASE_CHARACTER: Self = Self(247);
    /// Erase the line.
    pub const ERASE_LINE: Self = Self(248);
    /// It is the other side's turn to send.
    pub const GO_AHEAD: Self = Self(249);

    /// The command with this code, unless the code has arguments or another meaning.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        matches!(code, 236..=239 | 241..=249).then_some(Self(code))
    }
}

/// The beginning of a command, and the byte 255 of data if it is doubled.
pub(crate) const IAC: u8 = 255;
/// The beginning of a subnegotiation, and its end.
pub(crate) const SB: u8 = 250;
pub(crate) const SE: u8 = 240;

/// What negotiations consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Verb {
    Will = 251,
    Wont = 252,
    Do = 253,
    Dont = 254,
}

impl Verb {
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Will, Self::Wont, Self::Do, Self::Dont].into_iter().find(|verb| *verb as u8 == code)
    }

    /// The side whose option a received verb is about, and whether it wants it on.
    pub(crate) fn received(self) -> (Side, bool) {
        match self {
            Self::Will => (Side::Remote, true),
            Self::Wont => (Side::Remote, false),
            Self::Do => (Side::Local, true),
            Self::Dont => (Side::Local, false),
        }
    }

    /// The verb to send about an option of this side.
    pub(crate) fn to_send(side: Side, on: bool) -> Self {
        match (side, on) {
            (Side::Local, true) => Self::Will,
            (Side::Local, false) => Self::Wont,
            (Side::Remote, true) => Self::Do,
            (Side::Remote, false) => Self::Dont,
        }
    }
}

use reactor::{CloseReason, OnEof};

use crate::receiver::into_handler::IntoHandler;
use crate::telnet::code::{Side, TelnetCommand, TelnetOption};
use crate::telnet::handle::Telnet;

/// What a user of [`TelnetReceiver`](crate::telnet::TelnetReceiver) implements: a protocol whose callbacks get lines, and
/// what is negotiated.
///
/// It is built with its [`Telnet`], the handle that sends, and keeps it in a plain field. Only
/// [`line_received`](Self::line_received) is required. The callbacks come in the order of the stream, as in
/// [`LineHandler`](crate::LineHandler); they stop while reading is paused, while the answers exceed 64 KiB, and once the
/// connection is closing.
pub trait TelnetHandler: 'static {
    /// The connection is established; the factory's options are being asked for, and nothing has been received.
    fn connection_made(&mut self) {}

    /// The peer's user has entered this line, passed without its end. Backspace, delete and control-U were already
    /// applied; any other bytes may be among these.
    fn line_received(&mut self, line: &[u8]);

    /// The peer sent these bytes, at least one, in raw mode ([`Telnet::set_raw_mode`]). They are cut anywhere. The default
    /// discards them. Twisted's `applicationDataReceived`.
    fn raw_data_received(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The peer sent a command, such as [`INTERRUPT_PROCESS`](TelnetCommand::INTERRUPT_PROCESS). In line mode,
    /// those that erase a character or the line were already applied. The default does nothing. Twisted's
    /// `unhandledCommand`.
    fn command_received(&mut self, command: TelnetCommand) {
        let _ = command;
    }

    /// The peer wants this option on: to perform it itself ([`Side::Remote`]), or to have it performed here
    /// ([`Side::Local`]). Returns whether to agree. It is not called for what the program has asked for. Twisted's
    /// `enableRemote` and `enableLocal`.
    ///
    /// The default agrees that the peer sends no `GO AHEAD`, and to nothing else. It refuses the same for this side,
    /// because some clients would then send each character at once, and their users could not edit the line.
    fn accept_option(&mut self, side: Side, option: TelnetOption) -> bool {
        side == Side::Remote && option == TelnetOption::SUPPRESS_GO_AHEAD
    }

    /// A negotiation has ended: the option is on or off now. It also comes, with `enabled` false, when the peer has refused
    /// what was asked for. Twisted's `disableLocal`, `disableRemote`, and the Deferreds of `will`, `do` and their kin.
    fn option_negotiated(&mut self, side: Side, option: TelnetOption, enabled: bool) {
        let _ = (side, option, enabled);
    }

    /// The peer sent a subnegotiation about an option that is on, on either side. Those of options that the factory has
    /// asked for do not come here. Twisted's `unhandledSubnegotiation`.
    fn subnegotiation_received(&mut self, option: TelnetOption, data: &[u8]) {
        let _ = (option, data);
    }

    /// The peer's window has this size now; 0 is unknown. It comes if
    /// [`ask_window_size`](crate::telnet::TelnetFactory::ask_window_size) was called.
    fn window_size_changed(&mut self, columns: u16, rows: u16) {
        let _ = (columns, rows);
    }

    /// The peer's terminal is of this type, as `xterm-256color`: up to 40 printable ASCII characters without spaces. It
    /// comes if [`ask_terminal_type`](crate::telnet::TelnetFactory::ask_terminal_type) was called.
    fn terminal_type_received(&mut self, name: &str) {
        let _ = name;
    }

    /// The peer has ended its stream; nothing follows. `unfinished` is the beginning of a line. The return value says
    /// whether this side goes on sending.
    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        let _ = unfinished;
        OnEof::Close
    }

    /// As [`Protocol::pause_writing`](reactor::Protocol::pause_writing).
    fn pause_writing(&mut self) {}

    /// As [`Protocol::resume_writing`](reactor::Protocol::resume_writing).
    fn resume_writing(&mut self) {}

    /// The connection has ended; this is the last callback. Twisted's `connectionLost`.
    fn connection_lost(&mut self, reason: CloseReason) {
        let _ = reason;
    }
}

impl<H: TelnetHandler> IntoHandler<Telnet> for H {
    type Handler = H;

    fn into_handler(self) -> Option<H> {
        Some(self)
    }
}

use std::cell::RefCell;

use reactor::testing::{Pair, StringTransport, every_cut};

use super::*;

type Log = Rc<RefCell<Vec<String>>>;

/// Writes down what happens. Lines that are commands for it do as they say.
struct Probe {
    telnet: Telnet,
    log: Log,
}

impl Probe {
    fn add(&self, text: impl Into<String>) {
        self.log.borrow_mut().push(text.into());
    }
}

impl TelnetHandler for Probe {
    fn line_received(&mut self, line: &[u8]) {
        self.add(format!("line {}", line.escape_ascii()));
        match line {
            b"hide" => self.telnet.set_echo(false),
            b"show" => self.telnet.set_echo(true),
            b"raw" => self.telnet.set_raw_mode(),
            b"pause" => self.telnet.pause_reading(),
            b"close" => self.telnet.lose_connection(),
            _ => {}
        }
    }

    fn raw_data_received(&mut self, data: &[u8]) {
        let end = data.iter().position(|byte| *byte == b'!').map_or(data.len(), |at| at + 1);
        let (data, extra) = data.split_at(end);
        if data.ends_with(b"!") {
            self.telnet.set_line_mode(extra);
        }
        let mut log = self.log.borrow_mut();
        match log.last_mut().filter(|line| line.starts_with("raw ")) {
            Some(line) => *line += &data.escape_ascii().to_string(),
            None => log.push(format!("raw {}", data.escape_ascii())),
        }
    }

    fn command_received(&mut self, command: TelnetCommand) {
        self.add(format!("command {}", command.0));
    }

    fn accept_option(&mut self, side: Side, option: TelnetOption) -> bool {
        // It may use its handle.
        self.telnet.is_enabled(side, option);
        (side, option) == (Side::Local, TelnetOption::END_OF_RECORD) || option == TelnetOption::BINARY
    }

    fn option_negotiated(&mut self, side: Side, option: TelnetOption, enabled: bool) {
        assert_eq!(self.telnet.is_enabled(side, option), enabled);
        self.add(format!("{side:?} {option} {enabled}"));
    }

    fn subnegotiation_received(&mut self, option: TelnetOption, data: &[u8]) {
        self.add(format!("about {option}: {}", data.escape_ascii()));
    }

    fn window_size_changed(&mut self, columns: u16, rows: u16) {
        self.add(format!("{columns} by {rows}"));
    }

    fn terminal_type_received(&mut self, name: &str) {
        self.add(format!("terminal {name}"));
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.add(format!("end {}", unfinished.escape_ascii()));
        OnEof::Close
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.add(reason.to_string());
    }
}

fn probe(log: &Log) -> TelnetFactory<impl FnMut(Telnet) -> Probe + 'static> {
    let log = Rc::clone(log);
    TelnetReceiver::factory(move |telnet| Probe { telnet, log: Rc::clone(&log) })
}

/// What a probe writes down, and what it sends, however this is cut.
#[track_caller]
fn play(stream: impl AsRef<[u8]>) -> (Vec<String>, Vec<u8>) {
    every_cut(stream, |pieces| {
        let log = Log::default();
        let mut wire = StringTransport::connect(probe(&log).max_length(10).max_subnegotiation(8));
        for piece in pieces {
            wire.receive(piece);
        }
        wire.receive_eof();
        let lines = log.borrow().clone();
        (lines, wire.take_written())
    })
}

#[test]
fn lines_are_edited_and_commands_come_between_them() {
    let (log, sent) = play(b"on\xff\xf7e\r\n\xff\xf4two\x7f\0\r\0three\xff\xf8\nfo");
    let expected = [
        "command 247",
        "line oe",
        "command 244",
        "line tw\\x00",
        "command 248",
        "line ",
        "end fo",
        "connection closed cleanly",
    ];
    assert_eq!(log, expected);
    assert!(sent.is_empty());
}

#[test]
fn what_is_not_wanted_is_refused_and_what_is_agreed_to_is_told() {
    let (log, sent) = play(b"\xff\xfb\x03\xff\xfd\x03\xff\xfd\x19\xff\xfd\x19\xff\xfe\x19\xff\xfe\x03");
    assert_eq!(log[..2], ["Local END-OF-RECORD true", "Local END-OF-RECORD false"]);
    assert_eq!(sent, b"\xff\xfe\x03\xff\xfc\x03\xff\xfb\x19\xff\xfc\x19");
}

#[test]
fn what_a_user_types_is_hidden_and_shown_again() {
    let (log, sent) = play(b"hide\r\n\xff\xfd\x01pw\r\nshow\r\n\xff\xfe\x01");
    let expected = ["line hide", "Local ECHO true", "line pw", "line show", "Local ECHO false"];
    assert_eq!(log[..5], expected);
    assert_eq!(sent, b"\xff\xfb\x01\xff\xfc\x01");
    // A peer that refuses.
    let (log, sent) = play(b"hide\r\n\xff\xfe\x01show\r\n");
    assert_eq!(log[..3], ["line hide", "Local ECHO false", "line show"]);
    assert_eq!(sent, b"\xff\xfb\x01");
}

#[test]
fn raw_data_begins_behind_the_line_end_and_lines_behind_the_raw_data() {
    let (log, _) = play(b"raw\r\na\r\0b\r\n\xff\xff!li\xff\xffne\r\nmore\n");
    assert_eq!(log[..4], ["line raw", "raw a\\rb\\r\\n\\xff!", "line li\\xffne", "line more"]);
    let (log, _) = play(b"raw\r\n!\xff\xf6\n\r\0x\n");
    assert_eq!(log[..6], ["line raw", "raw !", "command 246", "line ", "line ", "line x"]);
    // With BINARY the NUL is data.
    let (log, _) = play(b"raw\r\n\xff\xfb\0a\r\0b");
    assert_eq!(log[..3], ["line raw", "Remote BINARY true", "raw a\\r\\x00b"]);
}

#[test]
fn a_line_or_a_subnegotiation_that_is_too_long_closes_and_says_so() {
    let (log, _) = play("0123456789\r\n01234567890\r\nx\r\n");
    assert_eq!(log, ["line 0123456789", "the peer sent a line of more than 10 bytes"]);
    let (log, _) = play(b"\xff\xfa\x18123456789\xff\xf0x\r\n");
    assert_eq!(log, ["the peer sent a telnet subnegotiation of more than 8 bytes"]);
}

#[test]
fn a_subnegotiation_counts_only_for_an_option_that_is_on() {
    let (log, _) = play(b"\xff\xfa\x19a\xff\xf0\xff\xfd\x19\xff\xfa\x19b\xff\xf0\xff\xfa\x1f\0\x50\0\x18\xff\xf0");
    assert_eq!(log[..2], ["Local END-OF-RECORD true", "about END-OF-RECORD: b"]);
    assert_eq!(log.len(), 4);
}

#[test]
fn nothing_is_delivered_while_paused_or_closing() {
    let log = Log::default();
    let mut wire = StringTransport::connect(probe(&log));
    wire.receive(b"pause\r\n\xff\xfd\x19next\r\nclose\r\nlost\r\n");
    assert_eq!(*log.borrow(), ["line pause"]);
    wire.protocol::<Probe>().telnet.resume_reading();
    wire.settle();
    assert_eq!(log.borrow()[1..4], ["Local END-OF-RECORD true", "line next", "line close"]);
    assert_eq!(log.borrow()[4..], ["connection closed cleanly"]);
}

#[test]
fn a_peer_that_negotiates_and_does_not_read_makes_nothing_pile_up() {
    let log = Log::default();
    let mut wire = StringTransport::connect(probe(&log));
    wire.stall(true);
    for _ in 0..100 {
        wire.receive(b"\xff\xfd\x03".repeat(10_000));
    }
    let unsent = wire.transport().unsent_bytes();
    assert!(unsent <= 2 * 65_536, "{unsent}");
    let reason = wire.close_reason();
    assert!(reason.is_none());
}

#[test]
fn a_window_and_a_terminal_are_told_by_the_client_to_the_server_that_asks() {
    let (server, client) = (Log::default(), Log::default());
    let mut pair = Pair::connect(
        probe(&client).window_size(80, 24).terminal_type("xterm").raw_mode(),
        probe(&server).ask_window_size().ask_terminal_type(),
    );
    pair.run_until_quiet();
    let told = ["Remote TERMINAL-TYPE true", "Remote NAWS true", "80 by 24", "terminal xterm"];
    assert_eq!(*server.borrow(), told);
    assert_eq!(*client.borrow(), ["Local TERMINAL-TYPE true", "Local NAWS true"]);
    let window = pair.client.protocol::<Probe>().telnet.clone();
    window.set_window_size(80, 24);
    window.set_window_size(255, 50);
    pair.run_until_quiet();
    assert_eq!(server.borrow()[4..], ["255 by 50"]);
}

#[test]
fn a_client_tells_nothing_that_it_was_not_told_to_tell() {
    let (server, client) = (Log::default(), Log::default());
    let mut pair = Pair::connect(probe(&client), probe(&server).ask_window_size().ask_terminal_type());
    pair.run_until_quiet();
    assert_eq!(*server.borrow(), ["Remote TERMINAL-TYPE false", "Remote NAWS false"]);
    assert!(client.borrow().is_empty());
}

#[test]
fn what_is_no_terminal_type_or_no_size_is_ignored() {
    let log = Log::default();
    let mut wire = StringTransport::connect(probe(&log).ask_window_size().ask_terminal_type());
    wire.receive(b"\xff\xfb\x18\xff\xfb\x1f");
    log.take();
    for name in [&b""[..], b"a b", b"\x1b[2J", "ü".as_bytes(), &[b'x'; 41]] {
        wire.receive([b"\xff\xfa\x18\0", name, b"\xff\xf0"].concat());
    }
    wire.receive(b"\xff\xfa\x1f\0\x50\0\xff\xf0\xff\xfa\x1f\xff\xf0\xff\xfa\x18\xff\xf0");
    assert_eq!(*log.borrow(), ["about TERMINAL-TYPE: "]);
}

#[test]
#[should_panic(
    expected = "\"a b\" is not a terminal type: it must be 1 to 40 printable ASCII characters without spaces"
)]
fn what_is_no_terminal_type_cannot_be_told() {
    let _ = probe(&Log::default()).terminal_type("a b");
}

#[test]
fn what_is_sent_is_escaped_and_lines_end_with_both() {
    let log = Log::default();
    let mut wire = StringTransport::connect(probe(&log));
    let telnet = wire.protocol::<Probe>().telnet.clone();
    telnet.send_line(b"a\xff");
    telnet.send("b\nc");
    telnet.send_command(TelnetCommand::ARE_YOU_THERE);
    telnet.send_subnegotiation(TelnetOption::CHARSET, b"\x01\xff");
    wire.settle();
    assert_eq!(wire.written(), b"a\xff\xff\r\nb\r\nc\xff\xf6\xff\xfa\x2a\x01\xff\xff\xff\xf0");
}

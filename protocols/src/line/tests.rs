use std::cell::{Cell, RefCell};
use std::io;
use std::time::Duration;

use reactor::layer::{self, Policy};
use reactor::testing::{StringTransport, every_cut, expect_panic};

use super::*;

/// Writes every callback down, and then does what the test says.
struct Probe {
    lines: Lines,
    log: Log,
    act: Act,
    on_eof: OnEof,
    on_long_line: OnLongLine,
}

type Log = Rc<RefCell<Vec<String>>>;
type Act = Box<dyn FnMut(&Lines, &str, &[u8])>;

impl Probe {
    fn called(&mut self, callback: &str, data: &[u8]) {
        self.log.borrow_mut().push(format!("{callback} {}", String::from_utf8_lossy(data)).trim_end().to_owned());
        (self.act)(&self.lines, callback, data);
    }
}

impl LineHandler for Probe {
    fn connection_made(&mut self) {
        self.called("made", b"");
    }

    fn line_received(&mut self, line: &[u8]) {
        self.called("line", line);
    }

    fn raw_data_received(&mut self, data: &[u8]) {
        self.called("raw", data);
    }

    fn line_length_exceeded(&mut self, data: &[u8]) -> OnLongLine {
        self.called("long", data);
        self.on_long_line
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.called("eof", unfinished);
        self.on_eof
    }

    fn pause_writing(&mut self) {
        self.called("pause", b"");
    }

    fn resume_writing(&mut self) {
        self.called("resume", b"");
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.called("lost", reason.to_string().as_bytes());
    }
}

struct Test {
    wire: StringTransport,
    log: Log,
    lines: Lines,
}

impl Test {
    /// What was called since this was last asked.
    fn log(&self) -> Vec<String> {
        self.log.take()
    }

    fn receive(&mut self, data: impl AsRef<[u8]>) -> Vec<String> {
        self.wire.receive(data);
        self.log()
    }

    fn resume(&mut self) -> Vec<String> {
        self.lines.resume_reading();
        assert_eq!(self.log(), [""; 0], "never called from inside a call of the handle");
        self.wire.settle();
        self.log()
    }
}

/// Counts the bytes that are received.
struct Count(Rc<Cell<usize>>);

impl Policy for Count {
    fn incoming(&mut self, data: &[u8]) {
        self.0.set(self.0.get() + data.len());
    }
}

type Made = Rc<RefCell<Option<(Log, Lines)>>>;

fn factory<A: FnMut(&Lines, &str, &[u8]) + 'static>(
    made: &Made,
    act: A,
    change: fn(&mut Probe),
) -> LineFactory<impl FnMut(Lines) -> Probe + use<A>> {
    let (made, mut act) = (Rc::clone(made), Some(act));
    LineReceiver::factory(move |lines| {
        let log = Log::default();
        made.replace(Some((Rc::clone(&log), lines.clone())));
        let act = Box::new(act.take().expect("one connection"));
        let mut probe = Probe { lines, log, act, on_eof: OnEof::Close, on_long_line: OnLongLine::Close };
        change(&mut probe);
        probe
    })
}

fn start(made: &Made, factory: impl Factory) -> Test {
    let wire = StringTransport::connect(factory);
    let (log, lines) = made.take().expect("the factory was called");
    assert_eq!(log.take(), ["made"]);
    Test { wire, log, lines }
}

fn connect(act: impl FnMut(&Lines, &str, &[u8]) + 'static) -> Test {
    let made = Made::default();
    start(&made, factory(&made, act, |_| ()).max_length(10))
}

fn idle(_: &Lines, _: &str, _: &[u8]) {}

#[test]
fn s220_lines_come_without_their_delimiters_and_empty_ones_too() {
    let mut test = connect(idle);
    assert_eq!(test.receive("a\r\n\r\nb\nc\r\nd"), ["line a", "line", "line b\nc"]);
    assert_eq!(test.receive("\r"), [""; 0]);
    assert_eq!(test.receive("\n"), ["line d"]);
}

#[test]
fn any_newline_takes_both_and_sends_cr_lf() {
    let made = Made::default();
    let factory = factory(&made, |lines, _, line| lines.send_line(line), |_| ());
    let mut test = start(&made, factory.any_newline());
    test.wire.take_written();
    assert_eq!(test.receive("a\nb\r"), ["line a"]);
    assert_eq!(test.receive("\n\r\r\n"), ["line b", "line \r".trim_end()]);
    assert_eq!(test.wire.written(), b"a\r\nb\r\n\r\r\n");
}

#[test]
fn a_delimiter_may_be_any_bytes() {
    let made = Made::default();
    let factory = factory(&made, |lines, _, line| lines.send_line(line), |_| ());
    let mut test = start(&made, factory.delimiter([0, 0]));
    assert_eq!(test.receive("a\0b\0\0c\0"), ["line a\0b"]);
    assert_eq!(test.receive("\0"), ["line c"]);
    assert_eq!(test.wire.written(), b"\0\0a\0b\0\0c\0\0");
}

#[test]
#[should_panic(expected = "a line cannot end with an empty delimiter")]
fn an_empty_delimiter_is_refused() {
    let _ = factory(&Made::default(), idle, |_| ()).delimiter("");
}

#[test]
#[should_panic(expected = "the factory refused the connection")]
fn a_closure_that_returns_none_refuses() {
    StringTransport::connect(LineReceiver::factory(|_| None::<Probe>));
}

#[test]
fn s224_nothing_is_delivered_after_lose_connection() {
    let mut test = connect(|lines, _, line| {
        if line == b"quit" {
            lines.send_line("bye");
            lines.lose_connection();
            assert!(lines.is_closing());
        }
    });
    assert_eq!(test.receive("a\r\nquit\r\nb\r\nc"), ["line a", "line quit", "lost connection closed cleanly"]);
    assert_eq!(test.receive("d\r\n"), [""; 0]);
    assert_eq!(test.wire.written(), b"bye\r\n");
    assert!(!test.lines.0.delivery.keeps(), "what will never be delivered need not be kept while output is sent");
}

#[test]
fn nothing_is_delivered_after_abort_connection() {
    let mut test = connect(|lines, callback, _| {
        if callback == "line" {
            lines.abort_connection();
        }
    });
    assert_eq!(test.receive("a\r\nb\r\n"), ["line a", "lost connection aborted on this side"]);
    assert!(test.wire.was_reset());
}

#[test]
fn s223_a_line_that_is_too_long_closes() {
    let mut test = connect(idle);
    assert_eq!(test.receive("0123456789\r\n0123456789\r"), ["line 0123456789"]);
    assert_eq!(
        test.receive("x0123456789\r\nrest"),
        ["long 0123456789\rx0123456789\r\nrest", "lost the peer sent a line of more than 10 bytes"]
    );
}

#[test]
fn a_handler_may_go_on_after_a_line_that_is_too_long() {
    let made = Made::default();
    // Skips the line, as far as it is there.
    let act = |lines: &Lines, callback: &str, data: &[u8]| {
        if callback == "long"
            && let Some(end) = data.iter().position(|byte| *byte == b'\n')
        {
            lines.set_line_mode(&data[end + 1..]);
        }
    };
    let factory = factory(&made, act, |probe| probe.on_long_line = OnLongLine::KeepReading);
    let mut test = start(&made, factory.max_length(3));
    assert_eq!(test.receive("abcd\r\nef\r\ng"), ["long abcd\r\nef\r\ng", "line ef"]);
    assert_eq!(test.receive("h\r\nijklm"), ["line gh", "long ijklm"]);
    assert_eq!(test.receive("n\r\n"), ["line n"], "what was not given back is gone");
}

#[test]
fn s227_a_pause_stops_delivery_at_once_and_what_is_left_comes_first_when_resumed() {
    let mut test = connect(|lines, _, line| {
        if line == b"pause" {
            lines.pause_reading();
        }
    });
    assert_eq!(test.receive("a\r\npause\r\nb\r\npause\r\nc\r\nd"), ["line a", "line pause"]);
    assert_eq!(test.receive("e\r\nf\r\n"), [""; 0]);
    assert_eq!(test.resume(), ["line b", "line pause"]);
    assert_eq!(test.resume(), ["line c", "line de", "line f"]);
    assert_eq!(test.resume(), [""; 0]);
    assert_eq!(test.receive("g\r\n"), ["line g"]);
}

#[test]
fn a_pause_undone_in_the_same_callback_changes_nothing() {
    let mut test = connect(|lines, _, _| {
        lines.pause_reading();
        lines.resume_reading();
    });
    assert_eq!(test.receive("a\r\nb\r\n"), ["line a", "line b"]);
    assert_eq!(test.receive("c\r\n"), ["line c"]);
}

#[test]
fn a_pause_of_the_transport_holds_only_what_was_not_read() {
    let mut test = connect(|lines, _, _| lines.transport().pause_reading());
    test.lines.transport().resume_reading();
    assert_eq!(test.receive("a\r\nb\r\nc"), ["line a", "line b"]);
    assert_eq!(test.receive("\r\n"), [""; 0]);
    test.lines.transport().resume_reading();
    test.wire.settle();
    assert_eq!(test.log(), ["line c"]);
}

#[test]
fn a_pause_between_resuming_and_delivery_holds() {
    let mut test = connect(|lines, _, line| {
        if line == b"pause" {
            lines.pause_reading();
        }
    });
    assert_eq!(test.receive("pause\r\na\r\n"), ["line pause"]);
    test.lines.resume_reading();
    test.lines.resume_reading();
    test.lines.pause_reading();
    test.wire.settle();
    assert_eq!(test.receive("b\r\n"), [""; 0]);
    assert_eq!(test.resume(), ["line a", "line b"]);
}

#[test]
fn s227_a_pause_in_raw_mode_holds_the_rest_too() {
    let mut test = connect(|lines, callback, data| {
        if callback == "raw" {
            lines.pause_reading();
            lines.set_line_mode(&data[1..]);
        } else {
            lines.set_raw_mode();
        }
    });
    assert_eq!(test.receive("-a\r\n-b\r\n-c"), ["raw -a\r\n-b\r\n-c"]);
    assert_eq!(test.resume(), ["line a", "raw -b\r\n-c"]);
    assert_eq!(test.resume(), ["line b", "raw -c"]);
    assert_eq!(test.resume(), [""; 0]);
    assert_eq!(test.receive("\r\n-"), ["line c", "raw -"]);
}

#[test]
fn one_line_after_another_is_answered_by_deferred_calls() {
    struct Slow {
        lines: Lines,
    }
    impl LineHandler for Slow {
        fn line_received(&mut self, line: &[u8]) {
            let line = line.to_vec();
            self.lines.pause_reading();
            self.lines.call_later(Duration::from_secs(1), |this: &mut Self| {
                this.lines.defer(async move { line }, |this: &mut Self, line| {
                    this.lines.send_line(line);
                    this.lines.resume_reading();
                });
            });
        }
    }
    let mut wire = StringTransport::connect(LineReceiver::factory(|lines| Slow { lines }));
    wire.receive("a\r\nb\r\nc\r\n");
    wire.receive("d\r\n");
    assert_eq!(wire.take_written(), b"");
    for answer in ["a\r\n", "b\r\n", "c\r\n", "d\r\n", ""] {
        wire.advance(Duration::from_secs(1));
        assert_eq!(wire.take_written(), answer.as_bytes());
    }
}

#[test]
fn s225_raw_mode_takes_the_rest_of_the_chunk() {
    let mut test = connect(|lines, _, line| {
        if line == b"raw" {
            lines.set_raw_mode();
        }
    });
    assert_eq!(test.receive("a\r\nraw\r\nb\r\nc"), ["line a", "line raw", "raw b\r\nc"]);
    assert_eq!(test.receive("0123456789abcdefgh"), ["raw 0123456789abcdefgh"]);
    test.lines.set_line_mode("");
    assert_eq!(test.receive("d\r\n"), ["line d"]);
}

#[test]
fn raw_mode_set_from_outside_takes_the_beginning_of_a_line() {
    let mut test = connect(idle);
    assert_eq!(test.receive("a\r\nb"), ["line a"]);
    test.lines.set_raw_mode();
    assert_eq!(test.log(), [""; 0]);
    test.wire.settle();
    assert_eq!(test.log(), ["raw b"]);
}

#[test]
fn s226_extra_comes_before_what_is_buffered_wherever_line_mode_is_set() {
    let mut test = connect(|lines, callback, data| match (callback, data) {
        ("raw", _) => lines.set_line_mode("extra\r\nwith "),
        ("line", b"raw") => lines.set_raw_mode(),
        ("line", b"put") => lines.set_line_mode("2\r\n3\r\n"),
        ("line", b"twice") => {
            lines.set_line_mode("2\r\n");
            lines.set_line_mode("1\r\n");
        }
        ("line", b"pause") => lines.pause_reading(),
        _ => {}
    });
    assert_eq!(test.receive("put\r\n4\r\n"), ["line put", "line 2", "line 3", "line 4"]);
    assert_eq!(test.receive("twice\r\n3\r\n4"), ["line twice", "line 1", "line 2", "line 3"]);
    assert_eq!(test.receive("\r\nraw\r\n-"), ["line 4", "line raw", "raw -", "line extra"]);
    assert_eq!(test.receive("this\r\npause\r\nb\r\n"), ["line with this", "line pause"]);
    test.lines.set_line_mode("a\r\n");
    test.wire.settle();
    assert_eq!(test.log(), [""; 0]);
    assert_eq!(test.resume(), ["line a", "line b"]);
    test.lines.set_line_mode("c\r\n");
    assert_eq!(test.log(), [""; 0], "never called from inside a call of the handle");
    test.wire.settle();
    assert_eq!(test.log(), ["line c"]);
}

#[test]
fn s225_modes_may_alternate_any_number_of_times_in_one_chunk() {
    struct Alternating {
        lines: Lines,
        count: usize,
    }
    impl LineHandler for Alternating {
        fn line_received(&mut self, line: &[u8]) {
            assert_eq!(line, b"a");
            self.count += 1;
            if self.count == 100_000 {
                self.lines.send_line("done");
            }
            self.lines.set_raw_mode();
        }

        fn raw_data_received(&mut self, data: &[u8]) {
            self.lines.set_line_mode(&data[1..]);
        }
    }
    // Once as one piece, once as the wire cuts it.
    let input = &"-a\r\n".repeat(100_000)[1..];
    let extra = input.to_owned();
    let wire = StringTransport::connect(LineReceiver::factory(move |lines| {
        lines.set_line_mode(&extra);
        Alternating { lines, count: 0 }
    }));
    assert_eq!(wire.written(), b"done\r\n");
    let mut wire = StringTransport::connect(LineReceiver::factory(|lines| Alternating { lines, count: 0 }));
    wire.receive(input);
    assert_eq!(wire.written(), b"done\r\n");
}

#[test]
fn lines_and_raw_data_are_the_same_in_every_cut() {
    let handled = every_cut("a\r\nraw\r\n\r\nb\r\n", |pieces| {
        let raw = Rc::new(RefCell::new(String::new()));
        let seen = Rc::clone(&raw);
        let mut test = connect(move |lines, callback, data| match (callback, data) {
            ("line", b"raw") => lines.set_raw_mode(),
            ("line", b"a") => lines.pause_reading(),
            ("raw", _) => {
                // Two bytes of it.
                let mut seen = seen.borrow_mut();
                let (own, rest) = data.split_at(data.len().min(2 - seen.len()));
                seen.push_str(str::from_utf8(own).expect("ASCII"));
                if seen.len() == 2 {
                    lines.set_line_mode(rest);
                }
            }
            _ => {}
        });
        let mut log = Vec::new();
        for piece in pieces {
            log.extend(test.receive(piece));
            log.extend(test.resume());
        }
        log.retain(|entry| !entry.starts_with("raw"));
        (log, raw.take())
    });
    assert_eq!(handled, (["line a", "line raw", "line b"].map(str::to_owned).to_vec(), "\r\n".to_owned()));
}

#[test]
fn s228_the_line_buffer_can_be_cleared_from_inside_and_outside() {
    let mut test = connect(|lines, _, line| match line {
        b"clear" => lines.clear_line_buffer(),
        b"instead" => {
            lines.set_line_mode("gone\r\n");
            lines.clear_line_buffer();
            lines.set_line_mode("new\r\n");
        }
        b"pause" => lines.pause_reading(),
        _ => {}
    });
    assert_eq!(test.receive("clear\r\na\r\nb"), ["line clear"]);
    assert_eq!(test.receive("c\r\ninstead\r\nd\r\ne"), ["line c", "line instead", "line new"]);
    assert_eq!(test.receive("f\r\npause\r\ng\r\n"), ["line f", "line pause"]);
    test.lines.clear_line_buffer();
    test.wire.settle();
    assert_eq!(test.resume(), [""; 0]);
    assert_eq!(test.receive("h\r\ni"), ["line h"]);
    test.lines.clear_line_buffer();
    assert_eq!(test.receive("j\r\n"), ["line j"]);
}

#[test]
fn the_end_of_the_stream_comes_with_the_unfinished_line() {
    let mut test = connect(|lines, callback, data| {
        if callback == "eof" {
            lines.send_line(data);
        }
    });
    assert_eq!(test.receive("a\r\nb"), ["line a"]);
    test.wire.receive_eof();
    assert_eq!(test.log(), ["eof b", "lost connection closed cleanly"]);
    assert_eq!(test.wire.written(), b"b\r\n");
}

#[test]
fn the_end_of_the_stream_waits_behind_lines_that_wait() {
    for closes in [true, false] {
        let made = Made::default();
        let act = |lines: &Lines, callback: &str, line: &[u8]| {
            lines.send_line(callback);
            if line == b"pause" {
                lines.pause_reading();
            }
        };
        let change: fn(&mut Probe) = if closes { |_| () } else { |probe| probe.on_eof = OnEof::KeepWriting };
        let mut test = start(&made, factory(&made, act, change));
        assert_eq!(test.receive("pause\r\na\r\nb"), ["line pause"]);
        test.wire.receive_eof();
        assert_eq!(test.log(), [""; 0]);
        let log = test.resume();
        assert_eq!(log[..2], ["line a", "eof b"]);
        assert_eq!(log.len(), if closes { 3 } else { 2 });
        assert_eq!(test.wire.written(), b"made\r\nline\r\nline\r\neof\r\n");
        assert_eq!(test.wire.close_reason().is_some(), closes);
    }
}

#[test]
fn lines_that_wait_are_not_lost_when_both_sides_have_ended_their_streams() {
    for write_eof_first in [true, false] {
        let mut test = connect(|lines, _, _| lines.pause_reading());
        assert_eq!(test.resume(), [""; 0]);
        if write_eof_first {
            test.lines.transport().write_eof();
        }
        assert_eq!(test.receive("a\r\nb\r\nc"), ["line a"]);
        test.wire.receive_eof();
        test.lines.transport().write_eof();
        assert_eq!(test.resume(), ["line b"]);
        assert_eq!(test.resume(), ["eof c", "lost connection closed cleanly"]);
    }
}

#[test]
fn the_end_of_the_stream_is_not_told_after_lose_connection() {
    let mut test = connect(|lines, _, line| match line {
        b"pause" => lines.pause_reading(),
        b"quit" => lines.lose_connection(),
        _ => {}
    });
    assert_eq!(test.receive("pause\r\nquit\r\na\r\n"), ["line pause"]);
    test.wire.receive_eof();
    assert_eq!(test.resume(), ["line quit", "lost connection closed cleanly"]);
}

#[test]
fn s229_a_panic_ends_the_connection_and_only_connection_lost_follows() {
    let mut test = connect(|_, _, line| assert_ne!(line, b"bad", "no such line"));
    let log = expect_panic("no such line", || test.receive("a\r\nbad\r\nb\r\n"));
    assert_eq!(log[..2], ["line a", "line bad"]);
    assert!(log[2].starts_with("lost a callback panicked: ") && log[2].contains("no such line"), "{log:?}");
    assert_eq!(log.len(), 3);
    assert!(test.wire.was_reset());
    test.lines.set_line_mode("c\r\n");
    assert_eq!(test.resume(), [""; 0]);
}

#[test]
fn a_broken_connection_is_told_while_lines_wait() {
    let mut test = connect(|lines, _, _| lines.pause_reading());
    assert_eq!(test.receive("a\r\nb\r\n"), [""; 0], "paused when it was made");
    assert_eq!(test.resume(), ["line a"]);
    test.wire.break_connection(io::ErrorKind::ConnectionReset.into());
    assert_eq!(test.log(), ["lost connection lost: connection reset"]);
    assert_eq!(test.resume(), [""; 0]);
}

#[test]
fn s231_calls_of_the_handle_never_nest_callbacks() {
    let depth = Rc::new(RefCell::new(0));
    let other = Rc::new(RefCell::new(None::<Lines>));
    let mut second = connect(|lines, _, _| lines.pause_reading());
    other.replace(Some(second.lines.clone()));
    let mut test = connect(move |lines, _, _| {
        assert_eq!(depth.replace_with(|depth| *depth + 1), 0, "one callback inside another");
        for lines in [lines, other.borrow().as_ref().expect("set above")] {
            lines.set_raw_mode();
            lines.set_line_mode("");
            lines.pause_reading();
            lines.resume_reading();
            lines.send_line("x");
        }
        depth.replace(0);
    });
    assert_eq!(second.receive("a\r\nb\r\n"), ["line a"]);
    assert_eq!(test.receive("1\r\n2\r\n"), ["line 1", "line 2"]);
    assert_eq!(second.log(), [""; 0]);
    second.wire.settle();
    assert_eq!(second.log(), ["line b"]);
}

#[test]
fn lines_wait_while_the_answers_to_others_fill_the_output() {
    const LINES: usize = 50_000;
    const ANSWER: [u8; 98] = [b'x'; 98];
    let act = |lines: &Lines, callback: &str, _: &[u8]| {
        if callback == "line" {
            lines.send_line(ANSWER);
        }
    };
    let (made, received) = (Made::default(), Rc::new(Cell::new(0)));
    let (count, inside) = (Rc::clone(&received), factory(&made, act, |_| ()));
    let mut test = start(&made, layer::around(move |_| Count(Rc::clone(&count)), inside));
    test.lines.transport().set_output_limit(100_000);
    test.wire.stall(true);
    test.wire.receive("\r\n".repeat(LINES));
    let mut lines = 0;
    for _ in 0..LINES {
        lines += test.log().iter().filter(|entry| *entry == "line").count();
        assert!(received.get() <= 2 * lines + 65_536, "no more is read than one chunk");
        assert!(test.lines.transport().unsent_bytes() <= 65_536 + 100);
        if test.wire.written().len() == LINES * 100 {
            break;
        }
        test.wire.read(30_000);
    }
    assert_eq!((lines, test.wire.written().len()), (LINES, LINES * 100));
}

#[test]
fn output_that_answers_nothing_holds_no_line_back() {
    let mut test = connect(|lines, callback, _| {
        if callback == "line" {
            lines.call_later(Duration::ZERO, |probe: &mut Probe| probe.lines.send_line([b'x'; 100_000]));
        }
    });
    test.wire.stall(true);
    assert_eq!(test.receive("a\r\n"), ["line a", "pause"]);
    assert_eq!(test.receive("b\r\nc\r\n"), ["line b", "line c"]);
    test.wire.stall(false);
    assert_eq!(test.log(), ["resume"]);
}

#[test]
fn policies_are_told_of_lines_but_not_of_parts_of_one() {
    struct Told(Rc<Cell<usize>>);
    impl Policy for Told {
        fn message_received(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let (made, told) = (Made::default(), Rc::new(Cell::new(0)));
    let act = |lines: &Lines, _: &str, line: &[u8]| {
        if line == b"pause" {
            lines.pause_reading();
        }
    };
    let (count, inside) = (Rc::clone(&told), factory(&made, act, |_| ()));
    let mut test = start(&made, layer::around(move |_| Told(Rc::clone(&count)), inside));
    test.receive("a");
    assert_eq!(told.get(), 0);
    test.receive("\r\nb\r\npause\r\nc\r\n");
    assert_eq!(told.get(), 1, "once for a chunk");
    assert_eq!(test.resume(), ["line c"]);
    assert_eq!(told.get(), 2);
}

#[test]
fn everything_holds_inside_a_layer() {
    let made = Made::default();
    let act = |lines: &Lines, callback: &str, line: &[u8]| {
        if callback == "line" {
            lines.send_line([b'x'; 50_000]);
        }
        if line == b"pause" {
            lines.pause_reading();
        }
    };
    let inside = factory(&made, act, |_| ());
    let mut test = start(&made, layer::around(|_| Count(Rc::default()), inside));
    test.wire.stall(true);
    assert_eq!(test.receive("a\r\npause\r\nb\r\nc\r\nd\r\n"), ["line a", "line pause", "pause", "resume"]);
    test.wire.receive_eof();
    assert_eq!(test.resume(), ["line b", "line c", "pause"]);
    test.wire.stall(false);
    assert_eq!(test.log(), ["resume", "line d", "eof", "lost connection closed cleanly"]);
}

//! What becomes a line, and what raw data.

use super::*;

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

//! When lines are delivered, when they wait, and when they come no more.

use reactor::testing::expect_panic;

use super::*;

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

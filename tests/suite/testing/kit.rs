//! The testing kit itself: parsers with every cut, protocols under observation, and two of them connected.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use reactor::layer::{self, Policy};
use reactor::testing::{Pair, StringTransport, every_cut};
use reactor::{CloseReason, OnEof, Protocol, Transport};

/// The message of a panic.
#[track_caller]
fn panic_of(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap()
}

#[test]
fn a_short_input_is_cut_in_all_ways_there_are() {
    for length in 0..=14 {
        let mut ways = BTreeSet::new();
        let input = vec![b'x'; length];
        every_cut(&input, |pieces| {
            assert!(pieces.iter().all(|piece| !piece.is_empty()));
            assert_eq!(pieces.concat(), input);
            ways.insert(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>());
        });
        assert_eq!(ways.len(), 1 << length.saturating_sub(1), "of {length} bytes");
    }
}

#[test]
fn a_long_input_is_cut_byte_by_byte_in_two_everywhere_and_in_ten_thousand_random_ways() {
    let input: Vec<u8> = (0..4096).map(|n| (n % 251) as u8).collect();
    let mut ways = BTreeSet::new();
    let (mut whole, mut bytes, mut in_two, mut most) = (0, 0, 0, 0);
    every_cut(&input, |pieces| {
        assert_eq!(pieces.concat(), input);
        match pieces.len() {
            1 => whole += 1,
            2 => in_two += 1,
            4096 => bytes += 1,
            count => most = most.max(count),
        }
        ways.insert(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>());
    });
    assert_eq!((whole, bytes), (1, 1));
    assert!(in_two >= 4095 && most > 60, "{in_two} in two, up to {most} pieces");
    assert!(ways.len() > 13_000, "{} different ways", ways.len());
}

#[test]
fn a_parser_that_misses_a_divided_line_end_is_shown_the_one_cut_that_matters() {
    let count_lines = |pieces: &[&[u8]]| {
        let line_ends = |piece: &&[u8]| piece.windows(2).filter(|two| two == b"\r\n").count();
        pieces.iter().map(line_ends).sum::<usize>()
    };
    for input in ["a\r\nbc", "a line that is longer than those cut in all ways\r\nand its end"] {
        let said = panic_of(|| {
            every_cut(input, count_lines);
        });
        let (before, after) = input.split_once('\n').unwrap();
        let cut = format!("\"{}\" | \"\\n{after}\"", before.escape_default());
        assert_eq!(said, format!("the cut matters\n   cut: {cut}\n gives: 0\n whole: 1"));
    }
}

#[test]
fn a_difference_that_takes_two_cuts_is_found_and_no_third_is_shown() {
    let input = "0123456789".repeat(100);
    let said = panic_of(|| {
        every_cut(&input, |pieces| pieces.iter().any(|piece| *piece == b"4"));
    });
    assert!(said.contains("…\"4567890123456789\"") || said.contains(" | \"4\" | "), "{said}");
    assert_eq!(said.matches(" | ").count(), 2, "{said}");
}

/// Echoes in capitals, and counts the bytes.
struct Shout {
    transport: Transport,
    heard: usize,
}

impl Shout {
    fn new(transport: Transport) -> Self {
        Self { transport, heard: 0 }
    }
}

impl Protocol for Shout {
    fn data_received(&mut self, data: &[u8]) {
        self.heard += data.len();
        self.transport.write(data.to_ascii_uppercase());
    }
}

#[test]
fn a_protocol_is_cut_in_every_way_on_a_string_transport() {
    let input = "hello, world. ".repeat(100);
    let (written, heard) = every_cut(&input, |pieces| {
        let mut wire = StringTransport::connect(Shout::new);
        for piece in pieces {
            wire.receive(piece);
        }
        (String::from_utf8(wire.take_written()).unwrap(), wire.protocol::<Shout>().heard)
    });
    assert_eq!((written, heard), (input.to_ascii_uppercase(), 1400));
}

#[test]
fn what_a_test_asks_of_the_protocol_itself_is_carried_out() {
    let mut wire = StringTransport::connect(Shout::new);
    wire.receive("one");
    assert_eq!(wire.protocol::<Shout>().heard, 3);
    wire.take_written();
    wire.protocol::<Shout>().data_received(b"two");
    wire.settle();
    assert_eq!(wire.written(), b"TWO");
    wire.protocol::<Shout>().transport.lose_connection();
    wire.advance(Duration::ZERO);
    assert!(wire.close_reason().is_some());
}

#[test]
fn a_protocol_of_another_type_is_named() {
    let mut wire = StringTransport::connect(Shout::new);
    let said = panic_of(|| drop(wire.protocol::<String>()));
    assert!(said.contains("no `alloc::string::String` here") && said.contains("Shout`"), "{said}");
    wire.receive("still works");
    wire.transport().abort_connection();
    wire.settle();
    let said = panic_of(|| drop(wire.protocol::<Shout>()));
    assert!(said.contains("the connection has ended") && said.contains("Shout`"), "{said}");
}

/// A receiver around a handler.
struct Receiver(Handler);

struct Handler(u32);

impl Protocol for Receiver {
    fn data_received(&mut self, _data: &[u8]) {
        self.0.0 += 1;
    }

    fn handler(&mut self) -> Option<&mut dyn Any> {
        Some(&mut self.0)
    }
}

/// A policy that counts.
struct Count(usize);

impl Policy for Count {
    fn incoming(&mut self, data: &[u8]) {
        self.0 += data.len();
    }
}

#[test]
fn handlers_policies_and_what_is_inside_layers_are_found() {
    let mut wire = StringTransport::connect(layer::around(
        |_| Count(0),
        layer::around(|_| Count(100), |_: Transport| Receiver(Handler(0))),
    ));
    wire.receive("four");
    assert_eq!(wire.protocol::<Handler>().0, 1);
    assert_eq!(wire.protocol::<Receiver>().0.0, 1);
    assert_eq!(wire.protocol::<Count>().0, 4, "the outer one is found first");
}

#[test]
fn a_look_at_a_protocol_does_not_keep_its_connection_from_ending() {
    let dropped = Rc::new(Cell::new(false));
    struct Flagged(Rc<Cell<bool>>);
    impl Protocol for Flagged {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    impl Drop for Flagged {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let flag = Rc::clone(&dropped);
    let mut wire = StringTransport::connect(move |_: Transport| Flagged(Rc::clone(&flag)));
    assert!(!wire.protocol::<Flagged>().0.get());
    drop(wire);
    assert!(dropped.get(), "what the test drops, it owned");
}

/// Sends something when it is made, and logs what it receives.
struct Talk {
    transport: Transport,
    heard: Rc<RefCell<String>>,
    first: &'static str,
}

impl Protocol for Talk {
    fn connection_made(&mut self) {
        self.transport.write(self.first);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.heard.borrow_mut().push_str(&String::from_utf8_lossy(data));
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.heard.borrow_mut().push_str(&format!("<{reason}>"));
    }
}

type Heard = Rc<RefCell<String>>;

fn talkers() -> (Pair, Heard, Heard) {
    let (client, server) = (Heard::default(), Heard::default());
    let (by_client, by_server) = (Rc::clone(&client), Rc::clone(&server));
    let pair = Pair::connect(
        move |transport| Talk { transport, heard: Rc::clone(&by_client), first: "hello, server" },
        move |transport| Talk { transport, heard: Rc::clone(&by_server), first: "hello, client" },
    );
    (pair, client, server)
}

#[test]
fn s276_what_both_sides_of_a_pair_have_sent_is_in_flight_and_crosses_in_one_step() {
    let (mut pair, client, server) = talkers();
    assert_eq!((pair.client.written(), pair.server.written()), (&b"hello, server"[..], &b"hello, client"[..]));
    assert_eq!((&**client.borrow(), &**server.borrow()), ("", ""));
    assert!(pair.pump());
    assert_eq!((&**client.borrow(), &**server.borrow()), ("hello, client", "hello, server"));
    assert!(!pair.pump());
    assert_eq!(pair.client.transport().peer(), pair.server.transport().host());
}

#[test]
fn what_the_test_takes_from_the_wire_of_a_pair_never_arrives() {
    let (mut pair, client, server) = talkers();
    assert_eq!(pair.server.take_written(), b"hello, client");
    pair.client.receive("hello, forger");
    pair.run_until_quiet();
    assert_eq!((&**client.borrow(), &**server.borrow()), ("hello, forger", "hello, server"));
}

#[test]
fn s265_one_side_of_a_pair_closes_and_both_end_in_order() {
    let (mut pair, client, server) = talkers();
    pair.client.transport().lose_connection();
    pair.run_until_quiet();
    assert_eq!(*server.borrow(), "hello, server<connection closed cleanly>");
    assert_eq!(*client.borrow(), "<connection closed cleanly>", "nothing is delivered to who has closed");
    assert_eq!(pair.reactor().connection_count(), 0);
    pair.advance(Duration::from_secs(60));
    assert_eq!(pair.reactor().pending_call_count(), 0);
}

#[test]
fn an_abort_on_one_side_of_a_pair_is_a_reset_on_the_other_behind_what_was_sent() {
    let (mut pair, client, server) = talkers();
    pair.client.transport().abort_connection();
    pair.run_until_quiet();
    assert_eq!(*client.borrow(), "<connection aborted on this side>");
    assert!(server.borrow().starts_with("hello, server<connection lost"), "{server:?}");
}

#[test]
fn the_link_of_a_pair_breaks_for_both_and_what_is_in_flight_is_lost() {
    let (mut pair, client, server) = talkers();
    pair.break_link();
    pair.run_until_quiet();
    for heard in [client, server] {
        assert!(heard.borrow().starts_with("<connection lost"), "{heard:?}");
    }
}

#[test]
fn a_socket_of_a_pair_that_breaks_resets_the_other() {
    let (mut pair, client, server) = talkers();
    pair.run_until_quiet();
    pair.client.break_connection(io::ErrorKind::TimedOut.into());
    pair.run_until_quiet();
    assert_eq!(*client.borrow(), "hello, client<connection lost: timed out>");
    assert!(server.borrow().starts_with("hello, server<connection lost: connection reset"), "{server:?}");
}

/// Half-closes at once, and goes on sending.
struct Patient(Transport);

impl Protocol for Patient {
    fn data_received(&mut self, _data: &[u8]) {}

    fn eof_received(&mut self) -> OnEof {
        self.0.call_every(Duration::from_secs(5), |this: &mut Self, _| this.0.write("are you there?"));
        OnEof::KeepWriting
    }
}

#[test]
fn what_is_sent_to_the_side_of_a_pair_that_is_gone_comes_back_as_a_reset() {
    let client = Heard::default();
    let by_client = Rc::clone(&client);
    let mut pair = Pair::connect(move |transport| Talk { transport, heard: Rc::clone(&by_client), first: "" }, Patient);
    pair.client.transport().lose_connection();
    pair.run_until_quiet();
    assert!(pair.server.close_reason().is_none());
    pair.advance(Duration::from_secs(5));
    assert!(pair.server.close_reason().is_none(), "who does not read notices it with the next write");
    pair.advance(Duration::from_secs(5));
    assert!(matches!(pair.server.close_reason(), Some(CloseReason::Lost(_))), "{:?}", pair.server.close_reason());
}

#[test]
fn the_two_sides_of_a_pair_share_one_clock_and_answer_at_the_time_they_are_asked() {
    struct Asker(Transport, Rc<RefCell<Vec<Instant>>>);
    impl Protocol for Asker {
        fn connection_made(&mut self) {
            self.0.call_every(Duration::from_secs(10), |this: &mut Self, _| this.0.write("?"));
        }
        fn data_received(&mut self, _data: &[u8]) {
            self.1.borrow_mut().push(self.0.reactor().now());
        }
    }
    let times = Rc::new(RefCell::new(Vec::new()));
    let answered = Rc::clone(&times);
    let mut pair = Pair::connect(move |transport| Asker(transport, Rc::clone(&answered)), Shout::new);
    let start = pair.reactor().now();
    pair.advance(Duration::from_secs(35));
    let seconds: Vec<_> = times.borrow().iter().map(|time| (*time - start).as_secs()).collect();
    assert_eq!(seconds, [10, 20, 30]);
}

/// Writes without end.
struct Flood(Transport);

impl Protocol for Flood {
    fn connection_made(&mut self) {
        self.resume_writing();
    }

    fn data_received(&mut self, _data: &[u8]) {}

    fn resume_writing(&mut self) {
        while !self.0.is_full() {
            self.0.write([b'x'; 1000]);
        }
    }
}

#[test]
fn a_side_of_a_pair_that_does_not_read_makes_the_other_wait() {
    let mut pair = Pair::connect(Flood, Shout::new);
    pair.server.transport().pause_reading();
    pair.run_until_quiet();
    assert_eq!(pair.server.protocol::<Shout>().heard, 0);
    assert!(pair.client.transport().unsent_bytes() > 0);
    assert_eq!(pair.client.written().len(), 64 * 1024);
    pair.server.transport().resume_reading();
    for _ in 0..10 {
        pair.pump();
    }
    assert!(pair.server.protocol::<Shout>().heard >= 10 * 64 * 1024);
}

#[test]
fn s276_two_that_answer_each_other_for_ever_are_never_quiet() {
    let mut pair = Pair::connect(Shout::new, Shout::new);
    pair.client.transport().write("a");
    let said = panic_of(|| pair.run_until_quiet());
    assert!(said.contains("not quiet after 1000 rounds"), "{said}");
}
